"""From objects to records: the queues of an actor that compiled code takes over.

Input: an actor whose queues are ``ObjectPort``, and memory for it.  Output: its rings, holding the
same messages under the same ordinals.
"""

from __future__ import annotations

from pydotcompute.backends.base import Host
from pydotcompute.backends.native.block import PRODUCED, Block
from pydotcompute.messages.header_slots import HeadedSlots, slots_for, token_at
from pydotcompute.queues.memory_order import fence_of
from pydotcompute.queues.port import ObjectPort
from pydotcompute.queues.ring import InputRing, OutputRing


def take_over(
    host: Host, block: Block, output: type[OutputRing] = OutputRing
) -> tuple[InputRing, OutputRing]:
    """Make the rings of an actor.

    Args:
        host: the actor; its ports stay as they are.
        block: its memory.
        output: the kind of output ring.

    Raises:
        ForeignMessage: a queued message has no record.
    """
    inport, outport = host.inbox.port, host.outbox.port
    assert isinstance(inport, ObjectPort)
    assert isinstance(outport, ObjectPort)
    program, drop = block.program, inport.drop_oldest
    fenced = fence_of()
    block.start_at(inport.tail, outport.head)
    make = slots_for(host.kernel_id, program, block.bound)
    slots = make(program.input_types, program.input_slot, "takes", declared=host.declares_input)
    ring = InputRing(block.input_words, block.input.memory.bytes, slots, fenced, drop_oldest=drop)
    ring.start_at(inport.tail)
    ring.owner = block
    ring.armed = 1  # nobody is to be woken yet
    for message in inport.items:
        ring.try_put(message)
    ring.sample_at, ring.sample_time = inport.sample_at, inport.sample_time
    slots = make(program.output_types, program.output_slot, "sends", declared=True)
    out = output(block.output_words, block.output.memory.bytes, slots, fenced, drop_oldest=drop)
    out.owner = block
    out.start_at(outport.head)
    out.spill.extend(outport.items)
    if isinstance(ring.slots, HeadedSlots):
        ring.slots.tokens.oldest = lambda: _oldest_token(block, ring, out)
    return ring, out


def _oldest_token(block: Block, ring: InputRing, out: OutputRing) -> int | None:
    """The least token that a ring holds, as ``Tokens.oldest``; None while compiled code runs."""
    if not ring.quiet():
        return None
    slots = ring.slots
    assert isinstance(slots, HeadedSlots)
    held = [slots.tokens.next]
    first = max(ring.consumed(), ring.head - ring.bound)
    if first < ring.head:
        held.append(token_at(ring.buffer, (first & ring.mask) * ring.size))
    if out.tail < block.q8[PRODUCED]:
        held.append(token_at(out.buffer, (out.tail & out.mask) * out.size))
    return min(held)
