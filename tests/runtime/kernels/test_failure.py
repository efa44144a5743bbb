"""What happens when an actor fails, or when compiled code cannot go on."""

from __future__ import annotations

import asyncio
import traceback
import warnings
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    KernelClosedError,
    KernelState,
    MessageTypeError,
    MessageValueError,
    RingKernelRuntime,
    ring_kernel,
)
from tests.support.native_actor.kit import DEOPTIMISE, FAIL, SEND, Result, Task, ended


async def _failed(kernel: Any) -> ActorFailedError:
    with pytest.raises(ActorFailedError) as caught:
        while True:
            await kernel.receive()
    return caught.value


def test_a_failure_carries_everything(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.send(Task(SEND, 3))
            await kernel.send(Task(FAIL, 4))
            await kernel.send(Task(SEND, 5))
            assert (await kernel.receive()).value == 6
            error = await _failed(kernel)
            assert str(error) == (
                "kernel 'kit' failed while handling Task(op=2, value=4): ValueError: bad value 4"
            )
            assert error.kernel_id == "kit"
            assert error.message_in == Task(FAIL, 4)
            assert error.state == {"total": 3}
            assert isinstance(error.__cause__, ValueError)
            last = traceback.extract_tb(error.__cause__.__traceback__)[-1]
            assert last.filename.endswith("kit.py")
            assert last.line == 'raise ValueError(f"bad value {task.value}")'
            assert kernel.state is KernelState.FAILED
            for call in (kernel.send(Task(SEND)), kernel.request(Task(SEND)), kernel.receive()):
                with pytest.raises(ActorFailedError):
                    await call
            figures = kernel.statistics()
            assert (figures.errors, figures.fallbacks, figures.processed) == (1, 0, 1)
            report = await kernel.terminate()
            assert report.unprocessed == (Task(SEND, 5),)
            assert await kernel.terminate() is report
            with pytest.raises(KernelClosedError):
                await kernel.send(Task(SEND))

    run(main())


@pytest.mark.parametrize("fresh", [False, True])
def test_restart(kit: Any, run: Any, fresh: bool) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.send(Task(SEND, 3))
            await kernel.send(Task(FAIL, 4))
            await kernel.send(Task(SEND, 5))
            await _failed(kernel)
            await kernel.restart(fresh=fresh)
            assert kernel.state is KernelState.ACTIVE
            assert (await kernel.receive()).total == (5 if fresh else 8)
            await kernel.send(Task(SEND, 1))
            assert (await kernel.receive()).total == (6 if fresh else 9)
            await kernel.send(Task(FAIL, 0))
            await _failed(kernel)

    run(main())


def test_parked_callers_are_told(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            parked = [asyncio.create_task(kernel.receive()) for _ in range(3)]
            await asyncio.sleep(0)
            await kernel.send(Task(FAIL, 1))
            for outcome in await asyncio.gather(*parked, return_exceptions=True):
                assert isinstance(outcome, ActorFailedError)

    run(main())


def test_a_failing_prologue(run: Any) -> None:
    async def actor(ctx: Any) -> None:
        limit = int("nothing")
        while not ctx.should_terminate:
            await ctx.send(await ctx.receive() + limit)

    async def main() -> None:
        async with RingKernelRuntime(backend="python") as runtime:
            kernel = await runtime.launch("prologue", actor)
            await kernel.activate()
            error = await _failed(kernel)
            assert isinstance(error.__cause__, ValueError)
            assert error.message_in is None

    run(main())


@pytest.mark.parametrize("backend", ["native"], indirect=True)
def test_deoptimising_goes_on_with_the_same_message(kit: Any, run: Any, backend: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                for n in range(10):
                    await kernel.send(Task(DEOPTIMISE if n == 4 else SEND, n))
                got = [(await kernel.receive()).total for _ in range(9)]
            assert got == [0, 1, 3, 6, 15, 21, 28, 36, 45]
            assert (kernel.backend, kernel.reason) == (backend, None)
            figures = kernel.statistics()
            assert (figures.fallbacks, figures.processed, figures.interpreted) == (0, 10, 1)
            assert caught == []
            await kernel.terminate()
            assert ended == [45]

    run(main())


def test_wrong_messages_are_refused(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            with pytest.raises(MessageTypeError, match="kernel 'kit' takes Task, not Result"):
                await kernel.send(Result(1, 2))
            with pytest.raises(MessageTypeError, match="kernel 'kit' takes Task, not int: 7"):
                await kernel.send(7)
            with pytest.raises(MessageTypeError, match="value"):
                await kernel.send(Task(SEND, "x"))  # type: ignore[arg-type]
            with pytest.raises(MessageValueError, match="value"):
                await kernel.send(Task(SEND, 1 << 63))
            with pytest.raises(MessageTypeError):
                await kernel.request(Result(1, 2))
            assert kernel.statistics().received == 0
            await kernel.send(Task(SEND, True))
            assert (await kernel.receive()).value == 2

    run(main())


def test_output_types_are_checked(run: Any) -> None:
    @ring_kernel(kernel_id="liar", input_type=Task, output_type=Result, auto_register=False)
    async def liar(ctx: Any) -> None:
        while not ctx.should_terminate:
            await ctx.send(await ctx.receive())

    async def main() -> None:
        async with RingKernelRuntime(backend="python") as runtime:
            kernel = await runtime.launch("liar", liar)
            await kernel.activate()
            await kernel.send(Task(SEND, 1))
            error = await _failed(kernel)
            assert str(error.__cause__).startswith("kernel 'liar' sends Result, not Task")

    run(main())


def test_a_message_is_a_value(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.deactivate()
            task = Task(SEND, 1)
            await kernel.send(task)
            task.value = 100
            await kernel.reactivate()
            assert (await kernel.receive()).value == 2

    run(main())
