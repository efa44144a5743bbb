"""What loops run over, and what is a loop in other words: comprehensions, reductions, slices."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pydotcompute.compiler import containers as c
from pydotcompute.compiler import ir
from pydotcompute.compiler.build import Builder
from pydotcompute.compiler.build_arrays import row
from pydotcompute.compiler.build_containers import op
from pydotcompute.compiler.build_members import all_members, is_enum
from pydotcompute.compiler.build_operators import apply, compare, items_of
from pydotcompute.compiler.build_tables import items, keep, rows_of
from pydotcompute.compiler.build_unit import Static
from pydotcompute.compiler.convert import OperandError, plain_int, raising
from pydotcompute.compiler.operators import Primitive
from pydotcompute.compiler.synthetic import (
    TAG,
    Renamed,
    applied,
    copied,
    is_plain_lambda,
    placed,
    tagged,
    unplaced,
)
from pydotcompute.compiler.types import (
    BOOL,
    INT,
    NEVER,
    NONE,
    ArrayType,
    DequeType,
    DictType,
    ListType,
    TupleType,
    Type,
    join,
)


@dataclass
class Run:
    """What ``for`` runs over: how many rounds, and the value of each.

    Args:
        length: computed once, before the first round.
        item: the value of a round.
        present: whether a round takes place at all; None: always.
    """

    length: ir.Expr
    item: Callable[[ir.Expr], ir.Expr]
    present: Callable[[ir.Expr], ir.Expr] | None = None


def run_over(b: Builder, node: ast.expr) -> Run:
    """What a loop over ``node`` runs over."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("items", "keys", "values"):
            base = b.evaluate(node.func.value)
            if isinstance(base, Static) and isinstance(base.value, dict):
                return _over_table(b, node, base, node.func.attr)
            if isinstance(base, ir.Expr) and isinstance(base.type, DictType):
                return _over_dict(b, node, base, node.func.attr)
        callee = b.evaluate(node.func) if isinstance(node.func, ast.Name) else None
        if isinstance(callee, Static) and callee.value is enumerate and node.args:
            return _enumerate(b, node)
        if isinstance(callee, Static) and callee.value in (map, filter) and not node.keywords:
            return over(b, node, comprehension(b, _passed(b, node, callee.value is map)))
        if isinstance(callee, Static) and not node.keywords:
            if callee.value is zip and node.args:
                return _zip(b, node)
            if callee.value is reversed and len(node.args) == 1:
                return _reversed(b, node)
            if callee.value is range:
                return _range(b, node)
    if isinstance(node, ast.GeneratorExp):
        return over(b, node, comprehension(b, node))
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        return over(b, node, sliced(b, node))
    value = b.evaluate(node)
    if isinstance(value, Static) and is_enum(value.value):
        return over(b, node, all_members(b, node, value.value))
    if isinstance(value, Static) and isinstance(value.value, (list, tuple, dict, np.ndarray)):
        return _over_table(b, node, value, "keys")
    return over(b, node, b.expression(node) if isinstance(value, Static) else value)


