"""Queues hold exactly what they are told to, and do what their strategy says when they are full."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pydotcompute import BackpressureStrategy, QueueFullError, QueueTimeoutError, RingKernelRuntime
from tests.support.native_actor.kit import SEND, SEVERAL, Task

SIZES = [1, 2, 7, 1000]
BLOCK, REJECT, DROP = BackpressureStrategy


async def _settled(kernel: Any, processed: int) -> None:
    while kernel.statistics().processed < processed:
        await asyncio.sleep(0)


@pytest.mark.parametrize("size", SIZES)
def test_block_holds_exactly_its_size(kit: Any, run: Any, size: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, active=False, queue_size=size)
            for n in range(size):
                await kernel.send(Task(SEND, n), timeout=0)
            with pytest.raises(QueueTimeoutError, match="no room in the input queue"):
                await kernel.send(Task(SEND, size), timeout=0)
            assert kernel.statistics().input_depth == size
            await kernel.activate()
            got = [(await kernel.receive()).value for _ in range(size)]
            assert got == [2 * n for n in range(size)]

    run(main())


@pytest.mark.parametrize("size", SIZES)
def test_reject_raises_at_once_and_counts(kit: Any, run: Any, size: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, active=False, queue_size=size, backpressure=REJECT)
            for n in range(size):
                await kernel.send(Task(SEND, n))
            for _ in range(3):
                with pytest.raises(QueueFullError, match=f"is full \\({size} messages\\)"):
                    await kernel.send(Task(SEND, 0))
            assert kernel.statistics().rejected == 3
            assert kernel.statistics().received == size

    run(main())


@pytest.mark.parametrize("size", SIZES)
def test_drop_oldest_keeps_the_newest_and_counts(kit: Any, run: Any, size: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, active=False, queue_size=size, backpressure=DROP)
            for n in range(3 * size + 5):
                await kernel.send(Task(SEND, n))
            assert kernel.statistics().dropped == 2 * size + 5
            assert kernel.statistics().input_depth == size
            await kernel.activate()
            got = [(await kernel.receive()).value for _ in range(size)]
            assert got == [2 * n for n in range(2 * size + 5, 3 * size + 5)]
            await _settled(kernel, size)
            assert kernel.statistics().dropped == 2 * size + 5

    run(main())


@pytest.mark.parametrize("size", [1, 2, 7])
def test_drop_oldest_while_running(kit: Any, run: Any, size: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=size, backpressure=DROP)
            await kernel.send(Task(SEVERAL, 12))
            await _settled(kernel, 1)
            got = [(await kernel.receive()).value for _ in range(size)]
            assert got == list(range(12 - size, 12))
            assert kernel.statistics().dropped == 12 - size
            assert kernel.statistics().sent == 12

    run(main())


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_full_output_queue_stops_the_actor(kit: Any, run: Any, size: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=size)
            sender = asyncio.create_task(_send_all(kernel, 5 * size))
            for _ in range(50):
                await asyncio.sleep(0)
            assert kernel.statistics().output_depth == size
            got = [(await kernel.receive()).value for _ in range(5 * size)]
            await sender
            assert got == [2 * n for n in range(5 * size)]
            assert kernel.statistics().output_peak == size

    run(main())


async def _send_all(kernel: Any, count: int) -> None:
    for n in range(count):
        await kernel.send(Task(SEND, n))


def test_more_outputs_for_one_message_than_the_queue_holds(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=2, max_sends=None)
            await kernel.send(Task(SEVERAL, 500))
            await kernel.send(Task(SEND, 1))
            got = [(await kernel.receive()).value for _ in range(501)]
            assert got == [*range(500), 2]

    run(main())


def test_blocked_senders_keep_their_order(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, active=False, queue_size=2)
            tasks = [asyncio.create_task(kernel.send(Task(SEND, n))) for n in range(10)]
            await asyncio.sleep(0)
            tasks[4].cancel()
            await asyncio.sleep(0)
            await kernel.activate()
            got = [(await kernel.receive()).value // 2 for _ in range(9)]
            assert got == [0, 1, 2, 3, 5, 6, 7, 8, 9]
            await asyncio.gather(*tasks, return_exceptions=True)
            assert tasks[4].cancelled()

    run(main())


@pytest.mark.parametrize("timeout", [0, -1, 0.001])
def test_timeouts(kit: Any, run: Any, timeout: float) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            with pytest.raises(asyncio.TimeoutError, match="no message in the output queue"):
                await kernel.receive(timeout=timeout)
            assert kernel.statistics().timeouts == 1

    run(main())


def test_cancelled_receivers_lose_nothing(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            got: list[int] = []

            async def take() -> None:
                got.append((await kernel.receive()).value)

            for round_ in range(50):
                takers = [asyncio.create_task(take()) for _ in range(4)]
                await asyncio.sleep(0)
                await kernel.send(Task(SEND, 2 * round_))
                await kernel.send(Task(SEND, 2 * round_ + 1))
                for _ in range(round_ % 5):
                    await asyncio.sleep(0)
                for taker in takers:
                    taker.cancel()
                await asyncio.gather(*takers, return_exceptions=True)
            while len(got) < 100:
                await take()
            assert sorted(got) == [2 * n for n in range(100)]

    run(main())
