"""A GPU, through CuPy: the only file that imports it.

CuPy compiles nothing here (it would flush small floats to zero): cubins come from our own NVRTC
call and cache, and are loaded as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from pydotcompute.backends.device import Chunk, DeviceFault, Kernel
from pydotcompute.errors import BackendUnavailableError

_SUCCESS, _NOT_READY = 0, 600
_CAPTURING = range(900, 909)
"""Codes of ``cudaStreamQuery`` while some thread captures a graph: no answer, and no fault."""
_CONNECTIONS = "CUDA_DEVICE_MAX_CONNECTIONS"
GET_CUPY = (
    'in the clone of pydotcompute, run `pip install ".[cuda13]"` '
    "(or `[cuda12]` for an older driver)"
)
"""How to come by CuPy.  The package called pydotcompute on PyPI is another one."""


@contextmanager
def _faults() -> Iterator[None]:
    """CuPy's errors are ``RuntimeError``."""
    try:
        yield
    except RuntimeError as error:
        raise DeviceFault(str(error)) from error


class CupyDevice:
    """A CUDA device.

    Args:
        number: which, as CuPy counts them.

    Raises:
        BackendUnavailableError: no CuPy, no driver, or no GPU.
    """

    def __init__(self, number: int = 0) -> None:
        try:
            self._cupy: Any = import_module("cupy")
        except ImportError as error:
            raise BackendUnavailableError(
                f"The cuda backend needs CuPy and it is not installed; {GET_CUPY}."
            ) from error
        cuda = self._cupy.cuda
        try:
            count = cuda.runtime.getDeviceCount()
        except RuntimeError as error:
            raise BackendUnavailableError(
                f"The cuda backend needs an NVIDIA driver and none answers ({error}); install one "
                "from NVIDIA, or start the container with access to the GPU."
            ) from error
        if not count:
            raise BackendUnavailableError(
                "The NVIDIA driver shows no GPU; check CUDA_VISIBLE_DEVICES and nvidia-smi."
            )
        self._device = cuda.Device(number)
        attribute = cuda.runtime.deviceGetAttribute
        self.arch = f"sm_{self._device.compute_capability}"
        self._processors = attribute(cuda.runtime.cudaDevAttrMultiProcessorCount, number)
        name = cuda.runtime.getDeviceProperties(number)["name"].decode()
        self.name = f"{name} ({self.arch})"
        self.connections = max(1, int(os.environ.get(_CONNECTIONS) or 8))
        self._loaded: dict[Path, Kernel] = {}
        self._kept: list[Any] = []

    def compile(self, source: str, name: str) -> Path:
        """A cubin, by NVRTC."""
        from pydotcompute.toolchain import nvrtc

        return nvrtc.compile_to_file(source, self.arch, name=name)

    def load(self, file: Path, lanes: int) -> Kernel:
        """Load a cubin, and launch each of its kernels once with nothing to do.

        Modules are loaded lazily: without that, the first launch would load the code, and wait
        for whatever is resident.
        """
        found = self._loaded.get(file)
        if found is None:
            with _faults(), self._device:
                module = self._cupy.RawModule(path=str(file))
                self._kept.append(module)  # unloading it would wait for the device
                stream = self.stream()
                functions = []
                for name in ("pdc_resident", "pdc_debug_step"):
                    function = (module.get_function(name).kernel, (lanes,))
                    stream.launch(function, 0, 0, 0)
                    functions.append(function)
                fits = self._cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
                    functions[0][0].ptr, lanes, 0
                )
            found = self._loaded[file] = Kernel(functions[0], functions[1], fits * self._processors)
        return found

    def mapped(self, size: int) -> Chunk:
        """Page-locked memory; with unified addressing its address is the same for kernels."""
        cuda = self._cupy.cuda
        with _faults(), self._device:
            memory = cuda.PinnedMemory(
                size, cuda.runtime.hostAllocMapped | cuda.runtime.hostAllocPortable
            )
        data = memoryview(cuda.PinnedMemoryPointer(memory, 0)).cast("B")[:size]
        data[:] = bytes(size)
        return Chunk(memory.ptr, size, data, memory)

    def memory(self, size: int) -> Chunk:
        """Memory of the device, not from CuPy's pool, which may free it behind our back."""
        with _faults(), self._device:
            memory = self._cupy.cuda.Memory(size)
        return Chunk(memory.ptr, size, None, memory)

    def stream(self) -> CupyStream:
        """A stream that is not ordered with the legacy default stream."""
        with _faults(), self._device:
            stream = self._cupy.cuda.Stream(non_blocking=True)
        return CupyStream(stream, self._device, self._cupy.cuda.runtime)


class CupyStream:
    """Launches on one stream.

    Args:
        stream: CuPy's.
        device: whose stream it is.
        runtime: ``cupy.cuda.runtime``.
    """

    def __init__(self, stream: Any, device: Any, runtime: Any) -> None:
        self._stream, self._device, self._runtime = stream, device, runtime

    def launch(self, function: Any, records: int, count: int, limit: int) -> None:
        """Begin a grid, of one block at least."""
        with _faults(), self._device:
            kernel, lanes = function
            kernel((max(1, count),), lanes, (records, count, limit), stream=self._stream)

    def done(self) -> bool:
        """Whether everything launched has ended."""
        # CuPy's Stream.done is False for a stream that has died: ask for the code itself.
        status = self._runtime.streamQuery(self._stream.ptr)
        if status in (_SUCCESS, _NOT_READY) or status in _CAPTURING:
            return bool(status == _SUCCESS)
        raise DeviceFault(str(self._runtime.CUDARuntimeError(status)))

    def close(self) -> None:
        """The stream goes with its object."""
