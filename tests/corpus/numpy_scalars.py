"""numpy scalar fields: wrapping, promotion, division as numpy does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pydotcompute import message
from tests.corpus.case import case


@message
@dataclass
class Pixel:
    r: np.uint8
    g: np.uint8
    b: np.uint8


@message
@dataclass
class Grey:
    value: np.uint8
    exact: np.float32


@message
@dataclass
class Ints:
    a: np.int32
    b: np.int16


@message
@dataclass
class Wide:
    value: np.int64
    small: np.int16


@message
@dataclass
class Single:
    x: np.float32
    y: np.float32


@message
@dataclass
class Mixed:
    x: np.float32
    y: np.float64
    n: int


@case(Pixel, output=Grey)
async def greyscale(ctx: Any) -> None:
    while not ctx.should_terminate:
        p = await ctx.receive()
        mean = (p.r // np.uint8(3)) + (p.g // np.uint8(3)) + (p.b // np.uint8(3))
        exact = np.float32(p.r) * np.float32(0.299) + np.float32(p.g) * np.float32(0.587)
        await ctx.send(Grey(mean, exact))
        await ctx.send(Grey(p.r + p.g - p.b, exact / np.float32(2)))


@case(Ints, output=Wide)
async def wrapping(ctx: Any) -> None:
    total = np.int16(0)
    while not ctx.should_terminate:
        m = await ctx.receive()
        total = total + m.b
        product = m.a * m.a
        await ctx.send(Wide(np.int64(product) + np.int64(m.b), total))
        await ctx.send(Wide(np.int64(m.a) * np.int64(m.a), -total))
        await ctx.send(Wide(np.int64(abs(m.a)), m.b * 3))


@case(Ints, output=Wide)
async def numpy_division(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Wide(np.int64(m.a // m.b), m.b % np.int16(7)))
        await ctx.send(Wide(np.int64(m.a % m.b), m.b // np.int16(-3)))


@case(Single, output=Mixed)
async def single_precision(ctx: Any) -> None:
    total = np.float32(0)
    n = 0
    while not ctx.should_terminate:
        s = await ctx.receive()
        total += s.x * s.y
        n += 1
        await ctx.send(Mixed(total, np.float64(s.x) + np.float64(s.y), n))
        await ctx.send(Mixed(s.x / s.y, np.float64(s.x) / np.float64(s.y), n))
        await ctx.send(Mixed(s.x - 1, np.float64(2.0) * s.y, n))
        if s.x > s.y or s.x == 0.1:
            await ctx.send(Mixed(-s.x, np.float64(abs(s.y)), int(n)))


@case(Pixel, output=Wide)
async def numpy_comparisons(ctx: Any) -> None:
    brightest = np.uint8(0)
    while not ctx.should_terminate:
        p = await ctx.receive()
        brightest = max(brightest, p.r, p.g, p.b)
        rank = int(p.r < p.g) + 2 * int(p.g <= p.b) + 4 * int(p.b != 0) + 8 * int(p.r > -1)
        await ctx.send(Wide(np.int64(rank), np.int16(brightest)))
        if p.r & np.uint8(1) and not p.g:
            await ctx.send(Wide(np.int64(int(p.b) << 4), np.int16(~p.r)))


@message
@dataclass
class Signs:
    i: np.int32
    u: np.uint32
    j: np.int64
    v: np.uint64


@message
@dataclass
class Narrow:
    a: np.int8
    b: np.uint16
    c: np.float32


@case(Signs, output=Wide)
async def signed_against_unsigned(ctx: Any) -> None:
    """Compared by value, where C would make -1 the largest number."""
    while not ctx.should_terminate:
        m = await ctx.receive()
        rank = int(m.i < m.u) + 2 * int(m.j < m.v) + 4 * int(m.v < m.j) + 8 * int(m.u == m.i)
        rank += 16 * int(m.j == m.v) + 32 * int(m.v >= m.i) + 64 * int(m.j <= m.v)
        rank += 128 * int(m.v < -1) + 256 * int(m.v > m.i)
        await ctx.send(Wide(np.int64(rank), np.int16(0)))


@case(Signs, output=Signs)
async def variable_shifts(ctx: Any) -> None:
    """A count beyond the width, or a negative one, has a meaning in numpy."""
    while not ctx.should_terminate:
        m = await ctx.receive()
        count, wide = m.u % np.uint32(40), m.v % np.uint64(80)
        await ctx.send(Signs(m.i << np.int32(count), m.u << count, m.j << np.int64(wide), m.v))
        await ctx.send(Signs(m.i >> np.int32(count), m.u >> count, m.j >> np.int64(wide), m.v))
        await ctx.send(Signs(m.i << m.i, m.u, m.j >> m.j, m.v << wide))


@case(Mixed, output=Narrow)
async def python_numbers_in_fields(ctx: Any) -> None:
    """A Python int in a numpy field has to fit; a float is rounded."""
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Narrow(m.n % 100, m.n % 1000, m.n / 3))
        await ctx.send(Narrow(m.n, abs(m.n), 0.1))
