"""Enum members as what else they are: ints (``IntEnum``), strings (``StrEnum``), true or false."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ops.primitive import member
from pydotcompute.compiler.types.int_ranges import INT_MAX, INT_MIN
from pydotcompute.compiler.types.types import BOOL, FLOAT, INT, STR, EnumType, Type

_BASES: tuple[tuple[type, Type, Callable[[Any], Any]], ...] = (
    (int, INT, int.__int__), (float, FLOAT, float.__float__), (str, STR, str.__str__),
)  # fmt: skip
"""Classes that an enum may inherit from, and what makes a member one of those: ``str(member)``
would be its name, with a class that inherits from ``str`` and ``Enum``."""

_METHODS = frozenset(
    f"__{name}__" for name in
    "eq ne lt le gt ge hash bool add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv "
    "mod rmod divmod rdivmod pow rpow lshift rlshift rshift rrshift and rand or ror xor rxor neg "
    "pos invert abs int float index round".split()
)  # fmt: skip
"""With one of these, a class of its author's own gives an operator its meaning."""


def has_operators(cls: type) -> bool:
    """Whether a class, or one it inherits from, says itself what operators mean."""
    own = [c for c in cls.__mro__ if c.__module__ not in ("enum", "builtins")]
    return any(name in vars(c) for c in own for name in _METHODS)


def base_of(type_: Type) -> Type | None:
    """The type that the members of an enum have besides; None if they have no such type."""
    if not isinstance(type_, EnumType) or issubclass(type_.cls, enum.Flag):
        return None
    for python, base, plain in _BASES:
        if issubclass(type_.cls, python):
            values = [plain(member) for member in type_.members]
            fits = base != INT or all(INT_MIN <= value <= INT_MAX for value in values)
            return base if fits and not has_operators(type_.cls) else None
    return None


def as_base(value: ir.Expr) -> ir.Expr:
    """An enum member that is also a number or a string, as that; other values as they are."""
    base = base_of(value.type)
    if base is None:
        return value
    return _mapped(value, base, next(plain for _, type_, plain in _BASES if type_ == base))


def as_text(value: ir.Expr) -> ir.Expr:
    """An enum member that is also a string, as that."""
    return as_base(value) if base_of(value.type) == STR else value


def truth(value: ir.Expr) -> ir.Expr:
    """``bool(member)``."""
    return _mapped(value, BOOL, bool)


def _mapped(value: ir.Expr, type_: Type, function: Callable[[Any], Any]) -> ir.Expr:
    """``function(member)``, from a table of all members."""
    assert isinstance(value.type, EnumType)
    members = value.type.members
    results = tuple(function(member) for member in members)
    if isinstance(value, ir.Const):
        return ir.Const(value.loc, type_, function(value.value))
    if len(set(results)) == 1:
        return ir.Const(value.loc, type_, results[0])

    def index(member: Any) -> int:
        return members.index(member)

    primitive = member(value.type.cls.__name__, index)
    return ir.Table(value.loc, type_, results, ir.Op(value.loc, INT, primitive, (value,)))
