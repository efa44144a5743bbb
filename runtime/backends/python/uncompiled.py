"""What engines of compiled code have to do and interpreting ones have not.

Input: calls of the host.  Output: nothing.
"""

from __future__ import annotations

from typing import Any

from pydotcompute.backends.base import Interpreter


class Uncompiled:
    """What an engine that interprets has nothing to do for."""

    name = "python"
    interprets = True
    known_state: dict[str, Any] | None = None

    def settle(self) -> None:
        """Nothing to bring up to date: the meter is written as things happen."""

    def note_drops(self) -> None:
        """Nothing to tell: its queue says what it drops."""

    def is_idle(self) -> bool:
        """Only asked of single actors, whose engine knows."""
        return False

    def expire(self) -> None:
        """Only told to single actors, whose engine knows."""

    def expect(self) -> None:
        """Nothing to make room for: it takes messages of every class."""

    def compiled(self) -> None:
        """The plan concerns the next engine."""

    async def hold(self) -> None:
        """It looks for edges at each message."""

    def rerouted(self) -> None:
        """It looks for edges at each message."""

    def come(self) -> None:
        """It waits for room by itself."""

    async def surrender(self, reason: str) -> None:
        """It has taken over already."""

    def pass_on(self, successor: Interpreter) -> None:
        """Nothing takes over from the interpreter."""
