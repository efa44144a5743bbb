"""Interpreted actors that wait for something else than their queues: paused, ended, failed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    KernelContext,
    KernelState,
    RingKernelRuntime,
    message,
    ring_kernel,
)


@message
@dataclass
class Order:
    value: int


class World:
    """What the actor waits for, and what it has done."""

    def __init__(self) -> None:
        self.door: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.seen: list[str] = []


def make(world: World) -> Any:
    async def visitor(ctx: KernelContext[Order, Order]) -> None:
        while not ctx.should_terminate:
            order = await ctx.receive()
            world.seen.append(f"begins {order.value}")
            try:
                found = await world.door
            except LookupError:
                found = 1000
            world.seen.append(f"ends {order.value}")
            await ctx.send(Order(order.value + found))
        world.seen.append("left")

    return ring_kernel(kernel_id="visitor", auto_register=False)(visitor)


def go(probe: Any, **settings: Any) -> None:
    async def main() -> None:
        world = World()
        async with RingKernelRuntime(backend="python", **settings) as runtime:
            kernel = await runtime.launch("visitor", make(world))
            await kernel.activate()
            await kernel.send(Order(1))
            while not world.seen:
                await asyncio.sleep(0)
            await probe(kernel, world)

    asyncio.run(asyncio.wait_for(main(), 30))


async def turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.parametrize("failing", [False, True])
def test_it_is_paused_where_it_waits(failing: bool) -> None:
    async def probe(kernel: Any, world: World) -> None:
        await kernel.deactivate()
        await kernel.send(Order(2))
        if failing:
            world.door.set_exception(LookupError())
        else:
            world.door.set_result(10)
        await turns()
        assert world.seen == ["begins 1"]
        assert kernel.statistics().processed == 0
        await kernel.reactivate()
        found = 1000 if failing else 10
        assert [(await kernel.receive()).value for _ in range(2)] == [1 + found, 2 + found]

    go(probe)


def test_it_goes_on_waiting_if_nothing_has_come() -> None:
    async def probe(kernel: Any, world: World) -> None:
        for _ in range(2):
            await kernel.deactivate()
            await kernel.reactivate()
        await turns()
        assert world.seen == ["begins 1"]
        world.door.set_result(10)
        assert (await kernel.receive()).value == 11

    go(probe)


@pytest.mark.parametrize("opened", [False, True])
def test_it_is_ended_while_paused(opened: bool) -> None:
    async def probe(kernel: Any, world: World) -> None:
        await kernel.deactivate()
        if opened:
            world.door.set_result(10)
        await turns()
        ended = await kernel.terminate(timeout=5 if opened else 0.05)
        assert ended.unprocessed == (() if opened else (Order(1),))
        assert world.seen == (["begins 1", "ends 1", "left"] if opened else ["begins 1"])

    go(probe)


def test_what_it_waits_for_fails() -> None:
    async def probe(kernel: Any, world: World) -> None:
        world.door.set_exception(OSError("no key"))
        with pytest.raises(ActorFailedError) as caught:
            await kernel.receive()
        assert repr(caught.value.__cause__) == "OSError('no key')"
        assert caught.value.message_in == Order(1)
        assert kernel.state is KernelState.FAILED

    go(probe)


def test_a_message_that_ends_in_time_is_finished() -> None:
    async def probe(kernel: Any, world: World) -> None:
        pausing = asyncio.create_task(kernel.deactivate())
        await turns()
        assert kernel.state is KernelState.DEACTIVATED
        world.door.set_result(10)  # in time: the message in hand is finished
        await pausing
        assert world.seen == ["begins 1", "ends 1"]
        assert (await kernel.receive()).value == 11

    go(probe)


# --- time limits of the actor's own --------------------------------------------------------------


def waits_for(world: World) -> Any:
    async def visitor(ctx: KernelContext[Order, Order]) -> None:
        while not ctx.should_terminate:
            try:
                order = await asyncio.wait_for(ctx.receive(), 0.001)
            except TimeoutError:
                world.seen.append("late")
                continue
            await ctx.send(Order(order.value))

    return visitor


def limits(world: World) -> Any:
    async def visitor(ctx: KernelContext[Order, Order]) -> None:
        while not ctx.should_terminate:
            try:
                async with asyncio.timeout(0.001):
                    order = await ctx.receive()
            except TimeoutError:
                world.seen.append("late")
                continue
            await ctx.send(Order(order.value))

    return visitor


def limits_its_sends(world: World) -> Any:
    async def visitor(ctx: KernelContext[Order, Order]) -> None:
        while not ctx.should_terminate:
            order = await ctx.receive()
            try:
                async with asyncio.timeout(0.001):
                    await ctx.send(Order(order.value))
            except TimeoutError:
                world.seen.append(f"no room for {order.value}")

    return visitor


@pytest.mark.parametrize("make", [waits_for, limits])
def test_a_time_limit_of_the_actors_own_is_an_ordinary_exception(make: Any) -> None:
    async def main() -> None:
        world = World()
        actor = ring_kernel(kernel_id="visitor", auto_register=False)(make(world))
        async with RingKernelRuntime(backend="python") as runtime:
            kernel = await runtime.launch("visitor", actor)
            await kernel.activate()
            for n in range(3):
                while world.seen.count("late") <= n:
                    await asyncio.sleep(0)
                assert (await kernel.request(Order(n))).value == n
            assert (await kernel.terminate()).drained
            assert kernel.statistics().errors == 0

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_time_limit_on_a_send_takes_the_message_back() -> None:
    async def main() -> None:
        world = World()
        actor = ring_kernel(kernel_id="visitor", queue_size=1, auto_register=False)(
            limits_its_sends(world)
        )
        async with RingKernelRuntime(backend="python") as runtime:
            kernel = await runtime.launch("visitor", actor)
            await kernel.activate()
            await kernel.send(Order(1))
            await kernel.send(Order(2))
            while not world.seen:
                await asyncio.sleep(0)
            assert world.seen == ["no room for 2"]
            assert (await kernel.receive()).value == 1
            assert (await kernel.request(Order(3))).value == 3

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_cancelled_task_that_the_actor_waits_for_is_a_failure() -> None:
    async def main() -> None:
        world = World()
        async with RingKernelRuntime(backend="python") as runtime:
            kernel = await runtime.launch("visitor", make(world))
            await kernel.activate()
            await kernel.send(Order(1))
            while not world.seen:
                await asyncio.sleep(0)
            world.door.cancel()
            with pytest.raises(ActorFailedError) as caught:
                await kernel.receive()
            assert isinstance(caught.value.__cause__, asyncio.CancelledError)
            assert caught.value.message_in == Order(1)
            assert kernel.state is KernelState.FAILED

    asyncio.run(asyncio.wait_for(main(), 30))
