"""``sorted(xs, key=..., reverse=...)`` and ``xs.sort(...)``, as the loops they mean.

Numbers without a key are sorted by an operation of the library.  Everything else is a merge sort
with made-up names, built as if its author had written it; it is stable in both directions, as
Python's is.  A list of the state is sorted as a copy and then assigned, so that a turn that fails
undoes one assignment.
"""

from __future__ import annotations

import ast

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers.comprehensions import as_list, copying
from pydotcompute.compiler.irbuild.containers.containers import mutate, room_of
from pydotcompute.compiler.irbuild.containers.reductions import (
    ahead,
    given,
    is_set,
    key_of,
    keywords_of,
    name_of,
    value_of,
)
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.quasiquote import in_any_order, written
from pydotcompute.compiler.irbuild.core.scope import view_of
from pydotcompute.compiler.ops.containers import ASSIGN, SORT
from pydotcompute.compiler.types.limits import has_float
from pydotcompute.compiler.types.types import (
    BOOL,
    FLOAT,
    INT,
    NEVER,
    WIDE,
    ListType,
    ScalarType,
    Type,
)

_RUNS = """
for {start} in range(0, len({keys}), 8):
    {end} = min({start} + 8, len({keys}))
    for {i} in range({start} + 1, {end}):
        {key} = {keys}[{i}]
        {value} = {out}[{i}]
        {j} = {i}
        while {j} > {start} and ({before}):
            {keys}[{j}] = {keys}[{j} - 1]
            {out}[{j}] = {out}[{j} - 1]
            {j} = {j} - 1
        {keys}[{j}] = {key}
        {out}[{j}] = {value}
"""
"""Runs of eight, by insertion."""

_MERGES = """
{width} = 8
while {width} < len({keys}):
    {old} = _keys_
    {items} = _out_
    for {start} in range(0, len({keys}), 2 * {width}):
        {end} = min({start} + 2 * {width}, len({keys}))
        {middle} = min({start} + {width}, {end})
        {i} = {start}
        {j} = {middle}
        for {place} in range({start}, {end}):
            if {j} < {end} and ({i} == {middle} or ({later})):
                {keys}[{place}] = {old}[{j}]
                {out}[{place}] = {items}[{j}]
                {j} = {j} + 1
            else:
                {keys}[{place}] = {old}[{i}]
                {out}[{place}] = {items}[{i}]
                {i} = {i} + 1
    {width} = 2 * {width}
"""
"""Of two runs, an item of the second comes first only if its key is smaller."""

_NAMES = "start end i j key value width old items middle place order".split()


def sort_list(b: Builder, node: ast.AST, out: str, key: ast.expr | None,
              reverse: ast.expr | None = None) -> None:  # fmt: skip
    """Sort the list with a made-up name where it is."""
    place = value_of(b, out, node)
    if not isinstance(place.type, ListType):
        raise OperandError("what is sorted here has no type in compiled code")
    if key is None and _is_number(place.type.item):
        order = ir.Const(b.loc(node), BOOL, False) if reverse is None else b.truth(
            b.expression(reverse))  # fmt: skip
        mutate(b, node, SORT, place, order)
        return
    names = {name: b.fresh_name(name) for name in _NAMES} | {"out": out, "keys": out}
    item = b.fresh_name("item")
    made = None if key is None else key_of(b, key, item)
    if made is not None:
        names["keys"] = b.fresh_name("keys")
        b.bind(names["keys"], as_list(b, node, name_of(out), "sort", room_of(place), (item, made)))
    before, later = "{key} < {keys}[{j} - 1]", "{old}[{j}] < {old}[{i}]"
    backward = "{keys}[{j} - 1] < {key}", "{old}[{i}] < {old}[{j}]"
    if isinstance(reverse, ast.Constant):
        before, later = backward if reverse.value else (before, later)
    elif reverse is not None:
        b.statements(written(f"{names['order']} = bool(_reverse_)", node, reverse=reverse))
        before, later = (f"{down} if {{order}} else {up}"
                         for down, up in zip(backward, (before, later), strict=True))  # fmt: skip
    compared = value_of(b, names["keys"], node).type
    assert isinstance(compared, ListType)
    text = _RUNS + _MERGES
    if has_float(compared.item):
        text = "for {key} in {keys}:\n    if {key} != {key}:\n        HAND_OVER\n" + text
    text = text.replace("{before}", before).replace("{later}", later)
    if names["keys"] == out:  # the items are their own keys
        same = [line for line in text.splitlines()
                if not line.strip().startswith(("{out}", "{value}", "{items}"))]  # fmt: skip
        text = "\n".join(same)
    parts = {name: copying(b, node, name_of(names[name]), f"old {name}", room_of(place))
             for name in ("keys", "out")}  # fmt: skip
    b.statements(written(text.format(**names), node, **parts))


def _is_number(item: Type) -> bool:
    return item in (INT, WIDE, FLOAT, BOOL, NEVER) or isinstance(item, ScalarType)


def sorted_list(b: Builder, node: ast.Call) -> ir.Expr:
    """``sorted(xs, key=..., reverse=...)``."""
    if len(node.args) != 1:
        raise OperandError("`sorted` takes an iterable")
    words = keywords_of(node, "key", "reverse")
    source, reverse = ahead(b, node, node.args[0], given(words, "reverse"))
    out = b.fresh_name("sorted")
    name = source.id if isinstance(source, ast.Name) else ""
    if "key" not in words and is_set(b, source):
        in_any_order(source)
    room = room_of(view_of((b.env or {}).get(name)))
    b.bind(out, as_list(b, node, source, room=room))
    sort_list(b, node, out, words.get("key"), *reverse)
    return value_of(b, out, node)


def sort_method(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    """``xs.sort(key=..., reverse=...)``."""
    if node.args:
        raise OperandError("`sort` takes no positional arguments")
    words = keywords_of(node, "key", "reverse")
    assert isinstance(base, ir.Local)
    assert isinstance(base.type, ListType)
    out = b.fresh_name("list")
    b.bind(out, base)
    reverse = [part if isinstance(part, ast.Constant) else b.bind_fresh(b.expression(part), node)
               for part in given(words, "reverse")]  # fmt: skip
    if "key" not in words and _is_number(base.type.item):
        sort_list(b, node, out, None, *reverse)
    else:
        copy = b.fresh_name("list")
        b.bind(copy, as_list(b, node, name_of(out), "copy", room_of(base)))
        sort_list(b, node, copy, words.get("key"), *reverse)
        mutate(b, node, ASSIGN, base, value_of(b, copy, node))
    return ir.none(b.loc(node))
