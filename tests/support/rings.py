"""A compiled actor called directly: rings made by hand, and ``pdc_burst`` through ctypes.

Input: a ``KernelSource`` and its shared library.  Output: ``Library``, whose ``burst`` runs the
actor.  Sizes of queues, lengths of bursts and the moments at which outputs are read are random.
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pydotcompute.compiler.abi import ACTOR, PORT, RESIDENCY_RECORD, Leave, Status
from pydotcompute.compiler.kernel_source import KernelSource
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.messages.codec import codec_of
from tests.support.captured import Captured


def _aligned(size: int) -> np.ndarray[Any, Any]:
    """Zeroed bytes on a cache line."""
    array = np.zeros(size + 64, np.uint8)
    start = -array.ctypes.data % 64
    return array[start : start + size]


class Ring:
    """A port and its slots.

    Args:
        classes: the message classes that pass.
        slot: the layout of a slot.
        bound: how many messages may wait.
        count: how many slots there are, a power of two.
        start: the ordinal of the first message.
    """

    def __init__(self, classes: tuple[type, ...], slot: np.dtype[Any], bound: int, count: int,
                 start: int) -> None:  # fmt: skip
        self.classes, self.slot = classes, slot
        self.words = _aligned(PORT.itemsize)
        self.port = self.words.view(PORT)[0]
        self.port["head"] = self.port["tail"] = self.port["claimed"] = start
        self.port["bound"] = bound
        self.resize(count)

    def resize(self, count: int) -> None:
        """Makes other slots; those in use keep their place in the order."""
        old, size = getattr(self, "slots", None), self.slot.itemsize
        mask = int(self.port["mask"])
        self.slots = _aligned(count * size)
        self.source = _aligned(count * 8)
        if old is not None:
            for n in range(int(self.port["tail"]), int(self.port["tail"]) + mask + 1):
                a, b = (n & mask) * size, (n & (count - 1)) * size
                self.slots[b : b + size] = old[a : a + size]
        self.port["slots"], self.port["mask"] = self.slots.ctypes.data, count - 1
        self.port["source"], self.port["capacity"] = self.source.ctypes.data, count

    @property
    def depth(self) -> int:
        """How many messages wait."""
        return int(self.port["head"] - self.port["tail"])

    def _place(self, ordinal: int) -> tuple[np.ndarray[Any, Any], int]:
        at = (ordinal & int(self.port["mask"])) * self.slot.itemsize
        value = 0
        if len(self.classes) > 1:
            assert self.slot.fields is not None
            value = int(self.slot.fields["value"][1])
        return self.slots[at : at + self.slot.itemsize], value

    def put(self, message: Any) -> None:
        """Publishes a message."""
        slot, value = self._place(int(self.port["head"]))
        if len(self.classes) > 1:
            slot[:4].view("<u4")[0] = self.classes.index(type(message))
        codec_of(type(message)).pack_into(memoryview(slot), value, message)
        self.port["head"] += np.uint64(1)

    def take(self) -> Any:
        """The oldest message."""
        slot, value = self._place(int(self.port["tail"]))
        cls = self.classes[int(slot[:4].view("<u4")[0]) if len(self.classes) > 1 else 0]
        message = codec_of(cls).unpack_from(memoryview(slot), value)
        self.port["tail"] += np.uint64(1)
        return message


def _power(least: int) -> int:
    return 1 << max(0, (least - 1).bit_length())


class Library:
    """The compiled actor over rings of random sizes.

    Args:
        kernel: the lowered actor.
        path: its library.
        chance: sizes of queues, lengths of bursts, and when outputs are read.
    """

    def __init__(self, kernel: KernelSource, path: Path, chance: random.Random) -> None:
        self.kernel, self.chance = kernel, chance
        library = ctypes.CDLL(str(path))
        self._burst = library.pdc_burst
        self._burst.argtypes = (ctypes.c_void_p, ctypes.c_uint64)
        size = ctypes.c_uint64.in_dll(library, "pdc_state_size").value
        assert size == kernel.state_dtype.itemsize
        start = chance.choice([0, 5, 2**40 + 3])
        room, bound = chance.choice([1, 2, 3, 8, 64]), chance.choice([1, 2, 5, 64])
        spare = 1 if kernel.max_sends is None else kernel.max_sends
        self.words = _aligned(ACTOR.itemsize)
        self.actor = self.words.view(ACTOR)[0]
        self.input = Ring(kernel.input_types, kernel.input_slot, room, _power(room), start)
        slots, first = _power(bound + spare + 1), chance.choice([0, 7])
        self.output = Ring(kernel.output_types, kernel.output_slot, bound, slots, first)
        self.state = _aligned(max(1, kernel.state_dtype.itemsize))
        self.strings = np.array([STRINGS.pin(s) for s in kernel.strings] or [0], "<u8")
        self.journal = np.zeros(1 + kernel.state.journal_size // 8, "<u8")
        self.journal[0] = 8 * (len(self.journal) - 1)
        for name, address in (
            ("input", self.input.words.ctypes.data), ("output", self.output.words.ctypes.data),
            ("state", self.state.ctypes.data), ("strings", self.strings.ctypes.data),
            ("heap", self.journal.ctypes.data),
            ("watch", self.words.ctypes.data + int(ACTOR.fields["stop"][1])),
            ("produced", int(self.output.port["head"])), ("fuel", chance.choice([-1, 1024])),
        ):  # fmt: skip
            self.actor[name] = address
        self.received: list[Any] = []
        self.printed = ""
        self._grow_log(chance.choice([8, 64, 4096]))

    def _grow_log(self, size: int) -> None:
        self.log = _aligned(size)
        self.actor["log"], self.actor["log_size"] = self.log.ctypes.data, size

    def load(self, state: Mapping[str, Any]) -> None:
        """Sets the actor's variables."""
        self.state[:] = 0
        self.kernel.pack_state(state, memoryview(self.state))

    def variables(self) -> dict[str, Any]:
        """The actor's variables."""
        return self.kernel.unpack_state(memoryview(self.state))

    def burst(self, limit: int) -> Status:
        """One burst; what is in its way is cleared and it is called again."""
        while True:
            first = int(self.actor["produced"])
            status = Status(self._run(limit))
            empty = not self.actor["log_used"]
            self._read_log(first)
            if status is Status.LOG_FULL:
                if empty:
                    self._grow_log(2 * len(self.log))
            elif status is Status.GROW:
                self.output.resize(2 * int(self.output.port["capacity"]))
            elif status is Status.PREEMPTED:
                self.actor["fuel"] = 2 * max(1024, int(self.actor["fuel"]))
            elif status is Status.FULL:
                self.drain(self.chance.randint(1, self.output.depth))
            else:
                return status

    def _run(self, limit: int) -> int:
        return int(self._burst(self.words.ctypes.data, limit))

    def _read_log(self, first: int) -> None:
        """What the host does after a burst: it makes strings, publishes what waits for them, and
        prints."""
        port, log = self.output.port, memoryview(self.log)[: int(self.actor["log_used"])]
        if self.kernel.makes_texts:
            last, size = int(self.actor["produced"]), self.output.slot.itemsize
            places = [(n & int(port["mask"])) * size for n in range(first, last)]
            for at in places:
                self.kernel.resolve(log, self.output.slots[at : at + size].view(self.output.slot))
            port["head"] = max(int(port["head"]), min(last, int(port["tail"] + port["bound"])))
        with Captured() as captured:
            self.kernel.emit(log)
        self.printed += captured.text
        self.actor["log_used"] = 0

    def take_printed(self) -> str:
        """What the actor printed since the last time."""
        printed, self.printed = self.printed, ""
        return printed

    def drain(self, count: int) -> None:
        """Reads outputs."""
        for _ in range(count):
            self.received.append(self.output.take())

    def drain_all(self) -> None:
        """Reads every output, those over the bound as well."""
        self.output.port["head"] = self.actor["produced"]
        self.drain(self.output.depth)


