"""Services: limiters, sessions, counters, retries."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any
from uuid import UUID

import numpy as np
from annotated_types import MaxLen
from numpy.typing import NDArray

from pydotcompute import QueueTimeoutError, Shape, message
from tests.corpus.practitioners.practice import practice

logger = logging.getLogger(__name__)


@message
@dataclass
class Call:
    client: str
    at: float
    cost: int


@message
@dataclass
class Answer:
    client: str
    allowed: bool
    left: float


@message
@dataclass
class Login:
    user: int
    at: int


@message
@dataclass
class Logout:
    user: int
    at: int


@message
@dataclass
class Ping:
    at: int


@message
@dataclass
class Sessions:
    active: int
    longest: int
    user: int | None


@message
@dataclass
class Score:
    player: str
    points: int


@message
@dataclass
class Board:
    leader: str
    best: int
    top: Annotated[list[int], MaxLen(3)]


@message
@dataclass
class Measure:
    value: float


@message
@dataclass
class Quantiles:
    median: float
    p95: float
    count: int


@message
@dataclass
class Histogram:
    counts: Annotated[NDArray[np.int64], Shape(8)]
    under: int
    over: int


@message
@dataclass
class Job:
    job: UUID
    parent: UUID | None
    attempt: int
    value: int | None


@message
@dataclass
class Done:
    job: UUID
    retry: bool
    result: int
    note: str


@message
@dataclass
class Text:
    text: str
    number: int


@message
@dataclass
class Labelled:
    label: str
    length: int


@message
@dataclass
class Heartbeat:
    handled: int
    idle: int


class RetryLater(Exception):
    pass


class Fatal(RuntimeError):
    pass


def a_call(random: Random) -> Call:
    return Call(random.choice(["ann", "bob", "cy"]), random.uniform(0, 60), random.randint(0, 4))


@practice(Call, output=Answer, make=a_call)
async def token_buckets(ctx: Any) -> None:
    """One bucket a client."""
    rate, burst = 2.0, 5.0
    tokens: dict[str, float] = {}
    seen: dict[str, float] = {}
    while not ctx.should_terminate:
        call = await ctx.receive()
        level = tokens.setdefault(call.client, burst)
        elapsed = call.at - seen.get(call.client, call.at)
        level = min(burst, level + max(elapsed, 0.0) * rate)
        seen[call.client] = call.at
        if allowed := level >= call.cost:
            level -= call.cost
        tokens[call.client] = level
        await ctx.send(Answer(call.client, allowed, level))


@practice(Call, output=Answer, make=a_call)
async def sliding_window(ctx: Any) -> None:
    """At most ten calls in the last second, by the times of the calls."""
    times: deque[float] = deque(maxlen=10)
    while not ctx.should_terminate:
        call = await ctx.receive()
        while times and times[0] <= call.at - 1.0:
            times.popleft()
        ok = len(times) < 10
        if ok:
            times.append(call.at)
        await ctx.send(Answer(client=call.client, allowed=ok, left=float(10 - len(times))))


def an_event(random: Random) -> Any:
    user, at = random.randint(1, 6), random.randint(0, 500)
    return random.choice([Login(user, at), Logout(user, at), Ping(at)])


@practice(Login, Logout, Ping, output=Sessions, make=an_event)
async def sessions(ctx: Any) -> None:
    """Sessions by user; those without a sign of life for 100 seconds end at a ping."""
    started: dict[int, int] = {}
    longest = 0
    while not ctx.should_terminate:
        event = await ctx.receive()
        who = None
        match event:
            case Login(user=user, at=at):
                started[user] = at
                who = user
            case Logout(user, at) if user in started:
                longest = max(longest, at - started.pop(user))
                who = user
            case Logout():
                logger.info("logout of %d without login", event.user)
            case Ping(at=now):
                for user in list(started):
                    if now - started[user] > 100:
                        del started[user]
        await ctx.send(Sessions(len(started), longest, who))


@practice(Login, Logout, output=Sessions, make=lambda r: r.choice([Login, Logout])(r.randint(0, 9), r.randint(0, 99)))
async def last_seen(ctx: Any) -> None:
    """A dict whose values are updated while it is looped over."""
    idle: dict[int, int] = {}
    while not ctx.should_terminate:
        m = await ctx.receive()
        for user, turns in idle.items():
            idle[user] = turns + 1
        if isinstance(m, Login):
            idle[m.user] = 0
        elif m.user in idle and idle[m.user] > 3:
            idle.pop(m.user, None)
        await ctx.send(Sessions(len(idle), max(idle.values()) if idle else 0, m.user or None))


def a_score(random: Random) -> Score:
    return Score(random.choice(["ann", "bob", "cy", "dee"]), random.randint(0, 50))


@practice(Score, output=Board, make=a_score)
async def leaderboard(ctx: Any) -> None:
    points: dict[str, int] = {}
    while not ctx.should_terminate:
        s = await ctx.receive()
        points[s.player] = points.get(s.player, 0) + s.points
        leader, best = "", -1
        for player, total in points.items():
            if total > best:
                leader, best = player, total
        top = sorted(points.values(), reverse=True)[:3]
        await ctx.send(Board(leader, best, top))


@practice(Score, output=Board, make=a_score)
async def top_three(ctx: Any) -> None:
    """The three best single scores in a list that is kept sorted."""
    best = [0, 0, 0]
    who = ["", "", ""]
    while not ctx.should_terminate:
        s = await ctx.receive()
        for i in range(3):
            if s.points > best[i]:
                for j in range(2, i, -1):
                    best[j] = best[j - 1]
                    who[j] = who[j - 1]
                best[i], who[i] = s.points, s.player
                break
        else:
            continue
        await ctx.send(Board(who[0], sum(best), best))


@practice(Score, output=Board, make=a_score)
async def ranked(ctx: Any) -> None:
    """Sorted pairs, the way everybody writes it."""
    points: dict[str, int] = {}
    while not ctx.should_terminate:
        s = await ctx.receive()
        points[s.player] = max(points.get(s.player, 0), s.points)
        order = sorted(((v, k) for k, v in points.items()), reverse=True)
        await ctx.send(Board(order[0][1], order[0][0], [v for v, _ in order[:3]]))


@practice(Measure, output=Quantiles)
async def p_square(ctx: Any) -> None:
    """A quantile sketch: steps up and down by the share wanted."""
    median = p95 = 0.0
    step = 1.0
    count = 0
    while not ctx.should_terminate:
        x = (await ctx.receive()).value
        count += 1
        step = max(0.01, step * 0.99)
        median += step * (0.5 if x > median else -0.5)
        p95 += step * (0.95 if x > p95 else -0.05)
        await ctx.send(Quantiles(median, p95, count))


@practice(Measure, output=Histogram)
async def histogram(ctx: Any) -> None:
    counts = np.zeros(8, dtype=np.int64)
    under = over = 0
    low, high = -40.0, 40.0
    width = (high - low) / len(counts)
    while not ctx.should_terminate:
        x = (await ctx.receive()).value
        if x < low:
            under += 1
        elif x >= high or x != x:
            over += 1
        else:
            counts[int((x - low) / width)] += 1
        await ctx.send(Histogram(counts, under, over))


def a_job(random: Random) -> Job:
    ids = [UUID(int=n) for n in (1, 2**70, 2**100 + 5)]
    return Job(random.choice(ids), random.choice([None, *ids]), random.randint(0, 6),
               random.choice([None, 0, 5, -3, 12]))  # fmt: skip


def work(value: int | None, attempt: int) -> int:
    if value is None:
        raise Fatal("nothing to do")
    if value < 0 and attempt < 3:
        raise RetryLater(f"attempt {attempt}")
    return 100 // value


@practice(Job, output=Done, make=a_job)
async def retries(ctx: Any) -> None:
    failures = 0
    while not ctx.should_terminate:
        job = await ctx.receive()
        result, note, retry = 0, "", False
        try:
            result = work(job.value, job.attempt)
        except RetryLater:
            retry = True
        except (Fatal, ZeroDivisionError) as error:
            failures += 1
            note = "fatal" if isinstance(error, Fatal) else "zero"
        finally:
            if job.parent == job.job:
                note = "own parent"
        if failures > 25:
            raise RuntimeError("too many failures")
        await ctx.send(Done(job.parent or job.job, retry, result, note))


@practice(Job, output=Done, make=a_job)
async def duplicates(ctx: Any) -> None:
    """Each job once, by its id."""
    seen: dict[UUID, bool] = {}
    while not ctx.should_terminate:
        job = await ctx.receive()
        if job.job in seen:
            continue
        seen[job.job] = True
        await ctx.send(Done(job.job, False, len(seen), "new"))


@practice(Score, output=Board, make=a_score)
async def unique_players(ctx: Any) -> None:
    """A set, which is what one takes for this."""
    seen: set[str] = set()
    while not ctx.should_terminate:
        s = await ctx.receive()
        new = s.player not in seen
        seen.add(s.player)
        if len(seen) > 3:
            seen.clear()
        await ctx.send(Board(s.player if new else "", len(seen), []))


@practice(Text, output=Labelled)
async def labels(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        label = f"{m.text}-{m.number:04d}" if m.text else "none"
        await ctx.send(Labelled(label.upper(), m.number))


@practice(Text, output=Labelled, make=lambda r: Text(r.choice(["GET /a", "PUT /b", "", "GET", "x"]), r.randint(0, 9)))
async def routes(ctx: Any) -> None:
    """Looks into the text of a string that came in a message."""
    gets = 0
    while not ctx.should_terminate:
        m = await ctx.receive()
        if m.text.startswith("GET"):
            gets += 1
        if "/" in m.text and m.text.endswith("b"):
            gets -= 1
        await ctx.send(Labelled(m.text, len(m.text) + gets))


@practice(Ping, output=Heartbeat)
async def heartbeat(ctx: Any) -> None:
    handled = idle = 0
    try:
        while not ctx.should_terminate:
            try:
                ping = await ctx.receive(timeout=0.05)
            except TimeoutError:
                idle += 1
                await ctx.send(Heartbeat(handled, idle))
                continue
            handled += 1
            idle = 0
            if ping.at % 5 == 0:
                await ctx.send(Heartbeat(handled, 0))
    finally:
        pass


@practice(Measure, output=Quantiles)
async def batches(ctx: Any) -> None:
    """Collects up to eight, flushes when full or when nothing comes."""
    batch: list[float] = []
    while not ctx.should_terminate:
        try:
            m = await ctx.receive(timeout=0.01)
            batch.append(m.value)
            if len(batch) < 8:
                continue
        except QueueTimeoutError:
            if not batch:
                continue
        await ctx.send(Quantiles(min(batch), max(batch), len(batch)))
        batch.clear()
