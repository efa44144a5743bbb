"""Sorts the outputs of a compiled actor while callers of ``request`` wait for some of them.

Input: what compiled code has put into the output ring, with the ordinal of the input each answers.
Output: replies go to their callers, the rest to the ring's ``overflow``, in order.

While requests are under way the compiled code is shown another bound than the queue's: a reply
takes no room in the queue, and what is in ``overflow`` does.

A worker's burst always says what its outputs answer, since a request may come while it runs; and
until they are sorted clients see the queue as it was before (``restore_view``).
"""

from __future__ import annotations

import sys

from pydotcompute.backends.compiled import actor_words as words
from pydotcompute.backends.compiled.block import Block
from pydotcompute.compiler.abi import Policy
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.port_words import BOUND, HEAD, POLICY, TAIL
from pydotcompute.queues.replies import Replies


class ReplyRouting:
    """The sorting of one actor's outputs.

    Args:
        block: its memory.
        outport: the host's end of the ring it writes.
        replies: who waits for what.

    Attributes:
        on: outputs are being sorted.
        live: compiled code goes on writing meanwhile: it is told that there is less room, by as
            many messages as are in ``overflow``.
    """

    __slots__ = (
        "_block", "_first", "_frozen", "_handled", "_outport", "_replies", "_ring", "_since",
        "live", "on",
    )  # fmt: skip

    def __init__(self, block: Block, outport: HostConsumer, replies: Replies) -> None:
        self._block, self._ring, self._outport = block, block.output.ring, outport
        self._replies = replies
        self.on = self.live = False
        self._since = 0  # outputs before this one do not say what they answer
        self._first = self._handled = 0
        self._frozen = False

    def open(self, limit: int, *, worker: bool = False) -> int:
        """Before a burst: show the compiled code the room there is.

        Args:
            limit: how many messages the burst is meant to handle.
            worker: the burst runs on a worker thread, so that requests may come meanwhile.

        Returns:
            How many it may handle.
        """
        pending, overflow = self._replies.pending, self._outport.overflow
        if worker:
            self.freeze_view()
        elif not pending and not overflow:
            if self.on:
                self._close()
            return limit
        block, ring = self._block, self._ring
        self._first, self._handled = block.input.port[TAIL], block.q8[words.PROCESSED]
        if not self.on:
            self.on = True
            block.u4[words.RECORD_ORIGIN] = 1
            self._since = block.q8[words.PRODUCED]
            self.sort(False)
        free = max(0, ring.bound - len(overflow))
        if ring.policy is Policy.BLOCK:
            ring.port[BOUND] = free
        elif ring.policy is Policy.DROP_OLDEST:  # dropped here, where replies are known
            ring.show(ring.bound, Policy.BLOCK)
            return 1 if worker else limit  # which messages were overtaken, and which handled
        else:  # the first output of a request's message is its reply and takes no room
            ring.show(free + (self._first in pending), Policy.REJECT)
            return 1
        return limit

    def _close(self) -> None:
        self.on = False
        self._block.u4[words.RECORD_ORIGIN] = 0
        self._ring.show_own()

    def close(self) -> None:
        """The actor gets edges: what it has sent is its clients', in ``overflow``."""
        self._move(self._block.q8[words.PRODUCED])
        self._close()

    def freeze_view(self) -> None:
        """Show clients what is in the ring now, until ``restore_view``."""
        port = self._outport
        if not self._frozen:
            self._frozen = True
            port.words = memoryview(bytearray(port.words)).cast("Q")

    def restore_view(self) -> None:
        """Show clients the ring itself again."""
        if self._frozen:
            self._frozen = False
            port = self._outport
            port.words = self._ring.port
            port.words[TAIL] = port.tail

    def sort(self, full: bool) -> None:
        """After a burst: give replies to their callers and keep the rest in order.

        Args:
            full: outputs wait for room: those that find it now are published here.
        """
        block, ring, port = self._block, self._ring, self._outport
        drop = ring.drop_oldest
        if not self._replies.pending and not port.overflow and ring.port[POLICY] == ring.policy:
            return  # a worker's burst, and nobody has asked meanwhile
        if drop and not full:
            port.skip()
        self._move(block.q8[words.PRODUCED])
        while drop and len(port.overflow) > ring.bound:
            port.overflow.popleft()
            port.dropped += 1
        if drop:
            handled = block.q8[words.PROCESSED] - self._handled
            self._replies.drop(self._first, block.input.port[TAIL] - handled)

    def settled(self) -> bool:
        """Whether all outputs of the messages that are seen to be handled have been sorted."""
        return True

    def _move(self, end: int) -> None:
        """Take the outputs up to an ordinal out of the ring: replies to their callers, the rest
        into ``overflow``, of those that are not published only as many as have room there.
        """
        ring, port, pending = self._ring, self._outport, self._replies.pending
        sources, overflow, mask, tail = ring.sources, port.overflow, port.mask, port.tail
        counters, most = ring.port, sys.maxsize if ring.drop_oldest else ring.bound
        published = counters[HEAD]
        try:
            while tail < end:
                source = sources[tail & mask]
                answers = tail >= self._since and source in pending
                if tail >= published and not answers and len(overflow) >= most:
                    break
                message = port.slots.unpack(port.buffer, (tail & mask) * port.size)
                if not (answers and self._replies.deliver(source, message)):
                    overflow.append(message)
                tail += 1
        finally:  # no output is given out twice, whatever is raised
            port.tail = tail
            if tail > published:
                counters[HEAD] = published = tail
            port.cached_remote_cursor = published
            counters[TAIL] = tail - len(overflow) if self.live else tail
