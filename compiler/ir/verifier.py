"""Checks the IR against its own grammar: a failure here is a bug of the compiler, not of a user.

In: ``ir.Kernel``.  Out: nothing, or ``VerifyError`` naming the node and its place.

``RULES`` has one rule for each class of nodes: it yields what is wrong with a node, as text::

    Cond(test: int, ...)  ->  "the test is no bool"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.control_flow import falls_through
from pydotcompute.compiler.ir.effects import bound_by, is_needless
from pydotcompute.compiler.types.message_schema import schema_of
from pydotcompute.compiler.types.types import (
    BOOL,
    CONTAINERS,
    ERROR,
    FLOAT,
    INT,
    NONE,
    STR,
    UUID,
    MessageType,
    ScalarType,
    TupleType,
    Type,
    UnionType,
    in_body,
    members_of,
)


class VerifyError(AssertionError):
    """The compiler built IR that has no meaning."""


@dataclass(frozen=True)
class Around:
    """What is around a node.

    Args:
        kernel: the actor.
        function: the function that it is in; None in the turn.
        types: the types of the locals that something binds there, by name.
        in_loop: whether ``break`` has a loop to leave.
        in_handler: whether an exception is being handled.
    """

    kernel: ir.Kernel
    function: ir.Function | None
    types: dict[str, Type]
    in_loop: bool = False
    in_handler: bool = False


Rule = Callable[[Any, Around], Iterator[str]]


def verify(kernel: ir.Kernel) -> None:
    """Checks every node of a kernel.

    Raises:
        VerifyError: a type, a jump, a name or a call does not fit.
    """
    for function in kernel.functions:
        around = Around(kernel, function, _bound(function.parameters, function.body))
        _check(function, around)
    around = Around(kernel, None, _bound(kernel.state, kernel.turn))
    _report(kernel, around)
    for node in (*kernel.state, *kernel.turn):
        _check(node, around)


def _bound(given: tuple[ir.Local, ...], body: ir.Block) -> dict[str, Type]:
    """The types of the locals of a function: those it is given and those it binds."""
    types = {local.name: local.type for local in given}
    for node in ir.walk(*body):
        if (target := bound_by(node)) is not None:
            types.setdefault(target.name, target.type)
    return types


def _check(node: ir.Node, around: Around) -> None:
    """Checks a node and everything below it."""
    _report(node, around)
    body = node.body if isinstance(node, (ir.While, ir.For)) else ()
    inside = replace(around, in_loop=True) if body else around
    if isinstance(node, ir.Handler):
        around = replace(around, in_handler=True)
    for child in ir.children(node):
        _check(child, inside if any(child is part for part in body) else around)


def _report(node: ir.Node, around: Around) -> None:
    for wrong in RULES[type(node)](node, around):
        raise VerifyError(f"{node.loc}: {type(node).__name__}: {wrong}")


# --- expressions -------------------------------------------------------------------------------

_VALUES: dict[Type, type] = {BOOL: bool, INT: int, FLOAT: float, STR: str, NONE: type(None)}


def _const(node: ir.Const, around: Around) -> Iterator[str]:
    wanted = node.type.dtype.type if isinstance(node.type, ScalarType) else _VALUES.get(node.type)
    if wanted is not None and type(node.value) is not wanted:
        yield f"{node.value!r} is no {node.type}"


def _local(node: ir.Local, around: Around) -> Iterator[str]:
    known = around.types.get(node.name)
    if known is None:
        yield f"nothing binds {node.name}"
    elif known != node.type:
        yield f"{node.name} is a {known}, and read as a {node.type}"


def _field(node: ir.Field, around: Around) -> Iterator[str]:
    wanted = _fields(node.base.type).get(node.name)
    if wanted != node.type:
        yield f"the field {node.name} of a {node.base.type} is no {node.type}"


def _fields(type_: Type) -> dict[str, Type]:
    """The fields of a message type, with the types they have in compiled code."""
    if not isinstance(type_, MessageType):
        return {}
    return {part.name: in_body(part.type) for part in schema_of(type_.cls).fields}


def _op(node: ir.Op, around: Around) -> Iterator[str]:
    if node.primitive.mutates:
        yield f"{node.primitive} changes something, which a statement does"


def _table(node: ir.Table, around: Around) -> Iterator[str]:
    if node.index.type != INT or not node.values:
        yield "no place of a table"


def _is_error(node: ir.IsError, around: Around) -> Iterator[str]:
    if node.base.type != ERROR:
        yield "no exception"


def _call(node: ir.Call, around: Around) -> Iterator[str]:
    callee = next((f for f in around.kernel.functions if f.name == node.function), None)
    if callee is None:
        yield f"there is no function {node.function}"
    elif ([p.type for p in callee.parameters] != [a.type for a in node.args]
          or callee.result != node.type):  # fmt: skip
        yield "the call does not fit"


def _bools(node: ir.And | ir.Or, around: Around) -> Iterator[str]:
    if not node.left.type == node.right.type == node.type == BOOL:
        yield "an operand is no bool"


def _cond(node: ir.Cond, around: Around) -> Iterator[str]:
    yield from _test(node, around)
    if not node.then.type == node.orelse.type == node.type:
        yield f"{node.then.type} and {node.orelse.type} for {node.type}"


def _new(node: ir.New, around: Around) -> Iterator[str]:
    if [arg.type for arg in node.args] != list(_fields(node.type).values()):
        yield f"the values are not those of the fields of a {node.type}"
    yield from _header(node, around)


def _tuple(node: ir.Tuple, around: Around) -> Iterator[str]:
    if node.type != TupleType(tuple(item.type for item in node.items)):
        yield f"the items are not those of a {node.type}"


def _item(node: ir.Item, around: Around) -> Iterator[str]:
    items = node.base.type.items if isinstance(node.base.type, TupleType) else ()
    if not (0 <= node.index < len(items) and items[node.index] == node.type):
        yield f"a {node.base.type} has no item {node.index} that is a {node.type}"


def _member(node: ir.Is | ir.As, around: Around) -> Iterator[str]:
    member = node.member if isinstance(node, ir.Is) else node.type
    base = node.base.type
    if not isinstance(base, UnionType) or member not in base.members:
        yield f"{member} is no member of {base}"


def _wrap(node: ir.Wrap, around: Around) -> Iterator[str]:
    if not isinstance(node.type, UnionType) or node.value.type not in node.type.members:
        yield f"{node.value.type} is no member of {node.type}"


def _context(node: ir.Context, around: Around) -> Iterator[str]:
    key = around.kernel.key
    known = {"should_terminate": BOOL, "key": None if key is None else key.type}
    if known.get(node.what) != node.type or around.function is not None:
        yield f"the turn has no {node.what}"


def _in_hand(node: ir.InHand, around: Around) -> Iterator[str]:
    known = {"priority": INT, "correlated": BOOL, "message_id": UUID, "correlation_id": UUID}
    if known.get(node.part) != node.type or around.function is not None:
        yield f"the turn has no {node.part}"
    elif node.part.replace("correlated", "correlation_id") not in around.kernel.header_reads:
        yield f"slots have no {node.part}"


# --- statements --------------------------------------------------------------------------------


def _assign(node: ir.Assign, around: Around) -> Iterator[str]:
    if node.target.type != node.value.type:
        yield f"{node.value.type} is bound to a {node.target.type}"


def _receive(node: ir.Receive, around: Around) -> Iterator[str]:
    yield from _of_the_turn(node, around)
    if not {*members_of(node.target.type)} <= {*map(MessageType, around.kernel.inputs)}:
        yield f"no {node.target.type} arrives"
    if node.timeout is not None and node.timeout.type != FLOAT:
        yield "the time-out is no float"


def _send(node: ir.Send, around: Around) -> Iterator[str]:
    yield from _of_the_turn(node, around)
    yield from _header(node, around)
    if node.value.type not in {*map(MessageType, around.kernel.outputs)}:
        yield f"{node.value.type} is no output"


def _header(node: ir.New | ir.Send, around: Around) -> Iterator[str]:
    if not 0 <= node.header <= len(around.kernel.headers):
        yield f"there is no header {node.header}"


def _of_the_turn(node: ir.Stmt, around: Around) -> Iterator[str]:
    if around.function is not None:
        yield "it stands in a function"


def _test(node: ir.If | ir.While | ir.Cond, around: Around) -> Iterator[str]:
    if node.test.type != BOOL:
        yield "the test is no bool"


def _for(node: ir.For, around: Around) -> Iterator[str]:
    if {node.start.type, node.stop.type, node.step.type, node.target.type} != {INT}:
        yield "the range is not of ints"


def _in_loop(node: ir.Stmt, around: Around) -> Iterator[str]:
    if not around.in_loop:
        yield "there is no loop around it"


def _return(node: ir.Return, around: Around) -> Iterator[str]:
    result = None if around.function is None else around.function.result
    if (node.value and node.value.type) != result:
        yield f"the result is no {result}"


def _raise(node: ir.Raise, around: Around) -> Iterator[str]:
    if node.code is None and not around.in_handler:
        yield "there is no exception to raise again"


def _interpret(node: ir.Interpret, around: Around) -> Iterator[str]:
    if node.problem not in around.kernel.breaks:
        yield f"the kernel has no break for {node.problem.code} in line {node.problem.line}"


def _handler(node: ir.Handler, around: Around) -> Iterator[str]:
    if node.name is not None and node.name.type != ERROR:
        yield f"an exception is bound to a {node.name.type}"


def _try(node: ir.Try, around: Around) -> Iterator[str]:
    if not node.handlers:
        yield "nothing handles what is raised"


def _set_field(node: ir.SetField, around: Around) -> Iterator[str]:
    place = node.target.base if isinstance(node.target, ir.As) else node.target
    if not isinstance(place, ir.Local):
        yield "no place"
    if node.name not in _fields(node.target.type):
        yield f"a {node.target.type} has no field {node.name}"


def _fresh(node: ir.Fresh, around: Around) -> Iterator[str]:
    if not isinstance(node.target.type, CONTAINERS):
        yield "no container"


def _mutate(node: ir.Mutate, around: Around) -> Iterator[str]:
    if not node.primitive.mutates or not isinstance(node.args[0].type, CONTAINERS):
        yield f"{node.primitive} of a {node.args[0].type} changes no container"
    if node.primitive.both and node.args[0].type != node.args[1].type:
        yield f"{node.primitive} of a {node.args[0].type} and a {node.args[1].type}"


def _print(node: ir.Print, around: Around) -> Iterator[str]:
    if not 0 <= node.site < len(around.kernel.prints):
        yield f"there is no site {node.site}"


def _carry(node: ir.Carry, around: Around) -> Iterator[str]:
    if not isinstance(node.place.type, CONTAINERS):
        yield "no container"


def _evaluate(node: ir.Evaluate, around: Around) -> Iterator[str]:
    if is_needless(node):
        yield "it cannot fail, and does nothing"


# --- the whole -----------------------------------------------------------------------------------


def _function(node: ir.Function, around: Around) -> Iterator[str]:
    if falls_through(node.body):
        yield "it has no end"
    if not {*node.changes} <= {parameter.name for parameter in node.parameters}:
        yield "it changes what is no parameter"


def _kernel(node: ir.Kernel, around: Around) -> Iterator[str]:
    if falls_through(node.turn):
        yield "the turn has no end"


RULES: dict[type[ir.Node], Rule] = {
    ir.Const: _const, ir.Local: _local, ir.Field: _field, ir.Op: _op, ir.Table: _table,
    ir.IsError: _is_error, ir.Call: _call, ir.And: _bools, ir.Or: _bools, ir.Cond: _cond,
    ir.New: _new, ir.Tuple: _tuple, ir.Item: _item, ir.Is: _member, ir.As: _member,
    ir.Wrap: _wrap, ir.Context: _context, ir.InHand: _in_hand,
    ir.Assign: _assign, ir.Receive: _receive, ir.Send: _send, ir.If: _test, ir.While: _test,
    ir.For: _for, ir.Break: _in_loop, ir.Continue: _in_loop, ir.EndTurn: _of_the_turn,
    ir.Leave: _of_the_turn, ir.Return: _return, ir.Raise: _raise, ir.Handler: _handler,
    ir.Interpret: _interpret,
    ir.Try: _try, ir.SetField: _set_field, ir.Fresh: _fresh, ir.Mutate: _mutate,
    ir.Print: _print, ir.Carry: _carry, ir.Evaluate: _evaluate,
    ir.Function: _function, ir.Kernel: _kernel,
}  # fmt: skip
"""What is wrong with a node, by its class."""
