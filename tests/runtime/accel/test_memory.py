"""The extension's memory: what the sanitizers say, and references that are not given back."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from pydotcompute import (
    KernelNotFoundError,
    MessageTypeError,
    QueueTimeoutError,
    RingKernel,
    RingKernelRuntime,
)
from pydotcompute.accel import storage
from pydotcompute.queues.port import EMPTY
from tests.support.native_actor.kit import SEND, SEVERAL, Result, Task

pytestmark = pytest.mark.skipif(storage.extension is None, reason="not built")
ROOT = Path(__file__).parents[3]
RUNS = [
    "tests/runtime/accel/test_atomic.py",
    "tests/runtime/accel/test_fastpath_calls.py",
    "tests/runtime/accel/test_fastpath_requests.py",
    "tests/runtime/accel/test_layout.py",
    "tests/runtime/accel/test_reentrancy.py",
    "tests/fuzz/test_soak.py",
]


def runtime_of(compiler: str, name: str) -> str | None:
    """The path of a sanitizer's shared library, or None."""
    found = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True)
    path = found.stdout.strip()
    return path if os.path.isabs(path) and os.path.exists(path) else None


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the extension, built with sanitizers, is loaded."""
    compiler = shutil.which("gcc")
    library = None if compiler is None else runtime_of(compiler, "libasan.so")
    if compiler is None or library is None:
        pytest.skip("no gcc with AddressSanitizer")
    built = tmp_path_factory.mktemp("sanitized") / "_fastpath.so"
    sources = sorted(map(str, (ROOT / "runtime/accel").glob("_fastpath*.c")))
    command = [
        compiler, "-std=gnu11", "-g", "-O1", "-fno-omit-frame-pointer", "-shared", "-fPIC",
        "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fvisibility=hidden",
        f"-I{sysconfig.get_path('include')}", *sources, "-o", str(built),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and "Python.h" in done.stderr:
        pytest.skip("no headers of Python")
    assert done.returncode == 0, done.stderr
    return {
        **os.environ,
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",  # so that each object is memory of its own
        "PYDOTCOMPUTE_TEST_EXTENSION": str(built),
        "PYDOTCOMPUTE_SOAK": "300",
    }


USE_AFTER_FREE = """
import tests.support.other_extension
from pydotcompute.accel import storage
import ctypes
ring = storage.extension.Ring()
ring.sample_time = 1.5
address = id(ring)
del ring
print(ctypes.string_at(address, 64))
"""


def test_the_sanitizer_watches(sanitized: dict[str, str]) -> None:
    """It finds a use of freed memory, so that its silence elsewhere means something."""
    done = subprocess.run([sys.executable, "-c", USE_AFTER_FREE], cwd=ROOT, env=sanitized,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode != 0
    assert "heap-use-after-free" in done.stderr
    assert "_fastpath" in done.stderr


def test_under_the_sanitizers(sanitized: dict[str, str]) -> None:
    # processes of their own, and what runs without the extension
    elsewhere = ("computed", "without_memory", "python-python", "native-python")
    command = [
        sys.executable, "-m", "pytest", "-p", "tests.support.other_extension",
        "-p", "no:cacheprovider", "-x", *RUNS,
        "-k", " and ".join(f"not {name}" for name in elsewhere),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=sanitized, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERROR: AddressSanitizer" not in done.stderr
    assert "runtime error" not in done.stderr


async def one_round(runtime: Any, kernel: Any) -> None:
    """Calls of every kind, with answers and with errors."""
    await kernel.send(Task(SEND, 1000))
    await kernel.receive()
    await runtime.send("kit", Task(SEND, 1), timeout=1.0)
    await runtime.receive("kit", timeout=1.0)
    await kernel.request(Task(SEND, 2**40))
    await runtime.request("kit", Task(SEVERAL, 2))
    await kernel.receive()
    kernel.send(Task(SEND, 1)).close()
    for call in (
        lambda: kernel.send(Task("one")),  # type: ignore[arg-type]
        lambda: kernel.request(Result(1, 1)),
        lambda: runtime.send("other", Task(SEND)),
        lambda: kernel.receive(timeout=0),
    ):
        with pytest.raises((MessageTypeError, KernelNotFoundError, QueueTimeoutError)):
            await call()
    with pytest.raises(ZeroDivisionError):
        kernel.receive().throw(ZeroDivisionError())
    copied = kernel.send
    await copied(Task(SEND, 3))
    await kernel.receive()


def test_references_are_given_back(kit: Any, run: Any) -> None:
    """A reference that one call in a round keeps would show a thousand times."""
    rounds = 1000

    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            extension = storage.extension
            watched = [
                kernel, runtime, kernel._inbox, kernel._outbox, kernel._share, Task, Result,
                EMPTY, extension, extension.Call, extension.Ring, extension.Layout,
                RingKernel.__dict__["send"], RingKernel.__dict__["request"], "timeout", "value",
                kernel._inbox.port, kernel._outbox.port, storage.layout_of(Task),
                storage.layout_of(Result), None, True, False,
            ]  # fmt: skip
            counts: list[list[int]] = []
            for again in (20, rounds):
                for _ in range(again):
                    await one_round(runtime, kernel)
                await asyncio.sleep(0)
                gc.collect()
                total = getattr(sys, "gettotalrefcount", int)
                counts.append([total(), sys.getallocatedblocks(), *map(sys.getrefcount, watched)])
            for before, after, of in zip(*counts, ["all", "blocks", *watched], strict=True):
                assert after - before < rounds // 2, f"{of!r}: {before}, then {after}"

    run(main())