def dict_view(b: Builder, node: ast.expr) -> ir.Expr | None:
    """The dict of ``d.keys()``, ``d.values()`` or ``d.items()``."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return None
    if node.args or node.func.attr not in ("items", "keys", "values"):
        return None
    base = b.evaluate(node.func.value)
    return base if isinstance(base, ir.Expr) and isinstance(base.type, DictType) else None


def _passed(b: Builder, node: ast.Call, is_map: bool) -> ast.ListComp:
    """``map(f, xs)`` and ``filter(f, xs)`` as comprehensions."""
    if len(node.args) != 2 or not is_plain_lambda(node.args[0]):
        raise OperandError("`map` and `filter` take a function of one parameter, and an iterable")
    item = b.fresh_name("item")
    name, (function, source) = ast.Name(item, ast.Load()), node.args
    is_none = isinstance(function, ast.Constant) and function.value is None
    value: ast.expr = name if is_none else applied(function, item)
    tests = [] if is_map else [value]
    loop = ast.comprehension(ast.Name(item, ast.Store()), source, tests, 0)
    made: ast.ListComp = placed(tagged(ast.ListComp(value if is_map else name, [loop]), "map"),
                                node)  # fmt: skip
    return made


def _dense(b: Builder, node: ast.expr) -> Run:
    """What a loop runs over, by place: the keys of a dict are copied for that."""
    run = run_over(b, node)
    if run.present is None:
        return run
    item = b.fresh_name("item")
    loop = ast.comprehension(ast.Name(item, ast.Store()), node, [], 0)
    keys = tagged(ast.ListComp(ast.Name(item, ast.Load()), [loop]), "keys")
    return over(b, node, comprehension(b, placed(keys, node)))


def _over_table(b: Builder, node: ast.expr, value: Static | ir.Expr, what: str) -> Run:
    """A loop over a constant of a module."""
    rows, loc = rows_of(value, what), b.loc(node)
    if rows is None:
        raise OperandError("a loop over an array of several axes")
    if isinstance(value, Static):
        keep(b, value.value)
    return Run(ir.Const(loc, INT, len(rows)), items(b, rows, loc))


def over(b: Builder, node: ast.expr, value: ir.Expr) -> Run:
    """A loop over a container or tuple."""
    loc, value = b.loc(node), b.container(value)
    if isinstance(value.type, DictType):
        return _over_dict(b, node, value, "keys")
    if isinstance(value.type, ArrayType) and len(value.type.shape) > 1:
        whole = value if isinstance(value, ir.Local) else replace(b.temporary(value), part=True)
        count = ir.Const(loc, INT, value.type.shape[0])
        return Run(count, lambda at: row(b, node, whole, at))
    if isinstance(value.type, (ListType, DequeType, ArrayType)):
        place = value if isinstance(value, ir.Local) else b.stable(value)
        type_ = c.item_type(value.type)
        length = op(loc, INT, c.LENGTH, place)
        return Run(length, lambda at: op(loc, type_, c.ITEM, place, at))
    if isinstance(value.type, TupleType):
        return _over_tuple(b, node, value)
    b.fail("PDC021", node, f"a loop over `{ast.unparse(node)}`",
           notes=[f"it is a {value.type}"],
           hint="loop over `range(...)`, a list, deque, dict, array or tuple")  # fmt: skip


def _over_tuple(b: Builder, node: ast.expr, value: ir.Expr) -> Run:
    if rows_of(value) is not None:
        return _over_table(b, node, value, "keys")
    parts = [b.stable(item) for item in items_of(b, value)]
    return Run(ir.Const(b.loc(node), INT, len(parts)), lambda at: pick(b, parts, at))


def pick(b: Builder, parts: Sequence[ir.Expr], at: ir.Expr) -> ir.Expr:
    """One of the items of a tuple, by a place that is in range."""
    result: Type = NEVER
    for item in parts:
        result = join(result, item.type)
    chosen = b.convert(parts[-1], result)
    for n in range(len(parts) - 2, -1, -1):
        test = compare(b, "==", at, ir.Const(at.loc, INT, n))
        chosen = ir.Cond(at.loc, result, test, b.convert(parts[n], result), chosen)
    return chosen


def _over_dict(b: Builder, node: ast.expr, base: ir.Expr, what: str) -> Run:
    assert isinstance(base.type, DictType)
    loc, type_ = b.loc(node), base.type

    def item(at: ir.Expr) -> ir.Expr:
        key = op(loc, type_.key, c.KEY, base, at)
        value = op(loc, type_.value, c.VALUE, base, at)
        if what == "items":
            return ir.Tuple(loc, TupleType((type_.key, type_.value)), (key, value))
        return key if what == "keys" else value

    if type_.key == NEVER:
        return Run(ir.Const(loc, INT, 0), lambda _: raising(loc, NEVER, "PDC_DEOPT_TYPE"))
    length = op(loc, INT, c.SLOTS, base)
    return Run(length, item, lambda at: op(loc, BOOL, c.PRESENT, base, at))


def _enumerate(b: Builder, node: ast.Call) -> Run:
    inner = _dense(b, node.args[0])
    loc = b.loc(node)
    start: ir.Expr = ir.Const(loc, INT, 0)
    given = [*node.args[1:], *(k.value for k in node.keywords)]
    if len(given) > 1 or any(k.arg != "start" for k in node.keywords):
        raise OperandError("`enumerate` takes an iterable and a start")
    if given:
        start = b.stable(b.convert(b.expression(given[0]), INT))

    def item(at: ir.Expr) -> ir.Expr:
        number = apply(b, "+", start, at, loc)
        value = inner.item(at)
        return ir.Tuple(loc, TupleType((INT, value.type)), (number, value))

    return Run(inner.length, item)


def _zip(b: Builder, node: ast.Call) -> Run:
    runs = [_dense(b, arg) for arg in node.args]
    loc = b.loc(node)
    length = b.stable(runs[0].length)
    for run in runs[1:]:
        other = b.stable(run.length)
        shorter = compare(b, "<", other, length)
        length = b.temporary(ir.Cond(loc, INT, shorter, other, length))

    def item(at: ir.Expr) -> ir.Expr:
        values = tuple(run.item(at) for run in runs)
        return ir.Tuple(loc, TupleType(tuple(v.type for v in values)), values)

    return Run(length, item)


def _reversed(b: Builder, node: ast.Call) -> Run:
    inner = _dense(b, node.args[0])
    loc = b.loc(node)
    last = b.stable(apply(b, "-", inner.length, ir.Const(loc, INT, 1), loc))
    return Run(inner.length, lambda at: inner.item(apply(b, "-", last, at, loc)))


def _range(b: Builder, node: ast.Call) -> Run:
    start, stop, step = (b.stable(part) for part in range_bounds(b, node))
    loc = b.loc(node)
    length = op(loc, INT, RANGE_LENGTH, start, stop, step)
    return Run(b.temporary(length), lambda at: op(loc, INT, RANGE_ITEM, start, at, step))


RANGE_LENGTH = Primitive("range_length", "(i64)pdc_range_length({e}, {0}, {1}, {2})",
                         lambda *bounds: len(range(*bounds)), raises=True)  # fmt: skip

RANGE_ITEM = Primitive("range_item", "(i64)((u64){0} + (u64){1} * (u64){2})",
                       lambda start, at, step: start + at * step)  # fmt: skip


def is_range(b: Builder, node: ast.expr) -> bool:
    """Whether ``node`` is a call of ``range``."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return False
    callee = b.evaluate(node.func)
    return isinstance(callee, Static) and callee.value is range


