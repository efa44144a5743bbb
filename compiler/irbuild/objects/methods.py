"""What the author of a message class defines besides fields: methods, properties, constants.

A method is a function whose first argument is the message.  Of a union, each member's own method
is called where the value is that member.
"""

from __future__ import annotations

import ast
import inspect
import types as pytypes
from collections.abc import Callable
from functools import partial
from typing import Any

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.quasiquote import placed
from pydotcompute.compiler.irbuild.core.unit import Static
from pydotcompute.compiler.irbuild.objects.functions import call_function
from pydotcompute.compiler.types.types import BOOL, EnumType, MessageType, UnionType

_MISSING = object()


def defined(type_: Any, name: str) -> Any:
    """What the class of a value has under a name, as it is written there; None for nothing."""
    if not isinstance(type_, (MessageType, EnumType)):
        return None
    found = inspect.getattr_static(type_.cls, name, None)
    return found if _is_own(type_.cls, name) else None


def _is_own(cls: type, name: str) -> bool:
    """Whether a name is defined by a class of its author's own."""
    return any(name in vars(c) for c in cls.__mro__
               if c.__module__ not in ("builtins", "enum", "dataclasses"))  # fmt: skip


def has_method(type_: Any, name: str) -> bool:
    """Whether values of a type have a method that is a Python function."""
    members = type_.members if isinstance(type_, UnionType) else (type_,)
    kinds = (pytypes.FunctionType, staticmethod, classmethod)
    return any(isinstance(defined(member, name), kinds) for member in members)


def call_method(b: Builder, node: ast.Call, func: ast.Attribute, base: ir.Expr) -> ir.Expr:
    """``order.notional(2)``."""
    owner = _named(b, func.value, base)

    def one(value: ir.Expr, name: ast.expr) -> ir.Expr:
        found = defined(value.type, func.attr)
        arguments = [name, *node.args]
        if isinstance(found, staticmethod):
            found, arguments = found.__func__, node.args
        if isinstance(found, classmethod):
            return call_static(b, node, found.__get__(None, value.type.cls))  # type: ignore[attr-defined]
        if not isinstance(found, pytypes.FunctionType):
            raise OperandError(f"{value.type} has no method {func.attr!r} that lowers")
        return call_function(b, placed(ast.Call(func, arguments, node.keywords), node), found)

    return _each(b, node, owner, one)


def call_static(b: Builder, node: ast.Call, method: Any) -> ir.Expr:
    """``Order.make(3)``: a class method."""
    return call_function(b, node, method.__func__, (method.__self__,))


def initialised(b: Builder, node: ast.Call, new: ir.Expr) -> ir.Expr:
    """A message that has been made, after its ``__post_init__``."""
    found = defined(new.type, "__post_init__")
    if found is None or not isinstance(new, ir.New):
        return new
    if new.header or not isinstance(found, pytypes.FunctionType):
        b.fail("PDC109", node, f"the `__post_init__` of {new.type} cannot be compiled here",
               hint="compute the fields before the message is made")  # fmt: skip
    name = b.fresh_name("made")
    b.bind(name, new, unique=True)
    arguments: list[ast.expr] = [ast.Name(name, ast.Load())]
    call = placed(ast.Call(ast.Name("__post_init__", ast.Load()), arguments, []), node)
    call_function(b, call, found)
    made = b.temporary(b.expression(placed(ast.Name(name, ast.Load()), node)))
    b.made.add(made.name)
    return made


def attribute(b: Builder, node: ast.Attribute, base: ir.Expr) -> ir.Expr | None:
    """A property, or a constant of the class; None if it is neither."""
    found = defined(base.type, node.attr)
    if isinstance(found, property) and isinstance(found.fget, pytypes.FunctionType):
        getter = found.fget
        owner = _named(b, node.value, base)
        made = placed(ast.Call(ast.Name(getter.__name__, ast.Load()), [owner], []), node)
        return call_function(b, made, getter)
    if found is None or callable(found) or hasattr(type(found), "__get__"):
        return None
    assert isinstance(base.type, (MessageType, EnumType))
    cls = base.type.cls
    plain = getattr(cls, node.attr)
    b.unit.note_constant(cls, node.attr, partial(getattr, cls, node.attr), plain)
    value = b.constant(plain, b.loc(node))
    return None if isinstance(value, Static) else value


def _named(b: Builder, node: ast.expr, value: ir.Expr) -> ast.Name:
    """A name of a value: its own, if it has one."""
    if isinstance(node, ast.Name) and node.id in (b.env or {}):
        return node
    name = b.fresh_name("self")
    b.bind(name, value, unique=True)
    made: ast.Name = placed(ast.Name(name, ast.Load()), node)
    return made


def _each(b: Builder, node: ast.expr, name: ast.Name,
          build: Callable[[ir.Expr, ast.expr], ir.Expr]) -> ir.Expr:  # fmt: skip
    """``build`` for each type that a name's value may have."""
    value = b.expression(name)
    if not isinstance(value.type, UnionType):
        return build(value, name)
    first, *rest = value.type.members

    def of(members: Any) -> Callable[[], ir.Expr]:
        def narrowed() -> ir.Expr:
            b.narrow_name(name.id, tuple(members))
            return _each(b, node, name, build)

        return narrowed

    env = dict(b.env or {})
    test = ir.Is(b.loc(node), BOOL, value, first)
    return b.alternatives(b.loc(node), test, ((env, of([first])), (env, of(rest))))
