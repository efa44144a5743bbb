"""A ring between two ends of the host, held against two deques: order, bound, counters, growth."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydotcompute import message
from pydotcompute.compiler.abi import PORT, Policy
from pydotcompute.compiler.kernel_source import slot_dtype
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.kernels import accelerate
from pydotcompute.messages.slots import RecordSlots
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.memory import Bytes, Memory
from pydotcompute.queues.port import EMPTY
from pydotcompute.queues.port_words import (
    BOUND,
    CAPACITY,
    CLAIMED,
    HEAD,
    MASK,
    POLICY,
    SLOTS,
    SOURCE,
    TAIL,
)
from pydotcompute.queues.ring import Ring


@message
@dataclass
class Left:
    value: int


@message
@dataclass
class Right:
    value: int
    half: float = 0.5


@message
@dataclass
class Named:
    name: str


@pytest.fixture(scope="module", params=["C", "Python"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    """Who moves the messages: the extension's code, or Python's."""
    if not accelerate.use(request.param == "C") and request.param == "C":
        pytest.skip("the extension is not built")
    yield request.param
    accelerate.use()


def ends_of(ring: Ring, *classes: type) -> tuple[HostProducer, HostConsumer]:
    """The host at both ends of a ring."""
    takes = RecordSlots("test", classes, ring.slot, "takes", declared=True)
    sends = RecordSlots("test", classes, ring.slot, "sends", declared=True)
    producer, consumer = HostProducer(ring, takes), HostConsumer(ring, sends)
    producer.wake_suppressed, producer.quiet = 1, lambda: True
    return producer, consumer


class Both:
    """A ring, and what it should hold.

    Args:
        classes: the message classes that pass.
        bound, policy: of the ring.
        start: the ordinal of the first message.
    """

    def __init__(self, classes: tuple[type, ...], bound: int, policy: Policy, start: int) -> None:
        self.ring = Ring(slot_dtype(classes), bound, policy)
        self.ring.start_at(start)
        self.producer, self.consumer = ends_of(self.ring, *classes)
        self.classes, self.bound, self.drop = classes, bound, policy is Policy.DROP_OLDEST
        self.made = 0
        self.aside: deque[Any] = deque()  # messages that were put back
        self.held: deque[Any] = deque()
        self.dropped = 0
        self.taken: list[Any] = []

    def new(self, cls: type) -> Any:
        """A message unlike all before it."""
        self.made += 1
        return cls(self.made)

    def enter(self, message: Any) -> bool:
        """The message should be in the ring now, if it should have found room."""
        if len(self.held) >= self.bound:
            if not self.drop:
                return False
            self.held.popleft()
            self.dropped += 1
        self.held.append(message)
        return True

    def put(self, which: int) -> None:
        """One message."""
        message = self.new(self.classes[which % len(self.classes)])
        assert self.producer.try_put(message) == self.enter(message)

    def put_many(self, which: int, count: int) -> None:
        """An array of messages."""
        cls: Any = self.classes[which % len(self.classes)]
        messages = [self.new(cls) for _ in range(count)]
        batch = cls.array(value=[each.value for each in messages])
        done = self.producer.put_batch(self.producer.accept_batch(batch), 0)
        assert done == sum([self.enter(each) for each in messages])

    def get(self) -> None:
        """One message."""
        expected = self.aside or self.held
        taken = self.consumer.try_get()
        self.taken = [] if taken is EMPTY else [taken]
        assert self.taken == ([expected.popleft()] if expected else [])

    def get_many(self, limit: int) -> None:
        """An array of messages, or a batch of the messages of several classes."""
        if not self.consumer.depth():
            return
        expected, run = self.aside or self.held, []
        while expected and len(run) < limit:
            run.append(expected.popleft())
        self.taken = self.consumer.messages_in(self.consumer.get_batch(limit))
        assert self.taken == run

    def put_back(self) -> None:
        """What was taken last comes first again."""
        messages, self.taken = self.taken, []
        self.consumer.put_back(messages)
        if self.drop:
            depth = len(self.aside) + len(self.held)
            surplus = min(len(messages), max(0, depth + len(messages) - self.bound))
            messages = messages[surplus:]
            self.dropped += surplus
        self.aside.extendleft(reversed(messages))

    def withdraw(self, count: int) -> None:
        """The last messages put are taken back: only where a put may have to wait."""
        if not self.drop:
            self.producer.withdraw(count)
            for _ in range(min(count, len(self.held))):
                self.held.pop()

    def check(self) -> None:
        """Counters, bound and depths are what they should be."""
        port, producer, consumer = self.ring.port, self.producer, self.consumer
        assert (port[HEAD], port[TAIL]) == (producer.head, consumer.tail)
        assert producer.cached_remote_cursor <= port[TAIL]  # never sees more room than there is
        if not self.drop:
            assert port[HEAD] - port[TAIL] == len(self.held) <= self.bound
            assert producer.room() == self.bound - len(self.held)
        assert producer.depth() == min(port[HEAD] - port[TAIL], self.bound)
        assert consumer.depth() == len(self.aside) + len(self.held)
        consumer.skip()
        assert consumer.dropped == self.dropped


COUNT = st.integers(1, 9)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 1)),
        st.tuples(st.just("put_many"), st.integers(0, 1), COUNT),
        st.tuples(st.just("get")),
        st.tuples(st.just("get_many"), COUNT),
        st.tuples(st.just("put_back")),
        st.tuples(st.just("withdraw"), COUNT),
    ),
    max_size=60,
)


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("classes", [(Left,), (Left, Right)], ids=["one class", "two"])
@given(
    steps=STEPS, bound=st.integers(1, 6),
    start=st.sampled_from([0, 3, 2**32 - 2, 2**63 - 1, 2**63 + 5]),
)  # fmt: skip
def test_a_ring_is_a_queue(
    language: str, policy: Policy, classes: tuple[type, ...], steps: list[tuple[Any, ...]],
    bound: int, start: int,
) -> None:  # fmt: skip
    both = Both(classes, bound, policy, start)
    for name, *arguments in steps:
        getattr(both, name)(*arguments)
        both.check()
    while both.consumer.depth():
        both.get()
    assert not both.aside
    assert not both.held


def test_the_other_end_is_looked_at_only_when_the_ring_seems_full_or_empty(language: str) -> None:
    producer, consumer = ends_of(Ring(slot_dtype((Left,)), 3, Policy.BLOCK), Left)
    assert all(producer.try_put(Left(n)) for n in range(3))
    assert consumer.try_get() == Left(0)
    assert (producer.cached_remote_cursor, consumer.cached_remote_cursor) == (0, 3)
    assert producer.try_put(Left(3))
    assert (producer.cached_remote_cursor, consumer.cached_remote_cursor) == (1, 3)
    assert not producer.try_put(Left(4))
    assert [consumer.try_get().value for _ in range(3)] == [1, 2, 3]
    assert consumer.cached_remote_cursor == 4
    assert consumer.try_get() is EMPTY
    assert producer.try_put(Left(5))
    assert producer.cached_remote_cursor == 4


@given(
    start=st.integers(0, 2**40), waiting=st.integers(0, 5), unpublished=st.integers(0, 3),
    doublings=st.integers(1, 3),
)  # fmt: skip
def test_a_ring_that_grows_keeps_what_is_written(
    start: int, waiting: int, unpublished: int, doublings: int
) -> None:
    """The producer is compiled code: here it is the test that writes."""
    ring = Ring(slot_dtype((Left,)), 5, Policy.BLOCK, spare=3, with_sources=True)
    ring.start_at(start)
    count = ring.mask + 1
    assert count == 8
    for n in range(start, start + waiting + unpublished):
        ring.slots.cast("q")[n & ring.mask], ring.sources[n & ring.mask] = n - start, 7 * n
    ring.port[HEAD] = start + waiting
    _, consumer = ends_of(ring, Left)
    for _ in range(doublings):
        assert ring.grow(start + waiting + unpublished)
    consumer.remap()
    assert ring.mask + 1 == ring.port[CAPACITY] == ring.port[MASK] + 1 == count << doublings
    for n in range(start, start + waiting + unpublished):
        assert ring.sources[n & ring.mask] == 7 * n
    ring.port[HEAD] = start + waiting + unpublished
    assert [m.value for m in consumer.take_all()] == list(range(waiting + unpublished))
    assert ring.port[TAIL] == start + waiting + unpublished


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("bound", [1, 2, 3, 100])
def test_the_port_says_what_compiled_code_needs(policy: Policy, bound: int) -> None:
    pieces: list[tuple[int, Bytes]] = []

    def allocate(size: int, *, zero: bool = True) -> Bytes:
        pieces.append((size, Memory(size, zero=zero)))
        return pieces[-1][1]

    ring = Ring(slot_dtype((Right,)), bound, policy, spare=5, with_sources=True, allocate=allocate)
    ring.start_at(41)
    port_memory, slot_memory, source_memory = (memory for _, memory in pieces)
    count = ring.port[CAPACITY]
    assert [size for size, _ in pieces] == [PORT.itemsize, count * ring.slot.itemsize, 8 * count]
    assert count == ring.port[MASK] + 1 == 1 << ring.mask.bit_length()
    assert count >= (2 * bound if policy is Policy.DROP_OLDEST else bound) + 5
    record = np.frombuffer(port_memory.bytes, PORT)[0]
    assert ring.address == port_memory.address
    assert (record["slots"], record["source"]) == (slot_memory.address, source_memory.address)
    assert (record["bound"], record["policy"]) == (bound, policy)
    assert {int(record[name]) for name in ("head", "tail", "claimed")} == {41}
    assert [ring.port[n] for n in (HEAD, TAIL, CLAIMED)] == [41] * 3
    assert ring.port[SLOTS] == slot_memory.address
    ring.show(bound + 3, Policy.BLOCK)
    assert (ring.port[BOUND], ring.port[POLICY]) == (bound + 3, Policy.BLOCK)
    assert (ring.bound, ring.policy) == (bound, policy)
    ring.show_own()
    assert (ring.port[BOUND], ring.port[POLICY]) == (bound, policy)
    assert Ring(slot_dtype((Right,)), bound, policy).port[SOURCE] == 0


class Working:
    """An end at which an actor may be running.

    Args:
        rings: the actor's.
    """

    def __init__(self, *rings: Ring) -> None:
        self.runs, self._rings = False, rings
        for ring in rings:
            ring.workers.append(self)

    def rests(self) -> bool:
        return not self.runs

    def written(self) -> int:
        return 0

    def rings(self) -> tuple[Ring, ...]:
        return self._rings


def test_a_string_in_a_ring_is_in_use() -> None:
    producer, consumer = ends_of(Ring(slot_dtype((Named,)), 4, Policy.BLOCK), Named)
    producer.try_put(Named("a name that only a ring holds"))
    assert STRINGS.collect()
    assert consumer.try_get() == Named("a name that only a ring holds")


def test_a_ring_is_looked_through_when_all_actors_that_it_leads_to_rest() -> None:
    first, second, third, other = (Ring(slot_dtype((Named,)), 4, Policy.BLOCK) for _ in range(4))
    workers = [Working(first, second), Working(second, third)]
    for worker in workers:
        worker.runs = True
        assert [ring.words() is None for ring in (first, second, third, other)] == [
            True, True, True, False,
        ]  # fmt: skip
        worker.runs = False
    assert all(ring.words() is not None for ring in (first, second, third))
