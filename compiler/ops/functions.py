"""Python's functions as a table: callable -> signatures (operand types, C name, meaning, errors).

``match(math.sqrt, (INT,))`` gives the signature that converts to ``FLOAT`` and applies
``math_sqrt``.  Calls whose result depends on more than operand types (``min``, ``isinstance``,
``len``...) are in ``build_calls``; what is here is only data.
"""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable
from typing import Any

from pydotcompute.compiler.ops.operators import (
    Deoptimise,
    Primitive,
    Signature,
    conversion,
    exact,
    exact_wide,
    helper,
)
from pydotcompute.compiler.types.types import BOOL, FLOAT, INT, WIDE, Type

Table = dict[Callable[..., Any], tuple[Signature, ...]]


def _exact(function: Callable[..., int]) -> Callable[..., int]:
    return lambda *args: exact(function(*args))


def _identity(name: str, type_: Type) -> Signature:
    return Signature((type_,), Primitive(name, "{0}", lambda value: value), type_)


def _convert(source: Type, target: Type) -> Signature:
    primitive = conversion(source, target)
    assert primitive is not None
    return Signature((source,), primitive, target)


def _round_int(value: int, digits: int) -> int:
    return exact(round(value, digits))


def _round_float(value: float, digits: int) -> float:
    return round(value, digits)


_BUILTINS: Table = {
    abs: (
        Signature((INT,), helper("abs_i64", _exact(abs), 1), INT),
        Signature((FLOAT,), helper("abs_f64", abs, 1, fails=False), FLOAT),
        Signature((WIDE,), helper("abs_wide", lambda n: exact_wide(abs(n)), 1), WIDE),
    ),
    int: (
        _convert(BOOL, INT),
        _identity("int_i64", INT),
        _identity("int_wide", WIDE),
        Signature((FLOAT,), helper("int_f64", _exact(int), 1, raises=True), INT),
    ),
    float: (_convert(BOOL, FLOAT), _convert(INT, FLOAT), _convert(WIDE, FLOAT),
            _identity("float_f64", FLOAT)),
    round: (
        _identity("round_i64", INT),
        _identity("round_wide", WIDE),
        Signature((FLOAT,), helper("round_f64", _exact(round), 1, raises=True), INT),
        Signature((INT, INT), helper("round_i64_n", _round_int), INT),
        Signature((FLOAT, INT), helper("round_f64_n", _round_float, raises=True), FLOAT),
    ),
    math.floor: (
        _identity("floor_i64", INT),
        Signature((FLOAT,), helper("floor_f64", _exact(math.floor), 1, raises=True), INT),
    ),
    math.ceil: (
        _identity("ceil_i64", INT),
        Signature((FLOAT,), helper("ceil_f64", _exact(math.ceil), 1, raises=True), INT),
    ),
    math.trunc: (
        _identity("trunc_i64", INT),
        Signature((FLOAT,), helper("int_f64", _exact(math.trunc), 1, raises=True), INT),
    ),
}

NUMBER_METHODS: dict[str, tuple[Callable[..., Any], tuple[Type, ...]]] = {
    "is_integer": (float.is_integer, (FLOAT,)),
    "bit_length": (int.bit_length, (INT, BOOL, WIDE)),
    "bit_count": (int.bit_count, (INT, BOOL, WIDE)),
}
"""Methods of numbers without arguments, and the types that have them in every Python."""

_BUILTINS.update({
    float.is_integer: (
        Signature((FLOAT,), helper("is_integer_f64", float.is_integer, 1, fails=False), BOOL),
    ),
    int.bit_length: (
        Signature((INT,), helper("bit_length_i64", int.bit_length, 1, fails=False), INT),
        Signature((WIDE,), helper("bit_length_wide", int.bit_length, 1, fails=False), INT),
    ),
    int.bit_count: (
        Signature((INT,), helper("bit_count_i64", int.bit_count, 1, fails=False), INT),
        Signature((WIDE,), helper("bit_count_wide", int.bit_count, 1, fails=False), INT),
    ),
})  # fmt: skip

# Functions of floats that may set the error word, and those that never do.
_RAISING_1 = (
    "sqrt exp expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh "
    "atanh gamma lgamma exp2 cbrt"
).split()
_TOTAL_1 = "fabs degrees radians erf erfc ulp".split()
_RAISING_2 = "pow fmod remainder".split()
_TOTAL_2 = "atan2 copysign hypot nextafter".split()
_PREDICATES = "isnan isinf isfinite".split()


def _log_base(value: float, base: float) -> float:
    return math.log(value, base)


