"""Containers in the builder: indexing, methods, loops over them, comprehensions, reductions."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pydotcompute.compiler import containers as c
from pydotcompute.compiler import ir
from pydotcompute.compiler.build import Builder, Static
from pydotcompute.compiler.build_expressions import apply, compare, items_of, negate
from pydotcompute.compiler.operators import Primitive
from pydotcompute.compiler.scope import OperandError, view_of
from pydotcompute.compiler.types import (
    BOOL,
    CONTAINERS,
    INT,
    NEVER,
    NONE,
    ArrayType,
    DequeType,
    DictType,
    ListType,
    ScalarType,
    TupleType,
    Type,
    join,
)


def op(loc: Any, type_: Type, primitive: Primitive, *args: ir.Expr) -> ir.Expr:
    """An operation on a container as an expression."""
    return ir.Op(loc, type_, primitive, args)


def mutate(b: Builder, node: ast.AST, primitive: Primitive, *args: ir.Expr) -> None:
    """Changes a container."""
    b.effects = True
    b.block.append(ir.Mutate(b.loc(node), None, primitive, args))


def taken(b: Builder, node: ast.AST, type_: Type, primitive: Primitive, *args: ir.Expr) -> ir.Expr:
    """Changes a container and keeps what that gives."""
    b.effects = True
    target = b.hole(b.loc(node), type_)
    b.block.append(ir.Mutate(b.loc(node), target, primitive, args))
    return target


def grown(b: Builder, place: ir.Expr, item: Type, key: Type | None = None) -> Type:
    """The item type of a container that is about to take an ``item``; begins again if it grows."""
    type_ = place.type
    assert isinstance(place, ir.Local), "only named containers change"
    if isinstance(type_, DictType):
        wide: Type = DictType(join(type_.key, key or type_.key), join(type_.value, item))
        old = type_.value
    elif isinstance(type_, ArrayType):
        return type_.item
    else:
        old = c.item_type(type_)
        wide = c.with_item(type_, join(old, item))
    if wide != type_:
        if place.origin is not None:
            b.widen_container(place.origin, wide)
        if place.site is not None:
            b.widen_list(place.site, item)
        raise OperandError(f"a {type_} takes no {item}")
    return old


# --- indexing ------------------------------------------------------------------------------------


def subscript(b: Builder, node: ast.Subscript, base: ir.Expr) -> ir.Expr:
    """``base[index]`` of a container."""
    loc = b.loc(node)
    if isinstance(node.slice, ast.Slice) and not isinstance(base.type, DictType):
        if isinstance(base.type, ArrayType):
            raise OperandError("a slice of an array is looped over or summed, but is no value")
        return sliced(b, node)
    if isinstance(base.type, ArrayType):
        return op(loc, base.type.item, c.ARRAY_ITEM, base, array_place(b, node, base.type))
    if isinstance(base.type, DictType):
        key = b.convert(b.expression(node.slice), base.type.key)
        return op(loc, base.type.value, c.GET, base, key)
    index = b.convert(b.expression(node.slice), INT)
    return op(loc, c.item_type(base.type), c.GET, base, index)


def sliced(b: Builder, node: ast.Subscript) -> ir.Expr:
    """``xs[low:high]``: a list of the items in between, as Python counts them."""
    low, high = _slice_bounds(b, node)
    at = b.fresh_name("at")
    (loop,) = _unplaced(f"[_[{at}] for {at} in range({low}, {high})]")
    found = loop.value  # type: ignore[attr-defined]
    found.elt.value = node.value
    return comprehension(b, placed(found, node))


def _slice_bounds(b: Builder, node: ast.Subscript) -> tuple[str, str]:
    """Names that hold the bounds of a slice, clamped as Python does."""
    part = node.slice
    assert isinstance(part, ast.Slice)
    if part.step is not None or not isinstance(node.value, (ast.Name, ast.Attribute)):
        raise OperandError("a slice has no step here, and is of a named container")
    size, low, high = (b.fresh_name(name) for name in ("size", "low", "high"))
    text = f"{size} = len(_)\n{low} = 0\n{high} = {size}\n"
    text += "".join(
        f"if {name} < 0:\n    {name} = {name} + {size}\n    if {name} < 0:\n        {name} = 0\n"
        f"elif {name} > {size}:\n    {name} = {size}\n"
        for name in (low, high)
    )
    setup = _unplaced(text)
    setup[0].value.args[0] = node.value  # type: ignore[attr-defined]
    if part.lower is not None:
        setup[1].value = part.lower  # type: ignore[attr-defined]
    if part.upper is not None:
        setup[2].value = part.upper  # type: ignore[attr-defined]
    b.statements([placed(statement, node) for statement in setup])
    return low, high


def store_slice(b: Builder, target: ast.Subscript, value: ast.expr) -> None:
    """``array[low:high] = array[...]``, or one number for all: the right side is read first."""
    base = b.expression(target.value)
    if not isinstance(base.type, ArrayType) or len(base.type.shape) != 1:
        raise OperandError(f"a slice of a {base.type} is assigned")
    new, at = b.fresh_name("new"), b.fresh_name("at")
    if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice):
        b.bind(new, sliced(b, value))
    else:
        b.bind(new, b.stable(b.expression(value)))
    whole = view_of((b.env or {}).get(new))
    low, high = _slice_bounds(b, target)
    if isinstance(whole, CONTAINERS):
        text = f"if len({new}) != max({high} - {low}, 0):\n    raise ValueError\n"
        text += f"for {at} in range({low}, {high}):\n    _[{at}] = {new}[{at} - {low}]\n"
    else:
        text = f"for {at} in range({low}, {high}):\n    _[{at}] = {new}\n"
    statements = _unplaced(text)
    statements[-1].body[0].targets[0].value = target.value  # type: ignore[attr-defined]
    b.statements([placed(statement, target) for statement in statements])


def array_place(b: Builder, node: ast.Subscript, type_: ArrayType) -> ir.Expr:
    """The flat place of ``array[i, j]``; each index is checked on its own axis."""
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if any(isinstance(part, ast.Slice) for part in parts) or len(parts) != len(type_.shape):
        raise OperandError("an array is indexed with one int for each axis")
    loc = b.loc(node)
    place: ir.Expr | None = None
    for index, size in zip(b.sequence(parts), type_.shape, strict=True):
        index = b.convert(_plain_int(b, index), INT)
        at = op(loc, INT, c.axis(size), index)
        if place is None:
            place = at
        else:
            scaled = apply(b, "*", place, ir.Const(loc, INT, size), loc)
            place = apply(b, "+", scaled, at, loc)
    assert place is not None
    return place


def _plain_int(b: Builder, value: ir.Expr) -> ir.Expr:
    from pydotcompute.compiler.numpy_types import to_python

    if isinstance(value.type, ScalarType) and not value.type.is_float:
        signature = to_python(value.type)
        assert signature is not None
        return ir.Op(value.loc, signature.result, signature.primitive, (value,))
    return value


def store(b: Builder, target: ast.Subscript, value: ir.Expr) -> None:
    """``base[index] = value``."""
    if isinstance(target.slice, ast.Slice):
        raise OperandError("a slice is assigned")
    base = b.expression(target.value)
    if not isinstance(base, ir.Local) or not isinstance(base.type, CONTAINERS):
        raise OperandError(f"an item of {base.type} is assigned")
    if isinstance(base.type, ArrayType):
        place = array_place(b, target, base.type)
        mutate(b, target, c.SET_ITEM, base, place, array_value(b, value, base.type.item))
        return
    index = b.expression(target.slice)
    if isinstance(base.type, DictType):
        if not c.is_key(index.type):
            raise OperandError(f"a {index.type} as key of a dict")
        grown(b, base, value.type, index.type)
        key, item = b.convert(index, base.type.key), b.convert(value, base.type.value)
        mutate(b, target, c.SET, base, key, item)
        return
    grown(b, base, value.type)
    item = b.convert(value, c.item_type(base.type))
    mutate(b, target, c.SET, base, b.convert(index, INT), item)


def array_value(b: Builder, value: ir.Expr, item: ScalarType) -> ir.Expr:
    """A value as numpy stores it into an array: any number, cast."""
    from pydotcompute.compiler.build_expressions import cast_operand
    from pydotcompute.compiler.types import FLOAT

    if value.type == item:
        return value
    if value.type == FLOAT and not item.is_float:
        raise OperandError(f"a float is stored into {item}, which truncates")
    if isinstance(value.type, ScalarType) and not (item.is_float or not value.type.is_float):
        raise OperandError(f"a {value.type} is stored into {item}, which truncates")
    return b.split(value, lambda part: cast_operand(b, part, item))


def delete(b: Builder, node: ast.Delete) -> None:
    """``del d[key]``."""
    for target in node.targets:
        if not isinstance(target, ast.Subscript):
            b.fail("PDC020", target, "`del` of a name does not lower")
        base = b.expression(target.value)
        if not isinstance(base.type, DictType):
            b.fail("PDC020", target, "`del` of an item does not lower, but for dicts")
        key = b.convert(b.expression(target.slice), base.type.key)
        taken(b, target, base.type.value, c.TAKE, base, key)


# --- methods -------------------------------------------------------------------------------------

Method = Callable[[Builder, ast.Call, ir.Expr], ir.Expr]


def method(b: Builder, node: ast.Call, base: ir.Expr, name: str) -> ir.Expr:
    """``base.name(...)`` of a container."""
    rule = _METHODS.get((type(base.type), name))
    if rule is None or node.keywords:
        raise OperandError(f"{base.type} has no method {name!r} that lowers")
    known = isinstance(base, ir.Local) and (base.origin or base.site)
    if not known and name not in ("get", "sum", "mean"):
        raise OperandError("a container that is part of a message does not change")
    return rule(b, node, base)


def _adder(primitive: Primitive) -> Method:
    def rule(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
        if isinstance(base.type, ListType) and isinstance(base, ir.Local) and base.origin is not None:
            b.fail("PDC106", node, "a list of the state grows without a bound",
                   notes=["compiled state has a fixed size"],
                   hint="use collections.deque(maxlen=n)")  # fmt: skip
        (value,) = b.sequence(node.args)
        grown(b, base, value.type)
        mutate(b, node, primitive, base, b.convert(value, c.item_type(base.type)))
        return ir.none(b.loc(node))

    return rule


def _taker(primitive: Primitive) -> Method:
    def rule(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
        if node.args:
            raise OperandError("`pop` at an index does not lower")
        return taken(b, node, c.item_type(base.type), primitive, base)

    return rule


def _clear(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    mutate(b, node, c.CLEAR, base)
    return ir.none(b.loc(node))


def _extend(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    name = b.fresh_name("item")
    call = ast.Call(ast.Attribute(node.func.value, "append", ast.Load()),  # type: ignore[attr-defined]
                    [ast.Name(name, ast.Load())], [])  # fmt: skip
    loop = ast.For(ast.Name(name, ast.Store()), node.args[0], [ast.Expr(call)], [])
    b.statements([placed(loop, node)])
    return ir.none(b.loc(node))


def _fill(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    assert isinstance(base.type, ArrayType)
    (value,) = b.sequence(node.args)
    mutate(b, node, c.FILL, base, array_value(b, value, base.type.item))
    return ir.none(b.loc(node))


def _array_sum(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    """``array.sum()`` of float64, in numpy's order of additions."""
    assert isinstance(base.type, ArrayType)
    if node.args or base.type.item != ScalarType("float64"):
        raise OperandError("only arrays of float64 are summed by their method")
    return op(b.loc(node), base.type.item, c.ARRAY_SUM, base)


