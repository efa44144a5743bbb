"""Assignments: to names, tuples, items, slices and fields."""

from __future__ import annotations

import ast

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers.arrays import in_place
from pydotcompute.compiler.irbuild.containers.containers import make_list, store
from pydotcompute.compiler.irbuild.containers.exchange import exchanged
from pydotcompute.compiler.irbuild.containers.iteration import slice_bounds, sliced
from pydotcompute.compiler.irbuild.containers.methods import named, store_list_slice
from pydotcompute.compiler.irbuild.containers.reductions import is_set
from pydotcompute.compiler.irbuild.containers.renewal import renewed
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.quasiquote import placed, unplaced, written
from pydotcompute.compiler.irbuild.core.scope import view_of
from pydotcompute.compiler.irbuild.objects.messages import (
    assign_field,
    is_only_sent,
    read_as_floats,
)
from pydotcompute.compiler.irbuild.values.operators import apply, items_of
from pydotcompute.compiler.types.types import (
    CONTAINERS,
    NEVER,
    ArrayType,
    DequeType,
    DictType,
    ListType,
    MessageType,
    SetType,
    TupleType,
    holds_message,
)

_AUGMENTED = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|",
    ast.BitXor: "^",
}  # fmt: skip


def assign(b: Builder, node: ast.Assign) -> None:
    """``target = value``."""
    target = node.targets[0]
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice):
        if len(node.targets) > 1:
            b.fail("PDC020", node, "a slice among several targets")
        store_slice(b, target, node.value)
        return
    if renewed(b, node):
        return
    # A message that is bound to one name and used for nothing but being sent is as good as sent.
    only_sent = (
        isinstance(node.value, ast.Call) and len(node.targets) == 1
        and isinstance(target, ast.Name) and is_only_sent(b, target.id)
        and target.id not in b.unit.state
    )  # fmt: skip
    outer, b.sending = b.sending, "later" if only_sent else ""
    value = b.expression(node.value)
    b.sending = outer
    header = value.header if isinstance(value, ir.New) else 0
    name = target.id if isinstance(target, ast.Name) else ""
    is_message = bool(name) and isinstance(value.type, MessageType)
    if is_message and b.header_of.setdefault(name, header) != header:
        b.fail("PDC109", node, f"{name!r} is a message with one header here and another "
               "elsewhere", hint="give the two messages names of their own")  # fmt: skip
    if len(node.targets) > 1:
        places = any(not isinstance(target, ast.Name) for target in node.targets)
        value = _copy(b, value) if places and not holds_message(value.type) else b.duplicable(value)
    for target in node.targets:
        assign_to(b, target, value, unique=len(node.targets) == 1)


def assign_to(b: Builder, target: ast.expr, value: ir.Expr, *, unique: bool = False) -> None:
    """``target = value`` for a name or a tuple of targets; ``unique``: it is used nowhere else."""
    if isinstance(target, ast.Name):
        if target.id == b.ctx:
            b.fail("PDC019", target, f"the context parameter {b.ctx!r} is bound again")
        b.bind(target.id, value, unique=unique)
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(b, target, value)
    elif isinstance(target, ast.Subscript):
        store(b, _one_index(b, target), value)
    elif isinstance(target, ast.Attribute):
        assign_field(b, target, value)
    else:
        b.fail("PDC020", target, f"assignment to `{ast.unparse(target)}`")


def _one_index(b: Builder, target: ast.Subscript) -> ast.Subscript:
    """``m[i][j]`` of an array as ``m[i, j]``, which it is if both are ints."""
    inner = target.value
    if not isinstance(inner, ast.Subscript) or not isinstance(inner.value, ast.Name):
        return target
    base = b.evaluate(inner.value)
    parts = [p for s in (inner.slice, target.slice)
             for p in (s.elts if isinstance(s, ast.Tuple) else [s])]  # fmt: skip
    if not isinstance(base, ir.Expr) or not isinstance(base.type, ArrayType):
        return target
    if any(isinstance(p, ast.Slice) for p in parts):
        return target
    index = ast.copy_location(ast.Tuple(parts, ast.Load()), target)
    return ast.copy_location(ast.Subscript(inner.value, index, target.ctx), target)


