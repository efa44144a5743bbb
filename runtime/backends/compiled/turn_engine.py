"""Interprets single messages of an actor that compiled code runs otherwise.

Input: the actor's variables, and a compiled engine (``Owner``) whose bursts rest meanwhile.
Output: the message handled, outputs in the output ring, variables for compiled code to go on with.

The queues stay the rings that they are: a message is read out of the input ring, and an output is
written into the output ring, so a break costs the same however many messages wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from time import perf_counter
from typing import Any, Protocol

from pydotcompute.backends.base import Failure, Host, Replay
from pydotcompute.backends.compiled.turn_task import TurnTask
from pydotcompute.backends.python.context import PythonContext
from pydotcompute.backends.python.coroutine_driver import Driver
from pydotcompute.backends.python.engine import FAIR, STRETCH, PythonEngine
from pydotcompute.compiler.host.coroutine import TurnOver
from pydotcompute.queues.port import ObjectPort
from pydotcompute.queues.routes import Routes

NO_INPUT = (1 << 64) - 1
"""In place of the ordinal of an input: the output answers none."""


class Owner(Protocol):
    """The compiled engine, as it is seen here."""

    def stand_ins(self) -> tuple[ObjectPort, ObjectPort]:
        """Empty ports of objects, for their checks; the messages are in the rings."""
        ...

    def take_message(self, port: ObjectPort) -> Any:
        """Take the oldest message out of the input ring, or ``EMPTY``.

        Args:
            port: the stand-in for the input; its ``tail`` and ``sample_at`` become the ring's.
        """
        ...

    def sampled(self) -> None:
        """The message that is being timed has been handled."""
        ...

    def has_room(self) -> bool:
        """Whether there is room for an output."""
        ...

    async def wait_for_room(self) -> None:
        """Return when there is room for an output; the policy of the queue has its say.

        Raises:
            QueueFullError: the queue is full, under REJECT.
        """
        ...

    def stop_waiting_for_room(self) -> None:
        """There is room, or none is needed any more."""
        ...

    def put_output(self, message: Any, ordinal: int) -> None:
        """Write an accepted message into the output ring.

        Args:
            message: the output.
            ordinal: of the input that it answers, or ``NO_INPUT``.
        """
        ...

    def goes_on(self, variables: Mapping[str, Any]) -> bool:
        """A message has been handled: whether the next one is to be interpreted as well.

        Args:
            variables: the actor's locals.
        """
        ...

    def turn_over(self, ended: bool) -> None:
        """Compiled code is to go on, or the actor's function has come to its end."""
        ...

    def turn_failed(self, failure: Failure, *, exact: bool) -> None:
        """An exception has left the actor's function.

        Args:
            failure: what is known of it here.
            exact: the variables before the message are those that compiled code still has.
        """
        ...


