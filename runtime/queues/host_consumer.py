"""The host's reading end of a ring.

Input: records that the other end has published.  Output: messages, one at a time or as arrays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pydotcompute.accel.storage import accelerated
from pydotcompute.messages.slots import RecordSlots, take_batch
from pydotcompute.queues.host_end import HostEnd
from pydotcompute.queues.port import EMPTY, nothing
from pydotcompute.queues.port_words import HEAD, TAIL
from pydotcompute.queues.ring import Ring


def _raise(error: Exception) -> None:
    raise error


class HostConsumer(HostEnd):
    """The end at which the host reads.

    Args:
        ring, slots, fence: as for ``HostEnd``.

    ``overflow`` holds messages that come before those in the slots: taken out of them while replies
    were sorted out, or sent by the actor's prologue.  While it holds any, ``get_slow_path`` is not
    0.
    """

    __slots__ = ("overflow", "overflowed", "unreadable")

    def __init__(
        self, ring: Ring, slots: RecordSlots, fence: Callable[[], None] | None = None
    ) -> None:
        super().__init__(ring, slots, fence)
        self.overflow: deque[Any] = deque()
        self.overflowed: Callable[[], object] = nothing
        self.unreadable: Callable[[Exception], object] = _raise

    def published(self) -> int:
        """Messages published, ever."""
        if self.fence is not None:
            self.fence()  # what was read before this was read before
        self.cached_remote_cursor = seen = self.words[HEAD]
        if self.fence is not None:
            self.fence()
        return seen

    def depth(self) -> int:
        """Messages waiting."""
        waiting = self.published() - self.tail
        if self.drop_oldest:
            waiting = min(waiting, self.bound)
        return waiting + len(self.overflow)

    def note_peak(self) -> None:
        """Messages were published: keep the greatest depth."""
        self.cached_remote_cursor = seen = self.words[HEAD]
        held = seen - self.tail + len(self.overflow)
        if held > self.peak:
            self.peak = min(held, self.bound)  # replies that are not sorted out yet take no room

    @accelerated
    def try_get(self) -> Any:
        """Take the oldest message, or ``EMPTY``."""
        if self.overflow:
            return self._from_spill()
        tail = self.tail
        if tail == self.cached_remote_cursor and tail == self.published():
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
        message = self.overflow.popleft()
        if not self.overflow:
            self.overflowed()
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
        """Take 1 to ``limit`` messages; ``EMPTY`` if they cannot be read."""
        if self.overflow:
            batch = take_batch(self.overflow, limit, self.slots.classes)
            if not self.overflow:
                self.overflowed()
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
        self.overflow.extendleft(reversed(messages))
        self.overflowed()

    def put_last(self, message: Any) -> None:
        """Keep a message that compiled code has sent behind those in ``overflow``, of a ring that
        is empty otherwise; one that drops its oldest drops one for it."""
        if self.drop_oldest and len(self.overflow) >= self.bound:
            self.overflow.popleft()
            self.dropped += 1
        self.overflow.append(message)
        self.peak = max(self.peak, min(len(self.overflow), self.bound))
        self.overflowed()

    def take_all(self, *, salvage: bool = False) -> list[Any]:
        """Remove and return every published message.

        Args:
            salvage: as for ``read``.
        """
        self.skip()
        count = self.published() - self.tail
        messages = [*self.overflow, *self.read(self.tail, count, salvage=salvage)]
        self.overflow.clear()
        self.advance(count)
        return messages
