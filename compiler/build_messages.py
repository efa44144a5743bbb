"""Messages in the builder: making one, and changing a field of one that nobody else sees.

A message is a value here.  ``r.x = 1`` therefore makes a new value for ``r``, which is the same
as Python's change in place only while no other name or container holds that object: it lowers
where ``r`` is used for nothing but its fields and ``send``.
"""

from __future__ import annotations

import ast
from dataclasses import MISSING
from typing import Any

from pydotcompute.compiler import ir
from pydotcompute.compiler.build import Builder, Static, describe_static
from pydotcompute.compiler.convert import OperandError
from pydotcompute.compiler.operators import Primitive
from pydotcompute.compiler.prints import contains_text
from pydotcompute.compiler.scope import Var
from pydotcompute.compiler.types import STR, TEXT, MessageType, Type, UnionType, in_body


def assign_field(b: Builder, target: ast.Attribute, value: ir.Expr) -> None:
    """``name.field = value``."""
    owner = target.value
    if not isinstance(owner, ast.Name) or owner.id == b.ctx:
        b.fail("PDC020", target, f"assignment to the attribute `{ast.unparse(target)}`",
               hint="only a field of a message in a local variable is assigned")  # fmt: skip
    base = b.expression(owner)
    if not isinstance(base.type, MessageType):
        raise OperandError(f"a field of a {base.type} is assigned")
    if base.type.cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        b.fail("PDC020", target, f"{base.type} is frozen")
    if not is_private(b, owner.id):
        b.fail("PDC020", target, f"assignment to the attribute `{ast.unparse(target)}`",
               notes=[f"{owner.id!r} is more than one name's, or is kept somewhere"],
               hint="make a new message with the changed field")  # fmt: skip
    schema = b.schema(base.type.cls, target)
    if target.attr not in [field.name for field in schema.fields]:
        b.fail("PDC104", target, f"{base.type} has no field {target.attr!r}")
    args: list[ir.Expr] = []
    for field in schema.fields:
        if field.name == target.attr:
            _note_conversion(b, base.type.cls, field.name, value.type, field.type)
            args.append(b.convert(value, field.type))
        else:
            args.append(ir.Field(b.loc(target), in_body(field.type), base, field.name))
    b.bind(owner.id, ir.New(b.loc(target), base.type, tuple(args)))


def is_private(b: Builder, name: str) -> bool:
    """Whether a name is only ever used for its fields, bound, or sent."""
    allowed: set[int] = set()
    for node in ast.walk(b.source.node):
        if isinstance(node, ast.Attribute):
            allowed.add(id(node.value))
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            and node.func.attr == "send" and isinstance(node.func.value, ast.Name)
        ):  # fmt: skip
            allowed.update(map(id, node.args))
    return all(
        id(node) in allowed or not isinstance(node.ctx, ast.Load)
        for node in ast.walk(b.source.node)
        if isinstance(node, ast.Name) and node.id == name
    )


def where_of(given: dict[str, ast.expr], name: str, node: ast.AST) -> ast.AST:
    """The argument of a field, or the call where the field has its default."""
    return given.get(name, node)


def _field_value(b: Builder, node: ast.AST, value: ir.Expr, type_: Type) -> ir.Expr:
    """A value as its field holds it; a string that the host makes goes out at once."""
    if contains_text(value.type):
        if not b.sending:
            b.fail("PDC101", node, "a string that is made in the loop is kept in a message",
                   notes=["compiled code can print it, or send it at once"],
                   hint="make the message inside the call of `send`")  # fmt: skip
        value = b.split(value, lambda part: _as_id(part) if part.type == TEXT else part)
    return b.convert(value, type_)


def _as_id(value: ir.Expr) -> ir.Expr:
    return ir.Op(value.loc, STR, Primitive("text_id", "{0}", str), (value,))


def _note_conversion(b: Builder, cls: type, name: str, given: Type, wanted: Type) -> None:
    """Python keeps ``Response(x=1).x`` an int until it is sent: reading it back would differ."""
    target = in_body(wanted)
    if contains_text(given):
        return
    if given != target and not isinstance(target, UnionType):
        b.unit.converted.setdefault((cls, name))


