"""Python actors compiled to persistent kernels: CUDA, native code, or plain asyncio.

Public names only.  What a message or an actor needs to be *defined* is imported here; what runs
one (asyncio, compilers, CuPy) is imported when its name is first used, so that
``import pydotcompute`` stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydotcompute.actors.decorator import RingKernelFunction, ring_kernel
from pydotcompute.compiler.types.types import Shape
from pydotcompute.errors import (
    ActorFailedError,
    BackendUnavailableError,
    BuildError,
    CapacityError,
    DurabilityError,
    InternalError,
    KernelAlreadyExistsError,
    KernelClosedError,
    KernelNotFoundError,
    KernelStateError,
    LoweringError,
    MessageTypeError,
    MessageValueError,
    PyDotComputeError,
    QueueFullError,
    QueueTimeoutError,
    SchemaError,
    SettingsError,
    SnapshotError,
    TopologyError,
)

# bound here on purpose: the submodule has the name of the function, and the function must win
from pydotcompute.messages.decorator import message
from pydotcompute.queues.backpressure import BackpressureStrategy, KernelState

if TYPE_CHECKING:
    from pydotcompute.actors.context import KernelContext
    from pydotcompute.actors.lowering import Lowering
    from pydotcompute.durability.snapshot import Snapshot
    from pydotcompute.kernels.fallback import FallbackWarning
    from pydotcompute.kernels.kernel import RingKernel
    from pydotcompute.kernels.lifecycle import Termination
    from pydotcompute.kernels.population import Population
    from pydotcompute.kernels.runtime import RingKernelRuntime
    from pydotcompute.messages.union_batch import UnionBatch
    from pydotcompute.support.metrics import Statistics

__all__ = [
    "ActorFailedError",
    "BackendUnavailableError",
    "BackpressureStrategy",
    "BuildError",
    "CapacityError",
    "DurabilityError",
    "FallbackWarning",
    "InternalError",
    "KernelAlreadyExistsError",
    "KernelClosedError",
    "KernelContext",
    "KernelNotFoundError",
    "KernelState",
    "KernelStateError",
    "Lowering",
    "LoweringError",
    "MessageTypeError",
    "MessageValueError",
    "Population",
    "PyDotComputeError",
    "QueueFullError",
    "QueueTimeoutError",
    "RingKernel",
    "RingKernelFunction",
    "RingKernelRuntime",
    "SchemaError",
    "SettingsError",
    "Shape",
    "Snapshot",
    "SnapshotError",
    "Statistics",
    "Termination",
    "TopologyError",
    "UnionBatch",
    "message",
    "ring_kernel",
]

_LATER = {
    "FallbackWarning": "pydotcompute.kernels.fallback",
    "KernelContext": "pydotcompute.actors.context",
    "Lowering": "pydotcompute.actors.lowering",
    "Population": "pydotcompute.kernels.population",
    "RingKernel": "pydotcompute.kernels.kernel",
    "Snapshot": "pydotcompute.durability.snapshot",
    "RingKernelRuntime": "pydotcompute.kernels.runtime",
    "Statistics": "pydotcompute.support.metrics",
    "Termination": "pydotcompute.kernels.lifecycle",
    "UnionBatch": "pydotcompute.messages.union_batch",
}
"""Public names by the module that is imported when they are first used."""


def __getattr__(name: str) -> Any:
    import importlib

    if name == "__version__":
        from importlib.metadata import version

        return version("pydotcompute")
    if name in _LATER:
        value = getattr(importlib.import_module(_LATER[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'pydotcompute' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
