"""Immutable plain values as arrays: what a snapshot keeps of numbers, texts and times.

Input: a list of values of one class.  Output: JSON with arrays (``Target``), and from that the
values again (``Source``).  A row of ``ATOMS`` is everything there is to know about a class.
"""

from __future__ import annotations

import datetime
import logging
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol
from uuid import UUID

import numpy as np

from pydotcompute.compiler.types.missing import MISSING
from pydotcompute.compiler.types.shared_nan import shared_nan

Node = dict[str, Any]
"""A column of values, as JSON."""


class Target(Protocol):
    """Where arrays are written."""

    def add(self, array: np.ndarray[Any, Any]) -> Any:
        """Keep an array; returns what JSON says of it."""
        ...

    def add_bytes(self, content: bytes) -> Any:
        """Keep bytes; returns what JSON says of them."""
        ...

    def texts(self, values: Sequence[str]) -> Any:
        """Keep strings; returns what JSON says of them."""
        ...

    def nan(self, value: float) -> int:
        """The number of a NaN that is an object of its own."""
        ...


class Origin(Protocol):
    """Where arrays are read."""

    def array(self, block: Any) -> np.ndarray[Any, Any]:
        """The array that JSON speaks of."""
        ...

    def bytes_of(self, block: Any) -> bytes:
        """The bytes that JSON speaks of."""
        ...

    def texts_of(self, block: Any) -> list[str]:
        """The strings that JSON speaks of."""
        ...

    def nan_of(self, number: int, bits: float) -> float:
        """The NaN of a number."""
        ...


@dataclass(frozen=True)
class Atom:
    """A class of immutable values.

    Args:
        kind: its name in the file.
        write: ``(target, values)``: the column, without its kind and count.
        read: ``(origin, column)``: the values.
    """

    kind: str
    write: Callable[[Target, list[Any]], Node]
    read: Callable[[Origin, Node], list[Any]]
    check: Callable[[Any], None] | None = None
    """Raises ``NotPlainError`` for values that are not kept."""


class NotPlainError(Exception):
    """A value is no plain data; the text says what it is, ``"a TextIOWrapper"``."""


def split(content: Any, sizes: Sequence[int]) -> list[Any]:
    """Parts of a sequence, one behind the other.

    Raises:
        ValueError: they are not just all of it.
    """
    parts, at, end = [], 0, len(content)
    for size in sizes:
        if not 0 <= size <= end - at:
            raise ValueError("the parts of a column are not its whole")
        parts.append(content[at : at + size])
        at += size
    if at != end:
        raise ValueError("the parts of a column are not its whole")
    return parts


# --- numbers ---------------------------------------------------------------------------------