class TurnEngine(PythonEngine):
    """Runs an actor's coroutine for a message, or for as many as the owner wants.

    Args:
        host: the actor.
        owner: the engine whose place it takes meanwhile.

    Attributes:
        on_rings: the owner has the queues; False after ``stay``.
        flushed: during a drain, the last time-out has been raised.
        began: when the coroutine was started, and ``handled`` when the message was done with.
    """

    def __init__(self, host: Host, owner: Owner) -> None:
        self._owner = owner
        self.on_rings = True
        super().__init__(host)
        self.usual = False
        self._fresh = self._kept = False
        self.began = self.handled = 0.0
        self._turns = TurnTask(host.loop, f"pydotcompute actor {host.kernel_id}")

    def _connect(self) -> None:
        if not self.on_rings:
            super()._connect()
            return
        self.inport, self.outport = self._owner.stand_ins()
        self.outport.put_slow_path = 1  # each send comes to ``send``

    def begin(
        self, state: dict[str, Any], replay: Replay, *, paused: bool, exit_: int, flushed: bool,
        kept: bool = False,
    ) -> None:  # fmt: skip
        """Interpret from here, until the owner says otherwise.

        Args:
            state: the actor's variables.
            replay: how its first turn is to go.
            paused: the actor is paused.
            exit_: whether it is to end, as ``lifecycle`` counts.
            flushed: its last time-out has been raised.
            kept: only the interpreter has the state before the message, and is to keep it.
        """
        parts = self.host.split.parts
        assert parts is not None
        self._reached, self._overdue, self._late_turn = True, replay.overdue, False
        self._room, self.rationed = replay.room, self.forced or replay.room is not None
        self.paused, self._exit, self._flushed = paused, exit_, flushed
        self.terminating = self.terminating or (flushed and not replay.overdue)
        self._fresh, self._kept, self.held = True, kept, False
        self._done = self._episode_done
        self._keeper.waited = 0.0
        self.credit, self.until = FAIR, perf_counter() + STRETCH
        self._run(parts.turns(PythonContext(self), state, self._at_head))

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self._frame = getattr(coroutine, "cr_frame", None)
        self._driver = Driver(coroutine)
        main = self._main(self._driver)
        self._task = self._turns.task
        self._turns.run(main)
        self._task = self._turns.task

    def _is_over(self) -> bool:
        return not self._turns.running

    def retire(self) -> None:
        """No message is to be interpreted after this one."""
        self._turns.retire()

    def take_waited(self) -> float:
        """Seconds for which the actor has waited for the runtime since ``begin``, or this."""
        waited, self._keeper.waited = self._keeper.waited, 0.0
        return waited

    @property
    def flushed(self) -> bool:
        """The last time-out of a drain has been raised."""
        return self._flushed

    def stay(self) -> None:
        """Run the actor for good: its queues hold objects from now on."""
        self.on_rings, self._done = False, None
        self.retire()
        self._connect()
        self.rationed = self.forced
        self.usual = self._is_usual()

    def _is_usual(self) -> bool:
        return super()._is_usual() and not self.on_rings

    def _let_through(self) -> None:
        super()._let_through()
        self._owner.stop_waiting_for_room()

    # --- the actor's side ------------------------------------------------------------------

    def _at_head(self) -> bool:
        """The loop begins a round."""
        if self._fresh:
            self._fresh, self.began = False, perf_counter()
            return True
        try:
            if self.holding:
                self.finish()
            self._late_turn, self._kept, self.handled = False, True, perf_counter()
            goes_on = not self.on_rings or self._owner.goes_on(self._locals())
        except Exception as error:
            self.host.crashed(error)
            goes_on = False
        if not goes_on:
            raise TurnOver
        return True

    def _episode_done(self, over: Any) -> None:
        self._owner.turn_over(over is None)

    def _next(self) -> Any:
        return self._owner.take_message(self.inport) if self.on_rings else super()._next()

    def take(self, message: Any) -> None:
        """A message is in hand."""
        if self._kept or not self.on_rings:
            super().take(message)
        else:  # compiled code still has the state before it
            self.holding, self.message, self.ordinal = True, message, self.inport.tail - 1

    def _sampled(self) -> None:
        if self.on_rings:
            self._owner.sampled()
        else:
            super()._sampled()

    async def send(self, message: Any) -> None:
        """``ctx.send``."""
        if not self.on_rings:
            await super().send(message)
            return
        if self._cancelled:
            await self._park()
        routes, room = self.host.routes, self._room
        accepted = self.outport.values.accept(message)
        if self._room is not None:
            self._take_room()
        if routes is not None and await self._send_along(routes, message, accepted):
            return
        if room is None and not self.forced and not self._owner.has_room():
            await self._owner.wait_for_room()
        if self.on_rings:
            self._owner.put_output(accepted, self.ordinal if self.holding else NO_INPUT)
        else:  # meanwhile the queues have become objects
            await super().send(accepted)
        if self.paused:
            await self.wait_active()

    async def _send_along(self, routes: Routes, message: Any, accepted: Any) -> bool:
        """Send along the actor's edges; False if none takes the message."""
        if self.forced:
            return bool(routes.of(type(message))) and routes.send_now(accepted, None)
        return await self._route(routes, message)

    async def wait_for(self, future: asyncio.Future[None]) -> None:
        """Wait for something of the runtime."""
        await self._rest(future)

    def _fail(self, error: BaseException) -> None:
        if self._given_up or not self.on_rings:
            super()._fail(error)
            return
        exact = (self.holding or self._late_turn) and not self._kept
        self._owner.turn_failed(self._failure(error), exact=exact)
