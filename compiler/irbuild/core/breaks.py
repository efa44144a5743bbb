"""Breaks: statements that cannot be compiled, in an actor that can.

A message that comes to one is rolled back, and interpreted.  So nothing of the statement is built,
nothing behind it is reached, and the variables need no common type with it.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic, Location
from pydotcompute.compiler.frontend.source import FunctionSource
from pydotcompute.compiler.frontend.unsupported import scan
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.control_flow import blocks, ends
from pydotcompute.compiler.ops.error_codes import raise_
from pydotcompute.compiler.types.message_schema import is_message
from pydotcompute.compiler.types.types import NEVER

_BREAK = raise_("PDC_DEOPT_BREAK")


class Place:
    """Where a statement is being built: what its failure must not leave behind."""

    def __init__(self, builder: Any) -> None:
        self._block, self._length = builder.block, len(builder.block)
        self._stacks = [(stack, len(stack)) for stack in _stacks(builder)]
        self._looked, self._sending = builder.looked, builder.sending
        self._mark = builder.unit.diagnostics.mark()

    def restore(self, builder: Any) -> None:
        """Forgets what was built of the statement."""
        builder.block = self._block
        del builder.block[self._length :]
        for stack, length in self._stacks:
            del stack[length:]
        builder.looked, builder.sending = self._looked, self._sending
        builder.unit.diagnostics.rewind(self._mark)


def _stacks(builder: Any) -> tuple[list[Any], ...]:
    return builder.loops, builder.tries, builder.watches, builder.cleanups, builder.unit.building


def own_problem(source: FunctionSource, node: ast.stmt) -> Diagnostic | None:
    """The first syntax of a statement itself, not of those inside it, that never lowers."""
    inner = [source.location(part) for part in _inside(node)]
    for problem in scan([node], source):
        if not any((at.line, at.column) <= (problem.line, problem.column)
                   < (at.end_line, at.end_column) for at in inner):  # fmt: skip
            return problem
    return None


def _inside(node: ast.stmt) -> Iterator[ast.stmt]:
    """The statements in the blocks of a statement that compiled code has."""
    if not isinstance(node, (ast.If, ast.For, ast.While, ast.Try, ast.Match)):
        return
    for part in (node, *getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        for name in ("body", "orelse", "finalbody"):
            yield from getattr(part, name, ())


def certain_problem(source: FunctionSource, body: list[ast.stmt]) -> Diagnostic | None:
    """The first syntax that never lowers, if each turn comes to it."""
    for node in body:
        if (problem := own_problem(source, node)) is not None:
            return problem
        if any(isinstance(part, (ast.Continue, ast.Break, ast.Return)) for part in ast.walk(node)):
            break
    return None


def may_change(value: Any) -> bool:
    """Whether an interpreted message may change what is inside a Python object."""
    if isinstance(value, tuple):
        return any(map(may_change, value))
    if isinstance(value, np.ndarray):
        return bool(value.flags.writeable)
    return isinstance(value, (list, dict, set, deque)) or is_message(type(value))


def ends_a_message(block: ir.Block) -> bool:
    """Whether a path that has received comes to the end of the turn."""
    return _ends(block, False)[0]


def _ends(block: ir.Block, received: bool) -> tuple[bool, bool]:
    """Whether a path ends a message, and whether control that goes on has received."""
    for node in block:
        if isinstance(node, ir.Receive):
            received = True
        if received and isinstance(node, (ir.EndTurn, ir.Leave, ir.Return)):
            return True, True
        found = [_ends(inner, received) for inner in blocks(node)]
        if any(ended for ended, _ in found):
            return True, True
        received = received or any(had for _, had in found)
        if ends(node) or _raises(node):
            break
    return False, received


def _raises(node: ir.Node) -> bool:
    """Whether a value that a statement or an expression needs is never computed."""
    needed = [part for part in ir.children(node) if isinstance(part, ir.Expr)]
    if isinstance(node, (ir.And, ir.Or, ir.Cond)):
        needed = needed[:1]
    return any(part.type == NEVER or _raises(part) for part in needed)


def breaks_in(
    nodes: Iterable[ir.Node], known: Mapping[Location, Diagnostic]
) -> tuple[Diagnostic, ...]:
    """The breaks that code holds, in the order of the text."""
    found = {known[node.loc] for node in ir.walk(*nodes)
             if isinstance(node, ir.Op) and node.primitive == _BREAK}  # fmt: skip
    return tuple(sorted(found, key=lambda d: (d.file, d.line, d.column)))
