"""Whether an actor's messages break so often that the interpreter alone is faster.

Input: seconds that breaks, interpreted and compiled messages have taken.  Output: a decision after
each window of breaks, and after so many interpreted messages another try of compiled code.
"""

from __future__ import annotations

WINDOW = 256
"""Breaks after which it is decided."""
GAIN = 0.8
"""The interpreter has to take less than this share of the time to be preferred."""
FIRST_STAY, LONGEST_STAY = 1024, 1 << 20
"""Messages that are interpreted before compiled code is tried again: twice as many each time."""


class BreakBalance:
    """The costs of one actor.

    Attributes:
        moved: the interpreter has been preferred.
    """

    __slots__ = ("_breaking", "_breaks", "_busy", "_handled", "_left", "_stay", "_turning", "moved")

    def __init__(self) -> None:
        self.moved = False
        self._stay, self._left = FIRST_STAY, 0
        self._restart(0.0, 0)

    def _restart(self, busy: float, handled: int) -> None:
        self._breaks, self._breaking, self._turning = 0, 0.0, 0.0
        self._busy, self._handled = busy, handled

    def broke(self, breaking: float, turning: float) -> bool:
        """A break is over.

        Args:
            breaking: seconds for all of it, without those for which the actor waited.
            turning: those of them that the interpreter took.

        Returns:
            Whether it is time to ``decide``.
        """
        self._breaks += 1
        self._breaking += breaking
        self._turning += turning
        return self._breaks >= WINDOW

    def decide(self, busy: float, handled: int) -> str | None:
        """Compare the two ways.

        Args:
            busy: seconds that compiled code has taken, ever.
            handled: messages that it has handled, ever.

        Returns:
            Why the interpreter is to run the actor from now on, or None.
        """
        compiled, others = self._breaking + busy - self._busy, handled - self._handled
        alone = self._turning / self._breaks * (self._breaks + others)
        share = self._breaks / (self._breaks + others)
        self._restart(busy, handled)
        if alone >= GAIN * compiled:
            self._stay = FIRST_STAY
            return None
        self.moved, self._left = True, self._stay
        self._stay = min(2 * self._stay, LONGEST_STAY)
        return (f"{share:.0%} of its messages come to something that compiled code cannot do, so "
                "the interpreter alone is faster")  # fmt: skip

    def stays(self) -> bool:
        """A message has been interpreted since the move: whether the next is to be, too."""
        self._left -= 1
        self.moved = self._left > 0
        return self.moved

    def forget(self, busy: float, handled: int) -> None:
        """Begin anew."""
        self.moved = False
        self._restart(busy, handled)
