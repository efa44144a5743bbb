"""Contract, section 9.21: batches of a port with several message classes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pydotcompute import (
    BackpressureStrategy,
    KernelContext,
    MessageTypeError,
    MessageValueError,
    UnionBatch,
    message,
)
from tests.support.contract import go, launched, until


@message
@dataclass
class Ask:
    amount: int
    who: str = ""


@message
@dataclass
class Approved:
    amount: int
    who: str


@message
@dataclass
class Denied:
    """The fields of ``Approved``."""

    amount: int
    who: str


@message
@dataclass
class Note:
    value: float


async def decide(ctx: KernelContext[Ask, Approved | Denied | Note]) -> None:
    while not ctx.should_terminate:
        ask = await ctx.receive()
        if ask.amount < 0:
            continue
        if ask.amount % 7 == 0:
            await ctx.send(Note(ask.amount / 2))
        elif ask.amount % 2 == 0:
            await ctx.send(Approved(ask.amount, ask.who))
        else:
            await ctx.send(Denied(ask.amount, ask.who))


def decision(n: int) -> Any:
    if n % 7 == 0:
        return Note(n / 2)
    return (Denied if n % 2 else Approved)(n, f"name {n % 5}")


async def undo(ctx: KernelContext[Approved | Denied | Note, Ask]) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        match m:
            case Approved():
                await ctx.send(Ask(m.amount, m.who))
            case Denied():
                await ctx.send(Ask(-m.amount, m.who))
            case Note():
                await ctx.send(Ask(0))


async def headed(ctx: KernelContext[Ask, Approved | Denied]) -> None:
    while not ctx.should_terminate:
        ask = await ctx.receive()
        if ask.amount > 1:
            await ctx.send(Approved(ask.amount, ask.who, correlation_id=ask.message_id))  # type: ignore
        else:
            await ctx.send(Denied(ask.amount, ask.who))


ASKS = [Ask(n, f"name {n % 5}") for n in range(800)]
EXPECTED = [decision(n) for n in range(800)]


async def ready(kernel: Any, count: int) -> None:
    await until(lambda: kernel.statistics().sent >= count)


def check(batch: UnionBatch, expected: list[Any]) -> None:
    """A batch is what it is made of, told in every way."""
    assert len(batch) == len(expected)
    assert list(batch) == expected
    assert batch.tags.dtype == np.uint8
    for number, cls in enumerate(batch.classes):
        places = [n for n, each in enumerate(expected) if type(each) is cls]
        assert batch.index(cls).tolist() == places
        assert np.flatnonzero(batch.tags == number).tolist() == places
        rows: Any = batch.of(cls)
        assert rows.dtype == cls.dtype  # type: ignore[attr-defined]
        assert cls.messages(rows) == [expected[n] for n in places]  # type: ignore[attr-defined]


def test_one_call_takes_what_waits(way: str) -> None:
    async def probe() -> None:
        async with launched(way, decide) as kernel:
            await kernel.send_many(ASKS)
            await ready(kernel, 800)
            batch = await kernel.receive_many(1000)
            assert isinstance(batch, UnionBatch)
            assert batch.classes == (Approved, Denied, Note)
            check(batch, EXPECTED)
            assert repr(batch) == "<UnionBatch of 342 Approved, 343 Denied, 115 Note>"
            await kernel.send(Ask(7))
            batch = await kernel.receive_many(5)  # of one class only, and a union all the same
            assert batch.classes == (Approved, Denied, Note)
            check(batch, [Note(3.5)])
            assert kernel.backend == way

    go(probe)


def test_at_most_as_many_as_wanted_and_in_order(way: str) -> None:
    async def probe() -> None:
        async with launched(way, decide, queue_size=16) as kernel:
            got: list[Any] = []
            for start in range(0, 64, 8):
                await kernel.send_many(ASKS[start : start + 8])
                await ready(kernel, start + 8)
                part = await kernel.receive_many(5)
                assert 1 <= len(part) <= 5
                got += [*part, *await kernel.receive_many(100)]
            assert got == EXPECTED[:64]

    go(probe)


def test_a_batch_is_sent(way: str) -> None:
    async def probe() -> None:
        async with launched(way, undo, queue_size=32) as kernel:
            batch = UnionBatch.from_messages(EXPECTED[:100])
            assert batch.classes == (Note, Denied, Approved)
            check(batch, EXPECTED[:100])
            expected = [0 if n % 7 == 0 else (-n if n % 2 else n) for n in range(100)]
            for each in (batch[:20], UnionBatch.from_messages([Denied(5, "x")])):
                assert await kernel.send_many(each) == len(each)
            got = [(await kernel.receive()).amount for _ in range(21)]
            assert got == [*expected[:20], -5]
            assert await kernel.send_many(UnionBatch.from_messages([])) == 0
            # larger than the queue: it is fed through
            task = asyncio.create_task(kernel.send_many(batch, timeout=20))
            got = []
            while len(got) < 100:
                got += (await kernel.receive_many(10))["amount"].tolist()
            assert await task == 100
            assert got == expected

    go(probe)


def test_a_batch_of_the_one_class_of_a_port(way: str) -> None:
    async def probe() -> None:
        async with launched(way, decide) as kernel:
            assert await kernel.send_many(UnionBatch.from_messages(ASKS[:9], [Note, Ask])) == 9
            await ready(kernel, 9)
            check(await kernel.receive_many(9), EXPECTED[:9])
            with pytest.raises(MessageTypeError, match="takes Ask, not Note"):
                await kernel.send_many(UnionBatch.from_messages([Ask(1), Note(1.0)]))

    go(probe)


def test_bad_values_are_named_and_nothing_is_sent(way: str) -> None:
    async def probe() -> None:
        async with launched(way, undo) as kernel:
            batch = UnionBatch.from_messages([Note(1.0), Denied(1, "a"), Denied(2, "b")])
            batch.of(Denied)["who"][1] = 1 << 40
            with pytest.raises(MessageValueError, match="message 2 of the batch: field 'who'"):
                await kernel.send_many(batch)
            assert kernel.statistics().received == 0

    go(probe)


def test_outputs_with_headers(way: str) -> None:
    async def probe() -> None:
        async with launched(way, headed) as kernel:
            await kernel.send_many(ASKS[:4])
            await ready(kernel, 4)
            check(
                await kernel.receive_many(4),
                [Denied(0, "name 0"), Denied(1, "name 1"), Approved(2, "name 2"),
                 Approved(3, "name 3")],
            )  # fmt: skip

    go(probe)


def test_a_full_queue_that_drops(way: str) -> None:
    async def probe() -> None:
        async with launched(
            way, decide, queue_size=8, backpressure=BackpressureStrategy.DROP_OLDEST
        ) as kernel:
            for n in range(40):
                await kernel.send(ASKS[n])
                await ready(kernel, n + 1)
            check(await kernel.receive_many(100), EXPECTED[32:40])

    go(probe)


def test_messages_and_batches_by_hand() -> None:
    made = UnionBatch.from_messages(EXPECTED[:20])
    assert [made[n] for n in range(-20, 20)] == [EXPECTED[n % 20] for n in range(-20, 20)]
    whole = slice(None)
    for part in (slice(3, 9), slice(0, 0), slice(9, 3), whole, slice(0, 20, 3), slice(9, 2, -1)):
        check(made[part], EXPECTED[:20][part])
    with pytest.raises(IndexError):
        made[20]
    assert made.of(Ask).dtype == Ask.dtype  # type: ignore[attr-defined]
    assert (len(made.of(Ask)), len(made.index(Ask))) == (0, 0)
    for call in (made.of, made.index):
        with pytest.raises(TypeError, match="@message classes"):
            call(int)
    with pytest.raises(MessageTypeError, match="takes messages, got int .5., as message 1"):
        UnionBatch.from_messages([Ask(1), 5])
    with pytest.raises(MessageTypeError, match="message 2 of the batch: field 'amount' of Denied"):
        UnionBatch.from_messages([Denied(1, ""), Ask(2), Denied("x", "")])  # type: ignore[arg-type]
