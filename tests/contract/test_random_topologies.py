"""Random graphs of actors on random backends, against a model of ten lines.

Every message carries the way it has come, so that each edge is judged by itself: nothing is lost,
doubled or overtaken.  ``PYDOTCOMPUTE_GRAPHS`` is the number of random graphs.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import KernelContext, QueueTimeoutError, RingKernelRuntime, message
from tests.support.contract import decorated, go, need_compiler, turns

SOAK = int(os.environ.get("PYDOTCOMPUTE_GRAPHS", "12"))
BASE = 11
"""A way is the numbers of the actors on it, from 1, as digits to this base."""


@message
@dataclass
class Item:
    number: int
    way: int


def one(me: int) -> Any:
    """Passes on what it gets."""

    async def actor(ctx: KernelContext[Item, Item]) -> None:
        while not ctx.should_terminate:
            item = await ctx.receive()
            await ctx.send(Item(item.number, item.way * BASE + me))

    return actor


def two(me: int) -> Any:
    """Sends two for one."""

    async def actor(ctx: KernelContext[Item, Item]) -> None:
        while not ctx.should_terminate:
            item = await ctx.receive()
            await ctx.send(Item(2 * item.number, item.way * BASE + me))
            await ctx.send(Item(2 * item.number + 1, item.way * BASE + me))

    return actor


def odd(me: int) -> Any:
    """Passes on every other message."""

    async def actor(ctx: KernelContext[Item, Item]) -> None:
        while not ctx.should_terminate:
            item = await ctx.receive()
            if item.number % 2:
                await ctx.send(Item(item.number, item.way * BASE + me))

    return actor


def some(me: int) -> Any:
    """Sends a number of messages that no compiler can tell."""

    async def actor(ctx: KernelContext[Item, Item]) -> None:
        while not ctx.should_terminate:
            item = await ctx.receive()
            for n in range(item.number % 4):
                await ctx.send(Item(item.number + n, item.way * BASE + me))

    return actor


MEANING: dict[Any, Callable[[int], list[int]]] = {
    one: lambda n: [n],
    two: lambda n: [2 * n, 2 * n + 1],
    odd: lambda n: [n] if n % 2 else [],
    some: lambda n: [n + k for k in range(n % 4)],
}


class World:
    """A random graph: ``edges[n]`` are the targets of actor ``n``, all of greater numbers.

    Args:
        seed: of the random numbers.
        row: whether it is to be a row of actors that each send one message for one.
    """

    def __init__(self, seed: int, *, row: bool = False) -> None:
        chance = self.chance = random.Random(seed)
        count = chance.randint(2, 5)
        self.kinds: list[Any] = [chance.choice([one, one, two, odd, some]) for _ in range(count)]
        self.ways = [chance.choice(["python", "native", "native", "cuda"]) for _ in range(count)]
        self.sizes = [chance.choice([1, 2, 3, 7, 50]) for _ in range(count)]
        self.edges = [
            sorted(chance.sample(range(n + 1, count), min(count - n - 1, chance.randint(0, 3))))
            for n in range(count)
        ]
        if row:
            self.kinds = [one] * count
            self.edges = [[n + 1] for n in range(count - 1)] + [[]]

    def expected(self, entry: int, numbers: list[int]) -> dict[tuple[int, int], list[int]]:
        """``{(sink, way): numbers}`` of what comes out for what goes in: the model."""
        found: dict[tuple[int, int], list[int]] = {}
        todo = [(entry, entry + 1, numbers)]
        for node, way, given in todo:
            sent = [each for n in given for each in MEANING[self.kinds[node]](n)]
            if sent and not self.edges[node]:
                found[node, way] = sent
            todo += [(target, way * BASE + target + 1, sent) for target in self.edges[node]]
        return found

    def entries(self) -> list[int]:
        """The actors that clients send to: those that nothing else does, and the second."""
        taken = {target for targets in self.edges for target in targets}
        return [n for n in range(len(self.kinds)) if n not in taken or n == 1]

    async def launch(self, runtime: Any) -> None:
        """Start the actors, without edges."""
        for n, (kind, way, size) in enumerate(zip(self.kinds, self.ways, self.sizes, strict=True)):
            actor = decorated(kind(n + 1), kernel_id=f"{n}", queue_size=size)
            kernel = await runtime.launch(f"{n}", actor, backend=way)
            assert kernel.backend == way
            await kernel.activate()


async def feed(kernel: Any, numbers: list[int], chance: random.Random) -> None:
    """Send numbers, one by one or many at a time, some with a limit of time."""
    at = 0
    while at < len(numbers):
        if chance.random() < 0.5:
            part = numbers[at : at + chance.randint(1, 30)]
            await kernel.send_many([Item(n, 0) for n in part])
            at += len(part)
        else:
            try:
                await kernel.send(Item(numbers[at], 0), timeout=chance.choice([None, 0, 0.01]))
                at += 1
            except QueueTimeoutError:
                await asyncio.sleep(0)


async def collect(kernel: Any, found: dict[tuple[int, int], list[int]], node: int) -> None:
    """Receive for ever."""
    while True:
        item = await kernel.receive()
        found.setdefault((node, item.way), []).append(item.number)


async def disturb(runtime: Any, world: World) -> None:
    """Pause and resume actors for ever."""
    while True:
        kernel = runtime.get(f"{world.chance.randrange(len(world.kinds))}")
        await kernel.deactivate()
        await turns(world.chance.randint(0, 20))
        await kernel.reactivate()
        await turns(world.chance.randint(0, 60))


async def until_same(done: Callable[[], bool], tasks: list[asyncio.Task[Any]]) -> None:
    """Wait for something, or for the first task that fails."""
    while not done():
        for task in tasks:
            if task.done() and task.exception() is not None:
                task.result()
        await asyncio.sleep(0)


def emulate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be a device."""
    need_compiler("native")
    monkeypatch.setenv("PYDOTCOMPUTE_DEVICE", os.environ.get("PYDOTCOMPUTE_DEVICE", "emulated"))


