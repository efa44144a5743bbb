"""One instance of an interpreted population: its record, and the engine of its coroutine.

Input: the messages of one key, in order.  Output: what the coroutine does with them, as an actor of
its own would; its outputs go to the population's ``OutputOrder``.

``Instance`` is the host of its engine, and its own mailbox: the queues, counters and edges are
those of the population.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections import deque
from enum import Enum, auto
from typing import Any, Final, Protocol

from pydotcompute.actors.coroutine_parts import SplitActor
from pydotcompute.backends.base import AT_LEISURE, Failure, Host, Replay
from pydotcompute.backends.python.engine import DRAIN, STAY, PythonEngine
from pydotcompute.backends.python.failure import failure_error
from pydotcompute.backends.python.kept_state import snapshot
from pydotcompute.backends.python.output_order import OutputOrder, Turn
from pydotcompute.errors import KernelClosedError, QueueTimeoutError
from pydotcompute.populations.spec import PopulationSpec
from pydotcompute.queues.channel import Channel
from pydotcompute.queues.port import EMPTY, ObjectPort
from pydotcompute.queues.replies import Replies
from pydotcompute.queues.routes import Routes
from pydotcompute.queues.waiting import INTERRUPTED, READY
from pydotcompute.support.metrics import Meter

_NO_CLOCK: Final = Meter()
"""An instance that waits is not idle: the population's meter tells when all of them wait."""
CLOSE: Final[Any] = object()
"""In place of a message: the instance is to end."""


class Owner(Protocol):
    """The engine of the population, as an instance sees it."""

    host: Host
    spec: PopulationSpec
    order: OutputOrder

    def turn_over(self, turn: Turn) -> None:
        """A turn of an instance is over."""
        ...

    def instance_begun(self, instance: Instance) -> None:
        """An instance has come to its loop."""
        ...

    def instance_ended(self, instance: Instance) -> None:
        """The function of an instance has come to its end."""
        ...

    def instance_failed(self, instance: Instance, failure: Failure) -> None:
        """An exception left the function of an instance."""
        ...


class Status(Enum):
    """Where an instance is in its life."""

    RUNNING = auto()
    FAILED = auto()
    ENDED = auto()


class Instance:
    """One instance.

    Args:
        population: the engine it belongs to.
        key: its key.

    Attributes:
        mails: turns whose messages it has not taken, oldest first; of one that has failed or ended,
            those that wait for ``restart`` or will never be handled.
        leaving: those who wait until it has been forgotten; it is being forgotten if there are any.
        last: when it is being forgotten: the ordinal of the first message that is not for it.
        successors: what waits for the next instance of the key: turns, and futures of ``forget``.
    """

    __slots__ = (
        "_getter", "_population", "engine", "failure", "key", "last", "leaving", "mails", "status",
        "successors",
    )  # fmt: skip

    def __init__(self, population: Owner, key: Any) -> None:
        self._population, self.key = population, key
        self.mails: deque[Turn] = deque()
        self.status = Status.RUNNING
        self.failure: Failure | None = None
        self.leaving: list[Future[None]] = []
        self.successors: list[Turn | Future[None]] = []
        self.last = -1
        self._getter: Future[Any] | None = None
        self.engine = InstanceEngine(self, population)

    # --- what its engine asks of its host ---------------------------------------------------

    @property
    def kernel_id(self) -> str:
        """The population's id."""
        return self._population.host.kernel_id

    @property
    def loop(self) -> AbstractEventLoop:
        """The event loop."""
        return self._population.host.loop

    @property
    def split(self) -> SplitActor:
        """The actor's function, taken apart."""
        return self._population.host.split

    @property
    def inbox(self) -> Instance:
        """Itself, as a mailbox."""
        return self

    @property
    def outbox(self) -> Channel:
        """The population's output queue."""
        return self._population.host.outbox

    @property
    def replies(self) -> Replies:
        """The requests to the population."""
        return self._population.host.replies

    @property
    def meter(self) -> Meter:
        """The population's counters."""
        return self._population.host.meter

    @property
    def routes(self) -> Routes | None:
        """The population's edges."""
        return self._population.host.routes

    def timed_out(self) -> bool:
        """Its ``receive`` has waited long enough."""
        return self._population.host.timed_out()

    def ending(self) -> None:
        """What it still sends belongs to its end: of a population, nothing is journaled."""

    def ended(self) -> None:
        """Its function has come to its end."""
        self._population.instance_ended(self)

    def failed(self, failure: Failure) -> None:
        """An exception left its function."""
        self._population.instance_failed(self, failure)

    def crashed(self, error: Exception) -> None:
        """The engine failed: that of the whole population is given up."""
        self._population.host.crashed(error)

    # --- its mailbox ------------------------------------------------------------------------

    def deliver(self, turn: Turn) -> None:
        """Put a turn into its mailbox."""
        self.mails.append(turn)
        self._wake(READY)

    def interrupt(self) -> None:
        """Let it look around."""
        self._wake(INTERRUPTED)

    def _wake(self, outcome: object) -> None:
        if self._getter is not None and not self._getter.done():
            self._getter.set_result(outcome)

    def park_getter(self) -> Future[Any]:
        """What it waits for when its mailbox is empty."""
        self._getter = self.loop.create_future()
        return self._getter

    def unpark_getter(self, future: Future[Any], outcome: object) -> None:
        """It waits no longer."""
        self._getter = None

    # --- looking ----------------------------------------------------------------------------

    def variables(self) -> dict[str, Any]:
        """Copies of its variables, as they were before the message in hand."""
        if self.failure is not None:
            state = self.failure.state | self.failure.state_after
        else:
            state = self.engine.variables()
        return snapshot(state, state)

    def error(self) -> Exception:
        """What a message to it raises."""
        host = self._population.host
        who = self._population.spec.describe(self.key)
        if self.failure is not None:
            return failure_error(self.failure, host.kernel_id, who, self.key)
        text = f"the instance with {who} of kernel {host.kernel_id!r} has ended"
        return KernelClosedError(text, key=self.key)


