"""The files of a journal: groups are appended to the last segment, and to no other.

Input: the bytes of groups.  Output: all of them in the file when ``append`` returns, or none.

The last segment is memory that the operating system writes to the file, so a small group costs no
system call, and what was written survives ``kill -9``.  Room on the disk is reserved before it is
written to, so a full disk is an error and no signal.  The first word of a group is stored last: a
process that dies before leaves no group.  What lies behind the last group is zeros; it is cut off
when the segment is closed.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from errno import ENOSPC
from pathlib import Path
from typing import Final

from pydotcompute.accel.storage import TapeStorage
from pydotcompute.durability.groups import SEGMENT_BYTES, segment_header
from pydotcompute.durability.positions import Positions
from pydotcompute.errors import DurabilityError

SEGMENT_SIZE: Final = 64 << 20
"""Bytes after which another segment is begun."""
_STEPS: Final = (1 << 20, 1 << 16, 1 << 12)
"""Bytes of room that are reserved at once; less where there is no more."""
_LARGE: Final = 1 << 16
"""Bytes from which groups are given to the operating system rather than copied."""
_PARTS: Final = 512
"""Parts given to one call of the operating system."""
_WORD: Final = 8

Part = bytes | memoryview


def segment_name(number: int) -> str:
    """The name of a segment's file."""
    return f"journal-{number:08d}.pdj"


def segment_numbers(folder: Path) -> list[int]:
    """The numbers of the segments in a folder, in order.

    Raises:
        DurabilityError: a file has the name of a segment, nearly.
    """
    names = [each.name for each in folder.iterdir() if each.name.startswith("journal-")]
    found = []
    for name in names:
        digits = name.removeprefix("journal-").removesuffix(".pdj")
        if not digits.isdigit() or name != segment_name(int(digits)):
            raise DurabilityError(f"{folder / name} is no segment of a journal")
        found.append(int(digits))
    return sorted(found)


