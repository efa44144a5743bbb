"""One object for the usual NaN.

A dict finds a NaN by identity, and a record has no objects.  A received message therefore holds
``math.nan`` wherever its sender put a NaN with the same 64 bits, on every backend: what the
interpreter does with a message does not depend on whether compiled code has had it before.
"""

from __future__ import annotations

import math
import struct

_BITS = struct.pack("<d", math.nan)


def shared_nan(value: float) -> float:
    """``math.nan`` for a NaN with its bits, else ``value``."""
    return math.nan if struct.pack("<d", value) == _BITS else value


def share_nans(values: list[float]) -> list[float]:
    """``values``, their NaNs shared; the same list if it has none."""
    total = sum(values)
    if total == total:
        return values
    return [value if value == value else shared_nan(value) for value in values]
