"""The compilers of the machine, and the cache of what they made."""
