"""The optional C extension."""
