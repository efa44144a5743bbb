"""Batches of messages: ``Request.array(...)`` and ``Request.messages(...)``.

Input: messages, or one column of values for each field.  Output: an array of the message's
record dtype; and back.

A column of plain numbers is converted by numpy in one go when its types allow it; any other goes
value by value through the rules of ``fields``, so both ends agree with ``send``.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sized
from typing import Any

import numpy as np

from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.message_schema import Field, schema_of
from pydotcompute.compiler.types.types import Type
from pydotcompute.errors import given
from pydotcompute.messages.codec import codec_of
from pydotcompute.messages.codec_pack import pack_function
from pydotcompute.messages.codec_writer import Writer, new_space
from pydotcompute.messages.field_errors import FieldError, FieldTypeError, wrap_field_error
from pydotcompute.messages.field_rules import convert
from pydotcompute.messages.record_checks import bytes_of, check_records
from pydotcompute.messages.string_batches import as_string_batch
from pydotcompute.support.generated_code import define

Array = np.ndarray[Any, Any]


def batch_of(cls: type, messages: Any, columns: Mapping[str, Any]) -> Array:
    """What ``cls.array(...)`` returns; see there.

    Args:
        cls: a message class.
        messages: the positional argument, or None.
        columns: the keywords.
    """
    try:
        if messages is None:
            return _from_columns(cls, columns)
        if columns:
            raise TypeError(f"{cls.__name__}.array takes messages or columns, not both")
        records = codec_of(cls).check_batch(messages)
        if isinstance(messages, np.ndarray):
            records = records.copy()
        return as_string_batch(cls, records)
    except FieldError as error:
        raise wrap_field_error(None, error, f"{cls.__name__}.array") from None


def messages_of(cls: type, batch: Any) -> list[Any]:
    """What ``cls.messages(batch)`` returns; see there.

    Args:
        cls: a message class.
        batch: an array of its dtype; a single record counts as an array of one.
    """
    codec = codec_of(cls)
    text = f"an array of {cls.__name__}.dtype"
    try:
        if isinstance(batch, np.void):
            batch = np.array([batch], batch.dtype)
        if not isinstance(batch, np.ndarray):
            raise FieldTypeError(cls, None, text, given(batch))
        records = check_records(codec.schema, batch)
    except FieldError as error:
        if error.field is None:
            error.expected = text  # and no sequence, which others take
        raise wrap_field_error(None, error, f"{cls.__name__}.messages") from None
    if not len(records):
        return []
    return codec.unpack_many(bytes_of(records), len(records))


def _from_columns(cls: type, columns: Mapping[str, Any]) -> Array:
    schema = schema_of(cls)
    names = [field.name for field in schema.fields]
    for name in columns:
        if name not in names:
            raise TypeError(
                f"{cls.__name__} has no field {name!r}; it has {', '.join(names) or 'none'}"
            )
    full: dict[str, Any] = {}
    for field in schema.fields:
        if field.name in columns:
            full[field.name] = columns[field.name]
        elif field.factory is None and field.default is dataclasses.MISSING:
            raise TypeError(f"{cls.__name__}.array needs a column for field {field.name!r}")
    rows = _rows(cls, schema.fields, full)
    records = as_string_batch(cls, np.zeros(rows, schema.dtype))
    for field in schema.fields:
        if field.name not in full:
            value = field.default if field.factory is None else None
            column = [value if field.factory is None else field.factory() for _ in range(rows)]
        elif _is_column(field.type, full[field.name]):
            column = full[field.name]
        else:
            column = [full[field.name]] * rows
        _fill(cls, field, column, records)
    return records


def _is_column(t: Type, value: Any) -> bool:
    """Whether a value given for a field is one for each row, or one for all of them."""
    if isinstance(value, (str, bytes, np.generic)) or not (
        isinstance(value, Sized) and isinstance(value, Iterable)
    ):
        return False
    if isinstance(t, types.OptionalType):
        return _is_column(t.item, value)
    if isinstance(t, types.MessageType) and isinstance(value, t.cls):
        return False
    if isinstance(t, types.ArrayType):
        return not (isinstance(value, np.ndarray) and value.shape == t.shape)
    if isinstance(t, types.ListType):
        return all(isinstance(item, (list, type(None))) for item in value)
    return not isinstance(value, dict)


def _rows(cls: type, fields: Iterable[Field], columns: Mapping[str, Any]) -> int:
    lengths = {
        field.name: len(columns[field.name])
        for field in fields
        if field.name in columns and _is_column(field.type, columns[field.name])
    }
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"the columns of a {cls.__name__} batch differ in length: {listed}")
    if not lengths and columns:
        return 1
    return next(iter(lengths.values()), 0)


def _fill(cls: type, field: Field, column: Any, records: Array) -> None:
    """Write a column into its field of all records."""
    quick = _quick(field.type, column)
    if quick is not None:
        records[field.name] = quick
        return
    pack = _packer(field.type)
    buffer = bytes_of(records)
    size = records.dtype.itemsize
    if isinstance(column, np.ndarray) and not isinstance(field.type, types.ArrayType):
        column = column.tolist()  # Python's values, for which the rules are made
    for row, value in enumerate(column):
        try:
            exact = convert(cls, field.name, field.type, value)
        except FieldError as error:
            error.index = row
            raise
        pack(buffer, row * size + field.offset, exact)


@functools.lru_cache(256)
def _packer(t: Type) -> Any:
    """``pack(buffer, offset, value)`` for one value of type ``t``."""
    writer = Writer(new_space(), {}, [])
    pack_function(writer, t, "pack_item")
    return define("\n\n".join(writer.functions), "pack_item", str(t), writer.space)


def _quick(t: Type, column: Any) -> Array | None:
    """The column as an array that holds what ``fields`` would give for every value, or None."""
    if isinstance(column, np.ndarray):
        return _quick_array(t, column)
    if not isinstance(column, (list, tuple, range)) or not len(column):
        return None
    kinds = {int} if isinstance(column, range) else set(map(type, column))
    wanted = _NUMBERS.get(type(t)) or _NUMBERS.get(getattr(t, "dtype", np.dtype("V")).kind)
    if wanted is None or not kinds <= wanted[0]:
        return None
    try:
        return _narrow(t, np.array(column, wanted[1]))
    except OverflowError:
        return None  # some value is out of range: the slow way finds which


_NUMBERS: dict[Any, tuple[set[type], Any]] = {
    types.BoolType: ({bool}, np.bool_),
    types.IntType: ({int, bool}, np.int64),
    types.FloatType: ({float, int, bool}, np.float64),
    "b": ({bool}, np.bool_),
    "i": ({int, bool}, np.int64),
    "u": ({int, bool}, np.uint64),
    "f": ({float, int, bool}, np.float64),
}
"""By type, or kind of a numpy scalar: Python classes it takes, and an array that holds them."""


def _narrow(t: Type, values: Array) -> Array | None:
    """Wide numbers as the numpy scalars of the field, or None if one is out of range."""
    if not isinstance(t, types.ScalarType):
        return values
    with np.errstate(over="ignore", under="ignore"):
        made = values.astype(t.dtype)
    same = np.isinf(made) == np.isinf(values) if t.is_float else made == values
    return made if same.all() else None


def _quick_array(t: Type, column: Array) -> Array | None:
    kind = column.dtype.kind
    fits = column.ndim == 1
    match t:
        case types.IntType():
            fits &= kind in "bi" or (kind == "u" and column.dtype.itemsize < 8)
        case types.FloatType():
            fits &= kind in "biu" or column.dtype.char in "efd"
        case types.BoolType():
            fits &= kind == "b"
        case types.ScalarType():
            fits &= column.dtype == t.dtype
        case types.ArrayType():
            fits = column.dtype == t.item.dtype and column.shape[1:] == t.shape
        case types.MessageType() if column.dtype == schema_of(t.cls).dtype:
            return check_records(schema_of(t.cls), column)
        case _:
            fits = False
    return column if fits else None
