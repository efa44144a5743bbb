"""The host's ends of the rings that compiled code works on (``compiler.abi.PORT``).

Input and output: messages, as records in memory.  ``InputRing`` is written here and read by
compiled code, ``OutputRing`` the other way round.  Every word has one writer; a record is written
before the counter that publishes it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from pydotcompute.accel.storage import RingStorage, accelerated, layout_of
from pydotcompute.errors import InternalError
from pydotcompute.messages.codec import FieldError, wrap_field_error
from pydotcompute.messages.slots import RecordSlots, take_batch
from pydotcompute.queues.port import EMPTY, no_batch, nothing
from pydotcompute.queues.port_words import BOUND, HEAD, MASK, TAIL

log = logging.getLogger("pydotcompute.queues.ring")


def _raise(error: Exception) -> None:
    raise error


class _Ring(RingStorage):
    """What both rings share: the slots, and the words in memory.

    Args:
        words: the port's record, as 64-bit words.
        buffer: the bytes of the slots.
        slots: converts between messages and slots.
        fence: orders this thread's memory accesses, where the processor does not.

    ``owner`` is kept alive: the table of strings looks through the slots for as long as it exists.
    """

    __slots__ = ("fence", "owner", "pull_batch")

    def __init__(
        self,
        words: memoryview,
        buffer: memoryview,
        slots: RecordSlots,
        fence: Callable[[], None] | None,
    ) -> None:
        self.words, self.buffer, self.slots, self.fence = words, buffer, slots, fence
        self.size, self.layout = slots.size, layout_of(slots.cls)
        self.owner: object = None
        self.bound, self.mask = words[BOUND], words[MASK]
        self.head = self.tail = self.seen = 0
        self.sample_at = self.dropped = self.peak = 0
        self.put_gate = self.get_gate = 0
        self.armed = 0
        self.wake: Callable[[], object] = nothing
        self.pull: Callable[[], bool] = nothing
        self.pull_batch: Callable[[int], Any] = no_batch
        self.sample_time = 0.0

    def depth(self) -> int:
        """Messages that can be taken now."""
        raise self._other_end()

    def room(self) -> int:
        """Messages that can be put before the ring is full."""
        raise self._other_end()

    def try_put(self, message: Any) -> bool:
        """Put a message: only an ``InputRing`` can."""
        raise self._other_end()

    def put_batch(self, batch: Any, start: int) -> int:
        """Put messages: only an ``InputRing`` can."""
        raise self._other_end()

    def try_get(self) -> Any:
        """Take a message: only an ``OutputRing`` can."""
        raise self._other_end()

    def withdraw(self, count: int) -> None:
        """Take messages back: only an ``InputRing`` can."""
        raise self._other_end()

    def get_batch(self, limit: int) -> Any:
        """Take messages: only an ``OutputRing`` can."""
        raise self._other_end()

    def messages_in(self, batch: Any) -> list[Any]:
        """The messages of a batch of this ring's dtype."""
        return self.slots.messages_in(batch)

    def put_back(self, messages: Sequence[Any]) -> None:
        """Make taken messages the oldest again: only an ``OutputRing`` can."""
        raise self._other_end()

    def take_all(self) -> list[Any]:
        """Take every message: only an ``OutputRing`` can."""
        raise self._other_end()

    def _other_end(self) -> Exception:
        return InternalError(f"compiled code is at the other end of this {type(self).__name__}")

    def start_at(self, ordinal: int) -> None:
        """The next message has this ordinal."""
        self.head = self.tail = self.seen = self.sample_at = ordinal

    def prepare(self, message: Any) -> Any:
        """Check and copy a message that has to wait for room."""
        return self.slots.accept(message)

    def accept_batch(self, batch: Any) -> Any:
        """Check a whole batch."""
        return self.slots.accept_batch(batch)

    def _copy_in(self, first: int, count: int, source: memoryview) -> None:
        """Write ``count`` records of ``source`` into the slots from ordinal ``first``."""
        size, mask, done = self.size, self.mask, 0
        while done < count:
            at = (first + done) & mask
            piece = min(count - done, mask + 1 - at)
            self.buffer[at * size : (at + piece) * size] = source[
                done * size : (done + piece) * size
            ]
            done += piece

    def copy_out(self, first: int, count: int, target: memoryview) -> None:
        """Read ``count`` records from ordinal ``first`` on into ``target``."""
        size, mask, done = self.size, self.mask, 0
        while done < count:
            at = (first + done) & mask
            piece = min(count - done, mask + 1 - at)
            target[done * size : (done + piece) * size] = self.buffer[
                at * size : (at + piece) * size
            ]
            done += piece

    def read(self, first: int, count: int, *, salvage: bool = False) -> list[Any]:
        """The messages from ordinal ``first`` on, left where they are.

        Args:
            first, count: which.
            salvage: leave out those that cannot be read, and log them.
        """
        unpack, buffer, mask, size = self.slots.unpack, self.buffer, self.mask, self.size
        places = [((first + n) & mask) * size for n in range(count)]
        if not salvage:
            return [unpack(buffer, place) for place in places]
        messages = []
        for place in places:
            try:
                messages.append(unpack(buffer, place))
            except Exception:
                log.exception("a message in a queue of %r cannot be read", self.slots.kernel_id)
        return messages


