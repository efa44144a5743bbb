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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
from pydotcompute.compiler.values import load, storage

_log = logging.getLogger("pydotcompute.actor")

PENDING = 1 << 31
"""Marks the id of a string that the host has yet to make; the rest is its place in the log, in
units of 8 bytes."""


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

    def call(self, values: Sequence[Any]) -> Any:
        """Makes the call."""
        arguments = [_made(part, values) for part in self.arguments]
        return self.function(*arguments, **{k: _made(v, values) for k, v in self.keywords})


def emit(sites: Sequence[Site], log: memoryview) -> None:
    """Makes the calls that a log holds; one that raises is logged and does not stop the others."""
    for site, values in _calls(sites, log, {}):
        try:
            site.call(values)
        except Exception:
            _log.exception("a print or log call of an actor raised")


def texts_of(sites: Sequence[Site], log: memoryview) -> dict[int, str]:
    """The strings that a log asks for, by the id that stands for each."""
    texts: dict[int, str] = {}
    for _ in _calls(sites, log, texts):
        pass
    return texts


def _calls(sites: Sequence[Site], log: memoryview,
           texts: dict[int, str]) -> Iterator[tuple[Site, list[Any]]]:  # fmt: skip
    """The calls of a log that make no text; the texts made on the way go to ``texts``."""
    at = 0
    while at < len(log):
        number, size = np.frombuffer(log, "<u4", 2, at)
        site = sites[int(number)]
        record = np.frombuffer(log, storage(site.values), 1, at + 8).reshape(())
        values = [texts.get(value, value) if type_ == TEXT else value for value, type_ in
                  zip(load(record, site.values), site.values.items, strict=True)]  # fmt: skip
        if site.makes_text:
            texts[PENDING | at // 8] = site.call(values)
        else:
            yield site, values
        at += int(size)


def resolve(classes: Sequence[type], record: Any, texts: dict[int, str]) -> None:
    """Puts the ids of made strings into an output.

    Args:
        classes: the message classes of the port.
        record: a slot, as a 0-d structured array that can be written.
        texts: what ``texts_of`` made of the log.
    """
    cls = classes[0]
    if len(classes) > 1:
        cls = classes[int(record["tag"])]
        dtype = schema_of(cls).dtype
        record = record["value"].reshape(1).view(np.uint8)[: dtype.itemsize].view(dtype)[0]
    _resolve_fields(record, MessageType(cls), texts)


def _resolve_fields(record: Any, type_: MessageType, texts: dict[int, str]) -> None:
    for field in schema_of(type_.cls).fields:
        _resolve_field(record, field.name, field.type, texts)


def _resolve_field(record: Any, name: str, type_: Type, texts: dict[int, str]) -> None:
    if isinstance(type_, LiteralType):
        type_ = type_.base
    if isinstance(type_, OptionalType):
        if record[name]["present"]:
            _resolve_field(record[name], "value", type_.item, texts)
    elif isinstance(type_, MessageType):
        _resolve_fields(record[name], type_, texts)
    elif type_ == STR and int(record[name]) & PENDING:
        record[name] = STRINGS.intern(texts[int(record[name])])


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
        return "".join(
            piece if isinstance(piece, str) else formatted(piece, values[piece.index])
            for piece in part.pieces
        )
    return part


_CONVERSIONS: dict[int, Callable[[Any], Any]] = {ord("r"): repr, ord("s"): str, ord("a"): ascii}


def formatted(piece: Piece, value: Any) -> str:
    """A value as a piece of an f-string shows it."""
    convert = _CONVERSIONS.get(piece.conversion)
    return format(value if convert is None else convert(value), piece.spec)
