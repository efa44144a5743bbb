"""What a runtime with a journal does for its actors, put together.

Input: the folder, and actors as they are launched.  Output: ``Durability`` of ``actor``.
"""

from __future__ import annotations

from pathlib import Path

from pydotcompute.actors.lowering import Lowering, lower_actor
from pydotcompute.actors.spec import KernelSpec
from pydotcompute.backends.plan import Plan
from pydotcompute.durability.actor_log import ActorLog, log_of
from pydotcompute.durability.determinism import check_replayable
from pydotcompute.durability.journal import Journal
from pydotcompute.kernels.actor import Actor, Durability
from pydotcompute.kernels.recovery import recover


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
            journal, actor.kernel_id, spec.input_types, spec.output_types, headed=headed
        )

    return Durability(opened, _check, recover)


def _check(spec: KernelSpec, plan: Plan) -> None:
    check_replayable(spec, _lowering(spec, plan))


def _lowering(spec: KernelSpec, plan: Plan) -> Lowering:
    """What compiling an actor gave; one that is interpreted by request is asked now."""
    found: Lowering = plan.lowering or lower_actor(spec)
    return found
