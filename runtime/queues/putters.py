"""Who waits to put something into a full queue, and how it gets in when there is room.

Input: a port with room.  Output: whether everything is in.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from typing import Any, Protocol

from pydotcompute.queues.port import Port


class Putter(Protocol):
    """Whoever waits in the line of a full queue."""

    future: Future[Any]
    """Done when it need not wait any longer; ``Channel.close`` gives it what makes the error."""

    def admit(self, port: Port) -> bool:
        """Put as much as there is room for; True when it does not wait any longer."""
        ...


class Put:
    """A parked putter of one message."""

    __slots__ = ("admitted", "future", "message")

    def __init__(
        self, future: Future[Any], message: Any, admitted: Callable[[int], None] | None
    ) -> None:
        self.future, self.message, self.admitted = future, message, admitted

    def admit(self, port: Port) -> bool:
        """Move the message into the port if there is room."""
        ordinal = port.head
        if not port.try_put(self.message):
            return False
        if self.admitted is not None:
            self.admitted(ordinal)
        return True


class PutBatch:
    """A parked putter of an accepted batch; ``done`` counts what has been taken."""

    __slots__ = ("batch", "done", "future")

    def __init__(self, future: Future[Any], batch: Any, done: int) -> None:
        self.future, self.batch, self.done = future, batch, done

    def admit(self, port: Port) -> bool:
        """Move as much as fits; True when nothing is left."""
        self.done += port.put_batch(self.batch, self.done)
        return self.done >= len(self.batch)
