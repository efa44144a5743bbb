"""Constant tables: lists, tuples, dicts and arrays of a module that the loop looks things up in.

Input: the Python object that a name of the module, a class or a closure is bound to.  Output: an
expression for one of its items.  A column of numbers, strings or enum members becomes a constant
array of the generated code (``ir.Table``); rows that are tuples, one array for each column.
"""

from __future__ import annotations

import ast
import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from pydotcompute.compiler.diagnostics.diagnostic import Location
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError, plain_int, raising
from pydotcompute.compiler.irbuild.core.enum_values import as_base
from pydotcompute.compiler.irbuild.core.unit import Static
from pydotcompute.compiler.irbuild.values.operators import compare, items_of
from pydotcompute.compiler.ops import arrays
from pydotcompute.compiler.types.types import (
    BOOL,
    FLOAT,
    INT,
    STR,
    EnumType,
    ScalarType,
    TupleType,
    Type,
    join,
)

MAX_ROWS = 65536
"""Rows of a table."""

MAX_CHOICES = 256
"""Rows of a table, or keys of a dict, that are told apart by comparing."""

Items = Callable[[ir.Expr], ir.Expr]
"""The item at a place that is in range."""


# --- what is a table -------------------------------------------------------------------------


def rows_of(value: ir.Expr | Static, what: str = "keys") -> tuple[Any, ...] | None:
    """The items of a constant container, as a loop over it meets them; None if it is none.

    Args:
        value: what an expression came to.
        what: of a dict: ``keys``, ``values`` or ``items``.
    """
    if isinstance(value, ir.Expr):
        found = _plain(value)
        return found if isinstance(found, tuple) and len(found) > 1 else None
    table = value.value
    if isinstance(table, dict):
        return tuple(getattr(table, what)())
    if isinstance(table, (list, tuple)) or (isinstance(table, np.ndarray) and table.ndim == 1):
        return tuple(table)
    return None


def _plain(value: ir.Expr) -> Any:
    """The Python value of a constant; None if it is not constant throughout."""
    if isinstance(value, ir.Const) and not isinstance(value.type, TupleType):
        return value.value
    if isinstance(value, ir.Tuple):
        items = [_plain(item) for item in value.items]
        if all(item is not None for item in items):
            return tuple(items)
    return None


def keep(b: Builder, table: Any) -> None:
    """Notes that the kernel has a copy of a module's container, which may change later."""
    if isinstance(table, (list, dict, np.ndarray)) and (id(table), "") not in b.unit.constants:
        b.unit.note_constant(table, "", partial(_unchanged, table, copy.deepcopy(table)), table)


def _unchanged(table: Any, before: Any) -> Any:
    if isinstance(table, np.ndarray):
        return table if np.array_equal(table, before, equal_nan=table.dtype.kind == "f") else None
    return table if repr(table) == repr(before) else None


# --- items -----------------------------------------------------------------------------------


def items(b: Builder, rows: Sequence[Any], loc: Location) -> Items:
    """Items by place.

    Raises:
        OperandError: they have no compiled type, or there are too many or none.
    """
    if not 0 < len(rows) <= MAX_ROWS:
        raise OperandError(f"a table of {len(rows)} items")
    values: list[ir.Expr] = []
    for row in rows:
        value = b.constant(row, loc)
        if isinstance(value, Static):
            raise OperandError("the items of this table have no compiled type")
        values.append(value)
    return lambda at: _pick(b, values, at, loc)


def _pick(b: Builder, values: list[ir.Expr], at: ir.Expr, loc: Location) -> ir.Expr:
    if isinstance(at, ir.Const):
        found: ir.Expr = values[at.value]
        return found
    at, first = b.duplicable(at), values[0].type
    if any(value.type != first for value in values):
        result = first
        for value in values:
            result = join(result, value.type)
        return _choose(b, [b.convert(value, result) for value in values], at, 0)
    if isinstance(first, TupleType):
        columns = zip(*(items_of(b, value) for value in values), strict=True)
        parts = tuple(_pick(b, list(column), at, loc) for column in columns)
        return ir.Tuple(loc, first, parts)
    if not _tabulated(first) or not all(_finite(value) for value in values):
        return _choose(b, values, at, 0)
    return ir.Table(loc, first, tuple(v.value for v in values), at)  # type: ignore[attr-defined]


def _tabulated(type_: Type) -> bool:
    return type_ in (BOOL, INT, FLOAT, STR) or isinstance(type_, (ScalarType, EnumType))


def _finite(value: ir.Expr) -> bool:
    """Whether C has a literal for it."""
    assert isinstance(value, ir.Const)
    return not isinstance(value.value, (float, np.floating)) or math.isfinite(value.value)


def _choose(b: Builder, values: list[ir.Expr], at: ir.Expr, first: int) -> ir.Expr:
    """One of some values, by halves."""
    if len(values) > MAX_CHOICES:
        raise OperandError("a table of this size needs items of one type")
    if len(values) == 1:
        return values[0]
    middle = len(values) // 2
    low, high = _choose(b, values[:middle], at, first), values[middle:]
    test = compare(b, "<", at, ir.Const(at.loc, INT, first + middle))
    return ir.Cond(at.loc, low.type, test, low, _choose(b, high, at, first + middle))


def place(b: Builder, index: ir.Expr, size: int, code: str) -> ir.Expr:
    """An index as Python counts, checked."""
    index = b.convert(plain_int(as_base(index)), INT)
    if isinstance(index, ir.Const) and -size <= index.value < size:
        return ir.Const(index.loc, INT, index.value % size)
    return b.duplicable(ir.Op(index.loc, INT, arrays.place(size, code), (index,)))


