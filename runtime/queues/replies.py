"""Which reply goes to which caller of ``request``.

Input: the ordinal of a request in the input queue, and the first output that answers it.
Output: the caller's future, resolved; everything else goes to the output queue.

An answered or abandoned request is forgotten, so the table is as small as what is under way.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Iterable
from typing import Any

from pydotcompute.messages.header import correlate
from pydotcompute.messages.slots import is_message


class Request:
    """One call of ``request`` under way.

    Args:
        message: what was sent; its id becomes the reply's correlation id.

    Attributes:
        path: the edges of a pipeline that it still has to go along, before it is answered.
        home: the replies of the actor that has it now.
        given_up: its caller does not wait any more.
        error: what its caller is to be told, if it will not be answered.
    """

    __slots__ = (
        "answered", "dropped", "error", "future", "given_up", "handled", "home", "message",
        "ordinal", "path", "reply",
    )  # fmt: skip

    def __init__(self, message: Any) -> None:
        self.message = message
        self.future: Future[Any] | None = None
        self.answered = self.handled = self.dropped = self.given_up = False
        self.reply: Any = None
        self.ordinal = -1
        self.path: tuple[Any, ...] = ()
        self.home: Replies | None = None
        self.error: Exception | None = None


class Replies:
    """The requests of one actor that have not been answered.

    Args:
        changed: called when the first request opens and when the last one is gone.
    """

    __slots__ = ("_changed", "answered", "pending")

    def __init__(self, changed: Callable[[], None]) -> None:
        self.pending: dict[int, Request | None] = {}
        self.answered = 0
        self._changed = changed

    def open(self, request: Request, ordinal: int) -> None:
        """The request was put into the input queue as message number ``ordinal``."""
        request.ordinal, request.home, request.handled = ordinal, self, False
        self.pending[ordinal] = None if request.given_up and not request.path else request
        if len(self.pending) == 1:
            self._changed()

    def begin_with(self, ordinals: Iterable[int]) -> None:
        """Requests of an earlier life, to whose replies nobody listens any more."""
        self.pending = dict.fromkeys(ordinals)
        if self.pending:
            self._changed()

    def deliver(self, ordinal: int, reply: Any) -> bool:
        """Give a reply to its caller; False if nobody waits for an answer to this message.

        A caller that has given up gets nothing, and nobody else gets its reply.
        """
        try:
            request = self.pending.pop(ordinal)
        except KeyError:
            return False
        if request is not None:
            if is_message(type(reply)) and is_message(type(request.message)):
                correlate(reply, request.message)
            request.reply, request.answered = reply, True
            self.answered += 1
            if request.future is not None and not request.future.done():
                request.future.set_result(True)
        if not self.pending:
            self._changed()
        return True

    def carry_on(self, ordinal: int) -> Request | None:
        """Forget the request of an input, if it goes on to another actor, and return it."""
        request = self.pending.get(ordinal)
        if request is None or not request.path:
            return None
        self._forget(ordinal)
        return request

    def give_up(self, request: Request) -> None:
        """The caller does not wait any longer: its reply, if one comes, is thrown away."""
        request.given_up = True
        if self.pending.get(request.ordinal) is request:
            if not request.path:  # else what the actor sends still goes on
                self.pending[request.ordinal] = None
            if request.handled:
                self._forget(request.ordinal)

    def handled(self, ordinal: int) -> None:
        """A message has been handled: no reply to it comes any more."""
        request = self.pending.get(ordinal, self)
        if isinstance(request, Request) and not request.given_up:
            request.handled = True
        elif request is not self:
            self._forget(ordinal)

    def _forget(self, ordinal: int) -> None:
        del self.pending[ordinal]
        if not self.pending:
            self._changed()

    def drop(self, first: int, last: int) -> None:
        """Tell the callers that messages were dropped.

        Args:
            first: ordinal of the first of them.
            last: ordinal of the message after them.
        """
        gone = [ordinal for ordinal in self.pending if first <= ordinal < last]
        for ordinal in gone:
            request = self.pending.pop(ordinal)
            if request is not None:
                request.dropped = True
                if request.future is not None and not request.future.done():
                    request.future.set_result(True)
        if gone and not self.pending:
            self._changed()

    def refuse(self, refused: Callable[[Request], bool], error: Callable[[], Exception]) -> None:
        """Tell callers that their messages will not be answered.

        Args:
            refused: whether a request is one of them.
            error: makes the error.
        """
        gone = [n for n, each in self.pending.items() if each is not None and refused(each)]
        for ordinal in gone:
            request = self.pending.pop(ordinal)
            assert request is not None
            request.error = error()
            if request.future is not None and not request.future.done():
                request.future.set_exception(request.error)
        if gone and not self.pending:
            self._changed()

    def prune(self, consumed: int) -> None:
        """Forget the given-up requests among the messages that have been handled."""
        gone = [
            n for n, request in self.pending.items()
            if (request is None or request.given_up) and n < consumed
        ]  # fmt: skip
        for ordinal in gone:
            del self.pending[ordinal]
        if gone and not self.pending:
            self._changed()

    def close(self, error: Callable[[int], Exception]) -> None:
        """The actor has ended: nobody will be answered any more."""
        for request in self.pending.values():
            if request is not None and request.future is not None and not request.future.done():
                request.future.set_exception(error(0))
        if self.pending:
            self.pending.clear()
            self._changed()
