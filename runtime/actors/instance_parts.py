"""What is known of how an instance of a population begins and ends, from its text.

Input: an actor's function.  Output: ``InstanceParts``: whether the first and the last statements
have to be run by a task, or for each instance at all.  A population may have a million instances.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from pydotcompute.compiler.consteval.prologue import constant_reads
from pydotcompute.compiler.frontend.actor_shape import find_shape
from pydotcompute.compiler.frontend.names import awaits
from pydotcompute.compiler.frontend.source import read_source


@dataclass(frozen=True)
class InstanceParts:
    """How an instance begins and ends.

    Args:
        prologue_awaits: its prologue may have to wait.
        begins_alike: whether every instance begins with the same values, as long as the globals
            that the prologue reads are what they were; None: each prologue has to be run.
        has_epilogue: something follows the loop.
        epilogue_awaits: that may have to wait.
    """

    prologue_awaits: bool
    begins_alike: Callable[[], bool] | None
    has_epilogue: bool
    epilogue_awaits: bool


_known: WeakKeyDictionary[Any, InstanceParts] = WeakKeyDictionary()


def instance_parts(function: Callable[[Any], Coroutine[Any, Any, Any]]) -> InstanceParts:
    """How the instances of an actor begin and end; its loop must have been recognised."""
    found = _known.get(function)
    if found is None:
        shape = find_shape(read_source(function))
        reads = constant_reads(shape)
        alike = None if reads is None else lambda: all(read() is value for read, value in reads)
        found = _known[function] = InstanceParts(
            awaits(shape.prologue), alike, bool(shape.epilogue), awaits(shape.epilogue)
        )
    return found
