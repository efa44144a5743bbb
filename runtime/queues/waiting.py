"""Waiting for a future with a time limit, and what a waiter is woken with.

Input: a future.  Output: its result, or ``LATE``.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from typing import Any, Final

READY: Final = object()
"""What was waited for is there."""
LATE: Final = object()
"""The time is over."""
INTERRUPTED: Final = object()
"""Somebody else wants the waiter to look around."""


async def wait(loop: AbstractEventLoop, future: Future[Any], timeout: float | None) -> Any:
    """The future's result.

    Args:
        loop: the event loop.
        future: what to wait for.
        timeout: seconds after which it is given the result ``LATE``; ``None``: never.
    """
    if timeout is None:
        return await future
    timer = loop.call_later(timeout, _expire, future)
    try:
        return await future
    finally:
        timer.cancel()


def _expire(future: Future[Any]) -> None:
    if not future.done():
        future.set_result(LATE)
