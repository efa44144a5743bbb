"""The state of an actor: types of its variables, their record, and the way in and out of it.

Input: the values that the prologue left (``of_value``).  Output: ``StateLayout``, which packs a
dict of Python values into the record that compiled code works on, and unpacks it again.
"""

from __future__ import annotations

import enum
import logging
import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from struct import Struct
from typing import Any

import numpy as np

from pydotcompute.compiler.types import message_schema as schemas
from pydotcompute.compiler.types.atoms import BY_CLASS
from pydotcompute.compiler.types.int_ranges import int_type
from pydotcompute.compiler.types.limits import (
    DICT_CAPACITY,
    GROWING_CAPACITY,
    STATE_LIST_CAPACITY,
    is_key,
)
from pydotcompute.compiler.types.missing import MISSING
from pydotcompute.compiler.types.shared_nan import shared_nan
from pydotcompute.compiler.types.storage import is_of, load, storage, store
from pydotcompute.compiler.types.types import (
    BOOL,
    CONTAINERS,
    FLOAT,
    INT,
    NEVER,
    NONE,
    STR,
    ArrayType,
    DequeType,
    DictType,
    EnumType,
    ListType,
    MessageType,
    ObjectType,
    ScalarType,
    SetType,
    TupleType,
    Type,
    UnsupportedTypeError,
    in_body,
    is_number,
    join,
    members_of,
)

_PLAIN: dict[type, Type] = {
    bool: BOOL, float: FLOAT, str: STR, type(None): NONE,
}  # fmt: skip

_FORMATS: dict[Type, tuple[Struct, type]] = {
    INT: (Struct("<q"), int), FLOAT: (Struct("<d"), float), BOOL: (Struct("?"), bool),
}  # fmt: skip
"""Types whose values ``struct`` reads and writes, and their classes."""

_ADDED_TO = (r"\b(\w+)\s*(?:\[[^=]*\]\s*(?:[-+*/%&|^@]|//|\*\*|<<|>>)?=(?!=)|\+=|"
             r"\.(?:add|append|appendleft|extend|extendleft|insert|setdefault|"
             r"update)\b)")  # fmt: skip
"""The name of what a statement adds an item to."""


def instead_of(value: Any) -> str:
    """What to keep between turns in place of a value that has no compiled form."""
    if isinstance(value, (set, frozenset)):
        return "keep numbers, strings, enum members or tuples of these in it, of one type"
    if isinstance(value, defaultdict):
        return "use `defaultdict(int)`, or a dict for each part of the values"
    if isinstance(value, dict):
        return "use a plain `dict` of numbers or strings, and `counts.get(key, 0)`"
    if isinstance(value, (list, tuple, deque)):
        return "use one numpy array, or a flat list or deque for each part"
    if type(value).__module__ not in ("builtins", "numpy", "collections"):
        return f"make {type(value).__name__} an @message class, which may have methods"
    return "keep numbers, strings or messages between turns"


def is_exact(value: Any, type_: Type) -> bool:
    """Whether a value is an int, for a field of floats, which a float holds exactly."""
    return type_ == FLOAT and type(value) in (int, bool) and abs(value) <= 2**53


def converted_fields(value: Any) -> dict[tuple[type, str], bool]:
    """Fields of messages inside a value that hold something of another type than their own, and
    whether that is an int which a float holds exactly."""
    found: dict[tuple[type, str], bool] = {}

    def look(value: Any) -> None:
        if isinstance(value, (list, tuple, deque)):
            for item in value:
                look(item)
        elif isinstance(value, dict):
            look(list(value.values()))
        elif schemas.is_message(type(value)):
            for field in schemas.schema_of(type(value)).fields:
                held, type_ = getattr(value, field.name), in_body(field.type)
                look(held)
                plain = not isinstance(type_, CONTAINERS)
                if plain and not any(is_of(held, member) for member in members_of(type_)):
                    key = (type(value), field.name)
                    found[key] = is_exact(held, type_) and found.get(key, True)

    look(value)
    return found


def of_value(value: Any) -> Type:
    """The type of a state variable from its value.

    Raises:
        UnsupportedTypeError: compiled code has no such values.
    """
    cls = type(value)
    if cls is int:
        if (type_ := int_type(value)) is None:
            raise UnsupportedTypeError("its value does not fit 128 bits")
        return type_
    if cls in _PLAIN:
        return _PLAIN[cls]
    if cls in BY_CLASS:
        return BY_CLASS[cls]
    if isinstance(value, enum.Enum):
        return EnumType(cls)
    if isinstance(value, np.generic) and is_number(value.dtype):
        return ScalarType(value.dtype.name)
    if isinstance(value, (logging.Logger, logging.LoggerAdapter)):
        return ObjectType(value)
    if cls is tuple:
        return TupleType(tuple(of_value(item) for item in value))
    if getattr(cls, schemas.MESSAGE_MARK, False):
        return MessageType(cls)
    if cls in _CONTAINERS or isinstance(value, np.ndarray):
        return _of_container(value)
    raise UnsupportedTypeError(f"a {cls.__name__} has no compiled form")


