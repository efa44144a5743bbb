"""Python's operators as tables: operand types -> conversion, result type, C text, meaning.

``binary("//", INT, FLOAT)`` gives the ``Signature`` that converts both operands to ``FLOAT`` and
applies the primitive ``floordiv_f64``.  A primitive says three things about one operation: how it
is spelled in C, what it means (a Python function, used by ``evaluate``), and whether it may raise.

``int`` arithmetic is exact: a result beyond 64 bits is no error of the program but something that
compiled code cannot represent, so it *deoptimises* (``Deoptimise`` here, a sticky code in C).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydotcompute.compiler.types.int_ranges import INT_MAX, INT_MIN, WIDE_MAX, WIDE_MIN
from pydotcompute.compiler.types.types import (
    BOOL,
    FLOAT,
    INT,
    NONE,
    NP_BOOL,
    STR,
    UUID,
    WIDE,
    EnumType,
    ErrorType,
    ScalarType,
    Type,
)


class Deoptimise(Exception):
    """What compiled code reports where Python's value has no 64-bit representation."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """One operation on values of known types.

    Args:
        name: unique, as it appears in the printed IR.
        c: its C text over ``{0}``, ``{1}``...; ``{e}`` is the error word it may set.
        python: its meaning.
        raises: whether it may raise a Python exception (and not merely deoptimise).
    """

    name: str
    c: str
    python: Callable[..., Any] = field(compare=False, repr=False)
    raises: bool = False

    @property
    def fails(self) -> bool:
        """Whether it may set the error word at all."""
        return "{e}" in self.c or "pdc_t" in self.c


@dataclass(frozen=True, slots=True)
class Signature:
    """How an operation applies: convert the operands to ``operands``, then ``primitive``."""

    operands: tuple[Type, ...]
    primitive: Primitive
    result: Type


def exact(value: int) -> int:
    """``value`` if it has 64 bits, as compiled code has."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise Deoptimise(f"int {value} is outside 64 bits")


def _exact(function: Callable[..., int]) -> Callable[..., int]:
    return lambda *args: exact(function(*args))


def exact_wide(value: int) -> int:
    """``value`` if it has 128 bits."""
    if WIDE_MIN <= value <= WIDE_MAX:
        return value
    raise Deoptimise("an int is outside 128 bits")


def _exact_wide(function: Callable[..., int]) -> Callable[..., int]:
    return lambda *args: exact_wide(function(*args))


def helper(name: str, python: Callable[..., Any], args: int = 2, *, raises: bool = False,
           fails: bool = True) -> Primitive:  # fmt: skip
    """A primitive that is a named C helper, ``pdc_<name>``."""
    inputs = ", ".join(f"{{{n}}}" for n in range(args))
    return Primitive(name, f"pdc_{name}({'{e}, ' if fails else ''}{inputs})", python, raises)


def _pow_int(base: int, exponent: int) -> int:
    if exponent < 0:
        raise Deoptimise("int ** negative int is a float")
    if abs(base) > 1 and exponent > 64:
        raise Deoptimise("the power is outside 64 bits")
    return exact(base**exponent)


def _lshift(value: int, count: int) -> int:
    if count > 64 and value:
        raise Deoptimise("the shifted int is outside 64 bits")
    return exact(value << count if value or count < 0 else 0)


def _pow_wide(base: int, exponent: int) -> int:
    if exponent < 0 and base:
        raise Deoptimise("int ** negative int is a float")
    if abs(base) > 1 and exponent > 128:
        raise Deoptimise("the power is outside 128 bits")
    return exact_wide(base**exponent)


def _lshift_wide(value: int, count: int) -> int:
    if count > 128 and value:
        raise Deoptimise("the shifted int is outside 128 bits")
    return exact_wide(value << count if value or count < 0 else 0)


def _pow_float(base: float, exponent: float) -> float:
    result = base**exponent
    if isinstance(result, complex):
        raise Deoptimise("the power is complex")
    return float(result)


