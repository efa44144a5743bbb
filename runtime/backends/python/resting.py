"""How an interpreted actor comes to rest between two messages, and what it knows then.

Input: ``rest`` and ``go_on`` of the host.  Output: an actor that waits in its ``receive``, or in a
``wait_active`` with which its rounds begin, and its variables.

A snapshot begins at the head of the receive loop, so it needs an actor that has changed nothing in
this round; ``state_at_rest`` refuses any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

from pydotcompute.errors import SnapshotError

if TYPE_CHECKING:
    from pydotcompute.backends.base import Host
    from pydotcompute.backends.python.coroutine_driver import Driver


class Resting:
    """The part of ``PythonEngine`` that concerns resting.

    Attributes:
        held: no message is to be taken, until ``go_on``.
    """

    host: Host
    held = False
    usual: bool
    paused: bool
    holding: bool
    _held_in_receive = False
    _waits_active: bool
    _reached: bool
    _names: tuple[str, ...]
    _frame: FrameType | None
    _driver: Driver | None
    _task: asyncio.Task[None] | None
    _come_to_rest: asyncio.Future[None] | None = None

    if TYPE_CHECKING:

        def finish(self) -> None: ...
        def _is_usual(self) -> bool: ...
        def _is_over(self) -> bool: ...
        def _notify(self) -> None: ...
        async def _change(self) -> None: ...
        def _locals(self) -> Mapping[str, Any]: ...

    async def rest(self) -> None:
        """Take no message until ``go_on``; return when none is in hand."""
        self.begin_held()
        if not self.rests and self.paused and (self.holding or self._is_frozen):
            raise SnapshotError(
                f"kernel {self.host.kernel_id!r} is paused in the middle of a message, which "
                "waits for something; reactivate it first"
            )
        self._let_through()
        self.host.inbox.interrupt()
        self._notify()
        while self.held and not self.rests:
            if self._come_to_rest is None:
                self._come_to_rest = self.host.loop.create_future()
            await asyncio.shield(self._come_to_rest)

    def begin_held(self) -> None:
        """Take no message until ``go_on``."""
        self.held, self.usual = True, False

    @property
    def _is_frozen(self) -> bool:
        return self._driver is not None and self._driver.is_frozen

    def _let_through(self) -> None:
        """The actor waits for room no longer: what it sends does."""
        self.host.outbox.force()
        if self.host.routes is not None:
            self.host.routes.let_through()

    @property
    def _takes_nothing(self) -> bool:
        """Whether ``receive`` leaves messages where they are."""
        return self.held or self.paused

    @property
    def rests(self) -> bool:
        """Whether no message is in hand, and none is taken."""
        if self._is_over():
            return True
        return self.held and (self._held_in_receive or (self._waits_active and self._at_first))

    @property
    def _at_first(self) -> bool:
        """Whether the actor waits in a ``wait_active`` with which its rounds begin."""
        lines = self.host.split.waits_first
        return bool(lines) and self._frame is not None and self._frame.f_lineno in lines

    def _tell_rest(self) -> None:
        """Tell those who wait for the actor to rest."""
        future, self._come_to_rest = self._come_to_rest, None
        if future is not None and not future.done():
            future.set_result(None)

    def runs_in(self, task: object) -> bool:
        """Whether a task is the one that the actor runs in, in the middle of a message."""
        return self._task is not None and self._task is task and not self._is_over()

    def go_on(self) -> None:
        """The end of ``rest``."""
        self.held = False
        self.usual = self._is_usual()
        self._tell_rest()
        self._notify()

    def state_at_rest(self) -> dict[str, Any] | None:
        """The actor's variables."""
        if not self._reached or self._is_over():
            return None
        split = self.host.split
        if split.parts is None or not split.receives_first:
            why = "it has no receive loop at its top level, where it could go on"
            if split.parts is not None:
                why = ("it changes something before it receives, and waits for its message now; "
                       "receive at the beginning of the loop")  # fmt: skip
            raise SnapshotError(
                f"kernel {self.host.kernel_id!r} is interpreted and cannot go on from a "
                f"snapshot: {why}"
            )
        if self.holding:
            self.finish()
        found = self._locals()
        return {name: found[name] for name in self._names if name in found}

    async def _be_held(self) -> None:
        """Wait in ``receive``, which takes no message now, until something changes."""
        self._held_in_receive = True
        self._tell_rest()
        try:
            await self._change()
        finally:
            self._held_in_receive = False
