"""Launching, pausing, ending: every transition, every misuse, and actors that will not end."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import (
    KernelAlreadyExistsError,
    KernelClosedError,
    KernelNotFoundError,
    KernelState,
    KernelStateError,
    QueueTimeoutError,
    RingKernelRuntime,
    message,
)
from tests.support.native_actor.kit import LEAVE, PRINT, RETURN, SEND, SPIN, Task, ended, printed


@message
@dataclass
class Note:
    value: int


def test_states(kit: Any, run: Any, backend: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, active=False)
            assert kernel.state is KernelState.LAUNCHED
            assert kernel.backend == backend
            await kernel.activate()
            assert kernel.state is KernelState.ACTIVE
            await kernel.deactivate()
            assert kernel.state is KernelState.DEACTIVATED
            await kernel.reactivate()
            assert kernel.state is KernelState.ACTIVE
            await kernel.terminate()
            assert kernel.state is KernelState.TERMINATED

    run(main())


@pytest.mark.parametrize(
    ("path", "call", "text"),
    [
        ((), "deactivate", "'kit' is LAUNCHED: deactivate needs ACTIVE"),
        ((), "reactivate", "'kit' is LAUNCHED: reactivate needs DEACTIVATED; call activate()"),
        ((), "restart", "'kit' is LAUNCHED: restart needs FAILED"),
        (("activate",), "activate", "'kit' is ACTIVE: activate needs LAUNCHED; it is running"),
        (("activate",), "reactivate", "'kit' is ACTIVE: reactivate needs DEACTIVATED"),
        (("activate", "deactivate"), "deactivate", "it is paused already"),
        (("activate", "deactivate"), "activate", "call reactivate() to resume it"),
        (("activate", "terminate"), "activate", "'kit' is TERMINATED: activate needs LAUNCHED"),
        (("activate", "terminate"), "deactivate", "'kit' is TERMINATED: deactivate needs ACTIVE"),
        (("activate", "terminate"), "restart", "launch it again"),
    ],
)
def test_misuse_names_state_and_call(
    kit: Any, run: Any, path: tuple[str, ...], call: str, text: str
) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, active=False)
            for step in path:
                await getattr(kernel, step)()
            with pytest.raises(KernelStateError) as caught:
                await getattr(kernel, call)()
            assert text in str(caught.value)

    run(main())


def test_unknown_and_known_kernels(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            with pytest.raises(KernelNotFoundError, match="no kernel 'kit' has been launched"):
                await runtime.send("kit", Task(SEND))
            await kit(runtime)
            with pytest.raises(KernelAlreadyExistsError, match="'kit' is ACTIVE in this runtime"):
                await kit(runtime)
            await runtime.terminate("kit")
            kernel = await kit(runtime)
            await runtime.send("kit", Task(SEND, 3))
            assert (await runtime.receive("kit")).value == 6
            assert runtime.get("kit") is kernel

    run(main())


def test_a_pause_is_a_pause(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            for n in range(10):
                await kernel.send(Task(SEND, n))
            await kernel.deactivate()
            handled = kernel.statistics().processed
            await kernel.send(Task(SEND, 10))
            for _ in range(50):
                await asyncio.sleep(0)
            with pytest.raises(QueueTimeoutError):
                while True:
                    await kernel.receive(timeout=0)
            assert kernel.statistics().processed == handled
            await kernel.reactivate()
            for n in range(handled, 11):
                result = await kernel.receive()
                assert result.value == 2 * n
            assert result.total == 55

    run(main())


def test_termination_drains(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            for n in range(100):
                await kernel.send(Task(SEND, n))
            first = await kernel.terminate()
            assert first.drained
            assert first.unprocessed == ()
            assert await kernel.terminate() is first
            with pytest.raises(KernelClosedError, match="kernel 'kit' has ended"):
                await kernel.send(Task(SEND))
            with pytest.raises(KernelClosedError):
                await kernel.request(Task(SEND))
            got = [(await kernel.receive()).value for _ in range(100)]
            assert got == [2 * n for n in range(100)]
            with pytest.raises(KernelClosedError):
                await kernel.receive()
            assert ended == [4950]

    run(main())


def test_termination_without_draining_gives_back_what_was_queued(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.deactivate()
            for n in range(5):
                await kernel.send(Task(SEND, n))
            report = await kernel.terminate(drain=False)
            assert not report.drained
            assert [task.value for task in report.unprocessed] == [0, 1, 2, 3, 4]

    run(main())


def test_draining_resumes_a_paused_actor(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.deactivate()
            await kernel.send(Task(SEND, 4))
            assert (await kernel.terminate()).drained
            assert (await kernel.receive()).value == 8

    run(main())


def test_an_actor_never_activated_gives_back_everything(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, active=False)
            await kernel.send(Task(SEND, 4))
            assert [t.value for t in (await kernel.terminate()).unprocessed] == [4]
            assert ended == []

    run(main())


def test_parked_receivers_are_woken(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            parked = [asyncio.create_task(kernel.receive()) for _ in range(3)]
            await asyncio.sleep(0)
            await kernel.terminate()
            for outcome in await asyncio.gather(*parked, return_exceptions=True):
                assert isinstance(outcome, KernelClosedError)

    run(main())


def test_parked_senders_are_woken(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, active=False, queue_size=1)
            await kernel.send(Task(SEND, 0))
            parked = asyncio.create_task(kernel.send(Task(SEND, 1)))
            await asyncio.sleep(0)
            await kernel.terminate()
            with pytest.raises(KernelClosedError):
                await parked

    run(main())


def test_a_blocked_actor_ends_in_time_and_nothing_vanishes(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=2)
            sender = asyncio.create_task(_send_until_closed(kernel))
            for _ in range(20):
                await asyncio.sleep(0)
            report = await kernel.terminate(timeout=0.2)
            accepted = await sender
            outputs = []
            with pytest.raises(KernelClosedError):
                while True:
                    outputs.append((await kernel.receive()).value // 2)
            given_back = [task.value for task in report.unprocessed]
            assert outputs + given_back == list(range(accepted))

    run(main())


async def _send_until_closed(kernel: Any) -> int:
    accepted = 0
    try:
        while True:
            await kernel.send(Task(SEND, accepted))
            accepted += 1
    except KernelClosedError:
        return accepted


@pytest.mark.parametrize(("op", "epilogue"), [(LEAVE, [0]), (RETURN, [])])
def test_an_actor_that_ends_by_itself(kit: Any, run: Any, op: int, epilogue: list[int]) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.send(Task(SEND, 0))
            await kernel.send(Task(op))
            assert (await kernel.receive()).value == 0
            with pytest.raises(KernelClosedError):
                await kernel.receive()
            assert kernel.state is KernelState.TERMINATED
            assert ended == epilogue
            with pytest.raises(KernelClosedError):
                await kernel.send(Task(SEND))
            assert (await kernel.terminate()).unprocessed == ()

    run(main())


def test_what_was_printed_has_appeared_when_terminate_returns(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            for n in range(100):
                await kernel.send(Task(PRINT, n))
            await kernel.terminate()
            assert printed == list(range(100))

    run(main())


@pytest.mark.parametrize("backend", ["native"], indirect=True)
@pytest.mark.parametrize("call", ["terminate", "deactivate", "exit"])
def test_an_endless_loop_in_compiled_code(kit: Any, run: Any, backend: str, call: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime(shutdown_timeout=0.5) as runtime:
            kernel = await kit(runtime)
            await kernel.send(Task(SPIN, -1))
            await kernel.send(Task(SEND, 1))
            for _ in range(20):
                await asyncio.sleep(0)
            if call == "terminate":
                began = time.monotonic()
                report = await kernel.terminate(timeout=0.3)
                assert time.monotonic() - began < 1
                assert [task.value for task in report.unprocessed] == [-1, 1]
            elif call == "deactivate":
                await kernel.deactivate()
                assert kernel.statistics().processed == 0

    run(main())


@pytest.mark.parametrize("backend", ["native"], indirect=True)
def test_long_work_runs_beside_the_event_loop(kit: Any, run: Any, backend: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.send(Task(SPIN, 20_000_000))
            worst, last = 0.0, time.perf_counter()
            receiving = asyncio.create_task(kernel.receive())
            while not receiving.done():
                await asyncio.sleep(0)
                now = time.perf_counter()
                worst, last = max(worst, now - last), now
            assert (await receiving).value == 20_000_000
            assert worst < 0.05

    run(main())


# --- actors that do not want to end; python only, as none of them lowers -----------------------


async def swallows_everything(ctx: Any) -> None:
    while True:
        try:
            await ctx.receive(timeout=0.01)
        except:  # noqa: E722
            continue


async def ignores_the_flag(ctx: Any) -> None:
    while True:
        note = await ctx.receive()
        await ctx.send(note)


async def sleeps_for_ever(ctx: Any) -> None:
    while True:
        try:
            await asyncio.sleep(3600)
        except BaseException:
            pass


async def never_receives(ctx: Any) -> None:
    while not ctx.should_terminate:
        await asyncio.sleep(0)


def _without_source(function: Any) -> Any:
    space: dict[str, Any] = {"asyncio": asyncio}
    import inspect

    exec(textwrap.dedent(inspect.getsource(function)), {**globals(), **space}, space)
    return space[function.__name__]


STUBBORN = [swallows_everything, ignores_the_flag, sleeps_for_ever, never_receives]


@pytest.mark.parametrize("function", STUBBORN)
@pytest.mark.parametrize("sourceless", [False, True])
def test_stubborn_actors_end_in_time(run: Any, function: Any, sourceless: bool) -> None:
    actor = _without_source(function) if sourceless else function

    async def main() -> None:
        began = time.monotonic()
        async with RingKernelRuntime(backend="python", shutdown_timeout=0.3) as runtime:
            kernel = await runtime.launch("stubborn", actor)
            await kernel.activate()
            await kernel.send(Note(1))
            await asyncio.sleep(0)
        assert time.monotonic() - began < 2
        assert kernel.state is KernelState.TERMINATED

    run(main())


def test_an_exception_leaving_the_block_ends_everything(kit: Any, run: Any) -> None:
    async def main() -> None:
        kernel = None
        with pytest.raises(RuntimeError, match="mine"):
            async with RingKernelRuntime() as runtime:
                kernel = await kit(runtime)
                raise RuntimeError("mine")
        assert kernel is not None
        assert kernel.state is KernelState.TERMINATED

    run(main())


FORGETFUL = """
import asyncio
from dataclasses import dataclass
from pydotcompute import RingKernelRuntime, message, ring_kernel

