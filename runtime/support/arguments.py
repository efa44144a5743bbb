"""Arguments of calls, checked where they enter: times, counts and batches.

Input: whatever a user passed.  Output: the value as the runtime works with it, or one sentence.

>>> seconds("5")
Traceback (most recent call last):
TypeError: timeout takes a number of seconds or None, not '5'

What belongs here: checks that several calls share.  Messages and their fields are checked in
``slots`` and ``fields``, environment variables in ``settings``.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from pydotcompute.compiler.types.message_schema import is_message, schema_of
from pydotcompute.errors import MessageTypeError, describe, given


def seconds(value: Any, name: str = "timeout") -> float | None:
    """The time a call may take: None, or a plain float.

    Args:
        value: what was passed.
        name: of the argument.

    Raises:
        TypeError: it is no number, or NaN, or larger than any float.
    """
    return None if value is None else _number(value, f"{name} takes a number of seconds or None")


def duration(value: Any, name: str, *, zero: bool = False, never: bool = False) -> float:
    """A setting that is a time.

    Args:
        value: what was passed.
        name: of the argument.
        zero: whether 0 means something.
        never: whether the caller has taken None out, which means something.

    Raises:
        TypeError: it is no number.
        ValueError: it is negative, or infinite, or 0 where that means nothing.
    """
    exact = _number(value, f"{name} takes a number of seconds{' or None' if never else ''}")
    if not 0 < exact < math.inf and not (zero and exact == 0):
        least = "0 or " if zero else ""
        raise ValueError(f"{name} must be {least}a positive number of seconds, not {exact:g}")
    return exact


def _number(value: Any, sentence: str) -> float:
    """A plain float: numpy's narrow ones would take the digits of the clock with them."""
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            exact = float(value)
        except OverflowError:
            exact = math.nan
        if not math.isnan(exact):
            return exact
    raise TypeError(f"{sentence}, not {describe(value)}")


def count(value: Any, name: str) -> int:
    """A number of things, at least 1: an int, or what stands for one, as numpy's do.

    Args:
        value: what was passed.
        name: of the argument.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is less than 1.
    """
    if isinstance(value, (bool, np.bool_)) or not hasattr(type(value), "__index__"):
        raise TypeError(f"{name} takes an int, not {describe(value)}")
    number = operator.index(value)
    if number < 1:
        raise ValueError(f"{name} must be at least 1, not {number}")
    return number


def check_out(out: Any, classes: Sequence[type]) -> None:
    """Refuse what ``receive_many`` cannot write messages into.

    Args:
        out: what was passed.
        classes: the message classes that are sent; empty if they are not known.

    Raises:
        MessageTypeError: it is no array of the dtype of the one class that is sent.
        ValueError: it has not one axis, or no room, or is not to be written.
    """
    if len(classes) > 1:
        names = " and ".join(each.__name__ for each in classes)
        raise MessageTypeError(
            f"out takes messages of one class, and this kernel sends {names}; leave it out"
        )
    wanted = schema_of(classes[0]).dtype if classes else None
    if not isinstance(out, np.ndarray) or (wanted is not None and out.dtype != wanted):
        expected = f"an array of {classes[0].__name__ if classes else 'the message class'}.dtype"
        found = f"one of {out.dtype}" if isinstance(out, np.ndarray) else given(out)
        raise MessageTypeError(f"out takes {expected}, not {found}", expected=expected, given=found)
    if out.ndim != 1 or not len(out):
        raise ValueError(f"out must have one axis and room for a message; its shape is {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out must be writable")


_NO_BATCH = (Mapping, str, bytes, bytearray, np.generic)
"""They have a length and items, and are no sequences of messages."""


def check_batch(call: str, batch: Any, classes: Sequence[type], advice: str = "") -> None:
    """Refuse what is no batch, such as a single message or a generator.

    Args:
        call: the name of the call.
        batch: what was passed.
        classes: the message classes it takes; empty if they are not known.
        advice: what to do instead, as the end of the sentence.

    Raises:
        MessageTypeError: it is neither a sequence nor an array.
    """
    cls = type(batch)
    if cls is list or (isinstance(batch, np.ndarray) and batch.ndim):
        return
    whole = hasattr(cls, "__len__") and hasattr(cls, "__getitem__") and cls is not np.ndarray
    if whole and not is_message(cls) and not isinstance(batch, _NO_BATCH):
        return
    dtypes = " or ".join(f"{each.__name__}.dtype" for each in classes) or "their dtype"
    expected = f"a sequence of messages or an array of {dtypes}"
    raise MessageTypeError(
        f"{call} takes {expected}, not {given(batch)}{advice}",
        expected=expected, given=given(batch),
    )  # fmt: skip
