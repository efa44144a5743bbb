"""Calls that the host makes for an actor: ``print``, loggers, and whatever gives a new string.

The values go into the actor's log (``prints``); of a string, the actor keeps a stand-in of type
``TEXT``, which can be printed, be part of another string, or be sent in a field, and no more.
"""

from __future__ import annotations

import ast
import inspect
import logging
import sys
import types as pytypes
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from pydotcompute.compiler.diagnostics.diagnostic import DiagnosticError
from pydotcompute.compiler.frontend.effect_order import LOGGING_METHODS
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.effects import may_fail
from pydotcompute.compiler.ir.host_calls import Display, Live, Piece, Site, Text, Value, formatted
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import NoneOperandError, OperandError, raising
from pydotcompute.compiler.irbuild.core.unit import Static
from pydotcompute.compiler.irbuild.objects.functions import specialise
from pydotcompute.compiler.irbuild.objects.messages import note_read
from pydotcompute.compiler.irbuild.values.operators import items_of
from pydotcompute.compiler.ops.texts import ERROR_TEXT, length
from pydotcompute.compiler.types.types import (
    BOOL,
    CONTAINERS,
    ERROR,
    FLOAT,
    INT,
    NEVER,
    NONE,
    STR,
    TEXT,
    WIDE,
    EnumType,
    MessageType,
    ScalarType,
    SetType,
    SnapshotType,
    TupleType,
    Type,
    UnionType,
)


def is_logging(function: Any) -> bool:
    """Whether a function makes log records: a method of a logger, or its twin in ``logging``."""
    name = getattr(function, "__name__", "")
    owner = getattr(function, "__self__", None)
    if name not in LOGGING_METHODS:
        return False
    loggers = (logging.Logger, logging.LoggerAdapter)
    return isinstance(owner, loggers) or function is getattr(logging, name, None)


