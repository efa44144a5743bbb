"""``receive_many`` loses nothing: what cannot be handed out as an array stays in the queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    KernelContext,
    RingKernelRuntime,
    message,
    ring_kernel,
)
from pydotcompute.errors import InternalError, SchemaError
from pydotcompute.messages.slots import take_batch
from pydotcompute.queues.host_consumer import HostConsumer
from tests.support.native_actor import kit as native_kit
from tests.support.native_actor.kit import PRINT, SEND, Task


@message
@dataclass
class Loose:
    """A message that has no record: its list has no bound."""

    items: list[int]


@ring_kernel(kernel_id="loose", auto_register=False)
async def loose(ctx: KernelContext[Task, Loose]) -> None:
    while True:
        task = await ctx.receive()
        await ctx.send(Loose([task.value]))


async def sent(kernel: Any, count: int) -> None:
    """Wait until the actor has sent so many messages."""
    while kernel.statistics().sent < count:
        await asyncio.sleep(0)


def test_messages_that_have_no_record_stay_in_the_queue(run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend="python") as runtime:
            kernel = await runtime.launch("loose", loose)
            await kernel.activate()
            for n in range(3):
                await kernel.send(Task(SEND, n))
            await sent(kernel, 3)
            for _ in range(2):
                with pytest.raises(SchemaError):
                    await kernel.receive_many(3, timeout=0)
            assert [(await kernel.receive(timeout=0)).items for _ in range(3)] == [[0], [1], [2]]

    run(main())


def test_messages_beside_a_ring_stay_where_they_are() -> None:
    held = deque([Loose([1]), Loose([2]), Task(SEND)])
    with pytest.raises(SchemaError):
        take_batch(held, 2)
    assert [type(each) for each in held] == [Loose, Loose, Task]


def test_a_batch_ends_where_another_class_begins() -> None:
    held = deque([Task(SEND, 1), Task(SEND, 2), Loose([3]), Task(SEND, 4)])
    assert take_batch(held, 9)["value"].tolist() == [1, 2]
    assert len(held) == 2


def _once(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose first call raises."""
    calls: list[int] = []

    def wrapped(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError
        return function(*args)

    return wrapped


@pytest.mark.parametrize("backpressure", list(BackpressureStrategy))
@pytest.mark.parametrize("backend", ["native"])
def test_a_record_that_cannot_be_read_stays_in_its_ring(
    kit: Any, run: Any, backpressure: BackpressureStrategy, path: str
) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, backpressure=backpressure)
            for n in range(3):
                await kernel.send(Task(SEND, n))
            await sent(kernel, 3)
            port = kernel._actor.outbox.port
            assert isinstance(port, HostConsumer)
            port.layout = None  # so that the extension leaves the message to the codec
            port.slots.unpack = _once(port.slots.unpack)
            assert [(await kernel.receive(timeout=0)).value for _ in range(3)] == [0, 2, 4]
            with pytest.raises(ActorFailedError) as caught:
                await kernel.receive(timeout=0)
            assert isinstance(caught.value.__cause__, InternalError)

    run(main())


@pytest.mark.parametrize("backend", ["native"])
def test_what_compiled_code_wrote_into_the_batch_is_received(
    kit: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The actor prints, and standard output is broken: its outputs come before its failure."""
    monkeypatch.setattr(native_kit, "_emit", _once(native_kit._emit))

    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            while kernel._actor.inbox.port.wake_suppressed:  # its first burst is still to come
                await asyncio.sleep(0)
            kernel._actor.inbox.port.wake_suppressed = 1  # no burst before the batch is asked for
            for task in (Task(SEND, 1), Task(PRINT, 5), Task(SEND, 2), Task(SEND, 3)):
                await kernel.send(task)
            assert (await kernel.receive_many(64, timeout=5))["value"].tolist() == [2, 4, 6]
            with pytest.raises(ActorFailedError) as caught:
                await kernel.receive_many(64, timeout=5)
            assert isinstance(caught.value.__cause__, ZeroDivisionError)

    run(main())
