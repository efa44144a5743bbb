"""One edge between two actors, and a place in the line of its target's queue.

Input: messages that the source sends.  Output: the same messages in the target's input queue, as if
a client had sent them: ``Link`` waits, raises and drops by the policy of that queue.
"""

from __future__ import annotations

import sys
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

import numpy as np

from pydotcompute.messages.slots import RecordSlots, UnrepresentableMessage
from pydotcompute.messages.string_batches import as_string_batch
from pydotcompute.queues.backpressure import BackpressureStrategy
from pydotcompute.queues.channel import CLOSED, SPECIAL, Channel
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.journaling import CLIENT, Origin
from pydotcompute.queues.port import Port
from pydotcompute.queues.putters import Put
from pydotcompute.queues.replies import Replies, Request

MANY: Final = sys.maxsize
"""The room of a queue that never refuses."""


class End(Protocol):
    """An actor at one end of an edge."""

    kernel_id: str
    loop: AbstractEventLoop
    inbox: Channel
    outbox: Channel
    replies: Replies

    def specialise(self, message: Any) -> object:
        """The first message is here: its class is the input type that was left out."""
        ...

    async def interpret_foreign(self, message: Any) -> None:
        """A message that compiled code cannot represent is about to be put."""
        ...

    def cannot_send(self, error: Exception) -> bool:
        """A message that has left compiled code cannot be delivered: the actor fails.

        Returns:
            False if it has ended already, so that nothing can be raised in it.
        """
        ...


class EdgeClosed(Exception):
    """The edge was closed while a message waited for room at its target."""


class LetThrough(Exception):
    """The source need not wait for room: its message waits by itself."""


class Seat:
    """A place in the line of a full queue, for a source that has no message in hand.

    Whoever has it is called when it is first in line and there is room, and keeps the place until
    it leaves: others wait behind it.

    Args:
        link: the edge to whose target it belongs.
        need: messages that must find room.
        call: what is called, once, in the next turn of the event loop.
    """

    __slots__ = ("_called", "call", "future", "link", "need", "since")

    def __init__(self, link: Link, need: int, call: Callable[[], None]) -> None:
        self.link, self.need, self.call, self._called = link, need, call, False
        loop = link.source.loop
        self.since = loop.time()
        self.future: Future[Any] = loop.create_future()
        self.future.add_done_callback(self._come)  # the queue has been closed
        link.target.inbox.join(self)

    def admit(self, port: Port) -> bool:
        """There may be room: call, and keep the place."""
        if port.room() >= self.need and not self._called:
            self._called = True
            self.link.source.loop.call_soon(self._come, None)
        return False

    def _come(self, _: object) -> None:
        self._called = False
        if not self.future.cancelled():
            self.call()

    def leave(self) -> None:
        """Give up the place."""
        self.future.cancel()
        self.link.target.inbox.leave(self)


