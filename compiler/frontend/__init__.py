"""Python's syntax: source text, the receive loop, and analyses that need no types."""
