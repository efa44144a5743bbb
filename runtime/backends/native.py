"""The ``native`` backend: runs a compiled actor in bursts.

Input: the actor's plan with its ``NativeProgram``.  Output: messages handled by compiled code.

Life of an actor here: its prologue runs in the interpreter; its variables are packed; the queues
become rings (``_adopt``); bursts run until the loop ends; its epilogue runs in the interpreter.

Who runs a burst, always under the one run lock that ``gate`` is:

1. a caller that finds no output or no room (``pull``): at once, on its own stack, a short burst;
2. else the event loop, once per turn (``poke``);
3. long work goes to a worker thread without the GIL (``_offload``): what ran out of fuel, or what
   measurement says takes long.

What compiled code cannot do (an exception, a value it cannot represent) leaves state and queues as
they were before that message, and ``Host.hand_over`` lets the interpreter replay it.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

from pydotcompute.backends import block as words
from pydotcompute.backends.adoption import take_over
from pydotcompute.backends.alarm import Alarm
from pydotcompute.backends.base import Host
from pydotcompute.backends.block import NativeBlock
from pydotcompute.backends.carry import Carry
from pydotcompute.backends.direct import Direct
from pydotcompute.backends.pace import Pace
from pydotcompute.backends.pool import Pool, tell
from pydotcompute.backends.python import PythonEngine
from pydotcompute.channel import ROOM, SPECIAL
from pydotcompute.compiler.abi import Event, Status
from pydotcompute.compiler.coroutine import RETURNED
from pydotcompute.fastpath import EngineStorage
from pydotcompute.ring import HEAD, MASK, TAIL
from pydotcompute.slots import ForeignMessage
from pydotcompute.telemetry import next_sample

IDLE_, BUSY, PAUSED, AWAY = 0, 1, 2, 4
"""Bits of ``gate``: nothing; a worker runs it; paused; there is nothing to run (yet, any more)."""

FUEL = 100_000
"""Turns of inner loops a burst on the event loop's thread may make."""
_PATIENCE = 0.02
"""Seconds ``pause`` waits for a worker's burst before it is stopped in the middle."""

_STAY, _DRAIN, _NOW = 0, 1, 2
_FULL = int(Status.FULL)
_abandoned: list[NativeBlock] = []
"""Memory of actors that did not stop: a thread may still be writing to it."""


