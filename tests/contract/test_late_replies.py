"""docs/runtime.md, Requests: the reply to a caller that has given up is thrown away, also where it
waited behind a full output queue."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pydotcompute import KernelContext, QueueTimeoutError
from tests.support.contract import Answer, Job, go, launched, plain, turns, until


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_late_reply_behind_a_full_queue(way: str, cancelled: bool) -> None:
    async def probe() -> None:
        async with launched(way, plain, queue_size=1) as kernel:
            await kernel.send(Job(1))
            await until(lambda: kernel.statistics().sent == 1)
            await kernel.send(Job(2))
            await turns()
            asked: Any = asyncio.create_task(kernel.request(Job(3), timeout=0.05))
            if cancelled:
                await turns()
                asked.cancel()
            with pytest.raises(asyncio.CancelledError if cancelled else QueueTimeoutError):
                await asked
            got = [await kernel.receive(timeout=5) for _ in range(2)]
            assert got == [Answer(2, 1), Answer(4, 3)]
            reply = await kernel.request(Job(5), timeout=5)
            assert reply.value == 10
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=0)

    go(probe)


def test_requests_that_are_never_answered_are_forgotten(way: str) -> None:
    """An actor that answers every second request keeps nothing of the others."""

    async def probe() -> None:
        async with launched(way, tally_even, queue_size=4) as kernel:
            for n in range(20):
                if n % 2:
                    with pytest.raises(QueueTimeoutError):
                        await kernel.request(Job(n), timeout=0.01)
                else:
                    assert (await kernel.request(Job(n), timeout=5)).value == n
            await until(lambda: len(kernel._actor.replies.pending) <= 1)

    go(probe)


async def tally_even(ctx: KernelContext[Job, Answer]) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive()
        if job.value % 2 == 0:
            await ctx.send(Answer(job.value))
