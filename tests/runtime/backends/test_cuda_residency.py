"""When kernels come and go, on an emulated device whose clock the tests hold in their hands."""

from __future__ import annotations

import asyncio
import math
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    BackendUnavailableError,
    BackpressureStrategy,
    KernelContext,
    KernelState,
    LoweringError,
    QueueTimeoutError,
    RingKernelRuntime,
)
from pydotcompute.backends.cuda import device_selection as devices
from pydotcompute.backends.cuda.block import VISITS
from pydotcompute.backends.cuda.emulated_device import Emulator
from pydotcompute.backends.device import DeviceFault
from pydotcompute.settings import scope
from tests.support.contract import (
    ADD,
    FAIL,
    PRINT,
    SEVERAL,
    SPIN,
    Answer,
    Job,
    decorated,
    go,
    plain,
    tally,
    until,
)
from tests.support.native_actor import kit as native_kit
from tests.support.ptx import PTX
from tests.support.ptx.device import PtxDevice

RESIDENCY, IDLE = 5e-3, 200e-6
"""Seconds: what a runtime takes unless it is told otherwise."""

pytestmark = pytest.mark.skipif(native_kit.library() is None, reason="no C++ compiler")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """A device of this test's own: emulated, or the PTX device where that is asked for."""
    name = PTX if os.environ.get("PYDOTCOMPUTE_DEVICE") == PTX else "emulated"
    made = PtxDevice() if name == PTX else Emulator()
    monkeypatch.setenv("PYDOTCOMPUTE_DEVICE", name)
    monkeypatch.setitem(devices._opened, name, made)
    return made


@asynccontextmanager
async def on_device(function: Any = plain, **terms: Any) -> AsyncIterator[Any]:
    """A runtime with one active kernel on the device."""
    async with RingKernelRuntime(backend="cuda", fallback="error", **terms) as runtime:
        actor = decorated(function)
        kernel = await runtime.launch(actor.kernel_id, actor)
        await kernel.activate()
        yield kernel


def engine_of(kernel: Any) -> Any:
    return kernel._actor.engine


def resident(kernel: Any) -> bool:
    """Whether the actor's kernel is running, whatever the host knows of it."""
    return not engine_of(kernel).block.parked


async def ask(kernel: Any, value: int) -> int:
    await kernel.send(Job(value))
    answer: Answer = await kernel.receive()
    return answer.value


async def some_rounds(device: Emulator, count: int = 20) -> None:
    """Let resident kernels look at their queues so many times."""
    goal = device.rounds + count
    await until(lambda: device.rounds >= goal)


def test_an_actor_stays_while_the_clock_stands_and_parks_when_idle(device: Emulator) -> None:
    async def probe() -> None:
        device.clock.hold()
        async with on_device() as kernel:
            assert await ask(kernel, 4) == 8
            await some_rounds(device)
            assert resident(kernel)
            device.clock.advance(0.9 * IDLE)
            await some_rounds(device)
            assert resident(kernel)
            device.clock.advance(0.2 * IDLE)
            await until(lambda: not resident(kernel))
            assert device.launches == 1
            device.clock.run()

    go(probe)


def test_room_that_was_made_before_the_report_is_read_is_used(device: Emulator) -> None:
    """The last output waits on the device for room, and nothing else comes to wake it."""

    async def probe() -> None:
        device.clock.hold()
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernel = await runtime.launch("tally", decorated(tally, queue_size=1))
            await kernel.activate()
            await kernel.send(Job(2, SEVERAL))
            await until(lambda: kernel.statistics().output_depth == 1)
            device.clock.advance(2 * IDLE)
            while resident(kernel):
                pass  # the event loop must not see the report before the message is taken
            assert (await kernel.receive()).value == 0
            assert (await kernel.receive()).value == 1
            device.clock.run()

    go(probe)


def test_work_keeps_it_there_until_the_residency_is_over(device: Emulator) -> None:
    async def probe() -> None:
        device.clock.hold()
        async with on_device() as kernel:
            steps = round(RESIDENCY / (0.5 * IDLE)) - 1
            for n in range(steps):
                assert await ask(kernel, n) == 2 * n
                device.clock.advance(0.5 * IDLE)
            assert device.launches == 1
            for n in range(3):
                device.clock.advance(0.5 * IDLE)
                assert await ask(kernel, n) == 2 * n
            assert device.launches == 2
            device.clock.run()

    go(probe)


