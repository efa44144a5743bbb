"""One object for each NaN.

A dict finds a NaN by identity, and a record has no objects.  A received message therefore holds one
object for all NaNs with the same 64 bits, ``math.nan`` for those with its bits, on every backend:
what the interpreter does with a message does not depend on whether compiled code has had it before.
"""

from __future__ import annotations

import math
import struct

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
