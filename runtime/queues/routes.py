"""Where the messages go that an actor with edges sends.

Input: messages, one at a time, that one actor sends.  Output: each is in the input queue of every
target whose edge takes its class; what no edge takes is left to the actor's own output queue.

An edge is a client of its target: it waits, raises and drops as ``send`` does, and has a place in
the same line (``Channel.putters``).  An interpreted actor waits here in its ``ctx.send``
(``Routes.send``).  Compiled code is let run only as far as there is room (``compiled.edges``); what
finds none all the same waits in ``backlog``, and the actor with it.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydotcompute.errors import KernelClosedError
from pydotcompute.messages.header import correlate
from pydotcompute.messages.slots import UnrepresentableMessage, is_message
from pydotcompute.queues.backpressure import BackpressureStrategy
from pydotcompute.queues.channel import Channel
from pydotcompute.queues.link import EdgeClosed, End, LetThrough, Link, Seat
from pydotcompute.queues.replies import Replies, Request


@dataclass(slots=True)
class Waiting:
    """A message that has left compiled code and waits for room.

    Args:
        message: the message.
        request: the request that it carries on, if any.
        links: the edges that it still has to go along.
        sent: it has gone along one.
    """

    message: Any
    request: Request | None
    links: list[Link]
    sent: bool = False

    def targets(self) -> list[str]:
        """The ids of the actors it still has to go to."""
        return [link.target.kernel_id for link in self.links if not link.closed]


class Routes:
    """The edges of one source.

    Args:
        source: the actor.
        cleared: called when nothing waits any more.

    Attributes:
        links: the edges, oldest first.
        backlog: messages that have left compiled code and wait for room, oldest first.
        seat: the source's place in the line of a full queue.
        through: an interpreted source does not wait for room either: its messages do.
    """

    def __init__(self, source: End, cleared: Callable[[], None]) -> None:
        self.source, self.links = source, list[Link]()
        self.backlog: deque[Waiting] = deque()
        self.seat: Seat | None = None
        self.through = False
        self._cleared = cleared
        self._by_class: dict[type, tuple[Link, ...]] = {}
        self._clear: Future[None] | None = None
        self._foreign: asyncio.Task[None] | None = None
        self._held = False

    # --- the edges -------------------------------------------------------------------------

    def add(self, link: Link) -> None:
        """Messages go along another edge from now on."""
        self.links.append(link)
        self._by_class.clear()

    def remove(self, link: Link) -> None:
        """Messages do not go along this edge any more."""
        link.closed = True
        self.links.remove(link)
        self._by_class.clear()
        link.release()
        if self.seat is not None and self.seat.link is link:
            self.leave_seat()
        self.pump()

    def of(self, cls: type) -> tuple[Link, ...]:
        """The edges that take messages of a class."""
        found = self._by_class.get(cls)
        if found is None:
            found = self._by_class[cls] = tuple(each for each in self.links if each.takes(cls))
        return found

    # --- interpreted sources ---------------------------------------------------------------

    def send_now(self, message: Any, request: Request | None) -> bool:
        """Send a message for which there is room everywhere; False if it has to wait.

        Raises:
            QueueFullError, KernelClosedError, ActorFailedError: a target refuses it.
        """
        if self.backlog:
            return False
        links = self.of(type(message))
        try:
            self._check(links)
            if not all(link.room() and link.knows(type(message)) for link in links):
                return False
            for link in links:
                link.put_now(message, _on(link, request))
        except Exception as error:
            _fail(request, error)
            raise
        return True

    def _check(self, links: Sequence[Link]) -> None:
        """Refuse a message that a target would refuse, before any has it."""
        for link in links:
            error = link.error()
            if error is not None:
                raise error
            if link.policy is BackpressureStrategy.REJECT and not link.room():
                raise link.target.inbox.full()

    def refusing(self) -> Channel:
        """The queue that refuses a message that finds no room."""
        queues = [each.target.inbox for each in self.links]
        refusing = (each for each in queues if each.policy is BackpressureStrategy.REJECT)
        return next(refusing, self.source.outbox)

    async def send(self, message: Any, request: Request | None) -> bool:
        """Send a message along the edges that take it, one after the other.

        Returns:
            False if all of them were closed meanwhile: it belongs to the own output queue.

        Raises:
            QueueFullError, KernelClosedError, ActorFailedError: a target refuses it.
        """
        await self.clear(through=True)
        links, sent = self.of(type(message)), False
        try:
            self._check(links)
            if self.through:
                return self.offer(message, request)
            for n, link in enumerate(links):
                try:
                    if not link.closed:
                        await link.put(message, _on(link, request))
                        sent = True
                except EdgeClosed:
                    pass
                except LetThrough:
                    self.backlog.append(Waiting(message, request, list(links[n:]), sent))
                    self.pump()
                    return True
        except Exception as error:
            _fail(request, error)
            raise
        return sent

    def let_through(self) -> None:
        """An interpreted source is to come to its next message: what it sends waits for room, and
        the source does not, until ``through`` is False again."""
        self.through = True
        for link in self.links:
            link.release(LetThrough)
        if self._clear is not None:
            self._clear.set_result(None)
            self._clear = None

    def release(self) -> None:
        """There is no time left to wait: messages that do go to the own output queue."""
        for link in self.links:
            link.release()

    # --- compiled sources ------------------------------------------------------------------

    def offer(self, message: Any, request: Request | None) -> bool:
        """Deliver a message that has left compiled code, now or as soon as there is room.

        Returns:
            False if no edge takes it.
        """
        links = self.of(type(message))
        if links:
            self.backlog.append(Waiting(message, request, list(links)))
            self.pump()
        return bool(links)

    def carry_on(self, message: Any, links: list[Link]) -> None:
        """Deliver a message that an earlier life of the actor has sent."""
        self.backlog.append(Waiting(message, None, links))
        self.pump()

    def pump(self) -> None:
        """Deliver what waits, as far as there is room."""
        while self.backlog:
            first = self.backlog[0]
            if first.links:
                if not self._advance(first):
                    self._held = True
                    return
                continue
            self.backlog.popleft()
            if not first.sent:
                self.source.outbox.keep(first.message)
        if self._held:
            self._held = False
            self.leave_seat()
            if self._clear is not None:
                self._clear.set_result(None)
                self._clear = None
            self._cleared()

    def _advance(self, first: Waiting) -> bool:
        """Take a waiting message along the next of its edges; False if that has to wait."""
        link = first.links[0]
        if link.closed:
            del first.links[0]
            return True
        ended = link.error()
        if ended is not None:
            self._refused(first, ended)
            return True
        try:
            if self._foreign is not None or not (
                link.room(self.seat) and link.put_now(first.message, _on(link, first.request))
            ):
                self.sit(link, 1, self.pump)
                return False
        except UnrepresentableMessage:
            self._foreign = self.source.loop.create_task(self._hand_over(link, first.message))
            return False
        except Exception as error:  # types that were not known when they were connected
            self._refused(first, error)
            return True
        first.sent = True
        del first.links[0]
        return True

    async def _hand_over(self, link: Link, message: Any) -> None:
        """The target's compiled code cannot represent a message."""
        try:
            await link.target.interpret_foreign(message)
        finally:
            self._foreign = None
            self.pump()

    def _refused(self, first: Waiting, error: Exception) -> None:
        """The target has ended while a message waited for it: ``ctx.send`` raises."""
        _fail(first.request, error)
        rest = list(self.backlog)
        self.backlog.clear()
        if not self.source.cannot_send(error):  # nothing vanishes: clients get it
            self.backlog.extend(rest[1:])
            self.source.outbox.keep(first.message)

    def sit(self, link: Link, need: int, call: Callable[[], None]) -> None:
        """Wait for room at the target of an edge, in its line.

        Args:
            link: the edge.
            need: messages that must find room.
            call: called when there is.
        """
        if self.seat is not None:
            if self.seat.link is link and not self.seat.future.done():
                self.seat.need, self.seat.call = need, call  # the place stays
                return
            self.leave_seat()
        self.seat = Seat(link, need, call)

    def leave_seat(self) -> None:
        """The source does not wait in a line any more."""
        seat, self.seat = self.seat, None
        if seat is not None:
            seat.leave()

    async def clear(self, *, through: bool = False) -> None:
        """Wait until nothing is in the backlog.

        Args:
            through: or until the source need not wait.
        """
        while self.backlog and not (through and self.through):
            if self._clear is None:
                self._clear = self.source.loop.create_future()
            await asyncio.shield(self._clear)

    def give_up(self) -> list[Any]:
        """The source has ended and there is no time left: remove and return what waits."""
        left = [each.message for each in self.backlog if not each.sent]
        for each in self.backlog:
            _fail(each.request, KernelClosedError("the actor ended before the message was sent"))
        self.backlog.clear()
        self.pump()
        return left

    # --- looking ---------------------------------------------------------------------------

    def blocked(self) -> list[tuple[Link, float]]:
        """The edges at which something waits for room, and for how many seconds."""
        now = self.source.loop.time()
        found = {each: since for each in self.links if (since := each.waits_since()) is not None}
        if self.seat is not None:
            found.setdefault(self.seat.link, self.seat.since)
        return [(link, now - since) for link, since in found.items()]


def _on(link: Link, request: Request | None) -> Request | None:
    """The request, if it goes on along this edge."""
    return request if request is not None and request.path[:1] == (link,) else None


def _fail(request: Request | None, error: Exception) -> None:
    if request is not None and request.future is not None and not request.future.done():
        request.future.set_exception(error)


def carried_on(replies: Replies, ordinal: int, message: Any) -> Request | None:
    """The request that a message carries on to the next actor of a pipeline, if any.

    Args:
        replies: who waits for replies of the source.
        ordinal: the input that the message answers.
        message: what the source sends; it is correlated with the request.
    """
    request = replies.carry_on(ordinal)
    if request is not None and is_message(type(message)) and is_message(type(request.message)):
        correlate(message, request.message)
    return request
