"""The life of a compiled actor: how it begins, pauses, hands over and ends.

Input: transitions from the host, and statuses of bursts that end something.  Output: memory and
queues for the bursts (``engine``) to work on, and back again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from pydotcompute.accel.storage import EngineStorage
from pydotcompute.backends.barrier import guarded, guarded_wait
from pydotcompute.backends.base import Failure, Host, Interpreter, Replay
from pydotcompute.backends.compiled import actor_words as words
from pydotcompute.backends.compiled.block import Block
from pydotcompute.backends.compiled.queue_migration import take_over
from pydotcompute.backends.program import NativeProgram
from pydotcompute.backends.python.engine import PythonEngine
from pydotcompute.compiler.abi import Event
from pydotcompute.compiler.host.coroutine import RETURNED
from pydotcompute.compiler.types.identity import LostIdentityError
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.errors import InternalError
from pydotcompute.messages.slots import UnrepresentableMessage
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer

log = logging.getLogger("pydotcompute.kernel")

BUSY, PAUSED, AWAY, REROUTED, RESTS = 1, 2, 4, 16, 64
"""Bits of ``run_flags``: a worker runs it; paused; there is nothing to run (yet, any more); its
edges are about to change; it rests.  8 is ``cuda``'s, 32 is ``breaks``'s."""
STAY, DRAIN, NOW = 0, 1, 2
"""Whether the actor is to end."""
PATIENCE = 0.02
"""Seconds ``pause`` waits for a worker's burst before it is stopped in the middle."""
abandoned: list[Block] = []
"""Memory of actors that did not stop: a thread may still be writing to it."""


def packed(program: NativeProgram, state: Mapping[str, Any], block: Block) -> bool:
    """Put variables into their record; False for a value of another type than was foreseen."""
    try:
        sweep = -1
        while sweep != STRINGS.sweeps[0]:  # see string_table: ids in hand
            sweep = STRINGS.sweeps[0]
            program.pack_state(state, block.state)
    except LostIdentityError:
        raise
    except Exception:
        return False
    return True


