"""numpy's functions of scalars that are exact: IEEE 754 or the definition leaves no choice.

``np.sqrt``, ``np.floor``, ``np.maximum``...  ``np.exp`` and its like are not here: numpy computes
them with instructions that depend on the processor.  The type of a result is asked of numpy.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.enum_values import as_base
from pydotcompute.compiler.irbuild.values.operators import apply, cast_operand
from pydotcompute.compiler.ops.numpy_operators import quietly
from pydotcompute.compiler.ops.operators import Deoptimise, Primitive, suffix, unary
from pydotcompute.compiler.types.types import BOOL, FLOAT, INT, NP_BOOL, ScalarType, Type, UnionType

_SAMPLES: dict[Type, Any] = {BOOL: True, INT: 1, FLOAT: 1.0}


def _both_zeros(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(a: Any, b: Any) -> Any:
        if a == b == 0 and np.signbit(a) != np.signbit(b):
            raise Deoptimise("zeros of both signs")
        return quietly(function)(a, b)

    return call


_EXACT: dict[Any, tuple[str, Callable[..., Any]]] = {
    np.sqrt: ("pdc_np_sqrt({0})", np.sqrt),
    np.fabs: ("pdc_np_abs({0})", np.fabs),
    np.absolute: ("pdc_np_abs({0})", np.absolute),
    np.floor: ("pdc_np_floor({0})", np.floor),
    np.ceil: ("pdc_np_ceil({0})", np.ceil),
    np.trunc: ("pdc_np_trunc({0})", np.trunc),
    np.rint: ("pdc_np_rint({0})", np.rint),
    np.sign: ("pdc_np_sign({0})", np.sign),
    np.minimum: ("pdc_np_minimum({e}, {0}, {1})", _both_zeros(np.minimum)),
    np.maximum: ("pdc_np_maximum({e}, {0}, {1})", _both_zeros(np.maximum)),
}
"""C text and meaning, of operands that have the type of the result."""

_FLOAT_ONLY = frozenset({np.floor, np.ceil, np.trunc, np.rint})
_OPERATORS: dict[Any, str] = {
    np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.floor_divide: "//",
    np.remainder: "%", np.bitwise_and: "&", np.bitwise_or: "|", np.bitwise_xor: "^",
    np.left_shift: "<<", np.right_shift: ">>",
}  # fmt: skip
_TESTS: dict[Any, str] = {
    np.isnan: "({0} != {0})", np.isinf: "pdc_isinf((f64){0})",
    np.isfinite: "pdc_isfinite((f64){0})",
}  # fmt: skip


def ufunc_of(b: Builder, function: Any, args: Sequence[ir.Expr], node: ast.AST) -> ir.Expr:
    """A function of numpy, of scalars.

    Raises:
        OperandError: it is not exact, or takes no operands of these types.
    """
    loc = b.loc(node)
    if any(isinstance(arg.type, UnionType) for arg in args):
        args = [b.stable(arg) for arg in args]
    for n, arg in enumerate(args):
        if isinstance(arg.type, UnionType):
            before, after = list(args[:n]), list(args[n + 1 :])
            return b.split(arg, lambda p: ufunc_of(b, function, [*before, p, *after], node))  # noqa: B023
    args = [b.stable(as_base(arg)) for arg in args]
    if function is np.clip and len(args) == 3:
        low = ufunc_of(b, np.maximum, args[:2], node)
        return ufunc_of(b, np.minimum, [low, args[2]], node)
    result = _result(function, args)
    if function in _OPERATORS:
        left, right = (_as_scalar(b, arg) if not _scalars(args) else arg for arg in args)
        return apply(b, _OPERATORS[function], left, right, loc)
    if function in (np.negative, np.positive):
        signature = unary("-" if function is np.negative else "+", result)
        if signature is None:
            raise OperandError(f"`np.{function.__name__}` of a {args[0].type}")
        return ir.Op(loc, result, signature.primitive, (cast_operand(b, args[0], result),))
    if function is np.square:
        value = b.stable(cast_operand(b, args[0], result))
        return apply(b, "*", value, value, loc)
    if function in _TESTS:
        value = b.stable(cast_operand(b, args[0], _float_of(args[0].type)))
        primitive = Primitive(function.__name__, _TESTS[function], quietly(function))
        return ir.Op(loc, NP_BOOL, primitive, (value,))
    text, python = _EXACT[function]
    if function in _FLOAT_ONLY and not result.is_float:
        text, python = "{0}", lambda value: value
    if result.dtype.itemsize < 4 and result.is_float:
        raise OperandError(f"`np.{function.__name__}` of a {args[0].type} is a {result}")
    parts = tuple(cast_operand(b, arg, result) for arg in args)
    name = f"np_{function.__name__}_{suffix(result)}"
    return ir.Op(loc, result, Primitive(name, text, quietly(python)), parts)


def _scalars(args: Sequence[ir.Expr]) -> bool:
    return any(isinstance(arg.type, ScalarType) for arg in args)


def _as_scalar(b: Builder, value: ir.Expr) -> ir.Expr:
    """A Python number as numpy takes it where it stands among no others."""
    name = {BOOL: "bool", INT: "int64", FLOAT: "float64"}.get(value.type)
    return value if name is None else cast_operand(b, value, ScalarType(name))


def _float_of(type_: Type) -> ScalarType:
    return type_ if isinstance(type_, ScalarType) and type_.is_float else ScalarType("float64")


def _result(function: Any, args: Sequence[ir.Expr]) -> ScalarType:
    known = (*_EXACT, *_OPERATORS, *_TESTS, np.negative, np.positive, np.square)
    name = getattr(function, "__name__", "?")
    if function not in known:
        raise OperandError(
            f"`np.{name}` depends on the processor; use `math.{name}`"
            if hasattr(math, name) else f"`np.{name}` has no compiled form"
        )  # fmt: skip
    samples = [arg.type.dtype.type(1) if isinstance(arg.type, ScalarType)
               else _SAMPLES.get(arg.type) for arg in args]  # fmt: skip
    if None in samples or len(args) != function.nin:
        raise OperandError(f"`np.{name}` of {', '.join(str(arg.type) for arg in args)}")
    try:
        return ScalarType(np.asarray(quietly(function)(*samples)).dtype.name)
    except TypeError:
        raise OperandError(f"`np.{name}` of a {args[0].type}") from None
