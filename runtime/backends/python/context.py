"""What an interpreted actor is given as its ``ctx``.

Input: the actor's calls.  Output: messages from and to its queues.  The usual case is done here, in
a few steps; whatever else may be (an empty queue, a pause, the end) is the engine's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydotcompute.actors.context import KernelContext
from pydotcompute.queues.port import EMPTY

if TYPE_CHECKING:
    from pydotcompute.backends.python.engine import PythonEngine


class PythonContext(KernelContext[Any, Any]):
    """What an interpreted actor is given."""

    __slots__ = ("_engine",)

    def __init__(self, engine: PythonEngine) -> None:
        self._engine = engine

    @property
    def kernel_id(self) -> str:
        """The id under which the actor was launched."""
        return self._engine.host.kernel_id

    @property
    def should_terminate(self) -> bool:
        """Whether the loop ought to end now."""
        return self._engine.terminating

    @property
    def is_active(self) -> bool:
        """Whether the kernel is active, that is not paused."""
        return not self._engine.paused

    async def wait_active(self) -> None:
        """Wait until the kernel is active, or ought to end."""
        await self._engine.wait_active()

    async def receive(self, timeout: float | None = None) -> Any:
        """Take the next message from the input queue."""
        engine = self._engine
        if engine.usual:
            try:
                if engine.holding:
                    engine.finish()
                engine.credit -= 1
                if engine.credit > 0:
                    port = engine.inport
                    message = port.try_get()
                    if message is not EMPTY:
                        if port.get_gate:
                            engine.host.inbox.took()
                        engine.take(message)
                        return message
            except Exception as error:
                await engine.crash(error)
        return await engine.receive(timeout)

    async def send(self, message: Any) -> None:
        """Put a message into the output queue."""
        engine = self._engine
        if engine.replies.pending and engine.reply(message):
            return
        port = engine.outport
        if port.put_gate or engine.rationed or not port.try_put(message):
            await engine.send(message)
        engine.host.meter.sent += 1
        engine.credit -= 1
        if engine.credit <= 0:  # an actor that only sends must let others run as well
            await engine.breathe()
