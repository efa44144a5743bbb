"""The types a lowered actor is made of, and how each is spelled in C and stored in a record.

A ``Type`` is frozen and compares by structure.  It comes from an annotation (``field_types``) or
from a value (``state.of_value``).

What belongs here: what a type *is*.  What may be done with values of a type is in
``intrinsics`` (calls) and ``operators`` (Python's operators).
"""

from __future__ import annotations

import enum
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Shape:
    """The fixed shape of an array field: ``Annotated[NDArray[np.float32], Shape(4, 4)]``.

    Args:
        dims: the length of every axis, each at least 1.
    """

    dims: tuple[int, ...]

    def __init__(self, *dims: int) -> None:
        if not dims or any(type(n) is not int or n < 1 for n in dims):
            raise ValueError(f"Shape takes positive ints, one for each axis, not {dims}")
        object.__setattr__(self, "dims", dims)


class UnsupportedTypeError(TypeError):
    """An annotation that has no fixed record: the message says which and what to write."""


@dataclass(frozen=True)
class Type:
    """Base of all types."""

    def __str__(self) -> str:
        return type(self).__name__.removesuffix("Type").lower()


@dataclass(frozen=True)
class BoolType(Type):
    """Python ``bool``."""


@dataclass(frozen=True)
class IntType(Type):
    """Python ``int``, carried in 64 bits; a result that leaves them deoptimises."""


@dataclass(frozen=True)
class WideType(Type):
    """Python ``int``, carried in 128 bits, where it is known to need more than 64."""

    def __str__(self) -> str:
        return "int128"


@dataclass(frozen=True)
class FloatType(Type):
    """Python ``float``: IEEE 754 binary64."""


@dataclass(frozen=True)
class NoneType(Type):
    """Python ``None``."""


@dataclass(frozen=True)
class StrType(Type):
    """Python ``str``, carried as the id of an interned string (``compiler.strings``)."""


@dataclass(frozen=True)
class AtomType(Type):
    """An immutable class whose values are carried as some words: see ``atoms``.

    Args:
        cls: the class.
    """

    cls: type

    def __str__(self) -> str:
        return self.cls.__name__.lower()


@dataclass(frozen=True)
class ScalarType(Type):
    """A numpy scalar type, which wraps and promotes as numpy 2 does.

    Args:
        name: numpy's name: ``"int32"``, ``"uint8"``, ``"float32"``, ``"bool"``...
    """

    name: str

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype of the scalar."""
        return np.dtype(self.name)

    @property
    def is_float(self) -> bool:
        """Whether values are IEEE floats."""
        return self.dtype.kind == "f"

    @property
    def is_signed(self) -> bool:
        """Whether values are signed integers."""
        return self.dtype.kind == "i"

    def __str__(self) -> str:
        return "np.bool" if self.name == "bool" else self.name


@dataclass(frozen=True)
class EnumType(Type):
    """An ``enum.Enum`` class, carried as the index of the member in definition order."""

    cls: type[enum.Enum]

    @cached_property
    def members(self) -> tuple[enum.Enum, ...]:
        """The members in definition order, aliases left out: the index is the wire value."""
        return tuple(self.cls)

    def __str__(self) -> str:
        return self.cls.__name__


@dataclass(frozen=True)
class LiteralType(Type):
    """``Literal[...]``: values of ``base``, checked at ``send``, stored as ``base`` is."""

    base: Type
    values: tuple[Any, ...]

    def __str__(self) -> str:
        return f"Literal[{', '.join(map(repr, self.values))}]"


@dataclass(frozen=True)
class OptionalType(Type):
    """``T | None``: a presence flag and a value."""

    item: Type

    def __str__(self) -> str:
        return f"{self.item} | None"


@dataclass(frozen=True)
class ListType(Type):
    """A list of at most ``capacity`` items, from ``Annotated[list[T], MaxLen(n)]``."""

    item: Type
    capacity: int

    def __str__(self) -> str:
        return f"list[{self.item}, <={self.capacity}]"


@dataclass(frozen=True)
class ArrayType(Type):
    """A numpy array of fixed shape."""

    item: ScalarType
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"array[{self.item}, {'x'.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class MessageType(Type):
    """An instance of an ``@message`` class; its record is ``schema.schema_of(cls)``."""

    cls: type

    def __str__(self) -> str:
        return self.cls.__name__


@dataclass(frozen=True)
class TupleType(Type):
    """A tuple of known length: lives in locals only, never in a record."""

    items: tuple[Type, ...]

    def __str__(self) -> str:
        return f"tuple[{', '.join(map(str, self.items))}]"


@dataclass(frozen=True)
class DequeType(Type):
    """``collections.deque(maxlen=capacity)``, or a deque without a bound.

    Args:
        item: what it holds.
        capacity: the most items that compiled code has room for.
        bounded: whether that is its ``maxlen``, and an item that is added makes room for itself.
    """

    item: Type
    capacity: int
    bounded: bool = True

    @property
    def maxlen(self) -> int | None:
        """As of the deque."""
        return self.capacity if self.bounded else None

    def __str__(self) -> str:
        room = f"<={self.capacity}" if self.bounded else f"room for {self.capacity}"
        return f"deque[{self.item}, {room}]"


@dataclass(frozen=True)
class DictType(Type):
    """A ``dict`` with scalar keys and values, of at most 4,096 entries; or one that has a value for
    keys that are missing.

    Args:
        key: of keys.
        value: of values.
        missing: None for a ``dict``; ``Counter``, in which 0 is read for a key that is missing; or
            the class that a ``defaultdict`` calls: what it gives is inserted.
    """

    key: Type
    value: Type
    missing: type | None = None

    @property
    def cls(self) -> type:
        """The class of the Python object."""
        return Counter if self.missing is Counter else defaultdict if self.missing else dict

    def __str__(self) -> str:
        given = f"{self.missing.__name__}; " if self.missing and self.cls is defaultdict else ""
        return f"{self.cls.__name__}[{given}{self.key}, {self.value}]"


@dataclass(frozen=True)
class SetType(Type):
    """A ``set`` of what may be keys of a dict, of at most 4,096 items.

    Args:
        item: of the items.
        cls: ``set`` or ``frozenset``.
    """

    item: Type
    cls: type = set

    @property
    def entries(self) -> DictType:
        """The dict that compiled code has for it."""
        return DictType(self.item, NONE)

    def __str__(self) -> str:
        return f"{self.cls.__name__}[{self.item}]"


@dataclass(frozen=True)
class UnboundType(Type):
    """The absence of a value: a name that some path has not bound yet."""


@dataclass(frozen=True)
class TextType(Type):
    """A ``str`` that the host makes of values which compiled code hands it: an f-string."""


@dataclass(frozen=True)
class SnapshotType(Type):
    """The items that a container had at some moment, written down for the host."""

    of: Type


@dataclass(frozen=True)
class ObjectType(Type):
    """A Python object that compiled code only hands to the host: a logger."""

    value: Any


@dataclass(frozen=True)
class NeverType(Type):
    """The type of the items of a container that nothing was put into yet."""


class _Missing:
    def __repr__(self) -> str:
        return "<not bound>"


MISSING_VALUE = _Missing()
"""The value of type ``UNBOUND``."""


@dataclass(frozen=True)
class ErrorType(Type):
    """A caught exception (``except ... as e``), carried as its error code."""


@dataclass(frozen=True)
class UnionType(Type):
    """A value whose type is known only when it is looked at: a tag and one slot a member."""

    members: tuple[Type, ...]

    def __str__(self) -> str:
        return " | ".join(map(str, self.members))


BOOL, INT, WIDE, FLOAT, NONE, STR, UUID, UNBOUND, ERROR, NEVER, TEXT = (
    BoolType(), IntType(), WideType(), FloatType(), NoneType(), StrType(), AtomType(uuid.UUID),
    UnboundType(), ErrorType(), NeverType(), TextType(),
)  # fmt: skip

NP_BOOL = ScalarType("bool")
"""What comparisons of numpy's numbers give: no ``bool``, and added up to a ``np.int64``."""

