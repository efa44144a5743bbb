"""Contract, section 4: bounded queues, three policies, order, cancellation, threads."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    KernelClosedError,
    KernelContext,
    KernelState,
    KernelStateError,
    MessageTypeError,
    QueueFullError,
    QueueTimeoutError,
)
from tests.support.contract import SEVERAL, Answer, Job, go, launched, plain, turns, until

BLOCK, REJECT, DROP = BackpressureStrategy
SIZES = [1, 2, 7, 1000]


@pytest.mark.parametrize("size", SIZES)
def test_input_is_bounded_by_exactly_queue_size(way: str, size: int) -> None:
    async def probe() -> None:
        async with launched(way, active=False, queue_size=size) as kernel:
            for n in range(size):
                await kernel.send(Job(n), timeout=0)
            with pytest.raises(QueueTimeoutError):
                await kernel.send(Job(-1), timeout=0)
            with pytest.raises(TimeoutError):
                await kernel.send(Job(-1), timeout=-1)
            assert kernel.statistics().input_depth == size
            await kernel.activate()
            assert [(await kernel.receive()).value for _ in range(size)] == [
                2 * n for n in range(size)
            ]
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=0)

    go(probe)


@pytest.mark.parametrize("size", SIZES)
def test_output_is_bounded_by_exactly_queue_size(way: str, size: int) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=size) as kernel:
            jobs = asyncio.create_task(kernel.send_many([Job(n) for n in range(3 * size + 3)]))
            await until(lambda: kernel.statistics().output_depth == size)
            await turns()
            stats = kernel.statistics()
            assert stats.output_depth == size
            assert stats.output_peak == size
            assert stats.processed <= size + 1
            got = [(await kernel.receive()).value for _ in range(3 * size + 3)]
            assert got == [2 * n for n in range(3 * size + 3)]
            assert await jobs == 3 * size + 3

    go(probe)


@pytest.mark.parametrize("size", SIZES)
def test_reject_counts_on_the_input_side(way: str, size: int) -> None:
    async def probe() -> None:
        async with launched(way, active=False, queue_size=size, backpressure=REJECT) as kernel:
            for n in range(size):
                await kernel.send(Job(n))
            for _ in range(3):
                with pytest.raises(QueueFullError):
                    await kernel.send(Job(-1), timeout=5)
            stats = kernel.statistics()
            assert (stats.received, stats.rejected, stats.dropped) == (size, 3, 0)
            await kernel.activate()
            assert (await kernel.receive()).value == 0

    go(probe)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_drop_oldest_counts_on_both_sides(way: str, size: int) -> None:
    async def probe() -> None:
        async with launched(way, active=False, queue_size=size, backpressure=DROP) as kernel:
            for n in range(size + 4):
                await kernel.send(Job(n))
            stats = kernel.statistics()
            assert (stats.dropped, stats.input_depth) == (4, size)
            assert stats.received == size + 4
            await kernel.activate()
            await until(lambda: kernel.statistics().processed == size)
            for n in range(size):  # one at a time: nothing is lost on the input side
                await kernel.send(Job(100 + n))
                await until(lambda n=n: kernel.statistics().processed == size + n + 1)
            stats = kernel.statistics()
            assert (stats.dropped, stats.output_depth) == (4 + size, size)
            assert stats.sent == 2 * size
            got = [(await kernel.receive()).value for _ in range(size)]
            assert got == [200 + 2 * n for n in range(size)]

    go(probe)


async def rejecting(ctx: Any) -> None:
    refused = 0
    while not ctx.should_terminate:
        try:
            job = await ctx.receive(timeout=0.05)
        except TimeoutError:
            continue
        for n in range(job.value):
            await ctx.send(Job(n))
        refused += 1


@pytest.mark.parametrize("size", [1, 2, 7])
def test_reject_on_the_output_side_fails_the_actor_that_does_not_catch(way: str, size: int) -> None:
    async def probe() -> None:
        async with launched(
            way, rejecting, queue_size=size, backpressure=REJECT, input_type=Job, output_type=Job
        ) as kernel:
            await kernel.send(Job(size))
            await until(lambda: kernel.statistics().processed == 1)
            await kernel.send(Job(1))
            await until(lambda: kernel.state is KernelState.FAILED)
            got = [(await kernel.receive()).value for _ in range(size)]
            assert got == list(range(size))
            with pytest.raises(ActorFailedError) as caught:
                while True:
                    await kernel.receive()
            assert isinstance(caught.value.__cause__, QueueFullError)
            assert caught.value.message_in == Job(1)

    go(probe)


async def counts_rejections(ctx: Any) -> None:
    refused = 0
    while not ctx.should_terminate:
        try:
            job = await ctx.receive(timeout=0.05)
        except TimeoutError:
            continue
        for n in range(job.value):
            try:
                await ctx.send(Job(n, refused))
            except QueueFullError:
                refused += 1


def test_reject_on_the_output_side_can_be_caught(way: str) -> None:
    async def probe() -> None:
        settings: dict[str, Any] = {"input_type": Job, "output_type": Job}
        async with launched(
            way, counts_rejections, queue_size=3, backpressure=REJECT, fallback="allow", **settings
        ) as kernel:
            await kernel.send(Job(8))
            await until(lambda: kernel.statistics().processed == 1)
            assert [(await kernel.receive()).value for _ in range(3)] == [0, 1, 2]
            await kernel.send(Job(1))
            assert (await kernel.receive()) == Job(0, 5)
            stats = kernel.statistics()
            assert (stats.rejected, stats.sent) == (5, 4)

    go(probe)


@pytest.mark.parametrize("policy", list(BackpressureStrategy))
def test_more_outputs_for_one_message_than_fit(way: str, policy: Any) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=2, backpressure=policy) as kernel:
            await kernel.send(Job(9, SEVERAL))
            if policy is BLOCK:
                got = [(await kernel.receive()).value for _ in range(9)]
                assert got == list(range(9))
            elif policy is DROP:
                await until(lambda: kernel.statistics().processed == 1)
                assert [(await kernel.receive()).value for _ in range(2)] == [7, 8]
                assert kernel.statistics().dropped == 7

    go(probe)


def test_many_senders_and_receivers_lose_double_reorder_nothing(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=3) as kernel:
            got: list[int] = []

            async def sender(base: int) -> None:
                for n in range(50):
                    await kernel.send(Job(base + n))

            async def receiver() -> None:
                for _ in range(100):
                    got.append((await kernel.receive()).value // 2)

            await asyncio.gather(
                *(sender(1000 * k) for k in range(10)), *(receiver() for _ in range(5))
            )
            assert sorted(got) == sorted(1000 * k + n for k in range(10) for n in range(50))
            for k in range(10):
                assert [v for v in got if v // 1000 == k] == [1000 * k + n for n in range(50)]

    go(probe)


def test_cancelled_calls_never_happened_or_completed(way: str) -> None:
    async def probe() -> None:
        chance = random.Random(5)
        async with launched(way, queue_size=2) as kernel:
            sent: list[int] = []
            got: list[int] = []

            async def send(n: int) -> None:
                await kernel.send(Job(n))
                sent.append(n)

            async def take() -> None:
                got.append((await kernel.receive()).value // 2)

            for base in range(0, 300, 3):
                tasks = [asyncio.create_task(send(base + k)) for k in range(3)]
                tasks += [asyncio.create_task(take()) for _ in range(3)]
                await turns(chance.randrange(4))
                for task in tasks:
                    if chance.random() < 0.4:
                        task.cancel()
                    await turns(chance.randrange(2))
                for task in tasks[3:]:
                    task.cancel()
                await asyncio.gather(*tasks[3:], return_exceptions=True)
                while not all(task.done() for task in tasks[:3]):
                    try:
                        got.append((await kernel.receive(timeout=0)).value // 2)
                    except QueueTimeoutError:
                        await asyncio.sleep(0)
            stats = kernel.statistics()
            ending = asyncio.create_task(kernel.terminate())
            got += [each.value // 2 async for each in kernel.messages()]
            assert (await ending).unprocessed == ()
            # a call cancelled at its very end may have completed without its task hearing of it
            assert set(sent) <= set(got)
            assert len(got) == stats.received == len(set(got))

    go(probe)


def test_a_send_cancelled_while_blocked_left_no_trace(way: str) -> None:
    async def probe() -> None:
        async with launched(way, active=False, queue_size=2) as kernel:
            tasks = [asyncio.create_task(kernel.send(Job(n))) for n in range(6)]
            await turns()
            tasks[3].cancel()
            tasks[5].cancel()
            await turns()
            await kernel.activate()
            assert [(await kernel.receive()).value // 2 for _ in range(4)] == [0, 1, 2, 4]
            stats = kernel.statistics()
            assert (stats.received, stats.input_depth, stats.output_depth) == (4, 0, 0)

    go(probe)


def test_wait_for_is_a_timeout_too(way: str) -> None:
    async def probe() -> None:
        async with launched(way, active=False, queue_size=1) as kernel:
            await kernel.send(Job(1))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(kernel.send(Job(2)), 0.001)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await kernel.receive()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await kernel.request(Job(3))
            await kernel.activate()
            assert (await kernel.receive()).value == 2
            assert kernel.statistics().received == 1

    go(probe)


def test_receive_after_timeouts_is_fifo_among_receivers(way: str) -> None:
    async def probe() -> None:
        async with launched(way, active=False, queue_size=8) as kernel:
            order: list[tuple[int, int]] = []

            async def take(who: int) -> None:
                order.append((who, (await kernel.receive()).value // 2))

            takers = [asyncio.create_task(take(k)) for k in range(5)]
            await turns()
            takers[1].cancel()
            await kernel.activate()
            for n in range(4):
                await kernel.send(Job(n))
            await asyncio.gather(*takers, return_exceptions=True)
            assert order == [(0, 0), (2, 1), (3, 2), (4, 3)]

    go(probe)


def test_numbers_a_user_may_pass_as_timeout(way: str) -> None:
    async def probe() -> None:
        import numpy as np

        async with launched(way, active=False, queue_size=1) as kernel:
            for timeout in (0, 0.0, -5, -0.0, float("-inf"), np.float64(0), 0.001):
                with pytest.raises(QueueTimeoutError):
                    await kernel.receive(timeout=timeout)
                with pytest.raises(QueueTimeoutError):
                    await kernel.receive_many(3, timeout=timeout)
            await kernel.send(Job(1), timeout=0)
            for timeout in (0, -5, 0.001):
                with pytest.raises(QueueTimeoutError):
                    await kernel.send(Job(2), timeout=timeout)
                with pytest.raises(QueueTimeoutError):
                    await kernel.request(Job(2), timeout=timeout)
                with pytest.raises(QueueTimeoutError):
                    await kernel.send_many([Job(2)], timeout=timeout)
            await kernel.activate()
            assert (await kernel.receive(timeout=float("inf"))).value == 2
            assert kernel.statistics().received == 1

    go(probe)


def test_a_parked_receiver_with_a_timeout_gets_a_message_in_time(way: str) -> None:
    async def probe() -> None:
        async with launched(way, plain) as kernel:
            taker = asyncio.create_task(kernel.receive(timeout=20))
            await turns()
            await kernel.send(Job(4))
            assert (await taker).value == 8
            many = asyncio.create_task(kernel.receive_many(5, timeout=20))
            await turns()
            await kernel.send(Job(5))
            assert (await many)["value"].tolist() == [10]

    go(probe)


def test_a_message_of_the_wrong_type_is_told_before_a_full_queue(way: str) -> None:
    async def probe() -> None:
        for policy in BackpressureStrategy:
            async with launched(way, active=False, queue_size=1, backpressure=policy) as kernel:
                await kernel.send(Job(1))
                with pytest.raises(MessageTypeError):
                    await kernel.send("no message", timeout=0)
                stats = kernel.statistics()
                assert (stats.received, stats.dropped, stats.rejected) == (1, 0, 0)

    go(probe)


def test_sync_twins_from_many_threads(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=2) as kernel:
            replies: dict[int, int] = {}

            def work(base: int) -> None:
                for n in range(base, base + 20):
                    replies[n] = kernel.sync.request(Job(n), timeout=20).value

            threads = [threading.Thread(target=work, args=(100 * k,)) for k in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                await asyncio.to_thread(thread.join)
            assert replies == {100 * k + n: 2 * (100 * k + n) for k in range(4) for n in range(20)}
            with pytest.raises(QueueTimeoutError):
                await asyncio.to_thread(kernel.sync.receive, timeout=0)
            with pytest.raises(KernelStateError):
                kernel.sync.send(Job(1))
            waiting = asyncio.create_task(asyncio.to_thread(kernel.sync.receive))
            await turns()
            await kernel.terminate()
            with pytest.raises(KernelClosedError):
                await waiting

    go(probe)


@pytest.mark.parametrize("when", ["created", "paused"])
@pytest.mark.parametrize("kind", ["array", "messages"])
def test_a_cancelled_batch_is_taken_back(way: str, when: str, kind: str) -> None:
    messages = [Job(n) for n in range(9)]

    async def probe() -> None:
        async with launched(way, plain, active=when == "paused", queue_size=2) as kernel:
            if when == "paused":
                await kernel.deactivate()
            batch = messages if kind == "messages" else Job.array(messages)
            sending = asyncio.create_task(kernel.send_many(batch))
            await turns(3)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert (kernel.statistics().input_depth, kernel.statistics().received) == (0, 0)
            await (kernel.activate() if when == "created" else kernel.reactivate())
            assert (await kernel.request(Job(100))).value == 200

    go(probe)


async def untyped(ctx: Any) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive()
        await ctx.send(Answer(job.value))


def test_arrays_of_a_class_that_was_shown_by_the_first_message(way: str) -> None:
    async def probe() -> None:
        async with launched(way, untyped, fallback="allow") as kernel:
            await kernel.request(Job(5))
            assert await kernel.send_many(Job.array(value=[1, 2, 3], op=[0, 0, 0])) == 3
            assert [(await kernel.receive()).value for _ in range(3)] == [1, 2, 3]

    go(probe)


async def offers(ctx: KernelContext[Job, Answer]) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive()
        await ctx.send(Answer(job.value))
        await ctx.send(Answer(job.value))


def test_a_refusal_that_fails_the_actor_is_counted_once(way: str) -> None:
    async def probe() -> None:
        async with launched(
            way, offers, queue_size=1, backpressure=BackpressureStrategy.REJECT
        ) as kernel:
            await kernel.send(Job(1))
            await until(lambda: kernel.state is KernelState.FAILED)
            assert kernel.statistics().rejected == 1
            assert kernel.statistics().output_peak == 1

    go(probe)


def test_replies_are_not_in_the_peak(way: str) -> None:
    async def probe() -> None:
        async with launched(way, offers, queue_size=1) as kernel:
            assert (await kernel.request(Job(1))).value == 1
            assert (await kernel.receive()).value == 1
            assert kernel.statistics().output_peak <= 1

    go(probe)


@pytest.mark.parametrize("yields", range(5))
def test_a_refusal_that_has_happened_is_not_undone(way: str, yields: int) -> None:
    """A client makes room after the refusal, and before the interpreter has raised it."""

    async def probe() -> None:
        async with launched(
            way, plain, queue_size=1, backpressure=BackpressureStrategy.REJECT
        ) as kernel:
            await kernel.send(Job(1))
            await until(lambda: kernel.statistics().output_depth == 1)
            await kernel.send(Job(2))
            await turns(yields)
            assert (await kernel.receive()).value == 2
            await until(lambda: kernel.statistics().processed == 2 or kernel.statistics().errors)
            stats = kernel.statistics()
            assert (stats.rejected, stats.fallbacks) == (stats.errors, 0)
            assert kernel.state is (KernelState.FAILED if stats.errors else KernelState.ACTIVE)
            assert kernel.backend == way or stats.errors

    go(probe)
