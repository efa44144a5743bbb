"""The binary interface between generated code and the runtime: records, statuses, policies.

One definition, used twice: as numpy record dtypes here, as C structs in
``templates/actor/abi.h``; the generated text asserts at compile time that the two agree
(size and every offset).

A *port* is one direction of one actor: a ring of message slots and its two counters.
A *residency record* is what a resident kernel knows of one actor beyond that.
An *actor block* names the two ports, the state record, and the words through which the host
steers the compiled code and hears from it.  Every word has one writer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

CACHE_LINE = 64
"""Bytes; words with different writers never share a line."""
MAX_LINES = 1 << 20
"""Lines of a Python file.  A reported line is ``file * MAX_LINES + line``; file 0 has the actor."""


class Status(IntEnum):
    """Why ``pdc_burst`` came back.  Up to ``FULL`` everything handled is committed; from
    ``STOPPED`` on the message in hand was rolled back: state, outputs and input are as before."""

    IDLE = 0
    """Waiting in ``receive`` and the input port is empty."""
    MORE = 1
    """The limit of messages is used up; there may be more."""
    FULL = 2
    """Outputs wait for room in the output port (``published < produced``)."""
    LEFT = 3
    """The loop ended (condition false, or ``break``): the epilogue is next."""
    RETURNED = 4
    """The actor executed ``return``: no epilogue."""
    STOPPED = 5
    """``stop`` was set while a message was being handled."""
    PREEMPTED = 6
    """``fuel`` ran out while a message was being handled: call again with more."""
    FAILED = 7
    """An exception left the loop; ``code`` and ``line`` say which and where."""
    DEOPTIMISE = 8
    """A value or message that compiled code cannot represent; ``code``, ``line`` say which."""
    GROW = 9
    """One message sends more than the output slots hold: double them and call again."""
    LOG_FULL = 10
    """One message prints more than the log holds: empty or double it and call again."""
    BEGIN = 11
    """Of a population: the next message has a key without an instance."""
    OF_HOST = 12
    """Of a population: the next message's instance has failed or ended, or is interpreted."""


class Policy(IntEnum):
    """What a full port does; the values of ``BackpressureStrategy`` in order."""

    BLOCK = 0
    REJECT = 1
    DROP_OLDEST = 2


class Event(IntEnum):
    """What the host wants an empty ``receive`` to do, once."""

    NONE = 0
    TIMEOUT = 1
    """Raise ``QueueTimeoutError``; the actor clears the word when it has."""


def _lines(*lines: list[tuple[str, str]]) -> np.dtype[Any]:
    """A record whose groups of words start on cache lines of their own."""
    names, formats, offsets = [], [], []
    for number, words in enumerate(lines):
        at = number * CACHE_LINE
        for name, code in words:
            names.append(name)
            formats.append(code)
            offsets.append(at)
            at += np.dtype(code).itemsize
        assert at <= (number + 1) * CACHE_LINE, words
    size = len(lines) * CACHE_LINE
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})


