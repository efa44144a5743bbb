"""Values as values of other types: what a join, a field or an operator asks for.

``Converter`` writes into a block and makes locals; it knows no Python names (``scope`` does).
``narrow`` goes from a union to a member, ``convert`` the ways that contract section 9.2 allows,
``split`` applies a rule to each type that a value may have.

A rule that cannot be compiled for some operand types raises ``OperandError``; of a union's member,
``split`` makes what Python does there: an exception at run time, or the interpreter's turn.
"""

from __future__ import annotations

from collections.abc import Callable

from pydotcompute.compiler.diagnostics.diagnostic import Location
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.enum_values import as_base, base_of
from pydotcompute.compiler.ops.containers import APPEND, ITEM, LENGTH, list_of
from pydotcompute.compiler.ops.error_codes import raise_
from pydotcompute.compiler.ops.numpy_operators import (
    BOOL_OF_NUMPY,
    FLOAT_OF_NUMPY,
    field_cast,
    to_python,
)
from pydotcompute.compiler.ops.operators import NARROW, binary, conversion
from pydotcompute.compiler.ops.primitive import Deoptimise
from pydotcompute.compiler.ops.texts import TEXT_OF
from pydotcompute.compiler.types.types import (
    BOOL,
    CONTAINERS,
    FLOAT,
    INT,
    NEVER,
    NONE,
    NP_BOOL,
    STR,
    TEXT,
    UNBOUND,
    WIDE,
    EnumType,
    ListType,
    LiteralType,
    OptionalType,
    ScalarType,
    TupleType,
    Type,
    UnionType,
    holds_literal,
    in_body,
    join,
    members_of,
)


class OperandError(Exception):
    """An operation that cannot be compiled for these operand types; the text says which."""

    code = "PDC_DEOPT_TYPE"
    """What happens where a value of such a type is met among others: the interpreter decides."""


class NoneOperandError(OperandError):
    """An operation that Python refuses for ``None``."""

    code = "PDC_TYPE_NONE"


class NoAttributeError(OperandError):
    """A value of this type has no such attribute, in Python."""

    code = "PDC_ATTRIBUTE_NONE"


