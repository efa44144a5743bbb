"""The C extension: it does what the Python does, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import inspect
import subprocess
import sys
import warnings
import weakref
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import numpy as np
import pytest
from annotated_types import MaxLen
from hypothesis import given
from hypothesis import strategies as st

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    KernelClosedError,
    KernelNotFoundError,
    MessageTypeError,
    MessageValueError,
    QueueFullError,
    QueueTimeoutError,
    RingKernel,
    RingKernelRuntime,
    fastpath,
    message,
)
from pydotcompute.codec import FieldError, codec_of
from pydotcompute.compiler.schema import StringTableFullError
from pydotcompute.ring import InputRing
from tests.native_actor.kit import (
    DEOPTIMISE,
    FAIL,
    LEAVE,
    PRINT,
    RETURN,
    SEND,
    SEVERAL,
    SPIN,
    Result,
    Task,
    printed,
)

needs_extension = pytest.mark.skipif(fastpath.extension is None, reason="not built")


@pytest.fixture(params=["c", "python"])
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    """With the extension and without it, in one process."""
    if request.param == "c" and fastpath.extension is None:
        pytest.skip("not built")
    fastpath.use(request.param == "c")
    yield request.param
    fastpath.use()


# --- records -------------------------------------------------------------------------------


class Colour(Enum):
    RED = "r"
    GREEN = "g"


@message
@dataclass
class Scalars:
    a: bool
    b: int
    c: float
    d: np.bool_
    e: np.int8
    f: np.uint16
    g: np.int32
    h: np.uint64
    i: np.float16
    j: np.float32
    k: np.float64
    m: str
    n: Colour


@message
@dataclass(slots=True)
class Slotted:
    first: int
    second: float


@message
@dataclass(frozen=True)
class Frozen:
    first: np.int64
    second: str


@message
class Nothing:
    pass


FLAT = (Scalars, Slotted, Frozen, Nothing)

SCALARS = [
    np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
    np.float16, np.float32, np.float64,
]  # fmt: skip
anything = st.one_of(
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.integers(-3, 300),
    st.floats(),
    st.sampled_from(["", "abc", "\N{SNOWMAN}"]),
    st.sampled_from(Colour),
    st.none(),
    st.sampled_from([kind(value) for kind in SCALARS for value in (0, 1, 100)]),
    st.sampled_from([np.float32("nan"), np.float64("inf"), np.int64(-(2**63))]),
)


def packed(cls: type, values: Any) -> tuple[bytes | None, bytes | None]:
    """The record by the codec and by the extension; None where either refuses."""
    codec = codec_of(cls)
    record = bytearray(codec.record_size)
    try:
        codec.pack_into(record, 0, values)
    except (FieldError, StringTableFullError):
        return None, fastpath.layout_of(cls).record(values)
    return bytes(record), fastpath.layout_of(cls).record(values)


@needs_extension
@pytest.mark.parametrize("cls", FLAT)
@given(data=st.data())
def test_records_are_those_of_the_codec(cls: type, data: st.DataObject) -> None:
    codec = codec_of(cls)
    values = cls(*[data.draw(anything) for _ in codec.schema.fields])
    right, fast = packed(cls, values)
    if fast is not None:  # otherwise the codec does it
        assert fast == right
    if right is not None:
        mine, theirs = fastpath.layout_of(cls).message(right), codec.unpack_from(right, 0)
        assert type(mine) is type(theirs)
        for field in codec.schema.fields:
            one, other = getattr(mine, field.name), getattr(theirs, field.name)
            assert type(one) is type(other)
            assert repr(one) == repr(other)
        assert mine.message_id != theirs.message_id  # a header of its own


@needs_extension
def test_usual_values_do_not_need_the_codec() -> None:
    values = Scalars(
        True, -(2**63), 1.5, np.True_, np.int8(-1), np.uint16(7), np.int32(9), np.uint64(2**63),
        np.float16(0.5), np.float32(1.5), np.float64(2.5), "", Colour.GREEN,
    )  # fmt: skip
    right, fast = packed(Scalars, values)
    assert fast == right is not None
    plain = Scalars(False, 5, 2, True, 1, 2, 3, 4, np.float16(1), 1, 2, "", Colour.RED)  # type: ignore[arg-type]
    right, fast = packed(Scalars, plain)
    assert fast == right is not None
    assert packed(Slotted, Slotted(1, np.float64(0.1)))[1] is not None


@needs_extension
def test_values_at_the_limits() -> None:
    for kind, low, high in (
        ("e", -128, 127), ("f", 0, 65535), ("g", -(2**31), 2**31 - 1), ("h", 0, 2**64 - 1),
    ):  # fmt: skip
        values: dict[str, Any] = dict.fromkeys("befghjk", 0)
        values |= {"a": True, "c": 0.0, "d": True, "i": np.float16(0), "m": "", "n": Colour.RED}
        for value, fits in ((low, True), (high, True), (low - 1, False), (high + 1, False)):
            right, fast = packed(Scalars, Scalars(**{**values, kind: value}))
            assert (right is not None) == (fast is not None) == fits
            assert fast == right


@needs_extension
def test_what_is_left_to_the_codec() -> None:
    @message
    @dataclass
    class Many:
        items: Annotated[list[int], MaxLen(3)]

    @message
    @dataclass
    class Perhaps:
        item: int | None

    @message
    @dataclass
    class Either:
        item: Literal[1, 2]

    @message
    @dataclass
    class Named:
        item: UUID

    for cls in (Many, Perhaps, Either, Named, None):
        assert fastpath.layout_of(cls) is None
    for cls in FLAT:
        assert fastpath.layout_of(cls) is not None


@needs_extension
def test_a_field_that_is_not_set_and_one_that_raises() -> None:
    layout = fastpath.layout_of(Slotted)
    assert layout.record(object.__new__(Slotted)) is None
    assert layout.record(object()) is None

    @message
    @dataclass
    class Odd:
        value: int

    layout = fastpath.layout_of(Odd)
    made = object.__new__(Odd)
    assert layout.record(made) is None

    def interrupted(_: Any) -> int:
        raise KeyboardInterrupt

    Odd.value = property(interrupted)  # type: ignore[assignment, method-assign]
    with pytest.raises(KeyboardInterrupt):
        layout.record(made)
    with pytest.raises(ValueError, match="another size"):
        layout.message(b"")


# --- the same with and without -------------------------------------------------------------


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
            await kernel.send(Task(SEND, 1))
            await kernel.receive()
            await kernel.send(Task(operation, 1))
            if operation == FAIL:
                with pytest.raises(Exception, match="bad value 1"):
                    await kernel.receive()
                return
            await kernel.send(Task(SEND, 2))
            assert (await kernel.receive()).total == 4
            assert kernel.backend == "python"

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


# --- requests ------------------------------------------------------------------------------


def test_requests_one_after_another_and_at_once(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=10)
            for n in range(2000):
                task = Task(SEND, n)
                reply = await (kernel.request(task) if n % 2 else runtime.request("kit", task))
                assert reply.value == 2 * n
                assert reply.correlation_id == task.message_id
            tasks = [Task(SEND, n) for n in range(100)]
            replies = await asyncio.gather(*(runtime.request("kit", task) for task in tasks))
            assert [reply.value for reply in replies] == [2 * n for n in range(100)]
            assert [reply.correlation_id for reply in replies] == [t.message_id for t in tasks]
            found = kernel.statistics()
            assert (found.received, found.processed, found.sent) == (2100, 2100, 2100)
            assert (found.output_depth, kernel._actor.replies.pending) == (0, {})

    run(main())


def test_requests_among_other_messages(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=10)
            for n in range(0, 300, 3):
                await kernel.send(Task(SEND, n))
                reply = await kernel.request(Task(SEND, n + 1))
                assert reply.value == 2 * n + 2
                assert (await kernel.receive()).value == 2 * n
                assert (
                    await runtime.request("kit", Task(SEND, n + 2), timeout=5)
                ).value == 2 * n + 4
            # the first output is the reply, the others are not
            reply = await kernel.request(Task(SEVERAL, 4))
            assert reply.value == 0
            assert [(await kernel.receive()).value for _ in range(3)] == [1, 2, 3]

    run(main())


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_request_with_more_outputs_than_room(kit: Any, run: Any, path: str, size: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=size)
            for _ in range(3):
                assert (await kernel.request(Task(SEVERAL, 6))).value == 0
                assert [(await kernel.receive()).value for _ in range(5)] == [1, 2, 3, 4, 5]
            assert (await kernel.request(Task(SEND, 6))).value == 12

    run(main())


@pytest.mark.parametrize("policy", [BackpressureStrategy.REJECT, BackpressureStrategy.DROP_OLDEST])
def test_replies_under_other_policies(kit: Any, run: Any, path: str, policy: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=2, backpressure=policy)
            assert (await kernel.request(Task(SEVERAL, 3))).value == 0
            assert [(await kernel.receive()).value for _ in range(2)] == [1, 2]

    run(main())


@pytest.mark.parametrize("operation", [LEAVE, RETURN])
def test_a_request_that_ends_the_actor(kit: Any, run: Any, path: str, operation: int) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            with pytest.raises(KernelClosedError, match="kernel 'kit' has ended"):
                await kernel.request(Task(operation, 1))
            with pytest.raises(KernelClosedError, match="kernel 'kit' has ended"):
                await kernel.request(Task(SEND, 1))

    run(main())


def test_a_request_that_fails_or_has_no_answer(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await kit(runtime)
            for seconds in (0, 0.001):
                with pytest.raises(QueueTimeoutError, match="no reply from kernel 'kit' within"):
                    await kernel.request(Task(PRINT, 1), timeout=seconds)
            assert (await kernel.request(Task(SPIN, 300_000))).value == 300_000
            waiting = asyncio.create_task(kernel.request(Task(PRINT, 2)))
            for _ in range(3):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert (await kernel.request(Task(SEND, 4))).value == 8
            for wrong in (Task("x"), Result(1, 1), None):  # type: ignore[arg-type]
                with pytest.raises(MessageTypeError):
                    await kernel.request(wrong)
            with pytest.raises(ActorFailedError, match="bad value 9") as caught:
                await kernel.request(Task(FAIL, 9))
            assert caught.value.message_in == Task(FAIL, 9)

    run(main())


def test_a_request_that_compiled_code_cannot_serve(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await kit(runtime)
            waiting = asyncio.create_task(kernel.request(Task(DEOPTIMISE, 5)))
            for _ in range(5):
                await asyncio.sleep(0)
            reply = await kernel.request(Task(SEND, 4))
            assert (reply.value, reply.total) == (8, 9)
            assert kernel.backend == "python"
            waiting.cancel()

    run(main())


# --- coroutines ----------------------------------------------------------------------------


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


def test_other_tasks_have_their_turn(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            await kit(runtime)
            turns, longest, done = 0, 0, False

            async def other() -> None:
                nonlocal turns
                while not done:
                    turns += 1
                    await asyncio.sleep(0)

            watcher = asyncio.create_task(other())
            since, before = 0, 0
            for n in range(3000):
                await runtime.send("kit", Task(SEND, n))
                await runtime.receive("kit")
                since = 0 if turns != before else since + 2
                before, longest = turns, max(longest, since)
            done = True
            await watcher
            assert turns >= 6000 // 256
            assert longest <= 256

    run(main())


def test_cancelled_while_it_lets_others_run(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.send(Task(SEND, 1))
            while not kernel.statistics().output_depth:
                await asyncio.sleep(0)
            kernel._credit = 1
            waiting = asyncio.create_task(kernel.receive())
            await asyncio.sleep(0)
            assert not waiting.done()
            waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()
            assert (await kernel.receive()).value == 2

    run(main())


# --- memory --------------------------------------------------------------------------------


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


@needs_extension
def test_storage_of_a_ring() -> None:
    ring = InputRing.__new__(InputRing)
    for name in ("words", "buffer", "wake"):
        with pytest.raises(AttributeError, match=name):
            getattr(ring, name)
    with pytest.raises(ValueError, match="too small"):
        ring.words = memoryview(bytearray(8))
    with pytest.raises(BufferError):
        ring.buffer = memoryview(bytearray(8))[::2]
    memory = memoryview(bytearray(8))
    ring.buffer = memory
    assert ring.buffer is memory
    with pytest.raises(BufferError):
        memory.release()
    del ring
    memory.release()


def test_without_the_extension() -> None:
    program = (
        "import sys; sys.modules['pydotcompute._fastpath'] = None\n"
        "import asyncio, inspect\n"
        "from pydotcompute import RingKernel, RingKernelRuntime, fastpath\n"
        "assert fastpath.extension is None and not fastpath.use()\n"
        "assert inspect.iscoroutinefunction(RingKernel.send)\n"
        "async def echo(ctx):\n"
        "    while True:\n"
        "        await ctx.send(await ctx.receive())\n"
        "async def main():\n"
        "    async with RingKernelRuntime(backend='python') as runtime:\n"
        "        await runtime.launch('echo', echo)\n"
        "        await runtime.activate('echo')\n"
        "        await runtime.send('echo', 5)\n"
        "        assert await runtime.receive('echo') == 5\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
