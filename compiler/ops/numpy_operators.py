"""Operators of numpy scalars: wrapping integers, weak Python numbers, promotion by numpy itself.

The result type of ``np.int32(1) + 1`` is not written down here but asked of numpy (NEP 50 rules,
numpy 2), by applying the operator once to sample values when the kernel is compiled.
"""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from pydotcompute.compiler.ops.primitive import (
    COMPARISONS,
    SAME,
    Deoptimise,
    Primitive,
    Signature,
    cast_to,
    suffix,
)
from pydotcompute.compiler.types.types import BOOL, FLOAT, INT, NP_BOOL, WIDE, ScalarType, Type

_OPERATORS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "+": ("add", operator.add), "-": ("sub", operator.sub), "*": ("mul", operator.mul),
    "//": ("floordiv", operator.floordiv), "%": ("mod", operator.mod),
    "/": ("truediv", operator.truediv), "<<": ("lshift", operator.lshift),
    ">>": ("rshift", operator.rshift), "&": ("and", operator.and_), "|": ("or", operator.or_),
    "^": ("xor", operator.xor), "**": ("pow", operator.pow),
}  # fmt: skip
_PLAIN: dict[Type, Any] = {BOOL: True, INT: 1, WIDE: 1, FLOAT: 1.0}


def _sample(type_: Type) -> Any:
    return type_.dtype.type(1) if isinstance(type_, ScalarType) else _PLAIN.get(type_)