def range_bounds(b: Builder, node: ast.expr) -> tuple[ir.Expr, ir.Expr, ir.Expr]:
    """Start, stop and step of a call of ``range``."""
    if not (isinstance(node, ast.Call) and not node.keywords and 1 <= len(node.args) <= 3):
        b.fail("PDC110", node, "`range` takes one to three ints")
    args = [b.convert(plain_int(arg), INT) for arg in b.sequence(node.args)]
    loc = b.loc(node)
    zero, one = ir.Const(loc, INT, 0), ir.Const(loc, INT, 1)
    if len(args) == 1:
        return zero, args[0], one
    return args[0], args[1], args[2] if len(args) == 3 else one


_READING = frozenset("get items keys values fill index count copy most_common total".split())
"""Methods of containers that leave their length alone."""


_SHRINKING = frozenset({"pop", "popleft", "clear", "remove"})


def shrinking_names(nodes: Sequence[ast.AST]) -> frozenset[str]:
    """Names of containers that the statements make shorter, or bind anew."""
    found: set[str] = set()
    for part in (part for node in nodes for part in ast.walk(node)):
        match part:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)):
                found |= {name} if attr in _SHRINKING else set()
            case ast.Delete(targets=targets):
                found |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            case ast.Assign(targets=[ast.Name(id=name)]):
                found.add(name)
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name), slice=ast.Slice())]):
                found.add(name)
    return frozenset(found)


