"""Functions and modules made of text, which have source, as a notebook cell has."""

from __future__ import annotations

import itertools
import linecache
import sys
from types import CodeType, FunctionType, ModuleType
from typing import Any

_numbers = itertools.count()


def define(text: str, name: str, **names: Any) -> FunctionType:
    """The function ``name`` that ``text`` defines, its text registered in ``linecache``.

    Args:
        text: a module; its file is called ``<cell 0>`` and so on.
        name: what to return of it.
        names: globals of the module.
    """
    scope: dict[str, Any] = {"__name__": "cell", **names}
    exec(_compiled(text, f"<cell {next(_numbers)}>"), scope)
    function = scope[name]
    assert isinstance(function, FunctionType)
    return function


def load(text: str, name: str, file: str = "") -> ModuleType:
    """A module made of text; message classes look their annotations up in it.

    Args:
        text: the module.
        name: its name.
        file: what it seems to come from; else its name in angle brackets.
    """
    module = sys.modules[name] = ModuleType(name)
    exec(_compiled(text, file or f"<{name}>"), module.__dict__)
    return module


def unload(name: str) -> None:
    """Forget a module that ``load`` has made."""
    sys.modules.pop(name, None)
    linecache.cache.pop(f"<{name}>", None)


def _compiled(text: str, file: str) -> CodeType:
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    code: CodeType = compile(text, file, "exec", dont_inherit=True)
    return code