def quietly(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` without numpy's warnings: an actor that wraps on purpose is no news."""

    def call(*args: Any) -> Any:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args)

    return call


@cache
def result_type(symbol: str, left: Type, right: Type) -> ScalarType | None:
    """The type numpy gives ``left symbol right``, or None where it raises."""
    samples = _sample(left), _sample(right)
    if None in samples:
        return None
    try:
        result = quietly(_OPERATORS[symbol][1])(*samples)
    except TypeError:
        return None
    return ScalarType(np.asarray(result).dtype.name)


def cast(source: Type, target: ScalarType) -> Primitive | None:
    """The conversion of an operand to the type the operation is done in; a Python int that does
    not fit raises ``OverflowError``, as in numpy."""
    if source == target:
        return None
    python = quietly(target.dtype.type)
    if source == INT and not target.is_float:
        return Primitive("np_of_i64", python, raises=True, given=(suffix(target),))
    if source == WIDE and target.is_float:
        return Primitive("np_float_of_wide", python, given=(suffix(target),))
    if source == WIDE:
        return Primitive("np_of_wide", python, raises=True, given=(suffix(target),))
    return cast_to(target, python)


def truncation(target: ScalarType) -> Primitive:
    """A float as an integer; what C leaves undefined, and numpy to the processor, deoptimises."""
    info = np.iinfo(target.dtype)

    def python(value: Any) -> Any:
        if not abs(value) < 2**53 or not info.min <= int(value) <= info.max:
            raise Deoptimise(f"{value} is no {target}")
        return target.dtype.type(int(value))

    return Primitive("np_of_f64", python, deoptimises=True, given=(suffix(target),))


def field_cast(source: Type, target: ScalarType) -> Primitive | None:
    """The conversion of a Python number to a field; one out of range is the interpreter's."""
    if source == FLOAT and target.dtype.itemsize < 8:
        return Primitive("f32_field", _finite, deoptimises=True)
    if source not in (INT, WIDE) or target.is_float:
        return cast(source, target)
    info = np.iinfo(target.dtype)

    def fit(value: int) -> Any:
        if not info.min <= value <= info.max:
            raise Deoptimise(f"int {value} does not fit {target.name}")
        return target.dtype.type(value)

    name = "np_field" if source == INT else "np_field_of_wide"
    if source == WIDE and target == ScalarType("uint64"):
        name = "u64_of_wide"
    return Primitive(name, fit, deoptimises=True, given=(suffix(target),))


def _finite(value: float) -> Any:
    exact = quietly(np.float32)(value)
    if np.isinf(exact) and not math.isinf(value):
        raise Deoptimise(f"float {value} does not fit float32")
    return exact


def _comparison(symbol: str, left: Type, right: Type) -> Signature | None:
    """Integers compare by value; floats in the type they promote to, Python floats being weak."""
    if None in (_sample(left), _sample(right)):
        return None
    if WIDE in (left, right):
        return None
    floats = [t for t in (left, right) if t == FLOAT or (isinstance(t, ScalarType) and t.is_float)]
    name, python = COMPARISONS[symbol]
    if not floats:
        return Signature((left, right), Primitive(f"np_{name}", quietly(python)), NP_BOOL)
    operand = result_type("+", left, right)
    if operand is None:
        return None
    return Signature((operand, operand), Primitive(name, quietly(python)), NP_BOOL)


def depends_on_processor(symbol: str, left: Type, right: Type) -> bool:
    """Whether numpy computes a power with instructions that only some processors have: it does
    where neither operand has the type of the result."""
    if symbol != "**" or ScalarType not in (type(left), type(right)):
        return False
    result = result_type(symbol, left, right)
    return result is not None and result.is_float and result not in (left, right)


def numpy_binary(symbol: str, left: Type, right: Type) -> Signature | None:
    """The signature of an operator with at least one numpy scalar, or None if there is none."""
    if symbol in COMPARISONS:
        return _comparison(symbol, left, right)
    if symbol not in _OPERATORS or (result := result_type(symbol, left, right)) is None:
        return None
    operand = result
    if symbol == "**" and (result.dtype.kind == "b" or depends_on_processor(symbol, left, right)):
        return None
    name, python = _OPERATORS[symbol]
    if result.dtype.kind == "b" and symbol not in "&|^":
        return None
    scalar = "" if result.dtype.kind == "b" else "np_"
    primitive = Primitive(f"{scalar}{name}", quietly(python), raises=symbol == "**")
    return Signature((operand, operand), primitive, result)


def numpy_unary(symbol: str, operand: ScalarType) -> Signature | None:
    """The signature of ``-x``, ``+x`` or ``~x``."""
    if operand.dtype.kind == "b" or (symbol == "~" and operand.is_float):
        return None
    name = {"-": "neg", "+": "pos", "~": "invert"}[symbol]
    primitive = Primitive(f"np_{name}", quietly(getattr(operator, name)))
    return Signature((operand,), primitive, operand)


BOOL_OF_NUMPY = Primitive("bool_of_np", bool)
FLOAT_OF_NUMPY = Primitive("float_of_np", float)
"""``np.float64`` is a subclass of Python's float."""
WIDE_OF_WORD = Primitive("wide_u64", int)


def to_python(source: ScalarType) -> Signature | None:
    """What ``int(x)``, ``float(x)`` and ``bool(x)`` make of a scalar that fits 64 bits."""
    if source.is_float:
        return Signature((source,), cast_to(FLOAT, float), FLOAT)
    if source == ScalarType("uint64"):
        return Signature((source,), WIDE_OF_WORD, WIDE)
    return Signature((source,), cast_to(INT, int), INT)


# --- functions of scalars --------------------------------------------------------------------


def rounded(digits: int) -> Primitive:
    """``round(x, digits)``: numpy multiplies, rounds and divides."""
    return Primitive("np_round", quietly(lambda x: round(x, digits)), given=(digits,))


ABS = Primitive("np_abs", quietly(abs))


def _both_zeros(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(a: Any, b: Any) -> Any:
        if a == b == 0 and np.signbit(a) != np.signbit(b):
            raise Deoptimise("zeros of both signs")
        return quietly(function)(a, b)

    return call


UFUNCS: dict[Any, Primitive] = {
    function: Primitive(f"np_{name}", quietly(function))
    for function, name in ((np.sqrt, "sqrt"), (np.fabs, "abs"), (np.absolute, "abs"),
                           (np.floor, "floor"), (np.ceil, "ceil"), (np.trunc, "trunc"),
                           (np.rint, "rint"), (np.sign, "sign"))
} | {
    function: Primitive(f"np_{function.__name__}", _both_zeros(function), deoptimises=True)
    for function in (np.minimum, np.maximum)
}  # fmt: skip
"""Functions that are exact, of operands that have the type of the result."""

TESTS: dict[Any, Primitive] = {
    function: Primitive(f"np_{function.__name__}", quietly(function))
    for function in (np.isnan, np.isinf, np.isfinite)
}
"""Of floats."""

_FLOAT_ONLY = frozenset({np.floor, np.ceil, np.trunc, np.rint})


def ufunc(function: Any, type_: ScalarType) -> Primitive:
    """The operation of a function of numpy whose operands and result have one type."""
    return SAME if function in _FLOAT_ONLY and not type_.is_float else UFUNCS[function]
