"""``kernel.sync``: the calls of a kernel for threads other than the event loop's.

Input: the same arguments.  Output: the same results; the calling thread blocks meanwhile.  An
exception that interrupts the wait (``KeyboardInterrupt``) is raised when the call has been
cancelled: nothing of it goes on, and a message that it had taken is in the queue again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from pydotcompute.errors import ActorFailedError, KernelClosedError, KernelStateError
from pydotcompute.kernels.lifecycle import Termination
from pydotcompute.populations.spec import NO_KEY
from pydotcompute.support.metrics import Statistics

if TYPE_CHECKING:
    from pydotcompute.durability.snapshot import Snapshot

_LOOK = 0.5
"""Seconds between two looks: for a signal while a call waits, and whether the event loop still runs
while an interrupted one ends."""

_IMMEDIATE = ("len", "statistics", "states", "variables")
"""Calls of a kernel that do not wait."""


def _nothing(result: Any) -> None:
    """The result of an interrupted call that leaves nothing to undo."""


class _Waited:
    """A coroutine that runs on an event loop and for which another thread waits.

    Args:
        loop: the event loop.
        coroutine: what to run there.
        undo: told the result if the thread does not wait for it any more.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any],
        undo: Callable[[Any], object],
    ) -> None:
        self._loop, self._coroutine, self._undo = loop, coroutine, undo
        self._task: asyncio.Task[Any] | None = None
        self._given_up = False
        self.ended, self._gone = threading.Event(), threading.Event()

    def start(self) -> None:
        """Have the coroutine run."""
        self._loop.call_soon_threadsafe(self._begin)

    def result(self) -> Any:
        """The result of a coroutine that has ended; raises what it raised."""
        assert self._task is not None
        return self._task.result()

    def give_up(self) -> None:
        """Cancel the coroutine and wait until it is gone; a result that it has is undone.

        A further interruption ends the waiting, and changes nothing else.
        """
        try:
            self._loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:  # the loop is closed
            self._coroutine.close()
            return
        while not self._gone.wait(_LOOK) and self._loop.is_running():
            pass

    # --- on the event loop's thread --------------------------------------------------------

    def _begin(self) -> None:
        if self._given_up:
            self._coroutine.close()
            return
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[Any]) -> None:
        if self._given_up:
            self._leave(task)
        self.ended.set()

    def _cancel(self) -> None:
        self._given_up = True
        task = self._task
        if task is None:
            self._coroutine.close()
            self._gone.set()
        elif self.ended.is_set():
            self._leave(task)
        else:
            task.cancel()

    def _leave(self, task: asyncio.Task[Any]) -> None:
        """The task is done and has no taker."""
        if not task.cancelled() and task.exception() is None:
            self._undo(task.result())
        self._gone.set()


class _Calls(Protocol):
    """What ``SyncKernel`` calls: the part of ``RingKernel`` that is needed here."""

    @property
    def kernel_id(self) -> str: ...
    def statistics(self) -> Statistics: ...
    async def activate(self) -> None: ...
    async def deactivate(self) -> None: ...
    async def reactivate(self) -> None: ...
    async def restart(self, *, fresh: bool = False) -> None: ...
    async def snapshot(self) -> Snapshot: ...
    async def terminate(
        self, *, timeout: float | None = 5.0, drain: bool = True
    ) -> Termination: ...
    async def send(self, message: Any, *, timeout: float | None = None) -> None: ...
    async def receive(self, *, timeout: float | None = None) -> Any: ...
    async def request(self, message: Any, *, timeout: float | None = None) -> Any: ...
    async def send_many(self, batch: Any, *, timeout: float | None = None) -> int: ...
    async def receive_many(
        self, max_messages: int, *, timeout: float | None = None, out: Any = None
    ) -> Any: ...
    def _undo_receive(self, message: Any) -> None: ...
    def _undo_receive_many(self, batch: Any) -> None: ...


