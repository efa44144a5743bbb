"""What is computed though nothing needs it, and what is known of a value where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import MaxLen

from pydotcompute import message
from tests.corpus.case import case

LIMIT = 50


@message
@dataclass
class Maybe:
    n: int
    o: int | None


@message
@dataclass
class Other:
    n: float


@message
@dataclass
class Pair:
    x: int
    y: float


@message
@dataclass
class Items:
    xs: Annotated[list[int], MaxLen(6)]


def refused(n: int) -> bool:
    """Never returns, which only the compiler notices."""
    if n == n:
        raise ValueError(f"{n}")
    return n > 2


def fail(n: int) -> int:
    raise ValueError(f"{n}")


def check(n: int) -> None:
    if n < 0:
        raise ValueError("negative")


@case(Maybe, output=Pair)
async def always_raises(ctx: Any) -> None:
    """Values and tests of functions that never return."""
    while True:
        m = await ctx.receive()
        try:
            x = int(fail(m.n)) * 2.0
        except ValueError:
            x = 3.0
        kept = 1.0 if m.n < 3 and refused(m.n) else None
        if m.n == 5:
            x = 1.0 if fail(m.n) else 2.0
        await ctx.send(Pair(fail(m.n) if m.n == 4 else 1, x if kept is None else kept))


@case(Maybe, output=Pair)
async def tests_known_beforehand(ctx: Any) -> None:
    """Tests whose outcome is known, of operands that may raise."""
    while True:
        m = await ctx.receive()
        a = 1 if check(m.n + 4) else 2
        a += 1 if check(m.n + 3) is None else 2
        if not check(m.n + 2):
            a += 1
        a += 1 if not Pair(10 // m.n, 1.0) else 2
        if (7 // (m.n - 1), 2):  # noqa: F634
            a += 1
        a += 1 if isinstance(Pair(10 // (m.n - 2), 2.0), Pair) else 3
        a += 4 if (10 // (m.n - 3)) == None else 5  # noqa: E711
        a += (10 // (m.n - 4)) in ()  # noqa: RUF060
        a += 4 if (10 // (m.n - 5), 1) == (1, 2, 3) else 5
        await ctx.send(Pair(a, 1.0))


@case(Maybe, output=Pair)
async def parts_known_beforehand(ctx: Any) -> None:
    """Parts of something whose other parts may raise."""
    while True:
        m = await ctx.receive()
        a = (10 // m.n, 5)[1]
        a += len((1, 10 // (m.n - 1)))
        a += len([1, 10 // (m.n - 2)])
        a += (10 // (m.n - 3)) * 0
        await ctx.send(Pair(a, Pair(10 // (m.n - 4), 4.0).y))


@case(Maybe, output=Pair)
async def or_is_not_none(ctx: Any) -> None:
    """``x or y`` where ``x`` may be ``None``: never ``None``."""
    last = None
    while True:
        m = await ctx.receive()
        p = Pair((m.o or 10), 1.0)
        q = Pair((None or m.n), 1.0)
        r = Pair(last or 4, 1.5)
        last = m.o
        await ctx.send(Pair(p.x % 100 + q.x % 100 + r.x % 100, r.y))


@case(Maybe, output=Pair)
async def none_into_array(ctx: Any) -> None:
    grid = np.zeros(3)
    while True:
        m = await ctx.receive()
        grid[m.n % 3] = m.o
        await ctx.send(Pair(LIMIT.bit_length(), float(grid[0])))


@case(Maybe, Other, output=Items)
async def kinds_in_loops(ctx: Any) -> None:
    """Inside a loop, a message is still of the class that was tested before."""
    while True:
        m = await ctx.receive()
        if isinstance(m, Maybe):
            await ctx.send(Items([m.n for _ in range(2)]))
        match m:
            case Maybe(n=first):
                for i in range(2):
                    await ctx.send(Items([m.n, first, i]))
            case Other():
                await ctx.send(Items([1 for _ in range(3) if m.n > 0.5]))


@case(Maybe, output=Items)
async def nothing_in_lists(ctx: Any) -> None:
    while True:
        m = await ctx.receive()
        await ctx.send(Items([]) if m.n > 5 else Items([m.n for _ in range(0)]))


@case(Maybe, output=Pair)
async def time_outs_that_work(ctx: Any) -> None:
    """A handler that computes, prints and sends more than there is room for is not forgotten."""
    total = 0
    while not ctx.should_terminate:
        try:
            m = await ctx.receive(timeout=0.01)
        except TimeoutError:
            for i in range(3000):
                total = (total * 31 + i) % 65_521
            for i in range(20):
                print("idle", i, total)
            await ctx.send(Pair(total, 0.5))
            await ctx.send(Pair(total + 1, 0.5))
            continue
        total += m.n % 7


@case(Maybe, output=Pair)
async def no_such_place(ctx: Any) -> None:
    """An index that never comes to be, and a constant that no field takes."""
    xs = [0] * 4
    while True:
        m = await ctx.receive()
        try:
            xs[m.n % 4] += 1
            if m.n % 3 == 0:
                xs[fail(m.n) % 4] += 2
        except ValueError:
            xs[0] += 1
        if m.n == 77:
            await ctx.send(Pair(9223372036854775807**1 + 1, 0.5))
        await ctx.send(Pair(xs[0] * 100 + xs[m.n % 4], 0.5))
