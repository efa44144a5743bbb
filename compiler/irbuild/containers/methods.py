"""Methods and operators of lists, deques and dicts that are loops in other words: ``index``,
``insert``, ``rotate``, ``update``, ``==``, ``del xs[i]``...

Each is a text with made-up names, built as if its author had written it.  ``METHODS`` adds to the
table of ``build_containers``.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers import containers as build_containers
from pydotcompute.compiler.irbuild.containers.comprehensions import as_list
from pydotcompute.compiler.irbuild.containers.containers import Method, grown, key_in, mutate, taken
from pydotcompute.compiler.irbuild.containers.iteration import slice_bounds
from pydotcompute.compiler.irbuild.containers.reductions import (
    name_of,
)
from pydotcompute.compiler.irbuild.containers.sorting import sort_method
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError, raising
from pydotcompute.compiler.irbuild.core.quasiquote import placed, written
from pydotcompute.compiler.irbuild.core.scope import view_of
from pydotcompute.compiler.irbuild.values.operators import negate
from pydotcompute.compiler.ops import containers as c
from pydotcompute.compiler.types.limits import has_float
from pydotcompute.compiler.types.types import (
    INT,
    NEVER,
    DequeType,
    DictType,
    ListType,
    TupleType,
    Type,
    UnionType,
)


def named(b: Builder, base: ir.Expr) -> str:
    """A made-up name for a container, which stays where it is."""
    name = b.fresh_name("list")
    b.bind(name, base)
    return name


def _run(b: Builder, node: ast.AST, text: str, **parts: ast.expr) -> None:
    b.statements(written(text, node, **parts))


def _read(b: Builder, name: str, node: ast.AST) -> ir.Expr:
    return b.expression(placed(name_of(name), node))


def _arguments(node: ast.Call, name: str, least: int, most: int) -> list[ast.expr]:
    if not least <= len(node.args) <= most:
        raise OperandError(f"`{name}` with {len(node.args)} arguments cannot be compiled")
    return node.args


# --- searching -------------------------------------------------------------------------------


def _sought(b: Builder, node: ast.AST, value: ast.expr, items: Type) -> str:
    """A name for what is looked for; a NaN, which may be itself, is the interpreter's."""
    sought = b.fresh_name("sought")
    _run(b, node, f"{sought} = _value_", value=value)
    if has_float(view_of((b.env or {}).get(sought))) and has_float(items):
        _run(b, node, f"if {sought} != {sought}:\n    HAND_OVER_NAN")
    return sought


def _place_of(b: Builder, node: ast.Call, xs: str, base: ir.Expr, what: str) -> str:
    (value,) = _arguments(node, what, 1, 1)
    sought, at, i = _sought(b, node, value, c.item_type(base.type)), *_names(b, "at", "i")
    _run(b, node, f"{at} = -1\nfor {i} in range(len({xs})):\n    if {xs}[{i}] == {sought}:\n"
                  f"        {at} = {i}\n        break\n"
                  f"if {at} < 0:\n    raise ValueError(f'')")  # fmt: skip
    return at


def _names(b: Builder, *bases: str) -> list[str]:
    return [b.fresh_name(base) for base in bases]


