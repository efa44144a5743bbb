"""Calls of plain Python functions, which are lowered too: once for each combination of types."""

from __future__ import annotations

import ast
import inspect
import sysconfig
import types as pytypes
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from pydotcompute.compiler.diagnostics.diagnostic import DiagnosticError
from pydotcompute.compiler.frontend.source import FunctionSource, read_source
from pydotcompute.compiler.frontend.unsupported import scan
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers.containers import grown
from pydotcompute.compiler.irbuild.containers.mutation_guards import after_change, changes_by_call
from pydotcompute.compiler.irbuild.core.attempts import build_until_stable
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError, raising
from pydotcompute.compiler.irbuild.core.facts import Facts
from pydotcompute.compiler.irbuild.core.scope import Outgrown, Var
from pydotcompute.compiler.irbuild.core.unit import Lowered, Static
from pydotcompute.compiler.irbuild.objects import prelude
from pydotcompute.compiler.irbuild.objects.messages import note_change
from pydotcompute.compiler.types.types import (
    CONTAINERS,
    NEVER,
    NONE,
    MessageType,
    SetType,
    Type,
    holds_message,
    in_body,
    join,
)


def call_function(b: Builder, node: ast.Call, function: pytypes.FunctionType,
                  first: tuple[Any, ...] = ()) -> ir.Expr:  # fmt: skip
    """A call of a function whose source is at hand: lowered for these argument types.

    Args:
        b: the caller.
        node: the call.
        function: what is called.
        first: Python objects that come before the arguments: the class of a class method.
    """
    try:
        signature = inspect.signature(function)
        given = signature.bind(*first, *node.args, **{str(k.arg): k.value for k in node.keywords})
    except TypeError as error:
        b.fail("PDC110", node, f"`{ast.unparse(node.func)}`: {error}")
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            if is_library(function):
                _refuse_library(b, node)
            b.fail("PDC103", node, f"`{function.__name__}` takes a variable number of arguments",
                   hint="give it a parameter for each")  # fmt: skip
    statics = {name: found for name, value in given.arguments.items()
               if (found := _static(b, value)) is not None}  # fmt: skip
    slots = _in_order(node, {name: value for name, value in given.arguments.items()
                             if name not in statics})  # fmt: skip
    looked = b.looked
    b.looked |= {id(value) for value in slots.values()}  # who shares them is seen below
    values = dict(zip(slots, b.sequence(list(slots.values())), strict=True))
    b.looked = looked
    if list(values) != [name for name in given.arguments if name in values]:
        values = {name: b.forced(value) for name, value in values.items()}
    for parameter in signature.parameters.values():
        if parameter.name not in given.arguments:
            default = b.constant(parameter.default, b.loc(node))
            if isinstance(default, Static):
                statics[parameter.name] = default
            else:
                values[parameter.name] = default
    names = [name for name in signature.parameters if name in values]
    args = [values[name] for name in names]
    if any(isinstance(arg, ir.Local) and arg.name in b.views for arg in args):
        raise OperandError("a part of an array shares its memory; write `.copy()` to pass it")
    try:
        callee = specialise(b, node, function, tuple(arg.type for arg in args), statics)
    except Outgrown as more:
        place = args[names.index(more.name)]
        if not isinstance(place, ir.Local) or place.part:
            raise OperandError("a container that is part of a message does not change") from None
        grown(b, place, more.item, more.key)
        raise AssertionError("a container that has grown has a new type") from None
    if isinstance(callee.function.result, SetType):
        raise OperandError(f"`{function.__name__}` returns a set")
    nodes, lowered = [slots.get(name, node) for name in names], callee.function
    args = _lent(b, lowered, args, nodes)
    returned = holds_message(lowered.result) and not callee.returns_fresh
    for name, part in zip(names, nodes, strict=True):
        if isinstance(part, ast.Name) and (returned or name in callee.keeps):
            b.share(part.id)
    result = ir.Call(b.loc(node), lowered.result, lowered.name, tuple(args))
    changed = list(changes_by_call(b, result)) if b.watches else []
    if callee.never_returns:
        b.block.append(ir.Evaluate(result.loc, result))
        return raising(result.loc, NEVER, "PDC_DEOPT_TYPE")
    if not lowered.effects and not lowered.changes and not callee.returns_alias:
        return result
    made = b.temporary(result)
    if callee.returns_alias:
        held = [arg for arg in args if isinstance(arg, ir.Local) and b.is_held(arg)]
        aliased = (*held, *(place for arg in args for place in b.aliased(arg)))
        if aliased:
            b.aliases[made.name] = aliased
            made = replace(made, part=True)  # a copy, where Python has the very one
    for place, change in changed:
        after_change(b, place, change)
    return made