def indexed(b: Builder, node: ast.Subscript, table: Any) -> ir.Expr:
    """``TABLE[index]`` of a list, tuple, dict or array of constants."""
    loc = b.loc(node)
    keep(b, table)
    if isinstance(node.slice, ast.Slice):
        raise OperandError("a slice of a constant")
    if isinstance(table, dict):
        return looked_up(b, table, b.expression(node.slice), loc, None)
    if isinstance(table, np.ndarray):
        return _of_array(b, node, table)
    code = "PDC_INDEX_LIST" if isinstance(table, list) else "PDC_INDEX_TUPLE"
    at = place(b, b.expression(node.slice), len(table), code)
    return items(b, table, loc)(at)


def _of_array(b: Builder, node: ast.Subscript, table: np.ndarray[Any, Any]) -> ir.Expr:
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if len(parts) != table.ndim or not table.size:
        raise OperandError("an array is indexed with one int for each axis")
    loc = b.loc(node)
    at: ir.Expr = ir.Const(loc, INT, 0)
    found = [b.forced(index) for index in b.sequence(parts)]
    for index, size in zip(found, table.shape, strict=True):
        at = _flat(at, size, place(b, index, size, "PDC_INDEX_ARRAY"))
    return items(b, tuple(table.reshape(-1)), loc)(at)


def _flat(row: ir.Expr, size: int, column: ir.Expr) -> ir.Expr:
    if isinstance(row, ir.Const) and row.value == 0:
        return column
    return ir.Op(row.loc, INT, arrays.flat(size), (row, column))


def chained(b: Builder, node: ast.Subscript, table: Any, row: ast.expr) -> ir.Expr | None:
    """``TABLE[row][column]`` of rows of one length, which are lists or tuples."""
    if not isinstance(table, (list, tuple)) or not table:
        return None
    kind, size = type(table[0]), len(table[0]) if isinstance(table[0], (list, tuple)) else 0
    if not size or any(type(r) is not kind or len(r) != size for r in table):
        return None
    if isinstance(row, ast.Slice) or isinstance(node.slice, ast.Slice):
        return None
    keep(b, table)
    code = "PDC_INDEX_LIST" if isinstance(table, list) else "PDC_INDEX_TUPLE"
    at = place(b, b.expression(row), len(table), code)
    code = "PDC_INDEX_LIST" if kind is list else "PDC_INDEX_TUPLE"
    column = place(b, b.expression(node.slice), size, code)
    flat = tuple(item for r in table for item in r)
    return items(b, flat, b.loc(node))(_flat(at, size, column))


# --- dicts -----------------------------------------------------------------------------------


def looked_up(b: Builder, table: dict[Any, Any], key: ir.Expr, loc: Location,
              default: ir.Expr | None) -> ir.Expr:  # fmt: skip
    """``TABLE[key]``; with a default, ``TABLE.get(key, default)``."""
    key = b.duplicable(key)
    default = None if default is None else b.forced(default)
    at = b.temporary(_find(b, list(table), key, loc))
    value = items(b, tuple(table.values()), loc)(at)
    present = compare(b, ">=", at, ir.Const(loc, INT, 0))
    if default is None:
        return ir.Cond(loc, value.type, present, value, raising(loc, value.type, "PDC_KEY_ERROR"))
    result = join(value.type, default.type)
    return ir.Cond(loc, result, present, b.convert(value, result), b.convert(default, result))


def _find(b: Builder, keys: list[Any], key: ir.Expr, loc: Location) -> ir.Expr:
    """The place of a key, or -1."""
    if key.type == INT and len(keys) > 8 and all(type(k) is int for k in keys):
        order = sorted(range(len(keys)), key=lambda n: keys[n])
        return _halves(b, [(keys[n], n) for n in order], key, loc)
    if len(keys) > MAX_CHOICES:
        raise OperandError(f"a dict of {len(keys)} keys that are not all ints")
    found: ir.Expr = ir.Const(loc, INT, -1)
    for n in range(len(keys) - 1, -1, -1):
        option = b.constant(keys[n], loc)
        if isinstance(option, Static):
            raise OperandError("a key of this dict has no compiled type")
        test = compare(b, "==", key, option)
        found = ir.Cond(loc, INT, test, ir.Const(loc, INT, n), found)
    return found


def _halves(b: Builder, keys: list[tuple[int, int]], key: ir.Expr, loc: Location) -> ir.Expr:
    if len(keys) > 1:
        middle = len(keys) // 2
        test = compare(b, "<", key, ir.Const(loc, INT, keys[middle][0]))
        low, high = _halves(b, keys[:middle], key, loc), _halves(b, keys[middle:], key, loc)
        return ir.Cond(loc, INT, test, low, high)
    ((value, at),) = keys
    test = compare(b, "==", key, ir.Const(loc, INT, value))
    return ir.Cond(loc, INT, test, ir.Const(loc, INT, at), ir.Const(loc, INT, -1))


def get(b: Builder, node: ast.Call, table: dict[Any, Any]) -> ir.Expr:
    """``TABLE.get(key)`` and ``TABLE.get(key, default)``."""
    if not 1 <= len(node.args) <= 2 or node.keywords:
        raise OperandError("`get` takes a key and a default")
    keep(b, table)
    key, *rest = b.sequence(node.args)
    return looked_up(b, table, key, b.loc(node), rest[0] if rest else ir.none(b.loc(node)))


__all__ = ["chained", "get", "indexed", "items", "keep", "looked_up", "place", "rows_of"]
