"""A NaN in a message is one object however the message arrives, so dicts agree on every backend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from annotated_types import MaxLen

from pydotcompute import RingKernelRuntime, message, ring_kernel
from pydotcompute.compiler.types.shared_nan import share_nans, shared_nan
from pydotcompute.messages.codec import codec_of


@message
@dataclass
class Prices:
    one: float
    many: Annotated[list[float], MaxLen(8)]


@message
@dataclass
class Tick:
    price: float


@message
@dataclass
class Count:
    entries: int
    seen: int


@ring_kernel(kernel_id="keyed", input_type=Prices, output_type=Count, auto_register=False)
async def keyed(ctx: Any) -> None:
    prices: dict[float, int] = {}
    last = 0.5
    while not ctx.should_terminate:
        m = await ctx.receive()
        for price in m.many:
            prices[price] = prices.get(price, 0) + 1
        await ctx.send(Count(len(prices), prices.get(m.one, 0) + prices.get(last, 0)))
        last = m.one


@ring_kernel(kernel_id="ticks", input_type=Tick, output_type=Count, auto_register=False)
async def ticks(ctx: Any) -> None:
    prices: dict[float, int] = {}
    while not ctx.should_terminate:
        m = await ctx.receive()
        prices[m.price] = prices.get(m.price, 0) + 1
        await ctx.send(Count(len(prices), prices[m.price]))


NAN = float("nan")
BATCH = [Prices(1.0, [1.0, 2.0]), Prices(NAN, []), Prices(NAN, [NAN, NAN, 1.0]), Prices(NAN, [NAN])]


async def answers(actor: Any, backend: str, batch: list[Any]) -> list[tuple[int, int]]:
    async with RingKernelRuntime(backend=backend, fallback="allow") as runtime:
        kernel = await runtime.launch(actor.kernel_id, actor)
        await kernel.activate()
        for item in batch:
            await kernel.send(item)
        await kernel.terminate()
        return [(sent.entries, sent.seen) async for sent in kernel.messages()]


def test_one_nan_is_one_key(run: Any, way: str) -> None:
    expected = [(2, 1), (2, 1), (3, 4), (3, 6)]
    assert run(answers(keyed, way.partition("-")[0], BATCH)) == expected


def test_one_nan_in_two_messages_is_one_key(run: Any, way: str) -> None:
    batch = [Tick(NAN), Tick(1.0), Tick(NAN)]
    assert run(answers(ticks, way.partition("-")[0], batch)) == [(1, 1), (2, 1), (2, 2)]


def test_copies_and_records_hold_the_same_object() -> None:
    codec = codec_of(Prices)
    record = bytearray(Prices.dtype.itemsize)
    codec.pack_into(record, 0, Prices(NAN, [NAN, 1.0]))
    unpacked = codec.unpack_from(record, 0)
    copied = codec.copy(Prices(NAN, [NAN, 1.0]))
    for got in (unpacked, copied):
        assert got.one is math.nan
        assert got.many[0] is math.nan


@pytest.mark.parametrize("value", [1.0, -0.0, math.inf, -math.nan])
def test_others_are_left_alone(value: float) -> None:
    assert math.copysign(1, shared_nan(value)) == math.copysign(1, value)
    values = [value, 2.0]
    assert share_nans(values)[0] is value


def test_infinities_that_cancel_are_no_nan() -> None:
    values = [math.inf, -math.inf]
    assert share_nans(values) == values