class InputRing(_Ring):
    """Records on their way to compiled code: this side produces.

    Under DROP_OLDEST a put never fails: the consumer skips what has been overtaken.  ``quiet`` says
    whether no compiled code runs at this moment.
    """

    __slots__ = ("_counted", "quiet")

    def __init__(
        self,
        words: memoryview,
        buffer: memoryview,
        slots: RecordSlots,
        fence: Callable[[], None] | None,
        *,
        drop_oldest: bool,
    ) -> None:
        super().__init__(words, buffer, slots, fence)
        self.drop_oldest = drop_oldest
        self._counted = 0
        self.quiet: Callable[[], object] = nothing

    def consumed(self) -> int:
        """Messages the actor has committed or skipped, ever."""
        self.seen = seen = self.words[TAIL]
        return seen

    def depth(self) -> int:
        """Messages waiting."""
        return min(self.head - self.consumed(), self.bound)

    def room(self) -> int:
        """Messages that fit."""
        return max(0, self.bound - (self.head - self.consumed()))

    @accelerated
    def try_put(self, message: Any) -> bool:
        """Check, convert and publish a message; False if full."""
        head = self.head
        if head - self.seen >= self.bound and not self.drop_oldest:
            self.seen = self.words[TAIL]
            if head - self.seen >= self.bound:
                return False
        slots = self.slots
        try:
            if type(message) is slots.cls:
                slots.pack_into(self.buffer, (head & self.mask) * self.size, message)
            else:
                slots.pack(self.buffer, (head & self.mask) * self.size, message)
        except FieldError as error:
            raise wrap_field_error(slots.kernel_id, error) from None
        if head >= self.sample_at and not self.sample_time:
            self.sample_at, self.sample_time = head, perf_counter()
        self.head = head = head + 1
        if self.fence is None:
            self.words[HEAD] = head
        else:
            self._publish(head)
        if not self.armed:
            self.wake()
        return True

    def put_batch(self, batch: Any, start: int) -> int:
        """Publish as many records of an accepted batch as fit; all under DROP_OLDEST."""
        count, skip = len(batch) - start, 0
        if not self.drop_oldest:
            count = min(count, self.room())
        elif count > self.bound:  # whole rounds are left out: a slot that may be read just now
            slots = self.mask + 1  # is written only after it is known to be overtaken
            skip = (count - self.bound) // slots * slots
        if count <= 0:
            return 0
        records = self.slots.records(batch, start + skip, start + count)
        if self.head >= self.sample_at and not self.sample_time:
            self.sample_at, self.sample_time = self.head, perf_counter()
        self.head += skip
        size, done = self.size, 0
        while done < count - skip:
            piece = min(count - skip - done, self.bound)
            self._copy_in(self.head, piece, records[done * size : (done + piece) * size])
            self.head += piece
            self._publish(self.head)
            done += piece
        if not self.armed:
            self.wake()
        return count

    def withdraw(self, count: int) -> None:
        """Take back those of the last messages put that the actor has not come to; while it runs
        nobody knows which these are."""
        if not self.quiet():
            return
        self.head = first = max(self.head - count, self.consumed())
        self._publish(first)
        if self.sample_at >= first:
            self.sample_time = 0.0

    def _publish(self, head: int) -> None:
        if self.fence is not None:
            self.fence()
        self.words[HEAD] = head
        if self.fence is not None and self.drop_oldest:
            self.fence()  # the next record overwrites one that must be seen to be overtaken

    def waiting(self, *, salvage: bool = False) -> list[Any]:
        """Every message that compiled code has not consumed, left where it is.

        Args:
            salvage: as for ``read``.
        """
        first = max(self.consumed(), self.head - self.bound)
        return self.read(first, self.head - first, salvage=salvage)

    def count_dropped(self, skipped: int) -> None:
        """Bring ``dropped`` up to date.

        Args:
            skipped: messages the actor has skipped so far; others are overtaken already.
        """
        overtaken = max(0, self.head - self.consumed() - self.bound) if self.drop_oldest else 0
        dropped = skipped + overtaken
        self.dropped += dropped - self._counted
        self._counted = dropped


