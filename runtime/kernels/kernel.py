"""``RingKernel``: the handle ``launch`` returns, with every call a client may make.

Input: messages.  Output: messages.  The common case touches only the ports; everything unusual
(no room, nothing there, closing, types to be learnt, replies) goes to ``channel`` and ``actor``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import nullcontext
from threading import get_ident
from typing import TYPE_CHECKING, Any

import numpy as np

from pydotcompute.accel.storage import KernelStorage, accelerated
from pydotcompute.errors import (
    ActorFailedError,
    DurabilityError,
    KernelClosedError,
    KernelStateError,
    QueueFullError,
    QueueTimeoutError,
)
from pydotcompute.kernels.accelerate import bind
from pydotcompute.kernels.actor import Actor
from pydotcompute.kernels.lifecycle import Termination, check_loop
from pydotcompute.kernels.sync import SyncKernel
from pydotcompute.messages.slots import UnrepresentableMessage
from pydotcompute.messages.string_batches import copy_into
from pydotcompute.populations.spec import NO_KEY
from pydotcompute.queues.backpressure import KernelState
from pydotcompute.queues.channel import CLOSED, SPECIAL
from pydotcompute.queues.journaling import CLIENT, REQUEST
from pydotcompute.queues.port import EMPTY, nothing
from pydotcompute.queues.replies import Request
from pydotcompute.support.arguments import check_batch, check_out, count, seconds
from pydotcompute.support.metrics import Statistics
from pydotcompute.support.time_share import share_of

if TYPE_CHECKING:
    from pydotcompute.durability.snapshot import Snapshot

bind()


class RingKernel(KernelStorage):
    """A launched actor, seen from outside.  All calls belong to the event loop's thread.

    Args:
        actor: what it is a handle of.
    """

    __slots__ = ("__weakref__", "_actor", "_sync")

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._inbox, self._outbox = actor.inbox, actor.outbox
        self._share = share_of(actor.loop)
        self._thread = get_ident()
        self._sync: SyncKernel | None = None

    def __repr__(self) -> str:
        return f"<RingKernel {self.kernel_id!r} {self.state.name} on {self.backend}>"

    def __copy__(self) -> RingKernel:
        """Another handle of the same actor."""
        return type(self)(self._actor)

    # --- what it is ------------------------------------------------------------------------

    @property
    def kernel_id(self) -> str:
        """The id it was launched under."""
        return self._actor.kernel_id

    @property
    def actor(self) -> Actor:
        """What it is a handle of; for the runtime."""
        return self._actor

    @property
    def state(self) -> KernelState:
        """Where it is in its life."""
        return self._actor.state

    @property
    def backend(self) -> str:
        """What runs it now: ``"native"``, ``"python"``, or ``"pending"``."""
        return self._actor.plan.backend

    @property
    def reason(self) -> str | None:
        """Why it does not run on a better backend; None if it does."""
        return self._actor.plan.reason

    @property
    def lowering(self) -> Any:
        """What compiling it gave (``Lowering``); None if nobody tried."""
        return self._actor.plan.lowering

    @property
    def breaks(self) -> dict[str, int]:
        """How many messages came to each statement that cannot be compiled, by ``FILE:LINE``."""
        return dict(self._actor.breaks)

    @property
    def position(self) -> int:
        """The number of the output that the next ``receive`` returns, counted from 0 over all
        lives of a durable actor; replies to requests are not counted.

        Raises:
            DurabilityError: its runtime has no journal.
        """
        if self._actor.log is None:
            raise DurabilityError(
                f"kernel {self.kernel_id!r} has no position: outputs are numbered where the "
                "runtime has a journal, RingKernelRuntime(durable=...)"
            )
        return self._actor.log.numbered

    @property
    def sync(self) -> SyncKernel:
        """The same calls for other threads: they block."""
        if self._sync is None:
            self._sync = SyncKernel(self, self._actor.loop)
        return self._sync

    def statistics(self) -> Statistics:
        """What it has done so far."""
        self._alive()
        return self._actor.statistics()

    # --- lifecycle -------------------------------------------------------------------------

    async def activate(self) -> None:
        """Start the actor.

        Raises:
            KernelStateError: it is not LAUNCHED.
        """
        self._check()
        await self._actor.activate()

    async def deactivate(self) -> None:
        """Pause it: no message is handled after this returns; sends still queue.

        Raises:
            KernelStateError: it is not ACTIVE.
        """
        self._check()
        await self._actor.deactivate()

    async def reactivate(self) -> None:
        """Resume it.

        Raises:
            KernelStateError: it is not DEACTIVATED.
        """
        self._check()
        await self._actor.reactivate()

    async def restart(self, *, fresh: bool = False, key: Any = NO_KEY) -> None:
        """Run it again after a failure; the offending message is not tried again.

        Args:
            fresh: from its first statement, instead of from its last good state.
            key: for populations only (``Population.restart``).

        Raises:
            KernelStateError: it has not failed.
            TypeError: ``key`` is given.
        """
        self._check()
        if key is not NO_KEY:
            raise TypeError(f"kernel {self.kernel_id!r} is no population: restart takes no key")
        await self._actor.restart(fresh=fresh)

    async def terminate(self, *, timeout: float | None = 5.0, drain: bool = True) -> Termination:
        """End it.

        Args:
            timeout: seconds, draining and epilogue included; ``None`` waits for ever.
            drain: handle what is queued first.

        Returns:
            The same report at every call.
        """
        timeout = seconds(timeout)
        self._check()
        return await self._actor.terminate(timeout, drain=drain)

    async def snapshot(self) -> Snapshot:
        """The actor between two messages: its variables, its queues and its counters.

        Other actors go on, and so does this one as soon as its containers have been walked
        through.  A message that the interpreter has in hand is finished first.

        Raises:
            KernelStateError: it has failed, or has ended.
            SnapshotError: its variables are no plain data, or the interpreter could not go on from
                where it is.
        """
        from pydotcompute.kernels.snapshots import take

        self._check()
        return await take([self._actor])

    # --- messages --------------------------------------------------------------------------

    @accelerated
    async def send(self, message: Any, *, timeout: float | None = None) -> None:
        """Put a message into the input queue, by its backpressure strategy.

        Args:
            message: an instance of the input type; checked and copied.
            timeout: seconds to wait for room; ``None`` waits for ever.

        Raises:
            MessageTypeError, MessageValueError: it, or a field, is not what was declared.
            QueueFullError: no room, under REJECT.
            QueueTimeoutError: no room in time, under BLOCK.
            KernelClosedError: the kernel has ended or is ending.
            ActorFailedError: its actor has failed.
        """
        if timeout is not None:
            timeout = seconds(timeout)
        share = self._share
        share.calls -= 1
        if share.calls <= 0 and share.spent():
            await asyncio.sleep(0)
        port = self._inbox.port
        try:
            if not port.put_slow_path and get_ident() == self._thread and port.try_put(message):
                return
        except UnrepresentableMessage:
            pass
        await self._send_slow(message, timeout)

    async def _send_slow(self, message: Any, timeout: float | None) -> None:
        try:
            await self._learn(message)
            await self._inbox.put(message, timeout)
        except UnrepresentableMessage:
            await self._actor.interpret_foreign(message)
            await self._learn(message)
            await self._inbox.put(message, timeout)
        if self._actor.log is not None:
            await self._settled()

    async def _settled(self) -> None:
        """Wait until what was sent survives what it is to survive."""
        log = self._actor.log
        if log is not None and log.journal.power:
            await log.journal.synced()

    async def _learn(self, message: Any) -> None:
        """Whatever has to happen before a message may be put."""
        self._check()
        if self._inbox.port.put_slow_path & SPECIAL and message is not EMPTY:
            learning = self._actor.specialise(message)
            if learning is not None and self._actor.options.fallback == "error":
                await asyncio.shield(learning)

    @accelerated
    async def receive(self, *, timeout: float | None = None) -> Any:
        """Take the oldest message from the output queue.

        Args:
            timeout: seconds to wait; ``None`` waits for ever.

        Raises:
            QueueTimeoutError: nothing came in time.
            KernelClosedError: the kernel has ended, and all its messages have been received.
            ActorFailedError: the same, of an actor that has failed.
        """
        if timeout is not None:
            timeout = seconds(timeout)
        share = self._share
        share.calls -= 1
        if share.calls <= 0 and share.spent():
            await asyncio.sleep(0)
        port = self._outbox.port
        message = EMPTY
        if not port.get_slow_path and get_ident() == self._thread:
            message = port.try_get()
            if message is EMPTY and port.run_inline():
                message = self._outbox.port.try_get()
        if message is EMPTY:
            message = await self._receive_slow(timeout)
        return message

    def _receive_slow(self, timeout: float | None) -> Coroutine[Any, Any, Any]:
        self._check()
        log = self._actor.log
        return self._outbox.get(timeout) if log is None else log.receive(self._outbox, timeout)

    @accelerated
    async def request(self, message: Any, *, timeout: float | None = None) -> Any:
        """Send a message and wait for the reply to this very message.

        Args:
            message: an instance of the input type.
            timeout: seconds for both; ``None`` waits for ever.

        Returns:
            The first message the actor sends for it, with its id as ``correlation_id``.

        Raises:
            As ``send``, and ``KernelClosedError`` if the actor ends without having answered, and
            ``QueueFullError`` if DROP_OLDEST drops the message before the actor has taken it.
        """
        if timeout is not None:
            timeout = seconds(timeout)
        share = self._share
        share.calls -= 1
        if share.calls <= 0 and share.spent():
            await asyncio.sleep(0)
        actor, loop = self._actor, self._actor.loop
        deadline = None if timeout is None else loop.time() + timeout
        request = Request(message)
        await self._learn(message)
        try:
            await self._put_request(request, timeout)
            if not request.answered:
                self._outbox.port.run_inline()
            if not request.answered:
                await self._await_reply(request, deadline, timeout)
            if actor.log is not None:
                await self._settled()
        except BaseException:
            actor.replies.give_up(request)
            raise
        return request.reply

    async def begin_request(self, request: Request, timeout: float | None) -> None:
        """Put a request whose answer comes from another kernel, along edges.

        Args:
            request: with its future and its path.
            timeout: seconds to wait for room; ``None`` waits for ever.

        Raises:
            As ``send``.
        """
        await self._learn(request.message)
        await self._put_request(request, timeout)

    async def _request_begun(
        self, message: Any, timeout: float | None, ordinal: int, engine: Any, *burst: Any
    ) -> Any:
        """Finish a request that the extension enqueued but could not answer inline.

        Args:
            message, timeout: of the request.
            ordinal: which message of the input queue it is.
            engine: what has to be told of the burst.
            burst: for ``engine.after``.
        """
        actor = self._actor
        deadline = None if timeout is None else actor.loop.time() + timeout
        request = Request(message)
        actor.replies.open(request, ordinal)
        try:
            engine.after(*burst)
            if not request.answered:
                await self._await_reply(request, deadline, timeout)
        except BaseException:
            actor.replies.give_up(request)
            raise
        return request.reply

    async def _put_request(self, request: Request, timeout: float | None) -> None:
        actor = self._actor

        def opened(ordinal: int) -> None:
            actor.replies.open(request, ordinal)

        gate, deadline = actor.request_gate, None
        origin = CLIENT if request.path else REQUEST
        if timeout is not None:
            deadline = actor.loop.time() + timeout
        try:
            async with gate(deadline) if gate is not None else nullcontext():
                if gate is not None and deadline is not None:
                    timeout = deadline - actor.loop.time()
                await self._inbox.put(request.message, timeout, opened, origin)
        except UnrepresentableMessage:
            await actor.interpret_foreign(request.message)
            await self._inbox.put(request.message, timeout, opened, origin)

    async def _await_reply(
        self, request: Request, deadline: float | None, timeout: float | None
    ) -> None:
        actor = self._actor
        if request.error is not None:
            raise request.error
        if request.ordinal not in actor.replies.pending:
            raise actor.error()
        request.future = actor.loop.create_future()
        timer = deadline and actor.loop.call_at(deadline, _expire, request.future)
        try:
            if not await request.future:
                actor.meter.timeouts += 1
                raise QueueTimeoutError(
                    f"no reply from kernel {self.kernel_id!r} within {max(0.0, timeout or 0):g} s"
                )
        finally:
            if timer:
                timer.cancel()
        if request.dropped:
            raise QueueFullError(
                f"the request was dropped: the {self._inbox.label} was full "
                f"({self._inbox.size} messages) and drops its oldest"
            )

    async def send_many(self, batch: Any, *, timeout: float | None = None) -> int:
        """Put a whole batch into the input queue; one larger than the queue is fed through it.

        Args:
            batch: a sequence of messages, an array of the input type's dtype, or a
                ``UnionBatch``; arrays must not be changed before the call is over.
            timeout: seconds for all of it; ``None`` waits for ever.

        Returns:
            How many messages there were.

        Raises:
            As ``send``; the batch is checked before anything is queued.  ``.count`` of a
            ``QueueFullError``, ``QueueTimeoutError`` or ``KernelClosedError`` says how many
            messages were taken.
        """
        timeout = seconds(timeout)
        self._check()
        classes = self._actor.spec.input_types
        check_batch("send_many", batch, classes, "; for one message call send")
        if len(batch) == 0:
            return 0
        if self._share.spent():
            await asyncio.sleep(0)
        await self._learn(EMPTY if isinstance(batch, np.ndarray) else batch[0])
        try:
            accepted = self._accept(batch)
            taken = await self._inbox.put_batch(accepted, timeout)
        except UnrepresentableMessage:
            await self._actor.interpret_foreign(batch[0])
            taken = await self._inbox.put_batch(self._accept(batch), timeout)
        if self._actor.log is not None:
            await self._settled()
        return taken

    async def receive_many(
        self, max_messages: int, *, timeout: float | None = None, out: Any = None
    ) -> Any:
        """Take messages from the output queue, as soon as there is at least one.

        Args:
            max_messages: most messages to take, at least 1.
            timeout: seconds to wait; ``None`` waits for ever.
            out: an array of the output type's dtype that the messages are written into; no more
                are taken than it has room for.

        Returns:
            The part of ``out`` that was written; without it, an array of the output type's dtype,
            or where several types are sent, a ``UnionBatch``.

        Raises:
            As ``receive``; MessageTypeError, ValueError: nothing can be written into ``out``.
        """
        timeout = seconds(timeout)
        limit = count(max_messages, "max_messages")
        self._check()
        if out is not None:
            check_out(out, self._outbox.port.classes())
            limit = min(limit, len(out))
        port, log = self._outbox.port, self._actor.log
        if log is not None:
            log.acknowledge()
        if port.depth() or port.run_inline is not nothing:
            await asyncio.sleep(0)  # the actor ends the turns whose messages are there already
        batch = await self._outbox.get_batch(limit, timeout, out)
        if log is not None:
            await log.received(batch, self._undo_receive_many)
        return batch if out is None else self._written(out, batch)

    def _written(self, out: np.ndarray[Any, Any], batch: Any) -> Any:
        """A batch in the array that was given for it."""
        try:
            check_out(out, self._outbox.port.classes())  # they may not have been known before
        except Exception:
            self._undo_receive_many(batch)
            raise
        return copy_into(out, batch)

    def _undo_receive(self, message: Any) -> None:
        """The caller of ``receive`` has gone: its message is received first again."""
        self._put_back([message])

    def _undo_receive_many(self, batch: Any) -> None:
        """The same, of what ``receive_many`` returned."""
        self._put_back(self._outbox.port.messages_in(batch))

    def _put_back(self, messages: list[Any]) -> None:
        if self._actor.log is not None:
            self._actor.log.position -= len(messages)
        self._outbox.put_back(messages)

    async def messages(self) -> AsyncIterator[Any]:
        """The messages from the output queue, until the actor ends.

        Raises:
            ActorFailedError: the actor has failed, after all its messages.
        """
        while True:
            try:
                yield await self.receive()
            except ActorFailedError:
                raise
            except KernelClosedError:
                return

    # --- helpers ---------------------------------------------------------------------------

    def _accept(self, batch: Any) -> Any:
        if self._inbox.port.put_slow_path & CLOSED:
            raise self._actor.error()
        return self._inbox.port.accept_batch(batch)

    def poison(self, why: str) -> None:
        """Refuse every call from now on: this is a forked copy."""
        self._actor.poison(why)

    def _check(self) -> None:
        self._alive()
        check_loop(self._actor.loop, self._thread)

    def _alive(self) -> None:
        if self._actor.poisoned is not None:
            raise KernelStateError(self._actor.poisoned)


def _expire(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_result(False)
