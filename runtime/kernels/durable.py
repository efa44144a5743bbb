"""What a runtime with a journal does for its actors, put together.

Input: the folder, and actors as they are launched.  Output: ``Durability`` of ``actor``.
"""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
from typing import Any

from pydotcompute.actors.coroutine_parts import split_actor
from pydotcompute.actors.lowering import Lowering, lower_actor
from pydotcompute.actors.spec import KernelSpec
from pydotcompute.backends.plan import Plan
from pydotcompute.durability.actor_log import ActorLog, log_of
from pydotcompute.durability.beginnings import beginning
from pydotcompute.durability.determinism import check_replayable
from pydotcompute.durability.journal import Journal
from pydotcompute.errors import DurabilityError
from pydotcompute.kernels.actor import Actor, Durability
from pydotcompute.kernels.recovery import recover
from pydotcompute.kernels.snapshots import outputs_of
from pydotcompute.queues.journaling import CLIENT


def open_journal(folder: Path, durability: str) -> Journal:
    """The journal in a folder; reads all of it.

    Raises:
        DurabilityError: it is in use, damaged, or cannot be written.
    """
    return Journal(folder, durability)


def durability_of(journal: Journal) -> Durability:
    """What is done for the actors of a runtime with this journal."""

    def opened(actor: Actor) -> ActorLog:
        spec, lowering = actor.spec, _lowering(actor.spec, actor.plan)
        headed = lowering.kernel is None or lowering.kernel.ir.is_headed
        return log_of(
            journal, actor.kernel_id, spec.input_types, spec.output_types, headed=headed,
            code=_fingerprint(spec),
        )  # fmt: skip

    return Durability(opened, _check, recover, _begun, _ending)


def _begun(actor: Actor, values: dict[str, Any]) -> None:
    """Keep the variables before the loop.

    A prologue that has sent or received is done again in each replay instead, and so is one that
    leaves what is no plain data.
    """
    if actor.plan.backend == "python" and _lowering(actor.spec, actor.plan).pending:
        check_replayable(actor.spec, lower_actor(actor.spec, state=values))
    if actor.log is not None and actor.progress() == actor.progress_at_start:
        content = beginning(values, actor.split.state_names)
        if content is not None:
            actor.log.begun(content)


def _ending(actor: Actor) -> None:
    """What the actor sends from now on belongs to its end, which no replay knows of."""
    log = actor.log
    if log is not None and log.last is None:
        log.last = log.position + len(outputs_of(actor.outbox))
        for link in actor.routes.links if actor.routes is not None else ():
            link.origin = CLIENT


def _fingerprint(spec: KernelSpec) -> str:
    """Stands for the text of an actor."""
    try:
        text = inspect.getsource(spec.function)
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check(spec: KernelSpec, plan: Plan) -> None:
    check_replayable(spec, _lowering(spec, plan))
    if plan.backend == "python" and not split_actor(spec.function).receives_first:
        raise DurabilityError(
            f"kernel {spec.kernel_id!r} cannot be durable on the interpreter: it changes something "
            "in a round before it receives; receive at the beginning of the loop"
        )


def _lowering(spec: KernelSpec, plan: Plan) -> Lowering:
    """What compiling an actor gave; one that is interpreted by request is asked now."""
    found: Lowering = plan.lowering or lower_actor(spec)
    return found
