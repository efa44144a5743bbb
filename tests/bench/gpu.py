"""What the cuda backend costs on this machine: ``make gpu`` runs it after the tests.

Input: a GPU (or ``--emulated``, to see that this script works: such results are marked and written
nowhere but to ``--out``).  Output: a table, ``gpu-benchmarks.json``, ``.md`` and ``.svg``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from pydotcompute import KernelContext, RingKernelRuntime  # noqa: E402
from pydotcompute.backends import devices  # noqa: E402
from pydotcompute.ring import HEAD, TAIL  # noqa: E402
from tests.contract import Answer, Job, decorated  # noqa: E402

ACTORS = (1, 8, 132)
MICRO = 1e6


async def doubled(ctx: KernelContext[Job, Answer]) -> None:
    """The actor that is measured."""
    while True:
        job = await ctx.receive()
        await ctx.send(Answer(2 * job.value))


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
        await kernel.send(Job(1))
        await kernel.receive()
        return kernel

    async def round_trips(self) -> dict[str, Any]:
        """Through the rings alone, and through asyncio."""
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernel = await self.start(runtime, "round trip")
            awaited, raw = [], []
            for n in range(self.count):
                began = perf_counter()
                await kernel.send(Job(n))
                await kernel.receive()
                awaited.append(perf_counter() - began)
            engine = kernel._actor.engine
            inport, words = engine.inport, engine.block.output_words
            while len(raw) < self.count:
                await kernel.send(Job(0))  # so that it is resident
                await kernel.receive()
                for n in range(50):
                    seen, began = words[HEAD], perf_counter()
                    inport.try_put(Job(n))
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
                while kernel._actor.engine.gate or not kernel._actor.engine.block.parked:
                    await asyncio.sleep(0)
                began = perf_counter()
                await kernel.send(Job(n))
                await kernel.receive()
                times.append(perf_counter() - began)
            return percentiles(times)

    def launches(self) -> dict[str, float]:
        """What the host spends on one launch."""
        from pydotcompute.compiler.render import render_echo

        kernel = self.device.load(self.device.compile(render_echo(), "self-test"), 1)
        memory, stream, times = self.device.mapped(256), self.device.stream(), []
        memory.bytes.cast("Q")[0], memory.bytes.cast("Q")[2] = 1, memory.address
        for _ in range(max(5, self.count // 10)):
            began = perf_counter()
            stream.launch(kernel.resident, memory.address + 16, 1, 1000)
            times.append(perf_counter() - began)
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
                await kernel.send(Job(1))
                await kernel.receive()
            thread.join()
        return {**percentiles(times), "max": round(MICRO * max(times), 2)}

    async def rates(self, actors: int) -> dict[str, float]:
        """Messages a second, one by one and in batches, of all actors together."""
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernels = [
                await self.start(runtime, f"rate {n}", queue_size=4096) for n in range(actors)
            ]
            each = max(1, self.count // actors)

            async def single(kernel: Any) -> None:
                for n in range(each):
                    await kernel.send(Job(n))
                    await kernel.receive()

            async def batched(kernel: Any) -> None:
                batch, left = Job.array(value=list(range(2048)), op=[0] * 2048), 2048 * 4
                sending = asyncio.ensure_future(send_all(kernel, batch))
                while left:
                    left -= len(await kernel.receive_many(4096))
                await sending

            async def send_all(kernel: Any, batch: Any) -> None:
                for _ in range(4):
                    await kernel.send_many(batch)

            began = perf_counter()
            await asyncio.gather(*map(single, kernels))
            between = perf_counter()
            await asyncio.gather(*map(batched, kernels))
            return {
                "single": round(each * actors / (between - began)),
                "batched": round(2048 * 4 * actors / (perf_counter() - between)),
            }

    async def check(self) -> None:
        """A few messages, under a tool that makes everything slow."""
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernels = [await self.start(runtime, f"check {n}", queue_size=4) for n in range(3)]
            for n in range(20):
                for kernel in kernels:
                    await kernel.send(Job(n))
                for kernel in kernels:
                    assert (await kernel.receive()).value == 2 * n
            assert (await kernels[0].request(Job(5))).value == 10

    async def everything(self) -> dict[str, Any]:
        """All of it."""
        return {
            "device": self.device.name,
            "emulated": self.device.name == "emulated",
            "round trip, µs": await self.round_trips(),
            "relaunch, µs": await self.relaunches(),
            "launch call, µs": self.launches(),
            "another thread's cudaFree, µs": await self.stalls(),
            "messages/s": {str(n): await self.rates(n) for n in ACTORS},
        }


def rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The results as a table."""

    def walk(path: str, value: Any) -> list[tuple[str, str]]:
        if not isinstance(value, dict):
            return [(path, f"{value:,}" if isinstance(value, (int, float)) else str(value))]
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


def write(found: dict[str, Any], folder: Path) -> None:
    """Table, JSON and plot into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    head = "Emulated: of no meaning but that the script runs." if found["emulated"] else ""
    table = "\n".join(f"| {name} | {value} |" for name, value in rows(found))
    (folder / "gpu-benchmarks.md").write_text(
        f"# The cuda backend, measured\n\n{head}\n\n| what | value |\n| --- | ---: |\n{table}\n"
    )
    (folder / "gpu-benchmarks.json").write_text(json.dumps(found, indent=2) + "\n")
    (folder / "gpu-benchmarks.svg").write_text(plot(found))


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
    for name, value in rows(found):
        print(f"{name:50} {value:>20}")
    if given.out is not None or not found["emulated"]:
        write(found, given.out or ROOT / "docs")


if __name__ == "__main__":
    main()
