"""The host's writing end of a ring.

Input: messages.  Output: records, which the other end may read as soon as they are published.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from pydotcompute.accel.storage import accelerated
from pydotcompute.messages.codec import FieldError, wrap_field_error
from pydotcompute.messages.slots import RecordSlots
from pydotcompute.queues.host_end import HostEnd
from pydotcompute.queues.port import nothing
from pydotcompute.queues.port_words import HEAD, TAIL
from pydotcompute.queues.ring import Ring


class HostProducer(HostEnd):
    """The end at which the host writes.

    Args:
        ring, slots, fence: as for ``HostEnd``.

    Under DROP_OLDEST a put never fails: the consumer skips what has been overtaken.  ``quiet`` says
    whether no other thread reads at this moment.
    """

    __slots__ = ("_counted", "quiet")

    def __init__(
        self, ring: Ring, slots: RecordSlots, fence: Callable[[], None] | None = None
    ) -> None:
        super().__init__(ring, slots, fence)
        self._counted = 0
        self.quiet: Callable[[], object] = nothing

    def consumed(self) -> int:
        """Messages the actor has committed or skipped, ever."""
        self.cached_remote_cursor = seen = self.words[TAIL]
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
        if head - self.cached_remote_cursor >= self.bound and not self.drop_oldest:
            self.cached_remote_cursor = self.words[TAIL]
            if head - self.cached_remote_cursor >= self.bound:
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
        if not self.wake_suppressed:
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
        self._put(self.slots.records(batch, start + skip, start + count), count, skip)
        return count

    def put_records(self, records: memoryview, count: int) -> None:
        """Publish records of this ring's layout, for which there is room; as ``put_batch``.

        Args:
            records: the bytes of ``count`` records; they hold what the slots can.
            count: how many, at most the bound.
        """
        self._put(records, count, 0)

    def _put(self, records: memoryview, count: int, skip: int) -> None:
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
        if not self.wake_suppressed:
            self.wake()

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
