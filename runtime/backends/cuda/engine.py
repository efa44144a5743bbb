"""The ``cuda`` backend: runs a compiled actor on a device, where it stays while there is work.

Input: the actor's plan with its program, and the runtime's ``Residents``.  Output: messages handled
by the device.

A residency is to this engine what a burst on a worker thread is to the native one: it is
``BUSY``, and ends with the same statuses, which are dealt with by the same code.  The differences
are here: messages move while it is going on (``look``), it is asked to leave rather than given a
number of messages, and it can die.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any

from pydotcompute.backends.barrier import guarded
from pydotcompute.backends.base import Failure, Host
from pydotcompute.backends.compiled import actor_words as words
from pydotcompute.backends.compiled.block import Block
from pydotcompute.backends.compiled.engine import CompiledEngine
from pydotcompute.backends.compiled.lifecycle import AWAY, BUSY, STAY, abandoned
from pydotcompute.backends.compiled.queue_migration import rings_for
from pydotcompute.backends.cuda.block import BUSY_NS, FOREVER, LEAVE, PEAK, CudaBlock, Pieces
from pydotcompute.backends.cuda.reply_routing import LiveConsumer, LiveRouting
from pydotcompute.backends.cuda.residency import Residents
from pydotcompute.backends.device import DeviceFault, Kernel
from pydotcompute.backends.program import NativeProgram
from pydotcompute.compiler.abi import Leave
from pydotcompute.errors import BackendUnavailableError, QueueTimeoutError
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.port import nothing
from pydotcompute.queues.port_words import HEAD, TAIL

PULL_SECONDS = 30e-6
"""How long a client that finds nothing looks at the device's words before it suspends."""
HELD = 8
"""A bit of ``run_flags``: requests are about to be put."""


