"""The journal of one runtime: a folder that one process has open.

Input: groups of the runtime's actors.  Output: the same groups on disk, in the order in which they
were written, and at the next opening the index of what each actor was sent.

One journal for all actors: what survives a power loss is then a beginning of what happened, and
one ``fdatasync`` serves everybody who waits.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from pydotcompute.durability.groups import (
    FIRST,
    FRESH,
    MOST_PAYLOAD,
    SEGMENT_BYTES,
    Group,
    Kind,
    group_header,
    padding,
    read_group_header,
    segment_header,
)
from pydotcompute.durability.positions import NAME, POWER, Positions, create
from pydotcompute.durability.scan import Segment, groups_of, open_segments, repair
from pydotcompute.durability.segments import (
    SEGMENT_SIZE,
    SegmentWriter,
    segment_name,
    segment_numbers,
    sync_folder,
)
from pydotcompute.errors import DurabilityError
from pydotcompute.support import notices

log = logging.getLogger("pydotcompute.durability")

LOCK: Final = "lock"
_PLACE_BITS: Final = 40
"""Of a place in the index: the low bits are the byte, the others the segment."""


class Past:
    """What the journal holds of one actor.

    Args:
        index: of the actor.
        definition: what the actor was when it was first journaled.

    Attributes:
        places: of the groups.
        beginnings: those of kind BEGINNING among them.
        cuts: of groups that were not taken whole, how many messages were.
        inputs: messages.
        fresh: restarts from the first statement.
        delivered: messages that came along edges, by source.
    """

    def __init__(self, index: int, definition: dict[str, Any]) -> None:
        self.index, self.definition = index, definition
        self.places, self.beginnings = array("Q"), array("Q")
        self.cuts: dict[int, int] = {}
        self.inputs = self.fresh = 0
        self.delivered: dict[int, int] = {}


class Journal:
    """An open journal.

    Args:
        folder: where it is; made if it is not there.
        durability: ``"process"`` or ``"power"``.
        segment_size: bytes after which another segment is begun.

    Raises:
        DurabilityError: another process has it, it is damaged, or it cannot be written.
    """

    def __init__(
        self, folder: Path, durability: str = "process", segment_size: int = SEGMENT_SIZE
    ) -> None:
        self.folder, self.power = folder, durability == "power"
        self.pasts: dict[str, Past] = {}
        self._names: list[str] = []
        self._launched: set[str] = set()
        self._segments: list[Segment] = []
        self._lock = _lock(folder)
        try:
            if _is_new(folder):
                _begin(folder)
            self.positions = Positions(folder)
            self._was_power = bool(self.positions.get(POWER))
            try:
                sequence = self._read()
                self._writer = SegmentWriter(
                    folder, self.positions, sequence, self._segments[-1].end, segment_size
                )
                self.positions.set(POWER, self.power)
                if self.power:  # the last process may have been killed just before
                    self._writer.sync()
                    self.positions.sync()
            except BaseException:
                self._close_segments()
                self.positions.close()
                raise
        except BaseException:
            os.close(self._lock)
            raise
        self._synced = self._writer.sequence  # the groups below it survive the machine
        self._syncing: asyncio.Task[None] | None = None
        self._owed: list[tuple[int, int, int]] = []
        self.closed = False

    # --- opening ---------------------------------------------------------------------------

    def _read(self) -> int:
        """Look through everything; returns the number of the next group."""
        self._segments = open_segments(self.folder, self.positions)
        sequence = FIRST
        for index, group in groups_of(self._segments, self._was_power):
            self._note(index, group)
            sequence = group.sequence + 1
        last = self._segments[-1]
        if last.torn:
            notices.warn(repair(last), RuntimeWarning)
        return sequence

    def _note(self, index: int, group: Group) -> None:
        segment = self._segments[index]
        try:
            if group.kind == Kind.ACTOR:
                definition = json.loads(bytes(segment.payload(group)))
                if group.actor != len(self._names):
                    raise ValueError("actors are not in order")
                self._names.append(definition["id"])
                self.pasts[definition["id"]] = Past(group.actor, definition)
                return
            past = self.pasts[self._names[group.actor]]
            if group.kind == Kind.CUT:
                first, kept = _read_cut(segment.payload(group))
                self._cut(past, first, kept)
                return
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise DurabilityError(
                f"{segment.path} says at byte {group.at} what cannot be ({error})"
            ) from error
        past.places.append(index << _PLACE_BITS | group.at)
        if group.kind == Kind.BEGINNING:
            past.beginnings.append(past.places[-1])
        if group.kind == Kind.RESTART:
            past.fresh += group.flags & FRESH
        if group.kind == Kind.MESSAGES:
            past.inputs += group.count
            if group.source:
                held = past.delivered.get(group.source, 0)
                past.delivered[group.source] = held + group.count

    def _cut(self, past: Past, first: int, kept: int) -> None:
        """Of the batch that began with this group, only so many messages were taken."""
        at, lost = len(past.places) - 1, 0
        while at >= 0 and (group := self._group(past.places[at])).sequence >= first:
            at -= 1
        for place in past.places[at + 1 :]:
            group = self._group(place)
            if group.kind != Kind.MESSAGES:
                break
            taken = min(kept, group.count)
            kept -= taken
            if taken < group.count:
                past.cuts[group.sequence] = taken
                lost += group.count - taken
        past.inputs -= lost

    def _group(self, place: int) -> Group:
        segment = self._segments[place >> _PLACE_BITS]
        group = read_group_header(segment.data, place & ((1 << _PLACE_BITS) - 1))
        assert group is not None
        return group

    def groups(self, places: Iterable[int]) -> Iterator[tuple[Group, memoryview]]:
        """The groups at these places of a ``Past``: headers and payloads."""
        for place in places:
            group = self._group(place)
            yield group, self._segments[place >> _PLACE_BITS].payload(group)

    def name_of(self, index: int) -> str:
        """The id of an actor."""
        return self._names[index]

    # --- writing ---------------------------------------------------------------------------

    def actor(self, kernel_id: str, definition: dict[str, Any]) -> Past:
        """What is known of an actor; one that is not known becomes so.

        Args:
            kernel_id: its id.
            definition: what it is, as JSON has it.

        Raises:
            DurabilityError: there are too many, or the journal cannot be written.
        """
        if kernel_id in self._launched:  # it has been sent more since the journal was read
            self._close_segments()
            self.pasts, self._names = {}, []
            self._read()
        past = self.pasts.get(kernel_id)
        if past is None:
            index = len(self._names)
            if index + 1 >= POWER:
                raise DurabilityError(f"a journal has at most {POWER - 1} actors")
            self.append(index, Kind.ACTOR, json.dumps({"id": kernel_id, **definition}).encode())
            past = self.pasts[kernel_id] = Past(index, definition)
            self._names.append(kernel_id)
        self._launched.add(kernel_id)
        return past

    @property
    def writer(self) -> SegmentWriter:
        """What appends to the last segment."""
        return self._writer

    def append(
        self, actor: int, kind: int, payload: bytes = b"", flags: int = 0, cls: int = 0,
        source: int = 0, count: int = 0, strings: int = 0,
    ) -> None:  # fmt: skip
        """Write one group; arguments as of ``Group``.

        Raises:
            DurabilityError: it cannot be written; the journal is as it was.
        """
        if len(payload) > MOST_PAYLOAD:
            raise DurabilityError(f"a message of {len(payload)} bytes is too long for a journal")
        if self._owed:
            self._pay()
        self._write(actor, kind, payload, flags, cls, source, count, strings)

    def _write(
        self, actor: int, kind: int, payload: bytes, flags: int = 0, cls: int = 0,
        source: int = 0, count: int = 0, strings: int = 0,
    ) -> None:  # fmt: skip
        writer = self._writer
        header = group_header(
            writer.sequence, payload, actor, kind, flags, cls, source, count, strings,
            self._unsynced(),
        )  # fmt: skip
        writer.append((header + payload + padding(len(payload)),))

    def _unsynced(self) -> int:
        """How many groups before the next one may not survive the machine."""
        return self._writer.sequence - self._synced if self.power else 0

    def append_batch(self, actor: int, payloads: Sequence[Any], flags: int, source: int) -> int:
        """Write the groups of one batch, all or none; returns the number of the first."""
        if self._owed:
            self._pay()
        first, parts = self._writer.sequence, list[bytes | memoryview]()
        unsynced = self._unsynced()
        for number, each in enumerate(payloads):
            data = [memoryview(part).cast("B") for part in each.parts if len(part)]
            joined = data[0] if len(data) == 1 else memoryview(b"".join(data))
            header = group_header(
                first + number, joined, actor, Kind.MESSAGES, flags | each.flags, each.cls, source,
                each.count, each.strings, unsynced + number,
            )  # fmt: skip
            parts += [header, joined, padding(len(joined))]
        self._writer.append(parts, len(payloads))
        return first

    def cut(self, actor: int, first: int, kept: int) -> None:
        """Of the batch that began with this group, only so many messages were taken.

        It is written now, or if the disk is full before anything else is.
        """
        self._owed.append((actor, first, kept))
        try:
            self._pay()
        except DurabilityError as error:
            log.error("a part of a batch is not taken back yet: %s", error)

    def _pay(self) -> None:
        self._writer.open = False
        while self._owed:
            actor, first, kept = self._owed[0]
            payload = first.to_bytes(8, "little") + kept.to_bytes(8, "little")
            self._write(actor, Kind.CUT, payload)
            del self._owed[0]
        self._writer.open = not self.closed

    # --- surviving the machine -------------------------------------------------------------

    async def synced(self) -> None:
        """Wait until all that has been written survives the machine; one wait serves all.

        Raises:
            DurabilityError: it does not.
        """
        wanted = self._writer.sequence
        while self._synced < wanted or self.positions.dirty:
            if self._syncing is None or self._syncing.done():
                self._syncing = asyncio.get_running_loop().create_task(self._sync())
            await asyncio.shield(self._syncing)

    async def _sync(self) -> None:
        sequence = self._writer.sequence
        try:
            await asyncio.to_thread(self._sync_now)
        except OSError as error:
            text = f"the journal {self._writer.path} cannot be synchronised: {error.strerror}"
            self._writer.give_up(text)
            raise DurabilityError(text) from error
        self._synced = sequence

    def _sync_now(self) -> None:
        self._writer.sync()
        if self.positions.dirty:
            self.positions.sync()

    # --- the end ---------------------------------------------------------------------------

    def forget(self) -> None:
        """In a forked copy of the process: the folder is the other's."""
        if not self.closed:
            self.closed = True
            self._writer.close(cut=False)
            os.close(self._lock)

    def close(self) -> None:
        """Let others have the folder."""
        if self.closed:
            return
        self.closed = True
        self._writer.give_up(f"the journal {self.folder} is closed")
        self._writer.close()
        self.positions.close()
        self._close_segments()
        os.close(self._lock)

    def _close_segments(self) -> None:
        for each in self._segments:
            each.close()


