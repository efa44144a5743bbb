"""Numbers: big ints, primes, matrices, geometry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import MaxLen
from numpy.typing import NDArray

from pydotcompute import Shape, message
from tests.corpus.practitioners.practice import practice


@message
@dataclass
class Number:
    n: int


@message
@dataclass
class Result:
    n: int
    value: int


@message
@dataclass
class Pair:
    a: int
    b: int


@message
@dataclass
class Vector:
    x: float
    y: float
    z: float


@message
@dataclass
class Polar:
    radius: float
    angle: float
    inside: bool


@message
@dataclass
class Update:
    row: int
    column: int
    value: float


@message
@dataclass
class Matrix:
    items: Annotated[NDArray[np.float64], Shape(3, 3)]
    trace: float


@message
@dataclass
class Items:
    values: Annotated[list[int], MaxLen(16)]


@message
@dataclass
class Pixel:
    r: np.uint8
    g: np.uint8
    b: np.uint8


@message
@dataclass
class Grey:
    luma: np.uint8
    ratio: np.float32


PRIMES = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31]
GRID = ((1, 2, 3), (4, 5, 6), (7, 8, 9))


@practice(Number, output=Result)
async def fibonacci_big(ctx: Any) -> None:
    """The index of the first Fibonacci number beyond 2**n: its digits outgrow 64 bits."""
    while not ctx.should_terminate:
        m = await ctx.receive()
        target = 2 ** max(0, m.n % 80)
        a, b, index = 0, 1, 0
        while a <= target:
            a, b = b, a + b
            index += 1
        await ctx.send(Result(index, a % 10**9))


@practice(Number, output=Result)
async def factorial_digits(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        f = 1
        for k in range(2, abs(m.n) % 30 + 1):
            f *= k
        await ctx.send(Result(m.n, f % 1_000_007))


@practice(Number, output=Result)
async def trial_division(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        n, factors = abs(m.n), 0
        for p in PRIMES:
            if n < 2:
                break
            while n % p == 0:
                n //= p
                factors += 1
        await ctx.send(Result(n, factors))


def gcd(a: int, b: int = 0) -> int:
    while b:
        a, b = b, a % b
    return a


def egcd(a: int, b: int) -> tuple[int, int, int]:
    x0, x1, y0, y1 = 1, 0, 0, 1
    while b:
        q, (a, b) = a // b, (b, a % b)
        x0, x1 = x1, x0 - q * x1
        y0, y1 = y1, y0 - q * y1
    return a, x0, y0


@practice(Pair, output=Result)
async def bezout(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        g, x, y = egcd(m.a, m.b)
        assert g == m.a * x + m.b * y
        assert abs(g) == math.gcd(m.a, m.b) == abs(gcd(m.a, b=m.b)), "gcd"
        await ctx.send(Result(g, x))


@practice(Vector, output=Polar)
async def geometry(ctx: Any) -> None:
    while not ctx.should_terminate:
        v = await ctx.receive()
        r = math.sqrt(v.x**2 + v.y**2 + v.z**2)
        angle = math.degrees(math.atan2(v.y, v.x)) % 360
        inside = (-1 <= v.x <= 1 and -1 <= v.y <= 1) or r < 0.5
        await ctx.send(Polar(r, angle, inside))


@practice(Vector, output=Polar)
async def norms(ctx: Any) -> None:
    while not ctx.should_terminate:
        v = await ctx.receive()
        components = (abs(v.x), abs(v.y), abs(v.z))
        largest = max(components)
        r = math.hypot(v.x, v.y, v.z) if largest else 0.0
        await ctx.send(Polar(r, sum(components), any(c > 10 for c in components)))


@practice(Update, output=Matrix, make=lambda r: Update(r.randint(-3, 3), r.randint(-3, 2), r.uniform(-2, 2)))
async def matrix(ctx: Any) -> None:
    m = np.eye(3)
    while not ctx.should_terminate:
        u = await ctx.receive()
        try:
            m[u.row, u.column] += u.value
        except IndexError:
            continue
        trace = 0.0
        for i in range(3):
            trace += float(m[i, i])
        await ctx.send(Matrix(m, trace))


@practice(Update, output=Matrix, make=lambda r: Update(r.randint(0, 2), r.randint(0, 2), r.uniform(-2, 2)))
async def matrix_product(ctx: Any) -> None:
    """Nested lists for the step, a product with loops."""
    m = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    out = np.zeros((3, 3))
    while not ctx.should_terminate:
        u = await ctx.receive()
        for i in range(3):
            m[i][u.column] += u.value * m[i][u.row]
        for i in range(3):
            for j in range(3):
                out[i, j] = m[i][j]
        await ctx.send(Matrix(out, m[0][0] + m[1][1] + m[2][2]))


@practice(Pair, output=Result)
async def grid_lookup(ctx: Any) -> None:
    """A table of tuples of the module, with run-time indexes."""
    while not ctx.should_terminate:
        m = await ctx.receive()
        row = GRID[m.a % 3]
        total = sum(row[k] for k in range(3))
        await ctx.send(Result(GRID[m.b % 3][m.a % 3], total))


@practice(Items, output=Result)
async def binary_search(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        ordered = sorted(m.values)
        low, high = 0, len(PRIMES)
        target = ordered[-1] if ordered else 7
        while low < high:
            mid = (low + high) // 2
            if PRIMES[mid] < target:
                low = mid + 1
            else:
                high = mid
        await ctx.send(Result(low, PRIMES[low] if low < len(PRIMES) else -1))


@practice(Items, output=Items)
async def rearranged(ctx: Any) -> None:
    """reversed, enumerate, zip, slices, comprehensions."""
    while not ctx.should_terminate:
        xs = (await ctx.receive()).values
        evens = [x for x in xs if x % 2 == 0]
        weighted = [i * x for i, x in enumerate(reversed(xs), start=1)]
        pairs = [a - b for a, b in zip(xs, xs[1:])]
        if all(p <= 0 for p in pairs) and any(xs):
            print("ascending", len(xs), xs[0], xs[-1])
        await ctx.send(Items((evens + weighted[-3:])[:16]))


@practice(Items, output=Result)
async def longest_run(ctx: Any) -> None:
    while not ctx.should_terminate:
        xs = (await ctx.receive()).values
        best = current = 0
        for i, x in enumerate(xs):
            current = current + 1 if i and x > xs[i - 1] else 1
            best = max(best, current)
        tail = xs[-1] if xs else None
        await ctx.send(Result(best, tail if tail is not None else -1))


@practice(Pixel, output=Grey)
async def luma(ctx: Any) -> None:
    """numpy scalars with Python numbers."""
    while not ctx.should_terminate:
        p = await ctx.receive()
        y = (77 * int(p.r) + 150 * int(p.g) + 29 * int(p.b)) >> 8
        scaled = np.float32(p.r) / 255 + np.float32(0.5)
        root = np.sqrt(scaled)
        await ctx.send(Grey(np.uint8(y), abs(root) * 2))


@practice(Number, output=Result)
async def integer_roots(ctx: Any) -> None:
    while not ctx.should_terminate:
        n = (await ctx.receive()).n
        if n < 0:
            raise ValueError(f"negative: {n}")
        root = math.isqrt(n)
        low, high = 0, 2_097_152
        while low < high:
            mid = (low + high + 1) >> 1
            low, high = (mid, high) if mid**3 <= n else (low, mid - 1)
        print(f"{n=} {root=}", low, sep="; ")
        await ctx.send(Result(root, low))


@practice(Pair, output=Result)
async def counting(ctx: Any) -> None:
    """while with else, nested break, bit tricks."""
    while not ctx.should_terminate:
        m = await ctx.receive()
        a, steps = m.a & 0xFFFF, 0
        while a:
            a &= a - 1
            steps += 1
            if steps > 12:
                break
        else:
            steps = -steps
        await ctx.send(Result(steps, m.b.bit_length() + abs(m.b).bit_count() + (m.a ^ m.b) % 7))