class Call:
    """Collects what a call on the host needs: constants, and the values that are carried there.

    A number or a string is carried as it is when Python evaluates it; a container or a message is
    an object, which the call sees as it is when the call is made.
    """

    def __init__(self, b: Builder, node: ast.AST) -> None:
        self.b = b
        self.node = node
        self.values: list[ir.Expr] = []
        self._places: dict[int, ir.Expr] = {}

    def evaluate(self, node: ast.expr) -> ir.Expr | Static:
        """The value of a part; what it does cannot change the values before it."""
        b = self.b
        mark = len(b.block)
        found = b.evaluate(node)
        later = b.block[mark:]
        if later and self.values:
            del b.block[mark:]
            self.values = [
                value if index in self._places or isinstance(value, ir.Const)
                else b.temporary(value) for index, value in enumerate(self.values)
            ]  # fmt: skip
            b.block += later
        return found

    def part(self, node: ast.expr) -> Any:
        """How the host makes an argument again."""
        b = self.b
        if isinstance(node, ast.JoinedStr):
            return self.text(node)
        if isinstance(node, ast.Dict):
            return self._display(node)
        if isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr"):
            owner = b.source.lookup(node.value.id) if isinstance(node.value, ast.Name) else None
            if owner is sys:
                return Live(sys, node.attr)
        found = self.evaluate(node)
        if isinstance(found, Static):
            return found.value
        if isinstance(found, ir.Const) and not isinstance(found.type, UnionType):
            return found.value
        return Value(self.capture(node, found, now=False))

    def _display(self, node: ast.Dict) -> Display:
        keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
        if not all(isinstance(key, str) for key in keys):
            self.b.fail("PDC103", node, "a dict for the host needs constant strings as keys",
                        hint="write the keys out")  # fmt: skip
        parts = [self.part(value) for value in node.values]
        return Display(tuple(zip(map(str, keys), parts, strict=True)))

    def text(self, node: ast.JoinedStr) -> Text:
        """The pieces of an f-string, as they are when it is evaluated."""
        pieces: list[str | Piece] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                value = self.evaluate(part.value)
                if isinstance(value, Static):
                    value = self.b.expression(part.value)
                index = self.capture(part.value, value, now=True)
                spec = self._spec(part.format_spec)
                piece = Piece(index, part.conversion, spec)
                self.values[index] = fitting(self.b, part, piece, self.values[index])
                pieces.append(piece)
            else:
                assert isinstance(part, ast.Constant)
                pieces.append(str(part.value))
        return Text(tuple(pieces))

    def _spec(self, node: ast.expr | None) -> str | Text:
        """A format specification, with the ints that are part of it."""
        if node is None:
            return ""
        assert isinstance(node, ast.JoinedStr)
        if all(isinstance(part, ast.Constant) for part in node.values):
            return "".join(str(part.value) for part in node.values
                           if isinstance(part, ast.Constant))  # fmt: skip
        pieces: list[str | Piece] = []
        for part in node.values:
            if isinstance(part, ast.Constant):
                pieces.append(str(part.value))
                continue
            assert isinstance(part, ast.FormattedValue)
            value = self.evaluate(part.value)
            if not isinstance(value, ir.Expr) or value.type != INT or part.format_spec is not None:
                self.b.fail("PDC021", part, "a part of a format specification that is no int",
                            hint="write the specification out")  # fmt: skip
            self.values.append(short(self.b, value, 99))
            pieces.append(Piece(len(self.values) - 1, -1, ""))
        return Text(tuple(pieces))

    def capture(self, node: ast.expr, value: ir.Expr, *, now: bool) -> int:
        """Adds a value; ``now``: a container's items are those that it has here."""
        value = self._shown(node, value)
        if isinstance(value.type, CONTAINERS):
            if now:
                value = _snapshot(self.b, node, value)
            else:
                self._places[len(self.values)] = value
        elif isinstance(value.type, MessageType):
            if now:
                value = self.b.temporary(value)
            else:
                self._places[len(self.values)] = value
        self.values.append(value)
        return len(self.values) - 1

    def _shown(self, node: ast.expr, value: ir.Expr) -> ir.Expr:
        """A value in a form that can be carried."""
        b = self.b
        if value.type == ERROR:
            return error_text(value)
        if value.type == NEVER:
            return b.convert(value, NONE)
        for type_ in value.type.members if isinstance(value.type, UnionType) else (value.type,):
            if isinstance(type_, MessageType):
                _check_shown(b, node, value, type_)
        if isinstance(value.type, TupleType) and any(_is_place(t) for t in value.type.items):
            parts: list[ir.Expr] = []
            for item in items_of(b, value):
                item = self._shown(node, item)
                parts.append(_snapshot(b, node, item) if _is_place(item.type) else item)
            return ir.Tuple(value.loc, TupleType(tuple(p.type for p in parts)), tuple(parts))
        return value

    def finish(
        self,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        keywords: Sequence[tuple[str, Any]] = (),
        target: ir.Local | None = None,
    ) -> None:
        """Writes the call into the block."""
        b = self.b
        if self._places and any(isinstance(n, ast.NamedExpr) for n in ast.walk(self.node)):
            raise OperandError("`:=` in a call that shows a container or message")
        for index, place in self._places.items():
            if isinstance(place.type, CONTAINERS):
                self.values[index] = _snapshot(b, self.node, place)
        types = TupleType(tuple(value.type for value in self.values))
        made_at = None
        if is_logging(function):
            made_at = (b.source.filename, b.loc(self.node).line, b.source.node.name)
        site = Site(function, tuple(arguments), tuple(keywords), types, target is not None, made_at)
        if site not in b.unit.prints:
            b.unit.prints.append(site)
        b.effects = True
        loc = b.loc(self.node)
        carried_values = ir.Tuple(loc, types, tuple(self.values))
        b.block.append(ir.Print(loc, b.unit.prints.index(site), carried_values, target))

    def made(self, function: Callable[..., str], *arguments: Any) -> ir.Expr:
        """The string that the call gives."""
        target = self.b.fresh_local(self.b.loc(self.node), TEXT)
        self.finish(function, arguments, (), target)
        return target


def _is_place(type_: Type) -> bool:
    return isinstance(type_, CONTAINERS)


