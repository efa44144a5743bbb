"""What a full queue does, and the states of a kernel: the two public enumerations.

The order of ``BackpressureStrategy`` is part of the binary interface: a member's index is its
``compiler.abi.Policy``, which compiled code reads from the port.
"""

from __future__ import annotations

from enum import Enum

from pydotcompute.compiler.abi import Policy


class BackpressureStrategy(Enum):
    """What ``send`` does when the queue holds ``queue_size`` messages."""

    BLOCK = "block"
    """Wait for room, as long as ``timeout`` allows."""
    REJECT = "reject"
    """Raise ``QueueFullError`` at once."""
    DROP_OLDEST = "drop_oldest"
    """Drop the oldest unread message, and count it."""

    @property
    def policy(self) -> Policy:
        """The same choice as compiled code reads it."""
        return Policy[self.name]


class KernelState(Enum):
    """Where a kernel is in its life."""

    CREATED = "created"
    LAUNCHED = "launched"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    FAILED = "failed"
