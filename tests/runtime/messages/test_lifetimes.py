"""Headers keep no messages: neither a chain of requests, nor actors that copy headers."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from pydotcompute import (
    BackpressureStrategy,
    KernelContext,
    RingKernelRuntime,
    message,
    ring_kernel,
)
from pydotcompute.messages.header import Header, Identity, correlate
from pydotcompute.messages.header_slots import HeadedSlots
from pydotcompute.queues.host_producer import HostProducer


@message
@dataclass
class Item:
    value: int


@message
@dataclass
class Named:
    value: int


@ring_kernel(kernel_id="next", auto_register=False)
async def following(ctx: KernelContext[Item, Item]) -> None:
    while not ctx.should_terminate:
        try:
            item = await ctx.receive(timeout=0.1)
            await ctx.send(Item(item.value + 1))
        except TimeoutError:
            continue


@ring_kernel(kernel_id="same", auto_register=False)
async def same(ctx: KernelContext[Item, Item]) -> None:
    while not ctx.should_terminate:
        try:
            item = await ctx.receive(timeout=0.1)
            await ctx.send(item)
        except TimeoutError:
            continue


@ring_kernel(kernel_id="headed", auto_register=False, queue_size=8)
async def headed(ctx: KernelContext[Item, Named]) -> None:
    while not ctx.should_terminate:
        try:
            item = await ctx.receive(timeout=0.1)
            if item.value >= 0:
                await ctx.send(
                    Named(
                        item.value,
                        correlation_id=item.message_id,
                        priority=item.priority,
                    )
                )
        except TimeoutError:
            continue


def headers_alive() -> int:
    """How many headers there are, those that other tests have left included."""
    gc.collect()
    return sum(isinstance(each, (Header, Identity)) for each in gc.get_objects())


@pytest.mark.parametrize("actor", [following, same], ids=["following", "same"])
def test_a_chain_of_requests_keeps_only_its_last_message(way: str, run: Any, actor: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend=way.partition("-")[0]) as runtime:
            kernel = await runtime.launch("chain", actor)
            await kernel.activate()
            item = Item(0)
            seen = []
            before = headers_alive()
            for _ in range(1000):
                seen.append(weakref.ref(item))
                item = await kernel.request(item)
            assert headers_alive() - before < 100
            assert sum(ref() is not None for ref in seen) <= 2

    run(main())


def test_a_reply_still_names_its_request_when_that_is_gone(way: str, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend=way.partition("-")[0]) as runtime:
            kernel = await runtime.launch("next", following)
            await kernel.activate()
            one, two = Item(1), Item(2, message_id=UUID(int=7))
            first, second = await kernel.request(one), await kernel.request(two)
            again = await kernel.request(one)
            del two
            assert second.correlation_id == UUID(int=7)
            assert again.correlation_id == first.correlation_id == one.message_id

    run(main())


def test_requests_share_one_id_whoever_reads_it_first() -> None:
    request, one, two = Item(1), Item(2), Item(3)
    correlate(one, request)
    correlate(two, request)
    request.priority = 9
    assert two.correlation_id == one.correlation_id == request.message_id
    assert request.priority == 9


@pytest.mark.parametrize("backpressure", list(BackpressureStrategy))
@pytest.mark.parametrize("backend", ["python", "native"])
def test_an_actor_that_copies_headers_keeps_no_inputs(
    run: Any, backend: str, backpressure: BackpressureStrategy
) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend=backend, fallback="error") as runtime:
            actor = ring_kernel(
                kernel_id="headed", auto_register=False, queue_size=8, backpressure=backpressure
            )(headed.__wrapped__)
            kernel = await runtime.launch("headed", actor)
            await kernel.activate()
            assert kernel.backend == backend
            seen = []
            for n in range(2000):
                item = Item(n if n % 3 else -1, priority=n % 200, message_id=uuid4())
                seen.append(weakref.ref(item))
                await kernel.send(item)
                if n % 3:
                    answer = await kernel.receive()
                    assert answer.correlation_id == item.message_id
                    assert answer.priority == item.priority
            del item
            while kernel.statistics().processed < 2000:
                await runtime.send("headed", Item(-1))
            assert not any(ref() for ref in seen)
            port = kernel._actor.inbox.port
            if isinstance(port, HostProducer):
                assert isinstance(port.slots, HeadedSlots)
                assert len(port.slots.tokens) <= 200

    run(main())


def test_headers_wait_with_the_outputs_that_need_them(run: Any) -> None:
    """Batches through full queues: nothing is released while it may still be read."""

    async def main() -> None:
        async with RingKernelRuntime(backend="native", fallback="error") as runtime:
            kernel = await runtime.launch("headed", headed)
            await kernel.activate()
            items = [Item(n, priority=n % 256) for n in range(1500)]
            sending = asyncio.create_task(kernel.send_many(items))
            for item in items:
                answer = await kernel.receive()
                assert (answer.value, answer.priority) == (item.value, item.priority)
                assert answer.correlation_id == item.message_id
            await sending

    run(main())


def test_headers_take_effect_as_they_were_when_the_message_was_sent(
    run: Any, backend: str
) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend=backend, fallback="error") as runtime:
            kernel = await runtime.launch("headed", headed)
            item = Item(1, priority=5)
            await kernel.send(item)
            item.priority = 6
            await kernel.activate()
            assert (await kernel.receive(timeout=10)).priority == 5

    run(main())
