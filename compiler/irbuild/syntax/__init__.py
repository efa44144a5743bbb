"""One rule for each class of Python's syntax."""
