"""Snapshot files: whole or refused, whatever the bytes are."""

from __future__ import annotations

import copy
import json
import resource
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydotcompute import RingKernelRuntime, Snapshot, SnapshotError, message, ring_kernel
from pydotcompute.durability.assemble import Assembler
from pydotcompute.durability.evolution import KnownClasses
from pydotcompute.durability.snapshot_format import HEADER, MAGIC, SECTION, File
from tests.support.contract import go
from tests.support.profiles import examples


@message
class Word:
    text: str
    count: int = 1


async def words(ctx: Any) -> None:
    counts: dict[str, int] = {}
    longest = ""
    while not ctx.should_terminate:
        word = await ctx.receive()
        counts[word.text] = counts.get(word.text, 0) + word.count
        longest = max(longest, word.text, key=len)
        await ctx.send(Word(longest, counts[word.text]))


ACTOR = ring_kernel(
    kernel_id="words", input_type=Word, output_type=Word, auto_register=False
)(words)  # fmt: skip


@pytest.fixture(scope="module")
def content() -> bytes:
    async def probe() -> bytes:
        async with RingKernelRuntime(backend="python") as runtime:
            kernel = await runtime.launch("words", ACTOR)
            await kernel.activate()
            await kernel.send_many([Word("a"), Word("bb", 2)])
            await kernel.receive()
            await kernel.deactivate()
            await kernel.send(Word("ccc"))
            return bytes(await kernel.snapshot())

    made: bytes = go(probe)
    return made


def refused(path: Path, content: bytes) -> str:
    """The sentence with which a file is refused; it names the file."""
    path.write_bytes(content)
    with pytest.raises(SnapshotError) as caught:
        use(Snapshot.load(path))
    assert str(path) in str(caught.value)
    return str(caught.value)


def use(snapshot: Snapshot) -> None:
    """Read everything that there is."""
    for kept in snapshot.kernels.values():
        classes = KnownClasses(snapshot.name, words, (Word,), lambda text: None)
        assembler = Assembler(snapshot.file, classes)
        for _, column in kept.node["instances"]["variables"]:
            assembler.column(column)
        for name in ("inputs", "outputs"):
            assembler.column(kept.node[name])


def test_a_file_is_what_was_saved(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "words.pdc"
    Snapshot(content).save(path)
    assert path.read_bytes() == content
    assert bytes(Snapshot.load(path)) == content
    Snapshot(content).save(str(path))  # over the old one
    assert [each.name for each in tmp_path.iterdir()] == ["words.pdc"]
    use(Snapshot.load(path))


def test_every_flipped_bit_is_noticed(content: bytes, tmp_path: Path) -> None:
    path, random = tmp_path / "flipped.pdc", Random(1)
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << random.randrange(8)
        refused(path, bytes(damaged))


def test_every_shortened_or_longer_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "short.pdc"
    for size in range(len(content)):
        refused(path, content[:size])
    refused(path, content + b"\0")
    refused(path, content + content)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    path, random = tmp_path / "foreign", Random(2)
    for foreign in (b"", b"\x80\x04K\x01.", b"PK\x03\x04", b"#!/bin/sh\n", MAGIC, MAGIC * 40):
        refused(path, foreign)
    for size in range(0, 400, 7):
        refused(path, random.randbytes(size))
        refused(path, MAGIC + random.randbytes(size))


def test_a_file_that_is_not_there_or_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"gone\.pdc cannot be read"):
        Snapshot.load(tmp_path / "gone.pdc")
    with pytest.raises(SnapshotError, match="cannot be read"):
        Snapshot.load(tmp_path)


def test_a_disk_that_takes_nothing_leaves_the_old_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "words.pdc"
    path.write_bytes(b"old")
    with pytest.raises(SnapshotError, match="cannot be written"):
        Snapshot(content).save(tmp_path / "no folder" / "words.pdc")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(SnapshotError, match=r"words\.pdc: File too large"):
            Snapshot(content).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["words.pdc"]


def test_a_newer_version_is_named(content: bytes, tmp_path: Path) -> None:
    newer = content[:8] + struct.pack("<I", 2) + content[12:]
    assert "version 2" in refused(tmp_path / "newer.pdc", newer)


# --- files with right checksums ----------------------------------------------------------------


