"""Messages to records and back: one ``Codec`` for each message class, made of generated Python.

Input: an ``@message`` class.  Output: functions that check, pack, unpack and copy its messages.
The text of the functions is kept (``Codec.source``) and registered with ``linecache``.

``fields`` says what a field takes; ``codec_pack`` and ``codec_unpack`` write the fast paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np

from pydotcompute.compiler.types.message_schema import Schema, schema_of
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.errors import SchemaError, given
from pydotcompute.messages.codec_pack import SWEEP_AFTER, SWEEP_BEFORE, pack_fields
from pydotcompute.messages.codec_unpack import copy_message, unpack_message
from pydotcompute.messages.codec_writer import Writer, new_space
from pydotcompute.messages.field_errors import (
    FieldError,
    FieldTypeError,
    FieldValueError,
    wrap_field_error,
    wrong_message,
)
from pydotcompute.messages.field_rules import convert_message, loose_copier
from pydotcompute.messages.header import given as given_header
from pydotcompute.messages.header import received, share_header
from pydotcompute.messages.record_checks import bytes_of, check_records, wrong_batch
from pydotcompute.messages.string_batches import has_strings
from pydotcompute.support.generated_code import define

__all__ = [
    "Codec", "FieldError", "FieldTypeError", "FieldValueError", "codec_of", "copier_of",
    "wrap_field_error", "wrong_message",
]  # fmt: skip

_CODEC = "__pydotcompute_codec__"
_COPIER = "__pydotcompute_copier__"


class Codec:
    """The functions of one message class.

    Args:
        schema: the class's record.

    Attributes:
        cls: the message class.
        schema: its record.
        record_size: bytes of one record.
        pack_into: ``(buffer, offset, message)``: check, convert, and write one record into a
            writable buffer of bytes (memoryview, bytearray, mmap).  After an error the record may
            be half written.  Raises ``FieldTypeError`` and ``FieldValueError``.
        unpack_from: ``(buffer, offset)``: the message there, built without its constructor.
        copy: ``(message)``: the message as ``unpack_from`` would give it, header included.
            Raises ``FieldTypeError``, ``FieldValueError``.
        give: ``(message)``: the same of a message that an actor sends, with the header that the
            actor gave it.
        pack_many: ``(buffer, messages)``: records one behind the other; an error's ``index``
            says which message it was.
        unpack_many: ``(buffer, count)``: the list of messages.
        source: the generated text.
    """

    __slots__ = (
        "cls", "copy", "give", "pack_into", "pack_many", "record_size", "schema",
        "source", "unpack_from", "unpack_many",
    )  # fmt: skip

    def __init__(self, schema: Schema) -> None:
        self.cls = schema.cls
        self.schema = schema
        self.record_size = schema.dtype.itemsize
        space = new_space()
        space |= {"Message": schema.cls, "slow_pack": self._slow_pack, "slow_copy": self._slow_copy}
        space["received"] = received
        self.source = _generate(schema, space)
        define(self.source, "pack_into", f"{self.cls.__module__}.{self.cls.__qualname__}", space)
        self.pack_into: Callable[[Any, int, Any], None] = space["pack_into"]
        self.unpack_from: Callable[[Any, int], Any] = space["unpack_from"]
        copy = space["copy"]
        self.copy: Callable[[Any], Any] = copy
        self.give: Callable[[Any], Any] = FunctionType(
            copy.__code__, space, "give", (given_header,)
        )
        self.pack_many: Callable[[Any, Iterable[Any]], None] = space["pack_many"]
        self.unpack_many: Callable[[Any, int], list[Any]] = space["unpack_many"]

    def __repr__(self) -> str:
        return f"<Codec of {self.cls.__name__}, {self.record_size} bytes>"

    def check_batch(self, batch: Any) -> np.ndarray[Any, Any]:
        """A whole batch checked and converted, or an error and nothing done.

        Args:
            batch: an array of the message's dtype, which comes back as it is if it is
                contiguous, or a sequence of messages.

        Returns:
            A one-dimensional contiguous array of records.

        Raises:
            FieldTypeError, FieldValueError: some message, or a field of one, is not taken;
                ``index`` says which.
        """
        if isinstance(batch, np.ndarray):
            return check_records(self.schema, batch)
        messages = batch
        if not isinstance(batch, (list, tuple)):
            if isinstance(batch, (str, bytes, dict)) or not isinstance(batch, Iterable):
                raise wrong_batch(self.cls, given(batch))
            messages = list(batch)
        records = np.zeros(len(messages), self.schema.dtype)
        if has_strings(self.cls):
            STRINGS.track(records)
        if messages:
            self.pack_many(bytes_of(records), messages)
        return records

    def _slow_pack(self, buffer: Any, offset: int, message: Any) -> None:
        # False: what the rules have made exact must pack, or something is broken
        self.pack_into(buffer, offset, convert_message(self.cls, message), False)  # type: ignore

    def _slow_copy(self, message: Any, header: Callable[[Any], Any]) -> Any:
        return share_header(message, convert_message(self.cls, message), header)


def codec_of(cls: type) -> Codec:
    """The codec of a message class; made when first asked for.

    Raises:
        SchemaError: the class has no fixed-size record.
    """
    codec = cls.__dict__.get(_CODEC)
    if not isinstance(codec, Codec):
        codec = Codec(schema_of(cls))
        setattr(cls, _CODEC, codec)
    return codec


def copier_of(cls: type, *, giving: bool = False) -> Callable[[Any], Any]:
    """What a ``send`` does to a message where no record is made: check, convert, copy.

    Args:
        cls: an ``@message`` class; one without a record is copied as far as its fields allow,
            and the others pass by reference.
        giving: it is an actor that sends.

    Returns:
        A function of a message that raises ``FieldTypeError`` and ``FieldValueError``.
    """
    try:
        codec = codec_of(cls)
        return codec.give if giving else codec.copy
    except SchemaError:
        held = cls.__dict__.get(_COPIER)
        if held is None:
            held = staticmethod(loose_copier(cls))
            setattr(cls, _COPIER, held)
        copier: Callable[..., Any] = held.__func__
        return partial(copier, header=given_header) if giving else copier


_TEMPLATE = """\
def pack_into(buffer, offset, v, again=True):
{before}
    try:
{pack}
    except slow_errors:
        if not again: raise
        slow_pack(buffer, offset, v)
{after}

