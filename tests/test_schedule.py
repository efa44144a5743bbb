"""Whether turns depend on one another, and what makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import message, ring_kernel
from pydotcompute.compiler.schedule import schedule_of


@message
@dataclass
class Number:
    n: int


def push(xs: list[int], n: int) -> None:
    xs[n % 4] = n


def peek(xs: list[int], n: int) -> int:
    return xs[n % 4]


async def stateless(ctx: Any) -> None:
    while True:
        number = await ctx.receive()
        for shift in range(3):
            number = Number(number.n ^ shift)
        await ctx.send(number)


async def reads_its_state(ctx: Any) -> None:
    table, limit = [3, 1, 4, 1], 10
    while True:
        number = await ctx.receive()
        if number.n < limit:
            await ctx.send(Number(peek(table, number.n)))


async def counts(ctx: Any) -> None:
    count = 0
    while True:
        number = await ctx.receive()
        if number.n > 0:
            count += 1
        await ctx.send(Number(count))


async def keeps_items(ctx: Any) -> None:
    table = [0] * 4
    while True:
        number = await ctx.receive()
        push(table, number.n)
        await ctx.send(number)


async def remembers_the_last(ctx: Any) -> None:
    last = Number(0)
    while True:
        number = await ctx.receive()
        await ctx.send(last)
        last = number


async def prints(ctx: Any) -> None:
    while True:
        number = await ctx.receive()
        print(number.n)
        await ctx.send(number)


async def sends_many(ctx: Any) -> None:
    while True:
        number = await ctx.receive()
        for _ in range(number.n):
            await ctx.send(number)


@pytest.mark.parametrize(
    ("function", "schedule"),
    [
        (stateless, "independent: a turn leaves nothing behind but what it sends"),
        (reads_its_state, "independent: a turn leaves nothing behind but what it sends"),
        (counts, "sequential: `count` is carried from turn to turn (line +5)"),
        (keeps_items, "sequential: `table` is carried from turn to turn (line +4)"),
        (remembers_the_last, "sequential: `last` is carried from turn to turn (line +5)"),
        (prints, "sequential: what turns print has an order"),
        (sends_many, "sequential: a turn may send any number of messages"),
    ],
)
def test_schedule(function: Any, schedule: str) -> None:
    actor = ring_kernel(kernel_id="schedule", input_type=Number, output_type=Number,
                        auto_register=False)(function)  # fmt: skip
    lowering = actor.lower()
    assert lowering.kernel is not None, lowering.explain()
    first = function.__code__.co_firstlineno
    head, found, tail = schedule.partition("(line +")
    if found:
        schedule = f"{head}(line {first + int(tail[0])})"
    assert str(schedule_of(lowering.kernel.ir)) == schedule
    assert f"Schedule  {schedule}\n" in lowering.explain()


def test_state_that_no_turn_writes_is_not_written_back() -> None:
    actor = ring_kernel(kernel_id="schedule", input_type=Number, output_type=Number,
                        auto_register=False)(reads_its_state)  # fmt: skip
    source = actor.lower().source
    assert "const i64 limit = pdc_live->limit;" in source
    assert "pdc_live->limit =" not in source
