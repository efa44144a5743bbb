"""One round of measurements, as one process: the same program text for us and for the peer.

``python workload.py FIGURES...`` prints a JSON object of figures to standard output.  It runs
under any interpreter in which ``import pydotcompute`` gives *a* PyDotCompute: ours, or the 0.2.0
of PyPI.  So it uses only what both have; what only we have (batches, backends) is asked for by
name on the command line.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pydotcompute
from pydotcompute import RingKernelRuntime, message, ring_kernel

ROUND_TRIPS = 10_000
STREAMED = 100_000
BATCH = 1_000_000
BATCHES = 20


@message
@dataclass
class Request:
    value: int


@message
@dataclass
class Response:
    result: int


@ring_kernel(kernel_id="doubler", input_type=Request, output_type=Response, queue_size=1000)
async def doubler(ctx: Any) -> None:
    while not ctx.should_terminate:
        try:
            request = await ctx.receive(timeout=0.1)
            await ctx.send(Response(result=request.value * 2))
        except Exception:
            continue


@ring_kernel(kernel_id="counter", input_type=Request, output_type=Response, queue_size=1000)
async def counter(ctx: Any) -> None:
    count = 0
    while not ctx.should_terminate:
        try:
            request = await ctx.receive(timeout=0.1)
            count += request.value
            await ctx.send(Response(result=count))
        except Exception:
            continue


async def running(kernel_id: str, work: Callable[[Any], Awaitable[Any]], **options: Any) -> Any:
    """Launch an actor, do the work, terminate."""
    async with RingKernelRuntime(**options) as runtime:
        await runtime.launch(kernel_id)
        await runtime.activate(kernel_id)
        return await work(runtime)


async def round_trips(runtime: Any) -> dict[str, float]:
    """Send one message, receive its answer; seconds at the middle and at the 99th percentile."""
    seconds = []
    for number in range(ROUND_TRIPS + 500):
        begin = time.perf_counter()
        await runtime.send("doubler", Request(value=number))
        await runtime.receive("doubler")
        seconds.append(time.perf_counter() - begin)
    quantiles = statistics.quantiles(seconds[500:], n=100)
    return {"round_trip_p50": quantiles[49], "round_trip_p99": quantiles[98]}


def streaming(kernel_id: str) -> Callable[[Any], Awaitable[float]]:
    """One task sends, another receives; messages a second."""

    async def work(runtime: Any) -> float:
        async def feed(count: int) -> None:
            for number in range(count):
                await runtime.send(kernel_id, Request(value=number))

        async def drain(count: int) -> Any:
            for _ in range(count):
                last = await runtime.receive(kernel_id)
            return last

        await asyncio.gather(feed(2_000), drain(2_000))
        begin = time.perf_counter()
        _, last = await asyncio.gather(feed(STREAMED), drain(STREAMED))
        seconds = time.perf_counter() - begin
        expected = {
            "doubler": 2 * (STREAMED - 1),
            "counter": STREAMED * (STREAMED - 1) // 2 + 2_000 * 1_999 // 2,
        }
        assert last.result == expected[kernel_id], last
        return STREAMED / seconds

    return work


async def counter_in_batches(runtime: Any) -> float:
    """``send_many`` and ``receive_many`` at once; messages a second."""
    import numpy as np

    batch = Request.array(value=np.ones(BATCH, dtype=np.int64))  # type: ignore[attr-defined]

    async def feed() -> None:
        for _ in range(BATCHES):
            await runtime.send_many("counter", batch)

    async def drain() -> Any:
        received = 0
        while received < BATCH * BATCHES:
            answers = await runtime.receive_many("counter", BATCH)
            received += len(answers)
        return answers[-1]

    begin = time.perf_counter()
    _, last = await asyncio.gather(feed(), drain())
    seconds = time.perf_counter() - begin
    assert last["result"] == BATCH * BATCHES, last
    return BATCH * BATCHES / seconds


def bare_queues() -> float:
    """The ceiling of asyncio itself: the same streaming through two bare queues."""

    async def work() -> float:
        inputs: asyncio.Queue[int] = asyncio.Queue(1000)
        outputs: asyncio.Queue[int] = asyncio.Queue(1000)

        async def actor() -> None:
            while True:
                await outputs.put(2 * await inputs.get())

        async def feed() -> None:
            for number in range(STREAMED):
                await inputs.put(number)

        async def drain() -> None:
            for _ in range(STREAMED):
                await outputs.get()

        task = asyncio.create_task(actor())
        begin = time.perf_counter()
        await asyncio.gather(feed(), drain())
        seconds = time.perf_counter() - begin
        task.cancel()
        return STREAMED / seconds

    return asyncio.run(work())


def array_sum() -> float:
    """The ceiling of one core: numpy's running sum over an array, with no queue."""
    import numpy as np

    values = np.ones(BATCH, dtype=np.int64)
    begin = time.perf_counter()
    for _ in range(BATCHES):
        np.cumsum(values)
    return BATCH * BATCHES / (time.perf_counter() - begin)


FIGURES: dict[str, Callable[[], Any]] = {
    "round_trip": lambda: asyncio.run(running("doubler", round_trips)),
    "streaming": lambda: asyncio.run(running("doubler", streaming("doubler"))),
    "counter": lambda: asyncio.run(running("counter", streaming("counter"))),
    "python_streaming": lambda: asyncio.run(
        running("doubler", streaming("doubler"), backend="python")
    ),
    "counter_in_batches": lambda: asyncio.run(running("counter", counter_in_batches)),
    "bare_queues": bare_queues,
    "array_sum": array_sum,
}


def main() -> None:
    """Measure what the command line names, in that order."""
    figures: dict[str, float | str] = {"version": getattr(pydotcompute, "__version__", "?")}
    for name in sys.argv[1:]:
        value = FIGURES[name]()
        figures.update(value if isinstance(value, dict) else {name: value})
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