def _is_close(a: float, b: float, rel_tol: float, abs_tol: float) -> bool:
    return math.isclose(a, b, rel_tol=rel_tol, abs_tol=abs_tol)


def _math_functions() -> Table:
    table: Table = {}
    for names, count, raises in (
        (_RAISING_1, 1, True),
        (_TOTAL_1, 1, False),
        (_RAISING_2, 2, True),
        (_TOTAL_2, 2, False),
    ):
        for name in names:
            function = getattr(math, name, None)
            if function is None:  # newer than the oldest supported Python
                continue
            c_name = "mathpow_f64" if name == "pow" else f"{name}_f64"
            primitive = helper(c_name, function, count, raises=raises, fails=raises)
            table[function] = (Signature((FLOAT,) * count, primitive, FLOAT),)
    hypot3 = helper("hypot3_f64", math.hypot, 3, fails=False)
    table[math.hypot] += (Signature((FLOAT,) * 3, hypot3, FLOAT),)
    for name in _PREDICATES:
        function = getattr(math, name)
        primitive = helper(f"{name}_f64", function, 1, fails=False)
        table[function] = (Signature((FLOAT,), primitive, BOOL),)
    table[math.log] += (
        Signature((FLOAT, FLOAT), helper("logb_f64", _log_base, raises=True), FLOAT),
    )
    is_close = helper("isclose_f64", _is_close, 4, raises=True)
    table[math.isclose] = (Signature((FLOAT,) * 4, is_close, BOOL),)
    for name in ("gcd", "lcm", "comb", "perm"):
        raises = name in ("comb", "perm")
        primitive = helper(f"{name}_i64", _exact(getattr(math, name)), raises=raises)
        table[getattr(math, name)] = (Signature((INT, INT), primitive, INT),)
    for name in ("isqrt", "factorial"):
        primitive = helper(f"{name}_i64", _exact(getattr(math, name)), 1, raises=True)
        table[getattr(math, name)] = (Signature((INT,), primitive, INT),)
    ldexp = helper("ldexp_f64", math.ldexp, raises=True)
    table[math.ldexp] = (Signature((FLOAT, INT), ldexp, FLOAT),)
    return table


COMPENSATED = sys.version_info >= (3, 12)
"""Whether ``sum`` of floats carries rounding errors along (Neumaier)."""


def sum_lost(lost: float, total: float, item: float) -> float:
    """What ``total + item`` loses by rounding, added to what was lost before."""
    new = total + item
    if abs(total) >= abs(item):
        return lost + ((total - new) + item)
    return lost + ((item - new) + total)


def sum_end(total: float, lost: float) -> float:
    """The result of ``sum``."""
    return total + lost if lost != 0.0 and math.isfinite(lost) else total


_SUMS: Table = {
    sum_lost: (Signature((FLOAT,) * 3, helper("sum_lost", sum_lost, 3, fails=False), FLOAT),),
    sum_end: (Signature((FLOAT,) * 2, helper("sum_end", sum_end, fails=False), FLOAT),),
}
"""What ``sum`` is made of; no user can call these."""
INTRINSICS: Table = {**_BUILTINS, **_math_functions()}

INLINED: frozenset[Any] = frozenset(
    {min, max, bool, len, isinstance, divmod, pow, sum, any, all, range, enumerate, zip, str, print}
)
"""Functions that ``build_calls`` writes out itself."""


def match(function: Callable[..., Any], operands: tuple[Type, ...]) -> Signature | None:
    """The first signature of ``function`` that takes ``operands``, if need be converted."""
    candidates = INTRINSICS.get(function) or _SUMS.get(function, ())
    for signature in candidates:
        if signature.operands == operands:
            return signature
    for signature in candidates:
        if len(signature.operands) == len(operands) and all(
            have == want or conversion(have, want) or (have, want) == (WIDE, INT)
            for have, want in zip(operands, signature.operands, strict=True)
        ):
            return signature
    return None


def known(function: object) -> bool:
    """Whether calls of ``function`` lower for some operand types."""
    try:
        return function in INTRINSICS or function in INLINED or function in _SUMS
    except TypeError:  # unhashable
        return False


def spelling(function: object) -> str:
    """``function`` as the user writes it: ``math.sqrt``, ``abs``."""
    name = getattr(function, "__qualname__", repr(function))
    module = getattr(function, "__module__", None)
    return name if module in (None, builtins.__name__, "__main__") else f"{module}.{name}"


__all__ = [
    "COMPENSATED", "INLINED", "INTRINSICS", "NUMBER_METHODS", "Deoptimise", "known", "match",
    "spelling", "sum_end", "sum_lost",
]  # fmt: skip
