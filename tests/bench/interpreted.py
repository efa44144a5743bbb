"""What an interpreted actor costs beside its bare coroutine over two ``asyncio.Queue``.

``python -m tests.bench.interpreted [ACTOR...]`` prints microseconds a message, of both, and their
ratio, for each actor in each of three ways to feed it:

* ``single``: one message is sent and its answer received, again and again;
* ``stream``: one task sends 1,000 messages while another receives;
* ``batch``: ``send_many`` and ``receive_many`` of 1,000 messages; the bare coroutine's queues are
  filled and emptied by a loop.

The actors are written as people write them; each sends one answer to each message.
"""

from __future__ import annotations

import asyncio
import heapq
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from statistics import median
from typing import Any, cast

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel

MESSAGES = 1000
"""Messages of one measurement; as many as a queue holds."""


@message
@dataclass
class Item:
    n: int


@message
@dataclass
class Read:
    bases: str
    n: int


Ctx = KernelContext[Any, Item]


async def count(ctx: Ctx) -> None:
    total = 0
    while not ctx.should_terminate:
        item = await ctx.receive()
        total = (total + item.n) % 1_000_003
        await ctx.send(Item(total))


async def patient_count(ctx: Ctx) -> None:
    total = 0
    while not ctx.should_terminate:
        try:
            item = await ctx.receive(timeout=0.5)
        except TimeoutError:
            continue
        total = (total + item.n) % 1_000_003
        await ctx.send(Item(total))


async def book_of_messages(ctx: Ctx) -> None:
    last: dict[int, Item] = {n: Item(n) for n in range(1000)}
    while not ctx.should_terminate:
        item = await ctx.receive()
        last[item.n % 1000] = item
        await ctx.send(Item(len(last)))


async def kmers(ctx: Ctx) -> None:
    seen: Counter[str] = Counter({f"{n:04}": n for n in range(1000)})
    while not ctx.should_terminate:
        read = await ctx.receive()
        for at in range(len(read.bases) - 3):
            seen[read.bases[at : at + 4]] += 1
        await ctx.send(Item(len(seen)))


async def seen(ctx: Ctx) -> None:
    numbers = set(range(1000))
    while not ctx.should_terminate:
        item = await ctx.receive()
        numbers.add(item.n % 1000)
        await ctx.send(Item(len(numbers)))


async def heap_of_tuples(ctx: Ctx) -> None:
    heap = [(n, f"{n}") for n in range(1000)]
    while not ctx.should_terminate:
        item = await ctx.receive()
        heapq.heappush(heap, (item.n, "x"))
        first, _ = heapq.heappop(heap)
        await ctx.send(Item(first))


async def window(ctx: Ctx) -> None:
    recent: deque[int] = deque(maxlen=100)
    while not ctx.should_terminate:
        item = await ctx.receive()
        recent.append(item.n)
        await ctx.send(Item(sum(recent) // len(recent)))


async def two_awaits(ctx: Ctx) -> None:
    waited = 0
    while not ctx.should_terminate:
        item = await ctx.receive()
        await asyncio.sleep(0)
        waited += 1
        await asyncio.sleep(0)
        await ctx.send(Item(item.n + waited))


async def stateless(ctx: Ctx) -> None:
    while not ctx.should_terminate:
        item = await ctx.receive()
        await ctx.send(Item(item.n * 2))


def _items(base: int) -> list[Any]:
    return [Item(base + n) for n in range(MESSAGES)]


def _reads(base: int) -> list[Any]:
    return [Read(f"ACGT{base + n:04}ACGTACGTACGTACGTACGT", n) for n in range(MESSAGES)]


ACTORS: dict[str, tuple[Callable[[Any], Coroutine[Any, Any, None]], type, Any]] = {
    each.__name__: (each, Read, _reads) if each is kmers else (each, Item, _items)
    for each in (stateless, count, patient_count, book_of_messages, kmers, seen, heap_of_tuples,
                 window, two_awaits)
}  # fmt: skip
"""Function, input type, and what makes its messages, by name."""


class Queues:
    """A context that is two queues and nothing else."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Any] = asyncio.Queue(MESSAGES)
        self.outbox: asyncio.Queue[Any] = asyncio.Queue(MESSAGES)
        self.should_terminate = False

        self.send = self.outbox.put

    def receive(self, timeout: float | None = None) -> Coroutine[Any, Any, Any]:
        """The next message; ``asyncio``'s own ways to wait, without a layer of ours."""
        taken = self.inbox.get()
        return taken if timeout is None else asyncio.wait_for(taken, timeout)


class PlainClient:
    """The calls of a ``RingKernel`` over the two queues."""

    def __init__(self, queues: Queues) -> None:
        self.send, self.receive = queues.inbox.put, queues.outbox.get

    async def send_many(self, messages: list[Any]) -> None:
        for each in messages:
            await self.send(each)

    async def receive_many(self, limit: int) -> list[Any]:
        return [await self.receive() for _ in range(limit)]


async def single(client: Any, messages: list[Any]) -> None:
    for each in messages:
        await client.send(each)
        await client.receive()


async def stream(client: Any, messages: list[Any]) -> None:
    async def sender() -> None:
        for each in messages:
            await client.send(each)

    task = asyncio.create_task(sender())
    for _ in messages:
        await client.receive()
    await task


async def batch(client: Any, messages: list[Any]) -> None:
    await client.send_many(messages)
    left = len(messages)
    while left:
        left -= len(await client.receive_many(left))


WAYS = {"single": single, "stream": stream, "batch": batch}


async def _round(client: Any, name: str, way: str, number: int) -> float:
    """Seconds of this process that a message takes."""
    messages = ACTORS[name][2](number)
    began = time.process_time()
    await WAYS[way](client, messages)
    return (time.process_time() - began) / MESSAGES


async def compare(name: str, way: str, *, rounds: int = 31) -> tuple[float, float, float]:
    """An interpreted actor and its bare coroutine, which handle messages in turns.

    Returns:
        Seconds a message of the one, of the other, and their ratio: medians of the rounds.
    """
    function, takes, _ = ACTORS[name]
    actor = ring_kernel(kernel_id=name, input_type=takes, output_type=Item,
                        queue_size=MESSAGES, auto_register=False)(function)  # fmt: skip
    queues, pairs = Queues(), []
    task = asyncio.create_task(function(cast("Any", queues)))
    async with RingKernelRuntime(backend="python") as runtime:
        kernel, plain = await runtime.launch(name, actor), PlainClient(queues)
        await kernel.activate()
        for number in range(rounds + 2):
            ours = await _round(kernel, name, way, number)
            pairs.append((ours, await _round(plain, name, way, number)))
    task.cancel()
    pairs = pairs[2:]  # the first are warming up
    return (median(ours for ours, _ in pairs), median(theirs for _, theirs in pairs),
            median(ours / theirs for ours, theirs in pairs))  # fmt: skip


if __name__ == "__main__":
    print(f"{'us a message':18}" + "".join(f"{way:>24}" for way in WAYS))
    for name in sys.argv[1:] or ACTORS:
        cells = [f"{name:18}"]
        for way in WAYS:
            ours, theirs, ratio = asyncio.run(compare(name, way))
            cells.append(f"{ours * 1e6:8.2f} /{theirs * 1e6:6.2f} = {ratio:4.2f}")
        print("".join(f"{cell:>24}" if n else cell for n, cell in enumerate(cells)), flush=True)
