"""Calls of plain Python functions, which are lowered too: once for each combination of types."""

from __future__ import annotations

import ast
import inspect
import types as pytypes

from pydotcompute.compiler import ir
from pydotcompute.compiler.build import Builder, Static, build_until_stable
from pydotcompute.compiler.diagnostics import DiagnosticError
from pydotcompute.compiler.scope import Var
from pydotcompute.compiler.source import read_source
from pydotcompute.compiler.types import NONE, Type, join
from pydotcompute.compiler.unsupported import scan


def call_function(b: Builder, node: ast.Call, function: pytypes.FunctionType) -> ir.Expr:
    """A call of a function whose source is at hand: lowered for these argument types."""
    try:
        signature = inspect.signature(function)
        slots: dict[str, ast.expr] = dict(
            signature.bind(*node.args, **{str(k.arg): k.value for k in node.keywords}).arguments
        )
    except TypeError as error:
        b.fail("PDC110", node, f"`{ast.unparse(node.func)}`: {error}")
    given = list(slots)
    values = dict(zip(given, b.sequence([slots[name] for name in given]), strict=True))
    args = []
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            b.fail("PDC103", node, f"{function.__name__} takes a variable number of arguments")
        if parameter.name in values:
            args.append(values[parameter.name])
            continue
        default = b.constant(parameter.default, b.loc(node))
        if isinstance(default, Static):
            b.fail("PDC111", node, f"the default of {parameter.name!r} does not lower")
        args.append(default)
    lowered = specialise(b, node, function, tuple(arg.type for arg in args))
    result = ir.Call(b.loc(node), lowered.result, lowered.name, tuple(args))
    return b.temporary(result) if lowered.effects else result


def specialise(b: Builder, node: ast.Call, function: pytypes.FunctionType,
               types: tuple[Type, ...]) -> ir.Function:  # fmt: skip
    """The function lowered for these parameter types, built once a kernel."""
    unit = b.unit
    if (function, types) in unit.functions:
        return unit.functions[function, types]
    if function in unit.building:
        b.fail("PDC107", node, f"{function.__name__} calls itself, which does not lower",
               hint="write the recursion as a loop")  # fmt: skip
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        b.fail("PDC103", node, f"{function.__name__} is no plain function")
    before = unit.diagnostics.mark()
    unit.building.append(function)
    try:
        lowered = _build_function(b, function, types)
    except DiagnosticError as problem:
        unit.diagnostics.extend(problem.diagnostics)
        lowered = None
    finally:
        unit.building.pop()
    if lowered is None or unit.diagnostics.mark() > before:
        b.fail("PDC103", node, f"{function.__name__} does not lower",
               notes=[d.message for d in unit.diagnostics.found[:3]])  # fmt: skip
    unit.functions[function, types] = lowered
    return lowered


def _build_function(b: Builder, function: pytypes.FunctionType,
                    types: tuple[Type, ...]) -> ir.Function:  # fmt: skip
    unit = b.unit
    source = read_source(function)
    problems = scan(source.node.body, source)
    if problems:
        raise DiagnosticError(*problems)
    inner = Builder(unit, source)
    names = [arg.arg for arg in [*source.node.args.posonlyargs, *source.node.args.args,
                                 *source.node.args.kwonlyargs]]  # fmt: skip
    parameters: tuple[ir.Local, ...] = ()

    def build() -> None:
        nonlocal parameters
        loc = inner.loc(source.node)
        parameters = tuple(inner.local(name, type_, loc)
                           for name, type_ in zip(names, types, strict=True))  # fmt: skip
        inner.env = {name: Var(local, local.type)
                     for name, local in zip(names, parameters, strict=True)}  # fmt: skip
        inner.returns = []
        inner.statements(source.node.body)
        if inner.env is not None:
            inner.returns.append(NONE)
            value = ir.none(loc)
            if inner.result is not None:
                value = inner.convert(value, inner.result)  # type: ignore[assignment]
            inner.block.append(ir.Return(loc, value))

    build_until_stable(inner, build)
    while inner.returns and inner.result != (wide := _widest(inner.returns)):
        inner.result = wide
        build_until_stable(inner, build)
    name = _unique(function.__name__, {f.name for f in unit.functions.values()})
    return ir.Function(inner.loc(source.node), name, function.__qualname__, parameters,
                       inner.result or NONE, tuple(inner.block), inner.effects)  # fmt: skip


def _widest(types: list[Type]) -> Type:
    result = types[0]
    for other in types[1:]:
        result = join(result, other)
    return result


def _unique(name: str, taken: set[str]) -> str:
    count, candidate = 1, name
    while candidate in taken:
        count += 1
        candidate = f"{name}__{count}"
    return candidate
