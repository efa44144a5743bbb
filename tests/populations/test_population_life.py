"""Probes of a population's life: pausing, time-outs, ending in time, statistics, threads."""

from __future__ import annotations

import asyncio
import threading
from itertools import pairwise

import pytest

from pydotcompute import (
    ActorFailedError,
    InternalError,
    KernelClosedError,
    KernelContext,
    KernelState,
    KernelStateError,
    RingKernelRuntime,
    ring_kernel,
)
from tests.support.contract import drained, go, turns, until
from tests.support.populations import BACKENDS, Balance, Deposit, account, population, received

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


# --- pausing -------------------------------------------------------------------------------------


def test_nothing_is_handled_while_paused(backend: str) -> None:
    async def probe() -> None:
        async with population(backend) as kernel:
            await kernel.request(Deposit("a", 1))
            await kernel.deactivate()
            await kernel.send_many([Deposit("a", 1), Deposit("b", 1)])
            await turns(100)
            assert kernel.statistics().processed == 1
            assert len(kernel) == 1
            await kernel.reactivate()
            assert await received(kernel, 2) == [Balance("a", 2), Balance("b", 1)]

    go(probe)


def test_what_was_taken_out_of_the_queue_is_not_handled_while_paused(backend: str) -> None:
    async def probe() -> None:
        async with population(backend) as kernel:
            for _ in range(20):
                await kernel.send_many([Deposit(name, 1) for name in "abcabcabc"])
                await turns(1)
                await kernel.deactivate()
                before = kernel.statistics().processed
                await turns(20)
                assert kernel.statistics().processed == before
                await kernel.reactivate()
                await received(kernel, 9)
            assert kernel.statistics().processed == 180

    go(probe)


def test_no_timeout_handler_runs_while_paused(backend: str) -> None:
    log: list[str] = []

    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        while not ctx.should_terminate:
            try:
                deposit = await ctx.receive(timeout=0.005)
                await ctx.send(Balance(ctx.key, deposit.amount))
            except TimeoutError:
                log.append(ctx.key)

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            await kernel.send_many([Deposit("a", 1), Deposit("b", 1)])
            await until(lambda: {"a", "b"} <= set(log))
            await kernel.deactivate()
            seen = len(log)
            await asyncio.sleep(0.05)
            assert len(log) == seen
            await kernel.reactivate()
            await until(lambda: {"a", "b"} <= set(log[seen:]))

    go(probe)


def test_a_message_in_hand_is_finished_or_held(backend: str) -> None:
    gate = asyncio.Event()

    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            if deposit.amount == 0:
                await gate.wait()
            await ctx.send(Balance(ctx.key, deposit.amount))

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            await kernel.send_many([Deposit("a", 0), Deposit("b", 1)])
            await turns()
            await kernel.deactivate()
            gate.set()
            await turns(50)
            assert kernel.statistics().output_depth == 0
            await kernel.reactivate()
            assert await received(kernel, 2) == [Balance("a", 0), Balance("b", 1)]

    go(probe)


def test_an_actor_that_pauses_its_population(backend: str) -> None:
    async def probe() -> None:
        kernels = []

        async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
            while not ctx.should_terminate:
                deposit = await ctx.receive()
                if deposit.amount == 0:
                    await kernels[0].deactivate()
                await ctx.send(Balance(ctx.key, deposit.amount))

        async with population(backend, actor) as kernel:
            kernels.append(kernel)
            await kernel.send_many([Deposit("a", 0), Deposit("b", 1)])
            await until(lambda: kernel.state is KernelState.DEACTIVATED)
            await turns(50)
            await kernel.reactivate()
            assert await received(kernel, 2) == [Balance("a", 0), Balance("b", 1)]

    go(probe)


def test_forget_and_restart_while_paused(backend: str) -> None:
    async def probe() -> None:
        async with population(backend) as kernel:
            await kernel.request(Deposit("a", 1))
            with pytest.raises(ActorFailedError):
                await kernel.request(Deposit("b", -1))
            await kernel.deactivate()
            await kernel.restart(key="b")
            await kernel.send(Deposit("b", 4))
            forgotten = asyncio.ensure_future(kernel.forget("a"))
            await turns(50)
            assert not forgotten.done()
            assert kernel.statistics().output_depth == 0
            await kernel.reactivate()
            await forgotten
            assert await kernel.receive() == Balance("b", 4)
            assert len(kernel) == 1

    go(probe)


# --- time-outs -----------------------------------------------------------------------------------


