"""Containers that a loop runs over: the interpreter is told when one changes its size meanwhile.

Python raises ``RuntimeError`` at the step of a loop behind such a change, and a list shows its new
items.  Here a flag is set where the builder writes a change of the very place that is looped over,
under whatever name, and each step looks at it.  A loop without such a change has no flag.

    for k in d:             %3 = false
        if k > 3:           for ...: if %3: hand over
            d[k] = 1                   %4 = len(d);  d[k] = 1;  %3 = %3 or len(d) != %4
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import raising
from pydotcompute.compiler.irbuild.core.unit import Watch
from pydotcompute.compiler.irbuild.values.operators import compare
from pydotcompute.compiler.ops import containers as c
from pydotcompute.compiler.ops.primitive import Primitive
from pydotcompute.compiler.types.types import BOOL, INT, NEVER, ArrayType, DictType, SetType


@dataclass
class Change:
    """A change that is about to be written: the flags it may set, and the length before it."""

    watches: Sequence[Watch]
    length: ir.Expr | None = None


def before_change(b: Builder, place: ir.Expr, primitive: Primitive) -> Change | None:
    """To be called before a change is written into the block."""
    if not isinstance(place, ir.Local) or isinstance(place.type, ArrayType):
        return None
    is_set = primitive in (c.SET, c.OBTAIN, c.INCLUDE, c.DISCARD)  # the length may stay
    of_items = is_set and not isinstance(place.type, (DictType, SetType))
    in_place = primitive.name == "sort" or of_items
    found = [watch for watch in b.watches if _may_be(b, watch.place, place)
             and (watch.all_changes or not in_place)]  # fmt: skip
    if not found:
        return None
    if not is_set or any(watch.all_changes for watch in found):
        return Change(found)
    return Change(found, b.temporary(ir.Op(place.loc, INT, c.LENGTH, (place,))))


def after_change(b: Builder, place: ir.Expr, change: Change | None) -> None:
    """To be called after a change has been written into the block."""
    for watch in change.watches if change else ():
        loc = place.loc
        watch.changed = True
        value: ir.Expr = ir.Const(loc, BOOL, True)
        if change is not None and change.length is not None:
            now = ir.Op(loc, INT, c.LENGTH, (place,))
            value = ir.Or(loc, BOOL, watch.flag, compare(b, "!=", now, change.length))
        b.block.append(ir.Assign(loc, watch.flag, value))


def changes_by_call(b: Builder, call: ir.Call) -> Iterator[tuple[ir.Expr, Change]]:
    """The containers that a call changes, of those that are looped over.

    A function that changes one may raise, and be caught; so inside a ``try``, the flag is set
    before the call.
    """
    for place, primitive in list(_changed(b, call.function, call.args)):
        change = before_change(b, place, primitive)
        if change is not None and b.tries:
            after_change(b, place, Change(change.watches))
        elif change is not None:
            yield place, change


def _changed(b: Builder, name: str,
             args: Sequence[ir.Expr]) -> Iterator[tuple[ir.Expr, Primitive]]:  # fmt: skip
    """Arguments whose containers a function changes, and how."""
    callee = b.unit.callee(name).function
    given = {own.name: arg for arg, own in zip(args, callee.parameters, strict=True)}
    for node in ir.walk(*callee.body):
        if isinstance(node, ir.Mutate):
            for place in node.changed:
                arg = given.get(getattr(place, "name", ""))
                if arg is not None:
                    yield arg, node.primitive
        elif isinstance(node, ir.Call):
            inner = [given.get(getattr(arg, "name", ""), arg) for arg in node.args]
            yield from _changed(b, node.function, inner)


def _may_be(b: Builder, one: ir.Local, other: ir.Local) -> bool:
    """Whether two places may be one container: parameters may be given the same one."""
    if one.name == other.name:
        return True
    both = {one.name, other.name}
    return b.ctx is None and one.type == other.type and both <= b.parameters.keys()


def look(b: Builder, watches: Sequence[Watch], node: ast.AST) -> None:
    """At a step of a loop: hands over if what it runs over has changed."""
    loc = b.loc(node)
    for watch in watches:
        if watch.changed:
            leave = ir.Evaluate(loc, raising(loc, NEVER, "PDC_DEOPT_CHANGED"))
            b.block.append(ir.If(loc, watch.flag, (leave,), ()))
