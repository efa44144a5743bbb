"""What loops run over, and what is a loop in other words: comprehensions, reductions, slices."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.effects import acts, may_raise
from pydotcompute.compiler.irbuild.containers.arrays import row
from pydotcompute.compiler.irbuild.containers.comprehensions import comprehension, generator
from pydotcompute.compiler.irbuild.containers.containers import op
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError, plain_int, raising
from pydotcompute.compiler.irbuild.core.quasiquote import (
    is_in_any_order,
    placed,
    tagged,
    unplaced,
    written,
)
from pydotcompute.compiler.irbuild.core.unit import Static
from pydotcompute.compiler.irbuild.values.constant_tables import items, keep, rows_of
from pydotcompute.compiler.irbuild.values.enum_members import all_members, is_enum
from pydotcompute.compiler.irbuild.values.operators import apply, compare, items_of
from pydotcompute.compiler.ops import arrays
from pydotcompute.compiler.ops import containers as c
from pydotcompute.compiler.types.types import (
    BOOL,
    INT,
    NEVER,
    NONE,
    ArrayType,
    DequeType,
    DictType,
    ListType,
    SetType,
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
        places: the containers that must not change their size meanwhile.
        is_copy: they must not change at all.
    """

    length: ir.Expr
    item: Callable[[ir.Expr], ir.Expr]
    present: Callable[[ir.Expr], ir.Expr] | None = None
    places: tuple[ir.Local, ...] = ()
    is_copy: bool = False


def run_over(b: Builder, node: ast.expr) -> Run:
    """What a loop over ``node`` runs over."""
    if (lazy := generator(b, node)) is not None:
        return _at_once(b, node, lazy)
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
        if isinstance(callee, Static) and not node.keywords:
            if callee.value is zip and node.args:
                return _zip(b, node)
            if callee.value is reversed and len(node.args) == 1:
                return _reversed(b, node)
            if callee.value is range:
                return _range(b, node)
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


def _at_once(b: Builder, node: ast.expr, source: ast.GeneratorExp) -> Run:
    """A loop over all that a generator gives, where nobody can tell when it was computed."""
    mark = len(b.block)
    items_ = comprehension(b, source)
    assert isinstance(items_, ir.Local)
    for part in ir.walk(*b.block[mark:]):
        own = isinstance(part, ir.Mutate) and part.args[0] == items_
        if not own and (acts(part) or (isinstance(part, ir.Expr) and may_raise(part))):
            raise OperandError("a generator that does something, or may fail, beside others")
    return over(b, node, items_)


def _dense(b: Builder, node: ast.expr) -> Run:
    """What a loop runs over, by place: the keys of a dict are copied for that."""
    run = run_over(b, node)
    if run.present is None:
        return run
    item = b.fresh_name("item")
    loop = ast.comprehension(ast.Name(item, ast.Store()), node, [], 0)
    keys = tagged(ast.ListComp(ast.Name(item, ast.Load()), [loop]), "keys")
    copied_keys = over(b, node, comprehension(b, placed(keys, node)))
    return replace(copied_keys, places=run.places, is_copy=run.is_copy)


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
    loc = b.loc(node)
    if aliased := b.aliased(value):
        # A loop over a copy, which must not show that it is one.
        run = over(b, node, replace(b.temporary(value), part=True))
        return replace(run, places=aliased, is_copy=True)
    value = b.container(value)
    if isinstance(value.type, DictType):
        return _over_dict(b, node, value, "keys")
    if isinstance(value.type, SetType):
        return _over_set(b, node, value)
    if isinstance(value.type, ArrayType) and len(value.type.shape) > 1:
        whole = value if isinstance(value, ir.Local) else replace(b.temporary(value), part=True)
        count = ir.Const(loc, INT, value.type.shape[0])
        return Run(count, lambda at: row(b, node, whole, at))
    if isinstance(value.type, (ListType, DequeType, ArrayType)):
        place = value if isinstance(value, ir.Local) else b.duplicable(value)
        type_ = c.item_type(value.type)
        length = op(loc, INT, c.LENGTH, place)
        return Run(length, lambda at: op(loc, type_, c.ITEM, place, at), places=_places(place))
    if isinstance(value.type, TupleType):
        return _over_tuple(b, node, value)
    b.fail("PDC021", node, f"a loop over `{ast.unparse(node)}`",
           notes=[f"it is a {value.type}"],
           hint="loop over `range(...)`, a list, deque, dict, array or tuple")  # fmt: skip


def _over_tuple(b: Builder, node: ast.expr, value: ir.Expr) -> Run:
    if rows_of(value) is not None:
        return _over_table(b, node, value, "keys")
    parts = [b.duplicable(item) for item in items_of(b, value)]
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

    return _over_entries(b, node, base, item)


def _over_entries(b: Builder, node: ast.expr, base: ir.Expr,
                  item: Callable[[ir.Expr], ir.Expr]) -> Run:  # fmt: skip
    """A loop over the entries of a dict or set; ``item`` is what one gives, by its place."""
    loc = b.loc(node)
    if c.item_type(base.type) == NEVER:
        return Run(ir.Const(loc, INT, 0), lambda _: raising(loc, NEVER, "PDC_DEOPT_TYPE"))
    length = op(loc, INT, c.SLOTS, base)
    return Run(length, item, lambda at: op(loc, BOOL, c.PRESENT, base, at), _places(base))


