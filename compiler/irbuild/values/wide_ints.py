"""Ints beyond 64 bits: results that are masked or reduced at once never need them all.

``(h * PRIME) & MASK`` is computed in 64-bit words that wrap, which is exact: what is cut off never
comes back.  ``(a * b) % m``, ``a * b // c`` and ``a * b >> n`` are computed in 128 bits.  What
remains of ints beyond 64 bits is of type ``WIDE``, as the tables of ``operators`` say.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

import numpy as np

from pydotcompute.compiler.diagnostics.diagnostic import DiagnosticError
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.attempts import Snapshot
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.enum_values import as_base
from pydotcompute.compiler.irbuild.values.operators import apply, cast_operand
from pydotcompute.compiler.ops.numpy_operators import WIDE_OF_WORD, numpy_binary
from pydotcompute.compiler.ops.operators import LOW_SHIFT, LOW_WORD, PRODUCT, low
from pydotcompute.compiler.ops.primitive import cast_to
from pydotcompute.compiler.types.int_ranges import INT_MAX
from pydotcompute.compiler.types.types import BOOL, INT, WIDE, ScalarType, UnionType

WORD = ScalarType("uint64")
_ALL = 2**64 - 1
_LARGE = 2**31 - 1
"""Masks from here on hint at arithmetic that overflows; below them, at flags."""

_SMALL = 2**16
"""Factors up to here rarely make a product overflow."""

_WORDS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
}  # fmt: skip
_INTS = (BOOL, INT, WIDE)


class _NoInt(Exception):
    """An operand is no int: the expression is built as it is."""


# --- what the text says ----------------------------------------------------------------------


def _constant(b: Builder, node: ast.expr) -> int | None:
    """The value of a constant int: a literal, a name of the module, or arithmetic on them."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and (part.id in (b.env or {}) or part.id in b.bound):
            return None
        if not isinstance(part, (ast.Constant, ast.Name, ast.Attribute, ast.BinOp, ast.UnaryOp,
                                 ast.operator, ast.unaryop, ast.expr_context)):  # fmt: skip
            return None
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    found = b.evaluate(node)
    if isinstance(found, ir.Const) and found.type in (INT, WIDE):
        return int(found.value)
    return None


def _mask(b: Builder, node: ast.BinOp) -> tuple[ast.expr, int] | None:
    """What is masked, and the mask: of ``x & mask``, ``mask & x`` and ``x % 2**n``."""
    if isinstance(node.op, ast.BitAnd):
        for side, other in ((node.left, node.right), (node.right, node.left)):
            value = _constant(b, other) if _worth(side) else None
            if value is not None and 0 < value <= _ALL:
                return (side, value) if value >= _LARGE or _multiplies(side) else None
    if isinstance(node.op, ast.Mod) and _worth(node.left):
        value = _constant(b, node.right)
        if value is not None and 1 < value <= 2**64 and value & (value - 1) == 0:
            large = value > _LARGE or _multiplies(node.left)
            return (node.left, value - 1) if large else None
    return None


