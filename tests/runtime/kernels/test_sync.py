"""``kernel.sync``: blocking twins for other threads."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pydotcompute import (
    KernelClosedError,
    KernelStateError,
    QueueTimeoutError,
    RingKernelRuntime,
)
from tests.support.native_actor.kit import SEND, Task


def test_other_threads_may_call(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)

            def client(start: int) -> int:
                total = 0
                for n in range(start, start + 50):
                    total += kernel.sync.request(Task(SEND, n)).value
                return total

            loop = asyncio.get_running_loop()
            with ThreadPoolExecutor(4) as pool:
                sums = await asyncio.gather(
                    *(loop.run_in_executor(pool, client, 100 * n) for n in range(4))
                )
            assert sums == [sum(2 * n for n in range(s, s + 50)) for s in (0, 100, 200, 300)]

    run(main())


def test_every_call_has_a_twin(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, active=False)

            def client() -> None:
                sync = kernel.sync
                sync.activate()
                sync.send(Task(SEND, 1), timeout=1)
                assert sync.receive(timeout=1).value == 2
                assert sync.statistics().received == 1
                sync.deactivate()
                sync.reactivate()
                assert sync.send_many([Task(SEND, n) for n in range(3)]) == 3
                assert len(sync.receive_many(1)) == 1
                with pytest.raises(KernelStateError):
                    sync.restart()
                sync.terminate()
                assert [result.value for result in sync.messages()] == [2, 4]
                with pytest.raises(KernelClosedError):
                    sync.send(Task(SEND))

            await asyncio.to_thread(client)

    run(main())


def test_errors_arrive(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            with pytest.raises(QueueTimeoutError):
                await asyncio.to_thread(kernel.sync.receive, timeout=0)

    run(main())


def test_the_loops_own_thread_is_refused_at_once(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            with pytest.raises(KernelStateError, match="write `await kernel.send"):
                kernel.sync.send(Task(SEND))

    run(main())


def test_after_the_loop_has_gone(kit: Any, run: Any) -> None:
    async def main() -> Any:
        async with RingKernelRuntime() as runtime:
            return await kit(runtime)

    kernel = run(main())
    with pytest.raises(KernelClosedError, match="event loop of kernel 'kit' is not running"):
        kernel.sync.send(Task(SEND))
