"""What can be told of the state from the prologue's text, without any effect."""

from __future__ import annotations

import enum
import math
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from pydotcompute import KernelContext, message, ring_kernel
from pydotcompute.compiler.consteval.prologue import static_values
from pydotcompute.compiler.frontend.actor_shape import find_shape
from pydotcompute.compiler.frontend.source import read_source


@message
@dataclass
class Point:
    x: float
    y: float = 0.0


@message
@dataclass
class Checked:
    n: int

    def __post_init__(self) -> None:
        calls.append("__post_init__")


class Color(enum.Enum):
    RED = 1
    BLUE = 2


calls: list[str] = []
SEEDS = [3, 1, 2]
SIZE = 4


def crc(byte: int, polynomial: int = 0xEDB88320) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ polynomial if byte & 1 else byte >> 1
    return byte


def noisy(n: int) -> int:
    print("noisy")
    calls.append("noisy")
    return n


def endless() -> int:
    while True:
        pass


def values(function: Any) -> dict[str, Any]:
    """What is told of the prologue of an actor."""
    return static_values(find_shape(read_source(function)))


async def displays(ctx: Any) -> None:
    a, (b, c) = 1, (2.5, "x")
    d: list[float] = [0.0] * SIZE
    e = {color: 0 for color in Color if color}
    f = [i * i for i in range(5) if i % 2]
    g = deque([1, *SEEDS], maxlen=SIZE)
    h = np.zeros((2, 3), dtype=np.float32) + np.eye(2, 3, dtype=np.float32)
    i = -a if b > 2 else c
    j = SEEDS[0] << 2 | 1
    while True:
        await ctx.receive()
        print(a, b, c, d, e, f, g, h, i, j)


async def objects(ctx: Any) -> None:
    origin = Point(0.0)
    x = origin.x
    color = Color["BLUE"]
    again = Color(1)
    name = color.name
    root = math.sqrt(2) * np.float32(3)
    who = f"{ctx.kernel_id}!"
    while True:
        await ctx.receive()
        print(origin, x, color, again, name, root, who)


async def loops(ctx: Any) -> None:
    table = []
    for n in range(256):
        table.append(crc(n))
    total = 0
    while True:
        if total > 40:
            break
        total += 7
    seeds = SEEDS
    seeds.append(4)
    seeds.sort()
    weights = np.array(seeds, dtype=float)
    weights /= weights.sum()
    while True:
        await ctx.receive()
        print(table, total, seeds, weights)


async def effects(ctx: Any) -> None:
    known = 1
    a = noisy(1)
    b = Checked(1)
    c = open("file")  # noqa: SIM115
    d = endless()
    e = [0] * 10**9
    f = np.ones(10**10)
    g = 10 ** 10**10
    h = undefined  # noqa: F821
    i = 1 // 0
    while True:
        await ctx.receive()
        print(known, a, b, c, d, e, f, g, h, i)


async def unknowns_spread(ctx: Any) -> None:
    xs = [1, 2]
    n = 3
    noisy(xs)
    if noisy(1):
        n = 4
    m = 5
    print("starting", m)
    while True:
        await ctx.receive()
        print(xs, n, m)


def test_displays() -> None:
    found = values(displays)
    array = found.pop("h")
    assert (array.shape, array.dtype) == ((2, 3), np.float32)
    assert found == {
        "a": 1, "b": 2.5, "c": "x", "d": [0.0] * 4, "e": {Color.RED: 0, Color.BLUE: 0},
        "f": [1, 9], "g": deque([1, 3, 1, 2], maxlen=4), "i": -1, "j": 13,
    }  # fmt: skip


def test_messages_enums_and_numbers() -> None:
    found = values(objects)
    assert found.pop("root") == pytest.approx(4.2426406871)
    assert type(found.pop("who")) is str
    assert found == {"origin": Point(0.0), "x": 0.0, "color": Color.BLUE, "again": Color.RED,
                     "name": "BLUE"}  # fmt: skip


def test_loops_and_functions() -> None:
    found = values(loops)
    assert found["table"][255] == 0x2D02EF8D
    assert (len(found["table"]), found["total"]) == (256, 42)
    assert found["seeds"] == [1, 2, 3, 4]
    assert found["weights"].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert SEEDS == [3, 1, 2], "the module's own list is left alone"


def test_nothing_of_the_users_is_run_and_nothing_large_is_made() -> None:
    assert values(effects) == {"known": 1}
    assert calls == []


def test_what_an_unknown_statement_may_change_is_forgotten() -> None:
    assert values(unknowns_spread) == {"m": 5}


async def lambdas(ctx: Any) -> None:
    order = sorted([2, 1], key=lambda n: -n)
    low = min([2], default=3, key=lambda n: n)
    made = (lambda: 5)()
    counts = defaultdict(lambda: 0)
    while True:
        await ctx.receive()
        print(order, low, made, counts)


def test_a_lambda_is_a_function_and_not_called() -> None:
    assert values(lambdas) == {"counts": {}}


@message
@dataclass
class Sample:
    x: float
    history: list[int] = field(default_factory=list)


def test_lower_tells_the_state_without_launching() -> None:
    @ring_kernel(kernel_id="prologue-midpoint")
    async def midpoint(ctx: KernelContext[Point, Point]) -> None:
        last = Point(0.0, 0.0)
        table = [crc(n) for n in range(16)]
        while True:
            point = await ctx.receive()
            await ctx.send(Point((last.x + point.x) / 2, float(table[int(point.y) % 16])))
            last = point

    lowering = midpoint.lower()
    assert lowering.ok, lowering.explain()
    assert "last: Point" in lowering.explain()
