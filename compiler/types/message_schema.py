"""Message classes as records: which fields, of which types, at which offsets.

Input: an ``@message`` class.  Output: a frozen ``Schema`` whose numpy dtype has the layout a C
compiler gives the same struct (natural alignment), so that a ring slot, a numpy record and a C
struct are one thing.

========================  =============================================================
field type                record
========================  =============================================================
bool, int, float          ``?``, ``<i8``, ``<f8``
numpy scalar              its own format
str                       ``<u8``: id of a string (``string_table``), 0 is ``""``
Enum                      ``<u4``: index of the member
Literal                   as its values
UUID                      ``{"hi": <u8, "lo": <u8}``
T | None                  ``{"present": ?, "value": T}``
list of at most n         ``{"size": <u4, "items": (T, (n,))}``
array                     ``(T, shape)``
message                   its own record
========================  =============================================================
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from typing import Any

import numpy as np

from pydotcompute.compiler.diagnostics.errors import SchemaError
from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.annotations import evaluate
from pydotcompute.compiler.types.atoms import ATOMS
from pydotcompute.compiler.types.from_annotation import from_annotation
from pydotcompute.compiler.types.int_ranges import INT_MAX, INT_MIN
from pydotcompute.compiler.types.types import Type, UnsupportedTypeError

MESSAGE_MARK = "__pydotcompute_message__"
"""Class attribute that is true for message classes."""
NAMES_MARK = "__pydotcompute_names__"
"""Class attribute: names from the enclosing function that the annotations mention."""
HEADER_NAMES = ("message_id", "priority", "correlation_id")
"""The parts of a message's header."""
HEADER_PARTS_MARK = "__pydotcompute_header_parts__"
"""Class attribute: those that the class has; a name that it declares itself is its own."""
_SCHEMA = "__pydotcompute_schema__"

MAX_RECORD_BYTES = 1 << 24

_ATOMS = ", ".join(type_.cls.__name__ for type_ in ATOMS)
_SUPPORTED = (
    f"use bool, int, float, str, a numpy scalar type, Enum, Literal, {_ATOMS}, T | None, "
    "Annotated[list[T], MaxLen(n)], Annotated[NDArray[T], Shape(n)] or an @message class"
)


@dataclass(frozen=True)
class Field:
    """One field of a message.

    Args:
        name: attribute and record field name.
        type: what it holds.
        offset: bytes from the start of the record.
        default: what the constructor takes for it if left out, or ``MISSING``.
        factory: makes that default, or None.
        init: whether the constructor has a parameter for it.
        kw_only: whether that parameter is keyword-only.
    """

    name: str
    type: Type
    offset: int
    default: object = MISSING
    factory: Callable[[], object] | None = None
    init: bool = True
    kw_only: bool = False


@dataclass(frozen=True)
class Schema:
    """A message class as a record.

    Args:
        cls: the class.
        fields: in the order of the dataclass fields.
        dtype: the record, laid out as C lays out the struct; at least one byte.
        plain_init: whether building one does nothing but set the fields: the constructor is
            the dataclass's own and there is no ``__post_init__``.
    """

    cls: type
    fields: tuple[Field, ...]
    dtype: np.dtype[Any]
    plain_init: bool = True


def is_message(cls: object) -> bool:
    """Whether ``cls`` is an ``@message`` class, or inherits from one."""
    return isinstance(cls, type) and bool(getattr(cls, MESSAGE_MARK, False))


def header_parts(cls: type) -> tuple[str, ...]:
    """The parts of the header that a message class has: all but those that it declares itself."""
    parts: tuple[str, ...] = getattr(cls, HEADER_PARTS_MARK, HEADER_NAMES)
    return parts


def schema_of(cls: type) -> Schema:
    """The record of a message class; worked out once, when first asked for.

    Args:
        cls: an ``@message`` class.

    Raises:
        SchemaError: a field has no fixed-size record, or ``cls`` is no message class.
    """
    cached = getattr(cls, "__dict__", {}).get(_SCHEMA)
    return cached if isinstance(cached, Schema) else _build(cls, ())


def record_dtype(t: Type) -> np.dtype[Any]:
    """The record format of one value of type ``t``.

    Raises:
        SchemaError: values of that type do not go into records.
    """
    try:
        return _record(t, ())
    except UnsupportedTypeError as error:
        raise SchemaError(f"{t}: {error}") from None


