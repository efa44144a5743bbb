"""Checksums, hashes, generators of random numbers, big and modular integers."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import MaxLen

from pydotcompute import KernelContext, message
from tests.corpus.practitioners.practice import practice

MASK32 = 0xFFFFFFFF
MASK64 = 0xFFFF_FFFF_FFFF_FFFF
MASK63 = (1 << 63) - 1


@message
@dataclass
class Block:
    data: Annotated[list[int], MaxLen(32)]


@message
@dataclass
class Digest:
    value: int
    length: int


@message
@dataclass
class N:
    n: int


@message
@dataclass
class R:
    value: int


@message
@dataclass
class Two:
    a: int
    b: int


def some_bytes(random: Any) -> Block:
    return Block([random.randrange(256) for _ in range(random.randrange(33))])


def some_n(random: Any) -> N:
    return N(random.choice([random.randrange(100), random.getrandbits(31), random.getrandbits(62)]))


def some_two(random: Any) -> Two:
    return Two(random.randrange(-1000, 1000), random.randrange(-50, 1000))


CRC_TABLE = []
for _i in range(256):
    _c = _i
    for _ in range(8):
        _c = (_c >> 1) ^ 0xEDB88320 if _c & 1 else _c >> 1
    CRC_TABLE.append(_c)


@practice(Block, output=Digest, make=some_bytes)
async def crc32_table(ctx: KernelContext[Block, Digest]) -> None:
    while not ctx.should_terminate:
        block = await ctx.receive()
        crc = 0xFFFFFFFF
        for byte in block.data:
            crc = (crc >> 8) ^ CRC_TABLE[(crc ^ byte) & 0xFF]
        await ctx.send(Digest(crc ^ 0xFFFFFFFF, len(block.data)))


def crc16_update(crc: int, byte: int, poly: int = 0x1021) -> int:
    """CCITT, bit by bit."""
    crc ^= (byte & 0xFF) << 8
    for _ in range(8):
        if crc & 0x8000:
            crc = (crc << 1) ^ poly
        else:
            crc <<= 1
    return crc & 0xFFFF


@practice(Block, output=Digest, make=some_bytes)
async def crc16(ctx: Any) -> None:
    crc, count = 0xFFFF, 0
    while not ctx.should_terminate:
        block = await ctx.receive()
        for b in block.data:
            crc = crc16_update(crc, b)
        count += len(block.data)
        await ctx.send(Digest(crc, count))


@practice(Block, output=Digest, make=some_bytes)
async def adler_blocks(ctx: Any) -> None:
    MOD = 65521
    a, b = 1, 0
    while True:
        block = await ctx.receive()
        for byte in block.data:
            a = (a + byte) % MOD
            b = (b + a) % MOD
        await ctx.send(Digest((b << 16) | a, len(block.data)))


@practice(Block, output=Digest, make=some_bytes)
async def fletcher16(ctx: Any) -> None:
    while not ctx.should_terminate:
        block = await ctx.receive()
        s1 = s2 = 0
        for index, byte in enumerate(block.data, start=1):
            s1 = (s1 + byte) % 255
            s2 = (s2 + s1) % 255
            if index == 20:
                break
        await ctx.send(Digest(s2 << 8 | s1, len(block.data)))


@practice(Block, output=Digest, make=some_bytes)
async def fnv1a_32(ctx: Any) -> None:
    prime = 0x01000193
    while not ctx.should_terminate:
        block = await ctx.receive()
        h = 0x811C9DC5
        for byte in block.data:
            h ^= byte & 0xFF
            h = (h * prime) & MASK32
        await ctx.send(Digest(h, len(block.data)))


@practice(Block, output=Digest, make=some_bytes)
async def fnv1a_64(ctx: Any) -> None:
    """Needs more than 64 bits in the middle and an unsigned result."""
    while not ctx.should_terminate:
        block = await ctx.receive()
        h = 0xCBF29CE484222325
        for byte in block.data:
            h ^= byte & 0xFF
            h = (h * 0x100000001B3) & MASK64
        await ctx.send(Digest(h >> 1, len(block.data)))


@practice(Block, output=Digest, make=some_bytes)
async def djb2_numpy(ctx: Any) -> None:
    while not ctx.should_terminate:
        block = await ctx.receive()
        h = np.uint32(5381)
        for byte in block.data:
            h = (h << np.uint32(5)) + h + np.uint32(byte & 0xFF)
        await ctx.send(Digest(int(h), len(block.data)))


def rotl32(x: int, r: int) -> int:
    return ((x << r) | (x >> (32 - r))) & MASK32


@practice(Block, output=Digest, make=some_bytes)
async def murmur3(ctx: Any) -> None:
    c1, c2 = 0xCC9E2D51, 0x1B873593
    while not ctx.should_terminate:
        data = (await ctx.receive()).data
        h = 42
        rounded = len(data) & ~3
        for i in range(0, rounded, 4):
            k = (data[i] & 255) | (data[i + 1] & 255) << 8 | (data[i + 2] & 255) << 16 | (data[i + 3] & 255) << 24
            k = k * c1 & MASK32
            k = rotl32(k, 15)
            k = k * c2 & MASK32
            h ^= k
            h = rotl32(h, 13)
            h = (h * 5 + 0xE6546B64) & MASK32
        k = 0
        tail = len(data) & 3
        if tail >= 3:
            k ^= (data[rounded + 2] & 255) << 16
        if tail >= 2:
            k ^= (data[rounded + 1] & 255) << 8
        if tail >= 1:
            k ^= data[rounded] & 255
            k = rotl32(k * c1 & MASK32, 15) * c2 & MASK32
            h ^= k
        h ^= len(data)
        h ^= h >> 16
        h = h * 0x85EBCA6B & MASK32
        h ^= h >> 13
        h = h * 0xC2B2AE35 & MASK32
        h ^= h >> 16
        await ctx.send(Digest(h, len(data)))


@practice(N, output=R, make=some_n)
async def xorshift64star(ctx: Any) -> None:
    state = 0x9E3779B97F4A7C15
    while not ctx.should_terminate:
        msg = await ctx.receive()
        state ^= msg.n & MASK32
        state ^= state >> 12
        state ^= (state << 25) & MASK64
        state ^= state >> 27
        await ctx.send(R(((state * 0x2545F4914F6CDD1D) & MASK64) >> 32))


@practice(N, output=R, make=some_n)
async def splitmix64(ctx: Any) -> None:
    x = 0
    while not ctx.should_terminate:
        await ctx.receive()
        x = (x + 0x9E3779B97F4A7C15) & MASK64
        z = x
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
        z = z ^ (z >> 31)
        await ctx.send(R(z & MASK63))


@practice(N, output=R, make=some_n)
async def splitmix_numpy(ctx: Any) -> None:
    x = np.uint64(0)
    while not ctx.should_terminate:
        msg = await ctx.receive()
        x += np.uint64(0x9E3779B97F4A7C15)
        z = x ^ np.uint64(msg.n & 0xFFFF)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        await ctx.send(R(int(z >> np.uint64(1))))


@practice(N, output=R, make=some_n)
async def pcg32(ctx: Any) -> None:
    state = np.uint64(0x853C49E6748FEA9B)
    inc = np.uint64(0xDA3E39CB94B95BDB) | np.uint64(1)
    while not ctx.should_terminate:
        bound = (await ctx.receive()).n
        old = state
        state = old * np.uint64(6364136223846793005) + inc
        shifted = np.uint32(((old >> np.uint64(18)) ^ old) >> np.uint64(27) & np.uint64(0xFFFFFFFF))
        rot = np.uint32(old >> np.uint64(59))
        out = (shifted >> rot) | (shifted << ((np.uint32(32) - rot) & np.uint32(31)))
        await ctx.send(R(int(out) % bound if bound > 0 else int(out)))


@practice(N, output=R, make=some_n)
async def lcg_dice(ctx: Any) -> None:
    seed = 12345
    while not ctx.should_terminate:
        sides = (await ctx.receive()).n
        seed = (1103515245 * seed + 12345) % 2**31
        if sides < 1:
            await ctx.send(R(0))
            continue
        await ctx.send(R(1 + seed % sides))


@practice(N, output=R)
async def mersenne_small(ctx: Any) -> None:
    """The tempering of MT19937 over a list of sixteen words."""
    mt = [(1812433253 * i + 1) & MASK32 for i in range(16)]
    index = 0
    while not ctx.should_terminate:
        m = await ctx.receive()
        y = (mt[index] & 0x80000000) + (mt[(index + 1) % 16] & 0x7FFFFFFF)
        mt[index] = mt[(index + 7) % 16] ^ (y >> 1) ^ (m.n & 0xFF)
        if y % 2 != 0:
            mt[index] ^= 0x9908B0DF
        y = mt[index]
        y ^= y >> 11
        y ^= (y << 7) & 0x9D2C5680
        y ^= (y << 15) & 0xEFC60000
        y ^= y >> 18
        index = (index + 1) % 16
        await ctx.send(R(y))


@practice(Block, output=R, make=lambda r: Block([r.randrange(10) for _ in range(r.randrange(20))]))
async def luhn_digits(ctx: Any) -> None:
    while not ctx.should_terminate:
        digits = (await ctx.receive()).data
        total = 0
        for i, d in enumerate(reversed(digits)):
            if i % 2 == 1:
                d *= 2
                if d > 9:
                    d -= 9
            total += d
        await ctx.send(R(1 if total % 10 == 0 else 0))


@practice(N, output=R, make=lambda r: N(r.randrange(1, 3000)))
async def collatz(ctx: Any) -> None:
    longest = 0
    while not ctx.should_terminate:
        n = (await ctx.receive()).n
        if n < 1 or n > 10**6:
            continue
        steps = 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        longest = max(longest, steps)
        await ctx.send(R(steps))


@message
@dataclass
class Bezout:
    g: int
    x: int
    y: int


def egcd(a: int, b: int) -> tuple[int, int, int]:
    x0, x1, y0, y1 = 1, 0, 0, 1
    while b != 0:
        q, a, b = a // b, b, a % b
        x0, x1 = x1, x0 - q * x1
        y0, y1 = y1, y0 - q * y1
    return a, x0, y0


@practice(Two, output=Bezout)
async def extended_gcd(ctx: Any) -> None:
    while not ctx.should_terminate:
        p = await ctx.receive()
        g, x, y = egcd(p.a, p.b)
        assert g == 0 or p.a % g == 0
        await ctx.send(Bezout(g, x, y))


def is_probable_prime(n: int) -> bool:
    if n < 2:
        return False
    for p in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        if n % p == 0:
            return n == p
    d, s = n - 1, 0
    while d % 2 == 0:
        d //= 2
        s += 1
    for a in (2, 3, 5, 7):
        x = pow(a, d, n)
        if x in (1, n - 1):
            continue
        for _ in range(s - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


@practice(N, output=R, make=lambda r: N(r.getrandbits(r.choice([8, 16, 31]))))
async def miller_rabin(ctx: Any) -> None:
    found = 0
    while not ctx.should_terminate:
        n = (await ctx.receive()).n
        if is_probable_prime(n):
            found += 1
            await ctx.send(R(n))


@practice(N, output=R, make=lambda r: N(r.randrange(150)))
async def fibonacci(ctx: Any) -> None:
    """Exact, then reduced: leaves 64 bits from the 93rd on."""
    while not ctx.should_terminate:
        n = (await ctx.receive()).n % 200
        a, b = 0, 1
        for _ in range(n):
            a, b = b, a + b
        await ctx.send(R(a % 1_000_000_007))


@practice(Two, output=R, make=some_two)
async def power_modulo(ctx: Any) -> None:
    m = 998_244_353
    while not ctx.should_terminate:
        msg = await ctx.receive()
        base, e, result = msg.a % m, abs(msg.b) % 5000, 1
        while e:
            if e & 1:
                result = result * base % m
            base = base * base % m
            e >>= 1
        await ctx.send(R(result))


@practice(N, output=R, make=some_n)
async def integer_sqrt(ctx: Any) -> None:
    while not ctx.should_terminate:
        n = (await ctx.receive()).n
        if n < 0:
            raise ValueError("negative")
        if n < 2:
            await ctx.send(R(n))
            continue
        x = 1 << (n.bit_length() + 1) // 2
        while (y := (x + n // x) // 2) < x:
            x = y
        assert x == math.isqrt(n)
        await ctx.send(R(x))


@practice(N, output=R)
async def bit_tricks(ctx: Any) -> None:
    while not ctx.should_terminate:
        n = (await ctx.receive()).n
        u = n & MASK32
        lowest = u & -u
        gray = u ^ (u >> 1)
        swapped = int((u & 0x55555555) << 1 | (u >> 1) & 0x55555555)
        reversed_ = 0
        for i in range(32):
            if u >> i & 1:
                reversed_ |= 1 << (31 - i)
        parity = bin(u).count("1") & 1 if False else u.bit_count() & 1
        await ctx.send(R(lowest ^ gray ^ swapped ^ reversed_ ^ (parity << 40) ^ ~u.bit_length()))


@message
@dataclass
class Varint:
    data: Annotated[list[int], MaxLen(10)]
    zigzag: int


@practice(N, output=Varint)
async def varint(ctx: Any) -> None:
    buffer = [0] * 10
    while not ctx.should_terminate:
        n = (await ctx.receive()).n
        z = (n << 1) ^ (n >> 63) if -(2**61) < n < 2**61 else 0
        v, size = z, 0
        while True:
            byte = v & 0x7F
            v >>= 7
            if v:
                buffer[size] = byte | 0x80
                size += 1
            else:
                buffer[size] = byte
                size += 1
                break
        await ctx.send(Varint(buffer[:size], z))


@practice(N, output=Varint, make=some_n)
async def digits(ctx: Any) -> None:
    recent: deque[int] = deque(maxlen=10)
    while not ctx.should_terminate:
        n = abs((await ctx.receive()).n)
        recent.clear()
        digital_root = 0
        while n:
            n, d = divmod(n, 10)
            recent.appendleft(d)
            digital_root += d
        await ctx.send(Varint(list(recent), 1 + (digital_root - 1) % 9 if digital_root else 0))


@practice(Two, output=R)
async def saturating(ctx: Any) -> None:
    INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
    acc = 0
    while not ctx.should_terminate:
        m = await ctx.receive()
        acc = max(INT32_MIN, min(INT32_MAX, acc + m.a * m.b))
        await ctx.send(R(acc))


@practice(Two, output=R)
async def c_integers(ctx: Any) -> None:
    """int32 arithmetic as a C program does it."""
    while not ctx.should_terminate:
        m = await ctx.receive()
        x = (m.a + m.b) & MASK32
        if x & 0x80000000:
            x -= 1 << 32
        q = abs(m.a) // abs(m.b) if m.b else 0
        if (m.a < 0) ^ (m.b < 0):
            q = -q
        rem = int(math.fmod(m.a, m.b)) if m.b and abs(m.a) < 2**53 and abs(m.b) < 2**53 else 0
        await ctx.send(R(x ^ q ^ rem))


@practice(N, output=R, make=lambda r: N(r.randrange(-5, 30)))
async def factorials(ctx: Any) -> None:
    while not ctx.should_terminate:
        n = (await ctx.receive()).n
        if n > 40:
            continue
        try:
            f = math.factorial(n)
        except ValueError as error:
            print("no factorial:", error)
            continue
        await ctx.send(R(f % 2**61 if f >= 2**61 else f))


@practice(Block, output=Digest, make=some_bytes)
async def bloom(ctx: Any) -> None:
    words = [0] * 8
    hits = 0
    while not ctx.should_terminate:
        block = await ctx.receive()
        for item in block.data:
            present = True
            for seed in (17, 31, 127):
                h = (item * seed + (item >> 3)) % 248
                word, bit = divmod(h, 31)
                if not (words[word] >> bit) & 1:
                    present = False
                    words[word] |= 1 << bit
            hits += present
        await ctx.send(Digest(hits, sum(w.bit_count() for w in words)))


@practice(Block, output=Digest, make=some_bytes)
async def sip_round(ctx: Any) -> None:
    v = [0x736F6D65, 0x646F7261, 0x6C796765, 0x74656462]

    while not ctx.should_terminate:
        block = await ctx.receive()
        for m in block.data:
            v[3] ^= m & MASK32
            v[0] = (v[0] + v[1]) & MASK32
            v[1] = rotl32(v[1], 5) ^ v[0]
            v[0] = rotl32(v[0], 16)
            v[2] = (v[2] + v[3]) & MASK32
            v[3] = rotl32(v[3], 8) ^ v[2]
            v[0] ^= m & MASK32
        a, b, c, d = v
        await ctx.send(Digest(a ^ b ^ c ^ d, len(block.data)))
