"""Which messages a compiled population takes: the checks of each send, at the table of its keys.

Input: messages on their way into the ring.  Output: nothing, or the error of the ``send``.

The checks cost time, so they are made only when they may refuse something: the gate ``KEYED`` of
the input queue is closed then.  A key counts from the moment its message passes here: it has a
record, which is ``RESERVED`` until its instance begins.  Messages that pass while the gate is open
are not counted; so the gate closes while there is still room for as many new keys as the queue
holds messages.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydotcompute.accel.storage import layout_of
from pydotcompute.backends.base import Host
from pydotcompute.backends.native.instances import NONE, RESERVED
from pydotcompute.backends.native.population_block import PopulationBlock
from pydotcompute.queues.channel import KEYED
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.port_words import SLOTS
from pydotcompute.queues.putters import Put, PutBatch


class TableCheck:
    """Decides whether messages of a key may be sent.

    Args:
        host: the population.
        block: its memory.

    Attributes:
        inport: the host's end of the ring that the population reads.
        asks: whether messages are checked now.
    """

    def __init__(self, host: Host, block: PopulationBlock) -> None:
        assert host.population is not None
        assert host.admission is not None
        self._host, self._block, self._spec = host, block, host.population
        self._instances, self._admission = block.instances, host.admission
        self._limited = self._spec.instances is not None
        self.inport: HostProducer | None = None
        self.asks = False

    # --- the gate --------------------------------------------------------------------------

    def set_gate(self) -> None:
        """Check messages from now on, or check them no more, as it is needed."""
        inbox, count = self._host.inbox, self._instances.count
        near = self._limited and count + inbox.port.bound > self._instances.most
        if near and not self.asks:
            self._instances.reserve(self.queued_keys())
        self.asks = near or bool(self._admission.refused)
        if self.asks:
            inbox.set_gate(put=KEYED)
        else:
            inbox.clear_gate(put=KEYED)
        port = self.inport
        if port is not None:  # the extension knows of no checks
            port.layout = None if self.asks else layout_of(port.slots.cls)

    # --- the checks, as of ``KeyCheck`` ----------------------------------------------------

    def queued(self, buffer: memoryview, offset: int) -> None:
        """A message has been written into a slot."""
        port = self.inport
        if port is None or buffer is not port.buffer or not self.asks:
            return
        address = self._block.input.ring.port[SLOTS] + offset
        self._check_one(tuple(self._instances.keys_at(address, 1)[0].tolist()))

    def accepted(self, message: Any) -> None:
        """A message is to wait for room."""
        self._check_one(self._instances.key.pack(self._spec.key_of(message)))

    def _check_one(self, words: tuple[int, ...]) -> None:
        number = self._instances.find(words)
        if self._admission.refused and number != NONE:
            self._refuse(number)
        if number == NONE and self._limited:
            self._reserve(np.array([words], np.uint64))

    def accepted_batch(self, batch: Any) -> None:
        """A batch is to be put."""
        instances, refused = self._instances, self._admission.refused
        if self.inport is None:
            return
        room = instances.most - instances.count - self._host.inbox.port.bound
        if not refused and (not self._limited or self._counted(len(batch)) <= room):
            return
        keys = self._keys_of(batch)
        if refused:
            marked = [instances.find(instances.key.pack(key)) for key in refused]
            numbers = instances.find_all(keys)
            found = np.flatnonzero(np.isin(numbers, np.array(marked, np.uint64)))
            if len(found):
                self._refuse(int(numbers[found[0]]))
        if self._limited:
            self._reserve(keys)

    def _counted(self, more: int) -> int:
        """Messages that wait for room, and some more."""
        waiting = self._host.inbox.putters
        return more + sum(
            len(each.batch) - each.done if isinstance(each, PutBatch) else 1 for each in waiting
        )

    def _refuse(self, number: int) -> None:
        """Raise the error of an instance that has failed or ended."""
        error = self._admission.refused.get(self._instances.key_of(number))
        if error is not None:
            raise error()

    def _reserve(self, keys: np.ndarray[Any, Any]) -> None:
        """Count these keys; all of them, or none."""
        instances = self._instances
        if instances.reserve(keys) == len(keys):
            return
        self._free_reserved()
        done = instances.reserve(keys)
        if done < len(keys):
            self._free_reserved()
            raise self._admission.no_room(instances.key.unpack(keys[done].tolist()))

    def _free_reserved(self) -> None:
        """Free the records of keys whose messages are in no queue any more."""
        instances = self._instances
        reserved = instances.numbers(RESERVED)
        queued = instances.find_all(self.queued_keys())
        for number in np.setdiff1d(reserved.astype(np.uint64), queued).tolist():
            instances.forget(number)

    def was_freed(self, key: Any) -> None:
        """The record of a key is gone; messages of the key may wait for a new one."""
        if self.asks and self._limited:
            words = np.array([self._instances.key.pack(key)], np.uint64)
            if (self.queued_keys() == words).all(axis=1).any():
                self._instances.reserve(words)

    def queued_keys(self) -> np.ndarray[Any, Any]:
        """The words of the keys of all messages in the queue, or in line for it."""
        found = [self._block.waiting_keys()]
        for putter in self._host.inbox.putters:
            if isinstance(putter, Put):
                found.append(self._keys_of([putter.message]))
            elif isinstance(putter, PutBatch):
                found.append(self._keys_of(putter.batch[putter.done :]))
        return np.concatenate(found)

    def _keys_of(self, batch: Any) -> np.ndarray[Any, Any]:
        instances, slot = self._instances, self._block.program.input_slot
        if isinstance(batch, np.ndarray) and batch.dtype == slot and batch.flags.c_contiguous:
            return instances.keys_at(batch.ctypes.data, len(batch))
        messages: Any = batch
        if isinstance(batch, np.ndarray):
            assert self.inport is not None
            messages = self.inport.messages_in(batch)
        key_of, pack = self._spec.key_of, instances.key.pack
        words = [pack(key_of(message)) for message in messages]
        return np.array(words, np.uint64).reshape(len(words), instances.key.words)
