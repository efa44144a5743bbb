"""The value of an expression, told from its text: nothing of the user's is run.

A tree-walking evaluator of what cannot have an effect: arithmetic, displays and comprehensions,
pure functions of builtins, ``math`` and numpy, messages and enums, methods of containers made
here.  Everything is bounded: steps by ``STEPS``, sizes by ``pure.SIZE``.  Whatever else is met, or
raises, is ``Unknown``.
"""

from __future__ import annotations

import ast
import collections
import copy
import enum
import inspect
import operator
import types as pytypes
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from pydotcompute.compiler.consteval.purity import (
    NAMED,
    OWN,
    SIZE,
    VALUES,
    fits,
    has_method,
    is_bounded,
    is_pure,
)
from pydotcompute.compiler.frontend.source import FunctionSource
from pydotcompute.compiler.types.message_schema import MESSAGE_MARK
from pydotcompute.compiler.types.missing import MISSING

STEPS = 100_000
"""Nodes that are visited before the evaluator gives up."""

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.Pow: operator.pow, ast.LShift: operator.lshift, ast.RShift: operator.rshift,
    ast.BitOr: operator.or_, ast.BitAnd: operator.and_, ast.BitXor: operator.xor,
    ast.MatMult: operator.matmul,
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos, ast.USub: operator.neg, ast.Not: operator.not_,
    ast.Invert: operator.invert,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip


class Unknown(Exception):
    """It cannot be told without running the actor."""


class Left(Exception):
    """``break``, ``continue`` or ``return`` of the function in hand."""

    def __init__(self, kind: type[ast.stmt], value: Any = None) -> None:
        self.kind, self.value = kind, value


class Session:
    """The budget of one actor's prologue, and its copies of the module's containers."""

    def __init__(self) -> None:
        self._steps = STEPS
        self._copies: dict[int, tuple[Any, Any]] = {}

    def step(self) -> None:
        """Takes one step of the budget."""
        self._steps -= 1
        if self._steps < 0:
            raise Unknown

    def copied(self, value: Any) -> Any:
        """A copy of a container of the module, always the same one: the user's own is no matter
        of ours."""
        if id(value) not in self._copies:
            if len(value) > SIZE:
                raise Unknown
            self._copies[id(value)] = value, copy.deepcopy(value)
        return self._copies[id(value)][1]


