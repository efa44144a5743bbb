"""Messages in the builder: making one, and changing a field of one that nobody else sees.

A message is a value here.  ``r.x = 1`` therefore makes a new value for ``r``, which is the same
as Python's change in place only while no other name or container holds that object: it lowers
where ``r`` is used for nothing but its fields and ``send``.
"""

from __future__ import annotations

import ast
import inspect
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, is_dataclass
from functools import lru_cache
from typing import Any, NoReturn

from pydotcompute.compiler.frontend.names import bound_names
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.host_calls import contains_text
from pydotcompute.compiler.irbuild.containers.containers import make_list
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.quasiquote import placed
from pydotcompute.compiler.irbuild.core.scope import Var
from pydotcompute.compiler.irbuild.core.unit import Conversion, Read, Static, Unit, describe_static
from pydotcompute.compiler.ops.numpy_operators import to_python
from pydotcompute.compiler.ops.texts import TEXT_ID
from pydotcompute.compiler.types.message_schema import (
    HEADER_NAMES,
    MESSAGE_MARK,
    header_parts,
    is_message,
)
from pydotcompute.compiler.types.state_layout import is_exact
from pydotcompute.compiler.types.types import (
    BOOL,
    CONTAINERS,
    FLOAT,
    INT,
    NEVER,
    NONE,
    STR,
    TEXT,
    UUID,
    ListType,
    MessageType,
    ScalarType,
    Type,
    UnionType,
    in_body,
    lowers,
    members_of,
)


def assign_field(b: Builder, target: ast.Attribute, value: ir.Expr) -> None:
    """``name.field = value``: the object changes, so ``name`` must be its only name."""
    owner = target.value
    if not isinstance(owner, ast.Name) or owner.id == b.ctx:
        b.fail("PDC020", target, f"the assignment to `{ast.unparse(target)}` cannot be compiled",
               notes=["compiled code changes fields of a message that is a variable's own"],
               hint="make a new message, and bind that to the variable")  # fmt: skip
    base, var = b.expression(owner), (b.env or {}).get(owner.id)
    if not isinstance(base.type, MessageType) or not isinstance(var, Var):
        raise OperandError(f"a field of a {base.type} is assigned")
    if not isinstance(base, (ir.Local, ir.As)):
        raise OperandError(f"{owner.id!r} may have no value here")
    if base.type.cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        b.fail("PDC020", target, f"{base.type} is frozen",
               hint=f"make a new one, with `dataclasses.replace({owner.id}, ...)`")  # fmt: skip
    schema = b.schema(base.type.cls, target)
    field = next((field for field in schema.fields if field.name == target.attr), None)
    if field is None and target.attr in header_parts(base.type.cls):
        how = f"{target.attr}={_HEADER_HINTS[target.attr]}"
        b.fail("PDC109", target, f"the header's `{target.attr}` is set in the loop",
               notes=["compiled code gives a message its header when it makes it"],
               hint=f"write `{base.type}(..., {how})`")  # fmt: skip
    if field is None:
        b.fail("PDC104", target, f"{base.type} has no field {target.attr!r}")
    if not var.unique:
        b.fail("PDC020", target, f"the assignment to `{ast.unparse(target)}` cannot be compiled",
               notes=[f"the message may have another name than {owner.id!r}, or be part of "
                      "something, which would change, too"],
               hint=f"make a new one: `{owner.id} = dataclasses.replace({owner.id}, "
                    f"{target.attr}=...)`")  # fmt: skip
    note_change(b, owner.id, var, target)
    only_sent = is_only_sent(b, owner.id) and owner.id not in {*b.unit.state, *b.lent}
    outer, b.sending = b.sending, "later" if only_sent else ""
    note_conversion(b, base.type.cls, field.name, value, field.type, in_hand=var.in_hand)
    value = _field_value(b, target, value, field.type)
    b.sending = outer
    b.block.append(ir.SetField(b.loc(target), base, field.name, value))
    b.keep_shadows(owner.id)


