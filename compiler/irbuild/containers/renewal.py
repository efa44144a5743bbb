"""``counts = {}`` of a container of the state: a new, empty one takes the place of the old.

Compiled code empties the one that it has, which is the same where no other name sees it::

    seen = set()                =>    seen.clear()
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict, deque

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers.containers import mutate
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.scope import Var
from pydotcompute.compiler.irbuild.core.unit import Static
from pydotcompute.compiler.ops import containers as c
from pydotcompute.compiler.types.types import DequeType, DictType, SetType, Type


def renewed(b: Builder, node: ast.Assign) -> bool:
    """Builds an assignment of a new empty dict, set or deque to a variable that the state has one
    in; False if the assignment is another one."""
    target = node.targets[0]
    var = (b.env or {}).get(target.id) if isinstance(target, ast.Name) else None
    if len(node.targets) > 1 or not isinstance(var, Var) or var.local.origin is None:
        return False
    if var.local.part or not _is_empty(b, node.value, var.local.type):
        return False
    held = ((name, other) for name, other in (b.env or {}).items() if isinstance(other, Var))
    if any(other.local.name == var.local.name and other is not var and name not in b.synthetic
           for name, other in held):  # fmt: skip
        return False  # it goes on under another name
    mutate(b, node, c.CLEAR, var.local)
    return True


def _is_empty(b: Builder, node: ast.expr, type_: Type) -> bool:
    """Whether an expression makes an empty container that has no type but this."""
    if isinstance(node, ast.Dict):
        return not node.keys and isinstance(type_, DictType) and type_.missing is None
    if not isinstance(node, ast.Call) or not b.is_static(node.func):
        return False
    callee = b.evaluate(node.func)
    made = callee.value if isinstance(callee, Static) else None
    if isinstance(type_, DequeType):
        return made is deque and not node.args and _bound(b, node) == type_.maxlen
    if node.keywords or not isinstance(type_, (DictType, SetType)) or made is not type_.cls:
        return False
    if made is defaultdict:
        default = b.evaluate(node.args[0]) if len(node.args) == 1 else None
        assert isinstance(type_, DictType)
        return isinstance(default, Static) and default.value is type_.missing
    return made in (dict, set, Counter) and not node.args


def _bound(b: Builder, node: ast.Call) -> object:
    """The ``maxlen`` of a call of ``deque``; itself if that is not known."""
    if not node.keywords:
        return None
    (given, *more) = node.keywords
    if more or given.arg != "maxlen" or not isinstance(given.value, (ast.Constant, ast.Name)):
        return node
    value = b.evaluate(given.value)
    return value.value if isinstance(value, ir.Const) else node
