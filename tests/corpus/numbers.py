"""Integer and floating-point algorithms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pydotcompute import message
from tests.corpus.case import case


@message
@dataclass
class Pair:
    a: int
    b: int


@message
@dataclass
class Number:
    value: int


@message
@dataclass
class Point:
    x: float
    y: float


@message
@dataclass
class Measured:
    whole: int
    part: float


@case(Number, output=Number)
async def collatz(ctx: Any) -> None:
    longest = 0
    while not ctx.should_terminate:
        n = (await ctx.receive()).value
        length = 0
        while n > 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            length += 1
            if length > 2000:
                break
        else:
            longest = max(longest, length)
        await ctx.send(Number(longest))


@case(Pair, output=Number)
async def gcd_by_hand(ctx: Any) -> None:
    while not ctx.should_terminate:
        pair = await ctx.receive()
        a, b = pair.a, pair.b
        while b:
            a, b = b, a % b
        await ctx.send(Number(abs(a)))
        await ctx.send(Number(math.gcd(pair.a, pair.b)))


@case(Point, output=Measured)
async def mandelbrot(ctx: Any) -> None:
    inside = 0
    while not ctx.should_terminate:
        c = await ctx.receive()
        x = y = 0.0
        for i in range(200):
            x2, y2 = x * x, y * y
            if x2 + y2 > 4.0:
                await ctx.send(Measured(i, x2 + y2))
                break
            x, y = x2 - y2 + c.x / 50, 2 * x * y + c.y / 50
        else:
            inside += 1
            await ctx.send(Measured(-inside, x))


@case(Pair, output=Measured)
async def division_table(ctx: Any) -> None:
    while not ctx.should_terminate:
        pair = await ctx.receive()
        q, r = divmod(pair.a, pair.b)
        assert q * pair.b + r == pair.a
        await ctx.send(Measured(q, pair.a / pair.b))
        await ctx.send(Measured(r, float(-pair.a // pair.b)))


@case(Point, output=Measured)
async def float_division(ctx: Any) -> None:
    while not ctx.should_terminate:
        p = await ctx.receive()
        q, r = divmod(p.x, p.y)
        await ctx.send(Measured(0, q))
        await ctx.send(Measured(1, r))
        await ctx.send(Measured(2, p.x % p.y))
        await ctx.send(Measured(3, p.x // p.y))
        await ctx.send(Measured(4, p.x / p.y))
        await ctx.send(Measured(int(p.x / p.y), math.fmod(p.x, p.y)))


@case(Pair, output=Number)
async def shifts_and_masks(ctx: Any) -> None:
    parity = 0
    while not ctx.should_terminate:
        pair = await ctx.receive()
        low = pair.a & 0xFFFF
        high = (pair.a >> 16) ^ ~pair.b
        parity ^= low | (high & 1)
        count = pair.b & 7
        await ctx.send(Number((low << count) + (high >> count)))
        await ctx.send(Number(parity))
        await ctx.send(Number(pair.a >> pair.b))


@case(Pair, output=Number)
async def powers(ctx: Any) -> None:
    while not ctx.should_terminate:
        pair = await ctx.receive()
        exponent = pair.b % 13
        await ctx.send(Number(pair.a**exponent % 1_000_003))


@case(Point, output=Measured)
async def float_powers(ctx: Any) -> None:
    while not ctx.should_terminate:
        p = await ctx.receive()
        try:
            value = abs(p.x) ** p.y
        except (OverflowError, ZeroDivisionError):
            value = -1.0
        await ctx.send(Measured(0, value))
        await ctx.send(Measured(1, p.x**2))
        await ctx.send(Measured(2, math.sqrt(p.x * p.x)))


@case(Number, output=Number)
async def digits(ctx: Any) -> None:
    while not ctx.should_terminate:
        n = abs((await ctx.receive()).value)
        total, backwards = 0, 0
        while n > 0:
            n, digit = divmod(n, 10)
            total += digit
            backwards = backwards * 10 + digit
        await ctx.send(Number(total))
        await ctx.send(Number(backwards))


@case(Number, output=Number)
async def primes(ctx: Any) -> None:
    found = 0
    while not ctx.should_terminate:
        n = (await ctx.receive()).value
        if n < 2 or n > 1_000_000:
            continue
        for d in range(2, math.isqrt(n) + 1):
            if n % d == 0:
                break
        else:
            found += 1
            await ctx.send(Number(n))
    await ctx.send(Number(found))


@case(Number, output=Measured)
async def newton_sqrt(ctx: Any) -> None:
    while not ctx.should_terminate:
        n = (await ctx.receive()).value
        if n <= 0:
            await ctx.send(Measured(0, math.nan))
            continue
        guess = float(n)
        rounds = 0
        while abs(guess * guess - n) > 1e-9 * n and rounds < 100:
            guess = (guess + n / guess) / 2
            rounds += 1
        await ctx.send(Measured(rounds, guess))


@case(Point, output=Measured)
async def rounding(ctx: Any) -> None:
    while not ctx.should_terminate:
        p = await ctx.receive()
        await ctx.send(Measured(round(p.x), round(p.x, 2)))
        await ctx.send(Measured(int(p.y), round(p.y, -1)))
        await ctx.send(Measured(math.floor(p.x), round(p.x + p.y, 3)))
        await ctx.send(Measured(math.ceil(p.y), float(math.trunc(p.y))))


@case(Point, output=Measured)
async def trigonometry(ctx: Any) -> None:
    while not ctx.should_terminate:
        p = await ctx.receive()
        angle = math.atan2(p.y, p.x)
        await ctx.send(Measured(0, math.hypot(p.x, p.y)))
        await ctx.send(Measured(1, math.degrees(angle)))
        await ctx.send(Measured(2, math.sin(angle) * math.cos(angle)))
        await ctx.send(Measured(3, math.tanh(p.x) + math.erf(p.y)))
        await ctx.send(Measured(4, math.exp(p.x) - math.log1p(abs(p.y))))


@case(Pair, output=Measured)
async def int_against_float(ctx: Any) -> None:
    while not ctx.should_terminate:
        pair = await ctx.receive()
        x = float(pair.b)
        rank = 0
        if pair.a < x:
            rank += 1
        if pair.a == x:
            rank += 2
        if x <= pair.a != pair.b:
            rank += 4
        await ctx.send(Measured(rank, min(pair.a, x) * 1.0))
        await ctx.send(Measured(rank, max(x, pair.a, 0) / 2))


@case(Pair, output=Measured)
async def true_division(ctx: Any) -> None:
    while not ctx.should_terminate:
        pair = await ctx.receive()
        await ctx.send(Measured(0, pair.a / pair.b))
        await ctx.send(Measured(1, pair.b / 3))
        await ctx.send(Measured(2, pair.a / 7))


@case(Pair, output=Measured)
async def number_methods(ctx: Any) -> None:
    while not ctx.should_terminate:
        pair = await ctx.receive()
        ratio = pair.a / (pair.b or 3)
        bits = pair.a.bit_length() - pair.b.bit_count() + (pair.a > 3).bit_length()
        near = pair.a in range(-5, pair.b) or pair.b not in range(0, 40, 4)
        await ctx.send(Measured(bits + near, math.prod([ratio, 2, pair.b])))
        if ratio.is_integer() and pair.a in range(10):
            await ctx.send(Measured(math.prod(range(1, pair.a)), ratio))


@case(Point, output=Measured)
async def tolerances(ctx: Any) -> None:
    last = 0.0
    while not ctx.should_terminate:
        point = await ctx.receive()
        same = math.isclose(point.x, last)
        near = math.isclose(point.x, point.y, abs_tol=0.5)
        loose = math.isclose(point.y, last, abs_tol=point.x, rel_tol=0.1)
        await ctx.send(Measured(same + 2 * near + 4 * loose, last))
        last = point.x


@message
@dataclass
class Both:
    n: int
    x: float


@case(Both, output=Number)
async def mixed_comparisons(ctx: Any) -> None:
    """An int and a float, NaN among them: exact, and never less, equal or greater than NaN."""
    while not ctx.should_terminate:
        m = await ctx.receive()
        rank = (m.n < m.x) + 2 * (m.n <= m.x) + 4 * (m.n == m.x) + 8 * (m.n != m.x)
        rank += 16 * (m.n > m.x) + 32 * (m.n >= m.x)
        rank += 64 * (m.x < m.n) + 128 * (m.x <= m.n) + 256 * (m.x > m.n) + 512 * (m.x >= m.n)
        await ctx.send(Number(rank))


@case(Both, output=Measured)
async def first_of_equals(ctx: Any) -> None:
    """``min`` and ``max`` give the first of equals: with the signs of zeros, and NaN, it shows."""
    while not ctx.should_terminate:
        m = await ctx.receive()
        zero = m.x * 0.0
        await ctx.send(Measured(0, max(zero, -zero)))
        await ctx.send(Measured(1, min(-zero, zero)))
        await ctx.send(Measured(2, max(m.x, -m.x, 0.5)))
        await ctx.send(Measured(3, min(m.x, float(m.n), m.x)))


@case(Pair, output=Number)
async def lazy_conditions(ctx: Any) -> None:
    """What stands right of ``and`` and ``or`` may divide by zero: in vain, if it is not reached."""
    while not ctx.should_terminate:
        pair = await ctx.receive()
        a, b = pair.a % 5, pair.b % 5
        both = a > 0 and 12 // a + 7 % a > 7 // a + 3 % a
        either = b == 0 or 12 // b + 7 % b > 9 // b + 5 % b
        if (a and 12 // a - 7 % a > 0) or (b != 0 and 12 % b + 7 // b == 3):
            await ctx.send(Number(-1))
        await ctx.send(Number(both + 2 * either))


@case(Number, output=Number)
async def beside_its_float(ctx: Any) -> None:
    """An int beyond 53 bits is not the float that it is rounded to."""
    while True:
        n = (await ctx.receive()).value
        x = float(n)
        found = (n < x) + 2 * (n == x) + 4 * (n > x) + 8 * (x < n) + 16 * (x <= n) + 32 * (x != n)
        await ctx.send(Number(found))


@case(Point, output=Measured)
async def parts_of_floats(ctx: Any) -> None:
    low = float("inf")
    while not ctx.should_terminate:
        point = await ctx.receive()
        fraction, whole = math.modf(point.x)
        mantissa, exponent = math.frexp(point.y)
        low = min(low, mantissa)
        steps = math.gcd(exponent, 12, 18) + math.lcm(2, abs(exponent) % 5, 3) + int("ff", 16)
        await ctx.send(Measured(steps, fraction if low < 0 else low + math.copysign(1.0, whole)))
