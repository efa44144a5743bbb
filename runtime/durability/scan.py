"""Reading a journal: which groups there are, and whether every byte is as it was written.

Input: a folder.  Output: the groups in order; or ``DurabilityError`` with a sentence that names the
file.  The one damage that is repaired is the torn tail of the last segment: what a crash in the
middle of a write leaves.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydotcompute.durability.groups import (
    FIRST,
    GROUP_BYTES,
    SEGMENT_BYTES,
    Group,
    Kind,
    begins_group,
    intact,
    later_groups,
    read_group_header,
    read_segment_header,
)
from pydotcompute.durability.positions import NAME, Positions
from pydotcompute.durability.segments import segment_name, segment_numbers
from pydotcompute.errors import DurabilityError

_KINDS = frozenset(Kind)
_BLOCK = 512
"""Bytes that a disk writes at once."""


@dataclass
class Segment:
    """One file, mapped into memory.

    Args:
        path: the file.
        data: its bytes.
        end: where its groups end.
        torn: whether the beginning of another group follows.
    """

    path: Path
    data: memoryview
    end: int = 0
    torn: bool = False
    _map: mmap.mmap | None = field(default=None, repr=False)

    def payload(self, group: Group) -> memoryview:
        """The payload of a group."""
        begin = group.at + GROUP_BYTES
        return self.data[begin : begin + group.length]

    def close(self) -> None:
        """Give the memory back, unless something still uses it."""
        try:
            self.data.release()
            if self._map is not None:
                self._map.close()
        except BufferError:
            pass


def map_segment(path: Path) -> Segment:
    """A file in memory, read only.

    Raises:
        DurabilityError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return Segment(path, memoryview(b""))
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise DurabilityError(f"{path} cannot be read: {error.strerror}") from error
    return Segment(path, memoryview(mapped), _map=mapped)


def open_segments(folder: Path, positions: Positions) -> list[Segment]:
    """All segments of a journal, in order, with checked headers.

    Raises:
        DurabilityError: one is missing, damaged, or of another journal.
    """
    last, numbers = positions.get(0), segment_numbers(folder)
    if numbers and numbers[-1] == last + 1:  # begun by a process that died before it said so
        fresh = folder / segment_name(numbers[-1])
        if fresh.stat().st_size <= SEGMENT_BYTES:
            numbers.pop()
    for number in range(1, last + 1):
        if number not in numbers:
            raise DurabilityError(f"{folder / segment_name(number)} is missing")
    if len(numbers) > last:
        raise DurabilityError(
            f"{folder / segment_name(numbers[-1])} is newer than {folder / NAME} knows"
        )
    found = []
    for number in numbers:
        segment = map_segment(folder / segment_name(number))
        header = read_segment_header(segment.data)
        if header is None:
            raise DurabilityError(f"{segment.path} is damaged, or no segment of a journal")
        if header[:2] != (positions.journal, number):
            raise DurabilityError(f"{segment.path} belongs to another journal, or another place")
        found.append(segment)
    return found


def groups_of(segments: list[Segment], power: bool) -> Iterator[tuple[int, Group]]:
    """Every group with the index of its segment, each checked.

    Args:
        segments: of one journal.
        power: the last process wrote for a machine that may lose its power: a block of the disk
            that it had not synchronised may never have been written.

    ``Segment.end`` of the last one is set to where its groups end, and ``Segment.torn`` to whether
    the beginning of another one follows.

    Raises:
        DurabilityError: something is damaged.
    """
    sequence = FIRST
    for index, segment in enumerate(segments):
        header = read_segment_header(segment.data)
        if header is None or header[2] != sequence:
            raise DurabilityError(f"{segment.path} does not follow the segment before it")
        data, at = segment.data, SEGMENT_BYTES
        while at < len(data):
            group = read_group_header(data, at)
            if group is None or not intact(group, data):
                last = index == len(segments) - 1
                if not last or not _is_end(segment, at, group, sequence, power):
                    raise DurabilityError(f"{segment.path} is damaged at byte {at}")
                segment.torn = any(bytes(data[at:]).strip(b"\0"))
                break
            if group.sequence != sequence or group.kind not in _KINDS:
                raise DurabilityError(f"{segment.path} is damaged at byte {at}")
            yield index, group
            at = group.end
            sequence += 1
        segment.end = at


def _is_end(
    segment: Segment, at: int, group: Group | None, sequence: int, power: bool
) -> bool:
    """Whether no group begins at ``at`` and none was lost there.

    A process that dies leaves at most a group without its first word, and behind it others of the
    same batch, which say that it might not be there.  A file that a crash has
    shortened ends in the middle of a group.  After a power loss there may be blocks of zeros where
    a group had not been written yet, and groups behind it, which say that it might not survive.
    """
    data = segment.data
    later = later_groups(data, at, sequence)
    if any(each.sequence - each.unsynced > sequence for each in later):
        return False
    if not begins_group(data, at):
        return True
    if later:
        return power  # else only the first of a batch can be missing, and it has no first word then
    if len(data) - at < GROUP_BYTES:
        return True
    if group is not None and group.sequence != sequence:
        return False
    if group is not None and group.end > len(data):
        return True
    blocks = range((at // _BLOCK + 1) * _BLOCK, len(data), _BLOCK)
    return power and not all(any(data[each : each + _BLOCK]) for each in blocks)


def repair(segment: Segment) -> str:
    """Cut a torn tail off; returns the sentence that says so.

    Raises:
        DurabilityError: the file cannot be written.
    """
    lost = len(bytes(segment.data[segment.end :]).rstrip(b"\0"))
    try:
        os.truncate(segment.path, segment.end)
    except OSError as error:
        raise DurabilityError(f"{segment.path} cannot be repaired: {error.strerror}") from error
    return (
        f"{segment.path} ended in the middle of a write: its last {lost} bytes, which no call had "
        "returned for, were cut off"
    )