class SegmentWriter(TapeStorage):
    """Appends to the last segment; so does the extension, groups of one message.

    ``view`` is the memory of the segment, ``end`` where the next group goes, ``sequence`` its
    number, ``limit`` where another segment is begun, and ``open`` whether the extension may append.

    Args:
        folder: of the journal.
        positions: which remembers the last segment's number.
        sequence: number of the next group.
        end: where it goes in the last segment.
        size: bytes after which another segment is begun.
    """

    __slots__ = ("_broken", "_fd", "_folder", "_map", "_number", "_positions")

    def __init__(
        self,
        folder: Path,
        positions: Positions,
        sequence: int,
        end: int,
        size: int = SEGMENT_SIZE,
    ) -> None:
        self._folder, self._positions = folder, positions
        self.sequence, self.end, self.limit = sequence, end, size
        self.open = True
        self._broken: str | None = None
        self._number = positions.get(0)
        self._fd = -1
        self._map: mmap.mmap | None = None
        self.view = _nothing()
        try:
            self._fd = os.open(self.path, os.O_RDWR)
            if self.end < os.fstat(self._fd).st_size:
                self._look()
        except OSError as error:
            self.close(cut=False)
            raise DurabilityError(f"{self.path} cannot be written: {error.strerror}") from error

    @property
    def path(self) -> Path:
        """The last segment."""
        return self._folder / segment_name(self._number)

    def append(self, parts: Sequence[Part], groups: int = 1) -> None:
        """Write groups: all of them, or nothing.

        Args:
            parts: headers, payloads and paddings, in order.
            groups: how many groups that is.

        Raises:
            DurabilityError: they cannot be written; the journal is as it was.
        """
        if self.end >= self.limit and self._broken is None:
            self._rotate()
        data = parts[0] if len(parts) == 1 else None
        length = sum(map(len, parts)) if data is None else len(data)
        if self._broken is not None:
            raise DurabilityError(self._broken)
        at, end = self.end, self.end + length
        if length >= _LARGE:
            self._write(parts, at, end)
        else:
            if data is None:
                data = b"".join(parts)
            if end > len(self.view):
                self._reserve(end)
            self.view[at + _WORD : end] = data[_WORD:]
        self.view[at : at + _WORD] = parts[0][:_WORD]
        self.end = end
        self.sequence += groups

    def _reserve(self, end: int) -> None:
        """Have room in the file up to a place, and see it as memory."""
        size, failed = os.fstat(self._fd).st_size, OSError(ENOSPC, "No space left on device")
        for step in _STEPS:
            wanted = (end + step - 1) // step * step
            try:
                if wanted > size:
                    os.posix_fallocate(self._fd, size, wanted - size)
                self._look()
                return
            except OSError as error:
                failed = error
        raise self._failed(failed) from failed

    def _look(self) -> None:
        """See the whole file as memory."""
        fresh = mmap.mmap(self._fd, os.fstat(self._fd).st_size)
        self._forget()
        self._map, self.view = fresh, memoryview(fresh)

    def _forget(self) -> None:
        old, self.view = self.view, _nothing()
        old.release()
        if self._map is not None:
            self._map.close()
            self._map = None

    def _write(self, parts: Sequence[Part], at: int, end: int) -> None:
        """Write all but the first word of long groups."""
        if at + _WORD > len(self.view):
            self._reserve(at + _WORD)
        rest = [memoryview(parts[0])[_WORD:], *parts[1:]]
        done = at + _WORD
        try:
            for first in range(0, len(rest), _PARTS):
                piece = rest[first : first + _PARTS]
                wanted = sum(map(len, piece))
                written = os.pwritev(self._fd, piece, done)
                if written < wanted:
                    self._write_rest(b"".join(piece), written, done)
                done += wanted
        except OSError as error:
            self._take_back(at)
            raise self._failed(error) from error
        assert done == end

    def _write_rest(self, data: bytes, written: int, at: int) -> None:
        view = memoryview(data)
        while written < len(view):
            written += os.pwrite(self._fd, view[written:], at + written)

    def _take_back(self, at: int) -> None:
        """A write has failed: what was written of it goes."""
        try:
            self.view[at:] = bytes(len(self.view) - at)
            os.ftruncate(self._fd, len(self.view))
        except OSError as error:
            self.give_up(f"the journal {self.path} cannot be written: {error.strerror}")

    def _failed(self, error: OSError) -> DurabilityError:
        return DurabilityError(f"the journal {self.path} cannot be written: {error.strerror}")

    def _rotate(self) -> None:
        """Begin the next segment."""
        path = self._folder / segment_name(self._number + 1)
        fd = -1
        try:
            os.ftruncate(self._fd, self.end)
            os.fdatasync(self._fd)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
            header = segment_header(self._positions.journal, self._number + 1, self.sequence)
            if os.write(fd, header) != SEGMENT_BYTES:
                raise OSError(ENOSPC, "No space left on device")
            sync_folder(self._folder)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
                path.unlink(missing_ok=True)
            self._forget()
            raise DurabilityError(
                f"the journal {path} cannot be written: {error.strerror}"
            ) from error
        self._forget()
        os.close(self._fd)
        self._fd, self.end = fd, SEGMENT_BYTES
        self._number += 1
        self._positions.set(0, self._number)

    def sync(self) -> None:
        """Let everything written survive the machine; for any thread.

        Raises:
            OSError: it cannot be.
        """
        os.fdatasync(self._fd)

    def give_up(self, why: str) -> None:
        """Take nothing any more.

        Args:
            why: the text of the error that ``append`` raises from now on.
        """
        self._broken, self.open = self._broken or why, False

    def close(self, *, cut: bool = True) -> None:
        """Close the file.

        Args:
            cut: cut off the room that was reserved.
        """
        self._forget()
        if self._fd >= 0:
            try:
                if cut:
                    os.ftruncate(self._fd, self.end)
            except OSError:
                pass  # zeros at the end do no harm
            os.close(self._fd)
            self._fd = -1


def _nothing() -> memoryview:
    return memoryview(bytearray())


def sync_folder(folder: Path) -> None:
    """Let the names in a folder survive the machine."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