class Link:
    """One edge, as its source's routes see it.

    Args:
        source, target: the actors at its ends.
        classes: the message classes it takes; none: all of them.

    Attributes:
        delivered: messages that it has put into the target's queue.
        closed: it takes nothing any more.
        origin: what the target's journal calls it.
    """

    __slots__ = ("_parked", "classes", "closed", "delivered", "origin", "source", "target")

    def __init__(self, source: End, target: End, classes: Sequence[type] = ()) -> None:
        self.source, self.target, self.classes = source, target, tuple(classes)
        self.delivered, self.closed = 0, False
        self.origin = CLIENT
        self._parked: dict[Put, float] = {}

    @property
    def policy(self) -> BackpressureStrategy:
        """What the target's queue does when it is full."""
        return self.target.inbox.policy

    def takes(self, cls: type) -> bool:
        """Whether messages of this class go along it."""
        return not self.classes or issubclass(cls, self.classes)

    def error(self) -> Exception | None:
        """What a send to the target raises now, whatever room there is."""
        return self.target.inbox.closed_error()

    def room(self, seat: Seat | None = None) -> int:
        """Messages that can be put now.

        Args:
            seat: the source's place in the line, if it has one.
        """
        inbox = self.target.inbox
        if inbox.policy is BackpressureStrategy.DROP_OLDEST:
            return MANY
        if inbox.putters and next(iter(inbox.putters)) is not seat:
            return 0
        return inbox.port.room()

    def free(self) -> int:
        """Messages that can be put now; 0 where the target refuses any, or another waits."""
        return 0 if self.target.inbox.port.put_slow_path & CLOSED else self.room()

    def knows(self, cls: type) -> bool:
        """Whether the target surely takes messages of just this class, as what it is now."""
        return self.target.inbox.port.takes_records(cls)

    def put_now(self, message: Any, request: Request | None) -> bool:
        """Put a message, if there is room.

        Args:
            message: the message.
            request: the request whose answer it leads to, if the request goes on along this edge.

        Raises:
            UnrepresentableMessage: the target is compiled, for other messages than this.
        """
        inbox = self.target.inbox
        if inbox.port.put_slow_path & SPECIAL:
            self.target.specialise(message)
        return inbox.put_now(message, self._admitted(request), self._origin(request))

    def _origin(self, request: Request | None) -> Origin:
        """For the target's journal; the answer to a request that ends there is a reply."""
        if request is None or len(request.path) > 1:
            return self.origin
        return Origin(self.origin.source, request=True)

    def put_records(self, slots: RecordSlots, records: memoryview, count: int) -> None:
        """Put records for which there is room.

        Args:
            slots: their layout, of one class.
            records: their bytes.
            count: how many.
        """
        inbox, cls = self.target.inbox, slots.cls
        port, tail = inbox.port, inbox.port.tail
        if inbox.journal is not None:
            assert cls is not None
            batch = as_string_batch(cls, np.frombuffer(records, slots.dtype))
            inbox.journal.batch(batch, self.origin)
        if (
            isinstance(port, HostProducer)
            and type(port.slots) is RecordSlots
            and port.slots.cls is cls
        ):
            port.put_records(records, count)
        else:
            assert cls is not None
            port.put_batch(as_string_batch(cls, np.frombuffer(records, slots.dtype)), 0)
        if inbox.on_drop is not None:
            inbox.on_drop(tail)
        self.delivered += count

    def _admitted(self, request: Request | None) -> Callable[[int], None]:
        return partial(self._admit, request)

    def _admit(self, request: Request | None, ordinal: int) -> None:
        self.delivered += 1
        if request is not None:
            request.path = request.path[1:]
            self.target.replies.open(request, ordinal)

    async def put(self, message: Any, request: Request | None) -> None:
        """Put a message as a client does: wait, raise or drop by the target's policy.

        Raises:
            EdgeClosed: it was closed meanwhile.
            QueueFullError, KernelClosedError, ActorFailedError: as for ``send`` to the target.
        """
        inbox = self.target.inbox
        while True:
            error = self.error()
            if error is not None:
                raise error
            try:
                if self.room() and self.put_now(message, request):
                    return None
                if inbox.policy is BackpressureStrategy.REJECT:
                    raise inbox.full()
                putter = Put(
                    self.source.loop.create_future(), inbox.port.prepare(message),
                    self._admitted(request), inbox.journal, self._origin(request),
                )  # fmt: skip
            except UnrepresentableMessage:
                await self.target.interpret_foreign(message)
                continue
            self._parked[putter] = self.source.loop.time()
            try:
                return await inbox.park(putter, None)
            finally:
                del self._parked[putter]

    def waits_since(self) -> float | None:
        """Since when, by the event loop's clock, a message waits for room; None: none does."""
        return min(self._parked.values(), default=None)

    def release(self, why: type[Exception] = EdgeClosed) -> None:
        """Those who wait for room wait no longer.

        Args:
            why: what ``put`` raises.
        """
        for putter in self._parked:
            if not putter.future.done():
                putter.future.set_result(lambda _: why())
