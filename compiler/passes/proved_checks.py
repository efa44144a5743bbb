"""A pass: operations that cannot fail lose their check.

Input and output: a kernel.  ::

    for %1 in range(0, 4, 1):                      for %1 in range(0, 4, 1):
      n = mod_i64(add_i64(%1, 1), 10)        =>      n = mod_by(plus_i64(%1, 1), 10)
      x = array_item(xs, axis[4](%1))                x = array_item(xs, %1)

Each int has a range, from what it is computed of: constants, lengths, bounds of loops, numbers of
few bits.  The range of a variable is that of all values it is given; of parameters and variables
of the state, which have a value before, it is any.  Where a result cannot leave
64 bits, a divisor cannot be zero, or an index cannot be wrong, ``ops.operators.PROVED`` has the
operation without its check, which leaves less to put in order and no error to look at.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import cast

import numpy as np

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.effects import bound_by, is_needless, written_by
from pydotcompute.compiler.ir.transform import map_bodies, map_children, map_nodes
from pydotcompute.compiler.ops.operators import PROVED
from pydotcompute.compiler.passes.dead_code import reads_of
from pydotcompute.compiler.types.int_ranges import INT_MAX, INT_MIN
from pydotcompute.compiler.types.types import (
    BOOL,
    INT,
    ArrayType,
    DequeType,
    ListType,
    ScalarType,
    Type,
)

Range = tuple[int, int]
"""The least and the greatest value."""

ANY: Range = (INT_MIN, INT_MAX)


def drop_checks(kernel: ir.Kernel) -> ir.Kernel:
    """The kernel without the checks that never fail."""
    functions = {function.name: function for function in kernel.functions}
    given = {id(f.body): f.parameters for f in kernel.functions} | {id(kernel.turn): kernel.state}
    return map_bodies(kernel, lambda body: _dropped(body, given[id(body)], functions))


def _dropped(body: ir.Block, given: Iterable[ir.Local],
             functions: Mapping[str, ir.Function]) -> ir.Block:  # fmt: skip
    ranges = Ranges(body, given, functions)

    def change(node: ir.Node) -> ir.Node | ir.Block:
        made = map_children(node, change)
        if isinstance(made, ir.Evaluate) and is_needless(made):
            return ()  # it was evaluated only because it might fail
        return ranges.proved(made) if isinstance(made, ir.Op) else made

    return cast(ir.Block, map_nodes(body, change))


class Ranges:
    """The ranges of the ints of one function.

    Args:
        body: its statements.
        given: locals that have a value before: parameters, the state.
        functions: those that it may call, which may change what they are given.
    """

    def __init__(self, body: ir.Block, given: Iterable[ir.Local],
                 functions: Mapping[str, ir.Function]) -> None:  # fmt: skip
        self._values: dict[str, list[ir.Expr | None]] = {local.name: [None] for local in given}
        """What each local is given; None: something unknown."""
        self._loops: dict[str, list[ir.For]] = {}
        self._known: dict[str, Range] = {}
        reads = reads_of(body)
        for node in ir.walk(*body):
            if isinstance(node, ir.Call):
                for local in written_by(node, functions):
                    self._values.setdefault(local.name, []).append(None)
            if (target := bound_by(node)) is None:
                continue
            if isinstance(node, ir.For) and _inside(node, target) == reads[target.name]:
                self._loops.setdefault(target.name, []).append(node)
            else:
                value = node.value if isinstance(node, ir.Assign) else None
                self._values.setdefault(target.name, []).append(value)

    def proved(self, node: ir.Op) -> ir.Expr:
        """An operation without its check, if that never fails."""
        name, args = node.primitive.name, node.args
        if name in ("axis", "place"):
            low, high = self.of(args[0])
            return args[0] if 0 <= low <= high < node.primitive.given[0] else node
        if name not in PROVED:
            return node
        if name == "truediv_f64":
            proved = isinstance(args[1], ir.Const) and args[1].value != 0.0
        else:
            left, (low, high) = map(self.of, args)
            if name in _EXACT:
                low, high = _corners(_EXACT[name], left, (low, high))
                proved = low >= INT_MIN and high <= INT_MAX
            elif name == "rshift_i64":
                proved = low >= 0 and high <= 63
            else:  # a division
                proved = low > 0 or high < -1
        return ir.Op(node.loc, node.type, PROVED[name], args) if proved else node

    def of(self, node: ir.Expr) -> Range:
        """The range of an expression; of one that fails, it is any."""
        match node:
            case ir.Const(value=int(value)) if node.type in (BOOL, INT):
                return (int(value), int(value))
            case ir.Local():
                return self._of_local(node.name)
            case ir.Cond():
                return _hull(self.of(node.then), self.of(node.orelse))
            case ir.Table() if node.type == INT:
                return (min(node.values), max(node.values))
            case ir.Op():
                made = self.proved(node)
                return self._of_operation(made) if isinstance(made, ir.Op) else self.of(made)
        return _of_type(node.type)

    def _of_local(self, name: str) -> Range:
        if name not in self._known:
            self._known[name] = ANY  # of one that depends on itself
            values, loops = self._values.get(name, []), self._loops.get(name, [])
            found = [ANY if value is None else self.of(value) for value in values]
            found += [self._of_loop(loop) for loop in loops]
            self._known[name] = _hull(*found) if found else ANY
        return self._known[name]

    def _of_loop(self, node: ir.For) -> Range:
        """What the variable of a loop may be inside of it."""
        start, stop, step = self.of(node.start), self.of(node.stop), self.of(node.step)
        if step[0] > 0:
            return (start[0], max(start[0], stop[1] - 1))
        if step[1] < 0:
            return (min(start[1], stop[0] + 1), start[1])
        return ANY

    def _of_operation(self, node: ir.Op) -> Range:
        operation, args = node.primitive, node.args
        if operation.name in ("axis", "place", "modulo"):
            return (0, operation.given[0] - 1)
        if operation.name == "len":
            return (0, _capacity(args[0].type))
        rule = _RULES.get(operation.name)
        if rule is None or node.type != INT:
            return _of_type(node.type)
        low, high = rule(*map(self.of, args))
        return (low, high) if low >= INT_MIN and high <= INT_MAX else ANY


def _inside(loop: ir.For, target: ir.Local) -> int:
    """How often a loop's variable is read in its body."""
    return reads_of(loop.body)[target.name]


