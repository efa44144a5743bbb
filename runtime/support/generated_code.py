"""Runs Python text that this package has written, so that tracebacks and debuggers can show it.

Input: a text and the globals it needs.  Output: one of the names it defines.
"""

from __future__ import annotations

import linecache
from typing import Any


def define(text: str, name: str, owner: str, space: dict[str, Any]) -> Any:
    """Run generated Python and take one name out of it.

    The text is put where ``linecache`` finds it, so that tracebacks and debuggers show it.

    Args:
        text: the source.
        name: what to take out.
        owner: what it was generated for, to be named in tracebacks.
        space: the globals it runs in; gains what the text defines.
    """
    filename = f"<pydotcompute {name} of {owner}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(compile(text, filename, "exec"), space)
    return space[name]
