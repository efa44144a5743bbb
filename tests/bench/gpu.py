"""What the cuda backend costs on this machine: ``make gpu`` runs it after the tests.

Input: a GPU (or ``--emulated``, to see that this script works: such results are marked and written
nowhere but to ``--out``).  Output: a table, ``gpu-results.json``, ``.md`` and ``.svg``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from pydotcompute import KernelContext, RingKernelRuntime, message  # noqa: E402
from pydotcompute.backends.cuda import device_selection as devices  # noqa: E402
from pydotcompute.queues.port_words import HEAD, TAIL  # noqa: E402
from tests.support.contract import decorated  # noqa: E402

ACTORS = (1, 8, 132)
MICRO = 1e6
RESIDENCY = 5e-3
"""Seconds: what a runtime takes unless it is told otherwise."""


@message
@dataclass
class Number:
    """Eight bytes each way."""

    value: int


async def doubled(ctx: KernelContext[Number, Number]) -> None:
    """The actor that is measured; its turns are independent."""
    while True:
        number = await ctx.receive()
        await ctx.send(Number(2 * number.value))


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Of times in seconds, in microseconds."""
    ordered = sorted(seconds)
    at = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    return {
        name: round(MICRO * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)
        for name, share in at.items()
    }


class Bench:
    """One run over everything.

    Args:
        count: how many samples of each.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.device: Any = devices.find("cuda")

    async def start(self, runtime: RingKernelRuntime, name: str, **settings: Any) -> Any:
        """A running actor."""
        kernel = await runtime.launch(name, decorated(doubled, kernel_id=name, **settings))
        await kernel.activate()
        await kernel.send(Number(1))
        await kernel.receive()
        return kernel

    async def round_trips(self) -> dict[str, Any]:
        """Through the rings alone, and through asyncio."""
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernel = await self.start(runtime, "round trip")
            awaited, raw = [], []
            for n in range(self.count):
                began = perf_counter()
                await kernel.send(Number(n))
                await kernel.receive()
                awaited.append(perf_counter() - began)
            engine = kernel._actor.engine
            inport, words = engine.inport, engine.block.output.port
            while len(raw) < self.count:
                await kernel.send(Number(0))  # so that it is resident
                await kernel.receive()
                for n in range(50):
                    seen, began = words[HEAD], perf_counter()
                    inport.try_put(Number(n))
                    while words[HEAD] == seen and perf_counter() - began < 1e-3:
                        pass
                    if words[HEAD] == seen:
                        break
                    raw.append(perf_counter() - began)
                while engine.outport.depth() or inport.head != inport.words[TAIL]:
                    await kernel.receive()
            return {"asyncio": percentiles(awaited), "raw": percentiles(raw)}

    async def relaunches(self) -> dict[str, float]:
        """A round trip with an actor that has parked."""
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernel = await self.start(runtime, "relaunch")
            times = []
            for n in range(max(5, self.count // 20)):
                while kernel._actor.engine.run_flags or not kernel._actor.engine.block.parked:
                    await asyncio.sleep(0)
                began = perf_counter()
                await kernel.send(Number(n))
                await kernel.receive()
                times.append(perf_counter() - began)
            return percentiles(times)

    def launches(self) -> dict[str, float]:
        """What the host spends on one launch."""
        from pydotcompute.compiler.codegen.render import render_echo

        kernel = self.device.load(self.device.compile(render_echo(), "self-test"), 1)
        memory, stream, times = self.device.mapped(256), self.device.stream(), []
        memory.bytes.cast("Q")[0], memory.bytes.cast("Q")[2] = 1, memory.address
        for n in range(max(5, self.count // 10)):
            began = perf_counter()
            stream.launch(kernel.resident, memory.address + 16, 1, 1000)
            times.append(perf_counter() - began)
            while n % 256 == 255 and not stream.done():  # its queue of launches has an end
                pass
        while not stream.done():
            pass
        stream.close()
        return percentiles(times)

    def _free(self) -> Callable[[], None]:
        if self.device.name == "emulated":
            return lambda: self.device.waiting_call("cudaFree")
        import cupy

        def free() -> None:
            cupy.cuda.runtime.free(cupy.cuda.runtime.malloc(1 << 20))

        return free

    async def stalls(self) -> dict[str, float]:
        """A second thread's cudaFree, while an actor is kept busy."""
        times: list[float] = []
        free, over = self._free(), threading.Event()

        def others() -> None:
            for _ in range(max(5, self.count // 20)):
                began = perf_counter()
                free()
                times.append(perf_counter() - began)
            over.set()

        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernel = await self.start(runtime, "busy")
            thread = threading.Thread(target=others)
            thread.start()
            while not over.is_set():
                await kernel.send(Number(1))
                await kernel.receive()
            thread.join()
        return {**percentiles(times), "max": round(MICRO * max(times), 2)}

    async def rates(self, actors: int) -> dict[str, float]:
        """Messages a second, one by one and in batches, of all actors together."""
        room = max(4096, (1 << 20) // actors)
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernels = [
                await self.start(runtime, f"rate {n}", queue_size=room) for n in range(actors)
            ]
            each, whole = max(1, self.count // actors), max(4096, self.count * 3200 // actors)
            batch = Number.array(value=np.arange(min(whole, 1 << 22)))

            async def single(kernel: Any) -> None:
                for n in range(each):
                    await kernel.send(Number(n))
                    await kernel.receive()

            async def batched(kernel: Any) -> int:
                rounds, got = -(-whole // len(batch)), 0
                sending = asyncio.ensure_future(send_all(kernel, rounds))
                while got < rounds * len(batch):
                    got += len(await kernel.receive_many(room))
                await sending
                return got

            async def send_all(kernel: Any, rounds: int) -> None:
                for _ in range(rounds):
                    await kernel.send_many(batch)

            began = perf_counter()
            await asyncio.gather(*map(single, kernels))
            between = perf_counter()
            messages = sum(await asyncio.gather(*map(batched, kernels)))
            return {
                "single": round(each * actors / (between - began)),
                "batched": round(messages / (perf_counter() - between)),
            }

    async def check(self) -> None:
        """A few messages, under a tool that makes everything slow."""
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernels = [await self.start(runtime, f"check {n}", queue_size=4) for n in range(3)]
            for n in range(20):
                for kernel in kernels:
                    await kernel.send(Number(n))
                for kernel in kernels:
                    assert (await kernel.receive()).value == 2 * n
            assert (await kernels[0].request(Number(5))).value == 10

    def where(self) -> dict[str, Any]:
        """What was measured, when, and on what."""
        try:
            driver = devices.DRIVER.read_text().splitlines()[0]
        except OSError:
            driver = "none"
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
        )
        return {
            "device": self.device.name,
            "emulated": self.device.name == "emulated",
            "driver": driver,
            "date": date.today().isoformat(),
            "commit": commit.stdout.strip() or os.environ.get("COMMIT", "unknown"),
            "python": platform.python_version(),
        }

    async def everything(self) -> dict[str, Any]:
        """All of it."""
        return {
            **self.where(),
            "round trip, µs": await self.round_trips(),
            "relaunch, µs": await self.relaunches(),
            "launch call, µs": self.launches(),
            "another thread's cudaFree, µs": await self.stalls(),
            "messages/s": {str(n): await self.rates(n) for n in ACTORS},
        }


def goals(found: dict[str, Any]) -> list[tuple[str, float, float, bool]]:
    """What the project set itself: name, limit, figure, and whether it is met."""
    trips = found["round trip, µs"]
    most = [
        ("through asyncio, p50, µs", 10.0, trips["asyncio"]["p50"]),
        ("through asyncio, p99, µs", 40.0, trips["asyncio"]["p99"]),
        ("through the rings alone, p50, µs", 3.0, trips["raw"]["p50"]),
        ("another thread's cudaFree, longest, µs", 2 * MICRO * RESIDENCY,
         found["another thread's cudaFree, µs"]["max"]),
    ]  # fmt: skip
    rate = found["messages/s"]["1"]["batched"]
    return [
        *((f"{name}: at most", limit, figure, figure <= limit) for name, limit, figure in most),
        ("one actor in batches, messages/s: at least", 200e6, rate, rate >= 200e6),
    ]


def rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The results as a table."""

    def walk(path: str, value: Any) -> list[tuple[str, str]]:
        if not isinstance(value, dict):
            figure = isinstance(value, (int, float)) and not isinstance(value, bool)
            return [(path, f"{value:,}" if figure else str(value))]
        lines = []
        for name, inner in value.items():
            lines += walk(f"{path}, {name}" if path else name, inner)
        return lines

    return walk("", found)


def plot(found: dict[str, Any]) -> str:
    """The round trips as bars, on a logarithmic scale."""
    bars = [
        (f"{way} {name}", value)
        for way, values in found["round trip, µs"].items() for name, value in values.items()
    ]  # fmt: skip
    lines = ['<svg xmlns="http://www.w3.org/2000/svg" width="640" height="240" font-size="13">']
    for n, (name, value) in enumerate(bars):
        width = 40 * math.log2(value + 1)
        y = 20 + 34 * n
        lines.append(f'<text x="4" y="{y + 14}">{name}</text>')
        lines.append(f'<rect x="130" y="{y}" width="{width:.0f}" height="20" fill="#76b900"/>')
        lines.append(f'<text x="{136 + width:.0f}" y="{y + 14}">{value} µs</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def report(found: dict[str, Any]) -> str:
    """The table, as a page."""
    head = "Emulated: of no meaning but that the script runs." if found["emulated"] else ""
    judged = "\n".join(
        f"| {name} {limit:,.0f} | {figure:,} | {'met' if met else 'not met'} |"
        for name, limit, figure, met in goals(found)
    )
    table = "\n".join(f"| {name} | {value} |" for name, value in rows(found))
    return (
        f"# The cuda backend, measured\n\n{head}\n\n"
        f"![round trips](gpu-results.svg)\n\n"
        f"| goal | figure | |\n| --- | ---: | --- |\n{judged}\n\n"
        f"| what | value |\n| --- | ---: |\n{table}\n"
    )


def write(found: dict[str, Any], folder: Path) -> None:
    """Table, JSON and plot into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gpu-results.md").write_text(report(found))
    (folder / "gpu-results.json").write_text(json.dumps(found, indent=2) + "\n")
    (folder / "gpu-results.svg").write_text(plot(found))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emulated", action="store_true")
    parser.add_argument("--check", action="store_true", help="a few messages only, for sanitizers")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--out", type=Path, help="folder; without one, docs/ (never if emulated)")
    given = parser.parse_args()
    os.environ["PYDOTCOMPUTE_DEVICE"] = "emulated" if given.emulated else "gpu"
    if given.check:
        asyncio.run(Bench(given.count).check())
        return
    found = asyncio.run(Bench(given.count).everything())
    print(report(found))
    if given.out is not None or not found["emulated"]:
        write(found, given.out or ROOT / "docs")


if __name__ == "__main__":
    main()