def note_change(b: Builder, name: str, var: Var, node: ast.AST) -> None:
    """The message that ``name`` is bound to changes; a caller's, if it is a parameter."""
    if name not in b.lent:
        return
    if var.local != b.lent[name] or name in bound_names(b.source.node.body):
        b.fail("PDC020", node, f"the parameter {name!r} is changed, and bound again",
               hint="give the new value a name of its own")  # fmt: skip
    b.changed.add(name)


def is_only_sent(b: Builder, name: str) -> bool:
    """Whether a name is only ever bound, sent, or gets other fields: nobody reads it."""
    return name not in _read_names(b.source.node)


@lru_cache(maxsize=16)
def _read_names(function: ast.AST) -> frozenset[str]:
    """The names that a function reads, but to send what they hold or to give it fields."""
    allowed: set[int] = set()
    read: set[int] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            allowed.add(id(node.value))
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Attribute):
            read.add(id(node.target.value))
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            and node.func.attr == "send" and isinstance(node.func.value, ast.Name)
        ):  # fmt: skip
            allowed.update(map(id, node.args))
    return frozenset(
        node.id for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        and id(node) not in allowed - read
    )  # fmt: skip


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
        value = b.split(value, lambda part: _as_ids(b, part))
    b.ending, outer = None, b.ending
    try:
        return b.convert(_plain_numbers(b, value, type_), type_)
    finally:
        b.ending = outer


def _plain_numbers(b: Builder, value: ir.Expr, type_: Type) -> ir.Expr:
    """Numbers of numpy's as the Python numbers that a field makes of them."""
    source, wanted = value.type, members_of(in_body(type_))
    if isinstance(source, UnionType):
        if any(isinstance(member, ScalarType) for member in source.members):
            return b.split(value, lambda part: _plain_numbers(b, part, type_))
    elif isinstance(source, ListType) and isinstance(source.item, ScalarType):
        items = next((each.item for each in wanted if isinstance(each, ListType)), None)
        if items in (INT, FLOAT) and _has_plain_form(source.item, items):
            target = ListType(items, source.capacity)
            return b.each_item(
                value, target, lambda item: b.convert(_plain_numbers(b, item, items), items)
            )
    elif isinstance(source, ScalarType) and any(_has_plain_form(source, t) for t in wanted):
        signature = to_python(source)
        assert signature is not None
        return ir.Op(value.loc, signature.result, signature.primitive, (value,))
    return value


def _has_plain_form(source: ScalarType, wanted: Type) -> bool:
    """Whether a field of a Python number takes numbers of a type of numpy's."""
    kinds = "iuf" if wanted == FLOAT else "iu" if wanted == INT else ""
    return source.dtype.kind in kinds


def _as_ids(b: Builder, value: ir.Expr) -> ir.Expr:
    """Strings that the host makes as the ids that it will put in their place."""
    if value.type == TEXT:
        return ir.Op(value.loc, STR, TEXT_ID, (value,))
    if isinstance(value.type, ListType) and contains_text(value.type):
        target = ListType(STR, value.type.capacity)

        def one(item: ir.Expr) -> ir.Expr:
            return b.split(item, lambda part: b.convert(_as_ids(b, part), STR))

        return b.each_item(value, target, one)
    return value


def note_conversion(b: Builder, cls: type, name: str, value: ir.Expr, wanted: Type, *,
                    in_hand: bool = False) -> None:  # fmt: skip
    """Python keeps ``Response(x=1).x`` an int until it is sent: reading it back would differ."""
    given, wanted = value.type, in_body(wanted)
    if contains_text(given) or b.sending:
        return
    if isinstance(given, ListType) and isinstance(wanted, ListType):
        given = ListType(given.item if given.item != NEVER else wanted.item, wanted.capacity)
    if not set(members_of(given)) <= set(members_of(wanted)):
        exact = isinstance(value, ir.Const) and is_exact(value.value, wanted)
        found, key = Conversion(in_hand, exact), (cls, name)
        b.unit.converted[key] = found | b.unit.converted.get(key, found)


