"""Refused messages: the error of a codec, and the public error a user gets for it.

Input: what was expected and what came, from ``fields``.  Output: one sentence that names kernel,
message class, field, expected and given.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydotcompute.errors import MessageTypeError, MessageValueError, given


class FieldError(Exception):
    """A value that a message, or a field of one, does not take.  Internal: see
    ``wrap_field_error``.

    Args:
        cls: the message class.
        field: path from the message (``"inner.items[3]"``), or None for the message itself.
        expected: what is taken.
        given: what came.
    """

    def __init__(self, cls: type, field: str | None, expected: str, given: str) -> None:
        super().__init__(cls, field, expected, given)
        self.cls = cls
        self.field = field
        self.expected = expected
        self.given = given
        self.advice = ""
        """What to write instead, as the end of the sentence."""
        self.index: int | None = None
        """Which message of a batch, from 0."""

    def sentence(self, kernel_id: str | None = None, subject: str | None = None) -> str:
        """The text for the user, naming kernel, message class, field, expected and given.

        Args:
            kernel_id: the kernel the message was for, or None.
            subject: who took the message, where there is no kernel.
        """
        kernel = "" if kernel_id is None else f"kernel {kernel_id!r}"
        number = "" if self.index is None else f"message {self.index} of the batch"
        if self.field is None:
            end = f", as {number}" if number else ""
            who = kernel or subject or self.cls.__name__
            return f"{who} takes {self.expected}, got {self.given}{end}"
        start = "".join(f"{part}: " for part in (kernel, number) if part)
        field = f"field {self.field!r} of {self.cls.__name__}"
        return f"{start}{field} takes {self.expected}, got {self.given}{self.advice}"


class FieldTypeError(FieldError):
    """A value of the wrong type."""


class FieldValueError(FieldError):
    """A value of the right type, outside of the range."""


def defined_anew(classes: Iterable[type], cls: type) -> bool:
    """Whether a class is a later definition of one of others, as when a notebook cell runs again.

    Args:
        classes: what was declared.
        cls: what came; none of them.
    """
    home = cls.__module__, cls.__qualname__
    return any(cls is not each and home == (each.__module__, each.__qualname__) for each in classes)


def wrap_field_error(
    kernel_id: str | None, error: FieldError, subject: str | None = None
) -> MessageTypeError | MessageValueError:
    """The public error for an internal one.

    Args:
        kernel_id: the kernel the message was for; None outside of a send.
        error: what a codec raised.
        subject: who took the message, where there is no kernel: ``"Request.array"``.
    """
    public = MessageValueError if isinstance(error, FieldValueError) else MessageTypeError
    text = error.sentence(kernel_id, subject)
    return public(text, kernel_id, error.field, error.expected, error.given)


def wrong_message(kernel_id: str, classes: Iterable[type], message: object) -> MessageTypeError:
    """The public error for a message that is of none of the classes a kernel takes.

    Args:
        kernel_id: the kernel.
        classes: what it takes.
        message: what it got.
    """
    expected = " or ".join(cls.__name__ for cls in classes)
    text = f"kernel {kernel_id!r} takes {expected}, got {given(message)}"
    return MessageTypeError(text, kernel_id, None, expected, given(message))


def wrong_class(cls: type, message: object) -> FieldTypeError:
    """The error for something that is not an instance of exactly ``cls``."""
    return FieldTypeError(cls, None, cls.__name__, given(message))
