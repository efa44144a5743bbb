"""``Population``: the handle of a population, which is an actor for each key.

Input: messages, and keys.  Output: messages, and the states of instances.  Messages go the way
they go to one actor (``RingKernel``); what belongs here concerns single instances.
"""

from __future__ import annotations

from typing import Any

from pydotcompute.backends.base import PopulationEngine
from pydotcompute.kernels.kernel import RingKernel
from pydotcompute.kernels.sync import SyncPopulation
from pydotcompute.populations.spec import NO_KEY
from pydotcompute.populations.states import record_array
from pydotcompute.queues.backpressure import KernelState


class Population(RingKernel):
    """A launched population, seen from outside.  All calls belong to the event loop's thread.

    ``len()`` counts the instances that have begun and were not forgotten.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Population {self.kernel_id!r} of {len(self)} {self.state.name} on {self.backend}>"

    def __len__(self) -> int:
        members = self._actor.members
        return 0 if members is None else members.count()

    def __bool__(self) -> bool:
        return True

    @property
    def sync(self) -> SyncPopulation:
        """The same calls for other threads: they block."""
        if not isinstance(self._sync, SyncPopulation):
            self._sync = SyncPopulation(self, self._actor.loop)
        return self._sync

    def states(self) -> Any:
        """The variables of all instances.

        Returns:
            A copy, as a numpy record array with a row for each instance, in any order: a column for
            each field of the key, under its name, and one for each variable.
        """
        self._alive()
        members = self._actor.members
        if members is not None:
            return members.states()
        assert self._actor.population is not None
        return record_array(self._actor.population, [], self._actor.split.state_names)

    def variables(self, key: Any) -> dict[str, Any]:
        """Copies of the variables of one instance, by name.

        Args:
            key: the value of the key's field, or a tuple of the values.

        Raises:
            KeyError: no such instance has begun.
        """
        self._alive()
        members = self._actor.members
        if members is None:
            raise KeyError(key)
        return members.variables(key)

    async def forget(self, key: Any) -> None:
        """End one instance and free it; a later message of the key begins a new one.

        The messages that are queued for it are handled first, then its epilogue runs.  Messages
        that wait because it has failed are never handled; ``Termination.unprocessed`` has them.

        Args:
            key: as for ``variables``.

        Raises:
            KeyError: there is no such instance, and no message for it is queued.
            ActorFailedError: it fails meanwhile, and is not freed.
            KernelStateError: the population has not been activated.
            KernelClosedError: the population ends, or has ended.
        """
        self._check()
        await self._running_members(key).forget(key)

    async def restart(self, *, fresh: bool = False, key: Any = NO_KEY) -> None:
        """Run a failed instance again; the offending message is not tried again.

        The messages that wait for it are handled then.

        Args:
            fresh: from its first statement, instead of from its last good state.
            key: which instance; left out: the population as a whole, whose instances begin anew.

        Raises:
            KeyError: no such instance has begun.
            KernelStateError: it has not failed.
        """
        if key is NO_KEY:
            await super().restart(fresh=fresh)
            return
        self._check()
        await self._running_members(key).restart_instance(key, fresh=fresh)

    def _running_members(self, key: Any) -> PopulationEngine:
        """The engine, while it serves changes of single instances; an unknown key is told first."""
        actor, members = self._actor, self._actor.members
        if members is None:
            raise KeyError(key)
        if actor.state not in (KernelState.ACTIVE, KernelState.DEACTIVATED):
            members.variables(key)
            raise actor.error()
        return members
