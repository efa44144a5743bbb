"""The device interface: what the CuPy class asks of CuPy, and what is said where there is no GPU.

CuPy itself is asked where it is installed, without a driver; the rest is asked of a stand-in over
the PTX device.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextvars import copy_context
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from pydotcompute.backends.cuda import device_selection as devices
from pydotcompute.backends.cuda.cupy_device import CupyDevice
from pydotcompute.backends.cuda.emulated_device import Emulator
from pydotcompute.backends.device import Arena, Chunk, DeviceFault
from pydotcompute.compiler.codegen.render import render_echo
from pydotcompute.errors import BackendUnavailableError, SettingsError
from pydotcompute.settings import scope
from pydotcompute.toolchain import nvrtc
from tests.support.native_actor import kit as native_kit
from tests.support.ptx.cupy_standin import PROCESSORS, Cupy

ECHO = render_echo()


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Cupy:
    """CuPy over a PTX device: what NVRTC makes is PTX here."""
    made = Cupy()
    monkeypatch.setitem(sys.modules, "cupy", made)  # type: ignore[arg-type]
    monkeypatch.setattr(nvrtc, "compile_to_file", partial(nvrtc.compile_to_file, to="ptx"))
    return made


needs_ptx = pytest.mark.skipif(
    native_kit.library() is None or find_spec("cuda.bindings") is None,
    reason="needs a C++ compiler and NVRTC",
)


@needs_ptx
def test_the_device_of_cupy_passes_its_self_test(cupy: Cupy) -> None:
    device = CupyDevice()
    assert (device.name, device.arch, device.connections) == ("PTX 0 (sm_90)", "sm_90", 8)
    file = device.compile(ECHO, "echo")
    kernel = device.load(file, 32)
    assert device.load(file, 32) is kernel
    assert cupy.device.calls == ["load"]
    assert kernel.capacity == 16 * PROCESSORS
    assert cupy.device.launches == 2
    devices.check_echo(device)


def test_mapped_memory_is_visible_and_zeroed(cupy: Cupy) -> None:
    device = CupyDevice()
    chunk = device.mapped(4096)
    assert chunk.bytes is not None
    assert bytes(chunk.bytes) == bytes(4096)
    chunk.bytes[8] = 5
    assert ctypes.c_uint8.from_address(chunk.address + 8).value == 5
    assert device.memory(100).bytes is None


def test_cubins_come_from_our_own_nvrtc() -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    path = nvrtc.compile_to_file(
        'extern "C" __global__ void pdc_resident() {}', "sm_90", name="k"
    )
    assert path.read_bytes().startswith(b"\x7fELF")


@pytest.mark.parametrize(("code", "done"), [(0, True), (600, False), (900, False), (908, False)])
def test_what_a_stream_answers(cupy: Cupy, code: int, done: bool) -> None:
    cupy.answer = code
    assert CupyDevice().stream().done() is done


def test_a_stream_that_has_died_says_so(cupy: Cupy) -> None:
    """CuPy's own ``Stream.done`` is False then, as for one that runs."""
    stream = CupyDevice().stream()
    cupy.device.fault()
    assert cupy.streams[1].done is False
    with pytest.raises(DeviceFault) as caught:
        stream.done()
    assert str(caught.value) == (
        "cudaErrorIllegalAddress: an illegal memory access was encountered"
    )


@needs_ptx
def test_an_error_of_cupy_is_a_fault(cupy: Cupy) -> None:
    device = CupyDevice()
    kernel, stream = device.load(device.compile(ECHO, "echo"), 32), device.stream()
    cupy.device.fault()
    for call in (lambda: stream.launch(kernel.resident, 0, 1, 1), device.stream):
        with pytest.raises(DeviceFault, match="cudaErrorIllegalAddress"):
            call()


@needs_ptx
def test_a_kernel_that_reads_address_0_is_a_fault_of_the_load(cupy: Cupy) -> None:
    device = CupyDevice()
    wrong = ECHO.replace("|| blockIdx.x >= count", "")
    with pytest.raises(DeviceFault, match="cudaErrorIllegalAddress"):
        device.load(device.compile(wrong, "echo"), 32)
        while not device.stream().done():
            pass
    assert "null access" in (cupy.device.reason or "")


def test_connections_are_what_cuda_was_told(cupy: Cupy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32")
    assert CupyDevice().connections == 32


def test_the_device_is_the_callers_current_one(
    cupy: Cupy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Actors are launched by worker threads, whose current device is always 0."""
    monkeypatch.setattr(devices, "_opened", {})
    monkeypatch.setattr(devices, "check_echo", lambda device: None)
    monkeypatch.setattr(devices, "refuse_platform", lambda: None)
    names = []
    with cupy.cuda.Device(3), devices.callers_device():
        context = copy_context()
    for _ in range(2):
        worker = Thread(
            target=context.run, args=(lambda: names.append(devices.open_device("gpu").name),)
        )
        worker.start()
        worker.join()
    assert names == ["PTX 3 (sm_90)"] * 2
    assert devices.open_device("gpu").name == "PTX 0 (sm_90)"


def refusal() -> str:
    with pytest.raises(BackendUnavailableError) as caught:
        CupyDevice()
    return str(caught.value)


def test_sentences_for_what_is_missing(cupy: Cupy, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver() -> int:
        raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")

    cupy.cuda.runtime.getDeviceCount = no_driver
    assert refusal() == (
        "The cuda backend needs an NVIDIA driver and none answers (cudaErrorInsufficientDriver: "
        "CUDA driver version is insufficient); install one from NVIDIA, or start the container "
        "with access to the GPU."
    )
    monkeypatch.setitem(sys.modules, "cupy", Cupy(count=0))  # type: ignore[arg-type]
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
        (cupy.cuda, "Memory"), (cupy.RawKernel, "kernel"), (runtime, "streamQuery"),
        (runtime, "CUDARuntimeError"), (runtime, "getDevice"),
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