def note_read(b: Builder, base: ir.Expr, type_: MessageType, name: str, node: ast.AST) -> None:
    """A field of a message is read back."""
    read = Read(type_.cls, name, is_in_hand(b, base), b.source, node)
    is_whole = not (isinstance(node, ast.Attribute) and node.attr == name)
    b.unit.read[(id(node), name) if is_whole else id(node)] = read


def read_as_floats(b: Builder, nodes: Sequence[ast.expr], values: Sequence[ir.Expr], *,
                   comparison: bool = False) -> None:  # fmt: skip
    """Operands of an operation whose result is the same for an int and the float it is equal to:
    any comparison, and arithmetic with another operand that is a float for certain."""
    fields = [node for node in nodes
              if (read := b.unit.read.get(id(node))) is not None and not read.in_hand]  # fmt: skip
    certain = any(value.type == FLOAT and node not in fields
                  for node, value in zip(nodes, values, strict=True))  # fmt: skip
    if comparison or certain:
        for node in fields:
            b.unit.compared[id(node)] = b.unit.read.pop(id(node))


def read_back(unit: Unit) -> Iterator[Read]:
    """The reads that would show a value of another type than the field's."""
    for reads, exact in ((unit.read, False), (unit.compared, True)):
        for read in reads.values():
            found = unit.converted.get((read.cls, read.name))
            if found and (found.in_hand or not read.in_hand) and not (exact and found.exact):
                yield read


def is_in_hand(b: Builder, value: ir.Expr) -> bool:
    """Whether a value is the message that this turn received."""
    while isinstance(value, ir.As):
        value = value.base
    if not isinstance(value, ir.Local):
        return False
    return value.name in b.received or any(
        isinstance(var, Var) and var.in_hand and var.local == value
        for var in (b.env or {}).values()
    )


def header_part(b: Builder, node: ast.Attribute) -> ir.Expr:
    """``request.priority`` of the message that this turn received."""
    loc, part = b.loc(node), node.attr
    if part not in b.unit.header_reads:
        b.unit.header_reads.append(part)
    if part == "priority":
        return ir.InHand(loc, INT, part)
    value = ir.InHand(loc, UUID, part)
    if part == "message_id":
        return value
    either = UnionType((UUID, NONE))
    return ir.Cond(loc, either, ir.InHand(loc, BOOL, "correlated"), b.convert(value, either),
                   b.convert(ir.Const(loc, NONE, None), either))  # fmt: skip


def construct(b: Builder, node: ast.Call, cls: type) -> ir.Expr:
    """``Response(result=x)``: a new message, its fields converted as ``send`` converts them."""
    if issubclass(cls, BaseException):
        b.fail("PDC103", node, f"{cls.__name__} is made outside `raise`",
               hint="write `raise` and the exception in one statement")  # fmt: skip
    if not getattr(cls, "__pydotcompute_message__", False):
        _no_message(b, node, cls)
    schema = b.schema(cls, node)
    for field in schema.fields:
        if not lowers(field.type):
            b.fail("PDC109", node, carried_only(MessageType(cls), field, "made"))
    _check_init(b, node, cls, schema)
    given = _bind_fields(b, node, cls, schema)
    values = dict(zip(given, b.sequence([given[name] for name in given]), strict=True))
    if list(given) != [field.name for field in schema.fields if field.name in given]:
        values = {name: b.forced(value) for name, value in values.items()}
    args = []
    for field in schema.fields:
        value = values.get(field.name)
        if value is None:
            value = _default(b, node, cls, field)
        elif isinstance(value.type, CONTAINERS):
            _check_alone(b, given[field.name])
        note_conversion(b, cls, field.name, value, field.type)
        try:
            args.append(_field_value(b, where_of(given, field.name, node), value, field.type))
        except OperandError:
            where = given.get(field.name, node)
            plain = isinstance(value.type, ScalarType) and field.type in (BOOL, INT, FLOAT)
            hint = f"write `{field.type}(...)` around it" if plain else None
            b.fail("PDC102", where, f"field {field.name!r} of {cls.__name__} takes {field.type}, "
                   f"and this is {value.type}", hint=hint)  # fmt: skip
    return ir.New(b.loc(node), MessageType(cls), tuple(args), _header(b, node, cls))


