"""From an actor's values to columns: the first half of a snapshot, while the actor rests.

Input: lists of values (one list for a variable of all instances, one for a queue).  Output: JSON
with arrays, in two steps.  ``Shredder.column`` walks through containers and copies what can change,
so that the actor may go on; ``Shredder.write`` makes arrays of the rest, on any thread.

Values of one class lie side by side (a list of a million ints is one array).  What can change
(a list, a dict, a message) is kept once, in the *heap*, and referred to by number: so two names of
one list are one list again afterwards.
"""

from __future__ import annotations

import dataclasses
import enum
import logging
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np

from pydotcompute.compiler.types.message_schema import is_message, schema_of
from pydotcompute.compiler.types.missing import MISSING
from pydotcompute.durability.plain_values import ATOMS, Atom, Node, NotPlainError
from pydotcompute.durability.snapshot_format import Blocks, dtype_name
from pydotcompute.errors import SchemaError
from pydotcompute.messages.header import (
    HEADER,
    Received,
    correlation_of,
    id_of,
    priority_of,
    shared_header,
)

DEEPEST = 60
"""Levels of tuples in tuples."""
FACTORIES: dict[str, Any] = {
    "int": int, "float": float, "str": str, "bool": bool, "list": list, "dict": dict, "set": set,
    "tuple": tuple, "Counter": Counter, "deque": deque,
}  # fmt: skip
"""What a ``defaultdict`` may make."""


@dataclasses.dataclass(frozen=True)
class Leaf:
    """Values that become an array later.

    Args:
        atom: their class.
        values: a list that nothing changes any more.
    """

    atom: Atom
    values: list[Any]


