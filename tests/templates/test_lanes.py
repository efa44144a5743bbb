"""Independent turns on the lanes of a device: the same outputs in the same order, or none of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    KernelClosedError,
    KernelContext,
    RingKernelRuntime,
    message,
    ring_kernel,
)
from tests.support.contract import until

Run = Callable[[Any], Any]


@message
@dataclass
class Number:
    n: int


@ring_kernel(kernel_id="lanes-square", queue_size=4096, auto_register=False)
async def square(ctx: KernelContext[Number, Number]) -> None:
    offset = 3
    while True:
        number = await ctx.receive()
        await ctx.send(Number(number.n * number.n + offset))


@ring_kernel(kernel_id="lanes-divisors", queue_size=4096, auto_register=False)
async def divisors(ctx: KernelContext[Number, Number]) -> None:
    names = {2: 20, 3: 30, 5: 50}
    while True:
        number = await ctx.receive()
        if number.n % 2 == 0:
            await ctx.send(Number(names[2]))
        if number.n % 3 == 0:
            await ctx.send(Number(names.get(3, 0) + number.n))


@ring_kernel(kernel_id="lanes-inverse", queue_size=4096, auto_register=False)
async def inverse(ctx: KernelContext[Number, Number]) -> None:
    while True:
        number = await ctx.receive()
        await ctx.send(Number(1000 // number.n))


@ring_kernel(kernel_id="lanes-power", queue_size=4096, auto_register=False)
async def power(ctx: KernelContext[Number, Number]) -> None:
    while True:
        number = await ctx.receive()
        await ctx.send(Number(number.n**6 % 1009))


async def answers(
    actor: Any, values: list[int], *, fails: bool = False
) -> tuple[list[int], str | None]:
    """Outputs of values that are all waiting when the actor starts, and how it failed."""
    batch, found = [Number(n) for n in values], []
    async with RingKernelRuntime(backend="cuda") as runtime:
        kernel = await runtime.launch(actor.kernel_id, actor)
        await runtime.send_many(actor.kernel_id, batch)
        await runtime.activate(actor.kernel_id)
        assert kernel.backend == "cuda"
        if not fails:
            await runtime.terminate(actor.kernel_id)
        try:
            while True:
                found.append((await runtime.receive(actor.kernel_id)).n)
        except ActorFailedError as error:
            return found, repr(error.__cause__)
        except KernelClosedError:
            return found, None


def divided(values: list[int]) -> list[int]:
    found = []
    for n in values:
        found += [20] * (n % 2 == 0) + [30 + n] * (n % 3 == 0)
    return found


@pytest.fixture(autouse=True)
def emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYDOTCOMPUTE_DEVICE", os.environ.get("PYDOTCOMPUTE_DEVICE", "emulated"))


@pytest.mark.parametrize("count", [63, 64, 65, 1000, 4000])
def test_one_output_each(run: Run, count: int) -> None:
    values = list(range(-7, count - 7))
    assert run(answers(square, values)) == ([n * n + 3 for n in values], None)


@pytest.mark.parametrize("count", [64, 100, 1999])
def test_none_or_several_outputs_keep_their_order(run: Run, count: int) -> None:
    values = [n * n % 101 for n in range(count)]
    assert run(answers(divisors, values)) == (divided(values), None)


def test_a_message_that_fails_is_found_in_order(run: Run) -> None:
    values = [*range(1, 700), 0, *range(1, 100)]
    found, failure = run(answers(inverse, values, fails=True))
    assert found == [1000 // n for n in range(1, 700)]
    assert failure == "ZeroDivisionError('integer division or modulo by zero')"


def test_a_value_beyond_64_bits_goes_on_in_the_interpreter(run: Run) -> None:
    values = [*range(500), 2**62, *range(100)]
    found = run(answers(power, values))
    assert found == ([n**6 % 1009 for n in values], None)


def test_outputs_that_wait_for_room_leave_none(run: Run) -> None:
    """A second batch arrives while the queue of outputs is full, and one more waits."""

    async def probe() -> list[int]:
        actor = ring_kernel(kernel_id="full", queue_size=100, auto_register=False)(square.function)
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernel = await runtime.launch("full", actor)
            await kernel.activate()
            for first in (0, 100):
                for n in range(first, first + 100):
                    await kernel.send(Number(n))
                await until(lambda: kernel.statistics().output_depth == 100)
            await until(lambda: kernel.statistics().processed > 100)
            return [(await kernel.receive()).n for _ in range(200)]

    assert run(probe()) == [n * n + 3 for n in range(200)]
