"""Requests with the C extension and without it: the reply to this very message."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    KernelClosedError,
    MessageTypeError,
    QueueTimeoutError,
    RingKernelRuntime,
)
from tests.support.native_actor.kit import (
    DEOPTIMISE,
    FAIL,
    LEAVE,
    PRINT,
    RETURN,
    SEND,
    SEVERAL,
    SPIN,
    Result,
    Task,
)


def test_requests_one_after_another_and_at_once(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=10)
            for n in range(2000):
                task = Task(SEND, n)
                reply = await (kernel.request(task) if n % 2 else runtime.request("kit", task))
                assert reply.value == 2 * n
                assert reply.correlation_id == task.message_id
            tasks = [Task(SEND, n) for n in range(100)]
            replies = await asyncio.gather(*(runtime.request("kit", task) for task in tasks))
            assert [reply.value for reply in replies] == [2 * n for n in range(100)]
            assert [reply.correlation_id for reply in replies] == [t.message_id for t in tasks]
            found = kernel.statistics()
            assert (found.received, found.processed, found.sent) == (2100, 2100, 2100)
            assert (found.output_depth, kernel._actor.replies.pending) == (0, {})

    run(main())


def test_requests_among_other_messages(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=10)
            for n in range(0, 300, 3):
                await kernel.send(Task(SEND, n))
                reply = await kernel.request(Task(SEND, n + 1))
                assert reply.value == 2 * n + 2
                assert (await kernel.receive()).value == 2 * n
                assert (
                    await runtime.request("kit", Task(SEND, n + 2), timeout=5)
                ).value == 2 * n + 4
            # the first output is the reply, the others are not
            reply = await kernel.request(Task(SEVERAL, 4))
            assert reply.value == 0
            assert [(await kernel.receive()).value for _ in range(3)] == [1, 2, 3]

    run(main())


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_request_with_more_outputs_than_room(kit: Any, run: Any, path: str, size: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=size)
            for _ in range(3):
                assert (await kernel.request(Task(SEVERAL, 6))).value == 0
                assert [(await kernel.receive()).value for _ in range(5)] == [1, 2, 3, 4, 5]
            assert (await kernel.request(Task(SEND, 6))).value == 12

    run(main())


@pytest.mark.parametrize("policy", [BackpressureStrategy.REJECT, BackpressureStrategy.DROP_OLDEST])
def test_replies_under_other_policies(kit: Any, run: Any, path: str, policy: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=2, backpressure=policy)
            assert (await kernel.request(Task(SEVERAL, 3))).value == 0
            assert [(await kernel.receive()).value for _ in range(2)] == [1, 2]

    run(main())


@pytest.mark.parametrize("operation", [LEAVE, RETURN])
def test_a_request_that_ends_the_actor(kit: Any, run: Any, path: str, operation: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            with pytest.raises(KernelClosedError, match="kernel 'kit' has ended"):
                await kernel.request(Task(operation, 1))
            with pytest.raises(KernelClosedError, match="kernel 'kit' has ended"):
                await kernel.request(Task(SEND, 1))

    run(main())


def test_a_request_that_fails_or_has_no_answer(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await kit(runtime)
            for seconds in (0, 0.001):
                with pytest.raises(QueueTimeoutError, match="no reply from kernel 'kit' within"):
                    await kernel.request(Task(PRINT, 1), timeout=seconds)
            assert (await kernel.request(Task(SPIN, 300_000))).value == 300_000
            waiting = asyncio.create_task(kernel.request(Task(PRINT, 2)))
            for _ in range(3):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert (await kernel.request(Task(SEND, 4))).value == 8
            for wrong in (Task("x"), Result(1, 1), None):  # type: ignore[arg-type]
                with pytest.raises(MessageTypeError):
                    await kernel.request(wrong)
            with pytest.raises(ActorFailedError, match="bad value 9") as caught:
                await kernel.request(Task(FAIL, 9))
            assert caught.value.message_in == Task(FAIL, 9)

    run(main())


def test_a_request_that_compiled_code_cannot_serve(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await kit(runtime)
            launched = kernel.backend
            waiting = asyncio.create_task(kernel.request(Task(DEOPTIMISE, 5)))
            for _ in range(5):
                await asyncio.sleep(0)
            reply = await kernel.request(Task(SEND, 4))
            assert (reply.value, reply.total) == (8, 9)
            assert (kernel.backend, kernel.statistics().fallbacks) == (launched, 0)
            waiting.cancel()

    run(main())
