"""What clients ask of the instances of a compiled population, one by one or all together.

Input: keys.  Output: variables and states; instances that were forgotten or restarted.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydotcompute.backends.base import Host
from pydotcompute.backends.compiled.lifecycle import PAUSED
from pydotcompute.backends.kept_instance import KeptInstance
from pydotcompute.backends.native.block import count as words_count
from pydotcompute.backends.native.instances import BEGUN, BY_HOST, NONE, RESERVED
from pydotcompute.backends.native.population import NativePopulation
from pydotcompute.backends.python.kept_state import snapshot
from pydotcompute.compiler.types.types import BOOL, FLOAT, INT, Type
from pydotcompute.errors import KernelStateError
from pydotcompute.populations.states import column, record_array, records
from pydotcompute.queues.channel import KEYED
from pydotcompute.queues.port import ObjectPort
from pydotcompute.queues.port_words import TAIL
from pydotcompute.support.worker_pool import Pool


@dataclass
class _Leaving:
    """An instance is to be forgotten.

    Args:
        ordinal: of the first message that is not for it.
        reached: done when the messages before that have been handled.
    """

    ordinal: int
    reached: asyncio.Future[None]


def _retrieved(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


class Members(NativePopulation):
    """A compiled population with what clients ask of its instances.

    Args:
        host, pool: as for ``NativePopulation``.
    """

    def __init__(self, host: Host, pool: Pool) -> None:
        super().__init__(host, pool)
        self._leaving: list[_Leaving] = []

    # --- looking ---------------------------------------------------------------------------

    def count(self) -> int:
        """The instances that have begun and were not forgotten."""
        return 0 if self.memory is None else self._held().instances.begun

    def variables(self, key: Any) -> dict[str, Any]:
        """Copies of the variables of one instance; raises KeyError if it has not begun."""
        number = self._find(key)
        if number == NONE or not self._held().instances.flags(number) & BEGUN:
            raise KeyError(key)
        found = self._variables(number)
        names = [name for name in self.host.split.state_names if name in found]
        return snapshot({name: found[name] for name in names}, names)

    def _find(self, key: Any) -> int:
        if self.memory is None:
            return NONE
        instances = self.memory.instances
        return instances.find(instances.key.pack(key))

    def states(self) -> Any:
        """A copy of the variables of all instances, as a record array."""
        names = self.host.split.state_names
        memory = self.memory
        if memory is None or not memory.instances.begun:
            return record_array(self.spec, [], names)
        instances = memory.instances
        numbers = instances.numbers(BEGUN)
        layout = memory.program.state
        assert layout is not None
        types: dict[str, Type] = dict(layout.variables)
        states = instances.states(numbers, layout.dtype)
        aside = [
            (row, values) for row, number in enumerate(numbers.tolist())
            if number in self._apart and (values := self._apart[number].variables()) is not None
        ] if self._apart else []  # fmt: skip
        plain = [name for name in names if types.get(name) in _COLUMNS and not aside]
        found = {name: states[name] for name in plain}
        rest = [name for name in names if name not in found]
        if rest:
            rows = [self._variables(number) for number in numbers.tolist()]
            found |= {name: column([row.get(name) for row in rows]) for name in rest}
        keys = instances.key.columns(instances.keys_of(numbers))
        return records(keys, {name: found[name] for name in names})

    # --- forgetting ------------------------------------------------------------------------

    async def forget(self, key: Any) -> None:
        """End an instance after the messages that are queued for it, and free it.

        Raises:
            KeyError: it has not begun, and no message for it is queued.
            ActorFailedError: it fails meanwhile; it is not freed then.
        """
        if not self._knows(key):
            raise KeyError(key)
        loop = self.host.loop
        leaving = _Leaving(self.host.inbox.port.head, loop.create_future())
        self._leaving.append(leaving)
        task = loop.create_task(self._forget(key, leaving))
        task.add_done_callback(_retrieved)  # a caller that has gone does not ask
        await asyncio.shield(task)

    async def _forget(self, key: Any, leaving: _Leaving) -> None:
        try:
            await self.adopted()
            members: Any = self.host.members
            if members is not self and members is not None:
                await members.forget(key)
                return
            self.host.outbox.set_gate(get=KEYED)
            if self.block is not None and not self._is_queued(key):
                leaving.ordinal = self.inport.words[TAIL]
            elif not self.run_flags:
                self.wake()
            await self._reach(leaving)
            await self._leave_one(key)
        finally:
            self._leaving.remove(leaving)
            if not self._leaving:
                self.host.outbox.clear_gate(get=KEYED)
            if self.block is not None and not self.run_flags:
                self.wake()

    def _knows(self, key: Any) -> bool:
        """Whether an instance has begun, or a message for it is queued."""
        if self.memory is None:
            port, key_of = self.host.inbox.port, self.spec.key_of
            assert isinstance(port, ObjectPort)
            return key in self._early or any(key_of(message) == key for message in port.items)
        number = self._find(key)
        known = number != NONE and not self._held().instances.flags(number) & RESERVED
        return known or self._is_queued(key)

    async def _reach(self, leaving: _Leaving) -> None:
        """Wait until the messages before it have been handled, and nothing is at work."""
        while not self._is_reached(leaving):
            leaving.reached = self.host.loop.create_future()
            await leaving.reached
        await self.come_to_rest()

    def _is_reached(self, leaving: _Leaving) -> bool:
        if self.block is None:
            return True
        return not self.run_flags & PAUSED and self.inport.words[TAIL] >= leaving.ordinal

    async def _leave_one(self, key: Any) -> None:
        number = self._find(key)
        if self.block is None or number == NONE:
            return
        apart = self._apart.get(number)
        if apart is None or not apart.refuses:
            self.block.rest()
            self._end_instance(number)
            await self.come_to_rest()
            apart = self._apart.get(number)
            if apart is not None and apart.failure is not None:
                raise self._admission.refused[key]()
        self._free(number, key)

    def _step(self) -> None:
        """Run a burst, up to the messages that come after an instance is forgotten."""
        if not self._leaving:
            super()._step()
            return
        left = min(each.ordinal for each in self._leaving) - self.inport.words[TAIL]
        if left <= 0:
            self._tell_leaving()
            return
        limit, argument = self.sizing.limit, self.sizing.argument
        self.sizing.limit = min(limit, left)
        self.sizing.argument = words_count(self.sizing.limit)
        self.sizing.most = left
        try:
            super()._step()
        finally:
            self.sizing.limit, self.sizing.argument, self.sizing.most = limit, argument, None

    def _after_burst(self, status: int, seconds: float) -> None:
        super()._after_burst(status, seconds)
        if self._leaving:
            self._tell_leaving()

    def turn_over(self, ended: bool) -> None:
        """As of ``turn_engine.Owner``."""
        super().turn_over(ended)
        if self._leaving:
            self._tell_leaving()

    def _conclude(self) -> None:
        super()._conclude()
        self._tell_leaving()

    def _tell_leaving(self) -> None:
        """Tell those whose ordinal has been reached."""
        for each in self._leaving:
            if self._is_reached(each) and not each.reached.done():
                each.reached.set_result(None)

    def _is_queued(self, key: Any) -> bool:
        if self.block is None:
            return False
        words = np.array([self._held().instances.key.pack(key)], np.uint64)
        return bool((self._check.queued_keys() == words).all(axis=1).any())

    def _free(self, number: int, key: Any) -> None:
        apart = self._apart.pop(number, None)
        if apart is not None:
            self._unhandled.extend(apart.waiting)
        self._beside.pop(number, None)
        self._admission.refused.pop(key, None)
        self._held().instances.forget(number)
        self._held().take_in_hand(NONE)
        self._check.was_freed(key)
        self._check.set_gate()

    # --- restarting ------------------------------------------------------------------------

    async def restart_instance(self, key: Any, *, fresh: bool) -> None:
        """Run a failed instance again.

        Args:
            key: of the instance.
            fresh: from its first statement, instead of from its last good state.

        Raises:
            KeyError: it has not begun.
            KernelStateError: it has not failed.
        """
        await self.adopted()
        members: Any = self.host.members
        if members is not self and members is not None:
            await members.restart_instance(key, fresh=fresh)
            return
        number = self._find(key)
        if number == NONE or not self._held().instances.flags(number) & BEGUN:
            raise KeyError(key)
        await self.come_to_rest()
        apart = self._apart.get(number)
        if apart is None or apart.failure is None:
            who = f"the instance with {self.spec.describe(key)} of kernel {self.host.kernel_id!r}"
            now = "ENDED" if apart is not None and apart.ended else "RUNNING"
            raise KernelStateError(
                f"{who} is {now}: restart needs FAILED; only a failed instance is restarted"
            )
        self._admission.refused.pop(key, None)
        failure = apart.failure
        self._apart[number] = KeptInstance(waiting=apart.waiting)
        if fresh or not failure.state_known:
            self._run_prologue(number)
            await self.come_to_rest()
        else:
            state = failure.state | failure.state_after
            self._keep(number, snapshot(state, state), first=False)
        again = self._apart.get(number)
        if apart.waiting and (again is None or not again.refuses):
            if again is None:
                again = self._apart[number] = KeptInstance(self._variables(number))
            again.waiting = apart.waiting
            self._held().instances.set_flags(number, BEGUN | BY_HOST)
            self._backlog.append(number)
        self._check.set_gate()
        if not self.run_flags:
            self._turn()


_COLUMNS = (INT, FLOAT, BOOL)
"""Types whose columns are taken from the records as they are."""
