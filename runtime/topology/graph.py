"""The graph of a runtime: which edges there are, which there may be, and in what order it ends.

Input: actors, and edges that are asked for.  Output: edges, or an error that says what does not
fit; nothing has changed then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from pydotcompute.errors import MessageTypeError, TopologyError
from pydotcompute.populations.spec import PopulationSpec, check_classes
from pydotcompute.queues.backpressure import BackpressureStrategy, KernelState
from pydotcompute.queues.link import End, Link
from pydotcompute.queues.routes import Routes
from pydotcompute.topology.view import EdgeView

_OVER = (KernelState.TERMINATING, KernelState.TERMINATED)


class Node(End, Protocol):
    """A launched actor, as far as the graph knows it."""

    state: KernelState
    population: PopulationSpec | None
    routes: Routes | None
    inflows: list[Link]

    def types(self, which: str) -> tuple[type, ...]:
        """The classes of its ``"input"`` or ``"output"``, as far as they are known."""
        ...

    def take_types(self, classes: tuple[type, ...]) -> None:
        """An edge brings messages of these classes."""
        ...

    async def reroute(self, link: Link, *, opened: bool) -> None:
        """Open or close an edge from this actor, between two of its messages."""
        ...


class Graph:
    """The edges between the actors of one runtime.

    Attributes:
        links: the edges, in the order in which they were made.
    """

    def __init__(self) -> None:
        self.links: list[tuple[Node, Node, Link]] = []

    async def connect(self, ends: Sequence[tuple[Node, Node]], on: Any = None) -> list[Link]:
        """Make edges: all of them, or none.

        Args:
            ends: sources and targets.
            on: a message class or a tuple of classes; None: all.

        Raises:
            TopologyError: an edge exists, an actor has ended, or a cycle could wait for itself.
            MessageTypeError: what a source sends is not what the target takes.
        """
        classes = _classes(on)
        made: list[tuple[Node, Node, Link]] = []
        flows: list[tuple[type, ...]] = []
        try:
            for source, target in ends:
                flows.append(self._check(source, target, classes))
                made.append((source, target, Link(source, target, classes)))
                self.links.append(made[-1])
        except Exception:
            self.links = [each for each in self.links if each not in made]
            raise
        for (source, target, link), flow in zip(made, flows, strict=True):
            target.inflows.append(link)
            target.take_types(flow)
            await source.reroute(link, opened=True)
        return [link for _, _, link in made]

    async def close(self, link: Link) -> None:
        """Take an edge out of the graph."""
        for each in self.links:
            if each[2] is link:
                self.links.remove(each)
                each[1].inflows.remove(link)
                await each[0].reroute(link, opened=False)
                return

    async def forget(self, node: Node) -> None:
        """An actor has ended and another takes its id: close its edges."""
        for source, target, link in list(self.links):
            if node is source or node is target:
                await self.close(link)

    # --- what fits -------------------------------------------------------------------------

    def _check(self, source: Node, target: Node, classes: tuple[type, ...]) -> tuple[type, ...]:
        """Refuse an edge that does not fit; returns the classes that go along it."""
        name = f"{source.kernel_id!r} -> {target.kernel_id!r}"
        for node in (source, target):
            if node.state in _OVER:
                raise TopologyError(
                    f"cannot connect {name}: {node.kernel_id!r} is {node.state.name}"
                )
        flow = self._flow(source, target, classes)
        for old_source, old_target, link in self.links:
            if (old_source, old_target) == (source, target) and _overlap(link.classes, classes):
                raise TopologyError(
                    f"{name} is connected already; close that edge first, or connect other "
                    "classes with on=..."
                )
        self._check_cycle(source, target)
        return flow

    def _flow(self, source: Node, target: Node, classes: tuple[type, ...]) -> tuple[type, ...]:
        sends, takes = source.types("output"), target.types("input")
        who, whom = repr(source.kernel_id), repr(target.kernel_id)
        for cls in classes:
            if sends and not any(issubclass(each, cls) for each in sends):
                raise _misfit(
                    target, sends, cls,
                    f"cannot connect {who} to {whom} on {cls.__name__}: {who} sends "
                    f"{_names(sends)}",
                )  # fmt: skip
        flow = tuple(each for each in sends if not classes or issubclass(each, classes)) or classes
        for cls in flow:
            if takes and not issubclass(cls, takes):
                raise _misfit(
                    target, takes, cls,
                    f"cannot connect {who} to {whom}: {who} sends {_names(flow)}, and {whom} "
                    f"takes {_names(takes)}; {cls.__name__} does not fit",
                )  # fmt: skip
        if target.population is not None:
            try:
                check_classes(target.kernel_id, target.population, (*takes, *flow))
            except MessageTypeError as error:
                why = f"cannot connect {who} to {whom}: {error}"
                raise MessageTypeError(
                    why, error.kernel_id, error.field, error.expected, error.given
                ) from None
        return flow

    def _check_cycle(self, source: Node, target: Node) -> None:
        """Refuse a cycle in which every actor waits for room."""
        way = _way(self._waiting(), target, source)
        if way is None or not _blocks(source) or not _blocks(target):
            return
        names = " -> ".join(repr(each.kernel_id) for each in (source, *way))
        raise TopologyError(
            f"the cycle {names} could wait for itself for ever: every actor in it has "
            "BackpressureStrategy.BLOCK; give one of them REJECT or DROP_OLDEST"
        )

    def _waiting(self) -> dict[Node, list[Node]]:
        """The edges between actors whose queues make senders wait."""
        found: dict[Node, list[Node]] = {}
        for source, target, _ in self.links:
            if _blocks(source) and _blocks(target):
                found.setdefault(source, []).append(target)
        return found

    # --- looking ---------------------------------------------------------------------------

    def upstream(self, node: Node) -> list[Node]:
        """The actors whose end an actor waits for when all end: its sources, but for those that
        are also behind it."""
        ways: dict[Node, list[Node]] = {}
        for source, target, _ in self.links:
            ways.setdefault(source, []).append(target)
        sources = {source: None for source, target, _ in self.links if target is node}
        return [each for each in sources if _way(ways, node, each) is None]

    def blocked(self) -> list[tuple[str, str, float]]:
        """``(actor, waits_for, seconds)`` of each edge at which a source waits for room."""
        found: list[tuple[str, str, float]] = []
        for node in dict.fromkeys(source for source, _, _ in self.links):
            for link, seconds in node.routes.blocked() if node.routes is not None else ():
                found.append((node.kernel_id, link.target.kernel_id, seconds))
        return found

    def edges(self) -> tuple[EdgeView, ...]:
        """The edges at this moment."""
        waits = {(source, target): seconds for source, target, seconds in self.blocked()}
        return tuple(
            EdgeView(
                source.kernel_id, target.kernel_id, tuple(cls.__name__ for cls in link.classes),
                link.delivered, waits.get((source.kernel_id, target.kernel_id), 0.0),
            )
            for source, target, link in self.links
        )  # fmt: skip


def _way(ways: dict[Node, list[Node]], first: Node, last: Node) -> list[Node] | None:
    """A way along edges, both ends included; None: there is none."""
    came: dict[Node, Node | None] = {first: None}
    todo = [first]
    for node in todo:
        if node is last:
            way = [node]
            while (before := came[way[0]]) is not None:
                way.insert(0, before)
            return way
        for each in ways.get(node, ()):
            if each not in came:
                came[each] = node
                todo.append(each)
    return None


def _blocks(node: Node) -> bool:
    return node.inbox.policy is BackpressureStrategy.BLOCK


def _classes(on: Any) -> tuple[type, ...]:
    if on is None:
        return ()
    classes = on if isinstance(on, tuple) else (on,)
    if not classes or not all(isinstance(each, type) for each in classes):
        raise TypeError(f"on= takes a message class or a tuple of classes, not {on!r}")
    return classes


def _overlap(ones: tuple[type, ...], others: tuple[type, ...]) -> bool:
    """Whether a message may go along both of two edges."""
    if not ones or not others:
        return True
    return any(issubclass(a, b) or issubclass(b, a) for a in ones for b in others)


def _names(classes: Iterable[type]) -> str:
    return " | ".join(each.__name__ for each in classes)


def _misfit(target: Node, expected: Iterable[type], given: type, text: str) -> MessageTypeError:
    return MessageTypeError(
        text, kernel_id=target.kernel_id, expected=_names(expected), given=given.__name__
    )
