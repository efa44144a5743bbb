"""Doing again what the journal says: from the messages of earlier processes to an actor's state.

Input: a launched actor whose journal is not empty.  Output: ``Recovered``.

A *replica* is an actor like any other that no client sees: it has the same definition and plan, a
larger queue, no edges and no journal.  It is given the messages of the journal in their order, with
the time-outs and restarts between them, and its outputs are numbered as they come.  What it has
become is what the actor was; the actor goes on from there (decision 030).
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Final

import numpy as np

from pydotcompute.backends.base import Failure
from pydotcompute.backends.plan import Plan
from pydotcompute.durability.actor_log import ActorLog
from pydotcompute.durability.beginnings import variables_in
from pydotcompute.durability.groups import FRESH, REQUEST, Group, Kind
from pydotcompute.durability.journaled_messages import JOINED, UNION, Run
from pydotcompute.errors import ActorFailedError, DurabilityError, KernelClosedError
from pydotcompute.kernels.actor import Actor, Recovered
from pydotcompute.queues.backpressure import KernelState
from pydotcompute.queues.link import Link
from pydotcompute.queues.port import EMPTY
from pydotcompute.queues.replies import Request
from pydotcompute.support import notices

ROOM_BYTES: Final = 4 << 20
"""Bytes of the replica's queues, about."""
_MOST: Final = 1 << 16
"""Messages taken from it at once."""
_OVER = (KernelState.FAILED, KernelState.TERMINATED)


class Replica(Actor):
    """Does again what an actor has done.

    Args:
        original: the actor.
        room: messages that its queues hold.
    """

    def __init__(self, original: Actor, room: int) -> None:
        spec = replace(original.spec, queue_size=max(room, original.spec.queue_size))
        options = replace(original.options, durability=None)
        super().__init__(spec, options, original.loop)
        self.told, self.may_expire = original.plan, False
        self.plan = _silent(original.plan)
        self._asked = original._asked
        self.state = KernelState.LAUNCHED
        self.beginnings: dict[int, dict[str, Any]] = {}
        self._runs = 0

    def _run_engine(self, state: dict[str, Any] | None) -> None:
        if state is None:  # its prologue is not done again where the journal has what it left
            state = self.beginnings.pop(self._runs, None)
            self._runs += 1
        super()._run_engine(state)

    async def _choose(self, backend: str, state: dict[str, Any] | None) -> Plan:
        self.told = await super()._choose(backend, state)
        return _silent(self.told)

    def timed_out(self) -> bool:
        """Time-outs come from the journal, not from the clock."""
        told, self.may_expire = self.may_expire, False
        return told

    def unhandled(self) -> list[Any]:
        """The messages that it has not handled; it handles none after that."""
        self.use_objects()
        return self.inbox.port.take_all()

    def failed(self, failure: Failure) -> None:
        """It was reported when it happened."""
        self.failure = failure
        if self.state is not KernelState.TERMINATING:
            self._close_down(KernelState.FAILED)
        self._set_over()

    @property
    def over(self) -> bool:
        """Whether it handles no message any more."""
        return self.state in _OVER


def _silent(plan: Plan) -> Plan:
    """A plan whose actor prints nothing: it has been printed."""
    if plan.program is None or plan.program.emit is None:
        return plan
    return replace(plan, program=replace(plan.program, emit=lambda text: None))


@dataclass(frozen=True)
class _Step:
    """What the replica is to do next.

    Args:
        batch: accepted messages, or None.
        request: they were sent by ``request``.
        kind: of the group, where there is no batch.
        flags: of the group.
    """

    batch: Any = None
    request: bool = False
    kind: int = Kind.MESSAGES
    flags: int = 0


