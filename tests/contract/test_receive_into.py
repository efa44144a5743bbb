"""Contract, section 2: `receive_many(..., out=array)` writes there and returns the filled part."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pydotcompute import KernelContext, MessageTypeError, QueueTimeoutError, message
from tests.support.contract import Answer, Job, go, launched, plain, until


@message
@dataclass
class Word:
    text: str


@message
@dataclass
class Mixed:
    value: int


async def words(ctx: KernelContext[Job, Word]) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Word(f"word {m.value}"))


async def either(ctx: KernelContext[Job, Answer | Mixed]) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Answer(m.value))


def room(count: int, cls: Any = Answer) -> Any:
    made = np.zeros(count, cls.dtype)
    if cls is Answer:
        made["value"] = -1
    return made


async def ready(kernel: Any, count: int) -> None:
    await until(lambda: kernel.statistics().sent >= count)


def test_the_filled_part_of_the_array_is_returned(way: str) -> None:
    async def probe() -> None:
        async with launched(way, plain) as kernel:
            await kernel.send_many([Job(n) for n in range(10)])
            await ready(kernel, 10)
            out = room(8)
            first = await kernel.receive_many(3, out=out)
            assert first.base is out or np.shares_memory(first, out)
            assert first["value"].tolist() == [0, 2, 4]
            assert out["value"].tolist() == [0, 2, 4, *[-1] * 5]
            got = [0, 2, 4]
            while len(got) < 10:
                small = room(2)
                part = await kernel.receive_many(100, out=small)  # no more than it has room for
                assert np.shares_memory(part, small)
                got += part["value"].tolist()
            assert got == [2 * n for n in range(10)]

    go(probe)


def test_a_stream_through_one_array(way: str) -> None:
    async def probe() -> None:
        async with launched(way, plain, queue_size=64) as kernel:
            count, got = 5000, 0
            batch = Job.array(value=np.arange(count))  # type: ignore[attr-defined]
            sending = asyncio.create_task(kernel.send_many(batch))
            out = room(700)
            while got < count:
                part = await kernel.receive_many(1000, out=out, timeout=10)
                assert np.shares_memory(part, out)
                assert part.dtype == out.dtype
                assert (part["value"] == 2 * np.arange(got, got + len(part))).all()
                got += len(part)
            assert await sending == count

    go(probe)


def test_into_part_of_another_array(way: str) -> None:
    async def probe() -> None:
        async with launched(way, plain) as kernel:
            await kernel.send_many([Job(n) for n in range(6)])
            await ready(kernel, 6)
            whole = room(12)
            await kernel.receive_many(2, out=whole[4:6])
            await kernel.receive_many(4, out=whole[6::2])  # room for three
            assert whole["value"].tolist() == [-1, -1, -1, -1, 0, 2, 4, -1, 6, -1, 8, -1]

    go(probe)


def test_strings_live_as_long_as_the_array(way: str) -> None:
    async def probe() -> None:
        async with launched(way, words, queue_size=64) as kernel:
            out: Any = np.zeros(40, Word.dtype)  # type: ignore[attr-defined]
            for start in (0, 100):
                await kernel.send_many([Job(start + n) for n in range(40)])
                await ready(kernel, start // 100 * 40 + 40)
                got = 0
                while got < 40:
                    got += len(await kernel.receive_many(40, out=out[got:]))
                expected = [Word(f"word {start + n}") for n in range(40)]
                assert Word.messages(out) == expected  # type: ignore[attr-defined]

    go(probe)


def test_what_cannot_be_written_into_is_refused_at_once(way: str) -> None:
    async def probe() -> None:
        async with launched(way, plain) as kernel:
            await kernel.send(Job(1))
            await ready(kernel, 1)
            locked = room(3)
            locked.flags.writeable = False
            for bad, kind, text in (
                ([0], MessageTypeError, "Answer.dtype, not list"),
                (np.zeros(3), MessageTypeError, "Answer.dtype, not one of float64"),
                (room(4).reshape(2, 2), ValueError, "one axis"),
                (room(0), ValueError, "room for a message"),
                (locked, ValueError, "writable"),
            ):
                with pytest.raises(kind, match=text):
                    await kernel.receive_many(3, out=bad)
            assert (await kernel.receive_many(3, out=room(3)))["value"].tolist() == [2]
            out = room(2)
            with pytest.raises(QueueTimeoutError):
                await kernel.receive_many(2, out=out, timeout=0)
            assert out["value"].tolist() == [-1, -1]
        async with launched(way, either) as kernel:
            with pytest.raises(MessageTypeError, match="sends Answer and Mixed; leave it out"):
                await kernel.receive_many(3, out=room(3))

    go(probe)


def test_by_id_and_from_another_thread(way: str) -> None:
    async def probe() -> None:
        async with launched(way, plain) as kernel:
            await kernel.send_many([Job(1), Job(2)])
            await ready(kernel, 2)
            out = room(2)
            part = await asyncio.to_thread(kernel.sync.receive_many, 2, out=out)
            assert np.shares_memory(part, out)
            assert out["value"].tolist() == [2, 4]

    go(probe)
