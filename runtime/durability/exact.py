"""Conversions without loss: values of a snapshot for code that has other types than it had.

Input: a value, and the type of a field or a value such as the new prologue gives.  Output: the
value as one of that type, equal to what it was; else ``Misfit``.
"""

from __future__ import annotations

import enum
import math
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from pydotcompute.compiler.types.int_ranges import INT_MAX, INT_MIN
from pydotcompute.compiler.types.types import (
    BOOL,
    FLOAT,
    INT,
    STR,
    ArrayType,
    AtomType,
    EnumType,
    ListType,
    LiteralType,
    MessageType,
    OptionalType,
    ScalarType,
    Type,
)

_NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)
_SEQUENCES = (list, tuple, deque)
_MAPPINGS = (dict, Counter, OrderedDict, defaultdict)
_SETS = (set, frozenset)


class Misfit(Exception):
    """A value has no equal of that type."""


def number(value: Any, cls: Any) -> Any:
    """A number as one of another class.

    Raises:
        Misfit: it has no equal there.
    """
    if type(value) is cls:
        return value
    logical = issubclass(cls, (bool, np.bool_))
    if not isinstance(value, _NUMBERS) or (logical and not isinstance(value, (bool, np.bool_))):
        raise Misfit
    plain = value.item() if isinstance(value, np.generic) else value
    try:
        with np.errstate(all="ignore"):
            made = cls(plain)
    except (ValueError, OverflowError, TypeError):
        raise Misfit from None
    held = made.item() if isinstance(made, np.generic) else made
    if held != plain and not (held != held and plain != plain):
        raise Misfit
    if isinstance(plain, float) and isinstance(held, int) and math.copysign(1.0, plain) < 0 == held:
        raise Misfit  # an int has no negative zero
    return made


def of_type(value: Any, type_: Type) -> Any:
    """A value as a field of some type takes it.

    Raises:
        Misfit: it has no equal there.
    """
    if isinstance(type_, OptionalType):
        return None if value is None else of_type(value, type_.item)
    if isinstance(type_, LiteralType):
        made = of_type(value, type_.base)
        return _if(made in type_.values, made)
    if type_ == INT:
        made = number(value, int)
        return _if(INT_MIN <= made <= INT_MAX, made)
    if type_ in (BOOL, FLOAT):
        return number(value, bool if type_ == BOOL else float)
    if isinstance(type_, ScalarType):
        return number(value, type_.dtype.type)
    if isinstance(type_, ListType):
        _if(isinstance(value, list) and len(value) <= type_.capacity, None)
        return [of_type(item, type_.item) for item in value]
    if isinstance(type_, ArrayType):
        return _array(value, type_.item.dtype, type_.shape)
    if type_ == STR:
        return _if(type(value) is str, value)
    if isinstance(type_, (EnumType, AtomType, MessageType)):
        return _if(isinstance(value, type_.cls), value)
    return value


def _if(fits: bool, value: Any) -> Any:
    if not fits:
        raise Misfit
    return value


def _array(value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    _if(isinstance(value, np.ndarray) and value.shape == shape, None)
    with np.errstate(all="ignore"):
        made = value.astype(dtype)
        back = made.astype(value.dtype)
    same = back.tobytes() == value.astype(value.dtype).tobytes()
    return _if(same and made.dtype.kind in "biufc", made)


# --- variables -------------------------------------------------------------------------------


def kind_of(value: Any) -> str:
    """The type of a variable, in words, as far as a prologue tells it."""
    cls = type(value)
    if cls in _MAPPINGS:
        keys, values = _common(value), _common(value.values())
        return cls.__name__ + (f" of {keys} to {values}" if keys and values else "")
    if cls in (*_SEQUENCES, *_SETS):
        items = _common(value)
        limit = f" of at most {value.maxlen}" if isinstance(value, deque) else ""
        return cls.__name__ + limit + (f" of {items}" if items else "")
    if isinstance(value, np.ndarray):
        return f"array of {value.dtype} and shape {value.shape}"
    return cls.__name__


def _common(items: Iterable[Any]) -> str:
    """The type that all items have; empty: none, or several."""
    kinds = {type(item).__name__ for item in items}
    return kinds.pop() if len(kinds) == 1 else ""


def like(value: Any, example: Any, made: dict[int, Any]) -> Any:
    """A value as a variable of the example's type has it.

    Args:
        value: of the old code.
        example: what the prologue of the new code gives.
        made: what has been made of containers, by their ids: one container stays one.

    Raises:
        Misfit: it has no equal there.
    """
    cls = type(example)
    if example is None:
        return value
    if isinstance(example, _NUMBERS) and not isinstance(example, enum.Enum):
        return number(value, cls)
    if isinstance(example, np.ndarray):
        return _array(value, example.dtype, example.shape)
    for family in (_SEQUENCES, _MAPPINGS, _SETS):
        if cls in family:
            _if(type(value) in family, None)
            if id(value) not in made:
                made[id(value)] = _container(value, example)
            return made[id(value)]
    return _if(isinstance(value, cls), value)


def _container(value: Any, example: Any) -> Any:
    if isinstance(example, _MAPPINGS):
        keys, values = _sole(example), _sole(example.values())
        items = {_item(k, keys): _item(v, values) for k, v in value.items()}
        if isinstance(example, defaultdict):
            return defaultdict(example.default_factory, items)
        return type(example)(items)
    sole = _sole(example)
    content = [_item(item, sole) for item in value]
    if isinstance(example, deque):
        _if(example.maxlen is None or len(content) <= example.maxlen, None)
        return deque(content, example.maxlen)
    return type(example)(content)


def _sole(items: Iterable[Any]) -> Any:
    """The class that all items of an example have, if it is one of numbers."""
    classes = {type(item) for item in items}
    sole = classes.pop() if len(classes) == 1 else None
    return sole if sole is not None and issubclass(sole, _NUMBERS) else None


def _item(value: Any, cls: Any) -> Any:
    return value if cls is None or issubclass(cls, enum.Enum) else number(value, cls)