_INT: dict[str, tuple[Primitive, Type]] = {
    "+": (helper("add_i64", _exact(operator.add)), INT),
    "-": (helper("sub_i64", _exact(operator.sub)), INT),
    "*": (helper("mul_i64", _exact(operator.mul)), INT),
    "//": (helper("floordiv_i64", _exact(operator.floordiv), raises=True), INT),
    "%": (helper("mod_i64", operator.mod, raises=True), INT),
    "/": (helper("truediv_i64", operator.truediv, raises=True), FLOAT),
    "**": (helper("pow_i64", _pow_int), INT),
    "<<": (helper("lshift_i64", _lshift, raises=True), INT),
    ">>": (helper("rshift_i64", operator.rshift, raises=True), INT),
    "&": (Primitive("and_i64", "({0} & {1})", operator.and_), INT),
    "|": (Primitive("or_i64", "({0} | {1})", operator.or_), INT),
    "^": (Primitive("xor_i64", "({0} ^ {1})", operator.xor), INT),
}
_FLOAT: dict[str, tuple[Primitive, Type]] = {
    "+": (Primitive("add_f64", "({0} + {1})", operator.add), FLOAT),
    "-": (Primitive("sub_f64", "({0} - {1})", operator.sub), FLOAT),
    "*": (Primitive("mul_f64", "({0} * {1})", operator.mul), FLOAT),
    "/": (helper("truediv_f64", operator.truediv, raises=True), FLOAT),
    "//": (helper("floordiv_f64", operator.floordiv, raises=True), FLOAT),
    "%": (helper("mod_f64", operator.mod, raises=True), FLOAT),
    "**": (helper("pow_f64", _pow_float, raises=True), FLOAT),
}
_WIDE: dict[str, Signature] = {
    "+": Signature((WIDE, WIDE), helper("add_wide", _exact_wide(operator.add)), WIDE),
    "-": Signature((WIDE, WIDE), helper("sub_wide", _exact_wide(operator.sub)), WIDE),
    "*": Signature((WIDE, WIDE), helper("mul_wide", _exact_wide(operator.mul)), WIDE),
    "//": Signature(
        (WIDE, WIDE), helper("floordiv_wide", _exact_wide(operator.floordiv), raises=True), WIDE
    ),
    "%": Signature((WIDE, WIDE), helper("mod_wide", operator.mod, raises=True), WIDE),
    "/": Signature((WIDE, WIDE), helper("truediv_wide128", operator.truediv, raises=True), FLOAT),
    "**": Signature((WIDE, INT), helper("pow_wide", _pow_wide), WIDE),
    "<<": Signature((WIDE, INT), helper("lshift_wide", _lshift_wide, raises=True), WIDE),
    ">>": Signature((WIDE, INT), helper("rshift_wide", operator.rshift, raises=True), WIDE),
    "&": Signature((WIDE, WIDE), helper("and_wide", operator.and_, fails=False), WIDE),
    "|": Signature((WIDE, WIDE), helper("or_wide", operator.or_, fails=False), WIDE),
    "^": Signature((WIDE, WIDE), helper("xor_wide", operator.xor, fails=False), WIDE),
}
"""Of two ints of which one has 128 bits."""
_WIDE_BY_INT: dict[str, Signature] = {
    "//": Signature(
        (WIDE, INT), helper("floordiv_wide_i64", _exact_wide(operator.floordiv), raises=True), WIDE
    ),
    "%": Signature((WIDE, INT), helper("mod_wide_i64", operator.mod, raises=True), INT),
}
_BOOL: dict[str, tuple[Primitive, Type]] = {
    "&": (Primitive("and_bool", "({0} & {1})", operator.and_), BOOL),
    "|": (Primitive("or_bool", "({0} | {1})", operator.or_), BOOL),
    "^": (Primitive("xor_bool", "({0} ^ {1})", operator.xor), BOOL),
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, "==": operator.eq,
    "!=": operator.ne, ">=": operator.ge, ">": operator.gt,
}  # fmt: skip
_COMPARE_NAME = {"<": "lt", "<=": "le", "==": "eq", "!=": "ne", ">=": "ge", ">": "gt"}

_MIRRORED = {"<": ">", "<=": ">=", "==": "==", "!=": "!=", ">=": "<=", ">": "<"}

COMPARISONS = frozenset(_COMPARE)


