"""The demo: a streaming anomaly detector over 33 years of daily oil prices.

The actor keeps an exponentially weighted mean and variance of the daily change and scores every
new price against them: state across messages, floating point, a helper of ``math``.  It runs
compiled and interpreted, one message at a time and in batches, and must find the same anomalies.

``python examples/anomaly_detector.py`` or ``pydotcompute demo``.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gc
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from pydotcompute import (
    BackendUnavailableError,
    KernelContext,
    RingKernel,
    RingKernelRuntime,
    message,
    ring_kernel,
)
from pydotcompute.examples.plot import sparkline, svg
from pydotcompute.settings import scope, settings

ALPHA = 0.03
"""Weight of the newest change: a memory of about 33 trading days."""
THRESHOLD = 4.0
"""Standard deviations from which a change counts as an anomaly."""
WARM_UP = 30
"""Changes to see before any is judged."""
PICTURE = "anomalies.svg"
DATA = "wti_crude_oil_daily.csv"
EVENTS = {
    "1990-08-06": "Iraq has invaded Kuwait",
    "1991-01-17": "the Gulf war begins",
    "2001-09-24": "after 11 September",
    "2008-09-22": "the week after Lehman",
    "2014-11-28": "OPEC does not cut",
    "2016-11-30": "OPEC cuts",
}
"""What the newspapers said."""
PASSES = 5
"""How often each figure is measured; the median counts."""
REPEATS = {"native": 120, "python": 2}
"""How often the series is sent in a row to time batches."""


@message
@dataclass
class Price:
    day: int
    value: float


@message
@dataclass
class Verdict:
    day: int
    change: float
    score: float
    anomaly: bool


@ring_kernel(kernel_id="anomaly_detector", queue_size=4096)
async def anomaly_detector(ctx: KernelContext[Price, Verdict]) -> None:
    """Score every price against the exponentially weighted past."""
    seen = 0
    last = 0.0
    mean = 0.0
    variance = 0.0

    while not ctx.should_terminate:
        try:
            price = await ctx.receive(timeout=0.1)

            change = math.log(price.value / last) if seen > 0 else 0.0
            deviation = change - mean
            score = 0.0
            if seen > WARM_UP and variance > 0.0:
                score = deviation / math.sqrt(variance)

            last = price.value
            seen += 1
            mean += ALPHA * deviation
            variance = (1.0 - ALPHA) * (variance + ALPHA * deviation * deviation)

            anomaly = abs(score) > THRESHOLD
            await ctx.send(Verdict(day=price.day, change=change, score=score, anomaly=anomaly))
        except asyncio.TimeoutError:
            continue


@dataclass(frozen=True)
class Run:
    """What one backend made of the series.

    Attributes:
        kernel: the handle, after its work.
        launch_seconds: launch, compilation included.
        verdicts: one record a price, from the first pass through ``send`` and ``receive``.
        single_rate: messages a second through ``send`` and ``receive``, median of all passes.
        batch_rate: messages a second through ``send_many`` and ``receive_many``, likewise.
    """

    kernel: RingKernel
    launch_seconds: float
    verdicts: np.ndarray[Any, Any]
    single_rate: float
    batch_rate: float


def load() -> tuple[list[str], list[float]]:
    """Read the series: dates as ISO text, prices in US dollars a barrel."""
    text = resources.files("pydotcompute.examples").joinpath("data", DATA).read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return [row["date"] for row in rows], [float(row["usd_per_barrel"]) for row in rows]


async def one_by_one(
    runtime: RingKernelRuntime, prices: Sequence[Price]
) -> tuple[float, list[Verdict]]:
    """Send every price by itself while a second task receives; return seconds and verdicts."""

    async def feed() -> None:
        for price in prices:
            await runtime.send("anomaly_detector", price)

    gc.collect()  # of what came before: a full collection costs more than a pass
    begin = time.perf_counter()
    feeder = asyncio.create_task(feed())
    verdicts = [await runtime.receive("anomaly_detector") for _ in prices]
    await feeder
    return time.perf_counter() - begin, verdicts


async def in_batches(runtime: RingKernelRuntime, batch: np.ndarray[Any, Any]) -> float:
    """Send the whole batch with one call while receiving; return the seconds it took."""
    gc.collect()
    begin = time.perf_counter()
    feeder = asyncio.create_task(runtime.send_many("anomaly_detector", batch))
    received = 0
    while received < len(batch):
        verdicts = await runtime.receive_many("anomaly_detector", len(batch) - received)
        received += len(verdicts)
    await feeder
    return time.perf_counter() - begin


async def measure(backend: str, values: Sequence[float]) -> Run:
    """Run the detector over the series on one backend, both ways, and time it.

    The first pass is what the verdicts are taken from.  In the others the actor goes on from where
    it was: the work is the same, the scores are not.
    """
    prices = [Price(day=day, value=value) for day, value in enumerate(values)]
    columns: Any = Price
    batch = np.tile(columns.array(prices), REPEATS[backend])
    async with RingKernelRuntime(backend=backend) as runtime:
        begin = time.perf_counter()
        kernel = await runtime.launch("anomaly_detector", anomaly_detector)
        launched = time.perf_counter()
        await runtime.activate("anomaly_detector")
        singles = [await one_by_one(runtime, prices) for _ in range(PASSES)]
        batches = [await in_batches(runtime, batch) for _ in range(PASSES)]
    records: Any = Verdict
    return Run(
        kernel=kernel,
        launch_seconds=launched - begin,
        verdicts=records.array(singles[0][1]),
        single_rate=len(prices) / statistics.median(seconds for seconds, _ in singles),
        batch_rate=len(batch) / statistics.median(batches),
    )


def rate(messages_per_second: float) -> str:
    """A rate as people say it: ``1.2 M/s``, ``85 k/s``."""
    if messages_per_second >= 1e6:
        return f"{messages_per_second / 1e6:,.1f} M/s"
    return f"{messages_per_second / 1e3:,.0f} k/s"


def report(dates: Sequence[str], values: Sequence[float], runs: dict[str, Run]) -> list[int]:
    """Print speeds and anomalies; return the indices of the anomalies."""
    print(f"\n{'backend':10}{'launch':>10}{'send/receive':>16}{'batches':>14}")
    for name, run in runs.items():
        launch = f"{run.launch_seconds * 1e3:,.0f} ms"
        print(f"{name:10}{launch:>10}{rate(run.single_rate):>16}{rate(run.batch_rate):>14}")
    print(f"(rates: median of {PASSES} passes, each after a garbage collection)\n")

    first, *others = runs.values()
    for other in others:
        same = first.verdicts.tobytes() == other.verdicts.tobytes()
        print(f"verdicts of both backends identical, bit for bit: {'yes' if same else 'NO'}")

    found = [int(index) for index in np.flatnonzero(first.verdicts["anomaly"])]
    print(f"\n{len(found)} anomalies (beyond {THRESHOLD:g} standard deviations):")
    for index in found:
        verdict = first.verdicts[index]
        change = math.expm1(verdict["change"]) * 100
        print(
            f"  {dates[index]}  {values[index]:7.2f} USD  {change:+6.1f} %"
            f"  {verdict['score']:+5.1f} sigma  {EVENTS.get(dates[index], '')}".rstrip()
        )
    print(f"\nWTI crude oil, {dates[0]} to {dates[-1]}, anomalies marked ^")
    print(sparkline(values, found))
    return found


def describe(kernel: RingKernel) -> None:
    """Print what was compiled, for which backend, or why it was not."""
    print(f"actor     anomaly_detector in {Path(__file__).name}")
    print(f"backend   {kernel.backend}" + (f" ({kernel.reason})" if kernel.reason else ""))


async def demo(output: Path) -> None:
    """Run the detector on ``native`` and ``python`` and write the plot into ``output``."""
    dates, values = load()
    print(f"data      {len(values):,} daily prices, {dates[0]} to {dates[-1]} ({DATA})")
    runs: dict[str, Run] = {}
    for backend in ("native", "python"):
        try:
            runs[backend] = await measure(backend, values)
        except BackendUnavailableError as error:
            print(f"{backend:10}{error}")
            continue
        if len(runs) == 1:
            describe(runs[backend].kernel)

    found = report(dates, values, runs)
    verdicts = next(iter(runs.values())).verdicts
    picture = output / PICTURE
    picture.write_text(
        svg(
            "WTI crude oil: anomalies found by a compiled actor",
            ("US dollars a barrel", values),
            ("score of the daily change, standard deviations", verdicts["score"].tolist()),
            found,
            (dates[0], dates[-1]),
        ),
        encoding="utf-8",
    )
    print(f"\nplot          {picture}")
    for source in sorted(output.rglob("kernel.cu")):
        print(f"generated C   {source}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo.

    Args:
        arguments: of the command line; None takes the process's own.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(prog="pydotcompute demo", description=demo.__doc__)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=settings().dump_dir or Path("out/demo"),
        help="folder for the plot and the generated code "
        "(default: $PYDOTCOMPUTE_DUMP_DIR, else out/demo)",
    )
    options = parser.parse_args(arguments)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / PICTURE).touch()
    except OSError as error:
        print(
            f"{parser.prog}: cannot write to {options.output} ({error.strerror}); "
            "name another folder with --output",
            file=sys.stderr,
        )
        return 2
    with scope(dump_dir=options.output):
        asyncio.run(demo(options.output))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
