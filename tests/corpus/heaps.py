"""Heaps and sorted lists: ``heapq`` and ``bisect`` on lists of the state and of a turn."""

from __future__ import annotations

import bisect
import heapq
import math
from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from pydotcompute import message
from tests.corpus.case import case

GRADES = [60, 70, 80, 90]
LIMITS = (-1.5, -0.0, 0.5, math.inf)


@message
@dataclass
class Job:
    due: int
    cost: float


@message
@dataclass
class Done:
    due: int
    cost: float = 0.0
    note: str = ""


@case(Job, output=Done)
async def job_queue(ctx: Any) -> None:
    """Tuples come out in order of the first part, then of the second; all of the heap shows."""
    waiting: list[tuple[float, int]] = []
    while not ctx.should_terminate:
        job = await ctx.receive()
        heapq.heappush(waiting, (job.cost, job.due))
        if len(waiting) > 5:
            cost, due = heapq.heappop(waiting)
            await ctx.send(Done(due, cost))
        for cost, due in waiting:
            await ctx.send(Done(due, cost))


@case(Job, output=Done)
async def dearest_five(ctx: Any) -> None:
    """Nothing makes the list shorter, and it grows only while it is short."""
    best: list[tuple[float, int]] = []
    recent: list[int] = []
    while not ctx.should_terminate:
        job = await ctx.receive()
        if len(best) < 5:
            heappush(best, (job.cost, job.due))
        else:
            heapq.heappushpop(best, (job.cost, job.due))
        if not len(recent) >= 3:
            recent.append(job.due)
        for cost, due in best:
            await ctx.send(Done(due, cost, "first" if due in recent else ""))


@case(Job, output=Done)
async def heap_places(ctx: Any) -> None:
    """Each function of ``heapq`` leaves each item at the place where CPython leaves it."""
    heap: list[int] = []
    fixed = [9, 4, 7, 1, 3, 3, 0, 8]
    while not ctx.should_terminate:
        job = await ctx.receive()
        heappush(heap, job.due % 100)
        if job.due % 7 == 0:
            taken = heapq.heappushpop(heap, job.due % 50)
            await ctx.send(Done(taken, 1.0))
        if job.due % 5 == 0:
            await ctx.send(Done(heapq.heapreplace(heap, job.due % 30), 2.0))
        if len(heap) > 12:
            await ctx.send(Done(heappop(heap), 3.0))
        fixed[job.due % 8] = job.due % 1000
        heapq.heapify(fixed)
        for place, value in enumerate(heap):
            await ctx.send(Done(value, float(place)))
        for place, value in enumerate(fixed):
            await ctx.send(Done(value, float(place)))


@case(Job, output=Done)
async def heap_in_a_turn(ctx: Any) -> None:
    """Lists of one turn; a heap that is empty says so as CPython does."""
    while not ctx.should_terminate:
        job = await ctx.receive()
        costs = [job.cost * k for k in (3, 1, 2)]
        if job.due % 3 == 0:
            costs.clear()
        heapq.heapify(costs)
        try:
            least = heapq.heappop(costs)
            heapq.heapreplace(costs, job.cost)
            await ctx.send(Done(len(costs), least + costs[0]))
        except IndexError as error:
            await ctx.send(Done(heapq.heappushpop(costs, 4.5) == 4.5, note=str(error)))


@case(Job, output=Done)
async def undone_heap(ctx: Any) -> None:
    """A turn that fails leaves no trace in the heap."""
    heap = [(0, 0.5), (3, 1.5), (7, 2.5)]
    while not ctx.should_terminate:
        job = await ctx.receive()
        heapq.heapreplace(heap, (job.due % 10, job.cost))
        if heap[0][0] == 9:
            raise ValueError("undone")
        heapq.heappush(heap, (1, job.cost))
        due, cost = heapq.heappop(heap)
        await ctx.send(Done(due + 100 // (job.due % 4), cost))


@case(Job, output=Done)
async def best_of(ctx: Any) -> None:
    """The smallest and the largest, with ties in order, of any number of them."""
    recent: deque[int] = deque(maxlen=9)
    names = {"a": 3, "b": 1, "c": 3}
    while not ctx.should_terminate:
        job = await ctx.receive()
        recent.append(job.due)
        names["b"] = job.due % 5
        for value in heapq.nsmallest(3, recent):
            await ctx.send(Done(value))
        for value in heapq.nlargest(job.due % 4 - 1, recent, key=lambda n: n % 6):
            await ctx.send(Done(value, 1.0))
        for name, count in heapq.nlargest(2, names.items(), key=lambda pair: pair[1]):
            await ctx.send(Done(count, 2.0, name))


@case(Job, output=Done)
async def sorted_window(ctx: Any) -> None:
    """A sorted list of the last values, and where a value belongs in it."""
    order: list[float] = []
    recent: deque[float] = deque(maxlen=8)
    while not ctx.should_terminate:
        job = await ctx.receive()
        if len(recent) == 8:
            order.pop(bisect.bisect_left(order, recent[0]) % len(order))
        recent.append(job.cost)
        bisect.insort(order, job.cost)
        bisect.insort_left(order, 1.5, 0, len(order) // 2)
        if len(order) > 30:
            order.clear()
            order.append(0.0)
        low, high = bisect.bisect_left(order, 1.5), bisect.bisect_right(order, 1.5)
        await ctx.send(Done(high - low, order[len(order) // 2]))


@case(Job, output=Done)
async def grades(ctx: Any) -> None:
    """Where a value is among constants, and bounds that are none."""
    while not ctx.should_terminate:
        job = await ctx.receive()
        try:
            place = bisect.bisect(GRADES, job.due % 100, job.due % 3 - 1)
            await ctx.send(Done(place, float(bisect.bisect_left(LIMITS, job.cost))))
        except ValueError as error:
            await ctx.send(Done(bisect.bisect_right(GRADES, job.due, hi=2), note=str(error)))
