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

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Renames one name."""
        return ast.copy_location(ast.Name(self.names.get(node.id, node.id), node.ctx), node)
