"""Python's order of evaluation: what every rule of the builder keeps to.

A value that a rule has built is an expression that nobody has evaluated yet.  So a rule

- builds operands that stand side by side with ``sequence``: what a later one does cannot change
  an earlier one, and comes after what an earlier one raises;
- makes what is looked at only on some condition, left out, or followed by an effect of the rule's
  own ``forced`` first: an error in it is not lost, and comes before the effect;
- builds what Python evaluates only on some condition with ``alternatives``, which also knows
  what became of the names that were bound on the way;
- never builds the same syntax twice: it gives the value a made-up name (``held``).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from pydotcompute.compiler.diagnostics.diagnostic import Location
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.effects import may_fail, may_raise
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.quasiquote import placed
from pydotcompute.compiler.irbuild.core.scope import Env, Scope, Var
from pydotcompute.compiler.types.types import CONTAINERS, holds_message, join

Built = TypeVar("Built")

Arm = tuple[Env, Callable[[], ir.Expr]]
"""What is known where one of several ways begins, and the value at its end."""


class Ordered(Scope):
    """Builds values in the order of Python's evaluation."""

    def expression(self, node: ast.expr) -> ir.Expr:
        """The value of ``node``; the builder has the rules."""
        raise AssertionError(f"{type(self).__name__} builds no values")

    def sequence(self, nodes: Sequence[ast.expr],
                 build: Callable[[ast.expr], ir.Expr] | None = None) -> list[ir.Expr]:  # fmt: skip
        """Values of operands that are evaluated one after the other.

        Args:
            nodes: what they are the values of.
            build: builds one; None: as any expression.
        """
        values: list[ir.Expr] = []
        for node in nodes:
            rule = build or self.expression
            values, value = self.before(values, lambda node=node, rule=rule: rule(node))  # type: ignore[misc]
            values.append(value)
        return values

    def before(self, values: Sequence[ir.Expr],
               build: Callable[[], Built]) -> tuple[list[ir.Expr], Built]:  # fmt: skip
        """Values that are there before what ``build`` builds, and that."""
        mark = len(self.block)
        built = build()
        later = self.block[mark:]
        if later and any(not isinstance(v, ir.Const) for v in values):
            del self.block[mark:]
            values = [self.fixed(value, later) for value in values]
            self.block += later
        return list(values), built

    def fixed(self, value: ir.Expr, later: Sequence[ir.Stmt]) -> ir.Expr:
        """A value in a form that what is done later leaves alone.

        A container is the place that it is, and so is a message: it may change, and is the same.
        """
        root = value.base if isinstance(value, ir.As) else value
        is_place = isinstance(root, ir.Local) and isinstance(value.type, CONTAINERS)
        if isinstance(value, ir.Const) or is_place:
            return value
        if not isinstance(root, ir.Local) or not holds_message(value.type):
            return self.temporary(value)
        nodes = list(ir.walk(*later))
        if not any(isinstance(n, (ir.Assign, ir.Receive)) and n.target == root for n in nodes):
            return value
        if any(self.changes(n, root) for n in nodes):
            raise OperandError("a message changes and gets another name in one expression")
        return self.temporary(value)

    def changes(self, node: ir.Node, message: ir.Local) -> bool:
        """Whether a node of the IR changes fields of the message in a local."""
        return isinstance(node, ir.SetField) and message in (
            node.target, getattr(node.target, "base", None)
        )  # fmt: skip

    def forced(self, value: ir.Expr) -> ir.Expr:
        """``value``; what it raises, it raises here."""
        return self.temporary(value) if may_raise(value) else value

    def bind_fresh(self, value: ir.Expr, node: ast.AST, base: str = "value") -> ast.Name:
        """A made-up name for a value, to be used in made-up syntax."""
        name = self.fresh_name(base)
        self.bind(name, value)
        made: ast.Name = placed(ast.Name(name, ast.Load()), node)
        return made

    def dropped(self, *values: ir.Expr) -> None:
        """Computes what is not needed, but may fail."""
        self.block += [ir.Evaluate(v.loc, v) for v in values if may_fail(v)]

    def picked(self, values: Sequence[ir.Expr], index: int) -> ir.Expr:
        """One of several values that Python computes all of."""
        if any(may_fail(value) for n, value in enumerate(values) if n != index):
            values = [value if isinstance(value, ir.Const) else self.temporary(value)
                      for value in values]  # fmt: skip
        return values[index]

    def nested(self, build: Callable[[], ir.Expr]) -> tuple[ir.Expr, list[ir.Stmt]]:
        """A value computed only on some condition, and the statements it needs."""
        outer, self.block = self.block, []
        try:
            return build(), self.block
        finally:
            self.block = outer

    def branch(self, env: Env, build: Callable[[], None]) -> tuple[Env | None, list[ir.Stmt]]:
        """Builds into a block of its own, starting from ``env``."""
        outer_env, outer_block = self.env, self.block
        self.env, self.block = dict(env), []
        try:
            build()
            return self.env, self.block
        finally:
            self.env, self.block = outer_env, outer_block

    def close(self, paths: list[tuple[Env | None, list[ir.Stmt]]], loc: Location) -> None:
        """Goes on where several blocks meet: each is adapted to the merged environment."""
        alive = [env for env, _ in paths if env is not None]
        if not alive:
            self.env = None
            return
        target = self.merge(alive, loc)
        for env, block in paths:
            self.env, outer, self.block = env, self.block, block
            self.adapt(target, loc)
            self.block = outer
        self.env = target

    def alternatives(self, loc: Location, test: ir.Expr, arms: tuple[Arm, Arm]) -> ir.Expr:
        """``arms[0]`` where ``test`` is true, else ``arms[1]``; only that one is evaluated."""
        start = dict(self.env or {})
        values: list[ir.Expr] = []
        paths = []
        for env, build in arms:
            paths.append(self.branch(env, lambda build=build: values.append(build())))  # type: ignore[misc]
        alive = [v for v, (env, _) in zip(values, paths, strict=True) if env is not None] or values
        result = alive[0].type if len(alive) == 1 else join(values[0].type, values[1].type)
        for n, (value, (end, block)) in enumerate(zip(values, paths, strict=True)):
            if end is not None:
                values[n], extra = self.nested(lambda value=value: self.convert(value, result))  # type: ignore[misc]
                block += extra
        ends = [end for end, _ in paths if end is not None]
        given = [dict(env) for env, _ in arms]
        binds = len(ends) < 2 or any(
            _binds(before, end, views=True) or _binds(start, before, views=False)
            for before, end in zip(given, ends, strict=True)
        )
        if not binds and not any(block for _, block in paths):
            self._as_before(start, ends)
            return ir.Cond(loc, values[0].type, test, values[0], values[1])
        target = self.fresh_local(loc, result)
        if aliased := self.aliased(ir.Cond(loc, result, test, values[0], values[1])):
            self.aliases[target.name] = aliased
            target = replace(target, part=True)
        for value, (end, block) in zip(values, paths, strict=True):
            if end is not None:
                block.append(ir.Assign(loc, target, value))
        if binds:
            self.close(paths, loc)
        else:
            self._as_before(start, ends)
        self.block.append(ir.If(loc, test, tuple(paths[0][1]), tuple(paths[1][1])))
        return target

    def _as_before(self, start: Env, ends: Sequence[Env]) -> None:
        """Nothing was bound on the way, but a message may have been given another name."""
        for name, var in start.items():
            ways = [end.get(name) for end in ends]
            if isinstance(var, Var) and self.env is not None:
                unique = all(isinstance(way, Var) and way.unique for way in ways)
                self.env[name] = replace(var, unique=var.unique and unique)


def _binds(before: Env, after: Env, *, views: bool) -> bool:
    """Whether a name is bound between two environments; ``views``: or known to be otherwise."""
    for name, var in after.items():
        was = before.get(name)
        if not isinstance(var, Var) or not isinstance(was, Var):
            if var != was:
                return True
        else:
            news = (var.view, var.in_hand) != (was.view, was.in_hand)
            if var.local != was.local or (views and news):
                return True
    return False


__all__ = ["Arm", "Ordered"]
