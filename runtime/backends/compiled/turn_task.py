"""One task for all messages of an actor that are interpreted between compiled ones.

Input: a coroutine for each such message.  Output: the same, run: its first step at once, where that
is possible, and the rest in the task.

Most such messages wait for nothing.  A task for each of them, and a turn of the event loop until it
begins, would cost more than the message.
"""

from __future__ import annotations

import asyncio
import types
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any

_BEGIN: Any = object()
"""In place of what a coroutine waits for: it has not begun."""


class TurnTask:
    """Runs coroutines, one at a time, all in one task.

    Args:
        loop: runs the task.
        name: of the task.

    Attributes:
        task: None before the first coroutine.
        running: a coroutine has begun and not ended.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self._loop, self._name = loop, name
        self.task: asyncio.Task[None] | None = None
        self.running = False
        self._context = copy_context()
        self._next: tuple[Coroutine[Any, Any, None], Any] | None = None
        self._idle: asyncio.Future[None] | None = None
        self._retired = False

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine; it may have ended when this returns.

        Args:
            coroutine: raises nothing but what ends the event loop.
        """
        self.running = True
        self._retired = False
        waiting, task = _BEGIN, self.task
        try:
            if task is None or task.done():
                self._idle, self._next = None, (coroutine, _BEGIN)
                self.task = self._loop.create_task(
                    _as_coroutine(self._work()), name=self._name, context=self._context
                )
                return
            current = asyncio.current_task()
            if current is task:  # at the end of another coroutine
                waiting = coroutine.send(None)
            elif current is None and self._idle is not None and not self._idle.done():
                _enter_task(self._loop, task)
                try:
                    waiting = self._context.run(coroutine.send, None)
                finally:
                    _leave_task(self._loop, task)
        except StopIteration:
            self.running = False
            return
        self._next = (coroutine, waiting)
        self._wake()

    def retire(self) -> None:
        """End the task, after the coroutine that it runs, if any."""
        self._retired = True
        self._wake()

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _work(self) -> Generator[Any, Any, None]:
        """What the task runs."""
        while True:
            error: BaseException | None = None
            if self._next is None:
                if self._retired or (self.task is not None and self.task.cancelling()):
                    return
                self._idle = self._loop.create_future()
                try:
                    yield from self._idle
                except asyncio.CancelledError as cancelled:
                    error = cancelled
                self._idle = None
                if self._next is None:
                    continue
            (coroutine, waiting), self._next = self._next, None
            yield from _rest(coroutine, waiting, error)
            self.running = self._next is not None


@types.coroutine
def _as_coroutine(work: Generator[Any, Any, None]) -> Generator[Any, Any, None]:
    yield from work


def _rest(
    coroutine: Coroutine[Any, Any, None], waiting: Any, error: BaseException | None
) -> Generator[Any, Any, None]:
    """Go on with a coroutine to its end.

    Args:
        coroutine: what has begun elsewhere, or not.
        waiting: what it waits for.
        error: what it gets instead, if anything.
    """
    while True:
        if error is None and waiting is not _BEGIN:
            try:
                yield waiting
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as caught:  # cancellation, passed on
                error = caught
        try:
            waiting = coroutine.send(None) if error is None else coroutine.throw(error)
        except StopIteration:
            return
        error = None
