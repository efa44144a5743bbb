"""Names and their types along the paths of one function: environments, joins, conversions.

An environment maps each Python name to a ``Var``: the IR local that holds its value here, and the
type it is known to have here (a *view*; narrower than the local's own type after
``if x is not None``).  Where paths meet, ``merge`` finds an environment that holds for all of
them and ``Scope.adapt`` writes the copies that lead into it: the phi nodes of SSA, as assignments.

A name whose type differs between paths is *dropped*: most such names are never read again.  If
one is, ``Restart`` makes the builder begin again, now giving that name a union local.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from pydotcompute.compiler import ir
from pydotcompute.compiler.containers import ASSIGN, item_type, list_of, with_item
from pydotcompute.compiler.diagnostics import Location
from pydotcompute.compiler.operators import Deoptimise, Primitive, conversion, suffix
from pydotcompute.compiler.types import (
    BOOL,
    CONTAINERS,
    FLOAT,
    INT,
    NEVER,
    NONE,
    STR,
    UNBOUND,
    DequeType,
    DictType,
    EnumType,
    ErrorType,
    ListType,
    LiteralType,
    MessageType,
    OptionalType,
    ScalarType,
    TupleType,
    Type,
    UnionType,
    in_body,
    join,
    members_of,
)


class OperandError(Exception):
    """An operation that does not lower for these operand types; the text says which."""

    code = "PDC_DEOPT_TYPE"
    """What happens where a value of such a type is met among others: the interpreter decides."""


class NoneOperandError(OperandError):
    """An operation that Python refuses for ``None``."""

    code = "PDC_TYPE_NONE"


class NoAttributeError(OperandError):
    """A value of this type has no such attribute, in Python."""

    code = "PDC_ATTRIBUTE_NONE"


class Restart(Exception):
    """The function must be built again: what was learned is in the scope."""


@dataclass(frozen=True, slots=True)
class Var:
    """Where a name's value is, and the type it is known to have."""

    local: ir.Local
    view: Type


@dataclass(frozen=True, slots=True)
class Dropped:
    """A name without one type here; ``types`` are those of the paths (UNBOUND: unbound)."""

    types: tuple[Type, ...]


FORGOTTEN = Dropped((UNBOUND, UNBOUND))
"""A name whose statement did not lower: reading it is no second problem."""

Env = dict[str, Var | Dropped]


def view_of(value: Var | Dropped | None) -> Type:
    """The type of a name on one path."""
    if value is None:
        return UNBOUND
    if isinstance(value, Dropped):
        merged = value.types[0]
        for other in value.types[1:]:
            merged = join(merged, other)
        return merged
    return value.view


@dataclass
class TryFrame:
    """A ``try`` whose body is being built: an error may leave it after any assignment."""

    key: tuple[int, int]
    shadows: dict[str, Var]
    """Names whose type changes in the body: each assignment is copied to a union local."""
    assigned: dict[str, list[Type]] = field(default_factory=dict)