def _unpack(b: Builder, target: ast.Tuple | ast.List, value: ir.Expr) -> None:
    if value.type == NEVER:
        b.raise_here(value)
        return
    if isinstance(value.type, (ListType, DequeType)):
        _unpack_list(b, target, value)
        return
    if not isinstance(value.type, TupleType):
        b.fail("PDC102", target, f"a {value.type} is not unpacked in compiled code")
    items = items_of(b, value)
    starred = [n for n, part in enumerate(target.elts) if isinstance(part, ast.Starred)]
    if starred:
        _unpack_starred(b, target, items, starred[0])
        return
    if len(items) != len(target.elts):
        b.fail("PDC102", target, f"{len(items)} values are unpacked into {len(target.elts)} names")
    if len(items) > 1:
        # All values are there before the first name is bound: `a, b = b, a`.
        items = [item if isinstance(item, ir.Const) else _copy(b, item) for item in items]
    done = exchanged(b, target, target.elts, items)
    for part, item in zip(target.elts, items, strict=True):
        if not (isinstance(part, ast.Name) and part.id in done):
            assign_to(b, part, item)


def _unpack_list(b: Builder, target: ast.Tuple | ast.List, value: ir.Expr) -> None:
    """``a, b = xs`` and ``a, *rest = xs`` of a list whose length is known only when it runs."""
    xs, count = named(b, value), len(target.elts)
    starred = [n for n, part in enumerate(target.elts) if isinstance(part, ast.Starred)]
    test = f"len({xs}) < {count - 1}" if starred else f"len({xs}) != {count}"
    names = [b.fresh_name("part") for _ in target.elts]
    text = f"if {test}:\n    raise ValueError(f'')\n"
    for n, name in enumerate(names):
        after = count - n
        at = str(n) if not starred or n < starred[0] else str(-after)
        if n in starred:
            at = f"{n}:len({xs}) - {after - 1}"
        text += f"{name} = {xs}[{at}]\n"
    b.statements(written(text, target))
    for part, name in zip(target.elts, names, strict=True):
        inner = part.value if isinstance(part, ast.Starred) else part
        assign_to(b, inner, b.expression(placed(ast.Name(name, ast.Load()), target)))


def _unpack_starred(b: Builder, target: ast.Tuple | ast.List, items: list[ir.Expr],
                    at: int) -> None:  # fmt: skip
    """``first, *rest = items``: the rest is a list."""
    after = len(target.elts) - at - 1
    if len(items) < at + after:
        b.fail("PDC102", target, f"{len(items)} values are not enough for these names")
    end = len(items) - after
    items = [item if isinstance(item, ir.Const) else _copy(b, item) for item in items]
    starred = target.elts[at]
    assert isinstance(starred, ast.Starred)
    rest = make_list(b, starred, items[at:end])
    values = [*items[:at], rest, *items[end:]]
    parts = [*target.elts[:at], starred.value, *target.elts[at + 1 :]]
    for part, value in zip(parts, values, strict=True):
        assign_to(b, part, value)


def _copy(b: Builder, value: ir.Expr) -> ir.Expr:
    if isinstance(value, ir.Const):
        return value
    if isinstance(value, ir.Local) and (
        value.name.startswith("%") or isinstance(value.type, CONTAINERS)
    ):  # fmt: skip
        return value  # a temporary is written once
    return b.temporary(value)