@pytest.mark.parametrize("seed", range(SOAK))
def test_a_random_graph_is_its_model(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    emulate(monkeypatch)
    world = World(seed)
    numbers = {entry: list(range(entry, entry + 150)) for entry in world.entries()}
    wanted: dict[tuple[int, int], list[int]] = {}
    for entry, given in numbers.items():
        wanted |= world.expected(entry, given)
    found: dict[tuple[int, int], list[int]] = {}

    async def probe() -> None:
        async with RingKernelRuntime(fallback="error") as runtime:
            await world.launch(runtime)
            for source, targets in enumerate(world.edges):
                for target in targets:
                    await runtime.connect(f"{source}", f"{target}")
            tasks = [
                asyncio.create_task(collect(runtime.get(f"{n}"), found, n))
                for n in range(len(world.kinds))
            ]
            tasks.append(asyncio.create_task(disturb(runtime, world)))
            for entry, given in numbers.items():
                feeding = feed(runtime.get(f"{entry}"), given, world.chance)
                tasks.append(asyncio.create_task(feeding))
            total = sum(map(len, wanted.values()))
            await until_same(lambda: sum(map(len, found.values())) >= total, tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert found == wanted
            assert [kernel.backend for kernel in runtime.kernels] == world.ways
            for n, kernel in enumerate(runtime.kernels):
                if kernel.state.name == "DEACTIVATED":
                    await kernel.reactivate()
                with pytest.raises(QueueTimeoutError):
                    print(n, await kernel.receive(timeout=0))

    go(probe)


@pytest.mark.parametrize("seed", range(SOAK))
def test_edges_of_a_row_come_and_go(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message comes out once, somewhere, and at each place in order."""
    emulate(monkeypatch)
    world = World(1000 + seed, row=True)
    found: dict[tuple[int, int], list[int]] = {}
    count = 300

    async def change(runtime: Any) -> None:
        while True:
            source = world.chance.randrange(len(world.kinds) - 1)
            edge = await runtime.connect(f"{source}", f"{source + 1}")
            await turns(world.chance.randint(0, 40))
            await edge.close()

    async def probe() -> None:
        async with RingKernelRuntime(fallback="error") as runtime:
            await world.launch(runtime)
            tasks = [
                asyncio.create_task(collect(runtime.get(f"{n}"), found, n))
                for n in range(len(world.kinds))
            ]
            tasks.append(asyncio.create_task(change(runtime)))
            tasks.append(asyncio.create_task(disturb(runtime, world)))
            feeding = feed(runtime.get("0"), list(range(count)), world.chance)
            tasks.append(asyncio.create_task(feeding))
            await until_same(lambda: sum(map(len, found.values())) >= count, tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert sorted(n for each in found.values() for n in each) == list(range(count))
        assert all(each == sorted(each) for each in found.values())

    go(probe)
