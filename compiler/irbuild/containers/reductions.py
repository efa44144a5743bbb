"""Functions of what can be looped over, as the loops they mean: ``sum``, ``any``, ``all``, ``min``,
``max`` with ``key`` and ``default``, ``next``.

Each is a text with made-up names, built as if its author had written the loop.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.effects import acts, may_raise
from pydotcompute.compiler.irbuild.containers.comprehensions import (
    generator,
    loops_of,
)
from pydotcompute.compiler.irbuild.containers.float_sums import compensated
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.quasiquote import (
    applied,
    copied,
    in_any_order,
    is_plain_lambda,
    placed,
    written,
)
from pydotcompute.compiler.irbuild.core.unit import Static
from pydotcompute.compiler.ops.functions import COMPENSATED
from pydotcompute.compiler.types.types import BOOL, INT, WIDE, SetType, members_of

Rule = Callable[[Builder, ast.Call], ir.Expr]


def name_of(name: str) -> ast.Name:
    """A made-up name, read."""
    return ast.Name(name, ast.Load())


def keywords_of(node: ast.Call, *known: str) -> dict[str, ast.expr]:
    """The keyword arguments of a call that takes only some."""
    for word in node.keywords:
        if word.arg not in known:
            raise OperandError(f"the keyword argument {word.arg!r} cannot be compiled")
    return {str(word.arg): word.value for word in node.keywords}


def _loop(b: Builder, source: ast.expr, item: str, step: list[ast.stmt],
          until: ast.expr | None = None) -> ast.stmt:  # fmt: skip
    """``step`` for each ``item`` of an iterable; a generator becomes the loops it is.

    A list that is written as a comprehension is computed before the first step, which shows only
    if a step may end the loop: ``until`` says whether it has.
    """
    bind = ast.Name(item, ast.Store())
    lazy: ast.GeneratorExp | ast.ListComp | None = generator(b, source)
    if isinstance(source, ast.ListComp) and (until is None or _is_plain(source)):
        lazy = source
    if lazy is not None:
        inner: list[ast.stmt] = [ast.Assign([bind], lazy.elt), *step]
        return loops_of(b, lazy, ast.If(ast.Constant(True), inner, []), until)
    return ast.For(bind, source, step, [])


_PLAIN = (ast.Name, ast.Constant, ast.Compare, ast.cmpop, ast.BoolOp, ast.boolop, ast.UnaryOp,
          ast.unaryop, ast.expr_context, ast.comprehension, ast.ListComp)  # fmt: skip


def _is_plain(node: ast.ListComp) -> bool:
    """Whether nobody can tell how many items of a comprehension were computed."""
    return all(isinstance(part, _PLAIN) for part in ast.walk(node))


def ahead(b: Builder, node: ast.Call, source: ast.expr,
           others: Sequence[ast.expr]) -> tuple[ast.expr, list[ast.expr]]:  # fmt: skip
    """An iterable and the arguments behind it, all evaluated before the first item is.

    Of a generator, that is what its first loop runs over.
    """
    if not others:
        return source, []
    lazy = generator(b, source)
    if not _does_nothing(b, lazy.generators[0].iter if lazy else source):
        return _held_ahead(b, node, source, others)
    values = []
    for other in others:
        value, statements = b.nested(lambda other=other: b.expression(other))  # type: ignore[misc]
        if statements or may_raise(value):
            return _held_ahead(b, node, source, others)
        values.append(value)
    return source, [b.bind_fresh(value, node, "given") for value in values]


def _does_nothing(b: Builder, node: ast.expr) -> bool:
    """Whether evaluating an expression certainly changes nothing: it calls Python's own."""
    for part in ast.walk(node):
        if isinstance(part, ast.NamedExpr):
            return False
        if isinstance(part, ast.Call):
            is_view = isinstance(part.func, ast.Attribute) and part.func.attr in _VIEWS
            callee = b.evaluate(part.func) if b.is_static(part.func) else None
            is_own = isinstance(callee, Static) and getattr(callee.value, "__module__", "") in (
                "builtins", "math")  # fmt: skip
            if not (is_view or is_own):
                return False
    return True


_VIEWS = frozenset({"items", "keys", "values"})