class NativeEngine(EngineStorage):
    """Runs one compiled actor.

    Args:
        host: the actor.
        pool: threads for long work.
    """

    name = "native"

    def __init__(self, host: Host, pool: Pool) -> None:
        self.host, self.pool = host, pool
        self.gate = AWAY
        self.known_state: dict[str, Any] | None = None
        self.block: NativeBlock | None = None
        self._inner: PythonEngine | None = None
        self._exit, self._flushed, self._recompiled = _STAY, False, False
        self._surrender: str | None = None
        self.pace = Pace()
        self._taken = self._done = 0
        self._staged = self._prints = self._waits = False
        self._settled = (0, 0, 0, 0)
        self._alarm = Alarm(host.loop, self._late)
        self._resting: asyncio.Future[None] | None = None
        self._after = {
            Status.LEFT: self._finish, Status.RETURNED: self._returned,
            Status.STOPPED: self._stopped, Status.PREEMPTED: self._preempted,
            Status.FAILED: self._replay, Status.DEOPTIMISE: self._deoptimise,
            Status.GROW: self._grow, Status.LOG_FULL: self._log_full,
        }  # fmt: skip

    # --- beginning -------------------------------------------------------------------------

    def start(self) -> None:
        """Run the prologue; the loop follows."""
        self._inner = PythonEngine(self.host)
        self._inner.run_prologue(self._prologue_done)

    def resume(self, state: dict[str, Any]) -> None:
        """Run the loop from a state."""
        self.known_state = state
        self.compiled()

    def _prologue_done(self, values: Any) -> None:
        inner, self._inner = self._inner, None
        if values is RETURNED:
            self.host.ended()
            return
        self.known_state = values
        if inner is not None and inner.terminating:  # nothing is left to be handled
            self._interpret_rest(values)
        else:
            self.compiled()

    def compiled(self) -> None:
        """A plan has been made, or the variables have become known: go on if both are there."""
        if self.known_state is None or self.block is not None:
            return
        plan = self.host.plan
        if plan.backend == "python":
            self.host.hand_over(self.known_state, plan.reason or "", failing=False, told=True)
        elif plan.program is not None:
            self._adopt(self.known_state)
        elif self.host.spec.input_types:
            self._recompile(self.known_state)
        elif self._exit != _STAY:
            self._interpret_rest(self.known_state)

    def _recompile(self, state: dict[str, Any]) -> None:
        if self._recompiled:
            reason = self.host.plan.reason or "its variables have no compiled form"
            self.host.hand_over(state, reason, failing=False)
            return
        self._recompiled = True
        self.host.recompile_later(state)

    def _adopt(self, state: dict[str, Any]) -> None:
        """Put variables and queued messages into memory, and begin to run bursts."""
        program = self.host.plan.program
        assert program is not None
        spec = self.host.spec
        block = NativeBlock(program, spec.queue_size, spec.backpressure.policy)
        try:
            program.pack_state(state, block.state)
        except Exception:  # a value of another type than was foreseen
            self._recompile(state)
            return
        try:
            ring, out = take_over(self.host, block)
        except ForeignMessage:
            self.host.hand_over(state, "a queued message has no compiled form", failing=False)
            return
        ring.wake, ring.pull, out.pull = self.poke, self.pull, self.pull
        self.block, self.inport, self.outport = block, ring, out
        self._carry = Carry(block, ring, out, self.host.replies)
        self.host.use_rings(ring, out)
        self._argument = words.pointer(block.address)
        self._taken = ring.tail
        self._prints = program.emit is not None
        self._waits = not program.silent_timeout or self._exit != _STAY
        out.pull_batch = Direct(self).receive
        self.attach(block, ring, out, block.address, block.burst_address)
        self.gate &= ~AWAY
        ring.armed = 0
        self.host.inbox.admit()
        self.poke()

    # --- running ---------------------------------------------------------------------------

    def poke(self) -> None:
        """There may be something to do: run a burst in the next turn of the event loop."""
        self.inport.armed = 1
        if not self.gate:
            self.host.loop.call_soon(self._turn)

    def _turn(self) -> None:
        if not self.gate:
            self.inport.armed = 0
            self._step()

    def pull(self) -> bool:
        """Run a short burst now, if that is allowed; True if messages may have moved."""
        if self.gate or self.pace.long or (self.inport.head == self._taken and not self._staged):
            return False
        self._step()
        return True

    def _step(self) -> None:
        block = self.block
        assert block is not None
        pace = self.pace
        if pace.long and self.inport.head != self._taken:
            self._offload()
            return
        argument = pace.argument
        if self._carry.on or self.outport.get_gate & SPECIAL:
            argument = words.count(self._carry.open(pace.limit))
        block.i8[words.FUEL] = FUEL
        began = perf_counter()
        status = block.burst(self._argument, argument)
        self.after(status, perf_counter() - began)

    def after(self, status: int, seconds: float) -> None:
        """Deal with the outcome of a burst.

        Args:
            status: what it returned (``abi.Status``).
            seconds: how long it took.
        """
        host, inport = self.host, self.inport
        host.meter.busy += seconds
        tail = inport.words[TAIL]
        self._done = done = tail - self._taken
        if done:
            self._taken = inport.seen = tail
            waiting = inport.head - tail + done
            if waiting > inport.peak:
                inport.peak = min(waiting, inport.bound)
            self.outport.note_peak()
            if tail > inport.sample_at:
                self._sampled()
            self.pace.handled(done, seconds)
        if self._prints:
            self._print()
        if self._carry.on:
            self._carry.sort(status == Status.FULL)
            host.replies.prune(tail)
        if host.inbox.putters:
            host.inbox.admit()
        if host.outbox.getters:
            host.outbox.wake_getters()
        self._staged = False
        if status >= _FULL:
            self._unusual(status)
        elif inport.head != tail:
            if not inport.armed:
                self.poke()
        elif self._waits:
            self._idle()

    def _unusual(self, status: int) -> None:
        block = self.block
        assert block is not None
        if status != Status.FULL:
            self._after[Status(status)]()
        elif block.q8[words.PRODUCED] != block.output_words[HEAD]:
            self._staged = True
            self.host.outbox.set_gate(get=ROOM)
            self.host.outbox.on_room = self._room
        elif not self.inport.armed:  # they were replies, and found their way
            self.poke()

    def _sampled(self) -> None:
        """The message that is being timed has been handled."""
        inport = self.inport
        if inport.sample_time:
            self.host.meter.latencies.add(perf_counter() - inport.sample_time)
        inport.sample_at = next_sample(max(inport.sample_at, inport.head - 1))
        inport.sample_time = 0.0

    def _room(self) -> None:
        """A client took a message while the actor waited for room."""
        self.host.outbox.on_room = None
        self.host.outbox.clear_gate(get=ROOM)
        if not self.gate:
            self.poke()

    def _print(self) -> None:
        assert self.block is not None
        text = self.block.take_log()
        if text is not None and self.block.program.emit is not None:
            self.block.program.emit(text)

    def _idle(self) -> None:
        """The queue is empty: wait for the actor's own time-out, or end its loop."""
        block = self.block
        assert block is not None
        if self._exit == _DRAIN:
            self._drained()
            return
        self._alarm.set(block.f8[words.TIMEOUT])

    def _late(self) -> None:
        """The actor's ``receive`` has waited long enough."""
        block = self.block
        if not self.gate and block is not None and self.inport.head == self._taken:
            block.u4[words.EVENT] = Event.TIMEOUT
            self._step()

    # --- long work -------------------------------------------------------------------------

    def _preempted(self) -> None:
        """The fuel is used up: by many messages, or by one that takes long."""
        if self._done:
            self.poke()
        else:
            self._offload()

    def _offload(self) -> None:
        """Let a worker run the next burst."""
        block = self.block
        assert block is not None
        limit = self._carry.open(self.pace.worker_limit())
        block.i8[words.FUEL] = -1
        self.gate |= BUSY
        self.inport.armed = 1
        self.pool.submit(lambda: self._work(block, limit))

    def _work(self, block: NativeBlock, limit: int) -> None:
        """On a worker thread: one burst without the GIL."""
        began = perf_counter()
        status = block.burst_free(words.pointer(block.address), words.count(limit))
        tell(self.host.loop, self._worked, block, status, perf_counter() - began)

    def _worked(self, block: NativeBlock, status: int, seconds: float) -> None:
        if self.block is not block or self.gate & AWAY:
            return
        self.gate &= ~BUSY
        self.inport.armed = 0
        if self._resting is not None and not self._resting.done():
            self._resting.set_result(None)
        if status == Status.PREEMPTED:
            status = Status.STOPPED
        self.after(status, seconds)

    def _stopped(self) -> None:
        """A burst was stopped in the middle of a message, which is as if it had not begun."""
        assert self.block is not None
        self.block.u4[words.STOP] = 0
        if self._surrender is not None:
            self._give_up(self._surrender)
        elif self._exit == _NOW:
            self._finish()
        elif not self.gate:
            self.poke()

    async def _at_rest(self, patience: float) -> None:
        """Wait until no worker runs the actor; after ``patience`` seconds, stop it."""
        block = self.block
        while self.gate & BUSY and block is not None and self.block is block:
            self._resting = self.host.loop.create_future()
            await asyncio.wait([self._resting], timeout=patience)
            if not self._resting.done():
                block.u4[words.STOP] = 1
                await self._resting

    # --- what compiled code cannot do ------------------------------------------------------

    def _leave(self) -> dict[str, Any]:
        """End running bursts; returns the variables."""
        block = self.block
        assert block is not None
        self.settle()
        self._print()
        block.publish()
        self.gate |= AWAY
        self._alarm.cancel()
        return block.values()

    def _replay(self) -> None:
        """An exception left the loop: the interpreter replays the message and raises it."""
        assert self.block is not None
        self._to_interpreter(self.block.report(), failing=True)

    def _deoptimise(self) -> None:
        assert self.block is not None
        self._to_interpreter(self.block.report(), failing=False)

    def _to_interpreter(self, reason: str, *, failing: bool) -> None:
        state = self._leave()
        self.host.hand_over(state, reason, failing=failing)
        self.block = None

    def pass_on(self, successor: PythonEngine) -> None:
        """Tell the engine that takes over what this one had been told."""
        if self.gate & PAUSED:
            successor.paused, successor.usual = True, False
        if self._exit != _STAY:
            successor.begin_exit(drain=self._exit == _DRAIN)

    async def surrender(self, reason: str) -> None:
        """Let the interpreter take over, between two messages."""
        if self.block is None:
            return
        self._surrender = reason
        await self._at_rest(_PATIENCE)
        if self.block is not None:
            self._give_up(reason)

    def _give_up(self, reason: str) -> None:
        self._to_interpreter(reason, failing=False)

    def _grow(self) -> None:
        assert self.block is not None
        if self.block.grow_output():
            self.outport.buffer = self.block.output.memory.bytes
            self.outport.mask = self.block.output_words[MASK]
            self.poke()
        else:
            self._give_up("one message sends more messages than can be held")

    def _log_full(self) -> None:
        assert self.block is not None
        if self.block.q8[words.LOG_USED] == 0:
            self.block.grow_log()
        self.poke()

    # --- pausing and ending ----------------------------------------------------------------

    async def pause(self) -> None:
        """Run no more bursts; one under way comes to its end, or is stopped."""
        self.gate |= PAUSED
        if self._inner is not None:
            await self._inner.pause()
        await self._at_rest(_PATIENCE)

    def unpause(self) -> None:
        """Go on."""
        self.gate &= ~PAUSED
        if self._inner is not None:
            self._inner.unpause()
        if self.block is not None and not self.gate:
            self.poke()

    def begin_exit(self, *, drain: bool) -> None:
        """End the actor."""
        self._exit = _DRAIN if drain else _NOW
        self._waits = True
        self.gate &= ~PAUSED
        if not drain:
            self.hurry()
        elif self._inner is not None:
            self._inner.begin_exit(drain=not self.host.inbox.port.depth())
        elif self.block is None:
            self.compiled()
        elif not self.gate:
            self.poke()

    def _drained(self) -> None:
        """The queue is empty for good: one last time-out, then the end of the loop."""
        block = self.block
        assert block is not None
        if self._flushed:
            self._finish()
            return
        self._flushed = True
        block.u4[words.TERMINATING] = 1
        block.u4[words.EVENT] = Event.TIMEOUT
        self._step()

    def hurry(self) -> None:
        """End now, except for the message in hand."""
        self._exit = _NOW
        if self._inner is not None:
            self._inner.hurry()
        elif self.gate & BUSY:
            assert self.block is not None
            self.block.u4[words.STOP] = 1
        elif self.block is not None:
            self._finish()
        elif self.known_state is not None:
            self._interpret_rest(self.known_state)

    def _returned(self) -> None:
        self._leave()
        self.block = None
        self.host.use_objects()
        self.host.ended()

    def _finish(self) -> None:
        """The loop is over: the epilogue is the interpreter's."""
        state = self._leave()
        self.block = None
        self._interpret_rest(state)

    def _interpret_rest(self, state: dict[str, Any]) -> None:
        self.gate |= AWAY
        self.host.use_objects()
        self._inner = PythonEngine(self.host)
        self._inner.finish_with(state, exiting=self._exit != _STAY)
        if self._exit == _NOW:
            self._inner.hurry()

    async def kill(self) -> list[Any]:
        """Give up on the actor."""
        if self._inner is not None:
            return await self._inner.kill()
        block = self.block
        if block is not None:
            if self.gate & BUSY:
                block.u4[words.STOP] = 1
                _abandoned.append(block)
            self.gate |= AWAY
        return []

    def settle(self) -> None:
        """Bring the meter up to date with the counters of the compiled code."""
        block, meter = self.block, self.host.meter
        if block is None:
            return
        q8 = block.q8
        meter.busy += self.inline_busy
        self.inline_busy = 0.0
        now = (q8[words.PROCESSED], q8[words.SENT], q8[words.REJECTED], q8[words.TIMEOUTS])
        old, self._settled = self._settled, now
        meter.processed += now[0] - old[0]
        meter.sent += now[1] - old[1]
        meter.rejected += now[2] - old[2]
        meter.timeouts += now[3] - old[3]
        self.inport.count_dropped(q8[words.SKIPPED])
