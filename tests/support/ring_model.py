"""The protocol of the rings, step by step, as a model for ``interleavings.explore``.

Input: sizes, a policy, how stores are ordered, and perhaps a mistake.  Output: a ``World`` of two
threads.  The *loop* thread does what a sender, a receiver and the event loop do (``runtime.ring``,
``runtime.channel``, ``runtime.backends.native``), the *worker* runs bursts (``burst.h``).  Names
are those of the modelled code.  Left out: time-outs, pausing, replies, all of which happen on the
loop thread between two bursts.

A record is two words that must stay together.  The actor sends ``sends`` outputs for each input:
the input's number each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.support.interleavings import Process, Violation, World

BLOCK, REJECT, DROP_OLDEST = "BLOCK", "REJECT", "DROP_OLDEST"
IDLE, MORE, FULL, FAILED = range(4)
IN_HEAD, IN_TAIL, OUT_HEAD, OUT_TAIL, SLOTS = range(5)
RUNS, PARKED, WOKEN = range(3)
MOST_SLOTS = 8


@dataclass(frozen=True)
class Setup:
    """What is modelled.

    Args:
        policy: of both queues.
        bound: messages a queue holds.
        batches: how many messages each call of the sender puts.
        sends: outputs for each input.
        order: see ``World``.
        fences: whether the host has them (it does where the processor needs them).
        mistake: what is done wrong.
    """

    policy: str
    bound: int
    batches: tuple[int, ...]
    sends: int = 1
    order: str = "sc"
    fences: bool = False
    mistake: str = ""


def power(least: int) -> int:
    """The number of slots (``backends.block``)."""
    return 1 << max(1, (least - 1).bit_length())


class Rings(World):
    """Two rings, an engine, a sender and a receiver."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(SLOTS + 4 * MOST_SLOTS, setup.order)
        self.setup = setup
        self.drop = setup.policy == DROP_OLDEST
        self.bound, self.mistake = setup.bound, setup.mistake
        spread = 2 * setup.bound if self.drop and self.mistake != "too few slots" else setup.bound
        self.in_mask = power(spread) - 1
        self.capacity = power(spread + setup.sends)  # the fewest that abi.PORT allows
        self.out_mask = self.capacity - 1
        assert self.capacity <= MOST_SLOTS
        # HostProducer, HostConsumer
        self.in_head = self.in_seen = self.out_tail = self.out_seen = 0
        self.armed = 0
        # the engine, the actor's block
        self.taken = self.produced = self.skipped = 0
        self.busy = self.staged = self.room = self.failed = False
        self.job = 0
        self.callbacks: list[Any] = []
        # the clients
        self.batches = list(setup.batches)
        self.put = 0  # the number of the last message that was put or refused
        self.parked_put: tuple[int, int] | None = None
        self.getter = RUNS
        self.refused: list[int] = []
        self.received: list[int] = []
        self.dropped = 0
        self.start(loop(self))
        self.start(worker(self))

    def local(self) -> tuple[Any, ...]:
        return (
            self.in_head, self.in_seen, self.out_tail, self.out_seen, self.armed, self.taken,
            self.produced, self.skipped, self.busy, self.staged, self.room, self.failed, self.job,
            tuple(self.callbacks), len(self.batches), self.put, self.parked_put, self.getter,
            tuple(self.refused), tuple(self.received), self.dropped,
        )  # fmt: skip

    def slot(self, output: bool, ordinal: int) -> int:
        """Where a record is."""
        mask = self.out_mask if output else self.in_mask
        return SLOTS + 2 * (MOST_SLOTS * output + (ordinal & mask))

    def check(self) -> None:
        if self.drop:
            return
        memory = self.memory
        if memory[IN_HEAD] - memory[IN_TAIL] > self.bound:
            raise Violation("more inputs wait than the queue holds")
        if memory[OUT_HEAD] - memory[OUT_TAIL] > self.bound:
            raise Violation("more outputs wait than the queue holds")

    def check_end(self) -> None:
        if self.failed:
            return  # QueueFullError left the loop under REJECT: the interpreter's turn
        if self.batches or self.parked_put:
            raise Violation("the sender waits for ever")
        if self.in_head != self.taken:
            raise Violation("messages wait and nobody handles them")
        if self.produced != self.memory[OUT_HEAD]:
            raise Violation("outputs were never published")
        if self.produced != self.out_tail:
            raise Violation("outputs wait and nobody receives them")
        sends, got = self.setup.sends, self.received
        if self.drop:
            if any(a > b or (sends == 1 and a == b) for a, b in pairwise(got)):
                raise Violation(f"received {got}")
            if len(got) + self.dropped + sends * self.skipped != sends * self.put:
                raise Violation(f"received {got} of {self.put}, dropped {self.dropped}")
            if self.put and (not got or got[-1] != self.put):
                raise Violation(f"the newest message {self.put} is not among {got}")
            return
        taken = [n for n in range(1, self.put + 1) if n not in self.refused]
        if got != [n for n in taken for _ in range(sends)]:
            raise Violation(f"received {got}, put {taken}")


