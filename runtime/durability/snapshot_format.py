"""The bytes of a snapshot file: a header, a section of raw arrays, and a description in JSON.

Input: a description (plain JSON) whose arrays were given to ``Blocks``.  Output: bytes; and from
bytes the description and its arrays again, or ``SnapshotError``.  ``docs/snapshot-format.md`` has
it byte by byte.

What belongs here: whatever holds for any content.  Nothing read here is trusted: every byte is
covered by a checksum, and no length is believed before it is compared with the bytes that exist.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from pydotcompute.errors import PyDotComputeError, SnapshotError

MAGIC: Final = b"\x93PDCSNP\n"
VERSION: Final = 1
HEADER: Final = struct.Struct("<8sIIQII")
"""Magic, version, number of sections, length of the file, zero, CRC-32 of the other 28 bytes and of
the table of sections."""
SECTION: Final = struct.Struct("<8sQQII")
"""Name, offset, length, CRC-32 of the section, zero."""
NAMES: Final = (b"data", b"meta")
_DTYPE = re.compile(r"\|b1|[<|][iu][1248]|<f[248]|<c(8|16)|<[mM]8(\[\w+\])?|\|S[1-9]\d*|<U[1-9]\d*")
_MOST_FIELDS = 1000

Block = list[Any]
"""An array in the description: offset in the section of data, number of items, dtype."""


def portable(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The same dtype with its least significant byte first."""
    return dtype.newbyteorder("<")


def dtype_name(dtype: np.dtype[Any]) -> Any:
    """A dtype as JSON: its numpy name, or for a record ``[[field, dtype, offset]..., size]``.

    Raises:
        TypeError: its values are no plain bytes that mean the same on every machine.
    """
    if dtype.fields is not None:
        fields = [[name, dtype_name(dtype.fields[name][0]), dtype.fields[name][1]]
                  for name in dtype.names or ()]  # fmt: skip
        return {"fields": fields, "size": dtype.itemsize}
    if dtype.subdtype is not None:
        return {"items": dtype_name(dtype.subdtype[0]), "shape": list(dtype.subdtype[1])}
    name = portable(dtype).str
    if not _DTYPE.fullmatch(name):
        raise TypeError(f"numpy's {dtype} has no portable bytes")
    return name


def dtype_of(name: Any, depth: int = 0) -> np.dtype[Any]:
    """The dtype that ``dtype_name`` has named.

    Raises:
        ValueError: it cannot have named this.
    """
    if depth > 8:
        raise ValueError("records in records in records")
    if isinstance(name, str) and _DTYPE.fullmatch(name):
        return np.dtype(name)
    if isinstance(name, dict) and "items" in name:
        shape = tuple(_count(each) for each in name["shape"])
        return np.dtype((dtype_of(name["items"], depth + 1), shape))
    if not isinstance(name, dict) or len(name["fields"]) > _MOST_FIELDS:
        raise ValueError(f"{name!r:.60} is no dtype")
    names = [str(each[0]) for each in name["fields"]]
    formats = [dtype_of(each[1], depth + 1) for each in name["fields"]]
    offsets = [_count(each[2]) for each in name["fields"]]
    layout: Any = {"names": names, "formats": formats, "offsets": offsets,
                   "itemsize": _count(name["size"])}  # fmt: skip
    made: np.dtype[Any] = np.dtype(layout)
    return made


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError(f"{value!r:.60} is no count")
    return value


