"""What an actor has done so far: one counter for each event, one writer for each counter.

Input: the counters kept by ports, channels and engines.  Output: a frozen ``Statistics``.

Latencies go into buckets that grow by an eighth of a power of two, so a quantile is exact to
about 9 % and the histogram never grows.  Only a sample of the messages is timed (all of the
first thousand, then one in 64), which keeps the clock off the hot path.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import frexp
from time import perf_counter
from typing import Protocol

_STEPS = 8
_LOWEST = -34
"""Exponent of the first bucket: 2**-34 s is 58 ps, below anything a clock shows."""
_BUCKETS = 48 * _STEPS

DENSE = 1024
"""Messages from the start of which each may be timed."""
SPARSE = 64
"""After that, one message in this many is timed."""


@dataclass(frozen=True)
class Statistics:
    """A kernel at one moment.

    Args:
        received: messages taken into the input queue.
        processed: messages the actor has finished with.
        sent: messages the actor has sent.
        dropped: messages dropped by DROP_OLDEST, on either side.
        rejected: messages refused by REJECT, on either side.
        errors: exceptions that left the actor's loop.
        timeouts: time-outs raised, in clients' calls and in the actor's ``receive``.  A time-out
            that the actor would pass over without any effect is not raised at all.
        fallbacks: how often compiled code handed over to the interpreter, for good.
        interpreted: messages that the interpreter has handled; the others compiled code.
        input_depth: messages waiting for the actor.
        output_depth: messages waiting for a client.
        input_peak: the greatest ``input_depth`` seen.
        output_peak: the greatest ``output_depth`` seen.
        busy_seconds: time spent handling messages.
        idle_seconds: time active but without work.
        latency_p50: median seconds from acceptance in the input queue to the end of handling;
            0.0 before the first message was handled.
        latency_p99: its 99th percentile.
    """

    received: int = 0
    processed: int = 0
    sent: int = 0
    dropped: int = 0
    rejected: int = 0
    errors: int = 0
    timeouts: int = 0
    fallbacks: int = 0
    interpreted: int = 0
    input_depth: int = 0
    output_depth: int = 0
    input_peak: int = 0
    output_peak: int = 0
    busy_seconds: float = 0.0
    idle_seconds: float = 0.0
    latency_p50: float = 0.0
    latency_p99: float = 0.0


class Latencies:
    """A histogram of durations in seconds."""

    __slots__ = ("_counts", "total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.total = 0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        if seconds <= 0.0:
            seconds = 1e-9
        mantissa, exponent = frexp(seconds)
        bucket = (exponent - _LOWEST) * _STEPS + int((mantissa - 0.5) * 2 * _STEPS)
        bucket = min(max(bucket, 0), _BUCKETS - 1)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.total += 1

    def counts(self) -> list[list[int]]:
        """Numbers of buckets and of the durations in them."""
        return [[bucket, count] for bucket, count in sorted(self._counts.items())]

    def begin_with(self, counts: Iterable[Sequence[int]]) -> None:
        """Go on with what ``counts`` has returned in an earlier life."""
        self._counts = {bucket: count for bucket, count in counts if 0 <= bucket < _BUCKETS}
        self.total = sum(self._counts.values())

    def quantile(self, q: float) -> float:
        """The duration in seconds that a fraction ``q`` of the counted ones does not exceed.

        Args:
            q: 0 to 1.

        Returns:
            The middle of the bucket, 0.0 if nothing was counted.
        """
        if not self.total:
            return 0.0
        wanted, seen = q * self.total, 0
        bucket = 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= wanted:
                break
        exponent, step = divmod(bucket, _STEPS)
        lower: float = (0.5 + step / (2 * _STEPS)) * 2.0 ** (exponent + _LOWEST)
        return lower * (1 + 1 / (4 * _STEPS))


class Meter:
    """The counters of one kernel that no port keeps; the event loop's thread writes them.

    Idle is what an interpreted actor spends parked while active; busy is what compiled code adds
    up.  Of the two the one that is measured gives the other.
    """

    __slots__ = (
        "_active",
        "_parked_since",
        "_since",
        "busy",
        "errors",
        "fallbacks",
        "first",
        "idle",
        "interpreted",
        "latencies",
        "processed",
        "rejected",
        "sent",
        "timeouts",
    )  # fmt: skip

    def __init__(self) -> None:
        self.first = 0  # the ordinal of the first message of this process
        self.processed = self.sent = self.rejected = 0
        self.errors = self.timeouts = self.fallbacks = self.interpreted = 0
        self.busy = self.idle = self._active = 0.0
        self._since: float | None = None
        self._parked_since: float | None = None
        self.latencies = Latencies()

    def run(self, now: float) -> None:
        """The actor became active."""
        if self._since is None:
            self._since = now

    def begin_with(self, busy: float, idle: float) -> None:
        """Go on with the seconds of an earlier life."""
        self.busy, self.idle, self._active = busy, idle, busy + idle

    def rest(self, now: float) -> None:
        """The actor was paused or ended."""
        if self._since is not None:
            self.idle += self._idling(now)
            self._active += now - self._since
            self._since = None

    def park(self, now: float) -> None:
        """An interpreted actor waits in one of its context's calls."""
        self._parked_since = now

    def unpark(self, now: float) -> None:
        """It goes on."""
        parked, since, self._parked_since = self._parked_since, self._since, None
        if parked is not None and since is not None:
            self.idle += now - (parked if parked > since else since)

    def _idling(self, now: float) -> float:
        if self._parked_since is None or self._since is None:
            return 0.0
        return now - max(self._parked_since, self._since)

    def shares(self, now: float, *, interpreted: bool) -> tuple[float, float]:
        """Seconds busy and idle so far."""
        active = self._active + (0.0 if self._since is None else now - self._since)
        if interpreted:
            idle = min(active, self.idle + self._idling(now))
            return active - idle, idle
        return self.busy, max(0.0, active - self.busy)

    def interpret_from_here(self, now: float) -> None:
        """The interpreter takes over from compiled code: from now on idle is measured."""
        self.idle = self.shares(now, interpreted=False)[1]


