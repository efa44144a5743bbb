"""Classes of values: ``isinstance``, ``type(x)``, and what a class pattern takes."""

from __future__ import annotations

import ast
import types as pytypes
from collections import deque
from typing import Any

import numpy as np

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.unit import Static
from pydotcompute.compiler.ops.texts import ERROR_NAME
from pydotcompute.compiler.types.types import (
    BOOL,
    ERROR,
    FLOAT,
    INT,
    NONE,
    STR,
    TEXT,
    WIDE,
    ArrayType,
    DequeType,
    ListType,
    ScalarType,
    TupleType,
    Type,
    UnionType,
    members_of,
)

_PLAIN: dict[Type, type] = {
    BOOL: bool, INT: int, WIDE: int, FLOAT: float, STR: str, TEXT: str, NONE: type(None),
}  # fmt: skip
_BY_KIND: dict[type[Type], type] = {
    TupleType: tuple, ListType: list, DequeType: deque, ArrayType: np.ndarray,
}  # fmt: skip


def class_of(type_: Type) -> type:
    """The Python class of the values of a type."""
    if isinstance(type_, ScalarType):
        return type_.dtype.type
    cls: type | None = (
        _PLAIN.get(type_) or _BY_KIND.get(type(type_)) or getattr(type_, "cls", None)
    )
    if cls is None:
        raise OperandError(f"the class of a {type_} is not known")
    return cls


def classes(b: Builder, node: ast.expr) -> tuple[type, ...]:
    """What stands behind ``isinstance(x, ...)``: a class, a tuple of them, ``A | B``."""
    if isinstance(node, ast.Tuple):
        return tuple(cls for part in node.elts for cls in classes(b, part))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return (*classes(b, node.left), *classes(b, node.right))
    if isinstance(node, ast.Constant) and node.value is None:
        return (type(None),)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type":
        other = b.expression(node.args[0])
        b.dropped(other)
        return (class_of(other.type),)
    found = b.evaluate(node)
    value = found.value if isinstance(found, Static) else None
    if isinstance(value, pytypes.UnionType):
        value = value.__args__
    known: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(cls, type) for cls in known):
        b.fail("PDC103", node, f"`{ast.unparse(node)}` is no class",
               hint="name a class, or a tuple of classes")  # fmt: skip
    return known


def is_instance(b: Builder, node: ast.Call) -> ir.Expr:
    """``isinstance(x, A)``."""
    if len(node.args) != 2 or node.keywords:
        b.fail("PDC110", node, "`isinstance` takes two arguments")
    value, wanted = b.duplicable(b.expression(node.args[0])), classes(b, node.args[1])
    if value.type == ERROR:
        return ir.IsError(b.loc(node), BOOL, value, wanted)
    keep = [member for member in members_of(value.type) if issubclass(class_of(member), wanted)]
    return is_one_of(value, keep)


def is_one_of(value: ir.Expr, keep: list[Type]) -> ir.Expr:
    """Whether a value is of one of some of the types that it may have."""
    members = members_of(value.type)
    if len(keep) in (0, len(members)):
        return ir.Const(value.loc, BOOL, bool(keep))
    result: ir.Expr = ir.Is(value.loc, BOOL, value, keep[0])
    for member in keep[1:]:
        result = ir.Or(value.loc, BOOL, result, ir.Is(value.loc, BOOL, value, member))
    return result


def type_test(b: Builder, node: ast.Compare) -> ir.Expr | None:
    """``type(x) is A``; None if this is no such comparison."""
    left, right = node.left, node.comparators[0]
    equal = isinstance(node.ops[0], (ast.Is, ast.Eq))
    if len(node.ops) != 1 or not (equal or isinstance(node.ops[0], (ast.IsNot, ast.NotEq))):
        return None
    if not (isinstance(left, ast.Call) and is_type_call(b, left)):
        return None
    value = b.duplicable(b.expression(left.args[0]))
    if value.type == ERROR:
        raise OperandError("the exact class of an exception; `isinstance` of it lowers")
    wanted = classes(b, right)
    keep = [m for m in members_of(value.type) if (class_of(m) in wanted) == equal]
    return is_one_of(value, keep)


def type_name(b: Builder, node: ast.Call) -> ir.Expr:
    """``type(x).__name__``."""
    value = b.duplicable(b.expression(node.args[0]))
    if value.type == ERROR:
        return ir.Op(value.loc, STR, ERROR_NAME, (value,))
    names = {m: ir.Const(value.loc, STR, class_of(m).__name__) for m in members_of(value.type)}
    if not isinstance(value.type, UnionType):
        return names[value.type]
    return b.chain(value, list(names.items()))


def is_type_call(b: Builder, node: ast.expr) -> bool:
    """Whether ``node`` is ``type(x)``."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            and node.func.id == "type" and len(node.args) == 1):  # fmt: skip
        return False
    callee = b.evaluate(node.func)
    return isinstance(callee, Static) and callee.value is type