def mutated_names(nodes: Sequence[ast.stmt]) -> set[str]:
    """Names of containers whose length the statements may change."""
    found: set[str] = set()
    for node in nodes:
        for part in ast.walk(node):
            if (
                isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)
                and isinstance(part.func.value, ast.Name)
                and part.func.attr not in _READING
            ):  # fmt: skip
                found.add(part.func.value.id)
            if isinstance(part, ast.Delete):
                deleted = (n for target in part.targets for n in ast.walk(target))
                found |= {n.id for n in deleted if isinstance(n, ast.Name)}
    return found


def comprehension(b: Builder, node: ast.ListComp | ast.GeneratorExp) -> ir.Expr:
    """``[f(x) for x in xs if test]`` as a loop that appends."""
    name = b.fresh_name("list")
    element = ast.Call(ast.Attribute(ast.Name(name, ast.Load()), "append", ast.Load()),
                       [node.elt], [])  # fmt: skip
    made = tagged(ast.List([], ast.Load()), getattr(node, TAG, ""))
    start = ast.Assign([ast.Name(name, ast.Store())], made)
    b.statements([placed(start, node), loops_of(b, node, ast.Expr(element))])
    return b.expression(placed(ast.Name(name, ast.Load()), node))


def loops_of(b: Builder, node: Any, inner: ast.stmt) -> ast.stmt:
    """The loops of a comprehension around ``inner``, its variables renamed to be its own."""
    for generator in reversed(node.generators):
        for test in reversed(generator.ifs):
            inner = ast.If(test, [inner], [])
        inner = ast.For(generator.target, generator.iter, [inner], [])
    names = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
    renamed = Renamed({name: b.fresh_name(name) for name in names}).visit(copied(inner))
    result: ast.stmt = placed(renamed, node)
    b.adopt(result)
    return result


def sliced(b: Builder, node: ast.Subscript) -> ir.Expr:
    """``xs[low:high:step]``: a list of the items in between, as Python counts them."""
    if not isinstance(node.value, (ast.Name, ast.Attribute)):
        name = b.fresh_name("whole")
        b.bind(name, b.expression(node.value))
        whole = ast.Name(name, ast.Load())
        node = placed(ast.Subscript(whole, node.slice, ast.Load()), node)
    low, high, step = slice_bounds(b, node)
    at = b.fresh_name("at")
    (loop,) = unplaced(f"[_[{at}] for {at} in range({low}, {high}, {step})]")
    found = loop.value  # type: ignore[attr-defined]
    found.elt.value = node.value
    return comprehension(b, placed(tagged(found, "slice"), node))


def slice_bounds(b: Builder, node: ast.Subscript) -> tuple[str, str, int]:
    """Names that hold the bounds of a slice, clamped as Python does, and its step."""
    part = node.slice
    assert isinstance(part, ast.Slice)
    found = b.expression(part.step) if part.step is not None else None
    if found is None or found.type == NONE:
        step = 1
    elif isinstance(found, ir.Const) and found.type == INT and found.value:
        step = found.value
    else:
        raise OperandError("a slice has a constant step here")
    size, low, high = (b.fresh_name(name) for name in ("size", "low", "high"))
    first, last = ("0", size) if step > 0 else ("-1", f"{size} - 1")
    text = f"{size} = len(_)\n{low} = {first if step > 0 else last}\n"
    text += f"{high} = {last if step > 0 else first}\n"
    given = [(low, part.lower), (high, part.upper)]
    for name, bound in given:
        if bound is not None:
            text += f"{name} = _\n"
            text += f"if {name} < 0:\n    {name} = {name} + {size}\n"
            text += f"    if {name} < {first}:\n        {name} = {first}\n"
            text += f"elif {name} > {last}:\n    {name} = {last}\n"
    setup = unplaced(text)
    setup[0].value.args[0] = node.value  # type: ignore[attr-defined]
    for place, (_, bound) in zip((3, 5), [g for g in given if g[1] is not None], strict=False):
        setup[place].value = bound  # type: ignore[attr-defined]
    b.statements([placed(statement, node) for statement in setup])
    return low, high, step
