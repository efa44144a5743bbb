"""What the optional C extension knows of the Python code, and doing without it in tests.

Input: the classes and constants that ``send``, ``receive``, ``request``, ``try_put``, ``try_get``
and a short burst touch.  Output: the extension, if there is one, ready for the first kernel.

Which methods run in C is decided where they are defined (``accel.storage.accelerated``).  The
Python code is the definition and complete: the extension leaves to it whatever is unusual, and
without a compiler at installation everything runs in Python.
"""

from __future__ import annotations

from time import perf_counter

from pydotcompute.accel.storage import extension
from pydotcompute.backends.native.burst_sizing import INLINE_SECONDS, OVERHEAD, BurstSizing
from pydotcompute.backends.native.engine import FUEL
from pydotcompute.messages.header import correlate
from pydotcompute.messages.slots import UnrepresentableMessage, Values
from pydotcompute.queues.channel import Channel
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.port import EMPTY, ObjectPort
from pydotcompute.support.metrics import DENSE, SPARSE
from pydotcompute.support.time_share import CALLS

_bound = False


def bind() -> None:
    """Make the extension ready, if there is one; whoever defines kernels calls it."""
    global _bound
    if extension is None or _bound:
        return
    extension.bind(
        channel=Channel, inring=HostProducer, outring=HostConsumer, sizing=BurstSizing,
        object_port=ObjectPort, values=Values, empty=EMPTY, foreign=UnrepresentableMessage,
        clock=perf_counter, correlate=correlate, calls=CALLS, fuel=FUEL,
        inline_seconds=INLINE_SECONDS, overhead=OVERHEAD, dense=DENSE, sparse=SPARSE,
    )  # fmt: skip
    _bound = True


def use(fast: bool = True) -> bool:
    """Let the extension run the common cases, or leave everything to Python: for tests.

    It may be called at any time, between two calls of a kernel.

    Args:
        fast: whether the extension is to be used.

    Returns:
        Whether it is used now.
    """
    return extension is not None and bool(extension.use(fast))
