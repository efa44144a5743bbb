"""The state of an actor: types of its variables, their record, and the way in and out of it.

Input: the values that the prologue left (``of_value``), or what can be said of them without
running it (``static_values``).  Output: ``StateLayout``, which packs a dict of Python values into
the record that compiled code works on, and unpacks it again.
"""

from __future__ import annotations

import ast
import enum
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pydotcompute.compiler import schema as schemas
from pydotcompute.compiler.actor_shape import ActorShape
from pydotcompute.compiler.containers import DICT_CAPACITY, STATE_LIST_CAPACITY, is_key
from pydotcompute.compiler.operators import INT_MAX, INT_MIN
from pydotcompute.compiler.source import MISSING
from pydotcompute.compiler.types import (
    BOOL,
    CONTAINERS,
    FLOAT,
    INT,
    NEVER,
    NONE,
    STR,
    UUID,
    ArrayType,
    DequeType,
    DictType,
    EnumType,
    ListType,
    MessageType,
    ScalarType,
    TupleType,
    Type,
    UnsupportedTypeError,
    join,
)
from pydotcompute.compiler.values import load, storage, store

_PLAIN: dict[type, Type] = {
    bool: BOOL, int: INT, float: FLOAT, str: STR, type(None): NONE, uuid.UUID: UUID,
}  # fmt: skip


def of_value(value: Any) -> Type:
    """The type of a state variable from its value.

    Raises:
        UnsupportedTypeError: compiled code has no such values.
    """
    cls = type(value)
    if cls is int and not INT_MIN <= value <= INT_MAX:
        raise UnsupportedTypeError("its value does not fit 64 bits")
    if cls in _PLAIN:
        return _PLAIN[cls]
    if isinstance(value, enum.Enum):
        return EnumType(cls)
    if isinstance(value, np.generic) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        return ScalarType(value.dtype.name)
    if cls is tuple:
        return TupleType(tuple(of_value(item) for item in value))
    if getattr(cls, schemas.MESSAGE_MARK, False):
        return MessageType(cls)
    if cls in (list, deque, dict) or isinstance(value, np.ndarray):
        return _of_container(value)
    raise UnsupportedTypeError(f"a {cls.__name__} has no compiled form")


def _of_container(value: Any) -> Type:
    if isinstance(value, np.ndarray):
        item = ScalarType(value.dtype.name) if value.dtype.kind in "biuf" else None
        if item is None or item.dtype.itemsize > 8 or not 0 < value.size <= STATE_LIST_CAPACITY:
            raise UnsupportedTypeError(f"an array of {value.dtype} and shape {value.shape}")
        return ArrayType(item, value.shape)
    if isinstance(value, dict):
        key, item_ = _joined(value), _joined(value.values())
        if key != NEVER and not is_key(key):
            raise UnsupportedTypeError(f"a dict with keys of type {key} has no compiled form")
        if len(value) > DICT_CAPACITY:
            raise UnsupportedTypeError(f"a dict of {len(value)} entries is more than 4096")
        return DictType(key, item_)
    if isinstance(value, deque):
        if not value.maxlen or value.maxlen > STATE_LIST_CAPACITY:
            raise UnsupportedTypeError("a deque needs a `maxlen` to have a compiled form")
        return DequeType(_joined(value), value.maxlen)
    if len(value) > STATE_LIST_CAPACITY:
        raise UnsupportedTypeError(f"a list of {len(value)} items is more than 65536")
    return ListType(_joined(value), max(len(value), 16))


def _joined(values: Iterable[Any]) -> Type:
    result: Type = NEVER
    for value in values:
        own = of_value(value)
        if isinstance(own, CONTAINERS):
            raise UnsupportedTypeError("containers inside containers have no compiled form")
        result = join(result, own)
    return result


# --- without running the prologue ------------------------------------------------------------


class _Unknown(Exception):
    """The value of an expression cannot be said without running the actor."""


