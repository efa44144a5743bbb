"""Kernels with the C extension and without it: the same results, errors and figures."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from pydotcompute import (
    BackpressureStrategy,
    KernelClosedError,
    KernelNotFoundError,
    MessageTypeError,
    MessageValueError,
    QueueFullError,
    QueueTimeoutError,
    RingKernel,
    RingKernelRuntime,
)
from pydotcompute.kernels import accelerate as fastpath
from tests.support.native_actor.kit import (
    DEOPTIMISE,
    FAIL,
    PRINT,
    SEND,
    SEVERAL,
    Result,
    Task,
    printed,
)


def test_results_and_statistics(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=64)
            for n in range(2000):
                await kernel.send(Task(SEND, n))
                result = await runtime.receive("kit")
                assert (result.value, type(result)) == (2 * n, Result)
            for _ in range(3):
                await runtime.send("kit", Task(SEVERAL, 5), timeout=1.0)
                assert [(await kernel.receive(timeout=1.0)).value for _ in range(5)] == [*range(5)]
            assert (await runtime.request("kit", Task(SEND, 4))).value == 8
            found = kernel.statistics()
            assert (found.received, found.processed, found.sent) == (2004, 2004, 2016)
            assert (found.input_depth, found.output_depth, found.errors) == (0, 0, 0)
            assert found.input_peak == 1
            assert found.output_peak == 5
            assert found.busy_seconds > 0
            assert found.latency_p50 > 0
            await kernel.send(Task(PRINT, 7))
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=0)
            await kernel.terminate()
            assert printed == [7]

    run(main())


def test_streaming_keeps_the_order(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=100)

            async def feed() -> None:
                for n in range(5000):
                    await runtime.send("kit", Task(SEND, n))

            async def drain() -> list[int]:
                return [(await kernel.receive()).value for _ in range(5000)]

            _, values = await asyncio.gather(feed(), drain())
            assert values == [2 * n for n in range(5000)]

    run(main())


@pytest.mark.parametrize("operation", [DEOPTIMISE, FAIL])
def test_handing_over(kit: Any, run: Any, path: str, operation: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await kit(runtime)
            launched = kernel.backend
            await kernel.send(Task(SEND, 1))
            await kernel.receive()
            await kernel.send(Task(operation, 1))
            if operation == FAIL:
                with pytest.raises(Exception, match="bad value 1"):
                    await kernel.receive()
                return
            await kernel.send(Task(SEND, 2))
            assert (await kernel.receive()).total == 4
            assert (kernel.backend, kernel.statistics().fallbacks) == (launched, 0)

    run(main())


def test_switching_while_it_runs(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            for n in range(100):
                fastpath.use(n % 2 == 0)
                await kernel.send(Task(SEND, n))
                fastpath.use(n % 3 == 0)
                assert (await kernel.receive()).value == 2 * n

    try:
        run(main())
    finally:
        fastpath.use()


def test_errors(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=2, backpressure=BackpressureStrategy.REJECT)
            wrong: Any = Task("one", 2)  # type: ignore[arg-type]
            for target in (kernel.send, lambda message: runtime.send("kit", message)):
                with pytest.raises(MessageTypeError) as caught:
                    await target(wrong)
                assert str(caught.value) == (
                    "kernel 'kit': field 'op' of Task takes int, got str ('one')"
                )
                with pytest.raises(MessageValueError, match="takes int from -2\\*\\*63"):
                    await target(Task(2**63))
                with pytest.raises(MessageTypeError, match="takes Task, not Result"):
                    await target(Result(1, 1))
            for unknown in ("other", 7, []):
                with pytest.raises((KernelNotFoundError, TypeError)):
                    await runtime.send(unknown, Task(SEND))
                with pytest.raises((KernelNotFoundError, TypeError)):
                    await runtime.receive(unknown)
            assert kernel.statistics().received == 0
            await kernel.deactivate()
            await kernel.send(Task(SEND, 1))
            await kernel.send(Task(SEND, 2))
            with pytest.raises(QueueFullError):
                await kernel.send(Task(SEND, 3))
            await kernel.reactivate()
            await kernel.terminate()
            with pytest.raises(KernelClosedError):
                await kernel.send(Task(SEND))

    run(main())


def test_drop_oldest(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=3, backpressure=BackpressureStrategy.DROP_OLDEST)
            await kernel.deactivate()
            for n in range(10):
                await kernel.send(Task(SEND, n))
            await kernel.reactivate()
            assert [(await kernel.receive()).value for _ in range(3)] == [14, 16, 18]
            assert kernel.statistics().dropped == 7

    run(main())


def test_arguments(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.send(message=Task(SEND, 1))
            await runtime.send(kernel_id="kit", message=Task(SEND, 2), timeout=None)
            assert (await runtime.receive(kernel_id="kit", timeout=1.0)).value == 2
            assert (await kernel.receive()).value == 4
            for call, text in (
                (lambda: kernel.send(), "RingKernel.send() missing 1 required positional"),
                (lambda: kernel.send(1, 2), "takes 2 positional arguments but 3 were given"),
                (lambda: kernel.send(1, late=2), "got an unexpected keyword argument 'late'"),
                (lambda: kernel.receive(1), "takes 1 positional argument but 2 were given"),
                (lambda: runtime.send("kit"), "RingKernelRuntime.send() missing 1 required"),
            ):
                with pytest.raises(TypeError) as caught:
                    call()
                assert text in str(caught.value)

    run(main())


def test_the_methods_look_like_those_of_python(path: str) -> None:
    expected = {
        (RingKernel, "send"): ["self", "message", "timeout"],
        (RingKernel, "receive"): ["self", "timeout"],
        (RingKernel, "request"): ["self", "message", "timeout"],
        (RingKernelRuntime, "send"): ["self", "kernel_id", "message", "timeout"],
        (RingKernelRuntime, "receive"): ["self", "kernel_id", "timeout"],
        (RingKernelRuntime, "request"): ["self", "kernel_id", "message", "timeout"],
    }
    for (cls, name), names in expected.items():
        method = getattr(cls, name)
        parameters = inspect.signature(method).parameters
        assert list(parameters) == names
        assert parameters["timeout"].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters["timeout"].default is None
        assert inspect.getdoc(method)
        assert method.__name__ == name
