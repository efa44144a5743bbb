"""``request``: every caller gets the reply to its own message, whatever else is going on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    KernelClosedError,
    QueueFullError,
    QueueTimeoutError,
    RingKernelRuntime,
)
from pydotcompute.backends.compiled.lifecycle import BUSY
from tests.support.native_actor.kit import FAIL, LEAVE, SEND, SEVERAL, SPIN, Task

STRATEGIES = list(BackpressureStrategy)


def test_a_reply_names_its_request(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            await kit(runtime)
            task = Task(SEND, 5)
            reply = await runtime.request("kit", task)
            assert reply.value == 10
            assert reply.correlation_id == task.message_id
            await runtime.send("kit", Task(SEND, 6))
            assert (await runtime.receive("kit")).correlation_id is None

    run(main())


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_two_thousand_callers(kit: Any, run: Any, size: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=size)

            async def call(n: int) -> None:
                assert (await kernel.request(Task(SEND, n))).value == 2 * n

            await asyncio.gather(*(call(n) for n in range(2000)))
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=0)

    run(main())


@pytest.mark.parametrize("size", [1, 3, 100])
def test_requests_between_other_messages(kit: Any, run: Any, size: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=size)
            received: list[int] = []

            async def call(n: int) -> None:
                assert (await kernel.request(Task(SEND, n))).value == 2 * n

            async def stream() -> None:
                for n in range(300):
                    await kernel.send(Task(SEND, -n))

            async def collect() -> None:
                while len(received) < 300:
                    received.append((await kernel.receive()).value)

            await asyncio.gather(stream(), collect(), *(call(n) for n in range(1, 301)))
            assert received == [-2 * n for n in range(300)]

    run(main())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_reply_needs_no_room(kit: Any, run: Any, strategy: BackpressureStrategy) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=2, backpressure=strategy)
            await kernel.send(Task(SEND, 1))
            await kernel.send(Task(SEND, 2))
            while kernel.statistics().output_depth < 2:
                await asyncio.sleep(0)
            assert (await kernel.request(Task(SEND, 3))).value == 6
            assert (await kernel.request(Task(SEND, 4))).value == 8
            assert [(await kernel.receive()).value for _ in range(2)] == [2, 4]

    run(main())


def test_the_first_of_several_is_the_reply(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            assert (await kernel.request(Task(SEVERAL, 4))).value == 0
            assert [(await kernel.receive()).value for _ in range(3)] == [1, 2, 3]
            assert kernel.statistics().sent == 4

    run(main())


def test_no_answer_until_the_actor_ends(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            with pytest.raises(QueueTimeoutError, match="no reply from kernel 'kit'"):
                await kernel.request(Task(SEVERAL, 0), timeout=0.01)
            silent = asyncio.create_task(kernel.request(Task(SEVERAL, 0)))
            while kernel.statistics().processed < 2:
                await asyncio.sleep(0)
            await kernel.send(Task(LEAVE))
            with pytest.raises(KernelClosedError):
                await silent

    run(main())


def test_a_late_reply_goes_to_nobody_else(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.deactivate()
            late = asyncio.create_task(kernel.request(Task(SEND, 1)))
            await asyncio.sleep(0)
            late.cancel()
            await asyncio.gather(late, return_exceptions=True)
            with pytest.raises(QueueTimeoutError):
                await kernel.request(Task(SEND, 2), timeout=0.01)
            await kernel.reactivate()
            assert (await kernel.request(Task(SEND, 3))).value == 6
            await kernel.send(Task(SEND, 4))
            assert (await kernel.receive()).value == 8
            assert kernel.statistics().processed == 4

    run(main())


def test_requests_given_up_are_forgotten(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            for _ in range(50):
                with pytest.raises(QueueTimeoutError):
                    await kernel.request(Task(SEVERAL, 0), timeout=0)
            assert (await kernel.request(Task(SEND, 3))).value == 6
            await kernel.send(Task(SEND, 1))
            assert (await kernel.receive()).value == 2
            assert not kernel._actor.replies.pending

    run(main())


def test_a_failure_reaches_every_caller(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.deactivate()
            calls = [asyncio.create_task(kernel.request(Task(op, 7))) for op in (SEND, FAIL, SEND)]
            await asyncio.sleep(0)
            await kernel.reactivate()
            first, second, third = await asyncio.gather(*calls, return_exceptions=True)
            assert first.value == 14
            for error in (second, third):
                assert isinstance(error, ActorFailedError)
                assert str(error.__cause__) == "bad value 7"

    run(main())


@pytest.mark.parametrize("backend", ["native"], indirect=True)
def test_requests_of_long_work(kit: Any, run: Any, backend: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            calls = [kernel.request(Task(SPIN, 400_000 + n)) for n in range(8)]
            replies = await asyncio.gather(*calls)
            assert [reply.value for reply in replies] == [400_000 + n for n in range(8)]

    run(main())


def test_outputs_from_before_a_request_are_no_replies(kit: Any, run: Any) -> None:
    """Slots written before anybody asked do not say what they answer."""

    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            for round_ in range(20):  # memory of an earlier kernel is likely to be used again
                kernel = await kit(runtime, queue_size=64)
                for n in range(round_):
                    await kernel.send(Task(SEND, n))
                while kernel.statistics().processed < round_:
                    await asyncio.sleep(0)
                replies = await asyncio.gather(
                    *(kernel.request(Task(SEND, n)) for n in range(100, 130))
                )
                assert [reply.value for reply in replies] == [2 * n for n in range(100, 130)]
                got = [(await kernel.receive()).value for _ in range(round_)]
                assert got == [2 * n for n in range(round_)]
                await kernel.terminate()

    run(main())


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("backend", ["native"], indirect=True)
def test_a_request_that_comes_while_a_worker_runs(
    kit: Any, run: Any, backend: str, strategy: BackpressureStrategy
) -> None:
    """The burst under way may handle it, and its reply is no output for whoever receives."""

    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=64, backpressure=strategy)
            engine = kernel._actor.engine
            for _ in range(8):
                await kernel.request(Task(SPIN, 1_000_000))
            engine.sizing.cost = 1e-4  # a burst takes some messages, one of which will be a request
            for round_ in range(20):
                for n in range(4):
                    await kernel.send(Task(SPIN, 300_000 + n))
                while not engine.run_flags & BUSY:
                    await asyncio.sleep(0)
                for _ in range(round_):
                    await asyncio.sleep(0)
                receiving = asyncio.create_task(kernel.receive())
                replies = await asyncio.gather(
                    *(kernel.request(Task(SEND, n)) for n in range(round_, round_ + 3))
                )
                assert [reply.value for reply in replies] == [2 * round_ + 2 * n for n in range(3)]
                got = [await receiving, *[await kernel.receive() for _ in range(3)]]
                assert [each.value for each in got] == [300_000 + n for n in range(4)]
            assert kernel.statistics().dropped == 0

    run(main())


def dropped(size: int) -> str:
    """The text of the error."""
    return (
        f"the request was dropped: the input queue of kernel 'kit' was full ({size} messages) "
        "and drops its oldest"
    )


@pytest.mark.parametrize("size", [1, 3])
def test_a_dropped_request_is_told_at_once(kit: Any, run: Any, size: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            strategy = BackpressureStrategy.DROP_OLDEST
            kernel = await kit(runtime, active=False, queue_size=size, backpressure=strategy)
            calls = [asyncio.create_task(kernel.request(Task(SEND, n))) for n in range(size)]
            await asyncio.sleep(0)
            await kernel.send(Task(SEND, 100))
            with pytest.raises(QueueFullError) as caught:
                await calls[0]
            assert str(caught.value) == dropped(size)
            assert not any(call.done() for call in calls[1:])
            await kernel.activate()
            assert [(await call).value for call in calls[1:]] == [2 * n for n in range(1, size)]
            assert (await kernel.receive()).value == 200
            await kernel.deactivate()
            call = asyncio.create_task(kernel.request(Task(SEND, 1), timeout=10))
            await asyncio.sleep(0)
            await kernel.send_many([Task(SEND, n) for n in range(2 * size + 1)])
            with pytest.raises(QueueFullError):
                await call
            assert not kernel._actor.replies.pending
            await kernel.reactivate()
            got = [(await kernel.receive()).value for _ in range(size)]
            assert got == [2 * n for n in range(size + 1, 2 * size + 1)]
            assert kernel.statistics().dropped == 1 + 1 + size + 1

    run(main())


@pytest.mark.parametrize("backend", ["native"], indirect=True)
def test_a_request_dropped_while_a_worker_runs(kit: Any, run: Any, backend: str) -> None:
    """What a burst under way has in hand is answered; what it never sees is dropped."""

    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=2, backpressure=BackpressureStrategy.DROP_OLDEST)
            engine = kernel._actor.engine
            for _ in range(8):
                await kernel.request(Task(SPIN, 1_000_000))
            for round_ in range(20):
                in_hand = asyncio.create_task(kernel.request(Task(SPIN, 2_000_000 + round_)))
                while not engine.run_flags & BUSY:
                    await asyncio.sleep(0)
                later = [asyncio.create_task(kernel.request(Task(SEND, n))) for n in range(4)]
                outcomes = await asyncio.gather(in_hand, *later, return_exceptions=True)
                assert [str(each) for each in outcomes if isinstance(each, Exception)] == (
                    [dropped(2)] * len([each for each in outcomes if isinstance(each, Exception)])
                )
                answered = [each.value for each in outcomes if not isinstance(each, Exception)]
                assert answered in ([2_000_000 + round_, 4, 6], [4, 6])
                with pytest.raises(QueueTimeoutError):
                    await kernel.receive(timeout=0)
            assert not kernel._actor.replies.pending

    run(main())