def suffix(type_: Type) -> str:
    """The C name of a number type, as helper names end: ``i64``, ``f64``, ``u8``..."""
    if isinstance(type_, ScalarType):
        kind = {"b": "bool", "i": "i", "u": "u", "f": "f"}[type_.dtype.kind]
        return kind if kind == "bool" else f"{kind}{type_.dtype.itemsize * 8}"
    return {BOOL: "bool", INT: "i64", FLOAT: "f64", WIDE: "wide"}[type_]


# --- conversions -----------------------------------------------------------------------------

_CONVERT: dict[tuple[Type, Type], Primitive] = {
    (BOOL, INT): Primitive("int_bool", "(i64)({0})", int),
    (BOOL, FLOAT): Primitive("float_bool", "(f64)({0})", float),
    (INT, FLOAT): Primitive("float_i64", "(f64)({0})", float),
    (BOOL, WIDE): Primitive("wide_bool", "pdc_wide_u64({0})", int),
    (INT, WIDE): Primitive("wide_i64", "pdc_wide_i64({0})", int),
    (WIDE, FLOAT): helper("f64_of_wide", float, 1, fails=False),
}
NARROW = helper("i64_of_wide", exact, 1)
"""An int of 128 bits where one of 64 is wanted; a longer one deoptimises."""


def conversion(source: Type, target: Type) -> Primitive | None:
    """The implicit conversion Python makes in arithmetic: ``bool`` to ``int`` to ``float``."""
    return _CONVERT.get((source, target))


# --- operators -------------------------------------------------------------------------------


def _compare(symbol: str, operand: Type) -> Signature:
    name = f"{_COMPARE_NAME[symbol]}_{suffix(operand)}"
    primitive = Primitive(name, f"({{0}} {symbol} {{1}})", _COMPARE[symbol])
    return Signature((operand, operand), primitive, BOOL)


def _compare_mixed(symbol: str, left: Type, right: Type) -> Signature:
    """An int against a float: exact, as CPython compares them, without rounding the int."""
    if left == FLOAT and right == WIDE:
        mirrored = _MIRRORED[symbol]
        name = f"{_COMPARE_NAME[mirrored]}_wide_f64"
        primitive = Primitive(name, f"pdc_{name}({{1}}, {{0}})", _COMPARE[symbol])
        return Signature((left, right), primitive, BOOL)
    name = f"{_COMPARE_NAME[symbol]}_{suffix(left)}_{suffix(right)}"
    primitive = helper(name, _COMPARE[symbol], fails=False)
    return Signature((left, right), primitive, BOOL)


def _same_identity(symbol: str, left: Type, right: Type) -> Signature | None:
    """``==`` and ``!=`` of values that are carried as ids."""
    if symbol not in ("==", "!=", "is", "is not"):
        return None
    if symbol.startswith("is") and left in (STR, UUID):
        return None  # two equal ones may be two objects, or one
    equal = symbol in ("==", "is")
    python = operator.eq if equal else operator.ne
    text = f"({{0}} {'==' if equal else '!='} {{1}})"
    if left == right and (left == STR or isinstance(left, (EnumType, ErrorType))):
        name = "eq_id" if equal else "ne_id"
        return Signature((left, right), Primitive(name, text, python), BOOL)
    if left == right == UUID:
        return Signature(
            (left, right), helper("eq_uuid" if equal else "ne_uuid", python, fails=False), BOOL
        )
    if left == right == NONE:
        primitive = Primitive(f"none_{equal}", str(equal).lower(), python)
        return Signature((left, right), primitive, BOOL)
    return None


def binary(symbol: str, left: Type, right: Type) -> Signature | None:
    """The signature of ``left symbol right``, or None where Python raises ``TypeError``
    or compares by identity."""
    from pydotcompute.compiler.ops.numpy_operators import numpy_binary

    if isinstance(left, ScalarType) or isinstance(right, ScalarType):
        return numpy_binary(symbol, left, right)
    if found := _same_identity(symbol, left, right):
        return found
    if not {left, right} <= {BOOL, INT, WIDE, FLOAT} or symbol in ("is", "is not"):
        return None
    if symbol in COMPARISONS:
        wide = [INT if t == BOOL else t for t in (left, right)]
        if WIDE in wide and FLOAT not in wide:
            wide = [WIDE, WIDE]
        if wide[0] != wide[1]:
            return _compare_mixed(symbol, *wide)
        return _compare(symbol, wide[0])
    if left == right == BOOL and symbol in _BOOL:
        primitive, result = _BOOL[symbol]
        return Signature((BOOL, BOOL), primitive, result)
    if WIDE in (left, right) and FLOAT not in (left, right):
        by_int = _WIDE_BY_INT if left == WIDE and right in (INT, BOOL) else {}
        return by_int.get(symbol) or _WIDE.get(symbol)
    operand = FLOAT if FLOAT in (left, right) else INT
    table = _FLOAT if operand == FLOAT else _INT
    if symbol not in table:
        return None
    primitive, result = table[symbol]
    return Signature((operand, operand), primitive, result)


