"""A pass: what is known when the actor is compiled is computed then.

Input and output: a kernel.  ::

    if (flag and True):            if flag:
      n: int = (1 if True else k)    n: int = 1
    if False:                    =>
      send Answer(0)

A condition of two bools becomes ``and`` or ``or``.  The builder folds what decides a *type*; what
only decides a value is left to this pass.  Nothing that may fail is left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.effects import is_needless, may_fail
from pydotcompute.compiler.ir.transform import rewrite
from pydotcompute.compiler.ops.operators import NOT
from pydotcompute.compiler.types.types import BOOL, CONTAINERS, FLOAT, INT, STR, Type

_FOLDS: dict[Type, type] = {BOOL: bool, INT: int, FLOAT: float}
"""Types of the results that are computed, and the class of their values."""
_OPERANDS = (BOOL, INT, FLOAT, STR)


def fold_constants(kernel: ir.Kernel) -> ir.Kernel:
    """The kernel without decisions on constants."""
    return rewrite(kernel, _folded)


def _folded(node: ir.Node) -> ir.Node | ir.Block:
    match node:
        case ir.And() | ir.Or():
            return _junction(node)
        case ir.Cond():
            return _conditional(node)
        case ir.Op(primitive=primitive, args=(ir.Op(primitive=inner, args=args),)) if (
            primitive == inner == NOT
        ):
            return args[0]
        case ir.Op():
            return _computed(node)
        case ir.Is(base=ir.Wrap(value=value), member=member) if not may_fail(value):
            return ir.Const(node.loc, BOOL, value.type == member)
        case ir.As(base=ir.Wrap(value=value)) if value.type == node.type and not isinstance(
            value.type, CONTAINERS
        ):
            return value
        case ir.Item(base=ir.Tuple(items=items)) if not any(map(may_fail, items)):
            return items[node.index]
        case ir.If(test=ir.Const(value=value)):
            return node.body if value else node.orelse
        case ir.While(setup=(), test=ir.Const(value=False)):
            return node.orelse
        case ir.Evaluate() if is_needless(node):
            return ()
    return node


def _junction(node: ir.And | ir.Or) -> ir.Expr:
    """``and`` and ``or``, of which a side is known."""
    decides = isinstance(node, ir.Or)
    if isinstance(node.left, ir.Const):
        return node.left if node.left.value == decides else node.right
    if isinstance(node.right, ir.Const):
        if node.right.value != decides:
            return node.left
        if not may_fail(node.left):
            return node.right
    return node


def _conditional(node: ir.Cond) -> ir.Expr:
    """``then if test else orelse``, of which the test, or one of two bools, is known."""
    if isinstance(node.test, ir.Const):
        return node.then if node.test.value else node.orelse
    if isinstance(node.test, ir.Op) and node.test.primitive == NOT:
        return _conditional(replace(node, test=node.test.args[0], then=node.orelse,
                                    orelse=node.then))  # fmt: skip
    if node.type != BOOL:
        return node
    then, orelse = node.then, node.orelse
    if isinstance(orelse, ir.Const):
        if not orelse.value:
            return _junction(ir.And(node.loc, BOOL, node.test, then))
        return _junction(ir.Or(node.loc, BOOL, _negated(node.test), then))
    if isinstance(then, ir.Const):
        if then.value:
            return _junction(ir.Or(node.loc, BOOL, node.test, orelse))
        return _junction(ir.And(node.loc, BOOL, _negated(node.test), orelse))
    return node


def _negated(test: ir.Expr) -> ir.Expr:
    made = _folded(ir.Op(test.loc, BOOL, NOT, (test,)))
    assert isinstance(made, ir.Expr)
    return made


def _computed(node: ir.Op) -> ir.Expr:
    """The value of an operation on constants, if it has one here."""
    wanted = _FOLDS.get(node.type)
    if wanted is None or not node.args:
        return node
    values: list[Any] = []
    for arg in node.args:
        if not isinstance(arg, ir.Const) or arg.type not in _OPERANDS:
            return node
        values.append(arg.value)
    try:
        value = node.primitive.python(*values)
    except Exception:  # it raises or deoptimises: at run time, where it is
        return node
    if type(value) is not wanted or value != value:  # a NaN has an identity
        return node
    return ir.Const(node.loc, node.type, value)
