"""Actors for the tests of the journal, and a process that dies without the dying."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel


@message
@dataclass
class Add:
    value: int


@message
@dataclass
class Ask:
    plus: int


@message
@dataclass
class Total:
    total: int
    count: int


@message
@dataclass
class Word:
    text: str
    also: str | None = None


@message
@dataclass
class Line:
    text: str
    words: int


@ring_kernel(kernel_id="sums", queue_size=64)
async def sums(ctx: KernelContext[Add, Total]) -> None:
    total = 0
    count = 0
    while not ctx.should_terminate:
        try:
            got = await ctx.receive(timeout=0.1)
            total += got.value
            count += 1
            await ctx.send(Total(total, count))
        except TimeoutError:
            continue


@ring_kernel(kernel_id="sparse", queue_size=64)
async def sparse(ctx: KernelContext[Add | Ask, Total]) -> None:
    """Sends for some messages nothing, for others twice."""
    total = 0
    count = 0
    while not ctx.should_terminate:
        match await ctx.receive():
            case Ask(plus):
                await ctx.send(Total(total + plus, count))
            case Add(value):
                total += value
                count += 1
                if value % 3 == 0:
                    await ctx.send(Total(total, count))
                    await ctx.send(Total(-total, count))


@ring_kernel(kernel_id="lines", queue_size=64)
async def lines(ctx: KernelContext[Word, Line]) -> None:
    last = ""
    words = 0
    while not ctx.should_terminate:
        try:
            got = await ctx.receive(timeout=0.1)
            words += 1 if got.also is None else 2
            await ctx.send(Line(last, words))
            last = got.text
        except TimeoutError:
            continue


@ring_kernel(kernel_id="quiet", queue_size=64)
async def quiet(ctx: KernelContext[Add, Total]) -> None:
    """Its time-outs can be seen."""
    total = 0
    late = 0
    while not ctx.should_terminate:
        try:
            got = await ctx.receive(timeout=0.002)
            total = total * 3 + got.value
        except TimeoutError:
            late += 1
            total = total * 5 + 1
            if late == 1:
                await ctx.send(Total(total, -1))
            continue
        await ctx.send(Total(total, late))


@ring_kernel(kernel_id="strict", queue_size=64)
async def strict(ctx: KernelContext[Add, Total]) -> None:
    """Fails for negative numbers."""
    total = 0
    count = 0
    while not ctx.should_terminate:
        try:
            got = await ctx.receive(timeout=0.1)
            if got.value < 0:
                raise ValueError("a negative number")
            total += got.value
            count += 1
            await ctx.send(Total(total, count))
        except TimeoutError:
            continue


@ring_kernel(kernel_id="twice", queue_size=64)
async def twice(ctx: KernelContext[Total, Total]) -> None:
    """Takes what ``sums`` sends."""
    seen = 0
    while not ctx.should_terminate:
        try:
            got = await ctx.receive(timeout=0.1)
            seen += got.count
            await ctx.send(Total(got.total * 2, seen))
        except TimeoutError:
            continue


@asynccontextmanager
async def life(folder: Path, **options: Any) -> AsyncIterator[RingKernelRuntime]:
    """A runtime with a journal, which ends as ``kill -9`` would end it: nothing it does after that
    reaches the disk."""
    runtime = RingKernelRuntime(durable=folder, **options)
    async with runtime:
        try:
            yield runtime
        finally:
            if runtime._journal is not None:
                runtime._journal.close()
            await runtime.close(timeout=0.5, drain=False)


@ring_kernel(kernel_id="fork", queue_size=16)
async def fork(ctx: KernelContext[Add, Total]) -> None:
    """Sends one message for an even number, two for an odd one."""
    count = 0
    while not ctx.should_terminate:
        got = await ctx.receive()
        count += 1
        await ctx.send(Total(got.value, count))
        if got.value % 2:
            await ctx.send(Total(-got.value, count))
