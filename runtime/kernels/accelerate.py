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
from typing import TYPE_CHECKING, Any

from pydotcompute.accel.storage import extension
from pydotcompute.queues.replies import Request

if TYPE_CHECKING:
    from pydotcompute.kernels.kernel import RingKernel

async def _request_begun(
    kernel: RingKernel, message: Any, timeout: float | None, ordinal: int, engine: Any, *burst: Any
) -> Any:
    """Finish a request that the extension enqueued but could not answer inline.

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

    extension.install(
        kernel=RingKernel, runtime=RingKernelRuntime, channel=Channel, inring=InputRing,
        outring=OutputRing, pace=Pace, object_port=ObjectPort, values=Values, empty=EMPTY,
        foreign=ForeignMessage, clock=perf_counter,
        correlate=correlate, begun=_request_begun, calls=FAIR, fuel=FUEL,
        inline_seconds=INLINE_SECONDS, overhead=OVERHEAD, dense=DENSE, sparse=SPARSE,
    )  # fmt: skip
    return True
