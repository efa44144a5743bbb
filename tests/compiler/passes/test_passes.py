"""Each pass on small kernels: the IR before and after it, as text."""

from __future__ import annotations

import pytest

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.printer import to_text
from pydotcompute.compiler.ir.verifier import VerifyError, verify
from pydotcompute.compiler.ops.arrays import ARRAY_ITEM, axis
from pydotcompute.compiler.ops.containers import APPEND, ITEM, LENGTH
from pydotcompute.compiler.ops.error_codes import raise_
from pydotcompute.compiler.ops.operators import NOT
from pydotcompute.compiler.passes import pass_list
from pydotcompute.compiler.passes.constants import fold_constants
from pydotcompute.compiler.passes.dead_code import remove_dead_code
from pydotcompute.compiler.passes.proved_checks import drop_checks
from pydotcompute.compiler.passes.single_use import use_values
from pydotcompute.compiler.types.types import BOOL, INT, NONE, ArrayType, ListType, ScalarType
from tests.support.small_ir import (
    AT,
    COUNT,
    FALSE,
    TRUE,
    N,
    assign,
    kernel,
    local,
    number,
    op,
    send,
)

FLAG = op(">", N, number(0))
T1, T2, T3 = local("%1"), local("%2"), local("%3")
XS = local("xs", ListType(INT, 4))
CUBE = local("cube", ArrayType(ScalarType("float64"), (4,)))


def negated(value: ir.Expr) -> ir.Expr:
    return ir.Op(AT, BOOL, NOT, (value,))


def choice(test: ir.Expr, then: ir.Expr, orelse: ir.Expr) -> ir.Expr:
    return ir.Cond(AT, then.type, test, then, orelse)


def lines(whole: ir.Kernel) -> list[str]:
    """What a turn does between receiving and its end."""
    turn = to_text(whole).split("turn:\n")[1].splitlines()[1:-1]
    return [line.split(" #")[0].rstrip()[2:] for line in turn]


def unchanged(function: pass_list.Pass, *body: ir.Stmt) -> None:
    """A pass leaves ``body`` as it is, to the object."""
    before = kernel(*body)
    verify(before)
    assert function(before) is before


def value(expr: ir.Expr) -> ir.Stmt:
    return assign(local("v", expr.type), expr)


FAILS = op("//", number(1), N)
FAILING = op(">", FAILS, number(0))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ir.And(AT, BOOL, FLAG, TRUE), "gt(ask.n, 0)"),
        (ir.And(AT, BOOL, TRUE, FLAG), "gt(ask.n, 0)"),
        (ir.And(AT, BOOL, FLAG, FALSE), "False"),
        (ir.Or(AT, BOOL, FLAG, FALSE), "gt(ask.n, 0)"),
        (ir.Or(AT, BOOL, TRUE, FAILING), "True"),
        (ir.Or(AT, BOOL, FAILING, TRUE), "(gt(floordiv_i64(1, ask.n), 0) or True)"),
        (negated(negated(FLAG)), "gt(ask.n, 0)"),
        (choice(TRUE, N, FAILS), "ask.n"),
        (choice(FLAG, FLAG, FALSE), "(gt(ask.n, 0) and gt(ask.n, 0))"),
        (choice(FLAG, TRUE, FALSE), "gt(ask.n, 0)"),
        (choice(negated(FLAG), N, number(7)), "(7 if gt(ask.n, 0) else ask.n)"),
        (choice(FLAG, FALSE, TRUE), "not(gt(ask.n, 0))"),
        (choice(FLAG, FALSE, FAILING), "(not(gt(ask.n, 0)) and gt(floordiv_i64(1, ask.n), 0))"),
        (op("+", number(2), op("*", number(3), number(4))), "14"),
        (op("//", number(1), number(0)), "floordiv_i64(1, 0)"),
        (op("+", number(2**63 - 1), number(1)), "add_i64(9223372036854775807, 1)"),
    ],
)  # fmt: skip
def test_constants_in_values(before: ir.Expr, after: str) -> None:
    made = fold_constants(kernel(value(before)))
    verify(made)
    assert lines(made) == [f"v: {before.type} = {after}"]


def test_constants_in_statements() -> None:
    body = (
        ir.If(AT, TRUE, (send(number(1)),), (send(number(2)),)),
        ir.If(AT, FALSE, (send(number(3)),), ()),
        ir.While(AT, (), FALSE, (send(number(4)),), (send(number(5)),)),
        ir.Evaluate(AT, ir.Or(AT, BOOL, TRUE, FAILING)),
    )
    made = fold_constants(kernel(*body))
    assert lines(made) == ["send Answer(1)", "send Answer(5)"]


