"""``kernel.snapshot()`` and ``launch(restore=)``: the contract's sentences, on each backend."""

from __future__ import annotations

import asyncio
import enum
import math
import uuid
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pydotcompute import (
    ActorFailedError,
    KernelContext,
    KernelState,
    KernelStateError,
    RingKernelRuntime,
    Snapshot,
    SnapshotError,
    message,
    ring_kernel,
)
from tests.support.contract import go, need_compiler

BACKENDS = ["native", "python"]


class Side(enum.Enum):
    BUY = 1
    SELL = 2


ANY_TAG = uuid.UUID(int=7)


@message
@dataclass
class Order:
    price: float
    count: int = 1
    owner: str = ""
    side: Side = Side.BUY
    tag: uuid.UUID = ANY_TAG


@message
@dataclass
class Report:
    total: float
    seen: int
    owner: str
    best: float


async def book(ctx: KernelContext[Order, Report]) -> None:
    """State of many kinds: numbers, strings, containers, a message, an enum, None."""
    total, seen, best = 0.0, 0, None
    owners: dict[str, int] = {}
    window: deque[float] = deque(maxlen=3)
    recent = [0, 0, 0, 0]
    last, side = Order(0.0), Side.SELL
    weights = np.zeros(4)
    while not ctx.should_terminate:
        order = await ctx.receive()
        total += order.price * order.count
        owners[order.owner] = owners.get(order.owner, 0) + 1
        window.append(order.price)
        recent[seen % 4] = order.count
        weights[seen % 4] = order.price
        seen += 1
        if best is None or order.price > best:
            best = order.price
        if last.side == side:
            total += 0.5
        last, side = order, order.side
        await ctx.send(Report(
            total + sum(window) + sum(recent) + float(weights[1]), owners[order.owner],
            last.owner, best,
        ))  # fmt: skip


def actor(function: Any = book, **settings: Any) -> Any:
    given: dict[str, Any] = {"kernel_id": function.__name__, "auto_register": False}
    return ring_kernel(**given | settings)(function)


def orders(count: int, first: int = 0) -> list[Order]:
    sides = list(Side)
    return [
        Order(math.nan if n % 11 == 5 else n * 0.7, n % 5, f"owner {n % 3}", sides[n % 2])
        for n in range(first, first + count)
    ]


async def received(kernel: Any, count: int) -> list[Any]:
    return [await kernel.receive(timeout=10) for _ in range(count)]


@pytest.mark.parametrize("source", BACKENDS)
@pytest.mark.parametrize("target", BACKENDS)
def test_a_restored_actor_goes_on_as_the_original_does(
    source: str, target: str, tmp_path: Path
) -> None:
    need_compiler("native")

    async def probe() -> None:
        async with RingKernelRuntime(backend=source) as runtime:
            kernel = await runtime.launch("book", actor())
            await kernel.activate()
            assert kernel.backend == source
            await kernel.send_many(orders(20))
            before = await received(kernel, 7)
            await kernel.deactivate()
            await kernel.send_many(orders(5, 20))
            snapshot = await kernel.snapshot()
            await kernel.reactivate()
            after = await received(kernel, 18)
        snapshot.save(tmp_path / "book.pdc")
        loaded = Snapshot.load(tmp_path / "book.pdc")
        async with RingKernelRuntime(backend=target) as runtime:
            again = await runtime.launch("book", actor(), restore=loaded)
            assert again.state is KernelState.LAUNCHED
            await again.activate()
            assert repr(await received(again, 18)) == repr(after)
            assert again.backend == target
            assert again.statistics().processed == 25
            assert again.statistics().received == 25
        assert len(before) == 7

    go(probe)


@pytest.mark.parametrize("way", BACKENDS)
def test_states_in_which_a_snapshot_can_be_taken(way: str) -> None:
    need_compiler(way)

    async def probe() -> None:
        async with RingKernelRuntime(backend=way) as runtime:
            kernel = await runtime.launch("book", actor())
            await kernel.send(orders(1)[0])
            launched = await kernel.snapshot()
            assert not launched.kernels["book"].begun
            await kernel.activate()
            first = await kernel.receive(timeout=5)
            active = await kernel.snapshot()
            await kernel.deactivate()
            paused = await kernel.snapshot()
            assert [each.kernels["book"].state for each in (launched, active, paused)] == [
                "LAUNCHED", "ACTIVE", "DEACTIVATED",
            ]  # fmt: skip
            assert kernel.state is KernelState.DEACTIVATED
            await kernel.reactivate()
            await kernel.send(orders(1, 3)[0])
            second = await kernel.receive(timeout=5)
            await kernel.terminate()
            with pytest.raises(KernelStateError, match="snapshot needs LAUNCHED or ACTIVE"):
                await kernel.snapshot()
            for name, snapshot, wanted in (
                ("a", launched, [first, second]), ("b", active, [second]), ("c", paused, [second]),
            ):  # fmt: skip
                again = await runtime.launch(name, actor(), restore=snapshot)
                await again.activate()
                await again.send(orders(1, 3)[0])
                assert repr(await received(again, len(wanted))) == repr(wanted)

    go(probe)


async def one_list(ctx: KernelContext[Order, Report]) -> None:
    first: list[int] = []
    second = first
    pair = (first, {"first": first})
    while not ctx.should_terminate:
        order = await ctx.receive()
        first.append(order.count)
        pair[1]["first"].append(100)
        await ctx.send(Report(float(len(second)), sum(pair[0]), "", 0.0))


def test_one_object_of_two_names_stays_one() -> None:
    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await runtime.launch("one", actor(one_list))
            await kernel.activate()
            await kernel.request(Order(1.0, 5))
            again = await runtime.launch("two", actor(one_list), restore=await kernel.snapshot())
            await again.activate()
            for each in (kernel, again):
                assert await each.request(Order(1.0, 7)) == Report(4.0, 212, "", 0.0)

    go(probe)


