"""What is known of a function, and of an actor, however often it is built: it only ever widens.

A function is built in attempts.  An attempt that meets something that it had to know earlier (a
name needs a union local, a list takes items of another type) notes it here and raises ``Restart``;
the next attempt begins with a new ``Builder`` and these facts.  Everything else that an attempt
learns lives in its ``Builder`` and ends with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydotcompute.compiler.types.types import Type

Site = tuple[int, int, str]
"""Where a list is made: line, column, and the tag of made-up syntax."""


@dataclass
class Facts:
    """What the attempts to build one function have taught."""

    union_names: set[str] = field(default_factory=set)
    """Names that get a union local where paths give them different types."""
    try_types: dict[tuple[tuple[int, int], str], Type] = field(default_factory=dict)
    """Types of the names that a ``try``, by its place, assigns values of several types."""
    list_items: dict[Site, Type] = field(default_factory=dict)
    """Item types of the lists made in the function."""
    float_sums: set[tuple[int, int]] = field(default_factory=set)
    """Places of calls of ``sum`` that add floats."""
    result: Type | None = None
    """The type of the function's result; None: not known yet."""


@dataclass
class ActorFacts:
    """What the attempts to build one actor have taught."""

    shared: set[str] = field(default_factory=set)
    """Variables of the state whose message has other names, too, at the end of some turn."""
    containers: dict[str, Type] = field(default_factory=dict)
    """Types of the state's containers, where they grew beyond what the prologue put in."""


__all__ = ["ActorFacts", "Facts", "Site"]