def _lock(folder: Path) -> int:
    """Take the folder for this process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise DurabilityError(f"{folder} cannot hold a journal: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise DurabilityError(
            f"{folder} is the journal of another runtime that is still running; only one may use "
            "it at a time"
        ) from error
    return fd


def _is_new(folder: Path) -> bool:
    """Whether no journal has been begun here; what a crash left of beginning one does not count."""
    if (folder / NAME).exists():
        return False
    numbers = segment_numbers(folder)
    if not numbers:
        return True
    first = folder / segment_name(1)
    if numbers == [1] and first.stat().st_size <= SEGMENT_BYTES:
        return True
    raise DurabilityError(f"{folder / NAME} is missing")


def _begin(folder: Path) -> None:
    journal = uuid4().bytes
    path = folder / segment_name(1)
    try:
        with path.open("wb") as file:
            file.write(segment_header(journal, 1, FIRST))
            file.flush()
            os.fsync(file.fileno())
        create(folder, journal)
        sync_folder(folder)
    except OSError as error:
        raise DurabilityError(f"{folder} cannot hold a journal: {error.strerror}") from error


def _read_cut(payload: memoryview) -> tuple[int, int]:
    data = bytes(payload)
    if len(data) != 16:
        raise ValueError("a cut has 16 bytes")
    return int.from_bytes(data[:8], "little"), int.from_bytes(data[8:], "little")


def verify(folder: Path, tell: Callable[[str], object]) -> str:
    """Look through a journal and change nothing.

    Args:
        folder: where it is.
        tell: told each line of what there is.

    Returns:
        A sentence on its torn tail; empty if it has none.

    Raises:
        DurabilityError: it is damaged, or there is none.
    """
    if not (folder / NAME).exists():
        raise DurabilityError(f"{folder} is no journal: {folder / NAME} is missing")
    positions = Positions(folder)
    segments: list[Segment] = []
    try:
        segments = open_segments(folder, positions)
        names: list[str] = []
        inputs: list[int] = []
        groups = 0
        for index, group in groups_of(segments, bool(positions.get(POWER))):
            groups += 1
            if group.kind == Kind.ACTOR:
                names.append(json.loads(bytes(segments[index].payload(group)))["id"])
                inputs.append(0)
            elif group.kind == Kind.MESSAGES:
                inputs[group.actor] += group.count
        size = sum(each.end for each in segments)
        tell(f"{folder}: {len(segments)} segments, {groups} groups, {size} bytes")
        for place, (name, count) in enumerate(zip(names, inputs, strict=True), 1):
            tell(f"  {name}: {count} inputs, outputs acknowledged up to {positions.get(place)}")
        last = segments[-1]
        return f"{last.path} ends in the middle of a write, at byte {last.end}" if last.torn else ""
    except (ValueError, KeyError, IndexError) as error:
        raise DurabilityError(f"{folder} holds what cannot be ({error})") from error
    finally:
        for each in segments:
            each.close()
        positions.close()
