"""How much one burst may do, learnt from how long the last ones took.

Input: messages handled and seconds.  Output: a number of messages for the next burst, and whether
the work is too long for the event loop's own thread.
"""

from __future__ import annotations

from pydotcompute.backends.native.block import count

INLINE_SECONDS = 200e-6
"""Longest burst aimed at on the event loop's own thread."""
WORKER_SECONDS = 4e-3
"""Longest burst aimed at on a worker."""
LONG_SECONDS = 500e-6
"""A message that takes longer than this runs on a worker."""
OVERHEAD = 0.5e-6
"""Seconds a burst takes before it has handled anything."""
_MOST = 65536


class BurstSizing:
    """The pace of one actor.

    Attributes:
        cost: seconds a message is estimated to take.
        limit: messages the next burst may handle on the event loop's thread.
        argument: ``limit`` as the entry point takes it.
        long: one message takes too long for the event loop's thread.
        most: messages that any burst may handle now; None: there is no such bound.
    """

    __slots__ = ("argument", "cost", "limit", "long", "most")

    def __init__(self) -> None:
        self.cost = 1e-6
        self.most: int | None = None
        self._aim()

    def handled(self, done: int, seconds: float) -> None:
        """A burst handled ``done`` messages, at least one."""
        cost = (seconds - OVERHEAD) / done
        if cost < 1e-9:
            cost = 1e-9
        self.cost += (cost - self.cost) * (0.125 if done < 64 else 0.5)
        if done >= self.limit or self.cost * self.limit > 2 * INLINE_SECONDS:
            self._aim()

    def _aim(self) -> None:
        self.limit = int(min(_MOST, max(1, INLINE_SECONDS / self.cost)))
        self.argument = count(self.limit)
        self.long = self.cost > LONG_SECONDS

    def worker_limit(self) -> int:
        """Messages a burst on a worker may handle."""
        limit = int(max(1, WORKER_SECONDS / self.cost))
        return limit if self.most is None else min(limit, self.most)
