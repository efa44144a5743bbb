"""The ``native`` engine: bursts of a compiled library on the caller's or a worker's thread."""
