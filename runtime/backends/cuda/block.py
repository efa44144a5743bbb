"""The memory of one actor on a device: what the host sees of it, and what only kernels see.

Input: a program, two rings, two arenas.  Output: ``CudaBlock``: the words of ``compiled.block`` in
mapped memory, and the actor's record (``compiler.abi.RESIDENCY_RECORD``).
"""

from __future__ import annotations

from pydotcompute.backends.compiled.block import Block
from pydotcompute.backends.device import Arena, Piece
from pydotcompute.backends.program import NativeProgram
from pydotcompute.compiler.abi import ACTOR, PORT, RESIDENCY_RECORD, Leave, word
from pydotcompute.queues.memory import Bytes
from pydotcompute.queues.ring import Ring

BURST = 256
"""Messages handled between two looks at the host's words."""
FOREVER = (1 << 63) - 1
"""Nanoseconds that never pass, and messages that are never handled."""


(_ACTOR, _LOCAL, _STATE, _MIRROR, _STATE_SIZE, _JOURNAL, _JOURNAL_SIZE, _STRINGS, _SLOTS, _STAGE,
 _STAGE_MASK, _INPUT_SIZE, _OUTPUT_SIZE, _STRING_COUNT, _BURST, BUDGET, LEAVE, _LOAD, EPOCH,
 IDLE_NS, _SOURCES, _IN, _OUT, PARKED, BUSY_NS, VISITS, PEAK) = (
    word(RESIDENCY_RECORD, name) for name in RESIDENCY_RECORD.names or ()
)  # fmt: skip


class Pieces:
    """Memory out of an arena that is given back at one time.

    Args:
        arena: whose it is.
    """

    def __init__(self, arena: Arena) -> None:
        self._arena, self._taken = arena, list[Piece]()

    def __call__(self, size: int, *, zero: bool = True) -> Bytes:
        """Some more (``memory.Allocate``)."""
        piece = self._arena.take(size, zero=zero)
        self._taken.append(piece)
        return piece

    def release(self) -> None:
        """Give all of it back."""
        taken, self._taken = self._taken, []
        for piece in taken:
            self._arena.give_back(piece)


class CudaBlock(Block):
    """One actor's memory.

    Args:
        program: the compiled actor.
        source: the ring it reads, in mapped memory.
        target: the ring it writes, in mapped memory.
        mapped: memory that host and device see.
        local: memory of the device.
    """

    def __init__(
        self, program: NativeProgram, source: Ring, target: Ring, mapped: Pieces, local: Pieces
    ) -> None:
        super().__init__(program, source, target, mapped)
        self._mapped, self._local = mapped, local
        record = mapped(RESIDENCY_RECORD.itemsize)
        self.record, self.record4, self.record_address = (
            record.bytes.cast("Q"), record.bytes.cast("I"), record.address
        )  # fmt: skip
        q = self.record
        q[_ACTOR], q[_MIRROR] = self.address, self._state.address
        q[_IN], q[_OUT] = source.address, target.address
        q[_LOCAL] = self._own(ACTOR.itemsize + 2 * PORT.itemsize)
        q[_STATE], q[_STATE_SIZE] = self._own(program.state_size), program.state_size
        q[_JOURNAL] = self._own(8 + program.journal_size)
        q[_JOURNAL_SIZE] = program.journal_size
        q[_STRINGS] = self._own(8 * len(program.strings))
        q[_STRING_COUNT] = len(program.strings)
        q[_INPUT_SIZE] = size = program.input_slot.itemsize
        q[_OUTPUT_SIZE] = program.output_slot.itemsize
        stage = program.lanes.stage
        staged = 1 << max(0, (stage // size).bit_length() - 1)
        q[_STAGE_MASK] = staged - 1
        q[_STAGE] = 0 if staged * size <= stage else self._own(staged * size)
        q[_BURST], q[BUDGET] = BURST, FOREVER
        self.record4[_LOAD] = 1
        self._mirror_output()

    def _own(self, size: int) -> int:
        return self._local(size).address

    def _mirror_output(self) -> None:
        count = self.output.ring.mask + 1
        self.record[_SLOTS] = self._own(count * self.program.output_slot.itemsize)
        self.record[_SOURCES] = self._own(count * 8)

    def grow_output(self) -> bool:
        """Double the output slots, on both sides."""
        grown = super().grow_output()
        if grown:
            self._mirror_output()
        return grown

    def begin(self, idle_ns: int, budget: int) -> None:
        """Before a residency.

        Args:
            idle_ns: nanoseconds without work after which the actor parks.
            budget: messages it may handle.
        """
        self.record4[LEAVE] = Leave.STAY
        self.record[IDLE_NS], self.record[BUDGET] = idle_ns, budget
        self.record[EPOCH] += 1

    @property
    def parked(self) -> bool:
        """Whether the last residency that began has ended."""
        return self.record[PARKED] == self.record[EPOCH]

    def loaded(self) -> None:
        """The device has the state now."""
        self.record4[_LOAD] = 0

    def reload(self) -> None:
        """The next residency begins with the state that the host has."""
        self.record4[_LOAD] = 1

    def release(self) -> None:
        """Give the memory back; neither host nor device may touch it any more."""
        self._mapped.release()
        self._local.release()
