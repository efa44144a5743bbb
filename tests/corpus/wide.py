"""Ints beyond 64 bits: hashes and generators of random numbers in plain Python, long products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pydotcompute import message
from tests.corpus.case import case

MASK64 = 0xFFFFFFFFFFFFFFFF
PRIME = 0x100000001B3
MERSENNE = 2**61 - 1


@message
@dataclass
class Number:
    n: int


@message
@dataclass
class Hash:
    value: np.uint64
    top: int
    unit: float


@message
@dataclass
class Factors:
    a: int
    b: int
    m: int


@case(Number, output=Hash)
async def fnv1a_64(ctx: Any) -> None:
    h = 0xCBF29CE484222325
    while not ctx.should_terminate:
        n = (await ctx.receive()).n
        for shift in range(0, 64, 8):
            h ^= (n >> shift) & 0xFF
            h = (h * PRIME) & MASK64
        await ctx.send(Hash(h, h >> 33, (h >> 11) / 2**53))


@case(Number, output=Hash)
async def splitmix64_plain(ctx: Any) -> None:
    seed = 42
    while not ctx.should_terminate:
        seed = (seed + (await ctx.receive()).n + 0x9E3779B97F4A7C15) & MASK64
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
        z = z ^ (z >> 31)
        await ctx.send(Hash(z, z % 1000, z / 2**64))


@case(Number, output=Hash)
async def xorshift_in_place(ctx: Any) -> None:
    x = 88172645463325252
    while not ctx.should_terminate:
        x ^= (await ctx.receive()).n & MASK64
        x ^= x << 13
        x &= MASK64
        x ^= x >> 7
        x ^= (x << 17) & MASK64
        x *= 0xFF51AFD7ED558CCD
        x &= MASK64
        await ctx.send(Hash(x, x & 0xFFFF, float(x)))


@case(Number, output=Hash)
async def lcg64(ctx: Any) -> None:
    state = 1
    while not ctx.should_terminate:
        state += (await ctx.receive()).n
        state = (6364136223846793005 * state + 1442695040888963407) % 2**64
        rotated = ((state << 5) | (state >> 59)) & (2**64 - 1)
        await ctx.send(Hash(rotated, state >> 32, state * 2.0**-64))


def rotl(x: int, k: int) -> int:
    return ((x << k) | (x >> (64 - k))) & MASK64


@case(Number, output=Hash)
async def xoshiro256(ctx: Any) -> None:
    s = [0x180EC6D33CFD0ABA, 0xD5A61266F0C9392C, 0xA9582618E03FC9AA, 0x39ABDC4529B1661C]
    while not ctx.should_terminate:
        n = (await ctx.receive()).n
        result = (rotl((s[1] * 5) & MASK64, 7) * 9) & MASK64
        t = (s[1] << 17) & MASK64
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 45)
        await ctx.send(Hash(result, result.bit_length() + (n & 1), (result >> 11) * (1.0 / 2**53)))


@case(Factors, output=Number)
async def modular_products(ctx: Any) -> None:
    power = 1
    while not ctx.should_terminate:
        m = await ctx.receive()
        power = (power * m.a + m.b) % MERSENNE
        await ctx.send(Number(power))
        await ctx.send(Number((m.a * m.b) % (m.m or 7)))
        await ctx.send(Number(m.a * m.b >> 64))
        await ctx.send(Number(m.a * m.b // (2**62 + m.m % 5)))


@case(Factors, output=Hash)
async def long_values(ctx: Any) -> None:
    total = 2**64
    best = None
    while not ctx.should_terminate:
        m = await ctx.receive()
        total = total + m.a - m.b
        square = total * (m.m % 1000)
        if best is None or square > best:
            best = square
        try:
            whole, rest = divmod(square, m.a)
        except ZeroDivisionError:
            whole, rest = -1, 0
        below = square < 1.5e19 or total == 18446744073709551616.0
        ratio = total / (m.b or 3)
        await ctx.send(Hash((total ^ best | 1) & MASK64, rest + below, ratio - whole % 10))


@case(Number, output=Number)
async def seen_hashes(ctx: Any) -> None:
    counts: dict[int, int] = {}
    last = 0
    while not ctx.should_terminate:
        h = ((await ctx.receive()).n % 5 * 0x9E3779B97F4A7C15) & MASK64
        counts[h] = counts.get(h, 0) + 1
        kept = [h, last, 7]
        last = max(kept)
        await ctx.send(Number(counts[h] + len(counts) + sorted(kept)[0] % 100))
