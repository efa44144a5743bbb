"""Statistics: true at any moment, and quantiles that can be trusted."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydotcompute import QueueTimeoutError, RingKernelRuntime
from pydotcompute.support.metrics import Latencies, Meter, Statistics
from tests.support.native_actor.kit import SEND, SEVERAL, Task

FIELDS = (
    "received processed sent dropped rejected errors timeouts fallbacks interpreted "
    "input_depth output_depth "
    "input_peak output_peak busy_seconds idle_seconds latency_p50 latency_p99"
)


def test_the_fields() -> None:
    assert [field.name for field in dataclasses.fields(Statistics)] == FIELDS.split()
    with pytest.raises(dataclasses.FrozenInstanceError):
        Statistics().received = 1  # type: ignore[misc]


@given(st.lists(st.floats(1e-9, 1e3), min_size=1), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_within_a_bucket(seconds: list[float], q: float) -> None:
    latencies = Latencies()
    for each in seconds:
        latencies.add(each)
    rank = max(1, -(-len(seconds) * q // 1))
    exact = sorted(seconds)[int(rank) - 1]
    assert latencies.quantile(q) == pytest.approx(exact, rel=0.1)


def test_nothing_measured() -> None:
    assert Latencies().quantile(0.5) == 0.0


def test_shares_of_time() -> None:
    meter = Meter()
    meter.run(10.0)
    meter.park(11.0)
    meter.unpark(14.0)
    assert meter.shares(15.0, interpreted=True) == (2.0, 3.0)
    meter.park(15.0)
    meter.rest(16.0)  # paused: neither busy nor idle
    assert meter.shares(99.0, interpreted=True) == (2.0, 4.0)
    meter.run(100.0)
    meter.unpark(101.0)
    assert meter.shares(103.0, interpreted=True) == (4.0, 5.0)
    meter.busy = 2.5
    assert meter.shares(103.0, interpreted=False) == (2.5, 6.5)


def test_counted_as_it_happens(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, active=False, queue_size=10)
            assert kernel.statistics() == Statistics()
            for n in range(4):
                await kernel.send(Task(SEND, n))
            figures = kernel.statistics()
            assert (figures.received, figures.processed, figures.input_depth) == (4, 0, 4)
            await kernel.activate()
            while kernel.statistics().processed < 4:
                await asyncio.sleep(0)
            figures = runtime.statistics("kit")
            assert (figures.sent, figures.output_depth, figures.output_peak) == (4, 4, 4)
            assert (figures.input_depth, figures.input_peak) == (0, 4)
            assert 0 < figures.latency_p50 <= figures.latency_p99
            assert figures.busy_seconds > 0
            assert figures.idle_seconds > 0
            for _ in range(4):
                await kernel.receive()
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=0)
            await kernel.request(Task(SEVERAL, 3))
            figures = kernel.statistics()
            assert (figures.sent, figures.output_depth, figures.timeouts) == (7, 2, 1)
            await kernel.terminate()
            after = kernel.statistics()
            assert (after.received, after.processed, after.sent) == (5, 5, 7)

    run(main())


def test_timeouts_the_actor_sees_are_counted(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, silent=False)
            if kernel.backend == "python":
                return  # its handler has no effect, which the interpreter sees by itself
            while kernel.statistics().timeouts < 2:
                await asyncio.sleep(0)
            await kernel.send(Task(SEND, 3))
            assert (await kernel.receive()).value == 6

    run(main())
