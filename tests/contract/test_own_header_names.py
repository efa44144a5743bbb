"""Contract, section 9.2: a message class may declare `priority`, `message_id` or `correlation_id`;
then it is an ordinary field, and the header has none of that name."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from pydotcompute import KernelContext, MessageTypeError, message
from pydotcompute.testing import same
from tests.support.contract import Answer, Job, go, launched


@message
@dataclass
class Order:
    message_id: int
    priority: float
    name: str = ""


@message
@dataclass
class Filled:
    correlation_id: int
    priority: int


@message
@dataclass
class Traced:
    """Has the ids of some other system, of the header's own type."""

    correlation_id: UUID
    n: int


async def fill(ctx: KernelContext[Order, Filled]) -> None:
    last = 0
    while not ctx.should_terminate:
        order = await ctx.receive()
        urgent = order.priority > 0.5
        if order.name != "quiet":
            await ctx.send(Filled(order.message_id, priority=last + urgent))
        last = order.message_id


async def trace(ctx: KernelContext[Traced | Job, Traced | Answer]) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        if isinstance(m, Traced):
            await ctx.send(Traced(correlation_id=m.correlation_id, n=m.n + 1, priority=3))
        else:
            await ctx.send(Answer(m.value, correlation_id=m.message_id, priority=m.priority))


async def cross(ctx: KernelContext[Traced, Answer]) -> None:
    """The value of a field becomes a part of a header."""
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Answer(m.n, correlation_id=m.correlation_id))


def test_sent_asked_and_in_batches(way: str) -> None:
    async def probe() -> None:
        async with launched(way, fill) as kernel:
            await kernel.send(Order(7, 0.75))
            assert same(await kernel.receive(), Filled(7, 1))
            assert same(await kernel.request(Order(8, 0.25)), Filled(8, 7))
            batch = Order.array(message_id=[1, 2, 3], priority=[0.0, 1.0, 0.0])  # type: ignore
            assert batch.dtype.names == ("message_id", "priority", "name")
            await kernel.send_many(batch)
            got: list[Any] = []
            while len(got) < 3:
                got += Filled.messages(await kernel.receive_many(3))  # type: ignore[attr-defined]
            assert got == [Filled(1, 8), Filled(2, 2), Filled(3, 2)]
            assert kernel.backend == way

    go(probe)


def test_replies_find_their_requests(way: str) -> None:
    """Every caller has the same `message_id`: the header's own ids tell the requests apart."""

    async def probe() -> None:
        async with launched(way, fill, queue_size=4) as kernel:
            await kernel.send(Order(100, 0.0, "quiet"))
            replies = await asyncio.gather(
                *(kernel.request(Order(100, float(n % 2))) for n in range(20))
            )
            assert replies == [Filled(100, 100 + n % 2) for n in range(20)]

    go(probe)


def test_the_field_is_checked_as_a_field(way: str) -> None:
    async def probe() -> None:
        async with launched(way, fill) as kernel:
            with pytest.raises(MessageTypeError, match="field 'message_id' of Order takes int"):
                await kernel.send(Order("x", 1.0))  # type: ignore[arg-type]

    go(probe)


def test_headers_beside_fields_of_their_names(way: str) -> None:
    async def probe() -> None:
        async with launched(way, trace) as kernel:
            own = uuid4()
            sent = Traced(own, 1, priority=9)  # type: ignore[call-arg]
            got = await kernel.request(sent)
            assert (got.correlation_id, got.n, got.priority) == (own, 2, 3)
            assert isinstance(sent.message_id, UUID)  # type: ignore[attr-defined]
            job = Job(5, priority=200)  # type: ignore[call-arg]
            answer = await kernel.request(job)
            assert (answer.correlation_id, answer.priority) == (job.message_id, 200)  # type: ignore
            assert kernel.backend == way

    go(probe)


def test_a_field_becomes_a_part_of_a_header(way: str) -> None:
    async def probe() -> None:
        async with launched(way, cross, fallback="allow") as kernel:
            own = uuid4()
            assert (await kernel.request(Traced(own, 3))).correlation_id == own

    go(probe)
