"""``print`` and ``logging`` inside the loop: carried to the host, and done there in order.

Compiled code writes the values of a call into the actor's log, behind the number of its ``Site``;
``emit`` reads the log, makes the arguments as Python would have, and makes the call.  A turn that
is rolled back has written nothing.

A record is ``u32 site, u32 size`` and then the values as the record of a tuple.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydotcompute.compiler.types import TupleType
from pydotcompute.compiler.values import load, storage

_log = logging.getLogger("pydotcompute.actor")


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
    """One call of ``print`` or of a logger in the Python.

    Args:
        function: what is called.
        arguments: by position; what is no ``Value`` or ``Text`` is passed as it is.
        keywords: by name.
        values: the types of the carried values.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...]
    values: TupleType


def emit(sites: Sequence[Site], log: memoryview) -> None:
    """Makes the calls that a log holds; one that raises is logged and does not stop the others."""
    at = 0
    while at < len(log):
        number, size = np.frombuffer(log, "<u4", 2, at)
        site = sites[int(number)]
        record = np.frombuffer(log, storage(site.values), 1, at + 8).reshape(())
        values = load(record, site.values)
        arguments = [_made(part, values) for part in site.arguments]
        try:
            site.function(*arguments, **{k: _made(v, values) for k, v in site.keywords})
        except Exception:
            _log.exception("a print or log call of an actor raised")
        at += int(size)


def _made(part: Any, values: tuple[Any, ...]) -> Any:
    if isinstance(part, Value):
        return values[part.index]
    if isinstance(part, Text):
        return "".join(
            piece if isinstance(piece, str) else _formatted(piece, values) for piece in part.pieces
        )
    return part


_CONVERSIONS: dict[int, Callable[[Any], Any]] = {ord("r"): repr, ord("s"): str, ord("a"): ascii}


def _formatted(piece: Piece, values: tuple[Any, ...]) -> str:
    convert = _CONVERSIONS.get(piece.conversion)
    value = values[piece.index]
    return format(value if convert is None else convert(value), piece.spec)
