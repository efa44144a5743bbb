"""100,000 sensors, each with an actor of its own that knows what is usual for it.

The actor is written as for one sensor: it keeps an exponentially weighted mean and variance of the
hourly change and raises an alarm when a reading leaves them.  ``launch(..., key="sensor")`` makes a
population of it.  The readings are made up: a daily cycle, a level and a noise for each sensor, and
in one sensor of a thousand a fault at a known hour, so that it can be told what was found.

``python examples/sensors.py``
"""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pydotcompute import KernelContext, Population, RingKernelRuntime, message, ring_kernel
from pydotcompute.examples.plot import svg

SENSORS = {"native": 100_000, "python": 2_000}
"""How many there are, by what runs them."""
HOURS = 72
ALPHA = 0.05
"""Weight of the newest change: a memory of about 20 hours."""
THRESHOLD = 6.0
"""Standard deviations from which a change is an alarm."""
WARM_UP = 24
"""Changes to see before any is judged."""
FAULT = 0.001
"""Share of the sensors that have a fault."""
PICTURE = "sensors.svg"


@message
@dataclass
class Reading:
    sensor: int
    hour: int
    celsius: float


@message
@dataclass
class Alarm:
    sensor: int
    hour: int
    score: float


@ring_kernel(kernel_id="sensor", input_type=Reading, output_type=Alarm, queue_size=65_536)
async def sensor(ctx: KernelContext[Reading, Alarm]) -> None:
    """Judge the changes of one sensor by those before."""
    seen = 0
    last = 0.0
    mean = 0.0
    variance = 0.0
    while not ctx.should_terminate:
        reading = await ctx.receive()
        change = reading.celsius - last if seen > 0 else 0.0
        deviation = change - mean
        score = deviation / math.sqrt(variance) if seen > WARM_UP and variance > 0.0 else 0.0
        last = reading.celsius
        seen += 1
        mean += ALPHA * deviation
        variance = (1.0 - ALPHA) * (variance + ALPHA * deviation * deviation)
        if abs(score) > THRESHOLD:
            await ctx.send(Alarm(ctx.key, reading.hour, score))


@dataclass(frozen=True)
class Plant:
    """All readings, and what is wrong with them.

    Args:
        celsius: a row for each hour, a column for each sensor.
        faults: hour of the fault, by sensor.
    """

    celsius: np.ndarray[Any, Any]
    faults: dict[int, int]


def plant(sensors: int, hours: int = HOURS) -> Plant:
    """Make up a plant, the same each time.

    Args:
        sensors, hours: how many; more than 30 hours.
    """
    chance = np.random.default_rng(7)
    level, cycle = chance.normal(20, 5, sensors), chance.uniform(1, 4, sensors)
    noise, phase = chance.uniform(0.2, 0.6, sensors), chance.uniform(0, 24, sensors)
    hour = np.arange(hours)[:, None]
    celsius = level + cycle * np.sin((hour + phase) * (2 * math.pi / 24))
    celsius += noise * chance.standard_normal((hours, sensors))
    broken = chance.choice(sensors, max(1, round(FAULT * sensors)), replace=False)
    faults = {int(each): int(chance.integers(30, hours)) for each in broken}
    for each, at in faults.items():
        celsius[at:, each] += chance.choice([-1, 1]) * chance.uniform(12, 20)
    return Plant(celsius, faults)


async def watch(kernel: Population, made: Plant) -> list[Alarm]:
    """Send all readings, hour by hour, and return the alarms."""
    hours, sensors = made.celsius.shape
    alarms: list[Alarm] = []

    async def take() -> None:
        async for alarm in kernel.messages():
            alarms.append(alarm)

    taking = asyncio.create_task(take())
    numbers = np.arange(sensors)
    columns: Any = Reading
    for hour in range(hours):
        row = columns.array(sensor=numbers, hour=np.full(sensors, hour), celsius=made.celsius[hour])
        await kernel.send_many(row)
    await kernel.terminate(timeout=None)
    await taking
    return alarms


def report(made: Plant, alarms: Sequence[Alarm], output: Path) -> None:
    """Print what was found, and draw the sensor with the greatest score."""
    first: dict[int, int] = {}
    for alarm in alarms:
        first.setdefault(alarm.sensor, alarm.hour)
    found = [each for each, hour in made.faults.items() if first.get(each) == hour]
    print(f"sensors with a fault: {len(made.faults)}, found in the hour it happened: {len(found)}")
    print(f"sensors with an alarm and no fault: {len(first.keys() - made.faults.keys())}")
    worst = max(alarms, key=lambda alarm: abs(alarm.score))
    hours = len(made.celsius)
    counts = np.bincount([alarm.hour for alarm in alarms], minlength=hours)
    picture = output / PICTURE
    picture.write_text(
        svg(
            f"Sensor {worst.sensor}, and the alarms of all",
            ("degrees Celsius", made.celsius[:, worst.sensor].tolist()),
            ("alarms an hour, all sensors", counts.tolist()),
            [alarm.hour for alarm in alarms if alarm.sensor == worst.sensor],
            ("hour 0", f"hour {hours - 1}"),
        ),
        encoding="utf-8",
    )
    print(f"plot: {picture}")


async def main(output: Path = Path("out"), sensors: int | None = None) -> None:
    """Watch the plant.

    Args:
        output: folder of the plot.
        sensors: how many; None: as many as the backend takes in a few seconds.
    """
    async with RingKernelRuntime() as runtime:
        kernel = await runtime.launch("sensor", key="sensor", instances=1_000_000)
        print(f"sensors runs on: {kernel.backend}")
        made = plant(sensors or SENSORS.get(kernel.backend, SENSORS["native"]))
        await kernel.activate()
        began = time.perf_counter()
        alarms = await watch(kernel, made)
        seconds = time.perf_counter() - began
        states = kernel.states()
        print(
            f"{len(kernel):,} sensors, {made.celsius.size:,} readings in {seconds:.1f} s "
            f"({made.celsius.size / seconds:,.0f} readings/s)"
        )
        usual = np.sqrt(states.variance)
        print(f"usual change within an hour: {np.median(usual):.2f} degrees, "
              f"{usual.min():.2f} to {np.quantile(usual, 0.99):.2f}")  # fmt: skip
    output.mkdir(parents=True, exist_ok=True)
    report(made, alarms, output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("out"), help="folder of the plot")
    parser.add_argument("-n", "--sensors", type=int, help="how many sensors")
    options = parser.parse_args()
    asyncio.run(main(options.output, options.sensors))
