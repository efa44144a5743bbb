"""Where control goes: the blocks of a statement, and whether control reaches their end."""

from __future__ import annotations

from collections.abc import Iterator

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.types.types import NEVER

JUMPS = (ir.EndTurn, ir.Leave, ir.Return, ir.Raise, ir.Interpret, ir.Break,
         ir.Continue)  # fmt: skip
"""Statements behind which control never goes on."""


def falls_through(block: ir.Block) -> bool:
    """Whether control can reach the end of a block."""
    return not any(ends(node) for node in block)


def ends(node: ir.Stmt) -> bool:
    """Whether control never goes on behind a statement."""
    match node:
        case ir.Assign() | ir.Evaluate():
            return node.value.type == NEVER
        case ir.If():
            return not falls_through(node.body) and not falls_through(node.orelse)
        case ir.Try():
            body = not falls_through((*node.body, *node.orelse))
            return body and all(not falls_through(h.body) for h in node.handlers)
        case ir.While() | ir.For():
            test = getattr(node, "test", None)
            endless = isinstance(test, ir.Const) and bool(test.value)
            left = any(isinstance(n, ir.Break) for n in ir.walk(*node.body))
            return not left and (endless or not falls_through(node.orelse))
    return isinstance(node, JUMPS)


def blocks(node: ir.Node) -> Iterator[ir.Block]:
    """The blocks inside a statement, in order."""
    match node:
        case ir.If():
            yield from (node.body, node.orelse)
        case ir.While():
            yield from (node.setup, node.body, node.orelse)
        case ir.For():
            yield from (node.body, node.orelse)
        case ir.Try():
            yield from (node.body, *(handler.body for handler in node.handlers), node.orelse)
