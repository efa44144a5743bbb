"""One launched actor: its queues, its engine, and the transitions of its life.

Input: a ``KernelSpec`` and calls.  Output: a state (``KernelState``), an engine that runs or does
not, and the right error for whoever calls or waits.

What belongs here: the order of things in a transition.  Waiting is in ``channel``, running in
``backends``, the way users call it in ``kernel``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pydotcompute.accel.storage import JOURNALED
from pydotcompute.actors.coroutine_parts import split_actor
from pydotcompute.actors.override import check_folder, tell_edited
from pydotcompute.actors.spec import KernelSpec
from pydotcompute.backends.base import (
    AT_LEISURE,
    Engine,
    Failure,
    HostCallError,
    InstanceState,
    Interpreter,
    PopulationEngine,
    Replay,
)
from pydotcompute.backends.choice import choose, is_quick, without_device
from pydotcompute.backends.cuda.device_selection import callers_device
from pydotcompute.backends.device import Device, DeviceFault
from pydotcompute.backends.engines import (
    engine_for,
    interpreted_population_for,
    interpreter_for,
    population_engine_for,
)
from pydotcompute.backends.plan import Plan
from pydotcompute.backends.python.failure import failure_error
from pydotcompute.backends.python.kept_state import snapshot
from pydotcompute.errors import (
    DurabilityError,
    InternalError,
    KernelClosedError,
    LoweringError,
)
from pydotcompute.kernels.deadline import Deadline
from pydotcompute.kernels.fallback import tell, tell_breaks
from pydotcompute.kernels.lifecycle import Termination, check
from pydotcompute.messages.field_errors import defined_anew
from pydotcompute.messages.slots import Values
from pydotcompute.populations.admission import Admission, KeyedPort, KeyedValues
from pydotcompute.populations.spec import PopulationSpec
from pydotcompute.queues.backpressure import BackpressureStrategy, KernelState
from pydotcompute.queues.channel import (
    CLOSED,
    DROPS,
    KEYED,
    ROUTED,
    SPECIAL,
    Channel,
)
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.link import Link
from pydotcompute.queues.port import ObjectPort, Port
from pydotcompute.queues.putters import Put, PutBatch
from pydotcompute.queues.replies import Replies
from pydotcompute.queues.routes import Routes
from pydotcompute.support import notices
from pydotcompute.support.metrics import Meter, Statistics, collect

if TYPE_CHECKING:
    from pydotcompute.backends.cuda.residency import Residents
    from pydotcompute.backends.device import Device
    from pydotcompute.durability.actor_log import ActorLog

log = logging.getLogger("pydotcompute.kernel")

RequestGate = Callable[[float | None], AbstractAsyncContextManager[None]]
"""What is entered while a request is put; takes the loop's time by which it has to be, if any."""


@dataclass
class Recovered:
    """How far an actor had come, by the journal, when its last process died.

    Args:
        plan: what runs it; None: as its own.
        state: its variables; None: it runs from its first statement.
        outputs: what it has sent and no client has acknowledged, oldest first.
        sends: what it has sent along edges and no target has got.
        inputs: what it has not handled.
        failure: why it has failed, if it has.
        ended: its function is over.
    """

    plan: Plan | None = None
    state: dict[str, Any] | None = None
    outputs: list[Any] = field(default_factory=list)
    sends: list[tuple[Link, Any]] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    failure: Failure | None = None
    ended: bool = False


@dataclass(frozen=True)
class Durability:
    """What a runtime with a journal does for its actors.

    Args:
        open: the journal of an actor that is launched as this plan says; raises
            ``DurabilityError``.
        check: raises ``DurabilityError`` for a plan that no replay can follow.
        recover: does again what the journal says.
        begun: told the variables that the prologue left; raises ``DurabilityError``.
        ending: told that the actor has handled all that it will.
    """

    open: Callable[[Actor], ActorLog]
    check: Callable[[KernelSpec, Plan], None]
    recover: Callable[[Actor], Awaitable[Recovered]]
    begun: Callable[[Actor, dict[str, Any]], None]
    ending: Callable[[Actor], None]


