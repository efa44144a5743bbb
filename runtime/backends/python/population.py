"""The ``python`` backend of a population: a coroutine for each key, on the event loop.

Input: messages of any keys, from one input queue.  Output: each is handled by the instance of its
key (``members``, ``instance``); outputs come in the order of the inputs (``output_order``).

A task takes the messages out of the queue and puts each into the mailbox of its instance.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

from pydotcompute.backends.barrier import guarded, guarded_wait
from pydotcompute.backends.base import AT_LEISURE, Failure, Host, Replay
from pydotcompute.backends.kept_instance import KeptInstance
from pydotcompute.backends.python.engine import DRAIN, NOW
from pydotcompute.backends.python.instance import CLOSE, Instance, InstanceEngine, Status
from pydotcompute.backends.python.members import Members
from pydotcompute.backends.python.output_order import Turn
from pydotcompute.backends.python.pacing import Pacing
from pydotcompute.errors import SnapshotError
from pydotcompute.queues.backpressure import BackpressureStrategy
from pydotcompute.queues.port import EMPTY


class InterpretedPopulation(Members):
    """Runs a population.

    Args:
        host: the population; its ports hold objects.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._pacing = Pacing()

    # --- the host's side -------------------------------------------------------------------

    @guarded
    def start(self) -> None:
        """Handle messages; instances of an earlier life go on."""
        self.restore_instances()
        self.host.meter.park(perf_counter())
        name = f"pydotcompute population {self.host.kernel_id}"
        self._task = self.host.loop.create_task(self._run(), name=name)

    def resume(self, state: dict[str, Any], replay: Replay = AT_LEISURE) -> None:
        """Run from the instances that another engine has had; or begin anew.

        Args:
            state: ``KeptInstance`` by key; anything else is no state of a population.
            replay: nothing was being done.
        """
        for key, kept in state.items():
            if isinstance(kept, KeptInstance):
                self._take_over(key, kept)
        self.start()

    def _take_over(self, key: Any, kept: KeptInstance) -> None:
        turns = [Turn(message, ordinal) for ordinal, message in kept.waiting]
        if kept.refuses:
            instance = self._instances[key] = Instance(self, key)
            instance.status = Status.ENDED if kept.ended else Status.FAILED
            instance.failure = kept.failure
            instance.mails.extend(turns)
            self._admission.refused[key] = instance.error
            return
        instance = self._begin(key, [self._take_in(turn) for turn in turns])
        instance.engine.begin_with(None)
        self.instance_begun(instance)
        instance.engine.resume(kept.values or {})

    def begin_paused(self) -> None:
        """Take no message until ``unpause``."""
        self._paused = True

    def begin_held(self) -> None:
        """Nothing holds a population (``rest``)."""

    @guarded_wait
    async def pause(self) -> None:
        """Stop between two messages of each instance."""
        self._paused = True
        self.host.inbox.interrupt()
        caller, waits = asyncio.current_task(), []
        for instance in self._running():
            engine = instance.engine
            if engine.runs_in(caller):
                engine.begin_paused()
            elif not engine.at_rest:
                waits.append(engine.pause())
        await asyncio.gather(*waits)

    @guarded
    def unpause(self) -> None:
        """Go on."""
        self._paused = False
        for instance in self._running():
            if instance.engine.paused:
                instance.engine.unpause()
        self._wake()

    @guarded
    def begin_exit(self, *, drain: bool) -> None:
        """End all instances."""
        self._exit = DRAIN if drain else NOW
        self.unpause()
        self.host.inbox.interrupt()
        if not drain:
            self._all_taken = True
            for instance in self._running():
                self._put_aside(instance)
                instance.engine.begin_exit(drain=False)
            self._check_over()

    @guarded
    def hurry(self) -> None:
        """End after the messages in hand, and never wait for room again."""
        self.order.force()
        self.begin_exit(drain=False)
        for instance in self._running():
            instance.engine.hurry()

    async def rest(self) -> None:
        """Take no message out until ``go_on``; return when all that were are handled."""
        host = self.host
        self._held = True
        if host.inbox.policy is BackpressureStrategy.BLOCK:
            self.order.let_through()
            host.outbox.force()
        host.inbox.interrupt()
        while self._held and not self.rests:
            if self._paused and self.order.holds:
                raise SnapshotError(
                    f"kernel {host.kernel_id!r} is paused in the middle of some messages, whose "
                    "outputs belong before others; reactivate it first"
                )
            busy = [each for each in self._at_work() if not each.rests]
            await asyncio.gather(*[each.rest() for each in busy], asyncio.sleep(0))

    def _at_work(self) -> list[InstanceEngine]:
        """Of the instances that run, those that may do something before their next message."""
        engines = (each.engine for each in self._running())
        return [engine for engine in engines if not engine.at_rest]

    def runs_in(self, task: object) -> bool:
        """Whether a task is the one that an instance runs in."""
        return any(each.engine.runs_in(task) for each in self._running())

    @property
    def rests(self) -> bool:
        """Whether no instance has a message in hand, and nothing is held back."""
        return self._held and not self.order.holds and all(e.rests for e in self._at_work())

    def go_on(self) -> None:
        """The end of ``rest``."""
        self._held = self.order.through = False
        for instance in self._running():
            if instance.engine.held:
                instance.engine.go_on()
        self._wake()

    def state_at_rest(self) -> dict[str, Any] | None:
        """Its instances have their own states: ``instances_at_rest``."""
        return None

    async def kill(self) -> list[Any]:
        """Cancel all instances; those that do not end are abandoned."""
        running = self._running()
        found = await asyncio.gather(*[each.engine.kill() for each in running])
        self._give_up()
        return [message for messages in found for message in messages]

    def abandon(self, error: Exception) -> Failure:
        """The engine has failed: run nothing any more."""
        for instance in self._running():
            instance.engine.abandon(error)
        self._give_up()
        return Failure(error)

    def _give_up(self) -> None:
        self._given_up = True
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        self.order.give_up()
        self._return_unhandled()

    # --- taking messages out ----------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._take_messages()
            if self._exit == DRAIN:
                await self._close_all()
            self._all_taken = True
            self._check_over()
        except Exception as error:
            self.host.crashed(error)

    async def _take_messages(self) -> None:
        port, pacing = self._port, self._pacing
        while self._exit != NOW:
            if self._paused or self._held or (self._drops and self._in_work >= self._size):
                self._changed = self.host.loop.create_future()
                await self._changed
                pacing.waited()
                continue
            self._pass_leaving()
            message = port.try_get()
            if message is not EMPTY:
                self._dispatch(message, port.tail - 1)
                if self._drops:
                    await pacing.let_run()  # what waits is to be dropped by its age
                else:
                    await pacing.woke()
            elif self._exit == DRAIN:
                return
            else:
                await self._wait_for_message()
                pacing.waited()

    async def _wait_for_message(self) -> None:
        inbox, outcome = self.host.inbox, None
        if inbox.putters and inbox.admit():
            return
        future = inbox.park_getter()
        try:
            outcome = await future
        finally:
            inbox.unpark_getter(future, outcome)

    def _dispatch(self, message: Any, ordinal: int) -> None:
        """Give a message to the instance of its key."""
        key, turn = self.spec.key_of(message), Turn(message, ordinal)
        instance = self._instances.get(key)
        if instance is None:
            self._begin(key, [self._take_in(turn)]).engine.start()
        elif instance.status is not Status.RUNNING:
            instance.mails.append(turn)
            self._make_room()
        elif instance.leaving:
            instance.successors.append(self._take_in(turn))
        else:
            instance.deliver(self._take_in(turn))

    # --- the end ---------------------------------------------------------------------------

    async def _close_all(self) -> None:
        """All messages have been taken out: each instance ends after those of its own."""
        self._closing = True
        for instance in self._running():
            if self._exit == NOW:
                return
            if instance.status is Status.RUNNING and not instance.leaving:
                instance.deliver(self.order.open(Turn(CLOSE)))
                await self._pacing.woke()
