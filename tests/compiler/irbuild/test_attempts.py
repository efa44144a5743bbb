"""What one attempt to build a function has learnt does not reach the next; two names of one object.

Temporaries are numbered anew in each attempt.  When sets of their names outlived an attempt, a
message of the state passed for one made in the turn, and compiled code changed a copy of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import RingKernelRuntime, message, ring_kernel
from pydotcompute.compiler.irbuild import actor as building
from pydotcompute.compiler.irbuild.core.attempts import build_until_stable
from pydotcompute.compiler.irbuild.core.builder import Builder


@message
@dataclass
class Job:
    n: int


@message
@dataclass
class Order:
    price: int

    def __post_init__(self) -> None:
        self.price = int(self.price)


@message
@dataclass
class Size:
    total: int


def actor(output: type) -> Callable[[Any], Any]:
    return lambda function: ring_kernel(
        kernel_id=function.__name__, input_type=Job, output_type=output, auto_register=False
    )(function)


@actor(Order)
async def by_conditionals(ctx: Any) -> None:
    kept = Order(7)
    spare = Order(8)
    while not ctx.should_terminate:
        m = await ctx.receive()
        t = (
            (kept if (j := m.n) > 3 else kept)  # noqa: RUF034
            if m.n > 2
            else (spare if (j := m.n) else spare)  # noqa: RUF034
        )
        t.price = 99
        await ctx.send(kept)
        await ctx.send(Order(j))


@actor(Order)
async def by_walrus(ctx: Any) -> None:
    kept = Order(7)
    while not ctx.should_terminate:
        m = await ctx.receive()
        if (t := kept).price < m.n:
            t.price = m.n % 1000
        await ctx.send(kept)


@actor(Order)
async def fresh_or_kept(ctx: Any) -> None:
    kept = Order(1)
    while not ctx.should_terminate:
        m = await ctx.receive()
        t = Order(m.n % 100) if m.n % 2 else kept
        t.price += 1
        await ctx.send(t)
        await ctx.send(kept)


@actor(Order)
async def through_a_tuple(ctx: Any) -> None:
    kept = Order(1)
    while not ctx.should_terminate:
        m = await ctx.receive()
        both = (kept, m.n)
        both[0].price += both[1]
        await ctx.send(kept)


def same(order: Order, n: int) -> Order:
    return order if n > 0 else Order(n)


@actor(Order)
async def through_a_function(ctx: Any) -> None:
    kept = Order(1)
    while not ctx.should_terminate:
        m = await ctx.receive()
        t = same(kept, m.n)
        t.price += 10
        await ctx.send(kept)
        await ctx.send(t)


@actor(Size)
async def deques(ctx: Any) -> None:
    left: deque[int] = deque(maxlen=4)
    right: deque[int] = deque(maxlen=4)
    while not ctx.should_terminate:
        m = await ctx.receive()
        q = left if m.n % 2 else right
        q.append(m.n % 7)
        other = left
        other.append(1)
        await ctx.send(Size(sum(left) * 100 + sum(right)))


@actor(Order)
async def built_twice(ctx: Any) -> None:
    """``total`` becomes a float, so a second attempt numbers its temporaries otherwise.

    The one of the conditional then had the name of the fresh message of the first attempt.
    """
    kept = Order(7)
    spare = Order(8)
    total = 0
    while not ctx.should_terminate:
        m = await ctx.receive()
        z = ((total * 2) + 1) * 2  # noqa: F841
        total = total + 0.5
        t = (
            (kept if (j := m.n) > 3 else kept)  # noqa: RUF034
            if m.n > 2
            else (spare if (j := m.n) else spare)  # noqa: RUF034
        )
        t.price = 99
        await ctx.send(kept)
        if m.n > 70:
            extra = Order(m.n + j)
            await ctx.send(extra)


ALIASES = [
    built_twice, by_conditionals, by_walrus, fresh_or_kept, through_a_tuple, through_a_function,
    deques,
]  # fmt: skip


async def outputs(subject: Any, backend: str) -> list[Any]:
    async with RingKernelRuntime(backend=backend, fallback="allow") as runtime:
        kernel = await runtime.launch(subject.kernel_id, subject)
        await kernel.activate()
        await kernel.send_many([Job(n) for n in (1, 0, 5, 3, 2, -4, 7)])
        await kernel.terminate()
        return [sent async for sent in kernel.messages()]


@pytest.mark.parametrize("subject", ALIASES, ids=lambda subject: subject.kernel_id)
def test_two_names_of_one_object(subject: Any) -> None:
    """Compiled or not, the answer is Python's."""
    expected = asyncio.run(outputs(subject, "python"))
    assert len(expected) >= 7
    assert asyncio.run(outputs(subject, "native")) == expected


@actor(Order)
async def built_again(ctx: Any) -> None:
    x = 0
    while not ctx.should_terminate:
        m = await ctx.receive()
        x = m.n if m.n > 0 else x / 2
        await ctx.send(Order(int(x)))


def test_each_attempt_begins_with_an_empty_builder(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Builder] = []

    def watched(make: Callable[[], Builder], build: Callable[[Builder], None]) -> Builder:
        def seen() -> Builder:
            builder = make()
            assert not any((builder.made, builder.received, builder.views, builder.aliases))
            begun.append(builder)
            return builder

        return build_until_stable(seen, build)

    monkeypatch.setattr(building, "build_until_stable", watched)
    assert built_again.lower().ok
    assert len(begun) > 1
    assert len({id(builder) for builder in begun}) == len(begun)