def _array_mean(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    assert isinstance(base.type, ArrayType)
    total = _array_sum(b, node, base)
    size = 1
    for length in base.type.shape:
        size *= length
    count = ir.Const(b.loc(node), base.type.item, np.float64(size))
    return apply(b, "/", total, count, b.loc(node))


def _dict_get(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    assert isinstance(base.type, DictType)
    key, *rest = b.sequence(node.args)
    default = rest[0] if rest else ir.none(b.loc(node))
    if base.type.key == NEVER:
        return default
    loc = b.loc(node)
    key = b.stable(b.convert(key, base.type.key))
    value = op(loc, base.type.value, c.VALUE_OR, base, key)
    result = join(base.type.value, default.type)
    present = op(loc, BOOL, c.CONTAINS, base, key)
    return ir.Cond(loc, result, present, b.convert(value, result), b.convert(default, result))


def _dict_setdefault(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    assert isinstance(base.type, DictType)
    key, value = b.sequence(node.args)
    grown(b, base, value.type, key.type)
    loc = b.loc(node)
    key = b.stable(b.convert(key, base.type.key))
    value = b.convert(value, base.type.value)
    b.effects = True
    missing = negate(op(loc, BOOL, c.CONTAINS, base, key))
    b.block.append(ir.If(loc, missing, (ir.Mutate(loc, None, c.SET, (base, key, value)),), ()))
    return b.temporary(op(loc, base.type.value, c.GET, base, key))


def _dict_pop(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    assert isinstance(base.type, DictType)
    key, *rest = b.sequence(node.args)
    loc = b.loc(node)
    if base.type.key == NEVER:
        if rest:
            return rest[0]
        raise OperandError("nothing was put into the dict")
    key = b.stable(b.convert(key, base.type.key))
    if not rest:
        return taken(b, node, base.type.value, c.TAKE, base, key)
    default = b.stable(rest[0])
    result = join(base.type.value, default.type)
    target = b.hole(loc, result)
    value = b.hole(loc, base.type.value)
    b.effects = True
    then = (ir.Mutate(loc, value, c.TAKE, (base, key)),
            ir.Assign(loc, target, b.convert(value, result)))  # fmt: skip
    orelse = (ir.Assign(loc, target, b.convert(default, result)),)
    b.block.append(ir.If(loc, op(loc, BOOL, c.CONTAINS, base, key), then, orelse))
    return target


def _sort(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    from pydotcompute.compiler.build_calls import sort

    if node.args:
        raise OperandError("`sort` takes no positional arguments")
    sort(b, node, base, reverse=False)
    return ir.none(b.loc(node))


_METHODS: dict[tuple[type[Type], str], Method] = {
    (ListType, "append"): _adder(c.APPEND),
    (ListType, "pop"): _taker(c.POP),
    (ListType, "clear"): _clear,
    (ListType, "sort"): _sort,
    (ListType, "extend"): _extend,
    (DequeType, "append"): _adder(c.APPEND),
    (DequeType, "appendleft"): _adder(c.APPENDLEFT),
    (DequeType, "pop"): _taker(c.POP),
    (DequeType, "popleft"): _taker(c.POPLEFT),
    (DequeType, "clear"): _clear,
    (DequeType, "extend"): _extend,
    (ArrayType, "fill"): _fill,
    (ArrayType, "sum"): _array_sum,
    (ArrayType, "mean"): _array_mean,
    (DictType, "get"): _dict_get,
    (DictType, "setdefault"): _dict_setdefault,
    (DictType, "pop"): _dict_pop,
    (DictType, "clear"): _clear,
}


# --- making lists --------------------------------------------------------------------------------


def list_display(b: Builder, node: ast.List) -> ir.Expr:
    """``[a, b, c]`` made inside a turn."""
    return make_list(b, node, b.sequence(node.elts))


def make_list(b: Builder, node: ast.AST, values: Sequence[ir.Expr]) -> ir.Expr:
    """A new local list of some values."""
    item: Type = NEVER
    for value in values:
        item = join(item, value.type)
    site = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
    item = join(item, b.list_items.get(site, NEVER))
    values = [b.stable(value) for value in values]
    capacity = max(c.LOCAL_CAPACITY, len(values))
    target = b.hole(b.loc(node), ListType(item, capacity))
    target = replace(target, site=site)
    b.block.append(ir.Fresh(b.loc(node), target))
    for value in values:
        mutate(b, node, c.APPEND, target, b.convert(value, item))
    return target


def comprehension(b: Builder, node: ast.ListComp | ast.GeneratorExp) -> ir.Expr:
    """``[f(x) for x in xs if test]`` as a loop that appends."""
    name = b.fresh_name("list")
    element = ast.Call(ast.Attribute(ast.Name(name, ast.Load()), "append", ast.Load()),
                       [node.elt], [])  # fmt: skip
    start = ast.Assign([ast.Name(name, ast.Store())], ast.List([], ast.Load()))
    b.statements([placed(start, node), _loops(b, node, ast.Expr(element))])
    return b.expression(placed(ast.Name(name, ast.Load()), node))


def _loops(b: Builder, node: Any, inner: ast.stmt) -> ast.stmt:
    """The loops of a comprehension around ``inner``, its variables renamed to be its own."""
    for generator in reversed(node.generators):
        for test in reversed(generator.ifs):
            inner = ast.If(test, [inner], [])
        inner = ast.For(generator.target, generator.iter, [inner], [])
    names = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
    renamed = _Rename({name: b.fresh_name(name) for name in names}).visit(_copied(inner))
    return placed(renamed, node)


def _copied(node: Any) -> Any:
    import copy

    return copy.deepcopy(node)


class _Rename(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.copy_location(ast.Name(self.names.get(node.id, node.id), node.ctx), node)


def placed(node: Any, where: ast.AST) -> Any:
    """Gives made-up syntax the place of what it stands for."""
    for part in ast.walk(node):
        if "lineno" in part._attributes and not hasattr(part, "lineno"):
            ast.copy_location(part, where)
    return node


# --- reductions ----------------------------------------------------------------------------------


def reduction(kind: str) -> Callable[[Builder, ast.Call], ir.Expr]:
    """``sum``, ``any``, ``all``, ``min``, ``max`` over an iterable, as a loop."""

    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        if len(node.args) != 1 and not (kind == "sum" and len(node.args) == 2):
            raise OperandError(f"`{kind}` with these arguments does not lower")
        if node.keywords:
            raise OperandError(f"`{kind}` with keyword arguments does not lower")
        source = node.args[0]
        total, item = b.fresh_name(kind), b.fresh_name("item")
        template = _REDUCTIONS[kind].format(total=total, item=item)
        setup, step, after = (_unplaced(text) for text in template.split("---"))
        if kind == "sum" and len(node.args) == 2:
            setup = [ast.Assign([ast.Name(total, ast.Store())], node.args[1])]
        bind = ast.Name(item, ast.Store())
        if isinstance(source, (ast.GeneratorExp, ast.ListComp)):
            inner: list[ast.stmt] = [ast.Assign([bind], source.elt), *step]
            loop = _loops(b, source, ast.If(ast.Constant(True), inner, []))
        else:
            loop = ast.For(bind, source, step, [])
        b.statements([placed(part, node) for part in (*setup, loop, *after)])
        return b.expression(placed(ast.Name(total, ast.Load()), node))

    return rule


def _unplaced(text: str) -> list[ast.stmt]:
    """Statements from text, without positions of their own."""
    tree = ast.parse(text)
    for part in ast.walk(tree):
        for name in ("lineno", "col_offset", "end_lineno", "end_col_offset"):
            if hasattr(part, name):
                delattr(part, name)
    return tree.body


_REDUCTIONS = {
    "sum": "{total} = 0\n---\n{total} = {total} + {item}\n---\n",
    "any": "{total} = False\n---\nif {item}:\n    {total} = True\n    break\n---\n",
    "all": "{total} = True\n---\nif not {item}:\n    {total} = False\n    break\n---\n",
    "min": "{total} = None\n---\nif {total} is None or {item} < {total}:\n    {total} = {item}\n"
    "---\nif {total} is None:\n    raise ValueError\n",
    "max": "{total} = None\n---\nif {total} is None or {item} > {total}:\n    {total} = {item}\n"
    "---\nif {total} is None:\n    raise ValueError\n",
}


# --- what a loop runs over -----------------------------------------------------------------------


@dataclass
class Run:
    """What ``for`` runs over: how many rounds, and the value of each.

    Args:
        length: computed once, before the first round.
        item: the value of a round.
        present: whether a round takes place at all; None: always.
    """

    length: ir.Expr
    item: Callable[[ir.Expr], ir.Expr]
    present: Callable[[ir.Expr], ir.Expr] | None = None


def run_over(b: Builder, node: ast.expr) -> Run:
    """What a loop over ``node`` runs over."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("items", "keys", "values"):
            base = b.evaluate(node.func.value)
            if isinstance(base, ir.Expr) and isinstance(base.type, DictType):
                return _over_dict(b, node, base, node.func.attr)
        callee = b.evaluate(node.func) if isinstance(node.func, ast.Name) else None
        if isinstance(callee, Static) and not node.keywords:
            if callee.value is enumerate and node.args:
                return _enumerate(b, node)
            if callee.value is zip and node.args:
                return _zip(b, node)
            if callee.value is reversed and len(node.args) == 1:
                return _reversed(b, node)
            if callee.value is range:
                return _range(b, node)
    if isinstance(node, ast.GeneratorExp):
        return over(b, node, comprehension(b, node))
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        return over(b, node, sliced(b, node))
    return over(b, node, b.expression(node))


def over(b: Builder, node: ast.expr, value: ir.Expr) -> Run:
    """A loop over a container or tuple."""
    loc = b.loc(node)
    if isinstance(value.type, DictType):
        return _over_dict(b, node, value, "keys")
    if isinstance(value.type, ArrayType) and len(value.type.shape) > 1:
        raise OperandError("a loop over an array of several axes")
    if isinstance(value.type, (ListType, DequeType, ArrayType)):
        place = value if isinstance(value, ir.Local) else b.stable(value)
        type_ = c.item_type(value.type)
        length = op(loc, INT, c.LENGTH, place)
        return Run(length, lambda at: op(loc, type_, c.ITEM, place, at))
    if isinstance(value.type, TupleType):
        return _over_tuple(b, node, value)
    b.fail("PDC021", node, f"a loop over `{ast.unparse(node)}`",
           notes=[f"it is a {value.type}"],
           hint="loop over `range(...)`, a list, deque, dict, array or tuple")  # fmt: skip


def _over_tuple(b: Builder, node: ast.expr, value: ir.Expr) -> Run:
    items = [b.stable(item) for item in items_of(b, value)]
    result: Type = NEVER
    for item in items:
        result = join(result, item.type)
    wide = [b.convert(item, result) for item in items]
    loc = b.loc(node)

    def pick(at: ir.Expr) -> ir.Expr:
        chosen = wide[-1]
        for n in range(len(wide) - 2, -1, -1):
            test = compare(b, "==", at, ir.Const(loc, INT, n))
            chosen = ir.Cond(loc, result, test, wide[n], chosen)
        return chosen

    return Run(ir.Const(loc, INT, len(items)), pick)


def _over_dict(b: Builder, node: ast.expr, base: ir.Expr, what: str) -> Run:
    assert isinstance(base.type, DictType)
    loc, type_ = b.loc(node), base.type

    def item(at: ir.Expr) -> ir.Expr:
        key = op(loc, type_.key, c.KEY, base, at)
        value = op(loc, type_.value, c.VALUE, base, at)
        if what == "items":
            return ir.Tuple(loc, TupleType((type_.key, type_.value)), (key, value))
        return key if what == "keys" else value

    if type_.key == NEVER:
        return Run(ir.Const(loc, INT, 0), lambda at: at)
    length = op(loc, INT, c.SLOTS, base)
    return Run(length, item, lambda at: op(loc, BOOL, c.PRESENT, base, at))


def _enumerate(b: Builder, node: ast.Call) -> Run:
    inner = run_over(b, node.args[0])
    loc = b.loc(node)
    start: ir.Expr = ir.Const(loc, INT, 0)
    if len(node.args) > 1:
        start = b.stable(b.convert(b.expression(node.args[1]), INT))
    if inner.present is not None:
        raise OperandError("`enumerate` over a dict")

    def item(at: ir.Expr) -> ir.Expr:
        number = apply(b, "+", start, at, loc)
        value = inner.item(at)
        return ir.Tuple(loc, TupleType((INT, value.type)), (number, value))

    return Run(inner.length, item)


def _zip(b: Builder, node: ast.Call) -> Run:
    runs = [run_over(b, arg) for arg in node.args]
    loc = b.loc(node)
    if any(run.present is not None for run in runs):
        raise OperandError("`zip` over a dict")
    length = b.stable(runs[0].length)
    for run in runs[1:]:
        other = b.stable(run.length)
        shorter = compare(b, "<", other, length)
        length = b.temporary(ir.Cond(loc, INT, shorter, other, length))

    def item(at: ir.Expr) -> ir.Expr:
        values = tuple(run.item(at) for run in runs)
        return ir.Tuple(loc, TupleType(tuple(v.type for v in values)), values)

    return Run(length, item)


def _reversed(b: Builder, node: ast.Call) -> Run:
    inner = run_over(b, node.args[0])
    if inner.present is not None:
        raise OperandError("`reversed` over a dict")
    loc = b.loc(node)
    last = b.stable(apply(b, "-", inner.length, ir.Const(loc, INT, 1), loc))
    return Run(inner.length, lambda at: inner.item(apply(b, "-", last, at, loc)))


def _range(b: Builder, node: ast.Call) -> Run:
    from pydotcompute.compiler.build_statements import range_bounds

    start, stop, step = (b.stable(part) for part in range_bounds(b, node))
    loc = b.loc(node)
    length = op(loc, INT, RANGE_LENGTH, start, stop, step)
    return Run(b.temporary(length), lambda at: op(loc, INT, RANGE_ITEM, start, at, step))


RANGE_LENGTH = Primitive("range_length", "(i64)pdc_range_length({e}, {0}, {1}, {2})",
                         lambda *bounds: len(range(*bounds)), raises=True)  # fmt: skip
RANGE_ITEM = Primitive("range_item", "(i64)((u64){0} + (u64){1} * (u64){2})",
                       lambda start, at, step: start + at * step)  # fmt: skip


def mutated_names(nodes: Sequence[ast.stmt]) -> set[str]:
    """Names of containers whose length the statements may change."""
    found: set[str] = set()
    for node in nodes:
        for part in ast.walk(node):
            if (
                isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)
                and isinstance(part.func.value, ast.Name)
                and part.func.attr not in ("get", "items", "keys", "values", "fill")
            ):  # fmt: skip
                found.add(part.func.value.id)
            if isinstance(part, ast.Delete):
                found |= {n.id for t in part.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return found


__all__ = ["NONE", "Run", "method", "mutated_names", "over", "run_over", "store", "subscript"]
