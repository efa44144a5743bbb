"""What send, receive and request return: coroutines, with the C extension and without it."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import sys
import warnings
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from pydotcompute import (
    QueueTimeoutError,
    RingKernelRuntime,
)
from pydotcompute.support import time_share
from tests.support.native_actor.kit import (
    SEND,
    Task,
)


def test_calls_are_coroutines(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            call = kernel.send(Task(SEND, 1))
            assert isinstance(call, Coroutine)
            assert inspect.isawaitable(call)
            assert asyncio.iscoroutine(call)
            assert kernel.statistics().received == 0  # nothing happens before it is awaited
            await asyncio.create_task(call)
            assert kernel.statistics().received == 1
            with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
                await call
            assert (await asyncio.wait_for(kernel.receive(), 5)).value == 2
            sends = [runtime.send("kit", Task(SEND, n)) for n in range(3)]
            await asyncio.gather(*sends, kernel.receive(), kernel.receive(), kernel.receive())

    run(main())


def test_steps_by_hand(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            call = kernel.send(Task(SEND, 1))
            with pytest.raises(TypeError, match="can't send non-None value to a just-started"):
                call.send(1)
            with pytest.raises(StopIteration) as stop:
                call.send(None)
            assert stop.value.value is None
            with pytest.raises(RuntimeError, match="cannot reuse"):
                call.send(None)
            with pytest.raises(RuntimeError, match="cannot reuse"):
                call.throw(ValueError("late"))
            call.close()
            call = kernel.send(Task(SEND, 1))
            with pytest.raises(ValueError, match="at once"):
                call.throw(ValueError("at once"))
            call = kernel.receive()
            with pytest.raises(ValueError, match="as it was"):
                call.throw(ValueError, ValueError("as it was"))
            call = kernel.send(Task(SEND, 1))
            call.close()
            with pytest.raises(RuntimeError, match="cannot reuse"):
                await call
            await kernel.receive()
            assert kernel.statistics().received == 1
            call = kernel.receive()  # parks
            future = call.send(None)
            assert asyncio.isfuture(future)
            call.close()
            assert call.__qualname__ == "RingKernel.receive"
            await kernel.send(Task(SEND, 3))
            assert (await kernel.receive()).value == 6

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # throw(class, instance)
        run(main())


def test_a_tuple_is_received_as_it_is(run: Any, path: str) -> None:
    async def echo(ctx: Any) -> None:
        while True:
            await ctx.send(await ctx.receive())

    async def main() -> None:
        async with RingKernelRuntime(backend="python") as runtime:
            kernel = await runtime.launch("echo", echo)
            await kernel.activate()
            for sent in ((1, 2), None, StopIteration(3), (), False):
                await kernel.send(sent)
                got = await kernel.receive()
                assert got is sent
                await kernel.send(sent)
                while not kernel.statistics().output_depth:
                    await asyncio.sleep(0)
                with pytest.raises(StopIteration) as stop:
                    kernel.receive().send(None)
                assert stop.value.value is sent

    run(main())


def test_never_awaited(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            for _ in range(3):
                with pytest.warns(RuntimeWarning, match=r"send' was never awaited"):
                    kernel.send(Task(SEND))

    run(main())


def test_cancellation_loses_nothing(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=2)
            for n in range(300):
                waiting = asyncio.create_task(kernel.receive())
                for _ in range(n % 3):
                    await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.wait([waiting])
                await kernel.send(Task(SEND, n))
                assert (await kernel.receive()).value == 2 * n
            await kernel.deactivate()
            await kernel.send(Task(SEND, 1))
            await kernel.send(Task(SEND, 2))
            parked = asyncio.create_task(runtime.send("kit", Task(SEND, 3)))
            await asyncio.sleep(0)
            parked.cancel()
            await asyncio.wait([parked])
            assert parked.cancelled()
            await kernel.reactivate()
            assert [(await kernel.receive()).value for _ in range(2)] == [2, 4]
            assert kernel.statistics().received == 302

    run(main())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that advances by a quarter of a stretch each time somebody looks at it."""
    looks = itertools.count()
    monkeypatch.setattr(time_share, "perf_counter", lambda: next(looks) * time_share.STRETCH / 4)


