"""Objects of the state that records cannot tell apart, or would make two of.

A record holds values.  Two names of one list become two lists in it: a change through one name is
missed by the other.  NaNs lose their identity in the same way (``shared_nan``).

Input: the values of the state.  Output: what a record of them would lose, for a refusal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np

from pydotcompute.compiler.types.message_schema import is_message, schema_of
from pydotcompute.compiler.types.shared_nan import shared_nan


class LostIdentityError(TypeError):
    """A record would not keep which objects of the state are the same; the text says what to do."""


def shared_container(values: Mapping[str, Any], changed: Collection[str],
                     read: Iterable[Any] = ()) -> str | None:  # fmt: skip
    """Why a change of a container would be missed, in words; None if none would be.

    Args:
        values: the variables of the state.
        changed: the names of those that the loop changes.
        read: objects of modules and closures that the loop reads as constants.
    """
    if not changed:
        return None
    seen: dict[int, list[tuple[str, Any]]] = {}
    for other, value in chain(values.items(), (("", value) for value in read)):
        for each in _containers(value):
            alike = seen.setdefault(0 if isinstance(each, np.ndarray) else id(each), [])
            for name, one in alike:
                if (name in changed or other in changed) and _same(one, each):
                    return _two_names(name, other, type(one).__name__)
            alike.append((other, each))
    return None


def _two_names(name: str, other: str, kind: str) -> str:
    what = f"{name!r} and {other!r} are one {kind}"
    if not other:
        what = f"{name!r} is the {kind} of a module or closure that the loop reads, too"
    elif name == other:
        what = f"{name!r} holds one {kind} twice"
    return f"{what}, which compiled code would make two of; use one name, or a copy"


def holds_other_nan(value: Any) -> bool:
    """Whether a NaN in a value of the state is not the shared one with its bits.

    An array has no objects: each read makes a new one.
    """
    if isinstance(value, np.generic):
        return bool(value != value)
    if isinstance(value, float):
        return value is not shared_nan(value)
    return any(map(holds_other_nan, _inside(value)))


def _containers(value: Any) -> Iterator[Any]:
    """The containers that can be changed, inside of a value."""
    if isinstance(value, (list, deque, dict, set, np.ndarray)):
        yield value
    for item in _inside(value):
        if not isinstance(item, (int, float, str)):
            yield from _containers(item)


def _inside(value: Any) -> Iterator[Any]:
    """The values directly inside of a container, a tuple or a message; an array has none."""
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, (list, tuple, deque, set, frozenset)):
        yield from value
    elif is_message(type(value)):
        for field in schema_of(type(value)).fields:
            yield getattr(value, field.name, None)


def _same(one: Any, two: Any) -> bool:
    """Whether two containers are one; arrays may overlap."""
    arrays = isinstance(one, np.ndarray) and isinstance(two, np.ndarray)
    return bool(np.may_share_memory(one, two)) if arrays else one is two
