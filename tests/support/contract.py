"""What the contract's probes share: ordinary messages and actors, and a way to run a probe.

The probes (``test_contract_*.py``) are written from the sentences of the public contract alone:
public names, real actors, every way an actor can run on any machine.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel
from tests.support.native_actor import kit as native_kit

LIMIT = 30.0
"""Seconds after which a probe that waits for ever fails."""
HARD_LIMIT = 60.0
"""Seconds after which a probe that blocks its event loop fails."""

ADD, SILENT, SEVERAL, FAIL, SPIN, PRINT, LEAVE = range(7)


def need_compiler(backend: str) -> None:
    """Skip the test where ``native`` has no compiler."""
    if backend == "native" and native_kit.library() is None:
        pytest.skip("no C++ compiler")


@message
@dataclass
class Job:
    value: int
    op: int = ADD


@message
@dataclass
class Answer:
    value: int
    total: int = 0


@message
@dataclass
class Flush:
    total: int


async def tally(ctx: KernelContext[Job, Answer]) -> None:
    total = 0
    while not ctx.should_terminate:
        try:
            job = await ctx.receive(timeout=0.05)
        except asyncio.TimeoutError:  # noqa: UP041
            continue
        total += job.value
        if job.op == ADD:
            await ctx.send(Answer(2 * job.value, total))
        elif job.op == SEVERAL:
            for n in range(job.value):
                await ctx.send(Answer(n, total))
        elif job.op == FAIL:
            await ctx.send(Answer(10 // (job.value - job.value), total))
        elif job.op == SPIN:
            n = 1
            while n != 0:
                n = n % 1000 + 1
        elif job.op == PRINT:
            print("job", job.value)
        elif job.op == LEAVE:
            break
    print("total", total)


async def plain(ctx: KernelContext[Job, Answer]) -> None:
    """No time-out: parked for ever in receive()."""
    total = 0
    while True:
        job = await ctx.receive()
        total += job.value
        await ctx.send(Answer(2 * job.value, total))
    print("never")


def decorated(function: Any = tally, **settings: Any) -> Any:
    """The actor under its own name, with other settings than the defaults."""
    given: dict[str, Any] = {"kernel_id": function.__name__, "auto_register": False, **settings}
    return ring_kernel(**given)(function)


def go(probe: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a probe to its end; one that hangs fails, whether it waits or blocks the loop."""

    async def limited() -> Any:
        return await asyncio.wait_for(probe(), LIMIT)

    def blocked(*_: object) -> None:
        raise AssertionError(f"the event loop was blocked for {HARD_LIMIT:g} s")

    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGALRM, blocked)
    signal.setitimer(signal.ITIMER_REAL, HARD_LIMIT)
    try:
        return asyncio.run(limited())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@asynccontextmanager
async def launched(
    way: str,
    function: Any = tally,
    *,
    active: bool = True,
    shutdown: float = 5.0,
    fallback: str = "error",
    **settings: Any,
) -> AsyncIterator[Any]:
    """A runtime with one kernel, which must run on the backend of this way.

    Args:
        way: the fixture's value.
        function: the actor.
        active: whether it is activated as well.
        shutdown: the runtime's own timeout in seconds.
        fallback: ``"allow"`` for actors that need not lower.
        settings: for ``ring_kernel``.
    """
    async with RingKernelRuntime(
        backend=way, fallback=fallback, shutdown_timeout=shutdown
    ) as runtime:
        actor = decorated(function, **settings)
        kernel = await runtime.launch(actor.kernel_id, actor)
        assert kernel.backend == way or fallback == "allow"
        if active:
            await kernel.activate()
        yield kernel


async def until(condition: Callable[[], object]) -> None:
    """Let other tasks run until something is true."""
    while not condition():
        await asyncio.sleep(0)


async def turns(count: int = 30) -> None:
    """Let other tasks run for some turns of the event loop."""
    for _ in range(count):
        await asyncio.sleep(0)


async def drained(kernel: Any) -> list[Any]:
    """Every message still to be received of a kernel that has ended."""
    return [each async for each in kernel.messages()]
