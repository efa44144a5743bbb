"""Containers of the state that change places: double buffers, rotations of three, in branches."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from tests.corpus.case import case
from tests.corpus.sequences import Batch, Summary


@case(Batch, output=Summary)
async def double_buffers(ctx: Any) -> None:
    cur, nxt = [1, 0, 0, 1, 0], [0] * 5
    heat, next_heat = np.zeros((2, 3)), np.ones((2, 3))
    while not ctx.should_terminate:
        m = await ctx.receive()
        for _ in range(1 + m.flag):
            for i in range(5):
                nxt[i] = cur[i - 1] ^ cur[(i + 1) % 5]
            cur, nxt = nxt, cur
        for row in range(2):
            for column in range(3):
                next_heat[row, column] = heat[row, column - 1] / 2 + m.key
        heat, next_heat = next_heat, heat
        total = sum((i + 1) * v for i, v in enumerate(cur))
        await ctx.send(Summary(total * 100 + sum(nxt), float(heat.sum()) - heat[1, 2]))


@case(Batch, output=Summary)
async def containers_of_all_kinds_change_places(ctx: Any) -> None:
    grows: list[float] = []
    other = [0.5, 1.5]
    wraps: deque[int] = deque(maxlen=4)
    short: deque[int] = deque([7], maxlen=4)
    old: dict[int, int] = {}
    new: dict[int, float] = {3: 0.5}
    while not ctx.should_terminate:
        m = await ctx.receive()
        if len(grows) > 6:
            grows.clear()
        grows.append(m.key / 2)
        wraps.append(m.key)
        new[m.key % 5] = m.key / 4
        old[m.key % 7] = m.key
        if m.flag:
            grows, other = other, grows
            wraps, short = short, wraps
            old, new = new, old
        if m.key % 3 == 0:
            old.pop(next(iter(old)), None)
        first = m.ints[0] // (m.key % 4) if m.ints else 1  # after it all: the turn is undone
        await ctx.send(Summary(first + sum(i * v for i, v in enumerate(wraps)) + len(short),
                               sum(grows) - sum(other) * 3))  # fmt: skip
        await ctx.send(Summary(sum(i * k for i, k in enumerate(old)) + len(new),
                               sum(v * 2 for v in old.values()) + sum(new.values())))  # fmt: skip


@case(Batch, output=Summary)
async def rotations_of_three(ctx: Any) -> None:
    a, b, c, turns = [1], [2, 3], [4, 5, 6], 0
    while not ctx.should_terminate:
        m = await ctx.receive()
        seen = a
        a, b, c, turns = b, c, a, turns + 1
        seen.append(m.key)
        c, b = b, c
        seen.append(turns)
        last = seen[-2]
        if m.flag:
            b, a = a, b
        a, c = c, a
        try:
            a, b = b, a
            c.append(m.key // (m.key % 3))
        except ZeroDivisionError:
            c, b = b, c
        first, second = sum(i * v for i, v in enumerate(a)), sum(i * v for i, v in enumerate(b))
        await ctx.send(Summary(first + 1000 * second, float(len(b))))
        await ctx.send(Summary(sum(i * v for i, v in enumerate(c)), float(last)))
        if len(a) + len(b) + len(c) > 20:
            a.clear()
            b[:] = [7]
            c.pop()
