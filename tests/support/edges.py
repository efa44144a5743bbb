"""What the probes of edges share: messages, actors, and a runtime with some of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    KernelClosedError,
    KernelContext,
    QueueFullError,
    RingKernelRuntime,
    message,
)
from tests.support.contract import decorated

REJECT, DROP = BackpressureStrategy.REJECT, BackpressureStrategy.DROP_OLDEST


@message
@dataclass
class Raw:
    value: int


@message
@dataclass
class Number:
    value: int
    by: int = 0


@message
@dataclass
class Text:
    text: str


async def parse(ctx: KernelContext[Raw, Number]) -> None:
    while not ctx.should_terminate:
        raw = await ctx.receive()
        await ctx.send(Number(raw.value + 1))


async def double(ctx: KernelContext[Number, Number]) -> None:
    while not ctx.should_terminate:
        number = await ctx.receive()
        await ctx.send(Number(2 * number.value, number.by))


async def tagged(ctx: KernelContext[Raw, Number]) -> None:
    while not ctx.should_terminate:
        raw = await ctx.receive()
        await ctx.send(Number(raw.value, 7))


async def last(ctx: KernelContext[Number, Number]) -> None:
    total = 0
    while not ctx.should_terminate:
        number = await ctx.receive()
        total += number.value
        await ctx.send(Number(number.value, number.by))


async def inverse(ctx: KernelContext[Number, Number]) -> None:
    while not ctx.should_terminate:
        number = await ctx.receive()
        await ctx.send(Number(100 // number.value))


async def split(ctx: KernelContext[Raw, Number | Text]) -> None:
    while not ctx.should_terminate:
        raw = await ctx.receive()
        if raw.value % 3 == 0:
            await ctx.send(Text(f"{raw.value}"))
        else:
            await ctx.send(Number(raw.value))


async def several(ctx: KernelContext[Raw, Number]) -> None:
    """Sends any number for one."""
    while not ctx.should_terminate:
        raw = await ctx.receive()
        for n in range(raw.value):
            await ctx.send(Number(n, raw.value))


async def careful(ctx: KernelContext[Raw, Number]) -> None:
    """Counts what a full queue refuses, and says how many with the next."""
    refused = 0
    while not ctx.should_terminate:
        raw = await ctx.receive()
        try:
            await ctx.send(Number(raw.value, refused))
        except QueueFullError:
            refused += 1


async def stubborn(ctx: KernelContext[Raw, Number]) -> None:
    """Goes on whatever becomes of those behind it."""
    lost = 0
    while not ctx.should_terminate:
        raw = await ctx.receive()
        try:
            await ctx.send(Number(raw.value, lost))
        except (ActorFailedError, KernelClosedError):
            lost += 1


async def slow(ctx: KernelContext[Raw, Number]) -> None:
    """Takes so long for each message that a worker thread runs it."""
    while not ctx.should_terminate:
        raw = await ctx.receive()
        n = raw.value
        for _ in range(200_000):
            n = (n * 48271 + 11) % 2147483647
        await ctx.send(Number(raw.value, n))


def slowly(value: int) -> int:
    """What ``slow`` makes of a value."""
    n = value
    for _ in range(200_000):
        n = (n * 48271 + 11) % 2147483647
    return n


async def words(ctx: KernelContext[Text, Text]) -> None:
    while not ctx.should_terminate:
        text = await ctx.receive()
        await ctx.send(Text(text.text + "!"))


@asynccontextmanager
async def together(
    *ways_and_actors: tuple[str, Any], active: bool = True, **settings: Any
) -> AsyncIterator[Any]:
    """A runtime with some actors, each under its name and on its backend.

    Args:
        ways_and_actors: ``(backend, function)`` or ``(backend, (function, settings))``.
        active: whether they are activated.
        settings: of all of them.
    """
    async with RingKernelRuntime(fallback="allow", shutdown_timeout=5.0) as runtime:
        for way, actor in ways_and_actors:
            function, own = actor if isinstance(actor, tuple) else (actor, {})
            made = decorated(function, **{**settings, **own})
            kernel = await runtime.launch(made.kernel_id, made, backend=way)
            assert kernel.backend == way
            if active:
                await kernel.activate()
        yield runtime


async def through(line: Any, count: int) -> list[int]:
    """The values that come out when so many are sent."""
    sending = asyncio.create_task(line.send_many(Raw.array(value=range(count))))
    values: list[int] = []
    while len(values) < count:
        values += (await line.receive_many(50))["value"].tolist()
    assert await sending == count
    return values
