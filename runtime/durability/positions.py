"""The file of positions: a few numbers that change often, each in a word of its own.

Input: a number for a place.  Output: the same number, after ``kill -9`` at any moment.

A word holds a number of 48 bits and its CRC-16, and is stored at once into memory that the
operating system writes to the file: no system call, and room on the disk from the beginning, so
storing a number cannot fail.  Place 0 is the number of the last segment; place ``n`` belongs to
actor ``n - 1``; the last one is ``POWER``.
"""

from __future__ import annotations

import mmap
import os
from binascii import crc_hqx
from pathlib import Path
from typing import Final
from zlib import crc32

from pydotcompute.errors import DurabilityError

NAME: Final = "positions.pdj"
MAGIC: Final = b"PDCPOSN1"
PLACES: Final = 4096
"""How many numbers there are."""
POWER: Final = PLACES - 1
"""The place that says whether the last process wrote with ``durability="power"``."""
_HEAD: Final = 64
SIZE: Final = _HEAD + 8 * PLACES


def _word(place: int, number: int) -> int:
    text = number.to_bytes(6, "little") + place.to_bytes(2, "little")
    return number << 16 | crc_hqx(text, 0)


def _head(journal: bytes) -> bytes:
    head = MAGIC + journal
    return (head + crc32(head).to_bytes(4, "little")).ljust(_HEAD, b"\0")


class Positions:
    """The numbers of one journal.

    Args:
        folder: of the journal.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.dirty = False
        try:
            with self.path.open("r+b") as file:
                if os.fstat(file.fileno()).st_size != SIZE:
                    raise DurabilityError(f"{self.path} was shortened, or is no file of a journal")
                self._memory = mmap.mmap(file.fileno(), SIZE)
        except OSError as error:
            raise DurabilityError(f"{self.path} cannot be opened: {error.strerror}") from error
        self.journal = self._memory[8:24]
        if self._memory[:_HEAD] != _head(self.journal):
            self._memory.close()
            raise DurabilityError(f"{self.path} is damaged, or no file of a journal")
        self._view = memoryview(self._memory)
        self._words = self._view[_HEAD:].cast("Q")
        for place in range(PLACES):
            word = self._words[place]
            if word and word != _word(place, word >> 16):
                self.close()
                raise DurabilityError(f"{self.path} is damaged (word {place})")

    def get(self, place: int) -> int:
        """The number at a place; 0 if none was stored."""
        return self._words[place] >> 16

    def set(self, place: int, number: int) -> None:
        """Store a number."""
        self._words[place] = _word(place, number)
        self.dirty = True

    def sync(self) -> None:
        """Let the numbers survive the machine; for any thread.

        Raises:
            OSError: they cannot be written.
        """
        self.dirty = False
        self._memory.flush()

    def close(self) -> None:
        """Give the memory back."""
        for view in (getattr(self, "_words", None), getattr(self, "_view", None)):
            if view is not None:
                view.release()
        self._memory.close()


def create(folder: Path, journal: bytes) -> None:
    """Make the file; it is there with all its bytes, or not at all.

    Args:
        folder: of the journal.
        journal: 16 bytes that name it.

    Raises:
        OSError: it cannot be written.
    """
    last = _word(0, 1).to_bytes(8, "little")
    fresh = folder / (NAME + ".new")
    with fresh.open("wb") as file:
        file.write((_head(journal) + last).ljust(SIZE, b"\0"))
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, folder / NAME)
