"""What is known of a function, and of an actor, however often it is built: it only ever widens.

A function is built in attempts.  An attempt that meets something that it had to know earlier (a
name needs a union local, a list takes items of another type) notes it here and goes on, so that it
finds all that it can; the next attempt begins with a new ``Builder`` and these facts.  Everything
else that an attempt learns lives in its ``Builder`` and ends with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydotcompute.compiler.types.types import Type

Site = tuple[int, int, str]
"""Where a list is made: line, column, and the tag of made-up syntax."""

LoopKey = tuple[object, ...]
"""A loop: the one around it, its place, and its number among those of that place there."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a name at the head or the exit of a loop (a ``Var`` without its local).

    Args:
        types: the type of its local; of a name that has no one type, those of the paths.
        view: the type of its value; None: it has no one type.
        unique: as of ``Var``.
        in_hand: as of ``Var``.
        part: as of ``ir.Local``.
    """

    types: tuple[Type, ...]
    view: Type | None = None
    unique: bool = False
    in_hand: bool = False
    part: bool = False


@dataclass
class LoopFacts:
    """What is known of a loop that was built before."""

    head: dict[str, Known] = field(default_factory=dict)
    """The names that are otherwise at its head than where it is entered."""
    exit: dict[str, Known | None] | None = None
    """Every name at its exit, in order, with None for one that is as at the head; None as a whole
    while no exit is known."""
    changed: set[int] = field(default_factory=set)
    """Which of the containers that it runs over change meanwhile, by their number."""


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
    loops: dict[LoopKey, LoopFacts] = field(default_factory=dict)
    """What is known of its loops, so that each is built as few times as possible."""


@dataclass
class ActorFacts:
    """What the attempts to build one actor have taught."""

    shared: set[str] = field(default_factory=set)
    """Variables of the state whose message has other names, too, at the end of some turn."""
    containers: dict[str, Type] = field(default_factory=dict)
    """Types of the state's containers, where they grew beyond what the prologue put in."""


__all__ = ["ActorFacts", "Facts", "Known", "LoopFacts", "LoopKey", "Site"]
