"""Contract, second part, sections 10 and 17: interpreted messages among compiled ones.

What an interpreted message may leave behind, and what may happen to the actor meanwhile.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    KernelState,
    RingKernelRuntime,
    message,
    ring_kernel,
)
from tests.support.contract import go
from tests.support.steps import Step, Sum


@message
class Other:
    """Of no declared class."""

    n: int = 0
    way: int = 0


GATE: dict[str, asyncio.Event] = {}


async def gated(ctx: Any) -> None:
    """One way of handling a message awaits something else."""
    total = 0
    while not ctx.should_terminate:
        step = await ctx.receive()
        total += step.n
        if step.way == 1:
            GATE["entered"].set()
            await GATE["go"].wait()
            total += len({step.n})
        if step.way == 2:
            seen = {total}
            raise ValueError(f"two {len(seen)}")
        await ctx.send(Sum(total))
    await ctx.send(Sum(-total))


async def typed(ctx: Any) -> None:
    """A variable that interpreted messages give other types."""
    total = 0
    while not ctx.should_terminate:
        step = await ctx.receive()
        if step.way == 1:
            total = {0: 0.5, 1: True, 2: 2**70}.get(step.n % 3)
            await ctx.send(Sum(len({step.n})))
        elif step.way == 2:
            total = len({step.n})
            await ctx.send(Sum(total))
        else:
            total = total + step.n
            await ctx.send(Sum(int(total * 2 % 1000)))


def launched(function: Any, runtime: Any, **options: Any) -> Any:
    """The actor, launched."""
    actor = ring_kernel(kernel_id=function.__name__, auto_register=False, input_type=Step,
                        output_type=Sum, **options)(function)  # fmt: skip
    return runtime.launch(function.__name__, actor)


def with_gate(way: str, probe: Any, function: Any = gated, **options: Any) -> Any:
    """Run ``probe(kernel)`` on an active actor, with a new gate."""

    async def main() -> Any:
        GATE.update(entered=asyncio.Event(), go=asyncio.Event())
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            kernel = await launched(function, runtime, **options)
            await kernel.activate()
            return await probe(kernel)

    return go(main)


@pytest.mark.parametrize("seed", range(3))
def test_a_variable_keeps_the_type_that_an_interpreted_message_gave_it(way: str, seed: int) -> None:
    draw = random.Random(seed)
    sent = [Step(draw.randint(0, 9), draw.choice((0, 0, 0, 1, 2))) for _ in range(60)]

    async def probe(kernel: Any) -> Any:
        return [(await kernel.request(step)).total for step in sent], kernel.backend

    truth, _ = with_gate("python", probe, typed)
    assert with_gate(way, probe, typed) == (truth, way)


def test_an_interpreted_message_may_await_and_no_other_is_handled_meanwhile(way: str) -> None:
    async def probe(kernel: Any) -> None:
        for step in (Step(1), Step(2, 1), Step(3)):
            await kernel.send(step)
        assert (await kernel.receive()).total == 1
        await GATE["entered"].wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert (kernel.statistics().processed, kernel.statistics().output_depth) == (1, 0)
        GATE["go"].set()
        assert [(await kernel.receive()).total for _ in range(2)] == [4, 7]
        assert (kernel.backend, kernel.statistics().processed) == (way, 3)
        if way != "python":
            assert kernel.statistics().interpreted == 1
        assert (await kernel.terminate()).drained
        assert (await kernel.receive()).total == -7

    with_gate(way, probe)


def test_replies_of_interpreted_messages_find_their_callers(way: str) -> None:
    async def probe(kernel: Any) -> None:
        GATE["go"].set()
        steps = [Step(n, n % 2) for n in range(40)]
        got = await asyncio.gather(*(kernel.request(step) for step in steps))
        total, expected = 0, []
        for step in steps:
            total += step.n + step.way
            expected.append(total)
        assert [reply.total for reply in got] == expected
        if way != "python":
            assert kernel.statistics().interpreted == 20

    with_gate(way, probe)


def test_a_paused_actor_holds_an_interpreted_message(way: str) -> None:
    async def probe(kernel: Any) -> None:
        for step in (Step(1, 1), Step(2)):
            await kernel.send(step)
        await GATE["entered"].wait()
        await kernel.deactivate()
        GATE["go"].set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert kernel.statistics().output_depth == 0
        await kernel.reactivate()
        assert [(await kernel.receive()).total for _ in range(2)] == [2, 4]
        assert kernel.backend == way

    with_gate(way, probe)


@pytest.mark.parametrize("drain", [False, True])
def test_terminating_during_an_interpreted_message(way: str, drain: bool) -> None:
    async def probe(kernel: Any) -> None:
        for step in (Step(1, 1), Step(2), Step(4, 1)):
            await kernel.send(step)
        await GATE["entered"].wait()
        ending = asyncio.create_task(kernel.terminate(drain=drain))
        for _ in range(5):
            await asyncio.sleep(0)
        GATE["go"].set()
        report = await ending
        got = [each.total async for each in kernel.messages()]
        if drain:
            assert (report.drained, got) == (True, [2, 4, 9, -9])
        else:
            assert report.unprocessed == (Step(2), Step(4, 1))
            assert got == [2, -2]

    with_gate(way, probe)


def test_giving_up_on_an_interpreted_message_loses_nothing(way: str) -> None:
    async def probe(kernel: Any) -> None:
        for step in (Step(1, 1), Step(2)):
            await kernel.send(step)
        await GATE["entered"].wait()
        report = await kernel.terminate(timeout=0.01)
        assert report.unprocessed == (Step(1, 1), Step(2))

    with_gate(way, probe)


def test_failure_and_restart(way: str) -> None:
    async def probe(kernel: Any) -> None:
        GATE["go"].set()
        for step in (Step(5), Step(1, 1), Step(7, 2), Step(2)):
            await kernel.send(step)
        assert [(await kernel.receive()).total for _ in range(2)] == [5, 7]
        with pytest.raises(ActorFailedError) as caught:
            await kernel.receive()
        assert caught.value.message_in == Step(7, 2)
        assert caught.value.state["total"] == 7
        assert str(caught.value.__cause__) == "two 1"
        assert kernel.state is KernelState.FAILED
        await kernel.restart()
        assert (await kernel.receive()).total == 9
        assert (await kernel.request(Step(1, 1))).total == 11
        assert kernel.backend == way

    with_gate(way, probe)


@pytest.mark.parametrize("policy", list(BackpressureStrategy))
def test_the_output_queue_keeps_its_bound(way: str, policy: BackpressureStrategy) -> None:
    """Every message is interpreted; outputs are read late."""

    async def probe(kernel: Any) -> Any:
        GATE["go"].set()
        got: list[int] = []
        for n in range(3):
            await kernel.send(Step(n, 1))
            while kernel.statistics().input_depth:
                await asyncio.sleep(0)
        try:
            while kernel.statistics().processed < 3 and kernel.statistics().output_depth < 2:
                await asyncio.sleep(0)
            for _ in range(10):
                await asyncio.sleep(0)
            assert kernel.statistics().output_depth == 2
            got = [(await kernel.receive()).total for _ in range(2)]
            if policy is BackpressureStrategy.BLOCK:
                got.append((await kernel.receive()).total)
            if policy is BackpressureStrategy.REJECT:
                await kernel.receive()
        except ActorFailedError as error:
            got.append(error.message_in.n)
        return got

    found = with_gate(way, probe, queue_size=2, backpressure=policy)
    wanted = {"BLOCK": [1, 3, 6], "REJECT": [1, 3, 2], "DROP_OLDEST": [3, 6]}
    assert found == wanted[policy.name]


def test_actors_whose_messages_all_break_move_to_the_interpreter_and_back(way: str) -> None:
    if way == "python":
        pytest.skip("it is there")

    async def probe(kernel: Any) -> None:
        GATE["go"].set()
        total = 0
        while kernel.backend == way:
            assert (await kernel.request(Step(1, 1))).total == (total := total + 2)
            assert total < 20_000
        assert kernel.backend == "python"
        assert "of its messages come to something" in kernel.reason
        assert kernel.statistics().fallbacks == 1
        while kernel.backend == "python":
            assert (await kernel.request(Step(1))).total == (total := total + 1)
            assert total < 40_000
        assert (kernel.backend, kernel.reason) == (way, None)
        before = kernel.statistics().interpreted
        assert (await kernel.request(Step(1))).total == total + 1
        assert kernel.statistics().interpreted == before

    with_gate(way, probe)


async def ticking(ctx: Any) -> None:
    """The handler of a time-out breaks."""
    late = 0
    while not ctx.should_terminate:
        try:
            step = await ctx.receive(timeout=0.001)
        except TimeoutError:
            late += len({late})
            await ctx.send(Sum(-late))
            continue
        await ctx.send(Sum(step.n))


def test_a_break_in_the_handler_of_a_timeout_counts_no_message(way: str) -> None:
    async def probe(kernel: Any) -> None:
        assert [(await kernel.receive()).total for _ in range(3)] == [-1, -2, -3]
        reply = await kernel.request(Step(5))
        assert (reply.total, kernel.backend) == (5, way)
        figures = kernel.statistics()
        assert (figures.processed, figures.fallbacks) == (1, 0)
        assert figures.timeouts >= 3
        assert figures.interpreted == (way == "python")
        if way != "python":
            assert sum(kernel.breaks.values()) == figures.timeouts

    with_gate(way, probe, ticking)


async def labelled(ctx: Any) -> None:
    """An interpreted message sets a header."""
    total = 0
    while not ctx.should_terminate:
        step = await ctx.receive()
        total += step.n
        if step.way == 1:
            await ctx.send(Sum(total, priority=7 + len({total})))
        else:
            await ctx.send(Sum(total))


def test_outputs_with_a_header_keep_it_and_their_place(way: str) -> None:
    async def probe(kernel: Any) -> None:
        for n in range(12):
            await kernel.send(Step(1, n % 3 == 1))
        got = [await kernel.receive() for _ in range(12)]
        assert [each.total for each in got] == list(range(1, 13))
        assert [each.priority for each in got] == [8 if n % 3 == 1 else 128 for n in range(12)]
        assert kernel.backend == way

    with_gate(way, probe, labelled)


def test_the_oldest_message_is_dropped_behind_an_interpreted_one(way: str) -> None:
    async def probe(kernel: Any) -> None:
        await kernel.send(Step(1, 1))
        await GATE["entered"].wait()
        for n in range(5):
            await kernel.send(Step(10 * n))
        assert kernel.statistics().dropped == 2
        GATE["go"].set()
        while kernel.statistics().processed < 4:
            await asyncio.sleep(0)
        assert [(await kernel.receive()).total for _ in range(3)] == [22, 52, 92]
        assert kernel.backend == way

    with_gate(way, probe, queue_size=3, backpressure=BackpressureStrategy.DROP_OLDEST)


def test_a_message_without_a_record_moves_the_actor_while_one_is_interpreted(way: str) -> None:
    if way == "python":
        pytest.skip("it is there")

    async def main() -> None:
        GATE.update(entered=asyncio.Event(), go=asyncio.Event())
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            actor = ring_kernel(kernel_id="gated", auto_register=False)(gated)
            kernel = await runtime.launch("gated", actor)
            await kernel.activate()
            assert (await kernel.request(Step(1))).total == 1
            assert kernel.backend == way
            await kernel.send(Step(2, 1))
            await GATE["entered"].wait()
            await kernel.send(Other(10))
            assert (kernel.backend, kernel.statistics().fallbacks) == ("python", 1)
            GATE["go"].set()
            assert [(await kernel.receive()).total for _ in range(2)] == [4, 14]
            assert (await kernel.request(Step(1, 1))).total == 16
            assert (await kernel.terminate()).drained

    go(main)


def test_a_cancelled_request_leaves_an_interpreted_message_alone(way: str) -> None:
    async def probe(kernel: Any) -> None:
        call = asyncio.create_task(kernel.request(Step(1, 1)))
        await GATE["entered"].wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        GATE["go"].set()
        assert (await kernel.request(Step(3))).total == 5
        assert kernel.statistics().output_depth == 0

    with_gate(way, probe)
