"""Python code that runs inside the extension and changes what the extension is working on."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import RingKernelRuntime, message
from pydotcompute.accel import storage
from pydotcompute.compiler.abi import Policy
from pydotcompute.messages.slots import RecordSlots
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.port import EMPTY
from pydotcompute.queues.ring import Ring
from tests.support.native_actor.kit import SEND, Task

pytestmark = pytest.mark.skipif(storage.extension is None, reason="not built")


@message
@dataclass
class Number:
    value: int


class Watched:
    """A descriptor that runs a function whenever the attribute is read or set."""

    def __init__(self, on_get: Any = None, on_set: Any = None) -> None:
        self.on_get, self.on_set = on_get, on_set

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        if self.on_get is not None:
            self.on_get()
        return instance.__dict__["value"]

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__["value"] = value
        if self.on_set is not None:
            self.on_set()


def fresh_class() -> type[Any]:
    """A message class of one int; the layout is made before a test changes the class."""

    @message
    @dataclass
    class Changing:
        value: int

    assert storage.layout_of(Changing) is not None
    return Changing


def ring_of(kind: Any, cls: type[Any]) -> Any:
    dtype = cls.dtype  # type: ignore[attr-defined]
    slots = RecordSlots("test", (cls,), dtype, "takes", declared=True)
    return kind(Ring(dtype, 4, Policy.BLOCK), slots)


def test_an_id_that_awaits_its_own_call(run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            seen: list[type[BaseException]] = []
            calls: list[Any] = []

            class Id(str):
                __slots__ = ()

                def __hash__(self) -> int:
                    return hash("nothing")

                def __eq__(self, other: object) -> bool:
                    for step in (lambda: calls[0].send(None), lambda: calls[0].close()):
                        with pytest.raises(ValueError, match="already executing") as caught:
                            step()
                        seen.append(caught.type)
                    return False

            runtime._kernels = {"nothing": None}  # type: ignore[dict-item]
            calls.append(runtime.send(Id("other"), Number(1)))
            with pytest.raises(Exception, match="no kernel"):
                calls[0].send(None)
            assert seen[:2] == [ValueError, ValueError]
            runtime._kernels.clear()

    run(main())


def test_reading_a_field_takes_the_layout_away() -> None:
    cls = fresh_class()
    ring = ring_of(HostProducer, cls)
    value = cls(5)

    def take() -> None:
        ring.layout = None
        gc.collect()

    cls.value = Watched(on_get=take)
    assert ring.try_put(value)
    assert (ring.head, ring.words[0]) == (1, 1)


def test_reading_a_field_puts_another_message() -> None:
    cls = fresh_class()
    ring = ring_of(HostProducer, cls)
    first, second, times = cls(5), cls(6), []

    def put() -> None:
        times.append(len(times))
        if len(times) == 1:
            assert ring.try_put(second)

    cls.value = Watched(on_get=put)
    assert ring.try_put(first)
    assert (ring.head, ring.words[0]) == (2, 2)
    assert ring.buffer.cast("q")[:2].tolist() == [6, 5]


@pytest.mark.parametrize("taking", [True, False])
def test_building_a_message_takes_it_or_the_memory_away(taking: bool) -> None:
    cls = fresh_class()
    ring = ring_of(HostConsumer, cls)
    numbers = ring.buffer.cast("q")
    numbers[0], numbers[1] = 7, 8
    ring.words[0] = 2
    inner: list[Any] = []

    def change() -> None:
        cls.value = Watched()
        if taking:
            inner.append(ring.try_get())
        else:
            ring.buffer = memoryview(bytearray(8))
            ring.layout = None

    del numbers
    cls.value = Watched(on_set=change)
    assert ring.try_get().value == (8 if taking else 7)
    if taking:
        assert inner[0].value == 7
        assert (ring.tail, ring.words[8]) == (2, 2)
        assert ring.try_get() is EMPTY


def test_a_ring_whose_words_lead_outside_of_its_memory() -> None:
    ring = ring_of(HostProducer, Number)
    ring.mask = 2**64 - 1
    ring.head = ring.cached_remote_cursor = 2**61 - 1  # times 8: just below 2**64
    with pytest.raises(Exception):  # noqa: B017  the Python method says why
        ring.try_put(Number(1))


def test_a_ring_without_wake() -> None:
    ring = ring_of(HostProducer, Number)
    del ring.wake
    with pytest.raises(AttributeError, match="wake"):
        ring.try_put(Number(1))


def test_a_request_whose_field_ends_the_kernel(kit: Any, run: Any, backend: str) -> None:
    """Packing the message of a request takes the engine away."""
    if backend != "native":
        pytest.skip("only compiled code is called inline")

    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            assert (await kernel.request(Task(SEND, 1))).value == 2
            engine = kernel._actor.engine
            plain, read = Task.__dict__.get("value", 0), []

            def detach() -> None:
                if not read:
                    read.append(1)
                    engine.detach()

            task = Task(SEND, 3)
            Task.value = Watched(on_get=detach)  # type: ignore[assignment]
            try:
                assert (await kernel.request(task, timeout=5)).value == 6
            finally:
                if plain is None:
                    del Task.value
                else:
                    Task.value = plain
            assert read

    run(main())
