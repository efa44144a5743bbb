"""What was decided about an actor: its backend, why not a better one, and its program.

Input: what ``choice.choose`` found.  Output: frozen data for ``kernels.actor`` and the engines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydotcompute.backends.device import Device
from pydotcompute.backends.program import NativeProgram


@dataclass(frozen=True)
class Plan:
    """What runs an actor.

    Args:
        backend: ``"cuda"``, ``"native"``, ``"python"``, or ``"pending"`` until the first message
            has shown the input type, or the prologue the types of the variables.
        reason: why not a better one; None if it is the best.
        lowering: what ``lower`` returned, if it was asked.
        program: the compiled actor, for ``"cuda"`` and ``"native"``.
        fell_back: a better backend was asked for, and the user is to be told.
        device: where it runs, or will run once it is not pending any more; None for the host.
    """

    backend: str
    reason: str | None = None
    lowering: Any = None
    program: NativeProgram | None = None
    fell_back: bool = False
    device: Device | None = None
