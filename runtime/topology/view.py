"""The graph of a runtime at one moment, as a value.

Input: nodes and edges with their counts.  Output: ``Topology``, which changes no more; as a dict
for JSON, and as a diagram in mermaid's language.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Node:
    """One actor.

    Args:
        kernel_id: its id.
        backend: what runs it.
        state: where it is in its life, in lower case.
        processed: messages it has handled.
        input_depth, output_depth: messages in its queues.
    """

    kernel_id: str
    backend: str
    state: str
    processed: int
    input_depth: int
    output_depth: int


@dataclass(frozen=True)
class EdgeView:
    """One edge.

    Args:
        source, target: the ids of the actors at its ends.
        on: names of the message classes that it takes; empty: all.
        delivered: messages that it has put into the target's queue.
        blocked: seconds for which the source has waited for room at the target; 0.0: it does not.
    """

    source: str
    target: str
    on: tuple[str, ...]
    delivered: int
    blocked: float


@dataclass(frozen=True)
class Topology:
    """The actors of a runtime and the edges between them.

    Args:
        nodes: in the order of their launch.
        edges: in the order in which they were made.
    """

    nodes: tuple[Node, ...]
    edges: tuple[EdgeView, ...]

    def to_dict(self) -> dict[str, Any]:
        """``{"nodes": [...], "edges": [...]}``, of strings and numbers only."""
        edges = [asdict(edge) | {"on": list(edge.on)} for edge in self.edges]
        return {"nodes": [asdict(node) for node in self.nodes], "edges": edges}

    def to_mermaid(self) -> str:
        """A flow chart in mermaid's language; an edge whose source waits is drawn thick."""
        names = {node.kernel_id: f"n{number}" for number, node in enumerate(self.nodes)}
        lines = ["flowchart LR"]
        for node in self.nodes:
            label = _quoted(f"{node.kernel_id} ({node.backend})")
            lines.append(f"    {names[node.kernel_id]}[{label}]")
        for edge in self.edges:
            arrow = "==>" if edge.blocked else "-->"
            label = f"|{_quoted(', '.join(edge.on))}|" if edge.on else ""
            lines.append(f"    {names[edge.source]} {arrow}{label} {names[edge.target]}")
        return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    text = text.replace("&", "&amp;").replace('"', "#quot;").replace("\n", " ")
    return f'"{text}"'
