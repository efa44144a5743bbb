"""An operation as a row: name, effects, meaning in Python; and how it applies to operand types.

A ``Primitive`` says what an operation does and never how C spells it: ``codegen/operation_text``
finds the C text by the operation's name.  ``int`` arithmetic is exact: a result beyond 64 bits is
no error of the program but something that compiled code cannot represent, so it *deoptimises*
(``Deoptimise`` here, a sticky code in C).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydotcompute.compiler.types.int_ranges import INT_MAX, INT_MIN, WIDE_MAX, WIDE_MIN
from pydotcompute.compiler.types.types import BOOL, FLOAT, INT, WIDE, ScalarType, Type


class Deoptimise(Exception):
    """What compiled code reports where it cannot represent Python's value."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """One operation on values of known types.

    Args:
        name: the key of its C text; two operations of one name have one text.
        python: its meaning.
        raises: whether it may raise a Python exception.
        deoptimises: whether it may report a value that compiled code cannot represent.
        mutates: whether it changes its first operand, a container.
        both: whether it changes its second operand as well.
        given: constants that tell the members of a family apart: a size, an error code.
    """

    name: str
    python: Callable[..., Any] = field(compare=False, repr=False)
    raises: bool = False
    deoptimises: bool = False
    mutates: bool = False
    both: bool = False
    given: tuple[Any, ...] = ()

    @property
    def fails(self) -> bool:
        """Whether it may set the error word."""
        return self.raises or self.deoptimises

    def __str__(self) -> str:
        """The name in printed IR: ``add_i64``, ``axis[3]``."""
        return f"{self.name}[{', '.join(map(str, self.given))}]" if self.given else self.name


@dataclass(frozen=True, slots=True)
class Signature:
    """How an operation applies: convert the operands to ``operands``, then ``primitive``."""

    operands: tuple[Type, ...]
    primitive: Primitive
    result: Type


COMPARISONS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "<": ("lt", operator.lt), "<=": ("le", operator.le), "==": ("eq", operator.eq),
    "!=": ("ne", operator.ne), ">=": ("ge", operator.ge), ">": ("gt", operator.gt),
}  # fmt: skip
"""Name and meaning of each comparison."""


def checked(name: str, python: Callable[..., int], *, raises: bool = False) -> Primitive:
    """An operation whose result may leave the range of its type, as ``exact`` reports it."""
    return Primitive(name, python, raises, deoptimises=True)


def raising(name: str, python: Callable[..., Any]) -> Primitive:
    """An operation that may raise."""
    return Primitive(name, python, raises=True)


def mutating(name: str, python: Callable[..., Any], *, raises: bool = False) -> Primitive:
    """An operation that changes its first operand, which may be full."""
    return Primitive(name, python, raises, deoptimises=True, mutates=True)


def exact(value: int) -> int:
    """``value`` if it has 64 bits, as compiled code has."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise Deoptimise(f"int {value} is outside 64 bits")


def exact_wide(value: int) -> int:
    """``value`` if it has 128 bits."""
    if WIDE_MIN <= value <= WIDE_MAX:
        return value
    raise Deoptimise("an int is outside 128 bits")


def exactly(function: Callable[..., int]) -> Callable[..., int]:
    """``function``; a result outside 64 bits deoptimises."""
    return lambda *args: exact(function(*args))


def exactly_wide(function: Callable[..., int]) -> Callable[..., int]:
    """``function``; a result outside 128 bits deoptimises."""
    return lambda *args: exact_wide(function(*args))


def suffix(type_: Type) -> str:
    """The C name of a number type, as names of helpers end: ``i64``, ``f64``, ``u8``..."""
    if isinstance(type_, ScalarType):
        kind = {"b": "bool", "i": "i", "u": "u", "f": "f"}[type_.dtype.kind]
        return kind if kind == "bool" else f"{kind}{type_.dtype.itemsize * 8}"
    return {BOOL: "bool", INT: "i64", FLOAT: "f64", WIDE: "wide"}[type_]


def cast_to(type_: Type, python: Callable[[Any], Any]) -> Primitive:
    """A conversion that C makes as Python does: of a narrower number to a wider one."""
    return Primitive("cast", python, given=(suffix(type_),))


SAME = Primitive("same", lambda value: value)
"""A value as it is: ``+x``, ``round(7)``."""


def member(name: str, index: Callable[[Any], int]) -> Primitive:
    """The place of a member of the enum ``name`` among all of them."""
    return Primitive("member", index, given=(name,))
