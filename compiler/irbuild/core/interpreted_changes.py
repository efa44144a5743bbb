"""What a statement that breaks may change, of what compiled code keeps as it was.

*Messages of the state.*  Compiled code has messages as values: ``prev = cur`` copies.  That cannot
be told apart as long as nothing changes a message in place while it has two names, and compiled
code changes only messages that it knows to have one.  A statement that breaks is interpreted: it
may change a message that had another name in Python, or give a message of the state another name,
which compiled code would then not know of.  An actor where either may happen is not compiled.
Nor is one where it may read the header of such a message: records have none.

*Containers of modules and closures.*  Compiled code reads them as constants.  A function that a
statement that breaks calls may change them.
"""

from __future__ import annotations

import ast
import types as pytypes
from collections import deque
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from pydotcompute.compiler.diagnostics.diagnostic import (
    Diagnostic,
    DiagnosticError,
    Diagnostics,
    Location,
)
from pydotcompute.compiler.frontend.actor_shape import ActorShape
from pydotcompute.compiler.frontend.source import FunctionSource, read_source
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.breaks import own_parts
from pydotcompute.compiler.irbuild.core.unit import Unit
from pydotcompute.compiler.types.message_schema import header_parts
from pydotcompute.compiler.types.types import (
    DequeType,
    DictType,
    ListType,
    MessageType,
    TupleType,
    Type,
    holds_message,
    members_of,
)


def check_messages(unit: Unit, shape: ActorShape, types: Mapping[str, Type],
                   code: Iterable[ir.Node], met: Iterable[Diagnostic]) -> None:  # fmt: skip
    """Report a statement that breaks, and may make two of one message, or change one of two.

    Args:
        unit: what was built; its diagnostics get the problem.
        shape: the actor.
        types: of the state.
        code: the turn and the functions that it calls.
        met: the breaks.
    """
    held = {name for name, type_ in types.items() if holds_message(type_)}
    if not held:
        return
    classes = {cls for name in held for cls in _messages(types[name])}
    parts = [part for node in unit.interpreted(shape.loop.body) for part in own_parts(node)]
    found = _changing(parts, shape.source, classes, set())
    if found is None and any(isinstance(node, ir.SetField) for node in ir.walk(*code)):
        found = _naming(parts, held)
    if found is None:
        found = _in_helpers(met, shape, classes)
    if found is None and (read := _reading(parts, shape, held, classes)) is not None:
        unit.diagnostics.within(shape.source).error(
            "PDC109", read, "what is interpreted here may read the header of a message of the "
            "state",
            notes=["compiled code keeps the fields of messages, not their headers"],
            hint="keep what you need of the header in a variable",
        )  # fmt: skip
    if found is not None:
        unit.diagnostics.within(shape.source).error(
            "PDC108", found, "what is interpreted here may change a message of the state, or give "
            "it another name",
            notes=["compiled code keeps a copy where Python has two names of one message"],
            hint="make a new message instead: `dataclasses.replace(...)`",
        )  # fmt: skip


def check_constants(unit: Unit, shape: ActorShape) -> None:
    """Report what may change a container that is compiled as a constant: a statement, or a function
    that a call that breaks comes to.

    Args:
        unit: what was built; its diagnostics get the problem.
        shape: the actor.
    """
    held = [name for (_, name), (_, value) in unit.constants.items()
            if isinstance(value, (list, dict, set, deque, np.ndarray))]  # fmt: skip
    if not held:
        return
    for name in held:
        if name in unit.breaks.changed:
            _report(unit.diagnostics, unit.breaks.changed[name], name)
    for part in (part for node in unit.interpreted(shape.loop.body) for part in own_parts(node)):
        if isinstance(part, ast.Call):
            names = _named_by(part, shape.source, set()).intersection(held)
            if names:
                _report(unit.diagnostics.within(shape.source), part, min(names))


def _report(diagnostics: Diagnostics, place: ast.AST | Location, name: str) -> None:
    diagnostics.error("PDC111", place, f"{name!r} is compiled as a constant, and may change here",
                      hint="make it a variable of the actor")  # fmt: skip


