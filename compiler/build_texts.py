"""Calls that the host makes for an actor: ``print``, loggers, and whatever gives a new string.

The values go into the actor's log (``prints``); of a string, the actor keeps a stand-in of type
``TEXT``, which can be printed, be part of another string, or be sent in a field, and no more.
"""

from __future__ import annotations

import ast
import logging
import operator
from collections.abc import Callable
from typing import Any

from pydotcompute.compiler import ir
from pydotcompute.compiler.build import Builder, Static
from pydotcompute.compiler.convert import OperandError
from pydotcompute.compiler.operators import ERROR_TEXT
from pydotcompute.compiler.prints import Piece, Site, Text, Value, formatted
from pydotcompute.compiler.types import (
    BOOL,
    CONTAINERS,
    ERROR,
    FLOAT,
    INT,
    NONE,
    STR,
    TEXT,
    WIDE,
    EnumType,
    MessageType,
    ScalarType,
    TupleType,
    Type,
    UnionType,
)


def is_logging(function: Any) -> bool:
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__name__", "")
    if name not in ("debug", "info", "warning", "error", "critical", "log"):
        return False
    return isinstance(owner, logging.Logger) or function is getattr(logging, name)


def carried(b: Builder, node: ast.Call, function: Callable[..., Any]) -> ir.Expr:
    """A call of ``print`` or of a logger: its values go to the host, which makes the call."""
    values: list[ir.Expr] = []
    arguments = tuple(_argument(b, arg, values) for arg in node.args)
    keywords = tuple((str(k.arg), _argument(b, k.value, values)) for k in node.keywords)
    type_ = TupleType(tuple(value.type for value in values))
    _host(b, node, Site(function, arguments, keywords, type_), values, None)
    return ir.none(b.loc(node))


def _host(b: Builder, node: ast.AST, site: Site, values: list[ir.Expr],
          target: ir.Local | None) -> None:  # fmt: skip
    if site not in b.unit.prints:
        b.unit.prints.append(site)
    b.effects = True
    loc = b.loc(node)
    carried_values = ir.Tuple(loc, site.values, tuple(values))
    b.block.append(ir.Print(loc, b.unit.prints.index(site), carried_values, target))


def _argument(b: Builder, node: ast.expr, values: list[ir.Expr]) -> Any:
    """How the host makes an argument again; what varies is added to ``values``."""
    if isinstance(node, ast.JoinedStr):
        pieces: list[str | Piece] = []
        for part in node.values:
            if isinstance(part, ast.Constant):
                pieces.append(str(part.value))
                continue
            assert isinstance(part, ast.FormattedValue)
            spec = ""
            if part.format_spec is not None:
                made = b.evaluate_spec(part.format_spec)
                spec = made
            index = _carry_value(b, part.value, b.expression(part.value), values)
            piece = Piece(index, part.conversion, spec)
            _check_format(b, part, piece, values[index].type)
            pieces.append(piece)
        return Text(tuple(pieces))
    found = b.evaluate(node)
    if isinstance(found, Static):
        return found.value
    if isinstance(found, ir.Const) and not isinstance(found.type, UnionType):
        return found.value
    return Value(_carry_value(b, node, found, values))


def _carry_value(b: Builder, node: ast.expr, value: ir.Expr, values: list[ir.Expr]) -> int:
    if value.type == ERROR:
        value = error_text(value)
    if isinstance(value.type, (*CONTAINERS, MessageType)):
        b.fail("PDC103", node, f"a {value.type} is printed",
               hint="print its fields or items")  # fmt: skip
    values.append(value)
    return len(values) - 1


def error_text(value: ir.Expr) -> ir.Expr:
    """``str(error)``."""
    return ir.Op(value.loc, STR, ERROR_TEXT, (value,))


_SAMPLES: dict[Type, Any] = {
    BOOL: True, INT: 1, WIDE: 1, FLOAT: 1.5, STR: "a", TEXT: "a", NONE: None,
}  # fmt: skip


