"""What compiled containers can hold: capacities, and which types may be keys of a dict."""

from __future__ import annotations

from typing import Any

from pydotcompute.compiler.types.types import (
    FLOAT,
    AtomType,
    BoolType,
    EnumType,
    FloatType,
    IntType,
    ScalarType,
    StrType,
    TupleType,
    Type,
    WideType,
    members_of,
)

DICT_CAPACITY = 4096
"""Entries of a compiled dict; beyond them the actor deoptimises."""
LOCAL_CAPACITY = 256
"""Items of a list made inside a turn; beyond them the actor deoptimises."""
GROWING_CAPACITY = 1024
"""Items of a list in the state that grows and shrinks; beyond them the actor deoptimises."""
STATE_LIST_CAPACITY = 65536
"""Items of a list or array kept in the state; a longer one is not compiled."""


def has_nan(key: Any) -> bool:
    """Whether a key is, or holds, a NaN, which a dict finds by identity."""
    return any(map(has_nan, key)) if isinstance(key, tuple) else bool(key != key)


def has_float(type_: Type) -> bool:
    """Whether a value of a type may be, or hold, a NaN."""
    if isinstance(type_, TupleType):
        return any(map(has_float, type_.items))
    if isinstance(type_, ScalarType):
        return type_.is_float
    return FLOAT in members_of(type_)


def is_key(type_: Type) -> bool:
    """Whether a dict may have keys of a type: those that compare as their words do."""
    if isinstance(type_, ScalarType):
        return not type_.is_float
    if isinstance(type_, TupleType):
        return all(map(is_key, type_.items))
    return isinstance(type_, (BoolType, FloatType, IntType, WideType, StrType, EnumType, AtomType))
