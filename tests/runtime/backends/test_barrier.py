"""The barrier around every engine: a fault of ours ends one actor with ``InternalError``.

Each test puts a fault into one place of an engine: into a burst on the event loop, on a worker
thread, on a client's stack; into a timer; into beginning, pausing and closing.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    KernelContext,
    KernelState,
    RingKernelRuntime,
    message,
)
from pydotcompute.backends.compiled.block import Block
from pydotcompute.backends.cuda import device_selection
from pydotcompute.backends.cuda.emulated_device import Emulator
from pydotcompute.backends.cuda.engine import CudaEngine
from pydotcompute.backends.native.engine import NativeEngine
from pydotcompute.backends.python.engine import PythonEngine
from pydotcompute.errors import InternalError
from pydotcompute.messages.slots import RecordSlots
from pydotcompute.queues.channel import Channel
from pydotcompute.support import worker_pool
from pydotcompute.support.worker_pool import Pool
from tests.contract.test_contract_failure import ticking
from tests.support.contract import Answer, Job, decorated, go, launched, plain, tally, until
from tests.support.native_actor import kit as native_kit


class FaultError(Exception):
    """What the tests put into an engine."""


def boom(*_: Any, **__: Any) -> Any:
    raise FaultError("provoked")


@pytest.fixture
def compiled(way: str) -> str:
    if way == "python":
        pytest.skip("nothing is compiled")
    return way


def engine_of(kernel: Any) -> Any:
    return kernel._actor.engine


def put_fault(engine: Any, name: str) -> None:
    """Let a method of this one engine raise."""
    setattr(engine, name, boom)


def caused_by_fault(error: BaseException | None) -> bool:
    """Whether an error of a client names an internal error, and that the fault."""
    assert isinstance(error, ActorFailedError)
    assert isinstance(error.__cause__, InternalError)
    return isinstance(error.__cause__.__cause__, FaultError)


async def fails(call: Any) -> None:
    with pytest.raises(ActorFailedError) as caught:
        await call
    assert caused_by_fault(caught.value)


async def drain_of(kernel: Any) -> None:
    while True:
        await kernel.receive()


async def others_go_on(runtime: Any, other: Any) -> None:
    """Another actor answers, worker threads work, and closing comes to its end."""
    assert (await other.request(Job(4))).value == 8
    assert await runtime._pool.call(lambda: 42) == 42
    await runtime.close()


async def with_other(way: str, function: Any = plain, **settings: Any) -> tuple[Any, Any, Any]:
    """A runtime, an actor for the fault, and another."""
    if way != "python" and native_kit.library() is None:
        pytest.skip("no C++ compiler")
    runtime = RingKernelRuntime(backend=way, fallback="error")
    kernel = await runtime.launch("faulty", decorated(function, kernel_id="faulty", **settings))
    other = await runtime.launch("other", decorated(tally, kernel_id="other"))
    await kernel.activate()
    await other.activate()
    return runtime, kernel, other


def in_the_next_step(engine: Any) -> None:
    put_fault(engine, "take" if isinstance(engine, PythonEngine) else "_step")


def test_a_burst_on_the_event_loop(way: str) -> None:
    async def probe() -> None:
        runtime, kernel, other = await with_other(way)
        receiver = asyncio.ensure_future(kernel.receive())
        await asyncio.sleep(0)
        in_the_next_step(engine_of(kernel))
        await kernel.send(Job(1))
        await fails(receiver)
        assert kernel.state is KernelState.FAILED
        await fails(kernel.send(Job(2)))
        await others_go_on(runtime, other)

    go(probe)


def test_requests_and_parked_senders_are_woken(way: str) -> None:
    async def probe() -> None:
        runtime, kernel, other = await with_other(way, queue_size=1)
        await kernel.deactivate()
        asker = asyncio.ensure_future(kernel.request(Job(1)))
        await until(lambda: kernel.statistics().input_depth == 1)
        sender = asyncio.ensure_future(kernel.send(Job(2)))
        await until(lambda: kernel._inbox.putters)
        in_the_next_step(engine_of(kernel))
        await kernel.reactivate()
        await fails(asker)
        await until(sender.done)  # its message was taken, or it was told
        if sender.exception() is not None:
            assert caused_by_fault(sender.exception())
        assert kernel.state is KernelState.FAILED
        await others_go_on(runtime, other)

    go(probe)


def test_sorting_out_replies(compiled: str) -> None:
    """The reply was written, and cannot be given to its caller; nobody else gets it."""

    async def probe() -> None:
        runtime, kernel, other = await with_other(compiled)
        await kernel.request(Job(1))
        receiver = asyncio.ensure_future(kernel.receive())
        await asyncio.sleep(0)
        engine_of(kernel).outport.slots.unpack = boom
        asker = asyncio.ensure_future(kernel.request(Job(2)))
        await fails(asker)
        await fails(receiver)
        assert kernel.state is KernelState.FAILED
        await others_go_on(runtime, other)

    go(probe)


def test_a_burst_on_a_clients_stack(compiled: str) -> None:
    async def probe() -> None:
        runtime, kernel, other = await with_other(compiled)
        await kernel.request(Job(1))
        engine = engine_of(kernel)
        await until(lambda: not engine.run_flags)
        engine.detach()
        put_fault(engine, "_step")
        await kernel.send(Job(2))
        await fails(kernel.receive())
        assert kernel.state is KernelState.FAILED
        await others_go_on(runtime, other)

    go(probe)


def test_a_burst_on_a_worker_thread() -> None:
    async def probe() -> None:
        runtime, kernel, other = await with_other("native")
        engine = engine_of(kernel)
        receiver = asyncio.ensure_future(kernel.receive())
        await asyncio.sleep(0)
        where: list[int] = []

        def burst(*_: Any) -> int:
            where.append(threading.get_ident())
            raise FaultError("provoked")

        engine.block.burst_free = burst
        engine.sizing.long = True
        await kernel.send(Job(1))
        await fails(receiver)
        assert where
        assert where[0] != threading.get_ident()
        assert kernel.state is KernelState.FAILED
        await others_go_on(runtime, other)

    go(probe)


def test_a_pause_that_waits_for_the_worker_that_fails() -> None:
    async def probe() -> None:
        runtime, kernel, other = await with_other("native")
        engine = engine_of(kernel)
        go_on = threading.Event()

        def burst(*_: Any) -> int:
            go_on.wait()
            raise FaultError("provoked")

        engine.block.burst_free = burst
        engine.sizing.long = True
        await kernel.send(Job(1))
        await until(lambda: engine.run_flags)
        pausing = asyncio.ensure_future(kernel.deactivate())
        await asyncio.sleep(0)
        go_on.set()
        await pausing
        assert kernel.state is KernelState.FAILED
        await others_go_on(runtime, other)

    go(probe)


@message
@dataclass
class Said:
    text: str


async def talking(ctx: KernelContext[Job, Said]) -> None:
    while True:
        job = await ctx.receive()
        await ctx.send(Said(f"order {job.value}"))


@pytest.mark.parametrize("long", [False, True], ids=["loop", "worker"])
@pytest.mark.parametrize("way", ["native", "native-pure"], indirect=True)
def test_strings_that_the_host_makes(
    way: str, long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host's share of a burst: outputs that wait for it are not shown to anybody."""

    async def probe() -> None:
        runtime, kernel, other = await with_other(way, talking)
        assert (await kernel.request(Job(1))).text == "order 1"
        monkeypatch.setattr(Block, "make_texts", boom)
        engine_of(kernel).sizing.long = long
        await kernel.send(Job(2))
        await fails(kernel.receive())
        assert kernel.state is KernelState.FAILED
        assert kernel.statistics().output_depth == 0
        await others_go_on(runtime, other)

    go(probe)


