"""A device that is none: runs the text of the kernels on threads of the host.

Input: libraries compiled with ``-DPDC_EMULATE``.  Output: what a GPU would do, as far as its host
can see: kernels that run beside everything else and leave by a clock, calls that wait for them,
and faults after which nothing works any more.

The clock can be held and advanced, so tests decide when a residency is over.
"""

from __future__ import annotations

import ctypes
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pydotcompute.backends.device import ALIGNMENT, Chunk, DeviceFault, Kernel
from pydotcompute.toolchain.host_cc import find_compiler

CAPACITY = 1024
"""Blocks an emulated device holds, unless a test says otherwise."""
_FAULT = "an illegal memory access was encountered (cudaErrorIllegalAddress)"
_HELD, _NOW, _FAULTED, _ROUNDS = range(4)


class Clock:
    """The clock of an emulated device.

    Args:
        words: the record ``pdc_machine``.
    """

    def __init__(self, words: memoryview) -> None:
        self._words = words

    def hold(self) -> None:
        """Stand still from now on."""
        self._words[_NOW] = 1
        self._words[_HELD] = 1

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self._words[_NOW] += round(seconds * 1e9)

    def run(self) -> None:
        """Be the host's own clock again."""
        self._words[_HELD] = 0


class Emulator:
    """An emulated device.

    Args:
        connections: as of a GPU.
        capacity: blocks of a grid that fit at the same time.
    """

    name = "emulated"

    def __init__(self, connections: int = 8, capacity: int = CAPACITY) -> None:
        self.connections, self.capacity = connections, capacity
        self.calls: list[str] = []
        self.machine = (ctypes.c_uint64 * 8)()
        self._words = memoryview(self.machine).cast("B").cast("Q")
        self.clock = Clock(self._words)
        self.reason: str | None = None
        """What it has died of, where that is known."""
        self.launches = 0
        self.running = 0
        self.executing = self.most_executing = 0
        self._rest = threading.Condition()
        self._loaded: dict[Path, Kernel] = {}

    @property
    def rounds(self) -> int:
        """How often resident kernels have looked at all of their actors."""
        return self._words[_ROUNDS]

    def fault(self) -> None:
        """Let every running kernel die, as by an illegal address."""
        self._words[_FAULTED] = 1

    @property
    def faulted(self) -> bool:
        """Whether the device has died."""
        return bool(self._words[_FAULTED])

    def waiting_call(self, name: str) -> None:
        """What ``cudaFree``, ``cudaMalloc`` and loading a module do: wait for every kernel."""
        self.calls.append(name)
        with self._rest:
            self._rest.wait_for(lambda: not self.running)

    # --- the interface ---------------------------------------------------------------------

    def compile(self, source: str, name: str) -> Path:
        """Compile for the host, with the resident kernel in it."""
        return find_compiler().compile_shared(source, name=name, flags=("-DPDC_EMULATE",))

    def load(self, file: Path, lanes: int) -> Kernel:
        """Load a library, once; it knows how many lanes it has."""
        found = self._loaded.get(file)
        if found is None:
            self.waiting_call("load")
            library = ctypes.CDLL(str(file))
            size = ctypes.c_uint64.in_dll(library, "pdc_residency_size").value
            found = self._loaded[file] = Kernel(
                (library.pdc_resident, size), (library.pdc_debug_step, size), self.capacity
            )
        return found

    def mapped(self, size: int) -> Chunk:
        """Memory of the host."""
        return self._allocate("cudaHostAlloc", size, visible=True)

    def memory(self, size: int) -> Chunk:
        """Memory of the host, which the host is not shown."""
        return self._allocate("cudaMalloc", size, visible=False)

    def _allocate(self, name: str, size: int, *, visible: bool) -> Chunk:
        self.waiting_call(name)
        array = np.zeros(size + ALIGNMENT, np.uint8)
        start = -array.ctypes.data % ALIGNMENT
        data = array[start : start + size].data if visible else None
        return Chunk(array.ctypes.data + start, size, data, array)

    def stream(self) -> EmulatedStream:
        """A thread of its own."""
        return EmulatedStream(self)

    # --- what streams report ---------------------------------------------------------------

    def launched(self) -> None:
        """A kernel will run as soon as its stream lets it."""
        with self._rest:
            self.launches += 1
            self.running += 1

    def began(self) -> None:
        """It runs."""
        with self._rest:
            self.executing += 1
            self.most_executing = max(self.most_executing, self.executing)

    def ended(self) -> None:
        """It has ended."""
        with self._rest:
            self.executing -= 1
            self.running -= 1
            self._rest.notify_all()


class EmulatedStream:
    """Runs what is launched on it, one after the other.

    Args:
        device: whose stream it is.
    """

    def __init__(self, device: Emulator) -> None:
        self._device = device
        self._launched = self._ended = 0  # one thread writes each
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._started = threading.Event()

    def launch(self, function: Any, records: int, count: int, limit: int) -> None:
        """Begin a grid."""
        self._check()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="emulated", daemon=True)
            self._thread.start()
        self._launched += 1
        self._device.launched()
        self._started.clear()
        self._jobs.put(self.job(function, records, count, limit))
        self._started.wait()  # else it would need the GIL of whoever waits for its results

    def job(self, function: Any, records: int, count: int, limit: int) -> Callable[[], None]:
        """What the thread is to do for a launch."""
        entry, size = function

        def run() -> None:
            stays = np.zeros(count * size + 16, np.uint8)
            at = stays.ctypes.data + -stays.ctypes.data % 16
            entry(
                ctypes.c_void_p(records), ctypes.c_uint64(count), ctypes.c_uint64(limit),
                ctypes.byref(self._device.machine), ctypes.c_void_p(at),
            )  # fmt: skip

        return run

    def _check(self) -> None:
        if self._device.faulted:
            raise DeviceFault(self._device.reason or _FAULT)

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            self._device.began()
            self._started.set()
            job()
            self._ended += 1
            self._device.ended()

    def done(self) -> bool:
        """Whether everything launched has ended."""
        self._check()
        return self._launched == self._ended

    def close(self) -> None:
        """End the thread, after what is running."""
        if self._thread is not None:
            self._jobs.put(None)