# --- memory ------------------------------------------------------------------------------------


def load(w: Rings, at: int) -> Process:
    if w.busy:
        yield
    return w.read(at)


def store(w: Rings, at: int, value: int) -> Process:
    if w.busy:
        yield
    w.write(at, value)


def fence(w: Rings) -> Process:
    if w.under_way[w.me]:
        yield w.drained


def release(w: Rings, at: int, value: int) -> Process:
    """``pdc_store_release_u64``."""
    yield from fence(w)
    yield from store(w, at, value)


def write_record(w: Rings, at: int, value: int) -> Process:
    yield from store(w, at, value)
    yield from store(w, at + 1, value)


def read_record(w: Rings, at: int) -> Process:
    first = yield from load(w, at)
    second = yield from load(w, at + 1)
    return (first, second)


def whole(record: tuple[int, int]) -> int:
    """The value of a record that is believed in."""
    if record[0] != record[1]:
        raise Violation(f"half of record {record[0]}, half of {record[1]}")
    return record[0]


# --- compiled code: burst.h ----------------------------------------------------------------------


def overtaken(w: Rings, tail: int) -> Process:
    """How far the oldest message there is lies ahead of ``tail``, and the head."""
    head = yield from load(w, IN_HEAD)
    ahead = max(0, head - w.bound - tail)
    w.skipped += ahead
    return (head, tail + ahead, ahead > 0)


def take_input(w: Rings, tail: int, head: int) -> Process:
    """``pdc_peek``, once there is a message."""
    if not w.drop:
        if w.mistake == "consume before read":
            yield from release(w, IN_TAIL, tail + 1)
        record = yield from read_record(w, w.slot(False, tail))
        return (head, tail, whole(record))
    head, tail, again = yield from overtaken(w, tail)
    again = True
    while again:
        record = yield from read_record(w, w.slot(False, tail))
        if w.mistake == "overtaken input not noticed":
            break
        head, tail, again = yield from overtaken(w, tail)
    return (head, tail, whole(record))


def burst(w: Rings, limit: int) -> Process:
    tail = yield from load(w, IN_TAIL)
    head = yield from load(w, IN_HEAD)
    bound = 1 << 60 if w.drop else w.bound
    room = w.capacity - w.bound if w.drop else w.capacity
    if w.setup.policy == REJECT:
        room = w.bound
    floor = w.produced if w.drop else (yield from load(w, OUT_TAIL))
    committed, done, status = w.produced, 0, MORE
    while True:
        if w.drop:
            yield from release(w, OUT_HEAD, committed)
            if w.setup.order == "pso" and w.mistake != "outputs not kept behind their counter":
                yield from fence(w)
            floor = committed
        elif committed - floor > bound:
            floor = yield from load(w, OUT_TAIL)
            if committed - floor > bound:
                status = FULL
                break
        if done == limit:
            break
        if tail == head:
            head = yield from load(w, IN_HEAD)
        if tail == head:
            status = IDLE
            break
        head, tail, value = yield from take_input(w, tail, head)
        produced, left = committed, w.setup.sends
        while left:
            if produced - floor >= room and not w.drop:
                floor = yield from load(w, OUT_TAIL)
            if produced - floor >= room:
                status = FAILED
                break
            yield from write_record(w, w.slot(True, produced), value)
            produced, left = produced + 1, left - 1
        if status == FAILED:
            break
        committed, tail, done = produced, tail + 1, done + 1
    w.produced = committed
    yield from release(w, IN_TAIL, tail)
    over = committed - floor > bound and w.mistake != "outputs published over the bound"
    yield from release(w, OUT_HEAD, floor + bound if over else committed)
    return status