def _held_ahead(b: Builder, node: ast.Call, source: ast.expr,
                others: Sequence[ast.expr]) -> tuple[ast.expr, list[ast.expr]]:  # fmt: skip
    lazy = generator(b, source)
    if isinstance(source, ast.ListComp) or lazy is None:
        source = b.bind_fresh(b.expression(source), node, "source")
    else:
        source, loop = lazy, lazy.generators[0]
        if isinstance(loop.iter, ast.Call):
            if not all(isinstance(arg, ast.Constant) for arg in loop.iter.args):
                raise OperandError("a generator over what is computed, and another argument")
        elif not isinstance(loop.iter, (ast.Name, ast.Constant)):
            source = b.bind_fresh(b.expression(loop.iter), node, "source")
            first = ast.comprehension(loop.target, source, loop.ifs, 0)
            source = ast.GeneratorExp(lazy.elt, [first, *lazy.generators[1:]])
            ast.copy_location(source, lazy)
    names: list[ast.expr] = []
    for other in others:
        is_known = isinstance(other, ast.Constant)
        names.append(other if is_known else b.bind_fresh(b.expression(other), node, "given"))
    return source, names


def is_set(b: Builder, node: ast.expr) -> bool:
    """Whether an expression is the name of a set."""
    if not isinstance(node, ast.Name):
        return False
    found = b.evaluate(node)
    return isinstance(found, ir.Expr) and isinstance(found.type, SetType)


def _through_set(b: Builder, source: ast.expr) -> bool:
    """Whether an iterable is a set, or a generator over one, which is marked then."""
    lazy = source if isinstance(source, ast.GeneratorExp) else None
    if lazy is not None and len(lazy.generators) > 1:
        return False
    iterated = lazy.generators[0].iter if lazy else source
    if not is_set(b, iterated):
        return False
    in_any_order(iterated)
    return True


def _check_any_order(b: Builder, mark: int, total: ir.Expr) -> None:
    """The statements since ``mark`` give the same in any order: ints are added up, and nothing
    shows how far it came."""
    if not set(members_of(total.type)) <= {BOOL, INT, WIDE}:
        raise OperandError("the order of a set matters to a sum that is no int")
    for part in ir.walk(*b.block[mark:]):
        if acts(part) or (isinstance(part, ir.Expr) and may_raise(part)):
            raise OperandError("what is done for each item of a set shows in which order")


def value_of(b: Builder, name: str, node: ast.AST) -> ir.Expr:
    return b.expression(placed(name_of(name), node))


# --- sum, any, all ---------------------------------------------------------------------------

_STEPS = {
    "sum": ("0", "{total} = {total} + {item}"),
    "prod": ("1", "{total} = {total} * {item}"),
    "any": ("False", "if {item}:\n    {total} = True\n    break"),
    "all": ("True", "if not {item}:\n    {total} = False\n    break"),
}
"""Where a reduction begins, and what it does with each item."""

_UNTIL: dict[str, Callable[[ast.expr], ast.expr]] = {
    "any": lambda total: total,
    "all": lambda total: ast.UnaryOp(ast.Not(), total),
}
"""Whether a reduction is over, of those that need not look at all items."""


def reduction(kind: str) -> Rule:
    """``sum``, ``math.prod``, ``any`` and ``all`` over an iterable."""

    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        words = keywords_of(node, *{"sum": ("start",), "prod": ("start",)}.get(kind, ()))
        given = [*node.args, *words.values()]
        if not 1 <= len(given) <= (2 if kind == "sum" or words else 1):
            raise OperandError(f"`{kind}` takes an iterable")
        total, item = b.fresh_name(kind), b.fresh_name("item")
        first, step = _STEPS[kind]
        source, others = ahead(b, node, given[0], given[1:])
        any_order, mark = _through_set(b, source), len(b.block)
        if others:
            b.statements(written(f"{total} = _start_", node, start=others[0]))
        else:
            b.statements(written(f"{total} = {first}", node))
        if kind == "sum" and COMPENSATED:
            steps, after = compensated(b, node, total, item)
        else:
            steps, after = written(step.format(total=total, item=item), node), []
        until = _UNTIL[kind](name_of(total)) if kind in _UNTIL else None
        b.statements([placed(_loop(b, source, item, steps, until), node)])
        b.statements(after)
        result = value_of(b, total, node)
        if any_order:
            _check_any_order(b, mark, result)
        return result

    return rule


# --- min and max -----------------------------------------------------------------------------


