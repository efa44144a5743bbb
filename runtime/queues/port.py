"""What a queue is made of: the ``Port`` protocol, and the port whose both ends are Python.

A *port* is one direction of one actor.  Input: messages.  Output: the same messages, in order.
No asyncio, no waiting, no policy beyond DROP_OLDEST.

================  =========================  ==========================================
port              its other end              a message inside
================  =========================  ==========================================
``ObjectPort``    Python (the interpreter)   a Python object, copied when it was put
``HostProducer``  compiled code consumes     a record (``ring``)
``HostConsumer``  compiled code produces     a record (``ring``)
================  =========================  ==========================================

All share the words through which the hot path sees that nothing unusual is going on:
``put_slow_path``/``get_slow_path`` (0: ``try_put``/``try_get`` may be called directly),
``wake_suppressed`` and ``wake`` (after a put: unless suppressed, the other end must be woken),
``run_inline`` (after an empty get: may produce something now).  ``head`` counts the messages ever
put, ``tail`` those ever taken, so the ordinal of a message identifies it for as long as the actor
lives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, Final, Protocol

from pydotcompute.accel.storage import accelerated
from pydotcompute.messages.slots import Values, take_batch


class _Empty:
    """The type of ``EMPTY``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "EMPTY"


EMPTY: Final[Any] = _Empty()
"""What ``try_get`` returns when there is nothing: no message can be equal to it by identity."""
AHEAD = 64
"""Messages made at once of an array that waits for room."""


def nothing() -> bool:
    """A ``wake`` or ``run_inline`` that has nothing to do."""
    return False


def no_batch(limit: int, out: Any = None) -> Any:
    """A ``pull_batch`` that has nothing to give."""
    return None


class Port(Protocol):
    """What a channel needs of either kind of port."""

    bound: int
    put_slow_path: int
    get_slow_path: int
    wake_suppressed: int
    wake: Callable[[], object]
    run_inline: Callable[[], bool]
    pull_batch: Callable[..., Any]
    dropped: int
    peak: int
    head: int
    tail: int

    def depth(self) -> int:
        """Messages that can be taken now."""
        ...

    def room(self) -> int:
        """Messages that can be put before the port is full."""
        ...

    def prepare(self, message: Any) -> Any:
        """Check and copy a message that has to wait for room."""
        ...

    def accept_batch(self, batch: Any) -> Any:
        """Check a whole batch, and make it what ``put_batch`` takes."""
        ...

    def try_put(self, message: Any) -> bool:
        """Check, convert and store a message; False if full."""
        ...

    def try_get(self) -> Any:
        """Take the oldest message, or ``EMPTY``."""
        ...

    def put_batch(self, batch: Any, start: int) -> int:
        """Store as many of ``batch[start:]`` as fit; returns how many."""
        ...

    def withdraw(self, count: int) -> None:
        """Take back those of the last messages put that nobody can have seen."""
        ...

    def get_batch(self, limit: int) -> Any:
        """Take 1 to ``limit`` messages as a batch; the port must not be empty."""
        ...

    def messages_in(self, batch: Any) -> list[Any]:
        """The messages of a batch that ``get_batch`` or ``pull_batch`` returned."""
        ...

    def classes(self) -> tuple[type, ...]:
        """The message classes that can be in it; empty while they are not known."""
        ...

    def put_back(self, messages: Sequence[Any]) -> None:
        """Undo the taking of the last messages that were taken: they are the oldest again."""
        ...

    def put_last(self, message: Any) -> None:
        """Append a message whatever the bound; a port that drops its oldest drops one for it."""
        ...

    def takes_records(self, cls: type) -> bool:
        """Whether ``put_batch`` takes unchecked arrays of this class's dtype."""
        ...

    def take_all(self) -> list[Any]:
        """Remove and return every message."""
        ...


