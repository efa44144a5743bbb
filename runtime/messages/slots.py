"""How a queue holds messages: as checked copies (``Values``) or as records (``RecordSlots``).

Input: what a user sends.  Output: what a port stores, and the way back.  Both check by the same
codecs, so a message is refused by every backend alike, with the same words.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.errors import MessageTypeError, SchemaError, describe
from pydotcompute.messages.codec import FieldError, codec_of, copier_of, wrap_field_error
from pydotcompute.messages.field_errors import defined_anew
from pydotcompute.messages.string_batches import as_string_batch
from pydotcompute.messages.union_batch import UnionBatch


class UnrepresentableMessage(Exception):
    """A message the user may send but compiled code cannot represent: the actor deoptimises."""


def is_message(cls: type) -> bool:
    """Whether the class was made by ``@message``."""
    return bool(getattr(cls, "__pydotcompute_message__", False))


def _has_dtype(cls: type, dtype: np.dtype[Any]) -> bool:
    try:
        return is_message(cls) and codec_of(cls).schema.dtype == dtype
    except SchemaError:
        return False


def wrong_type(kernel_id: str, verb: str, classes: Sequence[type], given: Any) -> MessageTypeError:
    """The error for a message of a class that was not declared.

    Args:
        kernel_id: whose queue refused it.
        verb: ``"takes"`` or ``"sends"``.
        classes: the declared classes.
        given: the message.
    """
    expected = " | ".join(cls.__name__ for cls in classes)
    named = type(given).__name__
    text = f"kernel {kernel_id!r} {verb} {expected}, not {named}: {describe(given)}"
    if defined_anew(classes, type(given)):
        text = (
            f"kernel {kernel_id!r} was launched with an earlier definition of {named}, which has "
            "been defined anew since; define the actor anew too, then terminate and launch it"
        )
    return MessageTypeError(text, kernel_id=kernel_id, expected=expected, given=named)


class Values:
    """Messages as objects.

    Args:
        kernel_id: for error texts.
        classes: the declared classes; empty takes anything.
        verb: ``"takes"`` for an input queue, ``"sends"`` for an output queue.
    """

    __slots__ = ("_copiers", "classes", "kernel_id", "verb")

    def __init__(self, kernel_id: str, classes: Sequence[type], verb: str) -> None:
        self.kernel_id, self.classes, self.verb = kernel_id, tuple(classes), verb
        self._copiers: dict[type, Callable[[Any], Any]] = {}

    def accept(self, message: Any) -> Any:
        """Check a message and copy it; one that ``@message`` did not make passes by reference.

        Raises:
            MessageTypeError: it, or a field, has the wrong type.
            MessageValueError: a field is out of range.
        """
        copier = self._copiers.get(type(message)) or self._learn(message)
        try:
            return copier(message)
        except FieldError as error:
            raise wrap_field_error(self.kernel_id, error) from None

    def _learn(self, message: Any) -> Callable[[Any], Any]:
        cls = type(message)
        if self.classes and not isinstance(message, self.classes):
            raise wrong_type(self.kernel_id, self.verb, self.classes, message)
        copier: Callable[[Any], Any] = _same
        if is_message(cls):
            copier = copier_of(cls, giving=self.verb == "sends")
        self._copiers[cls] = copier
        return copier

    def accept_batch(self, batch: Any) -> Any:
        """Check a whole batch: all of it, or an error.

        Args:
            batch: an array of a message's dtype, a ``UnionBatch``, or a sequence of messages.

        Returns:
            A checked array, or a list of checked copies.
        """
        if isinstance(batch, np.ndarray):
            return check_array(self.kernel_id, self.verb, self.known(), batch)
        if isinstance(batch, UnionBatch):
            batch = _checked(self.kernel_id, batch)
        accepted: list[Any] = []
        try:
            for message in batch:
                accepted.append((self._copiers.get(type(message)) or self._learn(message))(message))
        except FieldError as error:
            error.index = len(accepted)
            raise wrap_field_error(self.kernel_id, error) from None
        return accepted

    def messages(self, batch: Any, start: int, stop: int) -> list[Any]:
        """A part of an accepted batch as messages."""
        if isinstance(batch, np.ndarray):
            return self.messages_in(batch[start:stop])
        return list(batch[start:stop])

    def messages_in(self, batch: Any) -> list[Any]:
        """The messages of a batch that was made of such messages."""
        if isinstance(batch, UnionBatch):
            return list(batch)
        if batch.dtype == object:
            return list(batch)
        return list(self._class_of(batch).messages(batch))

    def known(self) -> tuple[type, ...]:
        """The classes whose arrays are understood: without declared ones, those that have come."""
        return self.classes or tuple(cls for cls in self._copiers if is_message(cls))

    def _class_of(self, batch: np.ndarray[Any, Any]) -> Any:
        for cls in self.known():
            if _has_dtype(cls, batch.dtype):
                return cls
        raise wrong_type(self.kernel_id, self.verb, self.classes, batch)


def _same(message: Any) -> Any:
    return message


def take_batch(items: deque[Any], limit: int, classes: Sequence[type] = ()) -> Any:
    """Take up to ``limit`` messages off ``items``.

    They are converted first: if that fails, ``items`` still holds all of them.

    Args:
        items: what is taken from.
        limit: most messages to take.
        classes: those that the queue has; of several a ``UnionBatch`` is made.

    Returns:
        A ``UnionBatch``; an array of the class's dtype; or, for messages without one, an object
        array.  The last two end where another class begins.
    """
    cls: Any = type(items[0])
    batch: Any
    if len(classes) > 1 and _has_record(items[0]):
        found = itertools.takewhile(_has_record, items)
        batch = UnionBatch.from_messages(itertools.islice(found, limit), classes)
    elif len(items) <= limit and {cls}.issuperset(map(type, items)):
        batch = as_batch(cls, list(items))
        items.clear()
        return batch
    else:
        alike = itertools.takewhile(lambda each: type(each) is cls, items)
        batch = as_batch(cls, list(itertools.islice(alike, limit)))
    for _ in range(len(batch)):
        items.popleft()
    return batch


def _has_record(message: Any) -> bool:
    cls = type(message)
    try:
        return is_message(cls) and codec_of(cls) is not None
    except SchemaError:
        return False


def _checked(kernel_id: str, batch: UnionBatch) -> UnionBatch:
    try:
        return batch.checked()
    except FieldError as error:
        raise wrap_field_error(kernel_id, error) from None


def as_batch(cls: Any, messages: list[Any]) -> np.ndarray[Any, Any]:
    """Messages of one class as an array of its dtype; without one, as an object array."""
    if is_message(cls):
        return as_string_batch(cls, codec_of(cls).check_batch(messages))
    objects = np.empty(len(messages), dtype=object)
    objects[:] = messages
    return objects


def check_array(
    kernel_id: str, verb: str, classes: Sequence[type], batch: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """An array of one of the classes' dtype, with every value checked.

    Raises:
        MessageTypeError: the dtype is none of theirs.
        MessageValueError: a value is none that a field can have.
    """
    for cls in classes:
        if _has_dtype(cls, batch.dtype):
            try:
                return codec_of(cls).check_batch(batch)
            except FieldError as error:
                raise wrap_field_error(kernel_id, error) from None
    expected = " or ".join(f"{cls.__name__}.dtype" for cls in classes)
    text = f"kernel {kernel_id!r} {verb} batches of {expected}, not an array of {batch.dtype}"
    if not classes:
        expected = "a sequence of messages"
        text = (f"kernel {kernel_id!r} does not know its types yet, and {verb} {expected}, "
                "not an array; give `input_type`, or send one message first")  # fmt: skip
    raise MessageTypeError(text, kernel_id=kernel_id, expected=expected, given=str(batch.dtype))


class RecordSlots:
    """Messages as records, in the slot layout of one port.

    Args:
        kernel_id: for error texts.
        classes: the message classes, in the order of their tags; none, if nothing is ever sent.
        dtype: the slot: the class's record, or for several ``{"tag", "value"}``.
        verb: ``"takes"`` or ``"sends"``.
        declared: the user named the classes, so that any other is an error; otherwise they were
            inferred, and any other is a ``UnrepresentableMessage``.
    """

    __slots__ = (
        "_declared", "_record_at", "_tags", "_value_at", "classes", "cls", "dtype", "kernel_id",
        "pack_into", "size", "unpack", "verb",
    )  # fmt: skip

    def __init__(
        self,
        kernel_id: str,
        classes: Sequence[type],
        dtype: np.dtype[Any],
        verb: str,
        *,
        declared: bool,
    ) -> None:
        self.kernel_id, self.classes, self.verb = kernel_id, tuple(classes), verb
        self.dtype, self.size, self._declared = dtype, dtype.itemsize, declared
        self._tags = {cls: tag for tag, cls in enumerate(self.classes)}
        self._record_at = 0
        self._value_at = dtype.fields["value"][1] if len(classes) > 1 and dtype.fields else 0
        self.cls = self.classes[0] if len(self.classes) == 1 else None
        self.pack_into: Callable[[Any, int, Any], None] = self.pack
        self.unpack: Callable[[Any, int], Any] = self._unpack_tagged
        if self.cls is not None:
            codec = codec_of(self.cls)
            self.pack_into, self.unpack = codec.pack_into, codec.unpack_from

    @property
    def checks(self) -> bool:
        """Whether each message has to be looked at, so that records cannot be copied in."""
        return False

    def pack(self, buffer: memoryview, offset: int, message: Any) -> None:
        """Check a message and write it into a slot.

        Raises:
            MessageTypeError: it is not of a declared class.
            UnrepresentableMessage: it may be sent, but has no record here.
        """
        tag = self._tags.get(type(message))
        if tag is None:
            raise self._refuse(message)
        codec_of(self.classes[tag]).pack_into(buffer, offset + self._value_at, message)
        if len(self.classes) > 1:
            buffer[offset : offset + 4] = tag.to_bytes(4, "little")

    def _refuse(self, message: Any) -> Exception:
        if self._declared and not isinstance(message, self.classes):
            return wrong_type(self.kernel_id, self.verb, self.classes, message)
        return UnrepresentableMessage()

    def _unpack_tagged(self, buffer: memoryview, offset: int) -> Any:
        tag = int.from_bytes(buffer[offset : offset + 4], "little")
        return codec_of(self.classes[tag]).unpack_from(buffer, offset + self._value_at)

    def accept(self, message: Any) -> Any:
        """Check and copy a message that waits for room."""
        if type(message) not in self._tags:
            raise self._refuse(message)
        try:
            return codec_of(type(message)).copy(message)
        except FieldError as error:
            raise wrap_field_error(self.kernel_id, error) from None

    def accept_batch(self, batch: Any) -> Any:
        """Check a whole batch: a checked array if all are of one class, a ``UnionBatch`` of a
        ``UnionBatch``, else checked copies."""
        if isinstance(batch, np.ndarray):
            return check_array(self.kernel_id, self.verb, self.classes, batch)
        if isinstance(batch, UnionBatch):
            for cls in batch.classes:
                if cls not in self._tags and len(batch.of(cls)):
                    raise self._refuse(batch[int(batch.index(cls)[0])])
            batch = _checked(self.kernel_id, batch)
            return batch if self.cls is None else batch.of(self.cls)
        batch = list(batch)
        if self.cls is not None and all(type(message) is self.cls for message in batch):
            try:
                return codec_of(self.cls).check_batch(batch)
            except FieldError as error:
                raise wrap_field_error(self.kernel_id, error) from None
        return [self.accept(message) for message in batch]

    def records(self, batch: Any, start: int, stop: int) -> memoryview:
        """A part of an accepted batch as the bytes of slots."""
        if isinstance(batch, np.ndarray) and self.cls is not None:
            return batch[start:stop].view(np.uint8).data
        if isinstance(batch, UnionBatch) and len(self.classes) > 1 and not self._record_at:
            return self._tagged(batch[start:stop])
        messages = batch[start:stop]
        if isinstance(batch, np.ndarray):
            messages = self._class_of(batch).messages(messages)
        packed = np.zeros(self.size * (stop - start), np.uint8)
        STRINGS.track(packed)
        for number, message in enumerate(messages):
            self.pack(packed.data, number * self.size, message)
        return packed.data

    def _tagged(self, batch: UnionBatch) -> memoryview:
        """The rows of each class in the slots that are theirs, behind their tag."""
        packed = np.zeros(self.size * len(batch), np.uint8)
        STRINGS.track(packed)
        table = packed.reshape(len(batch), self.size)
        for cls in batch.classes:
            rows, places = np.asarray(batch.of(cls)), batch.index(cls)
            if len(rows):
                size, at = rows.dtype.itemsize, self._value_at
                table[places, at : at + size] = rows.view(np.uint8).reshape(len(rows), size)
                table[places, :4] = np.frombuffer(self._tags[cls].to_bytes(4, "little"), np.uint8)
        return packed.data

    def _class_of(self, batch: np.ndarray[Any, Any]) -> Any:
        return next(cls for cls in self.classes if _has_dtype(cls, batch.dtype))

    def messages_in(self, batch: Any) -> list[Any]:
        """The messages of a batch that ``batch`` made."""
        if isinstance(batch, UnionBatch):
            return list(batch)
        return list(self._class_of(batch).messages(batch))

    def batch(self, records: np.ndarray[Any, Any]) -> Any:
        """The messages in the bytes of slots: an array, or of several classes a ``UnionBatch``."""
        if self.cls is not None:
            return as_string_batch(self.cls, records.view(self.dtype))
        table, at = records.reshape(-1, self.size), self._record_at
        if len(self.classes) == 1:
            return self._rows(self.classes[0], table[:, at:])
        tags = np.ascontiguousarray(table[:, at : at + 4]).view("<u4")[:, 0]
        if tags.max(initial=0) >= len(self.classes):
            raise IndexError("a record of compiled code holds a tag out of range")
        at += self._value_at
        rows = [self._rows(cls, table[tags == tag, at:]) for cls, tag in self._tags.items()]
        return UnionBatch(self.classes, tags.astype(np.uint8), rows)

    def _rows(self, cls: type, table: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The messages of one class, of bytes in rows that begin with their records."""
        dtype = codec_of(cls).schema.dtype
        held = np.ascontiguousarray(table[:, : dtype.itemsize])
        return as_string_batch(cls, held.reshape(-1).view(dtype))
