"""Deques without a bound: queues, monotonic queues, two ends that grow and shrink."""

from __future__ import annotations

from collections import deque
from typing import Any

from tests.corpus.case import case
from tests.corpus.sequences import Batch, Summary


@case(Batch, output=Summary)
async def sliding_maximum(ctx: Any) -> None:
    """The largest of the last eight, by a queue whose values fall."""
    falling: deque[tuple[int, int]] = deque()
    turn = 0
    while not ctx.should_terminate:
        m = await ctx.receive()
        turn += 1
        while falling and falling[-1][1] <= m.key:
            falling.pop()
        falling.append((turn, m.key))
        if falling[0][0] <= turn - 8:
            falling.popleft()
        await ctx.send(Summary(falling[0][1], float(len(falling))))


@case(Batch, output=Summary)
async def both_ends_of_a_queue(ctx: Any) -> None:
    jobs = deque([3, 1, 2])
    late: deque[float] = deque()
    while not ctx.should_terminate:
        m = await ctx.receive()
        if m.flag:
            jobs.appendleft(m.key)
        else:
            jobs.append(m.key)
        late.extend(m.floats)
        late.extendleft(m.floats[:2])
        first, last = jobs[0], jobs[-1]
        jobs[len(jobs) // 2] += 1
        if len(jobs) > 6:
            jobs.rotate(2)
            last += jobs.popleft() * 3 + jobs.pop() + jobs[-2]
        if m.key in jobs and m.key % 3 == 0:
            jobs.remove(m.key)
        if jobs.maxlen is None and m.key % 7 == 0:
            jobs.reverse()
        if len(late) > 20:
            late.clear()
        total = sum((i + 1) * (v % 89) for i, v in enumerate(jobs)) + first
        await ctx.send(Summary(total + jobs.count(3), last + sum(late)))
        jobs.append(m.ints[0] // (m.key % 4) if m.ints else 0)


@case(Batch, output=Summary)
async def queues_that_overflow(ctx: Any) -> None:
    """More than compiled code has room for, for a while: the interpreter handles these messages."""
    waiting: deque[int] = deque(range(1000))
    while not ctx.should_terminate:
        m = await ctx.receive()
        for value in range(m.key % 300):
            waiting.append(value ^ m.key)
        if m.flag:
            for _ in range(len(waiting) - 5):
                waiting.popleft()
        await ctx.send(Summary(len(waiting), float(waiting[0] + waiting[-1])))
