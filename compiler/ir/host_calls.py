"""What the host does for compiled code: ``print``, ``logging``, and the making of strings.

Compiled code writes the values of a call into the actor's log, behind the number of its ``Site``.
``emit`` reads the log, makes the arguments as Python would have, and makes the calls, in order.
A string that the actor computes (an f-string, ``a + b``, ``name.upper()``) is a site too: until
the host has made it, a ``u64`` with the highest bit set stands for it, with the place of its
record in the log; ``resolve`` puts ids of strings in place of those in the outputs.

A record is ``u32 site, u32 size`` and then the values as the record of a tuple.  A turn that is
rolled back has written nothing.
"""

from __future__ import annotations

import logging
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType
from typing import Any

import numpy as np

from pydotcompute.compiler.types.message_schema import schema_of
from pydotcompute.compiler.types.storage import decoder, holds_strings, load, made_dict, storage
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.compiler.types.types import (
    STR,
    TEXT,
    ArrayType,
    DequeType,
    DictType,
    ListType,
    LiteralType,
    MessageType,
    OptionalType,
    SnapshotType,
    TupleType,
    Type,
    UnionType,
)

_log = logging.getLogger("pydotcompute.actor")

PENDING = 1 << 63
"""Marks the id of a string that the host has yet to make; the rest is its place in the log, in
units of 8 bytes."""
ITEMS = 0xFFFFFFFF
"""In place of a site: a record of the items that a container had, which another one refers to."""
_HEAD = struct.Struct("<II")


@dataclass(frozen=True)
class Value:
    """The value number ``index`` of the record."""

    index: int


@dataclass(frozen=True)
class Piece:
    """A value inside an f-string: ``{value!r:>8}``."""

    index: int
    conversion: int
    spec: str | Text


@dataclass(frozen=True)
class Text:
    """An f-string."""

    pieces: tuple[str | Piece, ...]


@dataclass(frozen=True)
class Display:
    """A dict that is made for the call: ``extra={"key": value}``."""

    items: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Live:
    """An attribute of a module that is read when the call is made: ``sys.stderr``."""

    owner: Any
    name: str


@dataclass(frozen=True)
class Site:
    """One call in the Python that the host makes.

    Args:
        function: what is called.
        arguments: by position; what is no ``Value`` or ``Text`` is passed as it is.
        keywords: by name.
        values: the types of the carried values.
        makes_text: its result is a string that the actor goes on with.
        place: of a log record, which says where it was made: file, line and function.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...]
    values: TupleType
    makes_text: bool = False
    place: tuple[str, int, str] | None = None

    @cached_property
    def record(self) -> np.dtype[Any]:
        """The carried values in the log."""
        return storage(self.values)

    @cached_property
    def decode(self) -> Callable[[Any], tuple[Any, ...]] | None:
        """Makes the values of a record's ``item()``, where that can be done."""
        if any(contains_text(type_) and type_ != TEXT for type_ in self.values.items):
            return None
        return decoder(self.values)

    @cached_property
    def texts(self) -> tuple[int, ...]:
        """Which values may be strings that are yet to be made."""
        return tuple(n for n, type_ in enumerate(self.values.items) if type_ == TEXT)

    def call(self, values: Sequence[Any]) -> Any:
        """Makes the call."""
        arguments = [_made(part, values) for part in self.arguments]
        keywords = {k: _made(v, values) for k, v in self.keywords}
        return self._from_its_place(self.function, arguments, keywords)

    @cached_property
    def _from_its_place(self) -> Callable[[Any, Any, Any], Any]:
        """Makes a call, in a frame of its own that has the place of the call in the Python file:
        ``logging`` looks at its caller's."""
        if self.place is None:
            return _call
        file, line, name = self.place
        code = _call.__code__.replace(co_filename=file, co_firstlineno=line, co_name=name)
        return FunctionType(code, {})


def _call(f: Any, args: Any, words: Any) -> Any: return f(*args, **words)  # fmt: skip


def emit(sites: Sequence[Site], log: memoryview) -> None:
    """Makes the calls that a log holds; one that raises is logged and does not stop the others."""
    if all(site.makes_text for site in sites):
        return
    texts = Texts(sites, log)
    for at, site in _records(sites, log):
        if site.makes_text:
            continue
        try:
            site.call(texts.values_at(at, site))
        except Exception:
            _log.exception("a print or log call of an actor raised")


def _records(sites: Sequence[Site], log: memoryview) -> Iterator[tuple[int, Site]]:
    """The place and the site of each record of a log."""
    at = 0
    while at < len(log):
        number, size = _HEAD.unpack_from(log, at)
        if number != ITEMS:
            yield at, sites[number]
        at += size


