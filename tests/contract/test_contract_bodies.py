"""Probes of the public contract: what an actor's own text does around its loop."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import logging
import pickle
from typing import Any
from uuid import uuid4

import pytest

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    KernelClosedError,
    KernelContext,
    KernelState,
    QueueFullError,
    QueueTimeoutError,
    RingKernelRuntime,
    ring_kernel,
)
from tests.support.contract import (
    Answer,
    Flush,
    Job,
    decorated,
    drained,
    go,
    launched,
    tally,
    turns,
    until,
)

BLOCK, REJECT, DROP = BackpressureStrategy


async def bad_start(ctx: KernelContext[Job, Answer]) -> None:
    limits = {"low": 1}
    bound = limits["high"]
    while True:
        job = await ctx.receive()
        await ctx.send(Answer(job.value + bound))


def test_an_exception_before_the_loop(way: str) -> None:
    async def probe() -> None:
        async with launched(way, bad_start, active=False, fallback="allow") as kernel:
            waiting = asyncio.create_task(kernel.receive())
            asking = asyncio.create_task(kernel.request(Job(1)))
            await turns()
            await kernel.activate()
            for call in (waiting, asking):
                with pytest.raises(ActorFailedError) as caught:
                    await call
                assert repr(caught.value.__cause__) == "KeyError('high')"
                assert caught.value.message_in is None
            assert kernel.state is KernelState.FAILED
            ended = await kernel.terminate()
            assert ended.unprocessed == (Job(1),)

    go(probe)


async def bad_end(ctx: KernelContext[Job, Answer]) -> None:
    total = 0
    while not ctx.should_terminate:
        job = await ctx.receive()
        total += job.value
        await ctx.send(Answer(total))
    await ctx.send(Answer(-total))
    raise RuntimeError(f"after {total}")


def test_an_exception_after_the_loop(way: str) -> None:
    async def probe() -> None:
        async with launched(way, bad_end) as kernel:
            await kernel.send(Job(3))
            await kernel.send(Job(4))
            ended = await kernel.terminate()
            assert ended.unprocessed == ()
            assert [a.value for a in await drained(kernel)] == [3, 7, -7]
            with pytest.raises(KernelClosedError) as caught:
                await kernel.receive()
            assert repr(caught.value.__cause__) == "RuntimeError('after 7')"
            assert kernel.statistics().errors == 1

    go(probe)


async def flushing(ctx: KernelContext[Job, Answer | Flush]) -> None:
    total = 0
    while not ctx.should_terminate:
        try:
            job = await ctx.receive(timeout=30)
            total += job.value
        except TimeoutError:
            await ctx.send(Flush(total))
            total = 0
    await ctx.send(Answer(1, 2))


def test_a_drain_flushes_once_and_then_the_epilogue_sends(way: str) -> None:
    async def probe() -> None:
        async with launched(way, flushing) as kernel:
            for n in range(5):
                await kernel.send(Job(n))
            await kernel.terminate()
            assert await drained(kernel) == [Flush(10), Answer(1, 2)]
            assert kernel.statistics().sent == 2
        async with launched(way, flushing) as kernel:
            await kernel.send(Job(1))
            await kernel.terminate(drain=False)
            assert (await drained(kernel))[-1] == Answer(1, 2)

    go(probe)


async def grouped(ctx: KernelContext[Job, Answer]) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive()
        try:
            if job.value < 0:
                raise ExceptionGroup("two", [ValueError("a"), KeyError("b")])
            await ctx.send(Answer(10 // job.value))
        except* ZeroDivisionError:
            await ctx.send(Answer(-1, -1))
        except* ValueError:
            await ctx.send(Answer(-2))


def test_exception_groups(way: str) -> None:
    async def probe() -> None:
        async with launched(way, grouped, fallback="allow") as kernel:
            assert kernel.backend == "python"
            got = [(await kernel.request(Job(n))).value for n in (5, 0, 2)]
            assert got == [2, -1, 5]
            assert (await kernel.request(Job(-1))).value == -2
            with pytest.raises(ActorFailedError) as caught:
                await kernel.receive()
            assert isinstance(caught.value.__cause__, ExceptionGroup)
            assert caught.value.message_in == Job(-1)
            await kernel.terminate()

    go(probe)


async def cautious(ctx: KernelContext[Job, Answer]) -> None:
    kept = [0, 0, 0]
    last = 0
    while not ctx.should_terminate:
        job = await ctx.receive()
        try:
            kept[job.value] += 1
            last = 100 // job.op
        except IndexError:
            last = -1
        except ZeroDivisionError as error:
            print("caught", error)
        else:
            last += 1
        finally:
            last += 1000
        await ctx.send(Answer(last, kept[0] + 10 * kept[1] + 100 * kept[2]))


def test_every_clause_of_a_try(way: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def probe() -> None:
        async with launched(way, cautious) as kernel:
            jobs = [Job(0, 5), Job(1, 0), Job(7, 1), Job(-1, 100)]
            got = [await kernel.request(job) for job in jobs]
            assert [(a.value, a.total) for a in got] == [
                (1021, 1), (2021, 11), (999, 11), (1002, 111)
            ]  # fmt: skip

    go(probe)
    assert capsys.readouterr().out == "caught integer division or modulo by zero\n"


async def hopeless(ctx: KernelContext[Job, Answer]) -> None:
    while True:
        try:
            job = await ctx.receive()
            await ctx.send(Answer(job.value))
        except BaseException:
            continue


def test_a_handler_of_everything_neither_hangs_nor_loses(way: str) -> None:
    async def probe() -> None:
        async with launched(way, hopeless, queue_size=2, fallback="allow") as kernel:
            for n in range(2):
                await kernel.send(Job(n))
            ended = await kernel.terminate(timeout=1.0)
            got = [a.value for a in await drained(kernel)]
            assert got + [job.value for job in ended.unprocessed] == [0, 1]

    go(probe)


async def refusing(ctx: KernelContext[Job, Answer]) -> None:
    refused = 0
    while not ctx.should_terminate:
        job = await ctx.receive()
        for n in range(job.value):
            try:
                await ctx.send(Answer(n, refused))
            except QueueFullError:
                refused += 1


def test_refused_outputs_are_counted_by_all(way: str) -> None:
    async def probe() -> None:
        async with launched(way, refusing, queue_size=3, backpressure=REJECT) as kernel:
            await kernel.send(Job(5))
            await until(lambda: kernel.statistics().processed == 1)
            assert [(await kernel.receive()).value for _ in range(3)] == [0, 1, 2]
            await kernel.send(Job(1))
            last = await kernel.receive(timeout=10)
            assert (last.value, last.total) == (0, 2)
            seen = kernel.statistics()
            assert (seen.rejected, seen.sent, seen.output_peak) == (2, 4, 3)

    go(probe)


async def wrong_output(ctx: KernelContext[Job, Answer]) -> None:
    while True:
        job = await ctx.receive()
        await ctx.send(job)


def test_a_wrong_output_fails_the_actor(way: str) -> None:
    async def probe() -> None:
        async with launched(way, wrong_output, fallback="allow") as kernel:
            await kernel.send(Job(1))
            with pytest.raises(ActorFailedError) as caught:
                await kernel.receive()
            assert "sends Answer, not Job" in str(caught.value.__cause__)
            assert caught.value.message_in == Job(1)

    go(probe)


async def talkative(ctx: KernelContext[Job, Answer]) -> None:
    log = logging.getLogger("talkative")
    while not ctx.should_terminate:
        job = await ctx.receive()
        print(f"job {job.value:03d}", end=";")
        log.warning("seen %d", job.value)
        await ctx.send(Answer(job.value))
    print("over")


def test_what_is_printed_is_out_when_terminate_returns(
    way: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def probe() -> None:
        async with launched(way, talkative, fallback="allow") as kernel:
            for n in range(3):
                await kernel.send(Job(n))
            await kernel.terminate()
            assert capsys.readouterr().out == "job 000;job 001;job 002;over\n"
            found = [r.getMessage() for r in caplog.records if r.name == "talkative"]
            assert found == ["seen 0", "seen 1", "seen 2"]

    go(probe)


async def selfish(ctx: KernelContext[Job, Answer]) -> None:
    """Looks at its own state of life."""
    await ctx.wait_active()
    name = ctx.kernel_id
    while not ctx.should_terminate:
        job = await ctx.receive()
        await ctx.send(Answer(job.value, len(name) if ctx.is_active else -1))


def test_what_the_context_says(way: str) -> None:
    async def probe() -> None:
        async with launched(way, selfish, fallback="allow") as kernel:
            assert (await kernel.request(Job(1))).total == len("selfish")
            await kernel.deactivate()
            await kernel.send(Job(2))
            await kernel.reactivate()
            assert (await kernel.receive(timeout=10)).total == len("selfish")

    go(probe)


def test_a_bare_function_and_settings_of_the_runtime(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way, fallback="error") as runtime:
            kernel = await runtime.launch("bare", tally)
            assert "bare" in runtime
            assert repr(kernel) == f"<RingKernel 'bare' LAUNCHED on {way}>"
            await runtime.send("bare", Job(1))  # before activate, send queues
            await runtime.activate("bare")
            assert (await runtime.receive("bare")).value == 2
            with pytest.raises(RuntimeError, match="mistake of the user"):
                async with RingKernelRuntime(backend=way) as inner:
                    other = await inner.launch("bare", tally)
                    await other.activate()
                    await other.send(Job(1))
                    raise RuntimeError("mistake of the user")
            assert other.state is KernelState.TERMINATED
            assert (await runtime.request("bare", Job(2))).total == 3

    go(probe)


def test_a_message_is_copied_when_it_is_sent(way: str) -> None:
    async def probe() -> None:
        async with launched(way, active=False) as kernel:
            job = Job(1)
            await kernel.send(job)
            job.value = 50
            waiting = [Job(2), Job(3)]
            await kernel.send_many(waiting)
            waiting[0].value = waiting[1].value = 60
            await kernel.activate()
            assert [(await kernel.receive()).value for _ in range(3)] == [2, 4, 6]

    go(probe)


def test_what_comes_back_is_the_users(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            one = await kernel.request(Job(1))
            two = copy.deepcopy(one)
            three = dataclasses.replace(one, value=5)
            four = pickle.loads(pickle.dumps(one))
            one.value = 99
            assert (two.value, three.value, four.value) == (2, 5, 2)
            assert two.message_id == four.message_id == one.message_id != three.message_id
            one.priority = 9
            assert (one.priority, two.priority) == (9, 128)
            assert repr(two) == "Answer(value=2, total=1)"
            assert two == Answer(2, 1)
            one.correlation_id = given = uuid4()
            assert one.correlation_id == given
            assert (await kernel.request(Job(4))).total == 5

    go(probe)


def test_pausing_inside_a_long_burst(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=4096) as kernel:
            sent = await kernel.send_many(Job.array(value=range(4000)))
            for _ in range(20):
                await kernel.deactivate()
                before = kernel.statistics().processed
                await turns(5)
                assert kernel.statistics().processed == before
                await kernel.reactivate()
                await asyncio.sleep(0)
            got: list[int] = []
            while len(got) < sent:
                got += (await kernel.receive_many(1000, timeout=10))["value"].tolist()
            assert got == [2 * n for n in range(4000)]

    go(probe)


@pytest.mark.parametrize("strategy", [BLOCK, REJECT, DROP])
def test_leaving_the_runtime_with_everything_in_motion(
    way: str, strategy: BackpressureStrategy
) -> None:
    async def probe() -> None:
        calls: list[asyncio.Task[Any]] = []
        async with launched(way, queue_size=2, backpressure=strategy, shutdown=1.0) as kernel:
            for n in range(6):
                calls.append(asyncio.create_task(kernel.request(Job(n))))
                calls.append(asyncio.create_task(kernel.send(Job(n))))
                calls.append(asyncio.create_task(kernel.receive()))
                calls.append(asyncio.create_task(kernel.send_many([Job(n)] * 5)))
            await turns(3)
        done, parked = await asyncio.wait(calls, timeout=10)
        assert not parked
        allowed = (KernelClosedError, QueueFullError, QueueTimeoutError)
        for call in done:
            assert call.exception() is None or isinstance(call.exception(), allowed)

    go(probe)


def test_closing_twice_and_late_calls(way: str) -> None:
    async def probe() -> None:
        runtime = RingKernelRuntime(backend=way)
        async with runtime:
            kernel = await runtime.launch("late", decorated(tally, kernel_id="late"))
            await kernel.activate()
            await kernel.send(Job(1))
        await runtime.close()
        assert (await kernel.receive()).value == 2
        with pytest.raises(KernelClosedError):
            await kernel.request(Job(1))
        with pytest.raises(KernelClosedError):
            await runtime.send("late", Job(1))
        assert kernel.statistics().processed == 1

    go(probe)


@ring_kernel(kernel_id="by-hand", auto_register=False)
async def by_hand(ctx: KernelContext[Job, Answer]) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive(timeout=1)
        await ctx.send(Answer(job.value))


def test_the_decorated_function_runs_with_a_context_made_by_hand() -> None:
    class Context:
        kernel_id, is_active, should_terminate = "by-hand", True, False

        def __init__(self) -> None:
            self.jobs, self.sent = [Job(1), Job(2)], []

        async def receive(self, timeout: float | None = None) -> Job:
            assert timeout == 1
            self.should_terminate = len(self.jobs) == 1
            return self.jobs.pop(0)

        async def send(self, answer: Answer) -> None:
            self.sent.append(answer)

    async def probe() -> None:
        context = Context()
        await by_hand(context)
        assert context.sent == [Answer(1), Answer(2)]

    go(probe)


# --- actors that send nothing --------------------------------------------------------------------


async def sink(ctx: KernelContext[Job, None]) -> None:
    total = 0
    while not ctx.should_terminate:
        job = await ctx.receive()
        total += job.value
    print("total", total)


async def untyped_sink(ctx: Any) -> None:
    total = 0
    while not ctx.should_terminate:
        try:
            job = await ctx.receive(timeout=0.1)
            total += job.value
        except:  # noqa: E722
            continue
    print("total", total)


async def printing_sink(ctx: Any) -> None:
    while True:
        job = await ctx.receive()
        print("got", job.value)


@pytest.mark.parametrize("function", [sink, untyped_sink, printing_sink])
def test_actors_that_send_nothing(
    way: str, function: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Logging sinks, and counters that print at their end: with and without declared types."""

    async def probe() -> None:
        given = {"input_type": Job} if function is not untyped_sink else {}
        async with launched(way, function, fallback="allow", **given) as kernel:
            await kernel.send(Job(1))
            assert await kernel.send_many([Job(n) for n in range(2, 5)]) == 3
            await until(lambda: kernel.statistics().processed == 4)
            assert kernel.backend == way
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=0)
            with pytest.raises(QueueTimeoutError):
                await kernel.receive_many(10, timeout=0)
            report = await kernel.terminate()
            assert (report.drained, report.failure) == (True, None)
            assert await drained(kernel) == []

    go(probe)
    printed = capsys.readouterr().out
    assert printed == (
        "".join(f"got {n}\n" for n in range(1, 5)) if function is printing_sink else "total 10\n"
    )


async def dividing(ctx: KernelContext[Job, Answer]) -> None:
    scale = 2
    while not ctx.should_terminate:
        try:
            job = await ctx.receive(timeout=100 // scale)
        except ZeroDivisionError:
            scale = 5
            await ctx.send(Answer(-1, -1))
            continue
        scale = job.value
        await ctx.send(Answer(scale, scale))


def test_a_time_out_is_computed_before_the_queue_is_looked_at(way: str) -> None:
    async def probe() -> None:
        async with launched(way, dividing) as kernel:
            await kernel.send_many([Job(n) for n in (3, 0, 4)])
            got = [(await kernel.receive(timeout=10)).total for _ in range(4)]
            assert got == [3, 0, -1, 4]

    go(probe)
