"""Builds the kernel of an actor: its turn, with the state that lives between turns.

Input: the actor's shape, the classes of its messages, the types of its state before the first
turn.  Output: ``ir.Kernel``.  The turn is built again until the types of the state at its end are
those it began with: ``total = 0`` that becomes a float is an ``int | float`` from the start.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic, DiagnosticError, Diagnostics
from pydotcompute.compiler.frontend.actor_shape import ActorShape
from pydotcompute.compiler.frontend.container_mutation import shrinking_names
from pydotcompute.compiler.frontend.escape import looked_at
from pydotcompute.compiler.frontend.names import binds
from pydotcompute.compiler.frontend.set_order import ordered_uses, second_names
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.host_calls import contains_text
from pydotcompute.compiler.ir.message_paths import paths_of
from pydotcompute.compiler.irbuild.containers import counters
from pydotcompute.compiler.irbuild.core.attempts import MAX_PASSES, build_until_stable
from pydotcompute.compiler.irbuild.core.breaks import Breaks, loop_statements, own_parts
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.facts import ActorFacts, Facts
from pydotcompute.compiler.irbuild.core.interpreted_changes import check_constants, check_messages
from pydotcompute.compiler.irbuild.core.scope import POISONED, Env, Var, view_of
from pydotcompute.compiler.irbuild.core.unit import Conversion, TurnFrame, Unit
from pydotcompute.compiler.irbuild.objects.messages import read_back
from pydotcompute.compiler.irbuild.syntax import expressions as build_expressions
from pydotcompute.compiler.irbuild.syntax import statements as build_statements
from pydotcompute.compiler.irbuild.syntax.loops import end_turn
from pydotcompute.compiler.irbuild.values.conditions import condition
from pydotcompute.compiler.irbuild.values.operators import negate
from pydotcompute.compiler.types.message_schema import is_message
from pydotcompute.compiler.types.population_key import KeyLayout
from pydotcompute.compiler.types.types import (
    CONTAINERS,
    NEVER,
    NONE,
    UNBOUND,
    DequeType,
    DictType,
    ListType,
    SetType,
    Type,
    join,
)

MAX_ROUNDS = 24
"""Each finds statements that cannot be compiled behind those that earlier ones have found."""


def build_kernel(
    name: str,
    shape: ActorShape,
    inputs: tuple[type, ...],
    outputs: tuple[type, ...] | None,
    state: Mapping[str, Type],
    signals: Mapping[str, type[BaseException]],
    converted: Mapping[tuple[type, str], bool] | None = None,
    breaks: Breaks | None = None,
    key: KeyLayout | None = None,
) -> ir.Kernel:
    """Builds an actor.

    Args:
        name: the kernel id.
        shape: where the actor is cut.
        inputs: classes that arrive.
        outputs: classes it may send; None: those that it sends.
        state: the type of each state variable that the prologue binds.
        signals: exception classes of the runtime by code name.
        converted: fields that a message of the state fills with a value of another type, and
            whether that is an int which a float holds exactly.
        breaks: what is known to break; it is given the host variables that are found.
        key: of a population, the key of its messages.

    Raises:
        DiagnosticError: everything that keeps the actor from being lowered.
    """
    breaks = Breaks() if breaks is None else breaks
    request = _Request(name, shape, inputs, outputs, state, signals, converted or {}, breaks, key)
    first = DiagnosticError(*breaks.refusal) if breaks.refusal else None
    sent: dict[type, None] = {}
    for _ in range(MAX_ROUNDS):
        try:
            kernel = _build(request, sent)
        except DiagnosticError as problems:
            first = first or problems
            if breaks.learn(problems.diagnostics):
                continue
            break
        if not kernel.breaks and not breaks.without_types:
            return kernel
        if breaks.learn(()):
            continue
        paths = paths_of(kernel)
        if paths.ends_a_message and not paths.breaks_early:
            return kernel
        first = first or DiagnosticError(*kernel.breaks)
        break
    assert first is not None
    raise first


@dataclass(frozen=True)
class _Request:
    """The arguments of ``build_kernel``."""

    name: str
    shape: ActorShape
    inputs: tuple[type, ...]
    outputs: tuple[type, ...] | None
    state: Mapping[str, Type]
    signals: Mapping[str, type[BaseException]]
    converted: Mapping[tuple[type, str], bool]
    breaks: Breaks
    key: KeyLayout | None


def _build(request: _Request, sent: dict[type, None]) -> ir.Kernel:
    """One round: the actor, with the breaks that are known of.

    Args:
        request: what to build.
        sent: the classes that it sends in any round: what breaks here may send them, too.
    """
    shape, breaks = request.shape, request.breaks
    diagnostics = Diagnostics(shape.source)
    names = [n for n in shape.state_names if n not in breaks.host]
    unit = Unit(diagnostics, request.inputs, request.outputs, request.signals, ActorFacts(),
                state=frozenset(names), shrinking=shrinking_names(shape.loop.body),
                breaks=breaks, sent=sent, key=request.key)  # fmt: skip
    unit.converted.update({key: Conversion(False, exact)
                           for key, exact in request.converted.items()})  # fmt: skip
    unit.facts.shared.update(_shared_before(shape))
    builder, types = _settled(shape, unit, {n: request.state.get(n, UNBOUND) for n in names})
    _report(shape, unit, types)
    diagnostics.raise_if_any()
    loc = builder.loc(shape.loop)
    variables = tuple(builder.local(n, t, loc) for n, t in types.items() if t != UNBOUND)
    turn, outputs = tuple(builder.block), request.outputs
    functions = unit.called(turn)
    met = _breaks_in(turn, *(function.body for function in functions))
    if met:
        _note_untyped(shape, types, unit)
    if sets := {name for name, type_ in types.items() if isinstance(type_, SetType)}:
        _note_ordered(shape, sets, unit, functions, breaks=bool(met))
    if met:
        check_constants(unit, shape)
        check_messages(unit, shape, types, (*turn, *functions), met)
        diagnostics.raise_if_any()
    return ir.Kernel(
        loc, request.name, variables, request.inputs, tuple(sent) if outputs is None else outputs,
        turn, functions,
        tuple((code, cls, text) for (cls, text), code in unit.raised.items()),
        tuple(unit.prints), tuple(unit.headers), tuple(sorted(unit.header_reads)),
        tuple(unit.constants.values()), met, request.key,
    )  # fmt: skip


def _settled(shape: ActorShape, unit: Unit,
             types: dict[str, Type]) -> tuple[Builder, dict[str, Type]]:  # fmt: skip
    """The turn, built until the types of the state at its end are those at its beginning."""
    diagnostics, shared = unit.diagnostics, unit.facts.shared
    facts = Facts(union_names={*types})
    for _ in range(MAX_PASSES):
        mark = diagnostics.mark()
        ends: list[Env] = []
        builder = build_until_stable(
            lambda: Builder(unit, shape.source, facts, shape.ctx),
            lambda builder: _turn(builder, shape, types, ends),  # noqa: B023
        )
        types.update(unit.facts.containers)
        wide, shared_before = dict(types), len(shared)
        for end in ends:
            for variable, before in types.items():
                if end.get(variable) is POISONED:
                    continue
                if not isinstance(before, CONTAINERS):
                    wide[variable] = join(wide[variable], view_of(end.get(variable)))
                if not getattr(end.get(variable), "unique", False):
                    shared.add(variable)
        if wide == types and len(shared) == shared_before:
            if diagnostics or not unit.waits or unit.types_final:
                break
            unit.types_final = True
        # Code that fails while `prev` is None may lower once its type widens.
        types = wide
        diagnostics.rewind(mark)
    else:
        diagnostics.error("PDC101", shape.loop.test, "the types of the state do not settle")
    return builder, types


def _breaks_in(*blocks: ir.Block) -> tuple[Diagnostic, ...]:
    """The problems of all breaks, in the order of the file."""
    found = {node.problem for block in blocks for node in ir.walk(*block)
             if isinstance(node, ir.Interpret)}  # fmt: skip
    return tuple(sorted(found, key=lambda d: (d.file, d.line, d.column, d.message)))


def _note_untyped(shape: ActorShape, types: Mapping[str, Type], unit: Unit) -> None:
    """Variables whose values come only from statements that break: no type is known of them."""
    left = unit.interpreted(shape.loop.body)
    bound = {name for each in left if not _binds_none(each)
             for part in own_parts(each) for name in binds(part)}  # fmt: skip
    named = {part.id for each in left for part in own_parts(each) if isinstance(part, ast.Name)}
    for name, type_ in types.items():
        untyped = type_ in (NONE, UNBOUND) and name in bound
        if untyped or (_is_never_filled(type_) and name in named):
            unit.breaks.without_types[name] = "all that gives it a value cannot be compiled"


def _note_ordered(shape: ActorShape, sets: set[str], unit: Unit,
                  functions: Sequence[ir.Function], *, breaks: bool) -> None:  # fmt: skip
    """Sets whose order may show in what the interpreter does: it has to keep the very set."""
    lent = any(isinstance(parameter.type, SetType) for function in functions
               if _breaks_in(function.body) for parameter in function.parameters)  # fmt: skip
    left = [*loop_statements(shape.epilogue)]
    found = set()
    if breaks:
        left += unit.interpreted(shape.loop.body)
        found = second_names(part for node in shape.loop.body for part in ast.walk(node))
    found |= ordered_uses(part for each in left for part in own_parts(each))
    for name in sets if lent else found & sets:
        unit.breaks.without_types[name] = "its order may show in what compiled code cannot do"


def _binds_none(statement: ast.stmt) -> bool:
    value = getattr(statement, "value", None)
    return isinstance(value, ast.Constant) and value.value is None


def _is_never_filled(type_: Type) -> bool:
    if isinstance(type_, DictType):
        return type_.value == NEVER
    return isinstance(type_, (ListType, DequeType, SetType)) and type_.item == NEVER


def _report(shape: ActorShape, unit: Unit, types: Mapping[str, Type]) -> None:
    """The problems that show only when the whole turn has been built."""
    diagnostics = unit.diagnostics
    for name_, type_ in types.items():
        if contains_text(type_):
            unit.breaks.without_types[name_] = "it keeps a string made in the loop"
            diagnostics.error(
                "PDC108", shape.loop.test,
                f"the variable {name_!r} keeps a string made in the loop",
                notes=["compiled code can print such a string, or send it at once"],
                hint="keep what the string is made of",
            )  # fmt: skip
    for read in read_back(unit):
        diagnostics.within(read.source).error(
            "PDC101", read.node,
            f"field {read.name!r} of {read.cls.__name__} is read back, but was given a value of "
            "another type",
            notes=["in Python, the field keeps the value that it was given, until it is sent"],
            hint="give the field a value of its own type",
        )  # fmt: skip


def _shared_before(shape: ActorShape) -> set[str]:
    """Variables that the prologue binds to what may be a message with another name, too."""
    shared = set()
    looked = looked_at(shape.source.node)
    for node in (n for statement in shape.prologue for n in ast.walk(statement)):
        value = getattr(node, "value", None)
        alone = isinstance(value, ast.Constant) or (
            isinstance(value, ast.Call) and is_message(_callee(shape, value))
        )  # fmt: skip
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and alone:
            looked |= {id(node.targets[0])}
        if isinstance(node, ast.AnnAssign) and alone:
            looked |= {id(node.target)}
        if isinstance(node, ast.Name) and id(node) not in looked:
            shared.add(node.id)
    return shared


def _callee(shape: ActorShape, node: ast.Call) -> object:
    return shape.source.lookup(node.func.id) if isinstance(node.func, ast.Name) else None


def _turn(builder: Builder, shape: ActorShape, types: Mapping[str, Type],
          ends: list[Env]) -> None:  # fmt: skip
    """One round: the loop's condition, then its body."""
    loc = builder.loc(shape.loop)
    head: Env = {}
    for name, type_ in {**types, **builder.unit.facts.containers}.items():
        local = builder.local(name, type_, loc)
        if isinstance(type_, CONTAINERS):
            local = replace(local, origin=name)
        head[name] = Var(local, type_, name not in builder.unit.facts.shared)
    ends.clear()
    builder.unit.built.clear()
    frame = TurnFrame(head, ends)
    builder.env = dict(head)
    builder.loops = [frame]
    test, when_true, when_false = condition(builder, shape.loop.test)
    leave = builder.branch(when_false, lambda: _end(builder, shape, frame, leave=True))
    if not (isinstance(test, ir.Const) and test.value):
        where = builder.loc(shape.loop.test)
        builder.block.append(ir.If(where, negate(test), tuple(leave[1]), ()))
    builder.env = when_true
    builder.statements(shape.loop.body)
    _end(builder, shape, frame, leave=False)


def _end(builder: Builder, shape: ActorShape, frame: TurnFrame, *, leave: bool) -> None:
    jump = ir.Leave if leave else ir.EndTurn
    where = builder.loc(shape.loop.test if leave else shape.loop.body[-1])
    try:
        end_turn(builder, frame, jump(where))
    except OperandError as error:
        builder.unit.diagnostics.error("PDC101", where, f"a variable of the state: {error}")


assert build_expressions.EXPRESSIONS, "the rules of expressions are registered"
assert counters.METHODS, "the methods of counters are registered"
assert build_statements.STATEMENTS, "the rules of statements are registered"
