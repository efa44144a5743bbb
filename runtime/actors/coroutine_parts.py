"""An actor's function taken apart for the interpreter, once for each function.

Input: the coroutine function.  Output: ``Anatomy``: how to run it whole, how to run it from a
state, and which of its variables are that state.  A function without source, or without a
recognisable loop, can only be run whole.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import numpy as np

from pydotcompute.compiler.diagnostics.diagnostic import DiagnosticError
from pydotcompute.compiler.frontend.actor_shape import find_shape
from pydotcompute.compiler.frontend.source import read_source
from pydotcompute.compiler.host.coroutine import CoroutineParts, instrument, split
from pydotcompute.errors import ActorExit
from pydotcompute.support.gc_pause import resting

COPY_LIMIT = 4096
"""Containers with more entries than this are not copied before each message: the state a failure
reports then shows them as the failing message left them."""

_PLAIN = (int, float, bool, str, bytes, complex, type(None), UUID, np.generic, Enum, type)


@dataclass(frozen=True)
class Anatomy:
    """An actor for the interpreter.

    Args:
        whole: runs it from beginning to end.
        parts: how to run it piece by piece; None if its loop was not recognised.
        state_names: the variables that live from one message to the next; of an actor whose loop
            was not recognised, all.
        silent_timeout: a time-out of its ``receive`` has no visible effect.
        receives_first: a turn changes nothing before it waits for its message.
        instrumented: bare handlers let the runtime's signals pass.
    """

    whole: Callable[[Any], Coroutine[Any, Any, Any]]
    parts: CoroutineParts | None = None
    state_names: tuple[str, ...] = ()
    silent_timeout: bool = False
    receives_first: bool = False
    instrumented: bool = False


_known: WeakKeyDictionary[Any, Anatomy] = WeakKeyDictionary()


def dissect(function: Callable[[Any], Coroutine[Any, Any, Any]]) -> Anatomy:
    """Take an actor's function apart."""
    found = _known.get(function)
    if found is None:
        with resting():
            found = _known[function] = _dissect(function)
    return found


def is_dissected(function: Callable[[Any], Coroutine[Any, Any, Any]]) -> bool:
    """Whether ``dissect`` has the answer at once; otherwise it takes 10 ms and more."""
    return function in _known


def _dissect(function: Callable[[Any], Coroutine[Any, Any, Any]]) -> Anatomy:
    try:
        source = read_source(function)
        whole = instrument(source, (ActorExit,))
    except DiagnosticError:
        return Anatomy(function)
    try:
        shape = find_shape(source)
        parts = split(source, shape, (ActorExit,))
    except DiagnosticError:  # which of its variables matter is not known: all are shown
        names = tuple(sorted(source.local_names - set(function.__code__.co_varnames[:1])))
        return Anatomy(whole, state_names=names, instrumented=True)
    return Anatomy(
        parts.whole, parts, shape.state_names, shape.silent_timeout, shape.receives_first,
        instrumented=True,
    )  # fmt: skip


def snapshot(variables: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The state as it is now: later changes do not show in it.

    Args:
        variables: the actor's locals.
        names: which of them; those not bound are left out.
    """
    state: dict[str, Any] = {}
    copies: dict[int, Any] = {}
    for name in names:
        if name in variables:
            value = variables[name]
            state[name] = value if type(value) in _IMMUTABLE else _copy_once(value, copies)
    return state


_IMMUTABLE = frozenset({int, float, bool, str, bytes, complex, type(None), UUID})


def _copy_once(value: Any, copies: dict[int, Any]) -> Any:
    """A copy; what two variables share, their copies share as well.

    Args:
        value: what is to be copied.
        copies: by the ``id`` of the original, as ``copy.deepcopy`` takes them.
    """
    found = copies.get(id(value))
    if found is None:
        found = copies[id(value)] = _copy(value, copies)
    return found


def _copy(value: Any, copies: dict[int, Any]) -> Any:
    """A copy as deep as it takes, of what can be copied at a bounded cost; else the value."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.copy() if value.nbytes <= 16 * COPY_LIMIT else value
    if isinstance(value, (list, dict, set, deque)) and len(value) > COPY_LIMIT:
        return value
    if type(value) in (list, deque, set) and all(type(item) in _IMMUTABLE for item in value):
        return copy.copy(value)
    if type(value) is dict and all(type(item) in _IMMUTABLE for item in value.values()):
        return value.copy()
    if isinstance(value, (list, dict, set, deque, tuple)) or is_copyable(value):
        try:
            return copy.deepcopy(value, copies)
        except Exception:
            return value
    return value


def is_copyable(value: Any) -> bool:
    """Whether an instance is data rather than a handle: messages and dataclasses are."""
    return hasattr(type(value), "__dataclass_fields__")
