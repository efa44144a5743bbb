"""Ints that compiled code holds exactly: 64 bits in messages and state, 128 bits inside a turn."""

from __future__ import annotations

from pydotcompute.compiler.types.types import INT, WIDE, Type

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
WIDE_MIN, WIDE_MAX = -(2**127), 2**127 - 1


def int_type(value: int) -> Type | None:
    """The type of a constant int; None if it has more than 128 bits."""
    if INT_MIN <= value <= INT_MAX:
        return INT
    return WIDE if WIDE_MIN <= value <= WIDE_MAX else None
