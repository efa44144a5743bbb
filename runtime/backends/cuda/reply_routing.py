"""Sorts outputs, as ``compiled.reply_routing`` does, while the compiled code goes on writing them.

Under BLOCK the device's view of the queue stays the same whether requests are under way or not:
``tail`` tells it what has left the queue, which replies do and messages in ``overflow`` do
not.  The other policies change bound or policy, so there an actor parks first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydotcompute.backends.compiled import actor_words as words
from pydotcompute.backends.compiled.block import Block
from pydotcompute.backends.compiled.reply_routing import ReplyRouting
from pydotcompute.compiler.abi import Policy
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.port import EMPTY, nothing
from pydotcompute.queues.port_words import HEAD, TAIL
from pydotcompute.queues.replies import Replies


class LiveRouting(ReplyRouting):
    """The sorting of one actor's outputs; arguments as of ``ReplyRouting``."""

    __slots__ = ("_uncounted",)

    def __init__(self, block: Block, outport: HostConsumer, replies: Replies) -> None:
        super().__init__(block, outport, replies)
        self.live = self._ring.policy is Policy.BLOCK
        self._uncounted = 0

    def open(self, limit: int, *, worker: bool = False) -> int:
        """Before a residency; arguments and result as of ``ReplyRouting``."""
        if not self.live:
            asked = bool(self._replies.pending or self._outport.overflow)
            return super().open(limit, worker=asked)
        block = self._block
        block.u4[words.RECORD_ORIGIN] = 1
        self._uncounted = block.q8[words.PRODUCED] - block.q8[words.SENT]
        self.credit()
        return limit

    def credit(self) -> None:
        """Tell the device how much room there is."""
        if self.live:
            port = self._outport
            self.on = bool(self._replies.pending or port.overflow)
            self._ring.port[TAIL] = port.tail - len(port.overflow)

    def sort(self, full: bool) -> None:
        """Give replies to their callers and keep the rest in order.

        Args:
            full: the actor is parked, and outputs wait for room.
        """
        if self.live:
            self._move(self._block.output.written() if full else self._ring.port[HEAD])
            self.on = bool(self._replies.pending or self._outport.overflow)
        else:
            super().sort(full)

    def settled(self) -> bool:
        """As of ``ReplyRouting``: an output of a message that has been handled may wait on the
        device for room.  It is counted before the message is seen to be handled."""
        if not self.live:
            return True
        return self._outport.tail >= self._block.q8[words.SENT] + self._uncounted

    def refresh(self) -> bool:
        """Before anybody takes a message; True if only what is in ``overflow`` is for them."""
        self.credit()
        if not (self.live and self.on):
            return False
        self.sort(False)
        return True


class LiveConsumer(HostConsumer):
    """The host's end of a ring into which a device may be publishing at this very moment.

    ``first`` is called before anything is taken, and says whether replies are being sorted out:
    then only ``overflow`` may be taken from, because the slots may have got new messages meanwhile.
    """

    __slots__ = ("first",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.first: Callable[[], bool] = nothing

    def depth(self) -> int:
        """Messages waiting."""
        return len(self.overflow) if self.first() else super().depth()

    def try_get(self) -> Any:
        """Take the oldest message, or ``EMPTY``."""
        if self.first() and not self.overflow:
            return EMPTY
        return super().try_get()

    def get_batch(self, limit: int) -> Any:
        """Take 1 to ``limit`` messages."""
        self.first()
        return super().get_batch(limit)

    def take_all(self, *, salvage: bool = False) -> list[Any]:
        """Remove and return every published message; ``salvage`` as for ``HostConsumer``."""
        self.first()
        return super().take_all(salvage=salvage)
