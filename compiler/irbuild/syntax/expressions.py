"""Expressions: one function for each AST class, from ``ast.expr`` to a typed ``ir.Expr``."""

from __future__ import annotations

import ast
import enum
import logging
import types as pytypes
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers.arrays import (
    binary_arrays,
    is_part,
    part_of,
    unary_array,
)
from pydotcompute.compiler.irbuild.containers.comprehensions import comprehension
from pydotcompute.compiler.irbuild.containers.containers import (
    joined_lists,
    list_display,
    make_list,
    subscript,
)
from pydotcompute.compiler.irbuild.containers.iteration import pick, sliced
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import NoAttributeError, OperandError, raising
from pydotcompute.compiler.irbuild.core.enum_values import as_base, as_text
from pydotcompute.compiler.irbuild.core.unit import Static, describe_static
from pydotcompute.compiler.irbuild.objects.actor_context import context_call
from pydotcompute.compiler.irbuild.objects.messages import (
    carried_only,
    header_part,
    is_in_hand,
    note_read,
    read_as_floats,
)
from pydotcompute.compiler.irbuild.objects.methods import attribute
from pydotcompute.compiler.irbuild.strings.formatting import (
    TEXTS,
    concatenate,
    joined,
    percent,
    repeated,
)
from pydotcompute.compiler.irbuild.syntax.calls import call
from pydotcompute.compiler.irbuild.syntax.comparisons import comparison
from pydotcompute.compiler.irbuild.values import constant_tables as build_tables
from pydotcompute.compiler.irbuild.values.conditions import condition
from pydotcompute.compiler.irbuild.values.enum_members import by_name
from pydotcompute.compiler.irbuild.values.operators import apply, compare, items_of, negate
from pydotcompute.compiler.irbuild.values.type_tests import is_type_call, type_name
from pydotcompute.compiler.irbuild.values.wide_ints import shortened
from pydotcompute.compiler.ops.operators import unary
from pydotcompute.compiler.types.message_schema import header_parts
from pydotcompute.compiler.types.types import (
    BOOL,
    CONTAINERS,
    ERROR,
    INT,
    NEVER,
    NONE,
    ArrayType,
    DequeType,
    DictType,
    EnumType,
    ListType,
    MessageType,
    TupleType,
    Type,
    UnionType,
    in_body,
    join,
    lowers,
    members_of,
)

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|",
    ast.BitXor: "^",
}  # fmt: skip

_UNARY: dict[type[ast.unaryop], str] = {ast.USub: "-", ast.UAdd: "+", ast.Invert: "~"}

def _constant(b: Builder, node: ast.Constant) -> ir.Expr | Static:
    value = b.constant(node.value, b.loc(node))
    if isinstance(value, Static) and isinstance(node.value, int):
        b.fail("PDC111", node, f"the constant {node.value} does not fit 128 bits",
               hint="compiled ints have 128 bits at most; keep such a constant out of the loop")
    return value


def _name(b: Builder, node: ast.Name) -> ir.Expr | Static:
    return b.name(node)


def _attribute(b: Builder, node: ast.Attribute) -> ir.Expr | Static:
    if isinstance(node.value, ast.Name) and node.value.id == b.ctx:
        return _context(b, node)
    if node.attr == "__name__" and is_type_call(b, node.value):
        assert isinstance(node.value, ast.Call)
        return type_name(b, node.value)
    base = b.evaluate(node.value)
    if isinstance(base, Static):
        return _static_attribute(b, node, base.value)
    return b.split(base, lambda value: field_of(b, node, value))


def _context(b: Builder, node: ast.Attribute) -> ir.Expr:
    loc = b.loc(node)
    if node.attr == "should_terminate":
        return ir.Context(loc, BOOL, "should_terminate")
    if node.attr == "is_active":
        # A paused actor's compiled code does not run: where it runs, it is active.
        return ir.Const(loc, BOOL, True)
    if node.attr == "key" and b.unit.key is not None:
        return ir.Context(loc, b.unit.key.type, "key")
    b.fail("PDC023", node, f"`{b.ctx}.{node.attr}` is not available in the compiled loop",
           hint="use it before the loop and keep the value in a variable")  # fmt: skip


