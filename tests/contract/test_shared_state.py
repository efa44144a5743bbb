"""Two names of one container see the same changes, on every backend."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pytest
from annotated_types import MaxLen

from pydotcompute import LoweringError, RingKernelRuntime, message, ring_kernel

COUNTS = [0, 0]


@message
@dataclass
class Step:
    n: int


@message
@dataclass
class Pair:
    one: int
    other: int


@message
@dataclass
class Items:
    xs: Annotated[list[int], MaxLen(4)]


async def a_list(ctx: Any) -> None:
    kept = [0, 0]
    other = kept
    while True:
        m = await ctx.receive()
        other[0] += m.n
        await ctx.send(Pair(kept[0], other[0]))


async def a_deque(ctx: Any) -> None:
    kept: deque[int] = deque(maxlen=3)
    other = kept
    while True:
        m = await ctx.receive()
        other.append(m.n)
        await ctx.send(Pair(len(kept), len(other)))


async def a_dict(ctx: Any) -> None:
    kept: dict[int, int] = {}
    other = kept
    while True:
        m = await ctx.receive()
        other[m.n] = 1
        await ctx.send(Pair(len(kept), len(other)))


async def a_view(ctx: Any) -> None:
    kept = np.zeros(4)
    other = kept[1:]
    while True:
        m = await ctx.receive()
        other[0] += m.n
        await ctx.send(Pair(int(kept[1]), int(other[0])))


async def twice_in_a_tuple(ctx: Any) -> None:
    kept = [0, 0]
    both = (kept, kept)
    while True:
        m = await ctx.receive()
        kept[0] += m.n
        await ctx.send(Pair(both[0][0], both[1][0]))


async def in_a_message(ctx: Any) -> None:
    kept = [0, 0]
    items = Items(kept)
    while True:
        m = await ctx.receive()
        kept[0] += m.n
        await ctx.send(Pair(kept[0], items.xs[0]))


async def a_global(ctx: Any) -> None:
    counts = COUNTS
    while True:
        m = await ctx.receive()
        counts[0] += m.n
        await ctx.send(Pair(counts[0] - COUNTS[0], 0))


async def bound_in_the_loop(ctx: Any) -> None:
    before = [0, 0]
    now = [0, 0]
    while True:
        m = await ctx.receive()
        now[0] += m.n
        await ctx.send(Pair(before[0], now[0]))
        before = now


async def both_made_in_the_loop(ctx: Any) -> None:
    before = [0, 0]
    now = [0, 0]
    while True:
        m = await ctx.receive()
        now[0] += m.n
        await ctx.send(Pair(before[0], now[0]))
        fresh = [m.n, 1]
        before = fresh
        now = fresh


async def never_changed(ctx: Any) -> None:
    weights = [1, 2]
    other = weights
    while True:
        m = await ctx.receive()
        await ctx.send(Pair(weights[m.n % 2], other[0]))


SHARED = [a_list, a_deque, a_dict, a_view, twice_in_a_tuple, in_a_message, a_global,
          bound_in_the_loop, both_made_in_the_loop]  # fmt: skip


def decorated(actor: Any) -> Any:
    return ring_kernel(kernel_id=actor.__name__, input_type=Step, output_type=Pair,
                       auto_register=False)(actor)  # fmt: skip


async def answers(actor: Any, backend: str) -> tuple[list[tuple[int, int]], str]:
    async with RingKernelRuntime(backend=backend, fallback="allow") as runtime:
        kernel = await runtime.launch(actor.__name__, decorated(actor))
        await kernel.activate()
        got = [await kernel.request(Step(n)) for n in (5, 1, 2, 7, 7)]
        return [(pair.one, pair.other) for pair in got], kernel.backend


@pytest.mark.parametrize("actor", [*SHARED, never_changed], ids=lambda actor: actor.__name__)
def test_backends_agree(run: Any, way: str, actor: Any) -> None:
    found, backend = run(answers(actor, way.partition("-")[0]))
    assert found == run(answers(actor, "python"))[0]
    assert (backend == "python") == (actor in SHARED or way.startswith("python"))


@pytest.mark.parametrize("actor", [actor for actor in SHARED if actor is not a_global],
                         ids=lambda actor: actor.__name__)  # fmt: skip
def test_lowering_says_so(run: Any, actor: Any) -> None:
    """Of a container of a module it is known only when the prologue has run."""

    async def launch() -> None:
        async with RingKernelRuntime(backend="native", fallback="error") as runtime:
            await runtime.launch(actor.__name__, decorated(actor))

    with pytest.raises(LoweringError):
        run(launch())


def test_the_sentence() -> None:
    (found,) = decorated(a_list).lower().diagnostics
    assert found.message == (
        "'kept' and 'other' are one list, which compiled code would make two of; use one name, "
        "or a copy"
    )
