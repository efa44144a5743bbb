"""Containers of the state that change places: ``cur, nxt = nxt, cur``.

A compiled container has one name, so what the names exchange are the contents.  In: the targets
and the values of an assignment.  Out: ``exchange`` statements, of which two make a rotation of
three, and the names for which nothing is left to do.

    cur, nxt = nxt, cur     =>     exchange(cur, nxt)
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers.containers import mutate
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.scope import Var
from pydotcompute.compiler.ops import containers as c
from pydotcompute.compiler.types.types import (
    ArrayType,
    DequeType,
    DictType,
    ListType,
    SetType,
    Type,
    join,
)


def exchanged(b: Builder, node: ast.AST, targets: Sequence[ast.expr],
              values: Sequence[ir.Expr]) -> frozenset[str]:  # fmt: skip
    """Exchange the contents of the state's containers that an assignment permutes.

    Args:
        b: the builder.
        node: the assignment.
        targets, values: its two sides, one value for each target.

    Returns:
        The names that need no assignment any more.
    """
    moved: dict[str, ir.Local] = {}
    for target, value in zip(targets, values, strict=True):
        var = (b.env or {}).get(target.id) if isinstance(target, ast.Name) else None
        if isinstance(var, Var) and is_lasting(var.local) and is_lasting(value):
            assert isinstance(target, ast.Name)
            assert isinstance(value, ir.Local)
            moved[target.id] = value
    places = {name: _place(b, name) for name in moved}
    moved = {name: value for name, value in moved.items() if value.name != places[name].name}
    wanted = {value.name for value in moved.values()}
    if not moved or wanted != {places[name].name for name in moved} or len(wanted) < len(moved):
        return frozenset()
    _make_alike(b, [places[name] for name in moved])
    for watch in b.watches:
        if watch.place.name in wanted:
            raise OperandError("a container that is looped over changes places with another")
    goes_to = {value.name: places[name] for name, value in moved.items()}
    _permute(b, node, {name: value.name for name, value in goes_to.items()}, places)
    for name, var in list((b.env or {}).items()):
        if name not in moved and isinstance(var, Var) and var.local.name in goes_to:
            assert b.env is not None
            b.env[name] = replace(var, local=goes_to[var.local.name])
    return frozenset(moved)


def is_lasting(value: ir.Expr) -> bool:
    """Whether a value is a container that the state has under a name of its own."""
    return isinstance(value, ir.Local) and value.origin is not None and not value.part


def _place(b: Builder, name: str) -> ir.Local:
    var = (b.env or {})[name]
    assert isinstance(var, Var)
    return var.local


def _make_alike(b: Builder, places: Sequence[ir.Local]) -> None:
    """Begin again with containers of one type, if those that are exchanged are not."""
    wide: Type = places[0].type
    for place in places[1:]:
        wide = _joined(wide, place.type)
    for place in places:
        if place.type != wide and not isinstance(wide, ArrayType):
            assert place.origin is not None
            b.widen_container(place.origin, wide)


def _joined(one: Type, other: Type) -> Type:
    match one, other:
        case (ListType(), ListType()):
            return ListType(join(one.item, other.item), max(one.capacity, other.capacity))
        case (DictType(), DictType()) if one.missing == other.missing:
            return replace(one, key=join(one.key, other.key), value=join(one.value, other.value))
        case (SetType(), SetType()) if one.cls == other.cls:
            return replace(one, item=join(one.item, other.item))
        case (DequeType(), DequeType()) if one.maxlen == other.maxlen:
            room = max(one.capacity, other.capacity)
            return DequeType(join(one.item, other.item), room, one.bounded)
    if one != other:
        raise OperandError(f"a {one} and a {other} change places; their sizes and items have to "
                           "be of one type")  # fmt: skip
    return one


def _permute(b: Builder, node: ast.AST, goes_to: dict[str, str],
             places: dict[str, ir.Local]) -> None:  # fmt: skip
    """Exchanges that bring the contents of each place to where ``goes_to`` says."""
    by_name = {place.name: place for place in places.values()}
    while goes_to:
        first, target = next(iter(goes_to.items()))
        if first != target:
            mutate(b, node, c.EXCHANGE, by_name[first], by_name[target])
            # The contents of ``first`` are where they belong; those of ``target`` are in ``first``.
            goes_to[first] = goes_to[target]
        goes_to.pop(target)