def test_a_look_of_the_device_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Emulator()
    monkeypatch.setattr(device_selection, "find", lambda backend: device)

    async def probe() -> None:
        runtime, kernel, other = await with_other("cuda")
        put_fault(engine_of(kernel), "_look")
        await kernel.send(Job(1))
        await fails(drain_of(kernel))  # the device may have sent something before
        assert kernel.state is KernelState.FAILED
        await others_go_on(runtime, other)

    go(probe)


def test_a_launch_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Emulator()
    monkeypatch.setattr(device_selection, "find", lambda backend: device)

    async def probe() -> None:
        runtime, kernel, other = await with_other("cuda")
        await until(lambda: not engine_of(kernel).run_flags)
        put_fault(engine_of(kernel), "_prepare_launch")
        await kernel.send(Job(1))
        await fails(kernel.receive())
        await others_go_on(runtime, other)

    go(probe)


def test_a_timer_of_the_device_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Emulator()
    monkeypatch.setattr(device_selection, "find", lambda backend: device)

    async def probe() -> None:
        runtime, kernel, other = await with_other("cuda")
        await until(lambda: not engine_of(kernel).run_flags and not engine_of(other).run_flags)
        residents = engine_of(kernel).residents
        residents.dispatch = boom
        receiver = asyncio.ensure_future(kernel.receive())
        await kernel.send(Job(1))
        await fails(receiver)
        del residents.dispatch
        await others_go_on(runtime, other)

    go(probe)


