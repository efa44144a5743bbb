"""What a message field takes: the definition of checking and converting, for every type.

Input: a type and any value.  Output: the value as it is on the other side of a ``send``, exact in
class and copied where it could change; or ``FieldTypeError`` / ``FieldValueError``.

This is the slow and complete definition.  ``codec`` generates fast paths for values that need
nothing done; everything else comes here, so the rules are written once:

=================  ====================================================================
field              takes, beside itself
=================  ====================================================================
bool               ``np.bool``, which comparisons of numpy's numbers give
int                whatever has ``__index__`` (bool, numpy's integers); from -2**63 to 2**63 - 1
float              int, bool, numpy's floats and integers
numpy integer      int, bool in range
numpy float        int, float, bool in range (NaN and the infinities are in range)
numpy bool         bool
the others         nothing
=================  ====================================================================

An instance of a subclass of ``int``, ``float`` or ``str`` is one of those, and becomes exactly
one: ``np.float64`` is a ``float``, a member of an ``IntEnum`` is an ``int``.  Of any other object
``__index__`` says which int it is; what that raises comes through, but for a ``TypeError``, which
is how an array of several numbers says that it is no integer.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable
from functools import singledispatch
from typing import Any

import numpy as np

from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.atoms import ATOMS
from pydotcompute.compiler.types.int_ranges import INT_MAX, INT_MIN
from pydotcompute.compiler.types.message_schema import field_type, schema_of
from pydotcompute.compiler.types.types import Type
from pydotcompute.errors import describe, given
from pydotcompute.messages.field_errors import (
    FieldError,
    FieldTypeError,
    FieldValueError,
    defined_anew,
    wrong_class,
)
from pydotcompute.messages.header import received, share_header


class _Wrong(Exception):
    """Inside of this file: a value refused; the path grows on the way out."""

    def __init__(self, kind: type[FieldError], expected: str, given: str) -> None:
        super().__init__(kind, expected, given)
        self.kind, self.expected, self.given = kind, expected, given
        self.path = self.advice = ""

    def error(self, cls: type, path: str) -> FieldError:
        """The same of a message class."""
        made = self.kind(cls, path, self.expected, self.given)
        made.advice = self.advice
        return made


def convert(cls: type, name: str, t: Type, value: Any) -> Any:
    """A field's value as it is received.

    Args:
        cls, name: the message class and the field, for the error.
        t: the field's type.
        value: what the field holds.

    Raises:
        FieldTypeError, FieldValueError: the field does not take it.
    """
    try:
        return _convert(t, value)
    except _Wrong as wrong:
        raise wrong.error(cls, f"{name}{wrong.path}") from None


def convert_message(cls: type, message: Any) -> Any:
    """A whole message as it is received: a new instance, without the header.

    Args:
        cls: the message class expected.
        message: any object.

    Raises:
        FieldTypeError, FieldValueError: it is no instance of exactly that class, or a field
            does not take its value.
    """
    if type(message) is not cls:
        raise wrong_class(cls, message)
    made = object.__new__(cls)
    for field in schema_of(cls).fields:
        value = getattr(message, field.name, dataclasses.MISSING)
        if value is dataclasses.MISSING:
            raise FieldTypeError(cls, field.name, expected(field.type), "no value (it is not set)")
        object.__setattr__(made, field.name, convert(cls, field.name, field.type, value))
    return made


@singledispatch
def expected(t: Type) -> str:
    """What a field of type ``t`` takes, in words."""
    return str(t)


@expected.register
def _(t: types.LiteralType) -> str:
    return " or ".join(map(repr, t.values))


@expected.register
def _(t: types.OptionalType) -> str:
    return f"{expected(t.item)} or None"


@expected.register
def _(t: types.AtomType) -> str:
    return t.cls.__name__


@expected.register
def _(t: types.ListType) -> str:
    return f"a list of at most {t.capacity} {expected(t.item)}"


@expected.register
def _(t: types.ArrayType) -> str:
    return f"a {t.item} array of shape {t.shape}"


def _type_error(t: Type, value: object) -> _Wrong:
    wrong = _Wrong(FieldTypeError, expected(t), given(value))
    wrong.advice = _advice(t.item if isinstance(t, types.OptionalType) else t, value)
    return wrong


def _advice(t: Type, value: object) -> str:
    """What to write instead of a value of a wrong type, as the end of a sentence."""
    if isinstance(value, np.generic):
        name, kinds = _maker(t)
        return f"; write {name}(...)" if value.dtype.kind in kinds else ""
    if isinstance(t, (types.MessageType, types.EnumType)) and defined_anew([t.cls], type(value)):
        return ", which has been defined anew since; define the message that holds it anew too"
    return ""


def _maker(t: Type) -> tuple[str, str]:
    """What makes a field's value of a numpy scalar, and of which kinds without loss of meaning."""
    match t:
        case types.BoolType():
            return "bool", "b"
        case types.IntType():
            return "int", "biu"
        case types.FloatType():
            return "float", "biuf"
        case types.ScalarType():
            return f"np.{t.name}", {"f": "biuf", "b": ""}.get(t.dtype.kind, "biu")
        case _:
            return "", ""


