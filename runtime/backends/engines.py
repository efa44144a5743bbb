"""The factory of engines: from a plan to what runs the actor.

Input: an actor (``Host``) whose ``plan`` names the backend.  Output: its ``Engine``.  This is the
one place that knows all engines; each is imported when the first actor needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydotcompute.backends.base import Engine, Host, Interpreter, PopulationEngine
from pydotcompute.backends.python.engine import PythonEngine
from pydotcompute.backends.python.population import InterpretedPopulation
from pydotcompute.support.worker_pool import Pool

if TYPE_CHECKING:
    from pydotcompute.backends.cuda.residency import Residents
    from pydotcompute.backends.device import Device


def engine_for(host: Host, pool: Pool, residents: Callable[[Device], Residents]) -> Engine:
    """The engine that the actor's plan names.

    Args:
        host: the actor.
        pool: threads for long work.
        residents: of a device, those who run on it.
    """
    plan = host.plan
    if plan.device is not None:
        from pydotcompute.backends.cuda.engine import CudaEngine

        return CudaEngine(host, residents(plan.device))
    if plan.backend in ("native", "pending") or host.keeps_beginning:
        from pydotcompute.backends.native.engine import NativeEngine

        return NativeEngine(host, pool)
    return PythonEngine(host)


def population_engine_for(host: Host, pool: Pool) -> PopulationEngine:
    """The engine of a population that its plan names.

    Args:
        host: the population.
        pool: threads for long work.
    """
    if host.plan.backend in ("native", "pending"):
        from pydotcompute.backends.native.members import Members

        return Members(host, pool)
    return InterpretedPopulation(host)


def interpreted_population_for(host: Host) -> InterpretedPopulation:
    """The engine that carries on for a population's compiled one.

    Args:
        host: the population; its ports hold objects.
    """
    return InterpretedPopulation(host)


def interpreter_for(host: Host) -> Interpreter:
    """The engine that carries on for any other.

    Args:
        host: the actor; its ports hold objects.
    """
    return PythonEngine(host)
