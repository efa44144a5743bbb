"""The optional C extension ``_fastpath``: whether it is there, and putting it to use.

Input: the classes of the runtime.  Output: the same classes, whose common cases (``send``,
``receive`` and ``request`` of kernels and runtimes, ``try_put`` and ``try_get`` of ports, a short
burst) run in C.

The Python code is the definition and complete: the extension leaves to it whatever is unusual,
and without a compiler at installation everything runs in Python.  ``use(False)`` does the same in
a process that has the extension.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pydotcompute.compiler.abi import ACTOR
from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.message_schema import STRINGS, Schema, record_dtype, schema_of
from pydotcompute.compiler.types.types import Type
from pydotcompute.errors import SchemaError
from pydotcompute.queues.replies import Request

if TYPE_CHECKING:
    from pydotcompute.kernels.kernel import RingKernel

VERSION: Final = 3
"""What ``_fastpath`` and this file have agreed upon."""

extension: Any = None
"""The module, or None."""
try:
    from pydotcompute.accel import _fastpath

    if getattr(_fastpath, "VERSION", 0) == VERSION:
        extension = _fastpath
except ImportError:
    pass

_CODES = {
    "bool": "?", "int8": "b", "int16": "h", "int32": "i", "int64": "q",
    "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
    "float16": "e", "float32": "f", "float64": "d",
}  # fmt: skip
_MOST_MEMBERS = 16
"""Members of an enum that are worth looking through one by one."""
_LAYOUT = "__pydotcompute_layout__"

if TYPE_CHECKING or extension is None:

    class RingStorage:
        """What a ring keeps.  The extension's class of these attributes keeps them as C has them.

        ``layout`` is what ``layout_of`` says of the one class of messages in the ring.
        """

        __slots__ = (
            "armed", "bound", "buffer", "drop_oldest", "dropped", "get_gate", "head", "layout",
            "mask", "peak", "pull", "put_gate", "sample_at", "sample_time", "seen", "size",
            "slots", "tail", "wake", "words",
        )  # fmt: skip

    class EngineStorage:
        """What a native engine keeps beside its own attributes.

        The extension's class also keeps ``gate``, ``pace``, ``_taken``, ``_staged``, ``_prints``
        and ``_waits`` of ``NativeEngine``, under these names.
        """

        inline_busy = 0.0
        """Seconds that bursts run by the extension have taken and that no meter knows of yet."""

        def attach(self, block: object, inport: Any, outport: Any, actor: int, burst: int) -> None:
            """Let the extension run bursts.

            Args:
                block: owns the actor's memory.
                inport, outport: the actor's rings.
                actor, burst: addresses of the actor block and of the compiled code.
            """

        def detach(self) -> None:
            """Forget what ``attach`` was given."""

        def take_latencies(self) -> list[float]:
            """Latencies, in seconds, that the extension has measured and no meter knows of yet."""
            return []

else:
    RingStorage = extension.Ring
    EngineStorage = extension.Engine


def layout_of(cls: type | None) -> Any:
    """Where the fields of a message lie in its record, for the extension.

    Args:
        cls: a message class, or None.

    Returns:
        An ``_fastpath.Layout``, or None: the codec packs and unpacks such messages.
    """
    if extension is None or cls is None:
        return None
    if _LAYOUT not in cls.__dict__:
        setattr(cls, _LAYOUT, _layout(cls))
    return cls.__dict__[_LAYOUT]


def _layout(cls: type) -> Any:
    try:
        schema: Schema = schema_of(cls)
        fields = [(f.name, f.offset, *_field(f.type)) for f in schema.fields]
        return extension.Layout(cls, schema.dtype.itemsize, tuple(fields))
    except (SchemaError, TypeError, ValueError):
        return None


def _field(t: Type) -> tuple[str, Any]:
    """struct's code for a field, and what the extension has to know beside it."""
    match t:
        case types.BoolType():
            return "?", None
        case types.IntType():
            return "q", None
        case types.FloatType():
            return "d", _probe(np.dtype("f8"), plain=True)
        case types.ScalarType():
            return _CODES[t.name], _probe(t.dtype, plain=False)
        case types.StrType():
            return "s", (STRINGS.ids, STRINGS.texts)
        case types.EnumType() if len(t.members) <= _MOST_MEMBERS:
            return "m", tuple(t.members)
        case _:
            raise TypeError(f"{t} is for the codec: {record_dtype(t)}")


def _probe(dtype: np.dtype[Any], *, plain: bool) -> tuple[Any, bytes, bool]:
    """A scalar of a value that is telling, by which the extension sees where numpy keeps it."""
    raw = b"\1" if dtype.kind == "b" else bytes(range(1, dtype.itemsize + 1))
    return np.frombuffer(raw, dtype)[0], raw, plain


async def _request_begun(
    kernel: RingKernel, message: Any, timeout: float | None, ordinal: int, engine: Any, *burst: Any
) -> Any:
    """The rest of a request that the extension has put, and whose burst did not answer it.

    Args:
        kernel, message, timeout: of the request.
        ordinal: which message of the input queue it is.
        engine: what has to be told of the burst.
        burst: for ``engine.after``.
    """
    actor = kernel._actor
    deadline = None if timeout is None else actor.loop.time() + timeout
    request = Request(message)
    actor.replies.open(request, ordinal)
    try:
        engine.after(*burst)
        if not request.answered:
            await kernel._await_reply(request, deadline, timeout)
    except BaseException:
        actor.replies.give_up(request)
        raise
    return request.reply


def use(fast: bool = True) -> bool:
    """Let the extension take over the common cases, or leave everything to Python.

    It may be called at any time, between two calls of a kernel.

    Args:
        fast: which.

    Returns:
        Whether the extension is in use now.
    """
    if extension is None:
        return False
    if not fast:
        extension.uninstall()
        return False
    from pydotcompute.backends.native.burst_sizing import INLINE_SECONDS, OVERHEAD, Pace
    from pydotcompute.backends.native.engine import FUEL
    from pydotcompute.kernels.kernel import FAIR, RingKernel
    from pydotcompute.kernels.runtime import RingKernelRuntime
    from pydotcompute.messages.header import correlate
    from pydotcompute.messages.slots import ForeignMessage, Values
    from pydotcompute.queues.channel import Channel
    from pydotcompute.queues.port import EMPTY, ObjectPort
    from pydotcompute.queues.ring import InputRing, OutputRing
    from pydotcompute.support.metrics import DENSE, SPARSE

    places = ACTOR.fields
    assert places is not None
    extension.install(
        kernel=RingKernel, runtime=RingKernelRuntime, channel=Channel, inring=InputRing,
        outring=OutputRing, pace=Pace, object_port=ObjectPort, values=Values, empty=EMPTY,
        foreign=ForeignMessage, clock=perf_counter,
        correlate=correlate, begun=_request_begun, calls=FAIR, fuel=FUEL,
        inline_seconds=INLINE_SECONDS, overhead=OVERHEAD, dense=DENSE, sparse=SPARSE,
        fuel_at=places["fuel"][1], carry_at=places["carry"][1],
    )  # fmt: skip
    return True
