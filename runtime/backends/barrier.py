"""The barrier around every engine: a fault of an engine ends its actor, and nothing else.

Input: a call of an engine's method.  Output: its result; or, where it raised, an actor that has
failed with ``InternalError`` (``Host.crashed``), woken clients, and a caller that goes on: a timer,
a worker thread, ``deactivate()``, ``close()``.

What belongs here: the decorators for methods that the runtime calls.  Methods on the way of each
message (``run_inline``, ``after``) have their ``try`` inline, which costs nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:

    class _Host(Protocol):
        def crashed(self, error: Exception) -> None: ...

    class _Engine(Protocol):
        @property
        def host(self) -> _Host: ...


E = TypeVar("E", bound="_Engine")
P = ParamSpec("P")


def guarded(method: Callable[Concatenate[E, P], None]) -> Callable[Concatenate[E, P], None]:
    """Report what a method raises to the engine's host, and return."""

    @functools.wraps(method)
    def call(engine: E, /, *args: P.args, **options: P.kwargs) -> None:
        try:
            method(engine, *args, **options)
        except Exception as error:
            engine.host.crashed(error)

    return call


def guarded_wait(
    method: Callable[Concatenate[E, P], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[E, P], Coroutine[Any, Any, None]]:
    """As ``guarded``, for a coroutine function."""

    @functools.wraps(method)
    async def call(engine: E, /, *args: P.args, **options: P.kwargs) -> None:
        try:
            await method(engine, *args, **options)
        except Exception as error:
            engine.host.crashed(error)

    return call
