"""The outputs of a population, in the order of the inputs that caused them.

Input: outputs of several instances at once, each of a *turn*.  Output: what the first turn that is
not over sends goes out at once; what later turns send is held, and follows when those before them
are over.

A held output counts as one in the output queue: an instance whose output finds no room there waits,
until its turn is the first.  What goes along edges is not held: it waits in any case, so that the
error of an edge is raised where the message was sent.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Callable
from typing import Any

from pydotcompute.backends.base import Host
from pydotcompute.queues.backpressure import BackpressureStrategy
from pydotcompute.queues.port import EMPTY, ObjectPort


class Turn:
    """What one message, one time-out or one end of an instance causes.

    Args:
        message: the input; ``EMPTY`` if none.
        ordinal: of the input in its queue.

    Attributes:
        held: outputs that wait for those of earlier turns.
        over: nothing more comes of it.
    """

    __slots__ = ("held", "message", "ordinal", "over")

    def __init__(self, message: Any = EMPTY, ordinal: int = -1) -> None:
        self.message, self.ordinal = message, ordinal
        self.held: deque[Any] = deque()
        self.over = False


class OutputOrder:
    """The turns of a population, oldest first.

    Args:
        host: whose output queue it is.
        settled: called when no turn is left.
    """

    def __init__(self, host: Host, settled: Callable[[], None]) -> None:
        self._host, self._settled = host, settled
        self._turns: deque[Turn] = deque()
        self._held = 0
        self._flusher: asyncio.Task[None] | None = None
        self._changed: Future[None] | None = None
        self.forced = self.through = False

    @property
    def busy(self) -> bool:
        """Whether a turn is left."""
        return bool(self._turns)

    def open(self, turn: Turn) -> Turn:
        """A turn begins, after all others."""
        turn.over = False
        self._turns.append(turn)
        return turn

    def close(self, turn: Turn) -> None:
        """A turn is over, or is not to be."""
        turn.over = True
        if self._turns and self._turns[0] is turn and not turn.held:
            self._turns.popleft()
            self._advance()

    def is_first(self, turn: Turn) -> bool:
        """Whether what a turn sends can go out at once."""
        return self._turns[0] is turn and not turn.held

    async def hold(self, turn: Turn, message: Any) -> bool:
        """Hold an output of a turn that is not the first.

        Args:
            turn: the turn.
            message: an accepted message.

        Returns:
            False if the turn has become the first meanwhile: the output can go out at once.

        Raises:
            QueueFullError: there is no room, under REJECT.
        """
        host = self._host
        while not self.is_first(turn):
            routes = host.routes
            along = routes is not None and bool(routes.of(type(message)))
            if self.forced or (not along and (self.through or self.room() > 0)):
                turn.held.append(message)
                self._held += 1
                return True
            if not along:
                self.check_room()
            if self._changed is None:
                self._changed = host.loop.create_future()
            await asyncio.shield(self._changed)
        return False

    def room(self) -> int:
        """The outputs that find room, beside those that are held."""
        return self._host.outbox.port.room() - self._held

    def check_room(self) -> None:
        """Refuse an output where those that are held have the room that there is.

        Raises:
            QueueFullError: under REJECT.
        """
        outbox = self._host.outbox
        if outbox.policy is BackpressureStrategy.REJECT and self.room() <= 0:
            raise outbox.full()

    def _advance(self) -> None:
        """Turns have become the first: send what they hold."""
        turns = self._turns
        while turns and self._flusher is None:
            if not self._flush(turns[0]):
                self._flusher = self._host.loop.create_task(self._flush_slowly())
            elif turns[0].over:
                turns.popleft()
            else:
                break
        changed, self._changed = self._changed, None
        if changed is not None and not changed.done():
            changed.set_result(None)
        if not turns:
            self._settled()

    def _flush(self, turn: Turn) -> bool:
        """Send what a turn holds; False if that has to wait for room."""
        outbox, held = self._host.outbox, turn.held
        while held:
            if self.forced or self.through:
                self._force(held[0])
            elif outbox.putters or not outbox.put_now(held[0]):
                return False
            held.popleft()
            self._held -= 1
        return True

    async def _flush_slowly(self) -> None:
        """Send what the first turn holds, waiting for room as ``ctx.send`` does."""
        try:
            turn = self._turns[0]

            def admitted(_: int) -> None:
                turn.held.popleft()
                self._held -= 1

            while not self._flush(turn):
                await self._host.outbox.put(turn.held[0], None, admitted)
        except Exception as error:
            self._host.crashed(error)
            return
        self._flusher = None
        self._advance()

    def _force(self, message: Any) -> None:
        port = self._host.outbox.port
        assert isinstance(port, ObjectPort)
        port.force(message)

    @property
    def holds(self) -> bool:
        """Whether turns are over whose outputs wait for those of earlier ones."""
        return any(turn.held or turn.over for turn in self._turns)

    def let_through(self) -> None:
        """Outputs do not wait for room, until ``through`` is False again."""
        self.through = True
        if self._flusher is None:
            self._advance()

    def force(self) -> None:
        """Wait for room no more."""
        self.forced = True
        self._host.outbox.force()
        self._advance()

    def give_up(self) -> None:
        """No turn goes on: send what is held, whatever is missing before it."""
        if self._flusher is not None:
            self._flusher.cancel()
            self._flusher = None
        self.forced = True
        for turn in self._turns:
            self._flush(turn)
        self._turns.clear()
