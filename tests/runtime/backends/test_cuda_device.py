"""The device interface: what the CuPy class asks of CuPy, and what is said where there is no GPU.

CuPy itself is asked where it is installed, without a driver; the rest is asked of a stand-in that
notes the calls.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pydotcompute.backends.cuda import device_selection as devices
from pydotcompute.backends.cuda.cupy_device import CupyDevice
from pydotcompute.backends.cuda.emulated_device import Emulator
from pydotcompute.backends.device import Arena, Chunk, DeviceFault
from pydotcompute.errors import BackendUnavailableError, SettingsError
from pydotcompute.settings import scope
from tests.support.native_actor import kit as native_kit


class _Cupy:
    """What the device class uses of CuPy."""

    def __init__(self, count: int = 1) -> None:
        self.calls: list[Any] = []
        self.error: RuntimeError | None = None
        self.RawModule = self._module
        runtime = SimpleNamespace(
            getDeviceCount=self._count(count), deviceGetAttribute=lambda which, number: 132,
            cudaDevAttrMultiProcessorCount=16, hostAllocMapped=2, hostAllocPortable=1,
            getDeviceProperties=lambda number: {"name": b"NVIDIA H200"},
        )  # fmt: skip
        self.cuda = SimpleNamespace(
            runtime=runtime, Device=_Selected, PinnedMemory=self._pinned, Memory=self._memory,
            PinnedMemoryPointer=lambda memory, offset: memory.data, Stream=self._stream,
            driver=SimpleNamespace(
                occupancyMaxActiveBlocksPerMultiprocessor=lambda f, lanes, shared: 16
            ),
        )  # fmt: skip

    def _count(self, count: int) -> Any:
        def ask() -> int:
            if self.error is not None:
                raise self.error
            return count

        return ask

    def _module(self, *, path: str) -> Any:
        self.calls.append(("load", path))
        return SimpleNamespace(get_function=self._function)

    def _function(self, name: str) -> Any:
        def launch(grid: Any, block: Any, args: Any, *, stream: Any) -> None:
            if self.error is not None:
                raise self.error
            self.calls.append((name, grid, block, args, stream.options))

        launch.ptr = 7  # type: ignore[attr-defined]
        return SimpleNamespace(kernel=launch)

    def _pinned(self, size: int, flags: int) -> Any:
        self.calls.append(("pinned", size, flags))
        data = (ctypes.c_char * size)()
        return SimpleNamespace(data=data, ptr=ctypes.addressof(data))

    def _memory(self, size: int) -> Any:
        self.calls.append(("memory", size))
        return SimpleNamespace(ptr=0xD000)

    def _stream(self, **options: Any) -> Any:
        def done() -> bool:
            if self.error is not None:
                raise self.error
            return True

        return type("Stream", (), {"options": options, "done": property(lambda self: done())})()


class _Selected:
    id = 0
    compute_capability = "90"

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> _Cupy:
    made = _Cupy()
    monkeypatch.setitem(sys.modules, "cupy", made)  # type: ignore[arg-type]
    return made


def test_what_cupy_is_asked_for(cupy: _Cupy, tmp_path: Path) -> None:
    device = CupyDevice()
    assert (device.name, device.arch, device.connections) == ("NVIDIA H200 (sm_90)", "sm_90", 8)
    kernel = device.load(tmp_path / "k.cubin", 32)
    assert device.load(tmp_path / "k.cubin", 32) is kernel
    assert kernel.capacity == 16 * 132
    warm = ((1,), (32,), (0, 0, 0), {"non_blocking": True})
    assert cupy.calls == [
        ("load", str(tmp_path / "k.cubin")), ("pdc_resident", *warm), ("pdc_debug_step", *warm)
    ]  # fmt: skip
    cupy.calls.clear()
    stream = device.stream()
    stream.launch(kernel.resident, 4096, 3, 5_000_000)
    assert stream.done()
    assert cupy.calls == [
        ("pdc_resident", (3,), (32,), (4096, 3, 5_000_000), {"non_blocking": True})
    ]


def test_mapped_memory_is_visible_and_zeroed(cupy: _Cupy) -> None:
    device = CupyDevice()
    chunk = device.mapped(4096)
    assert cupy.calls == [("pinned", 4096, 3)]
    assert chunk.bytes is not None
    assert bytes(chunk.bytes) == bytes(4096)
    chunk.bytes[8] = 5
    assert ctypes.c_uint8.from_address(chunk.address + 8).value == 5
    assert device.memory(100).bytes is None


def test_cubins_come_from_our_own_nvrtc(cupy: _Cupy) -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    path = CupyDevice().compile('extern "C" __global__ void pdc_resident() {}', "k")
    assert path.read_bytes().startswith(b"\x7fELF")


def test_an_error_of_cupy_is_a_fault(cupy: _Cupy, tmp_path: Path) -> None:
    device = CupyDevice()
    kernel, stream = device.load(tmp_path / "k.cubin", 32), device.stream()
    cupy.error = RuntimeError("cudaErrorIllegalAddress: an illegal memory access was encountered")
    for call in (lambda: stream.launch(kernel.resident, 0, 1, 1), stream.done):
        with pytest.raises(DeviceFault) as caught:
            call()
        assert str(caught.value) == str(cupy.error)


def test_connections_are_what_cuda_was_told(cupy: _Cupy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32")
    assert CupyDevice().connections == 32


def refusal() -> str:
    with pytest.raises(BackendUnavailableError) as caught:
        CupyDevice()
    return str(caught.value)


def test_sentences_for_what_is_missing(cupy: _Cupy, monkeypatch: pytest.MonkeyPatch) -> None:
    cupy.error = RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
    assert refusal() == (
        "The cuda backend needs an NVIDIA driver and none answers (cudaErrorInsufficientDriver: "
        "CUDA driver version is insufficient); install one from NVIDIA, or start the container "
        "with access to the GPU."
    )
    monkeypatch.setitem(sys.modules, "cupy", _Cupy(0))  # type: ignore[arg-type]
    assert refusal() == (
        "The NVIDIA driver shows no GPU; check CUDA_VISIBLE_DEVICES and nvidia-smi."
    )
    monkeypatch.setitem(sys.modules, "cupy", None)  # type: ignore[arg-type]
    assert refusal() == (
        "The cuda backend needs CuPy and it is not installed; in the clone of pydotcompute, run "
        "`pip install \".[cuda13]\"` (or `[cuda12]` for an older driver)."
    )


@pytest.mark.skipif(devices.DRIVER.exists(), reason="there is a driver")
def test_cupy_itself_without_a_driver() -> None:
    pytest.importorskip("cupy")
    assert refusal() == (
        "The cuda backend needs an NVIDIA driver and none answers (cudaErrorInsufficientDriver: "
        "CUDA driver version is insufficient for CUDA runtime version); install one from NVIDIA, "
        "or start the container with access to the GPU."
    )


def test_cupy_has_the_names_that_are_used() -> None:
    cupy = pytest.importorskip("cupy")
    runtime = cupy.cuda.runtime
    assert runtime.hostAllocMapped | runtime.hostAllocPortable == 3
    for owner, name in (
        (runtime, "deviceGetAttribute"), (runtime, "cudaDevAttrMultiProcessorCount"),
        (runtime, "getDeviceProperties"), (cupy.cuda, "PinnedMemoryPointer"),
        (cupy.cuda, "Memory"), (cupy.cuda.Stream, "done"), (cupy.RawKernel, "kernel"),
        (cupy.cuda.driver, "occupancyMaxActiveBlocksPerMultiprocessor"),
    ):  # fmt: skip
        assert hasattr(owner, name), name


# --- which device --------------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["5.15.90.1-microsoft-standard-WSL2", "4.4.0-Microsoft"])
def test_wsl_is_refused(
    release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "osrelease").write_text(release + "\n")
    monkeypatch.setattr(devices, "_OSRELEASE", tmp_path / "osrelease")
    with pytest.raises(BackendUnavailableError) as caught:
        devices.refuse_platform()
    assert str(caught.value) == (
        "The cuda backend needs Linux on the machine itself: under Windows and WSL2 a kernel that "
        "is running does not see what the host writes; use backend='native'."
    )


def test_auto_takes_no_emulated_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(devices, "DRIVER", tmp_path / "no driver")
    with scope(device="emulated"):
        assert devices.find("auto") is None
        assert devices.find("native") is None


@pytest.mark.skipif(native_kit.library() is None, reason="no C++ compiler")
def test_a_device_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Emulator()
    monkeypatch.setattr(devices, "ECHO_SECONDS", -2.0)  # whatever comes, comes too late
    with pytest.raises(BackendUnavailableError) as caught:
        devices.check_echo(_Deaf(device))
    assert str(caught.value) == (
        "A kernel on emulated did not see within -2000 ms what the host wrote, so resident "
        "kernels do not work here; use backend='native'."
    )


class _Deaf:
    """An emulated device whose kernels never run."""

    def __init__(self, device: Emulator) -> None:
        self._device = device

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def stream(self) -> Any:
        return SimpleNamespace(
            launch=lambda *given: None, done=lambda: False, close=lambda: None
        )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_does_not_touch_its_parents_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_opened", {"gpu": Emulator()})
    monkeypatch.setattr(devices, "_kept", [])
    devices._poison()
    with pytest.raises(BackendUnavailableError) as caught:
        devices.open_device("gpu")
    assert str(caught.value) == (
        "CUDA was in use before this process was forked and does not work in it; start the "
        "process with multiprocessing's 'spawn', or use backend='native'"
    )


def test_debug_step_is_a_number() -> None:
    with pytest.raises(SettingsError) as caught, scope(debug_step="often"):
        pass
    assert str(caught.value) == "debug_step is 'often'; it takes a whole number, 0 or more"


# --- arenas --------------------------------------------------------------------------------------


def test_an_arena_hands_out_what_was_given_back() -> None:
    asked: list[int] = []

    def ask(size: int) -> Chunk:
        asked.append(size)
        return Chunk(1 << 20, size, memoryview(bytearray(size)), None)

    arena = Arena(ask, 4096)
    pieces = [arena.take(1000) for _ in range(4)]
    assert [piece.address - (1 << 20) for piece in pieces] == [0, 1024, 2048, 3072]
    pieces[1].bytes[:] = b"x" * 1000
    for piece in (pieces[1], pieces[2]):
        arena.give_back(piece)
    again = arena.take(2048)
    assert (again.address, asked) == (pieces[1].address, [4096])
    assert bytes(again.bytes) == bytes(2048)
    arena.take(10_000)
    assert asked == [4096, 10_240]
