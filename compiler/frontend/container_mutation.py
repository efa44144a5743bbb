"""Which containers a loop's statements change, as far as their syntax tells.

A change under another name is noticed when it happens (``build_watch``); one that stands there in
plain sight is refused, so that its author hears of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

_READING = frozenset("get items keys values fill index count copy most_common total".split())
"""Methods of containers that leave their length alone."""


_SHRINKING = frozenset({"pop", "popleft", "clear", "remove"})
_GROWING = frozenset({"append", "appendleft", "insert", "extend"})


def shrinking_names(nodes: Sequence[ast.AST]) -> frozenset[str]:
    """Names of containers that the statements make shorter, bind anew, or let grow only where a
    test of their length allows it."""
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
            case ast.If(test=test, body=body, orelse=orelse):
                found |= _measured(test) & _growing((*body, *orelse))
    return frozenset(found)


def _measured(test: ast.expr) -> set[str]:
    """``x`` of ``len(x) < 5``."""
    return {call.args[0].id for compared in ast.walk(test) if isinstance(compared, ast.Compare)
            for call in ast.walk(compared) if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name) and call.func.id == "len"
            and call.args and isinstance(call.args[0], ast.Name)}  # fmt: skip


def _growing(nodes: Iterable[ast.AST]) -> set[str]:
    """Names of containers that statements make longer."""
    found: set[str] = set()
    for part in (part for node in nodes for part in ast.walk(node)):
        match part:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)):
                found |= {name} if attr in _GROWING else set()
                if attr == "heappush" and part.args and isinstance(part.args[0], ast.Name):
                    found.add(part.args[0].id)
            case ast.Call(func=ast.Name(id="heappush"), args=[ast.Name(id=name), *_]):
                found.add(name)
    return found


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
