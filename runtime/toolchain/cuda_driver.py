"""The NVIDIA driver of this machine: is it there, and which GPUs does it show.

In: nothing.  Out: ``Driver``, or a sentence that says why there is none.  Nothing is allocated on
a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pydotcompute.errors import BackendUnavailableError

_PROC = Path("/proc/driver/nvidia/version")


class _Refused(RuntimeError):
    """The driver answered with an error."""


@dataclass(frozen=True)
class Driver:
    """A driver that answers.

    Args:
        version: the newest CUDA it supports: (13, 0).
        devices: names of the GPUs with their compute capability: ``"NVIDIA H100 (sm_90)"``.
    """

    version: tuple[int, int]
    devices: tuple[str, ...]


def find_driver() -> Driver:
    """Ask the driver what it has.

    Raises:
        BackendUnavailableError: no driver, no GPU, or no package to ask with.
    """
    try:
        api: Any = import_module("cuda.bindings.driver")
    except ImportError:
        state = "is" if _PROC.exists() else "seems not to be"
        raise BackendUnavailableError(
            f"An NVIDIA driver {state} installed, and there is no package to ask it with; run "
            "`pip install cuda-bindings`."
        ) from None
    try:
        _call(api, "cuInit", 0)
        version = _call(api, "cuDriverGetVersion")
        devices = tuple(_describe(api, n) for n in range(_call(api, "cuDeviceGetCount")))
    except RuntimeError as exc:  # ours, or that of the package: no driver library
        said = f" ({exc})" if isinstance(exc, _Refused) else ""
        raise BackendUnavailableError(
            f"No NVIDIA driver answers on this machine{said}; install one from NVIDIA, or start "
            "the container with access to the GPU."
        ) from exc
    if not devices:
        raise BackendUnavailableError(
            "The NVIDIA driver shows no GPU; check CUDA_VISIBLE_DEVICES and nvidia-smi."
        )
    return Driver((version // 1000, version % 1000 // 10), devices)


def _describe(api: Any, number: int) -> str:
    device = _call(api, "cuDeviceGet", number)
    name = _call(api, "cuDeviceGetName", 128, device).rstrip(b"\0").decode()
    attribute = api.CUdevice_attribute
    major, minor = (
        _call(api, "cuDeviceGetAttribute", which, device)
        for which in (
            attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
            attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
        )
    )
    return f"{name} (sm_{major}{minor})"


def _call(api: Any, function: str, *arguments: Any) -> Any:
    status, *values = getattr(api, function)(*arguments)
    if status != api.CUresult.CUDA_SUCCESS:
        raise _Refused(f"{function}: {getattr(status, 'name', status)}")
    return values[0] if values else None
