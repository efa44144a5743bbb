"""Waiting, cancelling, closing: any order of events, checked against what must always hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pydotcompute import (
    BackpressureStrategy,
    KernelClosedError,
    QueueFullError,
    QueueTimeoutError,
    RingKernelRuntime,
)
from pydotcompute.messages.slots import Values
from pydotcompute.queues.channel import Channel
from pydotcompute.queues.port import EMPTY, ObjectPort
from tests.support.native_actor.kit import SEND, Task

BLOCK, REJECT, DROP = BackpressureStrategy

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from([None, 0, 0.0001])),
        st.tuples(st.just("get"), st.sampled_from([None, 0, 0.0001])),
        st.tuples(st.just("put_batch"), st.integers(1, 6)),
        st.tuples(st.just("get_batch"), st.integers(1, 6)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("turn"), st.integers(1, 3)),
    ),
    max_size=60,
)


class Recorder(ObjectPort):
    """A port that remembers what went in and out, in order."""

    __slots__ = ("put", "taken")

    def __init__(self, bound: int, *, drop_oldest: bool) -> None:
        super().__init__(bound, Values("k", (), "takes"), drop_oldest=drop_oldest)
        self.put: list[int] = []
        self.taken: list[int] = []

    def try_put(self, message: Any) -> bool:
        done = super().try_put(message)
        if done:
            self.put.append(message)
        return done

    def put_batch(self, batch: Any, start: int) -> int:
        count = super().put_batch(batch, start)
        self.put.extend(batch[start : start + count])
        return count

    def withdraw(self, count: int) -> None:
        before = self.depth()
        super().withdraw(count)
        del self.put[len(self.put) - (before - self.depth()) :]

    def try_get(self) -> Any:
        message = super().try_get()
        if message is not EMPTY:
            self.taken.append(message)
        return message

    def get_batch(self, limit: int) -> Any:
        batch = super().get_batch(limit)
        self.taken.extend(batch)
        return batch


def closed(count: int) -> Exception:
    return KernelClosedError("closed", count)


async def play(steps: list[tuple[str, Any]], bound: int, policy: BackpressureStrategy) -> None:
    loop = asyncio.get_running_loop()
    port = Recorder(bound, drop_oldest=policy is DROP)
    channel = Channel(port, policy, loop, "queue")
    port.wake = channel.notify
    tasks: list[asyncio.Task[Any]] = []
    sent: dict[asyncio.Task[Any], list[int]] = {}
    number = 0
    for step, argument in steps:
        if step in ("put", "put_batch"):
            batch = list(range(number, number + (argument if step == "put_batch" else 1)))
            number += len(batch)
            call = (
                channel.put_batch(batch) if step == "put_batch" else channel.put(batch[0], argument)
            )
            sent[task := loop.create_task(call)] = batch
            tasks.append(task)
        elif step == "get":
            tasks.append(loop.create_task(channel.get(argument)))
        elif step == "get_batch":
            tasks.append(loop.create_task(channel.get_batch(argument)))
        elif step == "cancel" and tasks:
            tasks[argument % len(tasks)].cancel()
        elif step == "turn":
            for _ in range(argument):
                await asyncio.sleep(0)
        assert port.depth() <= bound
    channel.close(closed)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    received: list[int] = []
    for task, outcome in zip(tasks, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            assert isinstance(
                outcome,
                (asyncio.CancelledError, KernelClosedError, QueueTimeoutError, QueueFullError),
            )
            if task in sent:
                taken = [n for n in sent[task] if n in port.put]
                assert taken == sent[task][: len(taken)]
                if not isinstance(outcome, asyncio.CancelledError):
                    assert len(taken) == getattr(outcome, "count", 0)
        elif task in sent:
            assert all(n in port.put for n in sent[task])
        else:
            received.extend([outcome] if isinstance(outcome, int) else list(outcome))
    left = port.take_all()
    assert sorted(received) == sorted(port.taken)  # a cancelled getter has taken nothing
    if policy is DROP:
        assert port.dropped == len(port.put) - len(port.taken) - len(left)
        assert [n for n in port.put if n in set(port.taken) | set(left)] == port.taken + left
    else:
        assert port.taken + left == port.put  # in order, none lost, none twice
    assert not channel.getters
    assert not channel.putters
    assert channel.promised == 0


@example([("put_batch", 2), ("turn", 1), ("cancel", 0), ("turn", 1)], 1, BackpressureStrategy.BLOCK)
@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(1, 3), st.sampled_from(list(BackpressureStrategy)))
def test_whatever_happens(
    steps: list[tuple[str, Any]], bound: int, policy: BackpressureStrategy
) -> None:
    asyncio.run(play(steps, bound, policy))


def test_a_woken_and_cancelled_getter_passes_the_word_on(run: Callable[..., Any]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        port = Recorder(4, drop_oldest=False)
        channel = Channel(port, BLOCK, loop, "queue")
        port.wake = channel.notify
        first, second = (loop.create_task(channel.get()) for _ in range(2))
        await asyncio.sleep(0)
        await channel.put(7)
        first.cancel()
        assert await second == 7
        assert first.cancelled()

    run(main())


def test_a_woken_getter_that_is_closed_passes_the_word_on(run: Callable[..., Any]) -> None:
    """A coroutine that is stepped by hand may be closed where it waits."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        port = Recorder(4, drop_oldest=False)
        channel = Channel(port, BLOCK, loop, "queue")
        port.wake = channel.notify
        first = channel.get()
        first.send(None)
        second = loop.create_task(channel.get())
        await asyncio.sleep(0)
        await channel.put(7)
        first.close()
        assert await second == 7
        assert channel.promised == 0

    run(main())


