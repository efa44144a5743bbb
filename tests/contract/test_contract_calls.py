"""Contract, section 2, the table of calls: request, batches, messages, statistics, pending."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import warnings
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from pydotcompute import (
    BackpressureStrategy,
    KernelClosedError,
    KernelContext,
    KernelState,
    LoweringError,
    MessageTypeError,
    MessageValueError,
    QueueFullError,
    QueueTimeoutError,
    RingKernelRuntime,
    ring_kernel,
)
from tests.support.contract import (
    LEAVE,
    PRINT,
    SEVERAL,
    Answer,
    Job,
    decorated,
    drained,
    go,
    launched,
    plain,
    turns,
    until,
)


def test_requests_never_mix(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=7) as kernel:

            async def call(n: int) -> None:
                job = Job(n, SEVERAL if n % 3 == 1 else 0)
                reply = await kernel.request(job)
                assert reply.value == (0 if job.op else 2 * n)
                assert reply.correlation_id == job.message_id

            rest: list[int] = []

            async def reader() -> None:
                while True:
                    rest.append((await kernel.receive()).value)

            reading = asyncio.create_task(reader())
            await asyncio.gather(*(call(n) for n in range(200)))
            expected = [v for n in range(1, 200, 3) for v in range(1, n)]
            await until(lambda: len(rest) == len(expected))
            assert sorted(rest) == sorted(expected)
            reading.cancel()

    go(probe)


def test_cancelled_requests_spoil_nobody_elses(way: str) -> None:
    async def probe() -> None:
        chance = random.Random(3)
        async with launched(way, queue_size=3) as kernel:

            async def call(n: int) -> None:
                assert (await kernel.request(Job(n))).value == 2 * n

            tasks = [asyncio.create_task(call(n)) for n in range(300)]
            for task in tasks:
                if chance.random() < 0.5:
                    await turns(chance.randrange(3))
                    task.cancel()
            await turns(5)
            survivors = asyncio.gather(*tasks, return_exceptions=True)
            # late replies of cancelled callers may be lying in the queue: they must not stop it
            while not survivors.done():
                try:
                    await kernel.receive(timeout=0)
                except QueueTimeoutError:
                    await asyncio.sleep(0)
            for outcome in await survivors:
                assert outcome is None or isinstance(outcome, asyncio.CancelledError)

    go(probe)


async def answers_itself(ctx: KernelContext[Job, Answer]) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive()
        await ctx.send(Answer(job.value, correlation_id=job.correlation_id))


def test_correlation_ids(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            job = Job(1)
            reply = await kernel.request(job)
            assert type(job.message_id) is UUID
            assert reply.correlation_id == job.message_id
            await kernel.send(Job(1))
            assert (await kernel.receive()).correlation_id is None
        async with launched(way, answers_itself, fallback="allow") as kernel:
            mine = uuid4()
            reply = await kernel.request(Job(1, correlation_id=mine))
            assert reply.correlation_id == mine
            await kernel.send(Job(1, correlation_id=mine))
            assert (await kernel.receive()).correlation_id == mine

    go(probe)


def test_a_request_without_a_reply(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            with pytest.raises(QueueTimeoutError):
                await kernel.request(Job(0, SEVERAL), timeout=0.01)
            try:  # at once means at once, or not at all
                assert (await kernel.request(Job(1), timeout=0)).value == 2
            except QueueTimeoutError:
                pass
            silent = asyncio.create_task(kernel.request(Job(0, PRINT)))
            await until(lambda: kernel.statistics().processed >= 2)
            assert not silent.done()
            await kernel.send(Job(0, LEAVE))
            with pytest.raises(KernelClosedError):
                await silent

    go(probe)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_batches_of_any_size(way: str, size: int) -> None:
    async def probe() -> None:
        async with launched(way, plain, queue_size=size) as kernel:
            batch = Job.array(value=np.arange(2500))
            assert batch.dtype == Job.dtype
            sending = asyncio.create_task(kernel.send_many(batch))
            got: list[np.ndarray[Any, Any]] = []
            while sum(map(len, got)) < 2500:
                part = await kernel.receive_many(64)
                assert 1 <= len(part) <= 64
                assert part.dtype == Answer.dtype
                got.append(part)
            joined = np.concatenate(got)
            assert joined["value"].tolist() == [2 * n for n in range(2500)]
            assert joined["total"].tolist() == np.cumsum(np.arange(2500)).tolist()
            assert await sending == 2500
            assert await kernel.send_many([]) == 0
            assert await kernel.send_many(Job.array(value=[])) == 0
            assert await kernel.send_many((Job(1),)) == 1
            with pytest.raises(ValueError):
                await kernel.receive_many(0)

    go(probe)


def test_batches_are_all_or_nothing(way: str) -> None:
    async def probe() -> None:
        async with launched(way, active=False, queue_size=5) as kernel:
            for wrong, error in (
                ([Job(1), Job(1 << 64)], MessageValueError),
                ([Job(1), Answer(1)], MessageTypeError),
                ([Job(1), Job("x")], MessageTypeError),  # type: ignore[arg-type]
                (Answer.array(value=[1]), MessageTypeError),
            ):
                with pytest.raises(error):
                    await kernel.send_many(wrong)
            assert kernel.statistics().received == 0
            with pytest.raises(QueueTimeoutError) as late:
                await kernel.send_many([Job(n) for n in range(8)], timeout=0)
            assert late.value.count == 5
            assert kernel.statistics().received == 5
        async with launched(
            way, active=False, queue_size=5, backpressure=BackpressureStrategy.REJECT
        ) as kernel:
            with pytest.raises(QueueFullError) as full:
                await kernel.send_many([Job(n) for n in range(8)])
            assert full.value.count == 5
            assert kernel.statistics().rejected == 3
        async with launched(
            way, active=False, queue_size=5, backpressure=BackpressureStrategy.DROP_OLDEST
        ) as kernel:
            assert await kernel.send_many([Job(n) for n in range(8)]) == 8
            stats = kernel.statistics()
            assert (stats.received, stats.dropped, stats.input_depth) == (8, 3, 5)
            report = await kernel.terminate()
            assert [job.value for job in report.unprocessed] == [3, 4, 5, 6, 7]

    go(probe)


def test_batches_and_single_calls_and_requests_mixed(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=4) as kernel:
            got: list[int] = []

            async def reader() -> None:
                while len(got) < 410:
                    if len(got) % 2:
                        got.append((await kernel.receive()).value)
                    else:
                        got.extend((await kernel.receive_many(5))["value"].tolist())

            async def caller(n: int) -> None:
                assert (await kernel.request(Job(-n))).value == -2 * n

            async def writer() -> None:
                await kernel.send_many(Job.array(value=np.arange(400)))
                for n in range(400, 410):
                    await kernel.send(Job(n))

            await asyncio.gather(reader(), writer(), *(caller(n) for n in range(1, 60)))
            assert got == [2 * n for n in range(410)]

    go(probe)


def test_a_cancelled_receive_many_loses_nothing(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=16) as kernel:
            got: list[int] = []
            for base in range(0, 60, 6):
                taker = asyncio.create_task(kernel.receive_many(4))
                await asyncio.sleep(0)
                await kernel.send_many([Job(n) for n in range(base, base + 6)])
                await turns(base % 4)
                taker.cancel()
                (outcome,) = await asyncio.gather(taker, return_exceptions=True)
                if not isinstance(outcome, BaseException):
                    got += outcome["value"].tolist()
                while len(got) < base + 6:
                    got.append((await kernel.receive()).value)
            assert got == [2 * n for n in range(60)]

    go(probe)


def test_messages_until_the_actor_ends(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            await kernel.send_many([Job(n) for n in range(50)])
            await kernel.send(Job(0, LEAVE))
            assert [each.value async for each in kernel.messages()] == [2 * n for n in range(50)]
            assert kernel.state is KernelState.TERMINATED

    go(probe)


FIELDS = (
    "received processed sent dropped rejected errors timeouts fallbacks interpreted "
    "input_depth output_depth "
    "input_peak output_peak busy_seconds idle_seconds latency_p50 latency_p99"
).split()


def test_statistics_are_exact(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=10) as kernel:
            for n in range(8):
                await kernel.send(Job(n))
            await until(lambda: kernel.statistics().processed == 8)
            for _ in range(3):
                await kernel.receive()
            with pytest.raises(QueueTimeoutError):
                await kernel.request(Job(0, SEVERAL), timeout=0.001)
            await until(lambda: kernel.statistics().processed == 9)
            stats = kernel.statistics()
            assert [field.name for field in dataclasses.fields(stats)] == FIELDS
            with pytest.raises(dataclasses.FrozenInstanceError):
                stats.received = 0
            counted = [getattr(stats, name) for name in FIELDS[:11]]
            interpreted = 9 if way == "python" else 0
            assert counted == [9, 9, 8, 0, 0, 0, 1, 0, interpreted, 0, 5]
            assert 1 <= stats.input_peak <= 8
            assert stats.output_peak == 8
            assert 0 < stats.latency_p50 <= stats.latency_p99 < 10
            assert stats.busy_seconds > 0
            assert stats.idle_seconds >= 0
            await kernel.terminate()
            after = kernel.statistics()
            assert (after.received, after.processed, after.output_depth) == (9, 9, 5)

    go(probe)


async def untyped(ctx):  # type: ignore[no-untyped-def]
    total = 0
    while not ctx.should_terminate:
        msg = await ctx.receive()
        total += msg.value
        await ctx.send(msg)


def test_types_left_out_are_taken_from_the_first_message(way: str) -> None:
    async def probe() -> None:
        actor = ring_kernel(kernel_id="untyped", auto_register=False)(untyped)
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            kernel = await runtime.launch("untyped", actor)
            assert kernel.backend == ("python" if way == "python" else "pending")
            await kernel.activate()
            assert await kernel.request(Job(4)) == Job(4)
            assert kernel.backend == way
            # a message of an undeclared type: the interpreter carries on
            assert await kernel.request(Answer(4)) == Answer(4)
            assert kernel.backend == "python"
            assert kernel.statistics().fallbacks == (0 if way == "python" else 1)


def test_fallbacks() -> None:
    async def sleeps(ctx: KernelContext[Job, Answer]) -> None:
        while not ctx.should_terminate:
            job = await ctx.receive()
            await asyncio.sleep(0)
            await ctx.send(Answer(job.value))

    async def probe() -> None:
        actor = decorated(sleeps)
        for backend in ("auto", "native"):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                async with RingKernelRuntime(backend=backend) as runtime:
                    kernel = await runtime.launch("sleeps", actor)
                    assert kernel.backend == "python"
                    assert kernel.reason
                    assert "sleep" in kernel.reason
                    await kernel.activate()
                    assert (await kernel.request(Job(3))).value == 3
            assert len(caught) == 1
            assert "sleep" in str(caught[0].message)
            assert "test_contract_calls.py:" in str(caught[0].message)
            async with RingKernelRuntime(backend=backend, fallback="error") as runtime:
                with pytest.raises(LoweringError, match="sleep"):
                    await runtime.launch("sleeps", actor)
                kernel = await runtime.launch("sleeps", actor, backend="python")
                assert kernel.backend == "python"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            async with RingKernelRuntime(backend="python") as runtime:
                await runtime.launch("sleeps", actor)
            async with RingKernelRuntime(fallback="allow") as runtime:
                await runtime.launch("sleeps", actor)

    go(probe)


def test_the_handle_has_the_runtimes_calls(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way) as runtime:
            actor = decorated()
            await runtime.launch("other id", actor)
            await runtime.activate("other id")
            await runtime.send("other id", Job(1), timeout=1)
            assert (await runtime.receive("other id", timeout=5)).value == 2
            assert (await runtime.request("other id", Job(2), timeout=5)).total == 3
            assert await runtime.send_many("other id", [Job(1)], timeout=5) == 1
            assert len(await runtime.receive_many("other id", 5, timeout=5)) == 1
            await runtime.deactivate("other id")
            await runtime.reactivate("other id")
            assert runtime.statistics("other id").processed == 3
            report = await runtime.terminate("other id", timeout=1.0, drain=True)
            assert list(report.unprocessed) == []
            assert [each async for each in runtime.messages("other id")] == []

    go(probe)


def test_receivers_see_every_message_of_a_kernel_that_ends(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            takers = [asyncio.create_task(kernel.receive()) for _ in range(10)]
            await turns(3)
            await kernel.send_many([Job(n) for n in range(5)])
            await kernel.terminate()
            outcomes = await asyncio.gather(*takers, return_exceptions=True)
            assert [each.value for each in outcomes[:5]] == [0, 2, 4, 6, 8]
            assert all(type(each) is KernelClosedError for each in outcomes[5:])
            assert await drained(kernel) == []

    go(probe)
