"""Markets: books, limits, pricing, money."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from enum import Enum, IntEnum
from random import Random
from typing import Annotated, Any, Literal
from uuid import UUID

from annotated_types import MaxLen

from pydotcompute import message
from tests.corpus.practitioners.practice import practice

log = logging.getLogger("practitioners.trading")


class Side(Enum):
    BUY = "B"
    SELL = "S"


class Kind(IntEnum):
    LIMIT = 1
    MARKET = 2
    CANCEL = 3


class Reject(Exception):
    """An order that is not taken."""


class TooLarge(Reject):
    pass


@message
@dataclass
class Order:
    order_id: int
    symbol: str
    side: Side
    kind: Kind
    price: int
    quantity: int


@message
@dataclass
class Report:
    order_id: int
    symbol: str
    filled: int
    price: int
    status: Literal["filled", "partial", "resting", "rejected", "cancelled"]


@message
@dataclass
class Exposure:
    symbol: str
    position: int
    notional: float
    reason: str


@message
@dataclass
class Quote:
    symbol: str
    bid: float
    ask: float


@message
@dataclass
class Mid:
    symbol: str
    mid: float
    spread_bps: float
    stale: bool


@message
@dataclass
class Payment:
    account: UUID
    other: UUID
    amount: float
    currency: Literal["EUR", "USD", "JPY"]


@message
@dataclass
class Booked:
    account: UUID
    cents: int
    same: bool


@message
@dataclass
class Leg:
    strike: float
    quantity: int


@message
@dataclass
class Strategy:
    spot: float
    vol: float
    first: Leg
    second: Leg


@message
@dataclass
class Value:
    value: float
    delta: float
    breakeven: float | None


@message
@dataclass
class Trade:
    price: float
    volume: int
    at: float


@message
@dataclass
class Bar:
    open: float
    high: float
    low: float
    close: float
    volume: int


@message
@dataclass
class Basket:
    weights: Annotated[list[float], MaxLen(8)]
    prices: Annotated[list[float], MaxLen(8)]


@message
@dataclass
class Total:
    value: float
    top: int


SYMBOLS = ("AAPL", "MSFT", "SAP", "BMW")
MAX_POSITION = {"AAPL": 500, "MSFT": 400, "SAP": 300}
DECIMALS = {"EUR": 2, "USD": 2, "JPY": 0}
RATES = {"EUR": 1.0, "USD": 0.92, "JPY": 0.0061}


def an_order(random: Random) -> Order:
    return Order(
        random.randint(1, 40), random.choice(SYMBOLS), random.choice(list(Side)),
        random.choice(list(Kind)), random.randint(95, 105), random.randint(-2, 100),
    )  # fmt: skip


@practice(Order, output=Report, make=an_order)
async def price_levels(ctx: Any) -> None:
    """A book of one symbol by price level: quantities in a dict, the best found by min and max."""
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    while not ctx.should_terminate:
        order = await ctx.receive()
        if order.quantity <= 0 or order.kind == Kind.CANCEL:
            await ctx.send(Report(order.order_id, order.symbol, 0, 0, "rejected"))
            continue
        left = order.quantity
        last = 0
        if order.side is Side.BUY:
            while left and asks:
                best = min(asks)
                if order.kind == Kind.LIMIT and best > order.price:
                    break
                take = min(left, asks[best])
                asks[best] -= take
                if asks[best] == 0:
                    del asks[best]
                left -= take
                last = best
            if left and order.kind == Kind.LIMIT:
                bids[order.price] = bids.get(order.price, 0) + left
        else:
            while left and bids:
                best = max(bids)
                if order.kind == Kind.LIMIT and best < order.price:
                    break
                take = min(left, bids[best])
                bids[best] -= take
                if not bids[best]:
                    bids.pop(best)
                left -= take
                last = best
            if left and order.kind == Kind.LIMIT:
                asks[order.price] = asks.get(order.price, 0) + left
        filled = order.quantity - left
        status = "filled" if not left else "partial" if filled else "resting"
        await ctx.send(Report(order.order_id, order.symbol, filled, last, status))


@practice(Order, output=Report, make=an_order)
async def resting_orders(ctx: Any) -> None:
    """Orders by id as tuples in a dict; cancels look them up."""
    resting: dict[int, tuple[str, int, int]] = {}
    while not ctx.should_terminate:
        o = await ctx.receive()
        match o.kind:
            case Kind.LIMIT if o.order_id in resting:
                symbol, price, quantity = resting[o.order_id]
                resting[o.order_id] = (symbol, price, quantity + o.quantity)
                await ctx.send(Report(o.order_id, symbol, 0, price, "partial"))
            case Kind.LIMIT:
                resting[o.order_id] = (o.symbol, o.price, o.quantity)
                await ctx.send(Report(o.order_id, o.symbol, 0, o.price, "resting"))
            case Kind.CANCEL:
                try:
                    symbol, price, _ = resting.pop(o.order_id)
                except KeyError:
                    await ctx.send(Report(o.order_id, o.symbol, 0, 0, "rejected"))
                else:
                    await ctx.send(Report(o.order_id, symbol, 0, price, "cancelled"))
            case _:
                volume = sum(q for _, _, q in resting.values())
                await ctx.send(Report(o.order_id, o.symbol, volume, len(resting), "filled"))


def check(order: Order, held: int, *, limit: int = 100) -> int:
    """The position after an order.

    Raises:
        Reject: the order is not taken.
    """
    if order.quantity <= 0:
        raise Reject("quantity")
    if order.quantity > limit:
        raise TooLarge("too large")
    return held + (order.quantity if order.side is Side.BUY else -order.quantity)


@practice(Order, output=Exposure, make=an_order)
async def limits_by_symbol(ctx: Any) -> None:
    """Pre-trade checks: positions by symbol, limits in a table of the module."""
    positions: dict[str, int] = {}
    gross = 0.0
    while not ctx.should_terminate:
        order = await ctx.receive()
        held = positions.get(order.symbol, 0)
        reason = ""
        try:
            after = check(order, held, limit=90)
            if abs(after) > MAX_POSITION.get(order.symbol, 100):
                raise Reject("position limit")
        except TooLarge as e:
            reason = f"{order.symbol}: {e}"
        except Reject as e:
            reason = str(e)
        else:
            gross += abs(order.quantity * order.price)
            positions[order.symbol] = after
        finally:
            held = positions.get(order.symbol, 0)
        if reason:
            log.warning("order %d rejected: %s", order.order_id, reason)
        await ctx.send(Exposure(order.symbol, held, gross, reason))


@practice(Order, output=Exposure, make=an_order)
async def exposure_report(ctx: Any) -> None:
    """After each order: the largest position, and how many symbols are long."""
    book = dict.fromkeys(SYMBOLS, 0)
    while not ctx.should_terminate:
        order = await ctx.receive()
        if order.symbol not in book:
            continue
        sign = 1 if order.side == Side.BUY else -1
        book[order.symbol] += sign * order.quantity
        worst, size = "", 0
        for symbol, position in book.items():
            if abs(position) > size:
                worst, size = symbol, abs(position)
        longs = sum(1 for p in book.values() if p > 0)
        total = sum(book.values())
        await ctx.send(Exposure(worst, size, float(longs), order.side.value))
        if total == 0:
            print("flat", longs, worst)


@practice(Quote, output=Mid)
async def mid_prices(ctx: Any) -> None:
    last: dict[str, float] = {}
    unchanged: dict[str, int] = {}
    while not ctx.should_terminate:
        q = await ctx.receive()
        if not (q.bid > 0 and q.ask >= q.bid):
            continue
        mid = (q.bid + q.ask) / 2
        if q.symbol in last and last[q.symbol] == mid:
            unchanged[q.symbol] += 1
        else:
            unchanged[q.symbol] = 0
        last[q.symbol] = mid
        await ctx.send(
            Mid(
                symbol=q.symbol,
                mid=round(mid, 4),
                spread_bps=round((q.ask - q.bid) / mid * 1e4, 1),
                stale=unchanged[q.symbol] >= 3,
            )
        )


ACCOUNTS = [UUID(int=n * 2**64 + 7) for n in range(4)]


def a_payment(random: Random) -> Payment:
    a, b = random.choice(ACCOUNTS), random.choice(ACCOUNTS)
    return Payment(a, b, random.choice([0.005, 1.115, 2.675, random.uniform(-100, 1000)]),
                   random.choice(["EUR", "USD", "JPY"]))  # fmt: skip


@practice(Payment, output=Booked, make=a_payment)
async def payments(ctx: Any) -> None:
    """Converts to cents with banker's rounding; remembers the account that paid last."""
    last = None
    total = 0
    while not ctx.should_terminate:
        p = await ctx.receive()
        amount = round(p.amount, DECIMALS[p.currency]) * RATES[p.currency]
        cents = round(amount * 100)
        total += cents
        same = last is not None and last == p.account
        if p.account != p.other:
            last = p.account
        await ctx.send(Booked(p.account if cents >= 0 else p.other, total, same))


