"""Contract, sections 3, 4 and 9 once more: every call cancelled at every await, calls crossing."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    KernelClosedError,
    KernelContext,
    KernelState,
    KernelStateError,
    PyDotComputeError,
    QueueFullError,
    QueueTimeoutError,
    RingKernelRuntime,
)
from tests.support.contract import (
    FAIL,
    LEAVE,
    SEVERAL,
    Answer,
    Flush,
    Job,
    decorated,
    drained,
    go,
    launched,
    plain,
    tally,
    turns,
    until,
)

DEPTH = 7
"""Turns of the loop a call is given before it is cancelled, at most."""

CALLS: dict[str, Any] = {
    "send": lambda k: k.send(Job(1)),
    "send with a timeout": lambda k: k.send(Job(1), timeout=9),
    "receive": lambda k: k.receive(),
    "receive with a timeout": lambda k: k.receive(timeout=9),
    "request": lambda k: k.request(Job(1)),
    "request with a timeout": lambda k: k.request(Job(1), timeout=9),
    "send_many": lambda k: k.send_many([Job(1)] * 5),
    "receive_many": lambda k: k.receive_many(3),
    "deactivate": lambda k: k.deactivate(),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("size", [1, 3])
def test_cancelled_at_every_await(way: str, call: str, size: int) -> None:
    """Afterwards the books balance: received = processed = outputs, and the total is theirs."""

    async def probe() -> None:
        for depth in range(DEPTH):
            async with launched(way, queue_size=size) as kernel:
                taken = 0
                await kernel.send(Job(1))
                task = asyncio.create_task(CALLS[call](kernel))
                await turns(depth)
                task.cancel()
                (outcome,) = await asyncio.gather(task, return_exceptions=True)
                if isinstance(outcome, Answer):
                    taken += 1
                elif outcome is not None and not isinstance(outcome, BaseException | int):
                    taken += len(outcome)
                if kernel.state is KernelState.DEACTIVATED:
                    await kernel.reactivate()
                given_up = 0
                if call.startswith("request") and isinstance(outcome, BaseException):
                    given_up = 1  # its reply, if there was one, went to nobody
                ending = asyncio.create_task(kernel.terminate())
                answers = [each async for each in kernel.messages()]
                assert list((await ending).unprocessed) == []
                stats = kernel.statistics()
                assert stats.received == stats.processed == stats.sent
                assert 0 <= stats.sent - len(answers) - taken <= given_up
                totals = [each.total for each in answers]
                assert totals == sorted(set(totals))

    go(probe)


async def _restart(kernel: Any) -> None:
    await kernel.restart()


@pytest.mark.parametrize("depth", range(5))
def test_transitions_cancelled_at_every_await(way: str, depth: int) -> None:
    async def cancelled(coroutine: Any) -> None:
        task = asyncio.create_task(coroutine)
        await turns(depth)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def probe() -> None:
        async with launched(way, active=False) as kernel:
            await cancelled(kernel.activate())
            if kernel.state is KernelState.LAUNCHED:
                await kernel.activate()
            assert (await kernel.request(Job(1))).total == 1
            await cancelled(kernel.deactivate())
            if kernel.state is KernelState.DEACTIVATED:
                await cancelled(kernel.reactivate())
            if kernel.state is KernelState.DEACTIVATED:
                await kernel.reactivate()
            assert (await kernel.request(Job(1))).total == 2
            await kernel.send(Job(9, FAIL))
            await until(lambda: kernel.state is KernelState.FAILED)
            await cancelled(kernel.restart())
            if kernel.state is KernelState.FAILED:
                await kernel.restart()
            assert (await kernel.request(Job(1))).total == 3
            await cancelled(kernel.terminate())
            assert list((await kernel.terminate()).unprocessed) == []

    go(probe)


def test_terminate_at_any_moment_of_a_busy_life(way: str) -> None:
    async def probe() -> None:
        chance = random.Random(11)
        for round_ in range(25):
            async with launched(way, queue_size=chance.choice([1, 2, 9]), shutdown=0.5) as kernel:
                sending = [asyncio.create_task(kernel.send(Job(n))) for n in range(20)]
                calling = [asyncio.create_task(kernel.request(Job(n))) for n in range(20, 30)]
                taking = [asyncio.create_task(kernel.receive()) for _ in range(12)]
                await turns(chance.randrange(12))
                report = await kernel.terminate(timeout=0.1, drain=bool(round_ % 2))
                left = await drained(kernel)
                everything = await asyncio.gather(
                    *sending, *calling, *taking, return_exceptions=True
                )
                for each in everything:
                    assert each is None or isinstance(each, Answer | KernelClosedError)
                answers = [each for each in [*everything, *left] if isinstance(each, Answer)]
                sent = sum(each is None for each in everything)
                assert len({each.value for each in answers}) == len(answers)
                handled = kernel.statistics().processed
                assert len(answers) == handled
                assert handled + len(report.unprocessed) == kernel.statistics().received
                assert kernel.statistics().received >= sent

    go(probe)


def test_restart_with_clients_parked_everywhere(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=2) as kernel:
            await kernel.deactivate()
            await kernel.send_many([Job(1, FAIL), Job(2)])
            sending = [asyncio.create_task(kernel.send(Job(n))) for n in range(3, 6)]
            await turns()
            await kernel.reactivate()
            outcomes = await asyncio.gather(*sending, return_exceptions=True)
            assert all(each is None or isinstance(each, ActorFailedError) for each in outcomes)
            accepted = sum(each is None for each in outcomes)
            await kernel.restart()
            got = [(await kernel.receive()).value // 2 for _ in range(1 + accepted)]
            assert got == [2, 3, 4, 5][: 1 + accepted]
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=0)

    go(probe)


def test_requests_under_drop_oldest_and_reject(way: str) -> None:
    async def probe() -> None:
        async with launched(
            way, active=False, queue_size=2, backpressure=BackpressureStrategy.DROP_OLDEST
        ) as kernel:
            calls = [asyncio.create_task(kernel.request(Job(n))) for n in range(4)]
            await turns()
            assert kernel.statistics().dropped == 2
            await kernel.activate()
            assert [(await call).value for call in calls[2:]] == [4, 6]
            await turns()
            await kernel.terminate()
            lost = await asyncio.gather(*calls[:2], return_exceptions=True)
            # the message is gone: no reply will come, and no other's reply may
            assert all(isinstance(each, PyDotComputeError) for each in lost)
        async with launched(
            way, active=False, queue_size=2, backpressure=BackpressureStrategy.REJECT
        ) as kernel:
            calls = [asyncio.create_task(kernel.request(Job(n))) for n in range(4)]
            await turns()
            await kernel.activate()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert [each.value for each in outcomes[:2]] == [0, 2]
            assert all(isinstance(each, QueueFullError) for each in outcomes[2:])
            assert kernel.statistics().rejected == 2

    go(probe)


def test_closing_while_others_launch_and_call(way: str) -> None:
    async def probe() -> None:
        for depth in range(6):
            runtime = RingKernelRuntime(backend=way, shutdown_timeout=1.0)

            async def client(runtime: RingKernelRuntime = runtime) -> None:
                kernel = await runtime.launch("tally", decorated())
                await kernel.activate()
                while True:
                    await kernel.request(Job(1))

            async with runtime:
                task = asyncio.create_task(client())
                await turns(depth)
            await asyncio.wait([task], timeout=5)
            assert task.done()
            assert isinstance(task.exception(), KernelClosedError | KernelStateError)

    go(probe)


def test_an_actor_cancelled_from_outside(way: str) -> None:
    """``asyncio.all_tasks`` shows interpreted actors: cancelling them all must hang nobody."""

    async def probe() -> None:
        async with launched(way, plain) as kernel:
            parked = asyncio.create_task(kernel.receive())
            await turns()
            me = asyncio.current_task()
            for task in asyncio.all_tasks():
                if task not in (me, parked) and "actor" in task.get_name():
                    task.cancel()
            await turns()
            await kernel.terminate()
            with pytest.raises((KernelClosedError, ActorFailedError)):
                await parked

    go(probe)


async def untyped(ctx: Any) -> None:
    total = 0
    while not ctx.should_terminate:
        received = await ctx.receive()
        total += received.value
        await ctx.send(Answer(total))


def test_pending_kernels_live_like_others(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            never = await runtime.launch("never", untyped)
            assert list((await never.terminate()).unprocessed) == []
            idle = await runtime.launch("idle", untyped)
            await idle.activate()
            parked = asyncio.create_task(idle.receive())
            await turns()
            await idle.terminate()
            with pytest.raises(KernelClosedError):
                await parked
            queued = await runtime.launch("queued", untyped)
            await queued.send(Job(1))
            assert list((await queued.terminate()).unprocessed) == [Job(1)]
            batch = await runtime.launch("batch", untyped)
            await batch.send_many([Job(n) for n in range(5)])
            await batch.activate()
            assert [(await batch.receive()).value for _ in range(5)] == [0, 1, 3, 6, 10]
            many = await runtime.launch("many", untyped)
            await many.activate()
            calls = [asyncio.create_task(many.request(Job(1))) for _ in range(20)]
            assert [(await call).value for call in calls] == list(range(1, 21))
            paused = await runtime.launch("paused", untyped)
            await paused.activate()
            await paused.deactivate()
            await paused.send(Job(3))
            with pytest.raises(QueueTimeoutError):
                await paused.receive(timeout=0.01)
            await paused.reactivate()
            assert (await paused.receive()).value == 3

    go(probe)


async def chain(ctx: KernelContext[Job, Answer]) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive()
        for n in range(3):
            await ctx.send(Answer(job.value, n))


def test_a_pipeline_of_kernels(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way, fallback="error") as runtime:
            for name in ("a", "b"):
                await runtime.launch(name, decorated(chain, queue_size=2))
                await runtime.activate(name)

            async def move() -> None:
                async for each in runtime.messages("a"):
                    await runtime.send("b", Job(each.value))

            moving = asyncio.create_task(move())
            sending = asyncio.create_task(runtime.send_many("a", [Job(n) for n in range(30)]))
            got = [(await runtime.receive("b")).value for _ in range(270)]
            assert got == [n for n in range(30) for _ in range(9)]
            await sending
            await runtime.terminate("a")
            await moving

    go(probe)


def test_leaving_amid_a_deep_queue_keeps_order(way: str) -> None:
    async def probe() -> None:
        async with launched(way, tally, queue_size=50) as kernel:
            await kernel.deactivate()
            await kernel.send_many([Job(4, SEVERAL), Job(1), Job(0, LEAVE), Job(2)])
            calls = [asyncio.create_task(kernel.request(Job(n))) for n in range(3)]
            await turns()
            await kernel.reactivate()
            got = [each.value async for each in kernel.messages()]
            assert got == [0, 1, 2, 3, 2]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(each) for each in outcomes] == [KernelClosedError] * 3
            left = (await kernel.terminate()).unprocessed
            assert [job.value for job in left] == [2, 0, 1, 2]
            assert Flush(1) != Answer(1)

    go(probe)
