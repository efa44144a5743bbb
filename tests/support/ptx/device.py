"""The PTX device: what NVRTC makes of a kernel, run on the host behind the ``Device`` protocol.

``PYDOTCOMPUTE_DEVICE=tests.support.ptx.device:PtxDevice`` selects it; the tests take ``ptx`` for
short.  It does what a GPU does and the emulated device does not: it launches each kernel once with
zeros when it is loaded, starts with dirty memory, and dies of a bad access for good.
"""

from __future__ import annotations

import ctypes
import os
from bisect import insort
from pathlib import Path
from typing import Any

import numpy as np

from pydotcompute.backends.cuda.emulated_device import EmulatedStream, Emulator
from pydotcompute.backends.device import ALIGNMENT, Chunk, DeviceFault, Kernel
from pydotcompute.toolchain import nvrtc
from pydotcompute.toolchain.host_cc import find_compiler
from tests.support.ptx.translator import translate

ARCH = "sm_90"
BARRIER_SECONDS = 20.0
"""How long lanes wait at a barrier before that is a fault.  One lane runs a whole burst while the
others wait, so it is long."""
CAPACITY = 128
"""Blocks that fit at the same time."""
POISON = 0xA5
SEED = int(os.environ.get("PYDOTCOMPUTE_PTX_SEED", "1"))
"""Decides in which order lanes go on after a barrier."""


class _Allocation(ctypes.Structure):
    _fields_ = (("start", ctypes.c_uint64), ("end", ctypes.c_uint64), ("visible", ctypes.c_uint64))


class _Launch(ctypes.Structure):
    _fields_ = (
        ("grid", ctypes.c_uint32), ("lanes", ctypes.c_uint32), ("param_count", ctypes.c_uint64),
        ("params", ctypes.c_void_p), ("allocations", ctypes.c_void_p),
        ("allocation_count", ctypes.c_uint64), ("machine", ctypes.c_void_p),
        ("barrier_ns", ctypes.c_uint64), ("seed", ctypes.c_uint64), ("fault", ctypes.c_void_p),
    )  # fmt: skip


class Program:
    """A translated module.

    Args:
        file: its library.
    """

    def __init__(self, file: Path) -> None:
        self._library = ctypes.CDLL(str(file))
        self._run = self._library.ptx_run
        self._run.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
        table = (ctypes.c_uint64 * 2 * 4096).in_dll(self._library, "ptx_globals")
        self.variables: list[tuple[int, int]] = []
        """Addresses and sizes of the module's own variables."""
        for address, size in iter(lambda: tuple(table[len(self.variables)]), (0, 0)):
            self.variables.append((address, size))

    def run(
        self, kernel: str, params: list[int], memory: list[tuple[int, int, int]], machine: Any,
        *, grid: int = 1, lanes: int = 32, barrier: float = BARRIER_SECONDS, seed: int = SEED,
    ) -> str | None:  # fmt: skip
        """Run a grid to its end.

        Args:
            kernel: its name.
            params: what it gets, eight bytes each.
            memory: start, end, and whether the host sees it, of each allocation, in order.
            machine: the words of ``Emulator.machine``.
            grid: blocks.
            lanes: of a block.
            barrier: seconds that lanes wait at a barrier.
            seed: decides the order of lanes.

        Returns:
            What it died of, or None.
        """
        known = sorted([*memory, *((at, at + size, 0) for at, size in self.variables)])
        allocations = (_Allocation * max(1, len(known)))(*known)
        given = (ctypes.c_uint64 * max(1, len(params)))(*params)
        text = ctypes.create_string_buffer(512)
        launch = _Launch(
            grid, lanes, len(params), ctypes.addressof(given), ctypes.addressof(allocations),
            len(known), ctypes.addressof(machine), round(barrier * 1e9), seed,
            ctypes.addressof(text),
        )  # fmt: skip
        found = self._run(kernel.encode(), ctypes.addressof(launch))
        if found == 3:
            raise KeyError(f"the PTX has no kernel {kernel!r}")
        return text.value.decode() or None


def build(ptx: str, name: str) -> Path:
    """Translate and compile PTX, or find the result in the cache."""
    return find_compiler().compile_shared(translate(ptx), name=f"{name}_ptx", flags=("-Og",))


class PtxDevice(Emulator):
    """A device that runs PTX.

    Args:
        connections: as of a GPU.
        capacity: blocks of a grid that fit at the same time.
    """

    name = "emulated PTX"

    def __init__(self, connections: int = 8, capacity: int = CAPACITY) -> None:
        super().__init__(connections, capacity)
        self.barrier = BARRIER_SECONDS
        self._memory: list[tuple[int, int, int]] = []
        self._kept: list[Any] = []

    def compile(self, source: str, name: str) -> Path:
        """By NVRTC to PTX, and from there by the host's compiler."""
        return build(nvrtc.compile(source, ARCH, name=name, to="ptx").decode(), name)

    def load(self, file: Path, lanes: int) -> Kernel:
        """Load a library once; launch each of its kernels with zeros, as ``CupyDevice`` does."""
        found = self._loaded.get(file)
        if found is None:
            self.waiting_call("load")
            program = Program(file)
            handles = tuple((program, name, lanes) for name in ("pdc_resident", "pdc_debug_step"))
            for handle in handles:
                self.execute(handle, 0, 0, 0)
            if self.reason is not None:
                raise DeviceFault(self.reason)
            found = self._loaded[file] = Kernel(handles[0], handles[1], self.capacity)
        return found

    def execute(self, function: Any, records: int, count: int, limit: int) -> None:
        """Run a grid to its end, on this thread; remember what it died of."""
        program, name, lanes, *grid = function
        died = program.run(
            name, [records, count, limit], list(self._memory), self.machine,
            grid=grid[0] if grid else max(1, count), lanes=lanes, barrier=self.barrier,
        )  # fmt: skip
        if died is not None:
            self.reason = died
            self.fault()

    def _allocate(self, name: str, size: int, *, visible: bool) -> Chunk:
        self.waiting_call(name)
        array = np.full(size + ALIGNMENT, 0 if visible else POISON, np.uint8)
        start = -array.ctypes.data % ALIGNMENT
        address = array.ctypes.data + start
        insort(self._memory, (address, address + size, int(visible)))
        self._kept.append(array)  # kernels may still write to what nobody holds
        return Chunk(address, size, array[start : start + size].data if visible else None, array)

    def stream(self) -> PtxStream:
        """A thread of its own."""
        return PtxStream(self)


class PtxStream(EmulatedStream):
    """Runs grids on its thread, one after the other."""

    def job(self, function: Any, records: int, count: int, limit: int) -> Any:
        """What the thread is to do for a launch."""
        device: Any = self._device
        return lambda: device.execute(function, records, count, limit)
