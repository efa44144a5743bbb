"""The way of an actor, stage by stage; read this first.

::

    function --read_source--> FunctionSource --find_shape--> ActorShape (prologue | loop | epilogue)
      --scan--> no syntax that never lowers --build_kernel--> ir.Kernel --run_passes--> ir.Kernel
      --emit--> Emitted (C lines) --render--> KernelSource (one text)

Each stage takes frozen data and makes frozen data.  A stage that cannot go on raises
``DiagnosticError`` with everything it found.  A statement that cannot be compiled ends a path, as
long as others lead to the end of a message: see ``irbuild.core.breaks``.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydotcompute.compiler.abi import IN_ORDER, SIDE_BY_SIDE
from pydotcompute.compiler.codegen.kernel import emit
from pydotcompute.compiler.codegen.render import render
from pydotcompute.compiler.codegen.signature import signature
from pydotcompute.compiler.consteval.prologue import binding_of, static_values
from pydotcompute.compiler.diagnostics.diagnostic import (
    Diagnostic,
    DiagnosticError,
    Diagnostics,
    diagnose,
)
from pydotcompute.compiler.frontend.actor_shape import ActorShape, find_shape
from pydotcompute.compiler.frontend.names import read_names
from pydotcompute.compiler.frontend.source import FunctionSource, read_source
from pydotcompute.compiler.frontend.unsupported import scan
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.actor import build_kernel
from pydotcompute.compiler.irbuild.core.breaks import OF_THE_WHOLE, Breaks
from pydotcompute.compiler.irbuild.core.unit import FIRST_USER_CODE
from pydotcompute.compiler.kernel_source import KernelSource
from pydotcompute.compiler.ops.error_codes import TABLE, describe
from pydotcompute.compiler.passes.pass_list import run_passes
from pydotcompute.compiler.passes.turn_dependence import max_sends, schedule_of
from pydotcompute.compiler.types.missing import MISSING
from pydotcompute.compiler.types.population_key import KeyLayout, key_layout
from pydotcompute.compiler.types.state_layout import (
    StateLayout,
    converted_fields,
    instead_of,
    of_value,
)
from pydotcompute.compiler.types.types import CONTAINERS, Type, UnsupportedTypeError


@dataclass(frozen=True)
class LoweringRequest:
    """What is to be lowered.

    Args:
        kernel_id: the actor's id.
        function: the coroutine function.
        inputs: message classes that arrive.
        outputs: message classes it may send; None: those that it sends.
        state: the values the prologue left; None to go by its text.
        signals: the runtime's exception classes, by code name.
        verify_each: whether the IR is verified before and after each pass, for tests.
        key: of a population, the field or the fields of its key.
    """

    kernel_id: str
    function: Callable[..., Any]
    inputs: tuple[type, ...]
    outputs: tuple[type, ...] | None
    state: Mapping[str, Any] | None
    signals: Mapping[str, type[BaseException]]
    verify_each: bool = False
    key: str | tuple[str, ...] | None = None


class PendingError(DiagnosticError):
    """Nothing is wrong with the actor, but types are missing that are known later.

    Args:
        awaits: when that will be: ``"its first message arrives"``, ``"it is launched"``.
        diagnostics: what is missing.
    """

    def __init__(self, awaits: str, *diagnostics: Diagnostic) -> None:
        super().__init__(*diagnostics)
        self.awaits = awaits


def lower(request: LoweringRequest) -> KernelSource:
    """Lowers an actor.

    Raises:
        DiagnosticError: everything that keeps it from being lowered.
    """
    source = read_source(request.function)
    shape = find_shape(source)
    syntax = scan((shape.loop.test, *shape.loop.body), source)
    if any(problem.code in OF_THE_WHOLE for problem in syntax):
        raise DiagnosticError(*syntax)
    breaks = Breaks([*syntax], refusal=tuple(syntax))
    if not request.inputs:
        if breaks.meets_each(shape.loop, source):
            raise DiagnosticError(*syntax)
        raise PendingError("its first message arrives", _no_input(source, shape))
    key = _key(request, source, shape)
    example = MISSING if key is None else key.example
    known = static_values(shape, example) if request.state is None else request.state
    state, untyped = state_types(source, shape, known, launched=request.state is not None)
    breaks.host.update((name, (_why(problem, name), problem.hint))
                       for name, problem in untyped.items())  # fmt: skip
    breaks.refusal = breaks.refusal or tuple(untyped.values())
    converted = converted_fields([known[name] for name in shape.state_names if name in known])
    kernel = build_kernel(request.kernel_id, shape, request.inputs, request.outputs, state,
                          request.signals, converted, breaks, key)  # fmt: skip
    kernel = run_passes(kernel, verify_each=request.verify_each)
    codes = code_classes(kernel, request.signals)
    schedule = schedule_of(kernel)
    parts = emit(kernel, lambda file, line: python_line(source, file, line), codes,
                 schedule.written)  # fmt: skip
    layout = StateLayout(tuple((local.name, local.type) for local in kernel.state))
    origin = f"{source.qualname} in {source.filename}, line {source.first_line}"
    publishes = not any(site.makes_text for site in kernel.prints)
    most = max_sends(kernel)
    lanes = SIDE_BY_SIDE if schedule.independent else IN_ORDER
    made_for = signature(kernel.inputs, kernel.outputs, layout.variables)
    text = render(origin, made_for, parts, layout.dtype.itemsize,
                  publishes=publishes, most=most, lanes=lanes,
                  key_words=0 if key is None else key.words, rests=_rests(shape))  # fmt: skip
    changed = frozenset(local.name for local in kernel.state if local.name in schedule.written
                        and isinstance(local.type, CONTAINERS))  # fmt: skip
    made = KernelSource(request.kernel_id, text, kernel, layout, kernel.inputs, kernel.outputs,
                        most, parts.strings, codes, lanes, changed,
                        tuple(n for n in shape.state_names if n in breaks.host))  # fmt: skip
    if why := made.shared(known):
        raise DiagnosticError(Diagnostics(source).error("PDC108", shape.loop, why))
    return made


def _key(
    request: LoweringRequest, source: FunctionSource, shape: ActorShape
) -> KeyLayout | None:
    if request.key is None:
        return None
    try:
        return key_layout(request.inputs, request.key)
    except UnsupportedTypeError as error:
        found = Diagnostics(source).error("PDC109", shape.receive, str(error))
        raise DiagnosticError(found) from None


def _rests(shape: ActorShape) -> bool:
    """Whether the loop's condition is the same behind every message, until the actor is to end."""
    return read_names(shape.loop.test) <= {shape.ctx}


