"""The time-out of a compiled actor's ``receive``.

Input: how long the receive waits.  Output: a call when that has passed without a message.

Under load the wait begins anew after every message; the timer is not set anew each time but looks,
when it fires, whether the last wait is over.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable


class ReceiveTimer:
    """One timer.

    Args:
        loop: the event loop.
        late: what to call.
    """

    __slots__ = ("_due", "_late", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, late: Callable[[], None]) -> None:
        self._loop, self._late = loop, late
        self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, timeout: float) -> None:
        """A wait begins now.

        Args:
            timeout: seconds; NaN waits for ever.
        """
        self._due = math.inf if math.isnan(timeout) else self._loop.time() + timeout
        if self._due == math.inf:
            return
        if self._timer is not None and self._timer.when() > self._due:
            self.cancel()
        if self._timer is None:
            self._timer = self._loop.call_at(self._due, self._fire)

    def cancel(self) -> None:
        """No call, until ``set`` again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        if self._due == math.inf:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._fire)
        else:
            self._late()
