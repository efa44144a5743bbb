"""A stand-in for the module ``cupy``, over a PTX device: what ``CupyDevice`` uses of it.

Names, signatures and return codes are CuPy 14's: ``runtime.streamQuery`` returns codes,
``Stream.done`` compares one with 0 and never raises, pinned memory starts dirty, a launch takes
tuples, and after a fault every call raises.  CuPy loads cubins or PTX; this one takes PTX.
"""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydotcompute.backends.device import DeviceFault
from tests.support.ptx.device import POISON, Program, PtxDevice, build

PROCESSORS = 2
SUCCESS, OUT_OF_MEMORY, NOT_READY, ILLEGAL_ADDRESS = 0, 2, 600, 700
_NAMES = {
    OUT_OF_MEMORY: "cudaErrorMemoryAllocation: out of memory",
    ILLEGAL_ADDRESS: "cudaErrorIllegalAddress: an illegal memory access was encountered",
}


class CUDARuntimeError(RuntimeError):
    """CuPy's error.

    Args:
        status: the code.
    """

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(_NAMES.get(status, f"cudaError {status}"))


class Cupy:
    """The module.

    Args:
        device: runs what is launched; all numbers of devices are this one.
        count: how many devices there seem to be.
    """

    def __init__(self, device: PtxDevice | None = None, count: int = 1) -> None:
        self.device = PtxDevice() if device is None else device
        self.streams: dict[int, Any] = {}
        self.answer: int | None = None
        """What ``streamQuery`` is to return, if a test says so."""
        self.memory_left: int | None = None
        """Bytes that can still be allocated, if a test says so."""
        self._current = threading.local()
        self.RawModule = self._module
        runtime = SimpleNamespace(
            hostAllocPortable=1, hostAllocMapped=2, cudaDevAttrMultiProcessorCount=16,
            getDeviceCount=lambda: count, getDevice=lambda: getattr(self._current, "id", 0),
            getDeviceProperties=lambda device: {"name": f"PTX {device}".encode()},
            deviceGetAttribute=lambda attrib, device: {16: PROCESSORS}[attrib],
            streamQuery=self._query, CUDARuntimeError=CUDARuntimeError,
        )  # fmt: skip
        driver = SimpleNamespace(
            occupancyMaxActiveBlocksPerMultiprocessor=lambda func, block_size, shared_size: 16
        )
        self.cuda = SimpleNamespace(
            runtime=runtime, driver=driver, Device=self._select, Stream=self._stream,
            PinnedMemory=self._pinned, Memory=self._memory,
            PinnedMemoryPointer=lambda mem, offset: mem.data,
        )  # fmt: skip

    def _check(self) -> None:
        if self.device.faulted:
            raise CUDARuntimeError(ILLEGAL_ADDRESS)

    # --- devices and memory ----------------------------------------------------------------

    def _select(self, device: int | None = None) -> _Device:
        return _Device(self._current, self.cuda.runtime.getDevice() if device is None else device)

    def _room(self, size: int) -> None:
        self._check()
        if self.memory_left is not None:
            if size > self.memory_left:
                raise CUDARuntimeError(OUT_OF_MEMORY)
            self.memory_left -= size

    def _pinned(self, size: int, flags: int = 0) -> Any:
        self._room(size)
        chunk = self.device.mapped(size)
        assert flags == 3, "kernels see mapped memory only"
        assert chunk.bytes is not None
        chunk.bytes[:] = bytes([POISON]) * size
        data = (ctypes.c_char * size).from_address(chunk.address)
        return SimpleNamespace(ptr=chunk.address, size=size, data=data, chunk=chunk)

    def _memory(self, size: int) -> Any:
        self._room(size)
        chunk = self.device.memory(size)
        return SimpleNamespace(ptr=chunk.address, size=size, chunk=chunk)

    # --- modules and streams ---------------------------------------------------------------

    def _module(self, *, path: str) -> Any:
        self._check()
        self.device.waiting_call("load")
        program = Program(build(Path(path).read_text(encoding="utf-8"), "module"))
        return SimpleNamespace(
            get_function=lambda name: SimpleNamespace(kernel=_Function(self, program, name))
        )

    def _stream(self, null: bool = False, non_blocking: bool = False) -> _Stream:
        self._check()
        assert non_blocking, "a resident kernel would order the legacy default stream"
        made = _Stream(self, len(self.streams) + 1)
        self.streams[made.ptr] = made
        return made

    def _query(self, stream: int) -> int:
        if self.answer is not None:
            return self.answer
        if self.device.faulted:
            return ILLEGAL_ADDRESS
        return SUCCESS if self.streams[stream].work.done() else NOT_READY


class _Device:
    """``cupy.cuda.Device``: a context in which it is the current one."""

    compute_capability = "90"

    def __init__(self, current: threading.local, number: int) -> None:
        self._current, self.id = current, number
        self._before: list[int] = []

    def __enter__(self) -> _Device:
        self._before.append(getattr(self._current, "id", 0))
        self._current.id = self.id
        return self

    def __exit__(self, *_: object) -> None:
        self._current.id = self._before.pop()

    def use(self) -> None:
        """Make it the current device of this thread."""
        self._current.id = self.id


class _Stream:
    """``cupy.cuda.Stream``."""

    def __init__(self, cupy: Cupy, ptr: int) -> None:
        self._cupy, self.ptr = cupy, ptr
        self.work = cupy.device.stream()

    @property
    def done(self) -> bool:
        """As CuPy has it: False for a stream that has died."""
        return bool(self._cupy.cuda.runtime.streamQuery(self.ptr) == SUCCESS)

    def __del__(self) -> None:
        self.work.close()


class _Function:
    """``cupy.cuda.function.Function``."""

    def __init__(self, cupy: Cupy, program: Program, name: str) -> None:
        self._cupy, self._program, self._name = cupy, program, name
        self.ptr = id(self)

    def __call__(
        self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[int, ...],
        shared_mem: int = 0, stream: Any = None, enable_cooperative_groups: bool = False,
    ) -> None:  # fmt: skip
        assert isinstance(grid, tuple)
        assert isinstance(block, tuple)
        self._cupy._check()
        try:
            stream.work.launch((self._program, self._name, block[0], grid[0]), *args)
        except DeviceFault as fault:
            raise CUDARuntimeError(ILLEGAL_ADDRESS) from fault
