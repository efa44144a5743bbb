"""Python's operators as tables: operand types -> conversion, result type, operation.

``binary("//", INT, FLOAT)`` gives the ``Signature`` that converts both operands to ``FLOAT`` and
applies the operation ``floordiv_f64``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from pydotcompute.compiler.ops.numpy_operators import (
    BOOL_OF_NUMPY,
    WIDE_OF_WORD,
    numpy_binary,
    numpy_unary,
    quietly,
)
from pydotcompute.compiler.ops.primitive import (
    COMPARISONS,
    SAME,
    Deoptimise,
    Primitive,
    Signature,
    cast_to,
    checked,
    exact,
    exact_wide,
    exactly,
    exactly_wide,
    raising,
    suffix,
)
from pydotcompute.compiler.types.types import (
    BOOL,
    FLOAT,
    INT,
    NONE,
    NP_BOOL,
    STR,
    WIDE,
    AtomType,
    EnumType,
    ErrorType,
    ScalarType,
    Type,
)


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
    "+": (checked("add_i64", exactly(operator.add)), INT),
    "-": (checked("sub_i64", exactly(operator.sub)), INT),
    "*": (checked("mul_i64", exactly(operator.mul)), INT),
    "//": (checked("floordiv_i64", exactly(operator.floordiv), raises=True), INT),
    "%": (raising("mod_i64", operator.mod), INT),
    "/": (raising("truediv_i64", operator.truediv), FLOAT),
    "**": (checked("pow_i64", _pow_int), INT),
    "<<": (checked("lshift_i64", _lshift, raises=True), INT),
    ">>": (raising("rshift_i64", operator.rshift), INT),
    "&": (Primitive("and", operator.and_), INT),
    "|": (Primitive("or", operator.or_), INT),
    "^": (Primitive("xor", operator.xor), INT),
}
_FLOAT: dict[str, tuple[Primitive, Type]] = {
    "+": (Primitive("add_f64", operator.add), FLOAT),
    "-": (Primitive("sub_f64", operator.sub), FLOAT),
    "*": (Primitive("mul_f64", operator.mul), FLOAT),
    "/": (raising("truediv_f64", operator.truediv), FLOAT),
    "//": (raising("floordiv_f64", operator.floordiv), FLOAT),
    "%": (raising("mod_f64", operator.mod), FLOAT),
    "**": (Primitive("pow_f64", _pow_float, raises=True, deoptimises=True), FLOAT),
}
_WIDE: dict[str, Signature] = {
    symbol: Signature((WIDE, second), primitive, result)
    for symbol, second, primitive, result in (
        ("+", WIDE, checked("add_wide", exactly_wide(operator.add)), WIDE),
        ("-", WIDE, checked("sub_wide", exactly_wide(operator.sub)), WIDE),
        ("*", WIDE, checked("mul_wide", exactly_wide(operator.mul)), WIDE),
        ("//", WIDE, checked("floordiv_wide", exactly_wide(operator.floordiv), raises=True), WIDE),
        ("%", WIDE, raising("mod_wide", operator.mod), WIDE),
        ("/", WIDE, raising("truediv_wide128", operator.truediv), FLOAT),
        ("**", INT, checked("pow_wide", _pow_wide, raises=True), WIDE),
        ("<<", INT, checked("lshift_wide", _lshift_wide, raises=True), WIDE),
        (">>", INT, raising("rshift_wide", operator.rshift), WIDE),
        ("&", WIDE, Primitive("and_wide", operator.and_), WIDE),
        ("|", WIDE, Primitive("or_wide", operator.or_), WIDE),
        ("^", WIDE, Primitive("xor_wide", operator.xor), WIDE),
    )
}
"""Of two ints of which one has 128 bits."""
_WIDE_BY_INT: dict[str, Signature] = {
    "//": Signature(
        (WIDE, INT), checked("floordiv_wide_i64", exactly_wide(operator.floordiv), raises=True),
        WIDE,
    ),
    "%": Signature((WIDE, INT), raising("mod_wide_i64", operator.mod), INT),
}  # fmt: skip
AND_LOW = Primitive("and_low", operator.and_)
"""Of an int of 128 bits and one of 64 that is not negative."""
SHIFT_HIGH = Primitive("shift_high", operator.rshift)
"""Of an int of 128 bits, by 64 or more."""
PRODUCT = Primitive("mul_of_i64", operator.mul)
"""Of two ints of 64 bits, in 128."""

_BITS = {"&": "and", "|": "or", "^": "xor"}
_BOOL: dict[str, tuple[Primitive, Type]] = {
    symbol: (Primitive(name, getattr(operator, f"__{name}__")), BOOL)
    for symbol, name in _BITS.items()
}
# --- words: the low 64 bits of ints ----------------------------------------------------------


def low(value: int) -> Any:
    """The low 64 bits of an int, as a ``np.uint64``."""
    return np.uint64(value & (2**64 - 1))


def _shift_word(word: Any, count: int) -> Any:
    if count > 4096:
        raise Deoptimise("Python may run out of memory")
    return low(int(word) << count)


LOW_WORD = {WIDE: Primitive("low_wide", low), INT: Primitive("low_i64", low),
            BOOL: Primitive("low_i64", low)}  # fmt: skip
LOW_SHIFT = Primitive("low_shl", quietly(_shift_word), raises=True, deoptimises=True)

# --- conversions -----------------------------------------------------------------------------

_CONVERT: dict[tuple[Type, Type], Primitive] = {
    (BOOL, INT): cast_to(INT, int),
    (BOOL, FLOAT): cast_to(FLOAT, float),
    (INT, FLOAT): cast_to(FLOAT, float),
    (BOOL, WIDE): WIDE_OF_WORD,
    (INT, WIDE): Primitive("wide_i64", int),
    (WIDE, FLOAT): Primitive("f64_of_wide", float),
}
NARROW = checked("i64_of_wide", exact)
"""An int of 128 bits where one of 64 is wanted; a longer one deoptimises."""


def conversion(source: Type, target: Type) -> Primitive | None:
    """The implicit conversion Python makes in arithmetic: ``bool`` to ``int`` to ``float``."""
    return _CONVERT.get((source, target))


ALWAYS = {answer: Primitive(f"always_{str(answer).lower()}", lambda *_, answer=answer: answer)
          for answer in (True, False)}  # fmt: skip
"""A comparison that is decided by the types of its operands, which are evaluated."""


def _same_float(one: float, other: float) -> bool:
    if one != one and other != other:
        raise Deoptimise("whether two NaNs are one object")
    return one == other


SAME_FLOAT = Primitive("same_float", _same_float, deoptimises=True)
"""``==`` of two items of tuples: an object is equal to itself there, even NaN."""

# --- operators -------------------------------------------------------------------------------


def _compare(symbol: str, operand: Type) -> Signature:
    return Signature((operand, operand), Primitive(*COMPARISONS[symbol]), BOOL)


def _compare_mixed(symbol: str, left: Type, right: Type) -> Signature:
    """An int against a float: exact, as CPython compares them, without rounding the int."""
    name, python = COMPARISONS[symbol]
    primitive = Primitive(f"{name}_{suffix(left)}_{suffix(right)}", python)
    return Signature((left, right), primitive, BOOL)


def _same_identity(symbol: str, left: Type, right: Type) -> Signature | None:
    """``==`` and ``!=`` of values that are carried as ids."""
    if symbol not in ("==", "!=", "is", "is not"):
        return None
    if symbol.startswith("is") and (left == STR or isinstance(left, AtomType)):
        return None  # two equal ones may be two objects, or one
    name, python = COMPARISONS["==" if symbol in ("==", "is") else "!="]
    if left == right == NONE:
        return Signature((left, right), ALWAYS[name == "eq"], BOOL)
    if left != right or not (left == STR or isinstance(left, (AtomType, EnumType, ErrorType))):
        return None
    return Signature((left, right), Primitive(name, python), BOOL)


def binary(symbol: str, left: Type, right: Type) -> Signature | None:
    """The signature of ``left symbol right``, or None where Python raises ``TypeError``
    or compares by identity."""
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
    (symbol, type_): Signature((type_,), primitive, type_)
    for symbol, type_, primitive in (
        ("-", INT, checked("neg_i64", exactly(operator.neg))),
        ("+", INT, SAME),
        ("~", INT, Primitive("invert_i64", operator.invert)),
        ("-", WIDE, checked("neg_wide", exactly_wide(operator.neg))),
        ("+", WIDE, SAME),
        ("~", WIDE, Primitive("invert_wide", operator.invert)),
        ("-", FLOAT, Primitive("neg_f64", operator.neg)),
        ("+", FLOAT, SAME),
    )
}
NOT = Primitive("not", operator.not_)

PROVED: dict[str, Primitive] = {
    "add_i64": Primitive("plus_i64", operator.add),
    "sub_i64": Primitive("minus_i64", operator.sub),
    "mul_i64": Primitive("times_i64", operator.mul),
    "floordiv_i64": Primitive("floordiv_by", operator.floordiv),
    "mod_i64": Primitive("mod_by", operator.mod),
    "rshift_i64": Primitive("shift_right", operator.rshift),
    "truediv_f64": Primitive("div_f64", operator.truediv),
}
"""What an operation is where its operands are known to be such that it cannot fail."""


def unary(symbol: str, operand: Type) -> Signature | None:
    """The signature of ``symbol operand`` for ``-``, ``+`` and ``~``."""
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


_TRUTH: dict[Type, Primitive] = {
    INT: Primitive("truth", bool),
    STR: Primitive("truth", bool),
    FLOAT: Primitive("truth_f64", bool),
    WIDE: Primitive("truth_wide", bool),
    NP_BOOL: BOOL_OF_NUMPY,
}


def truth(operand: Type) -> Primitive | bool | None:
    """How ``bool(operand)`` is computed: a primitive, a constant, or None if it cannot be."""
    if operand == NONE:
        return False
    if isinstance(operand, ScalarType):
        return _TRUTH.get(operand, _TRUTH[INT])
    if isinstance(operand, (AtomType, EnumType, ErrorType)):
        return True
    return _TRUTH.get(operand)
