"""What may happen in one turn of an actor's loop, and in which order.

Input: the loop.  Output: diagnostics.  On each way through the loop at most one ``receive`` runs
(PDC012, PDC014), and neither ``send`` nor ``print`` nor logging comes before it (PDC015): a turn
that finds no message is rolled back and runs again, so what it did must not show.

The loop is followed forwards.  A state is the set of what may have happened so far: nothing
(``CLEAN``), a message received (``RECEIVED``), or an effect, named by its node.
"""

from __future__ import annotations

import ast
import builtins
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pydotcompute.compiler.diagnostics.diagnostic import Diagnostics
from pydotcompute.compiler.frontend.names import walk_scope
from pydotcompute.compiler.frontend.source import FunctionSource, awaited_method
from pydotcompute.compiler.types.missing import MISSING

CLEAN: Final = "clean"
RECEIVED: Final = "received"
State = frozenset[ast.AST | str]
NOWHERE: State = frozenset()

LOGGING_METHODS = frozenset("debug info warning warn error critical fatal exception log".split())
"""Methods of loggers, and functions of ``logging``, that make a record."""
_INNER = (ast.While, ast.For, ast.AsyncFor, ast.ListComp, ast.SetComp, ast.DictComp,
          ast.GeneratorExp)  # fmt: skip


def check_turn(source: FunctionSource, ctx: str, loop: ast.While, problems: Diagnostics) -> None:
    """Reports a turn that receives twice, or does something before it receives.

    Args:
        source: the actor.
        ctx: the name of the context parameter.
        loop: its receive loop.
        problems: where to report.
    """
    inner = False
    for node in walk_scope([loop.test, *loop.body]):
        if isinstance(node, _INNER):
            for child in walk_scope(_repeated(node)):
                if awaited_method(child, ctx) == "receive":
                    inner = True
                    _report_inner(child, problems)
    if not inner:
        turn = _Turn(source, ctx, problems)
        turn.block(loop.body, turn.expr(loop.test, frozenset({CLEAN})))


def _repeated(loop: ast.AST) -> Iterator[ast.AST]:
    """The parts of a loop or comprehension that may run more than once."""
    match loop:
        case ast.For(iter=once) | ast.AsyncFor(iter=once):
            yield from (child for child in ast.iter_child_nodes(loop) if child is not once)
        case ast.comprehension():
            yield from [loop.target, *loop.ifs]
        case ast.While():
            yield from ast.iter_child_nodes(loop)
        case _:
            first, *rest = loop.generators  # type: ignore[attr-defined]
            values = (child for child in ast.iter_child_nodes(loop) if child is not first)
            yield from [*values, *_repeated(first), *rest]


def _once(loop: ast.AST) -> ast.expr | None:
    """The part that runs exactly once, before the loop."""
    match loop:
        case ast.For(iter=once) | ast.AsyncFor(iter=once):
            return once
        case ast.While():
            return None
    return loop.generators[0].iter  # type: ignore[attr-defined, no-any-return]


def _report_inner(node: ast.AST, problems: Diagnostics) -> None:
    problems.error(
        "PDC012", node, "`receive` inside an inner loop",
        notes=["one turn of the actor's loop handles one message"],
        hint="collect in a variable that lives before the actor's loop, one message in each turn",
    )  # fmt: skip


