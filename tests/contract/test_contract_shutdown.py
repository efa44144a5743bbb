"""Contract, section 3: leaving ``async with`` ends everything in time, whatever the actors do."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pydotcompute import (
    BackpressureStrategy,
    KernelClosedError,
    KernelContext,
    KernelState,
    KernelStateError,
    RingKernelRuntime,
)
from tests.support.contract import (
    SEVERAL,
    SPIN,
    Answer,
    Job,
    decorated,
    drained,
    go,
    launched,
    tally,
    turns,
    until,
)

ENOUGH = 3.0
"""Seconds a shutdown with a timeout of 0.3 s may take on a busy machine."""


async def bare_except(ctx: KernelContext[Job, Answer]) -> None:
    while not ctx.should_terminate:
        try:
            job = await ctx.receive(timeout=0.01)
            await ctx.send(Answer(job.value, 0))
        except:  # noqa: E722
            continue


async def bare_except_for_ever(ctx: KernelContext[Job, Answer]) -> None:
    while True:
        try:
            job = await ctx.receive(timeout=0.01)
            await ctx.send(Answer(job.value, 0))
        except:  # noqa: E722
            continue


async def bare_except_no_timeout(ctx: KernelContext[Job, Answer]) -> None:
    while True:
        try:
            job = await ctx.receive()
            await ctx.send(Answer(job.value, 0))
        except BaseException:
            pass


async def endless_inner(ctx: KernelContext[Job, Answer]) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive(timeout=10)
        n = 0
        while job.value >= 0:
            n += 1
            if n > 1000:
                n = 0
        await ctx.send(Answer(n, 0))


async def blocked_send(ctx: KernelContext[Job, Answer]) -> None:
    while True:
        job = await ctx.receive()
        while True:
            await ctx.send(Answer(job.value, 0))


@pytest.mark.parametrize(
    "actor",
    [bare_except, bare_except_for_ever, bare_except_no_timeout, endless_inner, blocked_send],
)
@pytest.mark.parametrize("leaving", ["quietly", "with an exception", "cancelled"])
def test_leaving_ends_everything_in_time(way: str, actor: Any, leaving: str) -> None:
    if actor is endless_inner and way == "python":
        pytest.skip("a coroutine that never awaits blocks the loop (9.17)")

    async def block(kernels: list[Any]) -> None:
        async with launched(way, actor, shutdown=0.3, queue_size=2) as kernel:
            kernels.append(kernel)
            await kernel.send(Job(1))
            await kernel.send(Job(2))
            await turns(5)
            kernels.append(asyncio.create_task(kernel.request(Job(3))))
            if leaving == "with an exception":
                raise ZeroDivisionError("mine")
            if leaving == "cancelled":
                await asyncio.sleep(3600)

    async def probe() -> None:
        kernels: list[Any] = []
        began = time.monotonic()
        task = asyncio.create_task(block(kernels))
        await until(lambda: len(kernels) == 2 or task.done())
        if leaving == "cancelled":
            task.cancel()
        began = time.monotonic()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        assert time.monotonic() - began < ENOUGH
        expected = {"with an exception": ZeroDivisionError, "cancelled": asyncio.CancelledError}
        assert type(outcome) is expected.get(leaving, type(None))
        kernel, request = kernels
        assert kernel.state is KernelState.TERMINATED
        await asyncio.gather(request, return_exceptions=True)
        assert request.exception() is None or type(request.exception()) is KernelClosedError
        await drained(kernel)

    go(probe)


def test_an_endless_message_is_given_back(way: str) -> None:
    async def probe() -> None:
        async with launched("native", tally) as kernel:
            await kernel.send_many([Job(1), Job(2, SPIN), Job(3)])
            assert (await kernel.receive()).total == 1
            report = await kernel.terminate(timeout=0.3)
            assert list(report.unprocessed) == [Job(2, SPIN), Job(3)]

    if way == "python":
        pytest.skip("a coroutine that never awaits blocks the loop (9.17)")
    go(probe)


def test_two_runtimes_and_the_same_id(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way) as one, RingKernelRuntime(backend=way) as two:
            for runtime in (one, two):
                await runtime.launch("tally", decorated())
                await runtime.activate("tally")
            assert (await one.request("tally", Job(1))).total == 1
            assert (await two.request("tally", Job(5))).total == 5
            await one.terminate("tally")
            assert (await two.request("tally", Job(5))).total == 10

    go(probe)


@pytest.mark.parametrize("way", ["python", "native"], indirect=True)
def test_ten_thousand_actors(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way, shutdown_timeout=20) as runtime:
            actor = decorated(queue_size=4)
            count = 10_000 if way == "python" else 2_000  # the same code, slower to launch
            kernels = [await runtime.launch(f"actor {n}", actor) for n in range(count)]
            for kernel in kernels:
                await kernel.activate()
            for n, kernel in enumerate(kernels):
                await kernel.send(Job(n))
            for n, kernel in enumerate(kernels):
                assert (await kernel.receive()).value == 2 * n
            assert threading.active_count() < 50

    go(probe)


def test_cycles_leave_nothing_behind(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way) as runtime:

            async def cycle() -> None:
                kernel = await runtime.launch("tally", decorated())
                await kernel.activate()
                await kernel.send(Job(2))
                assert (await kernel.receive()).value == 4
                await kernel.terminate()

            for _ in range(20):
                await cycle()
            gc.collect()
            objects, files = len(gc.get_objects()), len(os.listdir("/proc/self/fd"))
            threads = threading.active_count()
            for _ in range(200):
                await cycle()
            gc.collect()
            assert len(gc.get_objects()) - objects < 400
            assert len(os.listdir("/proc/self/fd")) <= files + 1
            assert threading.active_count() <= threads + 1

    go(probe)


def test_no_task_is_left_running(way: str) -> None:
    async def probe() -> None:
        before = asyncio.all_tasks()
        async with launched(way, shutdown=1.0) as kernel:
            assert (await kernel.request(Job(1))).value == 2
            await kernel.send(Job(1))
        await turns()
        assert asyncio.all_tasks() == before

    go(probe)


FORGETS = """
import asyncio
from pydotcompute import RingKernelRuntime
from tests.support.contract import Job, decorated
async def main():
    runtime = RingKernelRuntime(backend={way!r})
    kernel = await runtime.launch("tally", decorated())
    await kernel.activate()
    print((await kernel.request(Job(4))).value)