def test_a_message_that_comes_while_the_kernel_leaves_is_handled(device: Emulator) -> None:
    """The lost wake-up: the host does not know yet that the kernel has left."""

    async def probe() -> None:
        device.clock.hold()
        async with on_device() as kernel:
            assert await ask(kernel, 1) == 2
            device.clock.advance(2 * IDLE)
            while resident(kernel):  # without a turn of the event loop: the host cannot know
                pass
            kernel._actor.inbox.port.try_put(Job(5))
            assert (await kernel.receive(timeout=10)).value == 10
            assert device.launches == 2
            device.clock.run()

    go(probe)


def test_the_state_survives_parking(device: Emulator) -> None:
    async def probe() -> None:
        device.clock.hold()
        async with on_device() as kernel:
            totals = []
            for n in range(1, 5):
                await kernel.send(Job(n))
                totals.append((await kernel.receive()).total)
                device.clock.advance(2 * IDLE)
                await until(lambda: not resident(kernel))
            assert totals == [1, 3, 6, 10]
            assert device.launches == 4
            device.clock.run()

    go(probe)


def test_for_ever_is_until_it_is_told_to_leave(device: Emulator) -> None:
    async def probe() -> None:
        device.clock.hold()
        async with on_device(residency=None) as kernel:
            assert await ask(kernel, 1) == 2
            device.clock.advance(3600.0)
            await some_rounds(device)
            assert resident(kernel)
            await kernel.deactivate()
            assert not resident(kernel)
            await kernel.reactivate()
            assert await ask(kernel, 2) == 4
            assert device.launches == 2

    go(probe)


def call_in_thread(function: Callable[[], None]) -> threading.Event:
    """Run something in a thread; the event is set when it is over."""
    over = threading.Event()

    def run() -> None:
        function()
        over.set()

    threading.Thread(target=run, daemon=True).start()
    return over


def test_a_call_that_waits_for_the_device_waits_one_residency(device: Emulator) -> None:
    """While our event loop does nothing at all: nobody but the clock ends the residency."""

    async def probe() -> None:
        device.clock.hold()
        async with on_device(idle=1.0) as kernel:
            assert await ask(kernel, 1) == 2
            over = call_in_thread(lambda: device.waiting_call("cudaFree"))
            await some_rounds(device)
            assert resident(kernel)
            assert not over.is_set()
            device.clock.advance(1.01 * RESIDENCY)
            assert over.wait(10)  # blocks the event loop
            device.clock.run()

    go(probe)


def test_the_event_loops_own_thread_may_wait_for_the_device(device: Emulator) -> None:
    async def probe() -> None:
        async with on_device() as kernel:
            for n in range(100):
                await kernel.send(Job(n))
                if n % 10 == 0:
                    device.waiting_call("cudaDeviceSynchronize")
            assert [(await kernel.receive()).value for _ in range(100)] == [
                2 * n for n in range(100)
            ]

    go(probe)


def test_paused_leaves_the_device_to_others(device: Emulator) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend="cuda", residency=None) as runtime:
            kernel = await runtime.launch("plain", decorated(plain))
            await kernel.activate()
            assert await ask(kernel, 1) == 2
            async with runtime.paused():
                device.waiting_call("ncclCommInitRank")
                await kernel.send(Job(7))
                launches = device.launches
                await asyncio.sleep(0)
                assert (device.running, device.launches) == (0, launches)
            assert (await kernel.receive()).value == 14

    go(probe)


def test_terminating_while_paused(device: Emulator) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend="cuda") as runtime:
            kernel = await runtime.launch("plain", decorated(plain))
            await kernel.activate()
            async with runtime.paused():
                await kernel.send(Job(7))
                ended = await kernel.terminate(drain=False)
                assert ended.unprocessed == (Job(7),)

    go(probe)


def test_a_fault_ends_who_was_there_and_names_it(device: Emulator) -> None:
    async def probe() -> None:
        device.clock.hold()
        async with RingKernelRuntime(backend="cuda", fallback="allow") as runtime:
            victim = await runtime.launch("victim", decorated(plain, kernel_id="victim"))
            parked = await runtime.launch("parked", decorated(plain, kernel_id="parked"))
            for kernel in (parked, victim):
                await kernel.activate()
                assert await ask(kernel, 1) == 2
                if kernel is parked:
                    device.clock.advance(2 * IDLE)
                    await until(lambda: not resident(parked))
                    await until(lambda: not engine_of(parked).run_flags)
            device.fault()
            with pytest.raises(ActorFailedError) as caught:
                await victim.receive(timeout=10)
            assert str(caught.value) == (
                "kernel 'victim' failed: BackendUnavailableError: while 'victim' was on the GPU, "
                "the GPU stopped working (an illegal memory access was encountered "
                "(cudaErrorIllegalAddress)); it can be used again by a new process, and "
                "`pydotcompute doctor` says how to find the cause"
            )
            assert victim.state is KernelState.FAILED
            await parked.send(Job(20))
            answer = await parked.receive(timeout=10)
            assert (answer.value, answer.total, parked.backend) == (40, 21, "python")
            await victim.restart()
            assert await ask(victim, 3) == 6
            assert victim.backend == "python"

    go(probe)