class Converter:
    """The locals and the block of one function, and conversions that may need them."""

    def __init__(self) -> None:
        self.block: list[ir.Stmt] = []
        self._names: dict[tuple[str, Type], str] = {}
        self._types: dict[str, int] = {}
        self.temporaries = 0

    # --- locals ------------------------------------------------------------------------------

    def local(self, name: str, type_: Type, loc: Location) -> ir.Local:
        """The local of a Python name for values of one type: ``x``, later ``x%2``."""
        known = self._names.get((name, type_))
        if known is None:
            count = self._types[name] = self._types.get(name, 0) + 1
            known = self._names[name, type_] = name if count == 1 else f"{name}%{count}"
        return ir.Local(loc, type_, known)

    def fresh_local(self, loc: Location, type_: Type) -> ir.Local:
        """A new local without a value yet."""
        self.temporaries += 1
        return ir.Local(loc, type_, f"%{self.temporaries}")

    def temporary(self, value: ir.Expr) -> ir.Local:
        """A new local that holds ``value`` from here on."""
        target = self.fresh_local(value.loc, value.type)
        self.block.append(ir.Assign(value.loc, target, value))
        return target

    def duplicable(self, value: ir.Expr) -> ir.Expr:
        """``value`` in a form that may be written twice: computed once."""
        if isinstance(value, (ir.Const, ir.Local)):
            return value
        base = value
        while isinstance(base, (ir.As, ir.Field)):
            base = base.base
        if isinstance(base, ir.Local):
            return value
        return self.temporary(value)

    # --- conversions ---------------------------------------------------------------------------

    def narrow(self, value: ir.Expr, target: Type) -> ir.Expr:
        """A union's value that is known to be of type ``target``, a member or a smaller union."""
        if value.type == target:
            return value
        if not isinstance(target, UnionType):
            return ir.As(value.loc, target, value)
        arms = [ir.Wrap(value.loc, target, ir.As(value.loc, member, value))
                for member in target.members]  # fmt: skip
        return self.chain(value, list(zip(target.members, arms, strict=True)))

    def chain(self, value: ir.Expr, arms: list[tuple[Type, ir.Expr]]) -> ir.Expr:
        """The arm for the member that ``value`` holds; the last one needs no test."""
        result = arms[-1][1]
        for member, arm in reversed(arms[:-1]):
            test = ir.Is(value.loc, BOOL, value, member)
            result = ir.Cond(value.loc, arm.type, test, arm, result)
        return result

    def split(self, value: ir.Expr, function: Callable[[ir.Expr], ir.Expr]) -> ir.Expr:
        """``function`` of a value, for each type it may have; where one is met that ``function``
        refuses, Python raises or the interpreter takes over, as the refusal's code says."""
        members = members_of(value.type)
        if len(members) == 1 and not isinstance(value.type, UnionType):
            return function(value)
        value = self.duplicable(value)
        done: list[tuple[Type, ir.Expr]] = []
        refused: list[tuple[Type, str]] = []
        for member in members:
            try:
                if member == UNBOUND:
                    refused.append((member, "PDC_UNBOUND_LOCAL"))
                    continue
                done.append((member, function(ir.As(value.loc, member, value))))
            except OperandError as error:
                refused.append((member, error.code))
        if not done:
            raise OperandError("no type this value may have supports the operation")
        result = done[0][1].type
        for _, arm in done[1:]:
            result = join(result, arm.type)
        arms = [(member, raising(value.loc, result, code)) for member, code in refused]
        arms += [(member, self.convert(arm, result)) for member, arm in done]
        return self.chain(value, arms)

    def container(self, value: ir.Expr,
                  refusal: type[OperandError] = NoneOperandError) -> ir.Expr:  # fmt: skip
        """Of what may be a container, or ``None``, the container; Python refuses ``None``."""
        found = [member for member in members_of(value.type) if isinstance(member, CONTAINERS)]
        if not isinstance(value.type, UnionType) or len(found) != 1:
            return value

        def one(part: ir.Expr) -> ir.Expr:
            if part.type != found[0]:
                raise (refusal if part.type == NONE else OperandError)(f"{part.type}")
            return part

        return self.split(value, one)

    def wrapped(self, value: ir.Expr) -> None:
        """``value`` becomes what something may hold among others, which is a copy."""

    def convert(self, value: ir.Expr, target: Type) -> ir.Expr:
        """``value`` as ``target``, by the conversions of contract section 9.2.

        Raises:
            OperandError: there is none.
        """
        source = value.type
        if isinstance(target, LiteralType):
            return self._one_of(self.convert(value, target.base), target)
        if isinstance(target, OptionalType) and holds_literal(target.item):
            return self._into_optional(value, target)
        if isinstance(target, ListType) and holds_literal(target) and isinstance(source, ListType):
            wanted = target.item
            return self.each_item(value, target, lambda item: self.convert(item, wanted))
        target = in_body(target)
        if source == target:
            return value
        if source == NEVER:
            return raising(value.loc, target, code_of(value))
        if isinstance(source, UnionType):
            if isinstance(target, UnionType) and set(source.members) <= set(target.members):
                value = self.duplicable(value)
                return self.chain(value, [
                    (m, ir.Wrap(value.loc, target, ir.As(value.loc, m, value)))
                    for m in source.members
                ])  # fmt: skip
            return self.split(value, lambda part: self.convert(part, target))
        if isinstance(target, UnionType):
            return self._into_union(value, target)
        if isinstance(source, EnumType) and base_of(source) and (
            target in (INT, FLOAT, STR) or isinstance(target, ScalarType)
        ):  # fmt: skip
            return self.convert(as_base(value), target)
        if source == STR and target == TEXT:
            return ir.Op(value.loc, TEXT, TEXT_OF, (value,))
        if primitive := NARROW if (source, target) == (WIDE, INT) else conversion(source, target):
            if isinstance(value, ir.Const):
                try:
                    return ir.Const(value.loc, target, primitive.python(value.value))
                except Deoptimise:
                    return raising(value.loc, target, "PDC_DEOPT_INT_OVERFLOW")
            return ir.Op(value.loc, target, primitive, (value,))
        if source == ScalarType("float64") and target == FLOAT:
            # numpy's float64 is a subclass of Python's float.
            return ir.Op(value.loc, FLOAT, FLOAT_OF_NUMPY, (value,))
        if source == NP_BOOL and target == BOOL:
            return ir.Op(value.loc, BOOL, BOOL_OF_NUMPY, (value,))
        if isinstance(target, ScalarType):
            return self._into_scalar(value, target)
        if isinstance(source, ListType) and isinstance(target, ListType):
            return self._into_list(value, source, target)
        if isinstance(source, TupleType) and isinstance(target, TupleType):
            return self._into_tuple(value, source, target)
        raise OperandError(f"{source} is no {target}")

    def widen(self, value: ir.Expr, target: Type) -> ir.Expr:
        """``value`` in the type of a join, which keeps it as it is; only an int gets more bits."""
        wanted = set(members_of(target))
        missing = set(members_of(value.type)) - wanted
        assert missing <= ({INT, NEVER} if WIDE in wanted else {NEVER}), f"{value.type} in {target}"
        return self.convert(value, target)

    def _into_union(self, value: ir.Expr, target: UnionType) -> ir.Expr:
        if value.type in target.members:
            self.wrapped(value)
            return ir.Wrap(value.loc, target, value)
        if value.type == INT and WIDE in target.members:
            return ir.Wrap(value.loc, target, self.convert(value, WIDE))
        for member in target.members:
            try:
                return ir.Wrap(value.loc, target, self.convert(value, member))
            except OperandError:
                continue
        raise OperandError(f"{value.type} is no {target}")

    def _into_scalar(self, value: ir.Expr, target: ScalarType) -> ir.Expr:
        if value.type == ScalarType("float64") and target.is_float:
            value = self.convert(value, FLOAT)  # numpy's float64 is a subclass of Python's float
        source = value.type
        allowed = {BOOL, INT, FLOAT} if target.is_float else {BOOL, INT, WIDE}
        if target.dtype.kind == "b":
            allowed = {BOOL}
        if source not in allowed or (primitive := field_cast(source, target)) is None:
            raise OperandError(f"{source} is no {target}")
        return ir.Op(value.loc, target, primitive, (value,))

    def _one_of(self, value: ir.Expr, target: LiteralType) -> ir.Expr:
        """``value`` if it is one of those that a ``Literal`` names; the interpreter refuses it
        otherwise, with the error that names the field."""
        refused = raising(value.loc, value.type, "PDC_DEOPT_TYPE")
        if isinstance(value, ir.Const):
            return value if value.value in target.values else refused
        value = self.duplicable(value)
        same = binary("==", value.type, value.type)
        assert same is not None, f"{target} of {value.type}"
        test: ir.Expr | None = None
        for known in target.values:
            wanted = ir.Const(value.loc, value.type, known)
            one = ir.Op(value.loc, BOOL, same.primitive, (value, wanted))
            test = one if test is None else ir.Or(value.loc, BOOL, test, one)
        assert test is not None
        return ir.Cond(value.loc, value.type, test, value, refused)

    def _into_optional(self, value: ir.Expr, target: OptionalType) -> ir.Expr:
        """``value`` for a field whose values are ``None``, or some that are checked."""
        union, item = in_body(target), in_body(target.item)
        value = self.duplicable(self.convert(value, union))
        known = self.convert(ir.As(value.loc, item, value), target.item)
        arms = [(NONE, value), (item, ir.Wrap(value.loc, union, known))]
        return self.chain(value, arms)

    def _into_list(self, value: ir.Expr, source: ListType, target: ListType) -> ir.Expr:
        if source.item == NEVER:
            empty = self.fresh_local(value.loc, target)
            self.block.append(ir.Fresh(value.loc, empty))
            return empty
        if source.item == target.item or (source.item, target.item) in ((INT, FLOAT), (INT, WIDE)):
            return ir.Op(value.loc, target, list_of(source, target), (value,))
        return self.each_item(value, target, lambda item: self.convert(item, target.item))

    def each_item(self, value: ir.Expr, target: ListType,
                  function: Callable[[ir.Expr], ir.Expr]) -> ir.Expr:  # fmt: skip
        """A new list with what ``function`` makes of each item of another one."""
        assert isinstance(value.type, ListType)
        loc, made = value.loc, self.fresh_local(value.loc, in_body(target))
        source = value if isinstance(value, ir.Local) else self.temporary(value)
        at, outer = self.fresh_local(loc, INT), self.block
        self.block = []
        try:
            item = self.temporary(ir.Op(loc, value.type.item, ITEM, (source, at)))
            self.block.append(ir.Mutate(loc, None, APPEND, (made, function(item))))
            body = tuple(self.block)
        except OperandError:
            raise OperandError(f"{value.type} is no {target}") from None
        finally:
            self.block = outer
        zero, one = ir.Const(loc, INT, 0), ir.Const(loc, INT, 1)
        length = ir.Op(loc, INT, LENGTH, (source,))
        self.block += [ir.Fresh(loc, made), ir.For(loc, at, zero, length, one, body, ())]
        return made

    def _into_tuple(self, value: ir.Expr, source: TupleType, target: TupleType) -> ir.Expr:
        if len(source.items) != len(target.items):
            raise OperandError("tuples of different lengths")
        value = value if isinstance(value, ir.Tuple) else self.duplicable(value)
        parts = (
            value.items if isinstance(value, ir.Tuple)
            else [ir.Item(value.loc, t, value, n) for n, t in enumerate(source.items)]
        )  # fmt: skip
        items = tuple(self.convert(p, t) for p, t in zip(parts, target.items, strict=True))
        return ir.Tuple(value.loc, target, items)


def plain_int(value: ir.Expr) -> ir.Expr:
    """An integer of numpy, where Python counts with it, as the int that it is."""
    if isinstance(value.type, ScalarType) and value.type.dtype.kind in "iu":
        signature = to_python(value.type)
        assert signature is not None
        return ir.Op(value.loc, signature.result, signature.primitive, (value,))
    return value


def code_of(value: ir.Expr) -> str:
    """Why a value never exists."""
    if isinstance(value, ir.Op) and value.primitive.name == "raise":
        return str(value.primitive.given[0])
    return "PDC_DEOPT_TYPE"


def raising(loc: Location, type_: Type, code: str) -> ir.Expr:
    """An expression that raises instead of having a value."""
    return ir.Op(loc, type_, raise_(code), ())