asyncio.run(main())
"""


def _python(text: str, **env: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=30, check=False,
        cwd=root, env={**os.environ, **env},
    )  # fmt: skip


@pytest.mark.parametrize("backend", ["python", "native"])
def test_a_program_that_forgets_to_terminate(backend: str) -> None:
    done = _python(FORGETS.format(way=backend))
    assert (done.returncode, done.stdout.splitlines()[0], done.stderr) == (0, "8", "")


FORKS = """
import asyncio, os, sys
from pydotcompute import RingKernelRuntime, KernelStateError
from tests.support.contract import Job, decorated
async def main():
    async with RingKernelRuntime(backend={way!r}) as runtime:
        kernel = await runtime.launch("tally", decorated())
        await kernel.activate()
        pid = os.fork()
        if pid == 0:
            try:
                await kernel.send(Job(1))
            except KernelStateError as error:
                os.write(1, str(error).encode() + b"\\n")
                os._exit(7)
            os._exit(1)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 7, status
        print((await kernel.request(Job(4))).value)
asyncio.run(main())
"""


@pytest.mark.parametrize("backend", ["python", "native"])
def test_fork_is_refused_with_a_clear_sentence(backend: str) -> None:
    done = _python(FORKS.format(way=backend))
    assert done.returncode == 0, done.stderr
    assert "fork" in done.stdout
    assert done.stdout.splitlines()[1] == "8"


def _child(backend: str, queue: Any) -> None:
    async def main() -> Any:
        async with launched(backend) as kernel:
            return await kernel.request(Job(4))

    queue.put(asyncio.run(main()))


def test_spawn_works() -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_child, args=("native", queue))
    child.start()
    assert queue.get(timeout=30).value == 8
    child.join(30)
    assert child.exitcode == 0


def test_calls_on_a_closed_runtime(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=1, shutdown=0.3) as kernel:
            await kernel.send(Job(3, SEVERAL))
        assert [each.value for each in await drained(kernel)][:1] == [0]
        with pytest.raises(KernelClosedError):
            await kernel.send(Job(1))
        runtime = RingKernelRuntime(backend=way)
        async with runtime:
            pass
        with pytest.raises(KernelStateError):
            await runtime.launch("tally", decorated())

    go(probe)


@pytest.mark.parametrize("policy", list(BackpressureStrategy))
def test_shutdown_with_full_queues_and_nobody_reading(way: str, policy: Any) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=2, shutdown=0.3, backpressure=policy) as kernel:
            if policy is BackpressureStrategy.REJECT:
                await kernel.send_many([Job(1), Job(2)])
            else:
                sending = asyncio.create_task(kernel.send_many([Job(n) for n in range(50)]))
                await turns()
        if policy is BackpressureStrategy.BLOCK:
            with pytest.raises(KernelClosedError) as caught:
                await sending
            taken = caught.value.count
            report = await kernel.terminate()
            answers = [each.value // 2 for each in await drained(kernel)]
            assert answers + [job.value for job in report.unprocessed] == list(range(taken))
        elif policy is BackpressureStrategy.DROP_OLDEST:
            assert await sending == 50

    go(probe)


def test_a_patient_terminate_does_not_hold_up_the_exit(way: str) -> None:
    """A later call with less time brings the end nearer for all who wait for it."""

    async def probe() -> None:
        async with launched(way, endless_inner, shutdown=0.3) as kernel:
            await kernel.send(Job(1))
            patient = asyncio.create_task(kernel.terminate(timeout=None))
            await turns(3)
            began = time.perf_counter()
        assert time.perf_counter() - began < ENOUGH
        assert (await patient).unprocessed in ((Job(1),), ())

    if way != "python":  # an interpreted actor that never awaits blocks the loop
        go(probe)
