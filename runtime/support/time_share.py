"""How long the calls of one task may hold the event loop.

A call that need not wait returns without suspending its task.  A task that makes one such call
after another, to however many kernels, lets the others run after ``STRETCH``.  Tasks that make a
few calls each are never suspended here: their messages keep the order of their calls.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final
from weakref import WeakKeyDictionary

STRETCH: Final = 0.001
"""Seconds that the calls of one task hold the event loop at most, and then ``CALLS`` more calls."""
CALLS: Final = 32
"""Calls between two looks at the clock."""


class TimeShare:
    """The time of one event loop, as its running task uses it."""

    __slots__ = ("_begun", "_task", "calls")

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None
        self._begun = 0.0
        self.calls = CALLS
        """Calls until ``spent`` is to be asked, where the extension does not count them."""

    def spent(self) -> bool:
        """Whether the running task must let others run now; its next stretch begins then."""
        self.calls = CALLS
        now = perf_counter()
        try:
            task = asyncio.current_task()
        except RuntimeError:  # a coroutine that is run by hand
            return False
        if self._task is None:
            asyncio.get_running_loop().call_soon(self._next_turn)
        elif self._task is task:
            return now - self._begun >= STRETCH
        self._task, self._begun = task, now
        return False

    def _next_turn(self) -> None:
        """The loop runs other tasks: whoever is suspended has let them run."""
        self._task = None


_SHARES: WeakKeyDictionary[asyncio.AbstractEventLoop, TimeShare] = WeakKeyDictionary()


def share_of(loop: asyncio.AbstractEventLoop) -> TimeShare:
    """The one ``TimeShare`` of an event loop."""
    found = _SHARES.get(loop)
    if found is None:
        found = _SHARES[loop] = TimeShare()
    return found