class Recovery:
    """The recovery of one actor.

    Args:
        actor: the actor, which does not run yet.
        log: its journal.
    """

    def __init__(self, actor: Actor, log: ActorLog) -> None:
        self._actor, self._log = actor, log
        size = max((log.format.record_size(n) for n in range(len(log.format.classes))), default=8)
        self._replica = Replica(actor, min(_MOST, ROOM_BYTES // size))
        self._number, self._first = 0, log.acknowledged
        self._outputs: list[Any] = []
        self._left: deque[_Step] = deque()
        self._links = [] if actor.routes is None else list(actor.routes.links)
        self._skip = {link.target: _delivered(link, log) for link in self._links}
        self._sends: list[tuple[Link, Any]] = []
        self._progress = _Progress(actor.kernel_id, log.past.inputs)

    async def run(self) -> Recovered:
        """Do everything again.

        Raises:
            DurabilityError: a group of the journal cannot be read.
        """
        replica = self._replica
        self._find_beginnings()
        await replica.activate()
        try:
            for step in self._steps():
                await self._do(step)
            await self._rest()
            return await self._recovered()
        finally:
            if replica.engine is not None:
                replica.engine.abandon(KernelClosedError("the replica is not needed any more"))
            self._progress.over()

    def _find_beginnings(self) -> None:
        spec, folder = self._actor.spec, self._log.journal.folder
        label = f"the journal {folder} of kernel {spec.kernel_id!r}"
        types = (*spec.input_types, *spec.output_types)
        for group, payload in self._log.journal.groups(self._log.past.beginnings):
            self._replica.beginnings[group.count] = variables_in(
                bytes(payload), label, spec.function, types, self._actor.split.state_names,
                lambda told: notices.warn(told, UserWarning),
            )  # fmt: skip

    # --- what the journal says -------------------------------------------------------------

    def _steps(self) -> Iterator[_Step]:
        """The groups, with runs of small ones joined."""
        log, form = self._log, self._log.format
        run = Run(form)
        for group, payload in log.journal.groups(log.past.places):
            small = group.kind == Kind.MESSAGES and not group.flags and group.cls != UNION
            small = small and group.count < JOINED and group.sequence not in log.past.cuts
            if small and run.add(group.cls, group.count, payload, group.strings):
                continue
            if run.count:
                yield _Step(run.take())
            if small and run.add(group.cls, group.count, payload, group.strings):
                continue
            if group.kind == Kind.MESSAGES:
                yield self._read(group, payload)
            else:
                yield _Step(kind=group.kind, flags=group.flags)
        if run.count:
            yield _Step(run.take())

    def _read(self, group: Group, payload: memoryview) -> _Step:
        form = self._log.format
        try:
            batch = form.read(payload, group.count, group.cls, group.flags, group.strings)
        except (ValueError, IndexError, OverflowError, TypeError) as error:
            raise DurabilityError(
                f"{self._log.journal.folder} holds messages for kernel {self._actor.kernel_id!r} "
                f"that cannot be read ({error})"
            ) from error
        kept = self._log.past.cuts.get(group.sequence)
        if kept is not None:
            batch = batch[:kept]
        if group.flags & REQUEST and isinstance(batch, np.ndarray) and group.cls != UNION:
            batch = form.classes_messages(group.cls, batch)
        return _Step(batch, request=bool(group.flags & REQUEST))

    # --- doing it --------------------------------------------------------------------------

    async def _do(self, step: _Step) -> None:
        replica = self._replica
        if step.kind == Kind.RESTART:
            await self._rest()
            if replica.state is KernelState.FAILED:
                await replica.restart(fresh=bool(step.flags & FRESH))
                left, self._left = self._left, deque()
                for each in left:
                    await self._do(each)
        elif step.kind == Kind.TIMEOUT:
            await self._rest()
            if not replica.over and replica.engine is not None:
                replica.may_expire = True
                replica.engine.expire()
                await self._rest()
        elif step.batch is not None and len(step.batch):
            if replica.over:
                self._left.append(step)
            else:
                await self._give(step)

    async def _give(self, step: _Step) -> None:
        """Give the replica messages."""
        if step.request:
            for message in step.batch:
                await self._put(step, self._replica.inbox.put(message, None, self._thrown_away()))
        else:
            await self._put(step, self._replica.inbox.put_batch(step.batch, None))
        self._progress.done(len(step.batch))

    async def _put(self, step: _Step, putting: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(putting)
        try:
            while not task.done():
                self._collect()
                await asyncio.sleep(0)
            await task
        except (ActorFailedError, KernelClosedError) as error:
            rest = step.batch[getattr(error, "count", 0) :]
            self._left.append(replace(step, batch=rest))
        finally:
            task.cancel()

    def _thrown_away(self) -> Any:
        """Opens a request whose caller died with its process."""
        replies, request = self._replica.replies, Request(None)
        request.given_up = True
        return lambda ordinal: replies.open(request, ordinal)

    async def _rest(self) -> None:
        """Wait until the replica has handled everything, and number what it has sent."""
        replica, idle = self._replica, 0
        while True:
            moved = self._collect()
            engine = replica.engine
            still = replica.over or (engine is not None and engine.is_idle())
            if still and not moved and not replica.outbox.port.depth():
                return
            idle = 0 if moved else idle + 1
            await asyncio.sleep(0 if idle < 100 else 1e-3)

    def _collect(self) -> bool:
        """Take what the replica has sent; returns whether that was anything."""
        outbox, moved = self._replica.outbox, False
        while (batch := outbox.get_batch_nowait(_MOST)) is not EMPTY:
            moved = True
            if self._links:
                for message in outbox.port.messages_in(batch):
                    self._route(message)
            else:
                self._keep(batch)
        return moved

    def _keep(self, batch: Any) -> None:
        """Outputs for clients: those that were acknowledged are not needed."""
        first, self._number = self._number, self._number + len(batch)
        if self._number > self._first:
            rest = batch[max(0, self._first - first) :]
            self._outputs += self._replica.outbox.port.messages_in(rest)

    def _route(self, message: Any) -> None:
        """Send an output where the original does; each target has got so many already."""
        links = [each for each in self._links if each.takes(type(message))]
        for link in links:
            if self._skip[link.target]:
                self._skip[link.target] -= 1
            else:
                self._sends.append((link, message))
        if not links:
            if self._number >= self._first:
                self._outputs.append(message)
            self._number += 1

    # --- what has become of it -------------------------------------------------------------

    async def _recovered(self) -> Recovered:
        replica = self._replica
        found = Recovered(replica.told, None, self._outputs, self._sends)
        if replica.over:
            found.failure = replica.failure
            found.ended = replica.failure is None
            found.inputs = replica.unhandled()
            for step in self._left:
                found.inputs += self._messages(step.batch)
            return found
        await replica.rest()
        found.state = replica.state_at_rest()
        if found.state is None:  # its loop has not begun: so it has sent nothing
            found.inputs = replica.unhandled()
        return found

    def _messages(self, batch: Any) -> list[Any]:
        if isinstance(batch, np.ndarray):
            return list(self._actor.inbox.port.messages_in(batch))
        return list(batch)


def _delivered(link: Link, log: ActorLog) -> int:
    """How many messages the target of an edge has got along it, by its journal."""
    past = log.journal.pasts.get(link.target.kernel_id)
    return 0 if past is None else past.delivered.get(log.past.index + 1, 0)


class _Progress:
    """Says on a terminal how far a long recovery is."""

    def __init__(self, kernel_id: str, total: int) -> None:
        self._kernel_id, self._total, self._count = kernel_id, total, 0
        self._due = perf_counter() + 1.0
        self._shown = False

    def done(self, count: int) -> None:
        """So many more messages have been given to the replica."""
        self._count += count
        if perf_counter() < self._due or not sys.stderr.isatty():
            return
        self._shown, self._due = True, perf_counter() + 0.2
        share = self._count / max(1, self._total)
        print(
            f"\r{self._kernel_id}: {self._count} of {self._total} messages of the journal are "
            f"done again ({share:.0%})", end="", file=sys.stderr, flush=True,
        )  # fmt: skip

    def over(self) -> None:
        """That was all."""
        if self._shown:
            print(file=sys.stderr)


async def recover(actor: Actor) -> Recovered:
    """Find out how far an actor had come when its last process ended.

    Args:
        actor: a launched actor with a journal, which does not run yet.

    Raises:
        DurabilityError: the journal cannot be read.
    """
    log = actor.log
    assert log is not None
    if not log.past.inputs and not log.past.places:
        return Recovered()
    return await Recovery(actor, log).run()
