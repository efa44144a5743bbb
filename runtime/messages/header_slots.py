"""Slots of actors that read or set message headers: records with a token for the header.

Compiled code knows nothing of ids and priorities.  It carries a token from the message in hand to
what it sends for it, with the number of a ``HeaderSite``; the host keeps the header behind the
token and makes the output's header of it when the output is read.  Other actors pay nothing.

The host keeps a header, never the message, and only while a queue or the actor holds its token.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from pydotcompute.compiler.ir.nodes import HeaderSite
from pydotcompute.messages.header import (
    HEADER,
    Header,
    Identity,
    Received,
    correlation_of,
    id_of,
    identity_in,
    priority_of,
    set_header,
    shared_header,
)
from pydotcompute.messages.slots import RecordSlots

_PREFIX = struct.Struct("<QIBBxx")
_ID = struct.Struct("<QQ")
_FEW = 64
"""Headers of which it is not worth asking whether they are still needed."""


class Headed(Protocol):
    """What is asked of a compiled actor here."""

    @property
    def headers(self) -> tuple[HeaderSite, ...]:
        """What it puts into the headers of what it sends."""
        ...

    @property
    def header_reads(self) -> tuple[str, ...]:
        """What it reads of the headers of what it receives."""
        ...


class Tokens:
    """The headers under way, by token.  Tokens count from 1, in the order of the messages.

    Args:
        limit: how many are kept at most; the oldest go first.

    Attributes:
        oldest: the least token that a queue or the actor holds, ``next`` if they hold none; None
            while that cannot be told.
        batching: records are being made that no queue holds yet.
    """

    __slots__ = ("_due", "_kept", "_limit", "batching", "next", "oldest")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.next = 1
        self._kept: dict[int, Header | Identity] = {}
        self._due = _FEW
        self.oldest: Callable[[], int | None] = lambda: None
        self.batching = False

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, header: Header | Identity) -> int:
        """A token for a header; never 0."""
        token, self.next = self.next, self.next + 1
        self._kept[token] = header
        return token

    def find(self, token: int) -> Header | Identity | None:
        """The header behind a token, or None."""
        return self._kept.get(token)

    def release(self) -> None:
        """Forget the headers that nothing refers to any more, once there may be many of them."""
        if self.batching or len(self._kept) < self._due:
            return
        oldest = self.oldest()
        if oldest is None:
            oldest = self.next - self._limit
        for token in [*itertools.takewhile(lambda each: each < oldest, self._kept)]:
            del self._kept[token]
        self._due = 2 * len(self._kept) + _FEW


class HeadedSlots(RecordSlots):
    """``RecordSlots`` behind a token, the number of a header, and what is read of the message's.

    Args:
        kernel_id, classes, dtype, verb, declared: as for ``RecordSlots``.
        tokens: shared by the two ports of an actor.
        sites: the actor's headers, counted from 1; number 0 means no header.
    """

    __slots__ = ("_ids", "_sites", "_unpack_record", "tokens")

    def __init__(
        self,
        kernel_id: str,
        classes: Sequence[type],
        dtype: np.dtype[Any],
        verb: str,
        *,
        declared: bool,
        tokens: Tokens,
        sites: Sequence[HeaderSite],
    ) -> None:
        super().__init__(kernel_id, classes, dtype["value"], verb, declared=declared)
        self._unpack_record = self.unpack
        self.tokens, self._sites = tokens, sites
        self.dtype, self.size, self.cls = dtype, dtype.itemsize, None
        fields: Any = dtype.fields
        self._ids = [(part, fields[part][1]) for part in _IDS if part in fields]
        self._record_at: int = fields["value"][1]
        self.unpack = self._unpack_headed

    def pack(self, buffer: memoryview, offset: int, message: Any) -> None:
        """Check a message, keep its header behind a token, and write it into a slot."""
        self.tokens.release()
        super().pack(buffer, offset + self._record_at, message)
        header = shared_header(message)
        token = self.tokens.keep(header)
        correlated = isinstance(header, Header) and header.correlation_id is not None
        _PREFIX.pack_into(buffer, offset, token, 0, priority_of(header), correlated)
        for part, place in self._ids:
            value = _PARTS[part](header)
            if value is not None:
                _ID.pack_into(buffer, offset + place, value.int >> 64, value.int & _LOW)

    def records(self, batch: Any, start: int, stop: int) -> memoryview:
        """A part of an accepted batch as the bytes of slots."""
        self.tokens.release()
        self.tokens.batching = True
        try:
            return super().records(batch, start, stop)
        finally:
            self.tokens.batching = False

    def _unpack_headed(self, buffer: memoryview, offset: int) -> Any:
        token, number, _, _ = _PREFIX.unpack_from(buffer, offset)
        message = self._unpack_record(buffer, offset + self._record_at)
        header = self.tokens.find(token)
        if number:
            self._head(message, header, self._sites[number - 1])
        elif header is not None and self.verb == "takes":
            object.__setattr__(message, HEADER, Received(header))
        return message

    def _head(self, message: Any, source: Header | Identity | None, site: HeaderSite) -> None:
        """Make the header of an output."""
        parts = dict(site.constants)
        for name, of in () if source is None else site.copied:
            assert source is not None
            if (name, of) == ("correlation_id", "message_id"):
                # the id is made when it is first read
                header = Header(correlation_id=identity_in(source))
                object.__setattr__(message, HEADER, header)
            else:
                parts[name] = _PARTS[of](source)
        if parts:
            set_header(message, parts)


_LOW = (1 << 64) - 1
_IDS = ("message_id", "correlation_id")
_PARTS: dict[str, Callable[[Header | Identity], Any]] = {
    "message_id": id_of, "priority": priority_of, "correlation_id": correlation_of,
}  # fmt: skip


def token_at(buffer: memoryview, offset: int) -> int:
    """The token in a slot."""
    token: int = _PREFIX.unpack_from(buffer, offset)[0]
    return token


def slots_for(kernel_id: str, program: Headed, bound: int) -> Callable[..., RecordSlots]:
    """What makes the slots of both ports of an actor.

    Args:
        kernel_id: the actor's id.
        program: the compiled actor.
        bound: messages each of its queues holds.
    """
    if not (program.headers or program.header_reads):
        return partial(RecordSlots, kernel_id)
    tokens = Tokens(4 * bound + 4096)
    return partial(HeadedSlots, kernel_id, tokens=tokens, sites=program.headers)
