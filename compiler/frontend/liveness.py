"""Which names are live where.

Input: statements of one function.  Output: sets of names::

    Liveness("ctx", catches_timeout).at_head(loop, after)   # what one turn leaves to the next

A name is *live* at a point if some way onward from there reads it before binding it.  Exceptions
are ways onward, too: anything in a ``try`` body may jump to its handlers, except a plain
``x = await ctx.receive(...)``, which raises nothing but a time-out.  Where the analysis cannot
know, it says "live": a name too many costs a little room, a name too few a wrong answer.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydotcompute.compiler.frontend.names import (
    COMPREHENSIONS,
    EMPTY,
    Names,
    binds,
    bound_names,
    read_names,
    stored_names,
)
from pydotcompute.compiler.frontend.source import awaited_method

__all__ = ["Liveness", "bound_names"]


@dataclass(frozen=True)
class _Ways:
    """What is live at the end of each way out of a block."""

    on: Names
    """Normal completion."""
    exception: Names = EMPTY
    timeout: Names = EMPTY
    """``receive`` timed out."""
    leave: Names = EMPTY
    """The runtime ends the loop in ``receive``: the epilogue comes next."""
    breaks: Names = EMPTY
    continues: Names = EMPTY
    returns: Names = EMPTY

    def each(self, change: Callable[[Names], Names]) -> _Ways:
        """The same change to every way, as a ``finally`` makes it."""
        return _Ways(
            change(self.on), change(self.exception), change(self.timeout), change(self.leave),
            change(self.breaks), change(self.continues), change(self.returns),
        )  # fmt: skip


@dataclass(frozen=True)
class Liveness:
    """The analysis of one actor.

    Args:
        ctx: the name of the context parameter.
        catches_timeout: whether a handler catches the time-out of ``receive``; None if unknown.
    """

    ctx: str
    catches_timeout: Callable[[ast.ExceptHandler], bool | None]

    def at_head(self, loop: ast.While, after: Sequence[ast.stmt]) -> Names:
        """The names live at the head of the actor's loop.

        Args:
            loop: the receive loop.
            after: the statements after it.
        """
        done = self.block(after, _Ways(EMPTY))
        otherwise = self.block(loop.orelse, _Ways(done))
        return self._loop_head(loop, otherwise, _Ways(done, leave=otherwise))

    def before(self, statements: Sequence[ast.stmt]) -> Names:
        """The names live before the last statements of the function."""
        return self.block(statements, _Ways(EMPTY))

    def _loop_head(self, loop: ast.While, otherwise: Names, ways: _Ways) -> Names:
        head = EMPTY
        while True:
            inside = replace(ways, on=head, breaks=ways.on, continues=head)
            body = self.block(loop.body, inside)
            new = head | self._condition(loop.test, body, otherwise, ways)
            if new == head:
                return head
            head = new

    # --- statements --------------------------------------------------------------------------

    def block(self, statements: Sequence[ast.stmt], ways: _Ways) -> Names:
        """What is live before ``statements``."""
        on = ways.on
        for statement in reversed(statements):
            on = self._statement(statement, replace(ways, on=on))
        return on

    def _statement(self, node: ast.stmt, ways: _Ways) -> Names:
        match node:
            case ast.Pass() | ast.Global() | ast.Nonlocal():
                return ways.on
            case ast.Break():
                return ways.breaks
            case ast.Continue():
                return ways.continues
            case ast.Return(value=None):
                return ways.returns
            case ast.Return(value=value):
                return self._risky(value, ways.returns, ways)
            case ast.Raise():
                parts = [part for part in (node.exc, node.cause) if part is not None]
                return self._sequence(parts, ways.exception, ways)
            case ast.If():
                body = self.block(node.body, ways)
                return self._condition(node.test, body, self.block(node.orelse, ways), ways)
            case ast.While():
                return self._loop_head(node, self.block(node.orelse, ways), ways)
            case ast.For() | ast.AsyncFor():
                return self._for(node, ways)
            case ast.Try() | ast.TryStar():
                return self._try(node, ways)
            case ast.With() | ast.AsyncWith():
                return self._with(node, ways)
            case ast.Match():
                return self._match(node, ways)
        return self._simple(node, ways)

    def _simple(self, node: ast.stmt, ways: _Ways) -> Names:
        """Assignments, expressions, ``assert``, ``del``, nested definitions, imports."""
        match node:
            case ast.Assign(targets=targets, value=ast.Constant()) if all(
                isinstance(target, ast.Name) for target in targets
            ):
                return self._targets(targets, ways.on, ways)  # cannot raise
            case ast.Assign(targets=[ast.Name()]):
                return self._risky(node.value, self._targets(node.targets, ways.on, ways), ways)
            case ast.Assign():
                on = self._targets(node.targets, ways.on, ways)
                return self.expr(node.value, on, ways) | ways.exception
            case ast.AnnAssign(value=None):
                return ways.on
            case ast.AnnAssign():
                on = self._targets([node.target], ways.on, ways)
                return self.expr(node.value, on, ways) | ways.exception
            case ast.AugAssign():
                on = self.expr(node.value, ways.on, ways)
                return on | read_names(node.target) | stored_names(node.target) | ways.exception
            case ast.Delete():
                return ways.on | frozenset().union(*map(read_names, node.targets)) | ways.exception
            case ast.Expr():
                return self._risky(node.value, ways.on, ways)
            case ast.Assert():
                failed = ways.exception
                if node.msg is not None:
                    failed = self.expr(node.msg, failed, ways)
                return self._condition(node.test, ways.on, failed, ways)
        kill = frozenset(binds(node))
        return (ways.on - kill) | read_names(node) | ways.exception

    def _risky(self, node: ast.expr | None, on: Names, ways: _Ways) -> Names:
        """Before evaluating ``node``, which may raise unless it only asks the context."""
        before = self.expr(node, on, ways)
        return before if self._is_safe(node) else before | ways.exception

    def _condition(self, node: ast.expr, yes: Names, no: Names, ways: _Ways) -> Names:
        """Before a condition, which may raise, given what is live where it holds and where not."""
        before = self._test(node, yes, no, ways)
        return before if self._is_safe(node) else before | ways.exception

    def _test(self, node: ast.expr, yes: Names, no: Names, ways: _Ways) -> Names:
        match node:
            case ast.Constant(value=known):
                return yes if known else no
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._test(operand, no, yes, ways)
            case ast.BoolOp(op=ast.And(), values=[*rest, last]):
                yes = self._test(last, yes, no, ways)
                for value in reversed(rest):
                    yes = self._test(value, yes, no, ways)
                return yes
            case ast.BoolOp(values=[*rest, last]):
                no = self._test(last, yes, no, ways)
                for value in reversed(rest):
                    no = self._test(value, yes, no, ways)
                return no
        return self.expr(node, yes | no, ways)

    def _is_safe(self, node: ast.AST | None) -> bool:
        """Whether evaluating ``node`` raises nothing but what ``receive`` raises.

        So it is for ``await ctx.receive(timeout=0.1)`` and ``not ctx.is_active``.
        """
        match node:
            case None | ast.Constant() | ast.Attribute(value=ast.Name(id=self.ctx)):
                return True
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._is_safe(operand)
            case ast.BoolOp(values=values):
                return all(map(self._is_safe, values))
            case ast.Await(value=ast.Call(args=args, keywords=words)):
                known = awaited_method(node, self.ctx) in ("receive", "wait_active")
                given = [*args, *(word.value for word in words)]
                return known and all(isinstance(value, ast.Constant) for value in given)
        return False

    def _targets(self, targets: Sequence[ast.expr], on: Names, ways: _Ways) -> Names:
        """Before storing to ``targets``: names are bound, indices and bases are read."""
        for target in reversed(targets):
            match target:
                case ast.Name(id=name):
                    on = on - {name}
                case ast.Tuple(elts=items) | ast.List(elts=items):
                    on = self._targets(items, on, ways)
                case ast.Starred(value=item):
                    on = self._targets([item], on, ways)
                case _:
                    on = self.expr(target, on, ways)
        return on

    def _for(self, node: ast.For | ast.AsyncFor, ways: _Ways) -> Names:
        end = self.block(node.orelse, ways)
        head = EMPTY
        while True:
            inside = replace(ways, on=head, breaks=ways.on, continues=head)
            body = self.block(node.body, inside)
            new = head | end | ways.exception | self._targets([node.target], body, ways)
            if new == head:
                return self.expr(node.iter, head, ways) | ways.exception
            head = new

    def _with(self, node: ast.With | ast.AsyncWith, ways: _Ways) -> Names:
        # __exit__ may swallow an exception and go on after the block.
        inside = replace(
            ways, exception=ways.exception | ways.on, timeout=ways.timeout | ways.on,
            leave=ways.leave | ways.on,
        )  # fmt: skip
        on = self.block(node.body, inside)
        for item in reversed(node.items):
            if item.optional_vars is not None:
                on = self._targets([item.optional_vars], on, ways)
            on = self.expr(item.context_expr, on, ways) | ways.exception
        return on

    def _match(self, node: ast.Match, ways: _Ways) -> Names:
        on = ways.on
        for case in reversed(node.cases):
            body = self.block(case.body, ways)
            if case.guard is not None:
                body = self.expr(case.guard, body | on, ways)
            taken = body - frozenset(bound_names([case.pattern]))
            on = taken | read_names(case.pattern) | (EMPTY if _always(case) else on)
        return self.expr(node.subject, on, ways) | ways.exception

    def _try(self, node: ast.Try | ast.TryStar, ways: _Ways) -> Names:
        if node.finalbody:
            outer = ways
            ways = ways.each(lambda end: self.block(node.finalbody, replace(outer, on=end)))
        exception, timeout, sure, caught = EMPTY, EMPTY, False, False
        for handler in node.handlers:
            body = self.block(handler.body, ways)
            entry = body - {handler.name} if handler.name else body
            if handler.type is not None:
                entry |= read_names(handler.type)
            exception |= entry
            catches = self.catches_timeout(handler)
            if not sure and catches is not False:
                timeout |= entry
            sure = sure or catches is True
            caught = caught or handler.type is None
        inside = replace(
            ways,
            on=self.block(node.orelse, ways),
            exception=exception if caught else exception | ways.exception,
            timeout=timeout if sure else timeout | ways.timeout,
        )
        return self.block(node.body, inside)

    # --- expressions -------------------------------------------------------------------------

    def _sequence(self, nodes: Sequence[ast.expr], on: Names, ways: _Ways) -> Names:
        for node in reversed(nodes):
            on = self.expr(node, on, ways)
        return on

    def expr(self, node: ast.AST | None, on: Names, ways: _Ways) -> Names:
        """What is live before evaluating ``node``."""
        match node:
            case None | ast.Constant():
                return on
            case ast.Name():
                return on | {node.id}
            case ast.NamedExpr(target=ast.Name(id=name)):
                return self.expr(node.value, on - {name}, ways)
            case ast.BoolOp():
                before = self.expr(node.values[-1], on, ways)
                for value in reversed(node.values[:-1]):
                    before = self.expr(value, before | on, ways)
                return before
            case ast.IfExp():
                body, orelse = self.expr(node.body, on, ways), self.expr(node.orelse, on, ways)
                return self._test(node.test, body, orelse, ways)
            case ast.Compare(left=left, comparators=[second, *rest]):
                tail = self._sequence(rest, on, ways) | on
                return self._sequence([left, second], tail, ways)
            case ast.Lambda():
                return on | read_names(node)
        if isinstance(node, COMPREHENSIONS):
            return self.expr(node.generators[0].iter, on | read_names(node), ways)
        if node is not None and awaited_method(node, self.ctx) == "receive":
            on |= ways.timeout | ways.leave
        children = [] if node is None else list(ast.iter_child_nodes(node))
        for child in reversed(children):
            on = self.expr(child, on, ways)
        return on


def _always(case: ast.match_case) -> bool:
    """Whether the case is ``case _`` or ``case name``: what follows it is never reached."""
    pattern = case.pattern
    return case.guard is None and isinstance(pattern, ast.MatchAs) and pattern.pattern is None
