"""Calls of the functions in the table ``intrinsics``."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.enum_values import as_base
from pydotcompute.compiler.ops.functions import match, spelling
from pydotcompute.compiler.ops.numpy_operators import ABS, rounded, to_python
from pydotcompute.compiler.types.types import FLOAT, INT, NONE, NP_BOOL, ScalarType, UnionType


def arguments(b: Builder, node: ast.Call) -> list[ir.Expr]:
    """The positional arguments of a call that takes no others."""
    if node.keywords:
        names = ", ".join(str(k.arg) for k in node.keywords)
        b.fail("PDC103", node, f"the keyword arguments {names} of `{ast.unparse(node.func)}` "
               "cannot be compiled", hint="pass them by position")  # fmt: skip
    return b.sequence(node.args)


def intrinsic(b: Builder, node: ast.Call, function: Callable[..., Any]) -> ir.Expr:
    """A call of a function of the tables."""
    if function is round and [k.arg for k in node.keywords] == ["ndigits"]:
        args = b.sequence([*node.args, node.keywords[0].value])
    elif function is math.isclose:
        args = _tolerances(b, node)
    else:
        args = arguments(b, node)
    if function is round and len(args) == 2 and args[1].type == NONE:
        args.pop()
    if (known := _of_text(b, function, args, node)) is not None:
        return known
    if function in (math.gcd, math.lcm) and len(args) != 2:
        return _each(b, args, lambda parts: _folded(b, function, parts, node))
    return _each(b, args, lambda parts: apply_function(b, function, parts, node))


def _folded(b: Builder, function: Callable[..., Any], parts: list[ir.Expr],
            node: ast.AST) -> ir.Expr:  # fmt: skip
    """``math.gcd`` and ``math.lcm`` of any number of ints, two by two."""
    result: ir.Expr = ir.Const(b.loc(node), INT, 0 if function is math.gcd else 1)
    for part in parts:
        result = apply_function(b, function, [result, part], node)
    return result


def _of_text(b: Builder, function: Callable[..., Any], args: list[ir.Expr],
             node: ast.AST) -> ir.Expr | None:  # fmt: skip
    """``float("inf")`` and ``int("ff", 16)`` of constants."""
    values = [arg.value for arg in args if isinstance(arg, ir.Const)]
    if function not in (int, float) or len(values) != len(args) or not values:
        return None
    if type(values[0]) is not str:
        return None
    try:
        made = b.constant(function(*values), b.loc(node))
    except (ValueError, TypeError) as error:
        raise OperandError(str(error)) from None
    return made if isinstance(made, ir.Expr) else None


def _tolerances(b: Builder, node: ast.Call) -> list[ir.Expr]:
    """``math.isclose(a, b, rel_tol=..., abs_tol=...)`` with all four arguments."""
    given = [str(k.arg) for k in node.keywords]
    known = {"rel_tol": 1e-09, "abs_tol": 0.0}
    if len(node.args) != 2 or not known.keys() >= set(given):
        raise OperandError("`math.isclose` takes two numbers, `rel_tol` and `abs_tol`")
    first, second, *rest = b.sequence([*node.args, *(k.value for k in node.keywords)])
    if given != [name for name in known if name in given]:
        first, second, *rest = (b.forced(value) for value in (first, second, *rest))
    values = dict(zip(given, rest, strict=True))
    loc = b.loc(node)
    return [first, second, *(values.get(name, ir.Const(loc, FLOAT, default))
                             for name, default in known.items())]  # fmt: skip


def _each(b: Builder, args: list[ir.Expr],
          function: Callable[[list[ir.Expr]], ir.Expr]) -> ir.Expr:  # fmt: skip
    """``function`` for every combination of the types that ``args`` may have."""
    for index, arg in enumerate(args):
        if isinstance(arg.type, UnionType):
            args = [a if isinstance(a, ir.Const) else b.duplicable(a) for a in args]
            before, after = args[:index], args[index + 1 :]
            return b.split(args[index], lambda p: _each(b, [*before, p, *after], function))  # noqa: B023
    return function(args)


def apply_function(b: Builder, function: Callable[..., Any], args: list[ir.Expr],
                   node: ast.AST) -> ir.Expr:  # fmt: skip
    """A function of the tables; numpy scalars go in as the Python numbers they convert to."""
    if (done := _of_scalar(b, function, args, node)) is not None:
        return done
    plain = [plain_number(b, arg) for arg in args]
    signature = match(function, tuple(arg.type for arg in plain))
    if signature is None:
        types = ", ".join(str(arg.type) for arg in args)
        raise OperandError(f"{spelling(function)}({types}) is not supported")
    parts = tuple(b.convert(arg, type_) for arg, type_ in
                  zip(plain, signature.operands, strict=True))  # fmt: skip
    return ir.Op(b.loc(node), signature.result, signature.primitive, parts)


def _of_scalar(b: Builder, function: Callable[..., Any], args: list[ir.Expr],
               node: ast.AST) -> ir.Expr | None:  # fmt: skip
    """What numpy's scalars do in a way of their own; None for the rest, and other values."""
    if not args or not isinstance(args[0].type, ScalarType):
        return None
    value, *rest = args
    type_ = args[0].type
    if function is abs:
        return ir.Op(value.loc, type_, ABS, (value,))
    if (function is round and type_ == NP_BOOL) or (
        function is math.trunc and type_ != ScalarType("float64")
    ):  # fmt: skip
        raise OperandError(f"Python has no {spelling(function)}({type_})")
    if function in (math.floor, math.ceil) and not type_.is_float:
        # Without a method of its own, it goes by way of a float.
        plain = plain_number(b, value)
        return apply_function(b, function, [b.convert(plain, FLOAT)], node)
    if function is round and rest:
        return _rounded(value, rest[0], type_)
    return None


def _rounded(value: ir.Expr, digits: ir.Expr, type_: ScalarType) -> ir.Expr:
    """``round(x, n)``: numpy multiplies, rounds and divides, where Python rounds the decimals."""
    if not isinstance(digits, ir.Const) or digits.type != INT or not 0 <= digits.value <= 22:
        raise OperandError(f"a {type_} is rounded to a constant number of digits, from 0 to 22")
    if not type_.is_float:
        return value
    return ir.Op(value.loc, type_, rounded(digits.value), (value,))


def plain_number(b: Builder, value: ir.Expr) -> ir.Expr:
    """A numpy scalar, or a member of an ``IntEnum``, as the Python number it converts to."""
    value = as_base(value)
    if not isinstance(value.type, ScalarType):
        return value
    signature = to_python(value.type)
    if signature is None:
        raise OperandError(f"{value.type} has no Python number")
    return ir.Op(value.loc, signature.result, signature.primitive, (value,))