class Folder:
    """Evaluates the expressions of one function.

    Args:
        source: the function.
        names: its local names; changed in place.
        session: what all functions of one actor share.
        context: name of the actor's context, if it has one.
        key: of a population, a key such as ``ctx.key`` may be; ``MISSING`` for one actor.
        depth: how many calls deep it is.
    """

    def __init__(self, source: FunctionSource, names: dict[str, Any], session: Session, *,
                 context: str | None = None, key: Any = MISSING,
                 depth: int = 0) -> None:  # fmt: skip
        self.source = source
        self.names = names
        self.session = session
        self.context = context
        self.key = key
        self.depth = depth

    def _apply(self, rule: Callable[[Any, Any], Any] | None, node: ast.AST) -> Any:
        self.session.step()
        if rule is None:
            raise Unknown
        try:
            return rule(self, node)
        except (Unknown, Left):
            raise
        except Exception:
            raise Unknown from None  # it is the launch that reports it

    # --- expressions -----------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Any:
        """The value of an expression.

        Raises:
            Unknown: it cannot be told, or evaluating it raises.
        """
        return self._apply(_EXPRESSIONS.get(type(node)), node)

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        if node.id in self.names:
            return self.names[node.id]
        if node.id in self.source.local_names:
            raise Unknown
        found = self.source.lookup(node.id)
        return self._of_module(found)

    def _of_module(self, found: Any) -> Any:
        """A value that was not made here: of a kind that runs nothing when it is used."""
        if isinstance(found, OWN):
            return self.session.copied(found)
        if found is None or isinstance(found, (*VALUES, *NAMED)) or callable(found):
            return found
        if getattr(type(found), MESSAGE_MARK, False):
            return found
        raise Unknown

    def _attribute(self, node: ast.Attribute) -> Any:
        if isinstance(node.value, ast.Name) and node.value.id == self.context:
            if node.attr == "kernel_id":
                return ""
            if node.attr == "key" and self.key is not MISSING:
                return self.key
            raise Unknown
        base = self.value(node.value)
        if isinstance(base, type) or inspect.ismodule(base):
            found = self.source.resolve(node)
            return self._of_module(found)
        fields = getattr(type(base), "__dataclass_fields__", ())
        if node.attr in fields or isinstance(base, (enum.Enum, np.generic, np.ndarray)):
            return getattr(base, node.attr)
        raise Unknown

    def _display(self, node: ast.List | ast.Tuple | ast.Set) -> Any:
        items: list[Any] = []
        for item in node.elts:
            if isinstance(item, ast.Starred):
                items.extend(self.iterate(self.value(item.value)))
            else:
                items.append(self.value(item))
        kinds = {ast.List: list, ast.Tuple: tuple, ast.Set: set}
        return kinds[type(node)](items)

    def _dict(self, node: ast.Dict) -> Any:
        made: dict[Any, Any] = {}
        for key, item in zip(node.keys, node.values, strict=True):
            if key is None:
                raise Unknown
            place, held = self.value(key), self.value(item)
            made[place] = held
        return made

    def _operation(self, node: ast.BinOp) -> Any:
        return self._binary(type(node.op), self.value(node.left), self.value(node.right))

    def _binary(self, op: type[ast.operator], left: Any, right: Any) -> Any:
        if not is_bounded(op, left, right):
            raise Unknown
        return _BINARY[op](left, right)

    def _unary(self, node: ast.UnaryOp) -> Any:
        operand = self.value(node.operand)
        return _UNARY[type(node.op)](operand)

    def _compare(self, node: ast.Compare) -> Any:
        left, result = self.value(node.left), True
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.value(right_node)
            result = _COMPARE[type(op)](left, right)
            if not result:
                return result
            left = right
        return result

    def _bool(self, node: ast.BoolOp) -> Any:
        stop = isinstance(node.op, ast.Or)
        for part in node.values:
            value = self.value(part)
            if bool(value) is stop:
                break
        return value

    def _conditional(self, node: ast.IfExp) -> Any:
        return self.value(node.body if self.value(node.test) else node.orelse)

    def _subscript(self, node: ast.Subscript) -> Any:
        base, place = self.value(node.value), self.value(node.slice)
        if not isinstance(base, (*OWN, *VALUES, enum.EnumMeta)):
            raise Unknown
        items: Any = base
        return items[place]

    def _slice(self, node: ast.Slice) -> Any:
        parts = (node.lower, node.upper, node.step)
        return slice(*(None if part is None else self.value(part) for part in parts))

    def _text(self, node: ast.JoinedStr) -> Any:
        # Of a text, only that it is one matters.
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.value(part.value)
        return ""

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Any:
        items = [self.value(node.elt) for _ in self._clauses(node.generators)]
        return set(items) if isinstance(node, ast.SetComp) else items

    def _dict_comprehension(self, node: ast.DictComp) -> Any:
        pairs = [(self.value(node.key), self.value(node.value))
                 for _ in self._clauses(node.generators)]  # fmt: skip
        return dict(pairs)

    def _clauses(self, clauses: list[ast.comprehension]) -> Iterator[None]:
        """Goes through the clauses of a comprehension, its variables bound to themselves."""
        kept = dict(self.names)
        try:
            yield from self._clause(clauses)
        finally:
            self.names.clear()
            self.names.update(kept)

    def _clause(self, clauses: list[ast.comprehension]) -> Iterator[None]:
        if not clauses:
            yield
            return
        first, *rest = clauses
        if first.is_async:
            raise Unknown
        for item in self.iterate(self.value(first.iter)):
            self.bind(first.target, item)
            if all(self.value(test) for test in first.ifs):
                yield from self._clause(rest)

    def bind(self, target: ast.expr, value: Any) -> None:
        """``target = value``."""
        if isinstance(target, ast.Name):
            self.names[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            if any(isinstance(part, ast.Starred) for part in target.elts):
                raise Unknown
            items = list(self.iterate(value))
            if len(items) != len(target.elts):
                raise Unknown
            for part, item in zip(target.elts, items, strict=True):
                self.bind(part, item)
        elif isinstance(target, ast.Subscript):
            owner, place = self.value(target.value), self.value(target.slice)
            if not isinstance(owner, (list, dict, collections.deque, np.ndarray)):
                raise Unknown
            owner[place] = value
        else:
            raise Unknown

    def iterate(self, value: Any) -> Iterator[Any]:
        """The items of a container that is known, each a step of the budget."""
        kinds: Any = (*OWN, tuple, range, str, frozenset, zip, enumerate, reversed, enum.EnumMeta,
                 type({}.keys()), type({}.values()), type({}.items()))  # fmt: skip
        if not isinstance(value, kinds):
            raise Unknown
        for item in value:
            self.session.step()
            yield item

    def _lambda(self, node: ast.Lambda) -> Any:
        """A function that is not called here: ``defaultdict(lambda: 0)`` is a defaultdict."""
        if node.args.defaults or any(default is not None for default in node.args.kw_defaults):
            raise Unknown

        def unknown(*_: Any, **__: Any) -> Any:
            raise Unknown

        return unknown

    # --- calls -----------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Any:
        if any(isinstance(a, ast.Starred) for a in node.args) or any(
            keyword.arg is None for keyword in node.keywords
        ):
            raise Unknown
        function = self._callee(node.func)
        arguments = [self.value(argument) for argument in node.args]
        keywords = {str(k.arg): self.value(k.value) for k in node.keywords}
        if isinstance(function, pytypes.FunctionType) and not is_pure(function):
            return self._call_python(function, arguments, keywords)
        if not fits(function, arguments, keywords):
            raise Unknown
        return function(*arguments, **keywords)

    def _callee(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Attribute) and not self._names_module(node.value):
            owner = self.value(node.value)
            if has_method(owner, node.attr):
                return getattr(owner, node.attr)
            if isinstance(owner, type) and owner in (dict, str, int) and hasattr(owner, node.attr):
                return getattr(owner, node.attr)
            raise Unknown
        function = self.value(node)
        if isinstance(function, pytypes.FunctionType) or is_pure(function):
            return function
        raise Unknown

    def _names_module(self, node: ast.expr) -> bool:
        return inspect.ismodule(self.source.resolve(node))

    def _call_python(self, function: pytypes.FunctionType, arguments: list[Any],
                     keywords: dict[str, Any]) -> Any:  # fmt: skip
        """A call of a plain Python function; its statements are another's to run."""
        raise Unknown


_EXPRESSIONS: Mapping[type[ast.expr], Callable[[Folder, Any], Any]] = {
    ast.Constant: Folder._constant,
    ast.Name: Folder._name,
    ast.Attribute: Folder._attribute,
    ast.List: Folder._display,
    ast.Tuple: Folder._display,
    ast.Set: Folder._display,
    ast.Dict: Folder._dict,
    ast.BinOp: Folder._operation,
    ast.UnaryOp: Folder._unary,
    ast.Compare: Folder._compare,
    ast.BoolOp: Folder._bool,
    ast.IfExp: Folder._conditional,
    ast.Subscript: Folder._subscript,
    ast.Slice: Folder._slice,
    ast.JoinedStr: Folder._text,
    ast.ListComp: Folder._comprehension,
    ast.SetComp: Folder._comprehension,
    ast.GeneratorExp: Folder._comprehension,
    ast.DictComp: Folder._dict_comprehension,
    ast.Call: Folder._call,
    ast.Lambda: Folder._lambda,
}
