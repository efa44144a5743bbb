"""Sets in the state: what is in them, and what is the same in any order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydotcompute import message
from tests.corpus.case import case


class Level(Enum):
    LOW = 1
    MIDDLE = 2
    HIGH = 3


@message
@dataclass
class Event:
    key: int
    value: float
    word: str
    level: Level
    on: bool


@message
@dataclass
class Seen:
    count: int
    value: float = 0.0
    flags: int = 0


@case(Event, output=Seen)
async def distinct(ctx: Any) -> None:
    """A set of each type of item."""
    keys: set[int] = set()
    values = {0.5, -0.0, math.inf}
    words = {"a", "b"}
    levels: set[Level] = set()
    pairs: set[tuple[int, str]] = set()
    truths: set[bool] = set()
    while not ctx.should_terminate:
        event = await ctx.receive()
        news = (event.key not in keys) + 2 * (event.word in words) + 4 * (event.level in levels)
        keys.add(event.key)
        values.add(event.value)
        words |= {event.word, "c"}
        levels.add(event.level)
        pairs.add((event.key % 4, event.word))
        truths.add(event.on)
        news += 8 * (0.0 in values) + 16 * ((1, "a") in pairs) + 32 * (True in truths)
        count = len(keys) + len(values) + len(words) + len(levels) + len(pairs) + len(truths)
        await ctx.send(Seen(count, max(values), news))


@case(Event, output=Seen)
async def taken_out(ctx: Any) -> None:
    """Items come and go; ``remove`` of what is not there is a ``KeyError``."""
    held = {1, 2, 3}
    while not ctx.should_terminate:
        event = await ctx.receive()
        key = event.key % 8
        try:
            held.remove(key)
            held.update((key + 1, key + 2), [key * 2])
        except KeyError:
            held.add(key)
            held -= {key + 1, 100}
        if len(held) > 6:
            held.clear()
        held.discard(event.key % 5)
        await ctx.send(Seen(len(held), flags=sum(2**item for item in held if item < 60)))


@case(Event, output=Seen)
async def undone_set(ctx: Any) -> None:
    """A turn that fails leaves no trace in the set."""
    open_: set[int] = set()
    while not ctx.should_terminate:
        event = await ctx.receive()
        for shift in range(3):
            key = (event.key + shift) % 7
            if key in open_:
                open_.remove(key)
            elif event.key % 50 == 49:
                raise ValueError("undone: nothing of this turn stays")
            else:
                open_.add(key)
        order = 0
        for key in sorted(open_):
            order = order * 10 + key
        await ctx.send(Seen(order, float(len(open_)), 100 // (event.key % 9)))


@case(Event, output=Seen)
async def in_any_order(ctx: Any) -> None:
    keys = {5}
    values: set[float] = set()
    while not ctx.should_terminate:
        event = await ctx.receive()
        keys.add(event.key % 100)
        values.add(event.value)
        if not keys or len(values) > 20:
            values.clear()
            values.add(1.0)
        flags = any(key > 50 for key in keys) + 2 * all(keys) + 4 * any(values)
        small = sum(1 for key in keys if key < 10) + sum(keys)
        least = min(values) if values else -1.0
        await ctx.send(Seen(small, least + sorted(values, reverse=True)[-1], flags))
        await ctx.send(Seen(max(keys) - min(keys, default=0), 0.0, len(sorted(keys))))


@case(Event, output=Seen)
async def sets_compared(ctx: Any) -> None:
    left, right = {1, 2}, set()
    allowed = frozenset({"a", "buy"})
    while not ctx.should_terminate:
        event = await ctx.receive()
        if event.on:
            left.add(event.key % 3)
            right.discard(event.key % 4)
        else:
            right.add(event.key % 3)
            left.discard(event.key % 4)
        if event.word in allowed:
            left |= right
        flags = (left == right) + 2 * (left != right) + 4 * (left <= right) + 8 * (left < right)
        flags += 16 * (left >= right) + 32 * (left > right) + 64 * left.isdisjoint(right)
        flags += 128 * left.issubset(right) + 256 * left.issuperset(right)
        await ctx.send(Seen(len(left), float(len(right)), flags))


@case(Event, output=Seen)
async def sets_exchanged(ctx: Any) -> None:
    """Two sets change places; one of them is empty at first."""
    now, before = {1}, set()
    while not ctx.should_terminate:
        event = await ctx.receive()
        now.add(event.key % 5)
        if event.on:
            now, before = before, now
        before.discard(event.key % 3)
        await ctx.send(Seen(len(now), float(sum(before)), sum(now)))