def worker(w: Rings) -> Process:
    """A thread of ``backends.pool``: ``NativeEngine._work``."""
    while True:
        yield lambda w: 1 if w.job else 0
        limit, w.job = w.job, 0
        status = yield from burst(w, limit)
        yield from fence(w)  # call_soon_threadsafe
        w.callbacks.append(("worked", status))
        yield


# --- the engine: backends.native -----------------------------------------------------------------


def wake(w: Rings) -> None:
    w.armed = 1
    if not w.busy:
        w.callbacks.append(("turn", 0))


def step(w: Rings) -> Process:
    """``_step``: here or on a worker, which of the two is the pace's affair."""
    if (yield lambda w: 2) == 1:
        yield from fence(w)  # the pool's lock
        w.busy, w.job = True, 3
        w.armed = 1
        return
    status = yield from burst(w, 2)
    yield from after(w, status)


def pull(w: Rings) -> Process:
    if w.busy or (w.in_head == w.taken and not w.staged):
        return False
    yield from step(w)
    return True


def after(w: Rings, status: int) -> Process:
    tail = yield from load(w, IN_TAIL)
    w.taken = w.in_seen = tail
    if w.parked_put and w.mistake != "parked sender forgotten":
        yield from admit(w)
    published = yield from load(w, OUT_HEAD)
    forgotten = w.mistake == "parked receiver forgotten"
    if w.getter == PARKED and published != w.out_tail and not forgotten:
        w.getter = WOKEN
        w.callbacks.append(("receive", 0))
    w.staged = False
    if status == FAILED:
        w.failed = True
    elif status == FULL:
        room = published - w.out_tail < w.bound and w.mistake != "room made meanwhile not seen"
        if w.produced != published and not room:
            w.staged = w.room = True
        elif not w.armed:
            wake(w)
    elif w.in_head != tail and not w.armed and w.mistake != "no second look after the burst":
        wake(w)


def worked(w: Rings, status: int) -> Process:
    w.busy = False
    if w.mistake != "armed for ever":
        w.armed = 0
    yield from after(w, status)


def turn(w: Rings) -> Process:
    if not w.busy:
        w.armed = 0
        yield from step(w)


# --- the host's ends: host_producer, host_consumer ------------------------------------------------


def publish(w: Rings) -> Process:
    if w.setup.fences:
        yield from fence(w)
    yield from store(w, IN_HEAD, w.in_head)
    if w.setup.fences and w.drop and w.mistake != "inputs not kept behind their counter":
        yield from fence(w)
    if not w.armed:
        wake(w)


def try_put(w: Rings, value: int) -> Process:
    head = w.in_head
    bound = w.bound + (w.mistake == "bound off by one")
    if head - w.in_seen >= bound and not w.drop:
        w.in_seen = yield from load(w, IN_TAIL)
        if head - w.in_seen >= bound:
            return False
    if w.mistake == "publish before write":
        yield from store(w, IN_HEAD, head + 1)
    yield from write_record(w, w.slot(False, head), value)
    w.in_head = head + 1
    yield from publish(w)
    return True


