"""From columns back to values: what a snapshot has kept, in the objects of a new life.

Input: a checked file.  Output: lists of values, as ``Shredder.column`` was given them.  Classes are
found by ``Classes``, which never imports anything that a file names; no constructor of a message
runs.  What does not fit together raises ``SnapshotError``.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from pydotcompute.compiler.types.missing import MISSING
from pydotcompute.durability.plain_values import BY_KIND, Node, new_nan, split
from pydotcompute.durability.shred import FACTORIES
from pydotcompute.durability.snapshot_format import File
from pydotcompute.messages.header import HEADER, Header, Received

MOST_DIMENSIONS = 32


class Classes(Protocol):
    """Finds the classes of this life."""

    def empty_message(self, described: Node) -> Any:
        """A message of a class, without any field."""
        ...

    def set_fields(self, described: Node, message: Any, values: dict[str, Any]) -> None:
        """Give a message its fields."""
        ...

    def member(self, described: Node, name: str) -> Any:
        """The member of an enum."""
        ...

    def named_tuple(self, described: Node, items: list[Any]) -> Any:
        """A named tuple."""
        ...


class Assembler:
    """Makes values of a file's columns.

    Args:
        file: the file.
        classes: finds the classes that it names.

    Raises:
        SnapshotError: what the file says does not fit together.
    """

    def __init__(self, file: File, classes: Classes) -> None:
        self._file, self._classes = file, classes
        self._budget = 3 * file.data_size + 64
        self._nans: dict[int, float] = {}
        self._heap: dict[str, list[Any]] = {}
        self._strings: list[str] = []
        self._described: list[Node] = []
        file.checked(self._read_heap)

    def column(self, node: Node) -> list[Any]:
        """The values of a column."""
        values: list[Any] = self._file.checked(self._column, node)
        return values

    # --- columns ---------------------------------------------------------------------------

    def _column(self, node: Node) -> list[Any]:
        kind = node["kind"]
        atom = BY_KIND.get(kind)
        values = atom.read(self, node) if atom is not None else _READERS[kind](self, node)
        if len(values) != node["count"]:
            raise ValueError(f"a column of {node['count']!r} values has {len(values)}")
        return values

    def _empty(self, node: Node) -> list[Any]:
        return []

    def _mixed(self, node: Node) -> list[Any]:
        columns = [iter(self._column(each)) for each in node["columns"]]
        values = [next(columns[tag]) for tag in self.array(node["tags"]).tolist()]
        if any(next(each, node) is not node for each in columns):
            raise ValueError("a column has more values than places")
        return values

    def _refs(self, node: Node) -> list[Any]:
        objects = self._heap[node["of"]]
        numbers = self.array(node["numbers"])
        if len(numbers) and int(numbers.min()) < 0:
            raise ValueError("a number of an object is negative")
        return [objects[number] for number in numbers.tolist()]

    def _parts(self, node: Node) -> list[list[Any]]:
        return split(self._column(node["items"]), self._sizes(node))

    def _sizes(self, node: Node) -> list[int]:
        sizes: list[int] = self.array(node["sizes"]).tolist()
        return sizes

    def _tuples(self, node: Node) -> list[Any]:
        return list(map(tuple, self._parts(node)))

    def _frozen_sets(self, node: Node) -> list[Any]:
        return list(map(frozenset, self._parts(node)))

    def _named_tuples(self, node: Node) -> list[Any]:
        described = self._described[node["class"]]
        return [self._classes.named_tuple(described, part) for part in self._parts(node)]

    def _members(self, node: Node) -> list[Any]:
        described = self._described[node["class"]]
        used = self.array(node["numbers"]).tolist()
        members = {n: self._classes.member(described, described["members"][n]) for n in set(used)}
        return [members[n] for n in used]

    def _scalars(self, node: Node) -> list[Any]:
        return list(self.array(node["data"]))

    # --- the heap --------------------------------------------------------------------------

    def _read_heap(self) -> None:
        description = self._file.description
        strings = description["strings"]
        texts = split(self.bytes_of(strings["data"]), self._sizes(strings))
        self._strings = [text.decode("utf-8", "surrogatepass") for text in texts]
        self._described = description["classes"]
        waves: list[tuple[Node, list[Any]]] = []
        for node in description["heap"]:
            objects = self._empties(node)
            self._heap.setdefault(node["of"], []).extend(objects)
            waves.append((node, objects))
        # keys have to be whole before they are keys; and only messages can be keys of all these
        for messages in (True, False):
            for node, objects in reversed(waves):
                if node["of"].startswith("message ") is messages:
                    self._fill(node, objects)

    def _empties(self, node: Node) -> list[Any]:
        """The objects of a wave, still without content."""
        name, count = node["of"], node["count"]
        if name == "array":
            return [self._array(each) for each in node["arrays"]]
        if name.startswith("message "):
            described = self._described[int(name.split()[1])]
            bound = min((each[1]["count"] for each in node["fields"]), default=1)
            self._check_count(count, bound)
            return [self._classes.empty_message(described) for _ in range(count)]
        if name == "deque":
            limits = self.array(node["limits"]).tolist()
            return [deque(maxlen=None if limit < 0 else limit) for limit in limits]
        if name == "defaultdict":
            return [defaultdict(FACTORIES[each] if each else None) for each in node["factories"]]
        if name == "bytearray":
            return [bytearray(each) for each in self._column(node["content"])]
        self._check_count(count, len(self._sizes(node)))
        make = _EMPTIES[name]
        return [make() for _ in range(count)]

    def _check_count(self, count: int, there: int) -> None:
        """Nothing may stand for more objects than it has bytes."""
        if type(count) is not int or not 0 <= count <= there:
            raise ValueError(f"{count!r} objects have content for {there}")

    def _array(self, node: Node) -> Any:
        shape, order = node["shape"], node["order"]
        if len(shape) > MOST_DIMENSIONS or order not in ("C", "F"):
            raise ValueError("an array of no such shape")
        array = self.array(node["data"]).reshape(shape, order=order).copy(order)
        array.flags.writeable = bool(node["writeable"])
        return array

    def _fill(self, node: Node, objects: list[Any]) -> None:
        name = node["of"]
        if len(objects) != node["count"]:
            raise ValueError(f"{node['count']!r} objects are {len(objects)}")
        if name in ("array", "bytearray"):
            return
        if name.startswith("message "):
            self._fill_messages(node, objects)
            return
        parts = self._parts(node)
        if len(parts) != len(objects):
            raise ValueError(f"{len(objects)} containers have {len(parts)} contents")
        if "values" in node:
            values = split(self._column(node["values"]), self._sizes(node))
            update: Any = OrderedDict.update if name == "OrderedDict" else dict.update
            for mapping, keys, held in zip(objects, parts, values, strict=True):
                update(mapping, zip(keys, held, strict=True))
            return
        for container, items in zip(objects, parts, strict=True):
            (container.update if name == "set" else container.extend)(items)

    def _fill_messages(self, node: Node, objects: list[Any]) -> None:
        described = self._described[int(node["of"].split()[1])]
        names = [str(name) for name, _ in node["fields"]]
        columns = [self._column(column) for _, column in node["fields"]]
        for n, message in enumerate(objects):
            held = {name: column[n] for name, column in zip(names, columns, strict=True)}
            values = {name: value for name, value in held.items() if value is not MISSING}
            self._classes.set_fields(described, message, values)
        if "headers" in node:
            self._set_headers(node["headers"], objects)

    def _set_headers(self, node: Node, objects: list[Any]) -> None:
        names = ("ids", "priorities", "correlations", "received")
        columns = [self._column(node[name]) for name in names]
        for message, *parts in zip(objects, *columns, strict=True):
            made, priority, correlation, received = parts
            if made is not None:
                header = Header(made, priority, correlation)
                held = Received(header) if received else header
                object.__setattr__(message, HEADER, held)

    # --- as of ``plain_values.Origin`` ------------------------------------------------------

    def array(self, block: Any) -> np.ndarray[Any, Any]:
        """An array of the file."""
        found = self._file.array(block)
        self._budget -= found.nbytes
        if self._budget < 0:  # nothing is written twice, so nothing may be read many times
            raise ValueError("the same bytes stand for many values")
        return found

    def bytes_of(self, block: Any) -> bytes:
        """Bytes of the file."""
        return self.array(block).tobytes()

    def texts_of(self, block: Any) -> list[str]:
        """Strings of the file."""
        strings = self._strings
        return [strings[number] for number in self.array(block).tolist()]

    def nan_of(self, number: int, bits: float) -> float:
        """The NaN of a number, which is an object of its own."""
        found = self._nans.get(number)
        if found is None:
            found = self._nans[number] = new_nan(bits)
        return found


_READERS: dict[str, Callable[[Assembler, Node], list[Any]]] = {
    "empty": Assembler._empty,
    "mixed": Assembler._mixed,
    "ref": Assembler._refs,
    "tuple": Assembler._tuples,
    "frozenset": Assembler._frozen_sets,
    "namedtuple": Assembler._named_tuples,
    "enum": Assembler._members,
    "scalar": Assembler._scalars,
}
_EMPTIES: dict[str, Callable[[], Any]] = {
    "list": list, "set": set, "dict": dict, "OrderedDict": OrderedDict, "Counter": Counter,
}  # fmt: skip
