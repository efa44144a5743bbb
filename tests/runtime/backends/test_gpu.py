"""What only a GPU can show.  ``make gpu`` runs it; elsewhere it is left out."""

from __future__ import annotations

import asyncio
import re
import threading
from random import Random
from time import perf_counter
from typing import Any

import pytest

from pydotcompute import RingKernelRuntime
from pydotcompute.backends.cuda import device_selection as devices
from pydotcompute.testing import assert_backends_agree
from tests.corpus import CASES
from tests.corpus.test_differential import random_item, subject
from tests.support.contract import Job, decorated, go, plain
from tests.support.differential import TIMEOUT

pytestmark = pytest.mark.gpu
RESIDENCY = 5e-3


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYDOTCOMPUTE_DEVICE", "gpu")


def test_auto_takes_the_gpu() -> None:
    async def probe() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await runtime.launch("plain", decorated(plain))
            assert kernel.backend == "cuda"

    go(probe)
    assert devices.open_device("gpu").connections >= 1


def test_a_thousand_cudafrees_beside_a_busy_actor() -> None:
    import cupy

    times: list[float] = []
    over = threading.Event()

    def others() -> None:
        for _ in range(1000):
            memory = cupy.cuda.runtime.malloc(1 << 20)
            began = perf_counter()
            cupy.cuda.runtime.free(memory)
            times.append(perf_counter() - began)
        over.set()

    async def probe() -> None:
        async with RingKernelRuntime(backend="cuda", residency=RESIDENCY) as runtime:
            kernel = await runtime.launch("plain", decorated(plain))
            await kernel.activate()
            threading.Thread(target=others, daemon=True).start()
            while not over.is_set():
                await kernel.send(Job(1))
                await kernel.receive()

    go(probe)
    assert len(times) == 1000
    assert max(times) <= 2 * RESIDENCY


def test_two_dozen_actors_lose_nothing() -> None:
    async def ask(kernel: Any, until: float) -> int:
        count = 0
        while perf_counter() < until:
            for n in range(50):
                await kernel.send(Job(n))
            assert [(await kernel.receive()).value for _ in range(50)] == [
                2 * n for n in range(50)
            ]
            count += 50
        return count

    async def probe() -> None:
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernels = []
            for n in range(24):
                kernel = await runtime.launch(f"k{n}", decorated(plain, kernel_id=f"k{n}"))
                await kernel.activate()
                kernels.append(kernel)
            until = perf_counter() + 60.0
            counts = await asyncio.gather(*(ask(kernel, until) for kernel in kernels))
            for kernel, count in zip(kernels, counts, strict=True):
                assert kernel.statistics().processed == count

    asyncio.run(probe())


LIBRARY = re.compile(
    r"\b(exp|log|pow|sin|cos|tan|asin|acos|atan|sinh|cosh|tanh|erf|cbrt|expm1|log1p)[f0-9]*\("
)
"""Functions of CUDA's mathematical library, which may differ by 2 units in the last place."""


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.lowers])
def test_the_corpus_means_the_same_on_the_gpu(name: str) -> None:
    actor, random = CASES[name].actor, Random(name)
    if LIBRARY.search(subject(name).lowering.source.partition("/* --- the actor")[2]):
        pytest.skip("it calls functions that may differ in the last place")
    items = (random_item(actor.input_types, random) for _ in range(80))
    batch = [item for item in items if item is not TIMEOUT]
    assert_backends_agree(actor, batch, backend="cuda")
