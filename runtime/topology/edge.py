"""``Edge``: the handle that ``connect`` returns.

Input: an edge between two actors.  Output: its names, its count, and the end of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydotcompute.queues.link import Link


class Edge:
    """What one actor sends is what another receives.

    Args:
        link: the edge, as its source sees it.
        close: takes it out of the graph.
    """

    __slots__ = ("_close", "_link")

    def __init__(self, link: Link, close: Callable[[Link], Awaitable[None]]) -> None:
        self._link, self._close = link, close

    def __repr__(self) -> str:
        closed = " (closed)" if self.closed else ""
        return f"<Edge {self.source!r} -> {self.target!r}{closed}>"

    @property
    def source(self) -> str:
        """The id of the actor that sends."""
        return self._link.source.kernel_id

    @property
    def target(self) -> str:
        """The id of the actor that receives."""
        return self._link.target.kernel_id

    @property
    def on(self) -> tuple[type, ...]:
        """The message classes that it takes; empty: all."""
        return self._link.classes

    @property
    def delivered(self) -> int:
        """Messages that it has put into the target's queue."""
        return self._link.delivered

    @property
    def closed(self) -> bool:
        """Whether it takes nothing any more."""
        return self._link.closed

    async def close(self) -> None:
        """Take nothing any more.  What was sent before is delivered; a message that waits for room
        goes to the source's own output queue.  Closing twice does nothing."""
        if not self.closed:
            await self._close(self._link)
