"""Slots of the input of a compiled population: each message is checked for its key.

Input: slots, and what decides about keys (``KeyCheck``).  Output: slots that ask it about each
message before the queue shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from pydotcompute.messages.header_slots import HeadedSlots
from pydotcompute.messages.slots import RecordSlots


class KeyCheck(Protocol):
    """Decides about keys; its calls raise the error of the ``send``."""

    asks: bool
    """Whether it would refuse any message now."""

    def queued(self, buffer: memoryview, offset: int) -> None:
        """A message has been written into a slot.

        Args:
            buffer: where; other memory than the queue's is not looked at.
            offset: of the slot.
        """
        ...

    def accepted(self, message: Any) -> None:
        """A checked message is to wait for room."""
        ...

    def accepted_batch(self, batch: Any) -> None:
        """A checked batch is to be put."""
        ...


class KeyedSlots(RecordSlots):
    """Slots whose messages are checked for their keys."""

    __slots__ = ()

    @property
    def check(self) -> KeyCheck:
        """What decides."""
        raise NotImplementedError

    @property
    def checks(self) -> bool:
        """Whether each message has to be looked at."""
        return self.check.asks

    def pack_and_check(
        self, pack: Callable[[Any, int, Any], None], buffer: memoryview, offset: int, message: Any
    ) -> None:
        """Write a message into a slot by ``pack``, and check it."""
        pack(buffer, offset, message)
        self.check.queued(buffer, offset)

    def pack(self, buffer: memoryview, offset: int, message: Any) -> None:
        """As of ``RecordSlots``."""
        super().pack(buffer, offset, message)
        self.check.queued(buffer, offset)

    def accept(self, message: Any) -> Any:
        """As of ``RecordSlots``."""
        accepted = super().accept(message)
        self.check.accepted(accepted)
        return accepted

    def accept_batch(self, batch: Any) -> Any:
        """As of ``RecordSlots``."""
        accepted = super().accept_batch(batch)
        self.check.accepted_batch(accepted)
        return accepted


class KeyedRecordSlots(KeyedSlots):
    """Slots without headers."""

    __slots__ = ("check",)
    check: KeyCheck


class KeyedHeadedSlots(KeyedSlots, HeadedSlots):
    """Slots with headers."""

    __slots__ = ("check",)
    check: KeyCheck


def keyed(slots: RecordSlots, check: KeyCheck) -> KeyedSlots:
    """Slots of the same layout that ask ``check``."""
    made: KeyedRecordSlots | KeyedHeadedSlots
    whose, classes, verb = slots.kernel_id, slots.classes, slots.verb
    if isinstance(slots, HeadedSlots):
        made = KeyedHeadedSlots(
            whose, classes, slots.dtype, verb, declared=slots._declared, tokens=slots.tokens,
            sites=slots._sites,
        )  # fmt: skip
    else:
        made = KeyedRecordSlots(whose, classes, slots.dtype, verb, declared=slots._declared)
    made.check = check
    if made.cls is not None:  # else it is ``pack``
        made.pack_into = partial(made.pack_and_check, made.pack_into)
    return made
