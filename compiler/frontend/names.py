"""Which names Python code binds and reads, by scope.

Input: syntax nodes of one function.  Output: sets of names.  Nested functions and comprehensions
have scopes of their own; what belongs here is where one scope ends and the next begins.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

Names = frozenset[str]
EMPTY: Names = frozenset()

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def walk_scope(nodes: Iterable[ast.AST]) -> Iterable[ast.AST]:
    """``nodes`` and all below them in the order of the text, without bodies of nested functions.

    A nested ``def``, ``class`` or ``lambda`` is yielded itself, and not entered.
    """
    for node in nodes:
        yield node
        if not isinstance(node, _SCOPES):
            yield from walk_scope(ast.iter_child_nodes(node))


def bound_names(nodes: Iterable[ast.AST]) -> dict[str, ast.AST]:
    """Every name that the statements bind in their own scope, with the node that binds it first.

    Comprehension variables are left out: they live in a scope of their own.
    """
    found: dict[str, ast.AST] = {}
    for node in _without_comprehension_targets(nodes):
        for name in binds(node):
            found.setdefault(name, node)
    return found


def _without_comprehension_targets(nodes: Iterable[ast.AST]) -> Iterable[ast.AST]:
    for node in nodes:
        yield node
        if isinstance(node, ast.comprehension):
            yield from _without_comprehension_targets([node.iter, *node.ifs])
        elif not isinstance(node, _SCOPES):
            yield from _without_comprehension_targets(ast.iter_child_nodes(node))


def binds(node: ast.AST) -> Iterable[str]:
    """The names that this very node binds, children not looked at."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            yield name
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            for alias in names:
                yield (alias.asname or alias.name).partition(".")[0]


def read_names(node: ast.AST) -> Names:
    """Every name of the surrounding scope that ``node`` may read, nested functions included."""
    match node:
        case ast.Name(ctx=ast.Store()):
            return EMPTY
        case ast.Name():
            return frozenset({node.id})
        case ast.Lambda() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return _read_by_function(node)
    inside = frozenset().union(*map(read_names, ast.iter_child_nodes(node)))
    if isinstance(node, COMPREHENSIONS):
        own = frozenset().union(*(stored_names(part.target) for part in node.generators))
        return (inside - own) | read_names(node.generators[0].iter)
    return inside


def _read_by_function(node: ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef) -> Names:
    body = [node.body] if isinstance(node, ast.Lambda) else node.body
    outer = declared_names(body)
    own = {arg.arg for arg in parameters(node.args)} | (bound_names(body).keys() - outer)
    inside = frozenset().union(*map(read_names, body)) | outer
    around = [part for part in ast.iter_child_nodes(node) if part not in body]
    return (inside - own) | frozenset().union(*map(read_names, around))


def parameters(args: ast.arguments) -> list[ast.arg]:
    """Every parameter, ``*args`` and ``**kwargs`` included, in the order of the text."""
    every = [*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg]
    return [arg for arg in every if arg is not None]


def declared_names(nodes: Iterable[ast.AST]) -> Names:
    """The names that ``global`` and ``nonlocal`` take from outer scopes."""
    declarations = (ast.Global, ast.Nonlocal)
    found = (node for node in walk_scope(nodes) if isinstance(node, declarations))
    return frozenset(name for node in found for name in node.names)


def stored_names(target: ast.AST) -> Names:
    """The names a target binds."""
    return frozenset(
        child.id
        for child in ast.walk(target)
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)
    )


def awaits(nodes: Iterable[ast.AST]) -> bool:
    """Whether statements may have to wait for something."""
    kinds = (ast.Await, ast.AsyncFor, ast.AsyncWith)
    return any(isinstance(node, kinds) for node in walk_scope(nodes))
