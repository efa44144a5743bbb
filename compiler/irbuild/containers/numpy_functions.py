"""Functions of the module numpy: of scalars, of arrays of fixed shape, of lists and deques."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers.arrays import (
    F64,
    I64,
    REDUCTIONS,
    dtype_of,
    elementwise,
    made,
    options,
    scalar_type,
)
from pydotcompute.compiler.irbuild.containers.containers import mutate, op
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.values.operators import apply, cast_operand
from pydotcompute.compiler.irbuild.values.ufuncs import ufunc_of
from pydotcompute.compiler.ops import arrays as a
from pydotcompute.compiler.ops import containers as c
from pydotcompute.compiler.ops.numpy_operators import result_type
from pydotcompute.compiler.types.types import (
    BOOL,
    FLOAT,
    INT,
    NP_BOOL,
    ArrayType,
    DequeType,
    ListType,
)


def call_numpy(b: Builder, node: ast.Call, function: Any) -> ir.Expr | None:
    """``np.sqrt(x)``, ``np.mean(a)``, ``np.zeros(3)``...; None for another function."""
    if isinstance(function, np.ufunc) or function is np.clip:
        if node.keywords:
            called = ast.unparse(node.func)
            raise OperandError(f"keyword arguments of `{called}` cannot be compiled")
        args = b.sequence(node.args)
        if any(isinstance(arg.type, ArrayType) for arg in args):
            return elementwise(b, node, args, lambda v: ufunc_of(b, function, v, node))
        return ufunc_of(b, function, args, node)
    name = _known(_FUNCTIONS, function)
    if name is not None and node.args:
        base = b.expression(node.args[0])
        if isinstance(base.type, (ListType, DequeType)):
            return _of_list(b, node, name, base)
        if len(node.args) > 1 or not isinstance(base.type, ArrayType):
            raise OperandError(f"`{ast.unparse(node.func)}` of a {base.type}")
        base = base if isinstance(base, ir.Local) else b.temporary(base)
        return REDUCTIONS[name](b, node, base, **options(b, name, node.keywords))
    rule = _known(_MAKERS, function)
    return None if rule is None else rule(b, node)


_FUNCTIONS: dict[Any, str] = {
    np.sum: "sum", np.mean: "mean", np.var: "var", np.std: "std", np.max: "max", np.min: "min",
    np.argmax: "argmax", np.argmin: "argmin", np.any: "any", np.all: "all", np.cumsum: "cumsum",
    np.copy: "copy",
}  # fmt: skip


def _of_list(b: Builder, node: ast.Call, name: str, base: ir.Expr) -> ir.Expr:
    """``np.mean(window)`` of a list or deque: numpy makes an array of it first."""
    item, loc = c.item_type(base.type), b.loc(node)
    if name not in ("sum", "mean", "max", "min") or item not in (FLOAT, INT) or node.keywords:
        raise OperandError(f"`{ast.unparse(node.func)}` of a {base.type}")
    if name == "mean" or item == FLOAT:
        return op(loc, F64, a.OF_LISTS[name], base)
    raise OperandError(f"`{ast.unparse(node.func)}` of a {base.type}; use `{name}`")


def _shape_of(b: Builder, node: ast.expr) -> tuple[int, ...]:
    value = b.expression(node)
    parts = value.items if isinstance(value, ir.Tuple) else (value,)
    if not all(isinstance(p, ir.Const) and type(p.value) is int for p in parts):
        raise OperandError("an array is made with a constant shape")
    return tuple(p.value for p in parts if isinstance(p, ir.Const))


def _filled(value: Any) -> Callable[[Builder, ast.Call], ir.Expr]:
    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        type_, loc = dtype_of(b, node, 1), b.loc(node)
        if len(node.args) < 1:
            raise OperandError("an array is made with a constant shape")
        const = ir.Const(loc, type_, type_.dtype.type(value))
        return made(b, node, _shape_of(b, node.args[0]), lambda at: const, type_)

    return rule


def _like(value: int) -> Callable[[Builder, ast.Call], ir.Expr]:
    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        (base,) = b.sequence(node.args)
        if not isinstance(base.type, ArrayType) or node.keywords:
            raise OperandError("an array like one of fixed shape is made")
        const = ir.Const(b.loc(node), base.type.item, base.type.item.dtype.type(value))
        return made(b, node, base.type.shape, lambda at: const)

    return rule


def _array(b: Builder, node: ast.Call) -> ir.Expr:
    """``np.array([x, y, z])``."""
    if len(node.args) != 1 or not isinstance(node.args[0], (ast.List, ast.Tuple)) or node.keywords:
        raise OperandError("`np.array` takes a list that is written out; `np.mean`, `np.sum`, "
                           "`np.min` and `np.max` take a list or a deque as it is")  # fmt: skip
    values = b.sequence(node.args[0].elts)
    kinds = {value.type for value in values}
    if not kinds or not kinds <= {BOOL, INT, FLOAT, F64} or (BOOL in kinds and len(kinds) > 1):
        raise OperandError("`np.array` of these types")
    item = NP_BOOL if kinds == {BOOL} else I64 if kinds == {INT} else F64
    values = [b.duplicable(value) for value in values]
    loc = b.loc(node)
    result = made(b, node, (len(values),), lambda at: ir.Const(loc, item, item.dtype.type(0)))
    for n, value in enumerate(values):
        cast = cast_operand(b, value, item)
        mutate(b, node, a.SET_ITEM, result, ir.Const(loc, INT, n), cast)
    return result


def _where(b: Builder, node: ast.Call) -> ir.Expr:
    args = b.sequence(node.args)
    if len(args) != 3 or node.keywords or not isinstance(args[0].type, ArrayType):
        raise OperandError("`np.where` takes an array of conditions and two values")
    rest = [arg.type.item if isinstance(arg.type, ArrayType) else arg.type for arg in args[1:]]
    item = result_type("+", rest[0], rest[1])
    if item is None:
        item = scalar_type(rest[0])

    def rule(parts: list[ir.Expr]) -> ir.Expr:
        then, orelse = (cast_operand(b, p, item) for p in parts[1:])
        return ir.Cond(b.loc(node), item, b.truth(parts[0]), then, orelse)

    return elementwise(b, node, args, rule)


def _diff(b: Builder, node: ast.Call) -> ir.Expr:
    (base,) = b.sequence(node.args)
    if not isinstance(base.type, ArrayType) or len(base.type.shape) != 1 or node.keywords:
        raise OperandError("`np.diff` of an array of one axis")
    item, loc, size = base.type.item, b.loc(node), base.type.shape[0]
    base = base if isinstance(base, ir.Local) else b.temporary(base)

    def difference(at: ir.Expr) -> ir.Expr:
        after = op(loc, INT, a.NEXT, at)
        high, low = (op(loc, item, a.ARRAY_ITEM, base, place) for place in (after, at))
        return apply(b, "-", high, low, loc)

    return made(b, node, (size - 1,), difference)


def _roll(b: Builder, node: ast.Call) -> ir.Expr:
    base, shift = b.sequence(node.args)
    if not isinstance(base.type, ArrayType) or len(base.type.shape) != 1 or node.keywords:
        raise OperandError("`np.roll` of an array of one axis and an int")
    size, item, loc = base.type.shape[0], base.type.item, b.loc(node)
    turns = b.duplicable(b.convert(shift, INT))
    first = b.temporary(apply(b, "%", turns, ir.Const(loc, INT, size), loc))
    return made(b, node, (size,), lambda at: op(
        loc, item, a.ARRAY_ITEM, base, op(loc, INT, a.rolled(size), at, first)))  # fmt: skip


_MAKERS: dict[Any, Callable[[Builder, ast.Call], ir.Expr]] = {
    np.zeros: _filled(0), np.ones: _filled(1), np.zeros_like: _like(0), np.ones_like: _like(1),
    np.array: _array, np.roll: _roll, np.where: _where, np.diff: _diff,
}  # fmt: skip


def _known(table: dict[Any, Any], function: Any) -> Any:
    """A row of a table; None for what is not there, or cannot be."""
    try:
        return table.get(function)
    except TypeError:  # unhashable
        return None
