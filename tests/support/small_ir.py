"""Small kernels written as IR, by hand: for tests of what works on the IR."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydotcompute import message
from pydotcompute.compiler.diagnostics.diagnostic import Location
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ops.operators import binary
from pydotcompute.compiler.types.types import BOOL, INT, MessageType, Type


@message
@dataclass
class Ask:
    n: int
    x: float


@message
@dataclass
class Answer:
    n: int


AT = Location("small.py", 1, 1, 1, 1)
ASK = ir.Local(AT, MessageType(Ask), "ask")
N = ir.Field(AT, INT, ASK, "n")
COUNT = ir.Local(AT, INT, "count")
TRUE, FALSE = (ir.Const(AT, BOOL, value) for value in (True, False))


def number(value: int) -> ir.Const:
    """An int."""
    return ir.Const(AT, INT, value)


def local(name: str, type_: Type = INT) -> ir.Local:
    """A local."""
    return ir.Local(AT, type_, name)


def op(symbol: str, left: ir.Expr, right: ir.Expr) -> ir.Op:
    """An operator of Python on two values of types that need no conversion."""
    signature = binary(symbol, left.type, right.type)
    assert signature is not None
    assert signature.operands == (left.type, right.type)
    return ir.Op(AT, signature.result, signature.primitive, (left, right))


def assign(target: ir.Local, value: ir.Expr) -> ir.Assign:
    """``target = value``."""
    return ir.Assign(AT, target, value)


def send(value: ir.Expr) -> ir.Send:
    """Sends an answer."""
    return ir.Send(AT, ir.New(AT, MessageType(Answer), (value,)))


DOUBLED = ir.Function(
    AT, "doubled", "doubled", (local("k"),), INT,
    (ir.Return(AT, op("*", local("k"), number(2))),), effects=False,
)  # fmt: skip


def kernel(*body: ir.Stmt) -> ir.Kernel:
    """An actor that receives ``ask``, does ``body``, and ends its turn; it keeps a ``count``."""
    turn = (ir.Receive(AT, ASK, None), *body, ir.EndTurn(AT))
    return ir.Kernel(AT, "small", (COUNT,), (Ask,), (Answer,), turn, (DOUBLED,), ())


def with_function(body: ir.Block, **changes: object) -> ir.Kernel:
    """The same actor; its function has another body."""
    whole = kernel()
    return replace(whole, functions=(replace(DOUBLED, body=body, **changes),))  # type: ignore[arg-type]