def _static_attribute(b: Builder, node: ast.Attribute, owner: Any) -> ir.Expr | Static:
    if isinstance(owner, (pytypes.ModuleType, type, logging.Logger, logging.LoggerAdapter)):
        try:
            value = getattr(owner, node.attr)
            b.unit.note_constant(owner, node.attr, partial(getattr, owner, node.attr), value)
            return b.constant(value, b.loc(node))
        except AttributeError:
            b.fail("PDC105", node, f"{describe_static(owner)} has no attribute {node.attr!r}")
    b.fail("PDC111", node, f"an attribute of {describe_static(owner)} is read in the loop",
           hint="read it before the loop and keep the value in a variable")  # fmt: skip


def field_of(b: Builder, node: ast.Attribute, base: ir.Expr) -> ir.Expr:
    """``base.attr`` of a message, an enum member or a numpy scalar."""
    if isinstance(base.type, MessageType):
        for field in b.schema(base.type.cls, node).fields:
            if field.name == node.attr:
                if isinstance(base, ir.New):
                    names = [f.name for f in b.schema(base.type.cls, node).fields]
                    return b.picked(base.args, names.index(node.attr))
                if not lowers(field.type):
                    b.fail("PDC109", node, carried_only(base.type, field, "read"))
                note_read(b, base, base.type, node.attr, node)
                return ir.Field(b.loc(node), in_body(field.type), base, node.attr)
        if node.attr in header_parts(base.type.cls):
            if is_in_hand(b, base):
                return header_part(b, node)
            b.fail("PDC109", node, f"the header's `{node.attr}` is read of a message that this "
                   "turn has not received",
                   notes=["compiled code has the header of the received message only"],
                   hint="read it in the loop itself, as soon as the message is received, or give "
                        "the message a field of its own for it")  # fmt: skip
        if (found := attribute(b, node, base)) is not None:
            return found
        if isinstance(base, ir.As) and not hasattr(base.type.cls, node.attr):
            raise NoAttributeError(f"{base.type} has no attribute {node.attr!r}")
        b.fail("PDC104", node, f"{base.type} has no field {node.attr!r} that lowers",
               hint="compiled code reads the message's own fields")  # fmt: skip
    if isinstance(base.type, ArrayType) and node.attr in ("size", "shape", "ndim"):
        shape = base.type.shape
        known = {"size": int(np.prod(shape)), "shape": shape, "ndim": len(shape)}[node.attr]
        constant = b.constant(known, b.loc(node))
        assert isinstance(constant, ir.Expr)
        return constant
    if isinstance(base.type, DequeType) and node.attr == "maxlen":
        maxlen = base.type.maxlen
        return ir.none(b.loc(node)) if maxlen is None else ir.Const(b.loc(node), INT, maxlen)
    if base.type == ERROR:
        # Compiled code has no exception objects, but the interpreter will.
        return raising(b.loc(node), NEVER, "PDC_DEOPT_ERROR")
    if isinstance(base.type, EnumType) and (found := attribute(b, node, base)) is not None:
        return found
    if isinstance(base, ir.Const) and isinstance(base.type, EnumType):
        value = b.constant(getattr(base.value, node.attr), b.loc(node))
        if isinstance(value, ir.Expr):
            return value
    if isinstance(base.type, EnumType) and node.attr in ("value", "name"):
        return _enum_attribute(b, node, base)
    refusal = NoAttributeError if base.type == NONE else OperandError
    raise refusal(f"{base.type} has no attribute {node.attr!r}")


def _enum_attribute(b: Builder, node: ast.Attribute, base: ir.Expr) -> ir.Expr:
    """``member.value``: chosen among the constants of all members."""
    assert isinstance(base.type, EnumType)
    loc, members = b.loc(node), base.type.members
    values: list[ir.Expr] = []
    for member in members:
        value = b.constant(getattr(member, node.attr), loc)
        if isinstance(value, Static):
            raise OperandError(f"the values of {base.type} have no compiled type")
        values.append(value)
    result: Type = values[0].type
    for value in values[1:]:
        result = join(result, value.type)
    base = b.duplicable(base)
    chosen = b.convert(values[-1], result)
    for member, value in list(zip(members, values, strict=True))[-2::-1]:
        test = compare(b, "is", base, ir.Const(loc, base.type, member))
        chosen = ir.Cond(loc, result, test, b.convert(value, result), chosen)
    return chosen


