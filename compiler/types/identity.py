"""Objects of the state that records cannot tell apart, or would make two of.

A record holds values.  Two names of one list become two lists in it: a change through one name is
missed by the other.  Input: the values of the state.  Output: the two names, for a refusal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from pydotcompute.compiler.types.message_schema import is_message, schema_of


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
    found = [(name, each) for name, value in values.items() for each in _containers(value)]
    found += [("", each) for value in read for each in _containers(value)]
    for place, (name, one) in enumerate(found):
        for other, two in found[place + 1 :]:
            if _same(one, two) and (name in changed or other in changed):
                kind = type(one).__name__
                what = f"{name!r} and {other!r} are one {kind}"
                if not other:
                    what = f"{name!r} is the {kind} of a module or closure that the loop reads, too"
                elif name == other:
                    what = f"{name!r} holds one {kind} twice"
                return f"{what}, which compiled code would make two of; use one name, or a copy"
    return None


def _containers(value: Any) -> Iterator[Any]:
    """The containers that can be changed, inside of a value."""
    if isinstance(value, (list, deque, dict, np.ndarray)):
        yield value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple, deque)):
        for item in value:
            if not isinstance(item, (int, float, str)):
                yield from _containers(item)
    elif is_message(type(value)):
        for field in schema_of(type(value)).fields:
            yield from _containers(getattr(value, field.name, None))


def _same(one: Any, two: Any) -> bool:
    if one is two:
        return True
    if not (isinstance(one, np.ndarray) and isinstance(two, np.ndarray)):
        return False
    return bool(np.may_share_memory(one, two))
