"""Names and their types along the paths of one function: environments and joins.

An environment maps each Python name to a ``Var``: the IR local that holds its value here, and the
type it is known to have here (a *view*; narrower than the local's own type after
``if x is not None``).  Where paths meet, ``merge`` finds an environment that holds for all of
them and ``Scope.adapt`` writes the copies that lead into it: the phi nodes of SSA, as assignments.

A name whose type differs between paths is *dropped*: most such names are never read again.  If
one is, the builder begins again, now giving that name a union local.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from pydotcompute.compiler.diagnostics.diagnostic import Location
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.convert import Converter, OperandError
from pydotcompute.compiler.irbuild.core.facts import Facts, Site
from pydotcompute.compiler.ops.containers import ASSIGN, item_type, with_item
from pydotcompute.compiler.types.types import (
    CONTAINERS,
    NEVER,
    UNBOUND,
    ArrayType,
    DequeType,
    DictType,
    ListType,
    SetType,
    Type,
    UnionType,
    holds_message,
    join,
    members_of,
)


class Restart(Exception):
    """This statement cannot be built before what was learnt is known, which is in the ``Facts``."""


class Outgrown(Exception):
    """A function puts something into a container of its caller's which that has no room for.

    Args:
        name: the parameter that the container is.
        item: the type of what is put into it.
        key: of a dict, the type of its key.
    """

    def __init__(self, name: str, item: Type, key: Type | None = None) -> None:
        super().__init__(name)
        self.name, self.item, self.key = name, item, key


@dataclass(frozen=True, slots=True)
class Var:
    """Where a name's value is, and the type it is known to have.

    Args:
        local: where.
        view: the type.
        unique: of a message: no other name and no container has this object.
        in_hand: it is the message that this turn received.
    """

    local: ir.Local
    view: Type
    unique: bool = False
    in_hand: bool = False


@dataclass(frozen=True, slots=True)
class Dropped:
    """A name without one type here; ``types`` are those of the paths (UNBOUND: unbound)."""

    types: tuple[Type, ...]


POISONED = Dropped((UNBOUND, UNBOUND))
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


def _flags(found: list[Var | Dropped | None]) -> tuple[bool, bool]:
    """What holds of a message on every path that binds it: ``unique`` and ``in_hand``."""
    bound = [var for var in found if isinstance(var, Var)]
    return all(var.unique for var in bound), all(var.in_hand for var in bound)


class Scope(Converter):
    """The variables of one function while its body is built."""

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        self.facts = facts
        self.unions = frozenset(facts.union_names)
        """The names that this attempt has given union locals to from the start."""
        self.stale = False
        """Whether this attempt has learnt what it had to know earlier: there must be another."""
        self.wider: dict[str, Type] = {}
        """What containers are in the next attempt, by the names of their locals."""
        self.env: Env | None = {}
        self.tries: list[TryFrame] = []
        self.made_up = 0
        self.synthetic: set[str] = set()
        self.borrowed: dict[str, str] = {}
        """The parameters that are containers, the caller's own, by the names of their locals."""
        self.ending: str | None = ""
        """The name whose value moves where paths meet; "return" at the end of a function; None
        where a message takes it, which has rules of its own."""
        self.left: set[str] | None = None
        """The names that still have a value when a path has ended; None on the way."""
        self.views: set[str] = set()
        """Temporaries that are copies of parts of arrays, which in numpy share their memory."""
        self.aliases: dict[str, tuple[ir.Local, ...]] = {}
        """Temporaries that are copies of containers of variables, in Python one of the same."""
        self.received: set[str] = set()
        """Names of the temporaries that hold the message in hand."""

    def fresh_name(self, base: str) -> str:
        """A Python name that no user can have written."""
        self.made_up += 1
        name = f"{base}%{self.made_up}"
        self.synthetic.add(name)
        return name

    # --- names -------------------------------------------------------------------------------

    def bind(self, name: str, value: ir.Expr, *, unique: bool = False) -> None:
        """``name = value``; ``unique``: the value is for this name alone."""
        if self.env is None:
            return
        if value.type == NEVER:
            self.raise_here(value)
            return
        if isinstance(value, ir.Local) and value.name in self.views and name not in self.synthetic:
            raise OperandError("a part of an array shares its memory; write `.copy()` to keep it")
        aliased = self.aliased(value)
        if aliased and name not in self.synthetic:
            raise OperandError(f"{name!r} is one of several containers; choose where it is used")
        if isinstance(value.type, CONTAINERS):
            place = value if isinstance(value, ir.Local) else replace(
                self.temporary(value), part=True
            )  # fmt: skip
            if aliased:
                self.aliases[place.name] = aliased
            self.env[name] = Var(place, place.type)
            for frame in self.tries:
                frame.assigned.setdefault(name, []).append(place.type)
            return
        target = self.local(name, value.type, value.loc)
        made = unique and self.is_made(value)
        in_hand = any(isinstance(var, Var) and var.in_hand and var.local == value
                      for var in self.env.values())  # fmt: skip
        last = self.block[-1] if self.block else None
        if (
            unique and isinstance(value, ir.Local) and value.name.startswith("%")
            and isinstance(last, (ir.Assign, ir.Receive)) and last.target == value
        ):  # fmt: skip
            # What has just been computed needs no temporary.
            self.block[-1] = replace(last, target=target)
            in_hand = isinstance(last, ir.Receive)
            made = in_hand or (isinstance(last, ir.Assign) and self.is_made(last.value))
            value = target
        if not (isinstance(value, ir.Local) and value == target):
            self.block.append(ir.Assign(value.loc, target, value))
        self.env[name] = Var(target, value.type, made or not holds_message(value.type), in_hand)
        for frame in self.tries:
            frame.assigned.setdefault(name, []).append(value.type)
        self.keep_shadows(name)

    def aliased(self, value: ir.Expr) -> tuple[ir.Local, ...]:
        """The containers of variables of which compiled code has a copy here, where Python has the
        very one."""
        if isinstance(value, ir.Local):
            return self.aliases.get(value.name, ())
        if not isinstance(value, ir.Cond):
            return ()
        arms = [arm.value if isinstance(arm, ir.Wrap) else arm
                for arm in (value.then, value.orelse)]  # fmt: skip
        held = tuple(arm for arm in arms if isinstance(arm, ir.Local) and self.is_held(arm))
        return held + tuple(place for arm in arms for place in self.aliased(arm))

    def is_held(self, value: ir.Expr) -> bool:
        """Whether a value is the container of a variable, which may change."""
        held = (var.local.name for var in (self.env or {}).values() if isinstance(var, Var))
        is_place = isinstance(value, ir.Local) and isinstance(value.type, CONTAINERS)
        return is_place and not value.part and value.name in held  # type: ignore[attr-defined]

    def keep_shadows(self, name: str) -> None:
        """Copies a variable that has changed to the locals that handlers look at."""
        var = (self.env or {}).get(name)
        assert isinstance(var, Var)
        for frame in self.tries:
            if shadow := frame.shadows.get(name):
                if (wider := join(shadow.view, var.view)) != shadow.view:
                    self.facts.try_types[frame.key, name] = wider
                    raise Restart
                wide = self.widen(self.read(var, var.local.loc), shadow.view)
                self.block.append(ir.Assign(var.local.loc, shadow.local, wide))

    def is_made(self, value: ir.Expr) -> bool:
        """Whether a value is a message that has just been made, and nobody has yet."""
        return isinstance(value, ir.New)

    def narrow_name(self, name: str, members: Sequence[Type]) -> None:
        """From here on, a name's value is known to be of one of these types."""
        var = (self.env or {}).get(name)
        assert self.env is not None
        assert isinstance(var, Var)
        view = members[0] if len(members) == 1 else UnionType(tuple(members))
        self.env[name] = replace(var, view=view)

    def share(self, name: str) -> None:
        """From here on, the message that ``name`` is bound to may have another name, too."""
        var = (self.env or {}).get(name)
        if self.env is not None and isinstance(var, Var) and holds_message(var.view):
            self.env[name] = replace(var, unique=False)

    def raise_here(self, value: ir.Expr) -> None:
        """Evaluates what raises for certain: the path ends."""
        self.block.append(ir.Evaluate(value.loc, value))
        self.env = None

    def read(self, var: Var, loc: Location) -> ir.Expr:
        """The value of a variable, seen as its view."""
        local = replace(var.local, loc=loc)
        if (wider := self.wider.get(local.name)) is not None:
            return replace(local, type=wider)
        return local if var.view == var.local.type else self.narrow(local, var.view)

    def require(self, name: str, loc: Location) -> None:
        """Asks for a union local of a name that has no one type, and goes on as if it had one."""
        var = (self.env or {}).get(name)
        types = var.types if isinstance(var, Dropped) else ()
        if types and all(isinstance(type_, CONTAINERS) for type_ in types):
            raise OperandError(f"{name!r} is one of several containers; choose where it is used")
        if name in self.unions:
            raise OperandError(f"{name!r} may be of types here that one variable cannot hold, such "
                               "as a list and None; use two names")  # fmt: skip
        self.facts.union_names.add(name)
        self.stale = True
        if any(isinstance(part, CONTAINERS) for type_ in types for part in members_of(type_)):
            raise Restart
        if types and self.env is not None:
            self.env[name] = Var(self.local(name, view_of(var), loc), view_of(var))

    def wrapped(self, value: ir.Expr) -> None:
        """A variable that may hold a container among others has a copy of it: nobody else may
        have the container, and change it, or find a change missing."""
        if not isinstance(value.type, CONTAINERS) or self.ending is None:
            return
        if not isinstance(value, ir.Local) or value.part:
            return
        names = [name for name, var in (self.env or {}).items()
                 if isinstance(var, Var) and var.local.name == value.name]  # fmt: skip
        others = {*names} - self.synthetic - {self.ending}
        if self.left is not None:
            others &= self.left
        if value.origin is not None or value.site is None or (others and self.ending != "return"):
            shown = f"{value.origin or min(others, default='it')!r}"
            raise OperandError(f"{shown} is a {value.type}, and would have another name, which "
                               "may be something else")  # fmt: skip

    # --- joins ---------------------------------------------------------------------------------

    def merge(self, envs: Iterable[Env], loc: Location) -> Env:
        """An environment that each of ``envs`` can be adapted to."""
        paths = list(envs)
        names = dict.fromkeys(name for env in paths for name in env)
        return {name: self.merge_name(name, [env.get(name) for env in paths], loc)
                for name in names}  # fmt: skip

    def merge_name(self, name: str, found: list[Var | Dropped | None],
                   loc: Location) -> Var | Dropped:  # fmt: skip
        """What is known of a name where paths meet, on which it is as in ``found``."""
        first = found[0]
        if first is not None and all(var is first for var in found):
            return first
        if any(var is POISONED for var in found):
            return POISONED
        if isinstance(first, Var) and all(var == first for var in found):
            return first
        if isinstance(first, Var) and all(
            isinstance(var, Var) and var.local == first.local for var in found
        ):
            views = {var.view for var in found if isinstance(var, Var)}
            view = first.view if len(views) == 1 else first.local.type
            return Var(first.local, view, *_flags(found))
        if any(isinstance(view_of(var), CONTAINERS) for var in found):
            return self._merge_places(found)
        types = tuple(dict.fromkeys(view_of(var) for var in found))
        if any(isinstance(var, Dropped) for var in found):
            return Dropped(types)
        if len(types) > 1 and name not in self.facts.union_names:
            return Dropped(types)
        merged = types[0]
        for other in types[1:]:
            merged = join(merged, other)
        return Var(self.local(name, merged, loc), merged, *_flags(found))

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
        if not kept and (len({var.local.name for var in places}) == 1 or kinds == {ListType}
                         or (kinds == {ArrayType} and len(types) == 1)):  # fmt: skip
            part = any(var.local.part for var in places)
            return replace(places[0], local=replace(places[0].local, part=part))
        return Dropped(types if len(types) > 1 else (*types, *types))

    def _refuse_second_name(self, name: str, have: Var | Dropped | None, target: Env) -> None:
        """A container that keeps another name would become two: compiled code copies its items."""
        if not isinstance(have, Var):
            return
        for other, var in target.items():
            now = (self.env or {}).get(other)
            shared = isinstance(now, Var) and now.local.name == have.local.name
            if other != name and shared and isinstance(var, Var) and other not in self.synthetic:
                raise OperandError(f"{name!r} and {other!r} are one container, which compiled "
                                   "code would make two of; use one name, or a copy")  # fmt: skip

    def _move_into(self, name: str, wanted: Var, have: Var | Dropped | None,
                   loc: Location) -> None:  # fmt: skip
        """Puts the items of a new container where the old one of that name is."""
        if not isinstance(have, Var) or type(have.view) is not type(wanted.view):
            raise OperandError(f"{name!r} is no {wanted.view} here")
        held = ((n, var) for n, var in (self.env or {}).items() if isinstance(var, Var))
        others = [n for n, var in held if n != name and var.local.name == wanted.local.name
                  and n not in self.synthetic]  # fmt: skip
        if others:
            raise OperandError(f"{name!r} is bound to another container, and {others[0]!r} to the "
                               f"one it had; copy the items: `{name}[:] = ...`")  # fmt: skip
        if isinstance(wanted.view, (DictType, SetType, DequeType)):
            raise OperandError(f"{name!r} is bound to another container")
        if isinstance(wanted.view, ArrayType) and wanted.view != have.view:
            raise OperandError(f"{name!r} is no {wanted.view} here")
        item = join(item_type(wanted.view), item_type(have.view))
        if item != item_type(wanted.view) and wanted.local.origin is not None:
            self.widen_container(wanted.local.origin, with_item(wanted.view, item))
        if wanted.local.origin is not None and isinstance(wanted.view, ListType):
            assert isinstance(have.view, ListType)
            if have.view.capacity > wanted.view.capacity:
                self.widen_container(wanted.local.origin, ListType(item, have.view.capacity))
        if item != item_type(have.view) and have.local.site is not None:
            self.widen_list(have.local.site, item)
        self.block.append(ir.Mutate(loc, None, ASSIGN, (wanted.local, have.local)))

    def widen_container(self, name: str, type_: Type) -> None:
        """A container of the state takes items of more types: the actor is built again."""
        raise AssertionError("only the builder of an actor has state")

    def widen_list(self, site: Site, item: Type) -> None:
        """A list made at ``site`` takes items of more types: the function is built again."""
        known = self.facts.list_items[site] = join(self.facts.list_items.get(site, NEVER), item)
        self.wider |= {var.local.name: with_item(var.view, known)
                       for var in (self.env or {}).values()
                       if isinstance(var, Var) and var.local.site == site}  # fmt: skip
        raise Restart

    def sum_floats(self, site: tuple[int, int]) -> None:
        """The ``sum`` at ``site`` adds floats: the function is built again."""
        self.facts.float_sums.add(site)
        self.facts.loops.clear()  # an int becomes a float, and is no int or float
        raise Restart

    def adapt(self, target: Env, loc: Location) -> None:
        """Ends a path: copies what ``target`` keeps elsewhere."""
        if self.env is None:
            return
        for name, wanted in target.items():
            have = self.env.get(name)
            if have is wanted or isinstance(wanted, Dropped) or have is POISONED:
                continue
            if isinstance(have, Var) and have.local == wanted.local:
                continue  # only what is known of it differs
            if isinstance(wanted.view, CONTAINERS):
                self._refuse_second_name(name, have, target)
                self._move_into(name, wanted, have, loc)
                continue
            if isinstance(have, Var):
                value = self.read(have, loc)
            elif have is None:
                value = ir.Const(loc, UNBOUND, None)
            else:
                raise OperandError(f"{name!r} changes its type inside a `try`")
            self.ending, outer = name, self.ending
            self.left = {n for n, var in target.items() if isinstance(var, Var)}
            try:
                value = self.widen(value, wanted.view)
            finally:
                self.ending, self.left = outer, None
            if value != wanted.local:
                self.block.append(ir.Assign(loc, wanted.local, value))
        self.env = dict(target)