def state_types(
    source: FunctionSource, shape: ActorShape, known: Mapping[str, Any], *, launched: bool
) -> tuple[dict[str, Type], dict[str, Diagnostic]]:
    """The types of the state, from its values before the loop; and the variables without one.

    Args:
        source, shape: the actor.
        known: the values, as far as they are known.
        launched: the prologue has run: a value that is not known is not bound.
    """
    problems = Diagnostics(source)
    types: dict[str, Type] = {}
    untyped: dict[str, Diagnostic] = {}
    for name in shape.state_names:
        if name in shape.loop_only_state:
            continue
        if name in known:
            try:
                types[name] = of_value(known[name])
            except UnsupportedTypeError as error:
                untyped[name] = diagnose(source, "PDC108", binding_of(shape, name),
                                         f"{_variable(name)}{error}",
                                         hint=instead_of(known[name]))  # fmt: skip
        elif not launched:
            problems.error(
                "PDC100", shape.loop.test, f"the value of {name!r} before the loop is known only "
                "when the actor is launched",
                notes=["what stands before the loop is ordinary Python and runs at launch"],
                hint="launch the actor to see it lowered, or begin with a constant",
            )  # fmt: skip
    if problems:
        raise PendingError("it is launched", *problems.found)
    return types, untyped


def _variable(name: str) -> str:
    return f"the variable {name!r}: "


def _why(problem: Diagnostic, name: str) -> str:
    """What is said of a variable without a type, behind its name."""
    return problem.message.removeprefix(_variable(name))


def _no_input(source: FunctionSource, shape: ActorShape) -> Diagnostic:
    problems = Diagnostics(source)
    return problems.error(
        "PDC100", shape.receive, "the type of the messages is not known yet",
        notes=["without `input_type`, an actor is compiled for the first message that is sent"],
        hint="give `input_type` to the decorator or to `lower()`, or `--input CLASS` to "
        "`pydotcompute inspect`",
    )  # fmt: skip


def code_classes(
    kernel: ir.Kernel, signals: Mapping[str, type[BaseException]]
) -> dict[int, type[BaseException]]:
    """Exception class of each code that a kernel may report."""
    found: dict[int, type[BaseException]] = {
        row.code: signals.get(row.name) or describe(row.code).exception or Exception
        for row in TABLE if not row.deoptimises
    }  # fmt: skip
    found.update({code: cls for code, cls, _ in kernel.errors})
    assert all(code >= FIRST_USER_CODE for code, *_ in kernel.errors)
    return found


def python_line(source: FunctionSource, file: str, line: int) -> str:
    """A line of a Python file, for comments."""
    own = source.line(line) if file == source.filename else ""
    return own or linecache.getline(file, line)