def put_batch(w: Rings, value: int, count: int) -> Process:
    """Puts ``count`` messages from ``value`` on; returns how many were taken."""
    skip = 0
    if not w.drop:
        count = min(count, w.bound - (w.in_head - (yield from load(w, IN_TAIL))))
    elif count > w.bound:
        skip = count - w.bound
        if w.mistake != "large batch skips to its end":
            skip = skip // (w.in_mask + 1) * (w.in_mask + 1)
    w.in_head += skip
    value, left = value + skip, count - skip
    while left > 0:
        piece = left if w.mistake == "large batch in one piece" else min(left, w.bound)
        n = 0
        while n < piece:
            yield from write_record(w, w.slot(False, w.in_head + n), value + n)
            n += 1
        w.in_head += piece
        yield from publish(w)
        value, left = value + piece, left - piece
    return max(0, count)


def try_get(w: Rings) -> Process:
    """The oldest output, or 0."""
    tail = w.out_tail
    if tail == w.out_seen:
        w.out_seen = yield from load(w, OUT_HEAD)
        if tail == w.out_seen:
            return 0
    if w.drop:
        return (yield from get_overtaken(w))
    if w.mistake == "give back before reading":
        yield from store(w, OUT_TAIL, tail + 1)
    record = yield from read_record(w, w.slot(True, tail))
    w.out_tail = tail + 1
    yield from store(w, OUT_TAIL, tail + 1)
    return whole(record)


def get_overtaken(w: Rings) -> Process:
    """``HostConsumer._overtaken``."""
    while True:
        w.out_seen = yield from load(w, OUT_HEAD)
        surplus = w.out_seen - w.out_tail - w.bound
        if surplus > 0:
            w.out_tail += surplus
            w.dropped += surplus
        record = yield from read_record(w, w.slot(True, w.out_tail))
        w.out_seen = yield from load(w, OUT_HEAD)
        if w.out_seen - w.out_tail <= w.bound or w.mistake == "overtaken output not noticed":
            break
    w.out_tail += 1
    yield from store(w, OUT_TAIL, w.out_tail)
    return whole(record)


# --- clients: channel.py -------------------------------------------------------------------------


def send(w: Rings) -> Process:
    """``Channel.put`` of one message, ``put_batch`` of several."""
    count = w.batches.pop(0)
    value = w.put + 1
    w.put += count
    done = yield from put_some(w, value, count)
    if done < count and w.setup.policy == BLOCK and (yield from pull(w)):
        done += yield from put_some(w, value + done, count - done)
    if done < count and w.setup.policy == REJECT:
        w.refused.extend(range(value + done, value + count))
    elif done < count:
        w.parked_put = (value + done, count - done)


def put_some(w: Rings, value: int, count: int) -> Process:
    if count == 1:
        return int((yield from try_put(w, value)))
    return (yield from put_batch(w, value, count))


def admit(w: Rings) -> Process:
    assert w.parked_put is not None
    value, count = w.parked_put
    done = yield from put_some(w, value, count)
    w.parked_put = (value + done, count - done) if done < count else None


def receive(w: Rings) -> Process:
    w.getter = RUNS
    got = yield from try_get(w)
    if not got and (yield from pull(w)):
        got = yield from try_get(w)
    if not got:
        w.getter = PARKED
        return
    w.received.append(got)
    if w.room:  # took, _room
        w.room = False
        if not w.busy:
            wake(w)


def options(w: Rings) -> list[str]:
    """What the loop thread may do next."""
    found = ["callback"] if w.callbacks else []
    if w.failed:
        return []
    if w.batches and not w.parked_put:
        found.append("send")
    if w.getter == RUNS:
        found.append("receive")
    return found


def loop(w: Rings) -> Process:
    """The event loop: callbacks in order, the two clients at any time."""
    while True:
        way = yield lambda w: len(options(w))
        what, status = options(w)[way], 0
        if what == "callback":
            what, status = w.callbacks.pop(0)
        if what == "send":
            yield from send(w)
        elif what == "receive":
            yield from receive(w)
        elif what == "worked":
            yield from worked(w, status)
        else:
            yield from turn(w)
