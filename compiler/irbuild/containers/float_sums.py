"""``sum`` of floats as it is from Python 3.12 on: what is lost by rounding is added at the end."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.quasiquote import written
from pydotcompute.compiler.irbuild.values.operators import apply
from pydotcompute.compiler.ops.functions import sum_end, sum_lost
from pydotcompute.compiler.types.types import FLOAT

_FLOATS = """\
if not _kind_({item}, _int_) and not _kind_({total}, _int_):
    {lost} = _lost_({lost}, {total}, {item})
{total} = {total} + {item}
"""
"""CPython carries along what floats lose to floats: an int, on either side, is simply added."""


def compensated(b: Builder, node: ast.Call, total: str,
                item: str) -> tuple[list[ast.stmt], list[ast.stmt]]:  # fmt: skip
    """The body of the loop of a ``sum``, and what comes after the loop.

    That there are floats shows only when the loop is built; until then it is as of ints.
    """
    if _site(node) not in b.facts.float_sums:
        return written(f"{total} = _step_({total}, {item})", node, step=_function(sum_step)), []
    lost = b.fresh_name("lost")
    b.statements(written(f"{lost} = 0.0", node))
    body = _FLOATS.format(total=total, item=item, lost=lost)
    after = f"{total} = _end_({total}, {lost})"
    return (
        written(
            body, node, lost=_function(sum_lost), kind=_function(isinstance), int=_function(int)
        ),
        written(after, node, end=_function(sum_end)),
    )


def _function(function: Callable[..., Any]) -> ast.expr:
    """A function that has no name in the user's text."""
    callee: Any = function
    return ast.Constant(callee)


def _site(node: ast.Call) -> tuple[int, int]:
    return node.lineno, node.col_offset


def sum_step(b: Builder, node: ast.Call) -> ir.Expr:
    """``total + item``, as long as no floats are added."""

    def add(left: ir.Expr, right: ir.Expr) -> ir.Expr:
        if left.type == right.type == FLOAT:
            b.sum_floats(_site(node))
        return apply(b, "+", left, right, b.loc(node))

    total, item = b.sequence(node.args)
    total, item = b.duplicable(total), b.duplicable(item)
    return b.split(total, lambda one: b.split(item, lambda other: add(one, other)))
