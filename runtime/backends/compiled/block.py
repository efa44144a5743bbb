"""The memory of one compiled actor, as ``compiler.abi.ACTOR`` says, and its ends of two rings.

Input: a ``NativeProgram`` and the rings that the actor reads and writes.  Output: ``Block``: words
that the host reads and writes between bursts.  The rings are not the actor's: the host is at their
other ends, or other actors are.  Nothing here knows asyncio.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from pydotcompute.backends.compiled.actor_words import (
    CODE,
    INPUT,
    LINE,
    LOG,
    LOG_SIZE,
    LOG_USED,
    OUTPUT,
    PRODUCED,
    STATE,
    STOP,
    STRINGS_AT,
    WATCH,
)
from pydotcompute.backends.program import NativeProgram
from pydotcompute.compiler.abi import ACTOR, Policy
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.queues.compiled_end import CompiledEnd, CompiledProducer
from pydotcompute.queues.memory import Allocate, Memory
from pydotcompute.queues.port_words import BOUND, HEAD, MASK, SLOTS, TAIL
from pydotcompute.queues.ring import Ring

CRASHED: Final = 1 << 16
"""In place of an ``abi.Status``: the host's share of a burst failed; ``Block.fault`` is why."""
UNBOUNDED_SENDS = 64
"""Spare output slots of an actor that sends an unknown number of messages for one; they grow."""


def input_ring(
    program: NativeProgram, bound: int, policy: Policy, allocate: Allocate = Memory
) -> Ring:
    """A ring that the actor can read.

    Args:
        program: the compiled actor.
        bound: messages it holds.
        policy: what it does when it is full.
        allocate: where its memory comes from.
    """
    return Ring(
        program.input_slot, bound, policy, holds_strings=program.holds_strings, allocate=allocate
    )


def output_ring(
    program: NativeProgram, bound: int, policy: Policy, allocate: Allocate = Memory
) -> Ring:
    """A ring that the actor can write, with room for all that one turn sends; as ``input_ring``."""
    sends = UNBOUNDED_SENDS if program.max_sends is None else program.max_sends
    return Ring(
        program.output_slot, bound, policy, spare=sends + 1, with_sources=True,
        holds_strings=program.holds_strings, allocate=allocate,
    )  # fmt: skip


def _records_at(address: int, first: int, count: int, dtype: np.dtype[Any]) -> Any:
    """Slots of a ring, as records that can be written."""
    size = dtype.itemsize
    memory = memoryview((ctypes.c_char * (count * size)).from_address(address + first * size))
    return np.frombuffer(memory, dtype, count)


class Block:
    """One actor's memory.

    Args:
        program: the compiled actor.
        source: the ring it reads.
        target: the ring it writes.
        allocate: where the memory comes from.

    Attributes:
        input, output: its ends of the two rings.
        resting: what ``rests`` asks; set by the engine.
        fault: why the host's share of a burst failed.
        shown: bytes of the log that the host is reading.
    """

    def __init__(
        self, program: NativeProgram, source: Ring, target: Ring, allocate: Allocate = Memory
    ) -> None:
        self.program = program
        self.fault: Exception | None = None
        self.resting: Callable[[], bool] = lambda: True
        self.shown = 0
        self._allocate = allocate
        self._record = allocate(ACTOR.itemsize)
        self.address, record = self._record.address, self._record.bytes
        self.u4, self.q8 = record.cast("I"), record.cast("Q")
        self.i4, self.i8, self.f8 = record.cast("i"), record.cast("q"), record.cast("d")
        self._state = allocate(max(1, program.state_size))
        self.state = self._state.bytes[: program.state_size]
        self._strings = allocate(8 * max(1, len(program.strings)))
        self.q8[STATE], self.q8[STRINGS_AT] = self._state.address, self._strings.address
        self.q8[WATCH] = self.address + 4 * STOP
        self.grow_log(program.log_size)
        self.input = CompiledEnd(self, INPUT, program.input_slot)
        self.output = CompiledProducer(self, OUTPUT, program.output_slot, PRODUCED)
        self.input.connect(source)
        self.output.connect(target)
        STRINGS.add_root(self)
        for number, text in enumerate(program.strings):
            STRINGS.store(self._strings.bytes.cast("Q"), number, text)

    def rests(self) -> bool:
        """Whether no compiled code works on this memory now."""
        return self.resting()

    def rings(self) -> tuple[Ring, ...]:
        """The ring it reads, and the one it writes."""
        return (self.input.ring, self.output.ring)

    def words(self) -> list[np.ndarray[Any, Any]] | None:
        """The memory that may hold ids of strings (``string_table.Root``): constants, variables
        and the log; the rings look after their own."""
        constants = np.frombuffer(self._strings.bytes, np.uint64)
        if not self.program.holds_strings:
            return [constants]
        if not self.input.ring.rests():
            return None
        state = np.frombuffer(self._state.bytes, np.uint64, len(self._state.bytes) // 8)
        log = np.frombuffer(self.log.bytes, np.uint64, max(self.q8[LOG_USED], self.shown) // 8)
        return [constants, state, log]

    def make_texts(self, first: int) -> None:
        """Make the strings that the outputs from ``first`` on wait for, and publish them."""
        assert self.program.resolve is not None
        last, port, slot = self.q8[PRODUCED], self.output.port, self.program.output_slot
        log = self.log.bytes[: self.q8[LOG_USED]]
        while first != last:
            at = first & port[MASK]
            count = min(last - first, port[MASK] + 1 - at)
            self.program.resolve(log, _records_at(port[SLOTS], at, count, slot))
            first += count
        room = last if self.output.ring.drop_oldest else port[TAIL] + port[BOUND]
        port[HEAD] = max(port[HEAD], min(last, room))

    def grow_log(self, size: int = 0) -> None:
        """Give the log more room: twice what it has, unless told."""
        self.log = self._allocate(size or 2 * self.q8[LOG_SIZE], zero=False)
        self.q8[LOG], self.q8[LOG_SIZE] = self.log.address, len(self.log.bytes)

    def take_log(self) -> memoryview | None:
        """What the actor printed since the last time, or None; ``shown`` is 0 when it is done."""
        used = self.q8[LOG_USED]
        if not used:
            return None
        self.shown, self.q8[LOG_USED] = used, 0
        return self.log.bytes[:used]

    def grow_output(self) -> bool:
        """Double the output slots; what they hold stays.  False if there is no room for more."""
        return self.output.grow()

    def report(self) -> str:
        """What the last burst reported, in words."""
        return self.program.why(self.i4[CODE], self.i4[LINE])

    def values(self) -> dict[str, Any]:
        """The actor's variables."""
        return self.program.unpack_state(self.state)
