"""``send_many`` and ``receive_many``: any size, mixed with single calls, all or nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    MessageTypeError,
    MessageValueError,
    QueueFullError,
    QueueTimeoutError,
    RingKernelRuntime,
)
from tests.support.native_actor.kit import DEOPTIMISE, FAIL, SEND, SEVERAL, Result, Task

BLOCK, REJECT, DROP = BackpressureStrategy


def tasks(values: Any, op: int = SEND) -> Any:
    return Task.array(op=op, value=list(values))


async def collect(kernel: Any, count: int, at_once: int) -> np.ndarray[Any, Any]:
    parts: list[Any] = []
    while sum(map(len, parts)) < count:
        parts.append(await kernel.receive_many(at_once))
    return np.concatenate(parts)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("count", [1, 7, 1000, 2500])
@pytest.mark.parametrize("at_once", [1, 64, 100_000])
def test_any_size(kit: Any, run: Any, size: int, count: int, at_once: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=size)
            sending = asyncio.create_task(kernel.send_many(tasks(range(count))))
            got = await collect(kernel, count, at_once)
            assert await sending == count
            assert got.dtype == Result.dtype
            assert got["value"].tolist() == [2 * n for n in range(count)]
            assert got["total"].tolist() == np.cumsum(np.arange(count)).tolist()
            figures = kernel.statistics()
            assert (figures.received, figures.processed, figures.sent) == (count,) * 3
            assert (figures.input_depth, figures.output_depth) == (0, 0)

    run(main())


def test_sequences_of_messages(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            assert await kernel.send_many([Task(SEND, n) for n in range(5)]) == 5
            assert await kernel.send_many([]) == 0
            got = await collect(kernel, 5, 10)
            assert got["value"].tolist() == [0, 2, 4, 6, 8]

    run(main())


def test_mixed_with_single_calls(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=10)
            got: list[int] = []

            async def sender() -> None:
                for start in range(0, 400, 40):
                    await kernel.send(Task(SEND, start))
                    await kernel.send_many(tasks(range(start + 1, start + 40)))

            async def receiver() -> None:
                while len(got) < 400:
                    got.append((await kernel.receive()).value)
                    if len(got) < 400:
                        got.extend((await kernel.receive_many(17))["value"].tolist())

            await asyncio.gather(sender(), receiver())
            assert got == [2 * n for n in range(400)]

    run(main())


def test_all_or_nothing(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            with pytest.raises(MessageValueError):
                await kernel.send_many([Task(SEND, 1), Task(SEND, 1 << 70)])
            with pytest.raises(MessageTypeError):
                await kernel.send_many([Task(SEND, 1), Result(1, 1)])
            with pytest.raises(MessageTypeError, match="takes batches of Task.dtype"):
                await kernel.send_many(np.zeros(3))
            assert kernel.statistics().received == 0

    run(main())


def test_a_batch_into_a_full_queue(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, active=False, queue_size=4)
            with pytest.raises(QueueTimeoutError) as late:
                await kernel.send_many(tasks(range(10)), timeout=0)
            assert late.value.count == 4
            with pytest.raises(QueueTimeoutError) as late:
                await kernel.send_many(tasks(range(10)), timeout=0.001)
            assert late.value.count == 0
            rejecting = await kit(
                runtime, active=False, queue_size=4, kernel_id="rejecting", backpressure=REJECT
            )
            with pytest.raises(QueueFullError) as full:
                await rejecting.send_many(tasks(range(10)))
            assert full.value.count == 4
            assert rejecting.statistics().rejected == 6
            dropping = await kit(
                runtime, active=False, queue_size=4, kernel_id="dropping", backpressure=DROP
            )
            assert await dropping.send_many(tasks(range(10))) == 10
            assert dropping.statistics().dropped == 6
            await dropping.activate()
            assert (await collect(dropping, 4, 10))["value"].tolist() == [12, 14, 16, 18]

    run(main())


def test_a_cancelled_batch_is_a_prefix(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=3)
            sending = asyncio.create_task(kernel.send_many(tasks(range(100))))
            got = (await collect(kernel, 20, 5))["value"].tolist()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await kernel.send(Task(SEND, -1))
            while not got or got[-1] != -2:
                got.append((await kernel.receive()).value)
            assert got[:-1] == [2 * n for n in range(len(got) - 1)]
            assert kernel.statistics().received == len(got)

    run(main())


@pytest.mark.parametrize("op", [FAIL, DEOPTIMISE])
@pytest.mark.parametrize("size", [2, 1000])
def test_trouble_in_the_middle_of_a_batch(kit: Any, run: Any, op: int, size: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await kit(runtime, queue_size=size)
            batch = tasks(range(2000))
            batch["op"][1500] = op
            sending = asyncio.create_task(kernel.send_many(batch))
            if op == DEOPTIMISE:
                got = await collect(kernel, 1999, 600)
                assert await sending == 2000
                while kernel.statistics().processed < 2000:  # its last output was there before
                    await asyncio.sleep(0)
                assert kernel.statistics().processed == 2000
                assert got["total"][-1] == sum(range(2000))
            else:
                got = await collect(kernel, 1500, 600)
                with pytest.raises(ActorFailedError) as caught:
                    await kernel.receive_many(10)
                assert caught.value.message_in == Task(FAIL, 1500)
                assert caught.value.state == {"total": sum(range(1500))}
                await asyncio.gather(sending, return_exceptions=True)

    run(main())


def test_several_outputs_for_each_message(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=8)
            sending = asyncio.create_task(kernel.send_many(tasks([5] * 300, SEVERAL)))
            got = await collect(kernel, 1500, 100)
            assert await sending == 300
            assert got["value"].tolist() == [0, 1, 2, 3, 4] * 300

    run(main())


def test_messages_ends_with_the_actor(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.send_many(tasks(range(20)))
            ending = asyncio.create_task(kernel.terminate())
            got = [result.value async for result in kernel.messages()]
            assert got == [2 * n for n in range(20)]
            await ending
            failing = await kit(runtime)
            await failing.send(Task(FAIL))
            with pytest.raises(ActorFailedError):
                async for _ in failing.messages():
                    pass

    run(main())


def test_wrong_number(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            with pytest.raises(ValueError, match="max_messages must be at least 1, not 0"):
                await kernel.receive_many(0)
            with pytest.raises(QueueTimeoutError):
                await kernel.receive_many(10, timeout=0)

    run(main())
