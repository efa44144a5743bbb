"""Fields that take only some values: ``Literal``, small floats; lists whose items are converted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import MaxLen
from numpy.typing import NDArray

from pydotcompute import Shape, message
from tests.corpus.case import case


@message
@dataclass
class Sample:
    n: int
    x: float
    text: str = ""
    values: Annotated[list[int], MaxLen(6)] = field(default_factory=list)


@message
@dataclass
class Level:
    level: Literal[1, 2, 3, 20]
    side: Literal["buy", "sell", ""] = "buy"
    sure: Literal[True] = True


@message
@dataclass
class MaybeLevel:
    level: Literal[1, 2, 3] | None
    levels: Annotated[list[Literal[0, 1, 2, 3]], MaxLen(6)] = field(default_factory=list)


@message
@dataclass
class Report:
    inner: Level


@message
@dataclass
class Single:
    x: np.float32


@message
@dataclass
class Scalars:
    small: np.int8
    word: np.uint64
    single: np.float32
    wide: np.int64


@message
@dataclass
class Plain:
    n: int
    x: float
    maybe: int | None
    ratio: float | None
    level: Literal[0, 1, 2, 3]
    ints: Annotated[list[int], MaxLen(4)]
    floats: Annotated[list[float], MaxLen(4)]


@message
@dataclass
class Lists:
    floats: Annotated[list[float], MaxLen(6)]
    ints: Annotated[list[int], MaxLen(6)]
    small: Annotated[list[np.int16], MaxLen(6)]
    singles: Annotated[list[np.float32], MaxLen(6)]


@message
@dataclass
class Words:
    words: Annotated[list[str], MaxLen(6)]


@message
@dataclass
class Maybe:
    values: Annotated[list[int], MaxLen(4)] | None
    weights: Annotated[NDArray[np.float64], Shape(3)] | None
    limit: float | None = None
    half: np.float16 = field(default_factory=np.float16)


@message
@dataclass
class MaybeMore:
    values: Annotated[list[int], MaxLen(4)] | None
    weights: Annotated[NDArray[np.float64], Shape(3)] | None = None


@message
@dataclass
class Carried:
    rows: Annotated[list[Annotated[list[int], MaxLen(2)]], MaxLen(2)]
    gaps: Annotated[list[int | None], MaxLen(3)]
    half: np.float16
    halves: Annotated[NDArray[np.float16], Shape(2)]
    n: int


@message
@dataclass
class Text:
    text: str


@case(Scalars, output=Plain)
async def numbers_of_numpy(ctx: Any) -> None:
    """Fields of Python's numbers take numpy's; one out of range is refused by name."""
    total = np.int64(0)
    while not ctx.should_terminate:
        m = await ctx.receive()
        total += m.small
        maybe: Any = None
        if m.single > 0:
            maybe = m.wide
        out: Any = Plain(
            total, m.single, maybe, m.word, 3,  # type: ignore[arg-type]
            [m.wide, total], [m.single, m.single * 2],  # type: ignore[list-item]
        )  # fmt: skip
        if m.small < 0:
            out.x = m.wide
            out.level = m.small
        await ctx.send(out)


@case(Scalars, output=Plain)
async def words_of_numpy(ctx: Any) -> None:
    """An ``np.uint64`` has room for ints that a field has not."""
    while not ctx.should_terminate:
        m = await ctx.receive()
        ratio = m.single if m.small > 0 else m.word
        await ctx.send(Plain(m.word, m.word, m.small, ratio, 0, [], [m.word]))  # type: ignore


@case(Sample, output=Level)
async def literal_fields(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Level(m.n, "sell" if m.x > 0 else "buy"))


@case(Sample, output=Level)
async def literal_words(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Level(1, m.text))


@case(Sample, output=Level)
async def literal_bools(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        if m.n == 7:
            await ctx.send(Level(1, "hold"))  # type: ignore[arg-type]
        await ctx.send(Level(2, sure=m.n > 0))  # type: ignore[arg-type]


@case(Level, output=Level)
async def literal_changed(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        m.level += 1
        await ctx.send(m)


@case(Level, output=Report)
async def literal_nested(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Report(Level(m.level * 2)))  # type: ignore[arg-type]


@case(Sample, output=MaybeLevel)
async def literal_or_none(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(MaybeLevel(m.n if m.x > 0 else None, m.values))


@case(MaybeLevel, output=MaybeLevel)
async def literals_read(ctx: Any) -> None:
    seen = 0
    while not ctx.should_terminate:
        m = await ctx.receive()
        for level in m.levels:
            seen += level
        print(m.levels, seen)
        await ctx.send(MaybeLevel(m.level, [3 - level for level in m.levels]))


@case(Sample, output=Level)
async def literal_in_the_state(ctx: Any) -> None:
    kept = Level(3, "buy")
    while not ctx.should_terminate:
        m = await ctx.receive()
        if m.n > 0:
            kept.level = m.n  # type: ignore[assignment]
        await ctx.send(kept)


@case(Sample, output=Single)
async def float_out_of_range(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Single(m.x))  # type: ignore[arg-type]
        await ctx.send(Single(np.float64(m.x) * 2.0))  # type: ignore[arg-type]


@case(Sample, output=Lists)
async def converted_lists(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        total = sum(0.5 * v for v in m.values)
        await ctx.send(Lists([m.x, 0, True, total], [v > 3 for v in m.values],
                             m.values, [m.x, m.n]))  # type: ignore[arg-type, list-item]  # fmt: skip


@case(Sample, output=Words)
async def lists_of_words(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Words([f"#{v}" for v in m.values]))
        await ctx.send(Words([m.text, f"{m.n} {m.x:.2f}", "end"]))


@case(Maybe, output=MaybeMore)
async def lists_or_none(ctx: Any) -> None:
    last = None
    while not ctx.should_terminate:
        m = await ctx.receive()
        print(m.values, m.weights)
        if m.values is not None and len(m.values) > 1:
            total = 0
            for value in m.values:
                total += value
            print(total, m.values[0], m.values[1:], 3 in m.values, [v + 1 for v in m.values])
            await ctx.send(MaybeMore(m.values))
        values = m.values
        if values is not None:
            await ctx.send(MaybeMore([-v for v in values], m.weights))
        if last is not None:
            await ctx.send(MaybeMore(last))
        last = m.values


@case(Maybe, output=Text)
async def nothing_where_a_list_is(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        try:
            count = len(m.values)  # type: ignore[arg-type]
        except TypeError:
            count = -1
        await ctx.send(Text(f"{count} {sum(m.values)}"))  # type: ignore[arg-type]


@case(Maybe, output=Text)
async def arrays_or_none(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        if m.weights is not None:
            print(m.weights.sum(), m.weights[1], [w * 2 for w in m.weights])


@case(Maybe, output=Text)
async def formats_or_none(ctx: Any) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        if m.limit is not None:
            await ctx.send(Text(f"{m.limit:.2f} {m.limit:>9}"))
        try:
            await ctx.send(Text(f"{m.limit:+.1e}"))
        except TypeError:
            await ctx.send(Text(format("none", ">6")))
        print(format(m.limit, ".3f"))


@case(Carried, output=Carried)
async def passed_on(ctx: Any) -> None:
    last = None
    while not ctx.should_terminate:
        m = await ctx.receive()
        if last is not None and m.n > 0:
            await ctx.send(last)
        last = m
        print(m)
