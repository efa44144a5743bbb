"""Interpreted messages between compiled ones: all in one task of the actor's, begun at once."""

from __future__ import annotations

import asyncio
import contextvars
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pydotcompute import ActorFailedError, KernelContext, RingKernelRuntime, message, ring_kernel
from pydotcompute.backends.compiled.turn_task import TurnTask


@message
@dataclass
class In:
    n: int


@message
@dataclass
class Out:
    n: int


seen: list[Any] = []
gate: asyncio.Event
mark: contextvars.ContextVar[int] = contextvars.ContextVar("mark", default=0)


@ring_kernel(kernel_id="breaking", auto_register=False)
async def breaking(ctx: KernelContext[In, Out]) -> None:
    total = 0
    while not ctx.should_terminate:
        m = await ctx.receive()
        total += m.n
        if m.n % 10 == 0:
            seen.append(asyncio.current_task())
        if m.n == 50:
            async with asyncio.timeout(10):
                await asyncio.sleep(0)
        if m.n == 60:
            mark.set(mark.get() + 1)
            total += 1000 * mark.get()
        if m.n == 70:
            await gate.wait()
        if m.n == 80:
            raise ValueError("eighty")
        await ctx.send(Out(total))


async def _launch(runtime: RingKernelRuntime) -> Any:
    global gate
    gate = asyncio.Event()
    seen.clear()
    kernel = await runtime.launch("breaking", breaking)
    await kernel.activate()
    return kernel


def test_breaks_of_a_batch_run_in_one_task(run: Any) -> None:
    """Messages of one batch that break are handled in one task, which asyncio knows."""

    async def main() -> None:
        async with RingKernelRuntime(backend="native", fallback="allow") as runtime:
            kernel = await _launch(runtime)
            numbers = [*range(1, 41), 50, 60, 60]
            await kernel.send_many(In.array(n=np.array(numbers)))
            got: list[int] = []
            while len(got) < len(numbers):
                got += [*(await kernel.receive_many(100, timeout=10))["n"]]
            want = np.cumsum(numbers)
            assert got[:-2] == [*want[:-2]]
            assert got[-2:] == [want[-2] + 1000, want[-1] + 3000]
            assert kernel.backend == "native"
            assert kernel.statistics().interpreted == 7
            assert len(seen) == 7
            assert None not in seen
            assert len({*seen}) == 1
        await asyncio.sleep(0)
        assert all(task.done() for task in seen)

    run(main())


def test_a_break_that_waits_is_killed_with_its_actor(run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend="native", fallback="allow") as runtime:
            kernel = await _launch(runtime)
            for n in (10, 20, 70):
                await kernel.send(In(n))
            assert (await kernel.receive(timeout=10)).n == 10
            assert (await kernel.receive(timeout=10)).n == 30
            ended = await kernel.terminate(timeout=0.05)
            assert [each.n for each in ended.unprocessed] == [70]
        await asyncio.sleep(0)
        assert all(task.done() for task in seen)

    run(main())


def test_a_break_that_waits_goes_on(run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend="native", fallback="allow") as runtime:
            kernel = await _launch(runtime)
            for n in (10, 70, 1, 20):
                await kernel.send(In(n))
            assert (await kernel.receive(timeout=10)).n == 10
            await kernel.deactivate()
            gate.set()
            await kernel.reactivate()
            assert [(await kernel.receive(timeout=10)).n for _ in range(3)] == [80, 81, 101]

    run(main())


def test_a_break_that_raises_fails_the_actor_and_restart_goes_on(run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend="native", fallback="allow") as runtime:
            kernel = await _launch(runtime)
            for n in (10, 80, 5, 20):
                await kernel.send(In(n))
            assert (await kernel.receive(timeout=10)).n == 10
            with pytest.raises(ActorFailedError):
                await kernel.receive(timeout=10)
            await kernel.restart()
            assert [(await kernel.receive(timeout=10)).n for _ in range(2)] == [15, 35]
            assert kernel.backend == "native"

    run(main())


def test_coroutines_run_one_after_another_in_one_task(run: Any) -> None:
    """A coroutine is begun at once from a callback of the loop, else in the task."""

    async def main() -> None:
        loop, order = asyncio.get_running_loop(), []
        turns = TurnTask(loop, "turns")

        async def coroutine(n: int, waits: asyncio.Future[None] | None = None) -> None:
            order.append((n, asyncio.current_task() is turns.task))
            if waits is not None:
                await waits
                order.append((-n, asyncio.current_task() is turns.task))

        async def settled() -> None:
            for _ in range(4):
                await asyncio.sleep(0)

        turns.run(coroutine(1))
        assert order == []
        await settled()
        assert order == [(1, True)]
        turns.run(coroutine(2))
        assert order == [(1, True)]  # another task is running
        await settled()
        first = loop.create_future()
        loop.call_soon(lambda: [turns.run(coroutine(3)), turns.run(coroutine(4, first))])
        await asyncio.sleep(0)
        assert order == [(1, True), (2, True), (3, True), (4, True)]
        assert turns.running
        first.set_result(None)
        await settled()
        assert order[4:] == [(-4, True)]
        assert not turns.running
        turns.retire()
        await settled()
        assert turns.task is not None
        assert turns.task.done()
        turns.run(coroutine(5))
        turns.retire()
        await settled()
        assert order[5:] == [(5, True)]
        assert turns.task.done()

    run(main())


def test_cancelling_reaches_the_coroutine_that_waits(run: Any) -> None:
    async def main() -> None:
        loop, order = asyncio.get_running_loop(), []
        turns = TurnTask(loop, "turns")

        async def waits() -> None:
            try:
                await loop.create_future()
            except asyncio.CancelledError:
                order.append("cancelled")

        async def nothing() -> None:
            order.append("begun")

        turns.run(nothing())
        await asyncio.sleep(0)
        loop.call_soon(turns.run, waits())
        await asyncio.sleep(0)
        assert turns.task is not None
        turns.task.cancel()  # before the task has taken over what has begun elsewhere
        await asyncio.wait([turns.task], timeout=10)
        assert order == ["begun", "cancelled"]
        turns.run(nothing())  # a new task
        await asyncio.sleep(0)
        assert order == ["begun", "cancelled", "begun"]
        assert not turns.task.done()
        turns.task.cancel()
        await asyncio.wait([turns.task], timeout=10)
        assert turns.task.done()

    run(main())
