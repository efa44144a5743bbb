"""How many instances of a population are woken before other tasks of the event loop get their turn.

Input: the time that the last ones took.  Output: a number that takes about ``STRETCH`` at most.
"""

from __future__ import annotations

import asyncio
from time import perf_counter

from pydotcompute.backends.python.engine import FAIR, STRETCH

_FIRST = 16
"""Instances that are woken at once as long as nothing was measured."""


class Pacing:
    """Counts instances that are woken in the same turn of the event loop."""

    __slots__ = ("_began", "_most", "_woken")

    def __init__(self) -> None:
        self._most, self._woken, self._began = _FIRST, 0, 0.0

    async def woke(self) -> None:
        """An instance was woken: let those that were run, if they are many enough."""
        if not self._woken:
            self._began = perf_counter()
        self._woken += 1
        if self._woken >= self._most:
            await self.let_run()

    async def let_run(self) -> None:
        """Let the instances run that were woken, and all other tasks."""
        await asyncio.sleep(0)
        seconds = perf_counter() - self._began
        if seconds > STRETCH:
            self._most = max(1, self._most // 2)
        elif seconds < STRETCH / 2:
            self._most = min(FAIR, self._most * 2)
        self._woken = 0

    def waited(self) -> None:
        """The event loop has had its turns meanwhile."""
        self._woken = 0