def test_timeouts_of_each_instance(backend: str) -> None:
    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        total = 0
        while not ctx.should_terminate:
            try:
                deposit = await ctx.receive(timeout=0.02)
                total += deposit.amount
            except TimeoutError:
                if total:
                    await ctx.send(Balance(ctx.key, total))
                    total = 0

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            await kernel.send_many([Deposit("a", 1), Deposit("b", 2), Deposit("a", 3)])
            got = await received(kernel, 2)
            assert sorted((each.account, each.total) for each in got) == [("a", 4), ("b", 2)]
            assert kernel.statistics().timeouts >= 2

    go(probe)


def test_a_drain_lets_each_instance_flush(backend: str) -> None:
    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        total = 0
        while not ctx.should_terminate:
            try:
                deposit = await ctx.receive(timeout=60)
                total += deposit.amount
            except TimeoutError:
                await ctx.send(Balance(ctx.key, total))

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            await kernel.send_many([Deposit("b", 1), Deposit("a", 2), Deposit("b", 3)])
            report = await kernel.terminate()
            assert report.drained
            assert await drained(kernel) == [Balance("b", 4), Balance("a", 2)]

    go(probe)


# --- ending --------------------------------------------------------------------------------------


def test_an_instance_that_never_ends(backend: str) -> None:
    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        while True:
            try:
                deposit = await ctx.receive()
                if ctx.key == "stuck":
                    while True:
                        try:
                            await asyncio.Event().wait()
                        except BaseException:
                            pass
                await ctx.send(Balance(ctx.key, deposit.amount))
            except Exception:
                pass

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            await kernel.send_many([Deposit("a", 1), Deposit("stuck", 2), Deposit("a", 3)])
            assert await kernel.receive() == Balance("a", 1)
            passes = backend == "python"  # others may work meanwhile, and do so there
            await until(lambda: kernel.statistics().processed == 1 + passes)
            report = await kernel.terminate(timeout=0.3)
            assert report.unprocessed == (Deposit("stuck", 2), Deposit("a", 3))[: 2 - passes]
            assert not report.drained
            assert await drained(kernel) == [Balance("a", 3)] * passes  # held until then
            assert kernel.state is KernelState.TERMINATED

    go(probe)


def test_leaving_the_runtime_with_blocked_sends(backend: str) -> None:
    async def probe() -> None:
        function = ring_kernel(kernel_id="p", queue_size=1, auto_register=False)(account)
        async with RingKernelRuntime(fallback="allow", shutdown_timeout=0.5) as runtime:
            kernel = await runtime.launch("p", function, backend=backend, key="account")
            await kernel.activate()
            sends = [asyncio.ensure_future(kernel.send(Deposit(f"{n}", 1))) for n in range(9)]
            await turns(50)
        done = await asyncio.gather(*sends, return_exceptions=True)
        accepted = sum(each is None for each in done)
        assert all(each is None or isinstance(each, KernelClosedError) for each in done)
        got = await drained(kernel)
        report = await kernel.terminate()
        assert len(got) + len(report.unprocessed) == accepted

    go(probe)


def test_calls_after_the_end(backend: str) -> None:
    async def probe() -> None:
        async with population(backend) as kernel:
            await kernel.request(Deposit("a", 1))
            await kernel.terminate()
            with pytest.raises(KernelClosedError):
                await kernel.forget("a")
            with pytest.raises(KernelClosedError):
                await kernel.restart(key="a")
            assert kernel.variables("a")["total"] == 1
            assert len(kernel) == 1

    go(probe)


def test_an_id_may_be_launched_anew(backend: str) -> None:
    async def probe() -> None:
        function = ring_kernel(kernel_id="p", auto_register=False)(account)
        async with RingKernelRuntime(fallback="allow") as runtime:
            for _ in range(2):
                kernel = await runtime.launch("p", function, backend=backend, key="account")
                with pytest.raises(Exception, match="LAUNCHED"):
                    await runtime.launch("p", function, backend=backend, key="account")
                await kernel.activate()
                assert (await kernel.request(Deposit("a", 1))).total == 1
                await kernel.terminate()

    go(probe)


def test_held_outputs_are_received_after_the_end(backend: str) -> None:
    """Of a drain whose time is over: what was sent is there, in order, beyond the bound."""
    gate = asyncio.Event()

    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            if deposit.amount == 0:
                await gate.wait()
            await ctx.send(Balance(ctx.key, deposit.amount))

    async def probe() -> None:
        async with population(backend, actor, queue_size=3) as kernel:
            await kernel.send_many([Deposit("abc"[n], n) for n in range(3)])
            await turns(50)
            gate.set()
            await kernel.send_many([Deposit("abc"[n % 3], n) for n in range(3, 6)])
            report = await kernel.terminate(timeout=0.3)
            got = [each.total for each in await drained(kernel)]
            assert got == list(range(len(got)))
            assert [each.amount for each in report.unprocessed] == list(range(len(got), 6))
            assert len(got) >= 3

    go(probe)


