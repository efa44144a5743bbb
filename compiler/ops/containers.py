"""Lists, deques, dicts and arrays: their operations as primitives, and how they are reached.

A container is a place: names are bound to it, not to a copy.  What reads it is an expression;
what changes it is a ``Mutate`` statement, which the generated code can undo with its turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from pydotcompute.compiler.ops.operators import Deoptimise, Primitive, suffix
from pydotcompute.compiler.types.limits import has_nan
from pydotcompute.compiler.types.types import (
    ArrayType,
    DequeType,
    DictType,
    ListType,
    Type,
)


def _last(d: dict[Any, Any]) -> int:
    if not d:
        raise KeyError("popitem(): dictionary is empty")
    return len(d) - 1


LENGTH = Primitive("len", "pdc_len({0})", len)
ITEM = Primitive("item", "pdc_item({0}, {1})", lambda xs, at: xs[at])
APPEND = Primitive("append", "pdc_append(pdc_t, {0}, {1})", lambda xs, value: xs.append(value))
APPENDLEFT = Primitive("appendleft", "pdc_appendleft(pdc_t, {0}, {1})",
                       lambda xs, value: xs.appendleft(value))  # fmt: skip
POP = Primitive("pop", "pdc_pop(pdc_t, {0})", lambda xs: xs.pop(), raises=True)
POPLEFT = Primitive("popleft", "pdc_popleft(pdc_t, {0})", lambda xs: xs.popleft(), raises=True)
CLEAR = Primitive("clear", "pdc_clear(pdc_t, {0})", lambda xs: xs.clear())
FILL = Primitive("fill", "pdc_fill(pdc_t, {0}, {1})", lambda xs, value: xs.fill(value))
GET = Primitive("get", "pdc_get({e}, {0}, {1})", lambda xs, at: xs[at], raises=True)
CONTAINS = Primitive("contains", "pdc_contains({0}, {1})", lambda d, key: key in d)
VALUE_OR = Primitive("value_or", "pdc_value_or({0}, {1})", lambda d, key: d.get(key))
TAKE = Primitive("take", "pdc_take(pdc_t, {0}, {1})", lambda d, key: d.pop(key), raises=True)
SLOTS = Primitive("slots", "pdc_slots({0})", len)
PRESENT = Primitive("present", "pdc_present({0}, {1})", lambda d, n: True)
KEY = Primitive("key", "pdc_key({0}, {1})", lambda d, n: list(d)[n])
LAST = Primitive("last", "pdc_last({e}, {0})", _last, raises=True)
VALUE = Primitive("value", "pdc_value({0}, {1})", lambda d, n: list(d.values())[n])


def _set(xs: Any, at: Any, value: Any) -> None:
    if isinstance(xs, dict) and has_nan(at):
        raise Deoptimise("NaN as the key of a dict")
    xs[at] = value


SET = Primitive("set", "pdc_set(pdc_t, {0}, {1}, {2})", _set, raises=True)


def _assign(xs: Any, ys: Any) -> None:
    if isinstance(xs, np.ndarray):
        xs[...] = ys
    else:
        kept = list(ys)
        xs.clear()
        xs.extend(kept)


ASSIGN = Primitive("assign", "pdc_assign(pdc_t, {0}, {1})", _assign)


def axis(size: int) -> Primitive:
    """The place of an index on an axis of an array."""

    def python(index: int) -> int:
        at = index + size if index < 0 else index
        if not 0 <= at < size:
            raise IndexError
        return at

    return Primitive(f"axis{size}", f"pdc_axis({{e}}, {{0}}, {size})", python, raises=True)


def _flat(xs: Any, at: int) -> Any:
    return xs.reshape(-1)[at]


def _set_flat(xs: Any, at: int, value: Any) -> None:
    xs.reshape(-1)[at] = value


ARRAY_ITEM = Primitive("array_item", "pdc_item({0}, {1})", _flat)
ZERO_FIRST = "" if np.signbit(np.full(2, -0.0).sum()) else " + 0"
"""Whether numpy adds to 0.0, which shows in the sum of negative zeros."""

ARRAY_SUM = Primitive("array_sum", f"(pdc_np_sum({{0}}){ZERO_FIRST})", lambda xs: xs.sum())
SET_ITEM = Primitive("set_item", "pdc_set_item(pdc_t, {0}, {1}, {2})", _set_flat, raises=True)


def list_of(source: ListType, target: ListType) -> Primitive:
    """A list as a list of another capacity or item type."""
    convert: Callable[[Any], Any] = float if str(target.item) == "float" else lambda x: x
    return Primitive(
        f"list_of_{source.capacity}_{target.capacity}",
        "pdc_list_of<{type}>({e}, {0})",
        lambda xs: [convert(x) for x in xs],
    )


def item_type(type_: Type) -> Type:
    """The type of the items that iterating over a container gives."""
    if isinstance(type_, DictType):
        return type_.key
    assert isinstance(type_, (ListType, DequeType, ArrayType))
    return type_.item


def with_item(type_: Type, item: Type) -> Type:
    """The container type with other items."""
    if isinstance(type_, ListType):
        return ListType(item, type_.capacity)
    assert isinstance(type_, DequeType)
    return DequeType(item, type_.capacity)


def empty(type_: Type) -> Any:
    """A new Python container of a type."""
    if isinstance(type_, DequeType):
        return deque(maxlen=type_.capacity)
    if isinstance(type_, DictType):
        return {}
    if isinstance(type_, ArrayType):
        return np.zeros(type_.shape, type_.item.dtype)
    return []


__all__ = ["axis", "empty", "item_type", "list_of", "suffix", "with_item"]
