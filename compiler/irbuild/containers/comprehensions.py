"""Comprehensions, generators, ``map`` and ``filter``: as the loops that they mean."""

from __future__ import annotations

import ast
from typing import Any

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.quasiquote import (
    ROOM,
    TAG,
    Renamed,
    applied,
    copied,
    is_plain_lambda,
    placed,
    tagged,
    with_room,
)
from pydotcompute.compiler.irbuild.core.unit import Static


def comprehension(b: Builder, node: ast.ListComp | ast.GeneratorExp) -> ir.Expr:
    """``[f(x) for x in xs if test]`` as a loop that appends."""
    name = b.fresh_name("list")
    element = ast.Call(ast.Attribute(ast.Name(name, ast.Load()), "append", ast.Load()),
                       [node.elt], [])  # fmt: skip
    made = with_room(ast.List([], ast.Load()), getattr(node, TAG, ""), getattr(node, ROOM, 0))
    start = ast.Assign([ast.Name(name, ast.Store())], made)
    b.statements([placed(start, node), loops_of(b, node, ast.Expr(element))])
    return b.expression(placed(ast.Name(name, ast.Load()), node))


def copying(b: Builder, node: ast.AST, source: ast.expr, tag: str = "list", room: int = 0,
            each: tuple[str, ast.expr] | None = None) -> ast.ListComp:  # fmt: skip
    """``list(source)``, or ``[value for item in source]``, as syntax.

    Args:
        b: the builder.
        node: where.
        source: what is looped over.
        tag: tells it from other lists that are made up at the same place.
        room: items it must have room for; compiled code may have less.
        each: the name of an item, and the value.
    """
    if each is None:
        item = b.fresh_name("item")
        each = item, ast.Name(item, ast.Load())
    item, value = each
    loop = ast.comprehension(ast.Name(item, ast.Store()), source, [], 0)
    made: ast.ListComp = placed(with_room(ast.ListComp(value, [loop]), tag, room), node)
    return made


def as_list(b: Builder, node: ast.AST, source: ast.expr, tag: str = "list", room: int = 0,
            each: tuple[str, ast.expr] | None = None) -> ir.Expr:  # fmt: skip
    """A new list: the value of ``copying`` with the same arguments."""
    return comprehension(b, copying(b, node, source, tag, room, each))


def loops_of(b: Builder, node: Any, inner: ast.stmt, until: ast.expr | None = None) -> ast.stmt:
    """The loops of a comprehension around ``inner``, its variables renamed to be its own.

    Args:
        b: the builder.
        node: the comprehension.
        inner: what is done with each item.
        until: where ``inner`` breaks: whether it has, for the loops around the innermost.
    """
    for depth, generator_ in enumerate(reversed(node.generators)):
        body = [inner]
        if depth and until is not None:
            body.append(ast.If(until, [ast.Break()], []))
        for test in reversed(generator_.ifs):
            body = [ast.If(test, body, [])]
        inner = ast.For(generator_.target, generator_.iter, body, [])
    names = dict.fromkeys(n.id for g in node.generators for n in ast.walk(g.target)
                          if isinstance(n, ast.Name))  # fmt: skip
    renamed = Renamed({name: b.fresh_name(name) for name in names}).visit(copied(inner))
    result: ast.stmt = placed(renamed, node)
    b.adopt(result)
    return result


def _passed(b: Builder, node: ast.Call, is_map: bool) -> ast.GeneratorExp:
    """``map(f, xs)`` and ``filter(f, xs)`` as generators."""
    if len(node.args) != 2 or not is_plain_lambda(node.args[0]):
        raise OperandError("`map` and `filter` take a function of one parameter, and an iterable")
    item = b.fresh_name("item")
    name, (function, source) = ast.Name(item, ast.Load()), node.args
    is_none = isinstance(function, ast.Constant) and function.value is None
    value: ast.expr = name if is_none else applied(function, item)
    tests = [] if is_map else [value]
    loop = ast.comprehension(ast.Name(item, ast.Store()), source, tests, 0)
    generator = ast.GeneratorExp(value if is_map else name, [loop])
    made: ast.GeneratorExp = placed(tagged(generator, "map"), node)
    return made


def generator(b: Builder, node: ast.expr) -> ast.GeneratorExp | None:
    """What computes one item after the other, when it is asked: a generator, `map`, `filter`."""
    if isinstance(node, ast.GeneratorExp):
        return node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        callee = b.evaluate(node.func)
        if isinstance(callee, Static) and callee.value in (map, filter):
            return _passed(b, node, callee.value is map)
    return None


def lazy_loop(b: Builder, node: ast.For) -> ast.For | None:
    """``for v in (f(x) for x in xs): ...`` as a loop over ``xs`` that begins with ``v = f(x)``."""
    source = generator(b, node.iter)
    if source is None or len(source.generators) > 1:
        return None
    source = copied(source)
    loop = source.generators[0]
    names = dict.fromkeys(n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name))
    renamed = Renamed({name: b.fresh_name(name) for name in names})
    target, value = renamed.visit(loop.target), renamed.visit(source.elt)
    body: list[ast.stmt] = [ast.Assign([node.target], value), *node.body]
    for test in reversed(loop.ifs):
        body = [ast.If(renamed.visit(test), body, [])]
    made: ast.For = placed(ast.For(target, loop.iter, body, node.orelse), node)
    b.adopt(value)
    return made
