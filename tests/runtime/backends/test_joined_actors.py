"""Two compiled actors at the ends of one ring: what one sends the other receives, without Python.

The actors run below the level of engines: a test calls their bursts, and is itself at the first
actor's input and at the second's output.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import KernelContext, message
from pydotcompute.actors.coroutine_parts import split_actor
from pydotcompute.backends.compiled.actor_words import FUEL, SKIPPED, STATUS
from pydotcompute.backends.compiled.block import Block, input_ring, output_ring
from pydotcompute.backends.cuda.block import FOREVER, CudaBlock, Pieces
from pydotcompute.backends.cuda.emulated_device import Emulator
from pydotcompute.backends.device import Arena, Device
from pydotcompute.backends.native.block import NativeBlock, count, pointer
from pydotcompute.backends.program import NativeProgram, program_of
from pydotcompute.compiler.abi import Policy, Status
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.errors import InternalError
from pydotcompute.messages.slots import RecordSlots
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.memory import Allocate, Memory
from pydotcompute.queues.port import EMPTY
from pydotcompute.queues.port_words import HEAD, TAIL
from pydotcompute.queues.ring import Ring
from tests.support.contract import decorated
from tests.support.native_actor import kit as native_kit

pytestmark = pytest.mark.skipif(native_kit.library() is None, reason="no C++ compiler")


@message
@dataclass
class Order:
    amount: int
    name: str = ""


@message
@dataclass
class Line:
    number: int
    amount: int
    name: str


@message
@dataclass
class Sum:
    number: int
    total: int
    name: str


async def split(ctx: KernelContext[Order, Line]) -> None:
    number = 0
    while not ctx.should_terminate:
        order = await ctx.receive()
        for part in range(order.amount % 4):
            await ctx.send(Line(number, order.amount + part, order.name))
            number += 1


async def add(ctx: KernelContext[Line, Sum]) -> None:
    total = 0
    last = ""
    while not ctx.should_terminate:
        line = await ctx.receive()
        total += line.amount
        await ctx.send(Sum(line.number, total, last))
        last = line.name


class Ctx:
    """What a coroutine sees that is fed from a list."""

    should_terminate = False

    def __init__(self, messages: list[Any]) -> None:
        self._messages, self.sent = iter(messages), list[Any]()

    async def receive(self) -> Any:
        for each in self._messages:
            return each
        raise asyncio.CancelledError

    async def send(self, message: Any) -> None:
        self.sent.append(message)


def in_python(function: Any, messages: list[Any]) -> list[Any]:
    """What the coroutine sends."""
    ctx: Any = Ctx(messages)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(function(ctx))
    sent: list[Any] = ctx.sent
    return sent


def program(function: Any, takes: type, sends: type, device: Device | None = None) -> NativeProgram:
    """The actor, compiled."""
    kernel = decorated(function, input_type=takes, output_type=sends)
    return program_of(kernel.lower(), split_actor(function), device)


def record_slots(ring: Ring, cls: type, verb: str) -> RecordSlots:
    return RecordSlots("test", (cls,), ring.slot, verb, declared=True)


class Pair:
    """``split`` and ``add``, joined.

    Args:
        bound, policy: of the ring between them.
        device: where the programs run; None for the host.
        make: makes the memory of an actor of its program and its two rings.
        allocate: where the rings are.
    """

    def __init__(
        self, bound: int, policy: Policy = Policy.BLOCK, device: Device | None = None,
        make: Callable[[NativeProgram, Ring, Ring], Any] = NativeBlock,
        allocate: Allocate = Memory,
    ) -> None:  # fmt: skip
        first, second = program(split, Order, Line, device), program(add, Line, Sum, device)
        before = input_ring(first, 1 << 12, Policy.BLOCK, allocate)
        self.joint = output_ring(first, bound, policy, allocate)
        after = output_ring(second, 1 << 14, Policy.BLOCK, allocate)
        before.start_at(2**40 + 5)
        self.joint.start_at(3)
        self.first, self.second = make(first, before, self.joint), make(second, self.joint, after)
        first.pack_state({"number": 0}, self.first.state)
        second.pack_state({"total": 0, "last": ""}, self.second.state)
        self.orders = HostProducer(before, record_slots(before, Order, "takes"))
        self.sums = HostConsumer(after, record_slots(after, Sum, "sends"))
        self.orders.wake_suppressed = 1

    def waiting(self) -> int:
        """Messages between the two."""
        return self.joint.port[HEAD] - self.joint.port[TAIL]

    def put(self, orders: list[Order]) -> None:
        """Give the first actor its input."""
        assert all(self.orders.try_put(order) for order in orders)

    def replace(self) -> None:
        """Other actors in place of the two, with their state."""
        for name in ("first", "second"):
            old = getattr(self, name)
            for end in (old.input, old.output):
                end.disconnect()
            new = NativeBlock(old.program, old.input.ring, old.output.ring)
            new.state[:] = old.state
            setattr(self, name, new)

    def take(self) -> list[Sum]:
        """The second actor's output so far."""
        return list(iter(self.sums.try_get, EMPTY))


