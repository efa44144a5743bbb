"""Data people: running statistics, counters, sketches, small learning."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import MaxLen
from numpy.typing import NDArray

from pydotcompute import Shape, message
from tests.corpus.practitioners.practice import practice


@message
@dataclass
class X:
    x: float


@message
@dataclass
class XY:
    x: float
    y: float
    weight: float = 1.0


@message
@dataclass
class Moments:
    n: int
    mean: float
    variance: float
    skewness: float


@message
@dataclass
class Value:
    value: float


@practice(X, output=Moments)
async def welford(ctx: Any) -> None:
    n = 0
    mean = m2 = m3 = 0.0
    while not ctx.should_terminate:
        x = (await ctx.receive()).x
        n1 = n
        n += 1
        delta = x - mean
        delta_n = delta / n
        term = delta * delta_n * n1
        mean += delta_n
        m3 += term * delta_n * (n - 2) - 3 * delta_n * m2
        m2 += term
        skew = math.sqrt(n) * m3 / m2**1.5 if m2 > 0 else 0.0
        await ctx.send(Moments(n, mean, m2 / (n - 1) if n > 1 else 0.0, skew))


@message
@dataclass
class Bins:
    counts: Annotated[list[int], MaxLen(10)]
    under: int
    over: int
    mode: int


@practice(X, output=Bins)
async def histogram_bins(ctx: Any) -> None:
    lo, hi, bins = -50.0, 50.0, 10
    counts = [0] * 10
    under = over = 0
    width = (hi - lo) / bins
    while not ctx.should_terminate:
        x = (await ctx.receive()).x
        if x != x:
            continue
        if x < lo:
            under += 1
        elif x >= hi:
            over += 1
        else:
            counts[int((x - lo) / width)] += 1
        mode = 0
        for i, c in enumerate(counts):
            if c > counts[mode]:
                mode = i
        await ctx.send(Bins(counts, under, over, mode))


@message
@dataclass
class Word:
    word: str


@message
@dataclass
class Counted:
    word: str
    count: int
    distinct: int
    most: str


@practice(Word, output=Counted)
async def word_count(ctx: Any) -> None:
    counts: dict[str, int] = {}
    most = ""
    while not ctx.should_terminate:
        w = (await ctx.receive()).word
        counts[w] = counts.get(w, 0) + 1
        if counts[w] > counts.get(most, 0):
            most = w
        await ctx.send(Counted(w, counts[w], len(counts), most))


@message
@dataclass
class Item:
    id: int
    n: int = 1


@message
@dataclass
class TopK:
    ids: Annotated[list[int], MaxLen(3)]
    total: int


@practice(Item, output=TopK)
async def space_saving(ctx: Any) -> None:
    counters: dict[int, int] = {}
    total = 0
    while not ctx.should_terminate:
        item = await ctx.receive()
        total += 1
        if item.id in counters:
            counters[item.id] += 1
        elif len(counters) < 3:
            counters[item.id] = 1
        else:
            victim, least = 0, None
            for k, v in counters.items():
                if least is None or v < least:
                    victim, least = k, v
            counters.pop(victim)
            counters[item.id] = least + 1
        await ctx.send(TopK(list(counters), total))


@practice(Item, output=Value)
async def entropy(ctx: Any) -> None:
    counts = {}
    total = 0
    while not ctx.should_terminate:
        m = await ctx.receive()
        key = m.id % 16
        counts[key] = counts.get(key, 0) + 1
        total += 1
        h = -sum(c / total * math.log2(c / total) for c in counts.values())
        await ctx.send(Value(h))


@message
@dataclass
class Line:
    slope: float
    intercept: float
    r2: float


@practice(XY, output=Line)
async def regression(ctx: Any) -> None:
    n = 0
    sx = sy = sxx = sxy = syy = 0.0
    while not ctx.should_terminate:
        p = await ctx.receive()
        n += 1
        sx += p.x
        sy += p.y
        sxx += p.x * p.x
        sxy += p.x * p.y
        syy += p.y * p.y
        d = n * sxx - sx * sx
        if n < 2 or d == 0:
            continue
        slope = (n * sxy - sx * sy) / d
        intercept = (sy - slope * sx) / n
        dy = n * syy - sy**2
        r2 = (n * sxy - sx * sy) ** 2 / (d * dy) if dy else 0.0
        await ctx.send(Line(slope, intercept, r2))


@practice(XY, output=Line)
async def perceptron(ctx: Any) -> None:
    weights = [0.0, 0.0]
    bias = 0.0
    errors = 0
    while not ctx.should_terminate:
        s = await ctx.receive()
        label = 1 if s.weight >= 0 else -1
        score = weights[0] * s.x + weights[1] * s.y + bias
        prediction = 1 if score > 0 else -1
        if prediction != label:
            errors += 1
            for i, feature in enumerate((s.x, s.y)):
                weights[i] += 0.1 * label * feature
            bias += 0.1 * label
        await ctx.send(Line(weights[0], weights[1], bias + errors))


@practice(X, output=Value)
async def logistic(ctx: Any) -> None:
    w, b = 0.1, 0.0
    while not ctx.should_terminate:
        x = (await ctx.receive()).x
        z = w * x + b
        try:
            p = 1 / (1 + math.exp(-z))
        except OverflowError:
            p = 0.0
        g = p - (1.0 if x > 0 else 0.0)
        w -= 0.01 * g * x
        b -= 0.01 * g
        await ctx.send(Value(p))


@practice(X, output=Value)
async def z_score(ctx: Any) -> None:
    window: deque[float] = deque(maxlen=12)
    while not ctx.should_terminate:
        x = (await ctx.receive()).x
        if len(window) >= 3:
            mu = sum(window) / len(window)
            sigma = math.sqrt(sum((v - mu) * (v - mu) for v in window) / len(window))
            if sigma and abs((x - mu) / sigma) > 2.5:
                await ctx.send(Value((x - mu) / sigma))
        window.append(x)


@practice(X, output=Value)
async def reservoir(ctx: Any) -> None:
    kept = [0.0] * 5
    seen = 0
    seed = 1
    while not ctx.should_terminate:
        m = await ctx.receive()
        seen += 1
        if seen <= 5:
            kept[seen - 1] = m.x
        else:
            seed = seed * 16807 % 2147483647
            j = seed % seen
            if j < 5:
                kept[j] = m.x
        await ctx.send(Value(sorted(kept)[2]))


@practice(XY, output=Moments)
async def covariance(ctx: Any) -> None:
    cov = np.zeros((2, 2))
    mean = np.zeros(2)
    n = 0
    while not ctx.should_terminate:
        p = await ctx.receive()
        n += 1
        dx, dy = p.x - mean[0], p.y - mean[1]
        mean[0] += dx / n
        mean[1] += dy / n
        cov[0, 0] += dx * (p.x - mean[0])
        cov[0, 1] += dx * (p.y - mean[1])
        cov[1, 0] = cov[0, 1]
        cov[1, 1] += dy * (p.y - mean[1])
        det = cov[0, 0] * cov[1, 1] - cov[0, 1] * cov[1, 0]
        await ctx.send(Moments(n, float(mean[0]), float(cov[0, 1]), float(det)))


@practice(X, output=Value)
async def quantile_sgd(ctx: Any) -> None:
    q, target, step = 0.0, 0.9, 0.05
    while not ctx.should_terminate:
        x = (await ctx.receive()).x
        q += step * target if x > q else -step * (1 - target)
        step = max(step * 0.999, 1e-4)
        await ctx.send(Value(q))


@practice(X, output=Value)
async def kahan(ctx: Any) -> None:
    total = 0.0
    c = 0.0
    while not ctx.should_terminate:
        m = await ctx.receive()
        y = m.x - c
        t = total + y
        c = (t - total) - y
        total = t
        await ctx.send(Value(total))


@message
@dataclass
class Row:
    features: Annotated[NDArray[np.float64], Shape(3)]
    label: int


@message
@dataclass
class Predicted:
    label: int
    distance: float
    centroids: Annotated[NDArray[np.float64], Shape(2, 3)]


@practice(Row, output=Predicted)
async def k_means(ctx: Any) -> None:
    centroids = np.array([[0.0, 0.0, 0.0], [10.0, 10.0, 10.0]])
    counts = np.zeros(2, dtype=np.int64)
    while not ctx.should_terminate:
        row = await ctx.receive()
        best, best_d = 0, math.inf
        for k in range(2):
            d = 0.0
            for j in range(3):
                d += (row.features[j] - centroids[k, j]) ** 2
            if d < best_d:
                best, best_d = k, float(d)
        counts[best] += 1
        for j in range(3):
            centroids[best, j] += (row.features[j] - centroids[best, j]) / counts[best]
        await ctx.send(Predicted(best, math.sqrt(best_d), centroids))


@practice(Row, output=Value)
async def softmax_entropy(ctx: Any) -> None:
    while not ctx.should_terminate:
        f = (await ctx.receive()).features
        top = max(float(f[0]), float(f[1]), float(f[2]))
        exps = [math.exp(float(v) - top) for v in f]
        total = sum(exps)
        h = 0.0
        for e in exps:
            p = e / total
            if p > 0:
                h -= p * math.log(p)
        await ctx.send(Value(h))


@message
@dataclass
class Grid:
    cells: Annotated[NDArray[np.uint8], Shape(6, 6)]


@practice(Grid, output=Grid)
async def life(ctx: Any) -> None:
    generation = 0
    while not ctx.should_terminate:
        g = await ctx.receive()
        out = np.zeros((6, 6), dtype=np.uint8)
        for r in range(6):
            for c in range(6):
                n = 0
                for dr in (-1, 0, 1):
                    for dc in (-1, 0, 1):
                        if (dr or dc) and g.cells[(r + dr) % 6, (c + dc) % 6] & 1:
                            n += 1
                alive = n == 3 or (n == 2 and g.cells[r, c] & 1)
                out[r, c] = 1 if alive else 0
        generation += 1
        await ctx.send(Grid(out))


@message
@dataclass
class Image:
    pixels: Annotated[NDArray[np.uint8], Shape(5, 5)]


@message
@dataclass
class Edges:
    gradient: Annotated[NDArray[np.int16], Shape(3, 3)]
    strongest: int


SOBEL = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))


@practice(Image, output=Edges)
async def sobel(ctx: Any) -> None:
    gradient = np.zeros((3, 3), np.int16)
    while not ctx.should_terminate:
        im = await ctx.receive()
        strongest = 0
        for r in range(3):
            for c in range(3):
                acc = 0
                for i in range(3):
                    for j in range(3):
                        acc += SOBEL[i][j] * int(im.pixels[r + i, c + j])
                gradient[r, c] = acc
                strongest = max(strongest, abs(acc))
        await ctx.send(Edges(gradient, strongest))