def field_type(cls: type, field: dataclasses.Field[Any]) -> Type:
    """The type of one dataclass field of a message class.

    Args:
        cls: the class, or a subclass of the one that defines the field.
        field: from ``dataclasses.fields(cls)``.

    Raises:
        UnsupportedTypeError: the annotation has no fixed-size record.
        NameError: the annotation names something that does not exist (yet).
    """
    owner = cls
    for base in cls.__mro__:
        if base.__dict__.get("__dataclass_fields__", {}).get(field.name) is field:
            owner = base
    local = owner.__dict__.get(NAMES_MARK, {})
    return from_annotation(evaluate(field.type, owner.__module__, local))


def _build(cls: type, outer: tuple[type, ...]) -> Schema:
    if not is_message(cls) or not dataclasses.is_dataclass(cls):
        name = getattr(cls, "__name__", repr(cls))
        raise SchemaError(f"{name} is not a message class; decorate it with @message")
    if cls in outer:
        raise UnsupportedTypeError(f"{cls.__name__} contains itself, so it has no fixed size")
    names, found, formats = [], [], []
    for field in dataclasses.fields(cls):
        try:
            t = field_type(cls, field)
            formats.append(_record(t, (*outer, cls)))
        except SchemaError:
            raise
        except Exception as error:
            raise SchemaError(_sentence(cls, field.name, error), field.name) from None
        names.append(field.name)
        found.append((field, t))
    dtype = _struct(names, formats)
    if dtype.itemsize > MAX_RECORD_BYTES:
        raise SchemaError(
            f"a {cls.__name__} takes {dtype.itemsize} bytes; a message has room for "
            f"{MAX_RECORD_BYTES}: use smaller lists or arrays"
        )
    schema = Schema(cls, tuple(_field(f, t, dtype) for f, t in found), dtype, _plain_init(cls))
    setattr(cls, _SCHEMA, schema)
    return schema


def _field(field: dataclasses.Field[Any], t: Type, dtype: np.dtype[Any]) -> Field:
    factory = None if field.default_factory is MISSING else field.default_factory
    assert dtype.fields is not None
    offset = int(dtype.fields[field.name][1])
    return Field(field.name, t, offset, field.default, factory, field.init, bool(field.kw_only))


def _plain_init(cls: type) -> bool:
    generated = bool(getattr(inspect.getattr_static(cls, "__init__"), MESSAGE_MARK, False))
    return generated and not hasattr(cls, "__post_init__")


def _sentence(cls: type, field: str, error: Exception) -> str:
    reason = str(error)
    if isinstance(error, NameError):
        reason = f"{reason}; define it before the message class is used"
    elif not isinstance(error, UnsupportedTypeError):
        reason = f"the annotation cannot be read ({type(error).__name__}: {reason})"
    if ";" not in reason:
        reason = f"{reason}; {_SUPPORTED}"
    return f"field {field!r} of {cls.__name__}: {reason}"


def _struct(names: list[str], formats: list[Any]) -> np.dtype[Any]:
    if not names:  # C++ gives an empty struct one byte as well
        return np.dtype({"names": [], "formats": [], "itemsize": 1}, align=True)
    return np.dtype({"names": names, "formats": formats}, align=True)


def _record(t: Type, outer: tuple[type, ...]) -> np.dtype[Any]:
    match t:
        case types.BoolType():
            return np.dtype("?")
        case types.IntType():
            return np.dtype("<i8")
        case types.FloatType():
            return np.dtype("<f8")
        case types.ScalarType():
            return t.dtype
        case types.StrType():
            return np.dtype("<u8")
        case types.EnumType():
            if not t.members:
                raise UnsupportedTypeError(f"{t} has no members, so no value is possible")
            return np.dtype("<u4")
        case types.LiteralType():
            return _literal(t, outer)
        case types.AtomType():
            return ATOMS[t].dtype
        case types.OptionalType():
            return _struct(["present", "value"], ["?", _record(t.item, outer)])
        case types.ListType():
            items = (_record(t.item, outer), (t.capacity,))
            return _struct(["size", "items"], ["<u4", items])
        case types.ArrayType():
            return np.dtype((t.item.dtype, t.shape))
        case types.MessageType():
            cached = t.cls.__dict__.get(_SCHEMA)
            return cached.dtype if isinstance(cached, Schema) else _build(t.cls, outer).dtype
        case _:
            raise UnsupportedTypeError(f"{t} has no fixed record")


def _literal(t: types.LiteralType, outer: tuple[type, ...]) -> np.dtype[Any]:
    if isinstance(t.base, types.IntType) and not all(INT_MIN <= v <= INT_MAX for v in t.values):
        raise UnsupportedTypeError(f"{t} has values beyond 64 bits")
    return _record(t.base, outer)
