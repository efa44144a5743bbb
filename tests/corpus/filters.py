"""Signal processing: averages, smoothing, limits, detectors."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Any

from pydotcompute import KernelContext, message
from tests.corpus.case import case


@message
@dataclass
class Sample:
    value: float
    weight: int = 1


@message
@dataclass
class Filtered:
    value: float
    count: int


@message
@dataclass
class Alarm:
    score: float
    high: bool
    count: int


@case(Sample, output=Filtered)
async def running_mean(ctx: KernelContext[Sample, Filtered]) -> None:
    total, count = 0.0, 0
    while not ctx.should_terminate:
        try:
            sample = await ctx.receive(timeout=0.1)
        except asyncio.TimeoutError:  # noqa: UP041
            continue
        total += sample.value * sample.weight
        count += sample.weight
        await ctx.send(Filtered(total / count, count))


@case(Sample, output=Alarm)
async def ewma_zscore(ctx: Any) -> None:
    alpha = 0.125
    mean = 0.0
    variance = 0.0
    count = 0
    while not ctx.should_terminate:
        sample = await ctx.receive()
        count += 1
        if count == 1:
            mean = sample.value
            continue
        delta = sample.value - mean
        deviation = math.sqrt(variance) if variance > 0 else 0.0
        score = delta / deviation if deviation > 1e-12 else 0.0
        mean += alpha * delta
        variance = (1 - alpha) * (variance + alpha * delta * delta)
        if abs(score) > 3:
            await ctx.send(Alarm(score, score > 0, count))


@case(Sample, output=Filtered)
async def slew_limiter(ctx: Any) -> None:
    last = None
    limit = 2.5
    steps = 0
    while True:
        sample = await ctx.receive()
        if last is None:
            last = sample.value
        else:
            step = max(-limit, min(limit, sample.value - last))
            if step in (limit, -limit):
                steps += 1
            last = last + step
        await ctx.send(Filtered(last, steps))


@case(Sample, output=Filtered)
async def biquad(ctx: Any) -> None:
    """A low-pass filter of the second order, direct form two transposed."""
    b0, b1, b2, a1, a2 = 0.2929, 0.5858, 0.2929, -0.0, 0.1716
    z1 = z2 = 0.0
    n = 0
    while not ctx.should_terminate:
        x = (await ctx.receive(timeout=1)).value
        y = b0 * x + z1
        z1, z2 = b1 * x - a1 * y + z2, b2 * x - a2 * y
        n += 1
        await ctx.send(Filtered(y, n))


@case(Sample, output=Filtered)
async def median_of_three(ctx: Any) -> None:
    a = b = 0.0
    while not ctx.should_terminate:
        sample = await ctx.receive()
        c = sample.value
        if a <= b <= c or c <= b <= a:
            middle = b
        elif b <= a <= c or c <= a <= b:
            middle = a
        else:
            middle = c
        await ctx.send(Filtered(middle, sample.weight))
        a, b = b, c


@case(Sample, output=Filtered)
async def debounce(ctx: Any) -> None:
    stable = False
    held = 0
    while not ctx.should_terminate:
        sample = await ctx.receive()
        raw = sample.value > 0.5
        held = 0 if raw == stable else held + 1
        if held >= 3:
            stable, held = raw, 0
            await ctx.send(Filtered(1.0 if stable else 0.0, int(stable)))


@case(Sample, output=Filtered)
async def zero_crossings(ctx: Any) -> None:
    crossings, previous = 0, 0.0
    while not ctx.should_terminate:
        sample = await ctx.receive()
        if math.copysign(1, previous) != math.copysign(1, sample.value):
            crossings += 1
        previous = sample.value
        if crossings and crossings % 4 == 0:
            await ctx.send(Filtered(previous, crossings))


@case(Sample, output=Filtered)
async def welford(ctx: Any) -> None:
    n, mean, m2 = 0, 0.0, 0.0
    while not ctx.should_terminate:
        try:
            x = (await ctx.receive(timeout=0.01)).value
        except TimeoutError:
            if n:
                await ctx.send(Filtered(m2 / n, n))
                n, mean, m2 = 0, 0.0, 0.0
            continue
        n += 1
        d = x - mean
        mean += d / n
        m2 += d * (x - mean)
    if n > 1:
        await ctx.send(Filtered(m2 / (n - 1), n))