def burst(block: NativeBlock, limit: int) -> Status:
    """One burst, on this thread."""
    block.i8[FUEL] = -1
    return Status(block.burst(pointer(block.address), count(limit)))


def orders(number: int) -> list[Order]:
    """Orders of which some make no line, some several."""
    return [Order(n * n % 7, f"order {n % 11}") for n in range(number)]


def expected(given: list[Order]) -> list[Sum]:
    """What comes out in the end."""
    return in_python(add, in_python(split, given))


@pytest.mark.parametrize("bound", [1, 2, 3, 8])
def test_messages_go_from_one_to_the_other_in_order(bound: int) -> None:
    pair, given, found = Pair(bound), orders(300), list[Sum]()
    pair.put(given)
    chance, met, most = random.Random(bound), set[Status](), 0
    while len(found) < len(expected(given)):
        met.add(burst(pair.first, chance.randint(1, 9)))
        most = max(most, pair.waiting())
        assert pair.waiting() <= bound
        burst(pair.second, chance.randint(1, 9))
        found += pair.take()
    assert found == expected(given)
    assert most == bound
    assert met <= {Status.IDLE, Status.MORE, Status.FULL}
    assert pair.joint.port[HEAD] == pair.joint.port[TAIL]


def test_a_full_ring_stops_its_producer_and_its_consumer_makes_room() -> None:
    pair = Pair(2)
    pair.put([Order(3, "a"), Order(3, "b")])
    assert burst(pair.first, 100) is Status.FULL
    assert pair.waiting() == 2
    assert pair.first.output.written() - pair.joint.port[HEAD] == 1  # whole, and not yet to be seen
    assert burst(pair.first, 100) is Status.FULL
    assert burst(pair.second, 1) is Status.MORE
    assert burst(pair.first, 100) is Status.FULL
    assert pair.waiting() == 2
    assert burst(pair.second, 100) is Status.IDLE
    assert [each.number for each in pair.take()] == [0, 1, 2]


def test_both_run_at_the_same_time() -> None:
    pair, given = Pair(16), orders(4000)
    pair.put(given)
    wanted = expected(given)
    met: dict[str, set[Status]] = {"first": set(), "second": set()}

    def run(name: str, done: Callable[[], bool]) -> None:
        block = getattr(pair, name)
        while not done():
            met[name].add(Status(block.burst_free(pointer(block.address), count(50))))

    last = pair.sums.ring.port[HEAD] + len(wanted)
    threads = [
        threading.Thread(target=run, args=("first", lambda: not pair.orders.depth())),
        threading.Thread(target=run, args=("second", lambda: pair.sums.words[HEAD] == last)),
    ]
    for block in (pair.first, pair.second):
        block.i8[FUEL] = -1
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pair.take() == wanted
    assert met["first"] | met["second"] <= {Status.IDLE, Status.MORE, Status.FULL}


def test_the_oldest_are_dropped_where_that_is_the_policy() -> None:
    pair = Pair(4, Policy.DROP_OLDEST)
    pair.put([Order(3, "a") for _ in range(50)])
    assert burst(pair.first, 1000) is Status.IDLE
    assert burst(pair.second, 1000) is Status.IDLE
    assert [each.number for each in pair.take()] == [146, 147, 148, 149]
    assert pair.second.q8[SKIPPED] == 146


