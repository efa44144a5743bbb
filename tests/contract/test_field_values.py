"""Contract, section 9.2: what fields take is converted alike on every backend, whichever call it
comes through."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import pytest
from annotated_types import MaxLen

from pydotcompute import KernelContext, MessageTypeError, MessageValueError, message
from pydotcompute.testing import same
from tests.support.contract import go, launched


class Count:
    """An integer of a user's own."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number


@message
@dataclass
class Part:
    n: int


@message
@dataclass
class Given:
    n: int
    x: float
    maybe: int | None = None
    many: Annotated[list[int], MaxLen(3)] = field(default_factory=list)
    part: Part = field(default_factory=lambda: Part(0))


@message
@dataclass
class Seen:
    n: int
    x: float
    total: int
    many: Annotated[list[int], MaxLen(3)]


async def echo(ctx: KernelContext[Given, Seen]) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        extra = 0 if m.maybe is None else m.maybe
        await ctx.send(Seen(m.n, m.x, m.n + extra + m.part.n + sum(m.many), m.many))


async def numbers_of_numpy(ctx: KernelContext[Part, Seen]) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        n = np.int64(m.n)
        await ctx.send(Seen(n, np.float32(0.1), n, [n]))  # type: ignore[arg-type, list-item]


PEOPLE: list[Any] = [
    Given(np.int32(2), np.float32(0.1)),  # type: ignore[arg-type]
    Given(Count(-3), np.int64(2**53 + 1), Count(4), [np.uint8(5), Count(6), True]),  # type: ignore
    Given(True, 3, np.int8(-1), [7], Part(np.uint16(8))),  # type: ignore[arg-type]
]
EXACT = [
    Seen(2, 0.10000000149011612, 2, []),
    Seen(-3, 2.0**53, 13, [5, 6, 1]),
    Seen(1, 3.0, 15, [7]),
]


def test_every_call_converts_alike(way: str) -> None:
    async def probe() -> None:
        async with launched(way, echo) as kernel:
            got: list[Any] = []
            for each in PEOPLE:
                await kernel.send(each)
                got.append(await kernel.receive())
            got += [await kernel.request(each) for each in PEOPLE]
            assert await kernel.send_many(PEOPLE) == 3
            got += [await kernel.receive() for _ in PEOPLE]
            assert await kernel.send_many(Given.array(PEOPLE)) == 3  # type: ignore[attr-defined]
            got += [await kernel.receive() for _ in PEOPLE]
            assert all(map(same, got, EXACT * 4)), got
            assert kernel.backend == way

    go(probe)


def test_an_actor_sends_numbers_of_numpy(way: str) -> None:
    async def probe() -> None:
        async with launched(way, numbers_of_numpy) as kernel:
            assert same(await kernel.request(Part(-5)), Seen(-5, 0.10000000149011612, -5, [-5]))
            assert kernel.backend == way

    go(probe)


REFUSED: list[tuple[Any, type[Exception], str]] = [
    (Given(np.float32(1), 1.0), MessageTypeError, "field 'n' of Given takes int, got float32"),  # type: ignore
    (Given(np.True_, 1.0), MessageTypeError, "field 'n' of Given takes int, got bool"),  # type: ignore
    (Given(1, Count(1)), MessageTypeError, "field 'x' of Given takes float, got Count"),  # type: ignore
    (Given(Count(2**63), 1.0), MessageValueError, "field 'n' of Given takes int from"),  # type: ignore
    (Given(np.uint64(2**63), 1.0), MessageValueError, "field 'n' of Given takes int from"),  # type: ignore
    (Given(1, 1.0, None, [Count(-(2**63) - 1)]), MessageValueError, "field 'many\\[0\\]'"),  # type: ignore
]


@pytest.mark.parametrize(("bad", "kind", "text"), REFUSED)
def test_what_is_refused_names_the_field(
    way: str, bad: Any, kind: type[Exception], text: str
) -> None:
    async def probe() -> None:
        async with launched(way, echo) as kernel:
            for call in (kernel.send(bad), kernel.request(bad), kernel.send_many([bad])):
                with pytest.raises(kind, match=text):
                    await call
            assert same(await kernel.request(Given(1, 2.0)), Seen(1, 2.0, 1, []))
            assert kernel.statistics().received == 1

    go(probe)


def test_an_index_that_raises_comes_through(way: str) -> None:
    class Broken:
        def __index__(self) -> int:
            raise ArithmeticError("not today")

    async def probe() -> None:
        async with launched(way, echo) as kernel:
            with pytest.raises(ArithmeticError, match="not today"):
                await kernel.send(Given(Broken(), 1.0))  # type: ignore[arg-type]
            assert same(await kernel.request(Given(1, 2.0)), Seen(1, 2.0, 1, []))

    go(probe)


def test_columns_of_numpy(way: str) -> None:
    async def probe() -> None:
        async with launched(way, echo) as kernel:
            batch = Given.array(  # type: ignore[attr-defined]
                n=[np.int32(1), Count(2), True], x=np.array([1, 2, 3], "u1"), maybe=np.int8(3)
            )
            await kernel.send_many(batch)
            got = [await kernel.receive() for _ in range(3)]
            assert all(map(same, got, [Seen(1, 1.0, 4, []), Seen(2, 2.0, 5, []),
                                       Seen(1, 3.0, 4, [])]))  # fmt: skip

    go(probe)
