"""Functions defined from text that has source, as a notebook cell has."""

from __future__ import annotations

import itertools
import linecache
from types import FunctionType
from typing import Any

_numbers = itertools.count()


def define(text: str, name: str, **names: Any) -> FunctionType:
    """The function ``name`` that ``text`` defines, its text registered in ``linecache``.

    Args:
        text: a module; its file is called ``<cell 0>`` and so on.
        name: what to return of it.
        names: globals of the module.
    """
    file = f"<cell {next(_numbers)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"__name__": "cell", **names}
    exec(compile(text, file, "exec", dont_inherit=True), scope)
    function = scope[name]
    assert isinstance(function, FunctionType)
    return function