class CompiledLife(EngineStorage):
    """Everything about a compiled actor but the running of bursts.

    Args:
        host: the actor.
    """

    name: str
    interprets = False
    consumer: type[HostConsumer] = HostConsumer
    """The host's end of the ring that the actor writes."""
    inport: HostProducer
    outport: HostConsumer

    def __init__(self, host: Host) -> None:
        self.host = host
        self.run_flags = AWAY
        self.known_state: dict[str, Any] | None = None
        self.block: Any = None
        self._inner: PythonEngine | None = None
        self._exit, self._flushed, self._recompiled = STAY, False, False
        self._resumed = False
        self._waiting_interpreted = False
        self.host_variables: dict[str, Any] = {}
        self._waits = False
        self._surrender: str | None = None
        self._settled = (0, 0, 0, 0)
        self._resting: asyncio.Future[None] | None = None

    # --- what the running of bursts provides -----------------------------------------------

    def _new_block(self, program: NativeProgram) -> Any:
        """Memory for the actor."""
        raise self._abstract()

    def _begin(self, block: Any, ring: HostProducer, out: HostConsumer) -> None:
        """Run bursts from now on."""
        raise self._abstract()

    def wake(self) -> None:
        """Run a burst in the next turn of the event loop."""
        raise self._abstract()

    def _step(self) -> None:
        raise self._abstract()

    def _halt(self) -> None:
        """Run no bursts any more: print what is to be printed, set no timers."""
        raise self._abstract()

    def _stop(self) -> None:
        """Run no bursts any more, whatever state they have left."""
        raise self._abstract()

    def _sort_replies(self) -> None:
        """Give the replies among the outputs to their callers."""
        raise self._abstract()

    def _restore_view(self) -> None:
        """Let clients see all outputs, those of a burst under way included."""
        raise self._abstract()

    def _abstract(self) -> Exception:
        return InternalError(f"{type(self).__name__} runs no bursts")

    # --- beginning -------------------------------------------------------------------------

    @guarded
    def start(self) -> None:
        """Run the prologue; the loop follows."""
        self._inner = PythonEngine(self.host)
        self._inner.run_prologue(self._prologue_done)

    @guarded
    def resume(self, state: dict[str, Any]) -> None:
        """Run the loop from a state."""
        self.known_state, self._resumed = state, True
        self.compiled()

    def _prologue_done(self, values: Any) -> None:
        inner, self._inner = self._inner, None
        if values is RETURNED:
            self.host.ended()
            return
        self.known_state = values
        if not self.host.begun(values):
            return
        if inner is not None and inner.terminating:  # nothing is left to be handled
            self._interpret_rest(values)
        else:
            self.compiled()

    @guarded
    def compiled(self) -> None:
        """A plan has been made, or the variables have become known: go on if both are there."""
        if self.known_state is None or self.block is not None:
            return
        plan, split = self.host.plan, self.host.split
        if self._waiting_interpreted:
            return
        if plan.backend == "python":
            self.host.hand_over(self.known_state, plan.reason or "", told=True)
        elif plan.program is not None:
            self._adopt(self.known_state)
        elif self.host.spec.input_types:
            self._recompile(self.known_state)
        elif self._exit != STAY:
            self._interpret_rest(self.known_state)
        elif not split.silent_timeout and split.receives_first:
            self._wait_interpreted(self.known_state)

    def _wait_interpreted(self, state: dict[str, Any]) -> None:
        """Let the interpreter wait for the first message: its time-outs are to be seen."""
        self._waiting_interpreted, self._inner = True, PythonEngine(self.host)
        self._inner.resume(state)

    @guarded
    def expect(self) -> None:
        """The first message is about to be put: it is for compiled code."""
        if self._waiting_interpreted and self._inner is not None:
            self._inner.hand_back(self._handed_back)

    def _handed_back(self, state: dict[str, Any]) -> None:
        self._waiting_interpreted, self._inner, self.known_state = False, None, state
        if self.host.plan.backend != "pending":
            self.compiled()

    def _recompile(self, state: dict[str, Any]) -> None:
        if self._recompiled:
            reason = self.host.plan.reason or "its variables have no compiled form"
            self.host.hand_over(state, reason)
            return
        self._recompiled = True
        self.host.recompile_later(state)

    def _adopt(self, state: dict[str, Any]) -> None:
        """Put variables and queued messages into memory, and begin to run bursts."""
        program = self.host.plan.program
        assert program is not None
        try:
            block = self._new_block(program)
            # after a failure, the values are those of an interpreted message, perhaps
            exact = not self._resumed or program.holds(state)
            fits = exact and packed(program, state, block)
            if fits:
                ring, out = take_over(self.host, block, self.consumer)
        except LostIdentityError as error:
            self.host.hand_over(state, str(error))
            return
        except UnrepresentableMessage:
            self.host.hand_over(state, "a queued message has no compiled form")
            return
        except Exception as error:  # ours, or the device's: the actor has lost nothing
            log.exception("kernel %r could not begin as compiled code", self.host.kernel_id)
            reason = f"it could not begin ({type(error).__name__}: {error}); please report this"
            self.host.hand_over(state, reason)
            return
        if not fits:
            self._recompile(state)
            return
        kept = program.host_variables
        self.host_variables = {name: state[name] for name in kept if name in state}
        self._begin(block, ring, out)
        self.known_state = None  # from now on the block has it

    # --- what compiled code cannot do ------------------------------------------------------

    def _leave(self) -> dict[str, Any]:
        """End running bursts; returns the variables."""
        state: dict[str, Any] = self.host_variables | self.block.values()
        self._depart()
        return state

    def _depart(self) -> None:
        """End running bursts."""
        self.settle()
        self._halt()
        self.block.output.publish()
        self.run_flags |= AWAY

    @property
    def _lends(self) -> bool:
        """Whether the interpreter has the actor, and gives it back."""
        return False

    def _give_up(self, reason: str) -> None:
        """The interpreter takes over for good."""
        replay = Replay(bool(self.block.u4[words.EVENT]))
        state = self._leave()
        self.host.hand_over(state, reason, replay=replay)
        self.block = None

    def pass_on(self, successor: Interpreter) -> None:
        """Tell the engine that takes over what this one had been told."""
        if self.run_flags & PAUSED:
            successor.begin_paused()
        if self.run_flags & RESTS:
            successor.begin_held()
        if self._exit != STAY:
            successor.begin_exit(drain=self._exit == DRAIN)

    @guarded_wait
    async def surrender(self, reason: str) -> None:
        """Let the interpreter take over, between two messages."""
        if self.block is None:
            return
        self._surrender = reason
        await self._at_rest(PATIENCE)
        if self.block is not None:
            self._give_up(reason)

    @guarded_wait
    async def hold(self) -> None:
        """Run no more bursts until ``rerouted``."""
        self.run_flags |= REROUTED
        await self._at_rest(PATIENCE)

    async def rest(self) -> None:
        """Run no more bursts until ``go_on``; what is interpreted is finished first."""
        self.run_flags |= RESTS
        while self.run_flags & RESTS and not self.rests:
            inner = self._inner
            if inner is not None:
                await inner.rest()
            await self._at_rest(PATIENCE)

    def runs_in(self, task: object) -> bool:
        """Whether a task is the one that interprets a message now."""
        return self._inner is not None and self._inner.runs_in(task)

    @property
    def rests(self) -> bool:
        """Whether nothing of the actor runs."""
        inner = self._inner
        quiet = self.run_flags & RESTS and not self.run_flags & BUSY
        return bool(quiet) and (inner is None or inner.rests)

    def go_on(self) -> None:
        """The end of ``rest``."""
        self.run_flags &= ~RESTS
        if self._inner is not None:
            self._inner.go_on()
        if self.block is not None and not self.run_flags:
            self.wake()

    def state_at_rest(self) -> dict[str, Any] | None:
        """The actor's variables."""
        if self._inner is not None:
            return self._inner.state_at_rest()
        if self.block is not None:
            values: dict[str, Any] = self.host_variables | self.block.values()
            return values
        return self.known_state

    def _grow(self) -> None:
        assert self.block is not None
        if self.block.grow_output():
            self.outport.remap()
            self.wake()
        else:
            self._give_up("one message sends more messages than can be held")

    def _log_full(self) -> None:
        assert self.block is not None
        if self.block.q8[words.LOG_USED] == 0:
            self.block.grow_log()
        self.wake()

    # --- pausing and ending ----------------------------------------------------------------

    @guarded_wait
    async def pause(self) -> None:
        """Run no more bursts; one under way comes to its end, or is stopped."""
        self.run_flags |= PAUSED
        if self._inner is not None:
            await self._inner.pause()
        await self._at_rest(PATIENCE)

    async def _at_rest(self, patience: float) -> None:
        """Wait until no worker runs the actor; after ``patience`` seconds, stop it."""
        block = self.block
        while self.run_flags & BUSY and block is not None and self.block is block:
            if self._resting is None or self._resting.done():
                self._resting = self.host.loop.create_future()  # for all who wait
            resting = self._resting
            await asyncio.wait([resting], timeout=patience)
            if not resting.done():
                block.u4[words.STOP] = 1
                await asyncio.wait([resting])

    @guarded
    def unpause(self) -> None:
        """Go on."""
        self.run_flags &= ~PAUSED
        if self._inner is not None:
            self._inner.unpause()
        if self.block is not None and not self.run_flags:
            self.wake()

    @guarded
    def begin_exit(self, *, drain: bool) -> None:
        """End the actor."""
        self._exit = DRAIN if drain else NOW
        self._waits = True
        self.run_flags &= ~PAUSED
        if not drain:
            self.hurry()
        elif self._inner is not None:
            empty = not self.host.inbox.port.depth()
            takes = self._waiting_interpreted or self._lends
            self._inner.begin_exit(drain=takes or empty)
        elif self.block is None:
            self.compiled()
        elif not self.run_flags:
            self.wake()

    def _drained(self) -> None:
        """The queue is empty for good: one last time-out, then the end of the loop."""
        block = self.block
        assert block is not None
        if self._flushed:
            self._finish()
            return
        self._flushed = True
        self.host.ending()
        block.u4[words.TERMINATING] = 1
        block.u4[words.EVENT] = Event.TIMEOUT
        self._step()

    @guarded
    def hurry(self) -> None:
        """End now, except for the message in hand."""
        self._exit = NOW
        if self._inner is not None:
            self._inner.hurry()
        elif self.run_flags & BUSY:
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
        self.host.ending()
        state = self._leave()
        self.block = None
        self._interpret_rest(state)

    def _interpret_rest(self, state: dict[str, Any]) -> None:
        self.run_flags |= AWAY
        self.host.use_objects()
        self._inner = PythonEngine(self.host)
        self._inner.finish_with(state, exiting=self._exit != STAY)
        if self._exit == NOW:
            self._inner.hurry()

    async def kill(self) -> list[Any]:
        """Give up on the actor."""
        if self._inner is not None:
            return await self._inner.kill()
        self._let_go()
        return []

    def _let_go(self) -> None:
        """Run nothing any more; what a worker runs is told to stop, and not waited for."""
        block = self.block
        if block is not None:
            if self.run_flags & BUSY:
                block.u4[words.STOP] = 1
                abandoned.append(block)
                self._restore_view()
            self.run_flags |= AWAY

    def abandon(self, error: Exception) -> Failure:
        """The engine has failed: run nothing any more."""
        if self._inner is not None:
            inner, self._inner = self._inner, None
            self.run_flags |= AWAY
            return inner.abandon(error)
        block, busy = self.block, self.run_flags & BUSY
        failure = Failure(error, None, self.known_state or {}, self.known_state is not None)
        self._surrender = self.known_state = None
        if block is None:
            self.run_flags |= AWAY
            return failure
        for step in (self._sort_replies, self._count, self._let_go, self._stop):
            try:
                step()
            except Exception:
                log.exception("kernel %r could not be ended in order", self.host.kernel_id)
        self.run_flags |= AWAY
        self.block = None
        self._wake_resting()
        try:
            failure.state, failure.state_known = ({}, False) if busy else (block.values(), True)
        except Exception:
            failure.state, failure.state_known = {}, False
        return failure

    def _wake_resting(self) -> None:
        """No worker runs the actor: tell those who wait for that."""
        if self._resting is not None and not self._resting.done():
            self._resting.set_result(None)

    @guarded
    def settle(self) -> None:
        """Bring the meter up to date with the counters of the compiled code."""
        self._count()

    def _count(self) -> None:
        block, meter = self.block, self.host.meter
        if block is None:
            return
        q8 = block.q8
        meter.busy += self.inline_busy
        self.inline_busy = 0.0
        for seconds in self.take_latencies():
            meter.latencies.add(seconds)
        now = (q8[words.PROCESSED], q8[words.SENT], q8[words.REJECTED], q8[words.TIMEOUTS])
        old, self._settled = self._settled, now
        meter.processed += now[0] - old[0]
        meter.sent += now[1] - old[1]
        meter.rejected += now[2] - old[2]
        meter.timeouts += now[3] - old[3]
        self.inport.count_dropped(q8[words.SKIPPED])
        self.outport.skip()
