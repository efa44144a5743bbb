"""Statements: the table by AST class, and the plain ones."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.effects import may_fail
from pydotcompute.compiler.irbuild.containers.methods import delete
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import raising
from pydotcompute.compiler.irbuild.core.quasiquote import HandOver
from pydotcompute.compiler.irbuild.syntax.assignments import (
    annotated_assign,
    assign,
    augmented_assign,
)
from pydotcompute.compiler.irbuild.syntax.exceptions import (
    evaluate_for_errors,
    raise_statement,
    try_statement,
)
from pydotcompute.compiler.irbuild.syntax.loops import for_loop, jump, return_statement, while_loop
from pydotcompute.compiler.irbuild.syntax.match import match_statement
from pydotcompute.compiler.irbuild.values.conditions import condition
from pydotcompute.compiler.irbuild.values.operators import negate
from pydotcompute.compiler.irbuild.values.wide_ints import fused
from pydotcompute.compiler.ops.error_codes import BY_NAME
from pydotcompute.compiler.types.types import NEVER


def _expr(b: Builder, node: ast.Expr) -> None:
    if isinstance(node.value, ast.Constant):
        return
    value = b.evaluate(node.value)
    if isinstance(value, ir.Expr) and may_fail(value):
        b.block.append(ir.Evaluate(b.loc(node), value))


def _pass(b: Builder, node: ast.Pass) -> None:
    """Nothing."""


def _if(b: Builder, node: ast.If) -> None:
    test, when_true, when_false = condition(b, node.test)
    if b.env is None:  # it raises for certain
        return
    if isinstance(test, ir.Const):
        b.env = when_true if test.value else when_false
        b.statements(node.body if test.value else node.orelse)
        return
    then = b.branch(when_true, lambda: b.statements(node.body))
    orelse = b.branch(when_false, lambda: b.statements(node.orelse))
    b.close([then, orelse], b.loc(node))
    b.block.append(ir.If(b.loc(node), test, tuple(then[1]), tuple(orelse[1])))


def _hand_over(b: Builder, node: HandOver) -> None:
    b.raise_here(raising(b.loc(node), NEVER, node.code))


def _assert(b: Builder, node: ast.Assert) -> None:
    test, when_true, when_false = condition(b, node.test)
    if b.env is None:
        return
    code = BY_NAME["PDC_ASSERTION"].code
    refused = ir.Raise(b.loc(node), code)

    def body() -> None:
        if node.msg is not None:
            evaluate_for_errors(b, node.msg)
        b.block.append(refused)

    _, failed = b.branch(when_false, body)
    b.block.append(ir.If(b.loc(node), negate(test), tuple(failed), ()))
    b.env = when_true


STATEMENTS: dict[type[ast.stmt], Callable[[Builder, Any], None]] = {
    ast.Assign: assign,
    ast.AugAssign: augmented_assign,
    ast.AnnAssign: annotated_assign,
    ast.Expr: _expr,
    ast.Pass: _pass,
    ast.If: _if,
    ast.Assert: _assert,
    ast.While: while_loop,
    ast.For: for_loop,
    ast.Break: jump,
    ast.Continue: jump,
    ast.Return: return_statement,
    ast.Raise: raise_statement,
    ast.Try: try_statement,
    ast.Match: match_statement,
    ast.Delete: delete,
    HandOver: _hand_over,
}

Builder.STATEMENTS.update(STATEMENTS)
Builder.FUSIONS.append(fused)
