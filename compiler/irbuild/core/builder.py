"""From Python's AST to typed IR: the builder of one function, and the unit it belongs to.

Input: an ``ActorShape`` and the types of its messages and state.  Output: ``ir.Kernel``.
Parsing and inference are one walk: each expression comes back with its type, and where paths
meet the environments are joined (``scope``).  The walk is repeated until it learns nothing that it
had to know earlier.

``build_expressions``, ``build_calls`` and ``build_statements`` hold one function a construct, in
tables by AST class; this file holds what they share.
"""

from __future__ import annotations

import ast
import enum
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np

from pydotcompute.compiler.diagnostics.diagnostic import (
    Diagnostic,
    DiagnosticError,
    Diagnostics,
    Location,
)
from pydotcompute.compiler.diagnostics.errors import SchemaError
from pydotcompute.compiler.frontend.escape import changing, looked_at
from pydotcompute.compiler.frontend.liveness import bound_names
from pydotcompute.compiler.frontend.source import FunctionSource
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core import enum_values as build_enums
from pydotcompute.compiler.irbuild.core.breaks import Undo
from pydotcompute.compiler.irbuild.core.convert import NoneOperandError, OperandError, raising
from pydotcompute.compiler.irbuild.core.evaluation_order import Ordered
from pydotcompute.compiler.irbuild.core.facts import Facts
from pydotcompute.compiler.irbuild.core.scope import POISONED, Dropped, Restart, Var
from pydotcompute.compiler.irbuild.core.unit import (
    LoopFrame,
    Nest,
    Static,
    TurnFrame,
    Unit,
    Watch,
    describe_static,
)
from pydotcompute.compiler.ops.containers import LENGTH
from pydotcompute.compiler.ops.operators import truth
from pydotcompute.compiler.types.int_ranges import int_type
from pydotcompute.compiler.types.message_schema import schema_of
from pydotcompute.compiler.types.missing import MISSING
from pydotcompute.compiler.types.types import (
    BOOL,
    FLOAT,
    INT,
    NEVER,
    STR,
    UNBOUND,
    DequeType,
    DictType,
    EnumType,
    ListType,
    MessageType,
    ObjectType,
    ScalarType,
    SetType,
    TupleType,
    Type,
    UnionType,
    is_number,
)

_MADE_UP = re.compile(r"\w%\d")
"""A name that the compiler has made up; Python's own `%` is written with spaces around it."""

class Poisoned(Exception):
    """A statement reads a name whose own statement did not lower: nothing new to report."""


