"""Probes of populations whose instances await: others work, and outputs keep their order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    KernelContext,
    QueueFullError,
    QueueTimeoutError,
)
from tests.support.contract import drained, go, turns, until
from tests.support.populations import BACKENDS, Balance, Deposit, population, received

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


class Gates:
    """Events that instances wait for, by key, and what has happened."""

    def __init__(self) -> None:
        self.events: dict[str, asyncio.Event] = {}
        self.log: list[str] = []

    def actor(self) -> Any:
        """An actor that logs each message, and waits for its gate before it answers ``+1``."""
        gates = self

        async def gated(ctx: KernelContext[Deposit, Balance]) -> None:
            total = 0
            while not ctx.should_terminate:
                deposit = await ctx.receive()
                gates.log.append(f"{ctx.key}{deposit.amount}")
                total += 1
                event = gates.events.get(f"{ctx.key}{deposit.amount}")
                if event is not None:
                    await event.wait()
                await ctx.send(Balance(ctx.key, deposit.amount))
                gates.log.append(f"{ctx.key}{deposit.amount} sent")

        return gated

    def close(self, *names: str) -> None:
        """Messages of these names wait."""
        for name in names:
            self.events[name] = asyncio.Event()


def test_others_work_while_one_awaits_and_outputs_keep_the_order(backend: str) -> None:
    async def probe() -> None:
        gates = Gates()
        gates.close("a1")
        async with population(backend, gates.actor()) as kernel:
            for name, amount in [("a", 1), ("b", 2), ("a", 3), ("b", 4), ("c", 5)]:
                await kernel.send(Deposit(name, amount))
            await until(lambda: "c5 sent" in gates.log)
            assert "a3" not in gates.log  # one message of a key at a time
            assert kernel.statistics().output_depth == 0
            gates.events["a1"].set()
            assert [each.total for each in await received(kernel, 5)] == [1, 2, 3, 4, 5]

    go(probe)


def test_a_reply_does_not_wait_for_others(backend: str) -> None:
    async def probe() -> None:
        gates = Gates()
        gates.close("a1")
        async with population(backend, gates.actor()) as kernel:
            await kernel.send(Deposit("a", 1))
            assert (await kernel.request(Deposit("b", 2))).total == 2
            slow = asyncio.ensure_future(kernel.request(Deposit("a", 3)))
            assert (await kernel.request(Deposit("b", 4))).total == 4
            gates.events["a1"].set()
            assert (await slow).total == 3
            assert await kernel.receive() == Balance("a", 1)

    go(probe)


def test_several_wait_and_end_in_another_order(backend: str) -> None:
    async def probe() -> None:
        gates = Gates()
        gates.close("a1", "b2", "c3")
        async with population(backend, gates.actor()) as kernel:
            for name, amount in [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("c", 5), ("a", 6)]:
                await kernel.send(Deposit(name, amount))
            for name in ("c3", "b2"):
                gates.events[name].set()
                await until(lambda name=name: f"{name} sent" in gates.log)
                with pytest.raises(QueueTimeoutError):
                    await kernel.receive(timeout=0)
            gates.events["a1"].set()
            assert [each.total for each in await received(kernel, 6)] == [1, 2, 3, 4, 5, 6]

    go(probe)


def test_an_instance_that_fails_after_awaiting_lets_others_pass(backend: str) -> None:
    gate = asyncio.Event()

    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            if ctx.key == "a":
                await ctx.send(Balance("a", 0))
                await gate.wait()
                raise ValueError("late")
            await ctx.send(Balance(ctx.key, deposit.amount))

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            await kernel.send_many([Deposit("a", 1), Deposit("b", 2), Deposit("a", 3)])
            assert await kernel.receive() == Balance("a", 0)
            await turns()
            gate.set()
            assert await kernel.receive() == Balance("b", 2)
            with pytest.raises(ActorFailedError, match="late"):
                await kernel.send(Deposit("a", 1))

    go(probe)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_queue_holds_its_size_while_one_awaits(backend: str, size: int) -> None:
    """One message is in hand; what else has been accepted is at most ``queue_size``."""

    async def probe() -> None:
        gates = Gates()
        gates.close("a0")
        async with population(backend, gates.actor(), queue_size=size) as kernel:
            await kernel.send(Deposit("a", 0))
            await until(lambda: gates.log == ["a0"])
            for number in range(1, size + 1):
                await kernel.send(Deposit("a", number), timeout=1)
            await turns()
            with pytest.raises(QueueTimeoutError):
                await kernel.send(Deposit("a", 99), timeout=0)
            waits = asyncio.ensure_future(kernel.send(Deposit("a", size + 1)))
            await turns()
            assert not waits.done()
            assert kernel.statistics().input_depth == size
            gates.events["a0"].set()
            assert await received(kernel, size + 2) == [Balance("a", n) for n in range(size + 2)]
            await waits

    go(probe)


def test_reject_while_one_awaits(backend: str) -> None:
    async def probe() -> None:
        gates = Gates()
        gates.close("a0")
        settings = {"queue_size": 2, "backpressure": BackpressureStrategy.REJECT}
        async with population(backend, gates.actor(), **settings) as kernel:
            await kernel.send(Deposit("a", 0))
            await until(lambda: gates.log == ["a0"])
            await kernel.send(Deposit("a", 1))
            await kernel.send(Deposit("a", 2))
            await turns()
            with pytest.raises(QueueFullError, match="2 messages"):
                await kernel.send(Deposit("a", 3))
            got = asyncio.ensure_future(received(kernel, 1))
            gates.events["a0"].set()
            assert await got == [Balance("a", 0)]
            report = await kernel.terminate(drain=False)
            assert report.unprocessed[-1:] in ((), (Deposit("a", 2),))

    go(probe)


def test_drop_oldest_while_one_awaits(backend: str) -> None:
    async def probe() -> None:
        gates = Gates()
        gates.close("a0")
        settings = {"queue_size": 2, "backpressure": BackpressureStrategy.DROP_OLDEST}
        async with population(backend, gates.actor(), **settings) as kernel:
            await kernel.send(Deposit("a", 0))
            await until(lambda: gates.log == ["a0"])
            for number in range(1, 9):
                await kernel.send(Deposit("a", number))
            figures = kernel.statistics()
            assert figures.received == 9
            assert figures.dropped == 6
            gates.events["a0"].set()
            assert [each.total for each in await received(kernel, 3)] == [0, 7, 8]

    go(probe)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_held_outputs_wait_for_room(backend: str, size: int) -> None:
    async def probe() -> None:
        gates = Gates()
        gates.close("a0")
        async with population(backend, gates.actor(), queue_size=size) as kernel:
            sending = asyncio.ensure_future(
                kernel.send_many([Deposit("abcdefghij"[n], n) for n in range(10)])
            )
            await turns(100)
            gates.events["a0"].set()
            await turns(100)
            assert kernel.statistics().output_depth <= size
            assert [each.total for each in await received(kernel, 10)] == list(range(10))
            await sending

    go(probe)


def test_time_limits_of_the_actor_itself(backend: str) -> None:
    """``asyncio.wait_for`` around a receive or a sleep concerns the one instance."""

    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        late = 0
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            try:
                await asyncio.wait_for(asyncio.Event().wait(), 0.01 * deposit.amount)
            except TimeoutError:
                late += 1
            await ctx.send(Balance(ctx.key, late))

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            await kernel.send_many([Deposit("a", 2), Deposit("b", 1), Deposit("a", 1)])
            assert await received(kernel, 3) == [Balance("a", 1), Balance("b", 1), Balance("a", 2)]

    go(probe)


def test_the_epilogues_send_in_the_order_of_the_beginnings(backend: str) -> None:
    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        total = 0
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            total += deposit.amount
        if ctx.key == "b":
            await asyncio.sleep(0.01)
        await ctx.send(Balance(ctx.key, total))

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            await kernel.send_many([Deposit(name, 1) for name in "bacab"])
            await kernel.terminate()
            got = await drained(kernel)
            assert got == [Balance("b", 2), Balance("a", 2), Balance("c", 1)]

    go(probe)