class ObjectPort:
    """Messages as Python objects: both ends are Python code on the event loop's thread.

    Args:
        bound: most messages held, except for ``force``.
        values: checks and copies what is put.
        drop_oldest: a full port drops its oldest message rather than refuse.
        head: ordinal of the first message.
    """

    __slots__ = (
        "_ahead",
        "bound",
        "drop_oldest",
        "dropped",
        "get_slow_path",
        "head",
        "items",
        "peak",
        "pull_batch",
        "put_slow_path",
        "run_inline",
        "sample_at",
        "sample_time",
        "tail",
        "values",
        "wake",
        "wake_suppressed",
    )  # fmt: skip

    def __init__(
        self, bound: int, values: Values, *, drop_oldest: bool = False, head: int = 0
    ) -> None:
        self.bound, self.values, self.drop_oldest = bound, values, drop_oldest
        self.items: deque[Any] = deque()
        self.head = self.tail = self.sample_at = head
        self.put_slow_path = self.get_slow_path = self.dropped = self.peak = 0
        self.wake_suppressed = 1
        self.wake: Callable[[], object] = nothing
        self.run_inline: Callable[[], bool] = nothing
        self.pull_batch: Callable[..., Any] = no_batch
        self.sample_time = 0.0
        self._ahead: tuple[Any, int, list[Any]] = (None, 0, [])

    def depth(self) -> int:
        """Messages held."""
        return len(self.items)

    def room(self) -> int:
        """Messages that fit."""
        return max(0, self.bound - len(self.items))

    def prepare(self, message: Any) -> Any:
        """Check and copy."""
        return self.values.accept(message)

    def accept_batch(self, batch: Any) -> Any:
        """Check a whole batch."""
        return self.values.accept_batch(batch)

    @accelerated
    def try_put(self, message: Any) -> bool:
        """Check, copy and append; False if full."""
        items = self.items
        if len(items) >= self.bound:
            if not self.drop_oldest:
                return False
            message = self.values.accept(message)
            self.drop()
        else:
            message = self.values.accept(message)
        items.append(message)
        head = self.head
        if head >= self.sample_at and not self.sample_time:
            self.sample_at, self.sample_time = head, perf_counter()
        self.head = head + 1
        if not self.wake_suppressed:
            self.wake()
        return True

    def drop(self) -> None:
        """Drop the oldest message."""
        self.items.popleft()
        if self.tail == self.sample_at:
            self.sample_at = self.tail + 1
            self.sample_time = 0.0
        self.tail += 1
        self.dropped += 1

    def force(self, message: Any) -> None:
        """Append an accepted message, whatever the bound."""
        self.items.append(message)
        self.head += 1
        if not self.wake_suppressed:
            self.wake()

    def put_last(self, message: Any) -> None:
        """Append an accepted message whatever the bound; drops the oldest where that is due."""
        if self.drop_oldest and len(self.items) >= self.bound:
            self.drop()
        self.force(message)

    def takes_records(self, cls: type) -> bool:
        """Whether arrays of this class's dtype are known."""
        return cls in self.values.classes

    def restore(self, messages: Iterable[Any]) -> None:
        """Fill an empty port with messages another port has held; they keep their ordinals."""
        self.items.extend(messages)
        self.tail = self.head - len(self.items)

    @accelerated
    def try_get(self) -> Any:
        """Take the oldest message, or ``EMPTY``."""
        items = self.items
        held = len(items)
        if not held:
            return EMPTY
        if held > self.peak:
            self.peak = held
        self.tail += 1
        return items.popleft()

    def put_batch(self, batch: Any, start: int) -> int:
        """Append as many messages of an accepted batch as fit; all under DROP_OLDEST."""
        count = len(batch) - start
        if not self.drop_oldest:
            count = min(count, self.room())
        if count <= 0:
            return 0
        messages = self._messages(batch, start, count)
        surplus = len(self.items) + count - self.bound
        if surplus > 0:
            self.dropped += surplus
            self.tail += surplus
        self.items.extend(messages)
        for _ in range(surplus):
            self.items.popleft()
        if self.head >= self.sample_at and not self.sample_time:
            self.sample_at, self.sample_time = self.head, perf_counter()
        self.head += count
        if not self.wake_suppressed:
            self.wake()
        return count

    def _messages(self, batch: Any, start: int, count: int) -> list[Any]:
        """Messages of a batch.  Of one that waits, many are made at once: there may be room for one
        at a time."""
        if isinstance(batch, list):
            return batch[start : start + count]
        of, first, made = self._ahead
        if of is not batch or not first <= start <= start + count <= first + len(made):
            first, made = start, self.values.messages(batch, start, start + max(count, AHEAD))
        waits = start + count < len(batch)
        self._ahead = (batch, first, made) if waits else (None, 0, [])
        return made[start - first : start - first + count]

    def withdraw(self, count: int) -> None:
        """Take back those of the last messages put that are still here."""
        count = min(count, len(self.items))
        for _ in range(count):
            self.items.pop()
        self.head -= count
        if self.sample_at >= self.head:
            self.sample_time = 0.0

    def get_batch(self, limit: int) -> Any:
        """Take messages as a batch."""
        items = self.items
        self.peak = max(self.peak, len(items))
        taken = take_batch(items, limit, self.values.known())
        self.tail += len(taken)
        return taken

    def classes(self) -> tuple[type, ...]:
        """The message classes that can be in it; empty while they are not known."""
        return self.values.known()

    def messages_in(self, batch: Any) -> list[Any]:
        """The messages of a batch that ``get_batch`` returned."""
        return self.values.messages_in(batch)

    def put_back(self, messages: Sequence[Any]) -> None:
        """Make messages that were taken the oldest again, whatever the bound.

        A port that drops its oldest drops those of them that find no room.
        """
        if self.drop_oldest:
            surplus = min(len(messages), max(0, len(self.items) + len(messages) - self.bound))
            self.dropped += surplus
            messages = messages[surplus:]
        self.items.extendleft(reversed(messages))
        self.tail -= len(messages)

    def take_all(self) -> list[Any]:
        """Remove and return every message."""
        messages = list(self.items)
        self.items.clear()
        self.tail += len(messages)
        return messages