def _bin_op(b: Builder, node: ast.BinOp) -> ir.Expr:
    symbol = _BINARY.get(type(node.op))
    if symbol is None:
        b.fail("PDC021", node, "`@` cannot be compiled")
    if isinstance(node.left, ast.List) and isinstance(node.op, ast.Mult):
        return _repeated(b, node)
    if (short := shortened(b, node)) is not None:
        return short
    left, right = map(as_text, b.sequence([node.left, node.right]))
    read_as_floats(b, [node.left, node.right], [left, right])
    if symbol == "+" and left.type in TEXTS and right.type in TEXTS:
        return concatenate(b, node, left, right)
    if symbol == "%" and left.type in TEXTS:
        return percent(b, node, left, right)
    if symbol == "*" and left.type in TEXTS:
        return repeated(b, node, left, right)
    if symbol == "*" and right.type in TEXTS:
        return repeated(b, node, right, left)
    if symbol == "+" and isinstance(left.type, ListType) and isinstance(right.type, ListType):
        return joined_lists(b, node, left, right)
    if ArrayType in (type(left.type), type(right.type)):
        return binary_arrays(b, node, symbol, left, right)
    return apply(b, symbol, left, right, b.loc(node))


def _repeated(b: Builder, node: ast.BinOp) -> ir.Expr:
    """``[0] * 8`` with a constant count."""
    count = b.expression(node.right)
    if not isinstance(count, ir.Const) or not isinstance(count.value, int):
        raise OperandError("a list is repeated a constant number of times only")
    assert isinstance(node.left, ast.List)
    return make_list(b, node, list(b.sequence(node.left.elts)) * count.value)


def _unary_op(b: Builder, node: ast.UnaryOp) -> ir.Expr:
    if isinstance(node.op, ast.Not):
        return negate(b.truth(b.expression(node.operand)))
    if isinstance(node.operand, ast.Constant) and type(node.operand.value) in (int, float):
        number: Any = node.operand.value
        if isinstance(node.op, (ast.USub, ast.UAdd)):
            folded = -number if isinstance(node.op, ast.USub) else number
            result = b.constant(folded, b.loc(node))
            if isinstance(result, ir.Expr):
                return result
    symbol = _UNARY[type(node.op)]

    def operation(value: ir.Expr) -> ir.Expr:
        value = as_base(value)
        signature = unary(symbol, value.type)
        if signature is None:
            raise OperandError(f"{symbol}{value.type} is not supported")
        if isinstance(value, ir.Const) and type(value.value) is int:
            result = b.constant(signature.primitive.python(value.value), b.loc(node))
            assert isinstance(result, ir.Expr)
            return result
        arg = b.convert(value, signature.operands[0])
        return ir.Op(b.loc(node), signature.result, signature.primitive, (arg,))

    value = b.expression(node.operand)
    if isinstance(value.type, ArrayType):
        return unary_array(b, node, symbol, value)
    return b.split(value, operation)


def _bool_op(b: Builder, node: ast.BoolOp) -> ir.Expr:
    """``and``/``or`` for their operands: the value that decided."""
    return _decided(b, node, b.expression(node.values[0]), node.values[1:])


def _decided(b: Builder, node: ast.BoolOp, left: ir.Expr, rest: Sequence[ast.expr]) -> ir.Expr:
    """The value of the first operand is there; the others are evaluated as long as it takes."""
    if not rest:
        return left
    is_and = isinstance(node.op, ast.And)
    left = left if left.type == BOOL else b.duplicable(left)
    test = b.truth(left)
    if isinstance(test, ir.Const) and bool(test.value) != is_and:
        return left
    operand, *others = rest
    if isinstance(test, ir.Const):
        return _decided(b, node, b.expression(operand), others)

    def decided() -> ir.Expr:
        if left.type == BOOL:
            return ir.Const(b.loc(node), BOOL, not is_and)
        return left if is_and else _without_none(b, left)

    env = dict(b.env or {})
    more, enough = (env, lambda: b.expression(operand)), (env, decided)
    value = b.alternatives(b.loc(node), test, (more, enough) if is_and else (enough, more))
    return _decided(b, node, value, others)


def _without_none(b: Builder, value: ir.Expr) -> ir.Expr:
    """What a value is where it is true."""
    rest = [member for member in members_of(value.type) if member != NONE]
    if not isinstance(value.type, UnionType) or len(rest) == len(value.type.members):
        return value
    return b.narrow(value, rest[0] if len(rest) == 1 else UnionType(tuple(rest)))


