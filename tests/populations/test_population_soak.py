"""Clients that send, ask, give up, pause, forget and restart at random lose and double nothing."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    CapacityError,
    KernelClosedError,
    KernelContext,
    KernelStateError,
    message,
)
from tests.support.contract import go
from tests.support.populations import BACKENDS, population

pytestmark = pytest.mark.parametrize("backend", BACKENDS)
CLIENTS, STEPS, KEYS = 5, 120, 6


@message
@dataclass
class Task:
    key: int
    number: int
    waits: int
    fails: bool


@message
@dataclass
class Done:
    key: int
    number: int


async def worker(ctx: KernelContext[Task, Done]) -> None:
    """Answers every message once, sometimes after a while; fails after having answered."""
    handled = 0
    while not ctx.should_terminate:
        task = await ctx.receive()
        for _ in range(task.waits):
            await asyncio.sleep(0)
        handled += 1
        await ctx.send(Done(ctx.key, task.number))
        if task.fails:
            raise ValueError(f"as {task.number} wants")


class Record:
    """What happened to each message, by its number."""

    def __init__(self) -> None:
        self.accepted: set[int] = set()
        self.unknown: set[int] = set()
        """Cancelled: sent or not."""
        self.answered: list[int] = []
        self.received: list[Done] = []


async def client(kernel: Any, seed: int, record: Record) -> None:
    """Send and ask, one call after the other; numbers say which client and which call."""
    chance = random.Random(seed)
    for step in range(STEPS):
        number = seed * STEPS + step
        task = Task(chance.randrange(KEYS), number, chance.choice([0, 0, 0, 1, 3, 9]),
                    chance.random() < 0.03)  # fmt: skip
        asks = chance.random() < 0.3
        call = asyncio.ensure_future((kernel.request if asks else kernel.send)(task))
        if chance.random() < 0.15:
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            call.cancel()
        try:
            reply = await call
        except asyncio.CancelledError:
            record.unknown.add(number)
        except ActorFailedError:  # refused, or in the queue when its instance failed
            (record.unknown if asks else set()).add(number)
        except KernelClosedError:  # of a request: forgotten while it was parked
            record.unknown.add(number)
        except CapacityError:
            pass
        else:
            record.accepted.add(number)
            if asks:
                assert reply.number == number
                record.answered.append(number)


async def disturb(kernel: Any, seed: int) -> None:
    """Pause, forget and restart for as long as clients send."""
    chance = random.Random(seed)
    while True:
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        key = chance.randrange(KEYS)
        try:
            match chance.randrange(4):
                case 0:
                    await kernel.deactivate()
                    await asyncio.sleep(0)
                    await kernel.reactivate()
                case 1:
                    await kernel.forget(key)
                case _:
                    await kernel.restart(key=key, fresh=chance.random() < 0.5)
        except (KeyError, KernelStateError, ActorFailedError):
            await asyncio.sleep(0)


@pytest.mark.parametrize("size", [1, 4, 50])
@pytest.mark.parametrize("seed", range(3))
def test_soak(backend: str, size: int, seed: int) -> None:
    async def probe() -> None:
        record = Record()
        async with population(
            backend, worker, key="key", queue_size=size, instances=KEYS - 1
        ) as kernel:

            async def collect() -> None:
                async for done in kernel.messages():
                    record.received.append(done)

            reading = asyncio.ensure_future(collect())
            disturbing = asyncio.ensure_future(disturb(kernel, seed))
            clients = [client(kernel, seed * CLIENTS + n, record) for n in range(CLIENTS)]
            await asyncio.gather(*clients)
            disturbing.cancel()
            await asyncio.wait([disturbing])
            if kernel.state.name == "DEACTIVATED":
                await kernel.reactivate()
            report = await kernel.terminate()
            await reading
        left = [each.number for each in report.unprocessed]
        ends = Counter([*(each.number for each in record.received), *record.answered, *left])
        assert max(ends.values()) == 1  # nothing is doubled
        assert record.accepted <= ends.keys()  # nothing is lost
        assert ends.keys() <= record.accepted | record.unknown
        for each in range(seed * CLIENTS, (seed + 1) * CLIENTS):
            for key in range(KEYS):
                numbers = [done.number for done in record.received
                           if done.key == key and done.number // STEPS == each]  # fmt: skip
                assert numbers == sorted(numbers)
        assert len(record.received) > 50

    go(probe)
