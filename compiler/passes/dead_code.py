"""A pass: statements that control never reaches, and temporaries that nothing reads, go.

Input and output: a kernel.  ::

    %1: int = len(xs)                           evaluate call push(xs, n)
    %2: none = call push(xs, n)                 return n
    return n                              =>
    n: int = 0

A value that may fail is still evaluated.
"""

from __future__ import annotations

from collections import Counter

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.control_flow import ends
from pydotcompute.compiler.ir.effects import bound_by, may_fail
from pydotcompute.compiler.ir.transform import map_blocks, map_bodies
from pydotcompute.compiler.types.types import NEVER


def is_temporary(local: ir.Local) -> bool:
    """Whether the compiler has made a local up, for one value."""
    return local.name.startswith("%")


def reads_of(body: ir.Block) -> Counter[str]:
    """How often each local is read."""
    reads: Counter[str] = Counter()
    for node in ir.walk(*body):
        if isinstance(node, ir.Local):
            reads[node.name] += 1
        elif (bound := bound_by(node)) is not None:
            reads[bound.name] -= 1
    return reads


def remove_dead_code(kernel: ir.Kernel) -> ir.Kernel:
    """The kernel without what does nothing."""
    return map_bodies(kernel, _alive)


def _alive(body: ir.Block) -> ir.Block:
    while True:
        reads = reads_of(body)
        made = map_blocks(body, lambda block: _kept(block, reads))  # noqa: B023
        if made is body:
            return body
        body = made


def _kept(block: ir.Block, reads: Counter[str]) -> ir.Block:
    kept: list[ir.Stmt] = []
    for node in block:
        made = _needed(node, reads)
        if made is not None:
            kept.append(made)
        if ends(node):
            break
    same = len(kept) == len(block) and all(a is b for a, b in zip(kept, block, strict=True))
    return block if same else tuple(kept)


def _needed(node: ir.Stmt, reads: Counter[str]) -> ir.Stmt | None:
    """What is left of a statement."""
    match node:
        case ir.Assign(target=target, value=value) if is_temporary(target):
            if reads[target.name] or value.type == NEVER:
                return node
            return ir.Evaluate(node.loc, value) if may_fail(value) else None
        case ir.If(test=test, body=(), orelse=()):
            return ir.Evaluate(node.loc, test) if may_fail(test) else None
    return node
