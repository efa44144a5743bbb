"""A pass: a temporary that is read once, soon, gives way to its value.

Input and output: a kernel.  ::

    %1: int = call half(n)              total: int = call half(n)
    total: int = %1                =>   send Answer((n + 1))
    %2: int = (n + 1)
    send Answer(%2)

The builder makes temporaries wherever order *might* matter.  Here all of the body is known, and a
value moves to its use if that changes nothing:

- nothing in between, nor what the statement evaluates first, changes what the value reads;
- a value that may fail moves only to the next statement, of the same line, and is there what fails
  first and always;
- a call moves only to where it is all of the next statement's value, and what may fail never to
  the operands of a call, which C would begin before it looks at the error;
- containers stay: they are places, and so are messages that a field is set of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.effects import bound_by, may_fail, written_by
from pydotcompute.compiler.ir.transform import map_blocks, map_bodies, map_children
from pydotcompute.compiler.passes.dead_code import is_temporary, reads_of
from pydotcompute.compiler.types.types import CONTAINERS, NEVER, Type, holds_message, members_of

_USES: dict[type[ir.Stmt], str] = {
    ir.Assign: "value", ir.Send: "value", ir.Evaluate: "value", ir.Print: "value",
    ir.SetField: "value", ir.Return: "value", ir.If: "test", ir.For: "stop", ir.Mutate: "args",
}  # fmt: skip
"""Where a statement evaluates something once, before it does anything."""


def use_values(kernel: ir.Kernel) -> ir.Kernel:
    """The kernel without temporaries that only carry a value to the next statement."""
    functions = {function.name: function for function in kernel.functions}
    return map_bodies(kernel, lambda body: _Body(body, functions).forwarded())


class _Body:
    """One function.

    Args:
        body: its statements.
        functions: the kernel's functions by name.
    """

    def __init__(self, body: ir.Block, functions: Mapping[str, ir.Function]) -> None:
        self.body = body
        self.functions = functions
        binds = Counter(local.name for node in ir.walk(*body) if (local := bound_by(node)))
        reads = reads_of(body)
        self.single = {name for name, count in binds.items() if count == reads[name] == 1}

    def forwarded(self) -> ir.Block:
        """The body, its values where they are used."""
        return map_blocks(self.body, self._block) if self.single else self.body

    def _block(self, block: ir.Block) -> ir.Block:
        made: list[ir.Stmt] = []
        for node in block:
            while (moved := self._moved(node, made)) is not None:
                node, at = moved
                del made[at]
            made.append(node)
        return block if len(made) == len(block) else tuple(made)

    def _moved(self, node: ir.Stmt, before: Sequence[ir.Stmt]) -> tuple[ir.Stmt, int] | None:
        """A statement with the value of a temporary in its place, and where that was bound."""
        used = {part.name for root in _roots(node) for part in ir.walk(root)
                if isinstance(part, ir.Local)} & self.single  # fmt: skip
        for at in range(len(before) - 1, -1, -1):
            if not used:
                return None
            source = before[at]
            if isinstance(source, ir.Assign) and source.target.name in used:
                used.remove(source.target.name)
                if self._may_move(source, before[at + 1 :], node):
                    return _with_value(node, source), at
        return None

    def _may_move(self, source: ir.Assign, between: Sequence[ir.Stmt], use: ir.Stmt) -> bool:
        """Whether the value of a temporary may be computed where it is read."""
        value, target = source.value, source.target
        if not is_temporary(target) or value.type == NEVER or _is_place(value.type):
            return False
        whole = [root for root in _roots(use) if root == target]
        if holds_message(value.type) and (not whole or isinstance(use, ir.Mutate)):
            return False
        if may_fail(value):
            calls = any(isinstance(part, ir.Call) for part in ir.walk(value, *_roots(use)))
            if between or source.loc.line != use.loc.line or (calls and not whole):
                return False
            if isinstance(use, ir.For):
                return False
            reached = (_reached(root, target) for root in _roots(use))
            return next((found for found in reached if found is not None), False)
        if any(isinstance(node, (ir.If, ir.While, ir.For, ir.Try)) for node in between):
            return False
        return self._undisturbed(value, [*between, *_roots(use)], isinstance(use, ir.Mutate))

    def _undisturbed(self, value: ir.Expr, nodes: Sequence[ir.Node], changes: bool) -> bool:
        """Whether a value is the same behind some nodes; ``changes``: and a container changes."""
        read = [part for part in ir.walk(value) if isinstance(part, ir.Local)]
        names = {local.name for local in read}
        # Of two parameters that are containers, or messages, one may be the other.
        places = any(_is_place(local.type) for local in read)
        messages = any(holds_message(local.type) for local in read)
        if places and changes:
            return False
        for node in ir.walk(*nodes):
            for local in written_by(node, self.functions):
                aliased = (places and isinstance(node, (ir.Mutate, ir.Fresh, ir.Call))) or (
                    messages and isinstance(node, (ir.SetField, ir.Call)))  # fmt: skip
                if aliased or local.name in names:
                    return False
        return True


def _is_place(type_: Type) -> bool:
    return any(isinstance(member, CONTAINERS) for member in members_of(type_))


def _roots(node: ir.Stmt) -> Iterator[ir.Expr]:
    """The expressions that a statement evaluates once, before it does anything."""
    name = _USES.get(type(node))
    found = getattr(node, name) if name is not None else None
    if isinstance(found, tuple):
        yield from found
    elif found is not None:
        yield found


def _reached(node: ir.Expr, target: ir.Local) -> bool | None:
    """Whether a local is read for certain, and before anything fails; None: it is not read."""
    if isinstance(node, ir.Local):
        return True if node == target else None
    always: list[ir.Node] = [*ir.children(node)]
    perhaps: list[ir.Node] = []
    if isinstance(node, (ir.Cond, ir.And, ir.Or)):
        always, perhaps = always[:1], always[1:]
    for part in always:
        if isinstance(part, ir.Expr) and (found := _reached(part, target)) is not None:
            return found
    inside = any(part == target for part in ir.walk(*perhaps))
    return False if inside or may_fail(node) else None


def _with_value(node: ir.Stmt, source: ir.Assign) -> ir.Stmt:
    """A statement that evaluates the value of a temporary in place of it."""

    def change(part: ir.Node) -> ir.Node:
        if isinstance(part, ir.Local):
            return source.value if part == source.target else part
        return map_children(part, change) if isinstance(part, ir.Expr) else part

    name = _USES[type(node)]
    found: Any = getattr(node, name)
    made: Any = tuple(map(change, found)) if isinstance(found, tuple) else change(found)
    return replace(node, **{name: made})
