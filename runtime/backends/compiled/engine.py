"""What every engine of a compiled actor does before and after a burst.

Input: the outcome of a burst on the host, or of a residency on a device.  Output: counters brought
up to date, replies sorted, those who wait told, and the next step chosen by the status.

Life of an actor here: its prologue runs in the interpreter; its variables are packed; the queues
become rings (``_adopt``); bursts run until the loop ends; its epilogue runs in the interpreter.
What compiled code cannot do (an exception, a value it cannot represent) leaves state and queues as
they were before that message, and the interpreter handles it (``breaks``).
"""

from __future__ import annotations

from typing import Any

from pydotcompute.backends.barrier import guarded
from pydotcompute.backends.base import Host, HostCallError
from pydotcompute.backends.compiled import actor_words as words
from pydotcompute.backends.compiled.block import CRASHED, Block
from pydotcompute.backends.compiled.breaks import CompiledBreaks
from pydotcompute.backends.compiled.edges import Edges
from pydotcompute.backends.compiled.lifecycle import (
    AWAY,
    BUSY,
    DRAIN,
    NOW,
    REROUTED,
    STAY,
    abandoned,
)
from pydotcompute.backends.compiled.receive_timer import ReceiveTimer
from pydotcompute.backends.compiled.reply_routing import ReplyRouting
from pydotcompute.compiler.abi import Event, Status
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.errors import InternalError
from pydotcompute.queues.channel import ROOM
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.port_words import BOUND, HEAD, TAIL
from pydotcompute.support.metrics import take_sample

_FULL = int(Status.FULL)