class Scope:
    """The variables of one function while its body is built.

    Args:
        mangle: makes a local's name of a Python name and a type tag.
    """

    def __init__(self) -> None:
        self.env: Env | None = {}
        self.block: list[ir.Stmt] = []
        self.needed: set[str] = set()
        self.try_types: dict[tuple[tuple[int, int], str], Type] = {}
        self.tries: list[TryFrame] = []
        self._names: dict[tuple[str, Type], str] = {}
        self._temporaries = 0
        self._made_up = 0
        self.synthetic: set[str] = set()
        self.received: set[str] = set()
        """Names of the locals that hold the message in hand."""
        self.list_items: dict[tuple[int, int], Type] = {}
        """Item types of the lists made in this function, by place, as far as they have grown."""

    def reset(self) -> None:
        """Forgets everything but what restarts teach."""
        self.env, self.block, self.tries, self._temporaries = {}, [], [], 0
        self._names = {}
        self._made_up = 0

    # --- locals ------------------------------------------------------------------------------

    def local(self, name: str, type_: Type, loc: Location) -> ir.Local:
        """The local of a Python name for values of one type: ``x``, later ``x%2``."""
        known = self._names.get((name, type_))
        if known is None:
            count = sum(1 for other, _ in self._names if other == name)
            known = name if count == 0 else f"{name}%{count + 1}"
            self._names[name, type_] = known
        return ir.Local(loc, type_, known)

    def hole(self, loc: Location, type_: Type) -> ir.Local:
        """A new local without a value yet."""
        self._temporaries += 1
        return ir.Local(loc, type_, f"%{self._temporaries}")

    def temporary(self, value: ir.Expr) -> ir.Local:
        """A new local that holds ``value`` from here on."""
        target = self.hole(value.loc, value.type)
        self.block.append(ir.Assign(value.loc, target, value))
        return target

    def fresh_name(self, base: str) -> str:
        """A Python name that no user can have written."""
        self._made_up += 1
        name = f"{base}%{self._made_up}"
        self.synthetic.add(name)
        return name

    def stable(self, value: ir.Expr) -> ir.Expr:
        """``value`` in a form that may be written twice: computed once."""
        if isinstance(value, (ir.Const, ir.Local)):
            return value
        base = value
        while isinstance(base, (ir.As, ir.Field)):
            base = base.base
        if isinstance(base, ir.Local):
            return value
        return self.temporary(value)

    # --- names -------------------------------------------------------------------------------

    def bind(self, name: str, value: ir.Expr, *, sole: bool = False) -> None:
        """``name = value``; ``sole``: the value is for this name alone."""
        if self.env is None:
            return
        if value.type == NEVER:
            self.raise_here(value)
            return
        if isinstance(value.type, CONTAINERS):
            place = value if isinstance(value, ir.Local) else self.temporary(value)
            self.env[name] = Var(place, place.type)
            for frame in self.tries:
                frame.assigned.setdefault(name, []).append(place.type)
            return
        target = self.local(name, value.type, value.loc)
        last = self.block[-1] if self.block else None
        if (
            sole and isinstance(value, ir.Local) and value.name.startswith("%")
            and isinstance(last, (ir.Assign, ir.Receive)) and last.target == value
        ):  # fmt: skip
            # What has just been computed needs no temporary.
            self.block[-1] = replace(last, target=target)
            if isinstance(last, ir.Receive):
                self.received.add(target.name)
            value = target
        if not (isinstance(value, ir.Local) and value == target):
            self.block.append(ir.Assign(value.loc, target, value))
        self.env[name] = Var(target, value.type)
        for frame in self.tries:
            frame.assigned.setdefault(name, []).append(value.type)
            if shadow := frame.shadows.get(name):
                if not set(members_of(value.type)) <= set(members_of(shadow.view)):
                    self.try_types[frame.key, name] = join(shadow.view, value.type)
                    raise Restart
                wide = self.convert(ir.Local(value.loc, target.type, target.name), shadow.view)
                self.block.append(ir.Assign(value.loc, shadow.local, wide))

    def raise_here(self, value: ir.Expr) -> None:
        """Evaluates what raises for certain: the path ends."""
        self.block.append(ir.Evaluate(value.loc, value))
        self.env = None

    def read(self, var: Var, loc: Location) -> ir.Expr:
        """The value of a variable, seen as its view."""
        local = replace(var.local, loc=loc)
        return local if var.view == var.local.type else self.narrow(local, var.view)

    def require(self, name: str) -> None:
        """Asks for a union local of a dropped name, by building again."""
        if name not in self.needed:
            self.needed.add(name)
            raise Restart
        raise OperandError(f"{name!r} changes its type inside a `try`")

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
        value = self.stable(value)
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

    def convert(self, value: ir.Expr, target: Type) -> ir.Expr:
        """``value`` as ``target``, by the conversions of contract section 9.2.

        Raises:
            OperandError: there is none.
        """
        source = value.type
        if isinstance(target, LiteralType):
            return self.convert(value, target.base)
        target = in_body(target)
        if source == target:
            return value
        if source == NEVER:
            return raising(value.loc, target, "PDC_UNBOUND_LOCAL")
        if isinstance(source, UnionType):
            if isinstance(target, UnionType) and set(source.members) <= set(target.members):
                value = self.stable(value)
                return self.chain(value, [
                    (m, ir.Wrap(value.loc, target, ir.As(value.loc, m, value)))
                    for m in source.members
                ])  # fmt: skip
            return self.split(value, lambda part: self.convert(part, target))
        if isinstance(target, UnionType):
            return self._into_union(value, target)
        if primitive := conversion(source, target):
            if isinstance(value, ir.Const):
                return ir.Const(value.loc, target, primitive.python(value.value))
            return ir.Op(value.loc, target, primitive, (value,))
        if source == ScalarType("float64") and target == FLOAT:
            # numpy's float64 is a subclass of Python's float.
            return ir.Op(value.loc, FLOAT, Primitive("float_of_f64", "{0}", float), (value,))
        if isinstance(target, ScalarType):
            return self._into_scalar(value, target)
        if isinstance(source, ListType) and isinstance(target, ListType):
            return self._into_list(value, source, target)
        if isinstance(source, TupleType) and isinstance(target, TupleType):
            return self._into_tuple(value, source, target)
        raise OperandError(f"{source} is no {target}")

    def _into_union(self, value: ir.Expr, target: UnionType) -> ir.Expr:
        if value.type in target.members:
            return ir.Wrap(value.loc, target, value)
        for member in target.members:
            try:
                return ir.Wrap(value.loc, target, self.convert(value, member))
            except OperandError:
                continue
        raise OperandError(f"{value.type} is no {target}")

    def _into_scalar(self, value: ir.Expr, target: ScalarType) -> ir.Expr:
        from pydotcompute.compiler.numpy_types import field_cast

        source = value.type
        allowed = {BOOL, INT, FLOAT} if target.is_float else {BOOL, INT}
        if target.dtype.kind == "b":
            allowed = {BOOL}
        if source not in allowed or (primitive := field_cast(source, target)) is None:
            raise OperandError(f"{source} is no {target}")
        return ir.Op(value.loc, target, primitive, (value,))

    def _into_list(self, value: ir.Expr, source: ListType, target: ListType) -> ir.Expr:
        if source.item != target.item and (source.item, target.item) != (INT, FLOAT):
            if source.item != NEVER:
                raise OperandError(f"{source} is no {target}")
            return self.convert(ir.Local(value.loc, target, value.name), target)  # type: ignore[attr-defined]
        primitive = list_of(source, target, suffix(target.item))
        return ir.Op(value.loc, target, primitive, (value,))

    def _into_tuple(self, value: ir.Expr, source: TupleType, target: TupleType) -> ir.Expr:
        if len(source.items) != len(target.items):
            raise OperandError("tuples of different lengths")
        value = value if isinstance(value, ir.Tuple) else self.stable(value)
        parts = (
            value.items if isinstance(value, ir.Tuple)
            else [ir.Item(value.loc, t, value, n) for n, t in enumerate(source.items)]
        )  # fmt: skip
        items = tuple(self.convert(p, t) for p, t in zip(parts, target.items, strict=True))
        return ir.Tuple(value.loc, target, items)

    # --- joins ---------------------------------------------------------------------------------

    def merge(self, envs: Iterable[Env], loc: Location) -> Env:
        """An environment that each of ``envs`` can be adapted to."""
        paths = list(envs)
        names = dict.fromkeys(name for env in paths for name in env)
        return {name: self._merge_name(name, [env.get(name) for env in paths], loc)
                for name in names}  # fmt: skip

    def _merge_name(self, name: str, found: list[Var | Dropped | None],
                    loc: Location) -> Var | Dropped:  # fmt: skip
        if any(var is FORGOTTEN for var in found):
            return FORGOTTEN
        first = found[0]
        if isinstance(first, Var) and all(var == first for var in found):
            return first
        if isinstance(first, Var) and all(
            isinstance(var, Var) and var.local == first.local for var in found
        ):
            return Var(first.local, first.local.type)
        if any(isinstance(view_of(var), CONTAINERS) for var in found):
            return self._merge_places(found)
        types = tuple(dict.fromkeys(view_of(var) for var in found))
        if any(isinstance(var, Dropped) for var in found):
            return Dropped(types)
        if len(types) > 1 and name not in self.needed:
            return Dropped(types)
        merged = types[0]
        for other in types[1:]:
            merged = join(merged, other)
        return Var(self.local(name, merged, loc), merged)

    def _merge_places(self, found: list[Var | Dropped | None]) -> Var | Dropped:
        """One place for a container that paths bind differently: the state's, if it is one."""
        types = tuple(dict.fromkeys(view_of(var) for var in found))
        places = [var for var in found if isinstance(var, Var)]
        kinds = {type(var.view) for var in places}
        if len(places) < len(found) or len(kinds) > 1:
            return Dropped(types if len(types) > 1 else (*types, *types))
        kept = [var for var in places if var.local.origin is not None]
        if kept and all(var.local == kept[0].local for var in kept):
            return kept[0]
        if not kept and (len({var.local.name for var in places}) == 1 or kinds == {ListType}):
            return places[0]
        return Dropped(types if len(types) > 1 else (*types, *types))

    def _move_into(self, name: str, wanted: Var, have: Var | Dropped | None,
                   loc: Location) -> None:  # fmt: skip
        """Puts the items of a new container where the old one of that name is."""
        if not isinstance(have, Var) or type(have.view) is not type(wanted.view):
            raise OperandError(f"{name!r} is no {wanted.view} here")
        held = ((n, var) for n, var in (self.env or {}).items() if isinstance(var, Var))
        others = [n for n, var in held if n != name and var.local.name == wanted.local.name]
        if others or isinstance(wanted.view, (DictType, DequeType)):
            raise OperandError(f"{name!r} is bound to another container")
        item = join(item_type(wanted.view), item_type(have.view))
        if item != item_type(wanted.view) and wanted.local.origin is not None:
            self.widen_container(wanted.local.origin, with_item(wanted.view, item))
        if item != item_type(have.view) and have.local.site is not None:
            self.widen_list(have.local.site, item)
        self.block.append(ir.Mutate(loc, None, ASSIGN, (wanted.local, have.local)))

    def widen_container(self, name: str, type_: Type) -> None:
        """A container of the state takes items of more types: the actor is built again."""
        raise AssertionError("only the builder of an actor has state")

    def widen_list(self, site: tuple[int, int], item: Type) -> None:
        """A list made at ``site`` takes items of more types: the function is built again."""
        self.list_items[site] = join(self.list_items.get(site, NEVER), item)
        raise Restart

    def adapt(self, target: Env, loc: Location) -> None:
        """Ends a path: copies what ``target`` keeps elsewhere."""
        if self.env is None:
            return
        for name, wanted in target.items():
            have = self.env.get(name)
            if isinstance(wanted, Dropped) or have == wanted or have is FORGOTTEN:
                continue
            if isinstance(have, Var) and have.local == wanted.local:
                continue  # only what is known of it differs
            if isinstance(wanted.view, CONTAINERS):
                self._move_into(name, wanted, have, loc)
                continue
            if isinstance(have, Var):
                value = self.read(have, loc)
            elif have is None:
                value = ir.Const(loc, UNBOUND, None)
            else:
                raise OperandError(f"{name!r} changes its type inside a `try`")
            value = self.convert(value, wanted.view)
            if value != wanted.local:
                self.block.append(ir.Assign(loc, wanted.local, value))
        self.env = dict(target)


_RAISED: dict[str, type[Exception]] = {
    "PDC_TYPE_NONE": TypeError,
    "PDC_ATTRIBUTE_NONE": AttributeError,
    "PDC_UNBOUND_LOCAL": UnboundLocalError,
    "PDC_INDEX_TUPLE": IndexError,
    "PDC_KEY_ERROR": KeyError,
    "PDC_DEOPT_TYPE": Deoptimise,
}


def raising(loc: Location, type_: Type, code: str) -> ir.Expr:
    """An expression that raises instead of having a value."""

    def python() -> None:
        raise _RAISED[code]

    primitive = Primitive(f"raise_{code}", f"pdc_raising<{{type}}>({{e}}, {code})", python, True)
    return ir.Op(loc, type_, primitive, ())


__all__ = [
    "FORGOTTEN",
    "NONE",
    "STR",
    "Dropped",
    "EnumType",
    "Env",
    "ErrorType",
    "MessageType",
    "OperandError",
    "OptionalType",
    "Restart",
    "Scope",
    "TryFrame",
    "Var",
    "raising",
    "view_of",
]  # fmt: skip
