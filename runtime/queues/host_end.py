"""What the host's two ends of a ring share: their place in memory, and copying.

Input: a ``Ring`` and the conversion between messages and records.  Output: ``HostEnd``, of which
``host_producer`` and ``host_consumer`` are made.  An end keeps its own counters, and what it last
saw of the other end's (``cached_remote_cursor``); none of them knows asyncio.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from pydotcompute.accel.storage import RingStorage, layout_of
from pydotcompute.errors import InternalError
from pydotcompute.messages.slots import RecordSlots
from pydotcompute.queues.port import no_batch, nothing
from pydotcompute.queues.port_words import HEAD, TAIL
from pydotcompute.queues.ring import Ring

log = logging.getLogger("pydotcompute.queues.ring")


class HostEnd(RingStorage):
    """One end of a ring, for Python code on the event loop's thread.

    Args:
        ring: the ring.
        slots: converts between messages and records.
        fence: orders this thread's memory accesses, where the processor does not.
    """

    __slots__ = ("fence", "pull_batch", "ring")

    tape: Any
    tape_actor: int

    def __init__(
        self, ring: Ring, slots: RecordSlots, fence: Callable[[], None] | None = None
    ) -> None:
        self.ring, self.slots, self.fence = ring, slots, fence
        self.words, self.bound, self.drop_oldest = ring.port, ring.bound, ring.drop_oldest
        self.size, self.layout = slots.size, layout_of(slots.cls)
        self.remap()
        self.head = self.sample_at = ring.port[HEAD]
        self.tail = self.cached_remote_cursor = ring.port[TAIL]
        self.dropped = self.peak = 0
        self.put_slow_path = self.get_slow_path = 0
        self.wake_suppressed = 0
        self.wake: Callable[[], object] = nothing
        self.run_inline: Callable[[], bool] = nothing
        self.pull_batch: Callable[..., Any] = no_batch
        self.sample_time = 0.0

    def depth(self) -> int:
        """Messages that can be taken now."""
        raise self._other_end()

    def room(self) -> int:
        """Messages that can be put before the ring is full."""
        raise self._other_end()

    def try_put(self, message: Any) -> bool:
        """Put a message: only a ``HostProducer`` can."""
        raise self._other_end()

    def put_batch(self, batch: Any, start: int) -> int:
        """Put messages: only a ``HostProducer`` can."""
        raise self._other_end()

    def try_get(self) -> Any:
        """Take a message: only a ``HostConsumer`` can."""
        raise self._other_end()

    def withdraw(self, count: int) -> None:
        """Take messages back: only a ``HostProducer`` can."""
        raise self._other_end()

    def get_batch(self, limit: int) -> Any:
        """Take messages: only a ``HostConsumer`` can."""
        raise self._other_end()

    def classes(self) -> tuple[type, ...]:
        """The message classes that can be in the ring."""
        return self.slots.classes

    def messages_in(self, batch: Any) -> list[Any]:
        """The messages of a batch of this ring's dtype."""
        return self.slots.messages_in(batch)

    def put_back(self, messages: Sequence[Any]) -> None:
        """Make taken messages the oldest again: only a ``HostConsumer`` can."""
        raise self._other_end()

    def take_all(self) -> list[Any]:
        """Take every message: only a ``HostConsumer`` can."""
        raise self._other_end()

    def put_last(self, message: Any) -> None:
        """Append a message whatever the bound: only a ``HostConsumer`` can, to ``overflow``."""
        raise self._other_end()

    def takes_records(self, cls: type) -> bool:
        """Whether arrays of this class's dtype have a record here."""
        return cls in self.slots.classes and not self.slots.checks

    def _other_end(self) -> Exception:
        return InternalError(f"a {type(self).__name__} has no such end")

    def remap(self) -> None:
        """The ring has other slots now."""
        self.buffer, self.mask = self.ring.slots, self.ring.mask

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
