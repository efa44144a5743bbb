"""The memory of one compiled actor: its block, its two ports, its state, as ``compiler.abi`` says.

Input: a ``NativeProgram``, the queue's size and policy.  Output: ``NativeBlock``: words that the
host reads and writes between bursts, and ``burst``/``burst_free`` which run the actor.

Everything lies in numpy buffers that the block keeps alive; nothing here knows asyncio.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from pydotcompute.backends.program import NativeProgram
from pydotcompute.compiler.abi import ACTOR, CACHE_LINE, PORT, Policy
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.errors import BuildError
from pydotcompute.queues.port_words import BOUND, CAPACITY, HEAD, MASK, POLICY, SLOTS, SOURCE, TAIL

ABI_VERSION = 3
UNBOUNDED_SENDS = 64
"""Spare output slots of an actor that sends an unknown number of messages for one; they grow."""
_MOST_SLOTS = 1 << 24
CRASHED: Final = 1 << 16
"""In place of an ``abi.Status``: the host's share of a burst failed; ``Block.fault`` is why."""


def _index(name: str) -> int:
    """Position of a word of the actor block in a memoryview of its own item size."""
    fields = ACTOR.fields
    assert fields is not None
    dtype, offset = fields[name][:2]
    return int(offset // dtype.itemsize)


INPUT, OUTPUT, STATE, LOG, LOG_SIZE, HEAP, WATCH, STRINGS_AT = map(
    _index, ("input", "output", "state", "log", "log_size", "heap", "watch", "strings")
)
STOP, TERMINATING, CARRY, EVENT, FUEL = map(
    _index, ("stop", "terminating", "carry", "event", "fuel")
)
STATUS, CODE, LINE, STAGED, TIMEOUT = map(
    _index, ("status", "code", "line", "staged", "timeout")
)
PRODUCED, LOG_USED = map(_index, ("produced", "log_used"))
PROCESSED, SENT, REJECTED, TIMEOUTS, SKIPPED = map(
    _index, ("processed", "sent", "rejected", "timeouts", "skipped")
)

@functools.lru_cache(maxsize=1024)
def load(library: Path) -> tuple[Callable[..., int], Callable[..., int], int]:
    """The entry point of a compiled actor: with the GIL held, without it, and its address.

    Raises:
        BuildError: the file is no library of this version.
    """
    try:
        held, free = ctypes.PyDLL(str(library)), ctypes.CDLL(str(library))
        version = ctypes.c_uint32.in_dll(held, "pdc_abi").value
    except (OSError, ValueError) as error:
        raise BuildError(
            f"the compiled actor {library.name} cannot be loaded ({error}); remove it from the "
            "cache folder and launch again"
        ) from None
    if version != ABI_VERSION:
        raise BuildError(
            f"the compiled actor {library.name} has binary interface {version}, not {ABI_VERSION};"
            " clear the cache folder and launch again"
        )
    address = ctypes.cast(held.pdc_burst, ctypes.c_void_p).value or 0
    return held.pdc_burst, free.pdc_burst, address


pointer, count = ctypes.c_void_p, ctypes.c_uint64
"""An address and a number as the entry point takes them."""


def _words_at(address: int, size: int) -> memoryview:
    """Memory as words that can be read and written."""
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B").cast("Q")


def _slots_at(address: int, first: int, count: int, dtype: np.dtype[Any]) -> Any:
    """Slots of a ring, as records that can be written."""
    size = dtype.itemsize
    memory = memoryview((ctypes.c_char * (count * size)).from_address(address + first * size))
    return np.frombuffer(memory, dtype, count)


def _held(slots: Slots, first: int, count: int) -> list[np.ndarray[Any, Any]]:
    """The words of some slots of a ring; none if no record of a string fits into its slots."""
    number = slots.words[MASK] + 1
    size = len(slots.memory.bytes) // number
    if size % 8:
        return []
    table = np.frombuffer(slots.memory.bytes, np.uint64).reshape(number, size // 8)
    at = first & slots.words[MASK]
    if count >= number:
        return [table]
    return [table[at : at + count], table[: max(0, at + count - number)]]


def _power(least: int) -> int:
    return 1 << max(1, (least - 1).bit_length())


class Memory:
    """Bytes that start on a cache line and stay where they are.

    Args:
        size: how many.
        zero: whether they start as zeros.
    """

    __slots__ = ("_array", "address", "bytes")

    def __init__(self, size: int, *, zero: bool = True) -> None:
        make = np.zeros if zero else np.empty
        self._array = make(size + CACHE_LINE, np.uint8)
        start = -self._array.ctypes.data % CACHE_LINE
        self.address: int = self._array.ctypes.data + start
        self.bytes: memoryview = self._array[start : start + size].data


class Bytes(Protocol):
    """Memory that stays where it is."""

    address: int
    bytes: memoryview


class Allocate(Protocol):
    """Where the memory of an actor comes from: ``Memory``, or a device's arena."""

    def __call__(self, size: int, *, zero: bool = True) -> Bytes:
        """So many bytes on a cache line."""
        ...


class Slots:
    """The slots of one ring.

    Args:
        words: its port.
        size: bytes of a slot.
        least: how many slots are needed.
        sourced: keep the input's ordinal beside each slot.
        make: where the memory comes from.
    """

    __slots__ = ("memory", "source", "source_memory", "words")

    def __init__(
        self, words: memoryview, size: int, least: int, *, sourced: bool, make: Allocate = Memory
    ) -> None:
        count = _power(least)
        self.words = words
        self.memory = make(count * size, zero=False)
        self.source_memory = make(count * 8, zero=False) if sourced else None
        self.source: memoryview | None = None
        words[SLOTS], words[MASK], words[CAPACITY] = self.memory.address, count - 1, count
        if self.source_memory is not None:
            words[SOURCE] = self.source_memory.address
            self.source = self.source_memory.bytes.cast("Q")


class Block:
    """One actor's memory.

    Args:
        program: the compiled actor.
        bound: messages each queue holds.
        policy: what a full queue does.
        make: where the memory comes from.

    Attributes:
        resting: says whether no compiled code works on this memory now.
        exchanged: other ports stand in for the two of the actor.
        shown: bytes of the log that the host is reading.
    """

    def __init__(
        self, program: NativeProgram, bound: int, policy: Policy, make: Allocate = Memory
    ) -> None:
        self.program, self.bound, self.policy = program, bound, policy
        self.fault: Exception | None = None
        self._make = make
        self._fixed = make(ACTOR.itemsize + 2 * PORT.itemsize)
        self._state = make(max(1, program.state_size))
        self.state = self._state.bytes[: program.state_size]
        self.address = self._fixed.address
        whole = self._fixed.bytes
        actor = whole[: ACTOR.itemsize]
        self.u4, self.q8 = actor.cast("I"), actor.cast("Q")
        self.i4, self.i8, self.f8 = actor.cast("i"), actor.cast("q"), actor.cast("d")
        at = ACTOR.itemsize
        self.input_words = whole[at : at + PORT.itemsize].cast("Q")
        self.output_words = whole[at + PORT.itemsize :].cast("Q")
        self.q8[INPUT], self.q8[OUTPUT] = self.address + at, self.address + at + PORT.itemsize
        self.q8[STATE] = self._state.address
        self.q8[WATCH] = self.address + 4 * STOP
        for words in (self.input_words, self.output_words):
            words[BOUND], words[POLICY] = bound, int(policy)
        self.grow_log(program.log_size)
        self._strings = make(8 * max(1, len(program.strings)))
        self.q8[STRINGS_AT] = self._strings.address
        spread = 2 * bound if policy is Policy.DROP_OLDEST else bound
        size = program.input_slot.itemsize
        self.input = Slots(self.input_words, size, spread, sourced=False, make=make)
        spare = UNBOUNDED_SENDS if program.max_sends is None else program.max_sends
        size = program.output_slot.itemsize
        self.output = Slots(self.output_words, size, spread + spare + 1, sourced=True, make=make)
        self.resting: Callable[[], bool] = lambda: True
        self.shown = 0
        self.exchanged = False
        STRINGS.add_root(self)
        for number, text in enumerate(program.strings):
            STRINGS.store(self._strings.bytes.cast("Q"), number, text)

    def words(self) -> list[np.ndarray[Any, Any]] | None:
        """The memory that may hold ids of strings (``string_table.Root``): constants, variables,
        messages and the log."""
        constants = np.frombuffer(self._strings.bytes, np.uint64)
        if not self.program.holds_strings:
            return [constants]
        if not self.resting():
            return None
        state = np.frombuffer(self._state.bytes, np.uint64, len(self._state.bytes) // 8)
        log = np.frombuffer(self.log.bytes, np.uint64, max(self.q8[LOG_USED], self.shown) // 8)
        taken, sent = self.input_words[TAIL], self.output_words[TAIL]
        return [
            constants, state, log,
            # the slot behind the last message is the one that is being written
            *_held(self.input, taken, self.input_words[HEAD] + 1 - taken),
            *_held(self.output, sent, self.q8[PRODUCED] - sent),
        ]  # fmt: skip

    def make_texts(self, first: int) -> None:
        """Make the strings that the outputs from ``first`` on wait for, and publish them."""
        assert self.program.resolve is not None
        last = self.q8[PRODUCED]
        port = _words_at(self.q8[OUTPUT], PORT.itemsize)
        log = self.log.bytes[: self.q8[LOG_USED]]
        while first != last:
            at = first & port[MASK]
            count = min(last - first, port[MASK] + 1 - at)
            self.program.resolve(log, _slots_at(port[SLOTS], at, count, self.program.output_slot))
            first += count
        room = last if self.policy is Policy.DROP_OLDEST else port[TAIL] + port[BOUND]
        port[HEAD] = max(port[HEAD], min(last, room))

    def start_at(self, taken: int, sent: int) -> None:
        """Begin counting inputs at ``taken`` and outputs at ``sent``."""
        self.input_words[HEAD] = self.input_words[TAIL] = taken
        self.output_words[HEAD] = self.output_words[TAIL] = sent
        self.q8[PRODUCED] = sent

    def grow_log(self, size: int = 0) -> None:
        """Give the log more room: twice what it has, unless told."""
        self.log = self._make(size or 2 * self.q8[LOG_SIZE], zero=False)
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
        old, words = self.output, self.output_words
        count = words[MASK] + 1
        if count >= _MOST_SLOTS:
            return False
        tail, produced = words[TAIL], self.q8[PRODUCED]
        size = self.program.output_slot.itemsize
        new = Slots(words, size, 2 * count, sourced=True, make=self._make)
        assert old.source is not None
        assert new.source is not None
        for n in range(tail, produced):
            source, target = (n % count) * size, (n % (2 * count)) * size
            new.memory.bytes[target : target + size] = old.memory.bytes[source : source + size]
            new.source[n % (2 * count)] = old.source[n % count]
        self.output = new
        return True

    def sources(self) -> memoryview:
        """For each output slot, the ordinal of the input it answers."""
        assert self.output.source is not None
        return self.output.source

    def publish(self) -> None:
        """Let every output written be read, whatever the bound; the actor must not be running."""
        self.output_words[HEAD] = self.q8[PRODUCED]

    def report(self) -> str:
        """What the last burst reported, in words."""
        return self.program.why(self.i4[CODE], self.i4[LINE])

    def values(self) -> dict[str, Any]:
        """The actor's variables."""
        return self.program.unpack_state(self.state)


class NativeBlock(Block):
    """One actor's memory, and how to run the actor on it: ``burst``, ``burst_free``.

    Args:
        program: the compiled actor.
        bound: messages each queue holds.
        policy: what a full queue does.
    """

    def __init__(self, program: NativeProgram, bound: int, policy: Policy) -> None:
        super().__init__(program, bound, policy)
        self.burst, self.burst_free, self.burst_address = load(program.library)
        if program.resolve is not None:
            self._leave_texts_to_host()
        self._journal = Memory(8 + program.journal_size, zero=False)
        self._journal.bytes[:8].cast("Q")[0] = program.journal_size
        self.q8[HEAP] = self._journal.address

    def _leave_texts_to_host(self) -> None:
        """Each burst ends with the strings its outputs wait for."""

        def finished(run: Callable[..., int]) -> Callable[..., int]:
            def burst(address: Any, limit: Any) -> int:
                first = self.q8[PRODUCED]
                status = run(address, limit)
                try:
                    self.make_texts(first)
                except Exception as error:  # C may have called: it takes a status only
                    self.fault = error
                    return CRASHED
                return status

            return burst

        self.burst, self.burst_free = finished(self.burst), finished(self.burst_free)
        self._callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64)(
            self.burst
        )
        self.burst_address = ctypes.cast(self._callback, ctypes.c_void_p).value or 0