class Texts(dict[int, str]):
    """The strings that a log asks for, by the id that stands for each; made when asked for.

    Args:
        sites: those of the kernel.
        log: what the actor wrote.
    """

    def __init__(self, sites: Sequence[Site], log: memoryview) -> None:
        super().__init__()
        self._sites, self._log = sites, log

    def __missing__(self, text: int) -> str:
        at = (text & ~PENDING) * 8
        site = self._sites[_HEAD.unpack_from(self._log, at)[0]]
        made: str = site.call(self.values_at(at, site))
        self[text] = made
        return made

    def values_at(self, at: int, site: Site) -> Sequence[Any]:
        """The values of the record at a place of the log, strings in place of their ids."""
        record = np.frombuffer(self._log, site.record, 1, at + 8)
        decode = site.decode
        if decode is None:
            values: Sequence[Any] = self._read(record[0], site.values)
            return values
        values = decode(record.item())
        if site.texts:
            values = [self._text(value) if n in site.texts else value
                      for n, value in enumerate(values)]  # fmt: skip
        return values

    def _text(self, value: int) -> str:
        return self[value] if value & PENDING else STRINGS.text(value)

    def _read(self, stored: Any, type_: Type) -> Any:
        """As ``load``, with the strings and containers that other records hold."""
        if type_ == TEXT:
            return self._text(int(stored))
        if isinstance(type_, SnapshotType):
            return self._items((int(stored) & ~PENDING) * 8 + 8, type_.of)
        if isinstance(type_, UnionType):
            index = int(stored["tag"])
            return self._read(stored[f"v{index}"], type_.members[index])
        if isinstance(type_, TupleType):
            return tuple([self._read(stored[f"v{n}"], t) for n, t in enumerate(type_.items)])
        return load(stored, type_)

    def _items(self, at: int, type_: Type) -> Any:
        """A container as it was, from its items in the log."""
        count = int(np.frombuffer(self._log, "<u4", 1, at)[0])
        if isinstance(type_, ArrayType):
            items = np.frombuffer(self._log, type_.item.dtype, count, at + 8)
            return np.array(items).reshape(type_.shape)
        if isinstance(type_, DictType):
            entry = np.dtype([("key", storage(type_.key)), ("value", storage(type_.value))],
                             align=True)  # fmt: skip
            shown = np.frombuffer(self._log, entry, count, at + 8)
            return made_dict(type_, {self._read(e["key"], type_.key):
                                     self._read(e["value"], type_.value)
                                     for e in shown})  # fmt: skip
        assert isinstance(type_, (ListType, DequeType))
        stored = np.frombuffer(self._log, storage(type_.item), count, at + 8)
        values = [self._read(item, type_.item) for item in stored]
        return values if isinstance(type_, ListType) else deque(values, type_.maxlen)


def resolve(classes: Sequence[type], slots: np.ndarray[Any, Any], texts: Texts) -> None:
    """Puts the ids of made strings into outputs.

    Args:
        classes: the message classes of the port.
        slots: output slots that can be written, one axis.
        texts: those of the log.
    """
    if len(classes) == 1:
        _resolve_fields(slots, MessageType(classes[0]), texts)
        return
    for number, cls in enumerate(classes):
        dtype = schema_of(cls).dtype
        for place in np.flatnonzero(slots["tag"] == number).tolist():
            held = slots["value"][place : place + 1].view(np.uint8)[: dtype.itemsize]
            _resolve_fields(held.view(dtype), MessageType(cls), texts)


def _resolve_fields(slots: Any, type_: MessageType, texts: Texts) -> None:
    for field in schema_of(type_.cls).fields:
        _resolve_field(slots, field.name, field.type, texts)


def _resolve_field(slots: Any, name: str, type_: Type, texts: Texts) -> None:
    if isinstance(type_, LiteralType):
        type_ = type_.base
    column = slots[name]
    if isinstance(type_, OptionalType):
        for place in np.flatnonzero(column["present"]).tolist():
            _resolve_field(column[place : place + 1], "value", type_.item, texts)
    elif isinstance(type_, MessageType):
        _resolve_fields(column, type_, texts)
    elif isinstance(type_, ListType):
        _resolve_items(column, type_, texts)
    elif type_ == STR:
        for place in np.flatnonzero(column & PENDING).tolist():
            STRINGS.store(column, place, texts[int(column[place])])


def _resolve_items(column: Any, type_: ListType, texts: Texts) -> None:
    """As ``_resolve_field``, of the items that each list of a column has."""
    if not holds_strings(type_.item):
        return
    for stored in column:
        held = np.zeros(int(stored["size"]), [("item", storage(type_.item))])
        held["item"] = stored["items"][: len(held)]
        _resolve_field(held, "item", type_.item, texts)
        stored["items"][: len(held)] = held["item"]


def contains_text(type_: Type) -> bool:
    """Whether a value of a type is, or holds, a string that is yet to be made."""
    if isinstance(type_, UnionType):
        return any(map(contains_text, type_.members))
    if isinstance(type_, TupleType):
        return any(map(contains_text, type_.items))
    if isinstance(type_, (ListType, DequeType)):
        return contains_text(type_.item)
    if isinstance(type_, DictType):
        return contains_text(type_.value)
    return type_ == TEXT


def _made(part: Any, values: Sequence[Any]) -> Any:
    if isinstance(part, Value):
        return values[part.index]
    if isinstance(part, Text):
        return "".join([
            piece if isinstance(piece, str) else formatted(piece, values[piece.index], values)
            for piece in part.pieces
        ])  # fmt: skip
    if isinstance(part, Display):
        return {key: _made(item, values) for key, item in part.items}
    if isinstance(part, Live):
        return getattr(part.owner, part.name)
    return part


_CONVERSIONS: dict[int, Callable[[Any], Any]] = {ord("r"): repr, ord("s"): str, ord("a"): ascii}


def formatted(piece: Piece, value: Any, values: Sequence[Any] = ()) -> str:
    """A value as a piece of an f-string shows it; ``values`` are those of the whole call."""
    convert = _CONVERSIONS.get(piece.conversion)
    return format(value if convert is None else convert(value), _made(piece.spec, values))
