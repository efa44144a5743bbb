"""Containers in the state, and values that compiled code compares only in part."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np

from pydotcompute import message
from tests.corpus.case import case


@message
@dataclass
class Item:
    key: int
    value: float
    owner: UUID


@message
@dataclass
class Level:
    size: int
    value: float


@message
@dataclass
class Maybe:
    level: Level | None


@case(Item, output=Level)
async def all_kinds(ctx: Any) -> None:
    recent = deque(maxlen=4)
    totals: dict[int, float] = {}
    slots = [0] * 8
    grid = np.zeros((2, 3))
    while not ctx.should_terminate:
        item = await ctx.receive()
        recent.append(item.value)
        totals[item.key % 16] = totals.get(item.key % 16, 0.0) + item.value
        slots[item.key % 8] += 1
        grid[item.key % 2, 1] = item.value
        if slots[0] > 3:
            slots[0] = 0
            del totals[item.key % 16]
        if item.key % 5 == 0:
            recent.popleft()
            totals.setdefault(item.key % 3, 1.5)
        checked = 100 // (item.key % 7)
        await ctx.send(Level(len(totals) + checked, sum(recent) + grid[0, 1]))


@case(Item, output=Level)
async def churn(ctx: Any) -> None:
    """Keys come and go, several in a turn: deleted entries are left out between turns."""
    open_: dict[int, float] = {}
    while True:
        item = await ctx.receive()
        key = item.key % 5
        if key == 4:
            open_.clear()
        for shift in range(3):
            if key + shift in open_:
                del open_[key + shift]
            elif item.key % 1000 == 999:
                raise ValueError("undone: nothing of this turn stays")
            else:
                open_[key + shift] = item.value
        order = 0
        for place in open_:
            order = order * 10 + place
        await ctx.send(Level(order, open_.get(2, 0.5)))


@case(Item, output=Level)
async def ranked(ctx: Any) -> None:
    """Long enough for the merges of the sort; zeros of both signs show that it is stable."""
    window = [0.0] * 70
    n = 0
    while True:
        item = await ctx.receive()
        window[n % 70] = float(item.key % 9 - 4) * (1.0 if item.value > 0 else -1.0)
        n += 1
        falling = sorted(window, reverse=True)
        if n % 3 == 0:
            window.sort()
        place = item.key % 70
        await ctx.send(Level(place, math.copysign(1.0, falling[place]) + window[place]))


@case(Item, output=Level)
async def sums(ctx: Any) -> None:
    window = deque([0.1, 0.2, 0.3], maxlen=12)
    scale = 1e16
    while not ctx.should_terminate:
        item = await ctx.receive()
        window.append(item.value)
        total = sum(window) + sum(x * scale for x in window) + sum([scale, item.value, -scale])
        mixed = sum([item.key, 3, item.key % 5]) + sum((x for x in window if x > 0), 0.5)
        nested = sum(sum(x * y for y in window) for x in window)
        picked = sum(x if x > 1 else 2 for x in window) + sum([item.key, 2**53, 0.1, 1, item.value])
        await ctx.send(Level(sum(n * n for n in range(item.key % 9)), total))
        await ctx.send(Level(len(window), mixed + picked))
        await ctx.send(Level(0, nested))


@case(Item, output=Level)
async def owners(ctx: Any) -> None:
    last = None
    count = 0
    while not ctx.should_terminate:
        item = await ctx.receive()
        count = count + 1 if item.owner == last else 0
        if last is not None and last != item.owner:
            await ctx.send(Level(count, item.value))
        last = item.owner


@case(Maybe, output=Level)
async def refused_is_no_type_error(ctx: Any) -> None:
    """Compiled code compares no messages: that is no TypeError, and no handler's business."""
    last = Level(1, 2.0)
    while not ctx.should_terminate:
        maybe = await ctx.receive()
        try:
            same = maybe.level == last
        except TypeError:
            same = None
        await ctx.send(Level(same is None, same or 0.0))
