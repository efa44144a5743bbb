"""Who is resident on a device, and who looks after it: one ``Residents`` for each runtime.

Input: engines that have work.  Output: grids on streams, and a call of ``look`` for every resident
engine at every tick, until it has parked.

A grid is what one launch begins: actors of one program, a block each, on a stream of its own.
There are at most as many at a time as the device has connections, so that none waits behind
another; engines that find no place wait in line, and grids that have had theirs for a while are
asked to leave.  All of it belongs to the event loop's thread, and nothing here waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, Protocol

from pydotcompute.backends.base import Host
from pydotcompute.backends.cuda.block import FOREVER
from pydotcompute.backends.device import Arena, Device, DeviceFault, Kernel, Piece, Stream
from pydotcompute.compiler.abi import Leave
from pydotcompute.errors import BackendUnavailableError
from pydotcompute.support.worker_pool import Pool

TICK = 1e-3
"""Seconds between two looks at kernels that have nothing to tell."""
SPIN = 300e-6
"""Seconds after the last news during which the event loop looks at every turn."""
SLICE = 1e-3
"""Seconds a grid has before it makes room for others."""
CHECK = 64
"""Ticks between two questions whether the device has died."""
_MOST_BLOCKS = 1024
"""Actors in one grid."""


class Resident(Protocol):
    """What is asked of an actor's engine here."""

    host: Host
    kernel: Kernel

    def prepare(self) -> int | None:
        """The launch comes now; returns the address of the record, or None after a fault."""
        ...

    def order(self, leave: Leave) -> None:
        """Ask the actor to leave."""
        ...

    def look(self) -> bool:
        """See what the device has done; True if there was anything."""
        ...

    def died(self, fault: DeviceFault, *, resident: bool) -> None:
        """The device has died, with the actor on it or not."""
        ...


@dataclass(frozen=True)
class Terms:
    """For how long kernels stay.

    Args:
        residency: seconds at most; None for ever.
        idle: seconds without work.
        debug_step: polls, in place of both; 0 for the clock.
    """

    residency: float | None = 5e-3
    idle: float = 200e-6
    debug_step: int = 0

    @property
    def nanoseconds(self) -> int:
        """The longest residency."""
        return FOREVER if self.residency is None else round(self.residency * 1e9)


@dataclass(eq=False)
class _Grid:
    """One launch.

    Args:
        stream: where it runs.
        records: the addresses of its actors' records.
        engines: those of its actors that have not parked.
        began: when.
    """

    stream: Stream
    records: Piece
    engines: set[Resident] = field(default_factory=set)
    began: float = 0.0


