"""Whether the turns of an actor depend on one another.

Input: a kernel.  Output: ``Schedule``.  Turns are *independent* if none leaves anything behind but
its outputs: no state is written, nothing is printed, and the number of outputs has a bound.  Lanes
of a device may then handle one message each, and a burst need not write the state back.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.effects import written_by


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
    functions = {function.name: function for function in kernel.functions}
    written: dict[str, int] = {}
    for node in ir.walk(*kernel.turn):
        for local in written_by(node, functions):
            if (name := local.origin or local.name) in state:
                written.setdefault(name, node.loc.line)
    reason = ""
    if written:
        name, line = next(iter(written.items()))
        reason = f"`{name}` is carried from turn to turn (line {line})"
    elif kernel.prints:
        makes = all(site.makes_text for site in kernel.prints)
        what = "the strings that turns make are made" if makes else "what turns print is printed"
        reason = f"{what} in order"
    elif max_sends(kernel) is None:
        reason = "a turn may send any number of messages"
    return Schedule(frozenset(written), reason)


def max_sends(kernel: ir.Kernel) -> int | None:
    """The most outputs of one turn, whichever way it goes, or None where a loop sends.

    Rings have room for as many: the number may be too large, and never too small.
    """
    loops = (n for n in ir.walk(*kernel.turn) if isinstance(n, (ir.While, ir.For)))
    if any(isinstance(n, ir.Send) for loop in loops for n in ir.walk(loop)):
        return None
    return _sends(kernel.turn).peak


@dataclass(frozen=True)
class _Sends:
    """What a block sends: at most ``end`` where control reaches its end (None: it never does), and
    at most ``peak`` anywhere, in front of an exception too."""

    end: int | None
    peak: int


def _sends(block: ir.Block) -> _Sends:
    end, peak = 0, 0
    for node in block:
        found = _sends_of(node)
        peak = max(peak, end + found.peak)
        if found.end is None:
            return _Sends(None, peak)
        end += found.end
    return _Sends(end, peak)


def _sends_of(node: ir.Stmt) -> _Sends:
    match node:
        case ir.Send():
            return _Sends(1, 1)
        case ir.EndTurn() | ir.Leave() | ir.Return() | ir.Raise() | ir.Interpret():
            return _Sends(None, 0)
        case ir.If():
            return _either(_sends(node.body), _sends(node.orelse))
        case ir.Try():
            body, orelse = _sends(node.body), _sends(node.orelse)
            whole = _Sends(None, body.peak) if body.end is None else _after(body.end, orelse, body)
            # Whatever the body has sent, a statement behind it may raise.
            return _either(whole, *(_after(body.peak, _sends(h.body), body) for h in node.handlers))
    return _Sends(0, 0)  # a loop, too: none here sends


def _after(before: int, then: _Sends, first: _Sends) -> _Sends:
    end = None if then.end is None else before + then.end
    return _Sends(end, max(first.peak, before + then.peak))


def _either(*ways: _Sends) -> _Sends:
    ends = [way.end for way in ways if way.end is not None]
    return _Sends(max(ends, default=None), max(way.peak for way in ways))
