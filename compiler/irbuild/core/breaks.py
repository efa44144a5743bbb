"""Statements that leave compiled code: which may, and how building one is taken back.

A statement of the loop that cannot be compiled becomes an ``ir.Interpret``.  Which statements those
are is learnt in rounds (``Breaks.learn``).  The first round builds everything and goes on behind
each problem, as if the statement had been built, so that the types of all variables grow as far as
they can: a problem that wider types would solve is gone at its end.  The next round begins anew;
there, the statements with the problems that were left end their paths, and what only they lead to
needs no types.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic, Location, diagnose
from pydotcompute.compiler.frontend.source import FunctionSource

OF_THE_WHOLE = frozenset({"PDC025"})
"""Problems of no one statement: others may read what a `global` of this one changes."""


@dataclass
class Breaks:
    """What the rounds have taught.

    Args:
        forced: problems that building does not find: the innermost statement around each breaks.
        host: variables that compiled code does not hold, and why, as the end of a message, with a
            hint: each statement that names one breaks.
        refusal: what is said of the actor if nothing of it can be compiled.
    """

    forced: list[Diagnostic] = field(default_factory=list)
    host: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    refusal: tuple[Diagnostic, ...] = ()
    places: set[Location] = field(default_factory=set)
    """Where building has failed."""
    changed: dict[str, Location] = field(default_factory=dict)
    """Containers of modules and closures that statements may change, and where the function is."""
    without_types: dict[str, str] = field(default_factory=dict)
    """Variables found to have no type that lasts, and why: they are to become host variables."""

    def __bool__(self) -> bool:
        return bool(self.places or self.forced or self.host)

    def allows(self, found: Iterable[Diagnostic]) -> bool:
        """Whether a statement with these problems breaks; else it is a new one."""
        return any(problem.location in self.places for problem in found)

    def expect(self, found: Iterable[Diagnostic]) -> bool:
        """Notes problems that building may not find; whether one of them is new."""
        known = {problem.location for problem in self.forced}
        new = {problem.location for problem in found} - known
        self.places |= new
        return bool(new)

    def learn(self, found: Iterable[Diagnostic]) -> bool:
        """Notes the problems of a round; False if it is no use to begin another."""
        found = tuple(found)
        if any(problem.code in OF_THE_WHOLE for problem in found):
            return False
        learnt = bool(self.without_types)
        self.host |= {name: (why, None) for name, why in self.without_types.items()}
        self.without_types.clear()
        for problem in found:
            if problem.location not in self.places:
                self.places.add(problem.location)
                learnt = True
            elif problem.location not in {other.location for other in self.forced}:
                self.forced.append(problem)  # it was not a statement's rule that found it
                learnt = True
        return learnt

    def before(self, node: ast.stmt, source: FunctionSource, *,
               in_actor: bool) -> Diagnostic | None:  # fmt: skip
        """Why a statement breaks before it is built, or None.

        Args:
            node: the statement.
            source: the function that it belongs to.
            in_actor: whether that is the actor, whose variables are those of the state.
        """
        inside = [source.location(part) for part in _statements_in(node) if hasattr(part, "lineno")]
        here = source.location(node)
        for problem in self.forced:
            at = problem.location
            if _within(at, here) and not any(_within(at, span) for span in inside):
                return problem
        if in_actor and self.host:
            for part in own_parts(node):
                for name in _names_of(part):
                    if name in self.host:
                        return self.mention(source, part, name)
        return None

    def meets_each(self, loop: ast.While, source: FunctionSource) -> bool:
        """Whether it shows without types that each message comes to a statement that breaks."""
        for node in loop.body:
            if self.before(node, source, in_actor=True) is not None:
                return True
            if any(isinstance(n, (ast.Continue, ast.Break, ast.Return)) for n in ast.walk(node)):
                return False
        return False

    def mention(self, source: FunctionSource, node: ast.AST, name: str) -> Diagnostic:
        """The problem of naming a host variable."""
        why, hint = self.host[name]
        return diagnose(source, "PDC108", node, f"the variable {name!r}: {why}", hint=hint)


def _statements_in(node: ast.AST) -> Iterator[ast.stmt]:
    """The statements directly inside a statement, a handler or a ``case``."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        inside = getattr(node, name, None)
        for part in inside if isinstance(inside, list) else ():
            if isinstance(part, ast.stmt):
                yield part
            elif isinstance(part, (ast.ExceptHandler, ast.match_case)):
                yield from _statements_in(part)


def own_parts(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement that belong to no statement inside it."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt):
            yield from own_parts(child)


def _names_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name) | ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            yield name


def _within(inner: Location, outer: Location) -> bool:
    return (
        inner.file == outer.file
        and (outer.line, outer.column) <= (inner.line, inner.column)
        and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
    )


def loop_statements(nodes: Iterable[ast.AST]) -> Iterator[ast.stmt]:
    """All statements among ``nodes`` and inside them."""
    for node in nodes:
        if isinstance(node, ast.stmt):
            yield node
        yield from loop_statements(_statements_in(node))


_LASTING = frozenset({"unit", "facts", "source", "nest", "stale", "looked", "_adopted"})
"""What a builder keeps, whatever is taken back."""


class Undo:
    """All of a builder at one moment: to take back the statement that is built next.

    Args:
        builder: whose attributes are written down, and what its unit has learnt.  Collections keep
            their identity: others hold them, too.
    """

    def __init__(self, builder: Any) -> None:
        self._builder = builder
        self._known: Mapping[str, Any] = {
            name: (value, copy(value) if isinstance(value, (list, dict, set)) else None)
            for name, value in vars(builder).items() if name not in _LASTING
        }  # fmt: skip
        self._ends = [(ends, len(ends)) for frame in builder.loops for ends in frame.lists()]
        self._assigned = [(frame, {name: [*types] for name, types in frame.assigned.items()})
                          for frame in builder.tries]  # fmt: skip
        unit = builder.unit
        self._grown = [(part, len(part)) for part in (
            unit.functions, unit.by_name, unit.constants, unit.raised, unit.prints, unit.headers,
            unit.header_reads,
        )]  # fmt: skip
        self._noted = [(part, dict(part)) for part in (unit.converted, unit.read, unit.compared)]

    def restore(self) -> None:
        """Take the statement back."""
        for name, (value, items) in self._known.items():
            if isinstance(value, list):
                value[:] = items
            elif isinstance(value, (dict, set)):
                value.clear()
                value.update(items)
            setattr(self._builder, name, value)
        for ends, length in self._ends:
            del ends[length:]
        for frame, assigned in self._assigned:
            frame.assigned = assigned
        for part, length in self._grown:
            while len(part) > length:
                part.popitem() if isinstance(part, dict) else part.pop()
        for part, before in self._noted:
            part.clear()
            part.update(before)


__all__ = ["OF_THE_WHOLE", "Breaks", "Undo", "loop_statements", "own_parts"]
