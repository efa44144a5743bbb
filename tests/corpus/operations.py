"""Operations that the other actors have no use for: each row is compared with Python somewhere."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from pydotcompute import Shape, message
from tests.corpus.case import case

MASK64 = 2**64 - 1
TABLE = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


@message
@dataclass
class Sample:
    n: int
    x: float
    step: np.int32
    grid: Annotated[NDArray[np.float64], Shape(2, 3)]


@message
@dataclass
class Reading:
    value: float
    n: int
    word: np.int16


@message
@dataclass
class Power:
    base: int
    exponent: int


@case(Sample, output=Reading)
async def rows_and_windows(ctx: Any) -> None:
    window: deque[float] = deque(maxlen=4)
    scratch = np.zeros(3)
    while not ctx.should_terminate:
        m = await ctx.receive()
        window.append(m.x)
        scratch.fill(m.x)
        spread = np.max(window) - np.min(window) + np.sum(window)
        shifted = m.grid + scratch
        cell = TABLE[m.n % 2, m.n % 3]
        await ctx.send(Reading(spread + shifted.min() + cell, int(np.isinf(m.x)), 1))


@case(Sample, output=Reading)
async def numpy_of_scalars(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        y = np.float64(m.x)
        whole = np.ceil(y) + np.trunc(y) + +y
        count = 0
        for place, n in zip(range(m.n % 5, 50, 7), (1, 2, 3, 4)):  # noqa: B905
            count += place * n
        high = (m.n & MASK64) & 0x7FFF
        await ctx.send(Reading(whole + np.float64(m.n & MASK64), count, high))


@case(Power, output=Reading,
      plain=st.builds(Power, st.integers(0, 2), st.integers(0, 3)))  # fmt: skip
async def caught_powers(ctx: Any) -> None:
    """0 ** -1 raises, also of an int beyond 64 bits, and then binds nothing."""
    while not ctx.should_terminate:
        m = await ctx.receive()
        power = (m.base & MASK64) + 7
        try:
            power = (m.base & MASK64) ** (m.exponent % 4 - 1)
        except ZeroDivisionError:
            power += 1
        await ctx.send(Reading(0.0, power & 0xFFFF, 0))
