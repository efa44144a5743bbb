"""Calls of ``heapq`` and ``bisect``: of the function in ``prelude`` that does the same.

``heapq.heappush(h, (x, n))`` is the call of ``prelude.heappush``, lowered for the types of ``h``
and of the tuple; ``heapq.nsmallest(3, xs)`` is ``sorted(xs)[:3]``, as Python's documentation says.
"""

from __future__ import annotations

import ast
import bisect
import heapq
from collections.abc import Callable
from typing import Any

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers.containers import make_room
from pydotcompute.compiler.irbuild.containers.iteration import sliced
from pydotcompute.compiler.irbuild.containers.reductions import keywords_of
from pydotcompute.compiler.irbuild.containers.sorting import sorted_list
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.quasiquote import placed, written
from pydotcompute.compiler.irbuild.objects import prelude
from pydotcompute.compiler.irbuild.objects.functions import call_function

Rule = Callable[[Builder, ast.Call], ir.Expr]


def _heap(function: Any, *, grows: bool = False) -> Rule:
    """A function of ``heapq`` whose first argument is the list that it changes."""

    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        if node.keywords or len(node.args) != function.__code__.co_argcount:
            raise OperandError(f"`{ast.unparse(node.func)}` with these arguments")
        return call_function(b, _of_a_list(b, node, grows=grows), function)

    return rule


def _bisect(function: Any, *, grows: bool = False) -> Rule:
    """A function of ``bisect``; ``key=`` is not compiled."""

    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        keywords_of(node, "a", "x", "lo", "hi")
        if len(node.args) < 2:
            raise OperandError(f"`{ast.unparse(node.func)}` with these arguments")
        constant = isinstance(node.args[0], (ast.Name, ast.Attribute)) and b.is_static(node.args[0])
        made = node if constant and not grows else _of_a_list(b, node, grows=grows)
        return call_function(b, made, function)

    return rule


def _of_a_list(b: Builder, node: ast.Call, *, grows: bool) -> ast.Call:
    """The call, where its first argument is the name of a list (or, if nothing changes, a deque,
    an array or a tuple)."""
    first = node.args[0]
    place = b.expression(first)
    if grows:
        make_room(b, node, place)
    if not isinstance(first, ast.Name):
        first = b.bind_fresh(place, node, "list")
    made = ast.Call(node.func, [first, *node.args[1:]], node.keywords)
    call: ast.Call = placed(made, node)
    return call


def _best(*, largest: bool) -> Rule:
    """``nsmallest`` and ``nlargest``: the first of what is sorted, stably."""

    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        words = keywords_of(node, "key")
        if len(node.args) != 2:
            raise OperandError(f"`{ast.unparse(node.func)}` takes a number and an iterable")
        count = b.fresh_name("count")
        b.statements(written(f"{count} = max(_n_, 0)", node, n=node.args[0]))
        keywords = [ast.keyword(name, value) for name, value in words.items()]
        keywords += [ast.keyword("reverse", ast.Constant(True))] if largest else []
        whole = sorted_list(b, placed(ast.Call(node.func, [node.args[1]], keywords), node))
        part = ast.Slice(None, ast.Name(count, ast.Load()))
        place = placed(ast.Subscript(b.bind_fresh(whole, node, "sorted"), part, ast.Load()), node)
        return sliced(b, place)

    return rule


CALLS: dict[Any, Rule] = {
    heapq.heappush: _heap(prelude.heappush, grows=True),
    heapq.heappop: _heap(prelude.heappop),
    heapq.heapreplace: _heap(prelude.heapreplace),
    heapq.heappushpop: _heap(prelude.heappushpop),
    heapq.heapify: _heap(prelude.heapify),
    heapq.nsmallest: _best(largest=False),
    heapq.nlargest: _best(largest=True),
    bisect.bisect_left: _bisect(prelude.bisect_left),
    bisect.bisect_right: _bisect(prelude.bisect_right),
    bisect.insort_left: _bisect(prelude.insort_left, grows=True),
    bisect.insort_right: _bisect(prelude.insort_right, grows=True),
}
"""``bisect.bisect`` and ``bisect.insort`` are other names of those that end in ``_right``."""

assert bisect.bisect is bisect.bisect_right
assert bisect.insort is bisect.insort_right
