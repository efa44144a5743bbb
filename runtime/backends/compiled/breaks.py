"""Breaks: compiled code has stopped before a message, and the interpreter handles this one.

Input: the report of a burst that was rolled back: an exception, a statement that cannot be
compiled, a value without a compiled form.  Output: the message handled by the coroutine
(``turn_engine``) from the same state, and compiled code going on with the next.

As long as a variable has a value without a compiled form, the interpreter goes on.  While it runs,
``run_flags`` has ``INTERPRETING``, so no burst runs; the memory and the rings stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

from pydotcompute.backends.base import Failure, Host, Replay
from pydotcompute.backends.compiled import actor_words as words
from pydotcompute.backends.compiled.break_balance import BreakBalance
from pydotcompute.backends.compiled.lifecycle import NOW, PAUSED, CompiledLife, packed
from pydotcompute.backends.compiled.turn_engine import TurnEngine
from pydotcompute.backends.python.engine import STRETCH
from pydotcompute.compiler.ops.error_codes import BY_NAME
from pydotcompute.compiler.types.identity import LostIdentityError
from pydotcompute.messages.header import has_header
from pydotcompute.messages.slots import UnrepresentableMessage
from pydotcompute.queues.backpressure import BackpressureStrategy
from pydotcompute.queues.channel import ROOM
from pydotcompute.queues.port import EMPTY, ObjectPort
from pydotcompute.queues.port_words import CLAIMED, HEAD, TAIL

INTERPRETING = 32
"""A bit of ``run_flags``: the interpreter has the actor, and gives it back."""
QUEUE_FULL = BY_NAME["PDC_QUEUE_FULL"].code
RARELY = 8
"""After so many messages in a row whose state had no compiled form, that is tried more rarely."""


class CompiledBreaks(CompiledLife):
    """A compiled actor whose messages may be interpreted.

    Args:
        host: the actor.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._turn_engine: TurnEngine | None = None
        self._balance = BreakBalance()
        self._unfit = self._untried = 0
        self._turn_busy = self._broke_at = 0.0
        self._room_awaited: Any = None
        self._reported = (0, 0)
        self._breaking = self._broke_again = self._is_handled = False

    # --- what the running of bursts provides -----------------------------------------------

    def _turn(self) -> None:
        """Run a burst, if nothing keeps it from that."""
        raise self._abstract()

    def sampled(self) -> None:
        """The message that is being timed has been handled."""
        raise self._abstract()

    def _notify(self) -> None:
        """Tell those who wait for room, or for a message, unless a break is under way."""
        raise self._abstract()

    def _reload(self) -> None:
        """The interpreter has changed the state and the rings' counters."""

    # --- there -----------------------------------------------------------------------------

    def _break(self) -> None:
        """The interpreter handles the next message; an exception is raised there again.

        Mostly it has done so when this returns, and compiled code has gone on.
        """
        self._broke_again = True
        if self._breaking:
            return
        self._breaking, until = True, perf_counter() + STRETCH
        try:
            while self._broke_again:
                self._broke_again = self._is_handled = False
                self._interpret()
                if not self._is_handled:
                    break
                if perf_counter() > until:
                    self.wake()
                    break
                self._turn()
        finally:
            self._breaking = False
            self._notify()

    def _interpret(self) -> None:
        """Begin with a message; ``turn_over`` is called at its end."""
        self._broke_at = perf_counter()
        block = self.block
        code = block.i4[words.CODE]
        self._reported = code, block.i4[words.LINE]
        if (where := block.program.break_at(code)) is not None:
            self.host.broke(where)
        replay = Replay(
            bool(block.u4[words.EVENT]),
            block.i4[words.STAGED] if code == QUEUE_FULL else None,
        )
        block.u4[words.EVENT] = 0
        block.output.publish()
        self._lend(self.host_variables | block.values(), replay)

    def _lend(self, state: dict[str, Any], replay: Replay, *, kept: bool = False) -> None:
        """Let the interpreter handle the next message.

        Args:
            state: the variables before it.
            replay: how the turn is to go.
            kept: only the interpreter has the state before the message.
        """
        self.run_flags |= INTERPRETING
        self.inport.wake, self.inport.wake_suppressed = self.host.inbox.notify, 1
        if self._turn_engine is None:
            self._turn_engine = self._new_turn_engine()
        self._inner = turns = self._turn_engine
        self._unfit = self._untried = 0
        turns.begin(
            state, replay, paused=bool(self.run_flags & PAUSED), exit_=self._exit,
            flushed=self._flushed, kept=kept,
        )  # fmt: skip

    def _new_turn_engine(self) -> TurnEngine:
        return TurnEngine(self.host, self)

    def last_break(self) -> str:
        """Why compiled code last stopped before a message, in words; there must have been one."""
        program = self.host.plan.program
        assert program is not None
        return program.why(*self._reported)

    def stand_ins(self) -> tuple[ObjectPort, ObjectPort]:
        """As of ``turn_engine.Owner``."""
        return self.host.object_ports()

    def take_message(self, port: ObjectPort) -> Any:
        """As of ``turn_engine.Owner``."""
        ring, inbox = self.inport, self.host.inbox
        tail = first = ring.words[TAIL]
        if first == ring.head and not (inbox.putters and inbox.admit()):
            return EMPTY
        if ring.drop_oldest and ring.head - first > ring.bound:
            first = ring.head - ring.bound
            self.block.q8[words.SKIPPED] += first - tail
        message = ring.slots.unpack(ring.buffer, (first & ring.mask) * ring.size)
        ring.words[TAIL] = ring.words[CLAIMED] = ring.cached_remote_cursor = first + 1
        port.tail, port.sample_at = first + 1, ring.sample_at
        if inbox.putters and not self._breaking:  # else the next burst makes more room
            self.host.loop.call_soon(self._admit)
        return message

    def _admit(self) -> None:
        if self.host.inbox.putters:
            self.host.inbox.admit()

    async def wait_for_room(self) -> None:
        """As of ``turn_engine.Owner``."""
        outbox, turns = self.host.outbox, self._turn_engine
        assert turns is not None
        while turns.on_rings and not turns.forced and not self.has_room():
            if outbox.policy is BackpressureStrategy.REJECT:
                raise outbox.full()
            if turns.held:
                return
            self._room_awaited = self.host.loop.create_future()
            outbox.set_gate(get=ROOM)
            outbox.on_room = self.stop_waiting_for_room
            await turns.wait_for(self._room_awaited)

    def has_room(self) -> bool:
        """As of ``turn_engine.Owner``."""
        out = self.outport
        return out.drop_oldest or out.depth() < out.bound

    def stop_waiting_for_room(self) -> None:
        """There is room, or none is needed any more."""
        awaited, self._room_awaited = self._room_awaited, None
        if awaited is not None:
            self.host.outbox.on_room = None
            self.host.outbox.clear_gate(get=ROOM)
            if not awaited.done():
                awaited.set_result(None)

    def put_output(self, message: Any, ordinal: int) -> None:
        """As of ``turn_engine.Owner``."""
        out, block = self.outport, self.block
        if self.host.routes is not None:  # then the ring is no queue
            out.put_last(message)
            return
        ring, written, slots = block.output.ring, block.output.written(), out.slots
        if written - ring.port[TAIL] > ring.mask and block.grow_output():
            out.remap()
        try:
            if has_header(message):
                raise UnrepresentableMessage
            pack = slots.pack_into if type(message) is slots.cls else slots.pack
            pack(out.buffer, (written & ring.mask) * out.size, message)
        except UnrepresentableMessage:  # it has a header, or is of a subclass
            waiting = [*out.take_all(), message]
            out.overflow.extend(waiting)
            out.overflowed()
        else:
            ring.sources[written & ring.mask] = ordinal
            block.q8[words.PRODUCED] = ring.port[HEAD] = written + 1
        if out.drop_oldest:
            self._drop_outputs()
        out.note_peak()
        if self.host.outbox.getters:
            self.host.outbox.wake_getters()

    def _drop_outputs(self) -> None:
        out = self.outport
        while out.overflow and out.depth() > out.bound:
            out.overflow.popleft()
            out.dropped += 1
        out.skip()

    # --- and back --------------------------------------------------------------------------

    def goes_on(self, variables: Mapping[str, Any]) -> bool:
        """As of ``turn_engine.Owner``."""
        program, breaking, waited = self.block.program, *self._spent()
        if not program.is_current():
            self._stay("a global that it was compiled with has changed")
            return True
        if self._balance.moved:
            if self._balance.stays():
                return True
            self.host.moved(None)
        self._untried += 1
        if self._unfit > RARELY and self._untried < self._unfit // RARELY:
            return True
        self._untried = 0
        if not self._fits(variables):
            self._unfit += 1
            return True
        if program.host_variables:
            self.host_variables = {
                name: variables[name] for name in program.host_variables if name in variables
            }
        return not self._unfit and self._is_dear(breaking, waited)

    def _spent(self) -> tuple[float, float]:
        """Seconds for which the interpreter has had the actor since this was last asked, and for
        which the actor has waited meanwhile, which do not count."""
        turns, now = self._turn_engine, perf_counter()
        assert turns is not None
        waited = turns.take_waited()
        breaking, self._broke_at = now - self._broke_at - waited, now
        self._turn_busy += breaking
        self.host.meter.busy += breaking
        return breaking, waited

    def _fits(self, variables: Mapping[str, Any]) -> bool:
        """Put the variables into the record; False if one has no place there."""
        program = self.block.program
        try:
            return program.holds(variables) and packed(program, variables, self.block)
        except LostIdentityError:
            return False

    def _is_dear(self, breaking: float, waited: float) -> bool:
        """A break is over: whether the interpreter had better run the actor from now on."""
        turns = self._turn_engine
        assert turns is not None
        if not self._balance.broke(breaking, turns.handled - turns.began - waited):
            return False
        self._count()
        meter = self.host.meter
        busy, handled = meter.busy - self._turn_busy, meter.processed - meter.interpreted
        reason = self._balance.decide(busy, handled)
        if reason is not None:
            self.host.moved(f"{reason} (the last one: {self.last_break()})")
        return reason is not None

    def turn_over(self, ended: bool) -> None:
        """As of ``turn_engine.Owner``."""
        turns, self._inner = self._turn_engine, None
        assert turns is not None
        if ended:
            self._depart()
            self.host.use_objects()
            self.block = None
            self.host.ended()
            return
        self.run_flags &= ~INTERPRETING
        if turns.flushed:
            self._flushed = True
            self.block.u4[words.TERMINATING] = 1
        self.inport.wake = self.wake
        self._taken = self.inport.words[TAIL]
        self._reload()
        if self._exit == NOW:
            self._finish()
        elif self._breaking:
            self._is_handled = True
        else:
            self._turn()

    def turn_failed(self, failure: Failure, *, exact: bool) -> None:
        """As of ``turn_engine.Owner``."""
        self._inner = None
        if exact:
            failure.state, failure.state_after = self.block.values(), self.host_variables
        self._depart()
        self.host.use_objects()
        self.block = None
        if self._balance.moved:
            self.host.moved(None)
        self.host.failed(failure)

    def _stay(self, reason: str) -> None:
        """The interpreter that handles a message keeps the actor."""
        turns, self._inner = self._turn_engine, None
        assert turns is not None
        self._depart()
        self.host.keep(turns, reason)
        self.block = None
        turns.stay()
        self.stop_waiting_for_room()

    def _depart(self) -> None:
        super()._depart()
        self._retire()

    def _let_go(self) -> None:
        super()._let_go()
        self._retire()

    def _retire(self) -> None:
        if self._turn_engine is not None:
            self._turn_engine.retire()

    # --- while it interprets ---------------------------------------------------------------

    @property
    def _lends(self) -> bool:
        """Whether the interpreter has the actor, and gives it back."""
        return self._inner is not None and self._inner is self._turn_engine

    async def surrender(self, reason: str) -> None:
        """Let the interpreter take over."""
        if self._lends:
            self._stay(reason)
        else:
            await super().surrender(reason)

    def hurry(self) -> None:
        """End now, except for the message in hand."""
        super().hurry()
        self.stop_waiting_for_room()

    def abandon(self, error: Exception) -> Failure:
        """The engine has failed: run nothing any more."""
        if not self._lends or self._inner is None:
            return super().abandon(error)
        inner, self._inner = self._inner, None
        message = inner.abandon(error).message
        failure = super().abandon(error)
        failure.message, failure.state_after = message, self.host_variables
        failure.state_known = failure.state_known and not self._unfit
        return failure
