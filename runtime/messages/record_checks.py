"""Checks arrays of records that come from the user: every bit pattern must mean something.

Input: an array and the schema it should have.  Output: the same array, contiguous, or a
``FieldError`` whose ``index`` names the row.

A record of plain numbers needs no look at its rows.  Ids of strings, indices of enum members,
sizes of lists, ``Literal`` values and flags do, because generated code trusts them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydotcompute.accel.storage import extension
from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.message_schema import Schema, schema_of
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.compiler.types.types import Type
from pydotcompute.errors import describe
from pydotcompute.messages.field_errors import FieldTypeError, FieldValueError
from pydotcompute.messages.field_rules import expected
from pydotcompute.messages.string_batches import has_strings

Array = np.ndarray[Any, Any]


def wrong_batch(cls: type, given: str) -> FieldTypeError:
    """The error for something that is no batch of ``cls``."""
    text = f"a sequence of {cls.__name__}, or an array of {cls.__name__}.dtype"
    return FieldTypeError(cls, None, text, given)


def bytes_of(records: Array) -> memoryview:
    """The bytes of a one-dimensional contiguous array of records, writable if it is."""
    return records.view(np.uint8).data


def check_records(schema: Schema, batch: Array) -> Array:
    """A user's array of records, checked; the same memory if it is contiguous.

    Args:
        schema: of the message class.
        batch: any array.

    Raises:
        FieldTypeError: another dtype, or not one-dimensional.
        FieldValueError: a row holds something that no value of its field is stored as.
    """
    if batch.dtype != schema.dtype:
        raise wrong_batch(schema.cls, f"an array of {_shortened(batch.dtype)}")
    if batch.ndim != 1:
        raise wrong_batch(schema.cls, f"an array of shape {batch.shape}")
    # aligned as well: compiled code reads the words of a record where they lie
    records = np.require(batch, requirements=["C", "A"])
    if has_strings(schema.cls):
        STRINGS.track(records)
        if type(records) is not np.ndarray:  # a subclass is slow, and not needed inside
            records = records.view(np.ndarray)
    for field in schema.fields:
        if restricted(field.type):
            rows = np.arange(len(records))
            _check(schema.cls, field.name, field.type, records[field.name], rows)
    return records


def restricted(t: Type) -> bool:
    """Whether some bit patterns of the record mean no value of type ``t``."""
    match t:
        case types.IntType() | types.FloatType() | types.AtomType() | types.ArrayType():
            return isinstance(t, types.ArrayType) and restricted(t.item)
        case types.ScalarType():
            return t.dtype.kind == "b"
        case types.MessageType():
            return any(restricted(field.type) for field in schema_of(t.cls).fields)
        case _:
            return True


def _shortened(dtype: np.dtype[Any]) -> str:
    text = str(dtype)
    return text if len(text) <= 120 else f"{text[:117]}..."


_NO_STRING = (
    ", which is the id of no string, or of one that was freed (a batch keeps its strings, and so "
    "do its slices and copies, but not np.array(batch), nor an array that its records are put into)"
)


def _check(cls: type, path: str, t: Type, values: Any, rows: Any) -> None:
    """Check values of one field; ``rows`` says which row of the batch each belongs to."""

    def refuse(good: Any, why: str = "") -> None:
        if not good.all():
            at = int(np.argmin(good))
            given = f"a record holding {describe(values[at].tolist())}{why}"
            error = FieldValueError(cls, path, expected(t), given)
            error.index = int(rows[at])
            raise error

    if not len(values) or not restricted(t):
        return
    match t:
        case types.BoolType():
            refuse(_is_flag(values))
        case types.ScalarType():
            refuse(_is_flag(values))
        case types.ArrayType():
            refuse(_is_flag(values).all(axis=tuple(range(1, values.ndim))))
        case types.StrType():
            if extension is None or not STRINGS.all_valid(values, extension.all_known):
                refuse(STRINGS.valid(values), _NO_STRING)
        case types.EnumType():
            refuse(values < len(t.members))
        case types.LiteralType():
            wire = t.values
            if isinstance(t.base, types.StrType):
                wire = tuple(map(STRINGS.pin, t.values))
            refuse(np.isin(values, np.array(wire, values.dtype)))
        case types.OptionalType():
            refuse(_is_flag(values["present"]))
            there = values["present"]
            _check(cls, path, t.item, values["value"][there], rows[there])
        case types.ListType():
            refuse(values["size"] <= t.capacity)
            there = np.arange(t.capacity) < values["size"][:, None]
            _check(
                cls, f"{path}[]", t.item, values["items"][there], np.repeat(rows, values["size"])
            )
        case types.MessageType():
            for field in schema_of(t.cls).fields:
                _check(cls, f"{path}.{field.name}", field.type, values[field.name], rows)


def _is_flag(values: Array) -> Array:
    """Where a byte is 0 or 1: C reads any other ``bool`` as it likes."""
    flags: Array = np.ascontiguousarray(values).view(np.uint8).reshape(values.shape)
    return np.asarray(flags <= 1)
