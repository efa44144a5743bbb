"""Statements in C: the body of one function, or of the turn.

Each statement is preceded by ``#line`` and the Python line it comes from; every name stands as in
the Python.

Errors are sticky words, looked at after each statement that may set one: ``if (pdc_raised(...))``
goes to the ``except`` clauses around it, or returns.  Locals are declared at the top, so that a
jump passes no initialisation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pydotcompute.compiler.abi import MAX_LINES
from pydotcompute.compiler.codegen.c_types import CTypes, comment, file_name, identifier
from pydotcompute.compiler.codegen.expressions import ExpressionEmitter
from pydotcompute.compiler.codegen.operation_text import operation_text
from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.control_flow import falls_through
from pydotcompute.compiler.ir.dispatch import NodeMethod
from pydotcompute.compiler.ir.effects import may_fail, may_raise
from pydotcompute.compiler.ops.error_codes import DEOPTIMISE, FIRST_BREAK
from pydotcompute.compiler.types.message_schema import schema_of
from pydotcompute.compiler.types.types import CONTAINERS, MessageType, UnionType

Lines = Callable[[int], str]


class StatementEmitter(ExpressionEmitter):
    """Writes the body of one C function.

    Args:
        python: the text of a Python line by number.
        codes: exception class of every code of the kernel.
        file: the Python file, as ``#line`` names it.
        kernel: of the actor's own turn; None in a function that it calls.
        breaks: the kernel's, whose numbers tell which of them was met.
        file_number: which of the kernel's files it is, in the lines that are reported.
    """

    def __init__(self, c_types: CTypes, strings: dict[str, int], python: Lines,
                 codes: Mapping[int, type[BaseException]], file: str,
                 kernel: ir.Kernel | None, breaks: Sequence[Diagnostic],
                 file_number: int = 0) -> None:  # fmt: skip
        super().__init__(c_types, strings, codes)
        self._first_line = file_number * MAX_LINES
        self.python = python
        self.file = file_name(file)
        self.kernel = kernel
        self.breaks = breaks
        self.kept: Sequence[str] = ()
        """The variables that a turn may have bound anew, and hands over when it is whole."""
        self.handlers: list[str] = []
        self.caught: list[str] = []
        self.loops: list[tuple[str, str]] = []
        self.depth = 1
        self._labels = 0
        self._line = 0

    # --- writing ---------------------------------------------------------------------------------

    def write(self, *lines: str) -> None:
        """Adds lines at the current depth."""
        for line in lines:
            if line.startswith("}"):
                self.depth -= 1
            self.lines.append(line if line.startswith("#") else "    " * self.depth + line)
            if line.endswith("{"):
                self.depth += 1

    def at(self, node: ir.Node) -> None:
        """Notes the Python line of what follows, where it changes."""
        line = node.loc.line
        if line != self._line:
            self._line = line
            self.write(f'#line {line} "{self.file}"')
            if text := comment(self.python(line)):
                self.write(f"// {text}")

    def statement(self, expr: ir.Expr, use: Callable[[str], str | None]) -> None:
        """A statement made of the text of an expression, and the look at its errors."""
        text, lines = self.captured(lambda: self.expr(expr))
        self.write(*lines)
        made = use(text)
        if made is not None:
            self.write(made)
        if may_fail(expr):
            self.check(expr)

    def forced(self, expr: ir.Expr, fails: bool, *, at: ir.Node | None = None) -> str:
        """The text of an expression; if it ``fails`` now and then, it is computed into a local and
        its errors are looked at before anything is done with it.

        Args:
            expr: what is computed.
            fails: whether it may.
            at: the node whose line an error is reported for, if not the expression's.
        """
        text, lines = self.captured(lambda: self.expr(expr))
        self.write(*lines)
        if fails:
            text = self._spill_now(text, expr)
            self.check(at or expr)
        return text

    def captured_list(self, build: Callable[[], list[str]]) -> tuple[list[str], list[str]]:
        """As ``captured``, of several texts."""
        found: list[str] = []

        def run() -> str:
            found.extend(build())
            return ""

        _, lines = self.captured(run)
        return found, lines

    def place(self, node: ir.Node) -> int:
        """File and line of a node, as compiled code reports them."""
        return self._first_line + node.loc.line

    def check(self, node: ir.Node) -> None:
        """Goes to the handlers if an error is set."""
        self.write(f"if (pdc_raised(pdc_t, {self.place(node)})) {self.handle()}")

    def handle(self) -> str:
        """The way to the handlers of an exception, or out."""
        return f"goto {self.handlers[-1]};" if self.handlers else self.fail()

    def fail(self) -> str:
        """The way out with an error."""
        return "return {};" if self.kernel is None else "return PDC_FAILED;"

    def end(self, status: str) -> None:
        """Ends a turn that is whole."""
        if self.kept:
            self.write(f"pdc_keep(pdc_kept, {', '.join(self.kept)});")
        self.write(f"return {status};")

    def label(self, kind: str) -> str:
        """A new label."""
        self._labels += 1
        return f"pdc_{kind}{self._labels}"

    def block(self, nodes: ir.Block) -> None:
        """Statements in order."""
        for node in nodes:
            self.stmt(node)

    # --- statements ------------------------------------------------------------------------------

    @NodeMethod
    def stmt(self, node: ir.Stmt) -> None:
        """Writes a statement."""
        raise AssertionError(f"no C text for {type(node).__name__}")

    @stmt.register
    def _assign_stmt(self, node: ir.Assign) -> None:
        self.at(node)
        name = self.name(node.target)
        if self.handlers and may_raise(node.value):
            # A handler sees the value from before: nothing is bound by what raises.
            self.write(f"{name} = {self.forced(node.value, True)};")
            return
        self.statement(node.value, lambda text: f"{name} = {text};")

    @stmt.register
    def _set_field_stmt(self, node: ir.SetField) -> None:
        self.at(node)
        assert isinstance(node.target.type, MessageType)
        field = next(f for f in schema_of(node.target.type.cls).fields if f.name == node.name)
        text = self.forced(node.value, may_fail(node.value))
        place = f"{self.expr(node.target)}.{identifier(node.name)}"
        self.write(f"{place} = {self.c_types.into_record(field.type, text)};")

    @stmt.register
    def _evaluate_stmt(self, node: ir.Evaluate) -> None:
        self.at(node)
        self.statement(node.value, lambda text: f"(void)({text});")

    @stmt.register
    def _print_stmt(self, node: ir.Print) -> None:
        self.at(node)
        text = self.forced(node.value, may_fail(node.value), at=node)
        made = "" if node.target is None else f"{self.name(node.target)} = "
        self.write(f"{made}pdc_log(pdc_t, {node.site}, {text});")
        self.check(node)

    @stmt.register
    def _carry_stmt(self, node: ir.Carry) -> None:
        self.at(node)
        place = self.expr(node.place)
        self.write(f"{self.name(node.target)} = pdc_log_items(pdc_t, {place});")
        self.check(node)

    @stmt.register
    def _fresh_stmt(self, node: ir.Fresh) -> None:
        self.at(node)
        self.write(f"pdc_fresh({self.name(node.target)});")

    @stmt.register
    def _mutate_stmt(self, node: ir.Mutate) -> None:
        self.at(node)
        texts, lines = self.captured_list(lambda: self.in_order(node.args))
        self.write(*lines)
        if any(may_fail(arg) for arg in node.args):
            # A change is an effect: nothing that came before it may have failed.
            texts = [t if isinstance(a.type, CONTAINERS) else self._spill_now(t, a)
                     for t, a in zip(texts, node.args, strict=True)]  # fmt: skip
            self.check(node)
        made = operation_text(node.primitive, texts, "")
        if node.target is None:
            self.write(f"{made};")
            self.check(node)
            return
        made = self._spill_now(made, node.target)
        self.check(node)
        self.write(f"{self.name(node.target)} = {made};")

    @stmt.register
    def _if_stmt(self, node: ir.If) -> None:
        self.at(node)
        self.statement_test(node.test)
        self.block(node.body)
        if node.orelse:
            self.write("} else {")
            self.block(node.orelse)
        self.write("}")

    def statement_test(self, test: ir.Expr, *, negated: bool = False) -> None:
        """Opens ``if (test) {``; a test that may fail is looked at first."""
        text = self.forced(test, may_fail(test))
        if text.startswith("(") and text.endswith(")") and _closes(text):
            text = text[1:-1]
        self.write(f"if (!({text})) {{" if negated else f"if ({text}) {{")

    @stmt.register
    def _while_stmt(self, node: ir.While) -> None:
        self.at(node)
        after = self.label("done")
        again = self.label("next")
        self.write("for (;;) {")
        self._line = 0
        self.block(node.setup)
        self.at(node)
        self.statement_test(node.test, negated=True)
        self.block(node.orelse)
        self.write(f"goto {after};", "}")
        self._body(node.body, again, after, node)
        self.write("}", f"{after}:;")

    @stmt.register
    def _for_stmt(self, node: ir.For) -> None:
        self.at(node)
        target, count = self.name(node.target), self.name(node.target) + "left"
        self.locals[count] = "u64"
        start, stop, step = self.in_order((node.start, node.stop, node.step))
        self.write(f"{count} = pdc_range_length(&pdc_t->error, {start}, {stop}, {step});")
        self.check(node)
        self.write(f"{target} = {start};")
        after, again = self.label("done"), self.label("next")
        advance = f"--{count}, {target} = pdc_range_next({target}, {step})"
        self.write(f"for (; {count} != 0; {advance}) {{")
        self._body(node.body, again, after, node)
        self.write("}")
        self.block(node.orelse)
        self.write(f"{after}:;")

    def _body(self, body: ir.Block, again: str, after: str, node: ir.Stmt) -> None:
        """A loop's body; its back edge burns fuel, so that the host can stop it."""
        self.loops.append((again, after))
        self.block(body)
        self.loops.pop()
        self.at(node)
        self.write(f"{again}:;")
        self.write(f"if (pdc_spent(pdc_fuel, pdc_t, {self.place(node)})) {self.fail()}")

    @stmt.register
    def _break_stmt(self, node: ir.Break) -> None:
        self.at(node)
        self.write(f"goto {self.loops[-1][1]};")

    @stmt.register
    def _continue_stmt(self, node: ir.Continue) -> None:
        self.at(node)
        self.write(f"goto {self.loops[-1][0]};")

    @stmt.register
    def _end_turn_stmt(self, node: ir.EndTurn) -> None:
        if node.loc.line > self._line:  # a `continue`; the end of the loop has no line of its own
            self.at(node)
        self.end("PDC_MORE")

    @stmt.register
    def _leave_stmt(self, node: ir.Leave) -> None:
        self.at(node)
        self.end("PDC_LEFT")

    @stmt.register
    def _return_stmt(self, node: ir.Return) -> None:
        self.at(node)
        if self.kernel is not None:
            self.end("PDC_RETURNED")
        else:
            assert node.value is not None
            caught = bool(self.handlers) and may_raise(node.value)
            self.write(f"return {self.forced(node.value, caught)};")

    # --- exceptions ------------------------------------------------------------------------------

    @stmt.register
    def _raise_stmt(self, node: ir.Raise) -> None:
        self.at(node)
        code = self.caught[-1] if node.code is None else str(node.code)
        self.write(f"pdc_raise(&pdc_t->error, {code});")
        self.check(node)

    @stmt.register
    def _interpret_stmt(self, node: ir.Interpret) -> None:
        self.at(node)
        site = self.breaks.index(node.problem)
        self.write(f"pdc_raise(&pdc_t->error, {FIRST_BREAK + site}); // interpreted")
        self.check(node)

    @stmt.register
    def _try_stmt(self, node: ir.Try) -> None:
        handler, after = self.label("except"), self.label("end")
        self.handlers.append(handler)
        self.block(node.body)
        self.handlers.pop()
        self.block(node.orelse)
        if falls_through((*node.body, *node.orelse)):
            self.write(f"goto {after};")
        self.at(node.handlers[0])
        self.write(f"{handler}:;")
        self.write(f"if (pdc_t->error.code >= {DEOPTIMISE}) {self.handle()} // no exception")
        caught = f"pdc_caught{len(self.caught) + 1}_{handler.removeprefix('pdc_except')}"
        self.locals[caught] = "i32"
        self.write(f"{caught} = pdc_t->error.code;")
        for clause in node.handlers:
            self.at(clause)
            matches = self._matches(clause, caught)
            self.write("{" if matches == "true" else f"if ({matches}) {{", "pdc_t->error = {};")
            if clause.name is not None:
                self.write(f"{self.name(clause.name)} = {caught};")
            self.caught.append(caught)
            self.block(clause.body)
            self.caught.pop()
            if falls_through(clause.body):
                self.write(f"goto {after};")
            self.write("}")
        self.write(self.handle(), f"{after}:;")

    def _matches(self, clause: ir.Handler, caught: str) -> str:
        return "true" if clause.classes is None else self.is_error(caught, clause.classes)

    # --- messages --------------------------------------------------------------------------------

    @stmt.register
    def _receive_stmt(self, node: ir.Receive) -> None:
        self.at(node)
        assert self.kernel is not None
        if node.timeout is None:
            self.write("if (!pdc_receive(pdc_out, pdc_in)) return pdc_wait(pdc_t);")
        else:
            limit = self.forced(node.timeout, may_fail(node.timeout))
            self.write("if (!pdc_receive(pdc_out, pdc_in)) {",
                       f"if (pdc_waits(pdc_t, {limit}, {self.place(node)})) return PDC_IDLE;",
                       self.handle(), "}")  # fmt: skip
        name, message = self.name(node.target), "pdc_in->"
        if self.kernel.is_headed:
            self.write("pdc_out.token = pdc_in->token;")
            message += "value."
        if isinstance(node.target.type, UnionType):
            wide = self.c_types.spell(node.target.type)
            for n, member in enumerate(node.target.type.members):
                assert isinstance(member, MessageType)
                tag = self.kernel.inputs.index(member.cls)
                struct = self.c_types.spell(member)
                self.write(f"if ({message}tag == {tag}) "
                           f"{name} = {wide}_{n}({message}value.{struct}_{tag});")  # fmt: skip
        else:
            self.write(f"{name} = {'pdc_in->value' if self.kernel.is_headed else '*pdc_in'};")

    @stmt.register
    def _send_stmt(self, node: ir.Send) -> None:
        self.at(node)
        assert self.kernel is not None
        assert isinstance(node.value.type, MessageType)
        text = self.forced(node.value, may_fail(node.value))
        header = f", {node.header}" if self.kernel.is_headed else ""
        self.write(f"if (!pdc_send(pdc_out, pdc_t, {text}, {self.place(node)}{header})) "
                   f"{self.handle()}")  # fmt: skip

    def _spill_now(self, text: str, expr: ir.Expr) -> str:
        self._spilled += 1
        name = f"pdc_v{self._spilled}"
        self.locals[name] = self.c_types.spell(expr.type)
        self.write(f"{name} = {text};")
        return name


def _closes(text: str) -> bool:
    """Whether the first parenthesis closes at the end of the text."""
    depth = 0
    for index, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return index == len(text) - 1
    return False
