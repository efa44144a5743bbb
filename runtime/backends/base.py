"""What an engine is: the thing that runs one actor, whatever it is made of.

Input: the actor's channels and counters (``Host``).  Output: messages handled, and exactly one of
``ended``, ``failed`` or ``hand_over`` at its end.

An engine never raises at its host (``barrier``) and never blocks the event loop.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydotcompute.actors.coroutine_parts import SplitActor
from pydotcompute.actors.spec import KernelSpec
from pydotcompute.backends.plan import Plan
from pydotcompute.populations.admission import Admission
from pydotcompute.populations.spec import PopulationSpec
from pydotcompute.queues.channel import Channel
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.link import Link
from pydotcompute.queues.port import ObjectPort
from pydotcompute.queues.replies import Replies
from pydotcompute.queues.routes import Routes
from pydotcompute.support.metrics import Meter


@dataclass
class Failure:
    """An exception that left the actor's loop.

    Args:
        error: the exception.
        message: the message in hand, or None.
        state: the actor's variables before it.
        state_known: whether the actor can go on from ``state`` and ``state_after``.
        state_after: the variables that are not in ``state``, because a copy for each message would
            have been too dear, as the message left them.
    """

    error: BaseException
    message: Any = None
    state: dict[str, Any] = field(default_factory=dict)
    state_known: bool = False
    state_after: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Replay:
    """What the interpreter finds as compiled code found it, in the turn that it does again.

    Args:
        overdue: the turn's ``receive`` has waited long enough already.
        room: how many outputs find room, whatever clients have taken since; None: as many as do.
    """

    overdue: bool = False
    room: int | None = None


AT_LEISURE = Replay()
"""A turn that compiled code had not begun."""


class HostCallError(Exception):
    """What the host does for compiled code (``print``, logging) raised: ``__cause__`` is the error.

    It is the actor's own failure, as it would be in the interpreter.
    """


@dataclass(frozen=True)
class InstanceState:
    """One instance of a population, between two messages.

    Args:
        key: its key.
        variables: its variables.
        ended: its function has come to its end.
    """

    key: Any
    variables: dict[str, Any]
    ended: bool = False


class Host(Protocol):
    """The actor an engine belongs to, as the engine sees it."""

    kernel_id: str
    loop: AbstractEventLoop
    split: SplitActor
    population: PopulationSpec | None
    """What its instances are keyed by, if it is a population."""
    admission: Admission | None
    """Of a population: decides which keys may be sent."""
    members: PopulationEngine | None
    """Of a population: its engine, or the last one that it had."""
    inbox: Channel
    outbox: Channel
    replies: Replies
    meter: Meter
    spec: KernelSpec
    plan: Plan
    declares_input: bool
    routes: Routes | None
    """Its edges, if it has any."""
    inflows: list[Link]
    """The edges that end at it."""
    restored_instances: list[InstanceState]
    """Of a population: the instances that go on from an earlier life."""
    keeps_beginning: bool
    """Its variables before the loop must be told (``begun``), also if it is interpreted."""
    request_gate: Callable[[float | None], AbstractAsyncContextManager[None]] | None
    """Entered while a request is put; takes the loop's time by which it has to be, if any."""

    def ended(self) -> None:
        """The function has returned, or its loop and epilogue are over."""
        ...

    def failed(self, failure: Failure) -> None:
        """An exception left the function."""
        ...

    def crashed(self, error: Exception) -> None:
        """The engine itself failed, outside the actor's code: it is abandoned, the actor fails."""
        ...

    def hand_over(
        self, state: dict[str, Any], reason: str, *, told: bool = False,
        replay: Replay = AT_LEISURE,
    ) -> None:  # fmt: skip
        """The interpreter has to carry on for good, from the first message in the input queue.

        Args:
            state: the actor's variables.
            reason: why.
            told: the user has been told, and it was counted, if it is to be.
            replay: how its first turn is to go.
        """
        ...

    def keep(self, engine: Interpreter, reason: str) -> None:
        """An interpreter that handles a message carries on for good.

        Args:
            engine: which; it goes on by itself.
            reason: why.
        """
        ...

    def moved(self, reason: str | None) -> None:
        """The interpreter runs the actor for a while, for this reason; None: no longer."""
        ...

    def object_ports(self) -> tuple[ObjectPort, ObjectPort]:
        """Empty ports of objects for input and output, with the checks of the actor's queues."""
        ...

    def begun(self, values: dict[str, Any]) -> bool:
        """The prologue is over, with these variables; False: the actor must not go on."""
        ...

    def ending(self) -> None:
        """All that is to be handled has been; what the actor still sends belongs to its end."""
        ...

    def timed_out(self) -> bool:
        """A ``receive`` has waited long enough; False: it must wait on all the same."""
        ...

    def broke(self, where: str) -> None:
        """A message has come to a statement that cannot be compiled, ``FILE:LINE``."""
        ...

    def use_objects(self) -> None:
        """Take the messages out of the rings."""
        ...

    def use_rings(self, inport: HostProducer, outport: HostConsumer) -> None:
        """Put the host's ends of the rings in place of the objects' queues."""
        ...

    def recompile_later(self, state: dict[str, Any]) -> None:
        """Compile anew for these variables; ``compiled`` of the engine is called after that."""
        ...