def test_a_fault_of_the_engine_ends_the_population(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend != "python":
        pytest.skip("the fault is put into the interpreter")
    from pydotcompute.backends.python.population import InterpretedPopulation

    async def probe() -> None:
        async with population(backend) as kernel:
            await kernel.request(Deposit("a", 1))
            with monkeypatch.context() as patch:

                def broken(*_: object) -> None:
                    raise ZeroDivisionError("a fault")

                patch.setattr(InterpretedPopulation, "_dispatch", broken)
                with pytest.raises(ActorFailedError) as caught:
                    await kernel.request(Deposit("a", 1))
            assert isinstance(caught.value.__cause__, InternalError)
            assert caught.value.key is None
            assert kernel.state is KernelState.FAILED
            await kernel.restart()  # the instances begin anew
            assert (await kernel.request(Deposit("a", 2))).total == 2

    go(probe)


# --- the runtime's calls, threads, figures -------------------------------------------------------


def test_the_calls_of_the_runtime(backend: str) -> None:
    async def probe() -> None:
        function = ring_kernel(kernel_id="p", auto_register=False)(account)
        async with RingKernelRuntime(fallback="allow") as runtime:
            await runtime.launch("p", function, backend=backend, key="account")
            await runtime.activate("p")
            await runtime.send("p", Deposit("a", 1))
            assert await runtime.receive("p") == Balance("a", 1)
            with pytest.raises(ActorFailedError):
                await runtime.request("p", Deposit("a", -1))
            await runtime.restart("p", key="a")
            assert (await runtime.request("p", Deposit("a", 2))).total == 3
            (node,) = runtime.topology.nodes
            assert node.processed == 2

    go(probe)


def test_from_other_threads(backend: str) -> None:
    seen: list[object] = []

    async def probe() -> None:
        async with population(backend) as kernel:
            sync = kernel.sync

            def work() -> None:
                seen.append(sync.request(Deposit("a", 1)))
                seen.append(len(sync))
                seen.append(sync.variables("a")["total"])
                seen.append(sync.states().total.tolist())
                with pytest.raises(ActorFailedError):
                    sync.request(Deposit("a", -1))
                sync.restart(key="a")
                sync.forget("a")
                seen.append(len(sync))

            thread = threading.Thread(target=work)
            thread.start()
            await asyncio.get_running_loop().run_in_executor(None, thread.join)
            with pytest.raises(KernelStateError, match="event loop"):
                sync.states()

    go(probe)
    assert seen == [Balance("a", 1), 1, 1, [1], 0]


def test_figures(backend: str) -> None:
    async def probe() -> None:
        async with population(backend) as kernel:
            await kernel.send_many([Deposit(f"{n % 7}", 1) for n in range(100)])
            await kernel.receive_many(100)
            await until(lambda: kernel.statistics().processed == 100)
            with pytest.raises(ActorFailedError):
                await kernel.request(Deposit("0", -1))
            figures = kernel.statistics()
            assert (figures.received, figures.sent, figures.errors) == (101, 100, 1)
            assert figures.input_depth == 0
            assert figures.busy_seconds > 0
            assert figures.idle_seconds >= 0
            assert 0 < figures.latency_p50 <= figures.latency_p99

    go(probe)


@pytest.mark.parametrize("count", [200])
def test_other_tasks_run_between_instances(
    backend: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the time is over after each: no number of messages keeps the event loop."""
    if backend != "python":
        pytest.skip("of the interpreter")
    monkeypatch.setattr("pydotcompute.backends.python.pacing.STRETCH", -1.0)

    async def probe() -> None:
        async with population(backend, active=False) as kernel:
            await kernel.send_many([Deposit(f"{n}", 1) for n in range(count)])
            await kernel.activate()
            seen = [kernel.statistics().processed]
            while seen[-1] < count:
                await asyncio.sleep(0)
                seen.append(kernel.statistics().processed)
            steps = [after - before for before, after in pairwise(seen)]
            assert max(steps) <= 16
            assert steps.count(1) > count - 40
            ending = asyncio.ensure_future(kernel.terminate())
            turns = 0
            while not ending.done():
                await asyncio.sleep(0)
                turns += 1
            assert turns > count

    go(probe)
