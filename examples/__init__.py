"""Actors to read and to run: each module is a script (``python examples/doubler.py``)."""