async def big(ctx: KernelContext[Order, Report]) -> None:
    product = 3
    while not ctx.should_terminate:
        order = await ctx.receive()
        product = product * (order.count + 10**9) + 1
        await ctx.send(Report(float(product % 1_000_003), product.bit_length(), "", 0.0))


@pytest.mark.parametrize("target", BACKENDS)
def test_ints_of_any_size(target: str) -> None:
    need_compiler("native")

    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await runtime.launch("big", actor(big))
            await kernel.activate()
            for n in range(40):
                await kernel.request(Order(1.0, n))
            snapshot = await kernel.snapshot()
            again = await runtime.launch("again", actor(big), restore=snapshot, backend=target)
            await again.activate()
            for n in range(5):
                assert await again.request(Order(1.0, n)) == await kernel.request(Order(1.0, n))

    go(probe)


async def with_file(ctx: KernelContext[Order, Report]) -> None:
    seen, log = 0, open("/dev/null", "w")  # noqa: SIM115
    while not ctx.should_terminate:
        order = await ctx.receive()
        seen += 1
        log.write(order.owner)
        await ctx.send(Report(0.0, seen, "", 0.0))


def test_what_is_no_plain_data_is_named() -> None:
    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await runtime.launch("file", actor(with_file))
            await kernel.activate()
            await kernel.request(Order(1.0))
            with pytest.raises(SnapshotError, match=r"the variable 'log' of kernel 'file'.*TextIO"):
                await kernel.snapshot()
            assert (await kernel.request(Order(1.0))).seen == 2  # it goes on

    go(probe)


@pytest.mark.parametrize("way", BACKENDS)
def test_a_full_output_queue_holds_no_snapshot_up(way: str) -> None:
    need_compiler(way)

    async def probe() -> None:
        async with RingKernelRuntime(backend=way) as runtime:
            kernel = await runtime.launch("book", actor(queue_size=4))
            await kernel.activate()
            await kernel.send_many(orders(8))  # four in the one queue, four in the other
            snapshot = await kernel.snapshot()
            kept = snapshot.kernels["book"]
            assert kept.inputs + kept.outputs == 8
            again = await runtime.launch("again", actor(queue_size=4), restore=snapshot)
            await again.activate()
            assert repr(await received(again, 8)) == repr(await received(kernel, 8))

    go(probe)


@pytest.mark.parametrize("way", BACKENDS)
def test_a_request_under_way_is_handled_and_answered_to_nobody(way: str) -> None:
    need_compiler(way)

    async def probe() -> None:
        async with RingKernelRuntime(backend=way) as runtime:
            kernel = await runtime.launch("book", actor())
            await kernel.send(orders(1)[0])
            asked = asyncio.ensure_future(kernel.request(orders(1, 1)[0]))
            await asyncio.sleep(0)
            await kernel.send(orders(1, 2)[0])
            snapshot = await kernel.snapshot()
            assert snapshot.kernels["book"].inputs == 3
            again = await runtime.launch("again", actor(), restore=snapshot)
            for each in (kernel, again):
                await each.activate()
            assert repr(await received(again, 2)) == repr(await received(kernel, 2))
            assert (await asked).owner == "owner 1"
            assert again.statistics().output_depth == 0

    go(probe)


def test_other_threads_take_one_too() -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend="python") as runtime:
            kernel = await runtime.launch("book", actor())
            await kernel.activate()
            await kernel.send(orders(1)[0])
            snapshot = await asyncio.to_thread(kernel.sync.snapshot)
            kept = snapshot.kernels["book"]
            assert kept.inputs + kept.outputs == 1
            assert isinstance(snapshot, Snapshot)

    go(probe)


async def failing(ctx: KernelContext[Order, Report]) -> None:
    while not ctx.should_terminate:
        order = await ctx.receive()
        await ctx.send(Report(1 / order.price, 0, "", 0.0))


def test_a_failed_actor_has_none() -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend="python") as runtime:
            kernel = await runtime.launch("failing", actor(failing))
            await kernel.activate()
            await kernel.send(Order(0.0))
            with pytest.raises(ActorFailedError):
                await kernel.receive(timeout=5)
            with pytest.raises(KernelStateError, match="FAILED"):
                await kernel.snapshot()

    go(probe)


async def awaiting(ctx: KernelContext[Order, Report]) -> None:
    seen = 0
    while not ctx.should_terminate:
        order = await ctx.receive()
        if order.owner == "wait":
            await gate.wait()
        seen += 1
        await ctx.send(Report(order.price, seen, order.owner, 0.0))


gate: Any = None


@pytest.mark.parametrize("way", ["auto", "python"])
def test_a_message_in_hand_is_finished_first(way: str) -> None:
    need_compiler("native")

    async def probe() -> None:
        global gate
        gate = asyncio.Event()
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            kernel = await runtime.launch("awaiting", actor(awaiting))
            await kernel.activate()
            await kernel.send(Order(1.0))
            await kernel.send(Order(2.0, owner="wait"))
            assert (await kernel.receive(timeout=5)).seen == 1
            await kernel.send(Order(3.0))
            taking = asyncio.ensure_future(kernel.snapshot())
            done, _ = await asyncio.wait([taking], timeout=0.05)
            assert not done
            gate.set()
            snapshot = await taking
            kept = snapshot.kernels["awaiting"]
            assert (kept.inputs, kept.outputs) == (1, 1)
            again = await runtime.launch("again", actor(awaiting), restore=snapshot)
            await again.activate()
            for each in (kernel, again):
                assert [r.seen for r in await received(each, 2)] == [2, 3]

    go(probe)
