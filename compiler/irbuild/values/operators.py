"""Python's operators on values of any types: chosen by table, split where a type is not known.

``apply(b, "+", left, right)`` looks the operand types up in ``operators``, converts, and gives an
``ir.Op``; of a union it makes one for each type the value may have.
"""

from __future__ import annotations

import ast
import enum
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import NoneOperandError, OperandError, raising
from pydotcompute.compiler.irbuild.core.enum_values import as_base, base_of, has_operators
from pydotcompute.compiler.ops.numpy_operators import cast, depends_on_processor
from pydotcompute.compiler.ops.operators import (
    ALWAYS,
    AND_LOW,
    NOT,
    SAME_FLOAT,
    SHIFT_HIGH,
    binary,
    folded,
)
from pydotcompute.compiler.types.int_ranges import int_type
from pydotcompute.compiler.types.types import (
    BOOL,
    FLOAT,
    INT,
    NEVER,
    NONE,
    STR,
    TEXT,
    UNBOUND,
    WIDE,
    EnumType,
    MessageType,
    ScalarType,
    TupleType,
    Type,
    UnionType,
    in_body,
    join,
    lowers,
)


def apply(b: Builder, symbol: str, left: ir.Expr, right: ir.Expr, loc: Any) -> ir.Expr:
    """``left symbol right`` for every combination of the types the operands may have."""
    if UnionType in (type(left.type), type(right.type)):
        left, right = b.forced(left), b.forced(right)
    if isinstance(left.type, UnionType):
        left, right = b.duplicable(left), b.duplicable(right)
        return b.split(left, lambda part: apply(b, symbol, part, right, loc))
    if isinstance(right.type, UnionType):
        return b.split(right, lambda part: apply(b, symbol, left, part, loc))
    if NEVER in (left.type, right.type):
        return raising(loc, NEVER, "PDC_DEOPT_TYPE")
    if (known := _short(b, symbol, left, right, loc)) is not None:
        return known
    signature = binary(symbol, left.type, right.type)
    if signature is None and (base_of(left.type) or base_of(right.type)):
        return apply(b, symbol, as_base(left), as_base(right), loc)
    if signature is None and any(_is_flag(part.type) for part in (left, right)):
        raise OperandError("several flags at once have no compiled form; combine their `.value`s")
    if signature is None and depends_on_processor(symbol, left.type, right.type):
        raise OperandError(f"numpy's {left.type} ** {right.type} depends on the processor; make "
                           "both floats first, with `float(...)`")  # fmt: skip
    if signature is None:
        refusal = NoneOperandError if NONE in (left.type, right.type) else OperandError
        raise refusal(f"{left.type} {symbol} {right.type} is not supported")
    args = tuple(cast_operand(b, value, type_) for value, type_ in
                 zip((left, right), signature.operands, strict=True))  # fmt: skip
    return ir.Op(loc, signature.result, signature.primitive, args)


def _short(b: Builder, symbol: str, left: ir.Expr, right: ir.Expr, loc: Any) -> ir.Expr | None:
    """Operators on constants, and those whose result has 64 bits for certain."""
    if isinstance(left, ir.Const) and isinstance(right, ir.Const):
        value = folded(symbol, left.value, right.value)
        if value is not None:
            if (type_ := int_type(value)) is None:
                return raising(loc, INT, "PDC_DEOPT_INT_OVERFLOW")
            return ir.Const(loc, type_, value)
    if WIDE not in (left.type, right.type) or not isinstance(right, ir.Const):
        swapped = symbol == "&" and isinstance(left, ir.Const) and left.type == INT
        return _short(b, symbol, right, left, loc) if swapped and right.type == WIDE else None
    if symbol == "&" and right.type == INT and right.value >= 0:
        return ir.Op(loc, INT, AND_LOW, (left, right))
    if symbol == ">>" and left.type == WIDE and right.type == INT and 64 <= right.value < 128:
        return ir.Op(loc, INT, SHIFT_HIGH, (left, right))
    return None


def _is_flag(type_: Type) -> bool:
    return isinstance(type_, EnumType) and issubclass(type_.cls, enum.Flag)


def cast_operand(b: Builder, value: ir.Expr, target: Type) -> ir.Expr:
    """An operand in the type its operation works in; numpy scalars widen as numpy does."""
    if value.type == target:
        return value
    if isinstance(target, ScalarType):
        if not isinstance(value.type, ScalarType) and value.type not in (BOOL, INT, FLOAT, WIDE):
            raise OperandError(f"a {value.type} is no {target}")
        primitive = cast(value.type, target)
        assert primitive is not None
        if isinstance(value, ir.Const) and value.type in (INT, WIDE) and not target.is_float:
            info = np.iinfo(target.dtype)
            if info.min <= value.value <= info.max:
                return ir.Const(value.loc, target, target.dtype.type(value.value))
        return ir.Op(value.loc, target, primitive, (value,))
    return b.convert(value, target)


