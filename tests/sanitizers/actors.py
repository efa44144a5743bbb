"""Actors that use every kind of memory compiled code has: what the sanitizers watch."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import numpy as np
from annotated_types import MaxLen
from numpy.typing import NDArray

from pydotcompute import Shape, message, ring_kernel


class Colour(Enum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"


@message
@dataclass
class Pair:
    number: int
    complement: int


@message
@dataclass
class Item:
    key: int
    name: str
    colour: Colour
    weight: float | None
    parts: Annotated[list[int], MaxLen(5)]


@message
@dataclass
class Block:
    cells: Annotated[NDArray[np.float32], Shape(3, 4)]
    small: np.int8
    inner: Pair


@message
@dataclass
class Report:
    text: str
    total: float
    colour: Colour
    parts: Annotated[list[int], MaxLen(8)]


@message
@dataclass
class Picture:
    cells: Annotated[NDArray[np.float32], Shape(3, 4)]
    small: np.int8


def make(inputs: Any, output: Any) -> Any:
    return lambda f: ring_kernel(
        kernel_id=f.__name__, input_type=inputs, output_type=output, auto_register=False
    )(f)


@make(Pair, Pair)
async def whole(ctx: Any) -> None:
    seen = 0
    while True:
        pair = await ctx.receive()
        if pair.number + pair.complement != -1:
            raise ValueError("half a message")
        seen += 1
        await ctx.send(Pair(pair.number, pair.complement))


@make(Pair, Pair)
async def dealt(ctx: Any) -> None:
    while True:
        pair = await ctx.receive()
        if pair.number + pair.complement != -1:
            raise ValueError("half a message")
        await ctx.send(Pair(pair.number, pair.complement))


@make(Pair, Pair)
async def twice_or_never(ctx: Any) -> None:
    while True:
        pair = await ctx.receive()
        if pair.number % 2 == 0:
            await ctx.send(Pair(pair.number, pair.complement))
            await ctx.send(Pair(pair.number + 1, pair.complement - 1))


@make(Item, Report)
async def containers(ctx: Any) -> None:
    window: deque[int] = deque(maxlen=7)
    counts: dict[int, int] = {}
    best = [0, 0, 0, 0]
    while not ctx.should_terminate:
        try:
            item = await ctx.receive(timeout=0.1)
        except TimeoutError:
            window.clear()
            continue
        window.append(item.key)
        counts[item.key % 50] = counts.get(item.key % 50, 0) + 1
        if item.key % 7 == 0:
            del counts[item.key % 50]
        best[item.key % 4] = max(best[item.key % 4], item.key)
        if item.key % 11 == 3:
            best[item.key] = 1  # IndexError, for most keys
        total = 0.0
        for value in window:
            total += value
        for key in counts:
            total += counts[key] * 0.5
        parts = [part * 2 for part in item.parts if part > 0]
        await ctx.send(Report(item.name, total, item.colour, parts))


@make(Item, Report)
async def words(ctx: Any) -> None:
    last = ""
    colour = Colour.RED
    while True:
        item = await ctx.receive()
        if item.name == "other" or item.name == last:
            print("again", item.name, item.weight)
            continue
        match item.colour:
            case Colour.RED:
                colour = Colour.BLUE
            case Colour.BLUE if item.weight is not None:
                colour = Colour.GREEN
            case _:
                colour = item.colour
        last = item.name
        weight = 0.0 if item.weight is None else item.weight
        await ctx.send(Report(last if weight < 1.0 else "heavy", weight, colour, item.parts))


@make(Item | Block, Report | Picture)
async def unions(ctx: Any) -> None:
    kept = np.zeros((3, 4), np.float32)
    turns = 0
    while True:
        message = await ctx.receive()
        turns += 1
        if isinstance(message, Block):
            kept[turns % 3, turns % 4] = message.cells[2, 3]
            await ctx.send(Picture(kept, message.small))
            await ctx.send(Picture(message.cells, np.int8(turns % 100)))
        else:
            await ctx.send(Report(message.name, float(kept[0, 0]), message.colour, message.parts))


@make(Item, Pair)
async def numbers(ctx: Any) -> None:
    total = 0
    while True:
        item = await ctx.receive()
        try:
            total = total * 31 + item.key // (item.key % 5)
            total += math.isqrt(item.key) << (item.key % 70)
        except ZeroDivisionError:
            total = int(math.exp(item.key % 800)) % 1000
        except ValueError:
            total = round(float(item.key), -2) % 77
        for n in range(item.key % 4):
            await ctx.send(Pair(n, total))
