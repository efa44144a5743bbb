"""Comparisons: chains of them, membership, lists that are equal."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers.arrays import compare_arrays
from pydotcompute.compiler.irbuild.containers.containers import key_in, op
from pydotcompute.compiler.irbuild.containers.iteration import is_range, range_bounds
from pydotcompute.compiler.irbuild.containers.methods import equal
from pydotcompute.compiler.irbuild.containers.reductions import reduction
from pydotcompute.compiler.irbuild.containers.sets import compare_sets
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.quasiquote import written
from pydotcompute.compiler.irbuild.core.unit import Static
from pydotcompute.compiler.irbuild.objects.messages import read_as_floats
from pydotcompute.compiler.irbuild.values.operators import (
    apply,
    compare,
    compared,
    items_of,
    negate,
)
from pydotcompute.compiler.irbuild.values.type_tests import type_test
from pydotcompute.compiler.ops import containers
from pydotcompute.compiler.types.limits import has_float
from pydotcompute.compiler.types.types import (
    BOOL,
    CONTAINERS,
    INT,
    NEVER,
    NP_BOOL,
    WIDE,
    ArrayType,
    DequeType,
    DictType,
    ListType,
    SetType,
    TupleType,
)

_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=", ast.GtE: ">=", ast.Gt: ">",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


Left = ast.expr | ir.Expr
"""A left operand: still to be built, or the value that a chain of comparisons has in hand."""


def comparison(b: Builder, node: ast.Compare) -> ir.Expr:
    """``a < b <= c``, ``x in xs``."""
    if (found := type_test(b, node)) is not None:
        return found
    if any(isinstance(symbol, (ast.In, ast.NotIn)) for symbol in node.ops[:-1]):
        raise OperandError("a chain of comparisons with `in` before its end")
    return _link(b, node, 0, node.left)


def _link(b: Builder, node: ast.Compare, at: int, left: Left) -> ir.Expr:
    """One comparison of a chain, and those behind it, which are evaluated as long as it is true."""
    right_node = node.comparators[at]
    if isinstance(node.ops[at], (ast.In, ast.NotIn)):
        return _membership(b, node, left)
    symbol = _COMPARE[type(node.ops[at])]
    one, other = values = _values(b, left, [right_node])
    left_node = node.comparators[at - 1] if at else node.left
    read_as_floats(b, [left_node, right_node], values, comparison=True)
    if len(node.ops) == 1 and ArrayType in (type(one.type), type(other.type)):
        return compare_arrays(b, node, symbol, one, other)
    if len(node.ops) == 1 and (found := _same_lists(b, node, values)) is not None:
        return found
    if at == len(node.ops) - 1:
        return compared(b, symbol, one, other)
    one, other = b.forced(one), b.duplicable(other)
    link = compared(b, symbol, one, other)
    if isinstance(link, ir.Const):
        return _link(b, node, at + 1, other) if link.value else link
    env, loc = dict(b.env or {}), b.loc(node)
    # The one that is false is the value of the chain, as what it is.
    falsy = {BOOL: ir.Const(loc, BOOL, False), NP_BOOL: ir.Const(loc, NP_BOOL, np.False_)}
    no = falsy[link.type] if link.type in falsy else b.duplicable(link)
    test = b.truth(link if link.type in falsy else no)
    rest = env, lambda: _link(b, node, at + 1, other)
    return b.alternatives(loc, test, (rest, (env, lambda: no)))


def _values(b: Builder, left: Left, nodes: Sequence[ast.expr]) -> list[ir.Expr]:
    """The left operand and those that are built after it."""
    if isinstance(left, ast.expr):
        return b.sequence([left, *nodes])
    first = ast.Constant(None)
    return b.sequence([first, *nodes], lambda n: left if n is first else b.expression(n))


def _same_lists(b: Builder, node: ast.Compare, values: list[ir.Expr]) -> ir.Expr | None:
    left, right = values
    if isinstance(left.type, SetType) and isinstance(right.type, SetType):
        return compare_sets(b, node, _COMPARE[type(node.ops[0])], left, right)
    kind, symbol = type(left.type), _COMPARE[type(node.ops[0])]
    if kind in (ListType, DequeType) and type(right.type) is kind and symbol in ("==", "!="):
        return equal(b, node, symbol, left, right)
    return None


_STATIC_CONTAINERS = (list, set, frozenset, range, dict)


def _membership(b: Builder, node: ast.Compare, left: Left) -> ir.Expr:
    """``x in (a, b, c)``: compared one after the other."""
    container, is_not = node.comparators[-1], isinstance(node.ops[-1], ast.NotIn)
    if is_range(b, container):
        inside = _in_range(b, node, left)
        return negate(inside) if is_not else inside
    if isinstance(container, (ast.Tuple, ast.List, ast.Set)):
        value, *options = _values(b, left, container.elts)
    else:
        found = b.evaluate(container) if b.is_static(container) else None
        if isinstance(found, Static) and isinstance(found.value, _STATIC_CONTAINERS):
            (value,), options = _values(b, left, []), _members(b, container, found.value)
        elif isinstance(found, Static):
            _no_container(b, container)
        else:
            value, found = _values(b, left, [container])
            found = b.container(found)
            if isinstance(found.type, CONTAINERS):
                return _contained(b, node, value, found)
            if not isinstance(found.type, TupleType):
                _no_container(b, container)
            options = items_of(b, found)
    value = b.duplicable(value)
    options = [b.forced(option) for option in options]
    result: ir.Expr = ir.Const(b.loc(node), BOOL, False)
    for option in options:
        part = compare(b, "==", value, option)
        result = part if isinstance(result, ir.Const) else ir.Or(b.loc(node), BOOL, result, part)
    return negate(result) if is_not else result


def _no_container(b: Builder, node: ast.expr) -> NoReturn:
    b.fail("PDC106", node, "`in` needs a tuple, list, set or range of constants here")


def _members(b: Builder, node: ast.expr, known: Any) -> list[ir.Expr]:
    """The members of a container of constants."""
    options = []
    for item in sorted(known) if isinstance(known, set | frozenset) else known:
        option = b.constant(item, b.loc(node))
        if isinstance(option, Static):
            raise OperandError("a member has no compiled type")
        options.append(option)
    return options


def _in_range(b: Builder, node: ast.Compare, left: Left) -> ir.Expr:
    """``n in range(a, b)``: between the bounds, for an int."""
    loc = b.loc(node)
    value = b.duplicable(_values(b, left, [])[0])
    if not isinstance(value, ir.Const):
        value = b.temporary(value)
    start, stop, step = (b.duplicable(part) for part in range_bounds(b, node.comparators[-1]))
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
    if isinstance(place.type, (DictType, SetType)):
        if containers.item_type(place.type) == NEVER:
            b.dropped(value)
            found: ir.Expr = ir.Const(loc, BOOL, False)
        else:
            key = key_in(b, value, place.type)
            found = op(loc, BOOL, containers.CONTAINS, place, key)
    else:
        sought, item = b.fresh_name("sought"), b.fresh_name("member")
        b.bind(sought, value)
        if has_float(value.type) and has_float(containers.item_type(place.type)):
            b.statements(written(f"if {sought} != {sought}:\n    HAND_OVER_NAN", node))
        source = b.bind_fresh(place, node, "whole")
        text = f"any({item} == {sought} for {item} in _source_)"
        (statement,) = written(text, node, source=source)
        assert isinstance(statement, ast.Expr)
        assert isinstance(statement.value, ast.Call)
        found = reduction("any")(b, statement.value)
    return negate(found) if isinstance(node.ops[-1], ast.NotIn) else found