def _snapshot(b: Builder, node: ast.AST, place: ir.Expr) -> ir.Expr:
    if isinstance(place.type, SetType):
        raise OperandError("the order of a set is known only to the interpreter")
    target = b.fresh_local(b.loc(node), SnapshotType(place.type))
    b.block.append(ir.Carry(b.loc(node), target, place))
    return target


def _check_shown(b: Builder, node: ast.expr, value: ir.Expr, type_: MessageType) -> None:
    """A message is shown by the host: by `@dataclass`, or by a method that cannot fail."""
    for name in ("__format__", "__str__", "__repr__"):
        found = inspect.getattr_static(type_.cls, name)
        if isinstance(found, pytypes.FunctionType) and not _is_generated(found):
            call = ast.copy_location(ast.Call(ast.Name(name, ast.Load()), [node], []), node)
            extra = () if name != "__format__" else (STR,)
            lowered = specialise(b, call, found, (type_, *extra), {}).function
            if any(isinstance(n, ir.Raise) or (isinstance(n, ir.Expr) and may_fail(n))
                   for n in ir.walk(*lowered.body)):  # fmt: skip
                b.fail("PDC103", node, f"`{name}` of {type_} may raise an exception",
                       hint="print the fields of the message")  # fmt: skip
    for field in b.schema(type_.cls, node).fields:
        note_read(b, value, type_, field.name, node)


def _is_generated(function: pytypes.FunctionType) -> bool:
    """Whether `@dataclass` has made a method."""
    return "__wrapped__" in vars(function) or function.__code__.co_filename == "<string>"


def short(b: Builder, value: ir.Expr, most: int) -> ir.Expr:
    """An int that says how long a text is to be; of others, the interpreter makes the text."""
    if isinstance(value, ir.Const) and 0 <= value.value <= most:
        return value
    return ir.Op(value.loc, INT, length(most), (value,))


# --- print and logging -----------------------------------------------------------------------


def carried(b: Builder, node: ast.Call, function: Callable[..., Any]) -> ir.Expr:
    """A call of ``print`` or of a logger: its values go to the host, which makes the call."""
    if is_logging(function) and _shows_traceback(node, function):
        b.raise_here(raising(b.loc(node), NEVER, "PDC_DEOPT_TRACEBACK"))
        return ir.none(b.loc(node))
    if is_logging(function) and any(k.arg in ("stacklevel", "stack_info") for k in node.keywords):
        b.fail("PDC103", node, "a log record of its callers cannot be compiled",
               notes=["compiled code has no frames for `stacklevel` and `stack_info`"])  # fmt: skip
    call = Call(b, node)
    arguments = [call.part(arg) for arg in node.args]
    keywords = [(str(k.arg), call.part(k.value)) for k in node.keywords]
    if function is print:
        for keyword, (name, part) in zip(node.keywords, keywords, strict=True):
            _check_keyword(b, keyword, name, part, call)
    call.finish(function, arguments, keywords)
    return ir.none(b.loc(node))


def _shows_traceback(node: ast.Call, function: Callable[..., Any]) -> bool:
    """Whether a log record shows where an exception came from: compiled code cannot tell."""
    given = {k.arg: k.value for k in node.keywords}
    if "exc_info" in given:
        value = given["exc_info"]
        return not (isinstance(value, ast.Constant) and not value.value)
    return function.__name__ == "exception"


_KEYWORDS: dict[str, tuple[type, ...]] = {
    "sep": (str, type(None)), "end": (str, type(None)), "flush": (bool, int),
}  # fmt: skip


def _check_keyword(b: Builder, node: ast.keyword, name: str, part: Any, call: Call) -> None:
    """Python refuses `print` with other keywords, and other types of them."""
    if name == "file" and (part is None or isinstance(part, Live)):
        return
    known = _KEYWORDS.get(name, ())
    of_call = isinstance(part, Value) and call.values[part.index].type in (STR, TEXT, BOOL)
    if not (isinstance(part, (*known, Text)) or (of_call and known)):
        b.fail("PDC103", node.value, f"the argument `{name}` of `print` cannot be compiled",
               notes=["compiled code knows `sep`, `end`, `flush`, and `sys.stdout` or "
                      "`sys.stderr` for `file`"],
               hint="print to `sys.stderr`, or use `logging`")  # fmt: skip