def _index(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    xs = named(b, base)
    return _read(b, _place_of(b, node, xs, base, "index"), node)


def _count(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    (value,) = _arguments(node, "count", 1, 1)
    xs, (total, i) = named(b, base), _names(b, "count", "i")
    sought = _sought(b, node, value, c.item_type(base.type))
    _run(b, node, f"{total} = 0\nfor {i} in range(len({xs})):\n"
                  f"    if {xs}[{i}] == {sought}:\n        {total} = {total} + 1")  # fmt: skip
    return _read(b, total, node)


def _copy(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    _arguments(node, "copy", 0, 0)
    if not isinstance(base.type, ListType):
        raise OperandError("only lists are copied")
    return as_list(b, node, name_of(named(b, base)))


def equal(b: Builder, node: ast.AST, symbol: str, left: ir.Expr, right: ir.Expr) -> ir.Expr:
    """``xs == ys`` and ``xs != ys`` of two lists, or two deques."""
    xs, ys, (same, i) = named(b, left), named(b, right), _names(b, "same", "i")
    text = f"{same} = len({xs}) == len({ys})\nif {same}:\n    for {i} in range(len({xs})):\n"
    if has_float(c.item_type(left.type)) and has_float(c.item_type(right.type)):
        text += f"        if {xs}[{i}] != {xs}[{i}] and {ys}[{i}] != {ys}[{i}]:\n"
        text += "            HAND_OVER_NAN\n"
    text += f"        if {xs}[{i}] != {ys}[{i}]:\n            {same} = False\n            break"
    _run(b, node, text)
    found = _read(b, same, node)
    return found if symbol == "==" else negate(found)


# --- changing --------------------------------------------------------------------------------


def _clamped(at: str, size: str) -> str:
    return f"if {at} < 0:\n    {at} = {at} + {size}\n"


def remove_at(b: Builder, node: ast.AST, xs: str, at: str, *, shown: bool) -> str:
    """Takes the item at a place out of a list or deque; the name that holds it.

    Args:
        shown: whether somebody reads it.
    """
    value, j = _names(b, "taken", "j")
    text = _clamped(at, f"len({xs})")
    text += f"if {at} < 0 or {at} >= len({xs}):\n    raise IndexError(f'')\n"
    if shown:
        text += f"{value} = {xs}[{at}]\n"
    text += f"for {j} in range({at}, len({xs}) - 1):\n    {xs}[{j}] = {xs}[{j} + 1]\n{xs}.pop()"
    _run(b, node, text)
    return value


def _pop(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    if not node.args:
        return taken(b, node, c.item_type(base.type), c.POP, base)
    (index,) = _arguments(node, "pop", 1, 1)
    xs, (at,) = named(b, base), _names(b, "at")
    _run(b, node, f"{at} = _index_", index=index)
    return _read(b, remove_at(b, node, xs, at, shown=True), node)


def _remove(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    xs = named(b, base)
    remove_at(b, node, xs, _place_of(b, node, xs, base, "remove"), shown=False)
    return ir.none(b.loc(node))


def _insert(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    index, value = _arguments(node, "insert", 2, 2)
    xs, (at, new, size, j) = named(b, base), _names(b, "at", "new", "size", "j")
    text = f"{at} = _index_\n{new} = _value_\n{size} = len({xs})\n{_clamped(at, size)}"
    text += f"    if {at} < 0:\n        {at} = 0\nelif {at} > {size}:\n    {at} = {size}\n"
    text += f"{xs}.append({new})\n"
    text += f"for {j} in range({size}, {at}, -1):\n    {xs}[{j}] = {xs}[{j} - 1]\n"
    _run(b, node, f"{text}{xs}[{at}] = {new}", index=index, value=value)
    return ir.none(b.loc(node))


def _reverse(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    _arguments(node, "reverse", 0, 0)
    xs, (i, j, kept) = named(b, base), _names(b, "i", "j", "kept")
    _run(b, node, f"for {i} in range(len({xs}) // 2):\n    {j} = len({xs}) - 1 - {i}\n"
                  f"    {kept} = {xs}[{i}]\n    {xs}[{i}] = {xs}[{j}]\n"
                  f"    {xs}[{j}] = {kept}")  # fmt: skip
    return ir.none(b.loc(node))


def _extendleft(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    (source,) = _arguments(node, "extendleft", 1, 1)
    xs, (item,) = named(b, base), _names(b, "item")
    _run(b, node, f"for {item} in _source_:\n    {xs}.appendleft({item})", source=source)
    return ir.none(b.loc(node))


def _rotate(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    given = _arguments(node, "rotate", 0, 1)
    xs, (count, i) = named(b, base), _names(b, "count", "i")
    text = f"{count} = {'_count_' if given else '1'}\nif len({xs}) > 1:\n"
    text += f"    for {i} in range({count} - {count} // len({xs}) * len({xs})):\n"
    text += f"        {xs}.appendleft({xs}.pop())"
    _run(b, node, text, **({"count": given[0]} if given else {}))
    return ir.none(b.loc(node))


def delete_item(b: Builder, target: ast.Subscript, base: ir.Expr) -> None:
    """``del xs[i]`` and ``del xs[low:high]``."""
    xs = named(b, base)
    if not isinstance(target.slice, ast.Slice):
        (at,) = _names(b, "at")
        _run(b, target, f"{at} = _index_", index=target.slice)
        remove_at(b, target, xs, at, shown=False)
        return
    place = placed(ast.Subscript(name_of(xs), target.slice, ast.Load()), target)
    low, high, step = slice_bounds(b, place)
    if step != 1:
        raise OperandError("a slice with a step is deleted")
    (j,) = _names(b, "j")
    _run(b, target, f"if {high} > {low}:\n"
                    f"    for {j} in range({high}, len({xs})):\n"
                    f"        {xs}[{low} + {j} - {high}] = {xs}[{j}]\n"
                    f"    for {j} in range({high} - {low}):\n        {xs}.pop()")  # fmt: skip


def store_list_slice(b: Builder, target: ast.Subscript, base: ir.Expr, value: ast.expr) -> None:
    """``xs[:] = ys``; of a part of a list, as many items as it has."""
    call = placed(ast.Call(name_of("list"), [value], []), target)
    new = b.fresh_name("new")
    b.bind(new, as_list(b, call, value))
    part = target.slice
    assert isinstance(part, ast.Slice)
    if part.lower is None and part.upper is None and part.step is None:
        place = _read(b, new, target)
        item = grown(b, base, c.item_type(place.type))
        if isinstance(item, UnionType) and item != c.item_type(place.type):
            assert isinstance(place, ir.Local)
            assert place.site is not None
            b.widen_list(place.site, item)
        mutate(b, target, c.ASSIGN, base, place)
        return
    xs, (i,) = named(b, base), _names(b, "i")
    low, high, step = slice_bounds(
        b, placed(ast.Subscript(name_of(xs), part, ast.Load()), target)
    )  # fmt: skip
    if step != 1:
        raise OperandError("a slice with a step is assigned")
    _run(b, target, f"if len({new}) != max({high} - {low}, 0):\n    HAND_OVER\n"
                    f"for {i} in range({low}, {high}):\n"
                    f"    {xs}[{i}] = {new}[{i} - {low}]")  # fmt: skip


def delete(b: Builder, node: ast.Delete) -> None:
    """``del d[key]``, ``del xs[i]``, ``del xs[low:high]``."""
    for target in node.targets:
        if not isinstance(target, ast.Subscript):
            b.fail("PDC020", target, "`del` of a name cannot be compiled")
        base = b.expression(target.value)
        if isinstance(base.type, (ListType, DequeType)):
            delete_item(b, target, base)
            continue
        if not isinstance(base.type, DictType):
            b.fail("PDC020", target, f"`del` of an item of a {base.type} cannot be compiled")
        key = b.expression(target.slice)
        if base.type.key == NEVER:
            b.raise_here(raising(b.loc(target), NEVER, "PDC_DEOPT_TYPE"))
            return
        key = key_in(b, key, base.type)
        if base.type.missing is Counter:
            mutate(b, target, c.DISCARD, base, key)  # which may not be there
        else:
            taken(b, target, base.type.value, c.TAKE, base, key)


# --- dicts -----------------------------------------------------------------------------------


def update_dict(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    """``d.update(...)`` of a display, keywords, another dict, or pairs."""
    d, pairs = named(b, base), list[tuple[ast.expr, ast.expr]]()
    given = _arguments(node, "update", 0, 1)
    if given and isinstance(given[0], ast.Dict):
        if any(key is None for key in given[0].keys):
            raise OperandError("`**` in a dict")
        pairs = list(zip((k for k in given[0].keys if k), given[0].values, strict=True))
    elif given:
        found = b.evaluate(given[0]) if isinstance(given[0], (ast.Name, ast.Attribute)) else None
        is_dict = isinstance(found, ir.Expr) and isinstance(found.type, DictType)
        key, value = _names(b, "key", "value")
        source = "_source_.items()" if is_dict else "_source_"
        _run(b, node, f"for {key}, {value} in {source}:\n    {d}[{key}] = {value}",
             source=given[0])  # fmt: skip
    pairs += [(placed(ast.Constant(k.arg), node), k.value) for k in node.keywords]
    names = [(b.fresh_name("key"), b.fresh_name("value")) for _ in pairs]
    for (key, value), (k, v) in zip(names, pairs, strict=True):
        _run(b, node, f"{key} = _k_\n{value} = _v_", k=k, v=v)
    for key, value in names:
        _run(b, node, f"{d}[{key}] = {value}")
    return ir.none(b.loc(node))


def _popitem(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    """The newest entry."""
    assert isinstance(base.type, DictType)
    if base.type.key == NEVER:
        raise OperandError("nothing was put into the dict")
    loc, type_ = b.loc(node), base.type
    at = b.temporary(ir.Op(loc, INT, c.LAST, (base,)))
    key = b.temporary(ir.Op(loc, type_.key, c.KEY, (base, at)))
    value = taken(b, node, type_.value, c.TAKE, base, key)
    return ir.Tuple(loc, TupleType((type_.key, type_.value)), (key, value))


Rows = dict[tuple[type[Type], str], Method]


def _both(*names: tuple[str, Callable[[Builder, ast.Call, ir.Expr], ir.Expr]]) -> Rows:
    return {(kind, name): rule for kind in (ListType, DequeType) for name, rule in names}


METHODS: Rows = {
    **_both(("index", _index), ("count", _count), ("remove", _remove), ("reverse", _reverse)),
    (ListType, "copy"): _copy,
    (ListType, "insert"): _insert,
    (ListType, "pop"): _pop,
    (ListType, "sort"): sort_method,
    (DequeType, "extendleft"): _extendleft,
    (DequeType, "rotate"): _rotate,
    (DictType, "update"): update_dict,
    (DictType, "popitem"): _popitem,
}
build_containers.METHODS.update(METHODS)
