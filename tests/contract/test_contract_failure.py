"""Contract, sections 6 and 8: failures, restarts, refused messages, and the errors themselves."""

from __future__ import annotations

import asyncio
import pickle
import shutil
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pydotcompute
from pydotcompute import (
    ActorFailedError,
    BackendUnavailableError,
    BackpressureStrategy,
    BuildError,
    KernelClosedError,
    KernelContext,
    KernelState,
    MessageTypeError,
    MessageValueError,
    PyDotComputeError,
    QueueTimeoutError,
    RingKernelRuntime,
    message,
    ring_kernel,
)
from tests.support.contract import (
    ADD,
    FAIL,
    SILENT,
    Answer,
    Job,
    decorated,
    drained,
    go,
    launched,
    plain,
    turns,
    until,
)

ERRORS = {
    "KernelNotFoundError": Exception,
    "KernelAlreadyExistsError": Exception,
    "KernelStateError": Exception,
    "KernelClosedError": Exception,
    "ActorFailedError": Exception,
    "QueueFullError": Exception,
    "QueueTimeoutError": TimeoutError,
    "MessageTypeError": TypeError,
    "MessageValueError": ValueError,
    "LoweringError": Exception,
    "BuildError": Exception,
    "BackendUnavailableError": Exception,
    "InternalError": Exception,
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_have_their_bases(name: str) -> None:
    error = getattr(pydotcompute, name)
    assert issubclass(error, PyDotComputeError)
    assert issubclass(error, ERRORS[name])
    made = error("words")
    assert "words" in str(made)
    copy = pickle.loads(pickle.dumps(made))
    assert type(copy) is error
    assert str(copy) == str(made)
    if name == "InternalError":
        assert "please report" in str(made)


def test_outputs_before_a_failure_come_first(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            await kernel.send_many([Job(1), Job(2), Job(5, FAIL), Job(3)])
            await until(lambda: kernel.state is KernelState.FAILED)
            assert [(await kernel.receive()).total for _ in range(2)] == [1, 3]
            for _ in range(2):
                for call in (
                    kernel.receive(),
                    kernel.receive(timeout=0),
                    kernel.receive_many(3),
                    kernel.request(Job(1)),
                    kernel.send(Job(1)),
                    kernel.send_many([Job(1)]),
                ):
                    with pytest.raises(ActorFailedError) as caught:
                        await call
                    assert type(caught.value.__cause__) is ZeroDivisionError
                    assert caught.value.message_in == Job(5, FAIL)
                    assert caught.value.state["total"] == 3
            assert kernel.statistics().errors == 1
            with pytest.raises(ActorFailedError):
                async for _ in kernel.messages():
                    pass

    go(probe)


def test_the_cause_has_its_python_file_and_line(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            with pytest.raises(ActorFailedError) as caught:
                await kernel.request(Job(5, FAIL))
            cause = caught.value.__cause__
            assert cause is not None
            last = traceback.extract_tb(cause.__traceback__)[-1]
            assert last.filename.endswith("contract.py")
            assert "10 // (job.value - job.value)" in (last.line or "")
            assert last.name == "tally"
            assert "division" in str(cause)
            assert "ZeroDivisionError" in str(caught.value)

    go(probe)


def test_a_sender_that_waits_for_room_hears_of_the_failure(way: str) -> None:
    async def probe() -> None:
        async with launched(way, active=False, queue_size=1) as kernel:
            await kernel.send(Job(1, FAIL))
            waiting = [asyncio.create_task(kernel.send(Job(n))) for n in range(3)]
            batch = asyncio.create_task(kernel.send_many([Job(n) for n in range(9)]))
            await turns()
            await kernel.activate()
            outcomes = await asyncio.gather(*waiting, batch, return_exceptions=True)
            report = await kernel.terminate()
            for outcome in outcomes:
                assert outcome is None or isinstance(outcome, ActorFailedError | KernelClosedError)
            taken = sum(outcome is None for outcome in outcomes)
            assert sum(job.op == ADD for job in report.unprocessed) >= taken

    go(probe)


def test_restart_goes_on_from_the_last_good_state(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            await kernel.send_many([Job(1), Job(2), Job(50, FAIL), Job(3), Job(4)])
            await until(lambda: kernel.state is KernelState.FAILED)
            await kernel.restart()
            assert kernel.state is KernelState.ACTIVE
            assert [(await kernel.receive()).total for _ in range(4)] == [1, 3, 6, 10]
            assert (await kernel.request(Job(5))).total == 15
            with pytest.raises(ActorFailedError):
                await kernel.request(Job(1, FAIL))
            await kernel.restart(fresh=True)
            assert (await kernel.request(Job(5))).total == 5
            assert kernel.statistics().errors == 2
            assert list((await kernel.terminate()).unprocessed) == []
            assert await drained(kernel) == []

    go(probe)


def test_restart_many_times_counts_exactly(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=3) as kernel:
            total = 0
            for n in range(20):
                answer = await kernel.request(Job(n))
                total += n
                assert answer.total == total
                failing = asyncio.create_task(kernel.receive())
                await kernel.send(Job(1, FAIL))
                with pytest.raises(ActorFailedError):
                    await failing
                await kernel.restart()
            stats = kernel.statistics()
            assert (stats.received, stats.errors, stats.sent) == (40, 20, 20)

    go(probe)


def test_a_runtime_with_a_failed_kernel_closes(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            await kernel.send(Job(1, FAIL))
            await until(lambda: kernel.state is KernelState.FAILED)
        assert kernel.state is KernelState.TERMINATED

    go(probe)


@message
@dataclass
class Typed:
    i: int
    f: float = 0.0
    b: bool = False
    small: np.int8 = np.int8(0)  # noqa: RUF009
    word: str = ""


async def typed(ctx: KernelContext[Typed, Typed]) -> None:
    while not ctx.should_terminate:
        request = await ctx.receive()
        await ctx.send(request)


WRONG = [
    (Typed("1"), "i", MessageTypeError),  # type: ignore[arg-type]
    (Typed(1.0), "i", MessageTypeError),  # type: ignore[arg-type]
    (Typed(None), "i", MessageTypeError),  # type: ignore[arg-type]
    (Typed(1 << 63), "i", MessageValueError),
    (Typed(-(1 << 63) - 1), "i", MessageValueError),
    (Typed(1, "1.5"), "f", MessageTypeError),  # type: ignore[arg-type]
    (Typed(1, 1j), "f", MessageTypeError),  # type: ignore[arg-type]
    (Typed(1, 0.0, 1), "b", MessageTypeError),  # type: ignore[arg-type]
    (Typed(1, 0.0, False, 200), "small", MessageValueError),  # type: ignore[arg-type]
    (Typed(1, 0.0, False, 1.5), "small", MessageTypeError),  # type: ignore[arg-type]
    (Typed(1, 0.0, False, np.int8(1), b"x"), "word", MessageTypeError),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("wrong", "field", "error"), WRONG)
def test_wrong_fields_are_refused_at_send(way: str, wrong: Any, field: str, error: Any) -> None:
    async def probe() -> None:
        async with launched(way, typed) as kernel:
            for call in (
                kernel.send(wrong),
                kernel.request(wrong),
                kernel.send_many([Typed(1), wrong]),
            ):
                with pytest.raises(error) as caught:
                    await call
                assert field in str(caught.value)
                assert "typed" in str(caught.value)
            assert kernel.statistics().received == 0
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=0)

    go(probe)


def test_fields_are_converted_alike(way: str) -> None:
    async def probe() -> None:
        async with launched(way, typed) as kernel:
            given = Typed(True, 3, True, 7, "x" * 10_000)  # type: ignore[arg-type]
            reply = await kernel.request(given)
            assert reply == Typed(1, 3.0, True, np.int8(7), "x" * 10_000)
            assert [type(v) for v in (reply.i, reply.f, reply.b)] == [int, float, bool]
            assert type(reply.small) is np.int8
            for value in ((1 << 63) - 1, -(1 << 63), 0):
                assert (await kernel.request(Typed(value))).i == value
            assert (await kernel.request(Typed(0, float("inf")))).f == float("inf")
            for f in (float("nan"), -0.0, 5e-324):
                assert repr((await kernel.request(Typed(0, f))).f) == repr(f)
            for word in ("", "\0", "\ud83d\ude00", "*/ {{ x }} \" ' \\ \n", "é" * 300):
                assert (await kernel.request(Typed(0, word=word))).word == word

    go(probe)


def test_wrong_messages_are_refused_naming_kernel_expected_given(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            for wrong in (Answer(1), 3, None, "x", Job, {"value": 1}):
                with pytest.raises(MessageTypeError) as caught:
                    await kernel.send(wrong)
                text = str(caught.value)
                assert "tally" in text
                assert "Job" in text
                assert isinstance(caught.value, TypeError)
                with pytest.raises(MessageTypeError):
                    await kernel.request(wrong)
            assert kernel.statistics().received == 0

    go(probe)


async def sends_wrong(ctx: KernelContext[Job, Answer]) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive()
        await ctx.send(job)  # type: ignore[arg-type]


async def sends_too_much(ctx: KernelContext[Job, Answer]) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive()
        await ctx.send(Answer(job.value * job.value * job.value))


def test_outputs_are_checked_as_well(way: str) -> None:
    async def probe() -> None:
        for actor, error in ((sends_wrong, MessageTypeError), (sends_too_much, MessageValueError)):
            async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
                kernel = await runtime.launch(actor.__name__, decorated(actor))
                await kernel.activate()
                with pytest.raises(ActorFailedError) as caught:
                    await kernel.request(Job(1 << 40))
                assert type(caught.value.__cause__) is error
                assert actor.__name__ in str(caught.value.__cause__)

    go(probe)


async def swallows(ctx: KernelContext[Job, Answer]) -> None:
    while not ctx.should_terminate:
        try:
            job = await ctx.receive(timeout=0.05)
            await ctx.send(Answer(100 // job.value))
        except ZeroDivisionError:
            await ctx.send(Answer(-1))
        except TimeoutError:
            continue


def test_caught_exceptions_are_no_failures(way: str) -> None:
    async def probe() -> None:
        async with launched(way, swallows) as kernel:
            values = [(await kernel.request(Job(v))).value for v in (5, 0, 20, 0)]
            assert values == [20, -1, 5, -1]
            stats = kernel.statistics()
            assert (stats.errors, kernel.state) == (0, KernelState.ACTIVE)

    go(probe)


async def fails_first(ctx: KernelContext[Job, Answer]) -> None:
    raise RuntimeError("no such device")
    while True:
        await ctx.receive()


async def fails_last(ctx: KernelContext[Job, Answer]) -> None:
    seen = 0
    while not ctx.should_terminate:
        job = await ctx.receive()
        seen += job.value
    raise RuntimeError(f"seen {seen}")


def test_failures_before_and_after_the_loop(way: str) -> None:
    async def probe() -> None:
        async with launched(way, fails_first, fallback="allow") as kernel:
            await until(lambda: kernel.state is KernelState.FAILED)
            with pytest.raises(ActorFailedError, match="no such device"):
                await kernel.receive()
        async with launched(way, fails_last) as kernel:
            await kernel.send(Job(4))
            report = await kernel.terminate()
            assert list(report.unprocessed) == []
            with pytest.raises((ActorFailedError, KernelClosedError)) as caught:
                await kernel.receive()
            assert str(caught.value.__cause__) == "seen 4"

    go(probe)


async def collecting(ctx: KernelContext[Job, Answer]) -> None:
    seen: dict[int, int] = {}
    while True:
        job = await ctx.receive()
        seen[job.value] = job.value
        if job.op == FAIL:
            raise ValueError("full")
        if job.op == SILENT:
            for n in range(job.value):
                seen[n] = n
        await ctx.send(Answer(len(seen)))


def test_the_state_before_a_failure_is_kept_where_copies_cost_little(way: str) -> None:
    """The time of a message decides, on every backend the entries are those before it."""

    async def probe() -> None:
        async with launched(way, collecting, fallback="allow") as kernel:
            await kernel.request(Job(4000, SILENT))
            await kernel.send(Job(-1, FAIL))
            with pytest.raises(ActorFailedError) as caught:
                await kernel.receive()
            assert len(caught.value.state["seen"]) == 4001  # the messages' own values as well
            assert caught.value.state_after == {}
            await kernel.restart()
            assert (await kernel.request(Job(-2))).value == 4002

    go(probe)


async def sieving(ctx: KernelContext[Job, Answer]) -> None:
    marks = [0] * 1_000_000
    hits, last = 0, [0]
    while True:
        job = await ctx.receive()
        marks[job.value] += 1
        hits += 1
        last.append(job.value)
        if job.op == FAIL:
            raise ValueError("marked")
        await ctx.send(Answer(marks[job.value], hits))


def test_what_was_too_dear_to_keep_is_shown_as_the_message_left_it() -> None:
    async def probe() -> None:
        async with launched("python", sieving) as kernel:
            assert (await kernel.request(Job(7))).value == 1
            for again in (1, 2):
                await kernel.send(Job(7, FAIL))
                with pytest.raises(ActorFailedError) as caught:
                    await kernel.receive()
                error = caught.value
                assert error.state == {"hits": 1, "last": [0, 7]}
                assert list(error.state_after) == ["marks"]
                assert error.state_after["marks"][7] == 1 + again
                await kernel.restart()
            answer = await kernel.request(Job(7))
            assert (answer.value, answer.total) == (4, 2), "marks went on, hits went back"
            assert error.state_after["marks"][7] == 3, "the error has its own"

    go(probe)


def test_without_its_text_an_actor_starts_anew() -> None:
    space: dict[str, Any] = {"Answer": Answer}
    text = """
async def unseen(ctx):
    total = 0
    while True:
        job = await ctx.receive()
        total += 10 // job.value
        await ctx.send(Answer(total))
"""
    exec(compile(text, "<no such file>", "exec"), space)

    async def probe() -> None:
        async with launched("python", space["unseen"], fallback="allow") as kernel:
            assert (await kernel.request(Job(1))).value == 10
            await kernel.send(Job(0))
            with pytest.raises(ActorFailedError) as caught:
                await kernel.receive()
            assert caught.value.state == {}
            assert caught.value.message_in == Job(0)
            await kernel.restart()
            assert (await kernel.request(Job(5))).value == 2

    go(probe)


def test_a_vanished_or_broken_compiler_is_told_and_the_next_launch_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.which("g++") or shutil.which("c++")
    if real is None:
        pytest.skip("no C++ compiler")
    compiler = tmp_path / "compiler"

    def put(text: str) -> None:
        compiler.write_text(f"#!/bin/sh\n{text}\n")
        compiler.chmod(0o755)

    put(f'exec {real} "$@"')
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("PYDOTCOMPUTE_CACHE_DIR", str(tmp_path / "cache"))

    async def probe() -> None:
        async with RingKernelRuntime(backend="native", fallback="error") as runtime:
            first = await runtime.launch("first", decorated(kernel_id="first"))
            await first.activate()
            compiler.unlink()
            for text, word in ((None, "could not be started"), ("echo boom >&2; exit 1", "boom")):
                if text is not None:
                    put(text)
                with pytest.raises((BuildError, BackendUnavailableError), match=word):
                    await runtime.launch("second", decorated(collecting, kernel_id="second"))
            put(f'exec {real} "$@"')
            second = await runtime.launch("second", decorated(collecting, kernel_id="second"))
            await second.activate()
            assert second.backend == "native"
            assert (await second.request(Job(1))).value == 1
            assert (await first.request(Job(1))).value == 2

    go(probe)


async def impatient(ctx: KernelContext[Job, Answer]) -> None:
    while True:
        job = await ctx.receive(timeout=1000.0)
        await ctx.send(Answer(job.value))


async def ticking(ctx: KernelContext[Job, Answer]) -> None:
    ticks = 0
    while True:
        try:
            job = await ctx.receive(timeout=1000.0)
        except TimeoutError:
            ticks += 1
            await ctx.send(Answer(ticks, 10 // (ticks - 2)))
            continue
        await ctx.send(Answer(job.value, ticks))


def test_a_time_out_that_fails_is_not_waited_for_twice(way: str) -> None:
    """The compiled code's time-out is the interpreter's: it raises it at once."""
    if way == "python":
        pytest.skip("nothing is replayed")

    async def probe() -> None:
        async with launched(way, impatient) as kernel:
            await kernel.request(Job(1))
            await until(lambda: not kernel._actor.engine.run_flags)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                kernel._actor.engine._late()
                with pytest.raises(ActorFailedError) as caught:
                    await kernel.receive()
            assert isinstance(caught.value.__cause__, QueueTimeoutError)
            stats = kernel.statistics()
            assert (stats.timeouts, stats.errors, stats.fallbacks) == (1, 1, 0)

    go(probe)


def test_a_handler_of_a_time_out_fails_in_the_same_tick(way: str) -> None:
    if way == "python":
        pytest.skip("nothing is replayed")

    async def probe() -> None:
        async with launched(way, ticking) as kernel:
            kernel._actor.engine._late()
            assert await kernel.receive() == Answer(1, -10)
            await until(lambda: not kernel._actor.engine.run_flags)
            kernel._actor.engine._late()
            with pytest.raises(ActorFailedError) as caught:
                await kernel.receive()
            assert isinstance(caught.value.__cause__, ZeroDivisionError)
            assert caught.value.state == {"ticks": 1}
            assert kernel.statistics().timeouts == 2

    go(probe)


@ring_kernel(
    kernel_id="behind a long decorator",
    input_type=Job,
    output_type=Answer,
    auto_register=False,
)
async def decorated_at_length(ctx: KernelContext[Job, Answer]) -> None:
    total = 0
    while True:
        job = await ctx.receive()
        total += 1
        await ctx.send(Answer(total // job.value))  # it fails in this line


def test_the_line_of_a_failure_is_the_files(way: str) -> None:
    """Counted in the file, whatever stands above the definition."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    number = next(n for n, line in enumerate(lines, 1) if line.endswith("# it fails in this line"))

    async def probe() -> None:
        async with RingKernelRuntime(backend=way) as runtime:
            kernel = await runtime.launch(decorated_at_length.kernel_id, decorated_at_length)
            await kernel.activate()
            await kernel.send(Job(0))
            with pytest.raises(ActorFailedError) as caught:
                await kernel.receive()
        assert caught.value.__cause__ is not None
        last = traceback.extract_tb(caught.value.__cause__.__traceback__)[-1]
        assert (last.filename, last.lineno) == (__file__, number)

    go(probe)


def test_concurrent_requests_reach_a_busy_actor(way: str) -> None:
    """Each gets its own reply, also where a full queue rejects or drops."""

    async def probe(strategy: BackpressureStrategy) -> None:
        async with launched(way, plain, backpressure=strategy, queue_size=64) as kernel:
            for turn in range(20):
                for n in range(turn % 4):
                    await kernel.send(Job(n))
                for _ in range(turn % 3):
                    await asyncio.sleep(0)
                asked = [kernel.request(Job(100 + n)) for n in range(3)]
                assert [r.value for r in await asyncio.gather(*asked)] == [200, 202, 204]
                assert [(await kernel.receive()).value for _ in range(turn % 4)] == [
                    2 * n for n in range(turn % 4)
                ]

    for strategy in BackpressureStrategy:
        go(lambda strategy=strategy: probe(strategy))


async def shares(ctx: KernelContext[Job, Answer]) -> None:
    table: dict[str, Any] = {"a": [0]}
    row = table["a"]
    while not ctx.should_terminate:
        job = await ctx.receive()
        row.append(job.value)
        await ctx.send(Answer(len(table["a"]), 10 // job.value))


def test_the_state_of_a_failure_is_the_users_own_copy(way: str) -> None:
    """Changing it changes nothing, and what two variables shared they share after a restart."""

    async def probe() -> None:
        async with launched(way, shares, fallback="allow") as kernel:
            assert (await kernel.request(Job(1))).value == 2
            for _ in range(2):
                await kernel.send(Job(0))
                with pytest.raises(ActorFailedError) as caught:
                    await kernel.receive()
                assert caught.value.state == {"table": {"a": [0, 1]}, "row": [0, 1]}
                caught.value.state["row"].append(777)
                await kernel.restart()
            assert (await kernel.request(Job(1))).value == 3

    go(probe)


async def in_a_try(ctx: KernelContext[Job, Answer]) -> None:
    total = 0
    try:
        while not ctx.should_terminate:
            job = await ctx.receive()
            total += 10 // job.value
            await ctx.send(Answer(job.value, total))
    finally:
        total = -1


def test_the_state_of_an_actor_that_cannot_be_cut(way: str) -> None:
    async def probe() -> None:
        async with launched(way, in_a_try, fallback="allow") as kernel:
            assert (await kernel.request(Job(2))).total == 5
            await kernel.send(Job(0))
            with pytest.raises(ActorFailedError) as caught:
                await kernel.receive()
            assert caught.value.state == {"job": Job(2), "total": 5}
            await kernel.restart()
            assert (await kernel.request(Job(1))).total == 10

    go(probe)


def test_a_failure_while_draining_is_in_the_report(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            await kernel.deactivate()
            for job in (Job(1), Job(2, FAIL), Job(3)):
                await kernel.send(job)
            report = await kernel.terminate()
            assert not report.drained
            assert report.unprocessed == (Job(3),)
            assert report.failure is not None
            assert report.failure.message_in == Job(2, FAIL)
            assert report.failure.state == {"total": 1}
            assert isinstance(report.failure.__cause__, ZeroDivisionError)
            assert await drained(kernel) == [Answer(2, 1)]
        async with launched(way) as kernel:
            assert (await kernel.terminate()).failure is None

    go(probe)
