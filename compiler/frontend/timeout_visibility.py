"""Whether an actor would notice that ``receive`` timed out.

Input: the loop.  Output: a bool.  Most time-outs are there only so that the loop looks at
``should_terminate`` now and then; such an actor needs no timer while it is idle.

The answer is "silent" only for what is plainly so: everything that runs in a turn without a
message is one of a few harmless forms.  Anything else counts as noticed.
"""

from __future__ import annotations

import ast
import builtins
import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydotcompute.compiler.frontend.names import bound_names, walk_scope
from pydotcompute.compiler.frontend.source import FunctionSource, awaited_method
from pydotcompute.compiler.types.missing import MISSING


class _End(enum.Enum):
    """How a block ends in which ``receive`` timed out."""

    RAISES = "the exception leaves it"
    CONTINUES = "the next turn begins"
    FALLS = "what follows the block is next"
    NOTICED = "something may have happened"


def is_silent(source: FunctionSource, ctx: str, loop: ast.While, state: frozenset[str]) -> bool:
    """Whether a turn of ``loop`` in which ``receive`` times out leaves no trace.

    Args:
        source: the actor.
        ctx: the name of the context parameter.
        loop: its receive loop.
        state: the names whose value may be read in a later turn or after the loop.

    Returns:
        True also for a loop whose ``receive`` never times out.
    """
    timed = [node for node in walk_scope([loop.test, *loop.body]) if _has_timeout(node, ctx)]
    walks = [(_Walk(source, ctx, state), node) for node in timed]
    return all(
        walk.is_quiet(loop.test)
        and walk.block(loop.body, node) in (_End.CONTINUES, _End.FALLS)
        for walk, node in walks
    )


def _has_timeout(node: ast.AST, ctx: str) -> bool:
    return awaited_method(node, ctx) == "receive" and not all(
        isinstance(value, ast.Constant) and value.value is None for value in _arguments(node)
    )


def _arguments(node: ast.AST) -> list[ast.expr]:
    """The arguments of an awaited call."""
    match node:
        case ast.Await(value=ast.Call(args=args, keywords=words)):
            return [*args, *(word.value for word in words)]
    return []


