"""Back-end people: limiters, breakers, sessions, caches, routers."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Annotated, Any, Literal
from uuid import UUID

from annotated_types import MaxLen

from pydotcompute import KernelContext, message
from tests.corpus.practitioners.practice import practice

log = logging.getLogger(__name__)

RATE_PER_SECOND = 5
BURST = 10


@message
@dataclass
class Hit:
    client: int
    now: float
    cost: int = 1


@message
@dataclass
class Decision:
    client: int
    allowed: bool
    retry_after: float | None = None


@practice(Hit, output=Decision)
async def token_bucket(ctx: KernelContext[Hit, Decision]) -> None:
    tokens: dict[int, float] = {}
    stamp: dict[int, float] = {}
    while not ctx.should_terminate:
        hit = await ctx.receive()
        level = tokens.get(hit.client, float(BURST))
        elapsed = hit.now - stamp.get(hit.client, hit.now)
        level = min(BURST, level + elapsed * RATE_PER_SECOND)
        if allowed := level >= hit.cost:
            level -= hit.cost
        tokens[hit.client] = level
        stamp[hit.client] = hit.now
        wait = None if allowed else (hit.cost - level) / RATE_PER_SECOND
        await ctx.send(Decision(hit.client, allowed, wait))


@practice(Hit, output=Decision)
async def leaky_bucket(ctx: Any) -> None:
    water = 0.0
    last = 0.0
    capacity = 20
    while not ctx.should_terminate:
        try:
            hit = await ctx.receive(timeout=1.0)
        except TimeoutError:
            water = max(0.0, water - 1)
            continue
        water = max(0.0, water - (hit.now - last) * 2.0)
        last = hit.now
        if water + hit.cost > capacity:
            await ctx.send(Decision(hit.client, False, (water + hit.cost - capacity) / 2.0))
            continue
        water += hit.cost
        await ctx.send(Decision(hit.client, True))


@practice(Hit, output=Decision)
async def window_of_times(ctx: Any) -> None:
    times: deque[float] = deque(maxlen=64)
    window, allowed = 10.0, 8
    while not ctx.should_terminate:
        hit = await ctx.receive()
        while times and times[0] <= hit.now - window:
            times.popleft()
        if len(times) >= allowed:
            await ctx.send(Decision(hit.client, False, times[0] + window - hit.now))
        else:
            times.append(hit.now)
            await ctx.send(Decision(hit.client, True))


@practice(Hit, output=Decision)
async def fixed_window(ctx: Any) -> None:
    counts: dict[int, int] = {}
    current = None
    while not ctx.should_terminate:
        hit = await ctx.receive()
        slot = int(hit.now // 60)
        if slot != current:
            counts.clear()
            current = slot
        counts[hit.client] = counts.get(hit.client, 0) + hit.cost
        ok = counts[hit.client] <= 10
        await ctx.send(Decision(client=hit.client, allowed=ok,
                                retry_after=None if ok else 60 - hit.now % 60))


class Breaker(Enum):
    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()


@message
@dataclass
class CallResult:
    ok: bool
    now: float


@message
@dataclass
class BreakerState:
    state: Breaker
    failures: int


@practice(CallResult, output=BreakerState)
async def circuit_breaker(ctx: Any) -> None:
    state = Breaker.CLOSED
    failures = 0
    opened_at = 0.0
    while not ctx.should_terminate:
        call = await ctx.receive()
        if state is Breaker.OPEN:
            if call.now - opened_at < 30:
                continue
            state = Breaker.HALF_OPEN
        if call.ok:
            if state is Breaker.HALF_OPEN:
                log.info("closing after %d failures", failures)
            state, failures = Breaker.CLOSED, 0
        else:
            failures += 1
            if failures >= 5 or state is Breaker.HALF_OPEN:
                if state != Breaker.OPEN:
                    log.warning("opening at %s", call.now)
                state, opened_at = Breaker.OPEN, call.now
        await ctx.send(BreakerState(state, failures))


@message
@dataclass
class Login:
    user: str
    session: UUID
    at: int


@message
@dataclass
class Logout:
    session: UUID
    at: int


@message
@dataclass
class SessionEnded:
    user: str
    seconds: int
    reason: Literal["logout", "replaced", "unknown"]


@practice(Login, Logout, output=SessionEnded)
async def one_session(ctx: Any) -> None:
    """One session at a time; a second login throws the first out."""
    user = ""
    session: UUID | None = None
    since = 0
    while not ctx.should_terminate:
        event = await ctx.receive()
        match event:
            case Login(user=name, session=sid, at=at):
                if session is not None:
                    await ctx.send(SessionEnded(user, at - since, "replaced"))
                user, session, since = name, sid, at
            case Logout(session=sid) if sid == session:
                await ctx.send(SessionEnded(user, event.at - since, "logout"))
                user, session = "", None
            case Logout():
                await ctx.send(SessionEnded("", 0, "unknown"))


@message
@dataclass
class Job:
    id: int
    urgency: int
    payload: float


@message
@dataclass
class Batch:
    ids: Annotated[list[int], MaxLen(4)]
    total: float
    reason: str


@practice(Job, output=Batch)
async def batcher(ctx: Any) -> None:
    ids: deque[int] = deque(maxlen=4)
    total = 0.0
    while not ctx.should_terminate:
        try:
            job = await ctx.receive(timeout=0.05)
        except asyncio.TimeoutError:
            if ids:
                await ctx.send(Batch(list(ids), total, "idle"))
                ids.clear()
                total = 0.0
            continue
        ids.append(job.id)
        total += job.payload
        if len(ids) == 4:
            await ctx.send(Batch([i for i in ids], total, reason="full"))
            ids.clear()
            total = 0.0
    if ids:
        await ctx.send(Batch(list(ids), total, "end"))


@message
@dataclass
class Attempt:
    key: int
    succeeded: bool


@message
@dataclass
class Backoff:
    key: int
    delay_ms: int
    give_up: bool


def backoff(attempt: int, base: int = 100, cap: int = 30_000) -> int:
    """Exponential, capped."""
    return min(cap, base * 2**attempt)


@practice(Attempt, output=Backoff)
async def retry_policy(ctx: Any) -> None:
    attempts: dict[int, int] = {}
    while not ctx.should_terminate:
        a = await ctx.receive()
        if a.succeeded:
            if a.key in attempts:
                del attempts[a.key]
            continue
        n = attempts.setdefault(a.key, 0)
        attempts[a.key] += 1
        give_up = n >= 8
        await ctx.send(Backoff(a.key, 0 if give_up else backoff(n), give_up))


@message
@dataclass
class Packet:
    id: UUID
    size: int


@message
@dataclass
class Ack:
    id: UUID
    duplicate: bool
    bytes_total: int


@practice(Packet, output=Ack)
async def dedupe(ctx: Any) -> None:
    recent: deque[UUID] = deque(maxlen=16)
    total = 0
    while not ctx.should_terminate:
        p = await ctx.receive()
        duplicate = p.id in recent
        if not duplicate:
            recent.append(p.id)
            total += p.size
        await ctx.send(Ack(p.id, duplicate, total))


@message
@dataclass
class Get:
    key: int


@message
@dataclass
class Put:
    key: int
    value: int


@message
@dataclass
class Found:
    key: int
    value: int | None
    hits: int
    misses: int


@practice(Get, Put, output=Found)
async def lru_cache(ctx: Any) -> None:
    capacity = 8
    store: dict[int, int] = {}
    used: dict[int, int] = {}
    clock = hits = misses = 0
    while not ctx.should_terminate:
        request = await ctx.receive()
        clock += 1
        match request:
            case Put(key, value):
                if key not in store and len(store) >= capacity:
                    oldest = None
                    for k, when in used.items():
                        if oldest is None or when < used[oldest]:
                            oldest = k
                    if oldest is not None:
                        del store[oldest]
                        del used[oldest]
                store[key] = value
                used[key] = clock
            case Get(key):
                if (value := store.get(key)) is not None:
                    hits += 1
                    used[key] = clock
                else:
                    misses += 1
                await ctx.send(Found(key, value, hits, misses))


class Quota(Exception):
    """A client has used up what it may."""


@message
@dataclass
class Usage:
    client: int
    amount: int


@message
@dataclass
class Remaining:
    client: int
    left: int
    error: str


def charge(left: int, amount: int) -> int:
    if amount < 0:
        raise ValueError("negative amount")
    if amount > left:
        raise Quota(f"{amount} wanted, {left} left")
    return left - amount


@practice(Usage, output=Remaining)
async def quota(ctx: Any) -> None:
    left: dict[int, int] = {}
    while not ctx.should_terminate:
        u = await ctx.receive()
        have = left.get(u.client, 100)
        error = ""
        try:
            have = charge(have, u.amount)
        except Quota:
            error = "quota"
        except ValueError as problem:
            error = str(problem)
        else:
            left[u.client] = have
        await ctx.send(Remaining(u.client, have, error))


@message
@dataclass
class Beat:
    node: int
    term: int


@message
@dataclass
class Alive:
    nodes: int
    leader: int | None
    missed: int


@practice(Beat, output=Alive)
async def failure_detector(ctx: Any) -> None:
    last_seen: dict[int, int] = {}
    tick = 0
    missed = 0
    leader: int | None = None
    term = -1
    while not ctx.should_terminate:
        try:
            beat = await ctx.receive(timeout=0.02)
            tick += 1
            last_seen[beat.node] = tick
            if beat.term > term:
                term, leader = beat.term, beat.node
        except asyncio.TimeoutError:
            missed += 1
            leader = None
        alive = sum(1 for seen in last_seen.values() if tick - seen < 10)
        await ctx.send(Alive(alive, leader, missed))


@message
@dataclass
class Route:
    method: Literal["GET", "POST", "DELETE"]
    path: str
    size: int


@message
@dataclass
class Status:
    code: int
    text: str


@practice(Route, output=Status)
async def tiny_http(ctx: Any) -> None:
    created = 0
    while not ctx.should_terminate:
        r = await ctx.receive()
        if r.size > 1_000_000:
            await ctx.send(Status(413, "too large"))
        elif r.method == "POST":
            created += 1
            await ctx.send(Status(201, f"created {created}"))
        elif r.method == "DELETE" and not created:
            await ctx.send(Status(404, f"nothing at {r.path!r}"))
        elif r.path == "":
            await ctx.send(Status(301, "/"))
        else:
            await ctx.send(Status(200, r.path))


@message
@dataclass
class Measure:
    name: str
    value: float
    unit: Literal["ms", "s"] = "ms"


@message
@dataclass
class Summary:
    name: str
    count: int
    mean: float
    worst: float
    buckets: Annotated[list[int], MaxLen(6)] = field(default_factory=list)


BOUNDS = (1.0, 5.0, 10.0, 50.0, 100.0)


@practice(Measure, output=Summary)
async def latency_histogram(ctx: Any) -> None:
    counts = [0] * (len(BOUNDS) + 1)
    total, n, worst = 0.0, 0, -math.inf
    while not ctx.should_terminate:
        m = await ctx.receive()
        ms = m.value * 1000 if m.unit == "s" else m.value
        for i, bound in enumerate(BOUNDS):
            if ms <= bound:
                counts[i] += 1
                break
        else:
            counts[-1] += 1
        total += ms
        n += 1
        worst = max(worst, ms)
        if n % 10 == 0:
            await ctx.send(Summary(m.name, n, total / n, worst, list(counts)))


@message
@dataclass
class Chunk:
    seq: int
    last: bool
    crc_ok: bool


@message
@dataclass
class Nack:
    seq: int


@message
@dataclass
class Complete:
    chunks: int
    retries: int


@practice(Chunk, output=Nack | Complete)
async def reassembler(ctx: Any) -> None:
    expected = 0
    retries = 0
    while not ctx.should_terminate:
        c = await ctx.receive()
        if not c.crc_ok or c.seq != expected:
            retries += 1
            await ctx.send(Nack(expected))
            continue
        expected += 1
        if c.last:
            await ctx.send(Complete(chunks=expected, retries=retries))
            expected = retries = 0


@practice(Hit, output=Decision)
async def weighted_fair(ctx: Any) -> None:
    """Serves whoever has had least for its weight."""
    weights = {0: 1, 1: 2, 2: 4}
    served = {0: 0.0, 1: 0.0, 2: 0.0}
    while not ctx.should_terminate:
        hit = await ctx.receive()
        who = hit.client % 3
        served[who] += hit.cost / weights[who]
        least = min(served.values())
        await ctx.send(Decision(who, served[who] - least <= 5.0))


@practice(Hit, output=Decision)
async def banner(ctx: Any) -> None:
    """Bans a client for a while after too many in a row, and says so."""
    streak, previous = 0, None
    banned_until: dict[int, float] = {}
    while not ctx.should_terminate:
        hit = await ctx.receive()
        until = banned_until.get(hit.client)
        if until is not None and hit.now < until:
            await ctx.send(Decision(hit.client, False, until - hit.now))
            continue
        if until is not None:
            banned_until.pop(hit.client)
            print("client", hit.client, "is back")
        streak = streak + 1 if previous == hit.client else 1
        previous = hit.client
        if streak > 3:
            banned_until[hit.client] = hit.now + 5.0
            print(f"banned {hit.client} until {hit.now + 5.0:.2f} ({len(banned_until)} in all)")
        await ctx.send(Decision(hit.client, streak <= 3))
