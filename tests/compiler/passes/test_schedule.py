"""Whether turns depend on one another, and what makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import Lowering, message, ring_kernel
from pydotcompute.compiler.passes.turn_dependence import schedule_of


@message
@dataclass
class Number:
    n: int


@message
@dataclass
class Name:
    text: str


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


async def makes_strings(ctx: Any) -> None:
    while True:
        number = await ctx.receive()
        await ctx.send(Name(f"number {number.n}"))


async def sends_many(ctx: Any) -> None:
    while True:
        number = await ctx.receive()
        for _ in range(number.n):
            await ctx.send(number)


def lowered(function: Any) -> Lowering:
    make = ring_kernel(kernel_id="schedule", input_type=Number, output_type=Number | Name,
                       auto_register=False)  # fmt: skip
    found: Lowering = make(function).lower()
    return found


@pytest.mark.parametrize(
    ("function", "schedule"),
    [
        (stateless, "independent: a turn leaves nothing behind but what it sends"),
        (reads_its_state, "independent: a turn leaves nothing behind but what it sends"),
        (counts, "sequential: `count` is carried from turn to turn (line +5)"),
        (keeps_items, "sequential: `table` is carried from turn to turn (line +4)"),
        (remembers_the_last, "sequential: `last` is carried from turn to turn (line +5)"),
        (prints, "sequential: what turns print is printed in order"),
        (makes_strings, "sequential: the strings that turns make are made in order"),
        (sends_many, "sequential: a turn may send any number of messages"),
    ],
)
def test_schedule(function: Any, schedule: str) -> None:
    lowering = lowered(function)
    assert lowering.kernel is not None, lowering.explain()
    first = function.__code__.co_firstlineno
    head, found, tail = schedule.partition("(line +")
    if found:
        schedule = f"{head}(line {first + int(tail[0])})"
    assert str(schedule_of(lowering.kernel.ir)) == schedule
    assert f"Schedule  {schedule}\n" in lowering.explain()


def test_state_that_no_turn_writes_is_not_written_back() -> None:
    source = lowered(reads_its_state).source
    assert "const i64 limit = pdc_kept.limit;" in source
    assert "pdc_kept.limit =" not in source


async def one_or_the_other(ctx: Any) -> None:
    while True:
        number = await ctx.receive()
        if number.n > 0:
            await ctx.send(number)
        else:
            await ctx.send(Number(-number.n))


async def one_way_ends_the_turn(ctx: Any) -> None:
    while True:
        number = await ctx.receive()
        if number.n < 0:
            await ctx.send(Number(0))
            continue
        await ctx.send(number)


async def both_and_one_more(ctx: Any) -> None:
    while True:
        number = await ctx.receive()
        if number.n > 0:
            await ctx.send(number)
            if number.n > 9:
                await ctx.send(number)
        await ctx.send(Number(0))


async def one_of_three_cases(ctx: Any) -> None:
    while True:
        number = await ctx.receive()
        match number.n:
            case 0:
                await ctx.send(Number(0))
            case 1 | 2:
                await ctx.send(Number(1))
                await ctx.send(Number(2))
            case _:
                await ctx.send(Number(3))


async def sends_and_fails(ctx: Any) -> None:
    while True:
        number = await ctx.receive()
        try:
            await ctx.send(number)
            await ctx.send(Number(100 // number.n))
            number = Number(number.n // (number.n - 1))
        except ZeroDivisionError:
            await ctx.send(Number(-1))
        else:
            await ctx.send(number)
            if number.n > 5:
                await ctx.send(number)


async def sends_in_the_end(ctx: Any) -> None:
    while True:
        number = await ctx.receive()
        try:
            if number.n == 0:
                continue
            await ctx.send(number)
        finally:
            await ctx.send(Number(0))


async def nothing(ctx: Any) -> None:
    while True:
        await ctx.receive()


@pytest.mark.parametrize(
    ("function", "most"),
    [
        (nothing, 0),
        (one_or_the_other, 1),
        (one_way_ends_the_turn, 1),
        (both_and_one_more, 3),
        (one_of_three_cases, 2),
        (sends_and_fails, 4),
        (sends_in_the_end, 2),
        (sends_many, None),
    ],
)
def test_the_most_that_a_turn_sends(function: Any, most: int | None) -> None:
    lowering = lowered(function)
    assert lowering.kernel is not None, lowering.explain()
    assert lowering.kernel.max_sends == most
    said = "any number" if most is None else f"at most {most}"
    assert f", {said} for a message\n" in lowering.explain()