def key_of(b: Builder, key: ast.expr, item: str) -> ast.expr | None:
    """What ``key=`` makes of an item; None for ``key=None``."""
    if isinstance(key, ast.Constant) and key.value is None:
        return None
    if not is_plain_lambda(key):
        raise OperandError("a `lambda` of one parameter is a key")
    if isinstance(key, ast.Call) and not key.keywords:
        maker = b.evaluate(key.func)
        parts: list[ast.expr] = []
        if isinstance(maker, Static) and maker.value is operator.itemgetter:
            parts = [ast.Subscript(name_of(item), copied(arg), ast.Load()) for arg in key.args]
        if isinstance(maker, Static) and maker.value is operator.attrgetter:
            names = [arg.value for arg in key.args if isinstance(arg, ast.Constant)]
            parts = [ast.Attribute(name_of(item), str(name), ast.Load()) for name in names]
        if len(parts) == len(key.args) > 0:
            return parts[0] if len(parts) == 1 else ast.Tuple(parts, ast.Load())
    return applied(key, item)


_NO_NONE = "if {key} is None or {item} is None:\n    HAND_OVER\n"
_STEP = "if {best} is None or {key} {symbol} {best}:\n    {best} = {key}\n    {total} = {item}\n"
_NEXT_BEST = "if {total} is None or {item} {symbol} {total}:\n    {total} = {item}\n"


def given(words: dict[str, ast.expr], name: str) -> list[ast.expr]:
    """The keyword argument of a name, if there is one."""
    return [words[name]] if name in words else []


def extreme(symbol: str) -> Rule:
    """``min`` (``<``) or ``max`` (``>``) of what can be looped over, or of several values."""

    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        words = keywords_of(node, "key", "default")
        names = {n: b.fresh_name(n) for n in ("total", "best", "key", "item")}
        several = len(node.args) > 1
        source = ast.Tuple(node.args, ast.Load()) if several else node.args[0]
        source, default = ahead(b, node, source, given(words, "default"))
        key = key_of(b, words["key"], names["item"]) if "key" in words else None
        if key is None and is_set(b, source):
            in_any_order(source)
        setup, step = f"{names['total']} = None\n", _NO_NONE
        parts: dict[str, ast.expr] = {}
        if key is None:
            names["key"] = names["best"] = names["item"]
            step = _NO_NONE.replace("{key} is None or ", "") + _NEXT_BEST
        else:
            setup += f"{names['best']} = None\n"
            step, parts["key"] = "{key} = _key_\n" + _NO_NONE + _STEP, key
        b.statements(written(setup, node))
        steps = written(step.format(symbol=symbol, **names), node, **parts)
        b.statements([placed(_loop(b, source, names["item"], steps), node)])
        b.statements(_when_empty(b, node, names["total"], default))
        return value_of(b, names["total"], node)

    return rule


def _when_empty(b: Builder, node: ast.Call, total: str,
                default: list[ast.expr]) -> list[ast.stmt]:  # fmt: skip
    """``raise ValueError(f'')``: one whose text is not known here, but is Python's own."""
    if not default:
        return written(f"if {total} is None:\n    raise ValueError(f'')", node)
    return written(f"if {total} is None:\n    {total} = _default_", node, default=default[0])


# --- next ------------------------------------------------------------------------------------


def next_of(b: Builder, node: ast.Call) -> ir.Expr:
    """``next(iter(xs))`` and ``next((x for x in xs if ...), default)``: the first item."""
    source = node.args[0] if node.args else node
    if isinstance(source, ast.Call) and len(source.args) == 1 and not source.keywords:
        maker = b.evaluate(source.func)
        source = source.args[0] if isinstance(maker, Static) and maker.value is iter else node
    elif not (isinstance(source, ast.GeneratorExp) and len(source.generators) == 1):
        source = node
    if source is node or len(node.args) > 2 or node.keywords:
        raise OperandError("`next` takes `iter(...)` or a generator of one loop")
    source, default = ahead(b, node, source, node.args[1:])
    first, item = b.fresh_name("first"), b.fresh_name("item")
    b.statements(written(f"{first} = None", node))
    text = f"if {item} is None:\n    HAND_OVER\n{first} = {item}\nbreak"
    steps = written(text, node)
    b.statements([placed(_loop(b, source, item, steps), node)])
    if len(node.args) == 1:
        b.statements(written(f"if {first} is None:\n    HAND_OVER", node))
    else:
        b.statements(written(f"if {first} is None:\n    {first} = _default_", node,
                             default=default[0]))  # fmt: skip
    return value_of(b, first, node)
