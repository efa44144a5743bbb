"""What evaluating an expression may do besides giving a value.

The builder asks when it leaves a value out or puts values in order, the emitter where it has to
look at the error word.
"""

from __future__ import annotations

from pydotcompute.compiler.ir import nodes as ir


def may_raise(node: ir.Expr) -> bool:
    """Whether evaluating ``node`` may raise a Python exception."""
    return any(isinstance(n, ir.Call) or (isinstance(n, ir.Op) and n.primitive.raises)
               for n in ir.walk(node))  # fmt: skip


def may_fail(node: ir.Expr) -> bool:
    """Whether evaluating ``node`` may set the error word: an exception, or a deoptimisation."""
    return any(isinstance(n, ir.Call) or (isinstance(n, ir.Op) and n.primitive.fails)
               for n in ir.walk(node))  # fmt: skip


def acts(node: ir.Node) -> bool:
    """Whether a node of the IR, taken by itself, does more than compute something."""
    return isinstance(node, (ir.Mutate, ir.SetField, ir.Print, ir.Send, ir.Raise, ir.Call))
