"""A reader of journals made of ``docs/journal-format.md`` alone: numpy and the standard library."""

from __future__ import annotations

import binascii
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.contract import go
from tests.support.durable import Add, Total, Word, life, lines, sums


def segments(folder: Path) -> Iterator[bytes]:
    number = 1
    while (path := folder / f"journal-{number:08d}.pdj").exists():
        data = path.read_bytes()
        assert data[:8] == b"PDCJRNL1"
        assert struct.unpack_from("<Q", data, 24) == (number,)
        assert struct.unpack_from("<I", data, 40) == (zlib.crc32(data[:40]),)
        yield data
        number += 1


def groups(folder: Path) -> Iterator[tuple[tuple[int, ...], bytes]]:
    wanted = 1
    for data in segments(folder):
        at = 48
        while data[at : at + 8].strip(b"\0"):
            assert data[at + 6 : at + 8] == b"\x44\x50"
            assert struct.unpack_from("<I", data, at + 36) == (zlib.crc32(data[at : at + 36]),)
            assert int.from_bytes(data[at : at + 6], "little") == wanted
            fields = struct.unpack_from("<IHBBHHIII", data, at + 8)
            payload = data[at + 40 : at + 40 + fields[0]]
            assert zlib.crc32(payload) == fields[8]
            yield fields, payload
            at += 40 + -(-fields[0] // 8) * 8
            wanted += 1


def positions(folder: Path) -> list[int]:
    data = (folder / "positions.pdj").read_bytes()
    assert data[:8] == b"PDCPOSN1"
    found = []
    for place, word in enumerate(np.frombuffer(data, "<u8", 4096, 64).tolist()):
        number = word >> 16
        text = number.to_bytes(6, "little") + place.to_bytes(2, "little")
        assert word == 0 or word & 0xFFFF == binascii.crc_hqx(text, 0)
        found.append(number)
    return found


def test_the_page_is_enough_to_read_a_journal(tmp_path: Path) -> None:
    async def main() -> None:
        async with life(tmp_path) as runtime:
            adder = await runtime.launch("sums", sums)
            words = await runtime.launch("lines", lines)
            await adder.activate()
            await adder.send(Add(5))
            await adder.send_many([Add(6), Add(7)])
            assert await adder.request(Add(8)) == Total(26, 4)
            await words.send(Word("Grüße", "x"))
            for _ in range(3):
                await adder.receive()

    go(main)
    actors: list[Any] = []
    seen: list[Any] = []
    for (_, actor, kind, flags, cls, source, count, strings, _), payload in groups(tmp_path):
        if kind == 1:
            actors.append(json.loads(payload))
            continue
        if kind == 6:  # what a prologue left
            continue
        layout = actors[actor]["inputs"][cls]
        names = [name for name, _, _ in layout["fields"]]
        if layout["message"] == "Add":
            assert names == ["value"]
            values = np.frombuffer(payload, "<i8").tolist()
            seen.append((actors[actor]["id"], flags, source, values))
        else:
            body, table = payload[: len(payload) - strings], payload[len(payload) - strings :]
            number, length = struct.unpack_from("<QI", table)
            texts = {number: table[12 : 12 + length].decode()}
            second, size = struct.unpack_from("<QI", table, 12 + length)
            texts[second] = table[24 + length : 24 + length + size].decode()
            offset = {name: at for name, _, at in layout["fields"]}
            (first,) = struct.unpack_from("<Q", body, offset["text"])
            seen.append((actors[actor]["id"], flags, count, texts[first], sorted(texts.values())))
    assert [each["id"] for each in actors] == ["sums", "lines"]
    assert seen == [
        ("sums", 0, 0, [5]), ("sums", 0, 0, [6, 7]), ("sums", 1, 0, [8]),
        ("lines", 0, 1, "Grüße", ["Grüße", "x"]),
    ]  # fmt: skip
    assert positions(tmp_path)[:3] == [1, 2, 0]
