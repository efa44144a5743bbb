"""What the prologue leaves, told from its text alone: ``lower()`` runs nothing of the user's.

Input: an actor's shape.  Output: the names whose values can be told, with those values.  Only
their *types* matter: at launch the prologue is run by the interpreter, and its values are packed.

Expressions are told by ``fold``; here are the statements and the calls of plain Python functions.
A statement that is not known makes the evaluator forget the names that the statement binds, and
every container if it mentions one.
"""

from __future__ import annotations

import ast
import collections
import enum
import inspect
import math
import types as pytypes
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from pydotcompute.compiler.consteval.expressions import Folder, Left, Session, Unknown
from pydotcompute.compiler.consteval.purity import VALUES, is_pure
from pydotcompute.compiler.diagnostics.diagnostic import DiagnosticError
from pydotcompute.compiler.frontend.actor_shape import ActorShape
from pydotcompute.compiler.frontend.names import bound_names
from pydotcompute.compiler.frontend.source import read_source
from pydotcompute.compiler.types.missing import MISSING

DEPTH = 20
"""Calls within calls that are followed."""


def static_values(shape: ActorShape, key: Any = MISSING) -> dict[str, Any]:
    """The values that the text of a prologue determines, by name.

    A name that the prologue binds in a way that is not known here is left out.

    Args:
        shape: the actor.
        key: of a population, any key; the values are those of its instance.
    """
    known: dict[str, Any] = {}
    evaluator = _Evaluator(shape.source, known, Session(), context=shape.ctx, key=key)
    for statement in shape.prologue:
        try:
            evaluator.run(statement)
        except Unknown:
            _forget(known, statement)
        except Left:
            return {}
    return known


Reads = tuple[tuple[Callable[[], Any], Any], ...]
"""What was read from modules and closures: how to read it again, and what it was."""


def constant_reads(shape: ActorShape) -> Reads | None:
    """Whether a prologue leaves equal values whenever it is run, and does nothing else.

    Returns:
        What that depends on; None if its values may differ, or cannot be told.
    """
    reads: dict[str, tuple[Callable[[], Any], Any]] = {}
    for statement in shape.prologue:
        for node in ast.walk(statement):
            if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
                continue
            if node.id == shape.ctx:
                return None
            if node.id not in shape.source.local_names:
                found = shape.source.lookup(node.id)
                if not _is_constant(found):
                    return None
                reads[node.id] = partial(shape.source.lookup, node.id), found
    evaluator = _Evaluator(shape.source, {}, Session(), context=shape.ctx)
    try:
        for statement in shape.prologue:
            evaluator.run(statement)
    except (Unknown, Left):
        return None
    return tuple(reads.values())


def _is_constant(value: Any) -> bool:
    """Whether a value is always the same, with all that can be got from it."""
    if isinstance(value, tuple):
        return all(map(_is_constant, value))
    if isinstance(value, type) and issubclass(value, enum.Enum):
        return True
    plain = value is None or isinstance(value, (str, int, float, np.generic, enum.Enum))
    return plain or any(value is each for each in _MODULES) or is_pure(value)


_MODULES = (math, np, collections)


def binding_of(shape: ActorShape, name: str) -> ast.AST:
    """Where a prologue binds a name last, or the head of the loop."""
    found: ast.AST = shape.loop.test
    for statement in shape.prologue:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
                found = node
    return found


def _forget(known: dict[str, Any], statement: ast.stmt) -> None:
    """Drops what a statement may bind, and the containers that it may change."""
    mentioned = [known[n.id] for n in ast.walk(statement)
                 if isinstance(n, ast.Name) and n.id in known]  # fmt: skip
    if any(not isinstance(value, VALUES) for value in mentioned):
        for name in [n for n, value in known.items() if not isinstance(value, VALUES)]:
            if known[name] is not None and not isinstance(known[name], enum.Enum):
                del known[name]
    for name in bound_names([statement]):
        known.pop(name, None)


class _Evaluator(Folder):
    """Runs the statements of one function."""

    def run(self, node: ast.stmt) -> None:
        """Runs a statement; ``Unknown`` may leave it half done."""
        self._apply(_STATEMENTS.get(type(node)), node)

    def block(self, nodes: Iterable[ast.stmt]) -> None:
        """Runs statements in order."""
        for node in nodes:
            self.run(node)

    def _assign(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self.bind(target, value)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.bind(node.target, self.value(node.value))

    def _augmented(self, node: ast.AugAssign) -> None:
        if not isinstance(node.target, ast.Name):
            raise Unknown
        old = self.names.get(node.target.id, MISSING)
        if old is MISSING:
            raise Unknown
        self.names[node.target.id] = self._binary(type(node.op), old, self.value(node.value))

    def _expression(self, node: ast.Expr) -> None:
        self.value(node.value)

    def _if(self, node: ast.If) -> None:
        self.block(node.body if self.value(node.test) else node.orelse)

    def _for(self, node: ast.For) -> None:
        for item in self.iterate(self.value(node.iter)):
            self.bind(node.target, item)
            if not self._goes_on(node.body):
                return
        self.block(node.orelse)

    def _while(self, node: ast.While) -> None:
        while self.value(node.test):
            if not self._goes_on(node.body):
                return
        self.block(node.orelse)

    def _goes_on(self, body: Iterable[ast.stmt]) -> bool:
        """Runs a loop's body once; False if it leaves the loop by ``break``."""
        try:
            self.block(body)
        except Left as left:
            if left.kind is ast.Return:
                raise
            return left.kind is not ast.Break
        return True

    def _leave(self, node: ast.Break | ast.Continue) -> None:
        raise Left(type(node))

    def _return(self, node: ast.Return) -> None:
        raise Left(ast.Return, None if node.value is None else self.value(node.value))

    def _pass(self, node: ast.Pass) -> None:
        return

    def _call_python(self, function: pytypes.FunctionType, arguments: list[Any],
                     keywords: dict[str, Any]) -> Any:  # fmt: skip
        if self.depth >= DEPTH:
            raise Unknown
        try:
            source = read_source(function)
            bound = inspect.signature(function).bind(*arguments, **keywords)
        except (DiagnosticError, TypeError, ValueError):
            raise Unknown from None
        if not isinstance(source.node, ast.FunctionDef):
            raise Unknown
        bound.apply_defaults()
        callee = _Evaluator(source, dict(bound.arguments), self.session, depth=self.depth + 1)
        try:
            callee.block(source.node.body)
        except Left as left:
            return left.value
        return None


_STATEMENTS: Mapping[type[ast.stmt], Callable[[_Evaluator, Any], None]] = {
    ast.Assign: _Evaluator._assign,
    ast.AnnAssign: _Evaluator._annotated,
    ast.AugAssign: _Evaluator._augmented,
    ast.Expr: _Evaluator._expression,
    ast.If: _Evaluator._if,
    ast.For: _Evaluator._for,
    ast.While: _Evaluator._while,
    ast.Break: _Evaluator._leave,
    ast.Continue: _Evaluator._leave,
    ast.Return: _Evaluator._return,
    ast.Pass: _Evaluator._pass,
}
