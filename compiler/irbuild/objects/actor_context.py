"""Calls of the context: ``receive``, ``send``, ``wait_active``."""

from __future__ import annotations

import ast

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.types.types import BOOL, FLOAT, NONE, MessageType, Type, UnionType


def context_call(b: Builder, node: ast.Await) -> ir.Expr:
    """``await ctx.receive(...)``, ``await ctx.send(...)``, ``await ctx.wait_active()``."""
    call_ = node.value
    if not (
        isinstance(call_, ast.Call) and isinstance(call_.func, ast.Attribute)
        and isinstance(call_.func.value, ast.Name) and call_.func.value.id == b.ctx
    ):  # fmt: skip
        b.fail("PDC022", node, "`await` of something other than the context")
    rule = {"receive": _receive, "send": _send, "wait_active": _wait}.get(call_.func.attr)
    if rule is None:
        b.fail("PDC023", node, f"`{b.ctx}.{call_.func.attr}` cannot be compiled")
    return rule(b, call_)


def _wait(b: Builder, node: ast.Call) -> ir.Expr:
    return ir.none(b.loc(node))


def _receive(b: Builder, node: ast.Call) -> ir.Expr:
    timeout = [*node.args, *(k.value for k in node.keywords)]
    limit: ir.Expr | None = None
    if timeout:
        value = b.expression(timeout[0])
        limit = None if value.type == NONE else b.convert(value, FLOAT)
    kinds = tuple(MessageType(cls) for cls in b.unit.inputs)
    for kind in kinds:
        b.schema(kind.cls, node)
    type_: Type = kinds[0] if len(kinds) == 1 else UnionType(kinds)
    target = b.temporary(ir.none(b.loc(node)))
    b.block.pop()
    target = ir.Local(b.loc(node), type_, target.name)
    b.block.append(ir.Receive(b.loc(node), target, limit))
    b.received.add(target.name)
    return target


def _send(b: Builder, node: ast.Call) -> ir.Expr:
    argument = node.args[0] if node.args else node.keywords[0].value
    outer, b.sending = b.sending, "now" if isinstance(argument, ast.Call) else ""
    value = b.expression(argument)
    b.sending = outer
    _send_value(b, argument, value)
    return ir.none(b.loc(node))


def _send_value(b: Builder, node: ast.expr, value: ir.Expr) -> None:
    if isinstance(value.type, UnionType):
        members = list(value.type.members)
        _send_member(b, node, b.duplicable(value), members)
        return
    if not isinstance(value.type, MessageType):
        b.fail("PDC102", node, f"`send` takes an @message, not {value.type}")
    outputs = b.unit.outputs
    if outputs is not None and value.type.cls not in outputs:
        names = " | ".join(cls.__name__ for cls in outputs)
        b.fail("PDC102", node, f"sends {value.type}, but output_type is {names}")
    b.unit.sent.setdefault(value.type.cls)
    header = value.header if isinstance(value, ir.New) else 0
    if isinstance(node, ast.Name):
        header = b.header_of.get(node.id, 0)
    b.block.append(ir.Send(b.loc(node), value, header))


def _send_member(b: Builder, node: ast.expr, value: ir.Expr, members: list[Type]) -> None:
    part, saved = ir.As(value.loc, members[0], value), b.block
    b.block = []
    _send_value(b, node, part)
    then, b.block = b.block, []
    if len(members) > 1:
        _send_member(b, node, value, members[1:])
        orelse, b.block = b.block, saved
        test = ir.Is(value.loc, BOOL, value, members[0])
        b.block.append(ir.If(b.loc(node), test, tuple(then), tuple(orelse)))
    else:
        b.block = [*saved, *then]
