"""The split coroutines, run for real against a small context made by hand."""

# Actors stand here as their authors write them.
# ruff: noqa: E722, RET502, UP041

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pydotcompute.compiler.diagnostics.diagnostic import DiagnosticError
from pydotcompute.compiler.frontend.actor_shape import find_shape
from pydotcompute.compiler.frontend.source import read_source
from pydotcompute.compiler.host.coroutine import RETURNED, CoroutineParts, instrument, split


class Exit(BaseException):
    """What the runtime raises in ``receive`` to end an actor's loop."""


class Parked(asyncio.CancelledError):
    """Ends a test's run where a real actor would wait for its next message."""


class Context:
    """A context over plain queues that never waits.

    Args:
        inputs: messages; ``TimeoutError`` in it makes one ``receive`` time out.
        end: raised by ``receive`` once the inputs are used up.
    """

    kernel_id = "actor"
    is_active = True

    def __init__(self, inputs: list[Any], end: type[BaseException] = Exit) -> None:
        self.inputs = deque(inputs)
        self.outputs: list[Any] = []
        self.end = end
        self.should_terminate = False
        self.frames: list[dict[str, Any]] = []

    async def wait_active(self) -> None:
        pass

    async def receive(self, timeout: float | None = None) -> Any:
        caller = inspect.currentframe().f_back  # type: ignore[union-attr]
        self.frames.append(dict(caller.f_locals))  # type: ignore[union-attr]
        if not self.inputs:
            raise self.end
        item = self.inputs.popleft()
        if isinstance(item, type) and issubclass(item, BaseException):
            raise item
        return item

    async def send(self, message: Any) -> None:
        self.outputs.append(message)


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits for anything."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the coroutine waits")


def parts_of(actor: Callable[..., Any]) -> CoroutineParts:
    source = read_source(actor)
    return split(source, find_shape(source), (Exit,))


def outputs(actor: Callable[..., Any], inputs: list[Any]) -> list[Any]:
    """What the whole instrumented actor sends."""
    ctx = Context(inputs)
    run(instrument(read_source(actor), (Exit,))(ctx))
    return ctx.outputs


# --- the seed page's loop ------------------------------------------------------------------------


async def counter(ctx):
    """Counts, and says at the end how far."""
    count = 0
    while not ctx.should_terminate:
        if not ctx.is_active:
            await ctx.wait_active()
            continue
        try:
            msg = await ctx.receive(timeout=0.1)
            if msg == "reset":
                count = 0
            else:
                count += msg
            await ctx.send(count)
        except:
            continue
    await ctx.send(("done", count))


def test_a_bare_except_lets_the_exit_signal_end_the_loop_and_the_epilogue_runs() -> None:
    assert outputs(counter, [1, 2, TimeoutError, "x", 3]) == [1, 3, 6, ("done", 6)]


@pytest.mark.parametrize("signal", [asyncio.CancelledError, GeneratorExit])
def test_other_signals_leave_the_coroutine(signal: type[BaseException]) -> None:
    ctx = Context([1], end=signal)
    with pytest.raises(signal):
        run(parts_of(counter).whole(ctx))
    assert ctx.outputs == [1]


def test_closing_a_coroutine_with_a_bare_except_ends_it() -> None:
    class Waiting(Context):
        async def receive(self, timeout: float | None = None) -> Any:
            await asyncio.Event().wait()

    async def main() -> None:
        coroutine = parts_of(counter).whole(Waiting([]))
        coroutine.send(None)
        coroutine.close()

    asyncio.run(main())