def _check_format(b: Builder, node: ast.AST, piece: Piece, type_: Type) -> None:
    """A format that Python refuses is an error where it stands, not in the host."""
    if isinstance(type_, ScalarType):
        sample: Any = type_.dtype.type(1)
    elif isinstance(type_, EnumType):
        sample = type_.members[0]
    elif type_ in _SAMPLES:
        sample = _SAMPLES[type_]
    elif piece.spec:
        b.fail("PDC021", node, f"a {type_} with a format specification")
    else:
        return
    try:
        formatted(piece, sample)
    except (ValueError, TypeError) as error:
        b.fail("PDC021", node, f"the format `{piece.spec}` of a {type_}: {error}")


def _same(text: str) -> str:
    return text


def joined(b: Builder, node: ast.JoinedStr) -> ir.Expr:
    """An f-string."""
    values: list[ir.Expr] = []
    text = _argument(b, node, values)
    if not values:
        return ir.Const(b.loc(node), STR, "".join(map(str, text.pieces)))
    return _text(b, node, _same, (text,), values)


def _text(b: Builder, node: ast.AST, function: Callable[..., str], arguments: tuple[Any, ...],
          values: list[ir.Expr]) -> ir.Expr:  # fmt: skip
    target = b.hole(b.loc(node), TEXT)
    types = TupleType(tuple(value.type for value in values))
    _host(b, node, Site(function, arguments, (), types, makes_text=True), values, target)
    return target


def made(b: Builder, node: ast.AST, function: Callable[..., str], *args: ir.Expr) -> ir.Expr:
    """The string that ``function`` makes of some values, by the host."""
    values: list[ir.Expr] = []
    arguments = tuple(
        arg.value if isinstance(arg, ir.Const) else Value(_carry_value(b, node, arg, values))  # type: ignore[arg-type]
        for arg in args
    )
    return _text(b, node, function, arguments, values)


_METHODS = frozenset(
    "upper lower strip lstrip rstrip title capitalize casefold swapcase replace zfill ljust rjust "
    "center removeprefix removesuffix".split()
)
"""Methods of ``str`` that give a new string and cannot fail for arguments of the right types."""


def text_method(b: Builder, node: ast.Call, func: ast.Attribute, base: ir.Expr) -> ir.Expr:
    """``name.upper()`` and the like."""
    if func.attr not in _METHODS or node.keywords:
        raise OperandError(f"str has no method {func.attr!r} that lowers")
    args = b.sequence(node.args)
    samples = [_SAMPLES.get(arg.type, object()) for arg in args]
    method = getattr(str, func.attr)
    try:
        method("a", *samples)
    except TypeError as error:
        raise OperandError(str(error)) from None
    return made(b, node, method, base, *args)


def concatenate(b: Builder, node: ast.AST, left: ir.Expr, right: ir.Expr) -> ir.Expr:
    """``a + b`` of strings."""
    if isinstance(left, ir.Const) and isinstance(right, ir.Const):
        return ir.Const(left.loc, STR, left.value + right.value)
    return made(b, node, operator.add, left, right)


def make_str(b: Builder, node: ast.Call) -> ir.Expr:
    """``str(x)``."""
    if len(node.args) != 1 or node.keywords:
        raise OperandError("`str` takes one value here")
    value = b.expression(node.args[0])
    if value.type in (STR, TEXT):
        return value
    if value.type == ERROR:
        return error_text(value)
    return made(b, node, str, value)


def make_format(b: Builder, node: ast.Call) -> ir.Expr:
    """``format(x, spec)``."""
    spec = node.args[1] if len(node.args) == 2 else ast.Constant("")
    if not node.args or not isinstance(spec, ast.Constant) or node.keywords:
        raise OperandError("`format` takes a value and a constant specification here")
    value = b.expression(node.args[0])
    text = str(spec.value)
    _check_format(b, node, Piece(0, -1, text), value.type)
    return made(b, node, format, value, ir.Const(b.loc(node), STR, text))
