"""A method with an implementation for each class of nodes.

``functools.singledispatchmethod`` does the same, with a new function and a weak dictionary at each
call: an interpreter of small nodes spends most of its time there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import MethodType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")


class NodeMethod(Generic[R]):
    """A method that is chosen by the class of its first argument.

    Args:
        default: for classes without an implementation of their own or of a base.
    """

    def __init__(self, default: Callable[..., R]) -> None:
        self._known: dict[type, Callable[..., R]] = {}
        self._registered: dict[type, Callable[..., R]] = {object: default}
        known, find = self._known, self._find

        def method(self: Any, node: Any, *args: Any) -> R:
            return (known.get(node.__class__) or find(node.__class__))(self, node, *args)

        self._method = method
        functools.update_wrapper(method, default)

    def register(self, implementation: F) -> F:
        """Use a function for the class, or the classes, that its first argument is annotated with;
        a decorator."""
        hints = get_type_hints(implementation)
        of = next(iter(hints.values()))
        for cls in get_args(of) if get_origin(of) not in (None, type) else (of,):
            self._registered[cls] = implementation
        self._known.clear()
        return implementation

    def _find(self, cls: type) -> Callable[..., R]:
        found = next(self._registered[base] for base in cls.__mro__ if base in self._registered)
        self._known[cls] = found
        return found

    def __get__(self, instance: Any, owner: type) -> Callable[..., R]:
        return self._method if instance is None else MethodType(self._method, instance)
