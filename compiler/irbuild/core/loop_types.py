"""The types at the head and the exit of a loop: what is expected of them, and whether it was right.

A loop is built as if the expected types were right: its body from the head, each jump with the
copies that lead to where it goes.  The environments where its paths end then tell whether they
were; if not, the loop is built again from those.  ``Facts`` keeps what was found, in terms that
hold in every attempt (types, no locals), so a loop is built again only where something changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pydotcompute.compiler.diagnostics.diagnostic import Location
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.facts import Known
from pydotcompute.compiler.irbuild.core.scope import POISONED, Dropped, Env, Scope, Var, view_of
from pydotcompute.compiler.types.types import CONTAINERS


def remembered(head: Env, entry: Env, made_up: int) -> dict[str, Known]:
    """What is to be kept of the head of a loop: the names that are otherwise than before it.

    Args:
        head: the head.
        entry: the environment before the loop.
        made_up: how many names were made up before the loop; made-up names are counted from there.
    """
    return {_shifted(name, -made_up): _known(var) for name, var in head.items()
            if var is not POISONED and not _same(var, entry.get(name))}  # fmt: skip


def remembered_exit(exit_: Env, head: Env, made_up: int) -> dict[str, Known | None]:
    """What is to be kept of the exit of a loop: its names in order, and how they differ."""
    return {_shifted(name, -made_up): None if _same(var, head.get(name)) else _known(var)
            for name, var in exit_.items() if var is not POISONED}  # fmt: skip


def _known(var: Var | Dropped) -> Known:
    if isinstance(var, Dropped):
        return Known(var.types)
    return Known((var.local.type,), var.view, var.unique, var.in_hand, var.local.part)


def recalled(b: Scope, known: Mapping[str, Known], entry: Env, made_up: int, loc: Location) -> Env:
    """The head of a loop: where it is entered, and what is known of its turns."""
    head = dict(entry)
    for shifted, found in known.items():
        name = _shifted(shifted, made_up)
        have = entry.get(name)
        if have is POISONED or (have is None and name in b.synthetic):
            continue
        if not any(isinstance(type_, CONTAINERS) for type_ in found.types):
            head[name] = b.merge_name(name, [have, _one(b, name, found, loc)], loc)
        elif isinstance(have, Var) and type(have.view) is type(found.view):
            part = have.local.part or found.part
            head[name] = replace(have, local=replace(have.local, part=part))
    return head


def recalled_exit(b: Scope, known: Mapping[str, Known | None] | None, head: Env, made_up: int,
                  loc: Location) -> Env | None:  # fmt: skip
    """The exit of a loop, if it is known."""
    if known is None:
        return None
    found: Env = {}
    for shifted, one in known.items():
        name = _shifted(shifted, made_up)
        if one is not None and not any(isinstance(type_, CONTAINERS) for type_ in one.types):
            found[name] = _one(b, name, one, loc)
        elif name in head:
            found[name] = head[name]
    return found


def leads_to(b: Scope, env: Env, target: Env) -> bool:
    """Whether a path that ends with ``env`` may go where ``target`` is expected."""
    return all((have := env.get(name)) is wanted or have is POISONED
               or isinstance(wanted.view, CONTAINERS)
               or _same(b.merge_name(name, [wanted, have], wanted.local.loc), wanted)
               for name, wanted in target.items() if isinstance(wanted, Var))  # fmt: skip


def is_head(b: Scope, expected: Env, found: Env) -> bool:
    """Whether the head of a loop is as expected.

    A name that is bound in the loop alone, and has no type at its head, need not be expected; one
    that is read where it has none is in ``union_names``.
    """
    return all(
        _same(var, expected.get(name))
        or (isinstance(var, Dropped) and name not in expected and name not in b.facts.union_names)
        for name, var in found.items()
    )


def is_exit(expected: Env | None, found: Env | None, paths: Iterable[Env]) -> bool:
    """Whether the copies at the ends of ``paths`` are those that lead to the exit ``found``."""
    return all(_copies(path, expected) == _copies(path, found) for path in paths)


def _copies(env: Env, target: Env | None) -> tuple[list[tuple[str, ir.Local]], set[str]]:
    """What is copied to get from ``env`` to ``target``, and which names then have a value."""
    places = {name: var.local for name, var in (target or {}).items() if isinstance(var, Var)}
    copied = []
    for name, place in places.items():
        have = env.get(name)
        if have is not POISONED and not (isinstance(have, Var) and have.local == place):
            copied.append((name, place))
    return copied, {*places} if copied else set()


def _same(one: Var | Dropped | None, other: Var | Dropped | None) -> bool:
    """Whether a name is the same in two environments, for all that is built from it."""
    if one is other:
        return True
    if isinstance(one, Dropped) and isinstance(other, Dropped):
        return view_of(one) == view_of(other) and (one is POISONED) == (other is POISONED)
    return one == other and _is_part(one) == _is_part(other)


def _is_part(var: Var | Dropped | None) -> bool:
    return isinstance(var, Var) and var.local.part


def _one(b: Scope, name: str, known: Known, loc: Location) -> Var | Dropped:
    if known.view is not None:
        local = b.local(name, known.types[0], loc)
        return Var(local, known.view, known.unique, known.in_hand)
    if name not in b.facts.union_names:
        return Dropped(known.types)
    wide = view_of(Dropped(known.types))
    return Var(b.local(name, wide, loc), wide)


def _shifted(name: str, by: int) -> str:
    """A made-up name by its number relative to others; a user's as it is."""
    base, *numbers = name.split("%")
    return base + "".join(f"%{int(number) + by}" for number in numbers)
