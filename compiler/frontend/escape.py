"""Escape analysis: expressions that are read but never stored or aliased.

A message is an object in Python, and a value in compiled code.  That makes a difference only where
an object that has several names changes.  So the builder asks of each use of a name whether it
gives the object one more name or place (``other = order``, ``orders.append(order)``), or merely
looks at it (``order.price``, ``send(order)``, ``print(order)``, ``order == other``).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

LOOKING = frozenset(
    "print isinstance str repr format len bool int float abs type hash debug info warning error "
    "critical exception log send".split()
)
"""Functions and methods that keep none of their arguments."""


def looked_at(function: ast.AST) -> frozenset[int]:
    """The ``id`` of each expression of a function whose value is only looked at."""
    return frozenset(id(part) for node in ast.walk(function) for part in _looked(node))


READING = frozenset(
    "get items keys values index count copy sum mean min max any all tolist astype".split()
)
"""Methods of containers that leave them as they are."""


def changing(function: ast.AST) -> frozenset[str]:
    """Names of a function whose container may change, here or in a function that it is given."""
    return frozenset(part.id for node in ast.walk(function) for part in _changing(node)
                     if isinstance(part, ast.Name))  # fmt: skip


def _changing(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
            yield value
        case ast.AugAssign(target=target):
            yield target
        case ast.Call(func=func, args=args, keywords=keywords):
            if isinstance(func, ast.Attribute) and func.attr not in READING:
                yield func.value
            if isinstance(func, ast.Name) and func.id not in LOOKING | {"list", "sorted", "sum"}:
                yield from [*args, *(keyword.value for keyword in keywords)]


def _looked(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Expr(value=value):
            yield value
        case ast.Call(func=func, args=args, keywords=keywords):
            name = getattr(func, "attr", None) or getattr(func, "id", None)
            if name in LOOKING:
                yield from _parts([*args, *(keyword.value for keyword in keywords)])
        case ast.FormattedValue(value=value):
            yield from _parts([value])
        case ast.Compare(left=left, comparators=others):
            yield from _parts([left, *others])
        case ast.Assign(targets=[ast.Tuple() | ast.List()], value=ast.Tuple() as value):
            yield value  # its items go to names of their own
        case ast.For(iter=ast.Tuple() as value):
            yield value
        case ast.Return(value=value) if value is not None:
            yield from _parts([value])  # the function's own names end with it
        case ast.If(test=test) | ast.While(test=test) | ast.Assert(test=test):
            yield from _parts([test])
        case ast.IfExp(test=test):
            yield from _parts([test])
        case ast.UnaryOp(operand=operand):
            yield from _parts([operand])
        case ast.Match(subject=subject, cases=cases):
            if not any(_captures(case.pattern) for case in cases):
                yield subject


def _parts(nodes: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """Expressions, and those inside them whose values theirs are made of."""
    for node in nodes:
        yield node
        match node:
            case ast.Tuple(elts=items) | ast.List(elts=items) | ast.BoolOp(values=items):
                yield from _parts(items)
            case ast.IfExp(body=body, orelse=orelse):
                yield from _parts([body, orelse])
            case ast.Starred(value=value):
                yield from _parts([value])


def _captures(pattern: ast.pattern) -> bool:
    """Whether a pattern gives the subject itself a name."""
    match pattern:
        case ast.MatchAs(pattern=inner, name=name):
            return name is not None or (inner is not None and _captures(inner))
        case ast.MatchOr(patterns=options):
            return any(map(_captures, options))
    return False
