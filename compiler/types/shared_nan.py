"""One object for each NaN.

A dict finds a NaN by identity, and a record has no objects.  A received message therefore holds one
object for all NaNs with the same 64 bits, ``math.nan`` for those with its bits, on every backend:
what the interpreter does with a message does not depend on whether compiled code has had it before.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from typing import Any

import numpy as np

from pydotcompute.compiler.types.message_schema import is_message, schema_of

_ROOM = 4096
"""NaNs with other bits that are remembered; 2**53 of them would not fit."""
_NANS = {struct.pack("<d", math.nan): math.nan}


def shared_nan(value: float) -> float:
    """The object for all NaNs with the bits of ``value``; ``value`` itself if it is a number."""
    if value == value:
        return value
    bits = struct.pack("<d", value)
    found = _NANS.get(bits)
    if found is None:
        if len(_NANS) >= _ROOM:
            return value
        found = _NANS.setdefault(bits, value)
    return found


def share_nans(values: list[float]) -> list[float]:
    """``values``, their NaNs shared; the same list if it has none."""
    total = sum(values)
    if total == total:
        return values
    return [value if value == value else shared_nan(value) for value in values]


def holds_other_nan(value: Any) -> bool:
    """Whether a NaN in a value of the state is not the shared one with its bits.

    An array has no objects: each read makes a new one.
    """
    if isinstance(value, float) and not isinstance(value, np.generic):
        return value is not shared_nan(value)
    if isinstance(value, np.floating):
        return bool(value != value)
    if isinstance(value, dict):
        return any(map(holds_other_nan, value)) or any(map(holds_other_nan, value.values()))
    if isinstance(value, (list, tuple, deque)):
        return any(map(holds_other_nan, value))
    if is_message(type(value)):
        fields = schema_of(type(value)).fields
        return any(holds_other_nan(getattr(value, field.name)) for field in fields)
    return False
