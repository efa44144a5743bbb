"""What the host does for compiled code: ``print``, ``logging``, and the making of strings.

Compiled code writes the values of a call into the actor's log, behind the number of its ``Site``.
``emit`` reads the log, makes the arguments as Python would have, and makes the calls, in order.
A string that the actor computes (an f-string, ``a + b``, ``name.upper()``) is a site too: until
the host has made it, a ``u32`` with the highest bit set stands for it, with the place of its
record in the log; ``resolve`` puts ids of interned strings in place of those in the outputs.

A record is ``u32 site, u32 size`` and then the values as the record of a tuple.  A turn that is
rolled back has written nothing.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pydotcompute.compiler.schema import STRINGS, schema_of
from pydotcompute.compiler.types import (
    STR,
    TEXT,
    LiteralType,
    MessageType,
    OptionalType,
    TupleType,
    Type,
    UnionType,
)
from pydotcompute.compiler.values import decoder, load, storage

_log = logging.getLogger("pydotcompute.actor")

PENDING = 1 << 31
"""Marks the id of a string that the host has yet to make; the rest is its place in the log, in
units of 8 bytes."""
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
    spec: str


@dataclass(frozen=True)
class Text:
    """An f-string."""

    pieces: tuple[str | Piece, ...]


@dataclass(frozen=True)
class Site:
    """One call in the Python that the host makes.

    Args:
        function: what is called.
        arguments: by position; what is no ``Value`` or ``Text`` is passed as it is.
        keywords: by name.
        values: the types of the carried values.
        makes_text: its result is a string that the actor goes on with.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...]
    values: TupleType
    makes_text: bool = False

    @cached_property
    def record(self) -> np.dtype[Any]:
        """The carried values in the log."""
        return storage(self.values)

    @cached_property
    def decode(self) -> Callable[[Any], tuple[Any, ...]] | None:
        """Makes the values of a record's ``item()``, where that can be done."""
        return decoder(self.values)

    @cached_property
    def texts(self) -> tuple[int, ...]:
        """Which values may be strings that are yet to be made."""
        return tuple(n for n, type_ in enumerate(self.values.items) if type_ == TEXT)

    def call(self, values: Sequence[Any]) -> Any:
        """Makes the call."""
        arguments = [_made(part, values) for part in self.arguments]
        return self.function(*arguments, **{k: _made(v, values) for k, v in self.keywords})


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
        read = site.decode
        values = load(record[0], site.values) if read is None else read(record.item())
        if site.texts:
            values = [self[value] if n in site.texts and value & PENDING else value
                      for n, value in enumerate(values)]  # fmt: skip
        return values


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
    elif type_ == STR:
        for place in np.flatnonzero(column & PENDING).tolist():
            column[place] = STRINGS.intern(texts[int(column[place])])


def contains_text(type_: Type) -> bool:
    """Whether a value of a type is, or holds, a string that is yet to be made."""
    if isinstance(type_, UnionType):
        return any(map(contains_text, type_.members))
    if isinstance(type_, TupleType):
        return any(map(contains_text, type_.items))
    return type_ == TEXT


def _made(part: Any, values: Sequence[Any]) -> Any:
    if isinstance(part, Value):
        return values[part.index]
    if isinstance(part, Text):
        return "".join([
            piece if isinstance(piece, str) else formatted(piece, values[piece.index])
            for piece in part.pieces
        ])  # fmt: skip
    return part


_CONVERSIONS: dict[int, Callable[[Any], Any]] = {ord("r"): repr, ord("s"): str, ord("a"): ascii}


def formatted(piece: Piece, value: Any) -> str:
    """A value as a piece of an f-string shows it."""
    convert = _CONVERSIONS.get(piece.conversion)
    return format(value if convert is None else convert(value), piece.spec)
