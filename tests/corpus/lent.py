"""Helper functions that change a container of their caller's: of the state, or made in the turn."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from pydotcompute import message
from tests.corpus.case import case


@message
@dataclass
class Job:
    n: int
    key: str = ""


@message
@dataclass
class Sums:
    total: float
    size: int


def push(window: deque[float], value: float) -> None:
    window.append(value)


def push_twice(window: deque[float], value: float) -> int:
    push(window, value)
    push(window, value / 2)
    return len(window)


def count(counts: dict[str, int], key: str) -> int:
    counts[key] = counts.get(key, 0) + 1
    if counts[key] > 3:
        del counts[key]
    return len(counts)


def halves(out: list[float], n: int) -> None:
    while n > 1:
        n //= 2
        out.append(n)
    if len(out) > 3:
        out.pop()
        out[0] = 0.5


def take(queue: deque[int]) -> int:
    return queue.popleft()


@case(Job, output=Sums)
async def lent_window(ctx: Any) -> None:
    window: deque[float] = deque(maxlen=3)
    while not ctx.should_terminate:
        m = await ctx.receive()
        push(window, m.n)
        size = push_twice(window, m.n) if m.n > 2 else 0
        await ctx.send(Sums(sum(window), size))


@case(Job, output=Sums)
async def lent_dict(ctx: Any) -> None:
    counts: dict[str, int] = {}
    while not ctx.should_terminate:
        m = await ctx.receive()
        size = count(counts, m.key)
        await ctx.send(Sums(0.5, size + 100 * counts.get(m.key, 0)))


@case(Job, output=Sums)
async def lent_list(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        out: list[float] = []
        halves(out, m.n)
        await ctx.send(Sums(sum(out), len(out)))


@case(Job, output=Sums)
async def lent_and_taken(ctx: Any) -> None:
    queue: deque[int] = deque(maxlen=4)
    while not ctx.should_terminate:
        m = await ctx.receive()
        if m.n > 0:
            push(queue, m.n)
        else:
            await ctx.send(Sums(take(queue), len(queue)))