def _no_message(b: Builder, node: ast.Call, cls: type) -> NoReturn:
    """What to write instead of making an object of some other class."""
    if issubclass(cls, (deque, set, frozenset, list, dict)):
        b.fail("PDC103", node, f"a `{cls.__name__}` that is made in the loop cannot be compiled",
               notes=["containers inside containers have no compiled form"],
               hint="make it before the loop; a dict may hold numbers, strings, tuples of them, or "
               "messages, for each key")  # fmt: skip
    hint = "use an @message class, or numbers"
    if is_dataclass(cls):
        hint = (f"put `@message` above the `@dataclass` of {cls.__name__}; "
                "`dataclasses.replace(old, field=value)` makes a changed one")  # fmt: skip
    b.fail("PDC103", node, f"objects of {describe_static(cls)} cannot be compiled", hint=hint)


def carried_only(type_: Type, field: Any, verb: str) -> str:
    """Why a field whose type has no compiled form is not read, and its message not made."""
    return (f"field {field.name!r} of {type_} is a {field.type}, which compiled code passes on "
            f"and does not {'read' if verb == 'read' else 'make'}")


def replaced(b: Builder, node: ast.Call) -> ir.Expr:
    """``dataclasses.replace(order, price=3)``: a new message, with the other fields as they are."""
    if len(node.args) != 1 or any(keyword.arg is None for keyword in node.keywords):
        b.fail("PDC110", node, "`dataclasses.replace` takes a message, and fields by name")
    name = b.fresh_name("before")
    b.bind(name, b.expression(node.args[0]))
    before = b.expression(placed(ast.Name(name, ast.Load()), node))
    if not isinstance(before.type, MessageType):
        raise OperandError(f"`dataclasses.replace` of a {before.type}")
    given = {str(keyword.arg) for keyword in node.keywords}
    kept = [
        ast.keyword(f.name, ast.Attribute(ast.Name(name, ast.Load()), f.name, ast.Load()))
        for f in b.schema(before.type.cls, node).fields if f.name not in given
    ]  # fmt: skip
    made = placed(ast.Call(node.func, [], [*node.keywords, *kept]), node)
    return construct(b, made, before.type.cls)


