"""Telling the user that an actor runs on a slower backend than could be hoped for.

Input: the kernel and the reason.  Output: one record in the log, and one warning if wanted.
"""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Callable
from typing import Any

log = logging.getLogger("pydotcompute.kernel")


class FallbackWarning(UserWarning):
    """An actor runs on a slower backend than could be hoped for; the text says why."""


def tell(kernel_id: str, reason: str, fallback: str, function: Callable[..., Any]) -> None:
    """Say that the interpreter runs a kernel.

    Args:
        kernel_id: which.
        reason: why.
        fallback: ``"warn"`` makes a ``FallbackWarning`` as well, at the actor's definition.
        function: the actor.
    """
    text = f"kernel {kernel_id!r} runs on the python backend: {reason}"
    log.warning(text, extra={"kernel_id": kernel_id, "reason": reason})
    if fallback == "warn":
        code = inspect.unwrap(function).__code__
        registry = function.__globals__.setdefault("__warningregistry__", {})
        warnings.warn_explicit(
            text, FallbackWarning, code.co_filename, code.co_firstlineno,
            module=function.__module__, registry=registry,
        )  # fmt: skip