class Residents:
    """The resident actors of one runtime.

    Args:
        device: where they run.
        loop: the event loop that looks after them.
        terms: for how long they stay.
    """

    def __init__(self, device: Device, loop: asyncio.AbstractEventLoop, terms: Terms) -> None:
        self.device, self.loop, self.terms = device, loop, terms
        self.mapped, self.local = Arena(device.mapped), Arena(device.memory)
        self.fault: DeviceFault | None = None
        self._members: dict[Resident, None] = {}
        self._waiting: dict[Resident, None] = {}
        self._places: dict[Resident, _Grid] = {}
        self._running: list[_Grid] = []
        self._spare: list[_Grid] = []
        self._held = 0
        self._empty: asyncio.Future[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._spinning = False
        self._news = self._ticks = 0.0

    # --- members ---------------------------------------------------------------------------

    def enrol(self, engine: Resident) -> None:
        """An actor has memory here from now on."""
        self._members[engine] = None

    def leave(self, engine: Resident) -> None:
        """It has none any more."""
        self._members.pop(engine, None)
        self.withdraw(engine)

    def withdraw(self, engine: Resident) -> bool:
        """It does not want to be launched any more; False if it does not wait for that."""
        return self._waiting.pop(engine, engine) is None

    def check_room(self, kernel: Kernel, kernel_id: str) -> None:
        """Actors that stay for ever need room for all of them at the same time.

        Raises:
            BackendUnavailableError: there is none for one more.
        """
        if self.terms.residency is None and len(self._members) >= kernel.capacity:
            raise BackendUnavailableError(
                f"kernel {kernel_id!r} would be resident actor number {len(self._members) + 1} on "
                f"{self.device.name}, which holds {kernel.capacity} of its kind at the same time; "
                "terminate another, or give the runtime a residency in seconds, which lets them "
                "take turns"
            )

    async def stock(self, pool: Pool) -> None:
        """Have memory for an actor: asking the device takes milliseconds, and waits for whatever is
        resident, so a worker thread asks."""
        for arena in (self.mapped, self.local):
            if arena.lacks:
                arena.add(await pool.call(arena.ask, arena.lacks))

    # --- launching -------------------------------------------------------------------------

    def ask(self, engine: Resident) -> None:
        """An actor has work: launch it soon, together with others."""
        if self.fault is not None:  # launched before the device died, active after
            self.loop.call_soon(partial(engine.died, self.fault, resident=False))
            return
        self._waiting[engine] = None
        self._news = perf_counter()
        self._wake()

    def dispatch(self) -> None:
        """Launch what waits, as far as there are places."""
        if self._held or not self._waiting or self.fault is not None:
            return
        by_kernel: dict[int, list[Resident]] = {}
        for engine in self._waiting:
            by_kernel.setdefault(id(engine.kernel), []).append(engine)
        for engines in by_kernel.values():
            kernel = engines[0].kernel
            most = min(kernel.capacity, _MOST_BLOCKS)
            for first in range(0, len(engines), most):
                grid = self._place()
                if grid is None:
                    if self.fault is None:
                        self._ask_for_room()
                    return
                self._launch(grid, kernel, engines[first : first + most])

    def _place(self) -> _Grid | None:
        if self._spare:
            return self._spare.pop()
        if len(self._running) >= self.device.connections:
            return None
        try:
            return _Grid(self.device.stream(), self.mapped.take(8 * _MOST_BLOCKS))
        except DeviceFault as fault:
            self._died(fault)
            return None

    def _launch(self, grid: _Grid, kernel: Kernel, engines: list[Resident]) -> None:
        addresses = grid.records.bytes.cast("Q")
        ready: list[Resident] = []
        for engine in engines:
            record = engine.prepare()
            self._waiting.pop(engine, None)
            if record is not None:
                addresses[len(ready)] = record
                self._places[engine] = grid
                ready.append(engine)
        if not ready:
            self._spare.append(grid)
            return
        grid.engines, grid.began = set(ready), perf_counter()
        self._running.append(grid)
        step = self.terms.debug_step
        function = kernel.debug_step if step else kernel.resident
        try:
            grid.stream.launch(
                function, grid.records.address, len(ready), step or self.terms.nanoseconds
            )
        except DeviceFault as fault:
            for engine in ready:  # they have not run, so they have lost nothing
                del self._places[engine]
            self._died(fault)

    def _ask_for_room(self) -> None:
        """Others wait: whoever is idle leaves, and whoever has been there for a while."""
        long_ago = perf_counter() - SLICE
        for grid in self._running:
            order = Leave.NOW if grid.began < long_ago else Leave.WHEN_IDLE
            for engine in grid.engines:
                engine.order(order)

    # --- looking ---------------------------------------------------------------------------

    def rouse(self) -> None:
        """Somebody expects news: look at every turn of the event loop for a while."""
        self._news = perf_counter()
        self._wake()

    def _wake(self) -> None:
        if self._timer is not None and not self._spinning:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._spinning = True
            self._timer = self.loop.call_soon(self._tick)

    def _tick(self) -> None:
        self._timer = None
        try:
            self._look_around()
        except Exception as error:  # ours: it concerns whoever is resident, and not the timer
            for engine in (*self._places, *self._waiting):
                engine.host.crashed(error)
        if self._places:
            self._spinning = perf_counter() - self._news < SPIN
            if self._spinning:
                self._timer = self.loop.call_soon(self._tick)
            else:
                self._timer = self.loop.call_later(TICK, self._tick)

    def _look_around(self) -> None:
        self.dispatch()
        self._ticks += 1
        if self.look_at(list(self._places)):
            self._news = perf_counter()
        if self._ticks >= CHECK or not self._spinning:
            self._ticks = 0
            self._check()
        self.dispatch()

    def look_at(self, engines: Iterable[Resident]) -> bool:
        """Let engines see what their kernels have done; whether there was anything."""
        news = False
        for engine in engines:
            if engine in self._places and engine.look():
                news = True
        return news

    def parked(self, engine: Resident) -> None:
        """An engine has seen that its actor has parked."""
        grid = self._places.pop(engine)
        grid.engines.discard(engine)
        if not grid.engines:  # what is left of the kernel writes nothing any more
            self._running.remove(grid)
            self._spare.append(grid)
        if not self._places and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def _check(self) -> None:
        """Only the driver knows of a kernel that has died; asking also keeps launches moving."""
        try:
            for grid in self._running:
                grid.stream.done()
        except DeviceFault as fault:
            self._died(fault)

    def _died(self, fault: DeviceFault) -> None:
        """Nothing runs on this device any more, for the life of the process."""
        self.fault = fault
        resident, members = set(self._places), list(self._members)
        for grid in self._running:
            grid.engines.clear()
        self._running.clear()
        self._places.clear()
        self._waiting.clear()
        if self._empty is not None and not self._empty.done():
            self._empty.set_result(None)
        for engine in members:
            engine.died(fault, resident=engine in resident)

    # --- making room for others ------------------------------------------------------------

    async def hold(self) -> None:
        """Launch nothing until ``release``; returns when nothing is resident."""
        self._held += 1
        await self._emptied()

    async def _emptied(self) -> None:
        while self._places:
            for engine in self._places:
                engine.order(Leave.NOW)
            self.rouse()
            if self._empty is None or self._empty.done():
                self._empty = self.loop.create_future()
            await asyncio.shield(self._empty)

    def release(self) -> None:
        """Launch again."""
        self._held -= 1
        self._wake()

    async def close(self, timeout: float) -> None:
        """End the streams; memory that a kernel may still write to is never freed.

        Args:
            timeout: seconds to wait for kernels that do not leave.
        """
        self._held += 1
        try:
            await asyncio.wait_for(self._emptied(), timeout)
        except asyncio.TimeoutError:  # noqa: UP041
            _leaked.append(self)
        if self._timer is not None:
            self._timer.cancel()
        for grid in (*self._spare, *self._running):
            grid.stream.close()


_leaked: list[Any] = []
"""What belongs to kernels that never left."""
