"""Trading and money: pricing, limits, books, rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hypothesis import strategies as st

from pydotcompute import message
from tests.corpus.case import case


class Side(Enum):
    BUY = 1
    SELL = -1


class Verdict(Enum):
    ACCEPTED = "accepted"
    TOO_LARGE = "too large"
    TOO_DEEP = "too deep"


@message
@dataclass
class Option:
    spot: float
    strike: float
    rate: float
    volatility: float
    years: float
    call: bool


@message
@dataclass
class Price:
    value: float
    delta: float


@message
@dataclass
class Order:
    quantity: int
    price: float
    side: Side


@message
@dataclass
class Checked:
    verdict: Verdict
    position: int
    exposure: float


@message
@dataclass
class Fill:
    quantity: int
    price: float


@message
@dataclass
class Position:
    quantity: int
    average: float
    profit: float


def normal(x: float) -> float:
    """The standard normal distribution function."""
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


_options = st.builds(
    Option,
    spot=st.floats(1, 200),
    strike=st.floats(1, 200),
    rate=st.floats(-0.05, 0.15),
    volatility=st.floats(0.01, 1.5),
    years=st.floats(0.01, 10),
    call=st.booleans(),
)


@case(Option, output=Price, plain=_options)
async def black_scholes(ctx: Any) -> None:
    while not ctx.should_terminate:
        o = await ctx.receive()
        root = o.volatility * math.sqrt(o.years)
        d1 = (math.log(o.spot / o.strike) + (o.rate + o.volatility**2 / 2) * o.years) / root
        d2 = d1 - root
        discounted = o.strike * math.exp(-o.rate * o.years)
        if o.call:
            await ctx.send(Price(o.spot * normal(d1) - discounted * normal(d2), normal(d1)))
        else:
            await ctx.send(Price(discounted * normal(-d2) - o.spot * normal(-d1), normal(d1) - 1))


@case(Option, output=Price, plain=_options)
async def binomial_tree(ctx: Any) -> None:
    """A European option, by the distribution of the number of ups."""
    steps = 16
    while not ctx.should_terminate:
        o = await ctx.receive()
        if not (o.years > 0 and 0 < o.volatility < 5 and o.spot > 0):
            continue
        dt = o.years / steps
        up = math.exp(o.volatility * math.sqrt(dt))
        p = (math.exp(o.rate * dt) - 1 / up) / (up - 1 / up)
        value = 0.0
        for k in range(steps + 1):
            final = o.spot * up ** (2 * k - steps)
            gain = final - o.strike if o.call else o.strike - final
            if gain > 0:
                value += math.comb(steps, k) * p**k * (1 - p) ** (steps - k) * gain
        await ctx.send(Price(value * math.exp(-o.rate * o.years), p))


@case(Order, output=Checked)
async def risk_check(ctx: Any) -> None:
    position, exposure = 0, 0.0
    largest, deepest = 500, 20_000.0
    while not ctx.should_terminate:
        order = await ctx.receive()
        size = abs(order.quantity)
        if size > largest:
            await ctx.send(Checked(Verdict.TOO_LARGE, position, exposure))
            continue
        change = size if order.side is Side.BUY else -size
        after = exposure + change * order.price
        if not -deepest <= after <= deepest:
            await ctx.send(Checked(Verdict.TOO_DEEP, position, exposure))
            continue
        position += change
        exposure = after
        await ctx.send(Checked(Verdict.ACCEPTED, position, exposure))


@case(Fill, output=Position)
async def profit_and_loss(ctx: Any) -> None:
    quantity = 0
    average = 0.0
    realised = 0.0
    while not ctx.should_terminate:
        fill = await ctx.receive()
        same_side = quantity == 0 or (quantity > 0) == (fill.quantity > 0)
        if same_side:
            total = quantity + fill.quantity
            if total:
                average = (average * quantity + fill.price * fill.quantity) / total
            quantity = total
        else:
            closed = min(abs(quantity), abs(fill.quantity))
            sign = 1 if quantity > 0 else -1
            realised += closed * sign * (fill.price - average)
            quantity += fill.quantity
            if quantity and (quantity > 0) != (sign > 0):
                average = fill.price
        await ctx.send(Position(quantity, average, realised))


@case(Fill, output=Fill)
async def money(ctx: Any) -> None:
    """Amounts in cents, value added tax with banker's rounding, the rest carried over."""
    carried = 0.0
    cents = 0
    while not ctx.should_terminate:
        item = await ctx.receive()
        gross = item.quantity * item.price * 1.19 + carried
        amount = round(gross, 2)
        carried = gross - amount
        cents += round(amount * 100)
        await ctx.send(Fill(cents, amount))


@case(Fill, output=Position)
async def vwap(ctx: Any) -> None:
    volume = 0
    turnover = 0.0
    best, worst = -math.inf, math.inf
    while not ctx.should_terminate:
        fill = await ctx.receive()
        if fill.quantity <= 0 or math.isnan(fill.price):
            continue
        volume += fill.quantity
        turnover += fill.quantity * fill.price
        best, worst = max(best, fill.price), min(worst, fill.price)
        await ctx.send(Position(volume, turnover / volume, best - worst))


@case(Fill, output=Fill)
async def token_bucket(ctx: Any) -> None:
    tokens, last, dropped = 10.0, 0.0, 0
    while not ctx.should_terminate:
        request = await ctx.receive()
        now = max(last, request.price)
        tokens = min(10.0, tokens + (now - last) * 0.5)
        last = now
        if tokens >= request.quantity > 0:
            tokens -= request.quantity
            await ctx.send(Fill(request.quantity, tokens))
        else:
            dropped += 1
    await ctx.send(Fill(dropped, tokens))
