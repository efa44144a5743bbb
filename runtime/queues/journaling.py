"""What a queue tells before it takes a message: the protocol of an actor's journal.

Input: a message, or a batch, for which there is room.  Output: it is on disk, or
``DurabilityError`` is raised and the queue has not taken it.

A queue without a journal has None in its place and tells nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message comes from, as far as a journal must know it.

    Args:
        source: 0 for a client, else 1 + the journal's index of the actor at the other end of an
            edge.
        request: the first output for it is a reply.
    """

    source: int = 0
    request: bool = False


CLIENT: Final = Origin()
REQUEST: Final = Origin(request=True)


class InputJournal(Protocol):
    """The journal of one input queue."""

    def message(self, message: Any, origin: Origin) -> None:
        """A message is about to be taken.

        Raises:
            DurabilityError: it cannot be written.
            MessageTypeError, MessageValueError: it, or a field, is not what was declared.
        """
        ...

    def batch(self, accepted: Any, origin: Origin) -> int:
        """A whole accepted batch is about to be taken; returns what ``cut`` calls it.

        Raises:
            DurabilityError: it cannot be written.
        """
        ...

    def cut(self, entry: int, kept: int) -> None:
        """Of that batch, only the first messages were taken."""
        ...
