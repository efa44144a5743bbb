"""Lists, deques and dicts as practitioners use them: sorting by keys, slices, sliding windows."""

from __future__ import annotations

import operator
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import MaxLen

from pydotcompute import message
from tests.corpus.case import case


@message
@dataclass
class Batch:
    key: int
    flag: bool
    ints: Annotated[list[int], MaxLen(7)]
    floats: Annotated[list[float], MaxLen(7)]
    maybe: int | None


@message
@dataclass
class Summary:
    n: int
    x: float


@case(Batch, output=Summary)
async def extremes_by_key(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        far = max(m.ints, key=abs, default=0)
        near = min(m.ints, key=lambda v: (v % 5, -v), default=-1)
        at = max(range(len(m.floats)), key=lambda i: m.floats[i], default=-1)
        longest = max(enumerate(m.ints), key=operator.itemgetter(1), default=None)
        first = next((v for v in m.ints if v > 3), 0)
        place = longest[0] if longest is not None else 9
        await ctx.send(Summary(far ^ near ^ first, at + place + min(m.floats[:2], default=0.5)))


@case(Batch, output=Summary)
async def none_among_values(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        values = [m.maybe, m.key]
        try:
            top = max(values)
        except TypeError:
            top = -1
        await ctx.send(Summary(top, 0.0))


@case(Batch, output=Summary)
async def leaderboard(ctx: Any) -> None:
    scores: dict[int, int] = {}
    while not ctx.should_terminate:
        m = await ctx.receive()
        scores[m.key % 6] = scores.get(m.key % 6, 0) + m.key
        ranked = sorted(((v, k) for k, v in scores.items()), reverse=True)
        best = max(scores, key=scores.get)
        order = 0
        for name, score in sorted(scores.items(), key=lambda kv: -kv[1])[:3]:
            order = order * 7 + name + (score > 0)
        await ctx.send(Summary(order, ranked[0][1] - best))
        if len(scores) > 4:
            oldest = next(iter(scores))
            del scores[oldest]
        elif m.flag and scores:
            key, _ = scores.popitem()
            scores.update({key % 2: 1, 5: m.key})


@case(Batch, output=Summary)
async def sliding_list(ctx: Any) -> None:
    window: list[float] = []
    last = [0, 0, 0]
    while not ctx.should_terminate:
        m = await ctx.receive()
        window.append(m.key / 4)
        if len(window) > 5:
            window.pop(0)
        last = last[1:] + [m.key]  # noqa: RUF005
        middle = sorted(window)[len(window) // 2]
        if m.flag:
            del window[:-2]
            last[:] = [v // 2 for v in last]
        await ctx.send(Summary(sum(last) + len(window), middle + max(window)))


@case(Batch, output=Summary)
async def list_methods(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        values = list(m.ints)
        copy = values.copy()
        values.insert(m.key % 9, 5)
        values.insert(-1, m.key)
        values.reverse()
        if m.key in values:
            values.remove(m.key)
        same = values == copy
        values.sort(key=lambda v: v % 10, reverse=m.flag)
        head, *rest = values[::2] + [1]  # noqa: RUF005
        total = sum(i * (v % 97) for i, v in enumerate(values)) + values.count(5) + head % 7
        await ctx.send(Summary(total + len(rest) + same, sum(sorted(m.floats, key=abs)[:2], 0.5)))
        await ctx.send(Summary(values.index(5) + values.pop(0), len(range(2, m.key % 50, 3))))


@case(Batch, output=Summary)
async def deque_methods(ctx: Any) -> None:
    ring: deque[int] = deque(maxlen=5)
    while not ctx.should_terminate:
        m = await ctx.receive()
        ring.append(m.key)
        ring.rotate(m.key % 7 - 3)
        ring.extendleft(m.ints[:2])
        if m.key in ring and m.flag:
            ring.remove(m.key)
        if len(ring) == ring.maxlen:
            ring[1], ring[-1] = ring[-1], ring[1]
        await ctx.send(Summary(sum((i + 1) * (v % 89) for i, v in enumerate(ring)), ring.count(3)))


@case(Batch, output=Summary)
async def sorted_where_they_are(ctx: Any) -> None:
    pairs = [(n * 7 % 5, float(n)) for n in range(60)]
    book = [n * 37 % 11 for n in range(40)]
    recent: deque[int] = deque(maxlen=300)
    while not ctx.should_terminate:
        m = await ctx.receive()
        for n, value in enumerate(m.ints):
            pairs[(m.key + n * 9) % 60] = (value % 4, float(n))
            book[(m.key + n) % 40] = value % 1000
            recent.extend([value % 91, n, -n, value % 7])
        if m.flag:
            pairs.sort(reverse=m.key % 2 == 0)
            book.sort(key=lambda v: v % 10, reverse=True)
        else:
            pairs.sort(key=lambda pair: pair[0])
            book.sort(key=lambda v: -v)
        ranked = sorted(recent, key=lambda v: v % 13)
        total = sum((n + 1) * (a + int(b)) for n, (a, b) in enumerate(pairs))
        total += sum((n + 1) * v for n, v in enumerate(book))
        await ctx.send(Summary(total, sum((n + 1) * v for n, v in enumerate(ranked))))


@case(Batch, output=Summary)
async def keys_kept_from_turn_to_turn(ctx: Any) -> None:
    low, pair = 0.0, (0, 0.0)
    best: float | None = None
    recent: deque[float] = deque(maxlen=5)
    prices: dict[float, float] = {}
    while not ctx.should_terminate:
        m = await ctx.receive()
        same = pair == (m.key, low) or best in recent
        for price in m.floats:
            low = price if price < low else low - low
            recent.append(low)
            best = low if best is None else price - best
            prices[low] = best
        prices[pair[1]] = low
        pair = (m.key, low)
        if len(prices) > 9:
            prices.clear()
        await ctx.send(Summary(len(prices) * 10 + recent.count(low), int(same)))


@case(Batch, output=Summary)
async def keys_of_all_kinds(ctx: Any) -> None:
    flags: dict[bool, int] = {}
    prices: dict[float, int] = {}
    pairs: dict[tuple[int, bool], int] = {}
    while not ctx.should_terminate:
        m = await ctx.receive()
        flags[m.flag] = flags.get(m.flag, 0) + 1
        pair = (m.key % 3, m.flag)
        pairs[pair] = pairs.get(pair, 0) + m.key % 100
        for price in m.floats:
            prices[price] = prices.get(price, 0) + 1
        if len(prices) > 6:
            prices.clear()
        total = sum(a * v for (a, _), v in pairs.items())
        await ctx.send(Summary(total + len(prices), flags.get(True, 0) + prices.get(0.25, 0)))
