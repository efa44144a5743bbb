"""Members of enums: found by value or by name, one after the other."""

from __future__ import annotations

import ast
import enum
from typing import Any

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError, raising
from pydotcompute.compiler.irbuild.core.unit import Static, describe_static
from pydotcompute.compiler.irbuild.values.operators import compare
from pydotcompute.compiler.types.types import EnumType, TupleType


def by_value(b: Builder, node: ast.Call, cls: type[enum.Enum]) -> ir.Expr:
    """``Color(2)``: the member with a value, or ``ValueError``."""
    if len(node.args) != 1 or node.keywords or "_missing_" in vars(cls):
        raise OperandError(f"`{cls.__name__}` is called with one value here")
    if issubclass(cls, enum.Flag):
        raise OperandError("flags are combined with `|` and `&` outside the loop")
    value = b.expression(node.args[0])
    if value.type == EnumType(cls):
        return value
    return _found(b, node, cls, value, [(m, m.value) for m in cls], "PDC_VALUE_ENUM")


def by_name(b: Builder, node: ast.Subscript, cls: type[enum.Enum]) -> ir.Expr:
    """``Color[name]``: the member with a name, or ``KeyError``."""
    value = b.expression(node.slice)
    names = [(member, name) for name, member in cls.__members__.items()]
    return _found(b, node, cls, value, names, "PDC_KEY_ERROR")


def _found(b: Builder, node: ast.expr, cls: type[enum.Enum], value: ir.Expr,
           keys: list[tuple[enum.Enum, Any]], code: str) -> ir.Expr:  # fmt: skip
    loc, type_ = b.loc(node), EnumType(cls)
    value = b.duplicable(value)
    result = raising(loc, type_, code)
    for member, key in reversed(keys):
        other = b.constant(key, loc)
        if isinstance(other, Static):
            raise OperandError(f"the values of {describe_static(cls)} have no compiled type")
        found = ir.Const(loc, type_, member)
        test = compare(b, "==", value, other)
        result = ir.Cond(loc, type_, test, found, result)
    return result


def all_members(b: Builder, node: ast.expr, cls: type[enum.Enum]) -> ir.Tuple:
    """The members of an enum, in order."""
    loc, type_ = b.loc(node), EnumType(cls)
    items = tuple(ir.Const(loc, type_, member) for member in type_.members)
    return ir.Tuple(loc, TupleType(tuple(item.type for item in items)), items)


def is_enum(value: Any) -> bool:
    """Whether a Python object is an enum class."""
    return isinstance(value, type) and issubclass(value, enum.Enum)
