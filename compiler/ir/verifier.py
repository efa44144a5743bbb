"""Checks the IR against its own grammar: a failure here is a bug of the compiler, not of a user.

In: ``ir.Kernel``.  Out: nothing, or ``VerifyError`` naming the node and its place.
"""

from __future__ import annotations

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.types.types import BOOL, ERROR, FLOAT, INT, NEVER, TupleType, UnionType


class VerifyError(AssertionError):
    """The compiler built IR that has no meaning."""


def verify(kernel: ir.Kernel) -> None:
    """Checks every node of a kernel.

    Raises:
        VerifyError: a type, a jump or a call does not fit.
    """
    results = {f.name: f for f in kernel.functions}
    for function in kernel.functions:
        _block(function.body, results, in_loop=False, function=function)
    _block(kernel.turn, results, in_loop=False, function=None)
    _require(bool(kernel.turn) and not falls_through(kernel.turn), kernel, "the turn has no end")


def _require(condition: bool, node: ir.Node, what: str) -> None:
    if not condition:
        raise VerifyError(f"{node.loc}: {type(node).__name__}: {what}")


def falls_through(block: ir.Block) -> bool:
    """Whether control can reach the end of a block."""
    return not any(_ends(node) for node in block)


def _ends(node: ir.Stmt) -> bool:
    match node:
        case ir.EndTurn() | ir.Leave() | ir.Return() | ir.Raise() | ir.Break() | ir.Continue():
            return True
        case ir.Assign() | ir.Evaluate():
            return node.value.type == NEVER
        case ir.If():
            return not falls_through(node.body) and not falls_through(node.orelse)
        case ir.Try():
            body = not falls_through((*node.body, *node.orelse))
            return body and all(not falls_through(h.body) for h in node.handlers)
        case ir.While():
            endless = isinstance(node.test, ir.Const) and bool(node.test.value)
            return endless and not any(isinstance(n, ir.Break) for n in ir.walk(*node.body))
    return False


def _block(block: ir.Block, functions: dict[str, ir.Function], *, in_loop: bool,
           function: ir.Function | None) -> None:  # fmt: skip
    for node in block:
        _stmt(node, functions, in_loop=in_loop, function=function)


def _stmt(node: ir.Stmt, functions: dict[str, ir.Function], *, in_loop: bool,
          function: ir.Function | None) -> None:  # fmt: skip
    for child in ir.children(node):
        if isinstance(child, ir.Expr):
            _expr(child, functions)
    inside = in_loop or isinstance(node, (ir.While, ir.For))
    match node:
        case ir.Assign():
            _require(node.target.type == node.value.type, node,
                     f"{node.value.type} is bound to a {node.target.type}")  # fmt: skip
        case ir.SetField():
            place = node.target.base if isinstance(node.target, ir.As) else node.target
            _require(isinstance(place, ir.Local), node, "no place")
        case ir.If():
            _require(node.test.type == BOOL, node, "the test is no bool")
            _block(node.body, functions, in_loop=in_loop, function=function)
            _block(node.orelse, functions, in_loop=in_loop, function=function)
        case ir.While():
            _require(node.test.type == BOOL, node, "the test is no bool")
            _block(node.setup, functions, in_loop=False, function=function)
            _block(node.body, functions, in_loop=inside, function=function)
            _block(node.orelse, functions, in_loop=in_loop, function=function)
        case ir.For():
            types = {node.start.type, node.stop.type, node.step.type, node.target.type}
            _require(types == {INT}, node, "the range is not of ints")
            _block(node.body, functions, in_loop=inside, function=function)
            _block(node.orelse, functions, in_loop=in_loop, function=function)
        case ir.Break() | ir.Continue():
            _require(in_loop, node, "there is no loop around it")
        case ir.EndTurn() | ir.Leave() | ir.Receive() | ir.Send():
            _require(function is None, node, "it stands in a function")
            if isinstance(node, ir.Receive) and node.timeout is not None:
                _require(node.timeout.type == FLOAT, node, "the time-out is no float")
        case ir.Return():
            if function is not None:
                fits = node.value is not None and node.value.type == function.result
                _require(fits, node, f"the result is no {function.result}")
        case ir.Try():
            parts = [node.body, node.orelse, *(h.body for h in node.handlers)]
            for part in parts:
                _block(part, functions, in_loop=in_loop, function=function)


def _expr(node: ir.Expr, functions: dict[str, ir.Function]) -> None:
    for child in ir.children(node):
        if isinstance(child, ir.Expr):
            _expr(child, functions)
    match node:
        case ir.And() | ir.Or():
            _require(node.left.type == node.right.type == BOOL, node, "an operand is no bool")
        case ir.Cond():
            _require(node.test.type == BOOL, node, "the test is no bool")
            _require(node.then.type == node.orelse.type == node.type, node,
                     f"{node.then.type} and {node.orelse.type} for {node.type}")  # fmt: skip
        case ir.IsError():
            _require(node.base.type == ERROR, node, "no exception")
        case ir.Table():
            _require(node.index.type == INT and bool(node.values), node, "no place of a table")
        case ir.Call():
            callee = functions.get(node.function)
            _require(callee is not None, node, f"there is no function {node.function}")
            assert callee is not None
            fits = [p.type for p in callee.parameters] == [a.type for a in node.args]
            _require(fits and callee.result == node.type, node, "the call does not fit")
        case ir.Is() | ir.As():
            member = node.member if isinstance(node, ir.Is) else node.type
            base = node.base.type
            _require(isinstance(base, UnionType) and member in base.members, node,
                     f"{member} is no member of {base}")  # fmt: skip
        case ir.Wrap():
            fits = isinstance(node.type, UnionType) and node.value.type in node.type.members
            _require(fits, node, f"{node.value.type} is no member of {node.type}")
        case ir.Item():
            _require(isinstance(node.base.type, TupleType), node, "not of a tuple")