@message
@dataclass
class Note:
    value: int

async def body(ctx):
    while True:
        try:
            note = await ctx.receive(timeout=0.01)
            await ctx.send(note)
        except:
            continue

async def main():
    runtime = RingKernelRuntime(backend="python")
    for number in range(3):
        kernel = await runtime.launch(f"k{number}", body)
        await kernel.activate()
        await kernel.send(Note(number))
        print((await kernel.receive()).value)

asyncio.run(main())
print("done")
"""


@pytest.mark.parametrize("sourceless", [False, True])
def test_forgetting_to_terminate_does_not_hang_the_exit(tmp_path: Any, sourceless: bool) -> None:
    text = FORGETFUL
    path = tmp_path / "forgetful.py"
    if sourceless:
        text = f"exec({text!r})"
    path.write_text(text)
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 0
    assert done.stdout == "0\n1\n2\ndone\n"
    assert done.stderr == ""


# --- many --------------------------------------------------------------------------------------


def test_cycles_leave_nothing_behind(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            await (await kit(runtime)).terminate()
            gc.collect()
            threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
            for n in range(200):
                kernel = await kit(runtime)
                await kernel.send(Task(SEND, n))
                assert (await kernel.receive()).value == 2 * n
                await kernel.terminate()
            assert threading.active_count() <= threads + (os.cpu_count() or 1)
            assert len(os.listdir("/proc/self/fd")) <= files
        del runtime, kernel

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc")
    run(main())
    assert not [t for t in threading.enumerate() if t.name.startswith("pydotcompute")]


def test_a_thousand_actors(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernels = [await kit(runtime, kernel_id=f"kit{n}") for n in range(1000)]
            for number, kernel in enumerate(kernels):
                await kernel.send(Task(SEND, number))
            for number, kernel in enumerate(kernels):
                assert (await kernel.receive()).value == 2 * number

    run(main())


def test_two_runtimes(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as first, RingKernelRuntime() as second:
            one, two = await kit(first), await kit(second)
            await one.send(Task(SEND, 1))
            await two.send(Task(SEND, 2))
            assert (await two.receive()).value == 4
            assert (await one.receive()).value == 2

    run(main())


def test_a_runtime_belongs_to_one_loop(run: Any) -> None:
    runtime = RingKernelRuntime(backend="python")

    async def enter() -> None:
        await runtime.launch("note", ignores_the_flag)

    run(enter())
    with pytest.raises(KernelStateError, match="belongs to another event loop"):
        run(enter())


ELSEWHERE = (
    "this runtime belongs to another event loop; make one RingKernelRuntime() for each, or call "
    "`kernel.sync` from other threads"
)


def every_call(runtime: RingKernelRuntime, kernel: Any) -> list[Any]:
    """Every awaitable call of a runtime and of a handle; none of them has begun."""
    calls: list[Any] = [runtime.launch("other", ignores_the_flag), runtime.close()]
    for target, ids in ((kernel, ()), (runtime, ("kit",))):
        calls += [
            target.send(*ids, Task(SEND)), target.receive(*ids), target.request(*ids, Task(SEND)),
            target.send_many(*ids, [Task(SEND)]), target.receive_many(*ids, 1),
            anext(aiter(target.messages(*ids))), target.activate(*ids), target.deactivate(*ids),
            target.reactivate(*ids), target.restart(*ids), target.terminate(*ids),
        ]  # fmt: skip
    return calls


async def refused(calls: list[Any]) -> list[str]:
    texts = []
    for call in calls:
        with pytest.raises(KernelStateError) as caught:
            await call
        texts.append(str(caught.value))
    return texts


def test_calls_from_another_thread_are_refused(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.send(Task(SEND, 1))  # so that nothing has to wait
            calls = every_call(runtime, kernel)
            texts = await asyncio.to_thread(lambda: asyncio.run(refused(calls)))
            assert texts == [ELSEWHERE] * len(calls)
            by_hand = kernel.receive(), kernel.send(Task(SEND)), runtime.receive("kit")
            for call in by_hand:
                with pytest.raises(KernelStateError, match="belongs to another event loop"):
                    await asyncio.to_thread(call.send, None)
            assert (await kernel.receive()).value == 2
            assert kernel.statistics().received == 1
            assert kernel.state is KernelState.ACTIVE

    run(main())


def test_calls_from_a_later_loop_are_refused(kit: Any, run: Any) -> None:
    runtime = RingKernelRuntime()

    async def main() -> Any:
        kernel = await kit(runtime, active=False, queue_size=1)
        await kernel.send(Task(SEND))  # now every call has to wait: what need not, may pass
        return kernel

    kernel = run(main())
    calls = every_call(runtime, kernel)
    assert run(refused(calls)) == [ELSEWHERE] * len(calls)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork_is_refused(kit: Any, run: Any) -> None:
    async def main() -> int:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                text = ""
                try:
                    kernel.send(Task(SEND)).send(None)
                except KernelStateError as error:
                    text = str(error)
                os.write(writing, text.encode())
                os._exit(0)
            os.waitpid(child, 0)
            text = os.read(reading, 1000).decode()
            assert "made before fork()" in text
            assert "'spawn'" in text
            await kernel.send(Task(SEND, 4))
            return int((await kernel.receive()).value)

    assert run(main()) == 8


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="backend is one of auto, cuda, native, python"):
        RingKernelRuntime(backend="gpu")
    with pytest.raises(ValueError, match="fallback is one of allow, warn, error"):
        RingKernelRuntime(fallback="maybe")