def augmented_assign(b: Builder, node: ast.AugAssign) -> None:
    """``target += value``."""
    if isinstance(node.target, ast.Subscript):
        _aug_assign_item(b, node, node.target)
        return
    if isinstance(node.target, ast.Attribute):
        read = ast.Attribute(node.target.value, node.target.attr, ast.Load())
        read = ast.copy_location(read, node.target)
        changed = ast.copy_location(ast.BinOp(read, node.op, node.value), node)
        assign_field(b, node.target, b.expression(changed))
        return
    if not isinstance(node.target, ast.Name):
        b.fail("PDC020", node.target, f"assignment to `{ast.unparse(node.target)}`")
    symbol = _AUGMENTED.get(type(node.op))
    if symbol is None:
        b.fail("PDC021", node, "`@=` cannot be compiled")
    load = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
    if symbol == "+" and isinstance(b.expression(load).type, (ListType, DequeType)):
        extend = ast.Call(ast.Attribute(load, "extend", ast.Load()), [node.value], [])
        b.statements([placed(ast.Expr(extend), node)])
        return
    if symbol in "|-" and isinstance(b.expression(load).type, SetType):
        name = "update" if symbol == "|" else "difference_update"
        change = ast.Call(ast.Attribute(load, name, ast.Load()), [_of_set(b, node.value)], [])
        b.statements([placed(ast.Expr(change), node)])
        return
    if symbol == "|" and isinstance(b.expression(load).type, DictType):
        update = ast.Call(ast.Attribute(load, "update", ast.Load()), [node.value], [])
        b.statements([placed(ast.Expr(update), node)])
        return
    left, right = b.sequence([load, node.value])
    read_as_floats(b, [load, node.value], [left, right])
    if isinstance(left.type, ArrayType):
        in_place(b, node, symbol, left, right)
        return
    b.bind(node.target.id, apply(b, symbol, left, right, b.loc(node)))


def _of_set(b: Builder, node: ast.expr) -> ast.expr:
    """What a set is changed by in place, which is a set too."""
    if isinstance(node, ast.Set) or is_set(b, node):
        return node
    raise OperandError("a set is changed in place by a set, as a display or a variable")


def _aug_assign_item(b: Builder, node: ast.AugAssign, target: ast.Subscript) -> None:
    """``xs[i] += y``: the index is evaluated once, before ``y``."""
    target = _one_index(b, target)
    if not isinstance(target.value, ast.Name):
        base = b.bind_fresh(b.expression(target.value), node)
        target = ast.copy_location(ast.Subscript(base, target.slice, target.ctx), target)
    parts = target.slice.elts if isinstance(target.slice, ast.Tuple) else [target.slice]
    names: list[ast.expr] = []
    for part in parts:
        name = b.fresh_name("index")
        b.bind(name, b.duplicable(b.expression(part)))
        names.append(ast.Name(name, ast.Load()))
    if b.env is None:
        return  # the index always raises
    index = names[0] if len(names) == 1 else ast.Tuple(names, ast.Load())
    load = placed(ast.Subscript(target.value, index, ast.Load()), node)
    value = b.expression(placed(ast.BinOp(load, node.op, node.value), node))
    store(b, placed(ast.Subscript(target.value, index, ast.Store()), node), value)


def annotated_assign(b: Builder, node: ast.AnnAssign) -> None:
    """``target: type = value``."""
    if node.value is not None:
        assign_to(b, node.target, b.expression(node.value), unique=True)


def store_slice(b: Builder, target: ast.Subscript, value: ast.expr) -> None:
    """``array[low:high] = array[...]``, or one number for all: the right side is read first."""
    base = b.expression(target.value)
    if isinstance(base.type, ListType):
        store_list_slice(b, target, base, value)
        return
    if not isinstance(base.type, ArrayType) or len(base.type.shape) != 1:
        raise OperandError(f"a slice of a {base.type} is assigned")
    new, at = b.fresh_name("new"), b.fresh_name("at")
    if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice):
        b.bind(new, sliced(b, value))
    else:
        b.bind(new, b.duplicable(b.expression(value)))
    whole = view_of((b.env or {}).get(new))
    low, high, step = slice_bounds(b, target)
    if step != 1:
        raise OperandError("a slice with a step is assigned")
    if isinstance(whole, CONTAINERS):
        text = f"if len({new}) != max({high} - {low}, 0):\n    raise ValueError(f'')\n"
        text += f"for {at} in range({low}, {high}):\n    _[{at}] = {new}[{at} - {low}]\n"
    else:
        text = f"for {at} in range({low}, {high}):\n    _[{at}] = {new}\n"
    statements = unplaced(text)
    statements[-1].body[0].targets[0].value = target.value  # type: ignore[attr-defined]
    b.statements([placed(statement, target) for statement in statements])