def test_constants_leave_the_rest() -> None:
    unchanged(fold_constants, value(FAILS), ir.If(AT, FLAG, (send(N),), ()), ir.Evaluate(AT, FAILS))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (op("%", N, number(10)), "mod_by(ask.n, 10)"),
        (op("//", N, number(-10)), "floordiv_by(ask.n, -10)"),
        (op("//", N, number(-1)), "floordiv_i64(ask.n, -1)"),
        (op("%", N, number(0)), "mod_i64(ask.n, 0)"),
        (op("%", N, N), "mod_i64(ask.n, ask.n)"),
        (op(">>", N, number(3)), "shift_right(ask.n, 3)"),
        (op(">>", N, number(64)), "rshift_i64(ask.n, 64)"),
        (op("+", N, number(1)), "add_i64(ask.n, 1)"),
        (op("+", op("%", N, number(10)), number(1)), "plus_i64(mod_by(ask.n, 10), 1)"),
        (op("-", op("&", N, number(255)), op("%", N, number(-7))),
         "minus_i64(and(ask.n, 255), mod_by(ask.n, -7))"),
        (op("*", op("&", N, number(2**32)), op("&", N, number(2**30))),
         "times_i64(and(ask.n, 4294967296), and(ask.n, 1073741824))"),
        (op("*", op("&", N, number(2**32)), op("&", N, number(2**31))),
         "mul_i64(and(ask.n, 4294967296), and(ask.n, 2147483648))"),
        (op("+", ir.Op(AT, INT, LENGTH, (XS,)), number(2**63 - 5)),
         "plus_i64(len(xs), 9223372036854775803)"),
        (op("+", ir.Op(AT, INT, LENGTH, (XS,)), number(2**63 - 4)),
         "add_i64(len(xs), 9223372036854775804)"),
        (op("+", choice(FLAG, number(1), number(5)), number(2**63 - 6)),
         "plus_i64((1 if gt(ask.n, 0) else 5), 9223372036854775802)"),
    ],
)  # fmt: skip
def test_proved_checks(before: ir.Expr, after: str) -> None:
    made = drop_checks(kernel(ir.Fresh(AT, XS), value(before)))
    verify(made)
    assert lines(made)[1:] == [f"v: int = {after}"]


def item(at: ir.Expr) -> ir.Stmt:
    """Reads an array of four floats."""
    place = ir.Op(AT, INT, axis(4), (at,))
    return assign(local("x", ScalarType("float64")),
                  ir.Op(AT, ScalarType("float64"), ARRAY_ITEM, (CUBE, place)))  # fmt: skip


@pytest.mark.parametrize(
    ("bounds", "proved"),
    [((0, 4, 1), True), ((0, 5, 1), False), ((3, -1, -1), True), ((-1, 3, 1), False),
     ((1, 7, 3), False), ((2, 2, 1), True)],
)  # fmt: skip
def test_an_index_that_a_loop_bounds(bounds: tuple[int, int, int], proved: bool) -> None:
    start, stop, step = map(number, bounds)
    loop = ir.For(AT, T3, start, stop, step, (item(T3),), ())
    made = lines(drop_checks(kernel(ir.Fresh(AT, CUBE), loop)))
    assert made[2].strip() == ("x: float64 = array_item(cube, %3)" if proved else
                               "x: float64 = array_item(cube, axis[4](%3))")  # fmt: skip


def test_an_index_behind_its_loop_or_bound_twice_is_checked() -> None:
    loop = ir.For(AT, T3, number(0), number(4), number(1), (), ())
    unchanged(drop_checks, ir.Fresh(AT, CUBE), loop, item(T3))
    around = ir.For(AT, T3, number(0), number(4), number(1), (item(T3), assign(T3, N)), ())
    unchanged(drop_checks, ir.Fresh(AT, CUBE), around)
    grows = assign(COUNT, op("+", COUNT, number(1)))
    unchanged(drop_checks, ir.Fresh(AT, CUBE), grows, item(COUNT))


CALL = ir.Call(AT, INT, "doubled", (N,))


@pytest.mark.parametrize(
    ("body", "after"),
    [
        ((assign(T1, N), send(T1)), ["send Answer(ask.n)"]),
        ((assign(T1, CALL), assign(COUNT, T1)), ["count: int = call doubled(ask.n)"]),
        ((assign(T1, COUNT), assign(T2, N), assign(COUNT, T2), send(T1)),
         ["%1: int = count", "count: int = ask.n", "send Answer(%1)"]),
        ((assign(T1, FAILS), send(op("+", T1, FAILS))),
         ["send Answer(add_i64(floordiv_i64(1, ask.n), floordiv_i64(1, ask.n)))"]),
        ((assign(T1, number(1)), assign(T2, op("+", T1, N)), send(T2)),
         ["send Answer(add_i64(1, ask.n))"]),
        ((assign(local("%1", BOOL), FLAG), ir.If(AT, local("%1", BOOL), (send(N),), ())),
         ["if gt(ask.n, 0):", "  send Answer(ask.n)"]),
        ((ir.Fresh(AT, XS), assign(T1, ir.Op(AT, INT, LENGTH, (XS,))),
          ir.For(AT, T3, number(0), T1, number(1), (send(T3),), ())),
         ["xs: list[int, <=4] = new", "for %3 in range(0, len(xs), 1):", "  send Answer(%3)"]),
    ],
)  # fmt: skip
def test_single_use(body: tuple[ir.Stmt, ...], after: list[str]) -> None:
    before = kernel(*body)
    verify(before)
    made = use_values(before)
    verify(made)
    assert lines(made) == after


