"""Batches of messages of several classes: ``UnionBatch``.

Input: messages, or the records of a queue that has several classes.  Output: one array of records
for each class, and for each message of the batch the number of its class.

What belongs here: what a user does with such a batch.  ``slots`` turns one into the records of a
queue and back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pydotcompute.compiler.types.message_schema import is_message
from pydotcompute.errors import MessageTypeError, SchemaError, given
from pydotcompute.messages.codec import codec_of
from pydotcompute.messages.field_errors import FieldError, wrap_field_error
from pydotcompute.messages.string_batches import as_string_batch

Array = np.ndarray[Any, Any]


class UnionBatch:
    """Messages of several classes, in order.

    Args:
        classes: the message classes.
        tags: for each message, which of ``classes`` it is of.
        rows: for each class, an array of its dtype: its messages, in order.

    Attributes:
        classes: the message classes: all that the queue has, also those without a message here.
        tags: for each message, which of ``classes`` it is of; ``uint8``.

    Two classes with the same fields stay two classes.

    Example:
        >>> batch = await kernel.receive_many(1000)           # doctest: +SKIP
        >>> batch.of(Approved)["amount"].sum(), len(batch.of(Denied))  # doctest: +SKIP
    """

    __slots__ = ("_places", "_rows", "classes", "tags")

    def __init__(self, classes: Sequence[type], tags: Array, rows: Sequence[Array]) -> None:
        self.classes, self.tags, self._rows = tuple(classes), tags, tuple(rows)
        self._places: dict[int, Array] = {}

    @classmethod
    def from_messages(cls, messages: Iterable[Any], classes: Sequence[type] = ()) -> UnionBatch:
        """A batch of messages.

        Args:
            messages: instances of message classes.
            classes: the first of the batch's classes; others follow in the order in which they
                come.

        Raises:
            MessageTypeError, MessageValueError: something is no message, or a field of one does not
                take its value.
        """
        known: dict[type, list[Any]] = {each: [] for each in classes}
        tags: list[int] = []
        numbers = {each: number for number, each in enumerate(known)}
        for each in messages:
            kind = type(each)
            if kind not in known:
                if not is_message(kind):
                    raise _no_message(each, len(tags))
                numbers[kind], known[kind] = len(known), []
            known[kind].append(each)
            tags.append(numbers[kind])
        made = cls(tuple(known), np.array(tags, np.uint8), [*map(_empty, known)])
        try:
            return made._with(list(known.values()))
        except FieldError as error:
            raise wrap_field_error(None, error, "UnionBatch.from_messages") from None

    def checked(self) -> UnionBatch:
        """The same batch, every value of which means something.

        Raises:
            FieldTypeError, FieldValueError: one does not; ``index`` says of which message.
        """
        return self._with(self._rows)

    def _with(self, values: Sequence[Any]) -> UnionBatch:
        """The batch with the records that the codecs make of messages or records."""
        rows = list(self._rows)
        for number, (cls, alike) in enumerate(zip(self.classes, values, strict=True)):
            if not len(alike):
                continue
            try:
                rows[number] = as_string_batch(cls, codec_of(cls).check_batch(alike))
            except FieldError as error:
                if error.index is not None:
                    error.index = int(self._places_of(number)[error.index])
                raise
        return UnionBatch(self.classes, self.tags, rows)

    def of(self, cls: type) -> Array:
        """The messages of one class, in order, as an array of its dtype; empty if there are none.

        Raises:
            TypeError: it is no message class.
        """
        if cls in self.classes:
            return self._rows[self.classes.index(cls)]
        _check_class(cls)
        return _empty(cls)

    def index(self, cls: type) -> Array:
        """Where in the batch the messages of one class are: an array of places, rising.

        Raises:
            TypeError: it is no message class.
        """
        if cls not in self.classes:
            _check_class(cls)
            return np.empty(0, np.intp)
        return self._places_of(self.classes.index(cls))

    def _places_of(self, number: int) -> Array:
        found = self._places.get(number)
        if found is None:
            found = self._places[number] = np.flatnonzero(self.tags == number)
            found.flags.writeable = False
        return found

    def __len__(self) -> int:
        return len(self.tags)

    def __iter__(self) -> Iterator[Any]:
        made = [iter(_messages(cls, rows))
                for cls, rows in zip(self.classes, self._rows, strict=True)]  # fmt: skip
        return (next(made[tag]) for tag in self.tags.tolist())

    def __getitem__(self, key: Any) -> Any:
        """A message, or for a slice a batch, which shares the rows."""
        if isinstance(key, slice):
            return self._slice(*key.indices(len(self)))
        at = range(len(self))[key]
        number = int(self.tags[at])
        row = int(np.searchsorted(self._places_of(number), at))
        return _messages(self.classes[number], self._rows[number][row : row + 1])[0]

    def _slice(self, start: int, stop: int, step: int) -> UnionBatch:
        if step != 1:
            taken = range(start, stop, step)
            return UnionBatch.from_messages([self[at] for at in taken], self.classes)
        rows = []
        for number, each in enumerate(self._rows):
            first, last = np.searchsorted(self._places_of(number), (start, max(start, stop)))
            rows.append(each[first:last])
        return UnionBatch(self.classes, self.tags[start:stop], rows)

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(rows)} {cls.__name__}"
                           for cls, rows in zip(self.classes, self._rows, strict=True))  # fmt: skip
        return f"<UnionBatch of {counts or 'nothing'}>"


def _empty(cls: type) -> Array:
    """No messages of a class; one that has no record has no dtype either."""
    try:
        return np.empty(0, codec_of(cls).schema.dtype)
    except SchemaError:
        return np.empty(0, object)


def _messages(cls: Any, rows: Array) -> list[Any]:
    made: list[Any] = cls.messages(rows) if len(rows) else []
    return made


def _check_class(cls: Any) -> None:
    if not is_message(cls):
        raise TypeError(f"a UnionBatch has messages of @message classes, not of {cls!r}")


def _no_message(value: Any, number: int) -> MessageTypeError:
    text = f"UnionBatch.from_messages takes messages, got {given(value)}, as message {number}"
    return MessageTypeError(text, None, None, "messages", given(value))