def _value_error(text: str, value: object) -> _Wrong:
    return _Wrong(FieldValueError, text, describe(value))


@singledispatch
def _convert(t: Type, value: Any) -> Any:
    raise _type_error(t, value)


@_convert.register
def _(t: types.BoolType, value: Any) -> bool:
    if value is True or value is False or isinstance(value, np.bool_):
        return bool(value)
    raise _type_error(t, value)


def _exact_int(value: Any) -> int:
    """The plain ``int`` of an instance of a subclass, whatever the subclass overrides."""
    return int.__pos__(value)


def _index_of(t: Type, value: Any) -> int:
    """The plain ``int`` that an object with ``__index__`` is."""
    try:
        return _exact_int(operator.index(value))
    except TypeError:
        raise _type_error(t, value) from None


@_convert.register
def _(t: types.IntType, value: Any) -> int:
    exact = _exact_int(value) if isinstance(value, int) else _index_of(t, value)
    if not INT_MIN <= exact <= INT_MAX:
        raise _value_error("int from -2**63 to 2**63 - 1", exact)
    return exact


@_convert.register
def _(t: types.FloatType, value: Any) -> float:
    if isinstance(value, float):
        return float.__pos__(value)
    if isinstance(value, np.generic) and value.dtype.kind in "iuf":
        return _float_of_numpy(value)
    if not isinstance(value, int):
        raise _type_error(t, value)
    try:
        return int.__float__(value)
    except OverflowError:
        raise _value_error("float up to 1.8e308", _exact_int(value)) from None


def _float_of_numpy(value: Any) -> float:
    """A number of numpy as a float: exact, but for those of more digits, which are rounded."""
    with np.errstate(all="ignore"):
        exact = float(value)
    if math.isinf(exact) and not np.isinf(value):  # a wide ``np.longdouble``
        raise _value_error("float up to 1.8e308", value)
    return exact


@_convert.register
def _(t: types.StrType, value: Any) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    raise _type_error(t, value)


@_convert.register
def _(t: types.AtomType, value: Any) -> Any:
    if type(value) is t.cls:
        return value
    if isinstance(value, t.cls):
        return ATOMS[t].exact(value)
    raise _type_error(t, value)


@_convert.register
def _(t: types.EnumType, value: Any) -> Any:
    if not isinstance(value, t.cls):
        raise _type_error(t, value)
    if not any(value is member for member in t.members):  # a combination of flags
        raise _value_error(f"a single member of {t}", value)
    return value


@_convert.register
def _(t: types.LiteralType, value: Any) -> Any:
    exact: Any
    try:
        exact = _convert(t.base, value)
    except _Wrong as wrong:
        if wrong.kind is FieldValueError:
            raise _value_error(expected(t), value) from None
        raise _type_error(t, value) from None
    if exact not in t.values:
        raise _value_error(expected(t), exact)
    return exact


