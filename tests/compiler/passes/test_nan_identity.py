"""Which statements are checked for NaN, and in which kernels."""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import Lowering, message, ring_kernel
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.passes.nan_identity import asks_for_identity, keep_nan_identity


@message
@dataclass
class Price:
    value: float
    size: int


def keep(prices: list[float], value: float) -> None:
    prices[0] = value


async def keyed(ctx: Any) -> None:
    last = 0.0
    count = 0
    totals: dict[float, float] = {}
    while True:
        m = await ctx.receive()
        change = m.value - last
        count += m.size
        last = m.value
        totals[m.value] = change
        await ctx.send(Price(change, count))


async def unkeyed(ctx: Any) -> None:
    last = 0.0
    totals: dict[int, float] = {}
    while True:
        m = await ctx.receive()
        last = m.value - last
        totals[m.size] = last
        await ctx.send(Price(last, m.size))


async def searched(ctx: Any) -> None:
    kept = [0.0] * 4
    while True:
        m = await ctx.receive()
        found = m.value in kept
        if m.size > 3:
            doubled = [2 * x for x in kept]
            m.value = doubled[0]
        keep(kept, m.value)
        await ctx.send(Price(m.value, int(found)))


async def compared(ctx: Any) -> None:
    best = Price(0.0, 0)
    pair: tuple[int, float] | None = None
    while True:
        m = await ctx.receive()
        if pair == (1, m.value):
            best = Price(m.value * 2, 1)
        pair = (m.size, m.value)
        await ctx.send(best)


def lowered(actor: Any) -> ir.Kernel:
    made = ring_kernel(kernel_id=actor.__name__, input_type=Price, output_type=Price,
                       auto_register=False)(actor)  # fmt: skip
    lowering: Lowering = made.lower()
    assert lowering.kernel is not None, lowering.explain()
    return lowering.kernel.ir


def checked(kernel: ir.Kernel) -> list[str]:
    """The Python lines of the statements that the pass has added."""
    lines = [linecache.getline(node.loc.file, node.loc.line).strip()
             for node in ir.walk(kernel)
             if isinstance(node, ir.If) and len(node.body) == 1 and not node.orelse
             and isinstance(left := node.body[0], ir.Evaluate) and isinstance(left.value, ir.Op)
             and left.value.primitive.given == ("PDC_DEOPT_NAN",)]  # fmt: skip
    return list(dict.fromkeys(line for line in lines if " in kept" not in line))


@pytest.mark.parametrize(
    ("actor", "lines"),
    [
        (keyed, ["last = m.value", "totals[m.value] = change"]),
        (searched, ["m.value = doubled[0]", "prices[0] = value"]),
        (compared, ["best = Price(m.value * 2, 1)", "while True:"]),  # `pair` is stored at the end
    ],
)
def test_what_is_stored_is_checked(actor: Any, lines: list[str]) -> None:
    kernel = lowered(actor)
    assert asks_for_identity(kernel)
    assert checked(kernel) == lines


def test_other_kernels_stay_as_they_are() -> None:
    kernel = lowered(unkeyed)
    assert not asks_for_identity(kernel)
    assert keep_nan_identity(kernel) is kernel
    assert checked(kernel) == []
