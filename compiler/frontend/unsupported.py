"""The syntax that never lowers: what it is called, why it does not, what to write instead.

Input: statements of the loop, or the body of a helper function.  Output: diagnostics, all in one
go, before anything else looks at the code.  What lowers only sometimes (by types, by values) is
not in this table; the builder speaks of that.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic, Location, diagnose
from pydotcompute.compiler.frontend.names import walk_scope
from pydotcompute.compiler.frontend.source import FunctionSource, awaited_method


@dataclass(frozen=True)
class Rule:
    """One construct that never lowers.

    Args:
        code: of ``diagnostics.CODES``.
        name: the construct as its user spells it, and ``cannot be compiled`` unless it says more.
        why: one clause.
        hint: what to write instead.
        applies: whether a node of this type is meant; every one if left out.
        enter: whether what stands inside is looked at, too.
    """

    code: str
    name: str
    why: str
    hint: str
    applies: Callable[[Any], bool] = lambda node: True
    enter: bool = False


_HOST = "compiled code runs without the interpreter"
_BEFORE = "do it before the loop, which runs as ordinary Python"
_SIZE = "what it builds has no bound that is known when the kernel is compiled"
_SCOPE = "compiled code knows only the actor's own variables"

TABLE: dict[str, tuple[Rule, ...]] = {
    # statements
    "With": (Rule("PDC020", "`with` statement", "`__enter__` and `__exit__` may run any code",
                  "use `try`/`finally`, or open what you need before the loop", enter=True),),
    "AsyncWith": (Rule("PDC020", "`async with` statement",
                       "a turn waits for nothing but the context",
                       "for a time limit write `await ctx.receive(timeout=...)`; open what you "
                       "need before the loop", enter=True),),
    "AsyncFor": (Rule("PDC020", "`async for` loop", "a turn waits for nothing but the context",
                      "receive one message in each turn with `await ctx.receive()`", enter=True),),
    "TryStar": (Rule("PDC020", "`except*`", "there are no exception groups in compiled code",
                     "write `except`", enter=True),),
    "FunctionDef": (Rule("PDC020", "nested `def`", "a closure shares variables with its function",
                         "define the function at module level and pass it what it needs"),),
    "AsyncFunctionDef": (Rule("PDC020", "nested `async def`",
                              "a turn waits for nothing but the context",
                              "define a plain `def` at module level"),),
    "ClassDef": (Rule("PDC020", "nested `class`", _HOST, "define the class at module level"),),
    "Import": (Rule("PDC020", "`import` in the loop", _HOST, "import at module level"),),
    "ImportFrom": (Rule("PDC020", "`import` in the loop", _HOST, "import at module level"),),
    "Global": (Rule("PDC025", "`global`", _SCOPE,
                    "keep the value in a variable assigned before the loop"),),
    "Nonlocal": (Rule("PDC025", "`nonlocal`", _SCOPE,
                      "keep the value in a variable assigned before the loop"),),
    "Delete": (Rule("PDC020", "`del` of a variable",
                    "a variable keeps its type from its first assignment on",
                    "assign `None`, or leave the variable alone",
                    lambda node: any(isinstance(t, ast.Name) for t in _flat(node.targets))),),
    "TypeAlias": (Rule("PDC020", "`type` statement", _HOST, "write it at module level"),),
    # expressions
    "Lambda": (Rule("PDC021", "`lambda`", "functions are no values in compiled code",
                    "write a `def` at module level, or the expression itself"),),
    "Yield": (Rule("PDC021", "`yield`", "compiled code has no generators",
                   "send each value with `await ctx.send(...)`, or return a tuple"),),
    "YieldFrom": (Rule("PDC021", "`yield from`", "compiled code has no generators",
                       "send each value with `await ctx.send(...)`, or return a tuple"),),
    "SetComp": (Rule("PDC021", "set comprehension", _SIZE,
                     "fill a `set` assigned before the loop, in a `for` loop"),),
    "DictComp": (Rule("PDC021", "dict comprehension", _SIZE,
                      "fill a `dict` assigned before the loop, in a `for` loop"),),
    "Set": (Rule("PDC021", "set display",
                 "a set is made before the loop, and changed in it",
                 "use a set assigned before the loop, or a tuple as the right side of `in`"),),
    "comprehension": (Rule("PDC021", "`async` comprehension",
                           "a turn waits for nothing but the context", "write a plain `for`",
                           lambda node: bool(node.is_async)),),
    "Call": (
        Rule("PDC021", "`*` in a call", "how many arguments there are is not known",
             "write the arguments out",
             lambda node: any(isinstance(arg, ast.Starred) for arg in node.args), enter=True),
        Rule("PDC021", "`**` in a call", "which arguments there are is not known",
             "write the arguments out",
             lambda node: any(word.arg is None for word in node.keywords), enter=True),
    ),
    "Constant": (
        Rule("PDC021", "`bytes` value", "compiled code has no `bytes`",
             "use `str`, or a numpy array of `uint8`",
             lambda node: isinstance(node.value, bytes)),
        Rule("PDC021", "complex number", "compiled code has no `complex`",
             "use two floats, for the real and the imaginary part",
             lambda node: isinstance(node.value, complex)),
    ),
    "TemplateStr": (Rule("PDC021", "template string", "compiled code has no templates",
                         "write an f-string"),),
    # patterns
    "MatchMapping": (Rule("PDC024", "mapping pattern `{...}`",
                          "a pattern may match classes, values and names",
                          "look the key up with `in` and `[...]`"),),
    "MatchStar": (Rule("PDC024", "`*` in a pattern", _SIZE,
                       "test the length, and take the items by index"),),
}  # fmt: skip
"""By the name of the node's class, since not every Python version has every class."""