@_convert.register
def _(t: types.ScalarType, value: Any) -> Any:
    if isinstance(value, np.generic) and value.dtype == t.dtype:
        return t.dtype.type(value)
    kind = t.dtype.kind
    takes: dict[str, tuple[type, ...]] = {"b": (bool,), "f": (int, float)}
    if not isinstance(value, takes.get(kind, (int,))):
        raise _type_error(t, value)
    if kind in "iu":
        info, number = np.iinfo(t.dtype), _exact_int(value)
        if not info.min <= number <= info.max:
            raise _value_error(f"{t} from {info.min} to {info.max}", number)
        return t.dtype.type(number)
    return _to_float(t, value) if kind == "f" else t.dtype.type(value)


def _to_float(t: types.ScalarType, value: Any) -> Any:
    limit = float(np.finfo(t.dtype).max)
    try:
        wide = float.__pos__(value) if isinstance(value, float) else int.__float__(value)
    except OverflowError:
        wide = math.inf
        value = _exact_int(value)
    with np.errstate(over="ignore", under="ignore"):
        exact = t.dtype.type(wide)
    if np.isinf(exact) and not (isinstance(value, float) and math.isinf(value)):
        raise _value_error(f"{t} from {-limit:g} to {limit:g}", value)
    return exact


@_convert.register
def _(t: types.OptionalType, value: Any) -> Any:
    if value is None:
        return None
    try:
        return _convert(t.item, value)
    except _Wrong as wrong:
        if not wrong.path and wrong.kind is FieldTypeError:
            raise _type_error(t, value) from None
        raise


@_convert.register
def _(t: types.ListType, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _type_error(t, value)
    if len(value) > t.capacity:
        wrong = _value_error(expected(t), None)
        wrong.given = f"{len(value)} items"
        raise wrong
    made = []
    for number, item in enumerate(list.__iter__(value)):
        try:
            made.append(_convert(t.item, item))
        except _Wrong as wrong:
            wrong.path = f"[{number}]{wrong.path}"
            raise
    return made


@_convert.register
def _(t: types.ArrayType, value: Any) -> Any:
    # no other subclass: the mask of a masked array would vanish on the way
    if type(value) not in (np.ndarray, np.memmap):
        raise _type_error(t, value)
    text = f"a {value.dtype} array of shape {value.shape}"
    if value.dtype != t.item.dtype:
        raise _Wrong(FieldTypeError, expected(t), text)
    if value.shape != t.shape:
        raise _Wrong(FieldValueError, expected(t), text)
    return np.array(value, dtype=t.item.dtype, order="C", subok=False)


@_convert.register
def _(t: types.MessageType, value: Any) -> Any:
    if type(value) is not t.cls:
        raise _type_error(t, value)
    try:
        return convert_message(t.cls, value)
    except FieldError as error:
        wrong = _Wrong(type(error), error.expected, error.given)
        wrong.path, wrong.advice = f".{error.field}", error.advice
        raise wrong from None


def loose_copier(cls: type) -> Callable[[Any], Any]:
    """Checks and copies messages of a class that has no record, as far as its fields allow.

    Fields whose types have a record are converted as ever; the others pass as they are.

    Args:
        cls: an ``@message`` class for which ``schema_of`` raises ``SchemaError``.
    """
    known: list[tuple[str, Type | None]] = []
    for field in dataclasses.fields(cls):
        try:
            t: Type | None = field_type(cls, field)
            if isinstance(t, types.MessageType):
                schema_of(t.cls)
        except Exception:
            t = None
        known.append((field.name, t))

    def copy(message: Any, header: Callable[[Any], Any] = received) -> Any:
        if type(message) is not cls:
            raise wrong_class(cls, message)
        made = object.__new__(cls)
        for name, t in known:
            value = getattr(message, name, dataclasses.MISSING)
            if value is dataclasses.MISSING:
                continue
            if t is not None:
                value = convert(cls, name, t, value)
            object.__setattr__(made, name, value)
        return share_header(message, made, header)

    return copy