class _Turn:
    """Follows one turn."""

    def __init__(self, source: FunctionSource, ctx: str, problems: Diagnostics) -> None:
        self._source = source
        self._ctx = ctx
        self._problems = problems
        self._seen: list[State] = []
        """For each ``try`` around the current statement: every state its body was in."""

    def block(self, statements: Sequence[ast.stmt], state: State) -> State:
        """The state after ``statements``; ``NOWHERE`` if their end is never reached."""
        for statement in statements:
            if not state:
                break
            state = self._note(self._statement(statement, state))
        return state

    def _note(self, state: State) -> State:
        self._seen = [seen | state for seen in self._seen]
        return state

    def _statement(self, node: ast.stmt, state: State) -> State:
        match node:
            case ast.Continue() | ast.Break() | ast.Return(value=None):
                return NOWHERE
            case ast.Return() | ast.Raise():
                self._children(node, state)
                return NOWHERE
            case ast.If():
                state = self.expr(node.test, state)
                return self.block(node.body, state) | self.block(node.orelse, state)
            case ast.Match():
                state = self.expr(node.subject, state)
                out = state
                for case in node.cases:
                    if case.guard is not None:
                        state = self.expr(case.guard, state)
                    out |= self.block(case.body, state)
                return out | state
            case ast.Try() | ast.TryStar():
                return self._try(node, state)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    state = self.expr(item.context_expr, state)
                return self.block(node.body, state)
            case ast.While() | ast.For() | ast.AsyncFor():
                return self._inner_loop(node, state)
            case ast.Assign() | ast.AugAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                state = self.expr(node.value, state)
                for target in targets:
                    state = self.expr(target, state)
                return state
        return self._children(node, state)

    def _try(self, node: ast.Try | ast.TryStar, state: State) -> State:
        self._seen.append(state)
        done = self.block(node.body, state)
        seen = self._seen.pop()
        out = self.block(node.orelse, done)
        for handler in node.handlers:
            out |= self.block(handler.body, seen)
        if not node.finalbody:
            return out
        self.block(node.finalbody, seen)
        return self.block(node.finalbody, out)

    def _inner_loop(self, node: ast.AST, state: State) -> State:
        """What is repeated holds no ``receive``, so all that counts is what it may do."""
        state = self.expr(_once(node), state)
        return state | self._effects(walk_scope(_repeated(node)), state)

    def _effects(self, nodes: Iterable[ast.AST], state: State) -> State:
        if CLEAN not in state:
            return NOWHERE
        first = next((node for node in nodes if self._effect(node) is not None), None)
        return NOWHERE if first is None else frozenset({first})

    def _children(self, node: ast.AST, state: State) -> State:
        for child in ast.iter_child_nodes(node):
            state = self.expr(child, state)
        return state

    def expr(self, node: ast.AST | None, state: State) -> State:
        """The state after evaluating ``node``, operands first."""
        match node:
            case None | ast.Lambda() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return state
            case ast.IfExp():
                state = self.expr(node.test, state)
                return self.expr(node.body, state) | self.expr(node.orelse, state)
            case ast.BoolOp():
                out = state = self.expr(node.values[0], state)
                for value in node.values[1:]:
                    state = self.expr(value, state)
                    out |= state
                return out
        if isinstance(node, _INNER):
            return self._inner_loop(node, state)
        state = self._note(self._children(node, state))
        if awaited_method(node, self._ctx) == "receive":
            return self._note(self._receive(node, state))
        if self._effect(node) is not None:
            return self._note(frozenset(node if s is CLEAN else s for s in state))
        return state

    def _receive(self, node: ast.AST, state: State) -> State:
        if RECEIVED in state:
            self._problems.error(
                "PDC014", node, "a second `receive` in one turn",
                notes=["one turn of the actor's loop handles one message"],
                hint="let a variable say what the next message is for, and receive at one place",
            )  # fmt: skip
        for earlier in state:
            if isinstance(earlier, ast.AST):
                self._problems.error(
                    "PDC015", earlier, f"{self._effect(earlier)} before `receive` in a turn",
                    notes=["a turn starts with its message; without one it leaves no trace"],
                    hint="do it after `receive`, or before the loop",
                )  # fmt: skip
        return frozenset({RECEIVED})

    def _effect(self, node: ast.AST) -> str | None:
        """How the user spells the effect that ``node`` has outside the actor."""
        if awaited_method(node, self._ctx) == "send":
            return "`send`"
        match node:
            case ast.Call(func=ast.Name() as name):
                return "`print`" if self._source.resolve(name) is builtins.print else None
            case ast.Call(func=ast.Attribute(value=base, attr=attr)) if attr in LOGGING_METHODS:
                return "logging" if self._is_logger(base) else None
        return None

    def _is_logger(self, node: ast.expr) -> bool:
        value = self._source.resolve(node)
        if value is MISSING:  # a local variable: it may well be one
            return isinstance(node, ast.Name) and node.id in self._source.local_names
        return value is logging or isinstance(value, logging.Logger | logging.LoggerAdapter)
