"""Syntax that the compiler makes up: loops for reductions, comprehensions and slices.

``sum(x * x for x in xs)`` is built as the loop it means.  Such syntax gets the place of what it
stands for, and names that no user can have written.
"""

from __future__ import annotations

import ast
import copy
from typing import Any


def placed(node: Any, where: ast.AST) -> Any:
    """Gives made-up syntax the place of what it stands for."""
    for part in ast.walk(node):
        if "lineno" in part._attributes and not hasattr(part, "lineno"):
            ast.copy_location(part, where)
    return node


_PERCENT = "__percent__"


def unplaced(text: str) -> list[ast.stmt]:
    """Statements from text, without positions of their own.

    Made-up names contain ``%``, which Python's grammar takes for an operator: they are parsed
    under another spelling.
    """
    tree = ast.parse(text.replace("%", _PERCENT))
    for part in ast.walk(tree):
        if isinstance(part, ast.Name):
            part.id = part.id.replace(_PERCENT, "%")
        for name in ("lineno", "col_offset", "end_lineno", "end_col_offset"):
            if hasattr(part, name):
                delattr(part, name)
    return tree.body


TAG = "pydotcompute_tag"


def tagged(node: Any, tag: str) -> Any:
    """A list that is made up: ``tag`` tells it from others that stand at the same place."""
    setattr(node, TAG, tag)
    return node


ROOM = "pydotcompute_room"


def with_room(node: Any, tag: str, room: int) -> Any:
    """A list that is made up, as ``tagged``, with room for so many items at least."""
    setattr(node, ROOM, room)
    return tagged(node, tag)


_ANY_ORDER = "pydotcompute_any_order"


def in_any_order(node: ast.expr) -> None:
    """Marks what a loop runs over, of which the result is the same in any order."""
    setattr(node, _ANY_ORDER, True)


def is_in_any_order(node: ast.expr) -> bool:
    """Whether ``in_any_order`` has marked what a loop runs over."""
    return getattr(node, _ANY_ORDER, False)


class HandOver(ast.stmt):
    """Leaves the message to the interpreter; ``HAND_OVER`` in the text of ``written``.

    ``HAND_OVER_NAN`` says that it is for a NaN whose identity the interpreter knows.

    Args:
        code: the error code of the reason.
    """

    def __init__(self, code: str = "PDC_DEOPT_TYPE") -> None:
        super().__init__()
        self.code = code


_REASONS = {"HAND_OVER": "PDC_DEOPT_TYPE", "HAND_OVER_NAN": "PDC_DEOPT_NAN"}


def written(text: str, where: ast.AST, **parts: ast.expr) -> list[ast.stmt]:
    """Statements from text, at the place of ``where``; ``_name_`` stands for the part ``name``."""
    filled = _Filled(parts)
    return [placed(filled.visit(statement), where) for statement in unplaced(text)]


class _Filled(ast.NodeTransformer):
    def __init__(self, parts: dict[str, ast.expr]) -> None:
        self.parts = {f"_{name}_": part for name, part in parts.items()}

    def visit_Name(self, node: ast.Name) -> ast.expr:
        part = self.parts.get(node.id)
        return node if part is None else copied(part)

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        if isinstance(node.value, ast.Name) and node.value.id in _REASONS:
            return HandOver(_REASONS[node.value.id])
        self.generic_visit(node)
        return node


def applied(function: ast.expr, argument: str) -> ast.expr:
    """The call of a function that is passed to another one: of a name, or a ``lambda``."""
    name = ast.Name(argument, ast.Load())
    if isinstance(function, ast.Lambda):
        body: ast.expr = Renamed({function.args.args[0].arg: argument}).visit(copied(function.body))
        return body
    if isinstance(function, ast.Attribute) and function.attr == "__getitem__":
        return ast.Subscript(copied(function.value), name, ast.Load())
    return ast.Call(copied(function), [name], [])


def is_plain_lambda(node: ast.expr) -> bool:
    """Whether a function that is passed to another one is no lambda, or one of one parameter."""
    if not isinstance(node, ast.Lambda):
        return True
    args = node.args
    more = [*args.posonlyargs, *args.kwonlyargs, *args.defaults, args.vararg, args.kwarg]
    return len(args.args) == 1 and not any(more)


def copied(node: Any) -> Any:
    """A copy of syntax, to be changed."""
    return copy.deepcopy(node)


class Renamed(ast.NodeTransformer):
    """Gives names other spellings.

    Args:
        names: the new spelling of each name.
    """

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        """Leaves a lambda's own parameters alone."""
        own = {arg.arg for arg in node.args.args}
        node.body = Renamed({k: v for k, v in self.names.items() if k not in own}).visit(node.body)
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Renames one name."""
        renamed = copy.copy(node)
        renamed.id = self.names.get(node.id, node.id)
        return renamed
