"""Control flow: nested loops, several sends, helpers, early exits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pydotcompute import message
from tests.corpus.case import case


@message
@dataclass
class Job:
    n: int
    x: float
    urgent: bool = False


@message
@dataclass
class Done:
    n: int
    x: float


def clamp(value: float, low: float, high: float) -> float:
    return low if value < low else high if value > high else value


def sign(value: float) -> int:
    if value > 0:
        return 1
    if value < 0:
        return -1
    return 0


def twice(value: Any) -> Any:
    return value + value


def polynomial(x: float, a: float = 1.0, b: float = -2.0, c: float = 0.5) -> float:
    return (a * x + b) * x + c


def bounds(n: int, spread: int) -> tuple[int, int]:
    low = n - spread
    return low, n + spread


def steps_to(limit: int, start: int = 0) -> int:
    count = 0
    while start < limit:
        start += max(1, start // 2)
        count += 1
    return count


def checked(n: int) -> int:
    if n < 0:
        raise ValueError("negative")
    return n * 2


@case(Job, output=Done)
async def helper_functions(ctx: Any) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive()
        await ctx.send(Done(sign(job.x), clamp(job.x, -10.0, 10.0)))
        await ctx.send(Done(clamp(job.n, 0, 5), polynomial(job.x)))
        await ctx.send(Done(twice(job.n), twice(job.x)))
        await ctx.send(Done(twice(job.urgent), polynomial(c=job.x, x=1.0)))
        low, high = bounds(job.n, 3)
        await ctx.send(Done(low * high, twice(job.n) / 4))
        await ctx.send(Done(steps_to(min(job.n, 10_000)), float(sign(job.n))))


@case(Job, output=Done)
async def countdown(ctx: Any) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive()
        n = min(job.n, 12)
        while n > 0:
            n -= 1
            if n % 3 == 0:
                continue
            if n == 10:
                break
            await ctx.send(Done(n, job.x))
        else:
            await ctx.send(Done(-1, job.x))


@case(Job, output=Done)
async def triangles(ctx: Any) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive()
        found = 0
        limit = job.n % 12
        for a in range(1, limit):
            for b in range(a, limit):
                c2 = a * a + b * b
                c = math.isqrt(c2)
                if c * c != c2:
                    continue
                if c > limit:
                    break
                found += 1
                await ctx.send(Done(a * 10000 + b * 100 + c, job.x))
            else:
                found += 100
        await ctx.send(Done(found, job.x))


@case(Job, output=Done)
async def ranges(ctx: Any) -> None:
    total = 0
    while not ctx.should_terminate:
        job = await ctx.receive()
        step = job.n % 7 - 3
        for i in range(10, -10, step):
            total += i
            i = 100
            total += i
        for j in range(job.n % 5):
            last = j
        if job.n % 5:
            total -= last
        await ctx.send(Done(total, job.x))


@case(Job, output=Done)
async def fibonacci(ctx: Any) -> None:
    a, b = 0, 1
    while not ctx.should_terminate:
        job = await ctx.receive()
        a, b = b, a + b
        if job.urgent:
            a, b = 0, 1
        x, y, (z, _) = a, b, (job.n, job.x)
        await ctx.send(Done(x + y + z, x / y))


@case(Job, output=Done)
async def early_exits(ctx: Any) -> None:
    budget = 40
    while budget > 0:
        job = await ctx.receive()
        budget -= 1
        if job.n == 13:
            break
        if job.n == 17:
            return
        if job.urgent:
            budget += 2
            continue
        await ctx.send(Done(budget, job.x))
    await ctx.send(Done(budget, -1.0))


@case(Job, output=Done)
async def bool_logic(ctx: Any) -> None:
    a, b = True, False
    while not ctx.should_terminate:
        job = await ctx.receive()
        c = job.urgent
        a, b = (a and not b) or c, a ^ c
        both = a & b | c
        n = a + b * 2 + c * 4 + both * 8
        x = (job.n or 7) and (job.x or 1.5)
        await ctx.send(Done(n, x))
        await ctx.send(Done(a if job.n > 0 else -1, job.n if c else job.x))
        if not (a or b) and 0 < job.n <= 10 != job.x:
            await ctx.send(Done(job.n and 5, 0 if job.n < 0 else 0.5))


@case(Job, output=Done)
async def changing_types(ctx: Any) -> None:
    """``total`` begins as an int, and becomes a float."""
    total = 0
    while not ctx.should_terminate:
        job = await ctx.receive()
        value = job.n if job.urgent else job.x
        total = total + value
        result = value * 2
        if result > 10:
            result = True
        await ctx.send(Done(job.n, total))
        await ctx.send(Done(0, result))
        value = None
        if value is None and total > 1000:
            total = 0


@case(Job, output=Done)
async def walrus(ctx: Any) -> None:
    last = 0
    while not ctx.should_terminate:
        if (n := (await ctx.receive()).n) > last and (half := n // 2) > 3:
            await ctx.send(Done(half, 0.5))
        elif (m := n % 10) or n == 0:
            await ctx.send(Done(m, 1.5))
        last = n


@case(Job, output=Done)
async def chained_assignment(ctx: Any) -> None:
    a = b = 0
    while not ctx.should_terminate:
        job = await ctx.receive()
        c = a = job.n + b
        (d, e), b = f = (a % 5, job.x), c % 7
        g = (h := d + 1) * (i := h + b)
        await ctx.send(Done(a + c + d + g + i, e))
        await ctx.send(Done(f[1], f[0][1]))


@case(Job, output=Done)
async def order_of_effects(ctx: Any) -> None:
    """An operand keeps the value it had when it was read."""
    n = 1
    while not ctx.should_terminate:
        job = await ctx.receive()
        first = n * (n := n % 100 + job.n % 7)
        low, high = bounds(n, n := n + 1)
        await ctx.send(Done(n - (n := first % 11), float(low + high)))
        await ctx.send(Done(n, max(job.x, (n := n + 2) * 1.0, n - 0.5)))
        if n > 5 < (n := 6) or (n := n + 1) < n + (n := 0):
            await ctx.send(Done(n, -1.0))


@case(Job, output=Done)
async def membership(ctx: Any) -> None:
    codes = 0
    while not ctx.should_terminate:
        job = await ctx.receive()
        if job.n not in (1, 2, 3, job.n % 5):
            codes += 1
        if job.n in range(3, 30, 4):
            codes += 10
        if job.x not in (0.0, 0.5) and job.n not in range(-2, 2):
            codes += 100
        await ctx.send(Done(codes, float(not job.n in (0, 7))))  # noqa: E713


@case(Job, output=Done)
async def rotation(ctx: Any) -> None:
    a, b, c = 1, 2, 3
    x, y = 0.5, -1.5
    while not ctx.should_terminate:
        job = await ctx.receive()
        if job.urgent:
            a, b = b, a
        else:
            a, b, c = c, a, b
        if job.n % 3 == 0:
            c, (x, y) = job.n, (y, x)
        await ctx.send(Done(a * 1_000_000 + b * 1000 + c, x))
