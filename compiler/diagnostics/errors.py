"""The errors that the compiler raises at users directly, and the base of all of the package's.

What belongs here: classes that both the compiler and the runtime's users know.  They are public as
``pydotcompute.errors``; what the compiler has to say about an actor is data (``diagnostics``).
"""

from __future__ import annotations


class PyDotComputeError(Exception):
    """Base of every error that pydotcompute raises on purpose."""


class SchemaError(PyDotComputeError, TypeError):
    """A message class has no fixed-size record: names the class, the field and what to write.

    Args:
        message: the sentence.
        field: the field at fault, or None when it is the class.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
