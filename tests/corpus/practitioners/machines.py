"""Embedded and game people: state machines, protocols, puzzles, geometry."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import numpy as np
from annotated_types import MaxLen

from pydotcompute import KernelContext, message
from tests.corpus.practitioners.practice import practice

logger = logging.getLogger("machines")


class Light(Enum):
    RED = "red"
    GREEN = "green"
    YELLOW = "yellow"


@message
@dataclass
class Tick:
    seconds: int
    waiting: int


@message
@dataclass
class Show:
    light: Light
    since: int


NEXT = {Light.RED: Light.GREEN, Light.GREEN: Light.YELLOW, Light.YELLOW: Light.RED}
HOLD = {Light.RED: 30, Light.GREEN: 25, Light.YELLOW: 5}


@practice(Tick, output=Show)
async def traffic_light_table(ctx: KernelContext[Tick, Show]) -> None:
    light = Light.RED
    elapsed = 0
    while not ctx.should_terminate:
        t = await ctx.receive()
        if t.seconds < 0:
            continue
        elapsed += t.seconds
        hold = HOLD[light]
        if light is Light.GREEN and t.waiting > 5:
            hold += 10
        if elapsed >= hold:
            light = NEXT[light]
            elapsed = 0
        await ctx.send(Show(light, elapsed))


class Tcp(IntEnum):
    CLOSED = 0
    LISTEN = 1
    SYN_RCVD = 2
    ESTABLISHED = 3
    CLOSE_WAIT = 4
    LAST_ACK = 5


@message
@dataclass
class Segment:
    flags: Literal["SYN", "ACK", "FIN", "RST"]
    seq: int


@message
@dataclass
class TcpState:
    state: Tcp
    reply: Optional[str]


@practice(Segment, output=TcpState)
async def tcp_server(ctx: Any) -> None:
    state = Tcp.LISTEN
    while not ctx.should_terminate:
        seg = await ctx.receive()
        reply = None
        if seg.flags == "RST":
            state = Tcp.LISTEN
        else:
            match state:
                case Tcp.LISTEN:
                    if seg.flags == "SYN":
                        state, reply = Tcp.SYN_RCVD, "SYN-ACK"
                case Tcp.SYN_RCVD:
                    if seg.flags == "ACK":
                        state = Tcp.ESTABLISHED
                case Tcp.ESTABLISHED:
                    if seg.flags == "FIN":
                        state, reply = Tcp.CLOSE_WAIT, "ACK"
                case Tcp.CLOSE_WAIT | Tcp.LAST_ACK:
                    state = Tcp.CLOSED if seg.flags == "ACK" else Tcp.LAST_ACK
                case _:
                    reply = "RST"
        await ctx.send(TcpState(state, reply))


@message
@dataclass
class Coin:
    cents: Literal[5, 10, 25, 100]


@message
@dataclass
class Choose:
    slot: int


@message
@dataclass
class Refund:
    pass


@message
@dataclass
class Dispensed:
    slot: int
    change: int


@message
@dataclass
class Returned:
    cents: int


class SoldOut(Exception):
    pass


class TooLittle(Exception):
    def __str__(self) -> str:
        return "insert more"


def vend(stock: list[int], prices: tuple[int, ...], slot: int, credit: int) -> int:
    """Returns the change."""
    if stock[slot] <= 0:
        raise SoldOut(f"slot {slot}")
    if credit < prices[slot]:
        raise TooLittle
    return credit - prices[slot]


@practice(Coin, Choose, Refund, output=Dispensed | Returned)
async def vending(ctx: Any) -> None:
    stock = [2, 3, 1, 0]
    prices = (100, 150, 75, 50)
    credit = 0
    while not ctx.should_terminate:
        event = await ctx.receive()
        match event:
            case Coin(cents):
                credit += cents
            case Choose(slot=s):
                try:
                    change = vend(stock, prices, s % 4, credit)
                except SoldOut:
                    print("sold out:", s % 4)
                except TooLittle:
                    logger.info("slot %d needs more than %d", s % 4, credit)
                else:
                    stock[s % 4] -= 1
                    credit = 0
                    await ctx.send(Dispensed(s % 4, change))
            case Refund():
                if credit:
                    await ctx.send(Returned(credit))
                credit = 0


class Dir(Enum):
    UP = 1
    DOWN = -1
    STOP = 0


@message
@dataclass
class Call:
    floor: int


@message
@dataclass
class Moved:
    floor: int
    direction: Dir
    pending: int


@practice(Call, output=Moved)
async def elevator(ctx: Any) -> None:
    floor, direction = 0, Dir.STOP
    calls = [False] * 10
    while not ctx.should_terminate:
        try:
            call = await ctx.receive(timeout=0.01)
        except asyncio.TimeoutError:
            pass
        else:
            calls[call.floor % 10] = True
        if not any(calls):
            direction = Dir.STOP
        elif calls[floor]:
            calls[floor] = False
        elif direction is Dir.UP and any(calls[f] for f in range(floor + 1, 10)):
            floor += 1
        elif direction is Dir.DOWN and any(calls[f] for f in range(floor)):
            floor -= 1
        else:
            direction = Dir.UP if any(calls[floor:]) else Dir.DOWN
        await ctx.send(Moved(floor, direction, sum(calls)))


@message
@dataclass
class Char:
    code: int


@message
@dataclass
class Frame:
    length: int
    checksum: int
    payload: Annotated[list[int], MaxLen(16)]


@message
@dataclass
class Bad:
    why: str


@practice(Char, output=Frame | Bad, make=lambda r: Char(r.choice([2, 3, r.randrange(256), 0x7E])))
async def uart_frames(ctx: Any) -> None:
    STX, ETX, ESC = 0x02, 0x03, 0x7E
    payload: deque[int] = deque(maxlen=16)
    inside = escaped = False
    checksum = 0
    while not ctx.should_terminate:
        c = (await ctx.receive()).code
        if not 0 <= c <= 255:
            await ctx.send(Bad(f"no byte: {c}"))
            continue
        if not inside:
            inside = c == STX
            payload.clear()
            checksum = 0
            continue
        if not escaped and c == ESC:
            escaped = True
            continue
        if not escaped and c == ETX:
            inside = False
            await ctx.send(Frame(len(payload), checksum, list(payload)))
            continue
        escaped = False
        if len(payload) == 16:
            inside = False
            await ctx.send(Bad("overrun"))
            continue
        payload.append(c)
        checksum = (checksum + c) & 0xFF


@practice(Char, output=Bad | Char)
async def brackets(ctx: Any) -> None:
    stack: deque[int] = deque(maxlen=32)
    while not ctx.should_terminate:
        code = (await ctx.receive()).code % 6
        opens = code < 3
        if opens:
            stack.append(code)
        elif not stack:
            await ctx.send(Bad("nothing open"))
        elif (top := stack.pop()) != code - 3:
            await ctx.send(Bad(f"{top} closed by {code - 3}"))
        else:
            await ctx.send(Char(len(stack)))


class OrderState(Enum):
    NEW = auto()
    PARTIAL = auto()
    FILLED = auto()
    CANCELLED = auto()
    REJECTED = auto()


@message
@dataclass
class New:
    id: UUID
    qty: int


@message
@dataclass
class Execute:
    qty: int


@message
@dataclass
class Cancel:
    reason: str


@message
@dataclass
class Report:
    id: UUID | None
    state: OrderState
    left: int
    note: str | None = None


@practice(New, Execute, Cancel, output=Report)
async def order_lifecycle(ctx: Any) -> None:
    order: UUID | None = None
    state = OrderState.REJECTED
    left = 0
    while not ctx.should_terminate:
        msg = await ctx.receive()
        note = None
        match msg:
            case New(id=oid, qty=qty) if qty > 0:
                order, left, state = oid, qty, OrderState.NEW
            case New():
                note = "bad quantity"
            case Execute(qty) if state in (OrderState.NEW, OrderState.PARTIAL) and 0 < qty <= left:
                left -= qty
                state = OrderState.PARTIAL if left else OrderState.FILLED
            case Execute(qty):
                note = f"cannot execute {qty}"
            case Cancel(reason=why):
                if state in {OrderState.FILLED, OrderState.CANCELLED}:
                    note = "too late"
                else:
                    state, note = OrderState.CANCELLED, why
        await ctx.send(Report(order, state, left, note))


@message
@dataclass
class Roman:
    n: int


@message
@dataclass
class Text:
    text: str


ROMAN = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
         (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


@practice(Roman, output=Text, make=lambda r: Roman(r.randrange(1, 4000)))
async def roman(ctx: Any) -> None:
    while not ctx.should_terminate:
        n = (await ctx.receive()).n
        if not 0 < n < 4000:
            await ctx.send(Text(f"{n} has no roman numeral"))
            continue
        text = ""
        for value, letters in ROMAN:
            while n >= value:
                text += letters
                n -= value
        await ctx.send(Text(text))


@message
@dataclass
class Date:
    year: int
    month: int
    day: int


@message
@dataclass
class Day:
    ordinal: int
    weekday: int
    leap: bool


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


@practice(Date, output=Day, make=lambda r: Date(r.randrange(1, 3000), r.randrange(0, 14), r.randrange(0, 33)))
async def calendar(ctx: Any) -> None:
    while not ctx.should_terminate:
        d = await ctx.receive()
        leap = is_leap(d.year)
        if not (1 <= d.month <= 12):
            continue
        length = DAYS[d.month - 1] + (1 if leap and d.month == 2 else 0)
        if d.day < 1 or d.day > length:
            continue
        y = d.year - 1
        ordinal = 365 * y + y // 4 - y // 100 + y // 400
        ordinal += sum(DAYS[: d.month - 1]) + (leap and d.month > 2) + d.day
        await ctx.send(Day(ordinal, (ordinal + 6) % 7, leap))


@message
@dataclass
class Fix:
    lat: float
    lon: float


@message
@dataclass
class Track:
    metres: float
    bearing: float
    total: float


def haversine(lat1: float, lon1: float, lat2: float, lon2: float, radius: float = 6_371_000.0) -> float:
    p1, p2 = math.radians(lat1), math.radians(lat2)
    dp, dl = p2 - p1, math.radians(lon2 - lon1)
    a = math.sin(dp / 2) ** 2 + math.cos(p1) * math.cos(p2) * math.sin(dl / 2) ** 2
    return 2 * radius * math.asin(min(1.0, math.sqrt(a)))


@practice(Fix, output=Track)
async def gps(ctx: Any) -> None:
    last: Fix | None = None
    total = 0.0
    while not ctx.should_terminate:
        fix = await ctx.receive()
        if abs(fix.lat) > 90 or abs(fix.lon) > 180:
            continue
        if last is not None:
            d = haversine(last.lat, last.lon, fix.lat, fix.lon)
            total += d
            y = math.sin(math.radians(fix.lon - last.lon))
            x = math.cos(math.radians(fix.lat))
            bearing = (math.degrees(math.atan2(y, x)) + 360) % 360
            await ctx.send(Track(d, bearing, total))
        last = fix


@message
@dataclass
class Complex:
    re: float
    im: float


@message
@dataclass
class Escape:
    steps: int
    smooth: float


@practice(Complex, output=Escape, make=lambda r: Complex(r.uniform(-2, 1), r.uniform(-1.2, 1.2)))
async def mandelbrot(ctx: Any) -> None:
    while not ctx.should_terminate:
        c = await ctx.receive()
        x = y = 0.0
        for n in range(200):
            x, y = x * x - y * y + c.re, 2 * x * y + c.im
            if (m := x * x + y * y) > 4.0:
                await ctx.send(Escape(n, n + 1 - math.log(math.log(m) / 2) / math.log(2)))
                break
        else:
            await ctx.send(Escape(200, 0.0))


class Mark(Enum):
    EMPTY = 0
    X = 1
    O = 2  # noqa: E741


@message
@dataclass
class Play:
    cell: int


@message
@dataclass
class Board:
    turn: int
    winner: Mark
    full: bool


LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))


@practice(Play, output=Board)
async def tic_tac_toe(ctx: Any) -> None:
    board = [0] * 9
    turn = 1
    while not ctx.should_terminate:
        cell = (await ctx.receive()).cell % 9
        if board[cell] != 0:
            continue
        board[cell] = turn
        winner = Mark.EMPTY
        for a, b, c in LINES:
            if board[a] == board[b] == board[c] != 0:
                winner = Mark(board[a])
        full = all(board)
        await ctx.send(Board(turn, winner, full))
        turn = 3 - turn
        if winner is not Mark.EMPTY or full:
            for i in range(9):
                board[i] = 0


@message
@dataclass
class Roll:
    pins: int


@message
@dataclass
class Score:
    total: int
    frame: int


@practice(Roll, output=Score, make=lambda r: Roll(r.randrange(11)))
async def bowling(ctx: Any) -> None:
    rolls = [0] * 24
    n = 0
    while not ctx.should_terminate:
        pins = (await ctx.receive()).pins
        if not 0 <= pins <= 10:
            raise ValueError(f"{pins} pins")
        if n >= 21:
            n = 0
            for i in range(len(rolls)):
                rolls[i] = 0
        rolls[n] = pins
        n += 1
        total, i, frame = 0, 0, 0
        while frame < 10 and i < n:
            if rolls[i] == 10:
                total += 10 + rolls[i + 1] + rolls[i + 2]
                i += 1
            elif rolls[i] + rolls[i + 1] == 10:
                total += 10 + rolls[i + 2]
                i += 2
            else:
                total += rolls[i] + rolls[i + 1]
                i += 2
            frame += 1
        await ctx.send(Score(total, frame))


@message
@dataclass
class Runs:
    values: Annotated[list[int], MaxLen(20)]


@message
@dataclass
class Encoded:
    values: Annotated[list[int], MaxLen(20)]
    lengths: Annotated[list[int], MaxLen(20)]


@practice(Runs, output=Encoded, make=lambda r: Runs([r.randrange(3) for _ in range(r.randrange(21))]))
async def run_lengths(ctx: Any) -> None:
    values = [0] * 20
    lengths = [0] * 20
    while not ctx.should_terminate:
        msg = await ctx.receive()
        n = -1
        previous = None
        for v in msg.values:
            if v == previous:
                lengths[n] += 1
            else:
                n += 1
                values[n] = v
                lengths[n] = 1
            previous = v
        await ctx.send(Encoded(values[: n + 1], lengths[: n + 1]))


@practice(Runs, output=Encoded, make=lambda r: Runs([r.randrange(-9, 9) for _ in range(r.randrange(21))]))
async def insertion_sort(ctx: Any) -> None:
    while not ctx.should_terminate:
        xs = list((await ctx.receive()).values)
        swaps = 0
        for i in range(1, len(xs)):
            j = i
            while j > 0 and xs[j - 1] > xs[j]:
                xs[j - 1], xs[j] = xs[j], xs[j - 1]
                j -= 1
                swaps += 1
        await ctx.send(Encoded(xs, [swaps]))


@practice(Runs, output=Score)
async def max_subarray(ctx: Any) -> None:
    while not ctx.should_terminate:
        msg = await ctx.receive()
        best, here, start, where = -(2**62), 0, 0, 0
        for i, v in enumerate(msg.values):
            if here <= 0:
                here, start = v, i
            else:
                here += v
            if here > best:
                best, where = here, start
        await ctx.send(Score(best, where))


@practice(Runs, output=Score)
async def bisection(ctx: Any) -> None:
    table = [n * n for n in range(50)]
    while not ctx.should_terminate:
        msg = await ctx.receive()
        for target in msg.values:
            lo, hi = 0, len(table)
            while lo < hi:
                mid = (lo + hi) // 2
                if table[mid] < target:
                    lo = mid + 1
                else:
                    hi = mid
            found = lo < len(table) and table[lo] == target
            await ctx.send(Score(lo if found else -1, lo))


@message
@dataclass
class Op:
    op: Literal["+", "-", "*", "/", "//", "%", "**", "neg"]
    a: float
    b: float


@message
@dataclass
class Result:
    value: float
    error: str | None


def apply(op: str, a: float, b: float) -> float:
    if op == "+":
        return a + b
    if op == "-":
        return a - b
    if op == "*":
        return a * b
    if op == "/":
        return a / b
    if op == "//":
        return a // b
    if op == "%":
        return a % b
    raise LookupError(op)


@practice(Op, output=Result)
async def calculator(ctx: Any) -> None:
    memory = 0.0
    failures = 0
    while not ctx.should_terminate:
        o = await ctx.receive()
        try:
            if o.op == "neg":
                memory = -o.a
            else:
                memory = apply(o.op, o.a, o.b)
            await ctx.send(Result(memory, None))
        except ZeroDivisionError as e:
            failures += 1
            await ctx.send(Result(memory, str(e)))
        except LookupError:
            failures += 1
            await ctx.send(Result(memory, f"no operator {o.op!r}"))
        finally:
            if failures and failures % 10 == 0:
                print("failures:", failures, "memory:", memory)
                failures = 0


@message
@dataclass
class Point:
    x: int
    y: int


@message
@dataclass
class Segment2:
    start: Point
    end: Point
    name: str = "segment"


@message
@dataclass
class Box:
    low: Point
    high: Point
    area: int


def grow(box: Box, p: Point) -> Box:
    low = Point(min(box.low.x, p.x), min(box.low.y, p.y))
    high = Point(max(box.high.x, p.x), max(box.high.y, p.y))
    return Box(low, high, (high.x - low.x) * (high.y - low.y))


@practice(Segment2, output=Box)
async def bounding_box(ctx: Any) -> None:
    box = Box(Point(0, 0), Point(0, 0), 0)
    while not ctx.should_terminate:
        s = await ctx.receive()
        for p in (s.start, s.end):
            box = grow(box, p)
        await ctx.send(box)


@practice(Point, output=Score)
async def robot(ctx: Any) -> None:
    x, y, heading = 0, 0, 0
    visited: dict[int, int] = {0: 1}
    while not ctx.should_terminate:
        p = await ctx.receive()
        heading = (heading + p.x) % 4
        dx, dy = ((0, 1), (1, 0), (0, -1), (-1, 0))[heading]
        steps = abs(p.y) % 5
        for _ in range(steps):
            x += dx
            y += dy
            key = x * 1000 + y
            visited[key] = visited.get(key, 0) + 1
        await ctx.send(Score(abs(x) + abs(y), len(visited)))


@practice(Point, output=Text)
async def chatty(ctx: Any) -> None:
    n = 0
    while not ctx.should_terminate:
        p: Point = await ctx.receive()
        n += 1
        print(f"[{n:>4}] x={p.x:+d} y={p.y:#x}", p.x / 7, p, sep=" | ", end=";\n")
        if p.x > p.y:
            logger.debug("%s > %s", p.x, p.y)
        kind = "diagonal" if p.x == p.y else "axis" if 0 in (p.x, p.y) else "plain"
        await ctx.send(Text(f"{kind}:{n % 3}"))


@message
@dataclass
class Env:
    temp: float | None
    humidity: Optional[float]
    room: str


@message
@dataclass
class Comfort:
    index: float | None
    room: str
    alarms: int


def dew_point(t: float, h: float) -> float:
    a, b = 17.625, 243.04
    g = math.log(h / 100) + a * t / (b + t)
    return b * g / (a - g)


@practice(Env, output=Comfort)
async def climate(ctx: Any) -> None:
    last_temp: float | None = None
    alarms = 0
    while not ctx.should_terminate:
        e = await ctx.receive()
        temp = e.temp if e.temp is not None else last_temp
        last_temp = temp
        humidity = e.humidity or 50.0
        if temp is None:
            await ctx.send(Comfort(None, e.room, alarms))
            continue
        try:
            index = dew_point(temp, humidity)
        except (ValueError, ZeroDivisionError):
            alarms += 1
            index = None
        await ctx.send(Comfort(index, e.room, alarms))


@message
@dataclass
class Scan:
    distance: np.uint16
    quality: np.uint8
    angle: np.int16


@message
@dataclass
class Obstacle:
    x: np.float32
    y: np.float32
    near: bool


@practice(Scan, output=Obstacle)
async def lidar(ctx: Any) -> None:
    best = np.uint16(65535)
    while not ctx.should_terminate:
        s = await ctx.receive()
        if s.quality < 10:
            continue
        if s.distance < best:
            best = s.distance
        rad = math.radians(s.angle / 64)
        d = np.float32(s.distance) / np.float32(4)
        await ctx.send(Obstacle(d * np.float32(math.cos(rad)), d * np.float32(math.sin(rad)),
                                near=bool(s.distance - best < np.uint16(100))))


@practice(Play, output=Text)
async def fizzbuzz(ctx: Any) -> None:
    while not ctx.should_terminate:
        n = (await ctx.receive()).cell
        match (n % 3, n % 5):
            case (0, 0):
                await ctx.send(Text("FizzBuzz"))
            case (0, _):
                await ctx.send(Text("Fizz"))
            case (_, 0):
                await ctx.send(Text("Buzz"))
            case _:
                await ctx.send(Text(str(n)))


@practice(Play, output=Score)
async def hanoi_moves(ctx: Any) -> None:
    """Gray code gives the disk to move."""
    step = 0
    pegs = [0] * 8
    while not ctx.should_terminate:
        m = await ctx.receive()
        if m.cell == 0:
            step = 0
            pegs = [0] * 8
            continue
        step = step % 255 + 1
        disk = (step & -step).bit_length() - 1
        pegs[disk] = (pegs[disk] + (1 if disk % 2 else 2)) % 3
        await ctx.send(Score(sum(p * 3**i for i, p in enumerate(pegs)), disk))
