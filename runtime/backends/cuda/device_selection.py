"""Which device the ``cuda`` backend runs on, and whether it is fit for it.

Input: what was asked for, and the setting ``device``.  Output: a ``Device`` that has shown, by a
small kernel, that it runs beside the host; or the sentence that says why there is none.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from time import perf_counter, sleep

from pydotcompute.backends.device import Device, DeviceFault
from pydotcompute.errors import BackendUnavailableError, BuildError
from pydotcompute.settings import settings

ECHO_SECONDS = 0.05
"""How long a kernel may take to answer a word that is written while it runs."""
DRIVER = Path("/proc/driver/nvidia/version")
"""Where Linux shows that the driver's module is loaded."""
_OSRELEASE = Path("/proc/sys/kernel/osrelease")
_current: ContextVar[int] = ContextVar("pydotcompute_device", default=0)
_opened: dict[str, Device | BackendUnavailableError] = {}
_lock = threading.Lock()


def find(backend: str) -> Device | None:
    """The device for a backend that was asked for.

    Args:
        backend: ``"cuda"``; ``"auto"``, which never takes an emulated device; or another.

    Returns:
        The device; None if the actor is to run elsewhere.

    Raises:
        BackendUnavailableError: ``"cuda"`` was asked for, and there is no device fit for it.
    """
    if backend not in ("cuda", "auto"):
        return None
    if backend == "cuda":
        return open_device(settings().device)
    if not DRIVER.exists():  # importing CuPy takes a second
        return None
    try:
        return open_device("gpu")
    except BackendUnavailableError:
        return None


@contextmanager
def callers_device() -> Iterator[None]:
    """Look for a GPU, on whichever thread, as this thread would: its current device is the one.

    Who has not imported CuPy has not chosen: it is the first.
    """
    cupy, number = sys.modules.get("cupy"), 0
    if cupy is not None:
        with suppress(AttributeError, RuntimeError):  # half imported; no driver
            number = int(cupy.cuda.runtime.getDevice())
    token = _current.set(number)
    try:
        yield
    finally:
        _current.reset(token)


def open_device(name: str) -> Device:
    """A device by the name of the setting, opened and tested once in a process.

    ``"gpu"`` is the current device of the caller, by ``callers_device``.

    Raises:
        BackendUnavailableError: there is none, or it is not fit.
    """
    key = f"gpu{_current.get() or ''}" if name == "gpu" else name
    with _lock:
        if key not in _opened:
            try:
                _opened[key] = _open(name)
            except BackendUnavailableError as error:
                _opened[key] = error
        found = _opened[key]
    if isinstance(found, BackendUnavailableError):
        raise found.with_traceback(None)
    return found


def _open(name: str) -> Device:
    device: Device
    if name == "emulated":
        from pydotcompute.backends.cuda.emulated_device import Emulator

        device = Emulator()
    elif ":" in name:
        module, _, factory = name.partition(":")
        device = getattr(import_module(module), factory)()
    else:
        refuse_platform()
        from pydotcompute.backends.cuda.cupy_device import CupyDevice

        device = CupyDevice(_current.get())
    try:
        check_echo(device)
    except (BuildError, DeviceFault) as error:
        raise BackendUnavailableError(
            f"{device.name} did not run the self-test ({error}); use backend='native'"
        ) from error
    return device


def refuse_platform() -> None:
    """Where resident kernels do not see what the host writes.

    Raises:
        BackendUnavailableError: this is Windows, or Linux inside it.
    """
    try:
        release = _OSRELEASE.read_text(encoding="utf-8")
    except OSError:
        release = ""
    if sys.platform == "win32" or "microsoft" in release.lower():
        raise BackendUnavailableError(
            "The cuda backend needs Linux on the machine itself: under Windows and WSL2 a kernel "
            "that is running does not see what the host writes; use backend='native'."
        )


def check_echo(device: Device) -> None:
    """Let a kernel answer a word that is written after it was launched.

    Raises:
        BackendUnavailableError: it did not, within ``ECHO_SECONDS``.
        BuildError, DeviceFault: it could not be built, or died.
    """
    from pydotcompute.compiler.codegen.render import render_echo

    kernel = device.load(device.compile(render_echo(), "self-test"), 1)
    memory, stream = device.mapped(256), device.stream()
    assert memory.bytes is not None
    words = memory.bytes.cast("Q")
    words[2] = memory.address
    stream.launch(kernel.resident, memory.address + 16, 1, round(ECHO_SECONDS * 1e9))
    words[0] = 42
    began = perf_counter()
    while words[1] != 42:
        if perf_counter() - began > ECHO_SECONDS + 1.0:
            break
        stream.done()
        sleep(0)
    answered, took = words[1] == 42, perf_counter() - began
    stream.close()
    in_time = took <= ECHO_SECONDS or device.name.startswith("emulated")
    if not (answered and in_time):
        raise BackendUnavailableError(
            f"A kernel on {device.name} did not see within {ECHO_SECONDS * 1e3:.0f} ms what the "
            "host wrote, so resident kernels do not work here; use backend='native'."
        )


def _poison() -> None:
    """A forked process must not touch the device of its parent."""
    for name, device in _opened.items():
        if not isinstance(device, BackendUnavailableError) and name.startswith("gpu"):
            _kept.append(device)
            _opened[name] = BackendUnavailableError(
                "CUDA was in use before this process was forked and does not work in it; start "
                "the process with multiprocessing's 'spawn', or use backend='native'"
            )


_kept: list[Device] = []
"""Devices of the parent: what they own must not be given back by a forked child."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_poison)