def _hull(*ranges: Range) -> Range:
    return (min(low for low, _ in ranges), max(high for _, high in ranges))


def _of_type(type_: Type) -> Range:
    if type_ == BOOL:
        return (0, 1)
    if isinstance(type_, ScalarType) and type_.dtype.kind in "iu" and type_.dtype.itemsize < 8:
        info = np.iinfo(type_.dtype)
        return (int(info.min), int(info.max))
    return ANY


def _capacity(type_: Type) -> int:
    """The most items of a container."""
    match type_:
        case ListType() | DequeType():
            return type_.capacity
        case ArrayType():
            return type_.shape[0]
    return INT_MAX


def _corners(function: Callable[[int, int], int], left: Range, right: Range) -> Range:
    found = [function(a, b) for a in left for b in right]
    return (min(found), max(found))


def _modulo(left: Range, right: Range) -> Range:
    low, high = right
    if low > 0:
        return left if left[0] >= 0 and left[1] < low else (0, high - 1)
    return (low + 1, 0) if high < 0 else ANY


def _masked(left: Range, right: Range) -> Range:
    tops = [high for low, high in (left, right) if low >= 0]
    return (0, min(tops)) if tops else ANY


def _of_bits(left: Range, right: Range) -> Range:
    if left[0] < 0 or right[0] < 0:
        return ANY
    return (0, (1 << max(left[1], right[1]).bit_length()) - 1)


def _floors(left: Range, right: Range) -> Range:
    return _corners(operator.floordiv, left, right) if right[0] > 0 or right[1] < 0 else ANY


_EXACT: dict[str, Callable[[int, int], int]] = {
    "add_i64": operator.add, "sub_i64": operator.sub, "mul_i64": operator.mul,
}  # fmt: skip
_RULES: dict[str, Callable[..., Range]] = {
    "same": lambda value: value,
    "cast": lambda value: value,
    "mod_by": _modulo, "floordiv_by": _floors,
    "and": _masked, "or": _of_bits, "xor": _of_bits,
    "next": lambda value: (value[0] + 1, value[1] + 1),
    "shift_right": lambda left, right: _corners(operator.rshift, left, right),
    "bit_length_i64": lambda value: (0, 64), "bit_count_i64": lambda value: (0, 64),
    **{PROVED[name].name: lambda left, right, function=function: _corners(function, left, right)
       for name, function in _EXACT.items()},
}  # fmt: skip
"""The range of a result by those of the operands.  What may fail has none: then it is any value."""
