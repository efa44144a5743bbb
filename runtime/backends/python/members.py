"""The instances of an interpreted population: who they are, how they begin, fail, end and go.

Input: messages that have been taken out of the queue (``population``), and what clients ask of
single instances.  Output: each instance in its state, with the messages that are its own.

What has been taken out and is not handled, but for the oldest, still counts in the queue: its bound
is lowered by so much.  Messages of one that has failed wait in its mailbox, and count no more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from pydotcompute.backends.base import Failure, Host, InstanceState
from pydotcompute.backends.python.engine import NOW, STAY
from pydotcompute.backends.python.instance import CLOSE, Instance, Status
from pydotcompute.backends.python.kept_state import snapshot
from pydotcompute.backends.python.output_order import OutputOrder, Turn
from pydotcompute.backends.python.uncompiled import Uncompiled
from pydotcompute.errors import KernelStateError, SnapshotError
from pydotcompute.populations.admission import KeyedPort
from pydotcompute.populations.states import record_array
from pydotcompute.queues.backpressure import BackpressureStrategy
from pydotcompute.queues.channel import ROOM
from pydotcompute.queues.replies import Request

log = logging.getLogger("pydotcompute.kernel")


@dataclass
class Leaving:
    """An instance is to be forgotten, after the messages that are queued.

    Args:
        key: its key.
        ordinal: of the first message that is not for it.
        done: who waits for it.
    """

    key: Any
    ordinal: int
    done: asyncio.Future[None]


class Members(Uncompiled):
    """The part of a population's engine that concerns single instances.

    Args:
        host: the population; its ports hold objects.
    """

    def __init__(self, host: Host) -> None:
        assert host.population is not None
        assert host.admission is not None
        port = host.inbox.port
        assert isinstance(port, KeyedPort)
        self.host, self.spec, self._admission, self._port = (
            host, host.population, host.admission, port,
        )  # fmt: skip
        self.order = OutputOrder(host, self._check_over)
        self._instances: dict[Any, Instance] = {}
        self._admission.begun = self._instances
        self._starting: set[Instance] = set()
        """Those that have not come to their loop."""
        self._admission.refused.clear()
        self._size = port.bound
        self._unhandled: list[Turn] = []
        self._in_work = self._alive = 0
        self._leaving: deque[Leaving] = deque()
        self._task: asyncio.Task[None] | None = None
        self._changed: asyncio.Future[None] | None = None
        self._exit = STAY
        self._paused = self._held = self._closing = False
        self._all_taken = self._over = self._given_up = False
        self._drops = host.inbox.policy is BackpressureStrategy.DROP_OLDEST

    # --- what the handle asks --------------------------------------------------------------

    def count(self) -> int:
        """The instances that have begun."""
        return len(self._instances) - len(self._starting)

    def states(self) -> Any:
        """The variables of all instances, as a record array."""
        rows = [
            (key, each.variables()) for key, each in self._instances.items()
            if each not in self._starting
        ]  # fmt: skip
        return record_array(self.spec, rows, self.host.split.state_names)

    def variables(self, key: Any) -> dict[str, Any]:
        """The variables of one instance; raises KeyError if it has not begun."""
        instance = self._instances[key]
        if instance in self._starting:
            raise KeyError(key)
        return instance.variables()

    async def forget(self, key: Any) -> None:
        """End an instance after the messages that are queued for it, and free it.

        Raises:
            KeyError: it has not begun, and no message for it is queued.
            ActorFailedError: it fails meanwhile; it is not freed then.
        """
        if key not in self._instances and key not in set(map(self.spec.key_of, self._port.items)):
            raise KeyError(key)
        leaving = Leaving(key, self._port.head, self.host.loop.create_future())
        self._leaving.append(leaving)
        if not self._paused:
            self._pass_leaving()
        await leaving.done

    async def restart_instance(self, key: Any, *, fresh: bool) -> None:
        """Run a failed instance again.

        Args:
            key: of the instance.
            fresh: from its first statement, instead of from its last good state.

        Raises:
            KeyError: it has not begun.
            KernelStateError: it has not failed.
        """
        old = self._instances[key]
        if old.status is not Status.FAILED:
            who = f"the instance with {self.spec.describe(key)} of kernel {self.host.kernel_id!r}"
            raise KernelStateError(
                f"{who} is {old.status.name}: restart needs FAILED; only a failed instance is "
                "restarted"
            )
        self._admission.refused.pop(old.key, None)
        instance = self._begin(old.key, [self._take_in(turn) for turn in old.mails])
        failure = old.failure
        if fresh or failure is None or not failure.state_known:
            instance.engine.start()
        else:
            instance.engine.begin_with(None)
            state = failure.state | failure.state_after
            self.instance_begun(instance)
            instance.engine.resume(snapshot(state, state))
        await asyncio.sleep(0)

    # --- snapshots ---------------------------------------------------------------------------

    def instances_at_rest(self) -> list[InstanceState]:
        """All instances of a population that rests; their variables are not copied."""
        found = []
        for key, instance in self._instances.items():
            if instance.status is Status.FAILED:
                raise SnapshotError(
                    f"the instance with {self.spec.describe(key)} of kernel "
                    f"{self.host.kernel_id!r} has failed; restart or forget it first"
                )
            ended = instance.status is Status.ENDED
            variables = None if ended else instance.engine.state_at_rest()
            found.append(InstanceState(key, variables or {}, ended))
        return found

    def taken_at_rest(self) -> list[tuple[int, Any]]:
        """Ordinals of messages that have been taken out of the queue and wait, and the messages."""
        waiting = [turn for each in self._instances.values() for turn in each.mails]
        waiting = sorted((t for t in waiting if t.ordinal >= 0), key=lambda turn: turn.ordinal)
        return [(turn.ordinal, turn.message) for turn in waiting]

    def restore_instances(self) -> None:
        """Let the instances of an earlier life go on."""
        restored, self.host.restored_instances = self.host.restored_instances, []
        for state in restored:
            instance = self._begin(state.key, [])
            self._starting.discard(instance)
            if state.ended:
                instance.status = Status.ENDED
                self._alive -= 1
                self._refuse(instance)
            else:
                instance.engine.begin_with(None)
                instance.engine.resume(state.variables)

    # --- messages in work -------------------------------------------------------------------

    def _take_in(self, turn: Turn) -> Turn:
        """A message is on the way to its instance."""
        if not self._in_work:
            self.host.meter.unpark(perf_counter())
        self._in_work += 1
        self._make_room()
        return self.order.open(turn)

    def turn_over(self, turn: Turn) -> None:
        """A turn of an instance is over."""
        self.order.close(turn)
        if turn.ordinal >= 0:
            self._in_work -= 1
            if not self._in_work:
                self.host.meter.park(perf_counter())
            self._make_room()
            if self._changed is not None:
                self._wake()

    def _make_room(self) -> None:
        """Of what is in work, all but the oldest counts in the queue."""
        port = self._port
        port.aside = max(0, self._in_work - 1)
        port.bound = max(0, self._size - port.aside)
        if port.get_slow_path & ROOM:
            self.host.inbox.took()

    # --- how they begin and end -------------------------------------------------------------

    def _running(self) -> list[Instance]:
        return [each for each in self._instances.values() if each.status is Status.RUNNING]

    def _begin(self, key: Any, turns: list[Turn]) -> Instance:
        """Make an instance with messages that have been taken in; its engine is to be started."""
        instance = self._instances[key] = Instance(self, key)
        self._admission.has_begun(key)
        self._alive += 1
        self._starting.add(instance)
        instance.mails.extend(turns)
        if turns:
            instance.engine.begin_with(turns[0])
        if self._paused:
            instance.engine.begin_paused()
        if self._exit == NOW:
            instance.engine.begin_exit(drain=False)
        return instance

    def instance_begun(self, instance: Instance) -> None:
        """An instance has come to its loop."""
        self._starting.discard(instance)

    def instance_failed(self, instance: Instance, failure: Failure) -> None:
        """An exception left the function of an instance."""
        instance.status, instance.failure = Status.FAILED, failure
        self.host.meter.errors += 1
        log.error(
            "kernel %r failed for %s: %s: %s", self.host.kernel_id,
            self.spec.describe(instance.key), type(failure.error).__name__, failure.error,
            extra={"kernel_id": self.host.kernel_id},
        )  # fmt: skip
        self._refuse(instance)
        for done in (*instance.leaving, *instance.successors):
            if isinstance(done, Turn):
                instance.mails.append(done)
            elif not done.done():
                done.set_exception(instance.error())
        instance.leaving, instance.successors = [], []
        self._gone(instance)

    def instance_ended(self, instance: Instance) -> None:
        """The function of an instance has come to its end."""
        if self._given_up:
            return
        instance.status = Status.ENDED
        if instance.leaving:
            self._free(instance)
        elif self._exit == STAY or not instance.engine.told_to_end:
            self._refuse(instance)
        self._gone(instance)

    def _gone(self, instance: Instance) -> None:
        """An instance does not go on: its turns are over, what it has not handled is put aside."""
        turn = instance.engine.turn
        if turn is not None and turn not in instance.mails:
            self.turn_over(turn)
        self._put_aside(instance)
        instance.engine.turn = None
        self._alive -= 1
        self._starting.discard(instance)
        self._check_over()

    def _put_aside(self, instance: Instance) -> None:
        """Messages in a mailbox wait for another life, or are never handled."""
        left = [Turn(each.message, each.ordinal) for each in instance.mails if each.ordinal >= 0]
        if instance.engine.turn in instance.mails:
            instance.engine.turn = None
        for turn in instance.mails:
            self.turn_over(turn)
        instance.mails = deque(left)

    def _refuse(self, instance: Instance) -> None:
        """Messages to an instance raise from now on."""
        key, error = instance.key, instance.error
        self._admission.refused[key] = error
        self._answer_none(key, error)
        self.host.inbox.refuse(lambda message: self.spec.key_of(message) == key, error)

    def _answer_none(self, key: Any, error: Any, before: int | None = None) -> None:
        """No request to an instance is answered any more."""
        replies, key_of = self.host.replies, self.spec.key_of

        def meant(request: Request) -> bool:
            return (before is None or request.ordinal < before) and key_of(request.message) == key

        if replies.pending:
            replies.refuse(meant, error)

    # --- forgetting -------------------------------------------------------------------------

    def _pass_leaving(self) -> None:
        """Instances whose last message has been taken out are told to end."""
        while self._leaving and self._leaving[0].ordinal <= self._port.tail:
            leaving = self._leaving.popleft()
            instance = self._instances.get(leaving.key)
            if instance is None:  # it was freed, or its message was dropped
                if not leaving.done.done():
                    leaving.done.set_exception(KeyError(leaving.key))
            elif instance.status is not Status.RUNNING:
                instance.leaving.append(leaving.done)
                self._free(instance)
            elif instance.successors:
                instance.successors.append(leaving.done)
            else:
                self._let_leave(instance, leaving.done)

    def _let_leave(self, instance: Instance, done: asyncio.Future[None]) -> None:
        instance.leaving.append(done)
        if len(instance.leaving) == 1:
            instance.last = self._port.tail
            instance.deliver(self.order.open(Turn(CLOSE)))

    def _free(self, instance: Instance) -> None:
        """Forget an instance that does not run any more."""
        key = instance.key
        del self._instances[key]
        self._unhandled += [each for each in instance.mails if each.ordinal >= 0]
        self._admission.was_freed(key)
        self._answer_none(key, instance.error, instance.last)
        for done in instance.leaving:
            if not done.done():
                done.set_result(None)
        if instance.successors:
            self._succeed(key, instance.successors)

    def _succeed(self, key: Any, waiting: list[Turn | asyncio.Future[None]]) -> None:
        """The next instance of a key begins, with what has come for it meanwhile."""
        later = next((n for n, each in enumerate(waiting) if not isinstance(each, Turn)), None)
        turns = [each for each in waiting[:later] if isinstance(each, Turn)]
        instance = self._begin(key, turns)
        if later is not None:
            done = waiting[later]
            assert isinstance(done, asyncio.Future)
            self._let_leave(instance, done)
            instance.successors = waiting[later + 1 :]
        elif self._closing:
            instance.deliver(self.order.open(Turn(CLOSE)))
        instance.engine.start()

    # --- the population's end ---------------------------------------------------------------

    def _wake(self) -> None:
        """Let the task go on that takes messages out."""
        changed, self._changed = self._changed, None
        if changed is not None and not changed.done():
            changed.set_result(None)

    def _check_over(self) -> None:
        """Nothing is left to do: the population has ended."""
        if self._all_taken and not self._alive and not self.order.busy and not self._over:
            self._over = True
            self._return_unhandled()
            self.host.ended()

    def _return_unhandled(self) -> None:
        """Messages that were taken out and not handled are in the queue again."""
        turns = self._unhandled
        for instance in self._instances.values():
            turns += [each for each in instance.mails if each.ordinal >= 0]
            instance.mails.clear()
        turns.sort(key=lambda turn: turn.ordinal)
        self._port.items.extendleft(turn.message for turn in reversed(turns))
        self._port.tail -= len(turns)
        self._unhandled, self._in_work = [], 0
        self._port.aside, self._port.bound = 0, self._size
