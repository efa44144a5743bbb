"""``RingKernelRuntime``: launches actors, finds them by their ids, and ends them all.

Input: kernel ids and messages.  Output: what the kernels' own calls return.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

from pydotcompute.accel.storage import RuntimeStorage, accelerated
from pydotcompute.actors.coroutine_parts import is_split, split_actor
from pydotcompute.actors.decorator import spec_for
from pydotcompute.errors import (
    KernelAlreadyExistsError,
    KernelNotFoundError,
    KernelStateError,
)
from pydotcompute.kernels.actor import Actor, Durability, Options
from pydotcompute.kernels.kernel import RingKernel
from pydotcompute.kernels.lifecycle import Termination, check_loop
from pydotcompute.kernels.population import Population
from pydotcompute.populations.spec import NO_KEY, population_spec
from pydotcompute.queues.backpressure import KernelState
from pydotcompute.settings import settings
from pydotcompute.support.arguments import duration, seconds
from pydotcompute.support.metrics import Statistics
from pydotcompute.support.worker_pool import Pool
from pydotcompute.topology.edge import Edge
from pydotcompute.topology.graph import Graph
from pydotcompute.topology.pipeline import Pipeline
from pydotcompute.topology.view import Node, Topology

if TYPE_CHECKING:
    from pydotcompute.backends.cuda.residency import Residents
    from pydotcompute.backends.device import Device
    from pydotcompute.durability.journal import Journal
    from pydotcompute.durability.snapshot import Snapshot

BACKENDS = ("auto", "cuda", "native", "python")
FALLBACKS = ("allow", "warn", "error")
DURABILITIES = ("process", "power")

_living: weakref.WeakSet[RingKernelRuntime] = weakref.WeakSet()


class RingKernelRuntime(RuntimeStorage):
    """Launches and runs actors.  Use it with ``async with``; all calls belong to one event loop.

    Args:
        backend: what runs an actor whose ``launch`` does not say: ``"auto"`` takes the best that
            can.
        fallback: what happens to an actor that cannot be compiled: ``"warn"`` (once, with the
            reason), ``"allow"``, or ``"error"`` (``launch`` raises ``LoweringError``).
        shutdown_timeout: seconds that leaving ``async with`` takes at most.
        residency: seconds a kernel stays on a GPU at most before it makes room for whatever else
            waits for the GPU; None for ever.
        idle: seconds it stays there without work.
        durable: a folder for a journal of what the actors are sent: a new process with the same
            folder goes on from there; None: nothing is kept.
        durability: what the journal survives: ``"process"``, the end of the process, or
            ``"power"``, that of the machine as well.

    Raises:
        TypeError: a time that is no number of seconds.
        ValueError: a backend, fallback or durability of another name, or a time that is not
            positive.
    """

    __slots__ = ("__dict__", "__weakref__")

    def __init__(
        self,
        *,
        backend: str = "auto",
        fallback: str = "warn",
        shutdown_timeout: float = 5.0,
        residency: float | None = 5e-3,
        idle: float = 200e-6,
        durable: str | os.PathLike[str] | None = None,
        durability: str = "process",
    ) -> None:
        if backend not in BACKENDS:
            raise ValueError(f"backend is one of {', '.join(BACKENDS)}, not {backend!r}")
        if fallback not in FALLBACKS:
            raise ValueError(f"fallback is one of {', '.join(FALLBACKS)}, not {fallback!r}")
        if durability not in DURABILITIES:
            raise ValueError(
                f"durability is one of {', '.join(DURABILITIES)}, not {durability!r}"
            )
        if durable is not None and not os.fspath(durable):
            raise ValueError("durable is the name of a folder, not ''")
        self._backend, self._fallback = backend, fallback
        self._durable = None if durable is None else Path(durable)
        self._durability = durability
        self._journal: Journal | None = None
        self._opening: asyncio.Task[Journal] | None = None
        stay = None if residency is None else duration(residency, "residency", never=True)
        self._residency = stay
        self._idle = duration(idle, "idle")
        self._residents: dict[Any, Residents] = {}
        self._shutdown_timeout = duration(shutdown_timeout, "shutdown_timeout", zero=True)
        self._kernels: dict[str, RingKernel] = {}
        self._graph = Graph()
        self._launching: set[str] = set()
        self._pool = Pool()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._poisoned: str | None = None
        self._closed = False
        weakref.finalize(self, self._pool.close)
        _living.add(self)

    def __repr__(self) -> str:
        return f"<RingKernelRuntime of {len(self._kernels)} kernels>"

    def __contains__(self, kernel_id: object) -> bool:
        return kernel_id in self._kernels

    @property
    def kernels(self) -> tuple[RingKernel, ...]:
        """The kernels launched here, ended ones included until their id is launched anew."""
        return tuple(self._kernels.values())

    async def __aenter__(self) -> RingKernelRuntime:
        self._check_loop()
        await self._open_journal()
        return self

    async def _open_journal(self) -> Durability | None:
        """The journal, opened when it is first needed; raises ``DurabilityError``."""
        if self._durable is None:
            return None
        from pydotcompute.kernels.durable import durability_of, open_journal

        if self._journal is None:
            if self._opening is None:
                self._opening = asyncio.ensure_future(
                    asyncio.to_thread(open_journal, self._durable, self._durability)
                )
            try:
                self._journal = await self._opening
            finally:
                self._opening = None
            weakref.finalize(self, self._journal.close)
        return durability_of(self._journal)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close(drain=error is None)

    async def close(self, *, timeout: float | None = None, drain: bool = True) -> None:
        """Terminate every kernel and end the worker threads.

        Args:
            timeout: seconds for all kernels together; ``None``: the runtime's own.
            drain: let them handle what is queued first.

        Raises:
            Whatever the first ``terminate`` raises that fails, when all kernels have been ended;
            the errors of others are its notes.
        """
        timeout = seconds(timeout)
        if self._poisoned is not None:
            return
        if self._loop is not None:
            check_loop(self._loop, 0)
        self._closed = True
        limit = self._shutdown_timeout if timeout is None else timeout
        try:
            outcomes = await self._terminate_all(limit, drain=drain)
        finally:
            for residents in self._residents.values():
                await residents.close(max(0.1, limit))
            await self._pool.closed()
            if self._journal is not None:
                self._close_journal(self._journal, acknowledged=drain)
        errors = [each for each in outcomes if isinstance(each, BaseException)]
        for error in errors[1:]:
            errors[0].add_note(f"another kernel did not end either: {error!r}")
        if errors:
            raise errors[0]

    def _close_journal(self, journal: Journal, *, acknowledged: bool) -> None:
        """Let others have the journal; what clients have received by a good end is theirs."""
        for kernel in self._kernels.values() if acknowledged and not journal.closed else ():
            if kernel.actor.log is not None:
                kernel.actor.log.acknowledge()
        journal.close()

    async def _terminate_all(self, limit: float, *, drain: bool) -> list[Any]:
        """Terminate every kernel, each after those that send to it; returns results or errors."""
        loop, graph = asyncio.get_running_loop(), self._graph
        deadline = loop.time() + limit
        tasks: dict[Any, asyncio.Task[Termination]] = {}

        async def end(kernel: RingKernel, sources: list[Any]) -> Termination:
            if sources:
                await asyncio.wait([tasks[each] for each in sources if each in tasks])
            left = max(0.0, deadline - loop.time())
            return await kernel.terminate(timeout=left, drain=drain)

        if not graph.links:
            endings = [k.terminate(timeout=limit, drain=drain) for k in self._kernels.values()]
            return list(await asyncio.gather(*endings, return_exceptions=True))
        actors = {kernel: kernel.actor for kernel in self._kernels.values()}
        for kernel, actor in actors.items():
            if drain and kernel.state is KernelState.DEACTIVATED:
                await actor.reactivate()  # else those before it could wait for it
        sources = {kernel: graph.upstream(actor) for kernel, actor in actors.items()}
        for kernel, actor in actors.items():
            tasks[actor] = loop.create_task(end(kernel, sources[kernel]))
        return list(await asyncio.gather(*tasks.values(), return_exceptions=True))

    # --- actors together -------------------------------------------------------------------

    async def connect(self, source: str, target: str, on: Any = None) -> Edge:
        """Let one actor receive what another sends.

        Args:
            source: the id of the actor that sends.
            target: the id of the actor that receives.
            on: a message class or a tuple of classes: only these; None: all.

        Returns:
            The edge, whose ``close`` ends it.

        Raises:
            KernelNotFoundError: no actor of such an id was launched.
            TopologyError: the edge exists, an actor has ended, or every actor of a cycle waits
                for room.
            MessageTypeError: what the source sends is not what the target takes.
        """
        self._check_loop()
        ends = (self.get(source).actor, self.get(target).actor)
        (link,) = await self._graph.connect([ends], on)
        return Edge(link, self._graph.close)

    async def pipeline(self, *kernel_ids: str) -> Pipeline:
        """Connect actors in a row.

        Args:
            kernel_ids: at least two.

        Returns:
            A handle that sends to the first and receives from the last.

        Raises:
            As ``connect``; then none is connected.
        """
        self._check_loop()
        if len(kernel_ids) < 2:
            raise ValueError(f"a pipeline has at least two actors, not {len(kernel_ids)}")
        kernels = [self.get(each) for each in kernel_ids]
        actors = [each.actor for each in kernels]
        links = await self._graph.connect(list(pairwise(actors)))
        return Pipeline(kernels, [Edge(each, self._graph.close) for each in links], links)

    async def snapshot(self) -> Snapshot:
        """All actors at one moment, with what is on its way along edges between them.

        Actors that have ended are left out.  The edges themselves are not restored: call
        ``connect`` after ``launch``, before ``activate``.

        Raises:
            As ``RingKernel.snapshot``.
        """
        from pydotcompute.kernels.snapshots import take

        self._check_loop()
        ended = (KernelState.TERMINATING, KernelState.TERMINATED)
        return await take([k.actor for k in self._kernels.values() if k.state not in ended])

    @property
    def topology(self) -> Topology:
        """The actors and edges at this moment, with their counts."""
        nodes = []
        for kernel_id, kernel in self._kernels.items():
            seen = kernel.statistics()
            nodes.append(Node(
                kernel_id, kernel.backend, kernel.state.value, seen.processed, seen.input_depth,
                seen.output_depth,
            ))  # fmt: skip
        return Topology(tuple(nodes), self._graph.edges())

    def blocked(self) -> list[tuple[str, str, float]]:
        """``(actor, waits_for, seconds)`` of every actor that waits for room at another."""
        return self._graph.blocked()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """No kernel of this runtime is on a GPU inside; messages wait, and nothing is lost.

        For what must have a GPU to itself: NCCL, profilers, benchmarks.  Actors on other backends
        go on.
        """
        self._check_loop()
        held: list[Residents] = []
        try:
            for residents in self._residents.values():
                held.append(residents)
                await residents.hold()
            yield
        finally:
            for residents in held:
                residents.release()

    def _residents_of(self, device: Device) -> Residents:
        from pydotcompute.backends.cuda.residency import Residents, Terms

        found = self._residents.get(id(device))
        if found is None:
            assert self._loop is not None
            terms = Terms(self._residency, self._idle, settings().debug_step)
            found = self._residents[id(device)] = Residents(device, self._loop, terms)
        return found

    # --- lifecycle -------------------------------------------------------------------------

    @overload
    async def launch(
        self,
        kernel_id: str,
        func: Any = None,
        *,
        backend: str | None = None,
        restore: Snapshot | None = None,
    ) -> RingKernel: ...

    @overload
    async def launch(
        self,
        kernel_id: str,
        func: Any = None,
        *,
        backend: str | None = None,
        key: str | tuple[str, ...],
        instances: int | None = None,
        restore: Snapshot | None = None,
    ) -> Population: ...

    async def launch(
        self,
        kernel_id: str,
        func: Any = None,
        *,
        backend: str | None = None,
        key: str | tuple[str, ...] | None = None,
        instances: int | None = None,
        restore: Snapshot | None = None,
    ) -> RingKernel:
        """Give an actor its queues, and compile it without blocking the event loop.

        Args:
            kernel_id: its id in this runtime, and in the registry if ``func`` is left out.
            func: a decorated actor, whose settings count, or a bare coroutine function.
            backend: instead of the runtime's own.
            key: the name of a field that every input class has, or a tuple of names: a
                *population* is launched, which has an actor for each key.
            instances: most actors that a population may have; None: no bound.
            restore: what it goes on from when it is activated: variables, queues and counters.  Of
                several actors the one with this id is taken; a single one may get another id.

        Returns:
            A ``RingKernel``; of a population, a ``Population``.

        Raises:
            TypeError, ValueError: ``key`` or ``instances`` means nothing.
            MessageTypeError: an input class lacks a field of ``key``, or has one of another type.
            SnapshotError: ``restore`` has no such actor, or does not fit its code.
            KernelNotFoundError: no actor of that id is registered.
            KernelAlreadyExistsError: a kernel of that id is running here.
            KernelStateError: this runtime has been closed, or is closed meanwhile.
            LoweringError: it cannot be compiled, and ``fallback`` is ``"error"``.
            BackendUnavailableError: the backend that was asked for cannot run here.
            DurabilityError: the runtime has a journal, and the actor does not do the same again
                when it is given the same messages, or the journal cannot be used.
        """
        self._check_loop()
        chosen = self._choose_backend(backend)
        spec = spec_for(kernel_id, func)
        population = population_spec(kernel_id, key, instances, spec.input_types)
        old = self._kernels.get(kernel_id)
        if kernel_id in self._launching or (old and old.state is not KernelState.TERMINATED):
            state = "being launched" if old is None else old.state.name
            raise KernelAlreadyExistsError(
                f"kernel {kernel_id!r} is {state} in this runtime; terminate it first, or launch "
                "this one under another id"
            )
        assert self._loop is not None
        fallback = self._fallback  # the setting is a default, as that of the backend is
        if fallback == "warn":
            fallback = settings().fallback or fallback
        self._launching.add(kernel_id)
        try:
            durability = await self._open_journal()
            options = Options(fallback, self._pool, self._residents_of, durability)
            if not is_split(spec.function):
                await self._pool.call(split_actor, spec.function)
            if old is not None:
                await self._graph.forget(old.actor)
            actor = Actor(spec, options, self._loop, population)
            if restore is not None:
                from pydotcompute.kernels.restoring import restore as fill

                await fill(actor, restore)
            await actor.launch(chosen)
        finally:
            self._launching.discard(kernel_id)
        self._check_loop()  # it may have been closed meanwhile, and would never end this kernel
        kernel = RingKernel(actor) if population is None else Population(actor)
        self._kernels[kernel_id] = kernel
        return kernel

    def _choose_backend(self, backend: str | None) -> str:
        if backend is not None and backend not in BACKENDS:
            raise ValueError(f"backend is one of {', '.join(BACKENDS)}, not {backend!r}")
        chosen = backend or self._backend
        return settings().backend if chosen == "auto" else chosen

    def get(self, kernel_id: str) -> RingKernel:
        """The kernel launched under an id.

        Raises:
            KernelNotFoundError: there is none.
        """
        try:
            return self._kernels[kernel_id]
        except KeyError:
            raise self._not_found(kernel_id) from None

    def _not_found(self, kernel_id: str) -> Exception:
        if self._poisoned is not None:
            return KernelStateError(self._poisoned)
        known = ", ".join(map(repr, list(self._kernels)[:5])) or "none"
        return KernelNotFoundError(
            f"no kernel {kernel_id!r} has been launched in this runtime (launched: {known}); "
            "call launch() first"
        )

    async def activate(self, kernel_id: str) -> None:
        """Start an actor; see ``RingKernel.activate``."""
        await self.get(kernel_id).activate()

    async def deactivate(self, kernel_id: str) -> None:
        """Pause an actor; see ``RingKernel.deactivate``."""
        await self.get(kernel_id).deactivate()

    async def reactivate(self, kernel_id: str) -> None:
        """Resume an actor; see ``RingKernel.reactivate``."""
        await self.get(kernel_id).reactivate()

    async def terminate(
        self, kernel_id: str, *, timeout: float | None = 5.0, drain: bool = True
    ) -> Termination:
        """End an actor; see ``RingKernel.terminate``."""
        return await self.get(kernel_id).terminate(timeout=timeout, drain=drain)

    async def restart(self, kernel_id: str, *, fresh: bool = False, key: Any = NO_KEY) -> None:
        """Run a failed actor again; see ``RingKernel.restart`` and ``Population.restart``."""
        await self.get(kernel_id).restart(fresh=fresh, key=key)

    # --- messages --------------------------------------------------------------------------

    @accelerated
    async def send(self, kernel_id: str, message: Any, *, timeout: float | None = None) -> None:
        """Send a message; see ``RingKernel.send``."""
        await self.get(kernel_id).send(message, timeout=timeout)

    @accelerated
    async def receive(self, kernel_id: str, *, timeout: float | None = None) -> Any:
        """Receive a message; see ``RingKernel.receive``."""
        return await self.get(kernel_id).receive(timeout=timeout)

    @accelerated
    async def request(self, kernel_id: str, message: Any, *, timeout: float | None = None) -> Any:
        """Send a message and wait for the reply to it; see ``RingKernel.request``."""
        return await self.get(kernel_id).request(message, timeout=timeout)

    async def send_many(self, kernel_id: str, batch: Any, *, timeout: float | None = None) -> int:
        """Send a batch; see ``RingKernel.send_many``."""
        return await self.get(kernel_id).send_many(batch, timeout=timeout)

    async def receive_many(
        self, kernel_id: str, max_messages: int, *, timeout: float | None = None, out: Any = None
    ) -> Any:
        """Receive a batch; see ``RingKernel.receive_many``."""
        return await self.get(kernel_id).receive_many(max_messages, timeout=timeout, out=out)

    def messages(self, kernel_id: str) -> AsyncIterator[Any]:
        """The messages of an actor until it ends; see ``RingKernel.messages``."""
        return self.get(kernel_id).messages()

    def statistics(self, kernel_id: str) -> Statistics:
        """What an actor has done so far."""
        return self.get(kernel_id).statistics()

    # --- one process, one loop -------------------------------------------------------------

    def _check_loop(self) -> None:
        if self._poisoned is not None:
            raise KernelStateError(self._poisoned)
        loop = asyncio.get_running_loop()
        if self._closed:
            raise KernelStateError("this runtime has been closed; make a new RingKernelRuntime()")
        if self._loop is None:
            self._loop = loop
        check_loop(self._loop, 0)

    def _poison(self) -> None:
        self._poisoned = (
            "this runtime was made before fork() and does not work in the child process; make a "
            "new RingKernelRuntime() here, or start the process with multiprocessing's 'spawn'"
        )
        for kernel in self._kernels.values():
            kernel.poison(self._poisoned)
        if self._journal is not None:
            self._journal.forget()


def _poison_all() -> None:
    for runtime in list(_living):
        runtime._poison()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_poison_all)