CONTAINERS = (ListType, DequeType, DictType, SetType, ArrayType)
"""Types whose values are places that can be changed: a name bound to one is another name for it."""


def members_of(type_: Type) -> tuple[Type, ...]:
    """The types a value may have when looked at: several for a union, else the type itself."""
    if isinstance(type_, UnionType):
        return type_.members
    if isinstance(type_, OptionalType):
        return (*members_of(in_body(type_.item)), NONE)
    return (type_,)


def in_body(type_: Type) -> Type:
    """The type a field's value has once read: ``Literal`` is its base, ``T | None`` a union."""
    if isinstance(type_, LiteralType):
        return type_.base
    if isinstance(type_, ListType) and isinstance(type_.item, LiteralType):
        return ListType(type_.item.base, type_.capacity)
    if isinstance(type_, OptionalType):
        return UnionType(members_of(type_))
    return type_


def is_number(dtype: np.dtype[Any]) -> bool:
    """Whether compiled code has numbers of a dtype: those of 64 bits at most, but no float16."""
    return dtype.kind in "biuf" and dtype.itemsize <= 8 and dtype != np.float16


def lowers(type_: Type) -> bool:
    """Whether compiled code has values of a field type, and does not merely carry its bytes."""
    if isinstance(type_, ScalarType):
        return is_number(type_.dtype)
    if isinstance(type_, (ArrayType, OptionalType)):
        return lowers(type_.item)
    if isinstance(type_, ListType):
        return lowers(type_.item) and not isinstance(type_.item, (OptionalType, *CONTAINERS))
    return True


def holds_literal(type_: Type) -> bool:
    """Whether a field takes only some values of the type that it has once read."""
    if isinstance(type_, (ListType, OptionalType)):
        return holds_literal(type_.item)
    return isinstance(type_, LiteralType)


def holds_message(type_: Type) -> bool:
    """Whether a value of a type may be, or give access to, an object that can change: a message."""
    if isinstance(type_, TupleType):
        return any(map(holds_message, type_.items))
    if isinstance(type_, (ListType, DequeType)):
        return holds_message(type_.item)
    if isinstance(type_, DictType):
        return holds_message(type_.value)
    if isinstance(type_, UnionType):
        return any(map(holds_message, type_.members))
    return isinstance(type_, MessageType)


def join(left: Type, right: Type) -> Type:
    """The smallest type that holds the values of both."""
    if left == right or right == NEVER:
        return left
    if left == NEVER:
        return right
    members = dict.fromkeys((*members_of(left), *members_of(right)))
    if WIDE in members:  # both are Python's int
        members.pop(INT, None)
    if len(members) == 1:
        return next(iter(members))
    return UnionType(tuple(sorted(members, key=str)))
