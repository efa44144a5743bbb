"""Contract, second part, section 10: random messages, compiled and interpreted ones in one batch.

Every backend gives the answers of the coroutine, in order, whatever the state is made of.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import Any

import pytest

from pydotcompute import BackpressureStrategy, RingKernelRuntime, message, ring_kernel
from tests.support.contract import go


@message
class Event:
    """Something that happened to a key."""

    key: str = ""
    value: int = 0
    way: int = 0


@message
class Level:
    """What a key came to."""

    key: str = ""
    level: float = 0.0


@message
class Alarm:
    """A key has come too far."""

    key: str = ""
    count: int = 0


async def levels(ctx: Any) -> None:
    """Dicts, a deque, a message, strings and numbers; five ways of handling a message."""
    sums: dict[str, int] = {}
    recent: deque[int] = deque(maxlen=5)
    last = Event("none")
    mean, count, worst = 0.0, 0, ""
    while not ctx.should_terminate:
        event = await ctx.receive()
        count += 1
        sums[event.key] = sums.get(event.key, 0) + event.value
        recent.append(event.value)
        if event.way == 1:  # a set
            mean = len({event.value, count}) / 2
            await ctx.send(Level(event.key, mean))
        elif event.way == 2:  # several outputs, and one of another class
            for key in sorted({event.key, worst, last.key}):
                await ctx.send(Alarm(key, count))
            worst = event.key
        elif event.way == 3:  # an int too large, for some messages
            sums[event.key] = 2**80
        elif event.way == 4:  # it is small again
            sums = {key: value % 1000 for key, value in sums.items()}
        else:
            mean = mean * 0.5 + sum(recent) / 3
            await ctx.send(Level(last.key, mean + sums[event.key] % 1000))
        last = event
    await ctx.send(Level(worst, count + mean))


def mixed(seed: int, count: int) -> list[Event]:
    """Messages, a tenth of which are not for compiled code."""
    draw = random.Random(seed)
    ways = (0,) * 30 + (1, 2, 3, 4, 4)
    return [Event(draw.choice(("a", "b", "long name", "")), draw.randint(-9, 9), draw.choice(ways))
            for _ in range(count)]  # fmt: skip


def answers(way: str, sent: list[Event], how: str, **options: Any) -> Any:
    """Everything the actor sends for the messages, and its counters."""

    async def probe() -> Any:
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            actor = ring_kernel(kernel_id="levels", auto_register=False, input_type=Event,
                                output_type=Level | Alarm, **options)(levels)  # fmt: skip
            kernel = await runtime.launch("levels", actor)
            await kernel.activate()
            got: list[Any] = []

            async def receive() -> None:
                async for each in kernel.messages():
                    got.append(each)

            receiving = asyncio.create_task(receive())
            if how == "batch":
                await kernel.send_many(sent)
            else:
                for event in sent:
                    await kernel.send(event)
            report = await kernel.terminate(timeout=None)
            await receiving
            assert report.drained
            return got, kernel.backend, kernel.statistics()

    return go(probe)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("how", "size"), [("batch", 7), ("batch", 1000), ("single", 3)])
def test_random_messages(way: str, seed: int, how: str, size: int) -> None:
    sent = mixed(seed, 400)
    truth, *_ = answers("python", sent, how, queue_size=size)
    got, backend, figures = answers(way, sent, how, queue_size=size)
    assert got == truth
    assert (backend, figures.processed, figures.sent) == (way, 400, len(got))
    assert figures.fallbacks == 0
    if way != "python":
        assert 0 < figures.interpreted < 400


@pytest.mark.parametrize("seed", range(3))
def test_requests_among_messages(way: str, seed: int) -> None:
    """Replies find their callers, and the other outputs keep their order."""
    sent = [event for event in mixed(seed, 200) if event.way in (0, 1, 2)]

    def found(way: str) -> Any:
        async def probe() -> Any:
            async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
                actor = ring_kernel(
                    kernel_id="levels", auto_register=False, input_type=Event,
                    output_type=Level | Alarm, queue_size=500,
                    backpressure=BackpressureStrategy.BLOCK,
                )(levels)  # fmt: skip
                kernel = await runtime.launch("levels", actor)
                await kernel.activate()
                calls = []
                for n, event in enumerate(sent):
                    if n % 3:
                        calls.append(asyncio.create_task(kernel.request(event)))
                        await asyncio.sleep(0)
                    else:
                        await kernel.send(event)
                replies = await asyncio.gather(*calls)
                await kernel.terminate()
                return replies, [each async for each in kernel.messages()]

        return go(probe)

    assert found(way) == found("python")
