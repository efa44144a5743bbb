"""Where the paths of a turn lead: which of them end it in compiled code, with a message or without.

Input: an ``ir.Kernel`` with breaks.  Output: ``Paths``.  A state is a set of what may have happened
so far: nothing, a message received, a time-out of ``receive``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.control_flow import ends
from pydotcompute.compiler.types.types import NEVER


class Happened(Flag):
    """What a turn has done with its message."""

    NOWHERE = 0
    NOTHING = 1
    RECEIVED = 2
    TIMED_OUT = 4


@dataclass(frozen=True)
class Paths:
    """What is known of the paths of a turn.

    Args:
        ends_a_message: one at least receives a message, and ends in compiled code.
        breaks_early: one breaks before it has received anything.
    """

    ends_a_message: bool
    breaks_early: bool


def paths_of(kernel: ir.Kernel) -> Paths:
    """Follows the turn of a kernel."""
    flow = _Flow(kernel)
    flow.block(kernel.turn, Happened.NOTHING)
    return Paths(Happened.RECEIVED in flow.ended, flow.early)


class _Flow:
    def __init__(self, kernel: ir.Kernel) -> None:
        self.ended = Happened.NOWHERE
        self.early = False
        self._seen = [Happened.NOWHERE]
        """For each ``try`` around the place: the states from which an exception may come."""
        self._breaking: set[str] = set()
        """The functions in which a call may break."""
        self._endless: set[str] = set()
        """Those that never return."""
        for function in kernel.functions:  # each before its callers
            if any(map(self._breaks, ir.walk(*function.body))):
                self._breaking.add(function.name)
            if not any(isinstance(node, ir.Return) for node in ir.walk(*function.body)):
                self._endless.add(function.name)

    def _breaks(self, node: ir.Node) -> bool:
        return isinstance(node, ir.Interpret) or (
            isinstance(node, ir.Call) and node.function in self._breaking
        )

    def _is_never_done(self, node: ir.Node) -> bool:
        """Whether a value that a statement or an expression needs is never computed."""
        if isinstance(node, ir.Call) and node.function in self._endless:
            return True
        needed = [part for part in ir.children(node) if isinstance(part, ir.Expr)]
        if isinstance(node, (ir.And, ir.Or, ir.Cond)):
            needed = needed[:1]
        return any(part.type == NEVER or self._is_never_done(part) for part in needed)

    def block(self, nodes: ir.Block, state: Happened) -> Happened:
        """The state behind statements; ``NOWHERE``: none is reached."""
        for node in nodes:
            if not state:
                break
            state = self._statement(node, state)
        return state

    def _statement(self, node: ir.Stmt, state: Happened) -> Happened:
        if isinstance(node, ir.Receive):
            if node.timeout is not None:
                self._seen[-1] |= Happened.TIMED_OUT
            return Happened.RECEIVED
        if Happened.NOTHING in state and not isinstance(node, (ir.If, ir.Try)):
            self.early = self.early or any(map(self._breaks, ir.walk(node)))
        if not isinstance(node, ir.Try):
            self._seen[-1] |= state
        match node:
            case ir.Interpret() | ir.Raise():
                return Happened.NOWHERE
            case ir.EndTurn() | ir.Leave() | ir.Return():
                self.ended |= state
                return Happened.NOWHERE
            case ir.If() if self._is_never_done(node):
                return Happened.NOWHERE
            case ir.If():
                if Happened.NOTHING in state:
                    self.early = self.early or any(map(self._breaks, ir.walk(node.test)))
                return self.block(node.body, state) | self.block(node.orelse, state)
            case ir.While() | ir.For():
                self.block(node.body, state)
                self.block(node.orelse, state)
            case ir.Try():
                return self._try(node, state)
        return Happened.NOWHERE if ends(node) or self._is_never_done(node) else state

    def _try(self, node: ir.Try, state: Happened) -> Happened:
        self._seen.append(Happened.NOWHERE)
        end = self.block(node.body, state)
        raised = self._seen.pop()
        self._seen[-1] |= raised
        end = self.block(node.orelse, end)
        for handler in node.handlers:
            end |= self.block(handler.body, raised)
        return end
