"""Comparisons: chains of them, membership, lists that are equal."""

from __future__ import annotations

import ast

from pydotcompute.compiler import containers, ir
from pydotcompute.compiler.build import Builder
from pydotcompute.compiler.build_arrays import compare_arrays
from pydotcompute.compiler.build_classes import type_test
from pydotcompute.compiler.build_containers import key_in, op
from pydotcompute.compiler.build_iteration import is_range, range_bounds
from pydotcompute.compiler.build_lists import equal
from pydotcompute.compiler.build_messages import read_as_floats
from pydotcompute.compiler.build_operators import apply, both, compare, compared, items_of, negate
from pydotcompute.compiler.build_reductions import has_float, reduction
from pydotcompute.compiler.build_unit import Static
from pydotcompute.compiler.convert import OperandError
from pydotcompute.compiler.synthetic import placed, unplaced, written
from pydotcompute.compiler.types import (
    BOOL,
    CONTAINERS,
    INT,
    NEVER,
    WIDE,
    ArrayType,
    DequeType,
    DictType,
    ListType,
    TupleType,
)

_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=", ast.GtE: ">=", ast.Gt: ">",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


def comparison(b: Builder, node: ast.Compare) -> ir.Expr:
    """``a < b <= c``, ``x in xs``."""
    if len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
        return _membership(b, node)
    if (found := type_test(b, node)) is not None:
        return found
    values = b.sequence([node.left, *node.comparators])
    read_as_floats(b, [node.left, *node.comparators], values, comparison=True)
    if len(values) == 2 and ArrayType in map(type, (v.type for v in values)):
        return compare_arrays(b, node, _COMPARE[type(node.ops[0])], values[0], values[1])
    if len(values) == 2 and (found := _same_lists(b, node, values)) is not None:
        return found
    if len(values) > 2:
        values = [values[0], *(b.stable(v) for v in values[1:-1]), values[-1]]
    result: ir.Expr | None = None
    for symbol, left, right in zip(node.ops, values, values[1:], strict=False):
        part = compared(b, _COMPARE[type(symbol)], left, right)
        result = part if result is None else both(b, node, result, part)
    assert result is not None
    return result


def _same_lists(b: Builder, node: ast.Compare, values: list[ir.Expr]) -> ir.Expr | None:
    left, right = values
    kind, symbol = type(left.type), _COMPARE[type(node.ops[0])]
    if kind in (ListType, DequeType) and type(right.type) is kind and symbol in ("==", "!="):
        return equal(b, node, symbol, left, right)
    return None


_STATIC_CONTAINERS = (list, set, frozenset, range, dict)


def _membership(b: Builder, node: ast.Compare) -> ir.Expr:
    """``x in (a, b, c)``: compared one after the other."""
    container = node.comparators[0]
    if is_range(b, container):
        inside = _in_range(b, node)
        return negate(inside) if isinstance(node.ops[0], ast.NotIn) else inside
    if isinstance(container, (ast.Tuple, ast.List, ast.Set)):
        value, *options = b.sequence([node.left, *container.elts])
    else:
        value = b.expression(node.left)
        found = b.evaluate(container)
        if isinstance(found, ir.Expr):
            found = b.container(found)
        if isinstance(found, ir.Expr) and isinstance(found.type, CONTAINERS):
            return _contained(b, node, value, found)
        if isinstance(found, Static) and isinstance(found.value, _STATIC_CONTAINERS):
            options = []
            known = found.value
            for item in sorted(known) if isinstance(known, set | frozenset) else known:
                option = b.constant(item, b.loc(container))
                if isinstance(option, Static):
                    raise OperandError("a member has no compiled type")
                options.append(option)
        elif isinstance(found, ir.Expr) and isinstance(found.type, TupleType):
            options = items_of(b, found)
        else:
            b.fail("PDC106", container, "`in` needs a tuple, list, set or range of constants here")
    value = b.stable(value)
    result: ir.Expr = ir.Const(b.loc(node), BOOL, False)
    for option in options:
        part = compare(b, "==", value, option)
        result = part if isinstance(result, ir.Const) else ir.Or(b.loc(node), BOOL, result, part)
    return negate(result) if isinstance(node.ops[0], ast.NotIn) else result


def _in_range(b: Builder, node: ast.Compare) -> ir.Expr:
    """``n in range(a, b)``: between the bounds, for an int."""
    loc = b.loc(node)
    value = b.stable(b.expression(node.left))
    if not isinstance(value, ir.Const):
        value = b.temporary(value)
    start, stop, step = (b.stable(part) for part in range_bounds(b, node.comparators[0]))
    if not isinstance(step, ir.Const) or step.value < 1:
        raise OperandError("`in range(...)` needs a constant step of 1 or more")

    def test(part: ir.Expr) -> ir.Expr:
        if part.type not in (INT, BOOL, WIDE):
            raise OperandError(f"`in range(...)` of a {part.type}")
        result = ir.And(loc, BOOL, compare(b, "<=", start, part), compare(b, "<", part, stop))
        if step.value == 1:
            return result
        place = apply(b, "%", apply(b, "-", part, start, loc), step, loc)
        return ir.And(loc, BOOL, result, compare(b, "==", place, ir.Const(loc, INT, 0)))

    return test(value)


def _contained(b: Builder, node: ast.Compare, value: ir.Expr, place: ir.Expr) -> ir.Expr:
    """``key in dict``, or a search through the items."""
    loc = b.loc(node)
    if isinstance(place.type, DictType):
        if place.type.key == NEVER:
            found: ir.Expr = ir.Const(loc, BOOL, False)
        else:
            key = key_in(b, value, place.type)
            found = op(loc, BOOL, containers.CONTAINS, place, key)
    else:
        sought, item = b.fresh_name("sought"), b.fresh_name("member")
        b.bind(sought, value)
        if has_float(value.type) and has_float(containers.item_type(place.type)):
            b.statements(written(f"if {sought} != {sought}:\n    HAND_OVER", node))
        text = f"any({item} == {sought} for {item} in _)"
        (statement,) = unplaced(text)
        call = statement.value  # type: ignore[attr-defined]
        assert isinstance(call, ast.Call)
        call.args[0].generators[0].iter = node.comparators[0]  # type: ignore[attr-defined]
        found = reduction("any")(b, placed(call, node))
    return negate(found) if isinstance(node.ops[0], ast.NotIn) else found
