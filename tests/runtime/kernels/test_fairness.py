"""How long an interpreted actor holds the event loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import RingKernelRuntime, message, ring_kernel
from pydotcompute.backends.python import engine as python_engine


@message
@dataclass
class Job:
    n: int


class Clock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def count_turns(turns: list[int]) -> None:
    while True:
        turns[0] += 1
        await asyncio.sleep(0)


def echo(clock: Clock, seconds: float) -> Any:
    @ring_kernel(kernel_id="slow", input_type=Job, output_type=Job, auto_register=False)
    async def slow(ctx: Any) -> None:
        while not ctx.should_terminate:
            job = await ctx.receive()
            clock.now += seconds
            await ctx.send(job)

    return slow


@pytest.mark.parametrize(("seconds", "least", "most"), [(0.015, 90, 1000), (0.000_001, 0, 20)])
def test_an_interpreted_actor_shares_the_loop_by_time(
    run: Any, monkeypatch: pytest.MonkeyPatch, path: str, seconds: float, least: int, most: int
) -> None:
    clock = Clock()
    monkeypatch.setattr(python_engine, "perf_counter", clock)

    async def main() -> int:
        async with RingKernelRuntime(backend="python") as runtime:
            kernel = await runtime.launch("slow", echo(clock, seconds))
            for n in range(100):
                await kernel.send(Job(n))
            turns = [0]
            ticking = asyncio.create_task(count_turns(turns))
            await kernel.activate()
            await kernel.receive_many(1)
            while kernel.statistics().processed < 99:
                await asyncio.sleep(0)
            ticking.cancel()
            return turns[0]

    assert least <= run(main()) <= most
