"""numpy on whole arrays of fixed shape: arithmetic, comparisons, functions and reductions.

An operation on arrays is a loop over the places of its result, which is a new array; what is done
with each item is the rule for numpy's scalars, so that types and values are numpy's.  Functions
whose last bit numpy leaves to the processor (``exp``, ``log``, ``dot``...) cannot be compiled.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers.containers import (
    METHODS,
    array_place,
    indices,
    mutate,
    op,
)
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.unit import Static
from pydotcompute.compiler.irbuild.values.constant_tables import items, keep
from pydotcompute.compiler.irbuild.values.operators import apply, cast_operand, compared
from pydotcompute.compiler.irbuild.values.ufuncs import ufunc_of
from pydotcompute.compiler.ops import arrays as a
from pydotcompute.compiler.ops import containers as c
from pydotcompute.compiler.ops.operators import unary
from pydotcompute.compiler.ops.primitive import Primitive
from pydotcompute.compiler.types.types import (
    BOOL,
    FLOAT,
    INT,
    NP_BOOL,
    ArrayType,
    ScalarType,
    Type,
    UnionType,
    is_number,
)

Item = Callable[[ir.Expr], ir.Expr]
"""The item of a result at a flat place."""

F64, I64 = ScalarType("float64"), ScalarType("int64")
MAX_ITEMS = 4096
"""Items of an array made inside a turn."""


def _size(shape: Sequence[int]) -> int:
    return math.prod(shape)


# --- making ----------------------------------------------------------------------------------


def made(b: Builder, node: ast.AST, shape: tuple[int, ...], item: Item,
         type_: ScalarType | None = None) -> ir.Expr:  # fmt: skip
    """A new array, of one item after the other."""
    loc, size = b.loc(node), _size(shape)
    if not 0 < size <= MAX_ITEMS:
        raise OperandError(f"an array of shape {shape} is made")
    counter = b.fresh_local(loc, INT)
    value, block = b.nested(lambda: item(counter))
    scalar = type_ or scalar_type(value.type)
    value, more = b.nested(lambda: cast_operand(b, value, scalar))
    target = replace(b.fresh_local(loc, ArrayType(scalar, shape)), site=_site(node))
    b.block.append(ir.Fresh(loc, target))
    body = (*block, *more, ir.Mutate(loc, None, a.SET_ITEM, (target, counter, value)))
    bounds = [ir.Const(loc, INT, n) for n in (0, size, 1)]
    b.block.append(ir.For(loc, counter, bounds[0], bounds[1], bounds[2], body, ()))
    b.effects = True
    return target


def _site(node: ast.AST) -> tuple[int, int, str]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0), "array"


def scalar_type(type_: Type) -> ScalarType:
    """The type that a number has in an array."""
    if isinstance(type_, ScalarType):
        return type_
    known = {FLOAT: F64, INT: I64, BOOL: NP_BOOL}.get(type_)
    if known is None:
        raise OperandError(f"an array of {type_}")
    return known


def _broadcast(args: Sequence[ir.Expr]) -> tuple[int, ...]:
    shapes = [arg.type.shape for arg in args if isinstance(arg.type, ArrayType)]
    shape = max(shapes, key=len)
    for other in shapes:
        if other != shape[len(shape) - len(other) :]:
            raise OperandError(f"arrays of shapes {shape} and {other} are combined")
    return shape


def elementwise(b: Builder, node: ast.AST, args: Sequence[ir.Expr],
                rule: Callable[[list[ir.Expr]], ir.Expr]) -> ir.Expr:  # fmt: skip
    """``rule`` of the items of arrays at each place; numbers stand at all of them."""
    shape = _broadcast(args)
    args = [arg if isinstance(arg, (ir.Local, ir.Const)) else b.temporary(arg) for arg in args]

    def item(at: ir.Expr) -> ir.Expr:
        parts = []
        for arg in args:
            if isinstance(arg.type, ArrayType):
                size, whole = _size(arg.type.shape), _size(shape)
                place = at if size == whole else op(at.loc, INT, a.modulo(size), at)
                arg = op(at.loc, arg.type.item, a.ARRAY_ITEM, arg, place)
            parts.append(arg)
        return rule(parts)

    return made(b, node, shape, item)


def constant_array(b: Builder, node: ast.AST, value: Any) -> ir.Expr | None:
    """An array of a module, to be computed with; it does not change here.  None if compiled code
    has no such array."""
    if not isinstance(value, np.ndarray) or not is_number(value.dtype):
        return None
    keep(b, value)
    item = items(b, list(value.reshape(-1)), b.loc(node))
    array = made(b, node, value.shape, item, ScalarType(value.dtype.name))
    assert isinstance(array, ir.Local)
    return replace(array, part=True)


Builder.CONSTANTS.append(constant_array)


def binary_arrays(b: Builder, node: ast.AST, symbol: str, left: ir.Expr,
                  right: ir.Expr) -> ir.Expr:  # fmt: skip
    """``a + b`` where at least one is an array."""
    if symbol == "**" and isinstance(right, ir.Const) and right.value == 2:
        return elementwise(b, node, [left], lambda v: apply(b, "*", v[0], v[0], b.loc(node)))
    if symbol == "**":
        raise OperandError("a power of an array, but for `** 2`")
    return elementwise(b, node, [left, right], lambda v: apply(b, symbol, v[0], v[1], b.loc(node)))


def compare_arrays(b: Builder, node: ast.AST, symbol: str, left: ir.Expr,
                   right: ir.Expr) -> ir.Expr:  # fmt: skip
    """``a < b`` item by item."""
    if symbol in ("is", "is not"):
        raise OperandError(f"`{symbol}` of arrays")
    return elementwise(b, node, [left, right], lambda v: compared(b, symbol, v[0], v[1]))


def unary_array(b: Builder, node: ast.AST, symbol: str, value: ir.Expr) -> ir.Expr:
    """``-a``."""

    def rule(parts: list[ir.Expr]) -> ir.Expr:
        signature = unary(symbol, parts[0].type)
        if signature is None:
            raise OperandError(f"{symbol}{value.type} is not supported")
        return ir.Op(b.loc(node), signature.result, signature.primitive, tuple(parts))

    return elementwise(b, node, [value], rule)


def in_place(b: Builder, node: ast.AST, symbol: str, base: ir.Expr, value: ir.Expr) -> None:
    """``a += value``: computed as ``a + value`` is, and cast."""
    assert isinstance(base.type, ArrayType)
    if not isinstance(base, ir.Local) or base.part or not (base.origin or base.site):
        raise OperandError("an array that is part of something changes")
    if isinstance(value.type, UnionType):
        raise OperandError(f"a {value.type} is added to an array where it is")
    result = binary_arrays(b, node, symbol, base, value)
    assert isinstance(result.type, ArrayType)
    if result.type.shape != base.type.shape:
        raise OperandError(f"a {result.type} does not fit a {base.type}")
    have, want = result.type.item, base.type.item
    if have != want:
        if not np.can_cast(have.dtype, want.dtype, "same_kind"):
            raise OperandError(f"a {result.type} is not stored into a {base.type}")
        result = made(b, node, base.type.shape, lambda at: op(
            at.loc, have, a.ARRAY_ITEM, result, at), want)  # fmt: skip
    mutate(b, node, c.ASSIGN, base, result)


# --- parts -----------------------------------------------------------------------------------


def is_part(node: ast.Subscript, type_: ArrayType) -> bool:
    """Whether an index leaves more than one item."""
    given = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return len(given) < len(type_.shape) or any(isinstance(p, ast.Slice) for p in given)


def part_of(b: Builder, node: ast.Subscript, base: ir.Expr) -> ir.Expr:
    """``a[1:]``, ``m[i]``, ``m[:, j]``: a copy, for use at once; it has no name and no changes."""
    assert isinstance(base.type, ArrayType)
    given = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if len(given) > len(base.type.shape):
        raise OperandError(f"a {base.type} has no {len(given)} axes")
    base = base if isinstance(base, ir.Local) else replace(b.temporary(base), part=True)
    assert isinstance(base.type, ArrayType)
    given += [ast.Slice() for _ in base.type.shape[len(given) :]]
    shape: list[int] = []
    axes: list[tuple[int, int, int]] = []  # stride of the source, first, step
    fixed: list[tuple[ir.Expr, int]] = []
    for n, (index, size) in enumerate(zip(given, base.type.shape, strict=True)):
        stride = _size(base.type.shape[n + 1 :])
        if isinstance(index, ast.Slice):
            places = range(size)[slice(*(_constant(b, p) for p in
                                         (index.lower, index.upper, index.step)))]  # fmt: skip
            shape.append(len(places))
            axes.append((stride, places.start, places.step))
        else:
            one = ArrayType(base.type.item, (size,))
            plain = ast.copy_location(ast.Subscript(node.value, index, ast.Load()), node)
            fixed.append((b.duplicable(array_place(b, plain, one, indices(b, plain, one))), stride))
    return _copied_part(b, node, base, tuple(shape), axes, fixed)


def row(b: Builder, node: ast.AST, base: ir.Expr, at: ir.Expr) -> ir.Expr:
    """``m[at]`` for a place that is in range."""
    assert isinstance(base.type, ArrayType)
    shape = base.type.shape[1:]
    axes = [(_size(shape[n + 1 :]), 0, 1) for n in range(len(shape))]
    return _copied_part(b, node, base, shape, axes, [(at, _size(shape))])


def _copied_part(b: Builder, node: ast.AST, base: ir.Expr, shape: tuple[int, ...],
                 axes: list[tuple[int, int, int]],
                 fixed: list[tuple[ir.Expr, int]]) -> ir.Expr:  # fmt: skip
    assert isinstance(base.type, ArrayType)
    assert isinstance(base, ir.Local)
    loc, item = b.loc(node), base.type.item
    place = _strided(shape, axes, [stride for _, stride in fixed])
    offsets = tuple(b.temporary(at) if not isinstance(at, ir.Const) else at for at, _ in fixed)
    result = made(b, node, shape, lambda at: op(
        loc, item, a.ARRAY_ITEM, base, op(loc, INT, place, at, *offsets)))  # fmt: skip
    assert isinstance(result, ir.Local)
    if not base.part:
        b.views.add(result.name)
    return replace(result, part=True)


def _strided(shape: tuple[int, ...], axes: list[tuple[int, int, int]],
             strides: list[int]) -> Primitive:  # fmt: skip
    """From a flat place in a part to the one in the whole."""
    terms, first = list[tuple[int, int, int]](), 0
    for n, (stride, start, step) in enumerate(axes):
        inner, size = _size(shape[n + 1 :]), shape[n]
        first += start * stride
        terms.append((inner, size, step * stride))
    return a.part(terms, strides, first)


def _constant(b: Builder, node: ast.expr | None) -> int | None:
    if node is None:
        return None
    value = b.expression(node)
    if not isinstance(value, ir.Const) or not isinstance(value.value, int):
        raise OperandError("a slice of an array has constant bounds here")
    return int(value.value)


# --- reductions ------------------------------------------------------------------------------


def _widened(type_: ScalarType) -> ScalarType:
    """The type in which numpy adds items of an integer type up."""
    return ScalarType(np.zeros(1, type_.dtype).sum().dtype.name)


def _sum(b: Builder, node: ast.AST, base: ir.Expr) -> ir.Expr:
    assert isinstance(base.type, ArrayType)
    item = base.type.item
    if item.is_float:
        if item.dtype.itemsize < 4:
            raise OperandError(f"a sum of {item}")
        return op(b.loc(node), item, a.ARRAY_SUM, base)
    wide = _widened(item)
    return op(b.loc(node), wide, a.ARRAY_TOTAL, base)


def _as_floats(b: Builder, node: ast.AST, base: ir.Expr) -> ir.Expr:
    """The array that numpy computes means of: of floats, itself."""
    assert isinstance(base.type, ArrayType)
    if base.type.item.is_float:
        return base
    item = base.type.item
    return made(b, node, base.type.shape,
                lambda at: op(at.loc, item, a.ARRAY_ITEM, base, at), F64)  # fmt: skip


def _mean(b: Builder, node: ast.AST, base: ir.Expr) -> ir.Expr:
    base = _as_floats(b, node, base)
    assert isinstance(base.type, ArrayType)
    item = base.type.item
    count = ir.Const(b.loc(node), item, item.dtype.type(_size(base.type.shape)))
    return apply(b, "/", _sum(b, node, base), count, b.loc(node))


def _var(b: Builder, node: ast.AST, base: ir.Expr, ddof: int = 0) -> ir.Expr:
    base = _as_floats(b, node, base)
    assert isinstance(base.type, ArrayType)
    item, loc = base.type.item, b.loc(node)
    mean = b.temporary(_mean(b, node, base))
    off = binary_arrays(b, node, "-", base, mean)
    squares = elementwise(b, node, [off], lambda v: apply(b, "*", v[0], v[0], loc))
    count = item.dtype.type(max(_size(base.type.shape) - ddof, 0))
    return apply(b, "/", _sum(b, node, squares), ir.Const(loc, item, count), loc)


def _std(b: Builder, node: ast.AST, base: ir.Expr, ddof: int = 0) -> ir.Expr:
    return ufunc_of(b, np.sqrt, [_var(b, node, base, ddof)], node)


def _extreme(name: str) -> Callable[[Builder, ast.AST, ir.Expr], ir.Expr]:
    def rule(b: Builder, node: ast.AST, base: ir.Expr) -> ir.Expr:
        assert isinstance(base.type, ArrayType)
        result = I64 if name.startswith("arg") else base.type.item
        return op(b.loc(node), result, a.EXTREMES[name], base)

    return rule


def _truth(name: str) -> Callable[[Builder, ast.AST, ir.Expr], ir.Expr]:
    def rule(b: Builder, node: ast.AST, base: ir.Expr) -> ir.Expr:
        return op(b.loc(node), NP_BOOL, a.ARRAY_ANY if name == "any" else a.ARRAY_ALL, base)

    return rule


def _cumsum(b: Builder, node: ast.AST, base: ir.Expr) -> ir.Expr:
    assert isinstance(base.type, ArrayType)
    item = base.type.item if base.type.item.is_float else _widened(base.type.item)
    shape, loc = (_size(base.type.shape),), b.loc(node)
    result = made(b, node, shape,
                  lambda at: op(loc, base.type.item, a.ARRAY_ITEM, base, at), item)  # type: ignore[attr-defined]  # fmt: skip
    mutate(b, node, a.CUMSUM, result)
    return result


def _copy(b: Builder, node: ast.AST, base: ir.Expr) -> ir.Expr:
    assert isinstance(base.type, ArrayType)
    item = base.type.item
    return made(b, node, base.type.shape, lambda at: op(at.loc, item, a.ARRAY_ITEM, base, at))


def dtype_of(b: Builder, node: ast.Call, at: int) -> ScalarType:
    """The dtype that a call is given, from its argument ``at`` on or by name."""
    given = [*node.args[at:], *(k.value for k in node.keywords if k.arg == "dtype")]
    if any(k.arg != "dtype" for k in node.keywords) or len(given) > 1:
        raise OperandError(f"these arguments of `{ast.unparse(node.func)}` cannot be compiled")
    if not given:
        return F64
    found = b.evaluate(given[0])
    if isinstance(found, Static) and isinstance(found.value, type):
        dtype = np.dtype(found.value)
        if is_number(dtype):
            return ScalarType(dtype.name)
    raise OperandError("a dtype is a class of numpy here, such as `np.float32`")


def _astype(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
    assert isinstance(base.type, ArrayType)
    item, target = base.type.item, dtype_of(b, node, 0)
    if item.is_float and not target.is_float:
        raise OperandError("floats as integers, which truncates")
    return made(b, node, base.type.shape,
                lambda at: op(at.loc, item, a.ARRAY_ITEM, base, at), target)  # fmt: skip


def _flat(b: Builder, node: ast.AST, base: ir.Expr) -> ir.Expr:
    assert isinstance(base.type, ArrayType)
    item, shape = base.type.item, (_size(base.type.shape),)
    return made(b, node, shape, lambda at: op(at.loc, item, a.ARRAY_ITEM, base, at))


REDUCTIONS: dict[str, Callable[..., ir.Expr]] = {
    "sum": _sum, "mean": _mean, "var": _var, "std": _std, "cumsum": _cumsum, "copy": _copy,
    "flatten": _flat,
    **{name: _extreme(name) for name in ("max", "min", "argmax", "argmin")},
    **{name: _truth(name) for name in ("any", "all")},
}  # fmt: skip


def _method(name: str) -> Callable[[Builder, ast.Call, ir.Expr], ir.Expr]:
    def rule(b: Builder, node: ast.Call, base: ir.Expr) -> ir.Expr:
        if node.args:
            raise OperandError(f"`{name}` along an axis cannot be compiled")
        base = base if isinstance(base, ir.Local) else b.temporary(base)
        return REDUCTIONS[name](b, node, base, **options(b, name, node.keywords))

    return rule


def options(b: Builder, name: str, words: list[ast.keyword]) -> dict[str, int]:
    """The keyword arguments of a reduction: ``ddof``."""
    given = {str(word.arg): _constant(b, word.value) for word in words}
    if given and (name not in ("var", "std") or given.keys() != {"ddof"}):
        raise OperandError(f"`{name}` with these keyword arguments cannot be compiled")
    return {key: value for key, value in given.items() if value is not None}


METHODS.update({(ArrayType, name): _method(name) for name in REDUCTIONS})
METHODS[ArrayType, "astype"] = _astype
