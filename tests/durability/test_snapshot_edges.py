"""``runtime.snapshot()``: several actors at one moment, with what is on its way between them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pydotcompute import (
    KernelStateError,
    RingKernelRuntime,
    Snapshot,
    SnapshotError,
    message,
    ring_kernel,
)
from tests.support.contract import go, need_compiler


@message
@dataclass
class Step:
    value: int
    way: str = ""


def numbered(name: str, queue_size: int = 1000) -> Any:
    """An actor that says of each message its number, so that none is lost or doubled unseen."""

    async def stage(ctx: Any) -> None:
        seen = 0
        while not ctx.should_terminate:
            step = await ctx.receive()
            seen += 1
            await ctx.send(Step(step.value * 3 + seen, step.way))

    return ring_kernel(
        kernel_id=name, input_type=Step, output_type=Step, queue_size=queue_size,
        auto_register=False,
    )(stage)  # fmt: skip


NAMES = ("first", "second", "third")


async def line(
    backends: tuple[str, ...], size: int, restore: Snapshot | None = None
) -> tuple[RingKernelRuntime, Any]:
    runtime = RingKernelRuntime(fallback="allow")
    for name, backend in zip(NAMES, backends, strict=True):
        await runtime.launch(name, numbered(name, size), backend=backend, restore=restore)
    pipeline = await runtime.pipeline(*NAMES)
    for name in NAMES:
        await runtime.activate(name)
    return runtime, pipeline


@pytest.mark.parametrize("backends", [*product(("native", "python"), repeat=3)])
def test_nothing_between_actors_is_lost_or_doubled(
    backends: tuple[str, ...], tmp_path: Path
) -> None:
    """Random moments; queues so small that messages wait everywhere."""
    need_compiler("native")

    async def probe() -> None:
        for seed in range(4):
            random = Random(seed)
            runtime, pipeline = await line(backends, size=3)
            sending = asyncio.ensure_future(send_all(pipeline, 40))
            before = [
                (await pipeline.receive(timeout=10)).value for _ in range(random.randrange(20))
            ]
            for _ in range(random.randrange(6)):
                await asyncio.sleep(0)
            snapshot = await runtime.snapshot()
            accepted = snapshot.kernels["first"].statistics["received"]
            assert snapshot.edges == (("first", "second"), ("second", "third"))
            left = [(await pipeline.receive(timeout=10)).value for _ in range(40 - len(before))]
            await sending
            await runtime.close()
            snapshot.save(tmp_path / "line.pdc")
            turned = tuple("python" if each == "native" else "native" for each in backends)
            again, rest = await line(turned, 3, Snapshot.load(tmp_path / "line.pdc"))
            found = [
                (await rest.receive(timeout=10)).value for _ in range(accepted - len(before))
            ]
            assert found == left[: len(found)]
            with pytest.raises(TimeoutError):
                await rest.receive(timeout=0.01)
            await again.close()

    go(probe)


async def send_all(pipeline: Any, count: int) -> None:
    for n in range(count):
        await pipeline.send(Step(n, f"way {n % 5}"))


def test_an_actor_that_asks_another_does_not_hold_the_snapshot_up() -> None:
    """The message in hand waits for an actor that is to rest as well."""

    async def asking(ctx: Any) -> None:
        while not ctx.should_terminate:
            step = await ctx.receive()
            answer = await helper[0].request(step)
            await ctx.send(Step(answer.value, "asked"))

    helper: list[Any] = []
    decorated = ring_kernel(
        kernel_id="asking", input_type=Step, output_type=Step, auto_register=False
    )(asking)  # fmt: skip

    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow", backend="python") as runtime:
            helper.append(await runtime.launch("helper", numbered("helper")))
            kernel = await runtime.launch("asking", decorated)
            for each in (helper[0], kernel):
                await each.activate()
            for n in range(30):
                await kernel.send(Step(n))
            for _ in range(10):
                snapshot = await runtime.snapshot()
                await kernel.receive(timeout=5)
            kept = snapshot.kernels["asking"]
            assert kept.inputs + kept.outputs == 21
            assert snapshot.kernels["helper"].inputs == 0

    go(probe)


def test_of_several_actors_the_namesake_is_taken() -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend="python") as runtime:
            for name in NAMES:
                await runtime.launch(name, numbered(name))
                await runtime.activate(name)
            await runtime.terminate("third")
            snapshot = await runtime.snapshot()
            assert list(snapshot.kernels) == ["first", "second"]
            with pytest.raises(SnapshotError, match="no kernel 'other' .it has: 'first', 'second'"):
                await runtime.launch("other", numbered("other"), restore=snapshot)
            assert "other" not in runtime
            await runtime.launch("other", numbered("other"))  # the id is free

    go(probe)


def test_a_failed_actor_is_named() -> None:
    async def failing(ctx: Any) -> None:
        while True:
            step = await ctx.receive()
            await ctx.send(Step(1 // step.value))

    decorated = ring_kernel(
        kernel_id="failing", input_type=Step, output_type=Step, auto_register=False
    )(failing)  # fmt: skip

    async def probe() -> None:
        async with RingKernelRuntime(backend="python") as runtime:
            await runtime.launch("fine", numbered("fine"))
            kernel = await runtime.launch("failing", decorated)
            await kernel.activate()
            await kernel.send(Step(0))
            with pytest.raises(Exception, match="division"):
                await kernel.receive(timeout=5)
            with pytest.raises(KernelStateError, match="'failing' is FAILED"):
                await runtime.snapshot()

    go(probe)