class OutputRing(_Ring):
    """Records that compiled code has published: this side consumes.

    ``spill`` holds messages that come before those in the slots: taken out of them while replies
    were sorted out, or sent by the actor's prologue.  While it holds any, ``get_gate`` is not 0.
    """

    __slots__ = ("spill", "spilled", "unreadable")

    def __init__(
        self,
        words: memoryview,
        buffer: memoryview,
        slots: RecordSlots,
        fence: Callable[[], None] | None,
        *,
        drop_oldest: bool,
    ) -> None:
        super().__init__(words, buffer, slots, fence)
        self.drop_oldest = drop_oldest
        self.spill: deque[Any] = deque()
        self.spilled: Callable[[], object] = nothing
        self.unreadable: Callable[[Exception], object] = _raise

    def published(self) -> int:
        """Messages published, ever."""
        if self.fence is not None:
            self.fence()  # what was read before this was read before
        self.seen = seen = self.words[HEAD]
        if self.fence is not None:
            self.fence()
        return seen

    def depth(self) -> int:
        """Messages waiting."""
        waiting = self.published() - self.tail
        if self.drop_oldest:
            waiting = min(waiting, self.bound)
        return waiting + len(self.spill)

    def note_peak(self) -> None:
        """Messages were published: keep the greatest depth."""
        self.seen = seen = self.words[HEAD]
        held = seen - self.tail + len(self.spill)
        if held > self.peak:
            self.peak = min(held, self.bound)  # replies that are not sorted out yet take no room

    @accelerated
    def try_get(self) -> Any:
        """Take the oldest message, or ``EMPTY``."""
        if self.spill:
            return self._from_spill()
        tail = self.tail
        if tail == self.seen and tail == self.published():
            return EMPTY
        if self.drop_oldest:
            return self._overtaken()
        try:
            message = self.slots.unpack(self.buffer, (tail & self.mask) * self.size)
        except Exception as error:
            self.unreadable(error)
            return EMPTY
        self.tail = tail = tail + 1
        if self.fence is not None:
            self.fence()
        self.words[TAIL] = tail
        return message

    def _from_spill(self) -> Any:
        message = self.spill.popleft()
        if not self.spill:
            self.spilled()
        return message

    def _overtaken(self) -> Any:
        """Take a message that the producer may be about to overwrite (DROP_OLDEST)."""
        while True:
            self.skip()
            tail = self.tail
            record = bytes(self.buffer[(tail & self.mask) * self.size :][: self.size])
            if self.published() - tail <= self.bound:
                break
        try:
            message = self.slots.unpack(memoryview(record), 0)  # before its strings may be freed
        except Exception as error:
            self.unreadable(error)
            return EMPTY
        self.tail = tail + 1
        self.words[TAIL] = tail + 1
        return message

    def skip(self) -> None:
        """Pass over what DROP_OLDEST has dropped, and count it."""
        surplus = self.published() - self.tail - self.bound
        if self.drop_oldest and surplus > 0:
            self.tail += surplus
            self.dropped += surplus
            self.words[TAIL] = self.tail

    def get_batch(self, limit: int) -> Any:
        """Take 1 to ``limit`` messages of one class; ``EMPTY`` if they cannot be read."""
        if self.spill:
            batch = take_batch(self.spill, limit)
            if not self.spill:
                self.spilled()
            return batch
        while True:
            self.skip()
            first = self.tail
            count = min(limit, self.published() - first)
            records = np.empty(count * self.size, np.uint8)
            self.copy_out(first, count, records.data)
            if not self.drop_oldest or self.published() - first <= self.bound:
                break  # what was copied was whole: only now may it be looked at
        try:
            batch = self.slots.batch(records)
        except Exception as error:
            self.unreadable(error)
            return EMPTY
        self.advance(len(batch))
        return batch

    def advance(self, count: int) -> None:
        """Consume ``count`` messages that were read in place."""
        if self.fence is not None:
            self.fence()
        self.tail += count
        self.words[TAIL] = self.tail

    def put_back(self, messages: Sequence[Any]) -> None:
        """Make messages that were taken the oldest again, whatever the bound.

        A ring that drops its oldest drops those of them that find no room.
        """
        if self.drop_oldest:
            surplus = min(len(messages), max(0, self.depth() + len(messages) - self.bound))
            self.dropped += surplus
            messages = messages[surplus:]
        self.spill.extendleft(reversed(messages))
        self.spilled()

    def take_all(self, *, salvage: bool = False) -> list[Any]:
        """Remove and return every published message.

        Args:
            salvage: as for ``read``.
        """
        self.skip()
        count = self.published() - self.tail
        messages = [*self.spill, *self.read(self.tail, count, salvage=salvage)]
        self.spill.clear()
        self.advance(count)
        return messages