def test_a_launch_after_a_fault_is_refused(device: Emulator) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend="cuda", fallback="allow") as runtime:
            kernel = await runtime.launch("plain", decorated(plain))
            await kernel.activate()
            device.fault()
            await kernel.send(Job(5))
            assert (await kernel.receive(timeout=10)).value == 10
            assert kernel.backend == "python"

    go(probe)


@pytest.mark.parametrize("connections", [1, 3])
def test_hundreds_of_actors_take_turns(device: Emulator, connections: int) -> None:
    device.connections, device.capacity = connections, 16

    async def probe() -> None:
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernels = []
            for n in range(200):
                function = plain if n % 2 else tally
                name = f"{function.__name__} {n}"
                kernel = await runtime.launch(name, decorated(function, kernel_id=name))
                await kernel.activate()
                kernels.append(kernel)
            for turn in range(3):
                for kernel in kernels:
                    await kernel.send(Job(turn))
                for kernel in kernels:
                    assert (await kernel.receive(timeout=20)).value == 2 * turn
            assert device.most_executing <= connections

    go(probe)


def test_one_that_never_answers_does_not_keep_others_from_their_turn(device: Emulator) -> None:
    device.connections = 2

    async def probe() -> None:
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            spinning = await runtime.launch("tally", decorated(tally))
            others = [
                await runtime.launch(name, decorated(plain, kernel_id=name)) for name in "abc"
            ]
            for kernel in (spinning, *others):
                await kernel.activate()
            await spinning.send(Job(1, SPIN))
            for turn in range(3):
                for kernel in others:
                    await kernel.send(Job(turn))
                for kernel in others:
                    assert (await kernel.receive(timeout=20)).value == 2 * turn
            ended = await spinning.terminate(timeout=0.2)
            assert ended.unprocessed == (Job(1, SPIN),)

    go(probe)


def test_actors_that_stay_for_ever_are_counted(device: Emulator) -> None:
    device.capacity = 2

    async def probe() -> None:
        async with RingKernelRuntime(backend="cuda", residency=None) as runtime:
            for name in ("a", "b"):
                kernel = await runtime.launch(name, decorated(plain, kernel_id=name))
                await kernel.activate()
            with pytest.raises(BackendUnavailableError) as caught:
                await runtime.launch("c", decorated(plain, kernel_id="c"))
            assert str(caught.value) == (
                f"kernel 'c' would be resident actor number 3 on {device.name}, which holds 2 of "
                "its kind at the same time; terminate another, or give the runtime a residency in "
                "seconds, which lets them take turns"
            )

    go(probe)


def test_debug_step_looks_so_many_times(device: Emulator) -> None:
    async def probe() -> None:
        with scope(debug_step=3):
            async with on_device() as kernel:
                for n in range(5):
                    assert await ask(kernel, n) == 2 * n
                await until(lambda: not engine_of(kernel).run_flags)
                assert engine_of(kernel).block.record[VISITS] == 3

    go(probe)