class Builder(Ordered):
    """One attempt to build the body of one function.

    It is made new for each attempt, so that nothing that an attempt has learnt can outlive it:
    the next one has only the ``facts``.

    Args:
        unit: the attempt to build the kernel it belongs to.
        source: the function's AST, names and positions.
        facts: what earlier attempts have taught.
        ctx: the name of the context parameter, in the actor itself.
        statics: parameters that are no values of compiled code: functions, classes.
    """

    EXPRESSIONS: ClassVar[dict[type[ast.expr], Callable[[Builder, Any], ir.Expr | Static]]] = {}
    STATEMENTS: ClassVar[dict[type[ast.stmt], Callable[[Builder, Any], None]]] = {}
    """One rule for each AST class; ``build_expressions`` and ``build_statements`` fill them."""
    CONSTANTS: ClassVar[list[Callable[[Builder, ast.expr, Any], ir.Expr | None]]] = []
    """What makes a value of an object that has none by itself; ``build_arrays`` fills it."""
    FUSIONS: ClassVar[list[Callable[[Builder, Sequence[ast.stmt]], Sequence[ast.stmt]]]] = []
    """What makes one statement of two that belong together; ``build_statements`` fills it."""

    def __init__(self, unit: Unit, source: FunctionSource, facts: Facts,
                 ctx: str | None = None,
                 statics: Mapping[str, Any] | None = None) -> None:  # fmt: skip
        super().__init__(facts)
        self.unit = unit
        self.source = source
        self.ctx = ctx
        self.loops: list[LoopFrame | TurnFrame] = []
        self.nest = Nest()
        self.bound = source.local_names
        self.watches: list[Watch] = []
        """The containers that the loops around the place being built run over."""
        self.parameters: dict[str, ir.Local] = {}
        """The locals that hold a function's parameters, by name."""
        self.returns: list[Type] = []
        self.effects = False
        self.nevers = 0
        """How many expressions were built that raise for certain."""
        self.statics = statics or {}
        self.looked = set(looked_at(source.node))
        self._adopted: list[ast.AST] = []
        self.changing = changing(source.node)
        for name in self.changing - self.bound - frozenset(self.statics):
            unit.breaks.changed.setdefault(name, source.location(source.node))
        self.lent: dict[str, ir.Local] = {}
        """Parameters that are messages: they are the caller's own, who may see them change."""
        self.changed: set[str] = set()
        """Those that the function changes."""
        self.kept: set[str] = set()
        """Those that the function gives another name, or makes part of something."""
        self.made: set[str] = set()
        """Temporaries that hold a message made here, which nobody has yet."""
        self.made_all = True
        """Whether each result is a message made here."""
        self.header_of: dict[str, int] = {}
        """Names bound to a message with a header of its own, and which."""
        self.sending: Literal["", "now", "later"] = ""
        """What is being built is sent, at once or later, and kept by nobody."""
        self.cleanups: list[list[ast.stmt]] = []
        """The ``finally`` clauses around the place being built, outermost first."""

    def widen_container(self, name: str, type_: Type) -> None:
        """A container of the state takes items of more types: the actor is built again."""
        self.unit.facts.containers[name] = type_
        self.wider |= {var.local.name: type_ for var in (self.env or {}).values()
                       if isinstance(var, Var) and var.local.origin == name}  # fmt: skip
        raise Restart

    # --- places and problems -------------------------------------------------------------------

    def loc(self, node: ast.AST) -> Location:
        """Where ``node`` stands in the Python file."""
        return self.source.location(node)

    def spelled(self, node: ast.AST) -> str:
        """The first line of a construct as its author wrote it, or nearly so."""
        text = ast.unparse(node).splitlines()[0]
        if not _MADE_UP.search(text):
            return text
        at = self.loc(node)  # of made-up syntax: the place of what it stands for
        line = self.source.line(at.line)
        return line[at.column - 1 : at.end_column - 1 if at.end_line == at.line else None].strip()

    def fail(self, code: str, node: ast.AST, message: str, *, notes: Sequence[str] = (),
             hint: str | None = None) -> NoReturn:  # fmt: skip
        """This construct cannot be compiled."""
        found = Diagnostics(self.source)
        found.error(code, node, message, notes=tuple(notes), hint=hint)
        found.raise_if_any()
        raise AssertionError("unreachable")

    # --- values ----------------------------------------------------------------------------------

    def expression(self, node: ast.expr) -> ir.Expr:
        """The value of ``node``; what it does on the way goes to the block."""
        result = self.evaluate(node)
        if isinstance(result, Static):
            for make in self.CONSTANTS:
                if (made := make(self, node, result.value)) is not None:
                    return made
            self.fail("PDC100", node, f"{describe_static(result.value)} is used as a value",
                      hint="compiled code can call it, but not store or send it")  # fmt: skip
        return result

    def evaluate(self, node: ast.expr) -> ir.Expr | Static:
        """The value of ``node``, or the Python object it names."""
        rule = self.EXPRESSIONS.get(type(node))
        if rule is None:
            self.fail("PDC021", node, f"`{self.spelled(node)}` cannot be compiled")
        before = self.nevers
        try:
            result = rule(self, node)
        except OperandError as error:
            # What is None alone in this round may be something else in the next.
            waits = isinstance(error, NoneOperandError) and not self.unit.types_final
            self.unit.waits |= waits
            if self.nevers == before and not waits:
                self.fail("PDC102", node, f"`{self.spelled(node)}`: {error}")
            # A part of it has no value here, so whatever this is, it is never computed.
            result = raising(self.loc(node), NEVER, "PDC_DEOPT_TYPE")
        if isinstance(result, ir.Expr) and result.type == NEVER:
            self.nevers += 1
        return result

    def constant(self, value: Any, loc: Location) -> ir.Expr | Static:
        """A Python object met while compiling, as a value if compiled code has such values."""
        if value is None:
            return ir.none(loc)
        if isinstance(value, enum.Enum):
            if value not in EnumType(type(value)).members:
                return Static(value)  # several flags at once
            return ir.Const(loc, EnumType(type(value)), value)
        if isinstance(value, np.generic) and not isinstance(value, (str, bytes)):
            if is_number(value.dtype):
                return ir.Const(loc, ScalarType(value.dtype.name), value)
            return Static(value)
        if type(value) is int:
            type_ = int_type(value)
            return Static(value) if type_ is None else ir.Const(loc, type_, value)
        plain = {bool: BOOL, float: FLOAT, str: STR}.get(type(value))
        if plain is not None:
            return ir.Const(loc, plain, value)
        if type(value) is tuple:
            items = [self.constant(item, loc) for item in value]
            if not any(isinstance(item, Static) for item in items):
                exprs = tuple(item for item in items if isinstance(item, ir.Expr))
                return ir.Tuple(loc, TupleType(tuple(e.type for e in exprs)), exprs)
        return Static(value)

    def name(self, node: ast.Name) -> ir.Expr | Static:
        """A name: a variable of this function, else what the module or closure binds."""
        if self.env is None:
            return ir.none(self.loc(node))
        var = self.env.get(node.id)
        if var is POISONED:
            raise Poisoned
        if node.id in self.unit.breaks.host and self.ctx is not None:
            raise DiagnosticError(self.unit.breaks.mention(self.source, node, node.id))
        if var is None and node.id in self.statics:
            return self.constant(self.statics[node.id], self.loc(node))
        local = node.id in self.bound or node.id in self.synthetic
        if isinstance(var, Dropped) or (var is None and local and node.id not in self.unions):
            self.require(node.id, self.loc(node))
            var = self.env.get(node.id)
        if var is None and local:
            return raising(self.loc(node), NEVER, "PDC_UNBOUND_LOCAL")
        if isinstance(var, Dropped) or var is None:
            value = self.source.lookup(node.id)
            if value is MISSING:
                self.fail("PDC105", node, f"the name {node.id!r} is not defined")
            read = partial(self.source.lookup, node.id)
            self.unit.note_constant(self.source, node.id, read, value)
            return self.constant(value, self.loc(node))
        if isinstance(var.view, ObjectType):
            return Static(var.view.value)
        value_ = self.read(var, self.loc(node))
        if id(node) not in self.looked:
            self.share(node.id)
        return self.present(value_)

    def share(self, name: str) -> None:
        """From here on, the message that ``name`` is bound to may have another name, too."""
        super().share(name)
        self.kept.add(name)

    def adopt(self, node: ast.AST) -> None:
        """Made-up syntax is to be built: what it only looks at."""
        self._adopted.append(node)  # or its ids could be those of something else, some day
        self.looked |= looked_at(node)

    def is_static(self, node: ast.expr) -> bool:
        """Whether ``node`` names a module, class or function rather than a value."""
        while isinstance(node, ast.Attribute):
            node = node.value
        if not isinstance(node, ast.Name) or node.id in (self.env or {}):
            return False
        return node.id in self.statics or node.id not in self.bound

    def is_made(self, value: ir.Expr) -> bool:
        """Whether a value is a message that has just been made, and nobody has yet."""
        if isinstance(value, ir.Local):
            return value.name in self.made
        made_by = value.function if isinstance(value, ir.Call) else None
        if made_by is not None and self.unit.callee(made_by).returns_fresh:
            return True
        return super().is_made(value)

    def forced(self, value: ir.Expr) -> ir.Expr:
        """``value``; what it raises, it raises here."""
        made, forced = self.is_made(value), super().forced(value)
        if made and isinstance(forced, ir.Local):
            self.made.add(forced.name)
        return forced

    def changes(self, node: ir.Node, message: ir.Local) -> bool:
        """Whether a node of the IR changes the message in a local, itself or by a call."""
        if not isinstance(node, ir.Call):
            return super().changes(node, message)
        callee = self.unit.callee(node.function).function
        return any(own.name in callee.changes and message in (arg, getattr(arg, "base", None))
                   for arg, own in zip(node.args, callee.parameters, strict=True))  # fmt: skip

    def present(self, value: ir.Expr) -> ir.Expr:
        """``value``, raising ``UnboundLocalError`` where its name is not bound yet."""
        if value.type == UNBOUND:
            return raising(value.loc, NEVER, "PDC_UNBOUND_LOCAL")
        if isinstance(value.type, UnionType) and UNBOUND in value.type.members:
            return self.split(value, lambda part: part)
        return value

    def truth(self, value: ir.Expr) -> ir.Expr:
        """``bool(value)``."""
        if value.type == BOOL:
            return value
        if value.type == NEVER:
            return self.convert(value, BOOL)
        if isinstance(value, ir.Const) and not isinstance(value.type, UnionType):
            return ir.Const(value.loc, BOOL, bool(value.value))
        if isinstance(value.type, UnionType):
            return self.split(value, self.truth)
        if isinstance(value.type, MessageType):
            return self._certain(value, True)
        if isinstance(value.type, EnumType):
            return build_enums.truth(value)
        if isinstance(value.type, TupleType):
            return self._certain(value, bool(value.type.items))
        if isinstance(value.type, (ListType, DequeType, DictType, SetType)):
            length = ir.Op(value.loc, INT, LENGTH, (value,))
            return self.truth(length)
        rule = truth(value.type)
        if rule is None:
            raise OperandError(f"a {value.type} has no truth value in compiled code")
        if isinstance(rule, bool):
            return self._certain(value, rule)
        return ir.Op(value.loc, BOOL, rule, (value,))

    def _certain(self, value: ir.Expr, truth: bool) -> ir.Expr:
        """The truth that all values of a type have."""
        self.dropped(value)
        return ir.Const(value.loc, BOOL, truth)

    # --- statements ------------------------------------------------------------------------------

    def statements(self, nodes: Sequence[ast.stmt]) -> None:
        """Builds ``nodes`` into the block; a statement that cannot be compiled ends the path, or is
        reported (see ``breaks``)."""
        for fused in self.FUSIONS:
            nodes = fused(self, nodes)
        for node in nodes:
            if self.env is None:  # unreachable
                return
            undo, breaks = None, self.unit.breaks
            if breaks:
                why = breaks.before(node, self.source, in_actor=self.ctx is not None)
                if why is not None:
                    self._break(node, why)
                    return
                undo = Undo(self)
            try:
                self._statement(node)
                self.unit.built.add(id(node))
            except DiagnosticError as problem:
                if undo is not None and breaks.allows(problem.diagnostics):
                    undo.restore()
                    self._break(node, problem.diagnostics[0])
                    return
                self.unit.diagnostics.extend(problem.diagnostics)
                self.unit.left_out += 1
                self._forget(node)
            except Poisoned:
                self._forget(node)
            except Restart:
                self.stale = True
                self._forget(node)

    def _statement(self, node: ast.stmt) -> None:
        rule = self.STATEMENTS.get(type(node))
        if rule is None:
            self.fail("PDC021", node, f"`{self.spelled(node)}` cannot be compiled")
        try:
            rule(self, node)
        except OperandError as error:
            self.fail("PDC102", node, f"`{self.spelled(node)}`: {error}")

    def _break(self, node: ast.stmt, problem: Diagnostic) -> None:
        """The path leaves compiled code here."""
        self.block.append(ir.Interpret(self.loc(node), problem))
        self.env = None

    def _forget(self, node: ast.stmt) -> None:
        """After a problem: the names it binds are unknown, and no news when read."""
        for name in bound_names([node]):
            if self.env is not None:
                self.env[name] = POISONED

    def schema(self, cls: type, node: ast.AST) -> Any:
        """The record of a message class."""
        try:
            return schema_of(cls)
        except SchemaError as error:
            self.fail("PDC109", node, str(error))