@dataclass(frozen=True)
class Options:
    """What a runtime decides for its actors.

    Args:
        fallback: ``"allow"``, ``"warn"`` or ``"error"``.
        pool: worker threads, for compiling and for long work.
        residents: those who run on a device, and look after it.
        durability: for actors with a journal.
    """

    fallback: str
    pool: Any
    residents: Callable[[Device], Residents]
    durability: Durability | None = None


class Actor:
    """A launched actor.

    Args:
        spec: what it is.
        options: the runtime's decisions.
        loop: the event loop everything happens on.
        population: what its instances are keyed by; None: it is one actor.

    Attributes:
        members: of a population, its engine, also after the end.
    """

    def __init__(
        self,
        spec: KernelSpec,
        options: Options,
        loop: asyncio.AbstractEventLoop,
        population: PopulationSpec | None = None,
    ) -> None:
        self.spec, self.options, self.loop = spec, options, loop
        self.kernel_id = spec.kernel_id
        self.population = population
        self.admission: Admission | None = None
        self.members: PopulationEngine | None = None
        if population is not None:
            self.admission = Admission(self.kernel_id, population, self._queued_keys)
        self._declared = {"input": spec.input_types, "output": spec.output_types}
        self.declares_input = bool(spec.input_types)
        self.split = split_actor(spec.function)
        self.state = KernelState.CREATED
        self.plan = Plan("pending")
        self.failure: Failure | None = None
        self.termination: Termination | None = None
        self.meter = Meter()
        self.engine: Engine | None = None
        self.replies = Replies(self._requests_changed)
        self.poisoned: str | None = None
        self.log: ActorLog | None = None
        self.keeps_beginning = options.durability is not None
        self.progress_at_start = (0, 0, 0)
        self._recovering: asyncio.Future[Recovered] | None = None
        self.breaks: dict[str, int] = {}
        self._before_move: Plan | None = None
        self._interprets = False
        self._crashing = False
        self.request_gate: RequestGate | None = None
        self.routes: Routes | None = None
        self.inflows: list[Link] = []
        self.restored: dict[str, Any] | None = None
        self.restored_unsent: list[tuple[Any, list[str]]] = []
        self.restored_instances: list[InstanceState] = []
        self._asked = "auto"
        self._over = loop.create_future()
        self._ending: asyncio.Task[Termination] | None = None
        self._specialising: asyncio.Task[None] | None = None
        self._deadline = Deadline(loop)
        self._recompiling: asyncio.Task[None] | None = None
        self.inbox = self._channel("input", self.object_port("input", 0))
        self.outbox = self._channel("output", self.object_port("output", 0))
        self.listen()
        if population is not None:
            self.inbox.set_gate(put=KEYED)

    # --- queues ----------------------------------------------------------------------------

    def _channel(self, which: str, port: Port) -> Channel:
        label = f"{which} queue of kernel {self.kernel_id!r}"
        return Channel(port, self.spec.backpressure, self.loop, label)

    def object_port(self, which: str, head: int) -> ObjectPort:
        drop = self.spec.backpressure is BackpressureStrategy.DROP_OLDEST
        size, classes = self.spec.queue_size, self._declared[which]
        if which == "input" and self.admission is not None:
            keyed = KeyedValues(self.kernel_id, classes, self.admission)
            return KeyedPort(size, keyed, drop_oldest=drop, head=head)
        values = Values(self.kernel_id, classes, "takes" if which == "input" else "sends")
        return ObjectPort(size, values, drop_oldest=drop, head=head)

    def _queued_keys(self) -> Iterator[Any]:
        """Of a population: the keys of the messages that are queued, or wait for room."""
        assert self.population is not None
        key_of = self.population.key_of
        if isinstance(self.inbox.port, ObjectPort):
            yield from map(key_of, self.inbox.port.items)
        for putter in self.inbox.putters:
            if isinstance(putter, Put):
                yield key_of(putter.message)
            elif isinstance(putter, PutBatch):
                yield from map(key_of, putter.batch[putter.done :])

    def listen(self) -> None:
        """Those who wait at the queues are told by their ports."""
        for channel in (self.inbox, self.outbox):
            channel.port.wake = channel.notify
            channel.port.wake_suppressed = 0 if channel.getters else 1

    def use_objects(self) -> None:
        """Take the messages out of the rings: the interpreter, or nobody, goes on with them."""
        if self.engine is not None:
            self.engine.settle()
        self._leave_rings()

    def _leave_rings(self, *, salvage: bool = False) -> None:
        """From rings to objects; ``salvage``: what cannot be read is left behind."""
        port = self.inbox.port
        if isinstance(port, HostProducer):
            objects = self.object_port("input", port.head)
            objects.restore(port.waiting(salvage=salvage))
            self.inbox.replace_port(objects)
        port = self.outbox.port
        if isinstance(port, HostConsumer):
            own = len(port.overflow)
            messages = port.take_all(salvage=salvage)
            objects = self.object_port("output", port.tail)
            objects.restore(messages if self.routes is None else messages[:own])
            self.outbox.replace_port(objects)
            if self.routes is not None:
                for message in messages[own:]:
                    if not self.routes.offer(message, None):
                        self.outbox.keep(message)
        self.outbox.on_room = None
        self.listen()
        self.outbox.wake_getters()

    def use_rings(self, inport: HostProducer, outport: HostConsumer) -> None:
        """Compiled code is at the other end from now on."""
        self.inbox.replace_port(inport)
        if self.log is not None:
            self.log.attach(inport)
        self.outbox.replace_port(outport)
        outport.overflowed = self._requests_changed
        outport.unreadable = self.crashed
        self._requests_changed()

    def _requests_changed(self) -> None:
        """Outputs must be sorted, or need not be any more."""
        port = self.outbox.port
        if self.replies.pending or (isinstance(port, HostConsumer) and port.overflow):
            self.outbox.set_gate(get=SPECIAL)
        else:
            self.outbox.clear_gate(get=SPECIAL)
        if self.spec.backpressure is not BackpressureStrategy.DROP_OLDEST:
            return
        if self.replies.pending:
            self.inbox.set_gate(put=DROPS)
            self.inbox.on_drop = self._tell_dropped
        else:
            self.inbox.clear_gate(put=DROPS)
            self.inbox.on_drop = None

    def _tell_dropped(self, tail: int) -> None:
        """A message was put into a queue that drops its oldest, while requests are under way.

        Args:
            tail: the ordinal of the oldest message before that.
        """
        port = self.inbox.port
        if not isinstance(port, HostProducer):
            self.replies.drop(tail, port.tail)
        elif self.engine is not None:
            self.engine.note_drops()

    def types(self, which: str) -> tuple[type, ...]:
        """The classes of its ``"input"`` or ``"output"``, as far as they are known."""
        declared = self.spec.input_types if which == "input" else self.spec.output_types
        program = self.plan.program
        if declared or program is None:
            return declared
        return program.input_types if which == "input" else program.output_types

    # --- edges -----------------------------------------------------------------------------

    async def reroute(self, link: Link, *, opened: bool) -> None:
        """Open or close an edge from this actor, between two of its messages.

        Args:
            link: the edge.
            opened: whether it is opened.
        """
        engine = self.engine
        if engine is not None:
            await engine.hold()
        if opened:
            if self.routes is None:
                self.routes = Routes(self, self._routes_clear)
                self.outbox.set_gate(put=ROUTED, get=ROUTED)
            if self.log is not None:
                link.origin = self.log.origin
            self.routes.add(link)
        elif self.routes is not None and not link.closed:
            self.routes.remove(link)
        self._routes_clear()
        if engine is not None:
            engine.rerouted()

    def _routes_clear(self) -> None:
        """Nothing that was sent waits for room any more."""
        routes = self.routes
        if routes is not None and not routes.links and not routes.backlog:
            self.routes = None
            self.outbox.clear_gate(put=ROUTED, get=ROUTED)
        if self.engine is not None:
            self.engine.come()

    def cannot_send(self, error: Exception) -> bool:
        """A message that has left compiled code cannot be delivered: the actor fails."""
        if self.engine is None or self.engine.interprets or self._over.done():
            return False
        failure = self.engine.abandon(error)
        self._leave_rings(salvage=True)
        self.failed(failure)
        return True

    # --- launching -------------------------------------------------------------------------

    async def launch(self, backend: str) -> None:
        """Choose what runs the actor, and compile it off the event loop.

        Raises:
            LoweringError: it cannot be compiled, and the fallback is ``"error"``.
            BackendUnavailableError: the backend asked for cannot run here.
        """
        check("launch", self.state, self.kernel_id)
        self._asked = backend
        check_folder()
        self.plan = await self._choose(backend, self.restored)
        self._check_room()
        if self.options.durability is not None:
            self._open_log(self.options.durability)
        if self.plan.backend == "pending" and not self.declares_input:
            self.inbox.set_gate(put=SPECIAL)
        self.state = KernelState.LAUNCHED

    def _open_log(self, durability: Durability) -> None:
        """From now on every message for the actor is written to the journal first."""
        if self.population is not None or self.restored is not None:
            what = "a population" if self.population is not None else "restore="
            raise DurabilityError(
                f"kernel {self.kernel_id!r} cannot be durable: {what} is not journaled yet; launch "
                "it in a runtime without durable="
            )
        self.log = self.inbox.journal = durability.open(self)
        self.meter.first = self.log.past.inputs
        self.inbox.replace_port(self.object_port("input", self.meter.first))
        self.listen()
        self.inbox.set_gate(put=JOURNALED)
        self.outbox.set_gate(get=JOURNALED)

    def ending(self) -> None:
        """All that is to be handled has been: what the actor sends from now on belongs to its end,
        which no replay knows of."""
        if self.options.durability is not None:
            self.options.durability.ending(self)

    def begun(self, values: dict[str, Any]) -> bool:
        """The prologue is over, with these variables; False: the actor must not go on."""
        if self.options.durability is None:
            return True
        try:
            self.options.durability.begun(self, values)
        except DurabilityError as error:
            self.failed(Failure(error))
            return False
        return True

    def timed_out(self) -> bool:
        """A ``receive`` has waited long enough; False: it must wait on all the same."""
        return self.log is None or self.log.timed_out()

    def _check_room(self) -> None:
        """Actors that stay on a device for ever need room there."""
        device, program = self.plan.device, self.plan.program
        if device is not None and program is not None:
            residents = self.options.residents(device)
            residents.check_room(device.load(program.library, program.lanes.count), self.kernel_id)

    async def _choose(self, backend: str, state: dict[str, Any] | None) -> Plan:
        with notices.held(), callers_device():
            asked = (self.spec, self.split, backend, state, self.options.fallback,
                     self.population)  # fmt: skip
            plan: Plan
            if state is None and self.population is None and is_quick(self.spec, backend):
                plan = choose(*asked)
            else:
                plan = await self.options.pool.call(choose, *asked)
            if plan.program is not None and plan.device is not None:
                plan = await self._with_memory(plan, plan.device, backend)
        if self.options.durability is not None:
            await self.options.pool.call(self.options.durability.check, self.spec, plan)
        if plan.fell_back:
            self._tell(plan.reason or "")
        if plan.program is not None and plan.lowering is not None:
            breaks = plan.lowering.breaks
            tell_breaks(self.kernel_id, breaks, self.options.fallback, self.spec.function)
        edited = getattr(plan.lowering, "edited", None)
        if plan.program is not None and edited is not None:
            tell_edited(self.kernel_id, edited)
        return plan

    async def _with_memory(self, plan: Plan, device: Device, backend: str) -> Plan:
        """A plan for a device, once there is memory for it; else one for the host."""
        try:
            await self.options.residents(device).stock(self.options.pool)
        except DeviceFault as fault:
            plan = await self.options.pool.call(
                without_device, plan, self.split, backend, self.options.fallback,
                f"{device.name} gave no memory for it ({fault})",
            )  # fmt: skip
        return plan

    def _tell(self, reason: str) -> None:
        tell(self.kernel_id, reason, self.options.fallback, self.spec.function)

    def specialise(self, message: Any) -> asyncio.Task[None] | None:
        """The first message is here: its class is the input type that was left out."""
        if self.plan.backend != "pending" or self._specialising is not None:
            return self._specialising
        return self._specialise_for((type(message),))

    def take_types(self, classes: tuple[type, ...]) -> None:
        """An edge brings messages of these classes: they are the input types, if left out."""
        pending = self.plan.backend == "pending" and self._specialising is None
        if pending and classes and not self.spec.input_types:
            self._specialise_for(classes)

    def _specialise_for(self, classes: tuple[type, ...]) -> asyncio.Task[None]:
        self.spec = replace(self.spec, input_types=classes)
        if self.engine is not None:
            self.engine.expect()
        self._specialising = self.loop.create_task(self._specialise())
        return self._specialising

    async def _specialise(self) -> None:
        try:
            await self.recompile(None)
        except LoweringError:
            self.plan = Plan("pending")
            self.spec = replace(self.spec, input_types=())
            self._specialising = None
            if self.engine is not None:
                self.engine.compiled()
            raise
        except Exception as error:
            self.failed(Failure(error))
        self.inbox.clear_gate(put=SPECIAL)

    async def recompile(self, state: dict[str, Any] | None) -> None:
        """Compile anew, for types that have become known; the engine adopts the result."""
        engine = self.engine
        if engine is not None and state is None:
            state = engine.known_state
        asked = "auto" if self._asked == "native" else self._asked
        with notices.unraised():
            self.plan = await self._choose(asked, state)
        if engine is not None and engine is self.engine:
            engine.compiled()

    def recompile_later(self, state: dict[str, Any]) -> None:
        """Compile anew for the variables' values, off the event loop."""
        self._recompiling = self.loop.create_task(self._recompile(state))

    async def _recompile(self, state: dict[str, Any]) -> None:
        try:
            await self.recompile(state)
        except Exception as error:
            self.failed(Failure(error, None, state))

    # --- running ---------------------------------------------------------------------------

    def _run_engine(self, state: dict[str, Any] | None) -> None:
        """Run the actor from a state, or from its first statement."""
        try:
            if self.population is not None:
                self.engine = self.members = population_engine_for(self, self.options.pool)
            else:
                self.engine = engine_for(self, self.options.pool, self.options.residents)
        except Exception as error:
            self.crashed(error)
            return
        if state is None:
            self.progress_at_start = self.progress()
            self.engine.start()
        else:
            self.engine.resume(state)

    def progress(self) -> tuple[int, int, int]:
        """Messages taken, put into the output queue, and sent along edges."""
        links = () if self.routes is None else self.routes.links
        sent = sum(link.delivered for link in links)
        return self.inbox.port.tail, self.outbox.port.head, sent

    async def activate(self) -> None:
        """Start the actor."""
        check("activate", self.state, self.kernel_id)
        self.state = KernelState.ACTIVE
        self.meter.run(perf_counter())
        if self.options.durability is None:
            self._send_restored()
            state, self.restored = self.restored, None
            self._run_engine(state)
        else:
            await self._recover(self.options.durability)
        await asyncio.sleep(0)  # a prologue that does not wait has run when activate returns
        if self._recompiling is not None:
            await asyncio.wait([self._recompiling])

    def _send_restored(self) -> None:
        """What an earlier life has sent goes along the edges that there are now."""
        unsent, self.restored_unsent = self.restored_unsent, []
        for message, targets in unsent:
            links = self.routes.links if self.routes is not None else ()
            to = [each for each in links if each.target.kernel_id in targets]
            if self.routes is not None and to:
                self.routes.carry_on(message, to)
            else:
                self.outbox.keep(message)

    async def _recover(self, durability: Durability) -> None:
        """Go on from where the last process was."""
        self._recovering = asyncio.ensure_future(durability.recover(self))
        try:
            recovered = await self._recovering
        except BaseException:
            if self.state is KernelState.ACTIVE:
                self.state = KernelState.LAUNCHED
                self.meter.rest(perf_counter())
            raise
        finally:
            self._recovering = None
        if self.termination is None and self._ending is None:
            self._continue(recovered)

    def _continue(self, recovered: Recovered) -> None:
        self.plan = recovered.plan or self.plan
        for message in recovered.outputs:
            self.outbox.keep(message)
        self.inbox.port.put_back(recovered.inputs)
        if recovered.failure is not None:
            self.failed(recovered.failure)
        elif recovered.ended:
            self.ended()
        else:
            self._run_engine(recovered.state)
        for link, message in recovered.sends:
            if self.routes is not None:
                self.routes.carry_on(message, [link])

    async def _recovered(self) -> None:
        """Wait until the journal has been done again."""
        if self._recovering is not None:
            await asyncio.wait([self._recovering])
            await asyncio.sleep(0)

    async def deactivate(self) -> None:
        """Pause the actor between two messages."""
        await self._recovered()
        check("deactivate", self.state, self.kernel_id)
        self.state = KernelState.DEACTIVATED
        assert self.engine is not None
        await self.engine.pause()
        if self.state is KernelState.DEACTIVATED:
            self.meter.rest(perf_counter())

    async def reactivate(self) -> None:
        """Resume a paused actor."""
        check("reactivate", self.state, self.kernel_id)
        self._resume()

    def _resume(self) -> None:
        self.state = KernelState.ACTIVE
        self.meter.run(perf_counter())
        assert self.engine is not None
        self.engine.unpause()

    async def restart(self, *, fresh: bool) -> None:
        """Run a failed actor again: from its last good state, or from its first statement."""
        check("restart", self.state, self.kernel_id)
        if self.log is not None:
            self.log.restarted(fresh=fresh)
        failure, self.failure = self.failure, None
        self.use_objects()
        self.state = KernelState.ACTIVE
        self.meter.run(perf_counter())
        self.inbox.reopen()
        self.outbox.reopen()
        self._over = self.loop.create_future()
        if fresh or failure is None or not failure.state_known:
            self._run_engine(None)
        else:
            state = failure.state | failure.state_after
            self._run_engine(snapshot(state, state))  # the errors of the failure keep theirs
        await asyncio.sleep(0)

    # --- resting ---------------------------------------------------------------------------

    async def rest(self) -> None:
        """Return when the actor is between two messages, where it stays until its engine goes on.

        Raises:
            SnapshotError: it is paused in the middle of a message.
        """
        while not self.rests:
            assert self.engine is not None
            await self.engine.rest()

    @property
    def rests(self) -> bool:
        """Whether the actor rests, or does not run."""
        return self.engine is None or self.engine.rests

    def go_on(self) -> None:
        """The end of ``rest``."""
        if self.routes is not None:
            self.routes.through = False
        if self.engine is not None:
            self.engine.go_on()

    def state_at_rest(self) -> dict[str, Any] | None:
        """The variables of an actor that rests; None: its loop has not begun.

        Raises:
            SnapshotError: it could not go on from them.
        """
        return self.restored if self.engine is None else self.engine.state_at_rest()

    def instances_at_rest(self) -> list[InstanceState]:
        """The instances of a population that rests; raises SnapshotError as ``state_at_rest``."""
        return self.restored_instances if self.members is None else self.members.instances_at_rest()

    def inputs_at_rest(self) -> list[tuple[int, Any]]:
        """The messages that wait for an actor that rests, with their ordinals, oldest first."""
        port, taken = self.inbox.port, [] if self.members is None else self.members.taken_at_rest()
        if isinstance(port, HostProducer):
            waiting = port.waiting()
        else:
            assert isinstance(port, ObjectPort)
            waiting = list(port.items)
        return [*taken, *enumerate(waiting, port.head - len(waiting))]

    def unsent(self) -> list[tuple[Any, list[str]]]:
        """Messages that wait for room at the targets of edges, and the ids of those targets."""
        waiting = [] if self.routes is None else self.routes.backlog
        return [*self.restored_unsent, *((each.message, each.targets()) for each in waiting)]

    # --- what engines report ---------------------------------------------------------------

    def hand_over(
        self, state: dict[str, Any], reason: str, *, told: bool = False,
        replay: Replay = AT_LEISURE,
    ) -> None:  # fmt: skip
        """The interpreter carries on, from the first message in the input queue."""
        old = self.engine
        self.use_objects()
        self.meter.interpret_from_here(perf_counter())
        engine: Interpreter
        if self.population is not None:
            engine = self.engine = self.members = interpreted_population_for(self)
        else:
            engine = self.engine = interpreter_for(self)
        if not told:
            self._deoptimised(reason)
        if old is not None:
            old.pass_on(engine)
        engine.resume(state, replay)

    async def interpret_foreign(self, message: Any) -> None:
        """A message that compiled code cannot represent is about to be sent."""
        if self.engine is not None:
            cls = type(message)
            what = f"a {cls.__name__} message was sent, which it was not compiled for"
            if defined_anew(self.spec.input_types, cls):
                what = f"{cls.__name__} has been defined anew since it was compiled"
            await self.engine.surrender(what)

    def keep(self, engine: Interpreter, reason: str) -> None:
        """An interpreter that handles a message carries on for good."""
        self.use_objects()
        self.meter.interpret_from_here(perf_counter())
        self.engine = engine
        self._deoptimised(reason)

    def moved(self, reason: str | None) -> None:
        """The interpreter runs the actor for a while, for this reason; None: no longer."""
        before, self._before_move = self._before_move, None
        if reason is not None:
            self._before_move = self.plan
            self._deoptimised(reason)
        elif before is not None:
            self.plan = before

    def object_ports(self) -> tuple[ObjectPort, ObjectPort]:
        """Empty ports of objects for input and output, with the checks of the actor's queues."""
        return self.object_port("input", 0), self.object_port("output", 0)

    def broke(self, where: str) -> None:
        """A message has come to a statement that cannot be compiled."""
        self.breaks[where] = self.breaks.get(where, 0) + 1

    def _deoptimised(self, reason: str) -> None:
        self.plan = replace(self.plan, backend="python", reason=reason)
        self.meter.fallbacks += 1
        with notices.unraised():
            self._tell(reason)

    def ended(self) -> None:
        """The actor's function is over."""
        if self.state not in (KernelState.TERMINATING, KernelState.TERMINATED):
            self._close_down(KernelState.TERMINATED)
        self._set_over()

    def failed(self, failure: Failure) -> None:
        """An exception left the actor's function."""
        self.failure = failure
        self.meter.errors += 1
        log.error(
            "kernel %r failed: %s: %s", self.kernel_id, type(failure.error).__name__,
            failure.error, extra={"kernel_id": self.kernel_id},
        )  # fmt: skip
        if self.state is not KernelState.TERMINATING:
            self._close_down(KernelState.FAILED)
        self._set_over()

    def crashed(self, error: Exception) -> None:
        """The engine failed, outside the actor's code: the actor ends, and says so.

        Args:
            error: what the engine raised.
        """
        dead = self.failure is not None or self.state is KernelState.TERMINATED
        level = logging.DEBUG if dead or self._crashing else logging.ERROR
        log.log(level, "the engine of kernel %r failed", self.kernel_id, exc_info=error)
        if dead or self._crashing:
            return
        self._crashing = True
        try:
            backend = self.plan.backend
            found = error.__cause__ if isinstance(error, HostCallError) else None
            if not isinstance(found, Exception):
                what = f"{type(error).__name__}: {error}"
                found = InternalError(f"the {backend} engine failed: {what}")
                found.__cause__ = error
            failure = Failure(found) if self.engine is None else self.engine.abandon(found)
            self._leave_rings(salvage=True)
            self.failed(failure)
        finally:
            self._crashing = False

    def _set_over(self) -> None:
        if self.routes is not None and not self.routes.backlog:
            self.routes.leave_seat()
        if not self._over.done():
            self._over.set_result(None)

    def _close_down(self, state: KernelState) -> None:
        self.meter.rest(perf_counter())
        self.state = state
        self.inbox.close(self.error)
        self.outbox.close(self.error)
        self.replies.close(self.error)

    def error(self, count: int = 0) -> Exception:
        """The error for a call that a dead or dying actor cannot serve."""
        if self.failure is not None and self.state is not KernelState.TERMINATED:
            return failure_error(self.failure, self.kernel_id)
        how = "is being terminated" if self.state is KernelState.TERMINATING else "has ended"
        error = KernelClosedError(f"kernel {self.kernel_id!r} {how}", count)
        if self.failure is not None:
            error.__cause__ = self.failure.error
        return error

    # --- ending ----------------------------------------------------------------------------

    async def terminate(self, timeout: float | None, *, drain: bool) -> Termination:
        """End the actor; every call returns the same report."""
        if self.termination is not None:
            return self.termination
        self._deadline.allow(timeout)
        if self._ending is None:
            self._ending = self.loop.create_task(self._terminate(drain))
        return await asyncio.shield(self._ending)

    async def _terminate(self, drain: bool) -> Termination:
        in_hand: list[Any] = []
        if self._recovering is not None:
            self._recovering.cancel()
        running = self.state in (KernelState.ACTIVE, KernelState.DEACTIVATED)
        if self._specialising is not None and not self._specialising.done():
            await self._deadline.ended(self._specialising)
        if running and self.engine is not None:
            self.state = KernelState.TERMINATING
            self.meter.run(perf_counter())
            self.inbox.close(self.error, getters=False)
            in_hand = await self._end_engine(drain)
        try:
            self.use_objects()
        except Exception as error:
            self.crashed(error)
        self.inbox.clear_gate(put=SPECIAL)
        unprocessed = (*in_hand, *self.inbox.port.take_all())
        if self.routes is not None:
            await self._deliver_rest(self.routes, drain)
        self._close_down(KernelState.TERMINATED)
        if self.engine is not None:
            self._interprets = self.engine.interprets
        self.engine = None
        failure = None if self.failure is None else failure_error(self.failure, self.kernel_id)
        drained = drain and not unprocessed and failure is None
        self.termination = Termination(self.kernel_id, drained, unprocessed, failure)
        return self.termination

    async def _deliver_rest(self, routes: Routes, drain: bool) -> None:
        """What the actor has sent last: to its targets, or into its own output queue."""
        if drain and routes.backlog:
            clear = self.loop.create_task(routes.clear())
            await self._deadline.drained(clear)
            clear.cancel()
        for message in routes.give_up():
            self.outbox.keep(message)

    async def _end_engine(self, drain: bool) -> list[Any]:
        assert self.engine is not None
        self.engine.begin_exit(drain=drain)
        if drain:
            await self._deadline.drained(self._over)
        if not self._over.done():
            self.engine.hurry()
            await self._deadline.ended(self._over)
        if self._over.done():
            return []
        log.warning("kernel %r did not end in time and was abandoned", self.kernel_id)
        return await self.engine.kill()

    # --- looking ---------------------------------------------------------------------------

    def statistics(self) -> Statistics:
        """The actor at this moment."""
        if self.engine is not None:
            self.engine.settle()
            self._interprets = self.engine.interprets
        return collect(self.meter, self.inbox, self.outbox, interpreted=self._interprets)

    def poison(self, why: str) -> None:
        """Refuse every call from now on: this is a forked copy of the actor."""
        self.poisoned = why
        self.inbox.set_gate(put=CLOSED, get=CLOSED)
        self.outbox.set_gate(put=CLOSED, get=CLOSED)
