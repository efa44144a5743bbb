"""The ``native`` backend: runs a compiled actor in bursts, on the host.

Input: the actor's plan with its ``NativeProgram``.  Output: messages handled by compiled code.

Who runs a burst, always under the one run lock that ``run_flags`` is:

1. a caller that finds no output or no room (``run_inline``): at once, on its own stack, a short
   burst;
2. else the event loop, once per turn (``wake``);
3. long work goes to a worker thread without the GIL (``_offload``): what ran out of fuel, or what
   measurement says takes long.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

from pydotcompute.backends.base import Host
from pydotcompute.backends.compiled import actor_words as words
from pydotcompute.backends.compiled.block import CRASHED
from pydotcompute.backends.compiled.engine import CompiledEngine
from pydotcompute.backends.compiled.lifecycle import BUSY
from pydotcompute.backends.compiled.queue_migration import rings_for
from pydotcompute.backends.compiled.reply_routing import ReplyRouting
from pydotcompute.backends.native.block import NativeBlock, count, pointer
from pydotcompute.backends.native.burst_sizing import BurstSizing
from pydotcompute.backends.native.zero_copy import ZeroCopyBatches
from pydotcompute.backends.program import NativeProgram
from pydotcompute.queues.channel import SPECIAL
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.support.worker_pool import Pool, tell

FUEL = 100_000
"""Turns of inner loops a burst on the event loop's thread may make."""


class NativeEngine(CompiledEngine):
    """Runs one compiled actor.

    Args:
        host: the actor.
        pool: threads for long work.
    """

    name = "native"

    def __init__(self, host: Host, pool: Pool) -> None:
        super().__init__(host)
        self.pool = pool
        self.sizing = BurstSizing()

    def _new_block(self, program: NativeProgram) -> Any:
        return NativeBlock(program, *rings_for(self.host, program))

    def _prepare(self, block: Any, ring: HostProducer, out: HostConsumer) -> None:
        self._routing = ReplyRouting(block, out, self.host.replies)
        self._argument = pointer(block.address)
        out.pull_batch = ZeroCopyBatches(self).receive
        self.attach(block, ring, out, block.address, block.burst_address)

    def run_inline(self) -> bool:
        """Run a short burst now, if that is allowed; True if messages may have moved."""
        if self.run_flags or self.sizing.long:
            return False
        if self.inport.head == self._taken and not self._staged and not self._pull():
            return False
        try:
            self._step()
        except Exception as error:
            self.host.crashed(error)
        return True

    def _pull(self) -> bool:
        """Let those who send to this actor run; True if it has got something."""
        for link in self.host.inflows:
            link.source.outbox.port.run_inline()
        return self.inport.head != self._taken and not self.run_flags

    def _step(self) -> None:
        block = self.block
        assert block is not None
        sizing = self.sizing
        if sizing.long and self.inport.head != self._taken:
            self._offload()
            return
        argument = sizing.argument
        if self._edges is not None:
            most = self._edges.allowed(sizing.limit)
            if most <= 0:
                return
            argument = count(most)
        elif self._routing.on or self.outport.get_slow_path & SPECIAL:
            argument = count(self._routing.open(sizing.limit))
        block.i8[words.FUEL] = FUEL
        began = perf_counter()
        status = block.burst(self._argument, argument)
        self.after(status, perf_counter() - began)

    def _progress(self, done: int, seconds: float) -> None:
        inport = self.inport
        waiting = inport.head - inport.cached_remote_cursor + done
        if waiting > inport.peak:
            inport.peak = min(waiting, inport.bound)
        self.sizing.handled(done, seconds)

    # --- long work -------------------------------------------------------------------------

    def _offload(self) -> None:
        """Let a worker run the next burst."""
        block = self.block
        assert block is not None
        limit = self.sizing.worker_limit()
        if self._edges is None:
            limit = self._routing.open(limit, worker=True)
        else:
            limit = self._edges.allowed(limit, worker=True)
            if limit <= 0:
                return
            self._routing.freeze_view()
        block.i8[words.FUEL] = -1
        self.run_flags |= BUSY
        self.inport.wake_suppressed = 1
        self.pool.submit(lambda: self._work(block, limit))

    def _work(self, block: NativeBlock, limit: int) -> None:
        """On a worker thread: one burst without the GIL."""
        began = perf_counter()
        try:
            status = block.burst_free(pointer(block.address), count(limit))
        except Exception as error:
            block.fault, status = error, CRASHED
        tell(self.host.loop, self._worked, block, status, perf_counter() - began)
