"""The bytes of a journal: what a segment begins with, and what a group looks like.

A *group* is what one call wrote: a header of 40 bytes and a payload, which is padded to a multiple
of 8.  A segment is a header of 48 bytes and groups.  ``docs/journal-format.md`` has both byte by
byte.  No files here, and no messages.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final
from zlib import crc32

import numpy as np

MAGIC: Final = b"PDCJRNL1"
SEGMENT_BYTES: Final = 48
GROUP_BYTES: Final = 40
MOST_PAYLOAD: Final = 1 << 28
"""Bytes of the longest payload.  A longer one is damage: no reader makes room for it."""

_SEGMENT: Final = struct.Struct("<8s16sQQ")
_GROUP: Final = struct.Struct("<QIHBBHHIIII")
_CRC: Final = struct.Struct("<I")
_PADDING: Final = bytes(8)
_MARK: Final = 0x5044 << 48
"""In the first word of each group, so that it is not 0 before nor after a bit has flipped."""
FIRST: Final = 1
"""The number of the first group."""


class Kind(IntEnum):
    """What a group says."""

    ACTOR = 1
    """An actor begins to be journaled; the payload is its definition as JSON."""
    MESSAGES = 2
    """Messages for an actor; ``count`` of one class."""
    TIMEOUT = 3
    """A ``receive`` of an actor timed out, with an empty queue."""
    CUT = 4
    """Of an earlier batch, only the first messages were taken; the payload says which."""
    RESTART = 5
    """A failed actor was restarted."""
    BEGINNING = 6
    """What an actor's prologue left; ``count`` says after how many fresh restarts."""


REQUEST: Final = 1
"""Flag of MESSAGES: sent by ``request``, so the first output for it is a reply."""
HEADERS: Final = 2
"""Flag of MESSAGES: the messages' headers follow the records."""
FRESH: Final = 1
"""Flag of RESTART: from the first statement."""


@dataclass(frozen=True, slots=True)
class Group:
    """The header of one group.

    Args:
        sequence: number of the group, counted from 1 over all segments.
        length: bytes of the payload, padding not included.
        actor: index of the actor.
        kind: of ``Kind``.
        flags: see above.
        cls: which of the actor's input classes.
        source: 0 for a client, else 1 + the index of the actor whose edge brought it.
        count: messages.
        strings: bytes at the end of the payload that are the dictionary of strings.
        payload_crc: CRC-32 of the payload.
        unsynced: how many of the groups just before it might not have survived when this one was
            written: the earlier ones of the same batch, and with ``durability="power"`` those that
            were not synchronised.
        at: where the header begins in its segment.
    """

    sequence: int
    length: int
    actor: int
    kind: int
    flags: int
    cls: int
    source: int
    count: int
    strings: int
    payload_crc: int
    unsynced: int
    at: int = 0

    @property
    def end(self) -> int:
        """Where the next group begins."""
        return self.at + GROUP_BYTES + padded(self.length)


def padded(length: int) -> int:
    """A length with its padding."""
    return (length + 7) & ~7


def segment_header(journal: bytes, number: int, first: int) -> bytes:
    """What a segment begins with.

    Args:
        journal: 16 bytes that all segments of one journal share.
        number: of the segment, from 1.
        first: sequence number of its first group.
    """
    head = _SEGMENT.pack(MAGIC, journal, number, first)
    return head + _CRC.pack(crc32(head)) + bytes(4)


def read_segment_header(data: bytes | memoryview) -> tuple[bytes, int, int] | None:
    """``(journal, number, first sequence)``; None if it is damaged or something else."""
    head = bytes(data[:SEGMENT_BYTES])
    if len(head) < SEGMENT_BYTES or head[44:] != bytes(4):
        return None
    magic, journal, number, first = _SEGMENT.unpack_from(head)
    if magic != MAGIC or _CRC.unpack_from(head, 40)[0] != crc32(head[:40]):
        return None
    return journal, number, first


def group_header(
    sequence: int, payload: bytes | memoryview, actor: int, kind: int, flags: int = 0,
    cls: int = 0, source: int = 0, count: int = 0, strings: int = 0, unsynced: int = 0,
) -> bytes:  # fmt: skip
    """The header of a group; arguments as of ``Group``."""
    head = _GROUP.pack(
        _MARK | sequence, len(payload), actor, kind, flags, cls, source, count, strings,
        crc32(payload), unsynced,
    )  # fmt: skip
    return head + _CRC.pack(crc32(head))


def padding(length: int) -> bytes:
    """What follows a payload of so many bytes."""
    return _PADDING[: -length & 7]


def read_group_header(data: bytes | memoryview, at: int) -> Group | None:
    """The header at a place; None if there is none, or it is damaged."""
    head = bytes(data[at : at + GROUP_BYTES])
    if len(head) < GROUP_BYTES or _CRC.unpack_from(head, 36)[0] != crc32(head[:36]):
        return None
    (
        word, length, actor, kind, flags, cls, source, count, strings, crc, unsynced,
    ) = _GROUP.unpack_from(head)  # fmt: skip
    group = Group(
        word ^ _MARK, length, actor, kind, flags, cls, source, count, strings, crc, unsynced, at
    )
    if group.sequence >> 48 or group.length > MOST_PAYLOAD or group.strings > group.length:
        return None
    return group


def begins_group(data: bytes | memoryview, at: int) -> bool:
    """Whether the word that is stored last of a group has been stored there."""
    return any(data[at : at + 8])


def later_groups(data: memoryview, at: int, sequence: int) -> list[Group]:
    """The groups behind a place with numbers above ``sequence``, wherever they begin."""
    words = np.frombuffer(data[at : at + (len(data) - at) // 8 * 8], np.uint64)
    first = np.uint64(_MARK | sequence + 1)
    places = np.flatnonzero((words >= first) & (words - first <= np.uint64(len(words))))
    found = (read_group_header(data, at + 8 * int(place)) for place in places)
    return [each for each in found if each is not None]


def intact(group: Group, data: bytes | memoryview) -> bool:
    """Whether the payload is all there, and what was written; the padding is zeros."""
    begin, stop = group.at + GROUP_BYTES, group.at + GROUP_BYTES + group.length
    if group.end > len(data):
        return False
    if bytes(data[stop : group.end]) != _PADDING[: group.end - stop]:
        return False
    return crc32(data[begin:stop]) == group.payload_crc
