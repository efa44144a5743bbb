"""What is in a snapshot file, as text: ``pydotcompute snapshot show``.

Input: a file.  Output: lines.  The code of the actors is not needed, and not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydotcompute.compiler.types.missing import MISSING
from pydotcompute.durability.assemble import Assembler
from pydotcompute.durability.snapshot import KernelSnapshot, Snapshot
from pydotcompute.durability.stand_ins import Spelled, StandIn, StandIns
from pydotcompute.errors import describe

WIDTH = 100
"""Characters of a value that are shown at most."""
ROWS = 20
"""Rows of a table, and messages of a queue, that are shown at most."""


def lines(path: Path) -> Iterator[str]:
    """A snapshot, line by line.

    Args:
        path: its file.

    Raises:
        SnapshotError: it is no snapshot, or is damaged.
    """
    snapshot = Snapshot.load(path)
    file = snapshot.file
    assembler = Assembler(file, StandIns())
    made = file.description
    yield (
        f"{path}: {_count(len(snapshot.kernels), 'kernel')}, {len(file.content):,} bytes, written "
        f"by pydotcompute {made.get('pydotcompute')} on Python {made.get('python')}"
    )
    for kept in snapshot.kernels.values():
        yield ""
        yield from file.checked(lambda kept=kept: list(_kernel(kept, assembler, made["classes"])))
    if snapshot.edges:
        yield ""
        yield "edges: " + ", ".join(f"{source} -> {target}" for source, target in snapshot.edges)


def _kernel(kept: KernelSnapshot, assembler: Assembler, classes: Sequence[Any]) -> Iterator[str]:
    node = kept.node
    yield f"kernel {kept.kernel_id!r}: {kept.state}, on {kept.backend}"
    for which, verb in (("input", "takes"), ("output", "sends")):
        if node["types"][which]:
            spelled = (_class(classes[number]) for number in node["types"][which])
            yield f"  {verb} {' | '.join(spelled)}"
    counted = [f"{value:,} {name}" for name, value in kept.statistics.items() if value]
    yield f"  counted: {', '.join(counted) or 'nothing yet'}"
    if not kept.begun:
        yield "  its prologue has not run"
    yield from _states(kept, assembler)
    for name, what in (("inputs", "waiting to be handled"), ("outputs", "waiting to be received")):
        messages = assembler.column(node[name])
        if messages:
            yield f"  {what}: {_count(len(messages), 'message')}"
            yield from (f"    {_shown(each)}" for each in messages[:ROWS])
            yield from _more(len(messages))


def _states(kept: KernelSnapshot, assembler: Assembler) -> Iterator[str]:
    instances = kept.node["instances"]
    columns = {name: assembler.column(column) for name, column in instances["variables"]}
    if instances["keys"] is None:
        rows = [
            (name, _kind(values[0]), _shown(values[0]))
            for name, values in columns.items() if values[0] is not MISSING
        ]  # fmt: skip
        if rows:
            yield from _table([("variable", "type", "value"), *rows])
        return
    keys = assembler.column(instances["keys"])
    yield f"  {_count(len(keys), 'instance')}"
    shown = [
        (_shown(key), *(_shown(values[n]) for values in columns.values()))
        for n, key in enumerate(keys[:ROWS])
    ]
    yield from _table([("key", *columns), *shown])
    yield from _more(len(keys))


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  " + "  ".join(cells).rstrip()


def _kind(value: Any) -> str:
    kind: str = value.kind if isinstance(value, (StandIn, Spelled)) else type(value).__name__
    return kind


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, int) else describe(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


def _more(count: int) -> Iterator[str]:
    if count > ROWS:
        yield f"    ... and {count - ROWS:,} more"


def _class(described: Any) -> str:
    fields = ", ".join(f"{name}: {kind}" for name, kind in described["fields"])
    return f"{described['name'].rpartition('.')[2]}({fields})"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