def _write_ints(target: Target, values: list[int]) -> Node:
    try:
        return {"data": target.add(np.array(values, "<i8"))}
    except OverflowError:
        parts = [v.to_bytes(v.bit_length() // 8 + 1, "little", signed=True) for v in values]
        return {"wide": _write_bytes(target, parts)}


def _read_ints(origin: Origin, node: Node) -> list[int]:
    if "wide" not in node:
        values: list[int] = _as(origin.array(node["data"]), "i").tolist()
        return values
    parts = _read_bytes(origin, node["wide"])
    return [int.from_bytes(part, "little", signed=True) for part in parts]


def _write_floats(target: Target, values: list[float]) -> Node:
    array = np.array(values, "<f8")
    node: Node = {"data": target.add(array)}
    own = [n for n in np.flatnonzero(np.isnan(array)) if values[n] is not shared_nan(values[n])]
    if own:
        numbers = [[n, target.nan(values[n])] for n in own]
        node["own_nans"] = target.add(np.array(numbers, "<i8").reshape(-1))
    return node


def _read_floats(origin: Origin, node: Node) -> list[float]:
    array = _as(origin.array(node["data"]), "f")
    values: list[float] = array.tolist()
    for n in np.flatnonzero(np.isnan(array)):
        values[n] = shared_nan(values[n])
    if "own_nans" in node:
        for n, number in _as(origin.array(node["own_nans"]), "i").reshape(-1, 2).tolist():
            if not 0 <= n < len(values) or values[n] == values[n]:
                raise ValueError("a number is said to be a NaN")
            values[n] = origin.nan_of(number, values[n])
    return values


def _as(array: np.ndarray[Any, Any], kind: str) -> np.ndarray[Any, Any]:
    if array.dtype.kind != kind:
        raise ValueError(f"an array of {array.dtype} stands for another type")
    return array


def _numbers(dtype: str) -> tuple[Any, Any]:
    """How values are written and read that numpy knows."""

    def write(target: Target, values: list[Any]) -> Node:
        return {"data": target.add(np.array(values, dtype))}

    def read(origin: Origin, node: Node) -> list[Any]:
        values: list[Any] = _as(origin.array(node["data"]), np.dtype(dtype).kind).tolist()
        return values

    return write, read


def _sole(value: Any) -> tuple[Any, Any]:
    """How the one value of a class is written and read: a byte each, as nothing in a file may
    stand for more values than it has bytes."""

    def write(target: Target, values: list[Any]) -> Node:
        return {"data": target.add(np.zeros(len(values), "|u1"))}

    def read(origin: Origin, node: Node) -> list[Any]:
        return [value] * len(origin.array(node["data"]))

    return write, read


# --- bytes and texts -------------------------------------------------------------------------


def _write_bytes(target: Target, values: Sequence[bytes]) -> Node:
    sizes = np.array([len(value) for value in values], "<i8")
    return {"sizes": target.add(sizes), "data": target.add_bytes(b"".join(values))}


def _read_bytes(origin: Origin, node: Node) -> list[bytes]:
    sizes = _as(origin.array(node["sizes"]), "i").tolist()
    return split(origin.bytes_of(node["data"]), sizes)


def _write_uuids(target: Target, values: list[UUID]) -> Node:
    return {"data": target.add_bytes(b"".join(value.bytes for value in values))}


def _read_uuids(origin: Origin, node: Node) -> list[UUID]:
    content = origin.bytes_of(node["data"])
    return [UUID(bytes=content[at : at + 16]) for at in range(0, len(content), 16)]


def _texts(spell: Callable[[Any], str], parse: Callable[[str], Any]) -> tuple[Any, Any]:
    """How values are written and read that have a spelling."""

    def write(target: Target, values: list[Any]) -> Node:
        return {"texts": target.texts([spell(value) for value in values])}

    def read(origin: Origin, node: Node) -> list[Any]:
        return [parse(text) for text in origin.texts_of(node["texts"])]

    return write, read


def _check_zone(value: Any) -> None:
    """Refuse time zones with rules or a name, which the text would lose."""
    zone = value.tzinfo
    if zone is not None:
        offset = zone.utcoffset(None) if type(zone) is datetime.timezone else None
        if offset is None or str(zone) != str(datetime.timezone(offset)):
            raise NotPlainError(f"a time whose zone is {zone!r}")


def _spell_time(value: Any) -> str:
    """ISO 8601, and ``|1`` for the second of two hours of one name."""
    text: str = value.isoformat()
    return f"{text}|1" if getattr(value, "fold", 0) else text


def _time_parser(cls: Any) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        iso, _, fold = text.partition("|")
        value = cls.fromisoformat(iso)
        return value.replace(fold=1) if fold else value

    return parse


def _parse_span(text: str) -> datetime.timedelta:
    days, seconds, rest = map(int, text.split())
    return datetime.timedelta(days, seconds, rest)


def _text(value: str) -> str:
    return value


ATOMS: Mapping[type, Atom] = {
    type(None): Atom("none", *_sole(None)),
    type(MISSING): Atom("unbound", *_sole(MISSING)),
    bool: Atom("bool", *_numbers("|b1")),
    int: Atom("int", _write_ints, _read_ints),
    float: Atom("float", _write_floats, _read_floats),
    complex: Atom("complex", *_numbers("<c16")),
    str: Atom("str", *_texts(_text, _text)),
    bytes: Atom("bytes", _write_bytes, _read_bytes),
    UUID: Atom("uuid", _write_uuids, _read_uuids),
    Decimal: Atom("decimal", *_texts(str, Decimal)),
    Fraction: Atom("fraction", *_texts(str, Fraction)),
    datetime.date: Atom("date", *_texts(_spell_time, _time_parser(datetime.date))),
    datetime.time: Atom("time", *_texts(_spell_time, _time_parser(datetime.time)), _check_zone),
    datetime.datetime: Atom(
        "datetime", *_texts(_spell_time, _time_parser(datetime.datetime)), _check_zone
    ),
    datetime.timedelta: Atom(
        "timedelta", *_texts(lambda v: f"{v.days} {v.seconds} {v.microseconds}", _parse_span)
    ),
    logging.Logger: Atom("logger", *_texts(lambda v: v.name, logging.getLogger)),
    logging.RootLogger: Atom("logger", *_texts(lambda v: v.name, logging.getLogger)),
}
"""Classes of immutable values."""
BY_KIND = {atom.kind: atom for atom in ATOMS.values()}


def new_nan(bits: float) -> float:
    """Another object with the bits of a NaN."""
    made: float = struct.unpack("<d", struct.pack("<d", bits))[0]
    return made
