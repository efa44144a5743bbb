"""Sorts the outputs of a compiled actor while callers of ``request`` wait for some of them.

Input: what a burst has put into the output ring, with the ordinal of the input each answers.
Output: replies go to their callers, the rest to the ring's ``spill``, in order.

While requests are under way the compiled code is shown another bound than the queue's: a reply
takes no room in the queue, and what is in ``spill`` does.

A worker's burst always says what its outputs answer, since a request may come while it runs; and
until they are sorted clients see the queue as it was before (``restore_view``).
"""

from __future__ import annotations

from pydotcompute.backends.native import block as words
from pydotcompute.backends.native.block import Block
from pydotcompute.compiler.abi import Policy
from pydotcompute.queues.port_words import BOUND, HEAD, POLICY, TAIL
from pydotcompute.queues.replies import Replies
from pydotcompute.queues.ring import InputRing, OutputRing


class Carry:
    """The sorting of one actor's outputs.

    Args:
        block: its memory.
        inport: its input ring.
        outport: its output ring.
        replies: who waits for what.
    """

    __slots__ = (
        "_block", "_first", "_frozen", "_handled", "_inport", "_outport", "_replies", "_since",
        "on",
    )  # fmt: skip

    def __init__(
        self, block: Block, inport: InputRing, outport: OutputRing, replies: Replies
    ) -> None:
        self._block, self._inport, self._outport = block, inport, outport
        self._replies = replies
        self.on = False
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
        pending, spill = self._replies.pending, self._outport.spill
        if worker:
            self._freeze_view()
        elif not pending and not spill:
            if self.on:
                self._close()
            return limit
        block, out = self._block, self._block.output_words
        self._first, self._handled = block.input_words[TAIL], block.q8[words.PROCESSED]
        if not self.on:
            self.on = True
            block.u4[words.CARRY] = 1
            self._since = block.q8[words.PRODUCED]
            self.sort(False)
        free = max(0, block.bound - len(spill))
        if block.policy is Policy.BLOCK:
            out[BOUND] = free
        elif block.policy is Policy.DROP_OLDEST:  # dropped here, where replies are known
            out[BOUND], out[POLICY] = block.bound, int(Policy.BLOCK)
            return 1 if worker else limit  # which messages were overtaken, and which handled
        else:  # the first output of a request's message is its reply and takes no room
            out[BOUND] = free + (self._block.input_words[TAIL] in pending)
            return 1
        return limit

    def _close(self) -> None:
        self.on = False
        self._block.u4[words.CARRY] = 0
        out = self._block.output_words
        out[BOUND], out[POLICY] = self._block.bound, int(self._block.policy)

    def _freeze_view(self) -> None:
        """Show clients what is in the ring now, until ``restore_view``."""
        port = self._outport
        if not self._frozen:
            self._frozen = True
            port.words = memoryview(bytearray(port.words)).cast("Q")

    def restore_view(self) -> None:
        """Show clients the ring itself again."""
        if self._frozen:
            self._frozen = False
            port, words_ = self._outport, self._block.output_words
            port.words = words_
            words_[TAIL] = port.tail

    def sort(self, full: bool) -> None:
        """After a burst: give replies to their callers and keep the rest in order.

        Args:
            full: outputs wait for room: those that find it now are published here.
        """
        block, port = self._block, self._outport
        out, spill = block.output_words, port.spill
        if not self._replies.pending and not spill and out[POLICY] == int(block.policy):
            return  # a worker's burst, and nobody has asked meanwhile
        sources, mask = block.sources(), port.mask
        drop = block.policy is Policy.DROP_OLDEST
        if drop and not full:
            port.skip()
        tail, produced = port.tail, block.q8[words.PRODUCED]
        published = out[HEAD]
        try:
            while tail < produced:
                source = sources[tail & mask]
                answers = tail >= self._since and source in self._replies.pending
                if tail >= published and not answers and not drop and len(spill) >= block.bound:
                    break
                message = port.slots.unpack(port.buffer, (tail & mask) * port.size)
                if not (answers and self._replies.deliver(source, message)):
                    spill.append(message)
                tail += 1
        finally:  # no output is given out twice, whatever is raised
            out[HEAD] = port.seen = max(published, tail)
            port.tail = tail
            out[TAIL] = tail
        while drop and len(spill) > block.bound:
            spill.popleft()
            port.dropped += 1
        if drop:
            handled = block.q8[words.PROCESSED] - self._handled
            self._replies.drop(self._first, block.input_words[TAIL] - handled)
