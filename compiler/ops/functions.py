"""Python's functions as a table: callable -> signatures (operand types, operation, result type).

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

from pydotcompute.compiler.ops.operators import conversion
from pydotcompute.compiler.ops.primitive import (
    SAME,
    Primitive,
    Signature,
    checked,
    exactly,
    exactly_wide,
    raising,
)
from pydotcompute.compiler.types.types import BOOL, FLOAT, INT, WIDE, Type

Table = dict[Callable[..., Any], tuple[Signature, ...]]


def _same(type_: Type) -> Signature:
    return Signature((type_,), SAME, type_)


def _convert(source: Type, target: Type) -> Signature:
    primitive = conversion(source, target)
    assert primitive is not None
    return Signature((source,), primitive, target)


_BUILTINS: Table = {
    abs: (
        Signature((INT,), checked("abs_i64", exactly(abs)), INT),
        Signature((FLOAT,), Primitive("abs_f64", abs), FLOAT),
        Signature((WIDE,), checked("abs_wide", exactly_wide(abs)), WIDE),
    ),
    int: (
        _convert(BOOL, INT),
        _same(INT),
        _same(WIDE),
        Signature((FLOAT,), checked("int_f64", exactly(int), raises=True), INT),
    ),
    float: (_convert(BOOL, FLOAT), _convert(INT, FLOAT), _convert(WIDE, FLOAT),
            _same(FLOAT)),
    round: (
        _same(INT),
        _same(WIDE),
        Signature((FLOAT,), checked("round_f64", exactly(round), raises=True), INT),
        Signature((INT, INT), checked("round_i64_n", exactly(round)), INT),
        Signature((FLOAT, INT), raising("round_f64_n", round), FLOAT),
    ),
    math.floor: (
        _same(INT),
        Signature((FLOAT,), checked("floor_f64", exactly(math.floor), raises=True), INT),
    ),
    math.ceil: (
        _same(INT),
        Signature((FLOAT,), checked("ceil_f64", exactly(math.ceil), raises=True), INT),
    ),
    math.trunc: (
        _same(INT),
        Signature((FLOAT,), checked("int_f64", exactly(math.trunc), raises=True), INT),
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
        Signature((FLOAT,), Primitive("is_integer_f64", float.is_integer), BOOL),
    ),
    int.bit_length: (
        Signature((INT,), Primitive("bit_length_i64", int.bit_length), INT),
        Signature((WIDE,), Primitive("bit_length_wide", int.bit_length), INT),
    ),
    int.bit_count: (
        Signature((INT,), Primitive("bit_count_i64", int.bit_count), INT),
        Signature((WIDE,), Primitive("bit_count_wide", int.bit_count), INT),
    ),
})  # fmt: skip

def _parts(name: str, second: Type) -> tuple[Signature, Signature]:
    python: Callable[[float], tuple[float, float]] = getattr(math, name)
    first = Primitive(f"{name}_first", lambda x: python(x)[0])
    other = Primitive(f"{name}_second", lambda x: python(x)[1])
    return Signature((FLOAT,), first, FLOAT), Signature((FLOAT,), other, second)


PARTS = {"modf": _parts("modf", FLOAT), "frexp": _parts("frexp", INT)}
"""Functions of a float that give a pair: an operation for each item."""
POWER_MODULO = checked("powmod_i64", pow, raises=True)

# Functions of floats that may set the error word, and those that never do.
_RAISING_1 = (
    "sqrt exp expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh "
    "atanh gamma lgamma exp2 cbrt"
).split()
_TOTAL_1 = "fabs degrees radians erf erfc ulp".split()
_RAISING_2 = "pow fmod remainder".split()
_TOTAL_2 = "atan2 copysign hypot nextafter".split()
_PREDICATES = "isnan isinf isfinite".split()


def _is_close(a: float, b: float, rel_tol: float, abs_tol: float) -> bool:
    return math.isclose(a, b, rel_tol=rel_tol, abs_tol=abs_tol)


def _math_functions() -> Table:
    table: Table = {}
    for names, count, raises in (
        (_RAISING_1, 1, True),
        (_TOTAL_1, 1, False),
        (_RAISING_2, 2, True),
        (_TOTAL_2, 2, False),
        (("fma",), 3, True),
    ):
        for name in names:
            function = getattr(math, name, None)
            if function is None:  # newer than the oldest supported Python
                continue
            c_name = "mathpow_f64" if name == "pow" else f"{name}_f64"
            primitive = Primitive(c_name, function, raises)
            table[function] = (Signature((FLOAT,) * count, primitive, FLOAT),)
    hypot3 = Primitive("hypot3_f64", math.hypot)
    table[math.hypot] += (Signature((FLOAT,) * 3, hypot3, FLOAT),)
    for name in _PREDICATES:
        function = getattr(math, name)
        table[function] = (Signature((FLOAT,), Primitive(f"{name}_f64", function), BOOL),)
    table[math.log] += (Signature((FLOAT, FLOAT), raising("logb_f64", math.log), FLOAT),)
    is_close = raising("isclose_f64", _is_close)
    table[math.isclose] = (Signature((FLOAT,) * 4, is_close, BOOL),)
    for name in ("gcd", "lcm", "comb", "perm"):
        raises = name in ("comb", "perm")
        primitive = checked(f"{name}_i64", exactly(getattr(math, name)), raises=raises)
        table[getattr(math, name)] = (Signature((INT, INT), primitive, INT),)
    for name in ("isqrt", "factorial"):
        primitive = checked(f"{name}_i64", exactly(getattr(math, name)), raises=True)
        table[getattr(math, name)] = (Signature((INT,), primitive, INT),)
    table[math.ldexp] = (Signature((FLOAT, INT), raising("ldexp_f64", math.ldexp), FLOAT),)
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
    sum_lost: (Signature((FLOAT,) * 3, Primitive("sum_lost", sum_lost), FLOAT),),
    sum_end: (Signature((FLOAT,) * 2, Primitive("sum_end", sum_end), FLOAT),),
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
    "COMPENSATED", "INLINED", "INTRINSICS", "NUMBER_METHODS", "PARTS", "POWER_MODULO", "known",
    "match", "spelling", "sum_end", "sum_lost",
]  # fmt: skip
