"""Statistics for Prometheus: a collector over the kernels of a runtime.

Input: a ``RingKernelRuntime``.  Output: the metric families of ``prometheus_client``, one sample
for each kernel, read when Prometheus asks and not before: between two scrapes it costs nothing.

It needs the package ``prometheus_client``; nothing else of the package imports this module::

    from prometheus_client import start_http_server
    from pydotcompute.prometheus import register

    register(runtime)
    start_http_server(9000)
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from pydotcompute.kernels.runtime import RingKernelRuntime
from pydotcompute.support.metrics import Statistics

try:
    from prometheus_client.core import REGISTRY, CounterMetricFamily, GaugeMetricFamily
except ImportError as missing:
    raise ImportError(
        "pydotcompute.prometheus needs the package prometheus_client; run "
        "`pip install prometheus_client`"
    ) from missing

COUNTERS = {
    "received": "Messages taken into the input queue.",
    "processed": "Messages the actor has finished with.",
    "sent": "Messages the actor has sent.",
    "dropped": "Messages dropped by DROP_OLDEST, on either side.",
    "rejected": "Messages refused by REJECT, on either side.",
    "errors": "Exceptions that left the actor's loop.",
    "timeouts": "Time-outs raised.",
    "fallbacks": "How often compiled code handed over to the interpreter for good.",
    "interpreted": "Messages that the interpreter has handled.",
    "busy_seconds": "Seconds spent handling messages.",
    "idle_seconds": "Seconds active but without work.",
}
"""Fields of ``Statistics`` that only grow, and what they are."""
GAUGES = {
    "input_depth": "Messages waiting for the actor.",
    "output_depth": "Messages waiting for a client.",
    "input_peak": "The greatest input depth seen.",
    "output_peak": "The greatest output depth seen.",
}
"""Fields of ``Statistics`` that go up and down."""
LATENCY = {"0.5": "latency_p50", "0.99": "latency_p99"}
"""Quantile: the field of ``Statistics`` that has it."""

Figures = list[tuple[str, str, str, Statistics]]
"""For each kernel: id, backend, state, statistics."""


class RuntimeCollector:
    """What Prometheus asks for the figures of a runtime's kernels.

    Prometheus asks from a thread of its own, so the figures are fetched on the event loop's
    thread.  While that is blocked, the figures of the last time are given.

    Args:
        runtime: whose kernels; it is not kept alive.
        prefix: what the names of all metrics begin with.
        timeout: seconds to wait for the event loop.
    """

    def __init__(
        self, runtime: RingKernelRuntime, *, prefix: str = "pydotcompute", timeout: float = 1.0
    ) -> None:
        self._runtime = weakref.ref(runtime)
        self._prefix, self._timeout = prefix, timeout
        self._last: Figures = []

    def describe(self) -> Iterable[Any]:
        """The metric families without samples: what ``register`` checks for clashes."""
        return self._families([])

    def collect(self) -> Iterable[Any]:
        """The metric families with a sample for each kernel."""
        self._last = self._fetch()
        return self._families(self._last)

    def _fetch(self) -> Figures:
        runtime = self._runtime()
        loop = None if runtime is None else runtime._loop
        if runtime is None or loop is None:
            return []
        at_home = getattr(loop, "_thread_id", None) == threading.get_ident()
        if at_home or not loop.is_running():
            return _figures(runtime)
        result: Future[Figures] = Future()

        def read() -> None:
            try:
                result.set_result(_figures(runtime))
            except BaseException as error:  # handed to the thread that waits
                result.set_exception(error)

        try:
            loop.call_soon_threadsafe(read)
            return result.result(self._timeout)
        except TimeoutError:
            return self._last
        except RuntimeError:  # the loop was closed meanwhile
            return self._last

    def _families(self, figures: Figures) -> list[Any]:
        families: list[Any] = []
        for name, text in COUNTERS.items():
            family = CounterMetricFamily(f"{self._prefix}_{name}", text, labels=["kernel"])
            for kernel, _, _, values in figures:
                family.add_metric([kernel], float(getattr(values, name)))
            families.append(family)
        for name, text in GAUGES.items():
            gauge = GaugeMetricFamily(f"{self._prefix}_{name}", text, labels=["kernel"])
            for kernel, _, _, values in figures:
                gauge.add_metric([kernel], float(getattr(values, name)))
            families.append(gauge)
        latency = GaugeMetricFamily(
            f"{self._prefix}_latency_seconds",
            "Seconds from acceptance in the input queue to the end of handling.",
            labels=["kernel", "quantile"],
        )
        state = GaugeMetricFamily(
            f"{self._prefix}_kernel",
            "1 for each kernel: what runs it, and where it is in its life.",
            labels=["kernel", "backend", "state"],
        )
        for kernel, backend, stage, values in figures:
            state.add_metric([kernel, backend, stage], 1.0)
            for quantile, field in LATENCY.items():
                latency.add_metric([kernel, quantile], getattr(values, field))
        return [*families, latency, state]


def _figures(runtime: RingKernelRuntime) -> Figures:
    return [
        (kernel.kernel_id, kernel.backend, kernel.state.name, kernel.statistics())
        for kernel in runtime.kernels
    ]


def register(
    runtime: RingKernelRuntime, *, registry: Any = None, prefix: str = "pydotcompute"
) -> RuntimeCollector:
    """Let Prometheus see a runtime.

    Args:
        runtime: whose kernels.
        registry: a ``CollectorRegistry``; ``None``: the one of ``prometheus_client``.
        prefix: what the names of all metrics begin with; two runtimes in one registry need two.

    Returns:
        The collector, for ``registry.unregister``.

    Raises:
        ValueError: the registry has metrics of these names.
    """
    collector = RuntimeCollector(runtime, prefix=prefix)
    (REGISTRY if registry is None else registry).register(collector)
    return collector