def test_newcomers_do_not_overtake_woken_getters(run: Callable[..., Any]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        port = Recorder(4, drop_oldest=False)
        channel = Channel(port, BLOCK, loop, "queue")
        port.wake = channel.notify
        parked = loop.create_task(channel.get())
        await asyncio.sleep(0)
        await channel.put(7)
        with pytest.raises(QueueTimeoutError):
            await channel.get(0)
        assert await parked == 7

    run(main())


SCRIPT = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 5)),
        st.tuples(st.just("send_many"), st.integers(1, 9)),
        st.tuples(st.just("request"), st.integers(1, 3)),
        st.tuples(st.just("receive"), st.integers(1, 5)),
        st.tuples(st.just("receive_many"), st.integers(1, 9)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("pause"), st.just(0)),
        st.tuples(st.just("turn"), st.integers(1, 4)),
    ),
    max_size=40,
)


async def perform(script: list[tuple[str, int]], kit: Any, size: int) -> None:
    """Play a script on a real kernel; every accepted message is answered once, in order."""
    async with RingKernelRuntime() as runtime:
        kernel = await kit(runtime, queue_size=size)
        tasks: list[tuple[str, Any, asyncio.Task[Any]]] = []
        number = 0

        def spawn(kind: str, what: Any, call: Any) -> None:
            tasks.append((kind, what, asyncio.get_running_loop().create_task(call)))

        for step, count in script:
            if step in ("send", "request"):
                for number in range(number + 1, number + 1 + count):  # noqa: B020
                    call = kernel.send if step == "send" else kernel.request
                    spawn(step, [number], call(Task(SEND, number)))
            elif step == "send_many":
                values = list(range(number + 1, number + 1 + count))
                number += count
                spawn("send", values, kernel.send_many([Task(SEND, v) for v in values]))
            elif step == "receive":
                for _ in range(count):
                    spawn("receive", None, kernel.receive())
            elif step == "receive_many":
                spawn("receive", None, kernel.receive_many(count))
            elif step == "cancel" and tasks:
                tasks[count % len(tasks)][2].cancel()
            elif step == "pause":
                await kernel.deactivate()
                await kernel.reactivate()
            else:
                for _ in range(count):
                    await asyncio.sleep(0)
        ending = asyncio.create_task(kernel.terminate(timeout=20))
        rest: list[int] = []
        async for result in kernel.messages():
            rest.append(result.value // 2)
        report = await ending
        outcomes = await asyncio.gather(*(task for _, _, task in tasks), return_exceptions=True)
        _check(tasks, outcomes, rest, report, kernel)


def _check(tasks: Any, outcomes: Any, rest: list[int], report: Any, kernel: Any) -> None:
    received, answered, certain, possible = list(rest), set(), set(), set()
    for (kind, what, _), outcome in zip(tasks, outcomes, strict=True):
        failed = isinstance(outcome, BaseException)
        if failed:
            assert isinstance(outcome, (asyncio.CancelledError, KernelClosedError))
        if kind == "receive" and not failed:
            many = isinstance(outcome, np.ndarray)
            received.extend((outcome["value"] // 2).tolist() if many else [outcome.value // 2])
        elif kind == "request":
            if not failed:
                assert outcome.value // 2 == what[0]
                answered.add(what[0])
        elif kind == "send":
            (possible if failed else certain).update(what)
    unprocessed = {task.value for task in report.unprocessed}
    assert len(received) == len(set(received))
    assert certain <= set(received) | unprocessed
    assert set(received) <= certain | possible
    assert not set(received) & answered
    figures = kernel.statistics()
    assert figures.processed + len(unprocessed) == figures.received


@settings(max_examples=60, deadline=None)
@given(script=SCRIPT, size=st.integers(1, 4))
@pytest.mark.parametrize("name", ["python", "native"])
def test_whatever_clients_do(name: str, script: list[tuple[str, int]], size: int) -> None:
    import pydotcompute.kernels.actor as actor
    from pydotcompute.backends.choice import Plan
    from tests.support.native_actor import kit as native

    if name == "native" and native.library() is None:
        pytest.skip("no C++ compiler")
    chosen = actor.choose

    async def launch(runtime: Any, **given: Any) -> Any:
        kernel = await runtime.launch("kit", native.kit(**given), backend=name)
        await kernel.activate()
        return kernel

    def choice(spec: Any, coroutine_parts: Any, asked: str, *rest: Any) -> Plan:
        if asked == "python":
            return chosen(spec, coroutine_parts, asked, *rest)
        return Plan("native", program=native.program())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(actor, "choose", choice)
        asyncio.run(asyncio.wait_for(perform(script, launch, size), 30))