_CONTEXT = frozenset({"kernel_id", "should_terminate", "is_active", "key"})
_AWAITED = frozenset({"receive", "send", "wait_active"})
_WITH_KEY = frozenset({"sorted", "sort", "min", "max", "nsmallest", "nlargest"})
"""Functions and methods whose `key=` may be a `lambda`."""


def scan(
    nodes: Iterable[ast.AST], source: FunctionSource, ctx: str | None = None
) -> list[Diagnostic]:
    """Everything among ``nodes`` that can never lower.

    Args:
        nodes: statements of ``source``.
        source: an actor or a helper function.
        ctx: the name of the context parameter; the first parameter of an ``async def`` if left
            out.

    Returns:
        Diagnostics in the order of the text; an empty list says only that the syntax is fine.
    """
    if ctx is None and isinstance(source.node, ast.AsyncFunctionDef):
        args = source.node.args
        ctx = next((arg.arg for arg in [*args.posonlyargs, *args.args]), None)
    nodes = list(nodes)
    found = [*_Scan(source, ctx).scan(nodes), *_outer_variables(nodes, source)]
    return sorted(found, key=lambda d: (d.line, d.column))


class _Scan:
    """Looks at nodes from the outside inwards."""

    def __init__(self, source: FunctionSource, ctx: str | None) -> None:
        self.source = source
        self.ctx = ctx
        self._allowed: set[ast.AST] = set()
        """Nodes that are fine where they stand."""

    def scan(self, nodes: Iterable[ast.AST]) -> Iterator[Diagnostic]:
        for node in nodes:
            self._allow(node)
            rule = None if node in self._allowed else _rule_for(node)
            if rule is not None:
                yield self._report(node, rule)
            if rule is None or rule.enter:
                yield from self._context(node)
                yield from self.scan(ast.iter_child_nodes(node))

    def _allow(self, node: ast.AST) -> None:
        match node:
            case ast.Compare(ops=ops, comparators=others):
                for op, right in zip(ops, others, strict=True):
                    if isinstance(op, ast.In | ast.NotIn):
                        self._allowed.add(right)
            case ast.AugAssign(value=ast.Set() as right):
                self._allowed.add(right)
            case ast.Call(func=ast.Attribute(attr="update" | "difference_update"), args=args):
                self._allowed.update(arg for arg in args if isinstance(arg, ast.Set))
            case ast.Await(value=ast.Call(func=func)) if (
                awaited_method(node, self.ctx or "") in _AWAITED
            ):
                self._allowed.add(func)
            case ast.Call(func=ast.Name(id=name), keywords=words) if name in _WITH_KEY:
                self._allowed.update(w.value for w in words if w.arg == "key")
            case ast.Call(func=ast.Attribute(attr=name), keywords=words) if name in _WITH_KEY:
                self._allowed.update(w.value for w in words if w.arg == "key")
            case ast.Call(func=ast.Name(id="map" | "filter"), args=[ast.Lambda() as function, *_]):
                self._allowed.add(function)

    def _report(self, node: ast.AST, rule: Rule) -> Diagnostic:
        return diagnose(
            self.source, rule.code, _span(node, self.source), f"{rule.name} cannot be compiled",
            notes=[rule.why], hint=rule.hint.replace("ctx.", f"{self.ctx or 'ctx'}."),
        )  # fmt: skip

    def _context(self, node: ast.AST) -> Iterator[Diagnostic]:
        """What is done with the context, and what else is awaited."""
        ctx, text = self.ctx, ""
        if isinstance(node, ast.Await) and awaited_method(node, ctx or "") not in _AWAITED:
            awaited = node.value.func if isinstance(node.value, ast.Call) else node.value
            text = ast.unparse(awaited)
            if not (ctx and text.startswith(f"{ctx}.")):
                yield self._report(node, _await_rule(text, ctx))
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name == ctx:
                if attr in _AWAITED and node not in self._allowed:
                    yield self._report(node, _without_await(ctx, attr))
                elif attr not in _CONTEXT | _AWAITED:
                    yield self._report(node, _unknown_attribute(ctx, attr))
            case ast.AST():
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.Name) and child.id == ctx and isinstance(
                        child.ctx, ast.Load
                    ):  # fmt: skip
                        yield self._report(child, _passed_on(ctx))


