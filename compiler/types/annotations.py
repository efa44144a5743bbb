"""Evaluates annotations late: forward references and names local to a function included.

Input: annotations as classes and functions carry them (objects, or strings under
``from __future__ import annotations``) and the frame the definition stood in.
Output: evaluated annotations.

A string annotation that names something local to the enclosing function cannot be evaluated from
the module alone, so ``enclosing_names`` keeps just those names at the time of definition.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Any

_CO_OPTIMIZED = 0x1  # set for functions, clear for module and class bodies


def enclosing_names(annotations: Iterable[Any], frame: FrameType | None) -> dict[str, Any]:
    """The local values that string annotations mention, from the definition's own scope.

    Args:
        annotations: as found in ``__annotations__``.
        frame: the frame that runs the definition; class bodies are looked through up to the
            function around them, and no further: a caller's locals are not in scope.
    """
    names: set[str] = set()
    for annotation in annotations:
        if isinstance(annotation, str):
            names |= _names_in(annotation)
    found: dict[str, Any] = {}
    while names and frame is not None and frame.f_locals is not frame.f_globals:
        for name in names.intersection(frame.f_locals):
            found.setdefault(name, frame.f_locals[name])
        if frame.f_code.co_flags & _CO_OPTIMIZED:
            break
        frame = frame.f_back
    return found


def _names_in(text: str) -> set[str]:
    try:
        return set(compile(text, "<annotation>", "eval").co_names)
    except (SyntaxError, ValueError):
        return set()


def evaluate(annotation: Any, module: str, local: Mapping[str, Any]) -> Any:
    """One annotation evaluated in its module.

    Args:
        annotation: an object, returned with the references inside it resolved, or a string.
        module: name of the module it was written in.
        local: further names (``enclosing_names``), which come before the module's.

    Raises:
        Exception: whatever evaluating it raises; NameError for a name not yet defined.
    """
    names = vars(sys.modules[module]) if module in sys.modules else {}

    def holder() -> None: ...

    holder.__annotations__ = {"it": annotation}
    hints = typing.get_type_hints(holder, names, dict(local), include_extras=True)
    return type(None) if annotation is None else hints["it"]