def test_the_timer_of_a_receive(compiled: str) -> None:
    async def probe() -> None:
        async with launched(compiled, ticking) as kernel:
            await kernel.request(Job(1))
            engine = engine_of(kernel)
            await until(lambda: not engine.run_flags and engine._timer._timer is not None)
            put_fault(engine, "_step")
            engine._timer.set(0.0)  # the wait is over now
            await fails(kernel.receive())
            assert kernel.state is KernelState.FAILED

    go(probe)


@pytest.mark.parametrize("step", ["_prepare", "_new_block", "wake"])
def test_beginning(compiled: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = CudaEngine if compiled == "cuda" else NativeEngine
    monkeypatch.setattr(cls, step, boom)

    async def probe() -> None:
        async with RingKernelRuntime(backend=compiled, fallback="allow") as runtime:
            kernel = await runtime.launch("faulty", decorated(plain, kernel_id="faulty"))
            await kernel.activate()
            if step == "_new_block":  # nothing is lost yet: the interpreter takes over
                assert (await kernel.request(Job(1))).value == 2
                return
            await fails(kernel.request(Job(1)))
            assert kernel.state is KernelState.FAILED

    go(probe)


def test_an_engine_that_cannot_be_made(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for cls in (PythonEngine, NativeEngine, CudaEngine):
        monkeypatch.setattr(cls, "__init__", boom)

    async def probe() -> None:
        async with launched(way, plain) as kernel:
            assert kernel.state is KernelState.FAILED
            await fails(kernel.receive())

    go(probe)


def test_pausing(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def probe() -> None:
        runtime, kernel, other = await with_other(way)
        receiver = asyncio.ensure_future(kernel.receive())
        await asyncio.sleep(0)
        with monkeypatch.context() as patch:
            if way == "python":
                patch.setattr(Channel, "interrupt", boom)
            else:
                put_fault(engine_of(kernel), "_at_rest")
            await kernel.deactivate()
        assert kernel.state is KernelState.FAILED
        await fails(receiver)
        await others_go_on(runtime, other)

    go(probe)


@pytest.mark.parametrize("drain", [True, False])
def test_ending(way: str, drain: bool) -> None:
    """The state cannot be read when the actor is ended."""

    async def probe() -> None:
        runtime, kernel, other = await with_other(way)
        await kernel.request(Job(1))
        engine = engine_of(kernel)
        if isinstance(engine, PythonEngine):
            put_fault(engine, "unpause")
        else:
            await until(lambda: not engine.run_flags)
            engine.block.values = boom
        report = await kernel.terminate(drain=drain)
        assert report.failure is not None
        assert caused_by_fault(report.failure)
        assert kernel.state is KernelState.TERMINATED
        await others_go_on(runtime, other)

    go(probe)


@pytest.mark.parametrize("many", [False, True])
def test_an_output_that_cannot_be_read(
    compiled: str, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def probe() -> None:
        runtime, kernel, other = await with_other(compiled)
        await kernel.request(Job(1))
        port = kernel._outbox.port
        port.layout = None  # not the extension's way
        port.slots.unpack = boom
        monkeypatch.setattr(RecordSlots, "batch", boom)
        port.pull_batch = lambda limit: None
        await kernel.send(Job(1))
        await fails(kernel.receive_many(5) if many else kernel.receive())
        assert kernel.state is KernelState.FAILED
        await others_go_on(runtime, other)

    go(probe)


def test_a_batch_that_passes_the_rings_by(compiled: str) -> None:
    if compiled != "native":
        pytest.skip("batches go through the rings")

    async def probe() -> None:
        runtime, kernel, other = await with_other(compiled)
        await kernel.send_many([Job(1), Job(2)])
        put_fault(engine_of(kernel), "_after_burst")
        assert (await kernel.receive_many(2))["value"].tolist() == [2, 4]
        await fails(kernel.receive_many(2))
        assert kernel.state is KernelState.FAILED
        await others_go_on(runtime, other)

    go(probe)


@pytest.mark.parametrize("call", ["statistics", "leaving the rings"])
def test_what_is_asked_of_an_engine(compiled: str, call: str) -> None:
    async def probe() -> None:
        async with launched(compiled, plain) as kernel:
            await kernel.request(Job(1))
            put_fault(engine_of(kernel), "_count")
            if call == "statistics":
                assert kernel.statistics().received == 1
            else:
                kernel._actor.use_objects()
            assert kernel.state is KernelState.FAILED
            await fails(kernel.receive())

    go(probe)


def test_outputs_from_before_are_received_and_the_state_is_known(compiled: str) -> None:
    async def probe() -> None:
        async with launched(compiled, tally) as kernel:
            for n in range(3):
                await kernel.send(Job(n))
            await until(lambda: kernel.statistics().processed == 3)
            await until(lambda: not engine_of(kernel).run_flags)
            put_fault(engine_of(kernel), "_at_rest")
            await kernel.deactivate()
            assert [await kernel.receive() for _ in range(3)] == [
                Answer(0, 0), Answer(2, 1), Answer(4, 3),
            ]  # fmt: skip
            await fails(kernel.receive())
            await kernel.restart()
            assert await kernel.request(Job(1)) == Answer(2, 4)

    go(probe)


def test_a_message_is_not_handled_by_an_interpreter_that_failed(way: str) -> None:
    """What the actor catches does not keep it alive."""
    if way != "python":
        pytest.skip("of the interpreter")
    seen: list[int] = []

    async def stubborn(ctx: Any) -> None:
        while True:
            try:
                job = await ctx.receive()
                seen.append(job.value)
            except Exception:
                seen.append(-1)

    async def probe() -> None:
        runtime = RingKernelRuntime(backend="python")
        kernel = await runtime.launch(
            "stubborn", decorated(stubborn, kernel_id="stubborn", input_type=Job)
        )
        await kernel.activate()
        put_fault(engine_of(kernel), "take")
        await kernel.send(Job(1))
        await fails(kernel.receive())
        await runtime.close()
        assert seen == []

    go(probe)


def test_a_worker_thread_outlives_its_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    logged, done = threading.Event(), threading.Event()
    monkeypatch.setattr(worker_pool.log, "exception", lambda *_: logged.set())
    monkeypatch.setattr(worker_pool, "_MOST", 1)
    pool = Pool()
    pool.submit(boom)
    assert logged.wait(30)
    pool.submit(done.set)
    assert done.wait(30)  # there is no other thread
    pool.close()
