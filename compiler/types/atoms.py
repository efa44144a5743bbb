"""Field types whose values are objects of one immutable class, carried as some 64-bit words.

A row of ``ATOMS`` is everything there is to know about such a type.  Its record, its C struct with
``==`` and hash, the checks of fields and batches, the codecs, the state, ``isinstance`` and
``pydotcompute.testing`` follow from it.  To add a type is to add a row, a line in
``docs/language.md`` and cases in ``tests/compiler/types/test_atoms.py``.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pydotcompute.compiler.types.types import UUID, AtomType

WORDS = {"<u8": "u64", "<i8": "i64"}
"""Formats of words: numpy's, and the type in C."""


@dataclass(frozen=True)
class Atom:
    """A field type.

    Args:
        words: name and format (``WORDS``) of each word; every pattern of bits is a value.
        split: a Python expression for each word, of the value ``{v}``.
        join: makes a value of its words.
        exact: makes an instance of the class itself of one of a subclass.
        hard: values that are worth testing.
    """

    words: dict[str, str]
    split: tuple[str, ...]
    join: Callable[..., Any]
    exact: Callable[[Any], Any]
    hard: tuple[Any, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The record."""
        return np.dtype(list(self.words.items()), align=True)

    def store(self, record: Any, value: Any) -> None:
        """Write the words of a value into a record."""
        for name, word in zip(self.words, self._words_of(value), strict=True):
            record[name] = word

    @cached_property
    def _words_of(self) -> Callable[[Any], tuple[int, ...]]:
        words = "".join(f"{expression.format(v='v')}, " for expression in self.split)
        made: Callable[[Any], tuple[int, ...]] = eval(f"lambda v: ({words})")
        return made

    def load(self, record: Any) -> Any:
        """The value in a record."""
        return self.join(*(int(record[name]) for name in self.words))


_new, _set = object.__new__, object.__setattr__
_UUID, _UNKNOWN = uuid.UUID, uuid.SafeUUID.unknown


def _uuid(high: int, low: int) -> uuid.UUID:
    """As ``UUID(int=...)`` makes it, without its checks."""
    made = _new(_UUID)
    _set(made, "int", high << 64 | low)
    _set(made, "is_safe", _UNKNOWN)
    return made


ATOMS: dict[AtomType, Atom] = {
    UUID: Atom(
        {"hi": "<u8", "lo": "<u8"},
        ("{v}.int >> 64", "{v}.int & 0xFFFF_FFFF_FFFF_FFFF"),
        _uuid,
        lambda value: uuid.UUID(int=value.int),
        (uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID(int=2**64)),
    ),
}  # fmt: skip
BY_CLASS = {type_.cls: type_ for type_ in ATOMS}
"""The type of each Python class."""
