"""Python's built-in functions whose meaning depends on more than the types of their operands."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers.comprehensions import as_list
from pydotcompute.compiler.irbuild.containers.float_sums import sum_step
from pydotcompute.compiler.irbuild.containers.iteration import (
    dict_view,
    is_range,
    range_bounds,
)
from pydotcompute.compiler.irbuild.containers.reductions import (
    extreme,
    next_of,
    reduction,
)
from pydotcompute.compiler.irbuild.containers.sorting import sorted_list
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.quasiquote import placed
from pydotcompute.compiler.irbuild.core.unit import Static
from pydotcompute.compiler.irbuild.strings.formatting import make_format
from pydotcompute.compiler.irbuild.strings.host_calls import looks_inside, make_text
from pydotcompute.compiler.irbuild.values.constant_tables import keep
from pydotcompute.compiler.irbuild.values.enum_members import is_enum
from pydotcompute.compiler.irbuild.values.functions import apply_function, arguments, plain_number
from pydotcompute.compiler.irbuild.values.operators import apply, compare, items_of
from pydotcompute.compiler.irbuild.values.type_tests import is_instance
from pydotcompute.compiler.ops.arrays import RANGE_LENGTH
from pydotcompute.compiler.ops.containers import LENGTH
from pydotcompute.compiler.ops.functions import PARTS, POWER_MODULO
from pydotcompute.compiler.ops.numpy_operators import cast, truncation
from pydotcompute.compiler.types.types import (
    BOOL,
    CONTAINERS,
    FLOAT,
    INT,
    NP_BOOL,
    STR,
    TEXT,
    WIDE,
    ArrayType,
    ScalarType,
    TupleType,
    join,
)


def _extreme(symbol: str) -> Callable[[Builder, ast.Call], ir.Expr]:
    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        if node.keywords or (len(node.args) == 1 and not isinstance(node.args[0], ast.Tuple)):
            return extreme(symbol)(b, node)
        args = arguments(b, node)
        if len(args) == 1 and isinstance(args[0].type, TupleType):
            args = items_of(b, args[0])
        if len(args) < 2:
            raise OperandError(f"`{ast.unparse(node.func)}` needs two or more values here")
        args = [b.duplicable(arg) for arg in args]
        best = args[0]
        for arg in args[1:]:
            best = b.duplicable(best)
            better = compare(b, symbol, arg, best)
            result = join(best.type, arg.type)
            best = ir.Cond(b.loc(node), result, better, b.convert(arg, result),
                           b.convert(best, result))  # fmt: skip
        return best

    return rule


def _len(b: Builder, node: ast.Call) -> ir.Expr:
    if len(node.args) == 1 and isinstance(node.args[0], (ast.Name, ast.Attribute)):
        found = b.evaluate(node.args[0])
        if isinstance(found, Static) and is_enum(found.value):
            return ir.Const(b.loc(node), INT, len(found.value))
        if isinstance(found, Static) and isinstance(found.value, (list, dict)) and found.value:
            keep(b, found.value)
            return ir.Const(b.loc(node), INT, len(found.value))
    if len(node.args) == 1 and is_range(b, node.args[0]):
        return ir.Op(b.loc(node), INT, RANGE_LENGTH, range_bounds(b, node.args[0]))
    if len(node.args) == 1 and (viewed := dict_view(b, node.args[0])) is not None:
        return ir.Op(b.loc(node), INT, LENGTH, (viewed,))
    (value,) = arguments(b, node)
    value = b.container(value)
    if isinstance(value.type, TupleType):
        b.dropped(value)
        return ir.Const(b.loc(node), INT, len(value.type.items))
    if value.type in (STR, TEXT):
        looks_inside(b, node)
    if not isinstance(value.type, CONTAINERS):
        raise OperandError(f"len({value.type}) is not supported")
    if isinstance(value.type, ArrayType):
        return ir.Const(b.loc(node), INT, value.type.shape[0])
    return ir.Op(b.loc(node), INT, LENGTH, (value,))


def _list(b: Builder, node: ast.Call) -> ir.Expr:
    if not node.args:
        return b.expression(placed(ast.List([], ast.Load()), node))
    return as_list(b, node, node.args[0])


def _bool(b: Builder, node: ast.Call) -> ir.Expr:
    args = arguments(b, node)
    return b.truth(args[0]) if args else ir.Const(b.loc(node), BOOL, False)


def _divmod(b: Builder, node: ast.Call) -> ir.Expr:
    left, right = (b.duplicable(arg) for arg in arguments(b, node))
    parts = tuple(apply(b, symbol, left, right, b.loc(node)) for symbol in ("//", "%"))
    return ir.Tuple(b.loc(node), TupleType(tuple(p.type for p in parts)), parts)


def _parts(name: str) -> Callable[[Builder, ast.Call], ir.Expr]:
    """``math.modf(x)`` and ``math.frexp(x)``: the two parts of a float."""
    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        (value,) = arguments(b, node)
        value, loc = b.duplicable(b.convert(plain_number(b, value), FLOAT)), b.loc(node)
        parts = tuple(ir.Op(loc, s.result, s.primitive, (value,)) for s in PARTS[name])
        return ir.Tuple(loc, TupleType(tuple(part.type for part in parts)), parts)

    return rule


def _pow(b: Builder, node: ast.Call) -> ir.Expr:
    args = arguments(b, node)
    if len(args) == 3:
        parts = tuple(b.convert(arg, INT) for arg in args)
        return ir.Op(b.loc(node), INT, POWER_MODULO, parts)
    return apply(b, "**", args[0], args[1], b.loc(node))


def _scalar_class(cls: type) -> Callable[[Builder, ast.Call], ir.Expr]:
    """``np.float32(x)``: a conversion, checked for Python ints."""

    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        if len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and not node.keywords:
            try:
                # Folded, as an unsigned constant may be beyond the range of a compiled int.
                folded = cls(node.args[0].value)
                return ir.Const(b.loc(node), ScalarType(np.dtype(cls).name), folded)
            except (OverflowError, TypeError, ValueError):
                pass
        (value,) = arguments(b, node)
        target = ScalarType(np.dtype(cls).name)

        def convert(part: ir.Expr) -> ir.Expr:
            if part.type == target:
                return part
            if target == NP_BOOL:
                return b.convert(b.truth(part), target)
            if part.type == FLOAT and not target.is_float:
                part = apply_function(b, int, [part], node)
            if not (part.type in (BOOL, INT, WIDE, FLOAT) or isinstance(part.type, ScalarType)):
                raise OperandError(f"{part.type} is no number")
            primitive = cast(part.type, target)
            if isinstance(part.type, ScalarType) and part.type.is_float and not target.is_float:
                primitive = truncation(target)
            assert primitive is not None
            return ir.Op(b.loc(node), target, primitive, (part,))

        return b.split(value, convert)

    return rule


def _numpy_classes() -> dict[Any, Callable[[Builder, ast.Call], ir.Expr]]:
    names = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64".split()
    classes = [np.dtype(name).type for name in names]
    return {cls: _scalar_class(cls) for cls in classes}


BUILTINS: dict[Any, Callable[[Builder, ast.Call], ir.Expr | Static]] = {
    min: _extreme("<"),
    max: _extreme(">"),
    bool: _bool,
    divmod: _divmod,
    sum: reduction("sum"),
    sum_step: sum_step,
    math.prod: reduction("prod"),
    any: reduction("any"),
    all: reduction("all"),
    len: _len,
    str: make_text(str),
    repr: make_text(repr),
    ascii: make_text(ascii),
    format: make_format,
    sorted: sorted_list,
    next: next_of,
    list: _list,
    pow: _pow,
    math.modf: _parts("modf"),
    math.frexp: _parts("frexp"),
    isinstance: is_instance,
    **_numpy_classes(),
}