def _if_exp(b: Builder, node: ast.IfExp) -> ir.Expr:
    test, when_true, when_false = condition(b, node.test)
    if isinstance(test, ir.Const):
        return b.expression(node.body if test.value else node.orelse)
    then, orelse = (lambda: b.expression(node.body)), (lambda: b.expression(node.orelse))
    return b.alternatives(b.loc(node), test, ((when_true, then), (when_false, orelse)))


def _tuple(b: Builder, node: ast.Tuple) -> ir.Expr:
    items = tuple(b.sequence(node.elts))
    for item, part in zip(items, node.elts, strict=True):
        if isinstance(item.type, CONTAINERS) and id(node) not in b.looked:
            b.fail("PDC106", part, "a tuple that keeps a container",
                   notes=["in Python, the tuple would see the container's changes"],
                   hint="keep the container in a variable of its own")  # fmt: skip
    return ir.Tuple(b.loc(node), TupleType(tuple(item.type for item in items)), items)


def _named(b: Builder, node: ast.NamedExpr) -> ir.Expr:
    value = b.duplicable(b.expression(node.value))
    b.bind(node.target.id, value)
    return value


def _subscript(b: Builder, node: ast.Subscript) -> ir.Expr | Static:
    if isinstance(node.value, ast.Subscript) and b.is_static(node.value.value):
        owner = b.evaluate(node.value.value)
        table = owner.value if isinstance(owner, Static) else build_tables.rows_of(owner)
        if (found := build_tables.chained(b, node, table, node.value.slice)) is not None:
            return found
    base = b.evaluate(node.value)
    if isinstance(base, Static):
        return _static_item(b, node, base.value)
    if (held := b.container(base, OperandError)) is not base:
        base = b.temporary(held)
    if isinstance(base.type, CONTAINERS) and isinstance(node.slice, ast.Slice):
        if isinstance(base.type, ArrayType):
            return part_of(b, node, base)
        if isinstance(base.type, DictType):
            raise OperandError("a slice of a dict")
        return sliced(b, node, base)
    if isinstance(base.type, ArrayType) and is_part(node, base.type):
        return part_of(b, node, base)
    if isinstance(base.type, CONTAINERS):
        return subscript(b, node, base)
    (base,), index = b.before([base], lambda: b.expression(node.slice))
    if isinstance(base.type, TupleType) and isinstance(index, ir.Const) and index.type == INT:
        items = items_of(b, base)
        if -len(items) <= index.value < len(items):
            return b.picked(items, index.value)
        b.dropped(base)
        return raising(b.loc(node), NEVER, "PDC_INDEX_TUPLE")
    if isinstance(base.type, TupleType) and base.type.items:
        return _tuple_item(b, node, base, index)
    raise OperandError(f"{base.type} is not indexed in compiled code")


def _tuple_item(b: Builder, node: ast.Subscript, base: ir.Expr, index: ir.Expr) -> ir.Expr:
    """``items[index]`` of a tuple, where the index is known only when it runs."""
    loc, rows = b.loc(node), build_tables.rows_of(base)
    parts = [b.duplicable(item) for item in items_of(b, base)]
    at = build_tables.place(b, index, len(parts), "PDC_INDEX_TUPLE")
    if rows is not None:
        return build_tables.items(b, rows, loc)(at)
    return pick(b, parts, at)


def _static_item(b: Builder, node: ast.Subscript, owner: Any) -> ir.Expr | Static:
    if isinstance(owner, type) and issubclass(owner, enum.Enum):
        key = b.expression(node.slice)
        if isinstance(key, ir.Const) and key.value in owner.__members__:
            return b.constant(owner[key.value], b.loc(node))
        return by_name(b, node, owner)
    if isinstance(owner, (list, tuple, dict, np.ndarray)) and len(owner):
        return build_tables.indexed(b, node, owner)
    b.fail("PDC111", node, f"an item of {describe_static(owner)} is read in the loop",
           hint="keep the value in a variable before the loop")  # fmt: skip


EXPRESSIONS: dict[type[ast.expr], Callable[[Builder, Any], ir.Expr | Static]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.BinOp: _bin_op,
    ast.UnaryOp: _unary_op,
    ast.Compare: comparison,
    ast.BoolOp: _bool_op,
    ast.IfExp: _if_exp,
    ast.Tuple: _tuple,
    ast.NamedExpr: _named,
    ast.Subscript: _subscript,
    ast.Await: context_call,
    ast.Call: call,
    ast.JoinedStr: joined,
    ast.List: list_display,
    ast.ListComp: comprehension,
}

Builder.EXPRESSIONS.update(EXPRESSIONS)
