"""Compiled code's ends of the rings: which ring an actor reads, and which one it writes.

Input: an actor's record (``compiler.abi.ACTOR``) and a ring.  Output: ``CompiledEnd``, which writes
the address of the ring's port into the record.  The other end is the host's, or that of another
compiled actor.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from pydotcompute.errors import InternalError
from pydotcompute.queues.port_words import HEAD
from pydotcompute.queues.ring import Ring


class Actor(Protocol):
    """The actor whose compiled code is at an end."""

    q8: memoryview
    """Its record, as 64-bit words."""

    def rests(self) -> bool:
        """Whether no thread runs it now."""
        ...

    def rings(self) -> Iterable[Ring]:
        """The rings that it reads and writes."""
        ...


class CompiledEnd:
    """The end at which an actor reads.

    Args:
        actor: whose compiled code works here.
        place: which word of its record names the port.
        slot: the layout that the compiled code works on.

    Attributes:
        ring: the ring; set by ``connect``.
        port: the port that the compiled code works on: the ring's, but for ``exchange``.
        exchanged: another port stands in for the ring's.
    """

    __slots__ = ("_actor", "_place", "_record", "exchanged", "port", "ring", "slot")

    def __init__(self, actor: Actor, place: int, slot: np.dtype[Any]) -> None:
        self._actor, self._record, self._place, self.slot = actor, actor.q8, place, slot
        self.exchanged = False
        self.ring: Ring
        self.port: memoryview

    def connect(self, ring: Ring) -> None:
        """Work on this ring from now on.

        Raises:
            InternalError: its records have another layout, or another actor is at this end of it.
        """
        if any(type(each) is type(self) for each in ring.workers):
            raise InternalError("two actors cannot be at the same end of a ring")
        if ring.slot != self.slot:
            raise InternalError(f"compiled code for {self.slot} cannot use a ring of {ring.slot}")
        self.ring, self.port = ring, ring.port
        self._record[self._place] = ring.address
        ring.workers.append(self)

    def disconnect(self) -> None:
        """The actor will not run again: leave the ring, with all that is in it, to another."""
        self.ring.workers.remove(self)

    def rests(self) -> bool:
        """Whether no thread runs the actor now."""
        return self._actor.rests()

    def rings(self) -> Iterable[Ring]:
        """The actor's rings."""
        return self._actor.rings()

    def written(self) -> int:
        """Records written: none."""
        return 0

    def exchange(self, address: int, port: memoryview) -> None:
        """Work on another port, until ``restore``.

        Args:
            address, port: the port.
        """
        self.exchanged, self.port = True, port
        self._record[self._place] = address

    def restore(self) -> None:
        """Work on the ring's own port again."""
        self.exchanged, self.port = False, self.ring.port
        self._record[self._place] = self.ring.address


class CompiledProducer(CompiledEnd):
    """The end at which an actor writes.

    Args:
        actor, place, slot: as for ``CompiledEnd``.
        produced: which word of the record counts what was written, published or not.
    """

    __slots__ = ("_produced",)

    def __init__(self, actor: Actor, place: int, slot: np.dtype[Any], produced: int) -> None:
        super().__init__(actor, place, slot)
        self._produced = produced

    def connect(self, ring: Ring) -> None:
        """As of ``CompiledEnd``; what is written next follows what the ring holds."""
        super().connect(ring)
        self._record[self._produced] = ring.port[HEAD]

    def disconnect(self) -> None:
        """As of ``CompiledEnd``; what was written is published, whatever the bound."""
        self.publish()
        super().disconnect()

    def written(self) -> int:
        """Records written ever, published or not."""
        return self._record[self._produced]

    def publish(self) -> None:
        """Let every record written be read, whatever the bound; the actor must not be running."""
        self.port[HEAD] = self.written()

    def forget_unpublished(self) -> None:
        """Records that were written and not published are not whole."""
        self._record[self._produced] = self.port[HEAD]

    def grow(self) -> bool:
        """Double the slots of the ring; False if there is no room for more."""
        return self.ring.grow(self.written())
