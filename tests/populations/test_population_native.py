"""Compiled populations give what interpreted ones give: breaks, failures, containers, strings.

The probes of ``test_contract_populations`` run on both backends; here is what only compiled code
has to get right, and that it is compiled code that runs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydotcompute import CapacityError, KernelContext, RingKernelRuntime, message, ring_kernel
from pydotcompute.errors import ActorFailedError, KernelClosedError
from tests.support.contract import go
from tests.support.populations import Balance, Deposit, population, received


@message
@dataclass
class Large(Deposit):
    """A message of a subclass, which compiled code was not made for."""


async def keeper(ctx: KernelContext[Deposit, Balance]) -> None:
    """Containers of the state, an int that may outgrow 64 bits, statements that break."""
    last: deque[int] = deque(maxlen=3)
    counts = {0: 0}
    total = 1
    name = ctx.key
    while not ctx.should_terminate:
        deposit = await ctx.receive()
        last.append(deposit.amount)
        counts[deposit.amount % 4] = counts.get(deposit.amount % 4, 0) + 1
        if deposit.amount == 7:
            total = total * 2**40  # outgrows 64 bits at the second time
        if deposit.amount == 8:
            total = 2
        if deposit.amount == 9:
            parts = {text for text in ("a", "b")}  # noqa: C416
            total += len(sorted(parts, key=lambda text: text))
        if deposit.amount == 11:
            raise ValueError("eleven")
        if deposit.amount == 12:
            break
        if deposit.amount == 13:
            return
        await ctx.send(Balance(name, (total + sum(last) + len(counts)) % 2**40))
    await ctx.send(Balance(ctx.key, -1))


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([1, 2, 3, 5, 7, 7, 8, 9, 11, 12, 13])),
    max_size=25,
)


async def outcome(backend: str, steps: list[tuple[str, int]]) -> Any:
    """What a stream of messages does: outputs, refusals, variables of each instance."""
    refused: list[tuple[str, str]] = []
    async with population(backend, keeper, queue_size=64) as kernel:
        for name, amount in steps:
            try:
                await kernel.send(Deposit(name, amount))
            except (ActorFailedError, KernelClosedError) as error:
                refused.append((type(error).__name__, error.key))
            while kernel.statistics().input_depth:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
        ended = {name for kind, name in refused}
        states = {row["name"]: row["total"] for row in kernel.states()}
        seen = {
            name: kernel.variables(name) for name in "abc" if name in states and name not in ended
        }
        await kernel.terminate()
        outputs = [each async for each in kernel.messages()]
    return outputs, refused, states, {k: (v["last"], v["counts"]) for k, v in seen.items()}


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_generated_streams_agree_on_both_backends(steps: list[tuple[str, int]]) -> None:
    async def probe() -> None:
        assert await outcome("native", steps) == await outcome("python", steps)

    go(probe)


def test_it_is_compiled_code_that_runs() -> None:
    async def probe() -> None:
        async with population("native", queue_size=512) as kernel:
            assert kernel.backend == "native"
            await kernel.send_many([Deposit(f"n{n % 100}", 1) for n in range(400)])
            outputs = await received(kernel, 400)
            assert [each.total for each in outputs] == [1 + n // 100 for n in range(400)]
            figures = kernel.statistics()
            assert (figures.processed, figures.interpreted, figures.fallbacks) == (400, 0, 0)
            assert len(kernel) == 100

    go(probe)


def test_a_break_is_of_one_message() -> None:
    async def probe() -> None:
        async with population("native", keeper) as kernel:
            for amount in (1, 9, 2):
                for name in "ab":
                    await kernel.request(Deposit(name, amount))
            figures = kernel.statistics()
            assert kernel.backend == "native"
            assert (figures.processed, figures.interpreted) == (6, 2)
            assert sum(kernel.breaks.values()) == 2
            assert kernel.lowering.breaks

    go(probe)


def test_an_int_that_outgrows_64_bits_concerns_its_instance_alone() -> None:
    async def probe() -> None:
        async with population("native", keeper) as kernel:
            for name, amount in [("a", 7), ("b", 1), ("a", 7), ("a", 1), ("b", 1)]:
                await kernel.request(Deposit(name, amount))
            assert kernel.statistics().interpreted == 2  # while a's total is large
            assert kernel.variables("a")["total"] == 2**80
            totals = {row["account"]: row["total"] for row in kernel.states()}
            assert totals == {"a": 2**80, "b": 1}
            await kernel.request(Deposit("a", 8))
            await kernel.request(Deposit("a", 1))
            assert kernel.statistics().interpreted == 3  # it fits again behind the third
            assert kernel.variables("a")["total"] == 2

    go(probe)


def test_a_message_that_was_not_foreseen_hands_all_instances_over() -> None:
    async def probe() -> None:
        async with population("native") as kernel:
            for name, amount in [("a", 1), ("b", 2), ("a", 3)]:
                await kernel.request(Deposit(name, amount))
            with pytest.raises(ActorFailedError):
                await kernel.request(Deposit("c", -1))
            assert (await kernel.request(Large("a", 10))).total == 14
            assert kernel.backend == "python"
            assert "Large" in kernel.reason
            assert (await kernel.request(Deposit("b", 20))).total == 22
            with pytest.raises(ActorFailedError) as caught:
                await kernel.send(Deposit("c", 1))
            assert caught.value.key == "c"
            await kernel.restart(key="c", fresh=True)
            assert (await kernel.request(Deposit("c", 5))).total == 5
            assert len(kernel) == 3

    go(probe)


@pytest.mark.parametrize("most", [5, 70])
def test_capacity_with_and_without_the_quick_path(most: int) -> None:
    """Below the bound messages are not looked at; near it each is, and none too many passes."""

    async def probe() -> None:
        async with population("native", instances=most, queue_size=8) as kernel:
            for number in range(most):
                await kernel.send(Deposit(f"n{number}", 1))
                await kernel.receive()
            for _ in range(2):
                with pytest.raises(CapacityError) as caught:
                    await kernel.send(Deposit("more", 1))
                assert caught.value.key == "more"
            with pytest.raises(CapacityError):
                await kernel.send_many([Deposit("n0", 1), Deposit("more", 1)])
            assert (await kernel.request(Deposit("n0", 1))).total == 2
            await kernel.forget("n1")
            assert (await kernel.request(Deposit("more", 1))).total == 1
            assert len(kernel) == most

    go(probe)


def test_many_instances_in_one_batch() -> None:
    async def probe() -> None:
        @ring_kernel(kernel_id="many", input_type=Count, output_type=Count, auto_register=False)
        async def many(ctx: KernelContext[Count, Count]) -> None:
            total = 0
            while not ctx.should_terminate:
                each = await ctx.receive()
                total += each.value
                await ctx.send(Count(ctx.key, total))

        async with RingKernelRuntime() as runtime:
            kernel = await runtime.launch("many", many, backend="native", key="number",
                                          instances=50_000)  # fmt: skip
            await kernel.activate()
            numbers = np.random.default_rng(2).permutation(50_000)
            for turn in (1, 2):
                batch = Count.array(number=numbers, value=np.full(50_000, 3))
                sending = asyncio.ensure_future(kernel.send_many(batch))
                got: list[Any] = []
                while sum(map(len, got)) < len(batch):
                    got.append(await kernel.receive_many(50_000))
                await sending
                found = np.concatenate(got)
                assert (found["number"] == numbers).all()
                assert (found["value"] == 3 * turn).all()
            assert len(kernel) == 50_000
            states = kernel.states()
            assert states.total.dtype == np.int64
            assert sorted(states.number.tolist()) == list(range(50_000))
            with pytest.raises(CapacityError):
                await kernel.send(Count(50_000, 1))

    go(probe)


@message
@dataclass
class Count:
    number: int
    value: int


def test_why_a_population_is_interpreted() -> None:
    async def flushes(ctx: KernelContext[Deposit, Balance]) -> None:
        total = 0
        while not ctx.should_terminate:
            try:
                total += (await ctx.receive(timeout=0.01)).amount
            except TimeoutError:
                await ctx.send(Balance(ctx.key, total))

    async def rounds(ctx: KernelContext[Deposit, Balance]) -> None:
        count = 0
        while not ctx.should_terminate:
            count += 1
            deposit = await ctx.receive()
            await ctx.send(Balance(deposit.account, count))

    async def probe() -> None:
        for function, why in ((flushes, "time-outs"), (rounds, "before it waits")):
            async with population("native", function) as kernel:
                assert kernel.backend == "python"
                assert why in kernel.reason
        async with population("native") as kernel:
            await kernel.request(Deposit("a", 1))
            assert kernel.backend == "native"
            assert kernel.reason is None

    go(probe)
