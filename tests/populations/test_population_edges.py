"""Probes of populations with edges: as source, as target, in pipelines, next to compiled actors."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    CapacityError,
    KernelContext,
    MessageTypeError,
    QueueFullError,
    RingKernelRuntime,
    message,
    ring_kernel,
)
from tests.support.contract import drained, go, need_compiler, turns, until
from tests.support.populations import BACKENDS, Balance, Deposit, account, received

pytestmark = pytest.mark.parametrize("backend", BACKENDS)
OTHER = pytest.mark.parametrize("other", ["python", "native"])


@message
@dataclass
class Raw:
    account: str
    amount: int


@message
@dataclass
class Volume:
    symbol: str
    amount: int


async def parse(ctx: KernelContext[Raw, Deposit]) -> None:
    while not ctx.should_terminate:
        raw = await ctx.receive()
        await ctx.send(Deposit(raw.account, raw.amount))


async def forward(ctx: KernelContext[Balance, Balance]) -> None:
    while not ctx.should_terminate:
        balance = await ctx.receive()
        await ctx.send(Balance(balance.account, -balance.total))


async def launch(
    runtime: Any, name: str, function: Any, backend: str, active: bool = True, **given: Any
) -> Any:
    settings = {key: given.pop(key) for key in ("queue_size", "backpressure") if key in given}
    decorated = ring_kernel(kernel_id=name, auto_register=False, **settings)(function)
    kernel = await runtime.launch(name, decorated, backend=backend, **given)
    if active:
        await kernel.activate()
    return kernel


@OTHER
def test_a_population_in_the_middle(backend: str, other: str) -> None:
    need_compiler(other)

    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            await launch(runtime, "parse", parse, other)
            await launch(runtime, "account", account, backend, key="account")
            await launch(runtime, "last", forward, other)
            line = await runtime.pipeline("parse", "account", "last")
            assert (await line.request(Raw("a", 1))).total == -1
            assert (await line.request(Raw("b", 5))).total == -5
            await line.send_many([Raw(f"{n % 5}", 1) for n in range(100)])
            got = [await line.receive() for _ in range(100)]
            assert got == [Balance(f"{n % 5}", -(n // 5 + 1)) for n in range(100)]
            replies = await asyncio.gather(*[line.request(Raw("c", 1)) for _ in range(20)])
            assert sorted(each.total for each in replies) == list(range(-20, 0))

    go(probe)


@OTHER
def test_small_queues(backend: str, other: str) -> None:
    need_compiler(other)

    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            await launch(runtime, "parse", parse, other, queue_size=2)
            await launch(runtime, "account", account, backend, key="account", queue_size=1)
            await launch(runtime, "last", forward, other, queue_size=3)
            line = await runtime.pipeline("parse", "account", "last")
            sending = asyncio.ensure_future(
                line.send_many([Raw(f"{n % 3}", 1) for n in range(300)])
            )
            got = [await line.receive() for _ in range(300)]
            assert got == [Balance(f"{n % 3}", -(n // 3 + 1)) for n in range(300)]
            assert await sending == 300

    go(probe)


def test_one_population_is_the_target_of_another(backend: str) -> None:
    """Trades by account, then by symbol."""

    async def trader(ctx: KernelContext[Deposit, Volume]) -> None:
        count = 0
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            count += 1
            await ctx.send(Volume("even" if count % 2 == 0 else "odd", deposit.amount))

    async def book(ctx: KernelContext[Volume, Balance]) -> None:
        total = 0
        while not ctx.should_terminate:
            volume = await ctx.receive()
            total += volume.amount
            await ctx.send(Balance(ctx.key, total))

    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            first = await launch(runtime, "trader", trader, backend, key="account", queue_size=8)
            second = await launch(runtime, "book", book, backend, key="symbol", queue_size=8)
            await runtime.connect("trader", "book")
            expected, counts, totals = [], Counter[str](), Counter[str]()
            sent = [Deposit(f"{n * n % 11}", n) for n in range(200)]
            for each in sent:
                counts[each.account] += 1
                symbol = "even" if counts[each.account] % 2 == 0 else "odd"
                totals[symbol] += each.amount
                expected.append(Balance(symbol, totals[symbol]))
            sending = asyncio.ensure_future(first.send_many(sent))
            assert await received(second, 200) == expected
            await sending
            assert len(second) == 2

    go(probe)


@OTHER
def test_a_full_population_raises_in_the_source(backend: str, other: str) -> None:
    need_compiler(other)

    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            source = await launch(runtime, "parse", parse, other)
            await launch(runtime, "account", account, backend, key="account", instances=1)
            await runtime.connect("parse", "account")
            await source.send(Raw("a", 1))
            await source.send(Raw("b", 1))
            assert await runtime.receive("account") == Balance("a", 1)
            with pytest.raises(ActorFailedError) as caught:
                await source.receive()
            assert isinstance(caught.value.__cause__, CapacityError)

    go(probe)


@OTHER
def test_a_failed_instance_raises_in_the_source(backend: str, other: str) -> None:
    need_compiler(other)

    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            source = await launch(runtime, "parse", parse, other)
            target = await launch(runtime, "account", account, backend, key="account")
            await runtime.connect("parse", "account")
            await source.send(Raw("a", -1))
            await until(lambda: target.statistics().errors)
            await source.send(Raw("b", 3))
            assert await target.receive() == Balance("b", 3)
            await source.send(Raw("a", 3))
            with pytest.raises(ActorFailedError) as caught:
                await source.receive()
            cause = caught.value.__cause__
            assert isinstance(cause, ActorFailedError)
            assert cause.key == "a"

    go(probe)


def test_a_source_whose_messages_lack_the_key_is_refused(backend: str) -> None:
    async def takes_anything(ctx: Any) -> None:
        while not ctx.should_terminate:
            await ctx.receive()

    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            await launch(runtime, "parse", parse, "python")
            await launch(runtime, "any", takes_anything, backend, key="symbol")
            with pytest.raises(MessageTypeError, match="'symbol'") as caught:
                await runtime.connect("parse", "any")
            assert "'parse'" in str(caught.value)
            assert "'any'" in str(caught.value)
            assert runtime.topology.edges == ()

    go(probe)


def test_outputs_along_edges_keep_the_order_while_one_awaits(backend: str) -> None:
    async def probe() -> None:
        gate = asyncio.Event()

        async def slow(ctx: KernelContext[Deposit, Balance]) -> None:
            while not ctx.should_terminate:
                deposit = await ctx.receive()
                if ctx.key == "slow":
                    await gate.wait()
                await ctx.send(Balance(ctx.key, deposit.amount))

        async with RingKernelRuntime(fallback="allow") as runtime:
            first = await launch(runtime, "slow", slow, backend, key="account")
            await launch(runtime, "last", forward, "python")
            await runtime.connect("slow", "last")
            await first.send_many([Deposit("slow", 1), Deposit("b", 2), Deposit("b", 3)])
            await turns(50)
            assert runtime.statistics("last").received == 0
            gate.set()
            got = [(await runtime.receive("last")).total for _ in range(3)]
            assert got == [-1, -2, -3]

    go(probe)


def test_an_edge_that_refuses_fails_the_instance_that_sends(backend: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            first = await launch(runtime, "account", account, backend, key="account")
            await launch(
                runtime, "last", forward, "python", active=False, queue_size=1,
                backpressure=BackpressureStrategy.REJECT,
            )  # fmt: skip
            await runtime.connect("account", "last")
            await first.send(Deposit("a", 1))
            await first.send(Deposit("b", 1))
            await until(lambda: first.statistics().errors)
            with pytest.raises(ActorFailedError) as caught:
                await first.send(Deposit("b", 1))
            assert isinstance(caught.value.__cause__, QueueFullError)
            await first.send(Deposit("a", 0))  # the other is well

    go(probe)


def test_the_graph_drains_through_a_population(backend: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            await launch(runtime, "parse", parse, "python", queue_size=4)
            await launch(runtime, "account", account, backend, key="account", queue_size=4)
            last = await launch(runtime, "last", forward, "python")
            line = await runtime.pipeline("parse", "account", "last")
            await line.send_many([Raw(f"{n % 3}", 1) for n in range(60)])
            edges = runtime.topology.to_dict()["edges"]
            assert {(each["source"], each["target"]) for each in edges} == {
                ("parse", "account"), ("account", "last"),
            }  # fmt: skip
        assert await drained(last) == [Balance(f"{n % 3}", -(n // 3 + 1)) for n in range(60)]

    go(probe)