def _of_container(value: Any) -> Type:
    if isinstance(value, np.ndarray):
        item = ScalarType(value.dtype.name) if is_number(value.dtype) else None
        if item is None or not 0 < value.size <= STATE_LIST_CAPACITY:
            raise UnsupportedTypeError(f"an array of {value.dtype} and shape {value.shape}")
        return ArrayType(item, value.shape)
    if isinstance(value, dict):
        missing = _missing(value)
        key, item_ = _joined(value), _joined(value.values())
        if key != NEVER and not is_key(key):
            raise UnsupportedTypeError(f"a dict with keys of type {key} has no compiled form")
        if len(value) > DICT_CAPACITY:
            raise UnsupportedTypeError(f"a dict of {len(value)} entries is more than 4096")
        return DictType(key, item_, missing)
    if isinstance(value, (set, frozenset)):
        member = _joined(value)
        if member != NEVER and not is_key(member):
            raise UnsupportedTypeError(f"a set with items of type {member} has no compiled form")
        if len(value) > DICT_CAPACITY:
            raise UnsupportedTypeError(f"a set of {len(value)} items is more than 4096")
        return SetType(member, type(value))
    if isinstance(value, deque):
        if value.maxlen is None and len(value) <= STATE_LIST_CAPACITY:
            room = 1 << (2 * len(value)).bit_length()
            return DequeType(_joined(value), max(room, GROWING_CAPACITY), bounded=False)
        if not value.maxlen or value.maxlen > STATE_LIST_CAPACITY:
            raise UnsupportedTypeError(f"a deque of {value.maxlen or len(value)} items")
        return DequeType(_joined(value), value.maxlen)
    if len(value) > STATE_LIST_CAPACITY:
        raise UnsupportedTypeError(f"a list of {len(value)} items is more than 65536")
    return ListType(_joined(value), max(len(value), 16))


_CONTAINERS = (list, deque, dict, defaultdict, Counter, set, frozenset)
_DEFAULTS = (int, float, bool, str)


def _missing(value: dict[Any, Any]) -> type | None:
    """What a dict gives for a key that is missing, as ``DictType`` has it."""
    if not isinstance(value, defaultdict):
        return Counter if isinstance(value, Counter) else None
    if value.default_factory not in _DEFAULTS:
        raise UnsupportedTypeError("a defaultdict of anything but `int`, `float`, `bool` and `str` "
                                   "has no compiled form")  # fmt: skip
    return value.default_factory


def _joined(values: Iterable[Any]) -> Type:
    result: Type = NEVER
    for value in values:
        own = of_value(value)
        if isinstance(own, CONTAINERS):
            raise UnsupportedTypeError("containers inside containers have no compiled form")
        result = join(result, own)
    return result


# --- the record ------------------------------------------------------------------------------


@dataclass(frozen=True)
class StateLayout:
    """The record of an actor's state.

    Args:
        variables: name and type, in the order of the record.
    """

    variables: tuple[tuple[str, Type], ...]

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The record; an actor without state has one unused byte."""
        fields: list[tuple[str, Any]] = [(name, storage(t)) for name, t in self.variables]
        return np.dtype(fields or [("unused", "u1")], align=True)

    @property
    def journal_size(self) -> int:
        """Bytes in which a turn notes what it changes in containers; 0 without containers."""
        held = [storage(t).itemsize for _, t in self.variables if isinstance(t, CONTAINERS)]
        return max(1 << 16, 6 * sum(held)) if held else 0

    def overfull(self, line: str) -> str | None:
        """What a line of Python found full, in words; None if that cannot be told.

        Args:
            line: the text; it has to add to one dict or list of the state.
        """
        words = set(re.findall(_ADDED_TO, line))
        kinds = (ListType, DequeType, DictType, SetType)
        found = [(n, t) for n, t in self.variables if n in words and isinstance(t, kinds)]
        if len(found) != 1:
            return None
        ((name, t),) = found
        room = DICT_CAPACITY if isinstance(t, (DictType, SetType)) else t.capacity
        return f"{name!r} has more than the {room:,} entries that compiled code has room for"

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether ``unpack`` would give these very values after ``pack``: each is of
        its type, exactly, which after a message that the interpreter has handled is not known."""
        for name, _, _, cls in self._plain:
            if type(values.get(name, MISSING)) is not cls:
                return False
        if not self.parted:
            return True
        own = [(values.get(name, MISSING), type_) for name, type_ in self.parted]
        return all(is_of(value, type_) for value, type_ in own) and not converted_fields(
            [value for value, _ in own]
        )

    @cached_property
    def _plain(self) -> tuple[tuple[str, Struct, int, type], ...]:
        """Variables that ``struct`` reads and writes: name, format, offset, class."""
        fields: Mapping[str, Any] = self.dtype.fields or {}
        found = ((name, int(fields[name][1]), *_FORMATS[type_])
                 for name, type_ in self.variables if type_ in _FORMATS)  # fmt: skip
        return tuple((name, form, offset, cls) for name, offset, form, cls in found)

    @cached_property
    def parted(self) -> tuple[tuple[str, Type], ...]:
        """The other variables, with their types."""
        return tuple(each for each in self.variables if each[1] not in _FORMATS)

    def pack(self, values: Mapping[str, Any], record: memoryview) -> None:
        """Writes Python values into the bytes of a record.

        Raises:
            TypeError, struct.error: a value is not of its variable's type, or a name not bound.
        """
        for name, form, offset, _ in self._plain:
            form.pack_into(record, offset, values.get(name, MISSING))
        if self.parted:
            view = np.frombuffer(record, self.dtype, 1).reshape(())
            for name, type_ in self.parted:
                store(view, name, type_, values.get(name, MISSING))

    def unpack(self, record: memoryview) -> dict[str, Any]:
        """The Python values in the bytes of a record; names that are not bound are left out."""
        values: dict[str, Any] = {}
        for name, form, offset, _ in self._plain:
            (value,) = form.unpack_from(record, offset)
            values[name] = value if value == value else shared_nan(value)
        if self.parted:
            view = np.frombuffer(record, self.dtype, 1).reshape(())
            for name, type_ in self.parted:
                value = load(view[name], type_)
                if value is not MISSING:
                    values[name] = value
            values = {name: values[name] for name, _ in self.variables if name in values}
        return values
