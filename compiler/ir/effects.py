"""What a node of the IR does besides giving a value: what it raises, and which locals it writes.

The builder asks when it leaves a value out or puts values in order, the passes when they move one,
the emitter where it has to look at the error word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.types.types import NEVER


def may_raise(node: ir.Expr) -> bool:
    """Whether evaluating ``node`` may raise a Python exception."""
    return any(isinstance(n, ir.Call) or (isinstance(n, ir.Op) and n.primitive.raises)
               for n in ir.walk(node))  # fmt: skip


def may_fail(node: ir.Expr) -> bool:
    """Whether evaluating ``node`` may set the error word: an exception, or a deoptimisation."""
    return any(isinstance(n, ir.Call) or (isinstance(n, ir.Op) and n.primitive.fails)
               for n in ir.walk(node))  # fmt: skip


def is_needless(node: ir.Evaluate) -> bool:
    """Whether an evaluation does nothing: it cannot fail, and control goes on after it."""
    return not may_fail(node.value) and node.value.type != NEVER


def acts(node: ir.Node) -> bool:
    """Whether a node of the IR, taken by itself, does more than compute something."""
    return isinstance(node, (ir.Mutate, ir.SetField, ir.Print, ir.Send, ir.Raise, ir.Interpret,
                             ir.Call))  # fmt: skip


def bound_by(node: ir.Node) -> ir.Local | None:
    """The local that a node, taken by itself, gives another value."""
    target = node.name if isinstance(node, ir.Handler) else getattr(node, "target", None)
    return target if isinstance(target, ir.Local) and not isinstance(node, ir.SetField) else None


def written_by(node: ir.Node, functions: Mapping[str, ir.Function]) -> Iterator[ir.Local]:
    """The locals that a node, taken by itself, binds or whose message or container it changes.

    Args:
        node: a statement, or a call.
        functions: the kernel's functions by name.
    """
    if (target := bound_by(node)) is not None:
        yield target
    changed: list[ir.Expr] = []
    if isinstance(node, ir.SetField):
        changed.append(node.target)
    if isinstance(node, ir.Mutate):
        changed += node.changed
    if isinstance(node, ir.Call):
        callee = functions[node.function]
        changed += [argument for argument, own in zip(node.args, callee.parameters, strict=True)
                    if own.name in callee.changes]  # fmt: skip
    for place in changed:
        if (root := root_of(place)) is not None:
            yield root


def root_of(place: ir.Expr) -> ir.Local | None:
    """The local that a place is, or is inside of."""
    while not isinstance(place, ir.Local):
        below = next(ir.children(place), None)
        if not isinstance(below, ir.Expr):
            return None
        place = below
    return place
