"""What an interpreted actor costs beside its bare coroutine over two ``asyncio.Queue``.

``python -m tests.contract.test_interpreted_cost`` prints the times; the test only has generous
bounds, which an actor that copies a large state before each message misses by far.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from statistics import median
from typing import Any

import pytest

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel

pytestmark = pytest.mark.alone


@message
@dataclass
class Item:
    n: int


Ctx = KernelContext[Item, Item]


async def an_int(ctx: Ctx) -> None:
    total = 0
    while not ctx.should_terminate:
        item = await ctx.receive()
        total = (total + item.n) % 1_000_003
        await ctx.send(Item(total))


async def a_list(ctx: Ctx) -> None:
    window = list(range(1000))
    while not ctx.should_terminate:
        item = await ctx.receive()
        window[item.n % 1000] = item.n
        await ctx.send(Item(window[0]))


async def a_counter(ctx: Ctx) -> None:
    seen: Counter[str] = Counter({f"{n:05}": n for n in range(1000)})
    while not ctx.should_terminate:
        item = await ctx.receive()
        seen[f"{item.n % 1000:05}"] += 1
        await ctx.send(Item(len(seen)))


async def a_set(ctx: Ctx) -> None:
    seen = set(range(1000))
    while not ctx.should_terminate:
        item = await ctx.receive()
        seen.add(item.n % 1000)
        await ctx.send(Item(len(seen)))


async def a_dict_of_messages(ctx: Ctx) -> None:
    last = {n: Item(n) for n in range(200)}
    while not ctx.should_terminate:
        item = await ctx.receive()
        last[item.n % 200] = item
        await ctx.send(Item(len(last)))


async def a_heap(ctx: Ctx) -> None:
    heap = [(n, f"{n}") for n in range(10_000)]
    while not ctx.should_terminate:
        item = await ctx.receive()
        heapq.heappushpop(heap, (item.n, "x"))
        await ctx.send(Item(heap[0][0]))


ACTORS = (an_int, a_list, a_counter, a_set, a_dict_of_messages, a_heap)
MESSAGES = 4000


class Queues:
    """A context that is two queues and nothing else."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Item] = asyncio.Queue(1000)
        self.outbox: asyncio.Queue[Item] = asyncio.Queue(1000)
        self.should_terminate = False
        self.receive, self.send = self.inbox.get, self.outbox.put


async def _stream(send: Callable[[Item], Coroutine[Any, Any, Any]],
                  receive: Callable[[], Coroutine[Any, Any, Any]]) -> float:  # fmt: skip
    """Seconds a message takes of this process, streamed by one sender and one receiver."""

    async def sender() -> None:
        for n in range(MESSAGES):
            await send(Item(n))

    task = asyncio.create_task(sender())
    began = time.process_time()
    for _ in range(MESSAGES):
        await receive()
    taken = time.process_time() - began
    await task
    return taken / MESSAGES


async def bare(function: Any) -> float:
    """Seconds a message of the bare coroutine takes."""
    queues = Queues()
    task = asyncio.create_task(function(queues))
    await _stream(queues.inbox.put, queues.outbox.get)
    taken = await _stream(queues.inbox.put, queues.outbox.get)
    task.cancel()
    return taken


async def interpreted(function: Any) -> float:
    """Seconds a message of the interpreted actor takes, once it is warm."""
    actor = ring_kernel(kernel_id=function.__name__, input_type=Item, output_type=Item,
                        auto_register=False)(function)  # fmt: skip
    async with RingKernelRuntime(backend="python") as runtime:
        kernel = await runtime.launch(actor.kernel_id, actor)
        await kernel.activate()
        await _stream(kernel.send, kernel.receive)
        return await _stream(kernel.send, kernel.receive)


@pytest.mark.parametrize("function", ACTORS, ids=lambda function: function.__name__)
def test_a_state_costs_an_interpreted_actor_little(function: Any) -> None:
    """Copying these before each message took from 17 (a set) to 2,000 times the bare coroutine."""
    for _ in range(3):
        ratio = asyncio.run(interpreted(function)) / asyncio.run(bare(function))
        if ratio < 6:
            return
    pytest.fail(f"an interpreted message took {ratio:.1f} times that of the bare coroutine")


if __name__ == "__main__":
    for function in ACTORS:
        rounds = [(asyncio.run(interpreted(function)), asyncio.run(bare(function)))
                  for _ in range(5)]  # fmt: skip
        ours, theirs = (median(column) * 1e6 for column in zip(*rounds, strict=True))
        print(f"{function.__name__:20} {ours:8.2f} us, bare {theirs:6.2f} us, {ours / theirs:.2f}")
