"""Variables that are ``None`` until the first message has come, and how actors tell."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from pydotcompute import message
from tests.corpus.case import case


@message
@dataclass
class Tick:
    x: float
    n: int


@message
@dataclass
class Delta:
    x: float
    text: str = ""


@case(Tick, output=Delta)
async def first_by_a_flag(ctx: Any) -> None:
    prev = None
    first = True
    while not ctx.should_terminate:
        m = await ctx.receive()
        if first:
            first = False
        else:
            await ctx.send(Delta(m.x - prev))  # type: ignore[operator]
        prev = m.x


@case(Tick, output=Delta)
async def first_by_a_count(ctx: Any) -> None:
    prev = best = None
    count = 0
    while not ctx.should_terminate:
        m = await ctx.receive()
        count += 1
        if count > 1:
            change = m.x - prev  # type: ignore[operator]
            best = change if best is None else max(best, change)
            await ctx.send(Delta(best, f"{prev:.3f}"))
        prev = m.x


@case(Tick, output=Delta)
async def first_by_an_error(ctx: Any) -> None:
    prev = last = None
    while not ctx.should_terminate:
        m = await ctx.receive()
        try:
            await ctx.send(Delta(m.x * prev))  # type: ignore[operator]
        except TypeError:
            await ctx.send(Delta(0.5))
        if m.n == 3:
            await ctx.send(Delta(last.x))  # type: ignore[attr-defined]
        prev = m.n
        last = m


@case(Tick, output=Delta)
async def first_of_a_window(ctx: Any) -> None:
    seen: deque[float] = deque(maxlen=3)
    low = None
    while not ctx.should_terminate:
        m = await ctx.receive()
        seen.append(m.x)
        if len(seen) == 3:
            if m.x < low:  # type: ignore[operator]
                await ctx.send(Delta(m.x - low))  # type: ignore[operator]
            low = min(seen)
        elif len(seen) == 2:
            low = min(seen)


@case(Tick, output=Delta)
async def first_of_two_tables(ctx: Any) -> None:
    """Each table is known only once the other is: the first line typed alone is not enough."""
    level: dict[int, float] = {}
    since: dict[int, int] = {}
    while not ctx.should_terminate:
        m = await ctx.receive()
        old = level.get(m.n % 5)
        start = since.get(m.n % 5)
        if old is None or m.n - start >= 10:  # type: ignore[operator]
            level[m.n % 5] = m.x
            since[m.n % 5] = m.n
            await ctx.send(Delta(m.x))
