"""Closing a runtime: every kernel is ended, and the event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from pydotcompute import KernelState, RingKernelRuntime
from pydotcompute.support.worker_pool import Pool


def test_one_kernel_that_cannot_be_ended_keeps_no_other_from_it(kit: Any, run: Any) -> None:
    async def broken(timeout: float | None, *, drain: bool) -> Any:
        raise ZeroDivisionError("first")

    async def broken_too(timeout: float | None, *, drain: bool) -> Any:
        raise LookupError("second")

    async def main() -> None:
        runtime = RingKernelRuntime()
        one = await kit(runtime, kernel_id="one")
        two = await kit(runtime, kernel_id="two")
        last = await kit(runtime, kernel_id="last")
        one._actor.terminate, two._actor.terminate = broken, broken_too
        with pytest.raises(ZeroDivisionError) as caught:
            await runtime.close()
        assert "LookupError('second')" in caught.value.__notes__[0]
        assert last.state is KernelState.TERMINATED
        assert runtime._pool.threads == 0

    run(main())


def test_the_event_loop_runs_while_threads_end(run: Any) -> None:
    """The job of a thread ends only after the event loop has had its turn."""

    async def main() -> None:
        pool, started, free = Pool(), threading.Event(), threading.Event()

        def job() -> None:
            started.set()
            free.wait()

        pool.submit(job)
        await asyncio.to_thread(started.wait)
        closing = asyncio.create_task(pool.closed(timeout=20))
        await asyncio.sleep(0)
        assert not closing.done()
        free.set()
        await closing
        assert pool.threads == 0

    run(main())


def test_closing_does_not_wait_for_ever(run: Any) -> None:
    async def main() -> None:
        pool, free = Pool(), threading.Event()
        pool.submit(lambda: free.wait() and None)
        await pool.closed(timeout=0.01)
        assert pool.threads == 1
        free.set()
        await pool.closed(timeout=20)
        assert pool.threads == 0

    run(main())