def _worth(node: ast.expr) -> bool:
    """Whether a masked expression may leave 64 bits before it is masked."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub) or _worth(node.operand)
    if not isinstance(node, ast.BinOp):
        return False
    if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.LShift)):
        return True
    return type(node.op) in _WORDS and (_worth(node.left) or _worth(node.right))


def _multiplies(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        return _multiplies(node.operand)
    if not isinstance(node, ast.BinOp):
        return False
    if isinstance(node.op, (ast.Mult, ast.LShift)):
        return True
    return type(node.op) in _WORDS and (_multiplies(node.left) or _multiplies(node.right))


# --- building --------------------------------------------------------------------------------


def shortened(b: Builder, node: ast.BinOp) -> ir.Expr | None:
    """``node``, where what is done to a large result allows a shorter way to it; else None."""
    if (found := _mask(b, node)) is not None:
        side, mask = found
        return _tried(b, lambda: _masked(b, node, side, mask))
    if isinstance(node.op, (ast.Mod, ast.FloorDiv, ast.RShift)) and _is_product(b, node.left):
        return _tried(b, lambda: _reduced(b, node))
    return None


def _tried(b: Builder, build: Callable[[], ir.Expr]) -> ir.Expr | None:
    """What ``build`` gives; None, and no trace, if an operand is no int."""
    before = Snapshot(b)
    try:
        return build()
    except (_NoInt, OperandError, DiagnosticError):
        before.restore(b)
        return None


def _int(b: Builder, node: ast.expr) -> ir.Expr:
    value = as_base(b.expression(node))
    if isinstance(value.type, UnionType) or value.type not in _INTS:
        raise _NoInt
    return value


def _word(value: ir.Expr) -> ir.Expr:
    """The low 64 bits of an int."""
    if value.type == WORD:
        return value
    if isinstance(value, ir.Const):
        return ir.Const(value.loc, WORD, low(int(value.value)))
    return ir.Op(value.loc, WORD, LOW_WORD[value.type], (value,))


def _masked(b: Builder, node: ast.BinOp, side: ast.expr, mask: int) -> ir.Expr:
    word, loc = _words(b, side), b.loc(node)
    if mask != _ALL:
        word = _combined("&", word, ir.Const(loc, WORD, np.uint64(mask)))
    if mask <= INT_MAX:
        return ir.Op(loc, INT, cast_to(INT, int), (word,))
    return ir.Op(loc, WIDE, WIDE_OF_WORD, (word,))


def _combined(symbol: str, left: ir.Expr, right: ir.Expr) -> ir.Expr:
    signature = numpy_binary(symbol, WORD, WORD)
    assert signature is not None
    return ir.Op(left.loc, WORD, signature.primitive, (left, right))


def _words(b: Builder, node: ast.expr) -> ir.Expr:
    """The low 64 bits of an expression, from those of its parts."""
    if isinstance(node, ast.BinOp) and (symbol := _WORDS.get(type(node.op))) is not None:
        left, right = b.sequence((node.left, node.right), lambda part: _words(b, part))
        return _combined(symbol, left, right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.LShift):
        parts: dict[ast.expr, Callable[[], ir.Expr]] = {
            node.left: lambda: _words(b, node.left),
            node.right: lambda: _int(b, node.right),
        }
        left, right = b.sequence((node.left, node.right), lambda part: parts[part]())
        return ir.Op(b.loc(node), WORD, LOW_SHIFT, (left, b.convert(right, INT)))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        zero = ir.Const(b.loc(node), WORD, np.uint64(0))
        return _combined("-", zero, _words(b, node.operand))
    return _word(_int(b, node))


def _is_product(b: Builder, node: ast.expr) -> bool:
    """Whether a product of two values that may be large is a term of ``node``."""
    if not isinstance(node, ast.BinOp):
        return False
    if isinstance(node.op, (ast.Add, ast.Sub)):
        return _is_product(b, node.left) or _is_product(b, node.right)
    if not isinstance(node.op, ast.Mult):
        return False
    known = [_constant(b, side) for side in (node.left, node.right)]
    return all(value is None or abs(value) > _SMALL for value in known)


def _reduced(b: Builder, node: ast.BinOp) -> ir.Expr:
    """``a * b % c``, ``a * b // c`` or ``a * b >> c`` with all bits of the product."""
    short: list[bool] = []
    parts: dict[ast.expr, Callable[[], ir.Expr]] = {
        node.left: lambda: _all_bits(b, node.left, short),
        node.right: lambda: _int(b, node.right),
    }
    left, right = b.sequence((node.left, node.right), lambda part: parts[part]())
    symbol = {ast.Mod: "%", ast.FloorDiv: "//", ast.RShift: ">>"}[type(node.op)]
    result = apply(b, symbol, left, right, b.loc(node))
    return b.convert(result, INT) if all(short) and right.type != WIDE else result


_TERMS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


def _all_bits(b: Builder, node: ast.expr, short: list[bool]) -> ir.Expr:
    """Sums and products in 128 bits; ``short`` learns whether each operand has 64."""
    if not (isinstance(node, ast.BinOp) and type(node.op) in _TERMS):
        value = _int(b, node)
        short.append(value.type != WIDE)
        return value
    left, right = b.sequence((node.left, node.right), lambda part: _all_bits(b, part, short))
    symbol, loc = _TERMS[type(node.op)], b.loc(node)
    if symbol == "*" and WIDE not in (left.type, right.type):
        return ir.Op(loc, WIDE, PRODUCT, (b.convert(left, INT), b.convert(right, INT)))
    return apply(b, symbol, cast_operand(b, left, WIDE), right, loc)


# --- two statements --------------------------------------------------------------------------

_OPERATIONS: tuple[type[ast.operator], ...] = (*_WORDS, ast.LShift)


def fused(b: Builder, nodes: Sequence[ast.stmt]) -> Sequence[ast.stmt]:
    """Statements with ``h *= PRIME`` and ``h &= MASK`` behind it made one."""
    result: list[ast.stmt] = []
    for node in nodes:
        one = _fusion(b, result[-1], node) if result else None
        if one is None:
            result.append(node)
        else:
            result[-1] = one
    return result


def _fusion(b: Builder, first: ast.stmt, second: ast.stmt) -> ast.stmt | None:
    if not (isinstance(second, ast.AugAssign) and isinstance(second.target, ast.Name)
            and isinstance(second.op, (ast.BitAnd, ast.Mod))):  # fmt: skip
        return None
    name = second.target.id
    load = ast.copy_location(ast.Name(name, ast.Load()), second.target)
    if isinstance(first, ast.AugAssign) and isinstance(first.target, ast.Name):
        if first.target.id != name or not isinstance(first.op, _OPERATIONS):
            return None
        value: ast.expr = ast.copy_location(ast.BinOp(load, first.op, first.value), first)
    elif isinstance(first, ast.Assign) and len(first.targets) == 1:
        target = first.targets[0]
        if not (isinstance(target, ast.Name) and target.id == name and _multiplies(first.value)):
            return None
        value = first.value
    else:
        return None
    masked = ast.copy_location(ast.BinOp(value, second.op, second.value), second)
    if not _worth(value) or _constant(b, second.value) is None or _mask(b, masked) is None:
        return None
    target_ = ast.copy_location(ast.Name(name, ast.Store()), second.target)
    return ast.copy_location(ast.Assign([target_], masked), first)