class Shredder:
    """What a snapshot keeps, while it is taken.

    Attributes:
        heap: what can change, wave by wave: a wave holds what the one before refers to.
        classes: the classes of messages, enums and named tuples, as JSON.
    """

    def __init__(self) -> None:
        self.heap: list[Node] = []
        self.classes: list[Node] = []
        self._class_numbers: dict[type, int] = {}
        self._numbers: dict[int, int] = {}
        self._counts: dict[str, int] = {}
        self._pending: dict[type, list[Any]] = {}
        self._kept: list[Any] = []
        self._arrays: list[np.ndarray[Any, Any]] = []
        self._blocks = Blocks()
        self._strings: dict[str, int] = {}
        self._nans: dict[int, int] = {}

    # --- the first step --------------------------------------------------------------------

    def column(self, values: Sequence[Any]) -> Node:
        """A column of values, and what they refer to.

        Raises:
            NotPlainError: one of them is, or holds, no plain data.
        """
        made = self._column(list(values), 0)
        while self._pending:
            pending, self._pending = self._pending, {}
            for kind, objects in pending.items():
                self._kept += objects  # their ids stay theirs
                self.heap.append(self._shred(kind, objects))
        return made

    def _column(self, values: list[Any], depth: int) -> Node:
        kinds = set(map(type, values))
        if not kinds:
            return {"kind": "empty", "count": 0}
        if len(kinds) == 1:
            return {"count": len(values), **self._alike(next(iter(kinds)), values, depth)}
        order = dict.fromkeys(map(type, values))
        tags = {kind: n for n, kind in enumerate(order)}
        columns = [
            self._column([value for value in values if type(value) is kind], depth)
            for kind in order
        ]
        places = np.array([tags[type(value)] for value in values], "<u4")
        return {"kind": "mixed", "count": len(values), "tags": places, "columns": columns}

    def _alike(self, kind: type, values: list[Any], depth: int) -> Node:
        """A column of values of one class."""
        atom = ATOMS.get(kind)
        if atom is not None:
            if atom.check is not None:
                for value in values:
                    atom.check(value)
            return {"kind": atom.kind, "values": Leaf(atom, values)}
        if kind in _SHREDDERS or is_message(kind):
            name, numbers = self._heap_name(kind), self._refer(kind, values)
            return {"kind": "ref", "of": name, "numbers": numbers}
        if depth > DEEPEST:
            raise NotPlainError(f"tuples nested more than {DEEPEST} levels deep")
        if kind is tuple or kind is frozenset:
            return {"kind": kind.__name__, **self._parts(values, depth)}
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            described = self._class_of(kind, "namedtuple", {"fields": list(kind._fields)})
            return {"kind": "namedtuple", "class": described, **self._parts(values, depth)}
        if issubclass(kind, enum.Enum):
            return self._members(kind, values)
        if issubclass(kind, np.generic):
            return self._scalars(values)
        if issubclass(kind, logging.Logger):
            return {"kind": "logger", "values": Leaf(ATOMS[logging.Logger], values)}
        raise NotPlainError(_an(kind))

    def _parts(self, values: list[Any], depth: int) -> Node:
        """The items of containers, one behind the other."""
        items = self._column(list(chain.from_iterable(values)), depth + 1)
        return {"sizes": _sizes(values), "items": items}

    def _members(self, kind: Any, values: list[Any]) -> Node:
        names = [name for name, member in kind.__members__.items() if member.name == name]
        places = {kind[name]: n for n, name in enumerate(names)}
        try:
            numbers = np.array([places[value] for value in values], "<u4")
        except KeyError as error:
            raise NotPlainError(f"{error.args[0]!r}, which is no member of it alone") from None
        return {"kind": "enum", "class": self._class_of(kind, "enum", {"members": names}),
                "numbers": numbers}  # fmt: skip

    def _scalars(self, values: list[Any]) -> Node:
        dtypes = {value.dtype for value in values}
        if len(dtypes) > 1:
            raise NotPlainError("numpy scalars of one class and several units")
        dtype = dtypes.pop()
        _check_dtype(dtype)
        return {"kind": "scalar", "data": np.array(values, dtype)}

    # --- what can change -------------------------------------------------------------------

    def _heap_name(self, kind: type) -> str:
        if kind in _SHREDDERS:
            return _SHREDDERS[kind][0]
        return f"message {self._message_class(kind)}"

    def _refer(self, kind: type, values: list[Any]) -> np.ndarray[Any, Any]:
        """The numbers of objects in the heap; new ones get theirs."""
        known, name = self._numbers, self._heap_name(kind)
        pending, numbers = self._pending.setdefault(kind, []), []
        count = self._counts.get(name, 0)
        for value in values:
            number = known.get(id(value))
            if number is None:
                number = known[id(value)] = count
                pending.append(value)
                count += 1
            numbers.append(number)
        self._counts[name] = count
        if not pending:
            del self._pending[kind]
        return np.array(numbers, "<i8")

    def _shred(self, kind: type, objects: list[Any]) -> Node:
        node: Node = {"of": self._heap_name(kind), "count": len(objects)}
        if kind in _SHREDDERS:
            return node | _SHREDDERS[kind][1](self, objects)
        return node | self._messages(kind, objects)

    def _items(self, objects: list[Any]) -> Node:
        return self._parts(objects, 0)

    def _deques(self, objects: list[Any]) -> Node:
        limits = [-1 if each.maxlen is None else each.maxlen for each in objects]
        return {"limits": np.array(limits, "<i8"), **self._parts(objects, 0)}

    def _mappings(self, objects: list[Any]) -> Node:
        values = self._column(list(chain.from_iterable(each.values() for each in objects)), 0)
        return {**self._parts(objects, 0), "values": values}

    def _defaults(self, objects: list[Any]) -> Node:
        names = {made: name for name, made in FACTORIES.items()} | {None: ""}
        try:
            factories = [names[each.default_factory] for each in objects]
        except (KeyError, TypeError):
            raise NotPlainError("a defaultdict with a factory of its own") from None
        return {"factories": factories, **self._mappings(objects)}

    def _byte_arrays(self, objects: list[Any]) -> Node:
        return {"content": self._column([bytes(each) for each in objects], 0)}

    def _array_nodes(self, objects: list[Any]) -> Node:
        nodes = []
        for array in objects:
            _check_dtype(array.dtype)
            self._arrays.append(array)
            order = "F" if array.flags.fnc else "C"
            nodes.append({
                "shape": list(array.shape), "order": order, "writeable": array.flags.writeable,
                "data": array.flatten(order),
            })  # fmt: skip
        self._check_overlaps()
        return {"arrays": nodes}

    def _check_overlaps(self) -> None:
        """Refuse arrays that share memory: their copies would not."""
        spans = sorted((*np.lib.array_utils.byte_bounds(each), n)
                       for n, each in enumerate(self._arrays) if each.size)  # fmt: skip
        for (_, end, _), (start, _, _) in pairwise(spans):
            if start < end:
                raise NotPlainError("an array that shares its memory with another (use a copy)")

    def _messages(self, cls: Any, objects: list[Any]) -> Node:
        names = [field.name for field in dataclasses.fields(cls)]
        held = {name: None for each in objects for name in getattr(each, "__dict__", ())}
        names += [name for name in held if name != HEADER and name not in names]
        names = names or [""]  # each object has some bytes, and be it none of a field
        fields = [
            [name, self._column([getattr(each, name, MISSING) for each in objects], 0)]
            for name in names
        ]
        return {"fields": fields, **self._headers(objects)}

    def _headers(self, objects: list[Any]) -> Node:
        """The headers; an id that has been promised to somebody is made now."""
        held = [getattr(each, HEADER, None) for each in objects]
        if not any(each is not None for each in held):
            return {}
        heads = [None if has is None else shared_header(each)
                 for has, each in zip(held, objects, strict=True)]  # fmt: skip
        return {"headers": {
            "ids": self._column([each and id_of(each) for each in heads], 0),
            "priorities": self._column([each and priority_of(each) for each in heads], 0),
            "correlations": self._column([each and correlation_of(each) for each in heads], 0),
            "received": self._column([_is_received(each) for each in held], 0),
        }}  # fmt: skip

    # --- classes ---------------------------------------------------------------------------

    def _class_of(self, cls: type, kind: str, more: Node) -> int:
        number = self._class_numbers.get(cls)
        if number is None:
            number = self._class_numbers[cls] = len(self.classes)
            self.classes.append(
                {"kind": kind, "module": cls.__module__, "name": cls.__qualname__, **more}
            )
        return number

    def _message_class(self, cls: Any) -> int:
        if cls in self._class_numbers:
            return self._class_numbers[cls]
        return self._class_of(cls, "message", {"fields": types_of_fields(cls)})

    def class_number(self, cls: type) -> int:
        """The number of a message class in ``classes``."""
        return self._message_class(cls)

    # --- the second step -------------------------------------------------------------------

    def write(self, description: Any) -> bytes:
        """The whole file.

        Args:
            description: JSON that may hold columns; ``heap``, ``classes`` and ``strings`` are
                added.
        """
        made = self._write({**description, "heap": self.heap, "classes": self.classes})
        texts = [text.encode("utf-8", "surrogatepass") for text in self._strings]
        sizes = np.array([len(text) for text in texts], "<i8")
        made["strings"] = {
            "sizes": self._blocks.add(sizes), "data": self._blocks.add_bytes(b"".join(texts)),
        }  # fmt: skip
        return self._blocks.file(made)

    def _write(self, part: Any) -> Any:
        if isinstance(part, dict):
            made: Node = {}
            for name, value in part.items():
                if isinstance(value, Leaf):
                    made |= value.atom.write(self, value.values)
                else:
                    made[name] = self._write(value)
            return made
        if isinstance(part, (list, tuple)):
            return [self._write(each) for each in part]
        return self._blocks.add(part) if isinstance(part, np.ndarray) else part

    def add(self, array: np.ndarray[Any, Any]) -> Any:
        """As of ``plain_values.Target``."""
        return self._blocks.add(array)

    def add_bytes(self, content: bytes) -> Any:
        """As of ``plain_values.Target``."""
        return self._blocks.add_bytes(content)

    def texts(self, values: Sequence[str]) -> Any:
        """As of ``plain_values.Target``: numbers of strings."""
        known = self._strings
        return self._blocks.add(np.array([known.setdefault(v, len(known)) for v in values], "<u4"))

    def nan(self, value: float) -> int:
        """As of ``plain_values.Target``."""
        self._kept.append(value)
        return self._nans.setdefault(id(value), len(self._nans))


