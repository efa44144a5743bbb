"""What the host knows of the instances of a compiled population, beside their records.

Input: variables, failures and ends.  Output: which instances are *apart*: their messages are the
host's, since they have failed or ended, or their variables have no compiled form.
"""


from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any

from pydotcompute.actors.instance_parts import instance_parts
from pydotcompute.backends.base import Failure, Host, InstanceState
from pydotcompute.backends.compiled.breaks import INTERPRETING
from pydotcompute.backends.compiled.lifecycle import (
    BUSY,
    PATIENCE,
    STAY,
    packed,
)
from pydotcompute.backends.kept_instance import KeptInstance
from pydotcompute.backends.native.engine import NativeEngine
from pydotcompute.backends.native.instance_runner import InstanceRunner
from pydotcompute.backends.native.instances import BEGUN, BY_HOST, NEW
from pydotcompute.backends.native.key_check import TableCheck
from pydotcompute.backends.native.population_block import PopulationBlock
from pydotcompute.backends.python.failure import failure_error
from pydotcompute.compiler.types.identity import LostIdentityError
from pydotcompute.errors import KernelClosedError, SnapshotError
from pydotcompute.queues.port import ObjectPort
from pydotcompute.support.worker_pool import Pool

log = logging.getLogger("pydotcompute.kernel")