@practice(Payment, output=Booked, make=a_payment)
async def balances(ctx: Any) -> None:
    """Balances by account number (a UUID)."""
    balance: dict[UUID, int] = {}
    while not ctx.should_terminate:
        p = await ctx.receive()
        cents = int(p.amount * 100)
        balance[p.account] = balance.get(p.account, 0) - cents
        balance[p.other] = balance.get(p.other, 0) + cents
        await ctx.send(Booked(p.account, balance[p.account], p.account == p.other))


def n(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def call_price(s: float, k: float, sigma: float, t: float = 0.5, r: float = 0.01) -> tuple[float, float]:
    d1 = (math.log(s / k) + (r + sigma * sigma / 2) * t) / (sigma * math.sqrt(t))
    d2 = d1 - sigma * math.sqrt(t)
    return s * n(d1) - k * math.exp(-r * t) * n(d2), n(d1)


def a_strategy(random: Random) -> Strategy:
    return Strategy(
        random.uniform(50, 150), random.uniform(0.05, 0.9),
        Leg(random.uniform(50, 150), random.randint(-3, 3)),
        Leg(random.uniform(50, 150), random.randint(-3, 3)),
    )  # fmt: skip


@practice(Strategy, output=Value, make=a_strategy)
async def spreads(ctx: Any) -> None:
    while not ctx.should_terminate:
        s = await ctx.receive()
        value = delta = 0.0
        for leg in (s.first, s.second):
            if leg.quantity == 0:
                continue
            price, d = call_price(s.spot, leg.strike, sigma=s.vol)
            value += leg.quantity * price
            delta += leg.quantity * d
        even = None
        if s.first.quantity == -s.second.quantity != 0:
            even = min(s.first.strike, s.second.strike) + abs(value)
        await ctx.send(Value(value, delta, even))


@practice(Value, output=Value)
async def implied_volatility(ctx: Any) -> None:
    """Newton's method, then bisection where that fails."""
    while not ctx.should_terminate:
        m = await ctx.receive()
        target = m.value
        if not 0 < target < 100:
            continue
        low, high = 1e-4, 5.0
        sigma = 0.3
        for iteration in range(60):
            price, _ = call_price(100.0, 100.0, sigma)
            error = price - target
            if abs(error) < 1e-10:
                break
            if error > 0:
                high = sigma
            else:
                low = sigma
            sigma = 0.5 * (low + high)
        else:
            print("no convergence", target, iteration)
        await ctx.send(Value(sigma, price, None if iteration == 59 else float(iteration)))


def a_trade(random: Random) -> Trade:
    return Trade(random.uniform(90, 110), random.randint(1, 50), random.uniform(0, 600))


@practice(Trade, output=Bar, make=a_trade)
async def minute_bars(ctx: Any) -> None:
    bar = None
    minute = -1
    while not ctx.should_terminate:
        t = await ctx.receive()
        if not math.isfinite(t.at):
            continue
        current = int(t.at // 60)
        if bar is None or current != minute:
            if bar is not None:
                await ctx.send(bar)
            bar = Bar(t.price, t.price, t.price, t.price, t.volume)
            minute = current
        else:
            bar = Bar(
                bar.open, max(bar.high, t.price), min(bar.low, t.price), t.price,
                bar.volume + t.volume,
            )  # fmt: skip


@practice(Trade, output=Bar, make=a_trade)
async def mutable_bar(ctx: Any) -> None:
    """The same with the fields of a message that is kept."""
    bar = Bar(0.0, -math.inf, math.inf, 0.0, 0)
    count = 0
    while not ctx.should_terminate:
        t = await ctx.receive()
        if count == 0:
            bar.open = t.price
        bar.high = max(bar.high, t.price)
        bar.low = min(bar.low, t.price)
        bar.close = t.price
        bar.volume += t.volume
        count += 1
        if count == 5:
            await ctx.send(bar)
            bar = Bar(0.0, -math.inf, math.inf, 0.0, 0)
            count = 0


def a_basket(random: Random) -> Basket:
    size = random.randint(0, 8)
    return Basket([random.uniform(0, 1) for _ in range(size)],
                  [random.uniform(1, 100) for _ in range(random.choice([size, 8]))])  # fmt: skip


@practice(Basket, output=Total, make=a_basket)
async def baskets(ctx: Any) -> None:
    while not ctx.should_terminate:
        b = await ctx.receive()
        if len(b.weights) != len(b.prices):
            log.error("basket of %d weights and %d prices", len(b.weights), len(b.prices))
            continue
        scale = sum(b.weights)
        if not scale:
            continue
        parts = [w / scale * p for w, p in zip(b.weights, b.prices)]
        top = parts.index(max(parts))
        await ctx.send(Total(math.fsum(parts), top))


@practice(Trade, output=Total, make=a_trade)
async def monte_carlo(ctx: Any) -> None:
    """Pi by a generator of the actor's own, as many points as the message says."""
    seed = 12345
    inside = total = 0
    while not ctx.should_terminate:
        m = await ctx.receive()
        for _ in range(min(abs(m.volume), 50)):
            seed = (1103515245 * seed + 12345) % 2**31
            x = seed / 2**31
            seed = (1103515245 * seed + 12345) % 2**31
            y = seed / 2**31
            inside += x * x + y * y <= 1.0
            total += 1
        await ctx.send(Total(4 * inside / total if total else math.nan, inside))
