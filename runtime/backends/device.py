"""What the ``cuda`` backend needs of a device, and nothing else.

Two implementations: ``cuda_cupy`` (a GPU, through CuPy) and ``emulator`` (the host, for tests).
Everything here may wait for kernels that are running, except ``Stream.launch`` and
``Stream.done``; so the rest is called before the first residency, or knowing that residency is
bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

ALIGNMENT = 256
"""Bytes; whatever starts there is aligned for any access, and shares no line with anything."""
CHUNK = 16 << 20
"""Bytes an arena asks the device for at a time."""


class DeviceFault(Exception):
    """A kernel has died, and with it everything on the device that belongs to this process."""


@dataclass(frozen=True)
class Chunk:
    """Memory of a device.

    Args:
        address: as kernels see it.
        size: bytes.
        bytes: as the host sees it; None for memory that only kernels see.
        owner: keeps it alive.
    """

    address: int
    size: int
    bytes: memoryview | None
    owner: Any


@dataclass(frozen=True)
class Kernel:
    """A loaded program.

    Args:
        resident, debug_step: handles of its two kernels, for ``Stream.launch``.
        capacity: how many blocks of it the device holds at the same time.
    """

    resident: Any
    debug_step: Any
    capacity: int


class Stream(Protocol):
    """Launches one after the other."""

    def launch(self, function: Any, records: int, count: int, limit: int) -> None:
        """Begin a grid of ``count`` blocks; does not wait.

        Args:
            function: ``Kernel.resident`` or ``Kernel.debug_step``.
            records: address of the addresses of the blocks' records.
            count: how many.
            limit: nanoseconds of residency, or polls of ``debug_step``.

        Raises:
            DeviceFault: the device has died.
        """
        ...

    def done(self) -> bool:
        """Whether everything launched has ended; does not wait.

        Raises:
            DeviceFault: the device has died.
        """
        ...

    def close(self) -> None:
        """Launch nothing any more."""
        ...


class Device(Protocol):
    """One GPU, or what stands for it."""

    name: str
    connections: int
    """Streams that are not serialised with one another."""

    def compile(self, source: str, name: str) -> Path:
        """Compile generated source for this device; the result is in the build cache.

        Args:
            source: a whole translation unit.
            name: of the kernel, for messages.

        Raises:
            BuildError: the text was rejected.
            BackendUnavailableError: there is no compiler for it.
        """
        ...

    def load(self, file: Path, lanes: int) -> Kernel:
        """Load what ``compile`` has made, once; later calls return the same.

        Args:
            file: what was made.
            lanes: threads of a block.

        Raises:
            DeviceFault: the device has died.
        """
        ...

    def mapped(self, size: int) -> Chunk:
        """Page-locked host memory that kernels see as well, zeroed."""
        ...

    def memory(self, size: int) -> Chunk:
        """Memory of the device."""
        ...

    def stream(self) -> Stream:
        """A stream that waits for no other."""
        ...


class Piece:
    """Memory out of an arena, in the shape of ``queues.memory.Memory``.

    Args:
        address: where it begins.
        bytes: as the host sees it; empty for memory that only kernels see.
        chunk, offset, size: its place.
    """

    __slots__ = ("address", "bytes", "chunk", "offset", "size")

    def __init__(self, address: int, data: memoryview, chunk: int, offset: int, size: int) -> None:
        self.address, self.bytes = address, data
        self.chunk, self.offset, self.size = chunk, offset, size


class Arena:
    """Hands out pieces of a few large chunks, so that the device is hardly ever asked.

    Args:
        ask: ``Device.mapped`` or ``Device.memory``.
        size: bytes asked for at a time, at least.
    """

    def __init__(self, ask: Any, size: int = CHUNK) -> None:
        self.ask, self._size = ask, size
        self._chunks: list[Chunk] = []
        self._free: list[tuple[int, int, int]] = []  # chunk, offset, size; in order

    def take(self, size: int, *, zero: bool = True) -> Piece:
        """So many bytes.

        Args:
            size: how many.
            zero: whether they start as zeros, where the host can see to it.
        """
        whole = max(ALIGNMENT, -(-size // ALIGNMENT) * ALIGNMENT)
        place = next((n for n, free in enumerate(self._free) if free[2] >= whole), None)
        if place is None:
            self._grow(whole)
            place = len(self._free) - 1
        chunk, offset, room = self._free[place]
        self._free[place : place + 1] = (
            [(chunk, offset + whole, room - whole)] if room > whole else []
        )
        owner = self._chunks[chunk]
        data = memoryview(bytearray()) if owner.bytes is None else owner.bytes
        data = data[offset : offset + size] if owner.bytes is not None else data
        if zero and owner.bytes is not None:
            data[:] = bytes(size)
        return Piece(owner.address + offset, data, chunk, offset, whole)

    @property
    def lacks(self) -> int:
        """Bytes to ask for before the next actor comes; 0 while there is room for a usual one."""
        largest = max((size for _, _, size in self._free), default=0)
        return 0 if largest >= self._size // 2 else self._size

    def add(self, chunk: Chunk) -> None:
        """More memory, which ``ask`` has given."""
        self._chunks.append(chunk)
        self._free.append((len(self._chunks) - 1, 0, chunk.size))

    def give_back(self, piece: Piece) -> None:
        """Take a piece back: nothing may write to it any more."""
        self._free.append((piece.chunk, piece.offset, piece.size))
        self._free.sort()
        joined: list[tuple[int, int, int]] = []
        for chunk, offset, size in self._free:
            if joined and joined[-1][0] == chunk and sum(joined[-1][1:]) == offset:
                joined[-1] = (chunk, joined[-1][1], joined[-1][2] + size)
            else:
                joined.append((chunk, offset, size))
        self._free = joined

    def _grow(self, least: int) -> None:
        self.add(self.ask(max(self._size, least)))
