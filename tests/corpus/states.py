"""State machines, sessions, several message classes, values that may be missing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from pydotcompute import QueueTimeoutError, message
from tests.corpus.case import case


class Phase(Enum):
    IDLE = 0
    OPEN = 1
    CLOSING = 2
    DEAD = 3


@message
@dataclass
class Event:
    kind: Literal[0, 1, 2, 3]
    payload: int


@message
@dataclass
class Changed:
    phase: Phase
    bytes: int


@message
@dataclass
class Deposit:
    amount: int


@message
@dataclass
class Withdraw:
    amount: int
    fee: float = 0.5


@message
@dataclass
class Query:
    detailed: bool


@message
@dataclass
class Balance:
    amount: float


@message
@dataclass
class Refused:
    wanted: int
    missing: float


@message
@dataclass
class Reading:
    sensor: int
    value: float | None
    code: int | None = None


@message
@dataclass
class Merged:
    value: float
    code: int | None
    gaps: int


@message
@dataclass
class Inner:
    a: int
    b: float


@message
@dataclass
class Outer:
    first: Inner
    second: Inner
    flag: bool


@case(Event, output=Changed)
async def connection(ctx: Any) -> None:
    phase = Phase.IDLE
    received = 0
    while not ctx.should_terminate:
        event = await ctx.receive()
        before = phase
        match event.kind:
            case 0 if phase is Phase.IDLE:
                phase = Phase.OPEN
                received = 0
            case 1 if phase == Phase.OPEN:
                received += event.payload
            case 2 if phase in (Phase.OPEN, Phase.CLOSING):
                phase = Phase.CLOSING if phase is Phase.OPEN else Phase.IDLE
            case 3:
                phase = Phase.DEAD
            case _:
                pass
        if phase is not before:
            await ctx.send(Changed(phase, received))
        if phase is Phase.DEAD:
            break
    await ctx.send(Changed(phase, received))


@case(Deposit, Withdraw, Query, output=Balance | Refused)
async def account(ctx: Any) -> None:
    balance = 0.0
    refusals = 0
    while not ctx.should_terminate:
        request = await ctx.receive()
        match request:
            case Deposit(amount=amount) if amount > 0:
                balance += amount
            case Withdraw(amount=amount, fee=fee):
                needed = amount + fee
                if needed > balance or not amount > 0:
                    refusals += 1
                    await ctx.send(Refused(amount, needed - balance))
                else:
                    balance -= needed
            case Query(detailed=True):
                await ctx.send(Balance(balance))
                await ctx.send(Balance(float(refusals)))
            case Query():
                await ctx.send(Balance(balance))


@case(Deposit, Withdraw, output=Balance)
async def by_isinstance(ctx: Any) -> None:
    total = 0
    while not ctx.should_terminate:
        m = await ctx.receive()
        if isinstance(m, Deposit):
            total += m.amount
        elif isinstance(m, Withdraw) and m.fee < 10:
            total -= m.amount
            await ctx.send(Balance(m.fee))
        else:
            return
        await ctx.send(Balance(total))


@case(Reading, output=Merged)
async def last_known(ctx: Any) -> None:
    value = None
    code = None
    gaps = 0
    while not ctx.should_terminate:
        reading = await ctx.receive()
        if reading.value is None:
            gaps += 1
        else:
            value = reading.value
        code = reading.code if reading.code is not None else code
        if value is not None:
            await ctx.send(Merged(value, code, gaps))
        else:
            await ctx.send(Merged(-1.0, None, gaps))


@case(Reading, output=Merged)
async def optional_operands(ctx: Any) -> None:
    while not ctx.should_terminate:
        r = await ctx.receive()
        await ctx.send(Merged(r.value or 0.0, r.code or None, r.sensor and 1))
        if r.code and r.value:
            await ctx.send(Merged(r.value * r.code, r.code, 2))
        try:
            await ctx.send(Merged(r.value + 1, r.code, 3))
        except TypeError:
            await ctx.send(Merged(0.0, r.code, 4))


@case(Event, output=Changed)
async def session_counter(ctx: Any) -> None:
    """Counts bursts of events: a time-out ends a session."""
    sessions = 0
    size = 0
    open_ = False
    while not ctx.should_terminate:
        try:
            event = await ctx.receive(timeout=0.25)
        except QueueTimeoutError:
            if open_:
                await ctx.send(Changed(Phase.CLOSING, size))
                open_ = False
                size = 0
            continue
        if not open_:
            open_ = True
            sessions += 1
            await ctx.send(Changed(Phase.OPEN, sessions))
        size += event.payload


@case(Outer, output=Outer)
async def nested_messages(ctx: Any) -> None:
    kept = Inner(0, 0.0)
    while not ctx.should_terminate:
        o = await ctx.receive()
        bigger = o.first if o.first.a > o.second.a else o.second
        if o.flag:
            kept = bigger
        await ctx.send(Outer(kept, Inner(o.second.a + kept.a, bigger.b), not o.flag))


@case(Event, output=Changed)
async def late_binding(ctx: Any) -> None:
    """A variable that only the loop binds, and that may not be bound yet."""
    while not ctx.should_terminate:
        event = await ctx.receive()
        if event.kind == 0:
            best = event.payload
        elif event.kind == 1:
            await ctx.send(Changed(Phase.OPEN, best))
        elif event.kind == 2:
            try:
                best += event.payload
            except UnboundLocalError:
                best = -1
            await ctx.send(Changed(Phase.IDLE, best))


@case(Deposit, Withdraw, output=Balance)
async def captures(ctx: Any) -> None:
    total = 0
    while not ctx.should_terminate:
        match await ctx.receive():
            case any_ if any_.amount > 100:
                total += 1
            case Deposit(amount=0 | 1) as small:
                total += small.amount
            case Withdraw(fee=fee) as taken if fee > 0.25:
                await ctx.send(Balance(taken.fee))
                continue
            case other:
                total -= other.amount
        await ctx.send(Balance(total))
