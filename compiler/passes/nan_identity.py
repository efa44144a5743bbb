"""Deoptimise before a NaN enters the state of an actor that can tell one NaN from another.

Input and output: a kernel.  Python finds a NaN in a dict, a list or a tuple by identity; a record
holds its bits only.  Compiled code leaves a message to the interpreter where identity decides.
That is too late for a NaN which an earlier turn has stored: two objects may have become one, or one
two.  A kernel that asks for identity anywhere therefore checks what it stores::

    last = x                   last = x
                       -->     if last != last: deoptimise
    d[k] = v                   if v != v: deoptimise
                               d[k] = v

NaNs of messages need no check: ``types.shared_nan`` makes them one object each.  Those of the state
at launch are checked by ``KernelSource.pack_state``.  Other kernels stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.transform import map_blocks
from pydotcompute.compiler.ops.error_codes import raise_
from pydotcompute.compiler.ops.operators import SAME_FLOAT, binary
from pydotcompute.compiler.types.limits import has_float
from pydotcompute.compiler.types.message_schema import schema_of
from pydotcompute.compiler.types.types import (
    BOOL,
    FLOAT,
    NEVER,
    ArrayType,
    DictType,
    MessageType,
    ScalarType,
    SetType,
    TupleType,
    UnionType,
    in_body,
)

_DEOPTIMISE = raise_("PDC_DEOPT_NAN")
_differs = binary("!=", FLOAT, FLOAT)
assert _differs is not None
_DIFFERS = _differs.primitive


def keep_nan_identity(kernel: ir.Kernel) -> ir.Kernel:
    """The kernel, with checks of what it stores if it asks for the identity of floats."""
    if not asks_for_identity(kernel):
        return kernel
    stored = frozenset(_stored_containers(kernel))
    turn = _Checks(frozenset(local.name for local in kernel.state), stored)
    functions = tuple(replace(function, body=_Checks(frozenset(), None).block(function.body))
                      for function in kernel.functions)  # fmt: skip
    return replace(kernel, turn=turn.block(kernel.turn), functions=functions)


def asks_for_identity(kernel: ir.Kernel) -> bool:
    """Whether an operation of the kernel may depend on which object a NaN is."""
    return any(map(_asks, ir.walk(kernel)))


def _asks(node: ir.Node) -> bool:
    if not isinstance(node, (ir.Op, ir.Mutate)):
        return False
    if node.primitive in (SAME_FLOAT, _DEOPTIMISE):
        return True
    base = node.args[0].type if node.args else None
    if isinstance(base, SetType):
        return has_float(base.item)
    return isinstance(base, DictType) and has_float(base.key)


def _stored_containers(kernel: ir.Kernel) -> Iterator[str]:
    """Names of containers that are read as a whole, as by ``kept = made``."""
    for node in ir.walk(kernel):
        in_place = node.args[:1] if isinstance(node, ir.Op) else ()
        if isinstance(node, ir.Mutate):
            in_place = node.changed
        yield from (part.name for part in ir.children(node)
                    if isinstance(part, ir.Local) and part not in in_place)  # fmt: skip


@dataclass(frozen=True)
class _Checks:
    """Adds the checks.

    Args:
        state: names of the state variables.
        stored: names of containers made in the turn whose items may come into the state; None in
            functions, where any container may be the caller's.
    """

    state: frozenset[str]
    stored: frozenset[str] | None

    def block(self, block: ir.Block) -> ir.Block:
        """The statements, and what they hold, with their checks."""
        return map_blocks(block, lambda part: tuple(
            checked for statement in part for checked in self._statement(statement)))  # fmt: skip

    def _statement(self, node: ir.Stmt) -> Iterator[ir.Stmt]:
        before: list[ir.Expr] = []
        after: list[ir.Expr] = []
        if isinstance(node, ir.Assign) and node.target.name in self.state:
            if not _is_shared(node.value):
                after.append(node.target)
        elif isinstance(node, ir.SetField):
            before.append(node.value)
        elif isinstance(node, ir.Mutate) and self._is_kept(node.args[0]):
            before += node.args[2 if isinstance(node.args[0].type, DictType) else 1 :]
        yield from _checks(before)
        yield node
        yield from _checks(after)

    def _is_kept(self, base: ir.Expr) -> bool:
        if isinstance(base.type, ArrayType):
            return False  # an array makes a new object at each read
        if self.stored is None or not isinstance(base, ir.Local):
            return True
        return base.origin is not None or base.name in self.state or base.name in self.stored


def _is_shared(value: ir.Expr) -> bool:
    """Whether a NaN that a value may be is ``math.nan`` itself."""
    return isinstance(value, ir.Const) and value.value is math.nan


def _checks(values: list[ir.Expr]) -> Iterator[ir.Stmt]:
    for value in values:
        test = _any_nan(value)
        if test is not None:
            leave = ir.Evaluate(value.loc, ir.Op(value.loc, NEVER, _DEOPTIMISE, ()))
            yield ir.If(value.loc, test, (leave,), ())


def _any_nan(value: ir.Expr) -> ir.Expr | None:
    """Whether a value is, or holds, a NaN; None if it never does."""
    loc, type_ = value.loc, value.type
    if isinstance(value, ir.Wrap):
        return _any_nan(value.value)
    if type_ == FLOAT or (isinstance(type_, ScalarType) and type_.is_float):
        if isinstance(value, ir.Const):
            return None if value.value == value.value else ir.Const(loc, BOOL, True)
        return ir.Op(loc, BOOL, _DIFFERS, (value, value))
    parts: list[ir.Expr | None] = []
    if isinstance(value, ir.Tuple):
        parts = [_any_nan(item) for item in value.items]
    elif isinstance(type_, TupleType):
        parts = [_any_nan(ir.Item(loc, item, value, n)) for n, item in enumerate(type_.items)]
    elif isinstance(type_, MessageType):
        parts = [_any_nan(ir.Field(loc, in_body(field.type), value, field.name))
                 for field in schema_of(type_.cls).fields]  # fmt: skip
    elif isinstance(type_, UnionType):
        for member in type_.members:
            held = _any_nan(ir.As(loc, member, value))
            if held is not None:
                held = ir.And(loc, BOOL, ir.Is(loc, BOOL, value, member), held)
            parts.append(held)
    found: ir.Expr | None = None
    for part in filter(None, parts):
        found = part if found is None else ir.Or(loc, BOOL, found, part)
    return found
