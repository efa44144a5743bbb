"""What an interpreted actor is given as its ``ctx``.

Input: the actor's calls.  Output: messages from and to its queues.  The usual case is done here, in
a few steps; whatever else may be (an empty queue, a pause, the end) is the engine's.
"""

from __future__ import annotations

from typing import Any, Protocol

from pydotcompute.actors.context import KernelContext
from pydotcompute.backends.base import Host
from pydotcompute.populations.spec import NO_KEY
from pydotcompute.queues.port import EMPTY, ObjectPort
from pydotcompute.queues.replies import Replies
from pydotcompute.support.metrics import Meter


class Calls(Protocol):
    """What is asked of the engine here."""

    host: Host
    meter: Meter
    replies: Replies
    inport: ObjectPort
    outport: ObjectPort
    key: Any
    """Of a population: the key of the instance; else ``NO_KEY``."""
    usual: bool
    """Nothing keeps ``receive`` from simply taking a message."""
    holding: bool
    paused: bool
    terminating: bool
    rationed: bool
    credit: int

    def take(self, message: Any) -> None:
        """A message is in hand."""
        ...

    def finish(self) -> None:
        """The message in hand has been handled."""
        ...

    def reply(self, message: Any) -> bool:
        """Give the message to a caller of ``request``, if that is whom it is for."""
        ...

    async def receive(self, timeout: float | None) -> Any:
        """``ctx.receive`` whenever it cannot simply take a message."""
        ...

    async def send(self, message: Any) -> None:
        """``ctx.send`` when there is no room, or somebody waits for it."""
        ...

    async def breathe(self) -> None:
        """Let other tasks run."""
        ...

    async def wait_active(self) -> None:
        """Wait while paused."""
        ...

    async def crash(self, error: Exception) -> None:
        """A fault of the engine; does not return."""
        ...


class PythonContext(KernelContext[Any, Any]):
    """What an interpreted actor is given."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Calls) -> None:
        self._engine = engine

    @property
    def kernel_id(self) -> str:
        """The id under which the actor was launched."""
        return self._engine.host.kernel_id

    @property
    def key(self) -> Any:
        """The key of this instance of a population.

        Raises:
            AttributeError: the kernel is no population.
        """
        key = self._engine.key
        if key is NO_KEY:
            raise AttributeError(
                f"kernel {self.kernel_id!r} is no population, so ctx has no key; launch it with "
                "key=..."
            )
        return key

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
                        if port.get_slow_path:
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
        if port.put_slow_path or engine.rationed or not port.try_put(message):
            await engine.send(message)
        engine.meter.sent += 1
        engine.credit -= 1
        if engine.credit <= 0:  # an actor that only sends must let others run as well
            await engine.breathe()
