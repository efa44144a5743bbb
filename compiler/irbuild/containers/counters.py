"""What a ``Counter`` has beyond a dict: ``update`` that counts, ``most_common``, ``total``, and
``del`` of what is not there.

Each is a text with made-up names, built as if its author had written it.
"""

from __future__ import annotations

import ast
from collections import Counter

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers import containers as build_containers
from pydotcompute.compiler.irbuild.containers.methods import Rows, named, update_dict
from pydotcompute.compiler.irbuild.containers.reductions import is_set, value_of
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.quasiquote import tagged, written
from pydotcompute.compiler.types.types import DictType

_ALL = "{top} = sorted({counts}.items(), key=lambda pair: pair[1], reverse=True)"

_BEST = """
{count} = _count_
{top} = _list_
for {key}, {value} in {counts}.items():
    if {value} != {value}:
        HAND_OVER
    if len({top}) < {count}:
        {top}.append(({key}, {value}))
    elif {count} <= 0 or not {top}[{count} - 1][1] < {value}:
        continue
    {at} = len({top}) - 1
    while {at} > 0 and {top}[{at} - 1][1] < {value}:
        {top}[{at}] = {top}[{at} - 1]
        {at} = {at} - 1
    {top}[{at}] = ({key}, {value})
"""
"""Of equal counts, the older entry comes first."""


def is_counter(value: ir.Expr) -> bool:
    """Whether a value is a ``Counter``."""
    return isinstance(value.type, DictType) and value.type.missing is Counter


def _only_counter(base: ir.Expr, name: str) -> None:
    if not is_counter(base):
        raise OperandError(f"a {base.type} has no method {name!r}")


def _update(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    """``counts.update(items)``: one more for each item."""
    if not is_counter(base):
        return update_dict(b, node, base)
    if len(node.args) != 1 or node.keywords:
        raise OperandError("`update` of a Counter takes one iterable here")
    (source,) = node.args
    found = b.evaluate(source) if isinstance(source, (ast.Name, ast.Attribute)) else None
    is_dict = isinstance(found, ir.Expr) and isinstance(found.type, DictType)
    if is_dict or isinstance(source, ast.Dict):
        raise OperandError("`update` of a Counter with a dict, which adds")
    if is_set(b, source):
        raise OperandError("the order of a set is known only to the interpreter")
    counts, item = named(b, base), b.fresh_name("item")
    b.statements(written(f"for {item} in _source_:\n    {counts}[{item}] += 1", node,
                         source=source))  # fmt: skip
    return ir.none(b.loc(node))


def _most_common(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    _only_counter(base, "most_common")
    given = [*node.args, *(word.value for word in node.keywords if word.arg == "n")]
    if len(given) != len(node.args) + len(node.keywords) or len(given) > 1:
        raise OperandError("`most_common` with these arguments")
    names = {name: b.fresh_name(name) for name in ("count", "top", "key", "value", "at")}
    names["counts"] = named(b, base)
    if not given or (isinstance(given[0], ast.Constant) and given[0].value is None):
        b.statements(written(_ALL.format(**names), node))
    else:
        new = tagged(ast.List([], ast.Load()), "most common")
        b.statements(written(_BEST.format(**names), node, count=given[0], list=new))
    return value_of(b, names["top"], node)


def _total(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    _only_counter(base, "total")
    total = b.fresh_name("total")
    b.statements(written(f"{total} = sum({named(b, base)}.values())", node))
    return value_of(b, total, node)


METHODS: Rows = {
    (DictType, "most_common"): _most_common,
    (DictType, "total"): _total,
    (DictType, "update"): _update,
}
build_containers.METHODS.update(METHODS)
