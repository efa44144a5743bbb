"""Where the order of a set may show, as far as syntax tells.

Python's order of a set depends on hashes and on all that was ever in it.  A set that compiled code
has held comes back with the same items, in another order.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

_METHODS = frozenset(
    "add discard remove clear update difference_update intersection_update "
    "symmetric_difference_update isdisjoint issubset issuperset".split()
)
"""Methods of sets that are the same in any order."""

_FUNCTIONS = frozenset({"len", "bool", "sorted", "any", "all"})


def ordered_uses(parts: Iterable[ast.AST]) -> set[str]:
    """Names that are read other than in a way that is the same for any order of a set.

    Args:
        parts: the nodes of statements.
    """
    parts = list(parts)
    plain = {id(name) for part in parts for name in _plain_uses(part)}
    return {part.id for part in parts if isinstance(part, ast.Name) and id(part) not in plain
            and isinstance(part.ctx, ast.Load)}  # fmt: skip


def second_names(parts: Iterable[ast.AST]) -> set[str]:
    """Names whose value may get another name.

    Args:
        parts: the nodes of statements.
    """
    bound = (part.value for part in parts
             if isinstance(part, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and part.value)
    return {name for value in bound for name in _results(value)}


def _results(node: ast.expr) -> Iterator[str]:
    """The names that an expression's value may be, or hold."""
    match node:
        case ast.Name(id=name):
            yield name
        case ast.IfExp(body=then, orelse=orelse):
            yield from (*_results(then), *_results(orelse))
        case ast.BoolOp(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                yield from _results(part)
        case ast.NamedExpr(value=value):
            yield from _results(value)


def _plain_uses(node: ast.AST) -> Iterator[ast.AST]:
    """The direct parts of a node for whose order it does not care, if they are sets."""
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr=name)) if name in _METHODS:
            yield owner
        case ast.Call(func=ast.Name(id=name), args=[first], keywords=[]) if name in _FUNCTIONS:
            yield first
        case ast.Compare(left=left, comparators=others):
            yield from (left, *others)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield test
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