class CompiledEngine(CompiledBreaks):
    """Runs one compiled actor.

    Args:
        host: the actor.
    """

    _routing: ReplyRouting

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._taken = self._done = 0
        self._staged = self._prints = False
        self._timer = ReceiveTimer(host.loop, self._late)
        self._edges: Edges | None = None
        self._after = {
            Status.LEFT: self._finish, Status.RETURNED: self._returned,
            Status.STOPPED: self._stopped, Status.PREEMPTED: self._preempted,
            Status.FAILED: self._break, Status.DEOPTIMISE: self._break,
            Status.GROW: self._grow, Status.LOG_FULL: self._log_full,
        }  # fmt: skip

    # --- what runs the bursts provides ------------------------------------------------------

    def _prepare(self, block: Any, ring: HostProducer, out: HostConsumer) -> None:
        """What this kind of engine needs, before the first burst."""
        raise self._abstract()

    def run_inline(self) -> bool:
        """Get something done now, if that is allowed; True if messages may have moved."""
        raise self._abstract()

    def _progress(self, done: int, seconds: float) -> None:
        """Messages were handled: note the greatest depth of their queue, and what they cost.

        Args:
            done: how many, at least one.
            seconds: how long that took.
        """
        raise self._abstract()

    def _offload(self) -> None:
        """The next message takes long."""
        raise self._abstract()

    # --- beginning -------------------------------------------------------------------------

    def _begin(self, block: Any, ring: HostProducer, out: HostConsumer) -> None:
        """Memory and queues are ready: run bursts from now on."""
        ring.wake, ring.run_inline, out.run_inline = self.wake, self.run_inline, self.run_inline
        ring.quiet = lambda: not self.run_flags & BUSY
        self.block, self.inport, self.outport = block, ring, out
        block.resting = lambda: self._rests(block)
        self._prepare(block, ring, out)
        self.host.use_rings(ring, out)
        self._edges = None
        self._connect()
        self._taken = ring.tail
        self._prints = block.program.emit is not None
        self._waits = not block.program.silent_timeout or self._exit != STAY
        self.run_flags &= ~AWAY
        ring.wake_suppressed = 0
        self.host.inbox.admit()
        self.wake()

    # --- running ---------------------------------------------------------------------------

    def wake(self) -> None:
        """There may be something to do: run a burst in the next turn of the event loop."""
        self.inport.wake_suppressed = 1
        if not self.run_flags:
            self.host.loop.call_soon(self._turn)

    def _turn(self) -> None:
        if not self.run_flags:
            self.inport.wake_suppressed = 0
            try:
                self._step()
            except Exception as error:
                self.host.crashed(error)

    def after(self, status: int, seconds: float) -> None:
        """Deal with the outcome of a burst.

        Args:
            status: what it returned (``abi.Status``).
            seconds: how long it took.
        """
        try:
            self._after_burst(status, seconds)
        except Exception as error:
            self.host.crashed(error)

    def _after_burst(self, status: int, seconds: float) -> None:
        if status == CRASHED:
            self._raise_fault()
        inport = self.inport
        self._account(seconds)
        if self._prints:
            self._print()
        if self._edges is not None:
            self._deliver(self._edges)
        elif self._routing.on:
            self._sort(status == Status.FULL)
        self._notify()
        self._staged = False
        if status >= _FULL:
            self._unusual(status)
        elif inport.head != self._taken:
            if not inport.wake_suppressed:
                self.wake()
        elif self._waits:
            self._idle()

    def _raise_fault(self) -> None:
        """The host's share of a burst failed: its outputs are not whole, and not to be seen."""
        block = self.block
        assert block is not None
        block.output.forget_unpublished()
        raise block.fault or InternalError("a burst failed")

    def _account(self, seconds: float) -> None:
        """Messages may have been handled."""
        inport = self.inport
        self.host.meter.busy += seconds
        tail = inport.words[TAIL]
        self._done = done = tail - self._taken
        if done:
            self._taken = inport.cached_remote_cursor = tail
            self._progress(done, seconds)
            if self._edges is None:
                self.outport.note_peak()
            if tail > inport.sample_at:
                self.sampled()

    def _sort(self, full: bool) -> None:
        """Replies to their callers; ``full`` as for ``ReplyRouting.sort``."""
        self._routing.sort(full)
        if self._routing.settled():
            self.host.replies.prune(self._taken)
        self.note_drops()

    def _deliver(self, edges: Edges) -> None:
        """Outputs to where they go."""
        edges.deliver()
        if self.host.replies.pending:
            self.host.replies.prune(self._taken)
            self.note_drops()

    def _notify(self) -> None:
        """Tell those who wait for room, or for a message, unless a break is under way."""
        if self._breaking:
            return
        host = self.host
        if host.inbox.putters:
            host.inbox.admit()
        if host.outbox.getters:
            host.outbox.wake_getters()

    def _unusual(self, status: int) -> None:
        block = self.block
        assert block is not None
        if status != Status.FULL:
            self._after[Status(status)]()
            return
        port = block.output.ring.port
        published = port[HEAD]
        full = published - port[TAIL] >= port[BOUND]
        self._staged = block.output.written() != published
        if full and self._staged:
            self.host.outbox.set_gate(get=ROOM)
            self.host.outbox.on_room = self._room
        elif not self.inport.wake_suppressed:  # replies were routed, or there is room again
            self.wake()

    @guarded
    def note_drops(self) -> None:
        """Tell callers of ``request`` whose messages were overtaken; a burst under way may still
        handle one of them, so then it is told after the burst."""
        inport = self.inport
        if inport.drop_oldest and self.host.replies.pending and not self.run_flags & BUSY:
            self.host.replies.drop(inport.consumed(), inport.head - inport.bound)

    def sampled(self) -> None:
        """The message that is being timed has been handled."""
        take_sample(self.inport, self.host.meter)

    def _room(self) -> None:
        """A client took a message while the actor waited for room."""
        self.host.outbox.on_room = None
        self.host.outbox.clear_gate(get=ROOM)
        if not self.run_flags:
            self.wake()

    def _print(self) -> None:
        assert self.block is not None
        text = self.block.take_log()
        if text is not None and self.block.program.emit is not None:
            try:
                self.block.program.emit(text)
            except Exception as error:
                raise HostCallError from error
            finally:
                self.block.shown = 0

    def _halt(self) -> None:
        self._print()
        self._stop()

    def _stop(self) -> None:
        self._timer.cancel()
        self.detach()

    def _idle(self) -> None:
        """The queue is empty: wait for the actor's own time-out, or end its loop."""
        try:
            block = self.block
            assert block is not None
            if self._exit == DRAIN:
                self._drained()
            else:
                self._timer.set(block.f8[words.TIMEOUT])
        except Exception as error:
            self.host.crashed(error)

    @guarded
    def _late(self) -> None:
        """The actor's ``receive`` has waited long enough."""
        block = self.block
        if not self.run_flags and block is not None and self.inport.head == self._taken:
            if not self.host.timed_out():
                self._idle()
                return
            block.u4[words.EVENT] = Event.TIMEOUT
            self._step()

    def is_idle(self) -> bool:
        """Whether the actor waits for a message, and all that it has sent can be received."""
        if self._inner is not None:
            return self._inner.is_idle()
        if self.block is None:
            return self.known_state is not None and self.host.plan.program is None
        return not self.run_flags and self.inport.head == self._taken and not self._staged

    def expire(self) -> None:
        """The actor has waited long enough for its message."""
        if self._inner is not None:
            self._inner.expire()
        else:
            self._late()

    def _sort_replies(self) -> None:
        if self._routing.on and not self.run_flags & BUSY:
            self._routing.sort(False)

    # --- edges -----------------------------------------------------------------------------

    def _connect(self) -> None:
        """Send along the host's edges, if it has any."""
        routes = self.host.routes
        if routes is not None:
            self._routing.close()
            self._edges = Edges(self, routes)
            self._staged = False
            self._deliver(self._edges)

    @guarded
    def rerouted(self) -> None:
        """Edges have been opened or closed: go on."""
        if self.block is not None and not self.run_flags & BUSY:
            if self._edges is None:
                self._connect()
            else:
                self._edges.refresh()
        self.run_flags &= ~REROUTED
        self.come()

    def come(self) -> None:
        """It is this actor's turn in the line of a target's queue, or that is over."""
        routes = self.host.routes
        if self._edges is not None and routes is None and not self.run_flags & BUSY:
            self._edges.end()
            self._edges = None
        if self.block is not None and not self.run_flags:
            self.wake()
        elif routes is not None and not routes.backlog:
            routes.leave_seat()

    def own_room(self) -> None:
        """A client took a message from the output queue, which was full."""
        self._room()

    def leave_compiled(self, reason: str) -> None:
        """Let the interpreter carry on; the actor is not running."""
        self._give_up(reason)

    def _restore_view(self) -> None:
        self._routing.restore_view()

    # --- long work -------------------------------------------------------------------------

    def _preempted(self) -> None:
        """The fuel is used up: by many messages, or by one that takes long."""
        if self._done:
            self.wake()
        else:
            self._offload()

    def _rests(self, block: Block) -> bool:
        """Whether compiled code leaves the memory alone; of an actor that was given up, only the
        outputs that are complete matter."""
        given_up = self.block is not block or self.run_flags & AWAY
        return bool(given_up) or not (self.run_flags & BUSY or block.output.exchanged)

    @guarded
    def _worked(self, block: Block, status: int, seconds: float) -> None:
        if block in abandoned:
            abandoned.remove(block)
        self._routing.restore_view()
        if self.block is not block or self.run_flags & AWAY:
            return
        self.run_flags &= ~BUSY
        self.inport.wake_suppressed = 0
        if STRINGS.collecting:
            STRINGS.collect()
        self._wake_resting()
        if status == Status.PREEMPTED or (self._exit == NOW and status <= _FULL):
            status = Status.STOPPED
        self.after(status, seconds)

    def _stopped(self) -> None:
        """A burst was stopped in the middle of a message, which is as if it had not begun."""
        assert self.block is not None
        self.block.u4[words.STOP] = 0
        if self._surrender is not None:
            self._give_up(self._surrender)
        elif self._exit == NOW:
            self._finish()
        elif not self.run_flags:
            self.wake()