class Resident(Library):
    """The same, with the resident kernel between the rings and the burst.

    Its ports are laid over memory of a device, which here is any memory.

    Args:
        kernel: the lowered actor.
        path: its library, compiled with ``PDC_EMULATE``.
        chance: as for ``Library``, and for how long it stays.
    """

    def __init__(self, kernel: KernelSource, path: Path, chance: random.Random) -> None:
        super().__init__(kernel, path, chance)
        library = ctypes.CDLL(str(path))
        self._resident, self._machine = library.pdc_resident, _aligned(64)
        self._stay = _aligned(ctypes.c_uint64.in_dll(library, "pdc_residency_size").value)
        self._seat_bytes = _aligned(RESIDENCY_RECORD.itemsize)
        self._seat = self._seat_bytes.view(RESIDENCY_RECORD)[0]
        self._seats = np.array([self._seat_bytes.ctypes.data], "<u8")
        self._local = _aligned(ACTOR.itemsize + 2 * PORT.itemsize)
        self._working = _aligned(max(16, len(self.state)))
        self._ids = np.zeros_like(self.strings)
        staged = chance.choice([1, 2, 64])
        size = kernel.input_slot.itemsize
        apart = staged * size > kernel.lanes.stage or staged == 2
        self._stage = _aligned(staged * size) if apart else None
        for name, value in (
            ("actor", self.words.ctypes.data), ("input", self.input.words.ctypes.data),
            ("output", self.output.words.ctypes.data), ("local", self._local.ctypes.data),
            ("state", self._working.ctypes.data), ("mirror", self.state.ctypes.data),
            ("state_size", kernel.state_dtype.itemsize), ("journal", self.journal.ctypes.data),
            ("journal_size", int(self.journal[0])), ("strings", self._ids.ctypes.data),
            ("stage", 0 if self._stage is None else self._stage.ctypes.data),
            ("stage_mask", staged - 1), ("input_size", size),
            ("output_size", kernel.output_slot.itemsize), ("string_count", len(kernel.strings)),
            ("burst", chance.choice([1, 3, 256])), ("load", 1),
        ):  # fmt: skip
            self._seat[name] = value

    def _run(self, limit: int) -> int:
        """One residency."""
        record, count = self._seat, len(self.output.source) // 8
        slots, sources = _aligned(count * self.output.slot.itemsize), _aligned(count * 8)
        record["slots"], record["sources"] = slots.ctypes.data, sources.ctypes.data
        record["budget"], record["epoch"] = limit, record["epoch"] + np.uint64(1)
        record["leave"], record["idle_ns"] = Leave.WHEN_IDLE, self.chance.choice([0, 20_000])
        resident_ns = self.chance.choice([0, 1_000, 1 << 62])
        self._resident(
            ctypes.c_void_p(self._seats.ctypes.data), ctypes.c_uint64(1),
            ctypes.c_uint64(resident_ns), ctypes.c_void_p(self._machine.ctypes.data),
            ctypes.c_void_p(self._stay.ctypes.data),
        )  # fmt: skip
        assert record["parked"] == record["epoch"]
        status = int(self.actor["status"])
        if status == Status.MORE and not self.input.depth:
            return self._run(limit)  # it left, by its clock, before it had looked for more
        return status
