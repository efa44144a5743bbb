"""Checksums and random numbers, in Python's ints and in numpy's wrapping ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pydotcompute import message
from tests.corpus.case import case

MASK = 0xFFFFFFFF


@message
@dataclass
class Word:
    value: int


@message
@dataclass
class Bits:
    value: np.uint64


@message
@dataclass
class Octet:
    value: np.uint8


@message
@dataclass
class Sum32:
    value: np.uint32


@case(Word, output=Word)
async def adler32(ctx: Any) -> None:
    a, b = 1, 0
    while not ctx.should_terminate:
        word = (await ctx.receive()).value
        for shift in range(0, 64, 8):
            a = (a + (word >> shift & 0xFF)) % 65521
            b = (b + a) % 65521
        await ctx.send(Word(b << 16 | a))


@case(Word, output=Word)
async def fnv1a(ctx: Any) -> None:
    state = 0x811C9DC5
    while not ctx.should_terminate:
        word = (await ctx.receive()).value & MASK
        for _ in range(4):
            state ^= word & 0xFF
            state = state * 0x01000193 & MASK
            word >>= 8
        await ctx.send(Word(state))


@case(Word, output=Word)
async def crc32(ctx: Any) -> None:
    crc = MASK
    while not ctx.should_terminate:
        crc ^= (await ctx.receive()).value & 0xFF
        for _ in range(8):
            crc = (crc >> 1) ^ 0xEDB88320 if crc & 1 else crc >> 1
        await ctx.send(Word(crc ^ MASK))


@case(Word, output=Word)
async def linear_congruential(ctx: Any) -> None:
    seed = 12345
    while not ctx.should_terminate:
        count = (await ctx.receive()).value
        for _ in range(min(count, 20)):
            seed = (seed * 1103515245 + 12345) % 2**31
        await ctx.send(Word(seed >> 16))


@case(Bits, output=Bits)
async def xorshift64(ctx: Any) -> None:
    x = np.uint64(88172645463325252)
    while not ctx.should_terminate:
        m = await ctx.receive()
        x = x ^ m.value
        x = x ^ (x << np.uint64(13))
        x = x ^ (x >> np.uint64(7))
        x = x ^ (x << np.uint64(17))
        await ctx.send(Bits(x))


@case(Bits, output=Bits)
async def splitmix64(ctx: Any) -> None:
    state = np.uint64(0)
    while not ctx.should_terminate:
        m = await ctx.receive()
        state = state + m.value + np.uint64(0x9E3779B97F4A7C15)
        z = state
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        await ctx.send(Bits(z ^ (z >> np.uint64(31))))


@case(Octet, output=Sum32)
async def djb2(ctx: Any) -> None:
    h = np.uint32(5381)
    while not ctx.should_terminate:
        m = await ctx.receive()
        h = (h << np.uint32(5)) + h + m.value
        await ctx.send(Sum32(h))


@message
@dataclass
class Two:
    a: int
    b: int


@case(Two, output=Word)
async def any_shift(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Word(m.a << m.b % 70))
        await ctx.send(Word(m.a >> abs(m.b)))
        await ctx.send(Word(-(m.a % 1000) << 3))


@case(Two, output=Word)
async def products(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        small = m.a % 4096
        await ctx.send(Word(small * m.b))
        await ctx.send(Word(m.a - small))
        await ctx.send(Word(small * small * small - m.b))
        await ctx.send(Word(abs(m.b) // (small + 1)))
