"""``raise`` and ``try``: which exceptions, and what is known of names where they are caught."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.effects import may_fail
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.scope import (
    POISONED,
    Dropped,
    Env,
    Restart,
    TryFrame,
    Var,
    view_of,
)
from pydotcompute.compiler.irbuild.core.unit import Static, describe_static
from pydotcompute.compiler.types.types import ERROR, Type, join


def raise_statement(b: Builder, node: ast.Raise) -> None:
    """``raise``."""
    loc = b.loc(node)
    cause = node.cause
    known = isinstance(cause, ast.Name) or getattr(cause, "value", "") is None
    if cause is not None and not known:
        b.fail("PDC112", cause, f"`from {ast.unparse(cause)}` cannot be compiled",
               hint="raise from an exception that has a name")  # fmt: skip
    if node.exc is None:
        b.block.append(ir.Raise(loc, None))
    else:
        b.block.append(ir.Raise(loc, _raised_code(b, node.exc)))
    b.env = None


def _raised_code(b: Builder, node: ast.expr) -> int | None:
    arguments: Sequence[ast.expr] = ()
    target = node
    if isinstance(node, ast.Call):
        arguments = [*node.args, *(k.value for k in node.keywords)]
        target = node.func
    found = b.evaluate(target)
    if isinstance(found, ir.Expr) and found.type == ERROR:
        return None
    if not (isinstance(found, Static) and isinstance(found.value, type)
            and issubclass(found.value, Exception)):  # fmt: skip
        b.fail("PDC112", node, f"`raise {ast.unparse(node)}` cannot be compiled",
               hint="raise an Exception class, with its arguments if it takes any")  # fmt: skip
    values = [evaluate_for_errors(b, argument) for argument in arguments]
    return b.unit.code_of(found.value, _fixed_text(found.value, values))


def _fixed_text(cls: type[BaseException], values: Sequence[ir.Expr | Static]) -> str | None:
    """``str()`` of the exception, where its arguments are constants and its class is plain."""
    if cls.__init__ not in _PLAIN_INITS or cls.__str__ not in _PLAIN_TEXTS:
        return None
    known = [value.value for value in values if isinstance(value, ir.Const)]
    return str(cls(*known)) if len(known) == len(values) else None


_PLAIN_INITS = {cls.__init__ for cls in (BaseException, Exception, ValueError, KeyError,
                                         IndexError, ArithmeticError, LookupError,
                                         RuntimeError, TypeError)}  # fmt: skip

_PLAIN_TEXTS = {BaseException.__str__, KeyError.__str__}


def evaluate_for_errors(b: Builder, node: ast.expr) -> ir.Expr | Static:
    """The text of an exception is made by the interpreter; what computing it raises is ours."""
    parts = [node]
    if isinstance(node, ast.JoinedStr):
        parts = [p.value for p in node.values if isinstance(p, ast.FormattedValue)]
    value: ir.Expr | Static = ir.none(b.loc(node))
    for part in parts:
        value = b.evaluate(part)
        if isinstance(value, ir.Expr) and may_fail(value):
            b.block.append(ir.Evaluate(b.loc(part), value))
    return Static(None) if isinstance(node, ast.JoinedStr) else value


def try_statement(b: Builder, node: ast.Try) -> None:
    """``try``."""
    if node.finalbody:
        _with_cleanup(b, node)
    else:
        _protected(b, node, node.body, node.handlers, node.orelse)


def _with_cleanup(b: Builder, node: ast.Try) -> None:
    """``finally``: a handler that runs it and raises again, and a copy on every other way out."""
    inner: list[ast.stmt] = list(node.body)
    if node.handlers:
        inner = [ast.copy_location(ast.Try(node.body, node.handlers, node.orelse, []), node)]
    first, last = node.finalbody[0], node.finalbody[-1]
    again = ast.copy_location(ast.Raise(None, None), last)
    handler = ast.copy_location(ast.ExceptHandler(None, None, [*node.finalbody, again]), first)
    outer, b.cleanups = b.cleanups, [*b.cleanups, node.finalbody]
    try:
        _protected(b, node, inner, [handler], [], cleanup=True)
    finally:
        b.cleanups = outer
    if b.env is not None:
        b.statements(node.finalbody)


def _protected(b: Builder, node: ast.Try, body: list[ast.stmt],
               handlers: list[ast.ExceptHandler], orelse: list[ast.stmt],
               *, cleanup: bool = False) -> None:  # fmt: skip
    loc = b.loc(node)
    key = (node.lineno, -node.col_offset - 1 if cleanup else node.col_offset)
    entry = dict(b.env or {})
    frame = TryFrame(key, _shadows(b, key, loc))
    b.tries.append(frame)
    body_path = b.branch(entry, lambda: b.statements(body))
    b.tries.pop()
    if cleanup:
        b.cleanups = b.cleanups[:-1]
    caught_env = _at_any_point(b, entry, frame)
    else_path = (
        b.branch(body_path[0], lambda: b.statements(orelse))
        if body_path[0] is not None else (None, [])
    )  # fmt: skip
    built: list[tuple[ast.ExceptHandler, Any, ir.Local | None, Any]] = []
    for handler in handlers:
        classes = _handled(b, handler)
        name: ir.Local | None = None

        def run(handler: ast.ExceptHandler = handler, name: ir.Local | None = name) -> None:
            b.statements(handler.body)
            if handler.name and b.env is not None:
                b.env.pop(handler.name, None)

        env = dict(caught_env)
        if handler.name:
            name = b.local(handler.name, ERROR, b.loc(handler))
            env[handler.name] = Var(name, ERROR)
        built.append((handler, classes, name, b.branch(env, run)))
    b.close([else_path, *(path for *_, path in built)], loc)
    b.block.append(ir.Try(loc, tuple(body_path[1]), tuple(
        ir.Handler(b.loc(handler), classes, name, tuple(path[1]))
        for handler, classes, name, path in built
    ), tuple(else_path[1])))  # fmt: skip


def _shadows(b: Builder, key: tuple[int, int], loc: Any) -> dict[str, Var]:
    """Union locals for the names whose type changes in the body, set to the value before it."""
    shadows = {}
    for (owner, name), type_ in list(b.facts.try_types.items()):
        if owner == key:
            before = (b.env or {}).get(name)
            if before is POISONED:
                continue
            wide = join(type_, view_of(before))
            if wide != type_:
                b.facts.try_types[key, name] = wide
                raise Restart
            local = b.local(name, type_, loc)
            saved = dict(b.env or {})
            b.adapt({name: Var(local, type_)}, loc)
            b.env = saved
            shadows[name] = Var(local, type_)
    return shadows


def _at_any_point(b: Builder, entry: Env, frame: TryFrame) -> Env:
    """What is known where an error may have come from anywhere in the body."""
    env = dict(entry)
    for name, assigned in frame.assigned.items():
        before = entry.get(name)
        if before is POISONED:
            continue
        types: tuple[Type, ...] = tuple(dict.fromkeys([view_of(before), *assigned]))
        if isinstance(before, Var) and len(types) == 1 and before.local.type == types[0]:
            continue
        if name in frame.shadows:
            env[name] = frame.shadows[name]
        elif name in b.facts.union_names:
            wide = types[0]
            for other in types[1:]:
                wide = join(wide, other)
            b.facts.try_types[frame.key, name] = wide
            raise Restart
        else:
            env[name] = Dropped(types if len(types) > 1 else (*types, *types))
    return env


def _handled(b: Builder, handler: ast.ExceptHandler) -> tuple[type[BaseException], ...] | None:
    if handler.type is None:
        return None
    named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    classes: tuple[Any, ...] = ()
    for node in named:
        found = b.evaluate(node)
        value = found.value if isinstance(found, Static) else None
        classes += value if isinstance(value, tuple) else (value,)
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, BaseException)):
            what = describe_static(cls) if cls is not None else ast.unparse(handler.type)
            b.fail("PDC112", handler.type, f"{what} is no exception class")
    return classes
