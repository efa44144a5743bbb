"""From objects to records: the queues of an actor that compiled code takes over.

Input: an actor whose queues are ``ObjectPort``.  Output: its rings, and the host's ends of them,
which hold the same messages under the same ordinals.
"""

from __future__ import annotations

from pydotcompute.backends.base import Host
from pydotcompute.backends.compiled.block import Block, input_ring, output_ring
from pydotcompute.backends.program import NativeProgram
from pydotcompute.messages.header_slots import HeadedSlots, slots_for, token_at
from pydotcompute.messages.keyed_slots import KeyCheck, keyed
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.memory import Allocate, Memory
from pydotcompute.queues.memory_order import fence_of
from pydotcompute.queues.port import ObjectPort
from pydotcompute.queues.ring import Ring


def rings_for(host: Host, program: NativeProgram, allocate: Allocate = Memory) -> tuple[Ring, Ring]:
    """The ring an actor reads and the one it writes, empty, at the ordinals of its queues.

    Args:
        host: the actor.
        program: its compiled form.
        allocate: where the memory comes from.
    """
    bound, policy = host.spec.queue_size, host.spec.backpressure.policy
    source = input_ring(program, bound, policy, allocate)
    target = output_ring(program, bound, policy, allocate)
    source.start_at(host.inbox.port.tail)
    target.start_at(host.outbox.port.head)
    return source, target


def take_over(
    host: Host,
    block: Block,
    consumer: type[HostConsumer] = HostConsumer,
    check: KeyCheck | None = None,
) -> tuple[HostProducer, HostConsumer]:
    """Move an actor's messages into its rings.

    Args:
        host: the actor; its ports stay as they are.
        block: its memory, with rings as ``rings_for`` makes them.
        consumer: the kind of end at the ring it writes.
        check: of a population, what decides about keys.

    Raises:
        UnrepresentableMessage: a queued message has no record.
    """
    inport, outport = host.inbox.port, host.outbox.port
    assert isinstance(inport, ObjectPort)
    assert isinstance(outport, ObjectPort)
    program, fenced = block.program, fence_of()
    make = slots_for(host.kernel_id, program, block.input.ring.bound)
    slots = make(program.input_types, program.input_slot, "takes", declared=host.declares_input)
    if check is not None:
        slots = keyed(slots, check)
    ring = HostProducer(block.input.ring, slots, fenced)
    ring.wake_suppressed = 1  # no bursts run yet
    for message in inport.items:
        ring.try_put(message)
    ring.sample_at, ring.sample_time = inport.sample_at, inport.sample_time
    slots = make(program.output_types, program.output_slot, "sends", declared=True)
    out = consumer(block.output.ring, slots, fenced)
    out.overflow.extend(outport.items)
    if isinstance(ring.slots, HeadedSlots):
        ring.slots.tokens.oldest = lambda: _oldest_token(block, ring, out)
    return ring, out


def _oldest_token(block: Block, ring: HostProducer, out: HostConsumer) -> int | None:
    """The least token that a ring holds, as ``Tokens.oldest``; None while compiled code runs."""
    if not ring.quiet():
        return None
    slots = ring.slots
    assert isinstance(slots, HeadedSlots)
    held = [slots.tokens.next]
    first = max(ring.consumed(), ring.head - ring.bound)
    if first < ring.head:
        held.append(token_at(ring.buffer, (first & ring.mask) * ring.size))
    if out.tail < block.output.written():
        held.append(token_at(out.buffer, (out.tail & out.mask) * out.size))
    return min(held)