class CudaEngine(CompiledEngine):
    """Runs one compiled actor on a device.

    Args:
        host: the actor.
        residents: who is on the device.
    """

    name = "cuda"
    consumer = LiveConsumer
    block: CudaBlock | None
    _routing: LiveRouting

    def __init__(self, host: Host, residents: Residents) -> None:
        super().__init__(host)
        self.residents = residents
        self.kernel: Kernel
        self._left: CudaBlock | None = None
        self._head = 0
        self._busy = 0.0
        self._known = False
        self._requests = self._turns = 0

    def _new_block(self, program: NativeProgram) -> Block:
        residents = self.residents
        self.kernel = residents.device.load(program.library, program.lanes.count)
        mapped, local = Pieces(residents.mapped), Pieces(residents.local)
        return CudaBlock(program, *rings_for(self.host, program, mapped), mapped, local)

    def _prepare(self, block: Any, ring: HostProducer, out: HostConsumer) -> None:
        self._routing = LiveRouting(block, out, self.host.replies)
        assert isinstance(out, LiveConsumer)
        out.first = self._refresh
        self._head = block.output.port[HEAD]
        self._known = False
        self.residents.enrol(self)
        if not self._routing.live:
            self.host.request_gate = self._rest_for_request

    def _refresh(self) -> bool:
        """As ``LiveRouting.refresh``, for clients that are about to take a message."""
        if self._edges is not None:
            return True  # what is in the slots is for other actors
        try:
            return self._routing.refresh()
        except Exception as error:
            self.host.crashed(error)
            return True

    # --- running ---------------------------------------------------------------------------

    def wake(self) -> None:
        """There may be something to do: launch in the next turn of the event loop, or look."""
        if self.run_flags & BUSY:
            self.inport.wake_suppressed = 1
            self.residents.rouse()
        else:
            super().wake()

    def _step(self) -> None:
        """Reside, if there is a reason to."""
        block = self.block
        assert block is not None
        if (
            self.inport.head == self._taken and not self._staged and not block.u4[words.EVENT]
            and (self._known or not self._waits)
        ):  # fmt: skip
            if self._waits:
                self._idle()
            return
        if self._edges is not None:
            self._turns = self._edges.allowed(FOREVER, worker=True)
            if self._turns <= 0:
                return
        self.run_flags |= BUSY
        self.inport.wake_suppressed = 1
        self.residents.ask(self)

    def prepare(self) -> int | None:
        """The launch comes now; returns the address of the record, or None after a fault."""
        try:
            return self._prepare_launch()
        except Exception as error:
            self.host.crashed(error)
            return None

    def _prepare_launch(self) -> int:
        block, terms = self.block, self.residents.terms
        assert block is not None
        routed = self._edges is not None
        budget = self._turns if routed else self._routing.open(FOREVER)
        stays = terms.residency is None and not self._waits and self._exit == STAY and not routed
        self._busy = 0.0
        block.begin(FOREVER if stays else round(terms.idle * 1e9), budget)
        if self._exit != STAY or routed or (self._routing.on and not self._routing.live):
            self.order(Leave.WHEN_IDLE)
        return block.record_address

    def order(self, leave: Leave) -> None:
        """Ask the actor to leave."""
        block = self.block
        if block is not None and block.record4[LEAVE] < leave:
            block.record4[LEAVE] = leave

    def run_inline(self) -> bool:
        """Look for news, for some microseconds; True if messages may have moved."""
        if self.block is None or self.run_flags & AWAY:
            return False
        try:
            if not self.run_flags and (self.inport.head != self._taken or self._staged):
                self._step()
            if not self.run_flags & BUSY:
                return False
            self.residents.dispatch()
            until = perf_counter() + PULL_SECONDS
            while not self.residents.look_at((self,)):
                if perf_counter() > until:
                    self.residents.rouse()
                    return False
        except Exception as error:
            self.host.crashed(error)
        return True

    def look(self) -> bool:
        """See what the device has done; True if there was anything."""
        try:
            return self._look()
        except Exception as error:
            self.host.crashed(error)
            return True

    def _look(self) -> bool:
        block = self.block
        if block is None:
            return self._abandoned()
        parked = block.parked
        if self._edges is None:
            self._routing.credit()
        head, tail = block.output.port[HEAD], self.inport.words[TAIL]
        if parked:
            self._ended(block)
            return True
        if head == self._head and tail == self._taken:
            return False
        self._head = head
        self._account(self._seconds(block))
        if self._routing.on and self._routing.live and self._edges is None:
            self._sort(False)
        self._notify()
        return True

    def _progress(self, done: int, seconds: float) -> None:
        inport, block = self.inport, self.block
        assert block is not None
        inport.peak = max(inport.peak, min(block.record[PEAK], inport.bound))

    @guarded
    def settle(self) -> None:
        """Bring the meter up to date."""
        self.residents.look_at((self,))
        self._count()

    def _ended(self, block: CudaBlock) -> None:
        """A residency is over."""
        block.loaded()
        block.u4[words.STOP] = 0
        self._known = True
        self.residents.parked(self)
        if block.program.resolve is not None:
            block.make_texts(self._head)
        self._head = block.output.port[HEAD]
        self._worked(block, block.i4[words.STATUS], self._seconds(block))

    def _seconds(self, block: CudaBlock) -> float:
        """What this residency has worked since the last look."""
        before, self._busy = self._busy, block.record[BUSY_NS] * 1e-9
        return self._busy - before

    def _rests(self, block: Block) -> bool:
        """Whether the device leaves the memory alone; if not, the actor is asked to park."""
        rests = super()._rests(block)
        if not rests:
            self.host.loop.call_soon_threadsafe(self._ask_to_park)
        return rests

    def _ask_to_park(self) -> None:
        if self.run_flags & BUSY:
            self.order(Leave.NOW)
            self.residents.rouse()

    def _offload(self) -> None:
        self._step()

    def _abandoned(self) -> bool:
        """Nobody waits for this residency any more."""
        for block in list(abandoned):
            if isinstance(block, CudaBlock) and block is self._left and block.parked:
                abandoned.remove(block)
                self.residents.parked(self)
                block.release()
                return True
        return False

    # --- resting and ending ----------------------------------------------------------------

    def _withdraw(self) -> None:
        """It has not been launched, and need not be."""
        if self.residents.withdraw(self):
            self.run_flags &= ~BUSY
            self.inport.wake_suppressed = 0

    async def _at_rest(self, patience: float) -> None:
        self._withdraw()
        self.order(Leave.NOW)
        if self.run_flags & BUSY:
            self.residents.rouse()
        await super()._at_rest(patience)

    @asynccontextmanager
    async def _rest_for_request(self, deadline: float | None) -> AsyncIterator[None]:
        """Where the bound depends on who waits for what, the device is told so before: nothing runs
        until all requests that are about to be put have been.

        Args:
            deadline: when, by the event loop's clock, the request has waited long enough.

        Raises:
            QueueTimeoutError: the actor has been busy with a message until then.
        """
        self._requests += 1
        self.run_flags |= HELD
        try:
            await self._at_rest_before(deadline)
            yield
        finally:
            self._requests -= 1
            if not self._requests:
                self.run_flags &= ~HELD
                if self.block is not None and not self.run_flags:
                    self.wake()

    async def _at_rest_before(self, deadline: float | None) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._at_rest(1e9)
        except TimeoutError:
            self.host.meter.timeouts += 1
            raise QueueTimeoutError(
                f"kernel {self.host.kernel_id!r} was busy with a message for all the time that "
                "the request had"
            ) from None
        except Exception as error:
            self.host.crashed(error)

    @guarded
    def begin_exit(self, *, drain: bool) -> None:
        """End the actor."""
        super().begin_exit(drain=drain)
        self.order(Leave.WHEN_IDLE)
        self.residents.rouse()

    @guarded
    def hurry(self) -> None:
        """End now, except for the message in hand."""
        self._withdraw()
        super().hurry()
        self.order(Leave.NOW)
        self.residents.rouse()

    def _depart(self) -> None:
        block = self.block
        super()._depart()
        self.residents.leave(self)
        self.host.request_gate = None
        if isinstance(block, CudaBlock):  # once the messages have been taken out of it
            self.host.loop.call_soon(block.release)

    def _reload(self) -> None:
        block = self.block
        assert block is not None
        block.reload()
        self._head = block.output.port[HEAD]

    async def kill(self) -> list[Any]:
        """Give up on the actor."""
        left = await super().kill()
        self.block = None
        return left

    def _let_go(self) -> None:
        block = self.block
        self._withdraw()
        self.order(Leave.NOW)
        self._left = block
        self.residents.leave(self)
        self.host.request_gate = None
        super()._let_go()
        if block is not None and not self.run_flags & BUSY:  # once the messages are out of it
            self.host.loop.call_soon(block.release)

    def _sort_replies(self) -> None:
        if isinstance(self.outport, LiveConsumer):
            self.outport.first = nothing
        self._routing.refresh()

    @guarded
    def died(self, fault: DeviceFault, *, resident: bool) -> None:
        """The device has died.  What was parked has its state; what was resident has lost it."""
        host, block = self.host, self.block
        if block is None:
            return
        if resident:  # its report is of the residency before
            block.output.forget_unpublished()
        reason = (
            f"the GPU stopped working ({fault}); it can be used again by a new process, and "
            "`pydotcompute doctor` says how to find the cause"
        )
        self.run_flags &= ~BUSY
        if self._lends:
            self._stay(reason)
            return
        state = self._leave()
        self.block = None
        if not resident:
            host.hand_over(state, reason)
            return
        host.plan = replace(host.plan, backend="python", reason=reason, device=None)
        host.use_objects()
        error = BackendUnavailableError(f"while {host.kernel_id!r} was on the GPU, {reason}")
        if self._resting is not None and not self._resting.done():
            self._resting.set_result(None)
        host.failed(Failure(error, None, state))
