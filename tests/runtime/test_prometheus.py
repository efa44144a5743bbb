"""The exporter for Prometheus."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from typing import Any

import pytest

from pydotcompute import RingKernelRuntime
from tests.support.native_actor.kit import SEND, SEVERAL, Task

pytest.importorskip("prometheus_client", reason="the extra [prometheus] is not installed")

from prometheus_client import CollectorRegistry, generate_latest

from pydotcompute.prometheus import RuntimeCollector, register
from pydotcompute.support.metrics import Statistics


def value(registry: Any, name: str, **labels: str) -> Any:
    return registry.get_sample_value(f"pydotcompute_{name}", {"kernel": "kit", **labels})


def test_every_figure_is_exported() -> None:
    from pydotcompute.prometheus import COUNTERS, GAUGES, LATENCY

    fields = set(Statistics.__dataclass_fields__)
    assert COUNTERS.keys() | GAUGES.keys() | set(LATENCY.values()) == fields


def test_scraped_from_another_thread(kit: Any, backend: str, run: Any) -> None:
    async def main() -> None:
        registry = CollectorRegistry()
        async with RingKernelRuntime() as runtime:
            register(runtime, registry=registry)
            kernel = await kit(runtime, queue_size=10)
            await kernel.request(Task(SEND, 3))
            await kernel.request(Task(SEVERAL, 4))
            text = (await asyncio.to_thread(generate_latest, registry)).decode()
            assert 'pydotcompute_received_total{kernel="kit"} 2.0' in text
            assert 'pydotcompute_sent_total{kernel="kit"} 5.0' in text
            assert 'pydotcompute_output_depth{kernel="kit"} 3.0' in text
            state = f'pydotcompute_kernel{{backend="{backend}",kernel="kit",state="ACTIVE"}} 1.0'
            assert state in text
            assert value(registry, "latency_seconds", quantile="0.99") > 0
        assert value(registry, "processed_total") == 2.0  # after the end as well

    run(main())


def test_a_blocked_loop_gives_the_last_figures(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            collector = RuntimeCollector(runtime, timeout=0.01)
            await kernel.request(Task(SEND, 3))
            await asyncio.to_thread(collector.collect)
            await kernel.request(Task(SEND, 3))
            found: list[Any] = []
            other = threading.Thread(target=lambda: found.extend(collector.collect()))
            other.start()
            other.join()  # the loop cannot run meanwhile
            (received,) = (f for f in found if f.name == "pydotcompute_received")
            assert [sample.value for sample in received.samples] == [1.0]

    run(main())


def test_names_clash_only_without_a_prefix() -> None:
    registry, first, second = CollectorRegistry(), RingKernelRuntime(), RingKernelRuntime()
    register(first, registry=registry)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        register(second, registry=registry)
    register(second, registry=registry, prefix="other")


def test_a_runtime_is_not_kept_alive() -> None:
    runtime = RingKernelRuntime()
    collector = RuntimeCollector(runtime)
    assert all(not family.samples for family in collector.collect())
    del runtime
    gc.collect()
    assert all(not family.samples for family in collector.collect())


def test_without_the_package() -> None:
    code = "import sys; sys.modules['prometheus_client'] = None; import pydotcompute.prometheus"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: pydotcompute.prometheus needs the package prometheus_client; run "
        "`pip install prometheus_client`"
    )
