"""How tests ask NVRTC to compile where only the verdict counts, not the code."""

from __future__ import annotations

from pydotcompute.errors import BackendUnavailableError
from pydotcompute.toolchain.nvrtc import find_nvrtc


def quick_options() -> tuple[str, ...]:
    """Options for a cubin that is hardly optimised: NVRTC 13 takes half of the time or less."""
    try:
        version = find_nvrtc().version
    except BackendUnavailableError:
        return ()
    return ("--Ofast-compile=max",) if version >= (13, 0) else ()
