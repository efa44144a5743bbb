"""Contract, section 3 (and 9.4, 9.5, 9.12): states, pauses, endings, whatever the actors do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    KernelAlreadyExistsError,
    KernelClosedError,
    KernelContext,
    KernelNotFoundError,
    KernelState,
    KernelStateError,
    QueueTimeoutError,
    RingKernelRuntime,
)
from tests.support.contract import (
    FAIL,
    LEAVE,
    PRINT,
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

CALLS = ["activate", "deactivate", "reactivate", "restart"]
FITS = {
    KernelState.LAUNCHED: "activate",
    KernelState.ACTIVE: "deactivate",
    KernelState.DEACTIVATED: "reactivate",
    KernelState.FAILED: "restart",
    KernelState.TERMINATED: None,
}


async def _bring(kernel: Any, state: KernelState) -> None:
    if state is not KernelState.LAUNCHED:
        await kernel.activate()
    if state is KernelState.DEACTIVATED:
        await kernel.deactivate()
    elif state is KernelState.FAILED:
        await kernel.send(Job(1, FAIL))
        await until(lambda: kernel.state is KernelState.FAILED)
    elif state is KernelState.TERMINATED:
        await kernel.terminate()
    assert kernel.state is state


@pytest.mark.parametrize("state", list(FITS))
def test_a_call_that_does_not_fit_names_state_and_call(way: str, state: KernelState) -> None:
    async def probe() -> None:
        for call in CALLS:
            async with launched(way, active=False) as kernel:
                await _bring(kernel, state)
                if call == FITS[state]:
                    await getattr(kernel, call)()
                    continue
                with pytest.raises(KernelStateError) as caught:
                    await getattr(kernel, call)()
                assert state.name in str(caught.value)
                assert call in str(caught.value)
                assert kernel.state is state

    go(probe)


def test_unknown_ids_and_ids_taken(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way) as runtime:
            with pytest.raises(KernelNotFoundError):
                await runtime.launch("nobody has this id")
            for call in ("activate", "deactivate", "reactivate", "terminate", "restart", "receive"):
                with pytest.raises(KernelNotFoundError):
                    await getattr(runtime, call)("nobody")
            for call in ("send", "request"):
                with pytest.raises(KernelNotFoundError):
                    await getattr(runtime, call)("nobody", Job(1))
            with pytest.raises(KernelNotFoundError):
                runtime.statistics("nobody")
            await runtime.launch("tally", decorated())
            with pytest.raises(KernelAlreadyExistsError):
                await runtime.launch("tally", decorated())
            assert not (await runtime.terminate("tally")).unprocessed
            kernel = await runtime.launch("tally", decorated())
            assert kernel.state is KernelState.LAUNCHED

    go(probe)


def test_two_launches_of_one_id_at_once(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way) as runtime:
            outcomes = await asyncio.gather(
                *(runtime.launch("tally", decorated()) for _ in range(3)), return_exceptions=True
            )
            errors = [each for each in outcomes if isinstance(each, Exception)]
            assert len(errors) == 2
            assert all(isinstance(each, KernelAlreadyExistsError) for each in errors)

    go(probe)


def test_a_cancelled_launch_can_be_repeated(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way) as runtime:
            for wait in range(4):
                launch = asyncio.create_task(runtime.launch("tally", decorated()))
                await turns(wait)
                launch.cancel()
                await asyncio.gather(launch, return_exceptions=True)
                if not launch.cancelled():
                    await runtime.terminate("tally")
            kernel = await runtime.launch("tally", decorated())
            await kernel.activate()
            assert (await kernel.request(Job(4))).value == 8

    go(probe)


async def never_looks(ctx: KernelContext[Job, Answer]) -> None:
    total = 0
    while True:
        job = await ctx.receive()
        total += job.value
        await ctx.send(Answer(job.value, total))


@pytest.mark.parametrize("actor", [tally, never_looks])
def test_paused_means_paused(way: str, actor: Any) -> None:
    async def probe() -> None:
        async with launched(way, actor, queue_size=50) as kernel:
            await kernel.send_many([Job(n) for n in range(20)])
            await kernel.deactivate()
            handled = kernel.statistics().processed
            sent = kernel.statistics().sent
            for n in range(20, 30):
                await kernel.send(Job(n))
            parked = [asyncio.create_task(kernel.receive()) for _ in range(40)]
            await turns(100)
            await asyncio.sleep(0.06)  # longer than the actor's own time-out
            assert kernel.statistics().processed == handled
            assert sum(task.done() for task in parked) == sent
            await kernel.reactivate()
            await until(lambda: sum(task.done() for task in parked) == 30)
            assert [task.result().total for task in parked[:30]] == [
                n * (n + 1) // 2 for n in range(30)
            ]
            for task in parked[30:]:
                task.cancel()

    go(probe)


def test_pause_many_times_under_load(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=4) as kernel:
            sending = asyncio.create_task(kernel.send_many([Job(n) for n in range(200)]))
            got: list[int] = []

            async def receiver() -> None:
                while len(got) < 200:
                    got.append((await kernel.receive()).total)

            receiving = asyncio.create_task(receiver())
            while not receiving.done():
                await kernel.deactivate()
                handled = kernel.statistics().processed
                await turns(3)
                assert kernel.statistics().processed == handled
                await kernel.reactivate()
                await turns(2)
            assert got == [n * (n + 1) // 2 for n in range(200)]
            assert await sending == 200

    go(probe)


def test_a_paused_kernel_with_a_cancelled_deactivate(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            pausing = asyncio.create_task(kernel.deactivate())
            await asyncio.sleep(0)
            pausing.cancel()
            await asyncio.gather(pausing, return_exceptions=True)
            if kernel.state is KernelState.DEACTIVATED:
                await kernel.reactivate()
            assert (await kernel.request(Job(1))).value == 2

    go(probe)


def test_terminate_drains_and_keeps_outputs(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            await kernel.send_many([Job(n) for n in range(300)])
            ending = await kernel.terminate()
            assert list(ending.unprocessed) == []
            assert kernel.state is KernelState.TERMINATED
            assert [(await kernel.receive()).value for _ in range(100)] == [
                2 * n for n in range(100)
            ]
            assert len(await kernel.receive_many(50)) == 50
            assert len(await drained(kernel)) == 150
            for _ in range(2):
                with pytest.raises(KernelClosedError):
                    await kernel.receive()
                with pytest.raises(KernelClosedError):
                    await kernel.receive(timeout=0)
                with pytest.raises(KernelClosedError):
                    await kernel.receive_many(4)
                with pytest.raises(KernelClosedError):
                    await kernel.send(Job(1))
                with pytest.raises(KernelClosedError):
                    await kernel.send_many([Job(1)])
                with pytest.raises(KernelClosedError):
                    await kernel.request(Job(1))
            assert await kernel.terminate() is ending
            assert await kernel.terminate(drain=False, timeout=0) is ending

    go(probe)


@pytest.mark.parametrize("drain", [True, False])
@pytest.mark.parametrize("timeout", [0, -1, 0.05])
def test_nothing_vanishes(way: str, drain: bool, timeout: float) -> None:
    """With nobody reading, and no time: each message is an output or unprocessed."""

    async def probe() -> None:
        async with launched(way, queue_size=5) as kernel:
            parked = [asyncio.create_task(kernel.send(Job(n))) for n in range(30)]
            await turns()
            report = await kernel.terminate(timeout=timeout, drain=drain)
            outcomes = await asyncio.gather(*parked, return_exceptions=True)
            taken = sum(outcome is None for outcome in outcomes)
            assert all(isinstance(each, KernelClosedError) for each in outcomes[taken:])
            answers = [each.value // 2 for each in await drained(kernel)]
            left = [job.value for job in report.unprocessed]
            assert answers + left == list(range(taken))
            assert all(type(job) is Job for job in report.unprocessed)

    go(probe)


def test_unprocessed_of_a_kernel_never_activated(way: str) -> None:
    async def probe() -> None:
        async with launched(way, active=False) as kernel:
            await kernel.send_many(Job.array(value=[1, 2, 3]))
            await kernel.send(Job(4, FAIL))
            report = await kernel.terminate()
            assert list(report.unprocessed) == [Job(1), Job(2), Job(3), Job(4, FAIL)]

    go(probe)


def test_terminate_many_at_once_and_cancelled(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            await kernel.send_many([Job(n) for n in range(10)])
            calls = [asyncio.create_task(kernel.terminate()) for _ in range(4)]
            await asyncio.sleep(0)
            calls[0].cancel()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(outcomes[0], asyncio.CancelledError)
            assert outcomes[1] is outcomes[2] is outcomes[3]
            assert len(await drained(kernel)) == 10

    go(probe)


def test_parked_clients_are_woken(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            parked = [asyncio.create_task(kernel.receive()) for _ in range(3)]
            parked += [asyncio.create_task(kernel.receive_many(5))]
            parked += [asyncio.create_task(kernel.request(Job(0, SEVERAL)))]
            parked += [asyncio.create_task(kernel.receive(timeout=25))]
            await turns()
            await kernel.terminate()
            outcomes = await asyncio.gather(*parked, return_exceptions=True)
            assert [type(each) for each in outcomes] == [KernelClosedError] * 6
        async with launched(way) as kernel:
            parked = [asyncio.create_task(kernel.receive()) for _ in range(3)]
            parked += [asyncio.create_task(kernel.receive_many(5))]
            await turns()
            await kernel.send(Job(1, FAIL))
            outcomes = await asyncio.gather(*parked, return_exceptions=True)
            assert [type(each) for each in outcomes] == [ActorFailedError] * 4

    go(probe)


async def flushes(ctx: KernelContext[Job, Flush]) -> None:
    total = 0
    while not ctx.should_terminate:
        try:
            job = await ctx.receive(timeout=3600)
            total += job.value
        except QueueTimeoutError:
            await ctx.send(Flush(total))
            total = 0
    await ctx.send(Flush(-1))


def test_a_drain_times_out_once_and_the_epilogue_sends(way: str) -> None:
    async def probe() -> None:
        async with launched(way, flushes) as kernel:
            await kernel.send_many([Job(n) for n in range(5)])
            await until(lambda: kernel.statistics().processed == 5)
            report = await kernel.terminate()
            assert list(report.unprocessed) == []
            assert await drained(kernel) == [Flush(10), Flush(-1)]

    go(probe)


async def says_goodbye(ctx: KernelContext[Job, Answer]) -> None:
    seen = 0
    while True:
        job = await ctx.receive()
        seen += job.value
        print("seen", job.value)
    await ctx.send(Answer(seen, -1))
    print("goodbye", seen)


def test_a_receive_without_timeout_ends_cleanly(way: str, capsys: Any) -> None:
    async def probe() -> None:
        async with launched(way, says_goodbye) as kernel:
            await kernel.send_many([Job(n) for n in range(200)])
            await kernel.terminate()
            out = capsys.readouterr().out.splitlines()
            assert out == [f"seen {n}" for n in range(200)] + ["goodbye 19900"]
            assert await drained(kernel) == [Answer(19900, -1)]

    go(probe)


def test_an_actor_that_returns_by_itself_is_terminated(way: str, capsys: Any) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            parked = asyncio.create_task(kernel.receive())
            await kernel.send_many([Job(7, PRINT), Job(1, LEAVE), Job(2), Job(3)])
            with pytest.raises(KernelClosedError):
                await parked
            assert kernel.state is KernelState.TERMINATED
            with pytest.raises(KernelClosedError):
                await kernel.send(Job(1))
            with pytest.raises(KernelClosedError):
                await kernel.request(Job(1))
            report = await kernel.terminate()
            assert [job.value for job in report.unprocessed] == [2, 3]
            assert await kernel.terminate() is report
            assert capsys.readouterr().out.splitlines() == ["job 7", "total 8"]

    go(probe)


def test_terminate_of_a_failed_actor(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            await kernel.send_many([Job(1), Job(2, FAIL), Job(3)])
            await until(lambda: kernel.state is KernelState.FAILED)
            report = await kernel.terminate()
            assert Job(3) in report.unprocessed
            assert await kernel.terminate() is report
            assert kernel.state is KernelState.TERMINATED

    go(probe)


def test_draining_a_paused_actor_resumes_it(way: str) -> None:
    async def probe() -> None:
        async with launched(way, plain) as kernel:
            await kernel.deactivate()
            await kernel.send(Job(4))
            assert list((await kernel.terminate()).unprocessed) == []
            assert await drained(kernel) == [Answer(8, 4)]
        async with launched(way, plain) as kernel:
            await kernel.deactivate()
            await kernel.send(Job(4))
            assert list((await kernel.terminate(drain=False)).unprocessed) == [Job(4)]

    go(probe)
