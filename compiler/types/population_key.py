"""The keys of a population as compiled code holds them: a word or two for each field.

Input: the message classes and the names of the key's fields.  Output: ``KeyLayout``, which turns
keys of Python into words and back.  Two keys are equal if their words are.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pydotcompute.compiler.types.atoms import ATOMS
from pydotcompute.compiler.types.message_schema import schema_of
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.compiler.types.types import (
    BOOL,
    INT,
    STR,
    UUID,
    EnumType,
    LiteralType,
    TupleType,
    Type,
    UnsupportedTypeError,
)

_SIGN, _ALL = 1 << 63, (1 << 64) - 1
_EXAMPLES: dict[Type, Any] = {INT: 1, BOOL: False, STR: "", UUID: uuid.UUID(int=0)}


@dataclass(frozen=True)
class KeyLayout:
    """A key as words.

    Args:
        names: the fields of the messages that make it up.
        types: their types.
        single: whether a key is the value of the one field, and not a tuple.
    """

    names: tuple[str, ...]
    types: tuple[Type, ...]
    single: bool

    @property
    def type(self) -> Type:
        """The type of a key."""
        return self.types[0] if self.single else TupleType(self.types)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Words of each field."""
        return tuple(2 if type_ == UUID else 1 for type_ in self.types)

    @property
    def words(self) -> int:
        """Words of a key."""
        return sum(self.widths)

    @property
    def example(self) -> Any:
        """A key."""
        values = tuple(
            type_.members[0] if isinstance(type_, EnumType) else _EXAMPLES[type_]
            for type_ in self.types
        )  # fmt: skip
        return values[0] if self.single else values

    @property
    def holds_strings(self) -> bool:
        """Whether words may be ids of strings."""
        return STR in self.types

    def pack(self, key: Any) -> tuple[int, ...]:
        """The words of a key.

        Args:
            key: a value of the field's own class, or a tuple of them.

        Raises:
            KeyError: no message can have such a key.
        """
        values = (key,) if self.single else key
        if not isinstance(values, tuple) or len(values) != len(self.types):
            raise KeyError(key)
        words: list[int] = []
        for value, type_ in zip(values, self.types, strict=True):
            words += _pack(value, type_, key)
        return tuple(words)

    def unpack(self, words: Sequence[int]) -> Any:
        """The key of some words."""
        values, at = [], 0
        for type_, width in zip(self.types, self.widths, strict=True):
            values.append(_unpack(words[at : at + width], type_))
            at += width
        return values[0] if self.single else tuple(values)

    def columns(self, words: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        """The fields of many keys: numbers as they are, all else as objects.

        Args:
            words: ``uint64``, a row for each key.
        """
        found, at = {}, 0
        for name, type_, width in zip(self.names, self.types, self.widths, strict=True):
            part = words[:, at : at + width]
            at += width
            if type_ == INT:
                found[name] = part[:, 0].astype(np.int64)
            elif type_ == BOOL:
                found[name] = part[:, 0].astype(np.bool_)
            else:
                column = np.empty(len(words), object)
                column[:] = [_unpack(row, type_) for row in part.tolist()]
                found[name] = column
        return found


def _pack(value: Any, type_: Type, key: Any) -> tuple[int, ...]:
    if type_ == STR:
        if isinstance(value, str):
            return (STRINGS.intern(str(value)),)
    elif type_ == UUID:
        if isinstance(value, UUID.cls):
            return tuple(ATOMS[UUID]._words_of(value))
    elif isinstance(type_, EnumType):
        if isinstance(value, type_.cls):
            return (type_.members.index(value),)
    elif isinstance(value, (int, np.integer, np.bool_)) and -_SIGN <= value < _SIGN:
        return (int(value) & _ALL,)
    raise KeyError(key)


def _unpack(words: Sequence[int], type_: Type) -> Any:
    if type_ == STR:
        return STRINGS.text(int(words[0]))
    if type_ == UUID:
        return ATOMS[UUID].join(*map(int, words))
    if isinstance(type_, EnumType):
        return type_.members[int(words[0])]
    word = int(words[0])
    return bool(word) if type_ == BOOL else word - ((word & _SIGN) << 1)


def key_layout(inputs: Sequence[type], key: str | tuple[str, ...]) -> KeyLayout:
    """The layout of the keys of messages.

    Args:
        inputs: the message classes.
        key: the field, or the fields.

    Raises:
        UnsupportedTypeError: a class has no such field, or one of a type that is no key.
    """
    names = (key,) if isinstance(key, str) else tuple(key)
    found = [_field_types(cls, names) for cls in inputs]
    if any(types != found[0] for types in found):
        raise UnsupportedTypeError("the key has different types in different message classes")
    return KeyLayout(names, found[0], isinstance(key, str))


def _field_types(cls: type, names: tuple[str, ...]) -> tuple[Type, ...]:
    fields: Mapping[str, Type] = {field.name: field.type for field in schema_of(cls).fields}
    for name in names:
        type_ = plain(fields.get(name))
        if type_ not in (INT, BOOL, STR, UUID) and not isinstance(type_, EnumType):
            raise UnsupportedTypeError(f"the field {name!r} of {cls.__name__} is no key")
    return tuple(map(plain, (fields[name] for name in names)))


def plain(type_: Any) -> Any:
    """The type of the values of a ``Literal``; any other type itself."""
    return type_.base if isinstance(type_, LiteralType) else type_