_UNARY: dict[tuple[str, Type], Signature] = {
    ("-", INT): Signature((INT,), helper("neg_i64", _exact(operator.neg), 1), INT),
    ("+", INT): Signature((INT,), Primitive("pos_i64", "{0}", operator.pos), INT),
    ("~", INT): Signature((INT,), Primitive("invert_i64", "(~{0})", operator.invert), INT),
    ("-", WIDE): Signature((WIDE,), helper("neg_wide", _exact_wide(operator.neg), 1), WIDE),
    ("+", WIDE): Signature((WIDE,), Primitive("pos_wide", "{0}", operator.pos), WIDE),
    ("~", WIDE): Signature((WIDE,), helper("invert_wide", operator.invert, 1, fails=False), WIDE),
    ("-", FLOAT): Signature((FLOAT,), Primitive("neg_f64", "(-{0})", operator.neg), FLOAT),
    ("+", FLOAT): Signature((FLOAT,), Primitive("pos_f64", "{0}", operator.pos), FLOAT),
}
NOT = Primitive("not", "(!{0})", operator.not_)


def unary(symbol: str, operand: Type) -> Signature | None:
    """The signature of ``symbol operand`` for ``-``, ``+`` and ``~``."""
    from pydotcompute.compiler.ops.numpy_operators import numpy_unary

    if isinstance(operand, ScalarType):
        return numpy_unary(symbol, operand)
    return _UNARY.get((symbol, INT if operand == BOOL else operand))


# --- constants -------------------------------------------------------------------------------

_FOLDED: dict[str, Callable[[int, int], int]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv,
    "%": operator.mod, "&": operator.and_, "|": operator.or_, "^": operator.xor,
    "<<": operator.lshift, ">>": operator.rshift, "**": operator.pow,
}  # fmt: skip
_LONGEST = 4096
"""Bits of a constant that is computed while compiling."""


def folded(symbol: str, left: object, right: object) -> int | None:
    """The value of an operator on two constant ints; None if it has none, or too long a one."""
    if symbol not in _FOLDED or type(left) is not int or type(right) is not int:
        return None
    if symbol in ("<<", "**") and not 0 <= right <= _LONGEST:
        return None
    if symbol == "**" and left.bit_length() * right > _LONGEST:
        return None
    try:
        return _FOLDED[symbol](left, right)
    except (ArithmeticError, ValueError):
        return None


ERROR_NAME = Primitive("error_name", "pdc_error_name(pdc_t, {0})", lambda e: type(e).__name__)
"""``type(error).__name__``."""

ERROR_TEXT = Primitive("error_text", "pdc_error_text(pdc_t, {0})", str)
"""``str(error)``; one whose text depends on values deoptimises."""


_TRUTH: dict[Type, Primitive] = {
    INT: Primitive("truth_i64", "({0} != 0)", bool),
    WIDE: Primitive("truth_wide", "({0} != pdc_wide_u64(0))", bool),
    FLOAT: Primitive("truth_f64", "({0} != 0.0)", bool),
    STR: Primitive("truth_str", "({0} != 0)", bool),
}


def truth(operand: Type) -> Primitive | bool | None:
    """How ``bool(operand)`` is computed: a primitive, a constant, or None if it cannot be."""
    if operand == NONE:
        return False
    if isinstance(operand, ScalarType):
        text = "{0}" if operand == NP_BOOL else "({0} != 0)"
        return Primitive(f"truth_{suffix(operand)}", text, bool)
    if isinstance(operand, (EnumType, ErrorType)) or operand == UUID:
        return True
    return _TRUTH.get(operand)