def _in_order(node: ast.Call, slots: dict[str, ast.expr]) -> dict[str, ast.expr]:
    """Arguments by parameter, as they stand in the call: that is how they are evaluated."""
    places = [id(part) for part in (*node.args, *(keyword.value for keyword in node.keywords))]
    return dict(sorted(slots.items(), key=lambda slot: places.index(id(slot[1]))))


def _static(b: Builder, value: Any) -> Static | None:
    """An argument that is no value of compiled code: a function, a class."""
    if not isinstance(value, ast.expr):
        return Static(value)
    if isinstance(value, (ast.Name, ast.Attribute)) and b.is_static(value):
        found = b.evaluate(value)
        return found if isinstance(found, Static) else None
    return None


def _lent(b: Builder, callee: ir.Function, args: list[ir.Expr],
          nodes: Sequence[ast.expr]) -> list[ir.Expr]:  # fmt: skip
    """The arguments; what the function changes of them is the caller's own.

    What they raise, they raise before a function that does something is called.
    """
    names = [node.id for node in nodes if isinstance(node, ast.Name)]
    result = []
    for parameter, arg, node in zip(callee.parameters, args, nodes, strict=True):
        if parameter.name in callee.changes:
            arg = _lent_one(b, callee, arg, node)
            if isinstance(node, ast.Name) and names.count(node.id) > 1 and holds_message(arg.type):
                _refuse(b, callee, node)
        elif callee.effects or callee.changes:
            arg = b.forced(arg)
        result.append(arg)
    return result


def _lent_one(b: Builder, callee: ir.Function, arg: ir.Expr, node: ast.expr) -> ir.Expr:
    if isinstance(arg.type, CONTAINERS):
        if isinstance(arg, ir.Local) and not arg.part:
            return arg
        if b.aliased(arg):
            b.fail("PDC106", node, f"`{callee.python_name}` changes one of several containers",
                   hint="write an `if`, with a call for each of them")  # fmt: skip
        b.fail("PDC106", node, f"`{callee.python_name}` changes a container that is part of a "
               "message", hint="give it a copy, and make a new message of that")  # fmt: skip
    if b.is_made(arg):
        return b.temporary(arg)
    name = node.id if isinstance(node, ast.Name) else ""
    var = (b.env or {}).get(name)
    root = arg.base if isinstance(arg, ir.As) else arg
    if not (isinstance(var, Var) and var.unique and root == var.local):
        _refuse(b, callee, node)
    if any(name in frame.shadows for frame in b.tries):
        raise OperandError(f"{name!r} changes its type inside a `try`")
    note_change(b, name, var, node)
    return arg


def _refuse(b: Builder, callee: ir.Function, node: ast.expr) -> NoReturn:
    b.fail("PDC020", node, f"`{callee.python_name}` changes its argument `{ast.unparse(node)}`",
           notes=["the message may have another name, or be part of something, which would "
                  "change, too"],
           hint="let the function return a new message")  # fmt: skip


def specialise(b: Builder, node: ast.Call, function: pytypes.FunctionType,
               types: tuple[Type, ...], statics: Mapping[str, Static]) -> Lowered:  # fmt: skip
    """The function lowered for these parameter types and objects, built once a kernel."""
    unit = b.unit
    key = (function, types, tuple((name, id(found.value)) for name, found in statics.items()))
    if key in unit.functions:
        return unit.functions[key]
    name = function.__name__
    if function in unit.building:
        b.fail("PDC107", node, f"`{name}` calls itself, which cannot be compiled",
               hint="write the recursion as a loop")  # fmt: skip
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        b.fail("PDC103", node, f"`{name}` is no plain function")
    before, left_out = unit.diagnostics.mark(), unit.left_out
    unit.building.append(function)
    try:
        lowered = _build_function(b, function, types, statics)
    except DiagnosticError as problem:
        unit.diagnostics.extend(problem.diagnostics)
        lowered = None
    finally:
        unit.building.pop()
    if lowered is None or unit.left_out > left_out or unit.diagnostics.mark() > before:
        inner = unit.diagnostics.since(before)
        if is_library(function):  # what stands in a library is not the user's to change
            unit.diagnostics.rewind(before)
            _refuse_library(b, node)
        b.fail("PDC103", node, f"`{name}` cannot be compiled", notes=[d.message for d in inner[:3]])
    unit.functions[key] = unit.by_name[lowered.function.name] = lowered
    return lowered


