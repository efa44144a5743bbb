"""Batches that never pass through the rings: from the sender's array into the receiver's.

Input: a waiting ``receive_many``, and what is queued: records in the rings, then the array of the
``send_many`` that waits first in line.  Output: the array ``receive_many`` returns, written by the
compiled code itself.

The actor's two ports are exchanged for the time of a burst: ports laid over arrays, with counters
that start at 0 and a mask of all ones.  As many messages are handled as surely fit, so such a
burst never ends for want of room.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any, Final, Protocol

import numpy as np

from pydotcompute.backends.base import Host
from pydotcompute.backends.compiled import actor_words as words
from pydotcompute.backends.native.block import NativeBlock, count, pointer
from pydotcompute.backends.native.burst_sizing import BurstSizing
from pydotcompute.compiler.abi import PORT, Policy
from pydotcompute.errors import DurabilityError
from pydotcompute.messages.string_batches import as_string_batch
from pydotcompute.queues.channel import KEYED, PARKED, ROOM, ROUTED, SPECIAL
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.memory import Memory
from pydotcompute.queues.port_words import BOUND, CAPACITY, HEAD, MASK, POLICY, SLOTS, SOURCE, TAIL
from pydotcompute.queues.putters import PutBatch

ALL: Final = (1 << 64) - 1
SECONDS = 2e-3
"""Longest burst on the event loop's thread."""
_UNUSUAL = PARKED | ROUTED | SPECIAL | KEYED
FUEL = 4_000_000
"""Turns of inner loops such a burst may make."""


class Bursts(Protocol):
    """What is asked of the engine here: its memory and queues, and to deal with a burst."""

    run_flags: int
    block: Any
    inport: HostProducer
    outport: HostConsumer
    host: Host
    sizing: BurstSizing

    def after(self, status: int, seconds: float) -> None:
        """Deal with the outcome of a burst."""
        ...


