"""Quants and accountants."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import MaxLen

from pydotcompute import KernelContext, message
from tests.corpus.practitioners.practice import practice

Side = Literal["buy", "sell"]


class Reason(Enum):
    OK = 0
    SIZE = 1
    NOTIONAL = 2
    POSITION = 3
    PRICE = 4


@message
@dataclass
class Order:
    symbol: str
    side: Side
    qty: int
    price: float


@message
@dataclass
class Check:
    accepted: bool
    reason: Reason
    position: int


MAX_QTY = 1_000
MAX_NOTIONAL = 1e6
MAX_POSITION = 5_000


@practice(Order, output=Check)
async def pre_trade(ctx: KernelContext[Order, Check]) -> None:
    position = 0
    while not ctx.should_terminate:
        order = await ctx.receive()
        signed = order.qty if order.side == "buy" else -order.qty
        if not 0 < order.qty <= MAX_QTY:
            reason = Reason.SIZE
        elif not math.isfinite(order.price) or order.price <= 0:
            reason = Reason.PRICE
        elif order.qty * order.price > MAX_NOTIONAL:
            reason = Reason.NOTIONAL
        elif abs(position + signed) > MAX_POSITION:
            reason = Reason.POSITION
        else:
            reason = Reason.OK
            position += signed
        await ctx.send(Check(reason is Reason.OK, reason, position))


@message
@dataclass
class Fill:
    qty: int
    price: float


@message
@dataclass
class Pnl:
    position: int
    average: float
    realised: float


def sign(x: int) -> int:
    return (x > 0) - (x < 0)


@practice(Fill, output=Pnl)
async def average_cost(ctx: Any) -> None:
    position, average, realised = 0, 0.0, 0.0
    while not ctx.should_terminate:
        f = await ctx.receive()
        if f.qty == 0:
            continue
        if position == 0 or sign(position) == sign(f.qty):
            average = (average * abs(position) + f.price * abs(f.qty)) / (abs(position) + abs(f.qty))
            position += f.qty
        else:
            closing = min(abs(position), abs(f.qty))
            realised += closing * (f.price - average) * sign(position)
            position += f.qty
            if abs(f.qty) > closing:
                average = f.price
            elif not position:
                average = 0.0
        await ctx.send(Pnl(position, average, realised))


@message
@dataclass
class Option:
    kind: Literal["call", "put"]
    spot: float
    strike: float
    years: float
    rate: float
    vol: float


@message
@dataclass
class Priced:
    price: float
    delta: float
    vega: float


@message
@dataclass
class Refused:
    why: str


def cdf(x: float) -> float:
    """The normal distribution."""
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


def pdf(x: float) -> float:
    return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def d1_d2(s: float, k: float, t: float, r: float, v: float) -> tuple[float, float]:
    d1 = (math.log(s / k) + (r + 0.5 * v**2) * t) / (v * math.sqrt(t))
    return d1, d1 - v * math.sqrt(t)


def some_option(random: Any) -> Option:
    return Option(random.choice(["call", "put"]), random.uniform(50, 150), random.uniform(50, 150),
                  random.uniform(0.1, 3), random.uniform(-0.01, 0.08), random.uniform(0.05, 0.8))


@practice(Option, output=Priced | Refused, make=some_option)
async def black_scholes(ctx: Any) -> None:
    while not ctx.should_terminate:
        o = await ctx.receive()
        try:
            d1, d2 = d1_d2(o.spot, o.strike, o.years, o.rate, o.vol)
            discount = math.exp(-o.rate * o.years)
        except (ValueError, ZeroDivisionError) as e:
            await ctx.send(Refused(str(e)))
            continue
        except OverflowError:
            await ctx.send(Refused("overflow"))
            continue
        if o.kind == "call":
            price = o.spot * cdf(d1) - o.strike * discount * cdf(d2)
            delta = cdf(d1)
        else:
            price = o.strike * discount * cdf(-d2) - o.spot * cdf(-d1)
            delta = cdf(d1) - 1
        await ctx.send(Priced(price, delta, o.spot * pdf(d1) * math.sqrt(o.years)))


@message
@dataclass
class Quote:
    spot: float
    strike: float
    years: float
    price: float


@message
@dataclass
class Vol:
    vol: float | None
    steps: int


def call_price(s: float, k: float, t: float, v: float) -> float:
    root = v * math.sqrt(t)
    d = (math.log(s / k) + 0.5 * v * v * t) / root
    return s * cdf(d) - k * cdf(d - root)


def some_quote(random: Any) -> Quote:
    return Quote(random.uniform(80, 120), random.uniform(80, 120), random.uniform(0.1, 2),
                 random.uniform(0.5, 30))


@practice(Quote, output=Vol, make=some_quote)
async def implied_vol(ctx: Any) -> None:
    """Bisection, because it never runs away."""
    while not ctx.should_terminate:
        q = await ctx.receive()
        if q.spot <= 0 or q.strike <= 0 or q.years <= 0:
            await ctx.send(Vol(None, 0))
            continue
        lo, hi = 1e-4, 5.0
        steps = 0
        if not call_price(q.spot, q.strike, q.years, lo) <= q.price <= call_price(
            q.spot, q.strike, q.years, hi
        ):
            await ctx.send(Vol(None, steps))
            continue
        while hi - lo > 1e-9 and steps < 100:
            mid = (lo + hi) / 2
            if call_price(q.spot, q.strike, q.years, mid) < q.price:
                lo = mid
            else:
                hi = mid
            steps += 1
        await ctx.send(Vol((lo + hi) / 2, steps))


STEPS = 24


@practice(Option, output=Priced, make=some_option)
async def binomial_tree(ctx: Any) -> None:
    values = [0.0] * (STEPS + 1)
    while not ctx.should_terminate:
        o = await ctx.receive()
        dt = o.years / STEPS
        up = math.exp(o.vol * math.sqrt(dt))
        down = 1 / up
        p = (math.exp(o.rate * dt) - down) / (up - down)
        df = math.exp(-o.rate * dt)
        call = o.kind == "call"
        for i in range(STEPS + 1):
            s = o.spot * up ** (STEPS - i) * down**i
            values[i] = max(0.0, s - o.strike if call else o.strike - s)
        for step in range(STEPS - 1, -1, -1):
            for i in range(step + 1):
                held = df * (p * values[i] + (1 - p) * values[i + 1])
                s = o.spot * up ** (step - i) * down**i
                values[i] = max(held, s - o.strike if call else o.strike - s)
        await ctx.send(Priced(values[0], p, 0.0))


@message
@dataclass
class Tick:
    price: float
    size: int
    second: int


@message
@dataclass
class Candle:
    open: float
    high: float
    low: float
    close: float
    volume: int
    minute: int


@practice(Tick, output=Candle)
async def candles(ctx: Any) -> None:
    candle: Candle | None = None
    while not ctx.should_terminate:
        t = await ctx.receive()
        minute = t.second // 60
        if candle is None:
            candle = Candle(t.price, t.price, t.price, t.price, t.size, minute)
        elif candle.minute != minute:
            await ctx.send(candle)
            candle = Candle(t.price, t.price, t.price, t.price, t.size, minute)
        else:
            candle.high = max(candle.high, t.price)
            candle.low = min(candle.low, t.price)
            candle.close = t.price
            candle.volume += t.size
    if candle is not None:
        await ctx.send(candle)


@message
@dataclass
class Average:
    vwap: float
    twap: float
    spread: float


@practice(Tick, output=Average)
async def vwap(ctx: Any) -> None:
    pv, volume = 0.0, 0
    prices: deque[float] = deque(maxlen=20)
    while not ctx.should_terminate:
        t = await ctx.receive()
        if t.size <= 0 or math.isnan(t.price):
            continue
        pv += t.price * t.size
        volume += t.size
        prices.append(t.price)
        await ctx.send(Average(pv / volume, sum(prices) / len(prices), max(prices) - min(prices)))


@message
@dataclass
class Level:
    side: Side
    price: int
    qty: int


@message
@dataclass
class Top:
    bid: int | None
    ask: int | None
    bid_qty: int
    ask_qty: int
    crossed: bool


def best_bid(levels: dict[int, int]) -> int | None:
    best = None
    for price in levels:
        if best is None or price > best:
            best = price
    return best


@practice(Level, output=Top)
async def order_book(ctx: Any) -> None:
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    while not ctx.should_terminate:
        u = await ctx.receive()
        book_is_bid = u.side == "buy"
        if u.qty <= 0:
            if book_is_bid:
                bids.pop(u.price, None)
            else:
                asks.pop(u.price, None)
        elif book_is_bid:
            bids[u.price] = u.qty
        else:
            asks[u.price] = u.qty
        bid = max(bids) if bids else None
        ask = min(asks) if asks else None
        crossed = bid is not None and ask is not None and bid >= ask
        await ctx.send(Top(bid, ask, bids[bid] if bid is not None else 0,
                           0 if ask is None else asks[ask], crossed))


@message
@dataclass
class Trade:
    price: int
    qty: int
    aggressor: Side


@message
@dataclass
class Rested:
    price: int
    qty: int
    side: Side


@practice(Level, output=Trade | Rested)
async def matching_engine(ctx: Any) -> None:
    """Price levels 0 to 63 as two arrays."""
    bids = [0] * 64
    asks = [0] * 64
    while not ctx.should_terminate:
        order = await ctx.receive()
        if not 0 <= order.price < 64 or not 0 < order.qty < 10**6:
            continue
        left = order.qty
        if order.side == "buy":
            for p in range(order.price + 1):
                if left == 0:
                    break
                if asks[p]:
                    done = min(left, asks[p])
                    asks[p] -= done
                    left -= done
                    await ctx.send(Trade(p, done, "buy"))
            if left:
                bids[order.price] += left
                await ctx.send(Rested(order.price, left, order.side))
        else:
            for p in range(63, order.price - 1, -1):
                if left == 0:
                    break
                if bids[p]:
                    done = min(left, bids[p])
                    bids[p] -= done
                    left -= done
                    await ctx.send(Trade(p, done, "sell"))
            if left:
                asks[order.price] += left
                await ctx.send(Rested(order.price, left, order.side))


@message
@dataclass
class Cents:
    amount: int
    percent: float


@message
@dataclass
class Split:
    tax: int
    net: int
    text: str


def euros(cents: int) -> str:
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02d}"


@practice(Cents, output=Split)
async def tax(ctx: Any) -> None:
    while not ctx.should_terminate:
        c = await ctx.receive()
        try:
            t = round(c.amount * c.percent / 100)
        except (ValueError, OverflowError):
            t = 0
        net = c.amount - t
        await ctx.send(Split(t, net, euros(net)))


@practice(Cents, output=Split)
async def share_out(ctx: Any) -> None:
    """Splits an amount in three without losing a cent."""
    while not ctx.should_terminate:
        c = await ctx.receive()
        part, rest = divmod(c.amount, 3)
        parts = [part + (1 if i < rest else 0) for i in range(3)]
        assert sum(parts) == c.amount, "lost a cent"
        await ctx.send(Split(parts[0], parts[-1], f"{parts[0]}/{parts[1]}/{parts[2]}"))


@message
@dataclass
class Loan:
    principal: float
    annual_rate: float
    months: int


@message
@dataclass
class Plan:
    payment: float
    total: float
    interest: float


@practice(Loan, output=Plan | Refused)
async def mortgage(ctx: Any) -> None:
    while not ctx.should_terminate:
        loan: Loan = await ctx.receive()
        if loan.months <= 0:
            await ctx.send(Refused("no term"))
            continue
        if loan.months > 1200:
            await ctx.send(Refused(f"{loan.months} months is too long"))
            continue
        r = loan.annual_rate / 12 / 100
        try:
            if r == 0:
                payment = loan.principal / loan.months
            else:
                payment = loan.principal * r / (1 - (1 + r) ** -loan.months)
        except (ZeroDivisionError, OverflowError):
            await ctx.send(Refused("rate"))
            continue
        balance = loan.principal
        interest = 0.0
        for _ in range(loan.months):
            month = balance * r
            interest += month
            balance -= payment - month
        await ctx.send(Plan(round(payment, 2), round(payment * loan.months, 2), round(interest, 2)))


@message
@dataclass
class Equity:
    value: float


@message
@dataclass
class Drawdown:
    peak: float
    drawdown: float
    worst: float
    duration: int


@practice(Equity, output=Drawdown)
async def drawdown(ctx: Any) -> None:
    peak = worst = 0.0
    duration = 0
    while not ctx.should_terminate:
        e = await ctx.receive()
        if e.value >= peak:
            peak = e.value
            duration = 0
        else:
            duration += 1
        dd = (peak - e.value) / peak if peak else 0.0
        worst = max(worst, dd)
        await ctx.send(Drawdown(peak, dd, worst, duration))


@message
@dataclass
class Bond:
    coupon: float
    years: int
    yield_: float
    face: float = 100.0


@message
@dataclass
class BondValue:
    clean: float
    duration: float
    convexity: float


@practice(Bond, output=BondValue)
async def bond(ctx: Any) -> None:
    while not ctx.should_terminate:
        b = await ctx.receive()
        n = min(max(b.years, 1), 50)
        price = weighted = convex = 0.0
        for year in range(1, n + 1):
            cash = b.coupon + (b.face if year == n else 0.0)
            pv = cash / (1.0 + b.yield_) ** year
            price += pv
            weighted += year * pv
            convex += year * (year + 1) * pv
        if price == 0.0:
            raise ArithmeticError("worthless")
        await ctx.send(BondValue(price, weighted / price, convex / price / (1 + b.yield_) ** 2))


FEES = [(0, 0.0010), (10_000, 0.0008), (100_000, 0.0005), (1_000_000, 0.0002)]


@practice(Fill, output=Pnl)
async def fee_tiers(ctx: Any) -> None:
    volume = 0.0
    fees = 0.0
    while not ctx.should_terminate:
        f = await ctx.receive()
        notional = abs(f.qty) * f.price
        rate = FEES[0][1]
        for threshold, tier in FEES:
            if volume >= threshold:
                rate = tier
        fees += notional * rate
        volume += notional
        await ctx.send(Pnl(f.qty, rate, fees))


@message
@dataclass
class Bar:
    close: float


@message
@dataclass
class Signal:
    rsi: float | None
    action: Literal["long", "short", "flat"]


@practice(Bar, output=Signal)
async def rsi(ctx: Any) -> None:
    period = 14
    gain = loss = 0.0
    previous: float | None = None
    n = 0
    while not ctx.should_terminate:
        bar = await ctx.receive()
        if previous is None:
            previous = bar.close
            continue
        change = bar.close - previous
        previous = bar.close
        up, dn = (change, 0.0) if change > 0 else (0.0, -change)
        n += 1
        if n <= period:
            gain += up / period
            loss += dn / period
            if n < period:
                await ctx.send(Signal(None, "flat"))
                continue
        else:
            gain = (gain * (period - 1) + up) / period
            loss = (loss * (period - 1) + dn) / period
        value = 100.0 if loss == 0 else 100 - 100 / (1 + gain / loss)
        await ctx.send(Signal(value, "long" if value < 30 else "short" if value > 70 else "flat"))


@message
@dataclass
class Crossing:
    fast: float
    slow: float
    crossed: bool


@practice(Bar, output=Crossing)
async def ma_cross(ctx: Any) -> None:
    fast: deque[float] = deque(maxlen=3)
    slow: deque[float] = deque(maxlen=7)
    above = None
    while not ctx.should_terminate:
        bar = await ctx.receive()
        for window in (fast, slow):
            window.append(bar.close)
        f, s = sum(fast) / len(fast), sum(slow) / len(slow)
        now = f > s
        crossed = above is not None and now != above
        above = now
        await ctx.send(Crossing(f, s, crossed))


@practice(Order, output=Check)
async def margin(ctx: Any) -> None:
    cash = 10_000.0
    shares = 0
    calls = 0
    while not ctx.should_terminate:
        o = await ctx.receive()
        cost = o.qty * o.price * (1 if o.side == "buy" else -1)
        if cost > cash * 2:
            calls += 1
            print(f"margin call #{calls} for {o.symbol}: {cost:,.2f} > {cash * 2:,.2f}")
            await ctx.send(Check(False, Reason.NOTIONAL, shares))
            continue
        cash -= cost
        shares += o.qty if o.side == "buy" else -o.qty
        await ctx.send(Check(True, Reason.OK, shares))


@message
@dataclass
class Returns:
    values: Annotated[list[float], MaxLen(12)]


@message
@dataclass
class Sharpe:
    mean: float
    deviation: float
    sharpe: float
    positive: bool


@practice(Returns, output=Sharpe)
async def sharpe(ctx: Any) -> None:
    while not ctx.should_terminate:
        r = await ctx.receive()
        n = len(r.values)
        if n < 2:
            await ctx.send(Sharpe(0.0, 0.0, math.nan, False))
            continue
        mean = sum(r.values) / n
        var = sum((v - mean) ** 2 for v in r.values) / (n - 1)
        dev = math.sqrt(var)
        ratio = mean / dev * math.sqrt(252) if dev > 0 else float("inf")
        await ctx.send(Sharpe(mean, dev, ratio, all(v > 0 for v in r.values)))


@message
@dataclass
class Cash:
    amount: np.int64
    ratio: np.float32


@message
@dataclass
class Kept:
    amount: np.int64
    kept: np.float32
    wrapped: bool


@practice(Cash, output=Kept)
async def ledger64(ctx: Any) -> None:
    """Amounts wrap as in the old system, on purpose."""
    balance = np.int64(0)
    ratio = np.float32(1.0)
    while not ctx.should_terminate:
        c = await ctx.receive()
        before = balance
        balance = balance + c.amount
        ratio = ratio * np.float32(0.5) + c.ratio * np.float32(0.5)
        wrapped = bool((c.amount > 0) != (balance > before)) and bool(c.amount != 0)
        await ctx.send(Kept(balance, ratio, wrapped))
