"""Warnings: what a user is told beside results and errors, once in the log and once as a warning.

Input: a sentence.  Output: a record of the logger ``pydotcompute.warnings``, and a warning at the
user's line.

The logger has a handler that does nothing.  Without one, and in a program that has not set up
logging, Python prints the record as well, so that the same sentence appears twice.  The package's
other loggers have none: what they say is said nowhere else.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import FrameType
from typing import Any

_log = logging.getLogger("pydotcompute.warnings")
_log.addHandler(logging.NullHandler())

_held: ContextVar[list[tuple[str, type[Warning]]] | None] = ContextVar("held", default=None)
_raising: ContextVar[bool] = ContextVar("raising", default=True)


def warn(text: str, category: type[Warning]) -> None:
    """Warn at the line of the user's that led here, or, inside of ``held``, later.

    Args:
        text: the sentence.
        category: of the warning.
    """
    _log.warning(text)
    held = _held.get()
    if held is None:
        _show(text, category)
    else:
        held.append((text, category))


def warn_at(
    function: Callable[..., Any], text: str, category: type[Warning] | None, **facts: str
) -> None:
    """Warn at the definition of an actor.

    Args:
        function: the actor.
        text: the sentence.
        category: of the warning; None for the log alone.
        facts: the same for programs, as attributes of the log's record.
    """
    _log.warning(text, extra=facts)
    if category is None:
        return
    code = inspect.unwrap(function).__code__
    registry = function.__globals__.setdefault("__warningregistry__", {})
    with _as_asked():
        warnings.warn_explicit(
            text, category, code.co_filename, code.co_firstlineno,
            module=function.__module__, registry=registry,
        )  # fmt: skip


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Warn at the end of the block: what it calls, on other threads too, has no line of the user's.

    A filter that makes errors of warnings then meets the user's call, and not the compiler.
    """
    found: list[tuple[str, type[Warning]]] = []
    token = _held.set(found)
    try:
        yield
    finally:
        _held.reset(token)
    for text, category in found:
        _show(text, category)


@contextlib.contextmanager
def unraised() -> Iterator[None]:
    """For what no caller waits for: a warning that a filter makes an error is in the log alone."""
    token = _raising.set(False)
    try:
        yield
    finally:
        _raising.reset(token)


def _as_asked() -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if _raising.get() else contextlib.suppress(Warning)


def _show(text: str, category: type[Warning]) -> None:
    level, frame = 0, inspect.currentframe()
    while frame is not None and _is_ours(frame):
        level, frame = level + 1, frame.f_back
    with _as_asked():
        warnings.warn(text, category, stacklevel=level + 1)


def _is_ours(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    ours = name.startswith("pydotcompute.") and not name.startswith("pydotcompute.examples.")
    return ours or name == "contextlib"