def unpack_from(buffer, offset):
{unpack}
    return {unpacked}

def copy(v, header=received):
    try:
{copy}
        return {copied}
    except slow_errors:
        return slow_copy(v, header)

def pack_many(buffer, messages):
    offset = 0
    try:
        for m in messages:
            pack_into(buffer, offset, m)
            offset += {size}
    except FieldError as error:
        error.index = offset // {size}
        raise

def unpack_many(buffer, count):
    made = []
    {loop}
{each}
        made.append({unpacked})
    return made
"""


def _generate(schema: Schema, space: dict[str, Any]) -> str:
    """The text of all functions of a codec; what it mentions goes to ``space``."""
    space["FieldError"] = FieldError
    size = schema.dtype.itemsize
    root = Writer(space, {}, [])
    pack, unpack, copy = root.fresh(), root.fresh(), root.fresh()
    pack.depth = copy.depth = 2
    pack.put("if v.__class__ is not Message: raise Bail")
    pack_fields(pack, schema, "v", 0)
    values = "".join(f", {expression}" for expression in pack.values(size))
    pack.put(f"{pack.struct}.pack_into(buffer, offset{values})")
    unpacked = unpack_message(unpack, schema, 0)
    targets = "".join(f"{name}, " for name in unpack.values(size))
    copied = copy_message(copy, schema, "v", with_header=True)
    head = [f"    {targets}= {unpack.struct}.unpack_from(buffer, offset)"] if targets else []
    body = ["    " + line for line in unpack.lines]
    if targets and not unpack.moving:
        loop = f"for {targets}in {unpack.struct}.iter_unpack(buffer):"
    else:
        loop = f"for offset in range_(0, count * {size}, {size}):"
        body = ["    " + line for line in head] + body
    before, after = "", ""
    if has_strings(schema.cls):
        before, after = SWEEP_BEFORE, SWEEP_AFTER.format("pack_into(buffer, offset, v, again)")
    return "\n\n".join(
        [
            *root.functions,
            _TEMPLATE.format(
                before=before, after=after, pack="\n".join(pack.lines + pack.after),
                unpack="\n".join(head + unpack.lines), unpacked=unpacked,
                copy="\n".join(copy.lines), copied=copied,
                loop=loop, each="\n".join(body), size=size,
            ),
        ]
    )  # fmt: skip