class PopulationInstances(NativeEngine):
    """The instances of a population.

    Args:
        host: the population.
        pool: threads for long work.
    """

    _check: TableCheck
    _runner: InstanceRunner


    def __init__(self, host: Host, pool: Pool) -> None:
        super().__init__(host, pool)
        assert host.population is not None
        assert host.admission is not None
        self.spec, self._admission = host.population, host.admission
        self._parts = instance_parts(host.spec.function)
        self._alike = self._parts.begins_alike
        self._has_template = False
        self._apart: dict[int, KeptInstance] = {}
        self._beside: dict[int, dict[str, Any]] = {}  # host variables, by instance
        self._backlog: deque[int] = deque()  # instances with messages from before a restart
        self._first: KeptInstance | None = None  # the one whose prologue shows the types
        self._first_key: Any = None
        self._early: dict[Any, KeptInstance] = {}  # those that did not come to their loops
        self._adopting: list[asyncio.Future[None]] = []
        self._quiet: list[asyncio.Future[None]] = []
        self._unhandled: list[tuple[int, Any]] = []  # messages of instances that were forgotten
        self.memory: PopulationBlock | None = None

    # --- what is known of them -------------------------------------------------------------------

    def _variables(self, number: int) -> dict[str, Any]:
        """The variables of an instance, not copied."""
        apart = self._apart.get(number)
        known = None if apart is None else apart.variables()
        if known is None:
            known = self._beside.get(number, {}) | self._held().values_of(number)
        return known

    def _held(self) -> PopulationBlock:
        """The memory, also after the end."""
        assert self.memory is not None
        return self.memory

    def _keep(self, number: int, values: Mapping[str, Any], *, first: bool) -> bool:
        """Remember the variables of an instance; whether its record holds them."""
        block: PopulationBlock = self.block
        program, instances = block.program, block.instances
        block.take_in_hand(number)
        if first:
            try:
                fits = packed(program, values, block)
            except LostIdentityError:
                fits = False
        else:
            fits = self._fits(values)
        begun = BEGUN if instances.flags(number) & BEGUN else NEW
        if fits:
            self._apart.pop(number, None)
            if program.host_variables:
                self._beside[number] = {
                    name: values[name] for name in program.host_variables if name in values
                }
            instances.set_flags(number, begun)
            if first and self._alike is not None and not self._has_template:
                block.template[:] = block.state
                self._has_template = True
        else:
            apart = self._apart.setdefault(number, KeptInstance())
            apart.values = dict(values)
            instances.set_flags(number, BEGUN | BY_HOST)
        return fits

    def _set_apart(self, number: int, values: dict[str, Any]) -> None:
        self._apart[number] = KeptInstance(values)
        self.block.instances.set_flags(number, BEGUN | BY_HOST)

    def _return_waiting(self) -> None:
        """Messages of instances apart are in the queue again: nothing has handled them."""
        port = self.host.inbox.port
        assert isinstance(port, ObjectPort)
        waiting = [pair for apart in self._apart.values() for pair in apart.waiting]
        waiting += [pair for kept in self._early.values() for pair in kept.waiting]
        found = sorted([*self._unhandled, *waiting], key=lambda pair: pair[0])
        port.items.extendleft(message for _, message in reversed(found))
        port.tail -= len(found)
        for apart in (*self._apart.values(), *self._early.values()):
            apart.waiting.clear()

    # --- instances that go no further ------------------------------------------------------------

    def _set_failed(self, number: int, failure: Failure) -> None:
        """An exception has left the function of an instance."""
        who = self.spec.describe(self.block.instances.key_of(number))
        self.host.meter.errors += 1
        log.error(
            "kernel %r failed for %s: %s: %s", self.host.kernel_id, who,
            type(failure.error).__name__, failure.error,
            extra={"kernel_id": self.host.kernel_id},
        )  # fmt: skip
        self._refuse(number, KeptInstance(failure=failure))

    def _set_ended(self, number: int) -> None:
        """The function of an instance has come to its end."""
        self._refuse(number, KeptInstance(self._variables(number), ended=True))

    def _refuse(self, number: int, apart: KeptInstance) -> None:
        """Messages to an instance raise from now on."""
        old = self._apart.get(number)
        if old is not None:
            apart.waiting = old.waiting
        self._apart[number] = apart
        instances = self.block.instances
        instances.set_flags(number, BEGUN | BY_HOST)
        self._tell_refused(instances.key_of(number), apart)

    def _tell_refused(self, key: Any, kept: KeptInstance) -> None:
        """Tell those who have sent to an instance, and those who will, that it does not go on."""
        if self._exit != STAY:
            return
        error = partial(self._error, key, kept)
        self._admission.refused[key] = error
        key_of = self.spec.key_of
        if self.host.replies.pending:
            self.host.replies.refuse(lambda request: key_of(request.message) == key, error)
        self.host.inbox.refuse(lambda message: key_of(message) == key, error)
        if self.block is not None:
            self._check.set_gate()

    def _error(self, key: Any, kept: KeptInstance) -> Exception:
        """What a message to an instance that does not go on raises."""
        who, kernel_id = self.spec.describe(key), self.host.kernel_id
        if kept.failure is not None:
            return failure_error(kept.failure, kernel_id, who, key)
        return KernelClosedError(f"the instance with {who} of kernel {kernel_id!r} has ended",
                                 key=key)  # fmt: skip

    # --- at rest ---------------------------------------------------------------------------------

    async def come_to_rest(self) -> None:
        """Wait until neither compiled code nor the interpreter is at work."""
        while self.block is not None and self.run_flags & (BUSY | INTERPRETING):
            if self.run_flags & BUSY:
                await self._at_rest(PATIENCE)
            else:
                self._quiet.append(future := self.host.loop.create_future())
                await future

    def _tell_quiet(self) -> None:
        """The interpreter is not at work any more."""
        if not self.run_flags & INTERPRETING:
            waiting, self._quiet = self._quiet, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    def state_at_rest(self) -> dict[str, Any] | None:
        """Its instances have their own states: ``instances_at_rest``."""
        return None

    def instances_at_rest(self) -> list[InstanceState]:
        """All instances of a population that rests; their variables are not copied."""
        if self.block is None:
            return self._early_at_rest()
        instances, found = self.block.instances, []
        for number in instances.in_order(instances.numbers(BEGUN | NEW)).tolist():
            key, apart = instances.key_of(number), self._apart.get(number)
            if apart is not None and apart.failure is not None:
                raise self._has_failed(key)
            ended = apart is not None and apart.ended
            found.append(InstanceState(key, {} if ended else self._variables(number), ended))
        return found

    def _early_at_rest(self) -> list[InstanceState]:
        """The same, before compiled code has them."""
        for key, kept in self._early.items():
            if kept.failure is not None:
                raise self._has_failed(key)
        found = [InstanceState(key, {}, True) for key in self._early]
        if self.host.restored_instances:
            return [*self.host.restored_instances, *found]
        if self._first is not None and self._first.values is not None:
            found.append(InstanceState(self._first_key, self._first.values))
        return found

    def _has_failed(self, key: Any) -> SnapshotError:
        return SnapshotError(
            f"the instance with {self.spec.describe(key)} of kernel {self.host.kernel_id!r} has "
            "failed; restart or forget it first"
        )

    def taken_at_rest(self) -> list[tuple[int, Any]]:
        """Ordinals of messages that have been taken out of the queue and wait, and the messages."""
        kept = (*self._apart.values(), *self._early.values())
        return sorted((pair for each in kept for pair in each.waiting), key=lambda pair: pair[0])

    def abandon(self, error: Exception) -> Failure:
        """The engine has failed: run nothing any more."""
        failure = super().abandon(error)
        return Failure(failure.error, failure.message)

    async def kill(self) -> list[Any]:
        """Give up on the population."""
        waiting = [pair for apart in self._apart.values() for pair in apart.waiting]
        waiting = sorted([*self._unhandled, *waiting], key=lambda pair: pair[0])
        return [*await super().kill(), *(message for _, message in waiting)]
