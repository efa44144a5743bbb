"""Telling the user that an actor runs on a slower backend than could be hoped for.

Input: the kernel and the reason.  Output: one warning and one record in the log, unless the user
allows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic
from pydotcompute.support import notices


class FallbackWarning(UserWarning):
    """An actor runs on a slower backend than could be hoped for; the text says why."""


def tell_breaks(
    kernel_id: str, breaks: Sequence[Diagnostic], fallback: str, function: Callable[..., Any]
) -> None:
    """Say which messages of a kernel the interpreter handles.

    Args:
        kernel_id: which.
        breaks: its statements that cannot be compiled.
        fallback: as for ``tell``.
        function: the actor.
    """
    if fallback == "allow" or not breaks:
        return
    places = "; ".join(
        f"{found.code} {found.message} ({found.file}:{found.line})"
        + (f", hint: {found.hint}" if found.hint else "")
        for found in breaks
    )
    text = f"kernel {kernel_id!r} interprets messages that reach what cannot be compiled: {places}"
    notices.warn_at(function, text, FallbackWarning, kernel_id=kernel_id, reason=places)


def tell(kernel_id: str, reason: str, fallback: str, function: Callable[..., Any]) -> None:
    """Say that the interpreter runs a kernel.

    Args:
        kernel_id: which.
        reason: why.
        fallback: ``"allow"`` says nothing, ``"warn"`` makes a ``FallbackWarning`` at the actor's
            definition and a log record, ``"error"`` the record alone.
        function: the actor.
    """
    if fallback == "allow":
        return
    text = f"kernel {kernel_id!r} runs on the python backend: {reason}"
    category = FallbackWarning if fallback == "warn" else None
    notices.warn_at(function, text, category, kernel_id=kernel_id, reason=reason)
