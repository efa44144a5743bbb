"""Classes: told apart, matched, of exceptions, of enums with methods, of messages with defaults."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import MaxLen

from pydotcompute import message
from tests.corpus.case import case


class OrderError(Exception):
    """Something is wrong with an order."""


class LimitError(OrderError):
    """An order is too large."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} is too large")
        self.size = size


class Venue(enum.Enum):
    LIT = 1
    DARK = 2
    AUCTION = 3

    @property
    def fee(self) -> float:
        return 0.5 if self is Venue.LIT else 0.25

    def rebate(self, size: int) -> int:
        return size * self.value


class Priority(enum.IntEnum):
    LOW = 1
    HIGH = 5

    @property
    def is_urgent(self) -> bool:
        return self >= Priority.HIGH


@message
@dataclass
class Order:
    size: int
    venue: Venue
    urgency: Priority
    limit: int | None
    name: str


@message
@dataclass
class Cancel:
    size: int
    name: str = ""


@message
@dataclass
class Fill:
    size: int
    cost: float = 0.0
    parts: Annotated[list[int], MaxLen(4)] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        if self.size < 0:
            self.size = -self.size
        if self.size > 10_000:
            raise LimitError(self.size)


@case(Order, output=Fill)
async def caught(ctx: Any) -> None:
    """The class of a caught exception, its name, and what it holds."""
    while not ctx.should_terminate:
        order = await ctx.receive()
        try:
            if order.size > 15:
                raise LimitError(order.size)
            if order.name == "reset":
                raise OrderError("reset")
            share = 100 // order.size
        except (ZeroDivisionError, OrderError) as error:
            kind = type(error).__name__
            if isinstance(error, LimitError):
                share = error.size if order.urgency.is_urgent else 0
            elif isinstance(error, (OrderError, KeyError)):
                share = -1 if str(error) == "reset" else -2
            else:
                share = -3
            await ctx.send(Fill(1, text=kind))
        await ctx.send(Fill(share))


@case(Order, Cancel, output=Fill)
async def told_apart(ctx: Any) -> None:
    total = 0
    while not ctx.should_terminate:
        got = await ctx.receive()
        limit = got.limit if isinstance(got, Order) else None
        if isinstance(limit, (int, float)) and not isinstance(limit, bool):
            total += limit
        elif isinstance(limit, type(None)) or limit is not None:
            total -= 1
        if type(got) is Order and type(limit) is not int:
            total += 2
        match got:
            case Order(size=0 | 1 as few):
                await ctx.send(Fill(few))
            case Order(venue=Venue.LIT, size=n) | Order(venue=Venue.DARK, limit=int(n)):
                await ctx.send(Fill(n, text="either"))
            case Order(name=str(name), limit=None) if name != "a":
                await ctx.send(Fill(total, text=name))
            case Cancel(size=n) | Order(size=n):
                await ctx.send(Fill(n + total))
        match limit:
            case int(n) if n > 3:
                total = n
            case None:
                total //= 2
            case int():
                total = 0


@case(Order, output=Fill)
async def enum_members(ctx: Any) -> None:
    counts = dict.fromkeys(Venue, 0)
    while not ctx.should_terminate:
        order = await ctx.receive()
        cost = order.venue.fee * order.venue.rebate(order.size)
        counts[order.venue] += 1
        seen = sum(counts[venue] > 0 for venue in Venue)
        other = Venue(1 + order.size % len(Venue))
        if order.urgency.is_urgent and other is not Venue["DARK"]:
            cost += int(order.urgency)
        try:
            risky = Venue(order.size)
        except ValueError:
            risky = Venue.AUCTION
        await ctx.send(Fill(seen, cost, [order.size, risky.value], other.name))
        await ctx.send(Fill(order.size % 7, parts=[]))


class Side(str, enum.Enum):  # noqa: UP042
    BUY = "buy"
    SELL = "sell"
    NONE = ""


class Unit(enum.StrEnum):
    LOTS = "lots"
    SHARES = "shares"


class Rate(float, enum.Enum):
    LOW = 0.5
    HIGH = 2.5


@message
@dataclass
class Wish:
    side: Side
    unit: Unit
    rate: Rate
    urgency: Priority
    text: str


@message
@dataclass
class Words:
    text: str
    n: int
    x: float = 0.0
    unit: str | None = None


@case(Wish, output=Words)
async def enums_as_what_they_are(ctx: Any) -> None:
    seen = Unit.LOTS
    while not ctx.should_terminate:
        m = await ctx.receive()
        if m.side == "buy" or m.side == m.text:
            await ctx.send(Words(m.side, -m.urgency, m.rate, m.unit))
        await ctx.send(Words(m.unit + "/" + m.side, ~m.urgency + m.urgency, -m.rate + 1))
        await ctx.send(Words(m.unit.upper(), m.urgency, m.urgency))
        print(f"{m.side} {m.side!r} {m.unit:>8}", m.unit == seen, bool(m.side), m.unit * 2)
        seen = m.unit


@case(Wish, output=Words)
async def bools_in_a_match(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        match m.urgency.value - 1:
            case True:
                await ctx.send(Words("true", 1))
            case 0:
                await ctx.send(Words("zero", 0))
            case None:
                await ctx.send(Words("none", 2))
            case _:
                await ctx.send(Words("more", 3))
        match m.side == "buy":
            case True:
                await ctx.send(Words("buy", 4))
            case False:
                await ctx.send(Words("other", 5))