def _refuse_library(b: Builder, node: ast.Call) -> NoReturn:
    b.fail("PDC103", node, f"`{ast.unparse(node.func)}` cannot be compiled",
           notes=["it belongs to a library, and does what compiled code cannot"],
           hint="do it outside the loop, or write out what you need of it")  # fmt: skip


def is_library(function: pytypes.FunctionType) -> bool:
    """Whether a function belongs to Python, to an installed package, or to this one."""
    if function.__module__ == prelude.__name__:
        return True
    file = Path(function.__code__.co_filename)
    return "site-packages" in file.parts or file.is_relative_to(sysconfig.get_path("stdlib"))


def _build_function(b: Builder, function: pytypes.FunctionType, types: tuple[Type, ...],
                    statics: Mapping[str, Static]) -> Lowered:  # fmt: skip
    unit = b.unit
    source = read_source(function)
    problems = scan(source.node.body, source)
    if unit.breaks.expect(problems):
        raise DiagnosticError(*problems)
    facts = Facts()
    statics_of = {name: found.value for name, found in statics.items()}

    def make() -> Builder:
        return Builder(unit, source, facts, statics=statics_of)

    def build(inner: Builder) -> None:
        _build_body(inner, source, types)

    inner = build_until_stable(make, build)
    while inner.returns and facts.result != (wide := _widest(inner.returns)):
        as_they_are = facts.result is None and {*inner.returns} == {in_body(wide)}
        facts.result = wide
        if as_they_are:
            break
        inner = build_until_stable(make, build)
    name = _unique(function.__name__, unit.by_name)
    returns_alias = any(isinstance(node, ir.Return) and _is_lent(inner, node.value)
                        for node in ir.walk(*inner.block))  # fmt: skip
    parameters = tuple(inner.parameters.values())
    built = ir.Function(inner.loc(source.node), name, function.__qualname__, parameters,
                        facts.result or NONE, tuple(inner.block), inner.effects,
                        tuple(_changes(inner, parameters)))  # fmt: skip
    return Lowered(built, inner.made_all, returns_alias, not inner.returns, frozenset(inner.kept))


def _build_body(inner: Builder, source: FunctionSource, types: tuple[Type, ...]) -> None:
    """Builds a function's body for parameters of some types."""
    loc, declared = inner.loc(source.node), source.node.args
    names = [arg.arg for arg in [*declared.posonlyargs, *declared.args, *declared.kwonlyargs]
             if arg.arg not in inner.statics]  # fmt: skip
    found = {name: inner.local(name, type_, loc) for name, type_ in zip(names, types, strict=True)}
    inner.parameters = {local.name: local for local in found.values()}
    inner.env = {name: Var(local, local.type, unique=True) for name, local in found.items()}
    inner.lent = {n: local for n, local in found.items() if isinstance(local.type, MessageType)}
    inner.borrowed = {local.name: name for name, local in found.items()
                      if isinstance(local.type, CONTAINERS)}  # fmt: skip
    inner.statements(source.node.body)
    if inner.env is not None:
        inner.returns.append(NONE)
        value: ir.Expr = ir.none(loc)
        if inner.facts.result is not None:
            value = inner.convert(value, inner.facts.result)
        inner.block.append(ir.Return(loc, value))


def _is_lent(inner: Builder, value: ir.Expr | None) -> bool:
    """Whether a result is a container that the function was given."""
    if value is None or not isinstance(value.type, CONTAINERS):
        return False
    return bool(inner.aliased(value)) or any(
        isinstance(part, ir.Local) and part.name in inner.parameters
        and isinstance(part.type, CONTAINERS) for part in ir.walk(value)
    )  # fmt: skip


def _changes(inner: Builder, parameters: tuple[ir.Local, ...]) -> Iterator[str]:
    """Names of the parameters that are changed, here or by a function that is called."""
    changed = {inner.lent[name].name for name in inner.changed}
    for node in ir.walk(*inner.block):
        if isinstance(node, ir.Mutate):
            changed |= {place.name for place in node.changed if isinstance(place, ir.Local)}
        elif isinstance(node, ir.Call):
            callee = inner.unit.callee(node.function).function
            changed |= {arg.name for arg, own in zip(node.args, callee.parameters, strict=True)
                        if own.name in callee.changes and isinstance(arg, ir.Local)}  # fmt: skip
    return (local.name for local in parameters if local.name in changed)


def _widest(types: list[Type]) -> Type:
    result = types[0]
    for other in types[1:]:
        result = join(result, other)
    return result


def _unique(name: str, taken: Container[str]) -> str:
    count, candidate = 1, name
    while candidate in taken:
        count += 1
        candidate = f"{name}__{count}"
    return candidate
