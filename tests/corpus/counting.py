"""``defaultdict`` and ``Counter`` in the state."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydotcompute import message
from tests.corpus.case import case


class Side(Enum):
    BUY = 1
    SELL = 2


@message
@dataclass
class Trade:
    symbol: str
    side: Side
    size: int
    price: float


@message
@dataclass
class Tally:
    count: int
    value: float = 0.0
    symbol: str = ""


@case(Trade, output=Tally)
async def positions(ctx: Any) -> None:
    """A missing key is inserted where it is read, and nowhere else."""
    sizes: defaultdict[str, int] = defaultdict(int)
    values: defaultdict[tuple[str, Side], float] = defaultdict(float)
    marked: defaultdict[int, bool] = defaultdict(bool)
    while not ctx.should_terminate:
        trade = await ctx.receive()
        key = trade.size % 5
        known = (trade.symbol in sizes) + 2 * (key in marked)
        if trade.side is Side.BUY:
            sizes[trade.symbol] += trade.size
        values[trade.symbol, trade.side] += trade.price
        if marked[key] or sizes.get(trade.symbol) is None:
            marked[key - 1] = not marked[key - 1]
        for symbol, size in sizes.items():
            await ctx.send(Tally(size, values[symbol, Side.BUY], symbol))
        await ctx.send(Tally(len(sizes) * 100 + len(values) * 10 + known, sum(values.values())))


@case(Trade, output=Tally)
async def undone_defaults(ctx: Any) -> None:
    """What a failed turn has inserted is gone; what was there before has its old place."""
    counts: defaultdict[int, int] = defaultdict(int, {3: 1, 1: 2})
    while not ctx.should_terminate:
        trade = await ctx.receive()
        key = trade.size % 6
        counts[key] += 1
        counts[key + 1]
        if counts[key] % 4 == 0:
            del counts[key]
        share = 100 // (counts[key + 2] + trade.size % 3)
        order = 0
        for place in counts:
            order = order * 7 + place
            if order > 10**9:
                break
        await ctx.send(Tally(order, float(counts.pop(key, -1)), str(share)))


@case(Trade, output=Tally)
async def defaults_of_each_type(ctx: Any) -> None:
    names: defaultdict[int, str] = defaultdict(str, {0: "zero"})
    mixed: defaultdict[int, Any] = defaultdict(int)
    by_price: defaultdict[float, int] = defaultdict(int)
    while not ctx.should_terminate:
        trade = await ctx.receive()
        key = trade.size % 4
        if names[key] == "":
            names[key] = trade.symbol
        mixed[key] += trade.price if key == 2 else 1
        by_price[trade.price] += 1
        first = names.setdefault(9, trade.symbol)
        await ctx.send(Tally(len(by_price) + by_price[trade.price], float(mixed[key]), first))


@case(Trade, output=Tally)
async def most_common_ones(ctx: Any) -> None:
    """Ties are in order of insertion; reading a missing key inserts nothing."""
    counts: Counter[str] = Counter()
    sizes = Counter({7: 2, 1: 2})
    while not ctx.should_terminate:
        trade = await ctx.receive()
        counts[trade.symbol] += trade.size % 3
        sizes.update([trade.size % 4, trade.size % 3])
        if counts["reset"] > 2:
            counts.clear()
        del sizes[trade.size % 7]
        for symbol, count in counts.most_common(2):
            await ctx.send(Tally(count, symbol=symbol))
        for size, count in sizes.most_common(trade.size % 4 - 1):
            await ctx.send(Tally(size, float(count)))
        for size, count in sizes.most_common():
            await ctx.send(Tally(size, float(count), "all"))
        await ctx.send(Tally(counts.total() + sizes[99] * 7, float(len(sizes)), "total"))


@case(Trade, output=Tally)
async def counts_of_floats(ctx: Any) -> None:
    weights: Counter[str] = Counter()
    while not ctx.should_terminate:
        trade = await ctx.receive()
        weights[trade.symbol] += trade.price
        if trade.size % 5 == 0:
            weights[trade.symbol] = weights["nothing"]
        top, weight = weights.most_common(1)[0]
        await ctx.send(Tally(len(weights), float(weight), f"{top} of {weights}"))


@case(Trade, output=Tally)
async def begun_anew(ctx: Any) -> None:
    """New empty containers in place of the old ones; a turn that fails keeps the old."""
    seen: set[int] = set()
    counts: Counter[str] = Counter()
    sums: defaultdict[int, float] = defaultdict(float)
    last: dict[str, int] = {}
    recent: deque[int] = deque(maxlen=4)
    while not ctx.should_terminate:
        trade = await ctx.receive()
        key = trade.size % 5
        if key == 4:
            seen = set()
            counts = Counter()
        elif key == 3:
            sums = defaultdict(float)
            last = {}
            recent = deque(maxlen=4)
        seen.add(trade.size)
        counts[trade.symbol] += 1
        sums[key] += trade.price
        last[trade.symbol] = trade.size
        recent.append(trade.size)
        share = 100 // (trade.size % 6)
        flags = len(seen) + 10 * counts.total() + 100 * len(sums) + 1000 * len(last)
        await ctx.send(Tally(flags, float(sum(recent) + share), str(counts)))
