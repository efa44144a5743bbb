"""The order in which other threads see what this one writes, for rings that Python works on.

Input: the processor.  Output: a fence, or None where the processor keeps the order by itself.

A record is written before the counter that publishes it, and a counter is read before the record
(``ring``).  The extension does both with acquire and release of C; Python has plain accesses only.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable
from typing import Final

from pydotcompute.accel.storage import extension

STRONG: Final = platform.machine().lower() in ("x86_64", "amd64", "i686", "x86")
"""Whether the processor keeps the order of stores and of loads, so that no fence is needed."""
_lock = threading.Lock()


def fence_by_lock() -> None:
    """Order accesses before this call and accesses after it, except a store and a later load.

    Taking and giving back a lock once orders nothing: accesses may move into the locked part from
    both sides.  Twice does: none passes the first release, and the second acquire comes after it.
    """
    with _lock:
        pass
    with _lock:
        pass


def fence_of(*, strong: bool = STRONG) -> Callable[[], None] | None:
    """The fence that the Python code of a ring needs on this processor.

    Args:
        strong: whether the processor keeps the order.

    Returns:
        None if it needs none; the extension's atomic fence, or without the extension a lock's.
    """
    if strong:
        return None
    fence: Callable[[], None] = fence_by_lock if extension is None else extension.fence
    return fence