def types_of_fields(cls: Any) -> list[list[str]]:
    """Names and types of a message class's fields, in words."""
    try:
        return [[field.name, str(field.type)] for field in schema_of(cls).fields]
    except SchemaError:
        return [[each.name, str(each.type)] for each in dataclasses.fields(cls)]


def _is_received(held: Any) -> bool:
    """Whether a header is that of another message, which this is a copy of."""
    return isinstance(held, Received) or is_message(type(held))


def _sizes(values: Iterable[Any]) -> np.ndarray[Any, Any]:
    return np.array(list(map(len, values)), "<i8")


def _an(kind: type) -> str:
    return f"{'an' if kind.__name__[:1] in 'AEIOaeio' else 'a'} {kind.__name__}"


def _check_dtype(dtype: np.dtype[Any]) -> None:
    try:
        dtype_name(dtype)
    except TypeError:
        raise NotPlainError(f"numpy values of dtype {dtype}") from None
    if not dtype.itemsize:
        raise NotPlainError("numpy values of no size")


_SHREDDERS: dict[type, tuple[str, Callable[[Shredder, list[Any]], Node]]] = {
    list: ("list", Shredder._items),
    set: ("set", Shredder._items),
    deque: ("deque", Shredder._deques),
    dict: ("dict", Shredder._mappings),
    OrderedDict: ("OrderedDict", Shredder._mappings),
    Counter: ("Counter", Shredder._mappings),
    defaultdict: ("defaultdict", Shredder._defaults),
    bytearray: ("bytearray", Shredder._byte_arrays),
    np.ndarray: ("array", Shredder._array_nodes),
}
"""What can change: its name in the file, and how it is taken apart."""
