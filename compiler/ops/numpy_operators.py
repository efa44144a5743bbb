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

from pydotcompute.compiler.ops.operators import (
    COMPARISONS,
    Deoptimise,
    Primitive,
    Signature,
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
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, "==": operator.eq,
    "!=": operator.ne, ">=": operator.ge, ">": operator.gt,
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
    """The conversion of an operand to the type the operation is done in."""
    if source == target:
        return None
    c_type = suffix(target)
    if source == INT and not target.is_float:
        # A Python int must fit: numpy raises OverflowError.
        return Primitive(f"{c_type}_of_i64", f"pdc_np_of_i64<{c_type}>({{e}}, {{0}})",
                         quietly(target.dtype.type), raises=True)  # fmt: skip
    if source == WIDE:
        if target.is_float:
            text = f"({c_type})pdc_f64_of_wide({{0}})"
            return Primitive(f"{c_type}_of_wide", text, quietly(target.dtype.type))
        return Primitive(f"{c_type}_of_wide", f"pdc_np_of_wide<{c_type}>({{e}}, {{0}})",
                         quietly(target.dtype.type), raises=True)  # fmt: skip
    name = f"{c_type}_of_{suffix(source)}"
    return Primitive(name, f"({c_type})({{0}})", quietly(target.dtype.type))


def truncation(source: ScalarType, target: ScalarType) -> Primitive:
    """A float as an integer; what C leaves undefined, and numpy to the processor, deoptimises."""
    info = np.iinfo(target.dtype)

    def python(value: Any) -> Any:
        if not abs(value) < 2**53 or not info.min <= int(value) <= info.max:
            raise Deoptimise(f"{value} is no {target}")
        return target.dtype.type(int(value))

    text = f"pdc_np_of_f64<{suffix(target)}>({{e}}, (f64)({{0}}))"
    return Primitive(f"{suffix(target)}_of_{suffix(source)}", text, python)


def field_cast(source: Type, target: ScalarType) -> Primitive | None:
    """The conversion of a Python number to a field; one out of range is the interpreter's."""
    if source == FLOAT and target.dtype.itemsize < 8:
        return Primitive(f"{suffix(target)}_field_f64", "pdc_f32_field({e}, {0})", _finite)
    if source not in (INT, WIDE) or target.is_float:
        return cast(source, target)
    info = np.iinfo(target.dtype)

    def fit(value: int) -> Any:
        if not info.min <= value <= info.max:
            raise Deoptimise(f"int {value} does not fit {target.name}")
        return target.dtype.type(value)

    c_type = suffix(target)
    if source == WIDE:
        text = ("pdc_u64_of_wide({e}, {0})" if c_type == "u64" else
                f"pdc_np_field<{c_type}>({{e}}, pdc_i64_of_wide({{e}}, {{0}}))")  # fmt: skip
        return Primitive(f"{c_type}_field_wide", text, fit)
    return Primitive(f"{c_type}_field", f"pdc_np_field<{c_type}>({{e}}, {{0}})", fit)


def _finite(value: float) -> Any:
    exact = quietly(np.float32)(value)
    if np.isinf(exact) and not math.isinf(value):
        raise Deoptimise(f"float {value} does not fit float32")
    return exact


_INTEGER_TEXT = {
    "<": "pdc_np_lt({0}, {1})", ">": "pdc_np_lt({1}, {0})", "<=": "(!pdc_np_lt({1}, {0}))",
    ">=": "(!pdc_np_lt({0}, {1}))", "==": "pdc_np_eq({0}, {1})", "!=": "(!pdc_np_eq({0}, {1}))",
}  # fmt: skip


def _comparison(symbol: str, left: Type, right: Type) -> Signature | None:
    """Integers compare by value; floats in the type they promote to, Python floats being weak."""
    if None in (_sample(left), _sample(right)):
        return None
    if WIDE in (left, right):
        return None
    floats = [t for t in (left, right) if t == FLOAT or (isinstance(t, ScalarType) and t.is_float)]
    python = quietly(_COMPARE[symbol])
    name = f"np_{symbol}_{suffix(left)}_{suffix(right)}"
    if not floats:
        return Signature((left, right), Primitive(name, _INTEGER_TEXT[symbol], python), NP_BOOL)
    operand = result_type("+", left, right)
    if operand is None:
        return None
    primitive = Primitive(name, f"({{0}} {symbol} {{1}})", python)
    return Signature((operand, operand), primitive, NP_BOOL)


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
    if symbol == "**":
        power = Primitive(f"np_pow_{suffix(operand)}", "pdc_np_pow({e}, {0}, {1})",
                          quietly(operator.pow), raises=True)  # fmt: skip
        return Signature((operand, operand), power, result)
    name, python = _OPERATORS[symbol]
    if result.dtype.kind == "b":
        if symbol not in "&|^":
            return None
        primitive = Primitive(f"np_{name}_bool", f"({{0}} {symbol} {{1}})", python)
        return Signature((operand, operand), primitive, result)
    c_type = suffix(operand)
    text = f"pdc_np_{name}({{0}}, {{1}})"
    if symbol in "&|^":
        text = f"({c_type})({{0}} {symbol} {{1}})"
    primitive = Primitive(f"np_{name}_{c_type}", text, quietly(python))
    return Signature((operand, operand), primitive, result)


def numpy_unary(symbol: str, operand: ScalarType) -> Signature | None:
    """The signature of ``-x``, ``+x`` or ``~x``."""
    if operand.dtype.kind == "b" or (symbol == "~" and operand.is_float):
        return None
    table: dict[str, Any] = {"-": operator.neg, "+": operator.pos, "~": operator.invert}
    python = table[symbol]
    name = {"-": "neg", "+": "pos", "~": "invert"}[symbol]
    text = "pdc_np_neg({0})" if symbol == "-" else f"({suffix(operand)})({symbol}{{0}})"
    return Signature((operand,), Primitive(f"np_{name}_{suffix(operand)}", text, quietly(python)),
                     operand)  # fmt: skip


def to_python(source: ScalarType) -> Signature | None:
    """What ``int(x)``, ``float(x)`` and ``bool(x)`` make of a scalar that fits 64 bits."""
    if source.is_float:
        primitive = Primitive(f"float_{suffix(source)}", "(f64)({0})", float)
        return Signature((source,), primitive, FLOAT)
    if source == ScalarType("uint64"):
        primitive = Primitive("wide_u64", "pdc_wide_u64({0})", int)
        return Signature((source,), primitive, WIDE)
    return Signature((source,), Primitive(f"int_{suffix(source)}", "(i64)({0})", int), INT)
