"""A ring: the queue of records between two ends, each of which is the host or compiled code.

Input: a slot format, a bound and a policy.  Output: ``Ring``: the memory, the counters
(``compiler.abi.PORT``) and what is fixed about them.  A ring belongs to whoever made it and to no
actor; ``host_end`` and ``compiled_end`` have its ends.  Every word has one writer, and a record is
written before the counter that publishes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Protocol

import numpy as np

from pydotcompute.compiler.abi import PORT, Policy
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.queues.memory import Allocate, Bytes, Memory
from pydotcompute.queues.port_words import (
    BOUND,
    CAPACITY,
    CLAIMED,
    HEAD,
    MASK,
    POLICY,
    SLOTS,
    SOURCE,
    TAIL,
)

MOST_SLOTS: Final = 1 << 24
"""Slots to which a ring may grow."""


class Worker(Protocol):
    """An end at which compiled code works, on whatever thread."""

    def rests(self) -> bool:
        """Whether the actor does not run now."""
        ...

    def written(self) -> int:
        """Records written ever, published or not; 0 for an end that writes none."""
        ...

    def rings(self) -> Iterable[Ring]:
        """All rings of the actor."""
        ...


class Ring:
    """A queue of records.

    Args:
        slot: the layout of one record.
        bound: most records that wait at the same time (``queue_size``).
        policy: what a full ring does.
        spare: slots beyond the bound, for records that are written and wait to be published.
        with_sources: keep beside each slot the ordinal of the input that the record answers.
        holds_strings: slots may hold ids of strings.
        allocate: where the memory comes from.

    Attributes:
        port: the counters, as 64-bit words (``port_words``).
        address: of the port, which is how compiled code names the ring.
        slots: the bytes of all slots.
        mask: the number of slots, a power of two, less one.
        sources: for each slot, the ordinal of the input that its record answers; empty without.
        drop_oldest: whether a full ring overwrites its oldest record.
        workers: the ends at which compiled code works.
    """

    __slots__ = (
        "__weakref__", "_allocate", "_memory", "address", "bound", "drop_oldest", "mask", "policy",
        "port", "slot", "slots", "sources", "workers",
    )  # fmt: skip

    def __init__(
        self,
        slot: np.dtype[Any],
        bound: int,
        policy: Policy,
        *,
        spare: int = 0,
        with_sources: bool = False,
        holds_strings: bool = True,
        allocate: Allocate = Memory,
    ) -> None:
        self.slot, self.bound, self.policy = slot, bound, policy
        self.drop_oldest = policy is Policy.DROP_OLDEST
        self.workers: list[Worker] = []
        self._allocate = allocate
        memory = allocate(PORT.itemsize)
        self.address, self.port = memory.address, memory.bytes.cast("Q")
        self.show(bound, policy)
        least = (2 * bound if self.drop_oldest else bound) + spare
        count = 1 << max(1, (least - 1).bit_length())
        self._memory = (memory, *self._slots_for(count, with_sources=with_sources))
        self._lay_out(count)
        if holds_strings and not slot.itemsize % 8:  # else no record has room for an id
            STRINGS.add_root(self)

    def _slots_for(self, count: int, *, with_sources: bool) -> tuple[Bytes, Bytes | None]:
        slots = self._allocate(count * self.slot.itemsize, zero=False)
        return slots, self._allocate(count * 8, zero=False) if with_sources else None

    def _lay_out(self, count: int) -> None:
        """Use the slots in ``_memory``."""
        port, (_, slots, sources) = self.port, self._memory
        self.slots, self.mask = slots.bytes, count - 1
        port[SLOTS], port[MASK], port[CAPACITY] = slots.address, count - 1, count
        self.sources = memoryview(b"") if sources is None else sources.bytes.cast("Q")
        port[SOURCE] = 0 if sources is None else sources.address

    def start_at(self, ordinal: int) -> None:
        """The ring is empty, and the next record has this ordinal."""
        self.port[HEAD] = self.port[TAIL] = self.port[CLAIMED] = ordinal

    def show(self, bound: int, policy: Policy) -> None:
        """Let compiled code act by another bound and policy than the ring's own."""
        self.port[BOUND], self.port[POLICY] = bound, int(policy)

    def show_own(self) -> None:
        """Let compiled code act by the ring's bound and policy again."""
        self.show(self.bound, self.policy)

    def grow(self, written: int) -> bool:
        """Double the slots; what they hold stays.  No end may work on the ring meanwhile.

        Args:
            written: the ordinal behind the last record that is to stay.

        Returns:
            False if there is no room for more.
        """
        count, size = self.mask + 1, self.slot.itemsize
        if count >= MOST_SLOTS:
            return False
        slots, sources = self._slots_for(2 * count, with_sources=bool(self.sources))
        answered = None if sources is None else sources.bytes.cast("Q")
        for n in range(self.port[TAIL], written):
            source, target = (n % count) * size, (n % (2 * count)) * size
            slots.bytes[target : target + size] = self.slots[source : source + size]
            if answered is not None:
                answered[n % (2 * count)] = self.sources[n % count]
        self._memory = (self._memory[0], slots, sources)
        self._lay_out(2 * count)
        return True

    def rests(self) -> bool:
        """Whether no actor runs that is connected with this ring, directly or through others: an
        id of a string can be on its way from any of them to any other."""
        found, seen = [self], {self}
        for ring in found:
            for worker in ring.workers:
                if not worker.rests():
                    return False
                found.extend(each for each in worker.rings() if each not in seen)
                seen.update(worker.rings())
        return True

    def words(self) -> list[np.ndarray[Any, Any]] | None:
        """The slots in use, which may hold ids of strings (``string_table.Root``)."""
        if not self.rests():
            return None
        first, slots, size = self.port[TAIL], self.slots, self.slot.itemsize
        number = len(slots) // size  # not the mask: another thread may let the ring grow
        # the slot behind the last record is the one that is being written
        last = max([self.port[HEAD] + 1, *(worker.written() for worker in self.workers)])
        table = np.frombuffer(slots, np.uint64).reshape(number, size // 8)
        at, count = first % number, last - first
        if count >= number:
            return [table]
        return [table[at : at + count], table[: max(0, at + count - number)]]
