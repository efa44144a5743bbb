"""Containers in the builder: making, indexing and changing them."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.effects import may_raise
from pydotcompute.compiler.irbuild.containers.mutation_guards import after_change, before_change
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError, plain_int, raising
from pydotcompute.compiler.irbuild.core.quasiquote import ROOM, TAG, placed, tagged, unplaced
from pydotcompute.compiler.irbuild.core.scope import Outgrown
from pydotcompute.compiler.irbuild.values.operators import apply, cast_operand
from pydotcompute.compiler.ops import arrays as a
from pydotcompute.compiler.ops import containers as c
from pydotcompute.compiler.ops.primitive import Primitive
from pydotcompute.compiler.types.limits import GROWING_CAPACITY, LOCAL_CAPACITY, is_key
from pydotcompute.compiler.types.types import (
    BOOL,
    CONTAINERS,
    FLOAT,
    INT,
    NEVER,
    WIDE,
    ArrayType,
    DequeType,
    DictType,
    ListType,
    ScalarType,
    SetType,
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
    change = before_change(b, args[0], primitive)
    b.block.append(ir.Mutate(b.loc(node), None, primitive, args))
    after_change(b, args[0], change)


def taken(b: Builder, node: ast.AST, type_: Type, primitive: Primitive, *args: ir.Expr) -> ir.Expr:
    """Changes a container and keeps what that gives."""
    b.effects = True
    target = b.fresh_local(b.loc(node), type_)
    change = before_change(b, args[0], primitive)
    b.block.append(ir.Mutate(b.loc(node), target, primitive, args))
    after_change(b, args[0], change)
    return target


def grown(b: Builder, place: ir.Expr, item: Type, key: Type | None = None) -> Type:
    """The item type of a container that is about to take an ``item``; begins again if it grows.

    Raises:
        Outgrown: it is a parameter, so the caller has to begin again.
    """
    type_ = place.type
    assert isinstance(place, ir.Local), "only named containers change"
    if isinstance(type_, DictType):
        keys = join(type_.key, key or type_.key)
        wide: Type = replace(type_, key=keys, value=join(type_.value, item))
        if not is_key(keys):
            where = type_ if is_key(key or NEVER) else "dict"
            raise OperandError(f"a {key} as key of a {where}")
        if isinstance(item, CONTAINERS):
            raise OperandError("containers inside containers cannot be compiled")
        old = type_.value
    elif isinstance(type_, ArrayType):
        return type_.item
    else:
        old = c.item_type(type_)
        wide = c.with_item(type_, join(old, item))
        if isinstance(wide, SetType) and not is_key(wide.item):
            raise OperandError(f"a {item} as item of a {type_ if is_key(item) else 'set'}")
    if wide != type_:
        if place.origin is not None:
            b.widen_container(place.origin, wide)
        if place.site is not None:
            b.widen_list(place.site, item)
        if place.name in b.borrowed:
            raise Outgrown(b.borrowed[place.name], item, key)
        raise OperandError(f"a {type_} takes no {item}")
    return old


def subscript(b: Builder, node: ast.Subscript, base: ir.Expr) -> ir.Expr:
    """``base[index]`` of a container."""
    loc = b.loc(node)
    (base,), index = b.before([base], lambda: indices(b, node, base.type))
    if isinstance(base.type, ArrayType):
        return op(loc, base.type.item, a.ARRAY_ITEM, base, array_place(b, node, base.type, index))
    if isinstance(base.type, DictType):
        if base.type.missing is not None:
            return _item_or_default(b, node, base, index[0])
        if base.type.key == NEVER:
            return raising(loc, NEVER, "PDC_DEOPT_TYPE")  # nothing is ever put into it
        key = key_in(b, index[0], base.type)
        return op(loc, base.type.value, c.GET, base, key)
    if isinstance(base.type, SetType):
        raise OperandError("a set has no items by index")
    return op(loc, c.item_type(base.type), c.GET, base, b.convert(plain_int(index[0]), INT))


def _item_or_default(b: Builder, node: ast.Subscript, base: ir.Expr, key: ir.Expr) -> ir.Expr:
    """``counts[key]``: of a ``Counter``, 0 for a missing key; a ``defaultdict`` inserts it."""
    assert isinstance(base.type, DictType)
    loc, missing = b.loc(node), base.type.missing
    if missing is Counter:
        if base.type.key == NEVER:
            b.dropped(key)
            return ir.Const(loc, INT, 0)
        key = key_in(b, key, base.type)
        if base.type.value == INT:
            return op(loc, INT, c.COUNT, base, key)
        key, result = b.duplicable(key), join(base.type.value, INT)
        value = b.convert(op(loc, base.type.value, c.VALUE_OR, base, key), result)
        zero = b.convert(ir.Const(loc, INT, 0), result)
        return ir.Cond(loc, result, op(loc, BOOL, c.CONTAINS, base, key), value, zero)
    assert missing is not None
    default = b.constant(missing(), loc)
    assert isinstance(default, ir.Expr)
    if isinstance(base, ir.Local) and base.part:
        refuse_change(b, base)
    grown(b, base, default.type, key.type)
    key = b.duplicable(key_in(b, key, base.type))
    return taken(b, node, base.type.value, c.OBTAIN, base, key,
                 b.convert(default, base.type.value))  # fmt: skip


def indices(b: Builder, node: ast.Subscript, type_: Type) -> list[ir.Expr]:
    """What stands between the brackets; of an array, an index for each axis."""
    if not isinstance(type_, ArrayType):
        return [b.expression(node.slice)]
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if any(isinstance(part, ast.Slice) for part in parts) or len(parts) != len(type_.shape):
        raise OperandError("an array is indexed with one int for each axis")
    found = b.sequence(parts)
    # All of them are there before the first is held against its axis.
    return found if len(found) == 1 else [b.forced(index) for index in found]


def key_in(b: Builder, key: ir.Expr, type_: Type) -> ir.Expr:
    """A key as the keys of a dict or set are, if that leaves it equal to itself."""
    wanted = c.item_type(type_)
    if _rounds(key, wanted):
        raise OperandError(f"{key.type} looked up among keys of type {wanted}")
    return b.convert(key, wanted)


def _rounds(key: ir.Expr, wanted: Type) -> bool:
    if isinstance(key.type, TupleType) and isinstance(wanted, TupleType):
        parts = key.items if isinstance(key, ir.Tuple) else [
            ir.Item(key.loc, type_, key, n) for n, type_ in enumerate(key.type.items)
        ]  # fmt: skip
        return any(map(_rounds, parts, wanted.items))
    small = isinstance(key, ir.Const) and type(key.value) is int and abs(key.value) <= 2**53
    return wanted == FLOAT and key.type in (INT, WIDE) and not small


def array_place(b: Builder, node: ast.AST, type_: ArrayType,
                found: Sequence[ir.Expr]) -> ir.Expr:  # fmt: skip
    """The flat place of ``array[i, j]``; each index is checked on its own axis."""
    loc = b.loc(node)
    place: ir.Expr | None = None
    for index, size in zip(found, type_.shape, strict=True):
        index = b.convert(plain_int(index), INT)
        at = op(loc, INT, a.axis(size), index)
        if place is None:
            place = at
        else:
            scaled = apply(b, "*", place, ir.Const(loc, INT, size), loc)
            place = apply(b, "+", scaled, at, loc)
    assert place is not None
    return place


def refuse_change(b: Builder, base: ir.Expr) -> NoReturn:
    """Of a container that compiled code has a copy of, where Python has the very one."""
    if b.aliased(base):
        raise OperandError("one of several containers changes; write an `if`, with a change for "
                           "each of them")  # fmt: skip
    raise OperandError("a container that is part of a message does not change")


def store(b: Builder, target: ast.Subscript, value: ir.Expr) -> None:
    """``base[index] = value``: the value is there before the index."""
    if isinstance(target.slice, ast.Slice):
        raise OperandError("a slice is assigned")
    (value,), base = b.before([value], lambda: b.expression(target.value))
    if not isinstance(base, ir.Local) or not isinstance(base.type, CONTAINERS):
        raise OperandError(f"an item of {base.type} is assigned")
    if base.part:
        refuse_change(b, base)
    (value,), index = b.before([value], lambda: indices(b, target, base.type))
    if any(map(may_raise, index)):
        value = b.forced(value)
    if isinstance(base.type, ArrayType):
        place = array_place(b, target, base.type, index)
        mutate(b, target, a.SET_ITEM, base, place, array_value(b, value, base.type.item))
    elif isinstance(base.type, SetType):
        raise OperandError("an item of a set is assigned")
    elif isinstance(base.type, DictType):
        grown(b, base, value.type, index[0].type)
        key, item = key_in(b, index[0], base.type), b.convert(value, base.type.value)
        mutate(b, target, c.SET, base, key, item)
    else:
        grown(b, base, value.type)
        item = b.convert(value, c.item_type(base.type))
        mutate(b, target, c.SET, base, b.convert(plain_int(index[0]), INT), item)


def array_value(b: Builder, value: ir.Expr, item: ScalarType) -> ir.Expr:
    """A value as numpy stores it into an array: any number, cast."""
    if value.type == item:
        return value
    if value.type == FLOAT and not item.is_float:
        raise OperandError(f"a float is stored into {item}, which truncates")
    if isinstance(value.type, ScalarType) and not (item.is_float or not value.type.is_float):
        raise OperandError(f"a {value.type} is stored into {item}, which truncates")
    return b.split(value, lambda part: cast_operand(b, part, item))


Method = Callable[[Builder, ast.Call, ir.Expr], ir.Expr]


READING = frozenset(
    "get index count copy sum mean var std max min argmax argmin any all cumsum flatten "
    "astype".split()
)
"""Methods that change nothing, of a container that is part of a message as well."""

_WITH_KEYWORDS = frozenset({"sort", "update", "var", "std"})


def method(b: Builder, node: ast.Call, base: ir.Expr, name: str) -> ir.Expr:
    """``base.name(...)`` of a container."""
    rule = METHODS.get((type(base.type), name))
    if rule is None or (node.keywords and name not in _WITH_KEYWORDS):
        raise OperandError(f"{base.type} has no method {name!r} that lowers")
    known = isinstance(base, ir.Local) and (
        base.origin or base.site or (base.name in b.borrowed and not base.part)
    )  # fmt: skip
    if not known and name not in READING:
        refuse_change(b, base)
    return rule(b, node, base)


def make_room(b: Builder, node: ast.AST, base: ir.Expr) -> None:
    """A list of the state is about to grow: one that also shrinks gets room; any other never ends
    to grow.  So it is with a deque that has no bound."""
    origin, type_ = base.origin if isinstance(base, ir.Local) else None, base.type
    if origin is None or not c.may_fill(type_):
        return
    assert isinstance(type_, (ListType, DequeType))
    if origin in b.unit.shrinking:
        if type_.capacity < GROWING_CAPACITY:
            b.widen_container(origin, replace(type_, capacity=GROWING_CAPACITY))
    else:
        kind = "list" if isinstance(type_, ListType) else "deque"
        b.fail("PDC106", node, f"a {kind} of the state grows without a bound",
               notes=["compiled state has a fixed size"],
               hint="use collections.deque(maxlen=n)")  # fmt: skip


def _adder(primitive: Primitive) -> Method:
    def rule(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
        make_room(b, node, base)
        (value,) = b.sequence(node.args)
        grown(b, base, value.type)
        mutate(b, node, primitive, base, b.convert(value, c.item_type(base.type)))
        return ir.none(b.loc(node))

    return rule


def _taker(primitive: Primitive) -> Method:
    def rule(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
        if node.args:
            raise OperandError("`pop` at an index cannot be compiled")
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


def _dict_get(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    assert isinstance(base.type, DictType)
    key, *rest = b.sequence(node.args)
    default = rest[0] if rest else ir.none(b.loc(node))
    if base.type.key == NEVER:
        return b.picked([key, default], 1)
    loc = b.loc(node)
    key, default = b.duplicable(key_in(b, key, base.type)), b.forced(default)
    value = op(loc, base.type.value, c.VALUE_OR, base, key)
    result = join(base.type.value, default.type)
    present = op(loc, BOOL, c.CONTAINS, base, key)
    return ir.Cond(loc, result, present, b.convert(value, result), b.convert(default, result))


def _dict_setdefault(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    assert isinstance(base.type, DictType)
    key, value = b.sequence(node.args)
    grown(b, base, value.type, key.type)
    key, value = b.duplicable(key_in(b, key, base.type)), b.forced(value)
    return taken(b, node, base.type.value, c.OBTAIN, base, key, b.convert(value, base.type.value))


def _dict_pop(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    assert isinstance(base.type, DictType)
    key, *rest = b.sequence(node.args)
    loc = b.loc(node)
    if base.type.key == NEVER:
        if rest:
            return b.picked([key, rest[0]], 1)
        raise OperandError("nothing was put into the dict")
    key = b.duplicable(key_in(b, key, base.type))
    if not rest:
        return taken(b, node, base.type.value, c.TAKE, base, key)
    default = b.duplicable(rest[0])
    result = join(base.type.value, default.type)
    target = b.fresh_local(loc, result)
    type_ = base.type

    def take() -> None:
        value = taken(b, node, type_.value, c.TAKE, base, key)
        b.block.append(ir.Assign(loc, target, b.convert(value, result)))

    _, then = b.branch(dict(b.env or {}), take)
    orelse = (ir.Assign(loc, target, b.convert(default, result)),)
    b.block.append(ir.If(loc, op(loc, BOOL, c.CONTAINS, base, key), tuple(then), orelse))
    return target


METHODS: dict[tuple[type[Type], str], Method] = {
    (ListType, "append"): _adder(c.APPEND),
    (ListType, "clear"): _clear,
    (ListType, "extend"): _extend,
    (DequeType, "append"): _adder(c.APPEND),
    (DequeType, "appendleft"): _adder(c.APPENDLEFT),
    (DequeType, "pop"): _taker(c.POP),
    (DequeType, "popleft"): _taker(c.POPLEFT),
    (DequeType, "clear"): _clear,
    (DequeType, "extend"): _extend,
    (ArrayType, "fill"): _fill,
    (DictType, "get"): _dict_get,
    (DictType, "setdefault"): _dict_setdefault,
    (DictType, "pop"): _dict_pop,
    (DictType, "clear"): _clear,
    (SetType, "clear"): _clear,
}


def joined_lists(b: Builder, node: ast.AST, left: ir.Expr, right: ir.Expr) -> ir.Expr:
    """``xs + ys``: a new list."""
    names = []
    for value in (left, right):
        names.append(b.fresh_name("part"))
        b.bind(names[-1], value)
    whole = b.fresh_name("list")
    text = f"{whole}.extend({names[0]})\n{whole}.extend({names[1]})\n"
    start = ast.Assign([ast.Name(whole, ast.Store())], tagged(ast.List([], ast.Load()), "sum"))
    b.statements([placed(statement, node) for statement in (start, *unplaced(text))])
    return b.expression(placed(ast.Name(whole, ast.Load()), node))


def list_display(b: Builder, node: ast.List) -> ir.Expr:
    """``[a, b, c]`` made inside a turn."""
    return make_list(b, node, b.sequence(node.elts))


def room_of(value: ir.Expr | Type) -> int:
    """How many items a list or deque has room for; 0 for what is neither."""
    return c.room_of(value.type if isinstance(value, ir.Expr) else value)


def make_list(b: Builder, node: ast.AST, values: Sequence[ir.Expr]) -> ir.Expr:
    """A new local list of some values."""
    item: Type = NEVER
    for value in values:
        item = join(item, value.type)
    site = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0), getattr(node, TAG, ""))
    item = join(item, b.facts.list_items.get(site, NEVER))
    values = [b.duplicable(value) for value in values]
    room = min(getattr(node, ROOM, 0), GROWING_CAPACITY)
    capacity = max(LOCAL_CAPACITY, len(values), room)
    target = b.fresh_local(b.loc(node), ListType(item, capacity))
    target = replace(target, site=site)
    b.block.append(ir.Fresh(b.loc(node), target))
    for value in values:
        mutate(b, node, c.APPEND, target, b.convert(value, item))
    return target
