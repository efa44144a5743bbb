"""``Snapshot``: actors between two messages, as a value that can be saved and restored.

Input: the bytes that ``kernels.snapshots`` has made, or a file.  Output: ids and counts of what is
in it, and the columns of which an actor is made again.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydotcompute.durability.plain_values import Node
from pydotcompute.durability.segments import sync_folder
from pydotcompute.durability.snapshot_format import HEADER, MAGIC, File
from pydotcompute.errors import SnapshotError


class KernelSnapshot:
    """One actor in a snapshot.

    Args:
        node: what the file says of it.

    Attributes:
        kernel_id: the id it was launched under.
        state: where it was in its life: ``"LAUNCHED"``, ``"ACTIVE"`` or ``"DEACTIVATED"``.
        backend: what ran it.
        begun: whether its loop had begun; if not, its prologue runs when it is activated.
        inputs: messages that wait to be handled.
        outputs: messages that wait to be received.
        position: of a durable actor, the number of its next output.
        key: of a population, the fields that are its key; None for one actor.
        instances: how many states there are; 1 but for populations.
        variables: the names of its variables.
    """

    __slots__ = (
        "backend", "begun", "inputs", "instances", "kernel_id", "key", "node", "outputs",
        "position", "state", "variables",
    )  # fmt: skip

    def __init__(self, node: Node) -> None:
        self.node = node
        self.kernel_id: str = _of(str, node["id"])
        self.state: str = _of(str, node["state"])
        self.backend: str = _of(str, node["backend"])
        self.begun: bool = _of(bool, node["begun"])
        self.inputs: int = _of(int, node["inputs"]["count"])
        self.outputs: int = _of(int, node["outputs"]["count"])
        self.position: int = _of(int, node["position"])
        self.instances: int = _of(int, node["instances"]["count"])
        named, key = node["instances"]["variables"], node["instances"].get("key")
        self.key = None if key is None else tuple(_of(str, each) for each in key)
        if key is None and self.instances != 1:
            raise ValueError(f"one actor has {self.instances} states")
        self.variables: tuple[str, ...] = tuple(_of(str, name) for name, _ in named)
        _check_counters(node["counters"], self.inputs)

    def __repr__(self) -> str:
        return (
            f"<KernelSnapshot {self.kernel_id!r} {self.state}: {self.inputs} inputs, "
            f"{self.outputs} outputs>"
        )

    @property
    def statistics(self) -> dict[str, int]:
        """Its counters: messages received, processed, sent and so on."""
        counters = self.node["counters"]
        counted = {name: value for name, value in counters.items() if type(value) is int}
        return {"received": counters["input"]["head"], **counted}


class Snapshot:
    """Actors between two messages: their variables, queues and counters.

    It is a value: what the actors do later does not change it.  ``await kernel.snapshot()`` and
    ``await runtime.snapshot()`` make one, ``launch(restore=...)`` takes it.

    Args:
        content: the bytes of a file.
        name: what errors call it.

    Raises:
        SnapshotError: these are no such bytes.
    """

    __slots__ = ("_edges", "_file", "_kernels")

    def __init__(self, content: bytes, name: str = "the snapshot") -> None:
        self._file = File(content, name)
        self._kernels: dict[str, KernelSnapshot] = {}
        self._edges: tuple[tuple[str, str], ...] = ()
        self._file.checked(self._look_through)

    def _look_through(self) -> None:
        description = self._file.description
        kernels = [KernelSnapshot(node) for node in description["kernels"]]
        self._kernels = {each.kernel_id: each for each in kernels}
        edges = [(_of(str, source), _of(str, target)) for source, target in description["edges"]]
        self._edges = tuple(edges)

    def __repr__(self) -> str:
        return f"<Snapshot of {', '.join(map(repr, self._kernels)) or 'no kernel'}>"

    def __bytes__(self) -> bytes:
        return self._file.content

    @property
    def name(self) -> str:
        """What errors call it: its file, if it has one."""
        return self._file.name

    @property
    def file(self) -> File:
        """Its checked bytes; for ``Assembler``."""
        return self._file

    @property
    def kernels(self) -> Mapping[str, KernelSnapshot]:
        """The actors in it, by the ids they were launched under."""
        return MappingProxyType(self._kernels)

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """The edges between them, as pairs of ids.  A restored actor has none: call ``connect``."""
        return self._edges

    def find(self, kernel_id: str) -> KernelSnapshot:
        """The actor that is launched under an id: its namesake, or the only one there is.

        Raises:
            SnapshotError: there are several, and none of that id.
        """
        if kernel_id in self._kernels:
            return self._kernels[kernel_id]
        if len(self._kernels) != 1:
            known = ", ".join(map(repr, self._kernels)) or "none"
            raise SnapshotError(f"{self.name} has no kernel {kernel_id!r} (it has: {known})")
        (only,) = self._kernels.values()
        return only

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, which is there whole or not at all, whatever happens.

        Args:
            path: the file; one that exists is replaced.

        Raises:
            SnapshotError: it cannot be written.
        """
        target = Path(path)
        try:
            number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
            try:
                with open(number, "wb") as file:
                    file.write(self._file.content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, target)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
            with contextlib.suppress(OSError):  # not every system has that
                sync_folder(target.parent)
        except OSError as error:
            raise SnapshotError(
                f"the snapshot cannot be written to {target}: {error.strerror or error}"
            ) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Snapshot:
        """Read one from a file.

        Args:
            path: the file.

        Raises:
            SnapshotError: it cannot be read, is none, or is damaged; the text names the file.
        """
        name = os.fspath(path)
        try:
            with open(path, "rb") as file:
                begin = file.read(HEADER.size)
                rest = file.read() if begin.startswith(MAGIC) else b""
        except OSError as error:
            why = error.strerror or error
            raise SnapshotError(f"the snapshot {name} cannot be read: {why}") from error
        return cls(begin + rest, str(name))


def _check_counters(counters: Node, waiting: int) -> None:
    """Refuse numbers that no actor can have counted."""
    for name, value in counters.items():
        if name in ("input", "output"):
            for count in value.values():
                _check_count(count)
        elif name == "latencies":
            for bucket, count in value:
                _check_count(bucket)
                _check_count(count)
        elif name.endswith("_seconds"):
            if not 0.0 <= _of(float, value) < math.inf:
                raise ValueError(f"{value} seconds")
        else:
            _check_count(value)
    if counters["input"]["head"] - counters["input"]["taken"] != waiting:
        raise ValueError("the input queue holds another number of messages than counted")


def _check_count(value: Any) -> None:
    if not 0 <= _of(int, value) < 1 << 62:
        raise ValueError(f"{value} is no count")


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{value!r:.60} is no {kind.__name__}")
    return value
