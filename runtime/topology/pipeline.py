"""``Pipeline``: actors in a row, called like one kernel.

Input: messages for the first actor.  Output: the messages of the last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from pydotcompute.errors import QueueFullError, QueueTimeoutError
from pydotcompute.queues.link import End, Link
from pydotcompute.queues.replies import Request
from pydotcompute.queues.waiting import LATE, wait
from pydotcompute.support.arguments import seconds
from pydotcompute.topology.edge import Edge


class Kernel(Protocol):
    """What is asked of the kernels here."""

    @property
    def kernel_id(self) -> str:
        """Its id."""
        ...

    async def send(self, message: Any, *, timeout: float | None = None) -> None:
        """Send a message."""
        ...

    async def send_many(self, batch: Any, *, timeout: float | None = None) -> int:
        """Send a batch."""
        ...

    async def receive(self, *, timeout: float | None = None) -> Any:
        """Receive a message."""
        ...

    async def receive_many(
        self, max_messages: int, *, timeout: float | None = None, out: Any = None
    ) -> Any:
        """Receive a batch."""
        ...

    def messages(self) -> AsyncIterator[Any]:
        """The messages until the actor ends."""
        ...

    async def begin_request(self, request: Request, timeout: float | None) -> None:
        """Put a request whose answer comes from another kernel."""
        ...


class Pipeline:
    """Actors in a row, as ``RingKernelRuntime.pipeline`` connects them.

    Args:
        kernels: at least two.
        edges: between them.
        links: the same edges, as their sources see them.
    """

    def __init__(
        self, kernels: Sequence[Kernel], edges: Sequence[Edge], links: Sequence[Link]
    ) -> None:
        self.kernels, self.edges, self._links = tuple(kernels), tuple(edges), tuple(links)

    def __repr__(self) -> str:
        return f"<Pipeline {' -> '.join(repr(each.kernel_id) for each in self.kernels)}>"

    async def send(self, message: Any, *, timeout: float | None = None) -> None:
        """Send a message to the first actor; see ``RingKernel.send``."""
        await self.kernels[0].send(message, timeout=timeout)

    async def send_many(self, batch: Any, *, timeout: float | None = None) -> int:
        """Send a batch to the first actor; see ``RingKernel.send_many``."""
        return await self.kernels[0].send_many(batch, timeout=timeout)

    async def receive(self, *, timeout: float | None = None) -> Any:
        """Receive a message of the last actor; see ``RingKernel.receive``."""
        return await self.kernels[-1].receive(timeout=timeout)

    async def receive_many(
        self, max_messages: int, *, timeout: float | None = None, out: Any = None
    ) -> Any:
        """Receive a batch of the last actor; see ``RingKernel.receive_many``."""
        return await self.kernels[-1].receive_many(max_messages, timeout=timeout, out=out)

    def messages(self) -> AsyncIterator[Any]:
        """The messages of the last actor until it ends; see ``RingKernel.messages``."""
        return self.kernels[-1].messages()

    async def request(self, message: Any, *, timeout: float | None = None) -> Any:
        """Send a message to the first actor and wait for what the last one answers to it.

        Each actor's first message for it goes on to the next one as this request, whoever else
        calls; any others go on as usual.

        Args:
            message: an instance of the first actor's input type.
            timeout: seconds for all of it; ``None`` waits for ever.

        Returns:
            The last actor's first message for it, with the message's id as ``correlation_id``.

        Raises:
            QueueTimeoutError: no reply in time; also if an actor sends nothing for it.
            KernelClosedError, ActorFailedError: an actor on the way ended or failed.
            QueueFullError: a queue on the way refused or dropped it.
        """
        if timeout is not None:
            timeout = seconds(timeout)
        source: End = self._links[0].source
        last = self._links[-1].target
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        request = Request(message)
        request.path, request.future = self._links, loop.create_future()
        try:
            await self.kernels[0].begin_request(request, timeout)
            if not request.answered:
                last.outbox.port.run_inline()
            left = None if deadline is None else max(0.0, deadline - loop.time())
            if await wait(loop, request.future, left) is LATE:
                raise QueueTimeoutError(f"no reply from {self!r} within {timeout:g} s")
        except BaseException:
            (request.home or source.replies).give_up(request)
            raise
        if request.dropped:
            raise QueueFullError("the request was dropped: a queue on the way drops its oldest")
        return request.reply

    async def close(self) -> None:
        """Close the edges; the actors go on by themselves."""
        for edge in self.edges:
            await edge.close()