def construct(b: Builder, node: ast.Call, cls: type) -> ir.Expr:
    """``Response(result=x)``: a new message, its fields converted as ``send`` converts them."""
    if issubclass(cls, BaseException):
        b.fail("PDC103", node, f"{cls.__name__} is made outside `raise`",
               hint="write `raise` and the exception in one statement")  # fmt: skip
    if not getattr(cls, "__pydotcompute_message__", False):
        b.fail("PDC103", node, f"objects of {describe_static(cls)} do not lower",
               hint="use an @message class, or numbers")  # fmt: skip
    schema = b.schema(cls, node)
    _plain_init(b, node, cls)
    given, missing = _bind_fields(b, node, cls, schema)
    values = dict(zip(given, b.sequence([given[name] for name in given]), strict=True))
    args = []
    for field in schema.fields:
        value = values.get(field.name)
        if value is None:
            default = b.constant(missing[field.name], b.loc(node))
            if isinstance(default, Static):
                b.fail("PDC109", node, f"the default of {cls.__name__}.{field.name} does not lower")
            value = default
        _note_conversion(b, cls, field.name, value.type, field.type)
        try:
            args.append(_field_value(b, where_of(given, field.name, node), value, field.type))
        except OperandError:
            where = given.get(field.name, node)
            b.fail("PDC102", where, f"field {field.name!r} of {cls.__name__} takes {field.type}, "
                   f"and this is {value.type}")  # fmt: skip
    return ir.New(b.loc(node), MessageType(cls), tuple(args), _header(b, node))


HEADER = ("message_id", "priority", "correlation_id")
"""The parts of a message's header."""


def _header(b: Builder, node: ast.Call) -> int:
    """The number of the header that a call gives its message; 0 for none."""
    copied: list[tuple[str, str]] = []
    constants: list[tuple[str, Any]] = []
    for keyword in node.keywords:
        if keyword.arg not in HEADER:
            continue
        value = keyword.value
        if (
            isinstance(value, ast.Attribute) and value.attr in HEADER
            and _is_in_hand(b, value.value)
        ):  # fmt: skip
            copied.append((str(keyword.arg), value.attr))
        elif isinstance(value, ast.Constant) and _is_valid(str(keyword.arg), value.value):
            constants.append((str(keyword.arg), value.value))
        else:
            b.fail("PDC109", value, f"the header field `{keyword.arg}` is computed",
                   hint="copy it from the header of the message in hand")  # fmt: skip
    if not copied and not constants:
        return 0
    site = ir.HeaderSite(tuple(copied), tuple(constants))
    if site not in b.unit.headers:
        b.unit.headers.append(site)
    return b.unit.headers.index(site) + 1


def _is_valid(name: str, value: Any) -> bool:
    """Whether a constant is one that the header takes."""
    if name == "priority":
        return type(value) is int and 0 <= value <= 255
    return name == "correlation_id" and value is None


def _is_in_hand(b: Builder, node: ast.expr) -> bool:
    """Whether ``node`` is a name of the message that this turn received."""
    var = (b.env or {}).get(node.id) if isinstance(node, ast.Name) else None
    return isinstance(var, Var) and var.local.name in b.received


def _plain_init(b: Builder, node: ast.Call, cls: type) -> None:
    if hasattr(cls, "__post_init__"):
        b.fail("PDC109", node, f"{cls.__name__} has a `__post_init__`, which does not lower",
               hint="compute the fields before the message is made")  # fmt: skip


def _bind_fields(b: Builder, node: ast.Call, cls: type,
                 schema: Any) -> tuple[dict[str, ast.expr], dict[str, Any]]:  # fmt: skip
    """Arguments by field in evaluation order, and the defaults of the other fields."""
    names = [field.name for field in schema.fields]
    given: dict[str, ast.expr] = {}
    keyword_only = {
        f.name for f in getattr(cls, "__dataclass_fields__", {}).values() if f.kw_only
    }
    positional = [name for name in names if name not in keyword_only]
    if len(node.args) > len(positional):
        b.fail("PDC110", node, f"{cls.__name__} takes {len(positional)} positional arguments")
    given.update(zip(positional, node.args, strict=False))
    for keyword in node.keywords:
        if keyword.arg in HEADER:
            continue
        if keyword.arg not in names or keyword.arg in given:
            b.fail("PDC110", keyword.value, f"{cls.__name__} takes no further {keyword.arg!r}")
        given[str(keyword.arg)] = keyword.value
    missing = {f.name: f.default for f in schema.fields if f.name not in given}
    for name, default in missing.items():
        if default is MISSING:
            b.fail("PDC110", node, f"{cls.__name__} needs a value for {name!r}")
    return given, missing
