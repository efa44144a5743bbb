"""Control engineers: filters, controllers, trackers, and the odd debouncer."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import MaxLen
from numpy.typing import NDArray

from pydotcompute import KernelContext, Shape, message
from tests.corpus.practitioners.practice import practice

DT = 0.01
TAU = 2 * math.pi
GAINS = (1.2, 0.35, 0.08)
LIMIT = 100.0


@message
@dataclass
class Sample:
    t: float
    value: float


@message
@dataclass
class Out:
    value: float
    flag: bool = False


@message
@dataclass
class Measured:
    value: float
    setpoint: float
    mode: Literal["auto", "manual"] = "auto"


@message
@dataclass
class Imu:
    ax: float
    ay: float
    az: float
    gx: float
    gy: float


@message
@dataclass
class Attitude:
    roll: float
    pitch: float


@practice(Sample, output=Out)
async def low_pass(ctx: KernelContext[Sample, Out]) -> None:
    """First-order low-pass whose constant depends on the time step."""
    alpha: float = 0.2
    y = None
    while not ctx.should_terminate:
        s = await ctx.receive()
        if y is None:
            y = s.value
        else:
            y += alpha * (s.value - y)
        await ctx.send(Out(y, flag=abs(s.value - y) > 3 * alpha))


def clamp(x: float, low: float = -LIMIT, high: float = LIMIT) -> float:
    """Limit x."""
    return max(low, min(high, x))


@practice(Measured, output=Out)
async def pid_anti_windup(ctx: KernelContext[Measured, Out]) -> None:
    kp, ki, kd = GAINS
    integral, previous = 0.0, 0.0
    output = 0.0
    while not ctx.should_terminate:
        try:
            m = await ctx.receive(timeout=0.5)
        except asyncio.TimeoutError:
            integral *= 0.5  # bleed while nobody measures
            continue
        if m.mode == "manual":
            await ctx.send(Out(output, True))
            continue
        error = m.setpoint - m.value
        derivative = (error - previous) / DT
        previous = error
        unclamped = kp * error + ki * (integral + error * DT) + kd * derivative
        output = clamp(unclamped)
        saturated = output != unclamped
        if not saturated or (error > 0) != (output > 0):
            integral += error * DT
        await ctx.send(Out(output, saturated))


@practice(Sample, output=Out)
async def kalman_one(ctx: Any) -> None:
    x, p = 0.0, 1.0
    q: float = 1e-5
    r: float = 0.01
    while True:
        msg = await ctx.receive()
        p = p + q
        k = p / (p + r)
        x = x + k * (msg.value - x)
        p = (1 - k) * p
        await ctx.send(Out(value=x, flag=p < 1e-3))


@practice(Sample, output=Out)
async def kalman_constant_velocity(ctx: Any) -> None:
    pos, vel = 0.0, 0.0
    p00, p01, p10, p11 = 1.0, 0.0, 0.0, 1.0
    last: float | None = None
    while not ctx.should_terminate:
        msg = await ctx.receive()
        dt = DT if last is None else msg.t - last
        last = msg.t
        # predict
        pos += vel * dt
        p00, p01, p10, p11 = (
            p00 + dt * (p10 + p01) + dt * dt * p11 + 0.1,
            p01 + dt * p11,
            p10 + dt * p11,
            p11 + 0.1,
        )
        # update
        s = p00 + 1.0
        k0, k1 = p00 / s, p10 / s
        y = msg.value - pos
        pos, vel = pos + k0 * y, vel + k1 * y
        p00, p01, p10, p11 = (1 - k0) * p00, (1 - k0) * p01, p10 - k1 * p00, p11 - k1 * p01
        await ctx.send(Out(pos, vel > 0))


@practice(Sample, output=Out)
async def biquad(ctx: Any) -> None:
    w0 = TAU * 100 / 8000
    alpha = math.sin(w0) / (2 * 0.707)
    a0 = 1 + alpha
    b = [(1 - math.cos(w0)) / 2 / a0, (1 - math.cos(w0)) / a0, (1 - math.cos(w0)) / 2 / a0]
    a = [-2 * math.cos(w0) / a0, (1 - alpha) / a0]
    z = [0.0, 0.0]
    while not ctx.should_terminate:
        x = (await ctx.receive()).value
        y = b[0] * x + z[0]
        z[0] = b[1] * x - a[0] * y + z[1]
        z[1] = b[2] * x - a[1] * y
        await ctx.send(Out(y))


WINDOW = 5


@practice(Sample, output=Out)
async def median_filter(ctx: Any) -> None:
    window: deque[float] = deque(maxlen=WINDOW)
    while not ctx.should_terminate:
        s = await ctx.receive()
        window.append(s.value)
        ordered = sorted(window)
        n = len(ordered)
        middle = n // 2
        if n % 2:
            await ctx.send(Out(ordered[middle]))
        else:
            await ctx.send(Out((ordered[middle - 1] + ordered[middle]) / 2, flag=True))


@practice(Sample, output=Out)
async def outliers_of_seven(ctx: Any) -> None:
    """Replaces outliers by the median of the last seven."""
    seen = deque([0.0] * 7, maxlen=7)
    replaced = 0
    while not ctx.should_terminate:
        s = await ctx.receive()
        seen.append(s.value)
        med = sorted(seen)[3]
        mad = sorted([abs(v - med) for v in seen])[3]
        if mad > 0 and abs(s.value - med) > 3 * 1.4826 * mad:
            replaced += 1
            await ctx.send(Out(med, flag=True))
        else:
            await ctx.send(Out(s.value))


@practice(Sample, output=Out)
async def boxcar(ctx: Any) -> None:
    buf: deque[float] = deque(maxlen=10)
    total = 0.0
    while not ctx.should_terminate:
        s = await ctx.receive()
        if len(buf) == buf.maxlen:
            total -= buf[0]
        buf.append(s.value)
        total += s.value
        await ctx.send(Out(total / len(buf)))


@message
@dataclass
class Button:
    pressed: bool
    millis: int


@message
@dataclass
class Press:
    count: int
    long: bool


@practice(Button, output=Press)
async def debouncer(ctx: Any) -> None:
    stable = False
    since = 0
    candidate = False
    down_at: int | None = None
    presses = 0
    while not ctx.should_terminate:
        b = await ctx.receive()
        if b.pressed != candidate:
            candidate, since = b.pressed, b.millis
            continue
        if b.millis - since < 20 or candidate == stable:
            continue
        stable = candidate
        if stable:
            down_at = b.millis
        elif down_at is not None:
            presses += 1
            await ctx.send(Press(presses, long=b.millis - down_at >= 800))
            down_at = None


@practice(Sample, output=Out)
async def schmitt(ctx: Any) -> None:
    high = False
    edges = 0
    while not ctx.should_terminate:
        v = (await ctx.receive()).value
        was = high
        high = v > 0.3 if high else v > 0.7
        if was is not high:
            edges += 1
            await ctx.send(Out(float(edges), high))


@practice(Sample, output=Out)
async def slew_limiter(ctx: Any) -> None:
    y = 0.0
    rate = 2.5
    last_t = 0.0
    while not ctx.should_terminate:
        s = await ctx.receive()
        step = rate * (s.t - last_t)
        if step < 0:
            continue
        last_t = s.t
        delta = s.value - y
        y += math.copysign(min(abs(delta), step), delta)
        await ctx.send(Out(y, abs(delta) > step))


@practice(Imu, output=Attitude)
async def complementary(ctx: Any) -> None:
    roll = pitch = 0.0
    k = 0.98
    while not ctx.should_terminate:
        m: Imu = await ctx.receive()
        acc_roll = math.atan2(m.ay, m.az)
        acc_pitch = math.atan2(-m.ax, math.hypot(m.ay, m.az))
        roll = k * (roll + m.gx * DT) + (1 - k) * acc_roll
        pitch = k * (pitch + m.gy * DT) + (1 - k) * acc_pitch
        await ctx.send(Attitude(math.degrees(roll), math.degrees(pitch)))


@practice(Sample, output=Out)
async def tone_detector(ctx: Any) -> None:
    coeff = 2.0 * math.cos(TAU * 5 / 32)
    s1 = s2 = 0.0
    n = 0
    while not ctx.should_terminate:
        x = (await ctx.receive()).value
        s1, s2 = x + coeff * s1 - s2, s1
        n += 1
        if n == 32:
            power = s1**2 + s2**2 - coeff * s1 * s2
            await ctx.send(Out(power, flag=power > 10.0))
            s1 = s2 = 0.0
            n = 0


@message
@dataclass
class Frame:
    samples: Annotated[NDArray[np.float32], Shape(16)]


@message
@dataclass
class Level:
    rms: float
    peak: float
    crossings: int


@practice(Frame, output=Level)
async def audio_level(ctx: Any) -> None:
    while not ctx.should_terminate:
        frame = await ctx.receive()
        acc = 0.0
        peak = 0.0
        crossings = 0
        previous = 0.0
        for x in frame.samples:
            v = float(x)
            acc += v * v
            if abs(v) > peak:
                peak = abs(v)
            if (v < 0) != (previous < 0):
                crossings += 1
            previous = v
        await ctx.send(Level(math.sqrt(acc / len(frame.samples)), peak, crossings))


@message
@dataclass
class Taps:
    taps: Annotated[list[float], MaxLen(8)]


@practice(Sample, Taps, output=Out)
async def fir_with_taps(ctx: Any) -> None:
    """A filter whose taps can be replaced while it runs."""
    taps = [0.25, 0.25, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0]
    line = [0.0] * 8
    while not ctx.should_terminate:
        m = await ctx.receive()
        if isinstance(m, Taps):
            for i in range(len(taps)):
                taps[i] = m.taps[i] if i < len(m.taps) else 0.0
            continue
        for i in range(len(line) - 1, 0, -1):
            line[i] = line[i - 1]
        line[0] = m.value
        await ctx.send(Out(sum(t * x for t, x in zip(taps, line))))


class Gear(IntEnum):
    PARK = 0
    REVERSE = 1
    NEUTRAL = 2
    DRIVE = 3


@message
@dataclass
class Pedals:
    throttle: float
    brake: float
    gear: Gear


@practice(Pedals, output=Out)
async def cruise(ctx: Any) -> None:
    speed = 0.0
    gear = Gear.PARK
    while not ctx.should_terminate:
        p = await ctx.receive()
        if p.gear != gear and abs(speed) < 0.5:
            gear = p.gear
        force = 0.0
        if gear == Gear.DRIVE:
            force = p.throttle
        elif gear is Gear.REVERSE:
            force = -0.5 * p.throttle
        if p.brake > 0:
            speed *= max(0.0, 1.0 - p.brake)
        speed += force * DT - 0.001 * speed * abs(speed)
        if gear <= Gear.REVERSE and gear < 1:
            speed = 0.0
        await ctx.send(Out(round(speed, 3), flag=gear > Gear.NEUTRAL))


@practice(Sample, output=Out)
async def alpha_beta(ctx: Any) -> None:
    xk_1, vk_1, a, b = 0.0, 0.0, 0.85, 0.005
    dt = 0.5
    while not ctx.should_terminate:
        xm = (await ctx.receive()).value
        xk = xk_1 + (vk_1 * dt)
        vk = vk_1
        rk = xm - xk
        xk += a * rk
        vk += (b * rk) / dt
        xk_1 = xk
        vk_1 = vk
        await ctx.send(Out(xk_1))


class Phase(Enum):
    IDLE = "idle"
    RAMP = "ramp"
    HOLD = "hold"
    COOL = "cool"


@message
@dataclass
class Oven:
    phase: Phase
    power: float
    seconds: int


@practice(Sample, output=Oven)
async def reflow_oven(ctx: Any) -> None:
    phase = Phase.IDLE
    seconds = 0
    while not ctx.should_terminate:
        temp = (await ctx.receive()).value
        seconds += 1
        match phase:
            case Phase.IDLE if temp < 50:
                phase, seconds = Phase.RAMP, 0
            case Phase.RAMP if temp >= 150:
                phase, seconds = Phase.HOLD, 0
            case Phase.HOLD if seconds > 10 or temp > 260:
                phase, seconds = Phase.COOL, 0
            case Phase.COOL if temp < 60:
                phase = Phase.IDLE
            case _:
                pass
        power = {Phase.IDLE: 0.0, Phase.RAMP: 1.0, Phase.HOLD: 0.4, Phase.COOL: 0.0}[phase]
        await ctx.send(Oven(phase, power, seconds))


@practice(Sample, output=Out)
async def automatic_gain(ctx: Any) -> None:
    gain = 1.0
    target = 0.5
    while not ctx.should_terminate:
        s = await ctx.receive()
        y = s.value * gain
        level = abs(y)
        rate = 0.1 if level > target else 0.01
        gain *= math.exp(rate * (target - level))
        gain = min(max(gain, 1e-3), 1e3)
        await ctx.send(Out(math.tanh(y)))


@practice(Sample, output=Out)
async def running_max(ctx: Any) -> None:
    """The maximum of the last eight, with a monotonic deque of (index, value) kept in two."""
    index: deque[int] = deque(maxlen=8)
    value: deque[float] = deque(maxlen=8)
    i = 0
    while not ctx.should_terminate:
        v = (await ctx.receive()).value
        while value and value[-1] <= v:
            value.pop()
            index.pop()
        value.append(v)
        index.append(i)
        if index[0] <= i - 8:
            index.popleft()
            value.popleft()
        i += 1
        await ctx.send(Out(value[0]))
