"""Checksums, codes, state machines and parsers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from random import Random
from typing import Annotated, Any, Final, Literal

import numpy as np
from annotated_types import MaxLen
from numpy.typing import NDArray

from pydotcompute import Shape, message
from tests.corpus.practitioners.practice import practice


@message
@dataclass
class Word:
    value: int


@message
@dataclass
class Sum:
    check: int
    count: int


@message
@dataclass
class Packet:
    payload: Annotated[list[int], MaxLen(32)]


@message
@dataclass
class Block:
    data: Annotated[NDArray[np.uint8], Shape(16)]
    length: np.uint8


@message
@dataclass
class Digest:
    crc: np.uint32
    ok: bool


@message
@dataclass
class Byte:
    value: int


@message
@dataclass
class Decoded:
    command: str
    argument: int
    errors: int


def _crc_table() -> list[int]:
    table = []
    for n in range(256):
        c = n
        for _ in range(8):
            c = (c >> 1) ^ 0xEDB88320 if c & 1 else c >> 1
        table.append(c)
    return table


CRC_TABLE = _crc_table()
CRC16_TABLE: Final = tuple(
    (lambda c: c & 0xFFFF)(n * 0x1021 ^ (n << 3)) for n in range(256)
)  # fmt: skip
SBOX = np.array([(n * 7 + 3) % 256 for n in range(256)], dtype=np.uint8)
POW10 = (1, 10, 100, 1_000, 10_000)
NAMES = ["idle", "start", "stop", "reset"]
MOD_ADLER = 65521
FNV_PRIME = 0x100000001B3
MASK = (1 << 64) - 1


def a_packet(random: Random) -> Packet:
    return Packet([random.randint(0, 255) for _ in range(random.randint(0, 32))])


@practice(Packet, output=Sum, make=a_packet)
async def crc32_by_table(ctx: Any) -> None:
    count = 0
    while not ctx.should_terminate:
        packet = await ctx.receive()
        crc = 0xFFFFFFFF
        for byte in packet.payload:
            crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
        count += 1
        await ctx.send(Sum(crc ^ 0xFFFFFFFF, count))


@practice(Packet, output=Sum, make=a_packet)
async def crc16_by_tuple(ctx: Any) -> None:
    while not ctx.should_terminate:
        packet = await ctx.receive()
        crc = 0xFFFF
        for byte in packet.payload:
            crc = (crc << 8) & 0xFFFF ^ CRC16_TABLE[(crc >> 8) ^ byte]
        await ctx.send(Sum(check=crc, count=len(packet.payload)))


@practice(Block, output=Digest)
async def substitution(ctx: Any) -> None:
    """Bytes through an S-box in a numpy array of the module."""
    state = np.uint32(0)
    while not ctx.should_terminate:
        block = await ctx.receive()
        n = min(int(block.length), 16)
        for i in range(n):
            state = (state << np.uint32(3)) ^ np.uint32(SBOX[block.data[i]])
        await ctx.send(Digest(state, bool(state & np.uint32(1))))


@practice(Packet, output=Sum, make=a_packet)
async def adler32(ctx: Any) -> None:
    while not ctx.should_terminate:
        a, b = 1, 0
        packet = await ctx.receive()
        for byte in packet.payload:
            a = (a + byte) % MOD_ADLER
            b = (b + a) % MOD_ADLER
        await ctx.send(Sum((b << 16) | a, len(packet.payload)))


@practice(Packet, output=Sum, make=a_packet)
async def fnv1(ctx: Any) -> None:
    """64 bits in Python ints: beyond what compiled ints hold."""
    while not ctx.should_terminate:
        packet = await ctx.receive()
        h = 0xCBF29CE484222325 >> 1
        for byte in packet.payload:
            h = ((h ^ byte) * 16777619) & 0xFFFFFFFF
        await ctx.send(Sum(h, len(packet.payload)))


@practice(Word, output=Sum)
async def xorshift32(ctx: Any) -> None:
    x = 2463534242
    count = 0
    while not ctx.should_terminate:
        w = await ctx.receive()
        for _ in range(w.value % 4 + 1):
            x ^= (x << 13) & 0xFFFFFFFF
            x ^= x >> 17
            x ^= (x << 5) & 0xFFFFFFFF
            count += 1
        await ctx.send(Sum(x, count))


@practice(Word, output=Sum)
async def pcg_with_numpy(ctx: Any) -> None:
    state = np.uint64(42)
    while not ctx.should_terminate:
        w = await ctx.receive()
        state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        shifted = np.uint32(((state >> np.uint64(18)) ^ state) >> np.uint64(27) & np.uint64(0xFFFFFFFF))
        rot = int(state >> np.uint64(59))
        out = int(shifted) >> rot | (int(shifted) << (-rot & 31)) & 0xFFFFFFFF
        await ctx.send(Sum(out, w.value))


class Light(Enum):
    RED = 30
    GREEN = 25
    AMBER = 5

    @property
    def next(self) -> Light:
        return {Light.RED: Light.GREEN, Light.GREEN: Light.AMBER, Light.AMBER: Light.RED}[self]


@message
@dataclass
class Tick:
    seconds: int


@message
@dataclass
class Shown:
    light: Light
    left: int
    name: str


@practice(Tick, output=Shown)
async def traffic_light(ctx: Any) -> None:
    light = Light.RED
    left = light.value
    while not ctx.should_terminate:
        tick = await ctx.receive()
        left -= max(0, tick.seconds)
        while left <= 0:
            if light is Light.RED:
                light = Light.GREEN
            elif light is Light.GREEN:
                light = Light.AMBER
            else:
                light = Light.RED
            left += light.value
            if left < -1000:
                left = light.value
        await ctx.send(Shown(light, left, light.name))


class Mode(StrEnum):
    IDLE = "idle"
    RUN = "run"
    FAULT = "fault"


class Bits(IntFlag):
    READY = 1
    BUSY = 2
    ERROR = 4


class Access(Flag):
    READ = 1
    WRITE = 2


@message
@dataclass
class Event:
    name: Literal["start", "stop", "fail", "ack"]
    code: int


@message
@dataclass
class Status:
    mode: Mode
    code: int
    text: str


@practice(Event, output=Status)
async def machine(ctx: Any) -> None:
    mode = Mode.IDLE
    faults = 0
    while not ctx.should_terminate:
        event = await ctx.receive()
        match mode, event.name:
            case Mode.IDLE, "start":
                mode = Mode.RUN
            case (Mode.RUN, "stop") | (Mode.FAULT, "ack"):
                mode = Mode.IDLE
            case _, "fail":
                mode = Mode.FAULT
                faults += 1
            case _:
                pass
        await ctx.send(Status(mode, faults, mode.value))


@practice(Event, output=Status)
async def register_bits(ctx: Any) -> None:
    """A status register: named bits, tested and set."""
    register = 0
    while not ctx.should_terminate:
        e = await ctx.receive()
        if e.name == "start":
            register |= Bits.BUSY
        elif e.name == "stop":
            register &= ~Bits.BUSY
        elif e.name == "fail":
            register |= Bits.ERROR | Bits.READY
        else:
            register = e.code & 7
        busy = bool(register & Bits.BUSY)
        mode = Mode.FAULT if register & Bits.ERROR else Mode.RUN if busy else Mode.IDLE
        await ctx.send(Status(mode, int(register), f"{register:03b}"))


class Op(IntEnum):
    PUSH = 0
    ADD = 1
    MUL = 2
    NEG = 3
    DUP = 4
    DIV = 5


class VMError(Exception):
    def __init__(self, op: int) -> None:
        super().__init__(f"bad {op}")
        self.op = op


@practice(Packet, output=Sum, make=lambda r: Packet([r.randint(0, 6) for _ in range(r.randint(1, 20))]))
async def stack_machine(ctx: Any) -> None:
    faults = 0
    while not ctx.should_terminate:
        program = (await ctx.receive()).payload
        stack = []
        at = 0
        try:
            while at < len(program):
                op = program[at]
                at += 1
                if op == Op.PUSH:
                    stack.append(program[at] if at < len(program) else 1)
                    at += 1
                elif op == Op.ADD:
                    stack.append(stack.pop() + stack.pop())
                elif op == Op.MUL:
                    stack.append(stack.pop() * stack.pop())
                elif op == Op.NEG:
                    stack[-1] = -stack[-1]
                elif op == Op.DUP:
                    stack.append(stack[-1])
                elif op == Op.DIV:
                    y = stack.pop()
                    stack.append(stack.pop() // y)
                else:
                    raise ValueError("unknown operation")
        except (IndexError, ZeroDivisionError):
            faults += 1
            await ctx.send(Sum(-1, faults))
        except ValueError as error:
            print("at", at, error)
            await ctx.send(Sum(-2, faults))
        else:
            await ctx.send(Sum(stack[-1] if stack else 0, len(stack)))


@practice(Byte, output=Decoded, make=lambda r: Byte(r.choice([2, 3, *range(48, 58), 65, 66, 67])))
async def framed_numbers(ctx: Any) -> None:
    """A byte at a time: STX, a letter, digits, ETX."""
    STX, ETX = 2, 3
    state = "wait"
    command, number, errors = "", 0, 0
    while not ctx.should_terminate:
        b = (await ctx.receive()).value
        if state == "wait":
            if b == STX:
                state = "command"
            continue
        if state == "command":
            if b in (65, 66, 67):
                command = ("start", "stop", "reset")[b - 65]
                state, number = "digits", 0
            else:
                errors += 1
                state = "wait"
        elif 48 <= b <= 57:
            number = number * 10 + (b - 48)
        elif b == ETX:
            await ctx.send(Decoded(command, number, errors))
            state = "wait"
        else:
            errors += 1
            state = "command" if b == STX else "wait"


@practice(Word, output=Decoded)
async def codes(ctx: Any) -> None:
    """Names by code, powers of ten by digit count."""
    while not ctx.should_terminate:
        w = await ctx.receive()
        digits = min(len(POW10), 1 + int(math.log10(abs(w.value)))) if w.value else 1
        scale = POW10[digits - 1]
        lead, rest = divmod(abs(w.value), scale)
        await ctx.send(Decoded(NAMES[lead % 4], rest, digits))


@practice(Packet, output=Packet, make=lambda r: Packet([r.choice([0, 0, 1, 7]) for _ in range(r.randint(0, 16))]))
async def run_length(ctx: Any) -> None:
    while not ctx.should_terminate:
        packet = await ctx.receive()
        out: list[int] = []
        previous, run = None, 0
        for x in packet.payload:
            if x == previous:
                run += 1
            else:
                if previous is not None:
                    out += [previous, run]
                previous, run = x, 1
        if previous is not None:
            out.extend([previous, run])
        await ctx.send(Packet(out))


@practice(Word, output=Sum)
async def luhn(ctx: Any) -> None:
    while not ctx.should_terminate:
        number = abs((await ctx.receive()).value)
        total, position, n = 0, 0, number
        while n:
            n, digit = divmod(n, 10)
            if position % 2:
                digit *= 2
                if digit > 9:
                    digit -= 9
            total += digit
            position += 1
        await ctx.send(Sum(-total % 10, position))


@practice(Word, output=Sum)
async def modular_power(ctx: Any) -> None:
    """A Diffie-Hellman step and a Fermat test with pow of three arguments."""
    while not ctx.should_terminate:
        w = await ctx.receive()
        public = pow(5, w.value, 2147483647)
        composite = w.value > 3 and pow(2, w.value - 1, w.value) != 1
        await ctx.send(Sum(public, int(composite)))


class Settings:
    """Constants in a class, as many keep them."""

    WINDOW = 8
    WEIGHTS = (3, 1, 4, 1, 5, 9, 2, 6)
    FACTOR = 2.5
    TITLE = "checksum"


@practice(Word, output=Decoded)
async def class_constants(ctx: Any) -> None:
    at = 0
    while not ctx.should_terminate:
        w = await ctx.receive()
        at = (at + 1) % Settings.WINDOW
        weight = Settings.WEIGHTS[at]
        await ctx.send(Decoded(Settings.TITLE, weight * (w.value % 100), int(Settings.FACTOR * at)))