def negate(test: ir.Expr) -> ir.Expr:
    """``not test`` of a bool."""
    if isinstance(test, ir.Const):
        return ir.Const(test.loc, BOOL, not test.value)
    return ir.Op(test.loc, BOOL, NOT, (test,))


def compare(b: Builder, symbol: str, left: ir.Expr, right: ir.Expr) -> ir.Expr:
    """Whether ``left symbol right`` is true."""
    return b.truth(compared(b, symbol, left, right))


def compared(b: Builder, symbol: str, left: ir.Expr, right: ir.Expr) -> ir.Expr:
    """``left symbol right``: a bool, of numpy's numbers a ``np.bool``."""
    if UnionType in (type(left.type), type(right.type)):
        left, right = b.forced(left), b.forced(right)
    if isinstance(left.type, UnionType):
        left, right = b.duplicable(left), b.duplicable(right)
        return b.split(left, lambda part: compared(b, symbol, part, right))
    if isinstance(right.type, UnionType):
        return b.split(right, lambda part: compared(b, symbol, left, part))
    if NEVER in (left.type, right.type):
        b.dropped(left)
        return b.convert(left if left.type == NEVER else right, BOOL)
    if left.type == right.type == NONE and symbol in ("is", "is not", "==", "!="):
        b.dropped(left, right)
        return ir.Const(left.loc, BOOL, symbol in ("is", "=="))
    left, right = _as_float(left, right), _as_float(right, left)
    if signature := binary(symbol, left.type, right.type):
        args = tuple(cast_operand(b, value, type_) for value, type_ in
                     zip((left, right), signature.operands, strict=True))  # fmt: skip
        return ir.Op(left.loc, signature.result, signature.primitive, args)
    if symbol not in ("is", "is not") and (base_of(left.type) or base_of(right.type)):
        return compared(b, symbol, as_base(left), as_base(right))
    return _unlike(b, symbol, left, right)


def _as_float(value: ir.Expr, other: ir.Expr) -> ir.Expr:
    """An int constant that is compared with a float, as the float it equals."""
    if other.type != FLOAT or not isinstance(value, ir.Const) or value.type != INT:
        return value
    if abs(value.value) <= 2**53:
        return ir.Const(value.loc, FLOAT, float(value.value))
    return value


def _unlike(b: Builder, symbol: str, left: ir.Expr, right: ir.Expr) -> ir.Expr:
    """A comparison of types that have no common order: equal never, or an error."""
    if TEXT in (left.type, right.type) and {left.type, right.type} <= {TEXT, STR}:
        raise OperandError("one of the strings is made in the loop, by the host, and is not yet "
                           "there to be compared")  # fmt: skip
    if isinstance(left.type, TupleType) and isinstance(right.type, TupleType):
        return _tuples(b, symbol, left, right)
    if symbol in ("==", "!=") and isinstance(left.type, MessageType) and left.type == right.type:
        return _messages(b, symbol, left, right)
    if symbol in ("is", "is not") and left.type == right.type == BOOL:
        return compare(b, "==" if symbol == "is" else "!=", left, right)
    unlike_none = NONE in (left.type, right.type) and left.type != right.type
    kinds = {type(left.type), type(right.type)}
    unlike_bool = (left.type == BOOL) != (right.type == BOOL) and symbol in ("is", "is not")
    if unlike_bool or (unlike_none and symbol in ("is", "is not", "==", "!=")):
        answer = symbol in ("is not", "!=")
    elif symbol in ("==", "!=") and len(kinds) == 2 and not (
        MessageType in kinds or any(_has_operators(t) for t in (left.type, right.type))
    ):  # fmt: skip
        answer = symbol == "!="
    elif symbol in ("is", "is not") and left.type == right.type:
        raise OperandError(f"`{symbol}` tells objects apart, not values; write "
                           f"`{'==' if symbol == 'is' else '!='}`")  # fmt: skip
    else:
        refusal = NoneOperandError if NONE in (left.type, right.type) else OperandError
        raise refusal(f"{left.type} {symbol} {right.type} is not supported")
    plain = (ir.Const, ir.Local, ir.As)
    if isinstance(left, plain) and isinstance(right, plain):
        return ir.Const(left.loc, BOOL, answer)
    return ir.Op(left.loc, BOOL, ALWAYS[answer], (left, right))


def _has_operators(type_: Type) -> bool:
    """Whether an enum may be equal to values of other types."""
    return isinstance(type_, EnumType) and (
        has_operators(type_.cls) or any(issubclass(type_.cls, c) for c in (int, float, str))
    )