def test_failures_and_prints_end_a_residency(
    device: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    async def probe() -> None:
        async with on_device(tally) as kernel:
            for value, op in ((1, ADD), (2, PRINT), (3, PRINT), (0, FAIL)):
                await kernel.send(Job(value, op))
            assert (await kernel.receive()).value == 2
            with pytest.raises(ActorFailedError) as caught:
                await kernel.receive()
            trace = caught.value.__cause__.__traceback__  # type: ignore[union-attr]
            assert isinstance(caught.value.__cause__, ZeroDivisionError)
            while trace.tb_next is not None:  # type: ignore[union-attr]
                trace = trace.tb_next  # type: ignore[union-attr]
            assert trace.tb_frame.f_code.co_filename.endswith("contract.py")  # type: ignore
            assert caught.value.state == {"total": 6}

    go(probe)
    assert capsys.readouterr().out.startswith("job 2\njob 3\n")


async def inexact(ctx: KernelContext[Job, Answer]) -> None:
    while True:
        job = await ctx.receive()
        await ctx.send(Answer(int(math.gamma(job.value + 1.0)), int(math.log(job.value, 2.0))))


def test_what_a_gpu_computes_less_exactly_is_left_to_the_host(device: Emulator) -> None:
    reason = (
        "it calls math.gamma, math.log of a base, which a GPU computes less exactly than to 2 "
        "units in the last place"
    )

    async def probe() -> None:
        async with RingKernelRuntime(backend="cuda", fallback="allow") as runtime:
            kernel = await runtime.launch("inexact", decorated(inexact))
            assert (kernel.backend, kernel.reason) == ("native", reason)
            await kernel.activate()
            assert await ask(kernel, 4) == 24
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            with pytest.raises(LoweringError, match="less exactly"):
                await runtime.launch("inexact", decorated(inexact))

    go(probe)


def test_outputs_wait_for_room(device: Emulator) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernel = await runtime.launch("plain", decorated(plain, queue_size=4))
            await kernel.activate()
            feeding = asyncio.ensure_future(kernel.send_many([Job(n) for n in range(40)]))
            got = [(await kernel.receive(timeout=10)).value for _ in range(40)]
            assert got == [2 * n for n in range(40)]
            assert await feeding == 40
            stats = kernel.statistics()
            assert stats.output_peak <= 4

    go(probe)


def test_memory_of_the_device_is_asked_for_by_a_worker(
    device: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a call waits for what is resident: the event loop must not."""
    asked: list[str] = []

    def note(name: str) -> None:
        if name.startswith("cuda"):
            asked.append(threading.current_thread().name)

    monkeypatch.setattr(device, "waiting_call", note)

    async def probe() -> None:
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            for n in range(3):
                kernel = await runtime.launch(f"k{n}", decorated(plain, kernel_id=f"k{n}"))
                await kernel.activate()
                assert await ask(kernel, n) == 2 * n

    go(probe)
    assert len(asked) == 2
    assert threading.main_thread().name not in asked


@pytest.mark.parametrize("strategy", list(BackpressureStrategy)[1:])
def test_a_request_to_a_busy_actor_keeps_to_its_time(
    device: Emulator, strategy: BackpressureStrategy
) -> None:
    async def probe() -> None:
        actor = decorated(tally, backpressure=strategy)
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernel = await runtime.launch("tally", actor)
            await kernel.activate()
            await kernel.send(Job(1, SPIN))
            await until(lambda: device.launches == 1)
            with pytest.raises(QueueTimeoutError, match="busy"):
                await kernel.request(Job(2), timeout=0.02)
            figures = kernel.statistics()
            assert (figures.received, figures.timeouts) == (1, 1)
            await kernel.terminate(timeout=0.1, drain=False)

    go(probe)


def test_actors_of_one_function_share_a_kernel_whatever_their_ids(device: Emulator) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernels = [await runtime.launch(f"one_of_{n}", decorated(plain)) for n in range(3)]
            for n, kernel in enumerate(kernels):
                await kernel.activate()
                assert await ask(kernel, n) == 2 * n
            assert len({id(engine_of(kernel).kernel) for kernel in kernels}) == 1

    go(probe)


@pytest.mark.parametrize("backend", ["cuda", "auto"])
def test_a_device_without_memory_leaves_the_actor_to_the_host(
    device: Emulator, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    def full(size: int) -> Any:
        raise DeviceFault("cudaErrorMemoryAllocation: out of memory")

    monkeypatch.setattr(device, "memory", full)
    monkeypatch.setattr(devices, "find", lambda backend: device)

    async def probe() -> None:
        async with RingKernelRuntime(backend=backend, fallback="allow") as runtime:
            actor = decorated(plain)
            kernel = await runtime.launch(actor.kernel_id, actor)
            assert kernel.backend == "native"
            assert kernel.reason == (
                f"{device.name} gave no memory for it (cudaErrorMemoryAllocation: out of memory)"
            )
            await kernel.activate()
            assert await ask(kernel, 4) == 8
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            with pytest.raises(LoweringError, match="out of memory"):
                await runtime.launch(actor.kernel_id, actor)

    go(probe)


def test_a_device_that_dies_when_a_stream_is_made(
    device: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was resident: the interpreter carries on, and no client sees the fault."""

    def stream() -> Any:
        raise DeviceFault("an illegal memory access was encountered")

    async def probe() -> None:
        async with RingKernelRuntime(backend="cuda", fallback="allow") as runtime:
            kernels = [await runtime.launch(f"streamless_{n}", decorated(plain)) for n in range(2)]
            monkeypatch.setattr(device, "stream", stream)
            for kernel in kernels:
                await kernel.activate()
                assert await ask(kernel, 4) == 8
                assert kernel.backend == "python"
                assert "an illegal memory access" in (kernel.reason or "")

    go(probe)
