"""Many messages through tiny queues, with cancels, pauses, failures and restarts at random.

Nothing is lost, doubled or reordered.  ``PYDOTCOMPUTE_SOAK`` sets the number of messages of each
of the six runs; ``make soak`` sends ten million in all.
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

import numpy as np
import pytest

from pydotcompute import ActorFailedError, KernelState, RingKernelRuntime
from tests.support.native_actor.kit import FAIL, SEND, Result, Task

COUNT = int(os.environ.get("PYDOTCOMPUTE_SOAK", "5000"))


@pytest.mark.parametrize("size", [1, 3, 16])
def test_soak(kit: Any, backend: str, size: int) -> None:
    chance = random.Random(f"{backend}{size}")
    last = 0

    async def sender(kernel: Any) -> None:
        """Sends 1, 2, 3...; what was not taken, for whatever reason, is sent again."""
        number = 1
        while number <= COUNT:
            before = kernel.statistics().received
            if chance.random() < 0.001:
                await attempt(kernel.send(Task(FAIL, 0)))
                continue
            if chance.random() < 0.05:
                many = chance.randint(1, 2 * size)
                await attempt(kernel.send_many([Task(SEND, number + n) for n in range(many)]))
            else:
                await attempt(kernel.send(Task(SEND, number)))
            number += kernel.statistics().received - before
            while kernel.state is KernelState.FAILED:
                await asyncio.sleep(0)

    async def attempt(call: Any) -> Any:
        """Make a call, and cancel it now and then; returns what came of it."""
        task = asyncio.create_task(call)
        if chance.random() < 0.05:
            await asyncio.sleep(0)
            task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, (asyncio.CancelledError, ActorFailedError))
        return outcome

    def check(numbers: list[int]) -> None:
        """What was received is what follows."""
        nonlocal last
        assert numbers == list(range(last + 1, last + 1 + len(numbers)))
        last += len(numbers)

    async def receiver(kernel: Any) -> None:
        while last < COUNT:
            if chance.random() < 0.1:
                outcome = await attempt(kernel.receive_many(chance.randint(1, 2 * size)))
                if isinstance(outcome, np.ndarray):
                    check((outcome["value"] // 2).tolist())
            else:
                outcome = await attempt(kernel.receive())
                if isinstance(outcome, Result):
                    check([outcome.value // 2])
            if isinstance(outcome, ActorFailedError) and kernel.state is KernelState.FAILED:
                await kernel.restart()

    async def disturber(kernel: Any) -> None:
        while True:
            for _ in range(chance.randint(1, 200)):
                await asyncio.sleep(0)
            if kernel.state is KernelState.ACTIVE:
                await kernel.deactivate()
                if kernel.state is KernelState.DEACTIVATED:
                    await kernel.reactivate()

    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, queue_size=size)
            disturbing = asyncio.create_task(disturber(kernel))
            sending = asyncio.create_task(sender(kernel))
            await receiver(kernel)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            disturbing.cancel()
            await asyncio.gather(disturbing, return_exceptions=True)
            assert last >= COUNT

    asyncio.run(asyncio.wait_for(main(), 600 + COUNT / 1000))
