"""What the annotation of a message's field means.

Input: an evaluated annotation.  Output: a ``Type``, or ``UnsupportedTypeError`` that says what to
write instead.

>>> str(from_annotation(int)), str(from_annotation(np.float32))
('int', 'float32')
"""

from __future__ import annotations

import enum
import types as pytypes
import typing
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from annotated_types import Len, MaxLen

from pydotcompute.compiler.types.atoms import BY_CLASS
from pydotcompute.compiler.types.types import (
    BOOL,
    FLOAT,
    INT,
    NONE,
    STR,
    ArrayType,
    EnumType,
    ListType,
    LiteralType,
    MessageType,
    OptionalType,
    ScalarType,
    Shape,
    Type,
    UnsupportedTypeError,
)

_PLAIN: dict[Any, Type] = {
    bool: BOOL, int: INT, float: FLOAT, str: STR,
    None: NONE, type(None): NONE,
}  # fmt: skip


def _scalar(cls: type[np.generic]) -> ScalarType:
    dtype = np.dtype(cls)
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise UnsupportedTypeError(f"{cls.__name__} has no fixed record of at most 64 bits")
    return ScalarType(dtype.name)


def _is_message(cls: type) -> bool:
    return bool(getattr(cls, "__pydotcompute_message__", False))


def from_annotation(annotation: Any) -> Type:
    """The type of a message field from its annotation.

    Args:
        annotation: an evaluated annotation (``typing.get_type_hints(include_extras=True)``).

    Raises:
        UnsupportedTypeError: the annotation has no fixed-size record.
    """
    annotation = _unaliased(annotation)
    if annotation in _PLAIN if isinstance(annotation, type) or annotation is None else False:
        return _PLAIN[annotation]
    if annotation in BY_CLASS:
        return BY_CLASS[annotation]
    if isinstance(annotation, type) and not typing.get_origin(annotation):
        return _from_class(annotation)
    return _from_generic(annotation)


def _unaliased(annotation: Any) -> Any:
    """What stands behind a ``type`` statement: numpy's ``NDArray`` is one from Python 3.12 on."""
    origin = typing.get_origin(annotation)
    alias = annotation if origin is None else origin
    if type(alias).__name__ != "TypeAliasType":
        return annotation
    return _unaliased(alias.__value__ if origin is None else alias.__value__[annotation.__args__])


def _from_class(cls: type) -> Type:
    if issubclass(cls, np.generic):
        return _scalar(cls)
    if issubclass(cls, enum.Enum):
        return EnumType(cls)
    if _is_message(cls):
        return MessageType(cls)
    if cls is list:
        raise UnsupportedTypeError(
            "list has no bound; write Annotated[list[T], MaxLen(n)] (MaxLen from annotated_types)"
        )
    if cls is np.ndarray:
        raise UnsupportedTypeError(
            "an array field needs its dtype and shape; write "
            "Annotated[NDArray[np.float32], Shape(4, 4)] (Shape from pydotcompute)"
        )
    raise UnsupportedTypeError(f"{cls.__name__} has no fixed record")


def _from_generic(annotation: Any) -> Type:
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _from_annotated(args[0], args[1:])
    if origin is Literal:
        bases = {type(value) for value in args}
        if len(bases) == 1 and (base := bases.pop()) in (bool, int, str):
            return LiteralType(_PLAIN[base], args)
        raise UnsupportedTypeError(f"{annotation} mixes types; use bool, int or str values only")
    if origin in (typing.Union, pytypes.UnionType):
        rest = [arg for arg in args if arg is not type(None)]
        if len(rest) == 1 and len(args) == 2:
            return OptionalType(from_annotation(rest[0]))
        raise UnsupportedTypeError(
            f"{annotation} is a union of several types; only T | None has a record"
        )
    if origin is list:
        raise UnsupportedTypeError(
            "list has no bound; write Annotated[list[T], MaxLen(n)] (MaxLen from annotated_types)"
        )
    raise UnsupportedTypeError(f"{annotation!r} has no fixed record")


def _from_annotated(base: Any, metadata: Iterable[Any]) -> Type:
    base = _unaliased(base)
    for mark in metadata:
        if isinstance(mark, Shape) and typing.get_origin(base) is np.ndarray:
            dtype_arg = typing.get_args(typing.get_args(base)[1])[0]
            return ArrayType(_scalar(dtype_arg), mark.dims)
        if isinstance(mark, (MaxLen, Len)) and typing.get_origin(base) is list:
            if mark.max_length is None or mark.max_length < 1:
                raise UnsupportedTypeError("MaxLen must be at least 1")
            return ListType(from_annotation(typing.get_args(base)[0]), mark.max_length)
    return from_annotation(base)