class Blocks:
    """The section of arrays, while it is written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, array: np.ndarray[Any, Any]) -> Block:
        """Append an array, least significant byte first; returns what the description says of it.

        Raises:
            TypeError: as for ``dtype_name``.
        """
        name = dtype_name(array.dtype)
        content = np.ascontiguousarray(array, portable(array.dtype)).tobytes()
        return self._append(content, array.size, name)

    def add_bytes(self, content: bytes) -> Block:
        """Append bytes."""
        return self._append(content, len(content), "|u1")

    def _append(self, content: bytes, count: int, name: Any) -> Block:
        block = [self._size, count, name]
        padding = -len(content) % 8
        self._parts += (content, bytes(padding))
        self._size += len(content) + padding
        return block

    def file(self, description: Any) -> bytes:
        """The whole file.

        Args:
            description: plain JSON.
        """
        meta = json.dumps(description, separators=(",", ":")).encode()
        sections, offset = [b"".join(self._parts), meta], HEADER.size + 2 * SECTION.size
        table = b""
        for name, content in zip(NAMES, sections, strict=True):
            table += SECTION.pack(name, offset, len(content), zlib.crc32(content), 0)
            offset += len(content)
        header = HEADER.pack(MAGIC, VERSION, len(sections), offset, 0, 0)[:-4]
        check = struct.pack("<I", zlib.crc32(header + table))
        return b"".join([header, check, table, *sections])


class File:
    """A snapshot file, checked.

    Args:
        content: its bytes.
        name: what errors call it.

    Attributes:
        description: what ``Blocks.file`` was given.

    Raises:
        SnapshotError: it is no snapshot, a newer one, or a damaged one.
    """

    def __init__(self, content: bytes, name: str) -> None:
        self.name, self.content = name, content
        sections = self._sections()
        self._data = memoryview(sections[0])
        try:
            self.description: Any = json.loads(sections[1])
        except (ValueError, RecursionError) as error:
            raise self.damaged(f"its description is no JSON ({error})") from None

    def damaged(self, why: str) -> SnapshotError:
        """The error for content that cannot be."""
        return SnapshotError(f"{self.name} is damaged: {why}")

    def checked(self, read: Callable[..., Any], *given: Any) -> Any:
        """What a function returns that reads the file; whatever it stumbles over is damage.

        Raises:
            SnapshotError: saying so.
        """
        try:
            return read(*given)
        except PyDotComputeError:
            raise
        except Exception as error:
            why = f"its parts do not fit together ({type(error).__name__}: {error})"
            raise self.damaged(why[:300]) from error

    @property
    def data_size(self) -> int:
        """The bytes of all arrays."""
        return len(self._data)

    def _sections(self) -> list[bytes]:
        content, size = self.content, len(self.content)
        if content[: len(MAGIC)] != MAGIC:
            what = "is shorter than the header of one" if size < len(MAGIC) else "begins otherwise"
            raise SnapshotError(f"{self.name} is no snapshot of pydotcompute: it {what}")
        if size < HEADER.size:
            raise self.damaged(f"it ends within its header, after {size} bytes")
        _, version, count, length, zero, check = HEADER.unpack_from(content)
        if version != VERSION:
            raise SnapshotError(
                f"{self.name} has version {version} of the format; this pydotcompute reads "
                f"version {VERSION}"
            )
        if length != size:
            raise self.damaged(f"it should have {length} bytes, and has {size}")
        end = HEADER.size + len(NAMES) * SECTION.size
        if zero or count != len(NAMES) or size < end:
            raise self.damaged("its header says what no header says")
        if zlib.crc32(content[HEADER.size : end], zlib.crc32(content[: HEADER.size - 4])) != check:
            raise self.damaged("the checksum of its header is wrong")
        found = []
        for number, wanted in enumerate(NAMES):
            at = HEADER.size + number * SECTION.size
            name, offset, length, check, zero = SECTION.unpack_from(content, at)
            if name.rstrip(b"\0") != wanted or zero or offset != end or length > size - offset:
                raise self.damaged("its table of sections says what no table says")
            end = offset + length
            found.append(content[offset:end])
            if zlib.crc32(found[-1]) != check:
                raise self.damaged(f"the checksum of its section {wanted.decode()!r} is wrong")
        if end != size:
            raise self.damaged("something follows its last section")
        return found

    def array(self, block: Any) -> np.ndarray[Any, Any]:
        """An array of the file, read-only.

        Raises:
            ValueError: the description names bytes that do not exist.
        """
        offset, count, name = block
        dtype = dtype_of(name)
        offset, count = _count(offset), _count(count)
        if not dtype.itemsize or offset + count * dtype.itemsize > len(self._data):
            raise ValueError(f"an array of {count} items at {offset} is beyond the data")
        return np.frombuffer(self._data, dtype, count, offset)