async def calls_until_others_run(calls: Callable[[], Awaitable[None]], rounds: int) -> int:
    """The most rounds of two calls each, in so many, between two turns of another task."""
    turns, longest, done = 0, 0, False

    async def other() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    watcher = asyncio.create_task(other())
    since, before = 0, 0
    for _ in range(rounds):
        await calls()
        since = 0 if turns != before else since + 2
        before, longest = turns, max(longest, since)
    done = True
    await watcher
    return longest


def test_other_tasks_have_their_turn(kit: Any, run: Any, path: str, clock: None) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            await kit(runtime)

            async def calls() -> None:
                await runtime.send("kit", Task(SEND, 1))
                await runtime.receive("kit")

            assert await calls_until_others_run(calls, 3000) < 256

    run(main())


def test_calls_of_many_kernels_count_together(kit: Any, run: Any, path: str, clock: None) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernels = itertools.cycle([await kit(runtime, kernel_id=f"kit {n}") for n in range(20)])

            async def calls() -> None:
                kernel = next(kernels)
                await kernel.send(Task(SEND, 1))
                await kernel.receive()

            assert await calls_until_others_run(calls, 1000) < 256

    run(main())


def test_calls_of_many_tasks_keep_their_order(kit: Any, run: Any, path: str, clock: None) -> None:
    """A task that has made one call is not suspended: the next one would overtake it."""
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await asyncio.gather(*(kernel.send(Task(SEND, n)) for n in range(900)),
                                 kernel.send_many([Task(SEND, 900), Task(SEND, 901)]),
                                 kernel.send(Task(SEND, 902)))  # fmt: skip
            got = [(await kernel.receive()).value for _ in range(903)]
            assert got == [2 * n for n in range(903)]

    run(main())


def test_cancelled_while_it_lets_others_run(kit: Any, run: Any, path: str) -> None:
    class Share:
        calls, asked, answer = 0, 0, False

        def spent(self) -> bool:
            self.asked += 1
            self.calls = time_share.CALLS
            return self.answer

    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            kernel._share = share = Share()
            await kernel.send(Task(SEND, 1))
            while not kernel.statistics().output_depth:
                await asyncio.sleep(0)
            while not share.asked:
                await kernel.send(Task(SEND, 1))
            for _ in range(time_share.CALLS - 1):
                await kernel.send(Task(SEND, 1))
            share.answer = True
            waiting = asyncio.create_task(kernel.receive())
            await asyncio.sleep(0)
            assert share.asked == 2
            assert not waiting.done()
            waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()
            share.answer = False
            assert (await kernel.receive()).value == 2

    run(main())


def test_nothing_is_kept(kit: Any, run: Any, path: str) -> None:
    async def main() -> list[Any]:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            task = Task(SEND, 1000)
            counts = []
            for _ in range(3):
                for _ in range(1000):
                    await kernel.send(task)
                    await runtime.receive("kit")
                for _ in range(500):
                    await kernel.request(task)
                with pytest.raises(QueueTimeoutError):
                    await runtime.receive("kit", timeout=0)
                parked = asyncio.create_task(kernel.receive())
                await asyncio.sleep(0)
                parked.cancel()
                await asyncio.wait([parked])
                del parked
                gc.collect()
                counts.append((sys.getrefcount(task), sys.getrefcount(kernel)))
            assert counts[0] == counts[2]
            return [weakref.ref(kernel), weakref.ref(runtime), weakref.ref(kernel._actor)]

    refs = run(main())
    gc.collect()
    assert [ref() for ref in refs] == [None] * 3
