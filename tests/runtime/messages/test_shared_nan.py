"""A NaN in a message is one object however the message arrives, so dicts agree on every backend."""

from __future__ import annotations

import math
import struct
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from annotated_types import MaxLen

from pydotcompute import RingKernelRuntime, message, ring_kernel
from pydotcompute.compiler.types import shared_nan as nans
from pydotcompute.compiler.types.identity import holds_other_nan
from pydotcompute.compiler.types.shared_nan import share_nans, shared_nan
from pydotcompute.messages.codec import codec_of
from tests.support.native_actor import kit as native_kit


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


@pytest.mark.parametrize("value", [1.0, -0.0, math.inf])
def test_others_are_left_alone(value: float) -> None:
    assert math.copysign(1, shared_nan(value)) == math.copysign(1, value)
    values = [value, 2.0]
    assert share_nans(values)[0] is value


def test_infinities_that_cancel_are_no_nan() -> None:
    values = [math.inf, -math.inf]
    assert share_nans(values) == values


# --- a NaN that comes into the state ---------------------------------------------------------


@ring_kernel(kernel_id="two_nans", input_type=Tick, output_type=Count, auto_register=False)
async def two_nans(ctx: Any) -> None:
    one, other = float("nan"), float("nan")
    prices: dict[float, int] = {}
    while not ctx.should_terminate:
        m = await ctx.receive()
        prices[one] = 1
        prices[other] = int(m.price)
        await ctx.send(Count(len(prices), prices[other]))


@ring_kernel(kernel_id="the_usual_nan", input_type=Tick, output_type=Count, auto_register=False)
async def the_usual_nan(ctx: Any) -> None:
    last = math.nan
    prices: dict[float, int] = {}
    while not ctx.should_terminate:
        m = await ctx.receive()
        if not math.isnan(m.price):
            last = m.price
        prices[last] = prices.get(last, 0) + 1
        await ctx.send(Count(len(prices), prices[last]))


@ring_kernel(kernel_id="computed", input_type=Tick, output_type=Count, auto_register=False)
async def computed(ctx: Any) -> None:
    one, other = 0.0, 0.0
    prices: dict[float, int] = {}
    while not ctx.should_terminate:
        m = await ctx.receive()
        if math.isinf(m.price):
            one = m.price - m.price
            other = one
        elif m.price > 5.0:
            other = one + 1.0
        else:
            prices[one] = 1
            prices[other] = 2
        await ctx.send(Count(len(prices), prices.get(other, 0)))


@ring_kernel(kernel_id="in_a_tuple", input_type=Tick, output_type=Count, auto_register=False)
async def in_a_tuple(ctx: Any) -> None:
    pair = (1, 0.5)
    while not ctx.should_terminate:
        m = await ctx.receive()
        if math.isinf(m.price):
            pair = (2, m.price - m.price)
        await ctx.send(Count(pair[0], int(pair == (2, pair[1]))))


@ring_kernel(kernel_id="in_a_list", input_type=Tick, output_type=Count, auto_register=False)
async def in_a_list(ctx: Any) -> None:
    recent: deque[float] = deque(maxlen=4)
    last = 0.0
    while not ctx.should_terminate:
        m = await ctx.receive()
        if m.price > 5.0:
            last = m.price - m.price
            recent.append(last)
            recent.append(m.price - m.price)
        await ctx.send(Count(recent.count(last), int(last in recent)))


@ring_kernel(kernel_id="in_a_message", input_type=Tick, output_type=Count, auto_register=False)
async def in_a_message(ctx: Any) -> None:
    kept = Tick(1.0)
    prices: dict[float, int] = {}
    while not ctx.should_terminate:
        m = await ctx.receive()
        if m.price > 5.0:
            kept.price = m.price - m.price
        elif m.price < -5.0:
            kept = Tick(m.price + math.inf - math.inf)
        else:
            prices[kept.price] = prices.get(kept.price, 0) + 1
        await ctx.send(Count(len(prices), prices.get(kept.price, 0)))


NEGATIVE = -math.nan
STORING = [
    (two_nans, [1.0, 2.0]),
    (the_usual_nan, [NAN, NAN, 1.0, 2.0, 1.0]),
    (computed, [math.inf, 1.0, 1.0, 6.0, 1.0, -math.inf, 1.0]),
    (in_a_tuple, [1.0, math.inf, 1.0]),
    (in_a_list, [1.0, math.inf, 1.0, 6.0, math.inf]),
    (in_a_message, [1.0, math.inf, 1.0, 1.0, 6.0, 1.0]),
    (in_a_message, [1.0, -math.inf, 1.0, 1.0]),
    (ticks, [NEGATIVE, NAN, NEGATIVE, NAN]),
]


@pytest.mark.parametrize(("actor", "prices"), STORING, ids=[a.kernel_id for a, _ in STORING])
def test_a_nan_of_the_state_stays_the_object_it_was(run: Any, way: str, actor: Any,
                                                    prices: list[float]) -> None:  # fmt: skip
    coroutine = run(answers(actor, "python", [Tick(price) for price in prices]))
    compiled = run(answers(actor, way.partition("-")[0], [Tick(price) for price in prices]))
    assert compiled == coroutine


@pytest.mark.skipif(native_kit.library() is None, reason="no C++ compiler")
def test_a_kernel_whose_nans_would_merge_says_so(run: Any) -> None:
    async def reason() -> str:
        async with RingKernelRuntime(backend="native", fallback="allow") as runtime:
            kernel = await runtime.launch("two_nans", two_nans)
            await kernel.activate()
            await kernel.request(Tick(1.0))
            return kernel.reason

    assert run(reason()) == (
        "its state begins with a NaN, and it uses floats as keys of a dict or searches for "
        "them; begin with `math.nan`, or `None`"
    )


def test_nans_are_one_object_for_each_pattern_of_bits() -> None:
    assert shared_nan(float("nan")) is math.nan
    negative = shared_nan(-math.nan)
    assert math.copysign(1, negative) == -1
    assert shared_nan(-float("nan")) is negative
    assert not holds_other_nan([1.0, math.nan, (negative, {"a": 1.0}), deque([math.nan])])
    assert holds_other_nan({"a": (1, [float("nan")])})
    assert holds_other_nan(Tick(float("nan")))


def test_all_memory_of_nans_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nans, "_NANS", dict(nans._NANS))
    many = [struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_0001 + n))[0]
            for n in range(5_000)]  # fmt: skip
    again = [shared_nan(value) for value in many]
    assert struct.pack("<5000d", *again) == struct.pack("<5000d", *many)
    assert shared_nan(float("nan")) is math.nan
