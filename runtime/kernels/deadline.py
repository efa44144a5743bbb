"""By when an actor has to have ended, which a second call of ``terminate`` may bring nearer.

Input: the seconds that each call gives.  Output: waits that end in time.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

GRACE: Final = 0.1
"""Seconds kept back from a termination's time for the epilogue; at most a fifth of it."""
LEAST: Final = 0.02
"""Seconds an actor is given to end in any case, also with a timeout of 0."""


class Deadline:
    """The nearest of several deadlines.

    Args:
        loop: the event loop whose clock counts.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._at: float | None = None
        self._grace = GRACE
        self._nearer: asyncio.Future[None] | None = None

    def allow(self, timeout: float | None) -> None:
        """So many seconds are left, or fewer if an earlier call said so."""
        if timeout is None:
            return
        at = self._loop.time() + timeout
        if self._at is None or at < self._at:
            self._at, self._grace = at, min(GRACE, timeout / 5)
            if self._nearer is not None and not self._nearer.done():
                self._nearer.set_result(None)

    async def drained(self, awaited: asyncio.Future[Any]) -> None:
        """Wait for something that happens at leisure: until shortly before the deadline."""
        await self._wait(awaited, early=True)

    async def ended(self, awaited: asyncio.Future[Any]) -> None:
        """Wait for something that has been hurried: until the deadline, and a little at least."""
        await self._wait(awaited, early=False)

    async def _wait(self, awaited: asyncio.Future[Any], *, early: bool) -> None:
        while not awaited.done():
            self._nearer, left = self._loop.create_future(), None
            if self._at is not None:
                left = self._at - self._loop.time()
                left = max(0.0, left - self._grace) if early else max(LEAST, left)
            await asyncio.wait(
                [awaited, self._nearer], timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            if not self._nearer.done():
                return
