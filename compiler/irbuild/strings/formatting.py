"""Strings made of values: f-strings, ``%``, ``format``, ``join``, methods of ``str``.

The host makes them, with Python's own functions.  What Python refuses for some types is refused
here; what it refuses for some values only (a width below zero) is left to the interpreter.
"""

from __future__ import annotations

import ast
import operator
import re
import string
from typing import Any

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.host_calls import Piece, Text, Value
from pydotcompute.compiler.irbuild.containers.comprehensions import comprehension
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.strings.host_calls import (
    SAMPLES,
    Call,
    check_format,
    fitting,
    looks_inside,
    made,
    same_text,
    short,
)
from pydotcompute.compiler.irbuild.values.operators import items_of
from pydotcompute.compiler.types.types import (
    BOOL,
    CONTAINERS,
    FLOAT,
    INT,
    NEVER,
    STR,
    TEXT,
    ArrayType,
    DictType,
    ListType,
    TupleType,
    Type,
    UnionType,
)

TEXTS = (STR, TEXT)


def joined(b: Builder, node: ast.JoinedStr) -> ir.Expr:
    """An f-string."""
    call = Call(b, node)
    text = call.text(node)
    if not call.values:
        return ir.Const(b.loc(node), STR, "".join(map(str, text.pieces)))
    return call.made(same_text, text)


def concatenate(b: Builder, node: ast.AST, left: ir.Expr, right: ir.Expr) -> ir.Expr:
    """``a + b`` of strings."""
    if isinstance(left, ir.Const) and isinstance(right, ir.Const):
        return ir.Const(left.loc, STR, left.value + right.value)
    return made(b, node, operator.add, left, right)


def repeated(b: Builder, node: ast.AST, text: ir.Expr, count: ir.Expr) -> ir.Expr:
    """``text * count``."""
    if count.type not in (INT, BOOL):
        raise OperandError(f"{text.type} * {count.type} is not supported")
    if isinstance(text, ir.Const) and isinstance(count, ir.Const) and count.value < 10_000:
        return ir.Const(text.loc, STR, text.value * count.value)
    return made(b, node, operator.mul, text, short(b, b.convert(count, INT), 10_000))


_PERCENT = re.compile(r"%(?P<flags>[-#0 +]*)(?P<width>\d*)(?P<precision>\.\d*)?(?P<kind>.)?", re.S)
_TAKES: dict[str, tuple[Type, ...]] = {
    **dict.fromkeys("di", (INT, BOOL)), **dict.fromkeys("xXo", (INT, BOOL)),
    **dict.fromkeys("eEfFgG", (INT, BOOL, FLOAT)),
}  # fmt: skip


def percent(b: Builder, node: ast.BinOp, left: ir.Expr, right: ir.Expr) -> ir.Expr:
    """``"%d of %s" % (n, name)``."""
    if not isinstance(left, ir.Const):
        raise OperandError("`%` needs a constant string on its left")
    values = items_of(b, right) if isinstance(right.type, TupleType) else [right]
    kinds = [found["kind"] for found in _PERCENT.finditer(left.value) if found["kind"] != "%"]
    if len(kinds) != len(values) or any(kind not in {*_TAKES, "s", "r", "a"} for kind in kinds):
        raise OperandError("`%` takes as many values as the string has places, of the kinds d, i, "
                           "x, o, e, f, g, s, r and a")  # fmt: skip
    for kind, value in zip(kinds, values, strict=True):
        if kind in _TAKES and value.type not in _TAKES[kind]:
            raise OperandError(f"`%{kind}` of a {value.type}")
    return made(b, node, _fill, left, *values)


def _fill(template: str, *values: Any) -> str:
    return template % values


