"""Lists, deques, dicts and arrays: their operations as primitives, and how they are reached.

A container is a place: names are bound to it, not to a copy.  What reads it is an expression;
what changes it is a ``Mutate`` statement, which the generated code can undo with its turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pydotcompute.compiler.ops.primitive import Deoptimise, Primitive, mutating, raising
from pydotcompute.compiler.types.limits import GROWING_CAPACITY, has_nan
from pydotcompute.compiler.types.storage import made_dict
from pydotcompute.compiler.types.types import (
    ArrayType,
    DequeType,
    DictType,
    ListType,
    SetType,
    Type,
)


def _last(d: dict[Any, Any]) -> int:
    if not d:
        raise KeyError("popitem(): dictionary is empty")
    return len(d) - 1


LENGTH = Primitive("len", len)
ITEM = Primitive("item", lambda xs, at: xs[at])
APPEND = mutating("append", lambda xs, value: xs.append(value))
APPENDLEFT = mutating("appendleft", lambda xs, value: xs.appendleft(value))
POP = mutating("pop", lambda xs: xs.pop(), raises=True)
POPLEFT = mutating("popleft", lambda xs: xs.popleft(), raises=True)
CLEAR = mutating("clear", lambda xs: xs.clear())
FILL = mutating("fill", lambda xs, value: xs.fill(value))
GET = raising("get", lambda xs, at: xs[at])
CONTAINS = Primitive("contains", lambda d, key: key in d)
VALUE_OR = Primitive("value_or", lambda d, key: d.get(key))
COUNT = Primitive("count_of", lambda d, key: d.get(key, 0))
"""An item of a ``Counter`` of ints: 0 if it is not there, and nothing is inserted."""
TAKE = mutating("take", lambda d, key: d.pop(key), raises=True)
SLOTS = Primitive("slots", len)
PRESENT = Primitive("present", lambda d, n: True)
KEY = Primitive("key", lambda d, n: list(d)[n])
LAST = raising("last", _last)
VALUE = Primitive("value", lambda d, n: list(d.values())[n])


def _set(xs: Any, at: Any, value: Any) -> None:
    if isinstance(xs, dict) and has_nan(at):
        raise Deoptimise("NaN as the key of a dict")
    xs[at] = value


SET = mutating("set", _set, raises=True)


def _obtain(d: dict[Any, Any], key: Any, value: Any) -> Any:
    if has_nan(key):
        raise Deoptimise("NaN as the key of a dict")
    return d.setdefault(key, value)


OBTAIN = mutating("obtain", _obtain)
"""An item of a dict, which is inserted with this value if it is not there."""


def _include(items: set[Any], item: Any) -> None:
    if has_nan(item):
        raise Deoptimise("NaN in a set")
    items.add(item)


def _discard(items: Any, item: Any) -> None:
    if isinstance(items, set):
        items.discard(item)
    else:
        items.pop(item, None)


INCLUDE = mutating("include", _include)
DISCARD = mutating("discard", _discard)
REMOVE = mutating("remove", lambda items, item: items.remove(item), raises=True)
"""Of sets: with an item, without it, and without one that has to be there; ``DISCARD`` also of a
``Counter``."""


def _assign(xs: Any, ys: Any) -> None:
    if isinstance(xs, np.ndarray):
        xs[...] = ys
    else:
        kept = list(ys)
        xs.clear()
        xs.extend(kept)


ASSIGN = mutating("assign", _assign)


def _exchange(xs: Any, ys: Any) -> None:
    if isinstance(xs, np.ndarray):
        xs[...], ys[...] = ys.copy(), xs.copy()
        return
    kept = xs.copy(), ys.copy()
    for place, new in zip((ys, xs), kept, strict=True):
        place.clear()
        place.update(new) if isinstance(place, (dict, set)) else place.extend(new)


EXCHANGE = Primitive("exchange", _exchange, deoptimises=True, mutates=True, both=True)
"""The contents of two containers of one type change places."""


def _sort(values: list[Any], reverse: bool) -> None:
    if any(value != value for value in values):
        raise Deoptimise("NaN among sorted values")
    values.sort(reverse=reverse)


SORT = mutating("sort", _sort)
"""Of numbers, where they are; ``reverse`` is the second operand."""


def list_of(source: ListType, target: ListType) -> Primitive:
    """A list as a list of another capacity or item type."""
    convert: Callable[[Any], Any] = float if str(target.item) == "float" else lambda x: x
    return Primitive("list_of", lambda xs: [convert(x) for x in xs], deoptimises=True,
                     given=(source.capacity, target.capacity))  # fmt: skip


def item_type(type_: Type) -> Type:
    """The type of the items that iterating over a container gives."""
    if isinstance(type_, DictType):
        return type_.key
    assert isinstance(type_, (ListType, DequeType, SetType, ArrayType))
    return type_.item


def with_item(type_: Type, item: Type) -> Type:
    """The container type with other items."""
    assert isinstance(type_, (ListType, DequeType, SetType))
    return replace(type_, item=item)


def may_fill(type_: Type) -> bool:
    """Whether there may be no room for one more item: a deque with a bound drops another."""
    return isinstance(type_, ListType) or (isinstance(type_, DequeType) and not type_.bounded)


def room_of(type_: Type) -> int:
    """How many items a list needs room for that takes those of a list, deque or set; else 0."""
    if isinstance(type_, SetType):
        return GROWING_CAPACITY
    return type_.capacity if isinstance(type_, (ListType, DequeType)) else 0


def empty(type_: Type) -> Any:
    """A new Python container of a type."""
    if isinstance(type_, DequeType):
        return deque(maxlen=type_.maxlen)
    if isinstance(type_, DictType):
        return made_dict(type_, {})
    if isinstance(type_, SetType):
        return type_.cls()
    if isinstance(type_, ArrayType):
        return np.zeros(type_.shape, type_.item.dtype)
    return []
