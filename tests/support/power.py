"""A machine that loses its power: what was written and not synchronised may be gone.

``watch`` notes in a process what has been synchronised; ``lose`` takes from the files what a disk
might not have: blocks of the last segment behind that point, and words of the file of positions.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

from pydotcompute.durability.positions import NAME, Positions
from pydotcompute.durability.segments import SegmentWriter, segment_name, segment_numbers

BLOCK = 512


def watch(side: Path) -> None:
    """Note each synchronisation in files of this folder, which the power does not take."""
    sync, flush = SegmentWriter.sync, Positions.sync

    def synced(writer: SegmentWriter) -> None:
        number, end = writer._number, writer.end
        sync(writer)
        _note(side / "synced", f"{number} {end}".encode())

    def flushed(positions: Positions) -> None:
        content = bytes(positions._memory)
        flush(positions)
        _note(side / "positions", content)

    SegmentWriter.sync, Positions.sync = synced, flushed  # type: ignore[method-assign]


def _note(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    os.replace(fresh, path)


def lose(folder: Path, side: Path, dice: random.Random) -> None:
    """Take from a journal what its last process has not synchronised, or parts of it."""
    if not (side / "synced").exists():
        return
    number, end = map(int, (side / "synced").read_text().split())
    last = segment_numbers(folder)[-1]
    if number == last:
        path = folder / segment_name(last)
        data = bytearray(path.read_bytes())
        size = len(bytes(data).rstrip(b"\0"))
        match dice.randrange(3):
            case 0 if size > end:
                data = data[: dice.randrange(end, size)]
            case _:
                for at in range(-(-end // BLOCK) * BLOCK, size, BLOCK):
                    if dice.randrange(2):
                        data[at : at + BLOCK] = bytes(len(data[at : at + BLOCK]))
        path.write_bytes(data)
    if (side / "positions").exists() and dice.randrange(2):
        old = (side / "positions").read_bytes()
        new = (folder / NAME).read_bytes()
        if old[64:72] == new[64:72]:  # the number of the last segment is synchronised with it
            (folder / NAME).write_bytes(old)
    for name in ("synced", "positions"):
        (side / name).unlink(missing_ok=True)
