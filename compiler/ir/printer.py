"""The typed IR as text: what ``Lowering.ir`` shows, one statement a line, types on definitions.

::

    kernel doubler(Request) -> Response
    turn:
      if not should_terminate:                        # 12
        leave
      t1: Request = receive(0.1)                      # 14
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import singledispatch

from pydotcompute.compiler.ir import nodes as ir

_WIDTH = 64


def to_text(kernel: ir.Kernel) -> str:
    """The whole kernel."""
    inputs = " | ".join(cls.__name__ for cls in kernel.inputs)
    outputs = " | ".join(cls.__name__ for cls in kernel.outputs) or "nothing"
    lines = [f"kernel {kernel.name}({inputs}) -> {outputs}"]
    lines += [f"state {local.name}: {local.type}" for local in kernel.state]
    for function in kernel.functions:
        parameters = ", ".join(f"{p.name}: {p.type}" for p in function.parameters)
        lines += ["", f"function {function.name}({parameters}) -> {function.result}:"]
        lines += _block(function.body)
    lines += ["", "turn:", *_block(kernel.turn)]
    return "\n".join(lines) + "\n"


def _block(nodes: Iterable[ir.Stmt]) -> Iterator[str]:
    empty = True
    for node in nodes:
        empty = False
        first, *rest = _stmt(node)
        yield f"{'  ' + first:<{_WIDTH}} # {node.loc.line}"
        yield from (f"  {line}" for line in rest)
    if empty:
        yield "  pass"


@singledispatch
def _stmt(node: ir.Stmt) -> list[str]:
    return [type(node).__name__.lower()]


@_stmt.register
def _(node: ir.Assign) -> list[str]:
    return [f"{node.target.name}: {node.target.type} = {expr_text(node.value)}"]


@_stmt.register
def _(node: ir.Receive) -> list[str]:
    limit = "" if node.timeout is None else expr_text(node.timeout)
    return [f"{node.target.name}: {node.target.type} = receive({limit})"]


@_stmt.register
def _(node: ir.Send) -> list[str]:
    return [f"send {expr_text(node.value)}"]


@_stmt.register
def _(node: ir.SetField) -> list[str]:
    return [f"{expr_text(node.target)}.{node.name} = {expr_text(node.value)}"]


@_stmt.register
def _(node: ir.Fresh) -> list[str]:
    return [f"{node.target.name}: {node.target.type} = new"]


@_stmt.register
def _(node: ir.Mutate) -> list[str]:
    target = "" if node.target is None else f"{node.target.name}: {node.target.type} = "
    return [f"{target}change {node.primitive}({_list(node.args)})"]


@_stmt.register
def _(node: ir.Print) -> list[str]:
    target = "" if node.target is None else f"{node.target.name}: text = "
    return [f"{target}host {node.site} {expr_text(node.value)}"]


@_stmt.register
def _(node: ir.Carry) -> list[str]:
    return [f"{node.target.name} = items now of {expr_text(node.place)}"]


@_stmt.register
def _(node: ir.Evaluate) -> list[str]:
    return [f"evaluate {expr_text(node.value)}"]


@_stmt.register
def _(node: ir.If) -> list[str]:
    orelse = ["else:", *_block(node.orelse)] if node.orelse else []
    return [f"if {expr_text(node.test)}:", *_block(node.body), *orelse]


@_stmt.register
def _(node: ir.While) -> list[str]:
    setup = ["before each test:", *_block(node.setup)] if node.setup else []
    orelse = ["else:", *_block(node.orelse)] if node.orelse else []
    return [f"while {expr_text(node.test)}:", *setup, *_block(node.body), *orelse]


@_stmt.register
def _(node: ir.For) -> list[str]:
    bounds = ", ".join(expr_text(part) for part in (node.start, node.stop, node.step))
    orelse = ["else:", *_block(node.orelse)] if node.orelse else []
    return [f"for {node.target.name} in range({bounds}):", *_block(node.body), *orelse]


@_stmt.register
def _(node: ir.Return) -> list[str]:
    return ["return" if node.value is None else f"return {expr_text(node.value)}"]


@_stmt.register
def _(node: ir.Raise) -> list[str]:
    return ["raise again" if node.code is None else f"raise {node.code}"]


@_stmt.register
def _(node: ir.Interpret) -> list[str]:
    return [f"interpret: {node.problem.code} {node.problem.message}"]


@_stmt.register
def _(node: ir.Try) -> list[str]:
    lines = ["try:", *_block(node.body)]
    for handler in node.handlers:
        names = "" if handler.classes is None else " " + " | ".join(
            cls.__name__ for cls in handler.classes
        )  # fmt: skip
        name = f" as {handler.name.name}" if handler.name else ""
        lines += [f"except{names}{name}:", *_block(handler.body)]
    if node.orelse:
        lines += ["else:", *_block(node.orelse)]
    return lines


@singledispatch
def expr_text(node: ir.Expr) -> str:
    """An expression on one line."""
    raise AssertionError(f"no text for {type(node).__name__}")


@expr_text.register
def _(node: ir.Const) -> str:
    return repr(node.value)


@expr_text.register
def _(node: ir.Local) -> str:
    return node.name


@expr_text.register
def _(node: ir.Field) -> str:
    return f"{expr_text(node.base)}.{node.name}"


@expr_text.register
def _(node: ir.Op) -> str:
    return f"{node.primitive}({_list(node.args)})"


@expr_text.register
def _(node: ir.Table) -> str:
    shown = ", ".join(map(repr, node.values[:4])) + ", ..." * (len(node.values) > 4)
    return f"({shown})[{expr_text(node.index)}]"


@expr_text.register
def _(node: ir.IsError) -> str:
    return f"({expr_text(node.base)} is a {' | '.join(cls.__name__ for cls in node.classes)})"


@expr_text.register
def _(node: ir.Call) -> str:
    return f"call {node.function}({_list(node.args)})"


@expr_text.register
def _(node: ir.And) -> str:
    return f"({expr_text(node.left)} and {expr_text(node.right)})"


@expr_text.register
def _(node: ir.Or) -> str:
    return f"({expr_text(node.left)} or {expr_text(node.right)})"


@expr_text.register
def _(node: ir.Cond) -> str:
    return f"({expr_text(node.then)} if {expr_text(node.test)} else {expr_text(node.orelse)})"


@expr_text.register
def _(node: ir.New) -> str:
    return f"{node.type}({_list(node.args)})"


@expr_text.register
def _(node: ir.Tuple) -> str:
    return f"({_list(node.items)})"


@expr_text.register
def _(node: ir.Item) -> str:
    return f"{expr_text(node.base)}[{node.index}]"


@expr_text.register
def _(node: ir.Is) -> str:
    return f"({expr_text(node.base)} is a {node.member})"


@expr_text.register
def _(node: ir.As) -> str:
    return f"({expr_text(node.base)} as {node.type})"


@expr_text.register
def _(node: ir.Wrap) -> str:
    return f"({expr_text(node.value)} into {node.type})"


@expr_text.register
def _(node: ir.Context) -> str:
    return node.what


@expr_text.register
def _(node: ir.InHand) -> str:
    return f"(header).{node.part}"


def _list(nodes: Iterable[ir.Expr]) -> str:
    return ", ".join(map(expr_text, nodes))
