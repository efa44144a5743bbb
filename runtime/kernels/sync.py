"""``kernel.sync``: the calls of a kernel for threads other than the event loop's.

Input: the same arguments.  Output: the same results; the calling thread blocks meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from pydotcompute.errors import ActorFailedError, KernelClosedError, KernelStateError

if TYPE_CHECKING:
    from pydotcompute.kernels.kernel import RingKernel
    from pydotcompute.kernels.lifecycle import Termination
    from pydotcompute.support.metrics import Statistics


class SyncKernel:
    """Blocking twins of the calls of one kernel.

    Args:
        kernel: whose calls.
        loop: the event loop it lives on.
    """

    def __init__(self, kernel: RingKernel, loop: asyncio.AbstractEventLoop) -> None:
        self._kernel, self._loop = kernel, loop

    def _wait(self, coroutine: Coroutine[Any, Any, Any], call: str) -> Any:
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        home = getattr(self._loop, "_thread_id", None)
        if running is self._loop or home == threading.get_ident():
            coroutine.close()
            raise KernelStateError(
                f"kernel.sync.{call} was called on the event loop's own thread, which it would "
                f"block for ever; write `{'' if call == 'statistics' else 'await '}"
                f"kernel.{call}(...)` there"
            )
        if not self._loop.is_running():
            coroutine.close()
            raise KernelClosedError(
                f"the event loop of kernel {self._kernel.kernel_id!r} is not running any more"
            )
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def send(self, message: Any, *, timeout: float | None = None) -> None:
        """As ``RingKernel.send``."""
        self._wait(self._kernel.send(message, timeout=timeout), "send")

    def receive(self, *, timeout: float | None = None) -> Any:
        """As ``RingKernel.receive``."""
        return self._wait(self._kernel.receive(timeout=timeout), "receive")

    def request(self, message: Any, *, timeout: float | None = None) -> Any:
        """As ``RingKernel.request``."""
        return self._wait(self._kernel.request(message, timeout=timeout), "request")

    def send_many(self, batch: Any, *, timeout: float | None = None) -> int:
        """As ``RingKernel.send_many``."""
        taken: int = self._wait(self._kernel.send_many(batch, timeout=timeout), "send_many")
        return taken

    def receive_many(self, max_messages: int, *, timeout: float | None = None) -> Any:
        """As ``RingKernel.receive_many``."""
        call = self._kernel.receive_many(max_messages, timeout=timeout)
        return self._wait(call, "receive_many")

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

    def statistics(self) -> Statistics:
        """As ``RingKernel.statistics``."""

        async def look() -> Statistics:
            return self._kernel.statistics()

        figures: Statistics = self._wait(look(), "statistics")
        return figures

    def terminate(self, *, timeout: float | None = 5.0, drain: bool = True) -> Termination:
        """As ``RingKernel.terminate``."""
        call = self._kernel.terminate(timeout=timeout, drain=drain)
        report: Termination = self._wait(call, "terminate")
        return report
