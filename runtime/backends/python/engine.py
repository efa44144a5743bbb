"""The ``python`` backend: the actor's coroutine, interpreted on the event loop.

Input: a ``SplitActor`` and the actor's channels.  Output: the same results the compiled backends
give; this is what they fall back on, and the definition they are tested against.

How an actor ends: ``receive`` raises ``ActorExit``, which bare handlers of instrumented functions
let pass and which ends the receive loop, so that the epilogue runs.  An actor that will not end is
cancelled, and one that swallows that too is abandoned (``driver``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from time import perf_counter
from types import FrameType
from typing import Any

from pydotcompute.backends.barrier import guarded, guarded_wait
from pydotcompute.backends.base import AT_LEISURE, Failure, Host, Replay
from pydotcompute.backends.python.context import PythonContext
from pydotcompute.backends.python.coroutine_driver import Driver, park_for_ever
from pydotcompute.backends.python.kept_state import StateKeeper, snapshot
from pydotcompute.backends.python.resting import Resting
from pydotcompute.backends.python.uncompiled import Uncompiled
from pydotcompute.errors import ActorExit, QueueTimeoutError
from pydotcompute.populations.spec import NO_KEY
from pydotcompute.queues.backpressure import BackpressureStrategy
from pydotcompute.queues.port import EMPTY, ObjectPort
from pydotcompute.queues.routes import Routes, carried_on
from pydotcompute.queues.waiting import LATE, wait
from pydotcompute.support.metrics import take_sample

PATIENCE = 0.1
"""Seconds ``pause`` waits for the message in hand, before the actor is stopped in the middle."""
FAIR = 512
"""Calls of its context an actor makes at most before other tasks get their turn."""
_PATIENCE = 8
"""Exit signals raised in an actor that goes on receiving, before it is left parked for ever."""
STRETCH = 0.005
"""Seconds after which an actor lets others run before its next message."""

STAY, DRAIN, NOW = 0, 1, 2
"""Whether an actor is to end: no; after what is queued; after the message in hand."""


class PythonEngine(Resting, Uncompiled):
    """Runs one actor as a task.

    Args:
        host: the actor; its ports are ``ObjectPort``.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.meter, self.replies = host.meter, host.replies
        self._clock = self.meter  # of its idle time
        self._connect()
        self._names = host.split.state_names
        self._silent = host.split.silent_timeout
        self._done: Callable[[Any], None] | None = None
        self._hand_back: Callable[[dict[str, Any]], None] | None = None
        self._reached = False
        self._coroutine: Coroutine[Any, Any, Any] | None = None
        self._frame: FrameType | None = None
        self._driver: Driver | None = None
        self._task: asyncio.Task[None] | None = None
        self._exit = STAY
        self._exits_raised = 0
        self._flushed = self._overdue = self._late_turn = False
        self.paused = self.holding = self.terminating = False
        self.forced = self.rationed = False
        self._room: int | None = None
        self.usual = True
        self.credit = FAIR
        self.until = 0.0
        self.message: Any = None
        self.ordinal = -1
        self.key: Any = NO_KEY
        self._keeper = StateKeeper(self._names)
        self._parked = 0
        self._given_up = False
        self._changed: asyncio.Future[None] | None = None
        self._resting: asyncio.Future[None] | None = None
        self._waits_active = False

    def _connect(self) -> None:
        """Work on the host's queues."""
        inport, outport = self.host.inbox.port, self.host.outbox.port
        assert isinstance(inport, ObjectPort)
        assert isinstance(outport, ObjectPort)
        self.inport, self.outport = inport, outport

    # --- the host's side -------------------------------------------------------------------

    @guarded
    def start(self) -> None:
        """Run the actor from its first statement."""
        self._run(self.host.split.whole(PythonContext(self)))

    @guarded
    def resume(self, state: dict[str, Any], replay: Replay = AT_LEISURE) -> None:
        """Run the actor's loop from a state.

        Args:
            state: the actor's variables.
            replay: how its first turn is to go.
        """
        parts = self.host.split.parts
        assert parts is not None
        self._reached, self._overdue = True, replay.overdue
        if replay.overdue:
            self.credit = 0  # not by the short way
        self._room, self.rationed = replay.room, replay.room is not None
        self._run(parts.resume(PythonContext(self), state))

    def finish_with(self, state: dict[str, Any], *, exiting: bool) -> None:
        """Run only the actor's epilogue; the loop is over.

        Args:
            state: the actor's variables.
            exiting: the loop ended because the actor is being terminated.
        """
        parts = self.host.split.parts
        assert parts is not None
        if exiting:
            self.begin_exit(drain=False)
        self._run(parts.epilogue(PythonContext(self), state))

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self._frame = getattr(coroutine, "cr_frame", None)
        self._driver = Driver(coroutine)
        self._task = self.host.loop.create_task(
            self._main(self._driver), name=f"pydotcompute actor {self.host.kernel_id}"
        )

    def run_prologue(self, done: Callable[[Any], None]) -> None:
        """Run only what precedes the actor's loop.

        Args:
            done: told what the prologue returned; not called if it did not come to its end.
        """
        parts = self.host.split.parts
        assert parts is not None
        self._done = done
        self._run(parts.prologue(PythonContext(self)))

    def hand_back(self, done: Callable[[dict[str, Any]], None]) -> None:
        """Another engine takes over, where this one next waits for a message.

        Args:
            done: told the actor's variables there.
        """
        self._hand_back, self.usual = done, False
        self.host.inbox.interrupt()

    async def _main(self, driver: Driver) -> None:
        error: BaseException | None = None
        completed = False
        try:
            completed = await driver.run()
        except BaseException as raised:
            error = raised
        try:
            self._ended(driver, completed, error)
        except Exception as fault:  # what left the actor has been dealt with: this is ours
            self.host.crashed(fault)
        try:
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise error
        finally:
            error = None  # it refers to this frame

    def _ended(self, driver: Driver, completed: bool, error: BaseException | None) -> None:
        """The coroutine has ended, or was abandoned.

        Args:
            completed: whether it came to its end.
            error: what left it.
        """
        self._wake_pausers()
        self._tell_rest()
        told = isinstance(error, asyncio.CancelledError) and self._cancelled
        if error is not None and not told and not isinstance(error, ActorExit):
            self._fail(error)
            return
        if self._given_up:
            return
        if self.holding and completed:
            self.finish()
        if completed and self._done is not None:
            self._done(driver.result)
        elif completed or self._hand_back is None:
            self.host.ended()

    def _fail(self, error: BaseException) -> None:
        if not self._given_up:
            self.host.failed(self._failure(error))

    def _failure(self, error: BaseException) -> Failure:
        """What is known of an error that left the actor's function."""
        message = self.message if self.holding else None
        left, not_kept = self._locals_of(error), {}
        if self.holding or self._late_turn:
            state = self._keeper.before()
            not_kept = self._keeper.not_kept()
            not_kept = {name: left.get(name, value) for name, value in not_kept.items()}
        else:
            state = snapshot(left, self._names)
        self.holding = False
        known = self.host.split.parts is not None and self._reached
        return Failure(error, message, state, known, not_kept)

    def _locals_of(self, error: BaseException) -> Mapping[str, Any]:
        """The actor's variables where the error left it."""
        code, trace = getattr(self._coroutine, "cr_code", None), error.__traceback__
        while trace is not None and trace.tb_frame.f_code is not code:
            trace = trace.tb_next
        return {} if trace is None else trace.tb_frame.f_locals

    @guarded_wait
    async def pause(self) -> None:
        """Stop between two messages; an actor that waits for something else stops there."""
        self.paused, self.usual = True, False
        self.host.inbox.interrupt()
        while self.paused and not self._parked and not self._is_over():
            if self._task is asyncio.current_task():
                return
            if self._resting is None:
                self._resting = self.host.loop.create_future()
            await asyncio.wait([self._resting], timeout=PATIENCE)
            if self._resting is not None and self.paused and self._driver is not None:
                self._driver.freeze()
                return

    def _is_over(self) -> bool:
        """Whether the coroutine has come to its end."""
        return self._task is None or self._task.done()

    def begin_paused(self) -> None:
        """Take no message until ``unpause``."""
        self.paused, self.usual = True, False

    @guarded
    def unpause(self) -> None:
        """Go on."""
        self.paused = False
        self.usual = self._is_usual()
        if self._driver is not None:
            self._driver.thaw()
        self._notify()

    def _is_usual(self) -> bool:
        """Whether nothing keeps ``receive`` from simply taking a message."""
        wanted = self.paused or self.held or self._hand_back is not None
        return self._exit == STAY and not wanted

    @guarded
    def begin_exit(self, *, drain: bool) -> None:
        """End the actor."""
        self._exit = DRAIN if drain else NOW
        self.terminating = self.terminating or not drain
        self.unpause()
        self.host.inbox.interrupt()

    @guarded
    def hurry(self) -> None:
        """End after the message in hand, and never wait for room again."""
        self.begin_exit(drain=False)
        self.forced = self.rationed = True
        self.host.outbox.force()
        if self.host.routes is not None:
            self.host.routes.release()

    async def kill(self) -> list[Any]:
        """Cancel the actor; if that does not end it, abandon it."""
        task, driver = self._task, self._driver
        if task is not None and driver is not None and not task.done():
            for forced in (False, True):
                driver.forced = forced
                task.cancel()
                for _ in range(4):
                    if not task.done():
                        await asyncio.sleep(0)
        in_hand = [self.message] if self.holding else []
        self.holding, self.message = False, None
        return in_hand

    def abandon(self, error: Exception) -> Failure:
        """The engine has failed: run nothing any more."""
        failure = Failure(error, self.message if self.holding else None)
        self.holding, self.message = False, None
        self._given_up, self.usual, self.terminating = True, False, True
        if self._task is not None and self._driver is not None and not self._task.done():
            self._driver.forced = True
            self._task.cancel()
        self._wake_pausers()
        return failure

    async def crash(self, error: Exception) -> None:
        """A fault of the engine in a call of the actor's: the actor does not go on."""
        self.host.crashed(error)
        await self._park()

    def is_idle(self) -> bool:
        """Whether the actor waits for a message."""
        inbox = self.host.inbox
        return bool(inbox.getters) and not inbox.port.depth() and not self.holding

    def expire(self) -> None:
        """The actor has waited long enough for its message."""
        for waiting in self.host.inbox.getters:
            if not waiting.done():
                waiting.set_result(LATE)

    # --- the actor's side ------------------------------------------------------------------

    def take(self, message: Any) -> None:
        """A message is in hand: remember it, and the state before it."""
        self.holding = self._reached = True
        self.message = message
        self.ordinal = self.inport.tail - 1
        if self._names and self._frame is not None:
            self._keeper.keep(self._frame.f_locals)

    def finish(self) -> None:
        """The message in hand has been handled."""
        self.holding, self.message = False, None
        meter, port = self.meter, self.inport
        meter.processed += 1
        if self.rationed:
            self._room, self.rationed = None, self.forced
        meter.interpreted += 1
        if self.replies.pending:
            self.replies.handled(self.ordinal)
        if self.ordinal >= port.sample_at:
            self._sampled()
        if perf_counter() >= self.until:
            self.credit = 0  # let others run before the next message

    def _sampled(self) -> None:
        """The message that is being timed has been handled."""
        take_sample(self.inport, self.meter)

    def _next(self) -> Any:
        """The next message, or ``EMPTY``."""
        return self.host.inbox.get_nowait()

    def _locals(self) -> Mapping[str, Any]:
        frame = self._frame
        return {} if frame is None else frame.f_locals

    def reply(self, message: Any) -> bool:
        """Give the message to the caller of ``request`` whose message is in hand, if any."""
        if not self.holding or self.ordinal not in self.replies.pending:
            return False
        request = self.replies.pending[self.ordinal]
        if request is not None and request.path:
            return False  # it goes on along an edge
        if self._room is not None:
            self._take_room()
        self.replies.deliver(self.ordinal, self.outport.values.accept(message))
        self.meter.sent += 1
        return True

    async def receive(self, timeout: float | None) -> Any:
        """``ctx.receive`` whenever it cannot simply take a message."""
        self._reached = True
        overdue, self._overdue, self._late_turn = self._overdue, False, False
        if self.holding:
            try:
                self.finish()
            except Exception as error:
                await self.crash(error)
        if self._task is not None and self._task.cancelling():
            await self._park()
        polling = timeout is not None and timeout <= 0 and not self._silent
        rest = None if self._silent else timeout
        if self.credit <= 0 or polling:
            self.credit = FAIR
            await self._rest(asyncio.sleep(0))
        while True:
            if self._exit == NOW:
                await self._leave()
            if self._hand_back is not None and self._exit == STAY:
                self._hand_back(snapshot(self._locals(), self._names))
                await self._park()
            if self._takes_nothing:
                await self._be_held()
                continue
            try:
                message = self._next()
                if message is not EMPTY:
                    self.take(message)
                    return message
            except Exception as error:
                await self.crash(error)
            if overdue:
                self.terminating = self.terminating or self._flushed
                raise self._late(timeout)
            if self._exit == DRAIN:
                self._drained(timeout)
                continue
            if polling:
                if self.host.timed_out():
                    raise self._late(timeout)
                await self._rest(asyncio.sleep(0))
                continue
            inbox, loop, outcome = self.host.inbox, self.host.loop, None
            future, began = inbox.park_getter(), self._begin_rest()
            try:
                outcome = await (future if rest is None else wait(loop, future, rest))
            finally:
                ended = self._end_rest(began)
                inbox.unpark_getter(future, outcome)
            if outcome is LATE:
                if self.host.timed_out():
                    raise self._late(timeout)
                rest = timeout
            elif rest is not None:
                rest = max(0.0, rest - (ended - began))

    async def _leave(self) -> None:
        """End the loop; an actor that goes on receiving whatever it is told is left parked."""
        self.host.ending()
        if self._exits_raised <= self._limit:
            self.terminating = True
            self._exits_raised += 1
            if self._exits_raised <= self._limit:
                raise ActorExit
        await self._park()

    @property
    def _limit(self) -> int:
        return _PATIENCE if self.host.split.instrumented else 1

    def _drained(self, timeout: float | None) -> None:
        """The queue is empty for good: one last time-out, then the exit."""
        self.host.ending()
        self.terminating = True
        if timeout is not None and not self._flushed:
            self._flushed = True
            raise self._late(timeout)
        self._exit = NOW

    def _late(self, timeout: float | None) -> QueueTimeoutError:
        self.meter.timeouts += 1
        self._late_turn = True
        self._keeper.keep(self._locals())
        return QueueTimeoutError(
            f"no message for kernel {self.host.kernel_id!r} within {max(0.0, timeout or 0.0):g} s"
        )

    async def send(self, message: Any) -> None:
        """``ctx.send`` when there is no room, or somebody waits for it."""
        if self._cancelled:
            await self._park()
        if self.forced:
            self._force(self.outport.values.accept(message))
            return
        if self._room is not None:
            self._take_room()
        if self.host.routes is None or not await self._route(self.host.routes, message):
            if self.held and self.host.outbox.policy is BackpressureStrategy.BLOCK:
                self.outport.force(self.outport.values.accept(message))
            else:
                await self._rest(self.host.outbox.put(message))
        if self.paused:
            await self.wait_active()

    async def _route(self, routes: Routes, message: Any) -> bool:
        """Send along the edges; False if none takes the message."""
        request = None
        if routes.of(type(message)):
            message = self.outport.values.accept(message)
            if self.holding and self.replies.pending:
                request = carried_on(self.replies, self.ordinal, message)
            if routes.send_now(message, request):
                return True
        elif not routes.backlog:
            return False
        sent: bool = await self._rest(routes.send(message, request))
        return sent

    def _force(self, message: Any) -> None:
        """Send without waiting: along the edges if there is room, else into the output queue."""
        routes = self.host.routes
        if routes is None or not routes.of(type(message)) or not routes.send_now(message, None):
            self.outport.force(message)

    def _take_room(self) -> None:
        """Refuse what was refused when compiled code did this turn."""
        assert self._room is not None
        if self._room <= 0:
            routes = self.host.routes
            raise (self.host.outbox if routes is None else routes.refusing()).full()
        self._room -= 1

    async def breathe(self) -> None:
        """Let other tasks run."""
        if self._cancelled:
            await self._park()
        await self._rest(asyncio.sleep(0))
        if self.paused:
            await self.wait_active()

    @property
    def _cancelled(self) -> bool:
        """Whether the actor was told to end by a cancellation that it may have swallowed; a time
        limit of its own (``asyncio.timeout``) takes its cancellation back."""
        return self._task is not None and self._task.cancelling() > 0

    async def _park(self) -> None:
        """Wait for ever: the actor must not go on."""
        if asyncio.current_task() is self._task:
            await park_for_ever()
        await self.host.loop.create_future()  # in a task of the actor's own, no driver listens

    async def wait_active(self) -> None:
        """Wait while paused."""
        self._waits_active = True
        try:
            while self.paused or (self.held and self._at_first):
                self._tell_rest()
                await self._change()
        finally:
            self._waits_active = False

    async def _change(self) -> None:
        """Wait until the actor is told something."""
        if self._changed is None:
            self._changed = self.host.loop.create_future()
        await self._rest(asyncio.shield(self._changed))

    async def _rest(self, waiting: Any) -> Any:
        """Await something of the runtime: the actor handles nothing meanwhile."""
        began = self._begin_rest()
        try:
            return await waiting
        finally:
            self._end_rest(began)

    def _begin_rest(self) -> float:
        began = perf_counter()
        self._parked += 1
        self._clock.park(began)
        if self._resting is not None:
            self._wake_pausers()
        return began

    def _end_rest(self, began: float) -> float:
        self._parked -= 1
        self.credit = FAIR
        ended = perf_counter()
        self.until = ended + STRETCH
        self._clock.unpark(ended)
        self._keeper.waited += ended - began
        return ended

    def _wake_pausers(self) -> None:
        resting, self._resting = self._resting, None
        if resting is not None:
            resting.set_result(None)

    def _notify(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set_result(None)