def _rule_for(node: ast.AST) -> Rule | None:
    rules = TABLE.get(type(node).__name__, ())
    return next((rule for rule in rules if rule.applies(node)), None)


def _await_rule(text: str, ctx: str | None) -> Rule:
    if ctx is None:
        hint = "let the actor await, and pass the helper what came"
    else:
        hint = f"await only `{ctx}.receive(...)`, `{ctx}.send(...)` and `{ctx}.wait_active()`"
    return Rule("PDC022", f"`await {text}`" if len(text) <= 40 else "this `await`",
                "a turn waits for nothing but the context", hint)  # fmt: skip


def _without_await(ctx: str, attr: str) -> Rule:
    return Rule("PDC023", f"`{ctx}.{attr}` without `await`", "on its own it does nothing",
                f"write `await {ctx}.{attr}(...)`")  # fmt: skip


def _unknown_attribute(ctx: str, attr: str) -> Rule:
    known = ", ".join(f"`{name}`" for name in ("receive", "send", "wait_active", *sorted(_CONTEXT)))
    return Rule("PDC023", f"`{ctx}.{attr}`", f"compiled code knows these of the context: {known}",
                _BEFORE)  # fmt: skip


def _passed_on(ctx: str) -> Rule:
    return Rule("PDC023", f"`{ctx}` as a value", "the context is no value in compiled code",
                "pass the message, and let the actor receive and send")  # fmt: skip


def _flat(targets: Iterable[ast.expr]) -> Iterator[ast.expr]:
    for target in targets:
        if isinstance(target, ast.Tuple | ast.List):
            yield from _flat(target.elts)
        else:
            yield target


def _span(node: ast.AST, source: FunctionSource) -> ast.AST | Location:
    """The smallest part of a node that shows what is meant."""
    match node:
        case ast.With() | ast.AsyncWith() | ast.AsyncFor() | ast.ClassDef():
            return source.head(node)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            return source.head(node)
        case ast.TryStar():
            return source.head(node.handlers[0])
        case ast.comprehension():
            return node.target
        case ast.Call(args=args, keywords=words):
            starred = [arg for arg in args if isinstance(arg, ast.Starred)]
            return next(iter([*starred, *(word for word in words if word.arg is None)]), node)
        case ast.Delete(targets=targets):
            return next(target for target in _flat(targets) if isinstance(target, ast.Name))
    return node


def _outer_variables(nodes: list[ast.AST], source: FunctionSource) -> Iterator[Diagnostic]:
    """Variables that a declaration outside ``nodes`` makes global: they are no state."""
    inside = set(walk_scope(nodes))
    for declared in walk_scope(source.node.body):
        if not isinstance(declared, ast.Global | ast.Nonlocal) or declared in inside:
            continue
        what = type(declared).__name__.lower()
        for name in declared.names:
            used = (n for n in walk_scope(nodes) if isinstance(n, ast.Name) and n.id == name)
            node = next(used, None)
            if node is not None:
                yield diagnose(
                    source, "PDC025", node, f"`{name}` is `{what}`, which cannot be compiled",
                    notes=[_SCOPE], hint="keep the value in a variable assigned before the loop",
                )  # fmt: skip