async def base_exception(ctx):
    seen = []
    while True:
        try:
            msg = await ctx.receive()
            seen.append(1 // msg)
        except BaseException as e:
            seen.append(type(e).__name__)
    await ctx.send(seen)


def test_except_base_exception_as_e_still_catches_errors_but_no_signal() -> None:
    assert outputs(base_exception, [1, 0, KeyboardInterrupt]) == [
        [1, "ZeroDivisionError", "KeyboardInterrupt"]
    ]


async def named_handlers(ctx):
    while True:
        try:
            msg = await ctx.receive()
        except asyncio.CancelledError:
            await ctx.send("cancelled")
            break
        except (ValueError, BaseException):
            continue
        await ctx.send(msg)
    await ctx.send("end")


def test_a_handler_that_names_a_signal_keeps_it() -> None:
    assert outputs(named_handlers, [1, asyncio.CancelledError]) == [1, "cancelled", "end"]
    assert outputs(named_handlers, [ValueError, 1]) == [1, "end"]


async def dynamic_handler(ctx):
    errors = (BaseException,)
    while True:
        try:
            await ctx.send(await ctx.receive())
        except errors:
            continue


def test_a_handler_of_classes_only_known_at_run_time_is_transparent_too() -> None:
    assert outputs(dynamic_handler, [1, ValueError, 2]) == [1, 2]


async def with_finally(ctx):
    n = 0
    while True:
        try:
            n += await ctx.receive()
        finally:
            await ctx.send(n)


def test_finally_runs_when_a_signal_passes() -> None:
    assert outputs(with_finally, [1, 2]) == [1, 3, 3]


async def epilogue_raises(ctx):
    while True:
        await ctx.receive()
    raise ValueError("at the end")


def test_an_exception_of_the_epilogue_has_no_context() -> None:
    with pytest.raises(ValueError, match="at the end") as caught:
        outputs(epilogue_raises, [1])
    assert caught.value.__context__ is None


# --- cutting ------------------------------------------------------------------------------------


async def while_else(ctx):
    n = 0
    while n < 2:
        n += await ctx.receive()
    else:
        await ctx.send("else")
    await ctx.send("end")


async def conditional_names(ctx):
    first = None
    while not ctx.should_terminate:
        msg = await ctx.receive()
        if first is None:
            first = msg
        if msg > 2:
            last = msg
        if msg == 4:
            await ctx.send((first, last))
    try:
        await ctx.send(last)
    except NameError as e:
        await ctx.send(type(e).__name__)


async def comprehensions(ctx, rate=2, *, offset=1):
    table = [k * rate for k in range(3)]
    while True:
        msg = await ctx.receive()
        total = sum(k * msg + offset for k in table)
        await ctx.send([total, *(x for x in table)])
        table = [(y := x + 1) for x in table]
        rate = y


async def nested_try(ctx):
    bad, good = 0, 0
    while True:
        try:
            msg = await ctx.receive(timeout=0.1)
            try:
                await ctx.send(10 // msg)
                good += 1
            except ZeroDivisionError as e:
                bad += 1
                await ctx.send(str(e))
            else:
                await ctx.send("ok")
        except asyncio.TimeoutError:
            await ctx.send("idle")
            continue
        except Exception as e:
            await ctx.send(f"{type(e).__name__} {bad} {good}")
            continue
    await ctx.send((good, bad))


async def patterns(ctx):
    match 0:
        case start:
            pass
    while True:
        match await ctx.receive():
            case [x, *rest]:
                start += len(rest) + x
            case {"n": n}:
                start -= n
            case int() | float() as number:
                start *= number
        await ctx.send(start)


STREAMS: dict[Any, list[Any]] = {
    counter: [1, 2, "reset", TimeoutError, 4, None, 1],
    while_else: [0, 1, 1, 5],
    conditional_names: [1, 2, 3, 4, 0],
    comprehensions: [1, 2, 3],
    nested_try: [1, 2, 0, TimeoutError, "x", 4],
    patterns: [[1, 2, 3], {"n": 4}, 2.5],
}
CUTS = [(actor, cut) for actor, stream in STREAMS.items() for cut in range(len(stream) + 1)]


@pytest.mark.parametrize(("actor", "cut"), CUTS)
def test_prologue_state_resume_equals_whole_at_every_cut(actor: Any, cut: int) -> None:
    """Runs ``cut`` messages, takes the state at ``receive``, and goes on elsewhere with it."""
    stream = STREAMS[actor]
    whole = outputs(actor, stream)
    parts = parts_of(actor)
    first = Context(stream[:cut], end=Parked)
    state = run(parts.prologue(first))
    try:
        run(parts.resume(first, state))
    except Parked:
        needed = find_shape(read_source(actor)).state_names
        frame = first.frames[-1]
        second = Context(stream[cut:])
        run(parts.resume(second, {name: frame[name] for name in needed if name in frame}))
        assert first.outputs + second.outputs == whole
    else:
        assert first.outputs == whole  # the actor ended before the cut


def test_the_prologue_returns_every_name_bound_so_far() -> None:
    assert run(parts_of(counter).prologue(Context([]))) == {"count": 0}
    assert run(parts_of(comprehensions).prologue(Context([]))) == {
        "rate": 2, "offset": 1, "table": [0, 2, 4],
    }  # fmt: skip


def test_the_epilogue_runs_alone_with_else_first() -> None:
    ctx = Context([])
    run(parts_of(while_else).epilogue(ctx, {"n": 2}))
    assert ctx.outputs == ["else", "end"]


def test_a_name_that_the_state_lacks_is_unbound() -> None:
    ctx = Context([])
    run(parts_of(conditional_names).epilogue(ctx, {"first": 1}))
    assert ctx.outputs == ["UnboundLocalError"]


async def reads_unbound(ctx):
    while True:
        msg = await ctx.receive()
        if msg:
            STREAM_NAME = msg  # noqa: N806
        await ctx.send(STREAM_NAME)


STREAM_NAME = "global"


def test_a_local_name_never_means_the_global_of_that_name() -> None:
    with pytest.raises(UnboundLocalError):
        run(parts_of(reads_unbound).resume(Context([0]), {}))


async def early_return(ctx, stop=True):
    if stop:
        return await ctx.send("bye")
    while True:
        msg = await ctx.receive()
        if msg == "stop":
            return
        await ctx.send(msg)
    await ctx.send("end")


def test_return_in_the_prologue() -> None:
    ctx = Context([])
    assert run(parts_of(early_return).prologue(ctx)) is RETURNED
    assert ctx.outputs == ["bye"]
    assert repr(RETURNED) == "RETURNED"


def test_return_in_the_loop_skips_the_epilogue() -> None:
    ctx = Context([1, "stop", 2])
    run(parts_of(early_return).resume(ctx, {"stop": False}))
    assert ctx.outputs == [1]


async def breaks(ctx):
    while True:
        msg = await ctx.receive()
        if not msg:
            break
    await ctx.send("end")


def test_break_runs_the_epilogue() -> None:
    assert outputs(breaks, [1, 0, 1]) == ["end"]


# --- surroundings -------------------------------------------------------------------------------

LIMIT = 3


async def uses_globals(ctx):
    global LIMIT
    LIMIT = 10
    while True:
        LIMIT += await ctx.receive()
    await ctx.send(LIMIT)


def test_global_declarations_hold_in_every_part() -> None:
    parts = parts_of(uses_globals)
    assert run(parts.prologue(Context([]))) == {}
    assert LIMIT == 10
    ctx = Context([1, 2])
    run(parts.resume(ctx, {}))
    assert ctx.outputs == [13]
    assert LIMIT == 13


def make(step: int) -> tuple[Any, Callable[[], int]]:
    total = 0

    async def adder(ctx, scale=step):
        nonlocal total
        seen = 0
        while True:
            seen += 1
            total += step * scale * await ctx.receive()
            await ctx.send(total)

    return adder, lambda: total


def test_closure_cells_are_shared_with_the_original() -> None:
    adder, total = make(3)
    parts = parts_of(adder)
    assert run(parts.prologue(Context([]))) == {"scale": 3, "seen": 0}
    run(parts.resume(Context([1, 2]), {"scale": 1, "seen": 0}))
    assert total() == 9
    run(parts.whole(Context([1])))
    assert total() == 18


def test_defaults_are_those_of_the_function_now() -> None:
    adder, _ = make(3)
    adder.__defaults__ = (100,)
    assert run(parts_of(adder).prologue(Context([])))["scale"] == 100


def test_names_of_locals_are_unchanged() -> None:
    whole, resumed = Context([1, 2]), Context([1, 2])
    parts = parts_of(counter)
    run(parts.whole(whole))
    run(parts.resume(resumed, {"count": 0}))
    assert [set(frame) for frame in whole.frames] == [
        {"ctx", "count"}, {"ctx", "count", "msg"}, {"ctx", "count", "msg"},
    ]  # fmt: skip
    assert [set(frame) for frame in resumed.frames] == [set(frame) for frame in whole.frames]


async def fails(ctx):
    divisor = 1
    while True:
        divisor = await ctx.receive()
        await ctx.send(
            1
            // divisor
        )  # fmt: skip


@pytest.mark.parametrize("part", ["whole", "resume"])
def test_tracebacks_show_the_users_file_and_line(part: str) -> None:
    parts = parts_of(fails)
    args = ({},) if part == "resume" else ()
    with pytest.raises(ZeroDivisionError) as caught:
        run(getattr(parts, part)(Context([1, 0]), *args))
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    line = fails.__code__.co_firstlineno + 5
    assert (last.filename, last.lineno, last.name) == (__file__, line, "fails")
    assert last.line == "1"


def test_the_parts_look_like_the_actor() -> None:
    for part in vars(parts_of(counter)).values():
        assert part.__name__ == part.__qualname__ == "counter"
        assert part.__module__ == __name__
        assert inspect.iscoroutinefunction(part)


# --- actors without a shape ----------------------------------------------------------------------


async def loop_in_try(ctx):
    try:
        while True:
            try:
                await ctx.send(await ctx.receive())
            except:
                pass
    finally:
        await ctx.send("end")


async def for_loop(ctx):
    first = await ctx.receive()
    for k in range(10):
        if k > first:
            break
        while True:
            if not await ctx.receive():
                break
    else:
        await ctx.send("else")
    await ctx.send(k)


async def helper(ctx):
    async def pull():
        while True:
            try:
                return await ctx.receive()
            except:
                await ctx.send("error")

    while True:
        await ctx.send(await pull())
    await ctx.send("end")


@pytest.mark.parametrize(
    ("actor", "inputs", "expected"),
    [
        (loop_in_try, [1, 2], [1, 2, "end"]),
        (for_loop, [1, 0, 1, 0, 1], [2]),
        (for_loop, [3, 0, 1], ["else", 1]),
        (helper, [1, ValueError, 2], [1, "error", 2, "end"]),
    ],
)
def test_instrument_takes_any_shape(actor: Any, inputs: list[Any], expected: list[Any]) -> None:
    with pytest.raises(DiagnosticError):
        find_shape(read_source(actor))
    assert outputs(actor, inputs) == expected


def test_cancellation_among_the_exit_signals_ends_no_loop() -> None:
    ctx = Context([1], end=asyncio.CancelledError)
    whole = instrument(read_source(counter), (Exit, asyncio.CancelledError, GeneratorExit))
    with pytest.raises(asyncio.CancelledError):
        run(whole(ctx))