def word(record: np.dtype[Any], name: str) -> int:
    """Position of a word of a record in a memoryview whose items are as wide as the word."""
    assert record.fields is not None
    dtype, offset = record.fields[name][:2]
    return int(offset // dtype.itemsize)


PORT = _lines(
    [("head", "<u8")],
    [("tail", "<u8"), ("claimed", "<u8")],
    [("slots", "<u8"), ("mask", "<u8"), ("bound", "<u8"), ("source", "<u8"), ("policy", "<u8"),
     ("capacity", "<u8")],
)  # fmt: skip
"""``head``: messages published, ever (written by the producing side).
``tail``: messages consumed and committed, ever; ``claimed``: the same plus the one in hand while
the actor waits for output room (both written by the consuming side).
Constants between bursts: ``slots`` (address), ``mask`` (number of slots - 1, a power of two - 1),
``bound`` (``queue_size``), ``source`` (address of one u64 for each slot, or 0: for an output, the
input sequence number it answers), ``policy``, ``capacity`` (slots that exist: ``mask + 1`` in a
ring; the length of the array where a port is laid over a user's array and ``mask`` is all ones).
Slot of message ``n`` is ``n & mask``.  Depth is ``min(head - tail, bound)``.  Under DROP_OLDEST
the producer never waits: a consumer that finds ``head - tail > bound`` skips to ``head - bound``,
copies a slot out, and re-reads ``head`` to see that it was not overtaken while copying; there are
at least ``2 * bound`` slots."""

ACTOR = _lines(
    [("input", "<u8"), ("output", "<u8"), ("state", "<u8"), ("log", "<u8"), ("log_size", "<u8"),
     ("heap", "<u8"), ("watch", "<u8"), ("population", "<u8")],
    [("stop", "<u4"), ("terminating", "<u4"), ("record_origin", "<u4"), ("event", "<u4"),
     ("fuel", "<i8"), ("strings", "<u8")],
    [("status", "<i4"), ("code", "<i4"), ("line", "<i4"), ("staged", "<i4"), ("timeout", "<f8"),
     ("produced", "<u8"), ("log_used", "<u8")],
    [("processed", "<u8"), ("sent", "<u8"), ("rejected", "<u8"), ("timeouts", "<u8"),
     ("skipped", "<u8")],
)  # fmt: skip
"""Line 0: addresses, constant during a burst; ``watch`` is that of the ``stop`` to be polled;
``population``: of the record of one, else 0.  ``state`` of a population is that of the instance in
hand, and compiled code writes it.
Line 1, written by the host: ``stop``; ``terminating`` (``ctx.should_terminate``); ``record_origin``
(write ``output.source``); ``event``; ``fuel`` (turns of inner loops before PREEMPTED, or -1:
poll ``stop`` instead).
Line 2, written by the actor when a burst ends: the report; ``timeout`` is what the receive it
waits in was given, in seconds (NaN: none); ``produced`` counts outputs written, published or not;
``staged`` is how many a turn had sent that was rolled back.
Line 3, counters of the actor, only growing: ``skipped`` inputs were dropped by DROP_OLDEST."""


POPULATION = _lines(
    [("instances", "<u8"), ("buckets", "<u8"), ("mask", "<u8"), ("secret", "<u8"),
     ("factor", "<u8")],
    [("used", "<u8"), ("vacant", "<u8"), ("count", "<u8"), ("begun", "<u8"), ("current", "<u8"),
     ("awake", "<u8"), ("born", "<u8")],
)  # fmt: skip
"""The instances of a population (``templates/library/key_table.h``).
Line 0, written by the host between bursts: addresses of the instances' records and of the buckets;
``mask``: number of buckets - 1, a power of two - 1; ``secret`` and ``factor`` (odd): of the hash.
Line 1, written by compiled code: records that have ever been in ``use``; the first ``vacant`` one,
plus 1; how many have a key (``count``), and how many of these have had a message (``begun``);
``current``: the number of the instance in hand; ``awake``: whether it may go on without a
message; ``born``: records that have been made, ever."""


class Leave(IntEnum):
    """What the host asks of a resident actor."""

    STAY = 0
    WHEN_IDLE = 1
    NOW = 2
    """After the burst in hand."""


RESIDENCY_RECORD = _lines(
    [("actor", "<u8"), ("local", "<u8"), ("state", "<u8"), ("mirror", "<u8"),
     ("state_size", "<u8"), ("journal", "<u8"), ("journal_size", "<u8"), ("strings", "<u8")],
    [("slots", "<u8"), ("stage", "<u8"), ("stage_mask", "<u8"), ("input_size", "<u8"),
     ("output_size", "<u8"), ("string_count", "<u8"), ("burst", "<u8"), ("budget", "<u8")],
    [("leave", "<u4"), ("load", "<u4"), ("epoch", "<u8"), ("idle_ns", "<u8"),
     ("sources", "<u8"), ("input", "<u8"), ("output", "<u8")],
    [("parked", "<u8"), ("busy_ns", "<u8"), ("polls", "<u8"), ("peak", "<u8")],
)  # fmt: skip
"""Lines 0 to 2 are written by the host, while the actor is parked, except for ``leave``.
Line 0: ``actor`` (the host's record) and ``mirror`` (the state as it was when the actor parked) are
in mapped memory; ``local`` (the device's copy of the record, with copies of the two ports right
behind it), ``state``, ``journal`` and ``strings`` in device memory.
Line 1: ``slots`` (outputs, before they are copied to the host's ring; as many as there) and
``stage`` (inputs, copied from the host's ring; 0: in shared memory) in device memory; ``burst``:
messages handled between two looks at the host's words; ``budget``: messages in this residency.
Line 2: ``leave`` (``Leave``); ``load``: state and strings are to be read from the host's memory
first; ``epoch`` names this residency; ``idle_ns``: how long to stay without work; ``sources``: as
``slots``, for what ``PORT.source`` says; ``input``, ``output``: the host's ports, as in the actor's
record, so that record and ports are fetched in one trip.
Line 3, written by the device: ``parked`` is the epoch of the last residency that ended, stored
after everything else; the nanoseconds it was busy, and how many polls it made; ``peak``, stored
before the inputs are said to be consumed: the most messages that waited at the same time, ever."""


@dataclass(frozen=True)
class Lanes:
    """The block of a device that an actor has.

    Args:
        count: its threads, a power of two.
        stage: bytes of its shared memory for inputs; a slot that is larger is staged in device
            memory.
    """

    count: int
    stage: int


IN_ORDER = Lanes(32, 8192)
"""One lane runs the actor, and a warp moves its messages."""
SIDE_BY_SIDE = Lanes(128, 32768)
"""Each lane runs independent turns: a warp for each scheduler of a multiprocessor, and as many
messages as make the trips over the bus worth their while."""
