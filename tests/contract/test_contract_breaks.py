"""Contract, second part, section 10: message by message.

A message that comes to a statement that compiled code does not have is interpreted; all others are
not, and every backend gives the same answers.
"""

from __future__ import annotations

import random
import warnings
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    LoweringError,
    RingKernelRuntime,
    message,
    ring_kernel,
)
from pydotcompute.kernels.fallback import FallbackWarning
from tests.support.contract import go
from tests.support.steps import Step, Sum


async def steps(ctx: Any) -> None:
    """Four ways of handling a message; compiled code has the first."""
    total = 0
    while not ctx.should_terminate:
        step = await ctx.receive()
        if step.way == 1:
            total += len({step.n, step.n + 1, step.n % 2})
        elif step.way == 2:
            try:
                total += 10 // step.n
            except ZeroDivisionError as error:
                print(f"Error: {error}")
                total -= 1
        elif step.way == 3:
            total = total + 2**200 if step.n else total - 2**200
        elif step.way == 4:
            raise ValueError("four")
        else:
            total += step.n
        await ctx.send(Sum(total % 1000003))


def actor_of(function: Any, **options: Any) -> Any:
    """The actor, decorated."""
    return ring_kernel(kernel_id=function.__name__, auto_register=False, input_type=Step,
                       output_type=Sum, **options)(function)  # fmt: skip


def answers(way: str, sent: list[Step], *, batch: bool = False) -> Any:
    """What the actor answers, and its counters."""

    async def probe() -> Any:
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            kernel = await runtime.launch("steps", actor_of(steps, queue_size=len(sent)))
            await kernel.activate()
            if batch:
                await kernel.send_many(sent)
                got: list[int] = []
                while len(got) < len(sent):
                    got += (await kernel.receive_many(len(sent)))["total"].tolist()
            else:
                got = [(await kernel.request(step)).total for step in sent]
            return got, kernel.backend, kernel.statistics(), kernel.breaks

    return go(probe)


def mixed(seed: int, count: int = 120) -> list[Step]:
    """Messages, about a quarter of which compiled code stops before."""
    draw = random.Random(seed)
    return [Step(draw.randint(-3, 3), draw.choice((0, 0, 0, 0, 0, 1, 2, 2))) for _ in range(count)]


@pytest.mark.parametrize("batch", [False, True])
def test_the_answers_are_those_of_the_coroutine(way: str, batch: bool, capfd: Any) -> None:
    sent = mixed(7)
    truth, *_ = answers("python", sent)
    printed = capfd.readouterr().out
    got, backend, stats, breaks = answers(way, sent, batch=batch)
    assert (got, backend) == (truth, way)
    assert capfd.readouterr().out == printed
    if way == "python":
        return
    divided = sum(step.way == 2 and step.n == 0 for step in sent)
    broken = sum(step.way == 1 for step in sent)
    assert broken <= stats.interpreted <= broken + divided
    assert stats.fallbacks == 0
    assert stats.processed == len(sent)
    assert sorted(breaks.values())[-1] == broken
    assert sum(place.endswith(f":{_line('len({')}") for place in breaks) == 1


def _line(part: str) -> int:
    with open(__file__) as file:
        return next(n for n, line in enumerate(file, 1) if part in line)


def test_an_int_too_large_is_interpreted_until_it_is_small_again(way: str) -> None:
    sent = [Step(1), Step(1, 3), Step(2), Step(0, 3), *[Step(1)] * 10]
    truth, *_ = answers("python", sent)
    got, backend, stats, breaks = answers(way, sent)
    assert (got, backend, breaks, stats.fallbacks) == (truth, way, {}, 0)
    assert way == "python" or 3 <= stats.interpreted < len(sent)


