"""The types of compiled code, where they come from, and the records that hold their values."""
