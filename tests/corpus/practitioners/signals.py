"""Signal processing: filters, detectors, statistics over windows."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import MaxLen
from numpy.typing import NDArray

from pydotcompute import KernelContext, Shape, message
from tests.corpus.practitioners.practice import practice


@message
@dataclass
class Sample:
    value: float


@message
@dataclass
class Filtered:
    value: float


@message
@dataclass
class Reading:
    sensor: int
    at: float
    value: float


@message
@dataclass
class Estimate:
    sensor: int
    mean: float
    deviation: float
    alarm: bool


@message
@dataclass
class Frame:
    samples: Annotated[list[float], MaxLen(64)]


@message
@dataclass
class Spectrum:
    energy: float
    peak: float
    at: int


@message
@dataclass
class State2:
    x: Annotated[NDArray[np.float64], Shape(2)]
    p: Annotated[NDArray[np.float64], Shape(2, 2)]


TAPS = (0.0625, 0.25, 0.375, 0.25, 0.0625)
SOS = [
    (0.2, 0.4, 0.2, -0.5, 0.25),
    (1.0, -2.0, 1.0, -1.5, 0.6),
]
LIMITS = {"low": -40.0, "high": 85.0}


@practice(Sample, output=Filtered)
async def fir(ctx: KernelContext[Sample, Filtered]) -> None:
    history = deque([0.0] * len(TAPS), maxlen=len(TAPS))
    while not ctx.should_terminate:
        sample = await ctx.receive()
        history.appendleft(sample.value)
        await ctx.send(Filtered(value=sum(h * x for h, x in zip(TAPS, history))))


@practice(Sample, output=Filtered)
async def fir_ring_buffer(ctx: Any) -> None:
    n = len(TAPS)
    buffer = [0.0] * n
    head = 0
    while True:
        sample = await ctx.receive()
        buffer[head] = sample.value
        acc = 0.0
        for k in range(n):
            acc += TAPS[k] * buffer[(head - k) % n]
        head = (head + 1) % n
        await ctx.send(Filtered(acc))


@practice(Sample, output=Filtered)
async def cascade(ctx: Any) -> None:
    """Two biquads in a row, transposed direct form II."""
    z1 = [0.0, 0.0]
    z2 = [0.0, 0.0]
    while not ctx.should_terminate:
        x = (await ctx.receive()).value
        for i, (b0, b1, b2, a1, a2) in enumerate(SOS):
            y = b0 * x + z1[i]
            z1[i] = b1 * x - a1 * y + z2[i]
            z2[i] = b2 * x - a2 * y
            x = y
        await ctx.send(Filtered(x))


@practice(Sample, output=Filtered)
async def moving_median(ctx: Any) -> None:
    window: deque[float] = deque(maxlen=5)
    while not ctx.should_terminate:
        m = await ctx.receive()
        if math.isnan(m.value):
            continue
        window.append(m.value)
        ordered = sorted(window)
        mid = len(ordered) // 2
        if len(ordered) % 2:
            median = ordered[mid]
        else:
            median = (ordered[mid - 1] + ordered[mid]) / 2
        await ctx.send(Filtered(median))


@practice(Sample, output=Filtered)
async def hampel(ctx: Any) -> None:
    window = deque(maxlen=7)
    while not ctx.should_terminate:
        m = await ctx.receive()
        x = m.value if math.isfinite(m.value) else 0.0
        window.append(x)
        if len(window) < window.maxlen:
            await ctx.send(Filtered(x))
            continue
        centre = sorted(window)[3]
        mad = sorted([abs(v - centre) for v in window])[3]
        await ctx.send(Filtered(centre if abs(x - centre) > 3 * 1.4826 * mad else x))


@practice(Sample, output=State2)
async def kalman(ctx: Any) -> None:
    """Position and speed from positions; the covariance as a numpy array."""
    dt, q, r = 0.1, 1e-3, 0.5
    x = np.zeros(2)
    p = np.eye(2) * 10.0
    while not ctx.should_terminate:
        z = (await ctx.receive()).value
        x[0] += dt * x[1]
        p00 = p[0, 0] + dt * (p[1, 0] + p[0, 1] + dt * p[1, 1]) + q
        p01 = p[0, 1] + dt * p[1, 1]
        p10 = p[1, 0] + dt * p[1, 1]
        p11 = p[1, 1] + q
        s = p00 + r
        k0, k1 = p00 / s, p10 / s
        residual = z - x[0]
        x[0] += k0 * residual
        x[1] += k1 * residual
        p[0, 0] = (1 - k0) * p00
        p[0, 1] = (1 - k0) * p01
        p[1, 0] = p10 - k1 * p00
        p[1, 1] = p11 - k1 * p01
        await ctx.send(State2(x=x, p=p))


@practice(Reading, output=Estimate)
async def z_scores(ctx: Any) -> None:
    """Running mean and variance of each sensor; an alarm beyond three deviations."""
    count: dict[int, int] = {}
    mean: dict[int, float] = {}
    m2: dict[int, float] = {}
    while not ctx.should_terminate:
        r = await ctx.receive()
        n = count.get(r.sensor, 0) + 1
        count[r.sensor] = n
        delta = r.value - mean.get(r.sensor, 0.0)
        mean[r.sensor] = mean.get(r.sensor, 0.0) + delta / n
        m2[r.sensor] = m2.get(r.sensor, 0.0) + delta * (r.value - mean[r.sensor])
        sd = math.sqrt(m2[r.sensor] / (n - 1)) if n > 1 and m2[r.sensor] >= 0 else 0.0
        alarm = sd > 0 and abs(delta) > 3 * sd
        await ctx.send(Estimate(r.sensor, mean[r.sensor], sd, alarm))


@practice(Reading, output=Estimate)
async def ewma_by_sensor(ctx: Any) -> None:
    level: dict[int, tuple[float, float]] = {}
    alpha = 0.2
    while not ctx.should_terminate:
        r = await ctx.receive()
        if r.sensor not in level:
            level[r.sensor] = (r.value, 0.0)
        mean, var = level[r.sensor]
        diff = r.value - mean
        incr = alpha * diff
        mean += incr
        var = (1 - alpha) * (var + diff * incr)
        level[r.sensor] = mean, var
        await ctx.send(Estimate(r.sensor, mean, var ** 0.5, not LIMITS["low"] < mean < LIMITS["high"]))


@practice(Sample, output=Filtered)
async def cusum(ctx: Any) -> None:
    """A change detector: sends where the sum of drifts passes the threshold."""
    target, slack, threshold = 0.0, 0.5, 5.0
    up = down = 0.0
    alarms = 0
    while not ctx.should_terminate:
        x = (await ctx.receive()).value
        up = max(0.0, up + x - target - slack)
        down = max(0.0, down - x + target - slack)
        if up > threshold or down > threshold:
            alarms += 1
            print(f"change {alarms}: up={up:.3f} down={down:.3f}")
            await ctx.send(Filtered(up if up > threshold else -down))
            up = down = 0


@practice(Frame, output=Spectrum)
async def goertzel(ctx: Any) -> None:
    """Energy of a frame at the bin with the most."""
    while not ctx.should_terminate:
        frame = await ctx.receive()
        xs = frame.samples
        n = len(xs)
        if n == 0:
            await ctx.send(Spectrum(0.0, 0.0, -1))
            continue
        best, at = -1.0, 0
        for k in range(n // 2 + 1):
            coeff = 2 * math.cos(2 * math.pi * k / n)
            s1 = s2 = 0.0
            for x in xs:
                s1, s2 = x + coeff * s1 - s2, s1
            power = s1 * s1 + s2 * s2 - coeff * s1 * s2
            if power > best:
                best, at = power, k
        await ctx.send(Spectrum(sum(x * x for x in xs), best, at))


@practice(Frame, output=Spectrum)
async def peaks(ctx: Any) -> None:
    while not ctx.should_terminate:
        xs = (await ctx.receive()).samples
        found = [i for i in range(1, len(xs) - 1) if xs[i - 1] < xs[i] >= xs[i + 1]]
        if not found:
            continue
        top = max(xs[i] for i in found)
        index = -1
        for i in found:
            if xs[i] == top:
                index = i
                break
        else:
            assert math.isnan(top)
        await ctx.send(Spectrum(float(len(found)), top, index))


@practice(Frame, output=Filtered)
async def rms_with_numpy(ctx: Any) -> None:
    window = np.zeros(16)
    pos = 0
    while not ctx.should_terminate:
        frame = await ctx.receive()
        for x in frame.samples:
            window[pos] = x
            pos = (pos + 1) % window.size
        total = np.float64(0.0)
        for v in window:
            total += v * v
        await ctx.send(Filtered(float(np.sqrt(total / len(window)))))


@practice(Sample, output=Filtered)
async def agc(ctx: Any) -> None:
    """Automatic gain in decibels, clipped."""
    gain_db = 0.0
    while not ctx.should_terminate:
        m = await ctx.receive()
        level = 20 * math.log10(abs(m.value)) if m.value else -120.0
        error = -12.0 - (level + gain_db)
        gain_db += error * (0.1 if error < 0 else 0.01)
        gain_db = min(max(gain_db, -40.0), 40.0)
        out = m.value * 10 ** (gain_db / 20)
        await ctx.send(Filtered(math.copysign(min(abs(out), 1.0), out)))


@practice(Sample, output=Filtered)
async def pid(ctx: Any) -> None:
    kp, ki, kd = 1.2, 0.3, 0.05
    integral = 0.0
    previous = None
    while not ctx.should_terminate:
        error = 10.0 - (await ctx.receive()).value
        integral = max(-100.0, min(100.0, integral + error))
        derivative = 0.0 if previous is None else error - previous
        previous = error
        await ctx.send(Filtered(kp * error + ki * integral + kd * derivative))