def next_sample(ordinal: int) -> int:
    """Which message to time next, after the one numbered ``ordinal`` has been handled."""
    return ordinal + 1 if ordinal < DENSE else ordinal + SPARSE


class Timed(Protocol):
    """The clock of a port: which message is timed, and since when."""

    head: int
    sample_at: int
    sample_time: float


def take_sample(port: Timed, meter: Meter) -> None:
    """The message that is being timed has been handled: note how long it took, choose the next.

    Args:
        port: its queue.
        meter: of the actor.
    """
    if port.sample_time:
        meter.latencies.add(perf_counter() - port.sample_time)
    port.sample_at = next_sample(max(port.sample_at, port.head - 1))
    port.sample_time = 0.0


class Counted(Protocol):
    """The counters that a port keeps."""

    head: int
    dropped: int
    peak: int

    def depth(self) -> int:
        """Messages that can be taken now."""
        ...


class Queue(Protocol):
    """The counters that a channel keeps."""

    rejected: int
    timeouts: int

    @property
    def port(self) -> Counted:
        """Where the messages are."""
        ...


def collect(meter: Meter, inbox: Queue, outbox: Queue, *, interpreted: bool) -> Statistics:
    """Everything that is counted of a kernel, as it is now.

    Args:
        meter: its counters.
        inbox: its input queue.
        outbox: its output queue.
        interpreted: whether the interpreter runs it.
    """
    inport, outport = inbox.port, outbox.port
    busy, idle = meter.shares(perf_counter(), interpreted=interpreted)
    processed = meter.processed  # first: the outputs of what is counted are in the depth
    depth_in, depth_out = inport.depth(), outport.depth()
    inport.peak = max(inport.peak, depth_in)
    outport.peak = max(outport.peak, depth_out)
    return Statistics(
        received=inport.head - meter.first,
        processed=processed,
        sent=meter.sent,
        dropped=inport.dropped + outport.dropped,
        rejected=meter.rejected + inbox.rejected + outbox.rejected,
        errors=meter.errors,
        timeouts=meter.timeouts + inbox.timeouts + outbox.timeouts,
        fallbacks=meter.fallbacks,
        interpreted=meter.interpreted,
        input_depth=depth_in,
        output_depth=depth_out,
        input_peak=inport.peak,
        output_peak=outport.peak,
        busy_seconds=busy,
        idle_seconds=idle,
        latency_p50=meter.latencies.quantile(0.5),
        latency_p99=meter.latencies.quantile(0.99),
    )
