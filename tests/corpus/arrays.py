"""numpy on whole arrays: filters, grids, statistics, in numpy's types and order of additions."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from pydotcompute import Shape, message
from tests.corpus.case import case


@message
@dataclass
class Frame:
    x: float
    gain: np.float32
    steps: np.int16
    samples: Annotated[NDArray[np.float64], Shape(5)]
    grid: Annotated[NDArray[np.float32], Shape(3, 4)]
    counts: Annotated[NDArray[np.int32], Shape(9)]


@message
@dataclass
class Level:
    value: float
    single: np.float32
    n: int


@case(Frame, output=Level)
async def exponential_filter(ctx: Any) -> None:
    level = np.zeros(5)
    history = np.zeros(16)
    while not ctx.should_terminate:
        m = await ctx.receive()
        error = m.samples - level
        level = level + 0.25 * error
        history[1:] = history[:-1]
        history[0] = level.mean()
        level *= 0.5
        drift = np.diff(history)
        await ctx.send(Level(history.sum() + drift.max(), m.gain, int(np.argmax(level))))


@case(Frame, output=Level)
async def grid_statistics(ctx: Any) -> None:
    seen = np.zeros((3, 4), dtype=np.float32)
    while not ctx.should_terminate:
        m = await ctx.receive()
        scaled = m.grid * m.gain / (1 + np.abs(m.grid))
        seen += scaled
        seen[0][1] = m.gain
        rows = sum(float(row.sum()) for row in m.grid)
        column = seen[:, 2] - seen[:, 0]
        above = int((scaled > 0).sum()) + int(m.counts.argmin())
        total = float(column.std()) + float(seen.mean()) + rows
        await ctx.send(Level(total, scaled.max() + seen[1].sum(), above))


@case(Frame, output=Level)
async def ring_of_samples(ctx: Any) -> None:
    ring = np.zeros(40)
    recent: deque[float] = deque(maxlen=24)
    while not ctx.should_terminate:
        m = await ctx.receive()
        ring = np.roll(ring, 1)
        ring[0] = m.x
        recent.append(m.x)
        positive = np.where(ring > 0, ring, -ring)
        spread = np.std(ring[:12]) + ring[::3].sum() + np.mean(recent)
        total = np.cumsum(m.counts)
        await ctx.send(Level(spread + positive.sum(), np.float32(0.5), int(total[-1])))


@case(Frame, output=Level)
async def scalar_functions(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        root = np.sqrt(m.x * m.x + 1.0)
        bounded = np.clip(m.gain, -1.0, 1.0) + np.rint(m.gain) - np.floor(m.gain)
        top = np.maximum(m.x, 0.5) - np.minimum(m.gain, np.float32(2.5))
        cubed = m.steps**3
        n = int(np.sign(m.steps)) + int(np.isnan(m.x)) + int(np.abs(cubed))
        await ctx.send(Level(root + float(np.square(m.x)) + top, bounded, n))
        await ctx.send(Level(float(np.float64(m.x) ** 2), m.gain**2, int(np.isfinite(m.gain))))


TAPS = np.array([0.5, 0.25, 0.125, 1e-3])
SINGLES = np.array([[1.5, 2.5], [3.5, float("nan")]], dtype=np.float32)
HALF = np.float64(0.5)


@case(Frame, output=Level)
async def filtered_by_a_constant(ctx: Any) -> None:
    line = np.zeros(4)
    while not ctx.should_terminate:
        m = await ctx.receive()
        line = np.roll(line, 1)
        line[0] = m.x
        total = (TAPS * line).sum() + sum(float(a * b) for a, b in zip(TAPS, line))  # noqa: B905
        scaled = SINGLES * m.gain - TAPS[0]
        print(TAPS[-1], HALF, TAPS.sum() if m.x > 0 else np.max(TAPS), (TAPS > HALF).any())
        await ctx.send(Level(total * HALF, scaled[0, 1], int(m.counts[0]) % 7))
