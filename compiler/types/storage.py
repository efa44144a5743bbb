"""Python values in records and back: how each type of compiled code lies in memory.

``storage(type)`` is the numpy record of a local of that type, the same as the generated C struct;
``store`` writes a Python value into a field of such a record, ``load`` reads it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from pydotcompute.compiler.types import message_schema as schemas
from pydotcompute.compiler.types.atoms import ATOMS
from pydotcompute.compiler.types.int_ranges import INT_MAX, INT_MIN
from pydotcompute.compiler.types.limits import DICT_CAPACITY, has_nan
from pydotcompute.compiler.types.missing import MISSING
from pydotcompute.compiler.types.shared_nan import share_nans, shared_nan
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.compiler.types.types import (
    BOOL,
    CONTAINERS,
    FLOAT,
    INT,
    NEVER,
    NONE,
    STR,
    TEXT,
    UNBOUND,
    WIDE,
    ArrayType,
    AtomType,
    DequeType,
    DictType,
    EnumType,
    ListType,
    LiteralType,
    MessageType,
    ObjectType,
    OptionalType,
    ScalarType,
    SetType,
    SnapshotType,
    TupleType,
    Type,
    UnionType,
)


@cache
def storage(type_: Type) -> np.dtype[Any]:
    """The record of a local of any type, laid out as the generated C struct."""
    if type_ in (NONE, UNBOUND, NEVER):
        return np.dtype("u1")
    if type_ == TEXT or isinstance(type_, SnapshotType):
        return np.dtype("<u8")
    if isinstance(type_, ObjectType):
        return np.dtype("u1")
    if type_ == WIDE:
        return np.dtype([("lo", "<u8"), ("hi", "<i8")], align=True)
    if isinstance(type_, ArrayType):
        return np.dtype((type_.item.dtype, (int(np.prod(type_.shape)),)))
    if isinstance(type_, ListType):
        items = (storage(type_.item), (type_.capacity,))
        return np.dtype([("size", "<u4"), ("items", *items)], align=True)
    if isinstance(type_, DequeType):
        items = (storage(type_.item), (type_.capacity,))
        return np.dtype([("start", "<u4"), ("size", "<u4"), ("items", *items)], align=True)
    if isinstance(type_, DictType):
        return _dict_storage(type_)
    if isinstance(type_, SetType):
        return _dict_storage(type_.entries)
    if isinstance(type_, UnionType):
        fields: list[tuple[str, Any]] = [("tag", "<u4")]
        fields += [(f"v{n}", storage(member)) for n, member in enumerate(type_.members)]
        return np.dtype(fields, align=True)
    if isinstance(type_, TupleType):
        fields = [(f"v{n}", storage(item)) for n, item in enumerate(type_.items)]
        return np.dtype(fields or [("empty", "u1")], align=True)
    return schemas.record_dtype(type_)


def _dict_storage(type_: DictType) -> np.dtype[Any]:
    entry = np.dtype([("key", storage(type_.key)), ("value", storage(type_.value)),
                      ("present", "<u4")], align=True)  # fmt: skip
    return np.dtype([
        ("used", "<u4"), ("live", "<u4"), ("indexed", "<u4"), ("unused", "<u4"),
        ("entries", entry, (DICT_CAPACITY,)), ("index", "<u2", (2 * DICT_CAPACITY,)),
    ], align=True)  # fmt: skip


@cache
def holds_strings(type_: Type) -> bool:
    """Whether a value of a type is, or may hold, a string."""
    if isinstance(type_, (OptionalType, ListType, DequeType, SetType)):
        return holds_strings(type_.item)
    if isinstance(type_, DictType):
        return holds_strings(type_.key) or holds_strings(type_.value)
    if isinstance(type_, UnionType):
        return any(map(holds_strings, type_.members))
    if isinstance(type_, TupleType):
        return any(map(holds_strings, type_.items))
    if isinstance(type_, LiteralType):
        return holds_strings(type_.base)
    if isinstance(type_, MessageType):
        return any(holds_strings(f.type) for f in schemas.schema_of(type_.cls).fields)
    return type_ in (STR, TEXT)


def store(record: Any, name: Any, type_: Type, value: Any) -> None:
    """Writes a value into field ``name`` of a record.

    Raises:
        TypeError: the value is not of that type.
    """
    if type_ in (NONE, UNBOUND, NEVER) or isinstance(type_, ObjectType):
        return
    if isinstance(type_, CONTAINERS):
        _store_container(record, name, type_, value)
    elif isinstance(type_, UnionType):
        index = _member(type_, value)
        record[name]["tag"] = index
        store(record[name], f"v{index}", type_.members[index], value)
    elif isinstance(type_, TupleType):
        for n, item in enumerate(type_.items):
            store(record[name], f"v{n}", item, value[n])
    elif isinstance(type_, MessageType):
        _store_message(record[name], type_, value)
    elif isinstance(type_, OptionalType):
        record[name]["present"] = value is not None
        if value is not None:
            store(record[name], "value", type_.item, value)
    elif isinstance(type_, LiteralType):
        store(record, name, type_.base, value)
    elif isinstance(type_, AtomType):
        ATOMS[type_].store(record[name], value)
    elif type_ == WIDE:
        record[name]["hi"], record[name]["lo"] = value >> 64, value & (2**64 - 1)
    elif isinstance(type_, EnumType):
        record[name] = type_.members.index(value)
    elif type_ == STR:
        STRINGS.store(record, name, value)
    else:
        record[name] = value


def _store_container(record: Any, name: str, type_: Type, value: Any) -> None:
    if isinstance(type_, ArrayType):
        if not isinstance(value, np.ndarray) or (value.shape, value.dtype) != (
            type_.shape, type_.item.dtype,
        ):  # fmt: skip
            raise TypeError(f"{value!r} is no {type_}")
        record[name] = value.reshape(-1)
        return
    if not isinstance(value, python_class(type_)):
        raise TypeError(f"{value!r} is no {type_}")
    view = record[name]
    if isinstance(type_, SetType):
        type_, value = type_.entries, dict.fromkeys(value)
    if isinstance(type_, DictType):
        if len(value) > DICT_CAPACITY:
            raise TypeError(f"a dict or set of {len(value)} entries is no {type_}")
        view["used"] = view["live"] = len(value)
        view["indexed"] = 0
        if any(map(has_nan, value)):
            raise TypeError("a dict or set with NaN among its keys has no compiled form")
        for at, (key, item) in enumerate(value.items()):
            entry = view["entries"][at]
            store(entry, "key", type_.key, key)
            store(entry, "value", type_.value, item)
            entry["present"] = 1
        return
    assert isinstance(type_, (ListType, DequeType))
    if len(value) > type_.capacity or not _has_bound(value, type_):
        raise TypeError(f"{value!r} is no {type_}")
    view["size"] = len(value)
    if isinstance(type_, DequeType):
        view["start"] = 0
    if type_.item in _NUMBERS:
        view["items"][: len(value)] = value
        return
    for at, item in enumerate(value):
        store(view["items"], at, type_.item, item)


def _has_bound(value: Any, type_: ListType | DequeType) -> bool:
    """Whether a deque drops items where its type says so; a list never does."""
    return isinstance(type_, ListType) or bool(value.maxlen == type_.maxlen)


_NUMBERS = (BOOL, INT, FLOAT)


def python_class(type_: Type) -> Any:
    """The class of the values of a type of containers."""
    if isinstance(type_, (DictType, SetType)):
        return type_.cls
    return {ListType: list, DequeType: deque, ArrayType: np.ndarray}[type(type_)]


def made_dict(type_: DictType, items: dict[Any, Any]) -> Any:
    """A dict of a type, of the items of another one."""
    if type_.missing is None:
        return items
    return defaultdict(type_.missing, items) if type_.cls is defaultdict else type_.cls(items)


def _load_container(stored: Any, type_: Type) -> Any:
    if isinstance(type_, ArrayType):
        return np.array(stored, type_.item.dtype).reshape(type_.shape)
    if isinstance(type_, SetType):
        return type_.cls(_load_container(stored, type_.entries))
    if isinstance(type_, DictType):
        entries = stored["entries"][: int(stored["used"])]
        entries = entries[entries["present"] != 0]
        keys, values = _load_many(entries["key"], type_.key), entries["value"]
        made = dict(zip(keys, _load_many(values, type_.value), strict=True))
        return made_dict(type_, made)
    assert isinstance(type_, (ListType, DequeType))
    size, items = int(stored["size"]), stored["items"]
    if isinstance(type_, DequeType):
        start = int(stored["start"])
        places = (start + np.arange(size)) % type_.capacity
        return deque(_load_many(items[places], type_.item), type_.maxlen)
    return _load_many(items[:size], type_.item)


def _load_many(stored: Any, type_: Type) -> list[Any]:
    """The values of an array of records of one type."""
    if type_ in _NUMBERS:
        values: list[Any] = stored.tolist()
        return share_nans(values) if type_ == FLOAT else values
    if type_ == STR:
        return [STRINGS.text(number) for number in stored.tolist()]
    return [load(each, type_) for each in stored]


def _store_message(record: Any, type_: MessageType, value: Any) -> None:
    if type(value) is not type_.cls:
        raise TypeError(f"{value!r} is no {type_}")
    for field in schemas.schema_of(type_.cls).fields:
        held = getattr(value, field.name)
        if not _is_taken(held, field.type):
            raise TypeError(f"{held!r} is nothing for the field {field.name} of {type_}")
        store(record, field.name, field.type, held)


def _is_taken(value: Any, type_: Type) -> bool:
    """Whether a field takes a value, which nobody has asked before the message is sent."""
    if isinstance(type_, OptionalType):
        return value is None or _is_taken(value, type_.item)
    if isinstance(type_, LiteralType):
        return _is_taken(value, type_.base) and value in type_.values
    if isinstance(type_, ListType):
        return type(value) is list and all(_is_taken(item, type_.item) for item in value)
    if type_ == FLOAT:
        return type(value) in (float, int, bool)
    if type_ == INT:
        return type(value) in (int, bool)
    if isinstance(type_, ScalarType) and not is_of(value, type_):
        kinds = {"b": (bool,), "f": (float, int, bool)}.get(type_.dtype.kind, (int, bool))
        return type(value) in kinds and not _overflows(value, type_)
    return isinstance(type_, ArrayType) or is_of(value, type_)


def _overflows(value: Any, type_: ScalarType) -> bool:
    """Whether a finite number is an infinity in a type of floats."""
    if not type_.is_float or not abs(value) <= _LARGEST:
        return False
    with np.errstate(over="ignore"):
        return bool(np.isinf(type_.dtype.type(value)))


def _load_message(stored: Any, type_: MessageType) -> Any:
    message: Any = object.__new__(type_.cls)
    for field in schemas.schema_of(type_.cls).fields:
        object.__setattr__(message, field.name, load(stored[field.name], field.type))
    return message


def _member(type_: UnionType, value: Any) -> int:
    """The member of a union that a value is."""
    for index, member in enumerate(type_.members):
        if is_of(value, member):
            return index
    raise TypeError(f"{value!r} is no {type_}")


_LARGEST = float(np.finfo(np.float64).max)

_CLASSES: dict[Type, type] = {
    BOOL: bool, INT: int, WIDE: int, FLOAT: float, STR: str, NONE: type(None),
}  # fmt: skip


def is_of(value: Any, type_: Type) -> bool:
    """Whether a Python value is of a type of compiled code, exactly."""
    if value is MISSING:
        return type_ == UNBOUND
    if isinstance(type_, ObjectType):
        return value is type_.value
    if isinstance(type_, ScalarType):
        return isinstance(value, np.generic) and value.dtype == type_.dtype
    if isinstance(type_, (AtomType, EnumType, MessageType)):
        return type(value) is type_.cls
    if isinstance(type_, TupleType):
        return type(value) is tuple and len(value) == len(type_.items) and all(
            is_of(item, part) for item, part in zip(value, type_.items, strict=True)
        )  # fmt: skip
    if isinstance(type_, UnionType):
        return any(is_of(value, member) for member in type_.members)
    if isinstance(type_, CONTAINERS):
        return _is_container(value, type_)
    if type_ == INT:
        return type(value) is int and INT_MIN <= value <= INT_MAX
    return type(value) is _CLASSES.get(type_)


def _is_container(value: Any, type_: Type) -> bool:
    if isinstance(type_, ArrayType):
        wanted = (type_.shape, type_.item.dtype)
        return isinstance(value, np.ndarray) and (value.shape, value.dtype) == wanted
    if type(value) is not python_class(type_):
        return False
    if isinstance(type_, DictType):
        if isinstance(value, defaultdict) and value.default_factory is not type_.missing:
            return False
        return all(is_of(k, type_.key) and is_of(v, type_.value) for k, v in value.items())
    if isinstance(type_, SetType):
        return all(is_of(item, type_.item) for item in value)
    assert isinstance(type_, (ListType, DequeType))
    return _has_bound(value, type_) and all(is_of(item, type_.item) for item in value)


@cache
def decoder(type_: Type) -> Callable[[Any], Any] | None:
    """What makes a Python value of ``storage(type_)`` as ``numpy.ndarray.item`` gives it.

    Returns:
        The function; None for types that only ``load`` reads.
    """
    if type_ in (BOOL, INT, FLOAT, TEXT):
        return _same
    if type_ == NONE:
        return lambda _: None
    if type_ == STR:
        return STRINGS.text
    if isinstance(type_, ScalarType):
        return type_.dtype.type
    if isinstance(type_, EnumType):
        return type_.members.__getitem__
    if isinstance(type_, LiteralType):
        return decoder(type_.base)
    if isinstance(type_, (TupleType, UnionType)):
        parts = [decoder(t) for t in (
            type_.items if isinstance(type_, TupleType) else type_.members)]  # fmt: skip
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        if isinstance(type_, UnionType):
            return lambda item: known[item[0]](item[item[0] + 1])
        return lambda item: tuple([part(v) for part, v in zip(known, item, strict=False)])
    return None


def _same(value: Any) -> Any:
    return value


def load(stored: Any, type_: Type) -> Any:
    """The Python value in a record of ``storage(type_)``; ``MISSING`` for a name not bound."""
    if type_ == UNBOUND:
        return MISSING
    if isinstance(type_, ObjectType):
        return type_.value
    if type_ == NONE:
        return None
    if isinstance(type_, CONTAINERS):
        return _load_container(stored, type_)
    if isinstance(type_, UnionType):
        index = int(stored["tag"])
        return load(stored[f"v{index}"], type_.members[index])
    if isinstance(type_, TupleType):
        return tuple(load(stored[f"v{n}"], item) for n, item in enumerate(type_.items))
    if isinstance(type_, EnumType):
        return type_.members[int(stored)]
    if type_ == STR:
        return STRINGS.text(int(stored))
    if isinstance(type_, ScalarType):
        return type_.dtype.type(stored)
    if isinstance(type_, MessageType):
        return _load_message(stored, type_)
    if isinstance(type_, OptionalType):
        return load(stored["value"], type_.item) if stored["present"] else None
    if isinstance(type_, LiteralType):
        return load(stored, type_.base)
    if type_ == WIDE:
        return int(stored["hi"]) << 64 | int(stored["lo"])
    if isinstance(type_, AtomType):
        return ATOMS[type_].load(stored)
    value = stored.item()
    return shared_nan(value) if type_ == FLOAT and value != value else value
