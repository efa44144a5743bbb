"""Trees of the IR, changed: what stays the same is the same object."""

from __future__ import annotations

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.control_flow import blocks, falls_through
from pydotcompute.compiler.ir.printer import to_text
from pydotcompute.compiler.ir.transform import rewrite
from tests.support.small_ir import AT, COUNT, TRUE, N, assign, kernel, number, op, send

BOTH = kernel(
    ir.If(AT, TRUE, (assign(COUNT, op("+", COUNT, number(1))),), (send(N),)), send(COUNT)
)


def test_without_a_change_it_is_the_same_object() -> None:
    assert rewrite(BOTH, lambda node: node) is BOTH


def test_only_what_is_above_a_change_is_new() -> None:
    def more(node: ir.Node) -> ir.Node:
        return number(2) if node == number(1) else node

    made = rewrite(BOTH, more)
    assert "count: int = add_i64(count, 2)" in to_text(made)
    assert made.functions is BOTH.functions
    assert made.turn[0] is BOTH.turn[0]
    test, before = made.turn[1], BOTH.turn[1]
    assert isinstance(test, ir.If)
    assert isinstance(before, ir.If)
    assert test.orelse is before.orelse


def test_statements_go_and_multiply() -> None:
    def twice(node: ir.Node) -> ir.Node | ir.Block:
        match node:
            case ir.Send():
                return (node, node)
            case ir.Assign():
                return ()
        return node

    text = to_text(rewrite(BOTH, twice))
    assert text.count("send") == 4
    assert "add_i64" not in text


def test_the_innermost_is_changed_first() -> None:
    seen: list[str] = []

    def note(node: ir.Node) -> ir.Node:
        seen.append(type(node).__name__)
        return node

    rewrite(assign(COUNT, op("+", COUNT, number(1))), note)
    assert seen == ["Local", "Local", "Const", "Op"]


def test_blocks_and_their_ends() -> None:
    leave, stay = (ir.EndTurn(AT),), (send(N),)
    assert list(blocks(ir.If(AT, TRUE, leave, stay))) == [leave, stay]
    assert falls_through((ir.If(AT, TRUE, leave, stay),))
    assert not falls_through((ir.If(AT, TRUE, leave, leave), send(N)))
    assert not falls_through((ir.While(AT, (), TRUE, stay, ()),))
    assert falls_through((ir.While(AT, (), TRUE, (ir.Break(AT),), ()),))
