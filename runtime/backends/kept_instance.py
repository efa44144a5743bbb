"""An instance of a population, as the host keeps it.

Input: what an engine knows of it.  Output: what another engine goes on with; and of an instance
whose messages compiled code does not handle, what the interpreter needs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from pydotcompute.backends.base import Failure


@dataclass
class KeptInstance:
    """One instance.

    Args:
        values: its variables; None where compiled code has them.
        failure: why it failed.
        ended: its function has come to its end.
        waiting: messages that wait for it outside of the queue, oldest first, with their ordinals.
    """

    values: dict[str, Any] | None = None
    failure: Failure | None = None
    ended: bool = False
    waiting: deque[tuple[int, Any]] = field(default_factory=deque)

    @property
    def refuses(self) -> bool:
        """Whether messages to it are refused."""
        return self.failure is not None or self.ended

    def variables(self) -> dict[str, Any] | None:
        """Its variables; None where compiled code has them."""
        if self.failure is not None:
            return self.failure.state | self.failure.state_after
        return self.values
