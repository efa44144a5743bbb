"""numpy's functions of scalars that are exact: IEEE 754 or the definition leaves no choice.

``np.sqrt``, ``np.floor``, ``np.maximum``...  ``np.exp`` and its like are not here: numpy computes
them with instructions that depend on the processor.  The type of a result is asked of numpy.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.enum_values import as_base
from pydotcompute.compiler.irbuild.values.operators import apply, cast_operand
from pydotcompute.compiler.ops.numpy_operators import TESTS, UFUNCS, quietly, ufunc
from pydotcompute.compiler.ops.operators import unary
from pydotcompute.compiler.types.types import BOOL, FLOAT, INT, NP_BOOL, ScalarType, Type, UnionType

_SAMPLES: dict[Type, Any] = {BOOL: True, INT: 1, FLOAT: 1.0}



_OPERATORS: dict[Any, str] = {
    np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.floor_divide: "//",
    np.remainder: "%", np.bitwise_and: "&", np.bitwise_or: "|", np.bitwise_xor: "^",
    np.left_shift: "<<", np.right_shift: ">>",
}  # fmt: skip
def ufunc_of(b: Builder, function: Any, args: Sequence[ir.Expr], node: ast.AST) -> ir.Expr:
    """A function of numpy, of scalars.

    Raises:
        OperandError: it is not exact, or takes no operands of these types.
    """
    loc = b.loc(node)
    if any(isinstance(arg.type, UnionType) for arg in args):
        args = [b.duplicable(arg) for arg in args]
    for n, arg in enumerate(args):
        if isinstance(arg.type, UnionType):
            before, after = list(args[:n]), list(args[n + 1 :])
            return b.split(arg, lambda p: ufunc_of(b, function, [*before, p, *after], node))  # noqa: B023
    args = [b.duplicable(as_base(arg)) for arg in args]
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
        value = b.duplicable(cast_operand(b, args[0], result))
        return apply(b, "*", value, value, loc)
    if function in TESTS:
        value = b.duplicable(cast_operand(b, args[0], _float_of(args[0].type)))
        return ir.Op(loc, NP_BOOL, TESTS[function], (value,))
    if result.dtype.itemsize < 4 and result.is_float:
        raise OperandError(f"`np.{function.__name__}` of a {args[0].type} is a {result}")
    parts = tuple(cast_operand(b, arg, result) for arg in args)
    return ir.Op(loc, result, ufunc(function, result), parts)


def _scalars(args: Sequence[ir.Expr]) -> bool:
    return any(isinstance(arg.type, ScalarType) for arg in args)


def _as_scalar(b: Builder, value: ir.Expr) -> ir.Expr:
    """A Python number as numpy takes it where it stands among no others."""
    name = {BOOL: "bool", INT: "int64", FLOAT: "float64"}.get(value.type)
    return value if name is None else cast_operand(b, value, ScalarType(name))


def _float_of(type_: Type) -> ScalarType:
    return type_ if isinstance(type_, ScalarType) and type_.is_float else ScalarType("float64")


def _result(function: Any, args: Sequence[ir.Expr]) -> ScalarType:
    known = (*UFUNCS, *_OPERATORS, *TESTS, np.negative, np.positive, np.square)
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
