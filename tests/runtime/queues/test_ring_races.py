"""Races between the host and a worker's burst that the model of the rings has found."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pydotcompute import BackpressureStrategy, RingKernelRuntime
from pydotcompute.backends.native.engine import NativeEngine
from pydotcompute.compiler.abi import Policy
from pydotcompute.compiler.kernel_source import slot_dtype
from pydotcompute.messages.slots import RecordSlots
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.port_words import HEAD
from pydotcompute.queues.ring import Ring
from tests.support.native_actor.kit import SEND, SEVERAL, Result, Task


class Later:
    """A pool whose jobs run when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []

    def submit(self, job: Any) -> None:
        self.jobs.append(job)


def on_workers(kernel: Any) -> Later:
    """Every burst of the kernel is a worker's from now on."""
    engine = kernel._actor.engine
    assert isinstance(engine, NativeEngine)
    later = Later()
    engine.pool = later  # type: ignore[assignment]
    engine.sizing.cost = 1.0
    engine.sizing._aim()
    return later


@pytest.mark.parametrize("backend", ["native"], indirect=True)
def test_room_made_before_the_burst_is_reported(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=1)
            later = on_workers(kernel)
            await kernel.send(Task(SEVERAL, 2))
            while not later.jobs:
                await asyncio.sleep(0)
            later.jobs.pop()()  # FULL: one output is published, one waits; nobody knows yet
            first = await kernel.receive()
            second = await kernel.receive()  # parked before the burst is reported
            assert (first.value, second.value) == (0, 1)

    run(main())


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 9, 12, 13, 100])
def test_no_slot_is_written_that_may_be_read(count: int) -> None:
    bound = 4
    slots = RecordSlots("kit", (Task,), slot_dtype((Task,)), "takes", declared=True)
    writes: list[tuple[int, int]] = []

    class Watched(HostProducer):
        def _copy_in(self, first: int, count: int, source: memoryview) -> None:
            super()._copy_in(first, count, source)
            writes.extend((self.words[HEAD], first + n) for n in range(count))

    ring = Watched(Ring(slot_dtype((Task,)), bound, Policy.DROP_OLDEST), slots)
    ring.wake_suppressed = 1
    ring.put_batch(Task.array(op=[SEND] * bound, value=range(bound)), 0)
    taken = ring.put_batch(Task.array(op=[SEND] * count, value=range(bound, bound + count)), 0)
    assert taken == count
    assert ring.words[HEAD] == ring.head == bound + count
    assert [task.value for task in ring.waiting()] == list(range(count, bound + count))
    for published, ordinal in writes:
        being_read = {n & ring.mask for n in range(max(0, published - bound), published)}
        assert ordinal & ring.mask not in being_read
    ring.count_dropped(0)
    assert ring.dropped == count


@pytest.mark.parametrize("backend", ["native"], indirect=True)
def test_a_large_batch_while_a_worker_reads(kit: Any, run: Any) -> None:
    """Messages are dropped, but none comes twice, out of order, or in halves."""

    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=4, backpressure=BackpressureStrategy.DROP_OLDEST)
            seen: list[int] = []
            for start in range(0, 4000, 40):
                kernel._actor.engine.sizing.cost = 1.0
                kernel._actor.engine.sizing._aim()
                values = np.arange(start, start + 40)
                await kernel.send_many(Task.array(op=np.full(40, SEND), value=values))
                seen.extend((await kernel.receive_many(4))["value"] // 2)
            assert all(a < b for a, b in pairwise(seen))

    run(main())


def test_a_batch_of_several_classes_is_looked_at_only_when_it_is_whole() -> None:
    """DROP_OLDEST: the producer writes a tag while the slot is read, and publishes later."""
    bound, count = 2, 8
    slot = slot_dtype((Task, Result))
    slots = RecordSlots("kit", (Task, Result), slot, "sends", declared=True)
    shared = Ring(slot, bound, Policy.DROP_OLDEST, spare=count - 2 * bound)
    words, buffer = shared.port, shared.slots
    looks = 0

    def put(first: int, last: int) -> None:
        for n in range(first, last):
            slots.pack(buffer, n % count * slots.size, Result(n, n))
        words[HEAD] = last

    def producer() -> None:
        """Runs whenever the consumer orders its accesses."""
        nonlocal looks
        looks += 1
        if looks == 4:  # the consumer knows how much there is, and is about to read
            buffer[:4] = buffer[slots.size : slots.size + 4] = b"\xff\xff\xff\xff"
        if looks == 5:  # it has read
            put(2, 10)

    ring = HostConsumer(shared, slots, producer)
    put(0, 2)
    batch = ring.get_batch(8)
    assert looks > 5
    assert list(batch) == [Result(8, 8), Result(9, 9)]
    assert ring.dropped == 8