def format_method(b: Builder, node: ast.Call, template: str) -> ir.Expr:
    """``"{} of {name}".format(n, name=x)``."""
    call = Call(b, node)
    given: dict[str, ast.expr] = {str(n): arg for n, arg in enumerate(node.args)}
    given |= {str(k.arg): k.value for k in node.keywords}
    places: dict[str, int] = {}
    for name, arg in given.items():
        value = call.evaluate(arg)
        if not isinstance(value, ir.Expr):
            value = b.expression(arg)
        places[name] = call.capture(arg, value, now=True)
    pieces: list[str | Piece] = []
    automatic = 0
    for lead, field, spec, conversion in string.Formatter().parse(template):
        pieces.append(lead)
        if field is None:
            continue
        name = field or str(automatic)
        automatic += not field
        if name not in places or "{" in (spec or ""):
            raise OperandError(f"`format` has no plain value for `{{{name}}}`")
        piece = Piece(places[name], ord(conversion) if conversion else -1, spec or "")
        check_format(b, node, piece, call.values[piece.index].type)
        pieces.append(piece)
    return call.made(same_text, Text(tuple(pieces)))


def join_method(b: Builder, node: ast.Call, separator: ir.Expr) -> ir.Expr:
    """``", ".join(...)`` of strings: a generator, a list, a tuple, a dict's keys."""
    if len(node.args) != 1 or node.keywords:
        raise OperandError("`join` takes one iterable")
    (arg,) = node.args

    def build() -> ir.Expr:
        return comprehension(b, arg) if isinstance(arg, ast.GeneratorExp) else b.expression(arg)

    (separator,), items = b.before([separator], build)
    if isinstance(items.type, TupleType):
        types: tuple[Type, ...] = items.type.items
    elif isinstance(items.type, CONTAINERS) and not isinstance(items.type, ArrayType):
        item = items.type.key if isinstance(items.type, DictType) else items.type.item
        types = item.members if isinstance(item, UnionType) else (item,)
    else:
        raise OperandError(f"`join` of a {items.type}")
    if any(type_ not in (*TEXTS, NEVER) for type_ in types):
        shown = ", ".join(map(str, types))
        raise OperandError(f"`join` takes strings, and these are {shown}")
    call = Call(b, node)
    parts = [separator.value if isinstance(separator, ir.Const)
             else Value(call.capture(node, separator, now=True))]  # fmt: skip
    if isinstance(items.type, ListType) and items.type.item == NEVER:
        return ir.Const(b.loc(node), STR, "")
    parts.append(Value(call.capture(arg, items, now=True)))
    return call.made(str.join, *parts)


_METHODS = frozenset(
    "upper lower strip lstrip rstrip title capitalize casefold swapcase replace zfill ljust rjust "
    "center removeprefix removesuffix".split()
)
"""Methods of ``str`` that give a new string and cannot fail for arguments of the right types."""

_INSPECTING = frozenset(
    "startswith endswith find rfind index rindex count isdigit isalpha isalnum isupper islower "
    "isspace isnumeric isdecimal isidentifier istitle isascii split rsplit splitlines partition "
    "rpartition encode".split()
)


def text_method(b: Builder, node: ast.Call, func: ast.Attribute, base: ir.Expr) -> ir.Expr:
    """``name.upper()`` and the like."""
    name = func.attr
    if isinstance(base, ir.Const) and name == "format":
        return format_method(b, node, base.value)
    if name == "join":
        return join_method(b, node, base)
    if name in _INSPECTING:
        looks_inside(b, node)
    if name not in _METHODS or node.keywords:
        raise OperandError(f"str has no method {name!r} that lowers")
    (base,), args = b.before([base], lambda: b.sequence(node.args))
    samples = [SAMPLES.get(arg.type, object()) for arg in args]
    method = getattr(str, name)
    try:
        method("a", *samples)
    except TypeError as error:
        raise OperandError(str(error)) from None
    if name in ("zfill", "ljust", "rjust", "center"):
        args = [short(b, b.convert(args[0], INT), 10_000), *args[1:]]
        if len(args) > 1 and not (isinstance(args[1], ir.Const) and len(args[1].value) == 1):
            raise OperandError(f"`{name}` needs a constant character to fill with")
    return made(b, node, method, base, *args)


def make_format(b: Builder, node: ast.Call) -> ir.Expr:
    """``format(x, spec)``."""
    spec = node.args[1] if len(node.args) == 2 else ast.Constant("")
    if not node.args or not isinstance(spec, ast.Constant) or node.keywords:
        raise OperandError("`format` takes a value and a constant specification here")
    value = b.expression(node.args[0])
    text = str(spec.value)
    value = fitting(b, node, Piece(0, -1, text), value)
    return made(b, node, format, value, ir.Const(b.loc(node), STR, text))
