"""Printed, logged and formatted: the values of the moment, in Python's own words."""

from __future__ import annotations

import enum
import logging
import sys
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import MaxLen

from pydotcompute import message
from tests.corpus.case import case

log = logging.getLogger("tests.corpus.printing")


OLD = "%d of %s, %8.3f, %r, %x%%"
ROW = "{} {:>9.2e} {last!r}"


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


@message
@dataclass
class Point:
    x: int
    y: float


@message
@dataclass
class Reading:
    at: Point
    values: Annotated[list[int], MaxLen(6)]
    level: Level
    limit: int | None
    name: str


@message
@dataclass
class Report:
    text: str


@message
@dataclass
class Span:
    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"


def loud(point: Point) -> int:
    print("loud", point)
    return point.x


@case(Reading, output=Report)
async def shown(ctx: Any) -> None:
    """Containers and messages are shown as they are when the call is made."""
    best = [0, 0, 0]
    recent = deque(maxlen=3)
    counts = {}
    table = np.zeros((2, 2))
    while not ctx.should_terminate:
        reading = await ctx.receive()
        recent.append(reading.at.x)
        counts[reading.name] = counts.get(reading.name, 0) + 1
        table[0, 1] = reading.at.y
        print(best, recent, counts, table)
        print(f"{recent} {counts!r} {reading.values}", reading, sep=" | ", end=" !\n")
        doubled = [2 * v for v in reading.values]
        print(doubled, len(doubled), doubled.append(1), f"{doubled}", (best, reading.limit))
        best[0] = reading.at.x
        print(loud(reading.at), reading.at, reading.level, None, [], file=sys.stdout, flush=True)
        reading.name = "changed"
        span = Span(reading.at.x, len(doubled))
        await ctx.send(Report(f"{span} {span!r} {reading}"))


@case(Reading, output=Report)
async def formatted(ctx: Any) -> None:
    while not ctx.should_terminate:
        reading = await ctx.receive()
        n, y = reading.at.x % 40, reading.at.y
        width = 9
        await ctx.send(Report(f"{n:>{width}}|{y:{width}.{n % 4}f}|{n:<{n}}|{reading.name!r:>12}"))
        await ctx.send(Report(OLD % (n, y, y, reading.limit, n)))
        await ctx.send(Report(ROW.format(n, y, last=reading.limit)))
        await ctx.send(Report(", ".join(str(v) for v in reading.values) + "-" * (n % 7)))
        await ctx.send(Report("; ".join([f"{v:03d}" for v in reading.values]).upper()))
        await ctx.send(Report(str(reading.values) + repr(reading.at) + str((n, y))))
        label = f"{reading.name}-{n}" if n > 20 else "none"
        await ctx.send(Report(label.title()))


@case(Reading, output=Report)
async def logged(ctx: Any) -> None:
    own = logging.getLogger("tests.corpus.printing.own")
    while not ctx.should_terminate:
        reading = await ctx.receive()
        own.warning("%s at %r", reading.values, reading.at)
        log.error("limit %s", reading.limit, extra={"limit": reading.limit})
        logging.getLogger("tests.corpus.printing").warning(f"{reading.level.value:>6}")
        try:
            share = 100 // (reading.at.x - 7)
        except ZeroDivisionError:
            log.exception("no share")
            share = 0
        await ctx.send(Report(str(share)))
