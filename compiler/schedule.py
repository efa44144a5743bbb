"""Whether the turns of an actor depend on one another.

Input: a kernel.  Output: ``Schedule``.  Turns are *independent* if none leaves anything behind but
its outputs: no state is written, nothing is printed, and the number of outputs has a bound.  Lanes
of a device may then handle one message each, and a burst need not write the state back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydotcompute.compiler import ir


@dataclass(frozen=True)
class Schedule:
    """How the turns of an actor may be run.

    Args:
        written: the state variables that some turn writes.
        reason: what makes turns depend on one another, for people; empty if nothing does.
    """

    written: frozenset[str]
    reason: str

    @property
    def independent(self) -> bool:
        """Whether turns may be run side by side."""
        return not self.reason

    def __str__(self) -> str:
        if self.independent:
            return "independent: a turn leaves nothing behind but what it sends"
        return f"sequential: {self.reason}"


def schedule_of(kernel: ir.Kernel) -> Schedule:
    """Looks for what a turn leaves behind."""
    state = {variable.name for variable in kernel.state}
    written: dict[str, int] = {}
    for name, line in _writes(kernel):
        if name in state:
            written.setdefault(name, line)
    reason = ""
    if written:
        name, line = next(iter(written.items()))
        reason = f"`{name}` is carried from turn to turn (line {line})"
    elif kernel.prints:
        reason = "what turns print has an order"
    elif max_sends(kernel) is None:
        reason = "a turn may send any number of messages"
    return Schedule(frozenset(written), reason)


def max_sends(kernel: ir.Kernel) -> int | None:
    """The most outputs of one turn, or None where a loop sends."""
    loops = (n for n in ir.walk(*kernel.turn) if isinstance(n, (ir.While, ir.For)))
    if any(isinstance(n, ir.Send) for loop in loops for n in ir.walk(loop)):
        return None
    return sum(isinstance(n, ir.Send) for n in ir.walk(*kernel.turn))


def _writes(kernel: ir.Kernel) -> Iterator[tuple[str, int]]:
    """Every local that the turn writes, and the line; a place inside one is that one."""
    functions = {function.name: function for function in kernel.functions}
    for node in ir.walk(*kernel.turn):
        target = getattr(node, "target", None)
        if isinstance(target, ir.Expr):
            yield _place(target), node.loc.line
        if isinstance(node, ir.Handler) and node.name is not None:
            yield node.name.name, node.loc.line
        if isinstance(node, ir.Mutate):
            yield _place(node.args[0]), node.loc.line
        if isinstance(node, ir.Call):
            callee = functions[node.function]
            for argument, parameter in zip(node.args, callee.parameters, strict=True):
                if parameter.name in callee.changes:
                    yield _place(argument), node.loc.line


def _place(node: ir.Expr) -> str:
    while not isinstance(node, ir.Local):
        below = list(ir.children(node))
        if not below or not isinstance(below[0], ir.Expr):
            return ""
        node = below[0]
    return node.origin or node.name
