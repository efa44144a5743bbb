"""Steps a coroutine that may refuse to end, inside a task that always does.

Input: an actor's coroutine.  Output: an awaitable that ends when the coroutine ends, or when it
yields ``ABANDON``, or when it is abandoned from outside.

Why not a plain task: a function with a bare ``except`` swallows cancellation, so ``asyncio.run``
would wait for it for ever; collecting its coroutine raises ``GeneratorExit`` in it, which it
swallows too, and the interpreter hangs or complains at exit.  An abandoned coroutine is therefore
leaked on purpose: it stays suspended for the life of the process.
"""

from __future__ import annotations

import asyncio
import ctypes
import types
from collections.abc import Coroutine, Generator
from typing import Any, Final

ABANDON: Final[Any] = object()
"""What a coroutine yields that will never be of use again."""


class Driver:
    """One coroutine under control.

    Args:
        coroutine: what to run.
    """

    __slots__ = ("_frozen", "abandoned", "coroutine", "forced", "result")

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.coroutine = coroutine
        self.forced = False
        self.abandoned = False
        self.result: Any = None
        self._frozen: asyncio.Future[None] | None = None

    def freeze(self) -> None:
        """Do not go on with the coroutine, whatever it waits for, until ``thaw``."""
        if self._frozen is None:
            self._frozen = asyncio.get_running_loop().create_future()

    @property
    def is_frozen(self) -> bool:
        """Whether ``freeze`` holds the coroutine."""
        return self._frozen is not None

    def thaw(self) -> None:
        """Go on."""
        frozen, self._frozen = self._frozen, None
        if frozen is not None and not frozen.done():
            frozen.set_result(None)

    def abandon(self) -> None:
        """Leave the coroutine where it is, for ever."""
        if not self.abandoned:
            self.abandoned = True
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.coroutine))

    @types.coroutine
    def run(self) -> Generator[Any, Any, bool]:
        """Run the coroutine.

        Returns:
            Whether it came to its end; False if it was abandoned.
        """
        coroutine = self.coroutine
        error: BaseException | None = None
        while True:
            try:
                waiting = coroutine.send(None) if error is None else coroutine.throw(error)
            except StopIteration as end:
                self.result = end.value
                return True
            if waiting is ABANDON:
                self.abandon()
                return False
            error = None
            try:
                yield waiting
            except GeneratorExit:
                self.abandon()
                raise
            except BaseException as caught:  # cancellation, passed on to the actor
                error = caught
            if self._frozen is not None and not isinstance(error, asyncio.CancelledError):
                try:
                    yield from self._frozen
                except GeneratorExit:
                    self.abandon()
                    raise
                except asyncio.CancelledError as caught:
                    error = caught
            if error is not None and self.forced:
                self.abandon()
                return False


@types.coroutine
def park_for_ever() -> Generator[Any, Any, None]:
    """Suspend a coroutine that must not go on: its driver abandons it."""
    while True:
        yield ABANDON