class SyncKernel:
    """Blocking twins of the calls of one kernel.

    Args:
        kernel: whose calls.
        loop: the event loop it lives on.
    """

    def __init__(self, kernel: _Calls, loop: asyncio.AbstractEventLoop) -> None:
        self._kernel, self._loop = kernel, loop

    def _wait(
        self,
        coroutine: Coroutine[Any, Any, Any],
        call: str,
        undo: Callable[[Any], object] = _nothing,
    ) -> Any:
        """Run a coroutine on the event loop and wait for its result.

        Args:
            coroutine: what to run.
            call: the name of the call, for error texts.
            undo: told, on the event loop's thread, the result that an interrupted wait leaves.
        """
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        home = getattr(self._loop, "_thread_id", None)
        if running is self._loop or home == threading.get_ident():
            coroutine.close()
            waits = "" if call in _IMMEDIATE else "await "
            raise KernelStateError(
                f"kernel.sync.{call} was called on the event loop's own thread, which it would "
                f"block for ever; write `{waits}kernel.{call}(...)` there"
            )
        if not self._loop.is_running():
            coroutine.close()
            raise self._loop_gone()
        waited = _Waited(self._loop, coroutine, undo)
        try:
            waited.start()
            while not waited.ended.wait(_LOOK):
                pass  # a signal that comes just before the thread blocks does not wake it
        except BaseException:  # Ctrl-C, or whatever else a signal handler raises
            waited.give_up()
            raise
        try:
            return waited.result()
        except asyncio.CancelledError:  # the event loop ends, and everything on it
            raise self._loop_gone() from None

    def _loop_gone(self) -> KernelClosedError:
        return KernelClosedError(
            f"the event loop of kernel {self._kernel.kernel_id!r} is not running any more"
        )

    def send(self, message: Any, *, timeout: float | None = None) -> None:
        """As ``RingKernel.send``."""
        self._wait(self._kernel.send(message, timeout=timeout), "send")

    def receive(self, *, timeout: float | None = None) -> Any:
        """As ``RingKernel.receive``."""
        call = self._kernel.receive(timeout=timeout)
        return self._wait(call, "receive", self._kernel._undo_receive)

    def request(self, message: Any, *, timeout: float | None = None) -> Any:
        """As ``RingKernel.request``."""
        return self._wait(self._kernel.request(message, timeout=timeout), "request")

    def send_many(self, batch: Any, *, timeout: float | None = None) -> int:
        """As ``RingKernel.send_many``."""
        taken: int = self._wait(self._kernel.send_many(batch, timeout=timeout), "send_many")
        return taken

    def receive_many(
        self, max_messages: int, *, timeout: float | None = None, out: Any = None
    ) -> Any:
        """As ``RingKernel.receive_many``."""
        call = self._kernel.receive_many(max_messages, timeout=timeout, out=out)
        return self._wait(call, "receive_many", self._kernel._undo_receive_many)

    def messages(self) -> Iterator[Any]:
        """As ``RingKernel.messages``."""
        while True:
            try:
                yield self.receive()
            except ActorFailedError:
                raise
            except KernelClosedError:
                return

    def activate(self) -> None:
        """As ``RingKernel.activate``."""
        self._wait(self._kernel.activate(), "activate")

    def deactivate(self) -> None:
        """As ``RingKernel.deactivate``."""
        self._wait(self._kernel.deactivate(), "deactivate")

    def reactivate(self) -> None:
        """As ``RingKernel.reactivate``."""
        self._wait(self._kernel.reactivate(), "reactivate")

    def restart(self, *, fresh: bool = False) -> None:
        """As ``RingKernel.restart``."""
        self._wait(self._kernel.restart(fresh=fresh), "restart")

    def snapshot(self) -> Snapshot:
        """As ``RingKernel.snapshot``."""
        made: Snapshot = self._wait(self._kernel.snapshot(), "snapshot")
        return made

    def statistics(self) -> Statistics:
        """As ``RingKernel.statistics``."""

        figures: Statistics = self._look("statistics", self._kernel.statistics)
        return figures

    def _look(self, call: str, look: Callable[[], Any]) -> Any:
        """The result of a call that does not wait, made on the event loop."""

        async def looking() -> Any:
            return look()

        return self._wait(looking(), call)

    def terminate(self, *, timeout: float | None = 5.0, drain: bool = True) -> Termination:
        """As ``RingKernel.terminate``."""
        call = self._kernel.terminate(timeout=timeout, drain=drain)
        report: Termination = self._wait(call, "terminate")
        return report


class _PopulationCalls(_Calls, Protocol):
    """The part of ``Population`` that is needed here."""

    def __len__(self) -> int: ...
    def states(self) -> Any: ...
    def variables(self, key: Any) -> dict[str, Any]: ...
    async def forget(self, key: Any) -> None: ...
    async def restart(self, *, fresh: bool = False, key: Any = NO_KEY) -> None: ...


class SyncPopulation(SyncKernel):
    """Blocking twins of the calls of one population.

    Args:
        population: whose calls.
        loop: the event loop it lives on.
    """

    def __init__(self, population: _PopulationCalls, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(population, loop)
        self._population = population

    def __len__(self) -> int:
        length: int = self._look("len", self._population.__len__)
        return length

    def __bool__(self) -> bool:
        return True

    def states(self) -> Any:
        """As ``Population.states``."""
        return self._look("states", self._population.states)

    def variables(self, key: Any) -> dict[str, Any]:
        """As ``Population.variables``."""
        found: dict[str, Any] = self._look("variables", lambda: self._population.variables(key))
        return found

    def forget(self, key: Any) -> None:
        """As ``Population.forget``."""
        self._wait(self._population.forget(key), "forget")

    def restart(self, *, fresh: bool = False, key: Any = NO_KEY) -> None:
        """As ``Population.restart``."""
        self._wait(self._population.restart(fresh=fresh, key=key), "restart")