def test_a_ring_that_grows_is_found_by_the_consumer() -> None:
    pair = Pair(2)
    pair.put(orders(100))
    burst(pair.first, 1000)
    before = pair.joint.mask
    assert pair.first.grow_output()
    assert pair.joint.mask == 2 * before + 1
    found = []
    while len(found) < len(expected(orders(100))):
        burst(pair.second, 1000)
        burst(pair.first, 1000)
        found += pair.take()
    assert found == expected(orders(100))


def test_a_string_between_two_actors_is_in_use() -> None:
    pair = Pair(4)
    pair.put([Order(3, "a name that has been handed on")])
    burst(pair.first, 100)
    assert STRINGS.collect()
    burst(pair.second, 100)  # now the second actor's variable is all that holds it
    pair.take()
    assert STRINGS.collect()
    pair.put([Order(1, "another")])
    burst(pair.first, 100)
    burst(pair.second, 100)
    assert [each.name for each in pair.take()] == ["a name that has been handed on"]


def test_strings_are_looked_for_when_all_joined_actors_rest() -> None:
    pair = Pair(4)
    roots = [pair.first, pair.second, pair.joint, pair.orders.ring, pair.sums.ring]
    for block in (pair.first, pair.second):
        block.resting = lambda: False
        assert [root.words() for root in roots] == [None] * 5
        block.resting = lambda: True
    assert all(root.words() for root in roots)


def test_a_ring_outlives_the_actors_at_its_ends() -> None:
    pair, given = Pair(3), orders(60)
    pair.put(given[:30])
    found: list[Sum] = []
    for n in range(1000):
        if n == 10:  # other actors carry on, one at each end
            assert burst(pair.first, 100) is Status.FULL
            assert pair.first.output.written() > pair.joint.port[HEAD]
            found += pair.take()
            pair.replace()
            pair.put(given[30:])
        burst(pair.first, 2)
        burst(pair.second, 3)
        found += pair.take()
    assert found == expected(given)


def test_an_end_belongs_to_one_actor() -> None:
    pair = Pair(3)
    with pytest.raises(InternalError, match="same end"):
        NativeBlock(pair.first.program, pair.orders.ring, pair.sums.ring)
    with pytest.raises(InternalError, match="same end"):
        pair.second.input.connect(pair.joint)


def test_a_ring_of_another_layout_is_refused() -> None:
    first = program(split, Order, Line)
    with pytest.raises(InternalError, match="cannot use a ring"):
        Block(first, input_ring(first, 4, Policy.BLOCK), input_ring(first, 4, Policy.BLOCK))


def test_two_actors_on_a_device_are_joined_as_well() -> None:
    """Both are resident at the same time, and the host is at neither end of their ring."""
    device = Emulator()
    mapped, local = Pieces(Arena(device.mapped)), Pieces(Arena(device.memory))

    def make(program: NativeProgram, source: Ring, target: Ring) -> CudaBlock:
        return CudaBlock(program, source, target, mapped, local)

    pair, given = Pair(8, Policy.BLOCK, device, make, mapped), orders(400)
    pair.put(given)
    blocks: tuple[CudaBlock, CudaBlock] = (pair.first, pair.second)
    kernels = [device.load(b.program.library, b.program.lanes.count) for b in blocks]
    streams = [device.stream() for _ in blocks]
    records = mapped(16)
    found: list[Sum] = []
    while len(found) < len(expected(given)):
        for n, block in enumerate(blocks):
            records.bytes.cast("Q")[n] = block.record_address
            block.begin(200_000, FOREVER)
            streams[n].launch(kernels[n].resident, records.address + 8 * n, 1, FOREVER)
        while not all(stream.done() for stream in streams):
            assert pair.waiting() <= 8
        assert {block.i4[STATUS] for block in blocks} <= {Status.IDLE, Status.MORE, Status.FULL}
        for block in blocks:
            block.loaded()
        found += pair.take()
    for stream in streams:
        stream.close()
    assert found == expected(given)
