"""Attempts to build something: repeated until they learn nothing new, or taken back.

A function is built in attempts, each with a new ``Builder``; a loop, and an expression that there
are several ways to build, in attempts of one builder, which begin from a ``Snapshot`` of it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

from pydotcompute.compiler.diagnostics.diagnostic import DiagnosticError
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.scope import Restart

MAX_PASSES = 12
"""Attempts to build a loop or a turn until its types are as expected; each only widens them."""

MAX_ATTEMPTS = 200
"""Each attempt to build a function learns something of a name or a place in it, and mostly all."""

_LEARNT = (
    "env", "views", "aliases", "received", "made", "made_all", "kept", "changed", "returns",
    "effects", "nevers", "wider", "header_of", "temporaries", "made_up",
)  # fmt: skip
"""What a builder learns from what it builds, but for the numbers of locals."""


class Snapshot:
    """A builder's knowledge at one moment, and how much it had built."""

    def __init__(self, builder: Builder) -> None:
        self._learnt = {name: copy(getattr(builder, name)) for name in _LEARNT}
        self._block = len(builder.block)
        self._jumps = [len(ends) for frame in builder.loops for ends in frame.lists()]
        self._assigned = [{name: [*types] for name, types in frame.assigned.items()}
                          for frame in builder.tries]  # fmt: skip
        self._diagnostics = builder.unit.diagnostics.mark()

    def restore(self, builder: Builder) -> None:
        """Forgets what was built since, and what was learnt from it but ``Facts``; once only."""
        for name, value in self._learnt.items():
            setattr(builder, name, value)
        del builder.block[self._block :]
        lists = [ends for frame in builder.loops for ends in frame.lists()]
        for ends, length in zip(lists, self._jumps, strict=True):
            del ends[length:]
        for frame, assigned in zip(builder.tries, self._assigned, strict=True):
            frame.assigned = assigned
        builder.unit.diagnostics.rewind(self._diagnostics)


def build_until_stable(make: Callable[[], Builder], build: Callable[[Builder], None]) -> Builder:
    """Repeats ``build``, each time with a new builder, until it learns nothing new.

    Args:
        make: makes the builder of an attempt.
        build: builds the function with it.
    """
    for _ in range(MAX_ATTEMPTS):
        builder = make()
        mark = builder.unit.diagnostics.mark()
        try:
            build(builder)
        except Restart:
            builder.stale = True
        except (OperandError, DiagnosticError):
            if not builder.stale:
                raise
        if not builder.stale:
            return builder
        builder.unit.diagnostics.rewind(mark)
    builder.fail("PDC101", builder.source.node, "the types of its variables do not settle")