def _tuples(b: Builder, symbol: str, left: ir.Expr, right: ir.Expr) -> ir.Expr:
    assert isinstance(left.type, TupleType)
    assert isinstance(right.type, TupleType)
    loc = left.loc
    if symbol in ("==", "!=") and len(left.type.items) != len(right.type.items):
        b.dropped(left, right)
        return ir.Const(loc, BOOL, symbol == "!=")
    ones, others = ([b.forced(item) for item in items_of(b, side)] for side in (left, right))
    if symbol not in ("==", "!="):
        return _order(b, symbol, ones, others, loc)
    return _all_equal(b, symbol, zip(ones, others, strict=True), loc)


def _messages(b: Builder, symbol: str, left: ir.Expr, right: ir.Expr) -> ir.Expr:
    """``==`` of two messages of one class: the comparison that ``@dataclass`` makes."""
    assert isinstance(left.type, MessageType)
    cls: Any = left.type.cls
    code = getattr(vars(cls).get("__eq__"), "__code__", None)
    if code is None or code.co_filename != "<string>" or cls.__ne__ is not object.__ne__:
        raise OperandError(f"{left.type} has no `==` that `@dataclass` has made")
    left, right = b.duplicable(left), b.duplicable(right)
    pairs = []
    for field in b.schema(cls, ast.Pass()).fields:
        if cls.__dataclass_fields__[field.name].compare:
            if not lowers(field.type):
                raise OperandError(f"`==` of messages with a field of type {field.type}")
            type_ = in_body(field.type)
            pairs.append((ir.Field(left.loc, type_, left, field.name),
                          ir.Field(left.loc, type_, right, field.name)))  # fmt: skip
    return _all_equal(b, symbol, pairs, left.loc)


def _all_equal(b: Builder, symbol: str, pairs: Iterable[tuple[ir.Expr, ir.Expr]],
               loc: Any) -> ir.Expr:  # fmt: skip
    result: ir.Expr = ir.Const(loc, BOOL, True)
    for one, other in pairs:
        part = _same_item(b, one, other)
        result = part if isinstance(result, ir.Const) else ir.And(loc, BOOL, result, part)
    return result if symbol == "==" else negate(result)


def _same_item(b: Builder, one: ir.Expr, other: ir.Expr) -> ir.Expr:
    """``==`` of two items of tuples: an object is equal to itself there, even NaN."""
    if isinstance(one.type, UnionType):
        other = b.duplicable(other)
        return b.split(one, lambda part: _same_item(b, part, other))
    if isinstance(other.type, UnionType):
        return b.split(other, lambda part: _same_item(b, one, part))
    if one.type == other.type and one.type in (FLOAT, *_SCALAR_FLOATS):
        return ir.Op(one.loc, BOOL, SAME_FLOAT, (one, other))
    return compare(b, "==", one, other)


_SCALAR_FLOATS = (ScalarType("float64"), ScalarType("float32"))


def _order(b: Builder, symbol: str, left: list[ir.Expr], right: list[ir.Expr],
           loc: Any) -> ir.Expr:  # fmt: skip
    """Tuples by their first items that differ, or else by their lengths."""
    if not left or not right:
        return ir.Const(loc, BOOL, _LENGTHS[symbol](len(left), len(right)))
    one, other = b.duplicable(left[0]), b.duplicable(right[0])
    if len(left) == len(right) == 1 and symbol in ("<", ">"):
        return compare(b, symbol, one, other)
    less = compare(b, symbol[0], one, other)
    rest = _order(b, symbol, left[1:], right[1:], loc)
    return ir.Or(loc, BOOL, less, ir.And(loc, BOOL, _same_item(b, one, other), rest))


_LENGTHS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def items_of(b: Builder, value: ir.Expr) -> list[ir.Expr]:
    """The items of a tuple."""
    assert isinstance(value.type, TupleType)
    if isinstance(value, ir.Tuple):
        return list(value.items)
    types, value = value.type.items, b.duplicable(value)
    return [ir.Item(value.loc, type_, value, n) for n, type_ in enumerate(types)]


def choose(b: Builder, node: ast.AST, test: ir.Expr, arms: tuple[ir.Expr, ir.Expr],
           branches: tuple[list[ir.Stmt], list[ir.Stmt]]) -> ir.Expr:  # fmt: skip
    """One of two values; as a statement where computing one takes statements."""
    loc = b.loc(node)
    result = join(arms[0].type, arms[1].type)
    values = []
    for arm, block in zip(arms, branches, strict=True):
        value, extra = b.nested(lambda arm=arm: b.convert(arm, result))  # type: ignore[misc]
        block += extra
        values.append(value)
    if not any(branches):
        return ir.Cond(loc, result, test, values[0], values[1])
    target = b.temporary(ir.Const(loc, UNBOUND, None))
    b.block.pop()
    target = ir.Local(loc, result, target.name)
    blocks = [(*block, ir.Assign(loc, target, value))
              for block, value in zip(branches, values, strict=True)]  # fmt: skip
    b.block.append(ir.If(loc, test, blocks[0], blocks[1]))
    return target