class InstanceEngine(PythonEngine):
    """Runs the coroutine of one instance.

    Args:
        instance: its host.
        population: the engine of the population.

    Attributes:
        turn: what it is at; None between two turns.
    """

    host: Instance  # type: ignore[assignment]

    def __init__(self, instance: Instance, population: Owner) -> None:
        self._population = population
        super().__init__(instance)  # type: ignore[arg-type]
        self.key = instance.key
        self.turn: Turn | None = None
        self.usual, self.rationed = False, True  # every call comes here
        self._clock = _NO_CLOCK

    def _connect(self) -> None:
        """Work on the population's queues."""
        host: Host = self._population.host
        inport, outport = host.inbox.port, host.outbox.port
        assert isinstance(inport, ObjectPort)
        assert isinstance(outport, ObjectPort)
        self.inport, self.outport = inport, outport

    @property
    def at_rest(self) -> bool:
        """Whether it can do nothing before the next message: it waits for one, without limit."""
        return self.turn is None and not self._timed and not self.host.mails

    _timed = True
    """Whether its ``receive`` may time out, or it has not come to one."""

    @property
    def told_to_end(self) -> bool:
        """Whether the runtime wants it to end."""
        return self._exit != STAY

    def begin_with(self, turn: Turn | None) -> None:
        """What its prologue sends belongs to its first message."""
        self.turn = turn

    def variables(self) -> dict[str, Any]:
        """Its variables before the message in hand; not copied."""
        if self.holding:
            return self._keeper.before() | self._keeper.not_kept()
        found = self._locals()
        return {name: found[name] for name in self._names if name in found}

    def resume(self, state: dict[str, Any], replay: Replay = AT_LEISURE) -> None:
        """Run its loop from a state."""
        super().resume(state, replay)
        self.rationed = True

    def _is_usual(self) -> bool:
        """Never: its messages are in its mailbox."""
        return False

    @property
    def _takes_nothing(self) -> bool:
        """What has been taken out of the queue is handled before a snapshot: outputs come in its
        order."""
        return self.paused or (self.held and not self.host.mails)

    # --- the actor's side ------------------------------------------------------------------

    async def receive(self, timeout: float | None) -> Any:
        """``ctx.receive``."""
        if self.turn is not None and self.turn.message is EMPTY:  # a time-out has been handled
            self._close_turn()
        if not self._reached:
            self._population.instance_begun(self.host)
        self._timed = timeout is not None and not self._silent
        return await super().receive(timeout)

    def _next(self) -> Any:
        mails = self.host.mails
        if not mails:
            return EMPTY
        turn = self.turn = mails.popleft()
        if turn.message is not CLOSE:
            return turn.message
        self._exit = self._exit or DRAIN
        return EMPTY

    def take(self, message: Any) -> None:
        """A message is in hand."""
        super().take(message)
        assert self.turn is not None
        self.ordinal = self.turn.ordinal

    def finish(self) -> None:
        """The message in hand has been handled."""
        super().finish()
        self.rationed = True
        self._close_turn()

    def _close_turn(self) -> None:
        turn, self.turn = self.turn, None
        if turn is not None:
            self._population.turn_over(turn)

    def _late(self, timeout: float | None) -> QueueTimeoutError:
        if self.turn is None:
            self.turn = self._population.order.open(Turn())
        return super()._late(timeout)

    async def send(self, message: Any) -> None:
        """``ctx.send``."""
        if self._cancelled:
            await self._park()
        order = self._population.order
        if self.turn is None:
            self.turn = order.open(Turn())
        if not order.is_first(self.turn):
            accepted = self.outport.values.accept(message)
            if await self._rest(order.hold(self.turn, accepted)):
                if self.paused:
                    await self.wait_active()
                return
        if not self.forced:
            order.check_room()
        await super().send(message)
