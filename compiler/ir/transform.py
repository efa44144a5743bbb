"""Trees of the IR as trees: what is below a node, and a tree with some nodes exchanged.

A pass says what becomes of one node; the functions here take it through a whole kernel::

    rewrite(kernel, lambda node: node.value if isinstance(node, ir.Wrap) else node)

Nodes never change.  A tree without a change comes back as the same object, so that a pass costs
what it changes and ``is`` tells whether it did anything.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

from pydotcompute.compiler.ir import nodes as ir

Tree = TypeVar("Tree", bound=ir.Node)
Change = Callable[[ir.Node], "ir.Node | ir.Block"]
"""What becomes of a node; a statement of a block may become several statements, or none."""


def map_children(node: Tree, change: Change) -> Tree:
    """``node`` with ``change`` of each node directly below it, in evaluation order."""
    changed: dict[str, Any] = {}
    for name in ir.child_fields(type(node)):
        before = getattr(node, name)
        if isinstance(before, ir.Node):
            after: Any = change(before)
        elif isinstance(before, tuple) and before and isinstance(before[0], ir.Node):
            after = map_nodes(before, change)
        else:
            continue
        if after is not before:
            changed[name] = after
    return replace(node, **changed) if changed else node


def map_nodes(nodes: tuple[ir.Node, ...], change: Change) -> tuple[ir.Node, ...]:
    """``nodes`` with ``change`` of each; the same tuple if nothing changes."""
    made: list[ir.Node] = []
    same = True
    for node in nodes:
        new = change(node)
        same = same and new is node
        made += new if isinstance(new, tuple) else (new,)
    return nodes if same else tuple(made)


def rewrite(node: Tree, change: Change) -> Tree:
    """``node`` with everything below it changed, the innermost first; ``node`` itself stays."""

    def visit(part: ir.Node) -> ir.Node | ir.Block:
        return change(map_children(part, visit))

    return map_children(node, visit)


def map_bodies(kernel: ir.Kernel, change: Callable[[ir.Block], ir.Block]) -> ir.Kernel:
    """``kernel`` with ``change`` of the turn, and of the body of each function."""
    functions = tuple(
        function if (body := change(function.body)) is function.body
        else replace(function, body=body) for function in kernel.functions
    )  # fmt: skip
    turn = change(kernel.turn)
    if turn is kernel.turn and all(map(operator.is_, functions, kernel.functions)):
        return kernel
    return replace(kernel, turn=turn, functions=functions)


def map_blocks(block: ir.Block, change: Callable[[ir.Block], ir.Block]) -> ir.Block:
    """``block`` with ``change`` of it and of each block inside it, the innermost first."""
    inner = map_nodes(block, lambda node: _map_blocks_of(node, change))
    return change(cast(ir.Block, inner))


def _map_blocks_of(node: ir.Node, change: Callable[[ir.Block], ir.Block]) -> ir.Node:
    changed: dict[str, Any] = {}
    for name in ir.child_fields(type(node)):
        before = getattr(node, name)
        if not isinstance(before, tuple) or not before:
            continue
        if isinstance(before[0], ir.Stmt):
            after: Any = map_blocks(before, change)
        elif isinstance(before[0], ir.Handler):
            after = map_nodes(before, lambda handler: _map_blocks_of(handler, change))
        else:
            continue
        if after is not before:
            changed[name] = after
    return replace(node, **changed) if changed else node
