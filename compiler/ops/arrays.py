"""Arrays of numpy and their places: items, reductions, and the arithmetic of indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pydotcompute.compiler.ops.numpy_operators import quietly
from pydotcompute.compiler.ops.primitive import Deoptimise, Primitive, mutating, raising

# --- places ----------------------------------------------------------------------------------

RANGE_LENGTH = raising("range_length", lambda *bounds: len(range(*bounds)))
RANGE_ITEM = Primitive("range_item", lambda start, at, step: start + at * step)
NEXT = Primitive("next", lambda at: at + 1)


def place(size: int, code: str) -> Primitive:
    """An index as Python counts, of a constant sequence; ``code`` is what a wrong one raises."""
    return Primitive("place", lambda index: range(size)[index], raises=True, given=(size, code))


def axis(size: int) -> Primitive:
    """The place of an index on an axis of an array."""
    return Primitive("axis", lambda index: range(size)[index], raises=True, given=(size,))


def flat(size: int) -> Primitive:
    """The place of a row and a column of ``size`` columns."""
    return Primitive("flat", lambda row, column: row * size + column, given=(size,))


def modulo(size: int) -> Primitive:
    """A place of an array that is repeated along another one."""
    return Primitive("modulo", lambda at: at % size, given=(size,))


def rolled(size: int) -> Primitive:
    """The place from which ``np.roll`` takes an item."""
    return Primitive("rolled", lambda at, by: (at + size - by) % size, given=(size,))


def part(terms: Sequence[tuple[int, int, int]], strides: Sequence[int], first: int) -> Primitive:
    """From a flat place in a part of an array to the one in the whole.

    Args:
        terms: of each axis of the part: the items of one of its steps, its size, and how far a
            step goes in the whole.
        strides: how far an offset of each fixed axis goes; the operands behind the place.
        first: the place of the first item.
    """

    def python(at: int, *offsets: int) -> int:
        found = first + sum(at // inner % size * by for inner, size, by in terms)
        return found + sum(o * s for o, s in zip(offsets, strides, strict=True))

    return Primitive("part", python, given=(tuple(terms), tuple(strides), first))


# --- items -----------------------------------------------------------------------------------


def _set_flat(xs: Any, at: int, value: Any) -> None:
    xs.reshape(-1)[at] = value


ARRAY_ITEM = Primitive("array_item", lambda xs, at: xs.reshape(-1)[at])
SET_ITEM = mutating("set_item", _set_flat)

# --- reductions ------------------------------------------------------------------------------

SUM_FROM_ZERO = not np.signbit(np.full(2, -0.0).sum())
"""Whether numpy adds to 0.0, which shows in the sum of negative zeros."""
ARRAY_SUM = Primitive("array_sum", lambda xs: xs.sum())
ARRAY_TOTAL = Primitive("array_total", quietly(lambda xs: xs.sum()))
"""The sum of integers, which wraps."""
ARRAY_ANY, ARRAY_ALL = (Primitive(f"np_{name}", lambda xs, name=name: getattr(xs, name)())
                        for name in ("any", "all"))  # fmt: skip


def _accumulate(xs: Any) -> None:
    xs[:] = quietly(np.cumsum)(xs)


CUMSUM = mutating("np_cumsum", _accumulate)
"""In place."""


def same_zero(xs: Any, name: str) -> Any:
    """Which of two zeros is the larger one is up to the processor."""
    result = quietly(getattr(np, name))(xs)
    if not name.startswith("arg") and xs.dtype.kind == "f" and result == 0:
        zeros = xs[xs == 0]
        if np.signbit(zeros).any() and not np.signbit(zeros).all():
            raise Deoptimise("zeros of both signs")
    return result


EXTREMES = {
    name: Primitive(f"np_{name}", lambda xs, name=name: same_zero(xs, name), raises=False,
                    deoptimises=True)
    for name in ("max", "min", "argmax", "argmin")
}  # fmt: skip


def _from_list(xs: Any, name: str) -> Any:
    array = np.array(list(xs), np.float64)
    return same_zero(array, name) if name in ("max", "min") else quietly(getattr(np, name))(array)


OF_LISTS = {
    name: Primitive(f"list_{name}", lambda xs, name=name: _from_list(xs, name), raises=True,
                    deoptimises=True)
    for name in ("sum", "mean", "max", "min")
}  # fmt: skip
"""Of a list or deque, of which numpy makes an array first."""