class ZeroCopyBatches:
    """The two ports over arrays of one actor.

    Args:
        engine: whose bursts are run.
    """

    def __init__(self, engine: Bursts) -> None:
        self._engine = engine
        assert engine.block is not None
        self._memory = Memory(2 * PORT.itemsize)
        whole = self._memory.bytes
        self._in = whole[: PORT.itemsize].cast("Q")
        self._out = whole[PORT.itemsize :].cast("Q")
        for port in (self._in, self._out):
            port[MASK], port[BOUND], port[SOURCE] = ALL, ALL, 0
            port[POLICY] = int(Policy.BLOCK)
        program = engine.block.program
        self._sends = program.max_sends or 0
        self.usable = (
            self._sends > 0
            and len(program.output_types) == 1
            and not program.is_headed
            and engine.block.output.ring.policy is Policy.BLOCK
        )

    def receive(self, limit: int, out: Any = None) -> Any:
        """Handle what is queued, into an array.

        Args:
            limit: most messages wanted.
            out: the array, if it can be used, with room for them; else a new one is made.

        Returns:
            1 to ``limit`` messages, or None if nothing could be got this way.
        """
        try:
            return self._receive(limit, out)
        except Exception as error:
            self._engine.host.crashed(error)
            return None

    def _receive(self, limit: int, out: Any) -> Any:
        engine = self._engine
        block, outport = engine.block, engine.outport
        if (
            block is None or engine.run_flags or not self.usable or limit < self._sends
            or outport.get_slow_path & _UNUSUAL or block.u4[words.RECORD_ORIGIN]
        ):  # fmt: skip
            return None
        ready = block.output.written() - outport.tail
        fresh = self._sends * (self._queued() + self._waiting())
        room = min(limit, ready + fresh)
        if room - ready < self._sends:
            return None
        assert outport.slots.cls is not None
        dtype = outport.slots.dtype
        given = out is not None and out.dtype == dtype and out.flags.carray
        records = out[:room] if given else np.empty(room, dtype)
        records = as_string_batch(outport.slots.cls, records)
        self._take_ready(records, ready)
        try:
            self._fill(records[ready:])
        except Exception as error:  # what has been written is handed out below
            engine.host.crashed(error)
        except BaseException:  # the client gets an error, and the messages later
            engine.host.outbox.put_back(self._messages(records[: ready + self._out[HEAD]]))
            raise
        got = ready + self._out[HEAD]
        if not got:
            return None
        return records[:got] if given or got > room // 2 else records[:got].copy()

    def _messages(self, records: np.ndarray[Any, Any]) -> list[Any]:
        slots = self._engine.outport.slots
        buffer = records.view(np.uint8).data
        return [slots.unpack(buffer, offset) for offset in range(0, len(buffer), slots.size)]

    def _take_ready(self, records: np.ndarray[Any, Any], count: int) -> None:
        """Take what the output ring holds, published or not."""
        engine, port = self._engine, self._engine.outport
        assert engine.block is not None
        port.peak = max(port.peak, port.depth())
        if count:
            engine.block.output.publish()
            port.copy_out(port.tail, count, records[:count].view(np.uint8).data)
            port.advance(count)
            port.cached_remote_cursor = port.tail
        engine.host.outbox.on_room = None
        engine.host.outbox.clear_gate(get=ROOM)

    def _queued(self) -> int:
        return self._engine.inport.head - self._engine.inport.consumed()

    def _first(self) -> PutBatch | None:
        """The waiting ``send_many`` whose array can be read in place."""
        putters = self._engine.host.inbox.putters
        first = next(iter(putters)) if putters else None
        if (
            isinstance(first, PutBatch)
            and isinstance(first.batch, np.ndarray)
            and self._engine.inport.slots.cls is not None
            and not first.future.done()
            and _begun(first)
        ):
            return first
        return None

    def _waiting(self) -> int:
        first = self._first()
        return 0 if first is None else len(first.batch) - first.done

    def _fill(self, records: np.ndarray[Any, Any]) -> None:
        """Run bursts into ``records``; the head of ``_out`` says how many messages were written."""
        engine, outport = self._engine, self._engine.outport
        block = engine.block
        assert block is not None
        sent = block.q8[words.PRODUCED]
        out = self._out
        out[SLOTS], out[CAPACITY] = records.ctypes.data, len(records)
        out[HEAD] = out[TAIL] = block.q8[words.PRODUCED] = 0
        block.output.exchange(self._memory.address + PORT.itemsize, out)
        block.i8[words.FUEL] = FUEL
        began = perf_counter()
        status = 0
        try:
            if self._queued():
                status = self._burst(len(records))
            if not self._queued() and status <= 1 and self._first() is not None:
                status = self._from_array(len(records) - out[HEAD])
        finally:
            block.output.restore()
            outport.tail = outport.cached_remote_cursor = sent + out[HEAD]
            block.q8[words.PRODUCED] = outport.tail
            outport.words[HEAD] = outport.words[TAIL] = outport.tail
        seconds = perf_counter() - began
        engine.host.inbox.admit()
        engine.after(status, seconds)

    def _burst(self, room: int) -> int:
        engine = self._engine
        most = min(room // self._sends, max(64, int(SECONDS / engine.sizing.cost)))
        block: NativeBlock = engine.block
        return block.burst(pointer(block.address), count(most))

    def _from_array(self, room: int) -> int:
        """Let the compiled code read the waiting sender's array in place."""
        first, port = self._first(), self._engine.inport
        block = self._engine.block
        assert first is not None
        assert block is not None
        if room < self._sends:
            return 1
        size = port.slots.size
        left = len(first.batch) - first.done
        self._in[SLOTS] = first.batch.ctypes.data + first.done * size
        self._in[HEAD], self._in[TAIL], self._in[CAPACITY] = left, 0, left
        block.input.exchange(self._memory.address, self._in)
        try:
            return self._burst(room)
        finally:
            block.input.restore()
            taken = self._in[TAIL]
            first.done += taken
            port.head += taken
            port.cached_remote_cursor = port.words[HEAD] = port.words[TAIL] = port.head


def _begun(batch: PutBatch) -> bool:
    """Whether the journal has a batch, if the queue has a journal; its sender is told why not."""
    try:
        batch.begin()
    except DurabilityError:
        return False
    return True