@pytest.mark.parametrize(
    "body",
    [
        # It is read twice, or the user's own.
        (assign(T1, N), send(op("+", T1, T1))),
        (assign(local("mine"), N), send(local("mine"))),
        # What it reads changes in between.
        (assign(T1, COUNT), assign(COUNT, N), send(T1)),
        (ir.Fresh(AT, XS), assign(T1, ir.Op(AT, INT, LENGTH, (XS,))),
         ir.Mutate(AT, None, APPEND, (XS, N)), send(T1)),
        (ir.Fresh(AT, XS), assign(T1, ir.Op(AT, INT, ITEM, (XS, number(0)))),
         ir.Mutate(AT, None, APPEND, (XS, T1))),
        # Something else would fail first, or it would not always.
        (assign(T1, FAILS), send(op("+", FAILS, T1))),
        (assign(T1, FAILS), send(choice(FLAG, T1, N))),
        (assign(T1, FAILS), send(N), send(T1)),
        (assign(T1, CALL), send(op("+", T1, N))),
        (assign(T1, FAILS), assign(COUNT, ir.Call(AT, INT, "doubled", (T1,)))),
        # A loop evaluates it again.
        (assign(T1, N), ir.While(AT, (), op(">", T1, COUNT), (ir.Break(AT),), ())),
        (assign(T1, N), ir.For(AT, T3, T1, N, number(1), (send(T3),), ())),
    ],
)  # fmt: skip
def test_single_use_leaves_what_could_be_noticed(body: tuple[ir.Stmt, ...]) -> None:
    unchanged(use_values, *body)


NOTHING = local("%4", NONE)


def test_dead_code() -> None:
    body = (
        assign(T1, N), assign(T2, op("+", N, number(1))), assign(local("mine"), N),
        ir.If(AT, FLAG, (ir.EndTurn(AT), send(N)), ()), ir.If(AT, FAILING, (), ()),
        ir.If(AT, FLAG, (), ()), ir.EndTurn(AT), send(COUNT),
    )  # fmt: skip
    before = kernel(*body)
    verify(before)
    text = to_text(remove_dead_code(before)).split("turn:\n")[1]
    assert [line.split(" #")[0].strip() for line in text.splitlines()] == [
        "ask: Ask = receive()", "evaluate add_i64(ask.n, 1)", "mine: int = ask.n",
        "if gt(ask.n, 0):", "endturn", "evaluate gt(floordiv_i64(1, ask.n), 0)", "endturn",
    ]  # fmt: skip


def test_a_value_that_never_exists_ends_a_path() -> None:
    never = ir.Op(AT, NONE, raise_("PDC_DEOPT_TYPE"), ())
    made = lines(remove_dead_code(kernel(assign(NOTHING, never))))
    assert made == ["evaluate raise[PDC_DEOPT_TYPE]()"]


def test_the_list_runs_in_order_and_names_who_broke_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def noting(name: str, function: pass_list.Pass) -> tuple[str, pass_list.Pass]:
        return name, lambda whole: (seen.append(name), function(whole))[1]

    names = [name for name, _ in pass_list.PASSES]
    monkeypatch.setattr(pass_list, "PASSES", tuple(noting(*row) for row in pass_list.PASSES))
    pass_list.run_passes(kernel(send(N)), verify_each=True)
    assert seen == names

    def breaks(whole: ir.Kernel) -> ir.Kernel:
        return kernel(send(local("lost")))

    monkeypatch.setattr(pass_list, "PASSES", (("loses", breaks), ("keeps", lambda k: k)))
    with pytest.raises(VerifyError, match=r"after the pass 'loses': .*nothing binds lost"):
        pass_list.run_passes(kernel(), verify_each=True)
    with pytest.raises(VerifyError, match=r"after all passes: .*nothing binds lost"):
        pass_list.run_passes(kernel())
    with pytest.raises(VerifyError, match=r"as built: .*nothing binds lost"):
        pass_list.run_passes(breaks(kernel()), verify_each=True)

