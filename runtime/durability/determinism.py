"""Whether an actor does the same again when it is given the same messages.

Input: an actor as declared and what compiling it gave.  Output: nothing, or ``DurabilityError``
that names the statement (decision 030).
"""

from __future__ import annotations

from typing import Any

from pydotcompute.actors.spec import KernelSpec
from pydotcompute.errors import DurabilityError
from pydotcompute.queues.backpressure import BackpressureStrategy


def check_replayable(spec: KernelSpec, lowering: Any) -> None:
    """Refuse an actor that a replay could not follow.

    Args:
        spec: the actor.
        lowering: what compiling it gave; one that is pending is asked again when it is not.

    Raises:
        DurabilityError: its types are not declared, its queue drops or refuses messages, or a
            statement of its loop cannot be compiled.
    """
    name = f"kernel {spec.kernel_id!r}"
    if not spec.input_types:
        raise DurabilityError(
            f"{name} cannot be durable: what it takes is not declared; give input_type, or "
            "annotate ctx as KernelContext[Input, Output]"
        )
    if spec.backpressure is not BackpressureStrategy.BLOCK:
        raise DurabilityError(
            f"{name} cannot be durable with BackpressureStrategy.{spec.backpressure.name}: what a "
            "full queue drops or refuses depends on when others come, which no replay knows; use "
            "BLOCK"
        )
    if lowering.pending:
        return
    problems = lowering.breaks if lowering.ok else lowering.diagnostics
    if problems:
        first = problems[0]
        raise DurabilityError(
            f"{name} cannot be durable: {first.file}:{first.line} may do something else when it "
            f"is done again ({first.message})"
        )
