"""Sets: their methods and comparisons.  Compiled code has a set as a dict without values.

Python's order of a set depends on hashes and on what was in it before, and compiled code does not
have it.  So it goes through a set only where the result is the same in any order (``in_any_order``
marks such loops): ``sum`` of ints, ``min``, ``max``, ``sorted``, ``any``, ``all``, filling another
set.  Everything else is the interpreter's.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers import containers as build_containers
from pydotcompute.compiler.irbuild.containers.containers import Method, grown, key_in, mutate
from pydotcompute.compiler.irbuild.containers.methods import Rows, named
from pydotcompute.compiler.irbuild.containers.reductions import is_set, value_of
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.quasiquote import in_any_order, placed, written
from pydotcompute.compiler.irbuild.values.operators import negate
from pydotcompute.compiler.ops import containers as c
from pydotcompute.compiler.ops.primitive import Primitive
from pydotcompute.compiler.types.types import NEVER, SetType


def _one(node: ast.Call, name: str) -> ast.expr:
    if len(node.args) != 1:
        raise OperandError(f"`{name}` with {len(node.args)} arguments cannot be compiled")
    return node.args[0]


def _items(base: ir.Expr, *, changes: bool = False) -> SetType:
    assert isinstance(base.type, SetType)
    if changes and base.type.cls is frozenset:
        raise OperandError("a frozenset does not change")
    return base.type


def _add(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    _items(base, changes=True)
    value = b.expression(_one(node, "add"))
    grown(b, base, value.type)
    mutate(b, node, c.INCLUDE, base, key_in(b, value, base.type))
    return ir.none(b.loc(node))


def _without(primitive: Primitive) -> Method:
    def rule(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
        item = _items(base, changes=True).item
        value = b.expression(_one(node, primitive.name))
        if item == NEVER:
            if primitive.raises:
                raise OperandError("nothing was put into the set")
            b.dropped(value)
        else:
            mutate(b, node, primitive, base, key_in(b, value, base.type))
        return ir.none(b.loc(node))

    return rule


def each_of(name: str) -> Callable[[Builder, ast.Call, ir.Expr], ir.Expr]:
    """``update`` and ``difference_update``: a method for each item of each iterable."""

    def rule(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
        _items(base, changes=True)
        own, item = named(b, base), b.fresh_name("item")
        for source in node.args:
            if isinstance(source, ast.Set):
                source = placed(ast.Tuple(source.elts, ast.Load()), source)
            if is_set(b, source):
                in_any_order(source)
            b.statements(written(f"for {item} in _source_:\n    {own}.{name}({item})", node,
                                 source=source))  # fmt: skip
        return ir.none(b.loc(node))

    return rule


def _all_of(text: str) -> Method:
    """A method that asks something of all items of one of two sets."""

    def rule(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
        other = _one(node, "this method")
        if not is_set(b, other):
            raise OperandError("the other one is a set in a variable here")
        return _asked(b, node, text, named(b, base), named(b, b.expression(other)))

    return rule


def _asked(b: Builder, node: ast.AST, text: str, one: str, other: str) -> ir.Expr:
    found, item = b.fresh_name("all"), b.fresh_name("item")
    text = text.format(one=one, other=other, item=item)
    statements = written(f"{found} = {text}", node)
    for part in (part for statement in statements for part in ast.walk(statement)):
        if isinstance(part, ast.comprehension):
            in_any_order(part.iter)
    b.statements(statements)
    return value_of(b, found, node)


_SUBSET = "all({item} in {other} for {item} in {one})"
_COMPARED = {
    "==": f"len({{one}}) == len({{other}}) and {_SUBSET}",
    "<=": f"len({{one}}) <= len({{other}}) and {_SUBSET}",
    "<": f"len({{one}}) < len({{other}}) and {_SUBSET}",
}
_MIRRORED = {">=": "<=", ">": "<"}


def compare_sets(b: Builder, node: ast.AST, symbol: str, left: ir.Expr,
                 right: ir.Expr) -> ir.Expr:  # fmt: skip
    """``s == t``, ``s <= t`` and so on, of two sets."""
    one, other = named(b, left), named(b, right)
    if symbol == "!=":
        return negate(_asked(b, node, _COMPARED["=="], one, other))
    if symbol in _MIRRORED:
        symbol, one, other = _MIRRORED[symbol], other, one
    return _asked(b, node, _COMPARED[symbol], one, other)


METHODS: Rows = {
    (SetType, "add"): _add,
    (SetType, "discard"): _without(c.DISCARD),
    (SetType, "remove"): _without(c.REMOVE),
    (SetType, "update"): each_of("add"),
    (SetType, "difference_update"): each_of("discard"),
    (SetType, "isdisjoint"): _all_of("not any({item} in {other} for {item} in {one})"),
    (SetType, "issubset"): _all_of(_SUBSET),
    (SetType, "issuperset"): _all_of("all({item} in {one} for {item} in {other})"),
}
build_containers.METHODS.update(METHODS)
