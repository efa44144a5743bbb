"""Expressions in C: text that has Python's value, and, where order matters, Python's order.

C++ leaves open which argument of a call is evaluated first, and of two that raise, Python raises
the first.  So where several parts of an expression may raise, all but the last are computed into
locals before it.  Parts that may only deoptimise need no order: the interpreter does it all again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydotcompute.compiler.codegen.c_types import CTypes, identifier, literal
from pydotcompute.compiler.codegen.operation_text import operation_text
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.dispatch import NodeMethod
from pydotcompute.compiler.ir.effects import may_raise
from pydotcompute.compiler.types.message_schema import schema_of
from pydotcompute.compiler.types.types import (
    BOOL,
    INT,
    NONE,
    STR,
    UNBOUND,
    MessageType,
    Type,
    UnionType,
)

Line = tuple[int, str] | str
"""A line of C, with the Python line it belongs to where that changes."""


class ExpressionEmitter:
    """Writes expressions of one C function.

    Args:
        c_types: the structs of the kernel.
        strings: the kernel's constant strings; new ones are appended.
        codes: the exception class of each code.
    """

    def __init__(self, c_types: CTypes, strings: dict[str, int],
                 codes: Mapping[int, type[BaseException]]) -> None:  # fmt: skip
        self.c_types = c_types
        self.codes = codes
        self.strings = strings
        self.lines: list[str] = []
        self.locals: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._spilled = 0

    # --- names -----------------------------------------------------------------------------------

    def name(self, local: ir.Local) -> str:
        """The C name of a local; it is declared at the top of the function."""
        known = self._names.get(local.name)
        if known is None:
            taken = set(self._names.values()) | self.c_types.struct_names
            known = self._names[local.name] = identifier(local.name, taken)
            self.locals[known] = self.c_types.spell(local.type)
        return known

    def spill(self, text: str, type_: Type) -> str:
        """A value computed now, for use later in the expression."""
        self._spilled += 1
        name = f"pdc_v{self._spilled}"
        self.locals[name] = self.c_types.spell(type_)
        self.lines.append(f"{name} = {text};")
        return name

    def captured(self, build: Callable[[], str]) -> tuple[str, list[str]]:
        """The text that ``build`` returns, and the lines it needed before it."""
        outer, self.lines = self.lines, []
        try:
            return build(), self.lines
        finally:
            self.lines = outer

    # --- order -----------------------------------------------------------------------------------

    def in_order(self, exprs: tuple[ir.Expr, ...]) -> list[str]:
        """Texts of values that are evaluated from left to right."""
        texts: list[str] = []
        pending: list[int] = []
        for index, expr in enumerate(exprs):
            text, lines = self.captured(lambda expr=expr: self.expr(expr))  # type: ignore[misc]
            if (may_raise(expr) or lines) and pending:
                for earlier in pending:
                    texts[earlier] = self.spill(texts[earlier], exprs[earlier].type)
                pending.clear()
            self.lines += lines
            texts.append(text)
            if may_raise(expr):
                pending.append(index)
        return texts

    # --- the node types --------------------------------------------------------------------------

    @NodeMethod
    def expr(self, node: ir.Expr) -> str:
        """The C text of an expression."""
        raise AssertionError(f"no C text for {type(node).__name__}")

    @expr.register
    def _(self, node: ir.Const) -> str:
        if node.type == STR:
            if not node.value:
                return "0u"
            return f"pdc_string(pdc_t, {self.strings.setdefault(node.value, len(self.strings))})"
        return literal(node.value, node.type)

    @expr.register
    def _(self, node: ir.Local) -> str:
        return self.name(node)

    @expr.register
    def _(self, node: ir.Field) -> str:
        assert isinstance(node.base.type, MessageType)
        field = next(f for f in schema_of(node.base.type.cls).fields if f.name == node.name)
        text = f"{self.expr(node.base)}.{identifier(node.name)}"
        return self.c_types.out_of_record(field.type, text)

    @expr.register
    def _(self, node: ir.Op) -> str:
        texts = self.in_order(node.args)
        deciding = node.args[: _BARE.get(node.primitive.name, 0)]
        if deciding and not any(map(_has_64_bits, deciding)):
            texts[0] = f"(i64){texts[0]}"
        return operation_text(node.primitive, texts, self.c_types.spell(node.type))

    @expr.register
    def _(self, node: ir.Table) -> str:
        index = self.expr(node.index)
        if node.type == STR:
            numbers = [self.strings.setdefault(v, len(self.strings)) for v in node.values]
            table = self.c_types.table("u32", [f"{n}u" for n in numbers])
            return f"pdc_string(pdc_t, {table}[{index}])"
        texts = [literal(value, node.type) for value in node.values]
        return f"{self.c_types.table(self.c_types.spell(node.type), texts)}[{index}]"

    @expr.register
    def _(self, node: ir.IsError) -> str:
        return f"({self.is_error(self.expr(node.base), node.classes)})"

    def is_error(self, code: str, classes: tuple[type[BaseException], ...]) -> str:
        """Whether a code is that of an exception of some classes."""
        codes = sorted(c for c, cls in self.codes.items() if issubclass(cls, classes))
        if codes == sorted(self.codes):
            return "true"
        return " || ".join(_within(code, first, last) for first, last in _ranges(codes)) or "false"

    @expr.register
    def _(self, node: ir.Call) -> str:
        texts = self.in_order(node.args)
        return f"py_{identifier(node.function)}({', '.join(['pdc_t', *texts])})"

    @expr.register
    def _(self, node: ir.And) -> str:
        return self._short_circuit(node.left, node.right, "&&")

    @expr.register
    def _(self, node: ir.Or) -> str:
        return self._short_circuit(node.left, node.right, "||")

    def _short_circuit(self, left: ir.Expr, right: ir.Expr, symbol: str) -> str:
        first = self.expr(left)
        second, lines = self.captured(lambda: self.expr(right))
        if not lines:
            return f"({first} {symbol} {second})"
        name = self.spill(first, BOOL)
        test = name if symbol == "&&" else f"!{name}"
        self.lines.append(f"if ({test}) {{")
        self.lines += [*lines, f"{name} = {second};", "}"]
        return name

    @expr.register
    def _(self, node: ir.Cond) -> str:
        test = self.expr(node.test)
        then, then_lines = self.captured(lambda: self.expr(node.then))
        orelse, else_lines = self.captured(lambda: self.expr(node.orelse))
        if not then_lines and not else_lines:
            return f"({test} ? {then} : {orelse})"
        self._spilled += 1
        name = f"pdc_v{self._spilled}"
        self.locals[name] = self.c_types.spell(node.type)
        self.lines.append(f"if ({test}) {{")
        self.lines += [*then_lines, f"{name} = {then};", "} else {"]
        self.lines += [*else_lines, f"{name} = {orelse};", "}"]
        return name

    @expr.register
    def _(self, node: ir.New) -> str:
        return f"pdc_make_{self.c_types.spell(node.type)}({', '.join(self.in_order(node.args))})"

    @expr.register
    def _(self, node: ir.Tuple) -> str:
        return f"{self.c_types.spell(node.type)}_of({', '.join(self.in_order(node.items))})"

    @expr.register
    def _(self, node: ir.Item) -> str:
        return f"{self.expr(node.base)}.v{node.index}"

    @expr.register
    def _(self, node: ir.Is) -> str:
        assert isinstance(node.base.type, UnionType)
        return f"({self.expr(node.base)}.tag == {node.base.type.members.index(node.member)})"

    @expr.register
    def _(self, node: ir.As) -> str:
        assert isinstance(node.base.type, UnionType)
        return f"{self.expr(node.base)}.v{node.base.type.members.index(node.type)}"

    @expr.register
    def _(self, node: ir.Wrap) -> str:
        assert isinstance(node.type, UnionType)
        index = node.type.members.index(node.value.type)
        value = "0" if node.value.type in (NONE, UNBOUND) else self.expr(node.value)
        return f"{self.c_types.spell(node.type)}_{index}({value})"

    @expr.register
    def _(self, node: ir.Context) -> str:
        if node.what == "key":
            return "pdc_key_value(pdc_t)"
        # The last time-out, which lets flushing handlers run, comes before the actor is told.
        return "(pdc_t->actor->terminating != 0 && pdc_t->actor->event == 0)"

    @expr.register
    def _(self, node: ir.InHand) -> str:
        held = {"correlated": "(pdc_in->correlated != 0)", "priority": "(i64)pdc_in->priority"}
        return held.get(node.part, f"pdc_in->{node.part}")


_BARE = {"plus_i64": 2, "minus_i64": 2, "times_i64": 2, "shift_right": 1}
"""Operators of C on ints, and how many of their operands decide in how many bits C computes."""


def _has_64_bits(node: ir.Expr) -> bool:
    """Whether C computes with the text of an int in 64 bits, as it does not with ``1``."""
    if isinstance(node, ir.Op) and not node.primitive.name.endswith("_i64"):
        known = node.primitive.name in ("cast", "len")
        return known or any(_has_64_bits(arg) for arg in node.args if arg.type == INT)
    return not isinstance(node, (ir.Const, ir.Cond))


def _ranges(codes: list[int]) -> list[tuple[int, int]]:
    """``[1, 2, 3, 7]`` as ``[(1, 3), (7, 7)]``."""
    found: list[tuple[int, int]] = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1] = found[-1][0], code
        else:
            found.append((code, code))
    return found


def _within(code: str, first: int, last: int) -> str:
    if last - first > 1:
        return f"({first} <= {code} && {code} <= {last})"
    return " || ".join(f"{code} == {known}" for known in range(first, last + 1))