def static_values(shape: ActorShape) -> dict[str, Any]:
    """State values that the text of the prologue alone determines.

    Only assignments of constants, arithmetic on them, and names of the module are followed; a
    name that the prologue binds otherwise is left out.
    """
    known: dict[str, Any] = {}
    for statement in shape.prologue:
        targets: list[ast.expr] = []
        value: ast.expr | None = None
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign):
            targets, value = [statement.target], statement.value
        try:
            result = _constant(shape, value, known) if value is not None else MISSING
        except _Unknown:
            result = MISSING
        for name in _names(targets if targets else [statement]):
            known.pop(name, None)
        if result is not MISSING:
            for target in targets:
                _bind(target, result, known)
    return known


def _names(nodes: list[Any]) -> list[str]:
    return [n.id for node in nodes for n in ast.walk(node)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]  # fmt: skip


def _bind(target: ast.expr, value: Any, known: dict[str, Any]) -> None:
    if isinstance(target, ast.Name):
        known[target.id] = value
    elif isinstance(target, ast.Tuple) and isinstance(value, tuple):
        for part, item in zip(target.elts, value, strict=False):
            _bind(part, item, known)


_ARITHMETIC = (ast.List, ast.Dict, ast.keyword, ast.BinOp, ast.UnaryOp, ast.Tuple,
               ast.Constant, ast.Name, ast.Attribute,
               ast.operator, ast.unaryop, ast.expr_context, ast.Call)  # fmt: skip
_CALLABLE = (int, float, bool, str, abs, min, max, round, tuple, list, dict, set, deque, np.zeros,
             np.ones, np.full, np.array, np.empty, np.arange)  # fmt: skip


def _constant(shape: ActorShape, node: ast.expr, known: Mapping[str, Any]) -> Any:
    """Evaluates arithmetic on constants; anything that could run the user's code is unknown."""
    scope: dict[str, Any] = {}
    for part in ast.walk(node):
        if not isinstance(part, _ARITHMETIC) or isinstance(
            part, (ast.Pow, ast.LShift, ast.MatMult)
        ):
            raise _Unknown
        if isinstance(part, ast.Name):
            value = known.get(part.id, MISSING)
            if value is MISSING and part.id not in shape.source.local_names:
                value = shape.source.lookup(part.id)
            if value is MISSING:
                raise _Unknown
            scope[part.id] = value
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and not _is_safe_call(part, scope):
            raise _Unknown
    try:
        return eval(compile(ast.Expression(node), shape.source.filename, "eval"), scope)
    except Exception:
        raise _Unknown from None


def _is_safe_call(node: ast.Call, scope: Mapping[str, Any]) -> bool:
    target: Any = node.func
    path: list[str] = []
    while isinstance(target, ast.Attribute):
        path.insert(0, target.attr)
        target = target.value
    if not isinstance(target, ast.Name):
        return False
    value = scope.get(target.id)
    for name in path:
        value = getattr(value, name, None)
    if isinstance(value, type) and issubclass(value, np.generic):
        return True
    return any(value is known for known in _CALLABLE)


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

    def pack(self, values: Mapping[str, Any], record: np.void | np.ndarray[Any, Any]) -> None:
        """Writes Python values into a record (a 0-d or 1-element array of ``dtype``).

        Raises:
            TypeError: a value is not of its variable's type.
        """
        view = record.reshape(()) if isinstance(record, np.ndarray) else record
        for name, type_ in self.variables:
            store(view, name, type_, values.get(name, MISSING))

    def unpack(self, record: np.void | np.ndarray[Any, Any]) -> dict[str, Any]:
        """The Python values in a record; names that are not bound are left out."""
        view = record.reshape(()) if isinstance(record, np.ndarray) else record
        values = {name: load(view[name], type_) for name, type_ in self.variables}
        return {name: value for name, value in values.items() if value is not MISSING}