def forged(content: bytes, change: Callable[[Any], Any]) -> bytes:
    """A file with another description, and right checksums."""
    file = File(content, "x")
    _, offset, length, _, _ = SECTION.unpack_from(content, HEADER.size)
    data, meta = content[offset : offset + length], json.dumps(change(file.description)).encode()
    table, at = b"", HEADER.size + 2 * SECTION.size
    for name, part in ((b"data", data), (b"meta", meta)):
        table += SECTION.pack(name, at, len(part), zlib.crc32(part), 0)
        at += len(part)
    header = HEADER.pack(MAGIC, 1, 2, at, 0, 0)[:-4]
    return header + struct.pack("<I", zlib.crc32(header + table)) + table + data + meta


def places(node: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of JSON."""
    yield way
    if isinstance(node, (dict, list)):
        for name, part in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(part, (*way, name))


HOSTILE: list[Any] = [
    None, True, -1, 0, 1, 7, 1 << 31, 1 << 62, 1 << 80, 1e300, "", "x", "list", "message 99", "|O",
    "<f8", "mixed", "none", [], {}, [0, 1 << 60, "|u1"], [0, 1 << 40, "<f8"], [-8, 1, "<i8"],
    [0, 3, "<U0"], [[]], {"kind": "tuple"}, {"fields": [], "size": 0},
]  # fmt: skip


@settings(max_examples=examples(600), deadline=None, database=None)
@given(st.data())
def test_no_description_does_harm(content: bytes, data: st.DataObject) -> None:
    """Any part replaced by anything: either it means something, or it is refused."""

    def change(description: Any) -> Any:
        for _ in range(data.draw(st.integers(1, 3))):
            way = data.draw(st.sampled_from(list(places(description))))
            value = copy.deepcopy(data.draw(st.sampled_from(HOSTILE)))
            if not way:
                return value
            node = description
            for name in way[:-1]:
                node = node[name]
            node[way[-1]] = value
        return description

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        use(Snapshot(forged(content, change), "forged.pdc"))
    except SnapshotError as error:
        told = str(error)
    else:
        told = "forged.pdc"
    assert "forged.pdc" in told
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_bytes_that_stand_for_many_values_are_refused(content: bytes) -> None:
    """A small file must not become a large heap."""

    def change(description: Any) -> Any:
        block = description["strings"]["data"]
        column = {"kind": "none", "count": block[1], "data": [0, block[1], "|u1"]}
        many = {"kind": "mixed", "count": 0, "tags": [0, 0, "<u4"], "columns": [column] * 5000}
        description["kernels"][0]["instances"]["variables"] = [["a", many]]
        return description

    with pytest.raises(SnapshotError, match="many values"):
        use(Snapshot(forged(content, change)))


def test_nothing_deep_overflows(content: bytes) -> None:
    def change(description: Any) -> Any:
        column = description["kernels"][0]["inputs"]
        for _ in range(900):
            column = {"kind": "tuple", "count": 0, "sizes": [0, 0, "<i8"], "items": column}
        description["kernels"][0]["inputs"] = column
        return description

    with pytest.raises(SnapshotError):
        use(Snapshot(forged(content, change)))
    with pytest.raises(SnapshotError):
        Snapshot(forged(content, lambda _: 0))
    meta = b"[" * 100_000
    header = HEADER.pack(MAGIC, 1, 2, HEADER.size + 2 * SECTION.size + len(meta), 0, 0)[:-4]
    at = HEADER.size + 2 * SECTION.size
    table = SECTION.pack(b"data", at, 0, 0, 0) + SECTION.pack(
        b"meta", at, len(meta), zlib.crc32(meta), 0
    )
    deep = header + struct.pack("<I", zlib.crc32(header + table)) + table + meta
    with pytest.raises(SnapshotError, match="no JSON"):
        Snapshot(deep)


def test_no_class_is_imported_for_a_file(content: bytes) -> None:
    """A file names ``module.name``; nothing is imported for it, no code runs."""

    def change(description: Any) -> Any:
        (described,) = description["classes"]
        described["module"], described["name"] = "antigravity", "Word2"
        return description

    with pytest.raises(SnapshotError, match=r"values of antigravity\.Word2"):
        use(Snapshot(forged(content, change)))
    assert "antigravity" not in sys.modules
