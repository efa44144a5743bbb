"""Where numpy's numbers are not as Python's: ``np.bool``, rounding, powers, counting with them."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from pydotcompute import Shape, message
from tests.corpus.case import case


@message
@dataclass
class Reading:
    k: np.int16
    u: np.uint8
    e: np.int64
    f: np.float32
    d: np.float64
    n: int


@message
@dataclass
class Flags:
    one: bool
    other: np.bool_
    both: bool = False


@message
@dataclass
class Rounded:
    d: np.float64
    f: np.float32
    e: np.int64


@message
@dataclass
class Whole:
    n: int
    x: float = 0.0


@message
@dataclass
class Vector:
    v: Annotated[NDArray[np.float64], Shape(3)]


@case(Reading, output=Flags)
async def numpy_flags(ctx: Any) -> None:
    above = False
    while not ctx.should_terminate:
        m = await ctx.receive()
        was, above = above, m.f > np.float32(3)
        if above and not was:
            print("rises", above, [above, m.n > 3, np.isnan(m.d)], f"{above!r:>12}")
        between = 0 < m.n < m.k
        print([between, m.k == 3 or m.n, m.u & np.uint8(1) == 1])
        await ctx.send(Flags(m.k > 3, m.d < m.f, between and m.e != 0))
        await ctx.send(Flags(bool(m.u), m.k == m.u, above if m.n > 0 else m.n < -2))


@case(Reading, output=Whole)
async def numpy_flags_counted(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        count = 1 + (m.k > 3)
        total = sum(x > 2 for x in (m.k, m.u))
        print(count, [count, total], m.n * (m.f > 0), 0.5 * (m.d > 1.0), not m.k > 3)
        await ctx.send(Whole(int(count) + int(total), float(m.k > m.u) + 1.5 * (m.n > m.k)))


@case(Vector, output=Flags)
async def numpy_flags_of_arrays(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        same = (m.v == m.v).all()
        print([same, (m.v > 1).any(), m.v[0] == m.v[1]])
        await ctx.send(Flags(same, (m.v > 1).any(), m.v[2] < 0.5))


@case(Reading, output=Rounded)
async def numpy_rounding(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Rounded(round(m.d, 2), round(m.f, 1), round(m.e, 3)))
        await ctx.send(Rounded(round(m.d / 1000, ndigits=4), round(m.f, 0), round(m.e, 0)))


@case(Reading, output=Whole)
async def numpy_whole_numbers(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Whole(math.floor(m.e) + math.ceil(m.u) + round(m.k)))
        await ctx.send(Whole(math.floor(m.f), math.floor(m.d) + math.trunc(m.d)))
        await ctx.send(Whole(round(m.d), round(m.f)))


@case(Reading, output=Rounded)
async def numpy_powers(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        base = abs(m.d) + 0.25
        await ctx.send(Rounded(base**m.f, abs(m.f) ** m.k, m.e**2))
        await ctx.send(Rounded(2.5**m.d, m.f**2, m.e))


@case(Reading, output=Flags)
async def numpy_casts(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Flags(np.bool_(m.d), np.bool_(m.n), np.bool_(m.d * 0.5 - 1.0)))
        print(np.int16(m.f), np.uint8(m.f * np.float32(0.1)))


@case(Reading, output=Whole)
async def numpy_places(ctx: Any) -> None:
    table = [3, 1, 4, 1, 5]
    last = deque([0, 0, 0], maxlen=3)
    while not ctx.should_terminate:
        m = await ctx.receive()
        table[m.u % 5] = m.n
        last.append(table[m.k % 5])
        for i in range(m.u % 4, m.k % 7):
            last[i % 3] = i
        await ctx.send(Whole(last[m.e % 3] + (7, 8, 9)[m.u % 3]))
        await ctx.send(Whole(table[m.k]))
