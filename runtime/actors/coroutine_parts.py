"""An actor's function taken apart for the interpreter, once for each function.

Input: the coroutine function.  Output: ``SplitActor``: how to run it whole, how to run it from
a state, and which of its variables are that state.  A function without source, or without a
recognisable loop, can only be run whole.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from pydotcompute.compiler.diagnostics.diagnostic import DiagnosticError
from pydotcompute.compiler.frontend.actor_shape import find_shape
from pydotcompute.compiler.frontend.source import read_source
from pydotcompute.compiler.host.coroutine import CoroutineParts, instrument, split
from pydotcompute.errors import ActorExit
from pydotcompute.support.gc_pause import resting


@dataclass(frozen=True)
class SplitActor:
    """An actor for the interpreter.

    Args:
        whole: runs it from beginning to end.
        parts: how to run it piece by piece; None if its loop was not recognised.
        state_names: the variables that live from one message to the next; of an actor whose loop
            was not recognised, all.
        silent_timeout: a time-out of its ``receive`` has no visible effect.
        receives_first: a turn changes nothing before it waits for its message.
        waits_first: the lines at which it waits before that in ``ctx.wait_active()``.
        instrumented: bare handlers let the runtime's signals pass.
    """

    whole: Callable[[Any], Coroutine[Any, Any, Any]]
    parts: CoroutineParts | None = None
    state_names: tuple[str, ...] = ()
    silent_timeout: bool = False
    receives_first: bool = False
    waits_first: frozenset[int] = frozenset()
    instrumented: bool = False


_known: WeakKeyDictionary[Any, SplitActor] = WeakKeyDictionary()


def split_actor(function: Callable[[Any], Coroutine[Any, Any, Any]]) -> SplitActor:
    """Take an actor's function apart."""
    found = _known.get(function)
    if found is None:
        with resting():
            found = _known[function] = _split_actor(function)
    return found


def is_split(function: Callable[[Any], Coroutine[Any, Any, Any]]) -> bool:
    """Whether ``split_actor`` has the answer at once; otherwise it takes 10 ms and more."""
    return function in _known


def _split_actor(function: Callable[[Any], Coroutine[Any, Any, Any]]) -> SplitActor:
    try:
        source = read_source(function)
        whole = instrument(source, (ActorExit,))
    except DiagnosticError:
        return SplitActor(function)
    try:
        shape = find_shape(source)
        parts = split(source, shape, (ActorExit,))
    except DiagnosticError:  # which of its variables matter is not known: all are shown
        names = tuple(sorted(source.local_names - set(function.__code__.co_varnames[:1])))
        return SplitActor(whole, state_names=names, instrumented=True)
    return SplitActor(
        parts.whole, parts, shape.state_names, shape.silent_timeout, shape.receives_first,
        shape.waits_first, instrumented=True,
    )  # fmt: skip
