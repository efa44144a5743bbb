"""The asyncio end of a port: waiting, time-outs, cancellation, closing, and what a full queue does.

Input: a ``Port`` and a policy.  Output: ``put``/``get`` coroutines, in strict order of arrival.

The rules, and why they hold:

* A parked putter's message is moved into the port by whoever makes room, and only then is the
  putter woken: putters keep their order, and one that is cancelled before has put nothing.
* A parked getter is only *told* that there is a message, and takes it when it runs; a getter that
  is cancelled in between passes the word on, so no message is lost with it.  Messages promised to
  woken getters are not given to newcomers.
* ``port.put_slow_path``/``get_slow_path`` are non-zero whenever one of these rules needs this file;
  callers that find 0 may use the port directly.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import AbstractEventLoop, Future
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from pydotcompute.errors import QueueFullError, QueueTimeoutError
from pydotcompute.queues.backpressure import BackpressureStrategy
from pydotcompute.queues.journaling import CLIENT, InputJournal, Origin
from pydotcompute.queues.port import EMPTY, Port, nothing
from pydotcompute.queues.putters import Put, PutBatch, Putter
from pydotcompute.queues.waiting import INTERRUPTED, LATE, READY, wait

CLOSED = 1
"""The channel is closed to this end."""
PARKED = 2
"""Somebody waits at this channel: there is an order to be kept."""
ROOM = 4
"""The producer waits for room: whoever takes a message must say so."""
SPECIAL = 8
"""Messages must pass through the kernel: a type to be learnt, replies to be sorted out."""
DROPS = 16
"""Somebody must be told of each message that DROP_OLDEST drops: ``Channel.on_drop``."""
ROUTED = 32
"""What is sent goes along edges (``routes``)."""
KEYED = 64
"""Each message is checked for its key: the actor is a population."""
# 128 is accel.storage.JOURNALED: what is put is written to the journal, what is taken is numbered


class Channel:
    """One queue of one actor.

    Args:
        port: where the messages are.
        policy: what ``put`` does when the port is full.
        loop: the event loop both ends live on.
        label: for error texts, such as ``"input queue of kernel 'doubler'"``.

    Attributes:
        size: messages that it holds, as declared; the port's bound changes for a while.
    """

    __slots__ = (
        "_closed", "getters", "journal", "label", "loop", "on_drop", "on_room", "policy", "port",
        "promised", "putters", "rejected", "size", "timeouts",
    )  # fmt: skip

    def __init__(
        self, port: Port, policy: BackpressureStrategy, loop: AbstractEventLoop, label: str
    ) -> None:
        self.port, self.policy, self.loop, self.label = port, policy, loop, label
        self.size = port.bound
        self.getters: OrderedDict[Future[Any], None] = OrderedDict()
        self.putters: OrderedDict[Putter, None] = OrderedDict()
        self.promised = 0
        self.rejected = self.timeouts = 0
        self.journal: InputJournal | None = None
        self.on_room: Callable[[], object] | None = None
        self.on_drop: Callable[[int], object] | None = None
        self._closed: Callable[[int], Exception] | None = None

    # --- gates -----------------------------------------------------------------------------

    def set_gate(self, put: int = 0, get: int = 0) -> None:
        """Raise gates: something unusual has begun."""
        self.port.put_slow_path |= put
        self.port.get_slow_path |= get

    def clear_gate(self, put: int = 0, get: int = 0) -> None:
        """Lower gates again."""
        self.port.put_slow_path &= ~put
        self.port.get_slow_path &= ~get

    def _refresh(self) -> None:
        """Set the PARKED bits by who waits."""
        if self.getters or self.promised:
            self.port.get_slow_path |= PARKED
        else:
            self.port.get_slow_path &= ~PARKED
        if self.putters:
            self.port.put_slow_path |= PARKED
            self.port.get_slow_path |= ROOM
        else:
            self.port.put_slow_path &= ~PARKED

    def replace_port(self, port: Port) -> None:
        """Go on with another port; slow-path flags, peak and drops move with it."""
        old = self.port
        port.put_slow_path, port.get_slow_path = old.put_slow_path, old.get_slow_path
        port.dropped += old.dropped
        port.peak = max(port.peak, old.peak)
        self.port = port

    # --- putting ---------------------------------------------------------------------------

    async def put(
        self,
        message: Any,
        timeout: float | None = None,
        admitted: Callable[[int], None] | None = None,
        origin: Origin = CLIENT,
    ) -> None:
        """Put a message by the channel's policy.

        Args:
            message: what to put; checked and copied now.
            timeout: seconds to wait for room under BLOCK; ``None`` waits for ever, 0 or less
                not at all.
            admitted: told the ordinal of the message in the very moment it is put.
            origin: where it comes from, for the journal.

        Raises:
            DurabilityError: it cannot be written to the journal.
            QueueFullError: no room, under REJECT.
            QueueTimeoutError: no room in time, under BLOCK.
            KernelClosedError, ActorFailedError: the channel is closed.
        """
        if self._closed is not None:
            raise self._closed(0)
        if not self.putters and (
            self.put_now(message, admitted, origin)
            or (self._pulled_room() and self.put_now(message, admitted, origin))
        ):
            return
        port = self.port
        if self.policy is BackpressureStrategy.REJECT:
            port.prepare(message)  # report a wrong type before a full queue
            raise self.full()
        message = port.prepare(message)
        if timeout is not None and timeout <= 0:
            raise self._late("no room", timeout, 0)
        putter = Put(self.loop.create_future(), message, admitted, self.journal, origin)
        await self.park(putter, timeout)

    def put_now(
        self,
        message: Any,
        admitted: Callable[[int], None] | None = None,
        origin: Origin = CLIENT,
    ) -> bool:
        """Put a message, if there is room; arguments and errors as of ``put``."""
        if self.journal is not None:
            if not self.port.room():
                return False
            self.journal.message(message, origin)
        ordinal, tail = self.port.head, self.port.tail
        if not self.port.try_put(message):
            return False
        if admitted is not None:
            admitted(ordinal)
        if self.on_drop is not None:
            self.on_drop(tail)
        return True

    async def put_batch(self, batch: Any, timeout: float | None = None) -> int:
        """Put an accepted batch; one larger than the port is fed through it.

        Args:
            batch: what the port's ``accept_batch`` returned.
            timeout: as for ``put``, for the whole batch.

        Returns:
            How many messages were taken: all of them.

        Raises:
            QueueFullError, QueueTimeoutError, KernelClosedError, ActorFailedError: as for
                ``put``; ``.count`` of the first three says how many were taken.
            DurabilityError: it cannot be written to the journal.
        """
        if self._closed is not None:
            raise self._closed(0)
        total, done, entry, journal = len(batch), 0, None, self.journal
        if not self.putters and (
            journal is None or self.port.room() or (self._pulled_room() and self.port.room())
        ):
            if journal is not None:
                entry = journal.batch(batch, CLIENT)
            tail = self.port.tail
            done = self.port.put_batch(batch, 0)
            if self.on_drop is not None:
                self.on_drop(tail)
            if done < total and self._pulled_room():
                done += self.port.put_batch(batch, done)
        if done >= total:
            return total
        if self.policy is BackpressureStrategy.REJECT:
            raise self.full(done, total - done)
        putter = PutBatch(self.loop.create_future(), batch, done, journal, entry)
        if timeout is not None and timeout <= 0:
            putter.end()
            raise self._late("no room", timeout, done)
        await self.park(putter, timeout)
        return total

    def keep(self, message: Any) -> None:
        """Put a message whatever the bound: it is the producer's, and nobody else's any more."""
        self.port.put_last(message)
        self.wake_getters()

    def _pulled_room(self) -> bool:
        """Let the consumer make room at once, where the policy is to wait."""
        return self.policy is BackpressureStrategy.BLOCK and self.port.run_inline()

    async def park(self, putter: Put | PutBatch, timeout: float | None) -> None:
        """Wait in line until all of a putter's messages are in; raises as ``put``."""
        self.putters[putter] = None
        self._refresh()
        try:
            outcome = await wait(self.loop, putter.future, timeout)
        except asyncio.CancelledError:
            if putter in self.putters:
                self._withdraw(putter)
                self.admit()  # others, to the room it leaves
            raise
        finally:
            # present only if nobody admitted it: cancelled or late
            self.putters.pop(putter, None)
            self._refresh()
        done = 0
        if isinstance(putter, PutBatch):
            done = putter.done
            putter.end()
        if outcome is LATE:
            raise self._late("no room", timeout, done)
        if outcome is not READY:
            raise outcome(done)

    def join(self, putter: Putter) -> None:
        """Stand in line."""
        self.putters[putter] = None
        self._refresh()

    def leave(self, putter: Putter) -> None:
        """Leave the line, to whoever is behind."""
        self.putters.pop(putter, None)
        self._refresh()
        self.admit()

    def _withdraw(self, putter: Putter) -> None:
        """A putter leaves; what is still here of a cancelled batch is taken back."""
        del self.putters[putter]
        if isinstance(putter, PutBatch) and putter.future.cancelled():
            if self._closed is None:
                head = self.port.head
                self.port.withdraw(putter.done)
                putter.done -= head - self.port.head
            putter.end()

    def admit(self) -> bool:
        """Move parked putters' messages into the room there is; True if any was moved."""
        moved = False
        while self.putters:
            putter = next(iter(self.putters))
            if putter.future.done():  # cancelled or late: it is about to leave by itself
                self._withdraw(putter)
                continue
            before = self.port.head
            try:
                complete = putter.admit(self.port)
            except Exception as error:  # the port changed kind and refuses it
                self._fail(putter, error)
                continue
            moved = moved or self.port.head != before
            if not complete:
                break
            del self.putters[putter]
            putter.future.set_result(READY)
        self._refresh()
        return moved

    def force(self) -> None:
        """Move every parked message into the port, whatever its bound."""
        bound = self.port.bound
        self.port.bound = sys.maxsize
        try:
            self.admit()
        finally:
            self.port.bound = bound

    def refuse(self, refused: Callable[[Any], bool], error: Callable[[], Exception]) -> None:
        """Let parked puts of single messages fail.

        Args:
            refused: whether a message is one of them.
            error: makes the error.
        """
        for putter in list(self.putters):
            if isinstance(putter, Put) and not putter.future.done() and refused(putter.message):
                self._fail(putter, error())
        self._refresh()

    def _fail(self, putter: Putter, error: Exception) -> None:
        del self.putters[putter]
        putter.future.set_exception(error)

    def took(self) -> None:
        """A message was taken: tell the producer that there is room."""
        if self.putters:
            self.admit()
        if not self.putters:
            self.port.get_slow_path &= ~ROOM
        if self.on_room is not None:
            self.on_room()

    # --- getting ---------------------------------------------------------------------------

    def get_nowait(self) -> Any:
        """Take a message that is promised to nobody, or ``EMPTY``."""
        port = self.port
        if self.promised and port.depth() <= self.promised:
            return EMPTY
        message = port.try_get()
        if message is EMPTY and (self.putters or port.run_inline is not nothing):
            if self.putters and self.admit():
                message = port.try_get()
            elif port.run_inline():
                message = self.port.try_get()
        if message is not EMPTY and self.port.get_slow_path & ROOM:
            self.took()
        return message

    def get(self, timeout: float | None = None) -> Coroutine[Any, Any, Any]:
        """Take the oldest message.

        Args:
            timeout: seconds to wait; ``None`` waits for ever, 0 or less not at all.

        Raises:
            QueueTimeoutError: nothing came in time.
            KernelClosedError, ActorFailedError: the channel is closed, and empty.
        """
        return self._get(self.get_nowait, timeout)

    def get_batch(
        self, limit: int, timeout: float | None = None, out: Any = None
    ) -> Coroutine[Any, Any, Any]:
        """Take 1 to ``limit`` messages at once, as a batch; raises as ``get`` does.


        Args:
            limit: most messages to take.
            timeout: as for ``get``.
            out: an array with room for them, which the batch may be a part of.
        """
        return self._get(lambda: self.get_batch_nowait(limit, out), timeout)

    def get_batch_nowait(self, limit: int, out: Any = None) -> Any:
        """Take up to ``limit`` messages that are promised to nobody, or ``EMPTY``."""
        direct = self.port.pull_batch(limit) if out is None else self.port.pull_batch(limit, out)
        if direct is not None:
            return direct
        if not self.port.depth() and not (self.putters and self.admit()):
            self.port.run_inline()
        free = self.port.depth() - self.promised
        if free <= 0:
            return EMPTY
        batch = self.port.get_batch(min(limit, free))
        if self.port.get_slow_path & ROOM:
            self.took()
        return batch

    def put_back(self, messages: Sequence[Any]) -> None:
        """Undo a ``get`` or ``get_batch`` whose caller has gone: the messages come first again.

        Args:
            messages: what was taken, oldest first.
        """
        self.port.put_back(messages)
        self.wake_getters()

    async def _get(self, attempt: Callable[[], Any], timeout: float | None) -> Any:
        taken = attempt()
        if taken is not EMPTY:
            return taken
        if self._closed is not None:
            raise self._closed(0)
        if timeout is not None and timeout <= 0:
            raise self._late("no message", timeout, 0)
        deadline = None if timeout is None else self.loop.time() + timeout
        while True:
            rest = None if deadline is None else deadline - self.loop.time()
            future, outcome = self.park_getter(), None
            try:
                outcome = await (future if rest is None else wait(self.loop, future, rest))
            finally:
                self.unpark_getter(future, outcome)
            if outcome is LATE:
                raise self._late("no message", timeout, 0)
            taken = attempt()
            if taken is not EMPTY:
                if self.getters:
                    self.wake_getters()
                return taken
            if self._closed is not None:
                raise self._closed(0)

    def park_getter(self) -> Future[Any]:
        """Become a getter that waits.

        Returns:
            What it is woken with.  ``READY``: there is a message, or the channel was closed: take
            it before anything else runs.  ``INTERRUPTED``: somebody called ``interrupt``.
        """
        future: Future[Any] = self.loop.create_future()
        self.getters[future] = None
        port = self.port
        port.get_slow_path |= PARKED
        port.wake_suppressed = 0
        return future

    def unpark_getter(self, future: Future[Any], outcome: object) -> None:
        """A getter waits no longer.

        Args:
            future: what ``park_getter`` returned.
            outcome: what the getter was woken with; ``None`` if it was cancelled.
        """
        if outcome is READY:
            self.promised -= 1
        else:
            self.getters.pop(future, None)
            told = outcome is None and future.done() and not future.cancelled()
            if told and future.result() is READY:
                self.promised -= 1
                self.wake_getters()  # pass the word on
        if not (self.getters or self.promised):
            self.port.get_slow_path &= ~PARKED

    def interrupt(self) -> None:
        """Wake every parked getter although there is no message."""
        while self.getters:
            future, _ = self.getters.popitem(last=False)
            if not future.done():
                future.set_result(INTERRUPTED)
        self._refresh()

    def notify(self) -> None:
        """A port's ``wake``: a message was put while a getter was parked."""
        if len(self.getters) == 1 and not self.promised:
            future, _ = self.getters.popitem()
            if not future.done():
                future.set_result(READY)
                self.promised = 1
        else:
            self.wake_getters()
        if not self.getters:
            self.port.wake_suppressed = 1

    def wake_getters(self) -> None:
        """Tell parked getters of the messages that are promised to nobody yet."""
        if self.getters:
            free = self.port.depth() - self.promised
            while free > 0 and self.getters:
                future, _ = self.getters.popitem(last=False)
                if not future.done():
                    future.set_result(READY)
                    self.promised += 1
                    free -= 1
        self._refresh()

    # --- closing ---------------------------------------------------------------------------

    def close(self, error: Callable[[int], Exception], *, getters: bool = True) -> None:
        """Close the channel: puts fail, gets fail once it is empty.

        Args:
            error: makes the error; takes the number of messages of a batch already taken.
            getters: wake parked getters as well; False while messages may still come.
        """
        self._closed = error
        self.port.put_slow_path |= CLOSED
        for putter in self.putters:
            if not putter.future.done():
                putter.future.set_result(error)
        self.putters.clear()
        if getters:
            self.wake_getters()
            while self.getters:
                future, _ = self.getters.popitem(last=False)
                if not future.done():
                    future.set_result(READY)
                    self.promised += 1
        self._refresh()

    def closed_error(self) -> Exception | None:
        """What a put raises now because the channel is closed; None if it is open."""
        return None if self._closed is None else self._closed(0)

    def reopen(self) -> None:
        """Take messages again."""
        self._closed = None
        self.port.put_slow_path &= ~CLOSED

    def full(self, count: int = 0, refused: int = 1) -> QueueFullError:
        """The error for messages that find no room, which are counted."""
        self.rejected += refused
        return QueueFullError(f"the {self.label} is full ({self.size} messages)", count)

    def _late(self, what: str, timeout: float | None, count: int) -> QueueTimeoutError:
        self.timeouts += 1
        seconds = 0.0 if timeout is None else max(0.0, timeout)
        return QueueTimeoutError(f"{what} in the {self.label} within {seconds:g} s", count)
