"""Slots of actors that read or set message headers: records with a token for the message.

Compiled code knows nothing of ids and priorities.  It carries a token from the message in hand to
what it sends for it, with the number of a ``HeaderSite``; the host keeps the message behind the
token and makes the output's header of it when the output is read.  Other actors pay nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pydotcompute.compiler.ir.nodes import HeaderSite
from pydotcompute.messages.header import correlate, set_header, share_header
from pydotcompute.messages.slots import RecordSlots

if TYPE_CHECKING:
    from pydotcompute.backends.program import NativeProgram

_PREFIX = struct.Struct("<QIxxxx")


class Tokens:
    """The messages under way, by token.

    Args:
        limit: how many are kept; the oldest go first.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._last = 0
        self._kept: dict[int, Any] = {}

    def keep(self, message: Any) -> int:
        """A token for a message; never 0."""
        self._last += 1
        self._kept[self._last] = message
        if len(self._kept) > self._limit:
            del self._kept[next(iter(self._kept))]
        return self._last

    def find(self, token: int) -> Any:
        """The message behind a token, or None."""
        return self._kept.get(token)


class HeadedSlots(RecordSlots):
    """``RecordSlots`` behind a token and the number of a header.

    Args:
        kernel_id, classes, dtype, verb, declared: as for ``RecordSlots``.
        tokens: shared by the two ports of an actor.
        sites: the actor's headers; number 0 is none, so they count from 1.
    """

    __slots__ = ("_sites", "_tokens", "_unpack_record")

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
        self._tokens, self._sites = tokens, sites
        self.dtype, self.size, self.cls = dtype, dtype.itemsize, None
        self.unpack = self._unpack_headed

    def pack(self, buffer: memoryview, offset: int, message: Any) -> None:
        """Check a message, keep it behind a token, and write it into a slot."""
        inner = memoryview(bytearray(self.dtype["value"].itemsize))
        super().pack(inner, 0, message)
        _PREFIX.pack_into(buffer, offset, self._tokens.keep(message), 0)
        buffer[offset + _PREFIX.size : offset + self.size] = inner

    def _unpack_headed(self, buffer: memoryview, offset: int) -> Any:
        token, number = _PREFIX.unpack_from(buffer, offset)
        message = self._unpack_record(buffer, offset + _PREFIX.size)
        source = self._tokens.find(token)
        if number:
            self._head(message, source, self._sites[number - 1])
        elif self.verb == "takes" and source is not None:
            share_header(source, message)
        return message

    def _head(self, message: Any, source: Any, site: HeaderSite) -> None:
        """Make the header of an output."""
        parts = dict(site.constants)
        for name, of in site.copied:
            if source is None:
                continue
            if (name, of) == ("correlation_id", "message_id"):
                correlate(message, source)  # the id is made when somebody reads it
            else:
                parts[name] = getattr(source, of)
        if parts:
            set_header(message, parts)


def slots_for(kernel_id: str, program: NativeProgram, bound: int) -> Callable[..., RecordSlots]:
    """What makes the slots of both ports of an actor.

    Args:
        kernel_id: the actor's id.
        program: the compiled actor.
        bound: messages each of its queues holds.
    """
    if not program.headers:
        return partial(RecordSlots, kernel_id)
    tokens = Tokens(4 * bound + 4096)
    return partial(HeadedSlots, kernel_id, tokens=tokens, sites=program.headers)
