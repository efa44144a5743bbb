"""Which containers a loop's statements change, as far as their syntax tells.

A change under another name is noticed when it happens (``build_watch``); one that stands there in
plain sight is refused, so that its author hears of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

_READING = frozenset("get items keys values fill index count copy most_common total".split())
"""Methods of containers that leave their length alone."""


_SHRINKING = frozenset({"pop", "popleft", "clear", "remove"})


def shrinking_names(nodes: Sequence[ast.AST]) -> frozenset[str]:
    """Names of containers that the statements make shorter, or bind anew."""
    found: set[str] = set()
    for part in (part for node in nodes for part in ast.walk(node)):
        match part:
            case ast.Call(func=ast.Attribute(attr="heappop"), args=[ast.Name(id=name), *_]):
                found.add(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)):
                found |= {name} if attr in _SHRINKING else set()
            case ast.Call(func=ast.Name(id="heappop"), args=[ast.Name(id=name), *_]):
                found.add(name)
            case ast.Delete(targets=targets):
                found |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            case ast.Assign(targets=[ast.Name(id=name)]):
                found.add(name)
            case ast.Assign(targets=[ast.Tuple(elts=targets)]):
                found |= {each.id for each in targets if isinstance(each, ast.Name)}
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name), slice=ast.Slice())]):
                found.add(name)
    return frozenset(found)


def mutated_names(nodes: Sequence[ast.stmt]) -> set[str]:
    """Names of containers whose length statements may change, and the loop around them goes on."""
    found: set[str] = set()
    for node in _going_on(nodes, True):
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


def _going_on(nodes: Sequence[ast.stmt], innermost: bool) -> Iterator[ast.AST]:
    """Parts of statements, without blocks that end with leaving the loop."""
    last = nodes[-1] if nodes else None
    leaving = (ast.Return, ast.Raise, ast.Break) if innermost else (ast.Return, ast.Raise)
    leaves = isinstance(last, leaving)
    for node in nodes:
        blocks = [getattr(node, name, []) for name in ("body", "orelse")]
        if isinstance(node, (ast.If, ast.For, ast.While)):
            inside = innermost and isinstance(node, ast.If)
            yield node.test if not isinstance(node, ast.For) else node.iter
            for block in blocks:
                yield from _going_on(block, inside)
        elif not leaves:
            yield node
