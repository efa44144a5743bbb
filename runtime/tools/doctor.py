"""What this machine can run, and why not more.

In: the machine.  Out: ``Finding`` objects, which the command line prints.  The host compiler is
tried on two lines, not merely looked for.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydotcompute.backends.cuda.cupy_device import GET_CUPY
from pydotcompute.errors import BackendUnavailableError, BuildError
from pydotcompute.settings import settings
from pydotcompute.toolchain.build_cache import BuildCache

Verdict = Literal["ok", "missing", "broken", "note"]

_PROBE = 'extern "C" __attribute__((visibility("default"))) int pdc_probe() { return 1; }\n'


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        topic: what it is about.
        verdict: ``ok``; ``missing`` (could be had); ``broken`` (is there and does not work);
            ``note`` (neither good nor bad).
        text: one line for people.
    """

    topic: str
    verdict: Verdict
    text: str


def examine() -> Iterator[Finding]:
    """Look at everything, in the order in which it matters."""
    yield Finding(
        "python",
        "ok",
        f"CPython {platform.python_version()} on {sys.platform} {platform.machine()}, "
        f"{os.cpu_count()} cores, numpy {metadata.version('numpy')}: "
        "the python backend needs nothing else",
    )
    yield _host_compiler()
    yield _fast_path()
    yield _nvrtc()
    gpu = _driver()
    yield gpu
    yield _cupy()
    yield _cuda_backend()
    if gpu.verdict == "ok":
        yield _gpu_faults()
    yield _build_cache()
    yield from _environment()


def _probe(topic: str, look: Callable[[], str]) -> Finding:
    """``look`` returns the good news; its errors are the bad."""
    try:
        return Finding(topic, "ok", look())
    except BackendUnavailableError as exc:
        return Finding(topic, "missing", str(exc))
    except BuildError as exc:
        return Finding(topic, "broken", f"{exc} (source: {exc.source_path})")


def _host_compiler() -> Finding:
    def look() -> str:
        from pydotcompute.toolchain.host_cc import find_compiler

        compiler = find_compiler()
        with tempfile.TemporaryDirectory(prefix="pydotcompute-doctor-") as folder:
            begin = time.perf_counter()
            compiler.compile_shared(_PROBE, name="doctor", cache=BuildCache(Path(folder)))
            took = time.perf_counter() - begin
        return (
            f"{' '.join(compiler.command)} ({compiler.version}), compiles in {took * 1e3:.0f} ms: "
            "the native backend runs"
        )

    return _probe("c++ compiler", look)


def _fast_path() -> Finding:
    if find_spec("pydotcompute.accel._fastpath") is not None:
        return Finding("fast path", "ok", "the extension module is installed")
    return Finding(
        "fast path",
        "missing",
        "the optional extension module is not built: send and receive work the same, slower; "
        "reinstall pydotcompute where a C compiler and Python's headers are",
    )


def _nvrtc() -> Finding:
    def look() -> str:
        from pydotcompute.toolchain.nvrtc import find_nvrtc

        nvrtc = find_nvrtc()
        known = nvrtc.architectures()
        return (
            f"{nvrtc.version[0]}.{nvrtc.version[1]}, sm_{min(known)} to sm_{max(known)}: "
            "kernels compile to PTX and cubins, with or without a GPU"
        )

    return _probe("nvrtc", look)


def _driver() -> Finding:
    def look() -> str:
        from pydotcompute.toolchain.cuda_driver import find_driver

        driver = find_driver()
        return f"CUDA {driver.version[0]}.{driver.version[1]}: {', '.join(driver.devices)}"

    return _probe("gpu", look)


def _cupy() -> Finding:
    for name in ("cupy-cuda13x", "cupy-cuda12x", "cupy"):
        try:
            return Finding("cupy", "ok", f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return Finding(
        "cupy",
        "missing",
        f"not installed; {GET_CUPY}",
    )


def _cuda_backend() -> Finding:
    if settings().device == "emulated":
        return Finding(
            "cuda backend",
            "note",
            "PYDOTCOMPUTE_DEVICE=emulated: threads of the host stand in for a GPU, for tests; "
            "unset it to use a GPU",
        )

    def look() -> str:
        from pydotcompute.backends.cuda.device_selection import open_device

        device = open_device("gpu")
        return (
            f"a running kernel on {device.name} answered the host: the cuda backend runs, "
            f"{device.connections} kernels at a time (CUDA_DEVICE_MAX_CONNECTIONS, at most 32)"
        )

    return _probe("cuda backend", look)


def _gpu_faults() -> Finding:
    return Finding(
        "gpu faults",
        "note",
        "when an actor ends because the GPU stopped working, start a new process; to find the "
        "cause, run it with PYDOTCOMPUTE_DEBUG_STEP=100 under `compute-sanitizer`, which names "
        "the line of Python; until then, backend='native' runs the same code",
    )


def _build_cache() -> Finding:
    root = settings().cache_dir.absolute()
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        return Finding(
            "build cache",
            "broken",
            f"{root} cannot be written to, so every process compiles anew: set "
            "PYDOTCOMPUTE_CACHE_DIR to a folder of yours",
        )
    return Finding("build cache", "ok", str(root))


def _environment() -> Iterator[Finding]:
    for name in sorted(name for name in os.environ if name.startswith("PYDOTCOMPUTE_")):
        yield Finding("environment", "note", f"{name}={os.environ[name]}")
