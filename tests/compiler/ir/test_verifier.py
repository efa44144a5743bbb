"""The verifier has a rule for each node of the IR, and each rule finds a mistake."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.verifier import RULES, VerifyError, verify
from pydotcompute.compiler.ops.containers import APPEND, EXCHANGE, LENGTH
from pydotcompute.compiler.types.types import (
    BOOL,
    ERROR,
    FLOAT,
    INT,
    NONE,
    ListType,
    MessageType,
    TupleType,
    UnionType,
)
from tests.support.small_ir import (
    AT,
    COUNT,
    DOUBLED,
    TRUE,
    Answer,
    Ask,
    N,
    assign,
    kernel,
    local,
    number,
    op,
    send,
    with_function,
)

HALF = ir.Const(AT, FLOAT, 0.5)
EITHER = UnionType((INT, NONE))
VALUE = local("value")
MAYBE = local("maybe", EITHER)
PAIR = ir.Tuple(AT, TupleType((INT, FLOAT)), (N, HALF))
XS = local("xs", ListType(INT, 4))
ERR = local("err", ERROR)
FAILS = op("//", number(1), N)

PROBLEM = Diagnostic("PDC020", "`with` statement cannot be compiled", "small.py", 3, 1, 3, 5)


def computed(value: ir.Expr) -> ir.Kernel:
    """A kernel that binds a value."""
    return kernel(assign(local("value", value.type), value))


def handled(*handlers: ir.Handler) -> ir.Kernel:
    """A kernel with a ``try``."""
    return kernel(ir.Try(AT, (ir.Evaluate(AT, FAILS),), handlers, ()))


MISTAKES: dict[type[ir.Node], tuple[ir.Kernel, str]] = {
    ir.Const: (computed(ir.Const(AT, INT, 0.5)), "0.5 is no int"),
    ir.Local: (computed(local("lost")), "nothing binds lost"),
    ir.Field: (computed(replace(N, name="m")), "the field m of a Ask is no int"),
    ir.Op: (computed(ir.Op(AT, NONE, APPEND, (number(1),))), "append changes something"),
    ir.Table: (computed(ir.Table(AT, INT, (), number(0))), "no place of a table"),
    ir.IsError: (computed(ir.IsError(AT, BOOL, N, (ValueError,))), "no exception"),
    ir.Call: (computed(ir.Call(AT, INT, "doubled", ())), "the call does not fit"),
    ir.And: (computed(ir.And(AT, BOOL, TRUE, N)), "an operand is no bool"),
    ir.Or: (computed(ir.Or(AT, BOOL, N, TRUE)), "an operand is no bool"),
    ir.Cond: (computed(ir.Cond(AT, INT, TRUE, N, HALF)), "int and float for int"),
    ir.New: (computed(ir.New(AT, MessageType(Answer), ())), "not those of the fields"),
    ir.Tuple: (computed(replace(PAIR, items=(N, N))), "the items are not those"),
    ir.Item: (computed(ir.Item(AT, INT, PAIR, 1)), "has no item 1 that is a int"),
    ir.Is: (computed(ir.Is(AT, BOOL, N, INT)), "int is no member of int"),
    ir.As: (kernel(assign(MAYBE, ir.Wrap(AT, EITHER, N)), assign(local("f", FLOAT),
            ir.As(AT, FLOAT, MAYBE))), "float is no member"),
    ir.Wrap: (computed(ir.Wrap(AT, EITHER, HALF)), "float is no member"),
    ir.Context: (computed(ir.Context(AT, BOOL, "is_active")), "the turn has no is_active"),
    ir.InHand: (computed(ir.InHand(AT, INT, "priority")), "slots have no priority"),
    ir.Assign: (kernel(assign(VALUE, HALF)), "float is bound to a int"),
    ir.Receive: (kernel(ir.Receive(AT, local("late", MessageType(Ask)), number(1))), "no float"),
    ir.Send: (kernel(ir.Send(AT, local("ask", MessageType(Ask)))), "Ask is no output"),
    ir.If: (kernel(ir.If(AT, N, (), ())), "the test is no bool"),
    ir.While: (kernel(ir.While(AT, (), N, (), ())), "the test is no bool"),
    ir.For: (kernel(ir.For(AT, VALUE, number(0), HALF, number(1), (), ())), "not of ints"),
    ir.Break: (kernel(ir.While(AT, (), TRUE, (), (ir.Break(AT),))), "there is no loop around it"),
    ir.Continue: (kernel(ir.Continue(AT)), "there is no loop around it"),
    ir.EndTurn: (with_function((ir.EndTurn(AT),)), "it stands in a function"),
    ir.Leave: (with_function((ir.Leave(AT),)), "it stands in a function"),
    ir.Return: (with_function((ir.Return(AT, HALF),)), "the result is no int"),
    ir.Interpret: (kernel(ir.Interpret(AT, PROBLEM)), "no break for PDC020 in line 3"),
    ir.Raise: (kernel(ir.Raise(AT, None)), "there is no exception to raise again"),
    ir.Handler: (handled(ir.Handler(AT, None, VALUE, ())), "an exception is bound to a int"),
    ir.Try: (handled(), "nothing handles what is raised"),
    ir.SetField: (kernel(ir.SetField(AT, local("ask", MessageType(Ask)), "m", N)), "no field m"),
    ir.Fresh: (kernel(ir.Fresh(AT, VALUE)), "no container"),
    ir.Mutate: (kernel(ir.Fresh(AT, XS), ir.Mutate(AT, None, LENGTH, (XS,))), "changes no"),
    ir.Print: (kernel(ir.Print(AT, 0, PAIR)), "there is no site 0"),
    ir.Carry: (kernel(ir.Carry(AT, VALUE, N)), "no container"),
    ir.Evaluate: (kernel(ir.Evaluate(AT, N)), "it cannot fail"),
    ir.Function: (with_function((), changes=("other",)), "it has no end"),
    ir.Kernel: (replace(kernel(), turn=()), "the turn has no end"),
}  # fmt: skip
"""For each class of nodes, a kernel with a mistake in one of them."""

NODES = [
    cls for cls in vars(ir).values()
    if isinstance(cls, type) and issubclass(cls, ir.Node) and not cls.__subclasses__()
]  # fmt: skip


def test_each_node_has_a_rule() -> None:
    assert set(RULES) == set(NODES)


@pytest.mark.parametrize("cls", NODES, ids=lambda cls: cls.__name__)
def test_each_rule_finds_a_mistake(cls: type[ir.Node]) -> None:
    wrong, text = MISTAKES[cls]
    with pytest.raises(VerifyError, match=rf"small\.py.*: {cls.__name__}: .*{text}"):
        verify(wrong)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (computed(replace(COUNT, type=FLOAT)), "count is a int, and read as a float"),
        (computed(ir.Call(AT, INT, "other", ())), "there is no function other"),
        (kernel(ir.Send(AT, send(N).value, header=1)), "there is no header 1"),
        (with_function((ir.Return(AT, local("count")),)), "nothing binds count"),
        (with_function(DOUBLED.body, changes=("count",)), "it changes what is no parameter"),
        (kernel(ir.Receive(AT, local("m", MessageType(Answer)), None)), "no Answer arrives"),
        (kernel(ir.Fresh(AT, XS), ir.Mutate(AT, None, EXCHANGE, (XS, N))), "list.* and a int"),
    ],
)  # fmt: skip
def test_more_mistakes(wrong: ir.Kernel, text: str) -> None:
    with pytest.raises(VerifyError, match=text):
        verify(wrong)


def test_what_is_right_passes() -> None:
    again = ir.Handler(AT, (ValueError,), ERR, (ir.Raise(AT, None),))
    verify(handled(again))
    verify(computed(ir.Item(AT, FLOAT, PAIR, 1)))
    verify(kernel(ir.Fresh(AT, XS), ir.Mutate(AT, None, APPEND, (XS, N)), send(N)))
    verify(kernel(ir.While(AT, (), TRUE, (ir.If(AT, TRUE, (ir.Break(AT),), ()),), ())))
