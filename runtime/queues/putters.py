"""Who waits to put something into a full queue, and how it gets in when there is room.

Input: a port with room.  Output: whether everything is in.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from typing import Any, Protocol

from pydotcompute.queues.journaling import CLIENT, InputJournal, Origin
from pydotcompute.queues.port import Port


class Putter(Protocol):
    """Whoever waits in the line of a full queue."""

    future: Future[Any]
    """Done when it need not wait any longer; ``Channel.close`` gives it what makes the error."""

    def admit(self, port: Port) -> bool:
        """Put as much as there is room for; True when it does not wait any longer."""
        ...


class Put:
    """A parked putter of one message; a queue with a journal writes it when there is room."""

    __slots__ = ("admitted", "future", "journal", "message", "origin")

    def __init__(
        self,
        future: Future[Any],
        message: Any,
        admitted: Callable[[int], None] | None,
        journal: InputJournal | None = None,
        origin: Origin = CLIENT,
    ) -> None:
        self.future, self.message, self.admitted = future, message, admitted
        self.journal, self.origin = journal, origin

    def admit(self, port: Port) -> bool:
        """Move the message into the port if there is room."""
        if self.journal is not None:
            if not port.room():
                return False
            self.journal.message(self.message, self.origin)
        ordinal = port.head
        if not port.try_put(self.message):
            return False
        if self.admitted is not None:
            self.admitted(ordinal)
        return True


class PutBatch:
    """A parked putter of an accepted batch.

    A queue with a journal writes the whole batch before its first message is taken; what is not
    taken in the end is cut off again.

    Args:
        future: as for ``Putter``.
        batch: what the port's ``accept_batch`` returned.
        done: how many of its messages have been taken.
        journal: of the queue, if it has one.
        entry: what the journal calls the batch, if it has it already.
    """

    __slots__ = ("batch", "done", "entry", "future", "journal")

    def __init__(
        self,
        future: Future[Any],
        batch: Any,
        done: int,
        journal: InputJournal | None = None,
        entry: int | None = None,
    ) -> None:
        self.future, self.batch, self.done = future, batch, done
        self.journal, self.entry = journal, entry

    def begin(self) -> None:
        """The first message is about to be taken; raises ``DurabilityError``."""
        if self.journal is not None and self.entry is None:
            self.entry = self.journal.batch(self.batch, CLIENT)

    def end(self) -> None:
        """No more messages are taken."""
        if self.journal is not None and self.entry is not None and self.done < len(self.batch):
            self.journal.cut(self.entry, self.done)

    def admit(self, port: Port) -> bool:
        """Move as much as fits; True when nothing is left."""
        if self.journal is not None:
            if not port.room():
                return False
            self.begin()
        self.done += port.put_batch(self.batch, self.done)
        return self.done >= len(self.batch)