class Engine(Protocol):
    """What runs one actor."""

    name: str
    known_state: dict[str, Any] | None
    """The actor's variables where only they are known, and compiled code is still to be made."""
    interprets: bool
    """Whether Python runs the actor: busy and idle are measured in another way then."""

    def start(self) -> None:
        """Run the actor from its first statement."""
        ...

    def resume(self, state: dict[str, Any]) -> None:
        """Run the actor's loop from a state."""
        ...

    async def pause(self) -> None:
        """Stop between two messages; none is handled any more when this returns."""
        ...

    def unpause(self) -> None:
        """Go on."""
        ...

    def begin_exit(self, *, drain: bool) -> None:
        """End the actor: after what is queued if ``drain``, else after the message in hand."""
        ...

    def hurry(self) -> None:
        """The time for draining is over: after the message in hand, at once."""
        ...

    async def kill(self) -> list[Any]:
        """Give up on the actor, now; returns the message that was in hand, if any."""
        ...

    def abandon(self, error: Exception) -> Failure:
        """The engine has failed: run nothing any more.

        Args:
            error: becomes the ``error`` of the result.

        Returns:
            What is known of the message in hand and of the actor's variables.
        """
        ...

    def settle(self) -> None:
        """Bring the meter up to date."""
        ...

    def note_drops(self) -> None:
        """Tell callers of ``request`` whose messages were overtaken in a ring."""
        ...

    def is_idle(self) -> bool:
        """Whether the actor waits for a message, and all that it has sent can be received."""
        ...

    def expire(self) -> None:
        """The actor, which is idle, has waited long enough for its message."""
        ...

    def expect(self) -> None:
        """The first message is about to be put: it is for compiled code."""
        ...

    def compiled(self) -> None:
        """``Host.plan`` has been made anew: go on by it."""
        ...

    async def hold(self) -> None:
        """Handle nothing, until ``rerouted``: edges are about to be opened or closed."""
        ...

    def rerouted(self) -> None:
        """``Host.routes`` has changed: go on."""
        ...

    def come(self) -> None:
        """What has been sent has found room: the actor may go on."""
        ...

    async def rest(self) -> None:
        """Handle nothing, until ``go_on``: return when the actor is between two messages.

        A message that the interpreter has in hand is finished first, and does not wait for room:
        what it sends is in the actor's own output queue, beyond its bound, or waits for room at a
        target by itself (``Routes.backlog``).

        Raises:
            SnapshotError: the actor is paused in the middle of a message.
        """
        ...

    def runs_in(self, task: object) -> bool:
        """Whether a task is the one that interprets a message now: it cannot wait for its end."""
        ...

    @property
    def rests(self) -> bool:
        """Whether the actor is between two messages, where ``rest`` has brought it."""
        ...

    def go_on(self) -> None:
        """The end of ``rest``."""
        ...

    def state_at_rest(self) -> dict[str, Any] | None:
        """The variables of an actor that rests, not copied; None: its loop has not begun.

        Raises:
            SnapshotError: they are not what a turn begins with.
        """
        ...

    async def surrender(self, reason: str) -> None:
        """Let the interpreter take over, between two messages; it may run the actor already."""
        ...

    def pass_on(self, successor: Interpreter) -> None:
        """Tell the engine that takes over what this one had been told: to pause, to end."""
        ...


class PopulationEngine(Engine, Protocol):
    """What runs a population.  ``start`` lets ``Host.restored_instances`` go on."""

    def instances_at_rest(self) -> list[InstanceState]:
        """All instances of a population that rests; their variables are not copied.

        Raises:
            SnapshotError: one has failed, or could not go on from its variables.
        """
        ...

    def taken_at_rest(self) -> list[tuple[int, Any]]:
        """Ordinals of messages that have been taken out of the queue and wait, and the messages,
        oldest first."""
        ...

    def count(self) -> int:
        """The instances that have begun and were not forgotten."""
        ...

    def states(self) -> Any:
        """A copy of the variables of all instances, as a record array (``populations.states``)."""
        ...

    def variables(self, key: Any) -> dict[str, Any]:
        """Copies of the variables of one instance; raises KeyError if it has not begun."""
        ...

    async def forget(self, key: Any) -> None:
        """End an instance after the messages that are queued for it, and free it.

        Raises:
            KeyError: it has not begun, and no message for it is queued.
        """
        ...

    async def restart_instance(self, key: Any, *, fresh: bool) -> None:
        """Run a failed instance again; raises KeyError, KernelStateError."""
        ...


class Interpreter(Engine, Protocol):
    """The engine that can take over from any other."""

    def begin_paused(self) -> None:
        """Take no message until ``unpause``; before ``resume``."""
        ...

    def begin_held(self) -> None:
        """Take no message until ``go_on``; before ``resume``."""
        ...

    def resume(self, state: dict[str, Any], replay: Replay = AT_LEISURE) -> None:
        """Run the actor's loop from a state.

        Args:
            state: the actor's variables.
            replay: how its first turn is to go.
        """
        ...