def test_a_failure_of_an_interpreted_message_leaves_the_state_before_it(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            kernel = await runtime.launch("steps", actor_of(steps))
            await kernel.activate()
            assert (await kernel.request(Step(5))).total == 5
            assert (await kernel.request(Step(5, 1))).total == 8
            await kernel.send(Step(0, 4))
            with pytest.raises(ActorFailedError) as caught:
                await kernel.receive()
            assert caught.value.state == {"total": 8}
            await kernel.restart()
            assert (await kernel.request(Step(1))).total == 9
            assert kernel.backend == way

    go(probe)


def test_what_the_user_is_told() -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend="native", fallback="error") as runtime:
            with pytest.raises(LoweringError, match="set display cannot be compiled"):
                await runtime.launch("steps", actor_of(steps))
        async with RingKernelRuntime(backend="native", fallback="warn") as runtime:
            with pytest.warns(FallbackWarning) as told:
                await runtime.launch("steps", actor_of(steps))
            assert len(told) == 1
            assert f":{_line('len({')})" in str(told[0].message)
        async with RingKernelRuntime(backend="native", fallback="allow") as runtime:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                await runtime.launch("steps", actor_of(steps))

    go(probe)
    lowering = actor_of(steps).lower()
    assert lowering.ok
    assert _line("len({") in [found.line for found in lowering.breaks]
    for text in (lowering.explain(), lowering.html()):
        assert "set display cannot be compiled" in text


@message
class Point:
    """A message that lives in the state."""

    x: int = 0


async def aliased(ctx: Any) -> None:
    """Two names of one message, made by compiled code; one is changed where it breaks."""
    p, q = Point(1), Point(2)
    while not ctx.should_terminate:
        step = await ctx.receive()
        if step.way == 1:
            q = p
        elif step.way == 2:
            p.x += len({step.n})
        await ctx.send(Sum(p.x * 100 + q.x))


async def renamed(ctx: Any) -> None:
    """Two names of one message, made by a statement that breaks; one is changed elsewhere."""
    p, q = Point(1), Point(2)
    while not ctx.should_terminate:
        step = await ctx.receive()
        if step.way == 1:
            q = [p, len({step.n})][0]
        elif step.way == 2:
            p.x += step.n
        else:
            p = Point(step.n)
        await ctx.send(Sum(p.x * 100 + q.x))


async def retyped(ctx: Any) -> None:
    """A variable that gets a value of another type where it breaks, and keeps it."""
    last = 0
    while not ctx.should_terminate:
        step = await ctx.receive()
        if step.way == 1:
            last = sorted({step.n, 0.75})[-1]
        elif step.way == 2:
            raise ValueError("two")
        await ctx.send(Sum(int(last * 4)))


@pytest.mark.parametrize("actor", [aliased, renamed])
def test_messages_of_the_state_keep_their_names(way: str, actor: Any) -> None:
    ways = [0, 2, 1, 2, 2, 0, 1, 2]

    async def probe(backend: str) -> list[int]:
        async with RingKernelRuntime(backend=backend, fallback="allow") as runtime:
            kernel = await runtime.launch("actor", actor_of(actor))
            await kernel.activate()
            return [(await kernel.request(Step(n + 1, each))).total for n, each in enumerate(ways)]

    assert go(lambda: probe(way)) == go(lambda: probe("python"))


def test_a_restart_keeps_values_of_other_types(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            kernel = await runtime.launch("retyped", actor_of(retyped))
            await kernel.activate()
            assert (await kernel.request(Step(-1, 1))).total == 3
            await kernel.send(Step(0, 2))
            with pytest.raises(ActorFailedError):
                await kernel.receive()
            await kernel.restart()
            assert (await kernel.request(Step(0))).total == 3

    go(probe)


def told(n: int) -> None:
    """A helper that breaks."""
    print(str(n)[::-1])


async def widening(ctx: Any) -> None:
    """The helper is called at two places; two lists learn that they hold floats."""
    xs, ys = [0], [0]
    while not ctx.should_terminate:
        step = await ctx.receive()
        if step.way == 1:
            xs[0] = step.n / 4
            told(12)
        elif step.way == 2:
            ys[0] = step.n / 4
            told(34)
        await ctx.send(Sum(int((xs[0] + ys[0]) * 4)))


def test_a_helper_that_breaks_at_two_places(way: str, capfd: Any) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            kernel = await runtime.launch("widening", actor_of(widening))
            await kernel.activate()
            got = [(await kernel.request(Step(3, each))).total for each in (0, 1, 2, 0)]
            assert got == [0, 3, 6, 6]
            assert kernel.backend == way

    go(probe)
    assert capfd.readouterr().out.split() == ["21", "43"]
    assert [found.line for found in actor_of(widening).lower().breaks]