# --- strings that the host makes ---------------------------------------------------------------


def error_text(value: ir.Expr) -> ir.Expr:
    """``str(error)``."""
    return ir.Op(value.loc, STR, ERROR_TEXT, (value,))


SAMPLES: dict[Type, Any] = {
    BOOL: True, INT: 1, WIDE: 1, FLOAT: 1.5, STR: "a", TEXT: "a", NONE: None,
}  # fmt: skip


def check_format(b: Builder, node: ast.AST, piece: Piece, type_: Type) -> None:
    """A format that Python refuses is an error where it stands, not in the host."""
    spec = piece.spec if isinstance(piece.spec, str) else "".join(
        part if isinstance(part, str) else "5" for part in piece.spec.pieces)  # fmt: skip
    piece = Piece(piece.index, piece.conversion, spec)
    for member in type_.members if isinstance(type_, UnionType) else (type_,):
        if isinstance(member, ScalarType):
            sample: Any = member.dtype.type(1)
        elif isinstance(member, EnumType):
            sample = member.members[0]
        elif member in SAMPLES:
            sample = SAMPLES[member]
        elif spec and piece.conversion == -1:
            b.fail("PDC021", node, f"a {member} takes no format specification",
                   hint="format its parts, or `str(...)` of it")  # fmt: skip
        else:
            sample = "a"
        try:
            formatted(piece, sample)
        except (ValueError, TypeError) as error:
            what = "None" if member == NONE else f"a {member}"
            b.fail("PDC021", node, f"the format `{spec}` of {what}: {error}")
        if spec.endswith("c"):
            b.fail("PDC021", node, f"the format `{spec}` of a {member} fails for some values")


def fitting(b: Builder, node: ast.AST, piece: Piece, value: ir.Expr) -> ir.Expr:
    """A value of the types that take a format; of another one, which Python refuses when it is
    met, it raises then: ``f"{m.limit:.2f}"`` where the limit may be ``None``."""

    def one(part: ir.Expr) -> ir.Expr:
        try:
            check_format(b, node, piece, part.type)
        except DiagnosticError:
            refusal = NoneOperandError if part.type == NONE else OperandError
            raise refusal(f"a format of a {part.type}") from None
        return part

    try:
        check_format(b, node, piece, value.type)
    except DiagnosticError:
        if not isinstance(value.type, UnionType):
            raise
        try:
            return b.split(value, one)
        except OperandError:
            pass
        raise
    return value


def looks_inside(b: Builder, node: ast.AST) -> NoReturn:
    """What asks for the characters of a string cannot be compiled."""
    b.fail("PDC103", node, f"`{b.spelled(node)}` looks inside a string",
           notes=["compiled code carries a string as a number: it can be compared with `==`, kept "
                  "and sent"],
           hint="send what the actor has to know in a field of its own")  # fmt: skip


def same_text(text: str) -> str:
    """The string itself."""
    return text


def made(b: Builder, node: ast.AST, function: Callable[..., str], *args: ir.Expr) -> ir.Expr:
    """The string that ``function`` makes of some values, by the host."""
    call = Call(b, node)
    parts = [
        arg.value if isinstance(arg, ir.Const) and not isinstance(arg.type, UnionType)
        else Value(call.capture(node, arg, now=True))  # type: ignore[arg-type]
        for arg in args
    ]  # fmt: skip
    return call.made(function, *parts)


def make_text(function: Callable[[Any], str]) -> Callable[[Builder, ast.Call], ir.Expr]:
    """The rule of ``str(x)``, ``repr(x)`` and ``ascii(x)``."""

    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        if len(node.args) != 1 or node.keywords:
            raise OperandError(f"`{function.__name__}` takes one value here")
        value = b.expression(node.args[0])
        if function is str and value.type in (STR, TEXT):
            return value
        if value.type == ERROR:
            if function is str:
                return error_text(value)
            return raising(b.loc(node), NEVER, "PDC_DEOPT_ERROR")
        return made(b, node, function, value)

    return rule