def _named_by(call: ast.Call, source: FunctionSource, seen: set[object]) -> set[str]:
    """The names in a function that is called, and in those that it calls."""
    function = source.lookup(call.func.id) if isinstance(call.func, ast.Name) else None
    if not isinstance(function, pytypes.FunctionType) or function in seen:
        return set()
    seen.add(function)
    try:
        inner = read_source(function)
    except DiagnosticError:
        return set()
    parts = [*ast.walk(inner.node)]
    called = (_named_by(part, inner, seen) for part in parts if isinstance(part, ast.Call))
    return {part.id for part in parts if isinstance(part, ast.Name)}.union(*called)


def _messages(type_: Type) -> Iterator[type]:
    """The message classes inside a type."""
    for member in members_of(type_):
        match member:
            case MessageType(cls=cls):
                yield cls
            case ListType(item=item) | DequeType(item=item):
                yield from _messages(item)
            case DictType(value=value):
                yield from _messages(value)
            case TupleType(items=items):
                for item in items:
                    yield from _messages(item)


def _changing(parts: Iterable[ast.AST], source: FunctionSource, classes: Iterable[type],
              seen: set[object]) -> ast.AST | None:  # fmt: skip
    """What sets an attribute, itself or in a function or method that it calls."""
    for part in parts:
        if isinstance(part, ast.Attribute) and not isinstance(part.ctx, ast.Load):
            return part
        if not isinstance(part, ast.Call):
            continue
        if isinstance(part.func, ast.Name):
            if part.func.id in ("setattr", "delattr", "vars", "exec", "eval"):
                return part
            called = [source.lookup(part.func.id)]
        elif isinstance(part.func, ast.Attribute):
            called = [getattr(cls, part.func.attr, None) for cls in classes]
        else:
            continue
        for function in called:
            if isinstance(function, pytypes.FunctionType) and function not in seen:
                seen.add(function)
                if _changes(function, classes, seen):
                    return part
    return None


def _changes(function: pytypes.FunctionType, classes: Iterable[type], seen: set[object]) -> bool:
    try:
        source = read_source(function)
    except DiagnosticError:
        return True
    return _changing(ast.walk(source.node), source, classes, seen) is not None


def _naming(parts: Iterable[ast.AST], held: set[str]) -> ast.AST | None:
    """What names a variable that holds messages, other than to read an attribute or an item."""
    parts = list(parts)
    bases = {id(part.value) for part in parts if isinstance(part, ast.Attribute)}
    return next((part for part in parts if isinstance(part, ast.Name) and part.id in held
                 and id(part) not in bases), None)  # fmt: skip


def _reading(parts: Iterable[ast.AST], shape: ActorShape, held: set[str],
             classes: Iterable[type]) -> ast.AST | None:  # fmt: skip
    """What reads a part of the header of a message that may be one of the state."""
    names = {name for cls in classes for name in header_parts(cls)}
    received = {name for node in shape.loop.body for part in ast.walk(node)
                for name in _bound_to(part, shape.receives)} - held  # fmt: skip
    return next((part for part in parts if isinstance(part, ast.Attribute) and part.attr in names
                 and not (isinstance(part.value, ast.Name) and part.value.id in received)),
                None)  # fmt: skip


def _bound_to(part: ast.AST, values: tuple[ast.Await, ...]) -> Iterator[str]:
    """The names that a statement or expression binds to one of these values."""
    if isinstance(part, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and part.value in values:
        for target in part.targets if isinstance(part, ast.Assign) else [part.target]:
            if isinstance(target, ast.Name):
                yield target.id


def _in_helpers(met: Iterable[Diagnostic], shape: ActorShape,
                classes: Iterable[type]) -> ast.AST | None:  # fmt: skip
    """A function that the loop calls, breaks, and sets attributes."""
    own = shape.source
    last = own.first_line + len(own.lines)
    if all(d.file == own.filename and own.first_line <= d.line < last for d in met):
        return None
    called = [part for node in shape.loop.body for part in ast.walk(node)
              if isinstance(part, ast.Call)]  # fmt: skip
    return _changing(called, own, classes, set())