def _over_set(b: Builder, node: ast.expr, base: ir.Expr) -> Run:
    assert isinstance(base.type, SetType)
    item = base.type.item
    if not is_in_any_order(node):
        b.fail("PDC021", node, f"a loop over the set `{b.spelled(node)}`",
               notes=["its order depends on hashes, and only the interpreter has it"],
               hint="loop over `sorted(...)`, or use a dict with `True` for each key")  # fmt: skip
    return _over_entries(b, node, base, lambda at: op(b.loc(node), item, c.KEY, base, at))


def _places(value: ir.Expr) -> tuple[ir.Local, ...]:
    """A container that may change while a loop runs over it."""
    return (value,) if isinstance(value, ir.Local) and not value.part else ()


def _enumerate(b: Builder, node: ast.Call) -> Run:
    inner = _dense(b, node.args[0])
    loc = b.loc(node)
    start: ir.Expr = ir.Const(loc, INT, 0)
    given = [*node.args[1:], *(k.value for k in node.keywords)]
    if len(given) > 1 or any(k.arg != "start" for k in node.keywords):
        raise OperandError("`enumerate` takes an iterable and a start")
    if given:
        start = b.duplicable(b.convert(b.expression(given[0]), INT))

    def item(at: ir.Expr) -> ir.Expr:
        number = apply(b, "+", start, at, loc)
        value = inner.item(at)
        return ir.Tuple(loc, TupleType((INT, value.type)), (number, value))

    return Run(inner.length, item, places=inner.places, is_copy=inner.is_copy)


def _zip(b: Builder, node: ast.Call) -> Run:
    runs = [_dense(b, arg) for arg in node.args]
    loc = b.loc(node)
    length = b.duplicable(runs[0].length)
    for run in runs[1:]:
        other = b.duplicable(run.length)
        shorter = compare(b, "<", other, length)
        length = b.temporary(ir.Cond(loc, INT, shorter, other, length))

    def item(at: ir.Expr) -> ir.Expr:
        values = tuple(run.item(at) for run in runs)
        return ir.Tuple(loc, TupleType(tuple(v.type for v in values)), values)

    return Run(length, item, places=tuple(place for run in runs for place in run.places),
               is_copy=any(run.is_copy for run in runs))  # fmt: skip


def _reversed(b: Builder, node: ast.Call) -> Run:
    if generator(b, node.args[0]) is not None:
        raise OperandError("`reversed` of a generator")
    inner = _dense(b, node.args[0])
    loc = b.loc(node)
    last = b.duplicable(apply(b, "-", inner.length, ir.Const(loc, INT, 1), loc))
    return Run(inner.length, lambda at: inner.item(apply(b, "-", last, at, loc)),
               places=inner.places, is_copy=inner.is_copy)  # fmt: skip


def _range(b: Builder, node: ast.Call) -> Run:
    start, stop, step = (b.duplicable(part) for part in range_bounds(b, node))
    loc = b.loc(node)
    length = op(loc, INT, arrays.RANGE_LENGTH, start, stop, step)
    return Run(b.temporary(length), lambda at: op(loc, INT, arrays.RANGE_ITEM, start, at, step))


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


def sliced(b: Builder, node: ast.Subscript, base: ir.Expr | None = None) -> ir.Expr:
    """``xs[low:high:step]``: a list of the items in between, as Python counts them.

    Args:
        b: the builder.
        node: the slice.
        base: what is sliced, if it is built already.
    """
    found = base or b.evaluate(node.value)
    whole = node.value
    if isinstance(found, ir.Expr) and not (_is_fixed(found) and _is_quiet(node.slice)):
        whole = b.bind_fresh(found, node, "whole")
    node = placed(ast.Subscript(whole, node.slice, ast.Load()), node)
    low, high, step = slice_bounds(b, node)
    at = b.fresh_name("at")
    (loop,) = unplaced(f"[_[{at}] for {at} in range({low}, {high}, {step})]")
    found = loop.value  # type: ignore[attr-defined]
    found.elt.value = node.value
    return comprehension(b, placed(tagged(found, "slice"), node))


def _is_fixed(value: ir.Expr) -> bool:
    """Whether a value is a variable, or a field of one, which may be built again."""
    while isinstance(value, (ir.As, ir.Field)):
        value = value.base
    return isinstance(value, ir.Local) and not value.name.startswith("%")


def _is_quiet(node: ast.expr) -> bool:
    """Whether evaluating an expression certainly changes nothing."""
    return not any(isinstance(part, (ast.Call, ast.NamedExpr)) for part in ast.walk(node))


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
    bounds = {low: part.lower, high: part.upper}
    for name, bound in bounds.items():
        if bound is not None:
            b.statements(written(f"{name} = _bound_", node, bound=bound))
    text = f"{size} = len(_whole_)\n"
    ends = {low: first if step > 0 else last, high: last if step > 0 else first}
    for name, bound in bounds.items():
        if bound is None:
            text += f"{name} = {ends[name]}\n"
            continue
        text += f"if {name} < 0:\n    {name} = {name} + {size}\n"
        text += f"    if {name} < {first}:\n        {name} = {first}\n"
        text += f"elif {name} > {last}:\n    {name} = {last}\n"
    b.statements(written(text, node, whole=node.value))
    return low, high, step
