"""Conditions: a bool, and what each outcome says about the types of names.

``if x is not None`` is a test and, for the branch, the knowledge that ``x`` is not ``None``.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.scope import POISONED, Dropped, Env, Var, view_of
from pydotcompute.compiler.irbuild.values.operators import choose, negate
from pydotcompute.compiler.irbuild.values.type_tests import class_of, classes
from pydotcompute.compiler.types.types import BOOL, NONE, UNBOUND, Type, UnionType, members_of

Condition = tuple[ir.Expr, Env, Env]
"""The test, and the environments where it is true and where it is false."""


def condition(b: Builder, node: ast.expr) -> Condition:
    """The truth of ``node``, as ``if``, ``while`` and ``assert`` take it."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        test, when_true, when_false = condition(b, node.operand)
        return negate(test), when_false, when_true
    if isinstance(node, ast.BoolOp):
        return _bool_op(b, node)
    if isinstance(node, ast.Compare) and (found := _none_test(b, node)) is not None:
        return found
    if isinstance(node, ast.Call) and (found := _isinstance(b, node)) is not None:
        return found
    test = b.truth(b.expression(node))
    env = _copy(b)
    if isinstance(node, ast.Name) and (narrowed := _without(b, node.id, {NONE})):
        return test, narrowed, env
    return test, env, env


def _copy(b: Builder) -> Env:
    return dict(b.env or {})


def _view(b: Builder, name: str, keep: list[Type]) -> Env | None:
    """The environment in which ``name`` has one of the types ``keep``."""
    env = _copy(b)
    var = env.get(name)
    if not isinstance(var, Var) or not isinstance(var.view, UnionType) or not keep:
        return None
    env[name] = replace(var, view=keep[0] if len(keep) == 1 else UnionType(tuple(keep)))
    return env


def _without(b: Builder, name: str, gone: set[Type]) -> Env | None:
    var = (b.env or {}).get(name)
    if not isinstance(var, Var):
        return None
    return _view(b, name, [m for m in members_of(var.view) if m not in gone])


def _none_test(b: Builder, node: ast.Compare) -> Condition | None:
    """``x is None`` and ``x is not None`` of a name."""
    right = node.comparators[0]
    if not (
        len(node.ops) == 1 and isinstance(node.ops[0], (ast.Is, ast.IsNot))
        and isinstance(node.left, ast.Name) and isinstance(right, ast.Constant)
        and right.value is None
    ):  # fmt: skip
        return None
    test = b.expression(node)
    name = node.left.id
    is_none = _view(b, name, [NONE]) or _copy(b)
    is_some = _without(b, name, {NONE}) or _copy(b)
    if isinstance(node.ops[0], ast.Is):
        return test, is_none, is_some
    return test, is_some, is_none


def _isinstance(b: Builder, node: ast.Call) -> Condition | None:
    """``isinstance(x, A)`` of a name."""
    if not (isinstance(node.func, ast.Name) and node.func.id == "isinstance"
            and len(node.args) == 2 and isinstance(node.args[0], ast.Name)):  # fmt: skip
        return None
    test = b.truth(b.expression(node))
    name = node.args[0].id
    var = (b.env or {}).get(name)
    if not isinstance(var, Var) or not isinstance(var.view, UnionType):
        return test, _copy(b), _copy(b)
    members = [m for m in var.view.members if m != UNBOUND]
    wanted = classes(b, node.args[1])
    yes: list[Type] = [m for m in members if issubclass(class_of(m), wanted)]
    no = [m for m in members if m not in yes]
    return test, _view(b, name, yes) or _copy(b), _view(b, name, no) or _copy(b)


def _bool_op(b: Builder, node: ast.BoolOp) -> Condition:
    """``a and b``: ``b`` is looked at where ``a`` is true; dually for ``or``."""
    is_and = isinstance(node.op, ast.And)
    test, when_true, when_false = condition(b, node.values[0])
    for operand in node.values[1:]:
        if isinstance(test, ir.Const):
            if bool(test.value) != is_and:
                return test, when_true, when_false
            kept, b.env = b.env, dict(when_true if is_and else when_false)
            test, when_true, when_false = condition(b, operand)
            b.env = kept
            continue
        outer, b.env = b.env, dict(when_true if is_and else when_false)
        found: list[Condition] = []

        def build(operand: ast.expr = operand, found: list[Condition] = found) -> ir.Expr:
            found.append(condition(b, operand))
            return found[0][0]

        right, statements = b.nested(build)
        b.env = outer
        loc = b.loc(node)
        if statements:
            decided = ir.Const(loc, BOOL, not is_and)
            arms = (right, decided) if is_and else (decided, right)
            branches = (statements, []) if is_and else ([], statements)
            test = choose(b, node, test, arms, branches)
        else:
            test = (ir.And if is_and else ir.Or)(loc, BOOL, test, right)
        _, right_true, right_false = found[0]
        if is_and:
            when_true, when_false = right_true, either(when_false, right_false)
        else:
            when_true, when_false = either(when_true, right_true), right_false
    return test, when_true, when_false


def either(one: Env, other: Env) -> Env:
    """What holds on both of two paths, without copies: the same local, its views joined."""
    env: Env = {}
    for name in {**one, **other}:  # in an order that is always the same
        left, right = one.get(name), other.get(name)
        if left is not None and left == right:
            env[name] = left
        elif isinstance(left, Var) and isinstance(right, Var) and left.local == right.local:
            env[name] = Var(left.local, left.local.type, left.unique and right.unique,
                            left.in_hand and right.in_hand)  # fmt: skip
        elif left is POISONED or right is POISONED:
            env[name] = POISONED
        else:
            env[name] = Dropped(tuple(dict.fromkeys((view_of(left), view_of(right)))))
    return env
