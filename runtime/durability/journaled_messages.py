"""Messages as the payload of a group, and back.

Input: messages that an input queue has accepted.  Output: their records as raw bytes, then the
strings that the records name, then their headers where they have any.  No pickle, and no Python
names: which class a record is of is an index into the actor's input types.

========  =====================================================================
part      bytes
========  =====================================================================
records   ``count`` records of the class's dtype; of several classes, one byte
          for each message that says of which, and then the records class by
          class; each part padded to 8
headers   40 for each message, if the group's flag says so
strings   8 (the id in the records), 4 (length), the text as UTF-8; for each
========  =====================================================================
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np

from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.message_schema import record_dtype, schema_of
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.compiler.types.types import Type
from pydotcompute.durability.groups import HEADERS, padded
from pydotcompute.errors import DurabilityError
from pydotcompute.messages.codec import FieldError, codec_of, wrap_field_error
from pydotcompute.messages.header import header_of, set_header
from pydotcompute.messages.slots import wrong_type
from pydotcompute.messages.string_batches import as_string_batch, has_strings
from pydotcompute.messages.union_batch import UnionBatch

Array = np.ndarray[Any, Any]
JOINED: Final = 4096
"""Messages of small groups that are read together at most."""
UNION: Final = 0xFFFF
"""The class of a group whose messages are of several."""
MOST_BYTES: Final = 8 << 20
"""Bytes of records in one group; a longer batch becomes several."""

_TEXT: Final = struct.Struct("<QI")
_HEADER: Final = struct.Struct("<16s16sBBxxxxxx")
_HAS_ID, _HAS_CORRELATION = 1, 2


@dataclass(frozen=True, slots=True)
class Payload:
    """What goes into one group.

    Args:
        parts: its bytes, in order.
        count: messages.
        cls: index of their class, or ``UNION``.
        flags: of the group.
        strings: how many of the last bytes are strings.
    """

    parts: tuple[Any, ...]
    count: int
    cls: int
    flags: int = 0
    strings: int = 0


def string_places(t: Type, at: int = 0) -> Iterator[int]:
    """Where the ids of strings are in the record of a type, from its beginning."""
    if isinstance(t, types.LiteralType):
        t = t.base
    if t == types.STR:
        yield at
    elif isinstance(t, types.MessageType):
        for field in schema_of(t.cls).fields:
            yield from string_places(field.type, at + field.offset)
    elif isinstance(t, types.OptionalType):
        yield from string_places(t.item, at + _offset(t, "value"))
    elif isinstance(t, types.ListType):
        first, size = at + _offset(t, "items"), record_dtype(t.item).itemsize
        for number in range(t.capacity):
            yield from string_places(t.item, first + number * size)


def _offset(t: Type, name: str) -> int:
    fields = record_dtype(t).fields
    assert fields is not None
    return int(fields[name][1])


class MessageFormat:
    """How the messages of one actor's input are written.

    Args:
        kernel_id: for error texts.
        classes: the actor's input types, in order.
        headed: the actor has to do with the headers of its messages; others are done again the
            same without.
    """

    def __init__(self, kernel_id: str, classes: Sequence[type], *, headed: bool) -> None:
        self.kernel_id, self.classes, self._headed = kernel_id, tuple(classes), headed
        self._index = {cls: number for number, cls in enumerate(self.classes)}
        self._codecs = [codec_of(cls) for cls in self.classes]
        self._scratch = [bytearray(each.record_size) for each in self._codecs]
        self._places = [
            tuple(string_places(types.MessageType(cls))) if has_strings(cls) else ()
            for cls in self.classes
        ]

    @property
    def is_plain(self) -> bool:
        """Whether a message is its record, and nothing else."""
        return not self._headed and not any(self._places)

    # --- writing ---------------------------------------------------------------------------

    def one(self, message: Any) -> tuple[bytes, int, int, int]:
        """One message: ``(payload, index of its class, flags, bytes of strings)``.

        Raises:
            MessageTypeError, MessageValueError: a field is not what was declared.
            DurabilityError: it is of a class whose records are not journaled.
        """
        number = self._index.get(type(message))
        if number is None:
            raise self._refuse(message)
        record = self._scratch[number]
        try:
            if not self._places[number]:
                self._codecs[number].pack_into(record, 0, message)
                if not self._headed:
                    return bytes(record), number, 0, 0
            else:
                self._pack_strings(number, record, message)
        except FieldError as error:
            raise wrap_field_error(self.kernel_id, error) from None
        rows = np.frombuffer(record, np.uint8).reshape(1, -1)
        headers = self._headers([message]) if self._headed else b""
        strings = self._strings(number, rows)
        payload = _filled(record) + headers + strings
        return payload, number, HEADERS if headers else 0, len(strings)

    def _pack_strings(self, number: int, record: bytearray, message: Any) -> None:
        sweep = -1
        while sweep != STRINGS.sweeps[0]:  # see string_table: ids in hand
            sweep = STRINGS.sweeps[0]
            record[:] = bytes(len(record))
            self._codecs[number].pack_into(record, 0, message)

    def batch(self, accepted: Any) -> list[Payload]:
        """A batch that a port has accepted; arguments and errors as for ``one``."""
        if isinstance(accepted, np.ndarray):
            number = self._number_of(accepted)
            step = max(1, MOST_BYTES // accepted.dtype.itemsize)
            return [self._rows(number, accepted[at : at + step])
                    for at in range(0, len(accepted), step)]  # fmt: skip
        if isinstance(accepted, UnionBatch):
            step = max(1, MOST_BYTES // max(each.record_size for each in self._codecs))
            return [self._union(accepted[at : at + step])
                    for at in range(0, len(accepted), step)]  # fmt: skip
        return [self._payload_of(message) for message in accepted]

    def _payload_of(self, message: Any) -> Payload:
        payload, number, flags, strings = self.one(message)
        return Payload((payload,), 1, number, flags, strings)

    def _number_of(self, records: Array) -> int:
        for number, codec in enumerate(self._codecs):
            if codec.schema.dtype == records.dtype:
                return number
        raise DurabilityError(
            f"kernel {self.kernel_id!r} journals {self._names()}, not records of {records.dtype}"
        )

    def _rows(self, number: int, records: Array) -> Payload:
        if self._headed:
            messages = self._codecs[number].unpack_many(_bytes(records), len(records))
            headers = self._headers(messages)
        else:
            headers = b""
        flat = records.view(np.uint8)
        rows = np.asarray(flat).reshape(len(records), -1)
        strings = self._strings(number, rows)
        parts = (_bytes(records), bytes(-rows.size & 7), headers, strings)
        kept = tuple(each for each in parts if len(each))
        return Payload(kept, len(records), number, HEADERS if headers else 0, len(strings))

    def _union(self, batch: UnionBatch) -> Payload:
        numbers = [self._index.get(cls, UNION) for cls in batch.classes]
        tags = np.array(numbers, np.uint16)[batch.tags]
        if (tags == UNION).any():
            raise self._refuse(batch[int(np.argmax(tags == UNION))])
        parts: list[Any] = [_filled(tags.astype(np.uint8).tobytes())]
        strings = b""
        for number, cls in enumerate(self.classes):
            rows = np.asarray(batch.of(cls))
            if len(rows):
                parts.append(_filled(bytes(_bytes(rows))))
                table = rows.view(np.uint8).reshape(len(rows), -1)
                strings += self._strings(number, table)
        flags = 0
        if self._headed:
            parts.append(self._headers(batch))
            flags = HEADERS
        return Payload((*parts, strings), len(batch), UNION, flags, len(strings))

    def _strings(self, number: int, rows: Array) -> bytes:
        """The dictionary of the strings that records name."""
        places = self._places[number]
        if not places:
            return b""
        ids = np.unique(np.concatenate([_column(rows, at) for at in places]))
        known = ids[STRINGS.valid(ids)].tolist()
        texts = ((each, STRINGS.text(each).encode("utf-8", "surrogatepass")) for each in known)
        return b"".join(_TEXT.pack(each, len(text)) + text for each, text in texts)

    def _headers(self, messages: Iterable[Any]) -> bytes:
        made = []
        for each in messages:
            header = header_of(each)
            flags, message_id, correlation = _HAS_ID, each.message_id.bytes, bytes(16)
            if each.correlation_id is not None:
                flags, correlation = flags | _HAS_CORRELATION, each.correlation_id.bytes
            made.append(_HEADER.pack(message_id, correlation, flags, header.priority))
        return b"".join(made)

    def _refuse(self, message: Any) -> Exception:
        if not isinstance(message, self.classes):
            return wrong_type(self.kernel_id, "takes", self.classes, message)
        return DurabilityError(
            f"kernel {self.kernel_id!r} journals {self._names()}; a message of "
            f"{type(message).__name__} has no record of these"
        )

    def _names(self) -> str:
        return " | ".join(cls.__name__ for cls in self.classes)

    # --- reading ---------------------------------------------------------------------------

    def record_size(self, number: int) -> int:
        """Bytes of a record of a class."""
        return int(self._codecs[number].record_size)

    def join(
        self, bodies: Sequence[memoryview], count: int, number: int, names: dict[int, str]
    ) -> Array:
        """Records of one class, out of several groups, as one array.

        Args:
            bodies: the records' bytes.
            count: messages.
            number: index of the class.
            names: the strings that the records name.
        """
        return self._read_rows(memoryview(b"".join(bodies)), count, number, names)

    def read(self, payload: memoryview, count: int, number: int, flags: int, strings: int) -> Any:
        """The messages of a group: an array, a ``UnionBatch``, or with headers a list.

        Args:
            payload: its bytes.
            count, number, flags, strings: as in its header.

        Raises:
            ValueError, IndexError, struct.error: the payload is not what the header says.
        """
        body = payload[: len(payload) - strings]
        names = _texts(payload[len(body) :])
        headers = None
        if flags & HEADERS:
            headers = body[len(body) - _HEADER.size * count :]
            body = body[: len(body) - _HEADER.size * count]
        if number == UNION:
            batch: Any = self._read_union(body, count, names)
        else:
            batch = self._read_rows(body, count, number, names)
        if headers is None:
            return batch
        messages = list(batch if number == UNION else self.classes_messages(number, batch))
        for at, message in enumerate(messages):
            _set_header(message, headers[at * _HEADER.size :])
        return messages

    def classes_messages(self, number: int, records: Array) -> list[Any]:
        """Records of a class as messages."""
        return self._codecs[number].unpack_many(_bytes(np.ascontiguousarray(records)), len(records))

    def _read_rows(
        self, body: memoryview, count: int, number: int, names: dict[int, str]
    ) -> Array:
        dtype = self._codecs[number].schema.dtype
        records: Array = np.frombuffer(body, dtype, count)
        if self._places[number]:
            records = as_string_batch(self.classes[number], records.copy())
            self._rename(number, records, names)
        return records

    def _rename(self, number: int, records: Array, names: dict[int, str]) -> None:
        """Put the ids that strings have here in place of those that they had."""
        rows = np.asarray(records).view(np.uint8).reshape(len(records), -1)
        for at in self._places[number]:
            old, inverse = np.unique(_column(rows, at), return_inverse=True)
            sweep = -1
            while sweep != STRINGS.sweeps[0]:
                sweep = STRINGS.sweeps[0]
                new = [STRINGS.intern(names[each]) if each in names else 0 for each in old.tolist()]
                column = np.array(new, np.uint64)[inverse]
                rows[:, at : at + 8] = column.view(np.uint8).reshape(-1, 8)

    def _read_union(self, body: memoryview, count: int, names: dict[int, str]) -> UnionBatch:
        tags = np.frombuffer(body, np.uint8, count)
        if count and int(tags.max()) >= len(self.classes):
            raise ValueError("a tag is out of range")
        at, rows = padded(count), []
        for number in range(len(self.classes)):
            held = int((tags == number).sum())
            rows.append(self._read_rows(body[at:], held, number, names))
            at += padded(held * self.record_size(number))
        return UnionBatch(self.classes, tags, rows)


class Run:
    """Small groups of one class, one after the other, that are read together.

    Args:
        form: how they were written.
    """

    def __init__(self, form: MessageFormat) -> None:
        self._form = form
        self._bodies: list[memoryview] = []
        self._names: dict[int, str] = {}
        self._cls, self.count = -1, 0

    def add(self, cls: int, count: int, payload: memoryview, strings: int) -> bool:
        """Take a group; False if it cannot be read together with those before."""
        if self.count and (cls != self._cls or self.count + count > JOINED):
            return False
        names = _texts(payload[len(payload) - strings :]) if strings else {}
        if any(self._names.get(each, text) != text for each, text in names.items()):
            return False  # another process, in which the number was another string's
        self._cls = cls
        self._names.update(names)
        self._bodies.append(payload[: count * self._form.record_size(cls)])
        self.count += count
        return True

    def take(self) -> Array:
        """All that has been taken, as one array."""
        found = self._form.join(self._bodies, self.count, self._cls, self._names)
        self._bodies, self._names, self.count = [], {}, 0
        return found


def _texts(dictionary: memoryview) -> dict[int, str]:
    found, at, data = {0: ""}, 0, bytes(dictionary)
    while at < len(data):
        number, length = _TEXT.unpack_from(data, at)
        at += _TEXT.size
        if at + length > len(data):
            raise ValueError("a string is longer than the dictionary")
        found[number] = data[at : at + length].decode("utf-8", "surrogatepass")
        at += length
    return found


def _set_header(message: Any, data: memoryview) -> None:
    message_id, correlation, flags, priority = _HEADER.unpack_from(data)
    parts: dict[str, Any] = {"priority": priority}
    if flags & _HAS_ID:
        parts["message_id"] = UUID(bytes=message_id)
    if flags & _HAS_CORRELATION:
        parts["correlation_id"] = UUID(bytes=correlation)
    set_header(message, parts)


def _column(rows: Array, at: int) -> Array:
    """The 64-bit words at one place of all rows."""
    return np.ascontiguousarray(rows[:, at : at + 8]).view(np.uint64)[:, 0]


def _filled(data: bytes | bytearray) -> bytes:
    return bytes(data) + bytes(-len(data) & 7)


def _bytes(records: Array) -> memoryview:
    return np.asarray(records).view(np.uint8).data


def describe_types(classes: Sequence[type]) -> list[dict[str, Any]]:
    """What records of some classes mean, as plain data: equal if they mean the same."""
    found: dict[type, dict[str, Any]] = {}
    for cls in classes:
        _describe(types.MessageType(cls), found)
    order = [found.pop(cls) for cls in classes]
    return [*order, *found.values()]


def _describe(t: Type, found: dict[type, dict[str, Any]]) -> None:
    if isinstance(t, types.MessageType) and t.cls not in found:
        fields = schema_of(t.cls).fields
        found[t.cls] = {
            "message": t.cls.__name__,
            "fields": [[f.name, str(f.type), f.offset] for f in fields],
            "bytes": schema_of(t.cls).dtype.itemsize,
        }
        for field in fields:
            _describe(field.type, found)
    elif isinstance(t, types.EnumType) and t.cls not in found:
        found[t.cls] = {"enum": t.cls.__name__, "members": [each.name for each in t.members]}
    elif isinstance(t, (types.OptionalType, types.ListType)):
        _describe(t.item, found)