def _check_alone(b: Builder, node: ast.expr) -> None:
    """A message holds the very list that it is given: that must not change while it is kept."""
    names = [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
    kept = [name for name in names if name in b.changing]
    is_choice = isinstance(node, (ast.Name, ast.IfExp, ast.BoolOp))
    if b.sending != "now" and is_choice and kept:
        b.fail("PDC106", node, f"a message keeps the list {kept[0]!r}, "
               "which changes",
               notes=["in Python, the message would see the changes"],
               hint=f"give the message a copy: `list({kept[0]})`")  # fmt: skip


_HEADER_HINTS = {"message_id": "request.message_id", "priority": "200",
                 "correlation_id": "request.message_id"}  # fmt: skip


def _header(b: Builder, node: ast.Call, cls: type) -> int:
    """The number of the header that a call gives its message; 0 for none."""
    copied: list[tuple[str, str]] = []
    constants: list[tuple[str, Any]] = []
    for keyword in node.keywords:
        if keyword.arg not in header_parts(cls):
            continue
        value = keyword.value
        if isinstance(value, ast.Attribute) and value.attr in _header_in_hand(b, value.value):
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


def _header_in_hand(b: Builder, node: ast.expr) -> tuple[str, ...]:
    """The parts of its header that can be read of what ``node`` names, if that is the message that
    this turn received."""
    var = (b.env or {}).get(node.id) if isinstance(node, ast.Name) else None
    if not isinstance(var, Var) or not var.in_hand:
        return ()
    classes = [each.cls for each in members_of(var.view) if isinstance(each, MessageType)]
    return tuple(name for name in HEADER_NAMES
                 if all(name in header_parts(cls) for cls in classes))  # fmt: skip


def _check_init(b: Builder, node: ast.Call, cls: Any, schema: Any) -> None:
    """Making a message sets its fields, and then there may be a ``__post_init__``."""
    extra = cls.__dataclass_fields__.keys() - {field.name for field in schema.fields}
    for name in sorted(extra):
        if cls.__dataclass_fields__[name]._field_type.name == "_FIELD_INITVAR":
            b.fail("PDC109", node, f"{cls.__name__} takes {name!r} only for its `__post_init__`",
                   hint="compute the fields before the message is made")  # fmt: skip
    if not getattr(inspect.getattr_static(cls, "__init__"), MESSAGE_MARK, False):
        unset = [field.name for field in schema.fields if not field.init]
        if unset:
            b.fail("PDC109", node, f"{cls.__name__} makes its field {unset[0]!r} itself "
                   "(`field(init=False)`), which cannot be compiled",
                   hint="give it a default, and set it where the message is made")  # fmt: skip
        b.fail("PDC109", node,
               f"{cls.__name__} has an `__init__` of its own, which cannot be compiled",
               hint="let `@dataclass` make it, and compute the fields before")  # fmt: skip


def _bind_fields(b: Builder, node: ast.Call, cls: type,
                 schema: Any) -> dict[str, ast.expr]:  # fmt: skip
    """Arguments by field in evaluation order."""
    names = [field.name for field in schema.fields if field.init]
    given: dict[str, ast.expr] = {}
    keyword_only = {
        f.name for f in getattr(cls, "__dataclass_fields__", {}).values() if f.kw_only
    }
    positional = [name for name in names if name not in keyword_only]
    if len(node.args) > len(positional):
        b.fail("PDC110", node, f"{cls.__name__} takes {len(positional)} positional arguments")
    given.update(zip(positional, node.args, strict=False))
    for keyword in node.keywords:
        if keyword.arg in header_parts(cls):
            continue
        if keyword.arg not in names or keyword.arg in given:
            b.fail("PDC110", keyword.value, f"{cls.__name__} takes no further {keyword.arg!r}")
        given[str(keyword.arg)] = keyword.value
    for field in schema.fields:
        if field.name not in given and field.default is MISSING and field.factory is None:
            if not field.init:
                b.fail("PDC109", node, f"{cls.__name__}.{field.name} has no value before "
                       "`__post_init__`", hint="give the field a default")  # fmt: skip
            b.fail("PDC110", node, f"{cls.__name__} needs a value for {field.name!r}")
    return given


def _default(b: Builder, node: ast.Call, cls: type, field: Any) -> ir.Expr:
    """The value of a field that is not given."""
    if field.factory is None:
        value = b.constant(field.default, b.loc(node))
        if isinstance(value, Static):
            b.fail("PDC109", node, f"the default of {cls.__name__}.{field.name} cannot be compiled")
        return value
    if field.factory is list:
        return make_list(b, node, [])
    call = placed(ast.Call(ast.Name("default_factory", ast.Load()), [], []), node)
    if is_message(field.factory):
        return construct(b, call, field.factory)
    if type(field.factory) is type and field.factory in (int, float, bool, str):
        made = b.constant(field.factory(), b.loc(node))
        assert isinstance(made, ir.Expr)
        return made
    b.fail("PDC109", node,
           f"the `default_factory` of {cls.__name__}.{field.name} cannot be compiled",
           hint="give the field its value where the message is made")  # fmt: skip