@dataclass(frozen=True)
class _Walk:
    """One turn in which one ``receive`` times out.

    Args:
        source, ctx, state: as of ``is_silent``.
        known: names that are bound to a constant by now.
    """

    source: FunctionSource
    ctx: str
    state: frozenset[str]
    known: dict[str, Any] = field(default_factory=dict)

    def block(self, statements: Sequence[ast.stmt], receive: ast.AST) -> _End:
        """How ``statements``, which hold ``receive``, end when it times out."""
        index = next((i for i, node in enumerate(statements) if _holds([node], receive)), None)
        if index is None or not all(map(self._is_harmless, statements[:index])):
            return _End.NOTICED
        end = self._statement(statements[index], receive)
        rest = statements[index + 1 :]
        if end is not _End.FALLS or not rest:
            return end
        return self._does_nothing(rest)

    def _does_nothing(self, statements: Sequence[ast.stmt]) -> _End:
        for node in statements:
            match node:
                case ast.Continue():
                    return _End.CONTINUES
                case ast.Pass():
                    continue
                case ast.Assign() if self._binds_constants(node):
                    continue
                case ast.If() if (holds := self._decides(node.test)) is not None:
                    end = self._does_nothing(node.body if holds else node.orelse)
                    if end is not _End.FALLS:
                        return end
                case _ if not _is_constant_statement(node):
                    return _End.NOTICED
        return _End.FALLS

    def _binds_constants(self, node: ast.Assign) -> bool:
        """Whether it does no more than binding names of this turn to a constant; notes them."""
        if not isinstance(node.value, ast.Constant):
            return False
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if len(names) < len(node.targets) or self.state.intersection(names):
            return False
        self.known.update(dict.fromkeys(names, node.value.value))
        return True

    def _decides(self, test: ast.expr) -> bool | None:
        """What a test of a known name comes to; None if that is not plain."""
        match test:
            case ast.Name(id=name) if name in self.known:
                return bool(self.known[name])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                found = self._decides(operand)
                return None if found is None else not found
            case ast.Compare(
                left=ast.Name(id=name), ops=[ast.Is() | ast.IsNot() as op],
                comparators=[ast.Constant(value=None)],
            ) if name in self.known:  # fmt: skip
                return (self.known[name] is None) == isinstance(op, ast.Is)
        return None

    def _statement(self, node: ast.stmt, receive: ast.AST) -> _End:
        match node:
            case ast.If() if self.is_quiet(node.test) and not _holds([node.test], receive):
                return self.block(node.body if _holds(node.body, receive) else node.orelse, receive)
            case ast.Try(finalbody=[]) if _holds(node.body, receive):
                return self._try(node, receive)
            case (
                ast.Assign(targets=[ast.Name()], value=value)
                | ast.AnnAssign(target=ast.Name(), value=value)
                | ast.Expr(value=value)
                | ast.Match(subject=value)
            ) if value is receive:
                quiet = all(map(self.is_quiet, _arguments(receive)))
                return _End.RAISES if quiet else _End.NOTICED
        return _End.NOTICED

    def _try(self, node: ast.Try, receive: ast.AST) -> _End:
        end = self.block(node.body, receive)
        if end is _End.FALLS and node.orelse:
            return _End.NOTICED
        if end is not _End.RAISES:
            return end
        for handler in node.handlers:
            match catches_timeout(self.source, handler):
                case True:
                    return self._does_nothing(handler.body)
                case None:
                    return _End.NOTICED
        return _End.RAISES

    def _is_harmless(self, node: ast.stmt) -> bool:
        """Whether running ``node`` again in a turn to come makes no difference."""
        match node:
            case ast.Pass() | ast.Continue() | ast.Break() | ast.Return(value=None):
                return True
            case ast.If(test=test, body=body, orelse=orelse):
                harmless = all(map(self._is_harmless, [*body, *orelse]))
                for name in bound_names([node]):
                    self.known.pop(name, None)
                return harmless and self.is_quiet(test)
            case ast.Assign():
                return self._binds_constants(node)
            case ast.Expr(value=ast.Await(value=ast.Call(args=[], keywords=[])) as value):
                return awaited_method(value, self.ctx) == "wait_active"
        return _is_constant_statement(node)

    def is_quiet(self, node: ast.AST) -> bool:
        """Whether an expression only looks at variables and the context."""
        match node:
            case ast.Constant() | ast.Name(ctx=ast.Load()):
                return True
            case ast.Attribute(value=ast.Name(id=self.ctx)):
                return True
            case ast.UnaryOp(operand=operand):
                return self.is_quiet(operand)
            case ast.BoolOp(values=values):
                return all(map(self.is_quiet, values))
            case ast.Compare(left=left, comparators=others):
                return all(map(self.is_quiet, [left, *others]))
        return False


def _holds(nodes: Sequence[ast.AST], wanted: ast.AST) -> bool:
    return any(node is wanted for node in walk_scope(nodes))


def _is_constant_statement(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def catches_timeout(source: FunctionSource, handler: ast.ExceptHandler) -> bool | None:
    """Whether a handler catches the ``QueueTimeoutError`` of ``ctx.receive``.

    Returns:
        None if that cannot be told from the text.
    """
    return True if handler.type is None else _catches(source.resolve(handler.type))


def _catches(value: Any) -> bool | None:
    if isinstance(value, tuple):
        answers = [_catches(item) for item in value]
        return True if True in answers else None if None in answers else False
    if value is MISSING or not isinstance(value, type):
        return None
    # Known by name: the compiler does not import the runtime.
    ours = value.__module__.partition(".")[0] == "pydotcompute"
    if ours and value.__name__ in ("QueueTimeoutError", "PyDotComputeError"):
        return True
    return issubclass(builtins.TimeoutError, value)
