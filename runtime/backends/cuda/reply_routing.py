"""Sorts outputs, as ``carry`` does, while the compiled code goes on writing them.

Under BLOCK the device's view of the queue stays the same whether requests are under way or not:
``tail`` tells it what has left the queue, which replies do and messages in ``spill`` do not.  The
other policies change bound or policy, so there an actor parks first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydotcompute.backends.native import block as words
from pydotcompute.backends.native.reply_routing import Carry
from pydotcompute.compiler.abi import Policy
from pydotcompute.queues.port import EMPTY, nothing
from pydotcompute.queues.port_words import HEAD, TAIL
from pydotcompute.queues.ring import OutputRing


class LiveCarry(Carry):
    """The sorting of one actor's outputs; arguments as of ``Carry``."""

    __slots__ = ()

    @property
    def live(self) -> bool:
        """Whether outputs can be sorted while the actor is resident."""
        return self._block.policy is Policy.BLOCK

    def open(self, limit: int, *, worker: bool = False) -> int:
        """Before a residency; arguments and result as of ``Carry``."""
        if not self.live:
            asked = bool(self._replies.pending or self._outport.spill)
            return super().open(limit, worker=asked)
        self._block.u4[words.CARRY] = 1
        self.credit()
        return limit

    def credit(self) -> None:
        """Tell the device how much room there is."""
        if self.live:
            block, port = self._block, self._outport
            self.on = bool(self._replies.pending or port.spill)
            block.output_words[TAIL] = port.tail - len(port.spill)

    def sort(self, full: bool) -> None:
        """Give replies to their callers and keep the rest in order.

        Args:
            full: the actor is parked, and outputs wait for room.
        """
        if not self.live:
            super().sort(full)
            return
        block, port, pending = self._block, self._outport, self._replies.pending
        published = block.output_words[HEAD]
        end = block.q8[words.PRODUCED] if full else published
        sources, mask, tail = block.sources(), port.mask, port.tail
        try:
            while tail < end:
                source = sources[tail & mask]
                answers = source in pending
                if tail >= published and not answers and len(port.spill) >= block.bound:
                    break
                message = port.slots.unpack(port.buffer, (tail & mask) * port.size)
                if not (answers and self._replies.deliver(source, message)):
                    port.spill.append(message)
                tail += 1
        finally:  # no output is given out twice, whatever is raised
            port.tail = tail
            if tail > published:
                block.output_words[HEAD] = tail
            port.seen = max(published, tail)
        self.credit()

    def refresh(self) -> bool:
        """Before anybody takes a message; True if only what is in ``spill`` is for them."""
        self.credit()
        if not (self.live and self.on):
            return False
        self.sort(False)
        return True


class LiveOutput(OutputRing):
    """The output ring of an actor that may be publishing at this very moment.

    ``first`` is called before anything is taken, and says whether replies are being sorted out:
    then only ``spill`` may be taken from, because the slots may have got new messages meanwhile.
    """

    __slots__ = ("first",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.first: Callable[[], bool] = nothing

    def depth(self) -> int:
        """Messages waiting."""
        return len(self.spill) if self.first() else super().depth()

    def try_get(self) -> Any:
        """Take the oldest message, or ``EMPTY``."""
        if self.first() and not self.spill:
            return EMPTY
        return super().try_get()

    def get_batch(self, limit: int) -> Any:
        """Take 1 to ``limit`` messages of one class."""
        self.first()
        return super().get_batch(limit)

    def take_all(self, *, salvage: bool = False) -> list[Any]:
        """Remove and return every published message; ``salvage`` as for ``OutputRing``."""
        self.first()
        return super().take_all(salvage=salvage)
