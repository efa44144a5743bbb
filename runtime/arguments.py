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
from numbers import Real
from typing import Any

from pydotcompute.errors import describe


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
