"""What a snapshot of older code becomes in newer code: classes and variables, matched by name.

Input: what the file says of a class or a variable, and the actor's code of today.  Output: classes
and values of today; a warning for what is gone, ``SnapshotError`` for what does not fit.

A file names classes, and nothing is imported or run for that: they are looked for among the types
of the actor, what its function refers to, and modules that are there already.
"""

from __future__ import annotations

import copy
import dataclasses
import enum
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast
from weakref import WeakKeyDictionary

from pydotcompute.compiler.consteval.prologue import static_values
from pydotcompute.compiler.diagnostics.diagnostic import DiagnosticError
from pydotcompute.compiler.frontend.actor_shape import find_shape
from pydotcompute.compiler.frontend.source import read_source
from pydotcompute.compiler.types.message_schema import is_message, schema_of
from pydotcompute.compiler.types.missing import MISSING
from pydotcompute.compiler.types.types import EnumType, MessageType, Type
from pydotcompute.durability.exact import Misfit, kind_of, like, of_type
from pydotcompute.durability.plain_values import Node
from pydotcompute.errors import SchemaError, SnapshotError, describe

_FITS: dict[str, Callable[[type], bool]] = {
    "message": is_message,
    "enum": lambda cls: issubclass(cls, enum.Enum),
    "namedtuple": lambda cls: issubclass(cls, tuple) and hasattr(cls, "_fields"),
}


class KnownClasses:
    """The classes of one actor (``assemble.Classes``).

    Args:
        label: names the snapshot in errors, ``"the snapshot of kernel 'x' in counter.pdc"``.
        function: the actor's function.
        types: its message classes.
        warn: told in a sentence what is dropped.
    """

    def __init__(
        self, label: str, function: Any, types: Iterable[type], warn: Callable[[str], None]
    ) -> None:
        self._label, self._warn = label, warn
        self._known = list(dict.fromkeys((*_with_fields(types), *_referred(function))))
        self._found: dict[int, type] = {}
        self._plans: dict[int, _Plan] = {}
        self._rests: list[Node] = []

    def find(self, described: Node) -> type:
        """The class that a file describes.

        Raises:
            SnapshotError: the actor knows none of that name.
        """
        found = self._found.get(id(described))
        if found is None:
            found = self._found[id(described)] = self._find(described)
            self._rests.append(described)  # its id stays its own
        return found

    def _find(self, described: Node) -> type:
        module, name = str(described["module"]), str(described["name"])
        fits, short = _FITS[described["kind"]], name.rpartition(".")[2]
        known = [cls for cls in self._known if fits(cls)]
        loaded: Any = sys.modules.get(module)
        for part in name.split("."):
            loaded = getattr(loaded, "__dict__", {}).get(part)
        for cls in (*known, loaded):
            exact = isinstance(cls, type) and (cls.__module__, cls.__qualname__) == (module, name)
            if exact and fits(cls):
                return cast(type, cls)
        for cls in known:
            if cls.__name__ == short:
                return cls
        raise SnapshotError(
            f"{self._label} holds values of {module}.{name}, and the actor knows no "
            f"{described['kind']} class of that name any more"
        )

    # --- as of ``assemble.Classes`` ---------------------------------------------------------

    def empty_message(self, described: Node) -> Any:
        """A message without any field."""
        return object.__new__(self.find(described))

    def set_fields(self, described: Node, message: Any, values: dict[str, Any]) -> None:
        """Give a message the fields that it had, as its class has them today."""
        plan = self._plans.get(id(described))
        if plan is None:
            plan = self._plans[id(described)] = self._plan(described, type(message))
        for name, value in values.items():
            if name in plan.gone or (name not in plan.names and not hasattr(message, "__dict__")):
                continue
            type_ = plan.changed.get(name)
            if type_ is not None:
                value = self._fitted(message, name, value, type_)
            object.__setattr__(message, name, value)
        for name, make in plan.added:
            object.__setattr__(message, name, make())

    def _fitted(self, message: Any, name: str, value: Any, type_: Type) -> Any:
        try:
            return of_type(value, type_)
        except Misfit:
            raise SnapshotError(
                f"{self._label} has {describe(value)} in field {name!r} of "
                f"{type(message).__name__}, which is of type {type_} today and has no equal value"
            ) from None

    def _plan(self, described: Node, cls: Any) -> _Plan:
        before = {str(name): str(text) for name, text in described["fields"]}
        fields = {field.name: field for field in dataclasses.fields(cls)}
        try:
            types = {field.name: field.type for field in schema_of(cls).fields}
        except SchemaError:  # only the interpreter has such messages, and takes anything
            types = {}
        gone = [name for name in before if name not in fields]
        if gone:
            self._warn(f"{self._label} has fields of {cls.__name__} that are gone today and were "
                       f"dropped: {', '.join(gone)}")  # fmt: skip
        added = [(name, self._default(cls, field)) for name, field in fields.items()
                 if name not in before]  # fmt: skip
        changed = {name: types[name] for name in before
                   if name in types and str(types[name]) != before[name]}  # fmt: skip
        return _Plan(frozenset(fields), frozenset(gone), changed, added)

    def _default(self, cls: type, field: dataclasses.Field[Any]) -> Callable[[], Any]:
        if field.default is not dataclasses.MISSING:
            return lambda: field.default
        if field.default_factory is not dataclasses.MISSING:
            return field.default_factory
        raise SnapshotError(
            f"{self._label} has a {cls.__name__} without the field {field.name!r}, which is new "
            "and has no default"
        )

    def member(self, described: Node, name: str) -> Any:
        """The member of an enum."""
        cls: Any = self.find(described)
        if name not in cls.__members__:
            raise SnapshotError(f"{self._label} has {cls.__name__}.{name}, which is gone today")
        return cls.__members__[name]

    def named_tuple(self, described: Node, items: list[Any]) -> Any:
        """A named tuple."""
        cls: Any = self.find(described)
        if list(cls._fields) != described["fields"] or len(items) != len(cls._fields):
            raise SnapshotError(f"{self._label} has a {cls.__name__} with other fields than today")
        return tuple.__new__(cls, items)


@dataclasses.dataclass(frozen=True)
class _Plan:
    """How the messages of one class become those of today.

    Args:
        names: its fields today.
        gone: fields that it has no more.
        changed: the types of those that have another type than they had.
        added: fields that are new, and what makes their defaults.
    """

    names: frozenset[str]
    gone: frozenset[str]
    changed: Mapping[str, Type]
    added: list[tuple[str, Callable[[], Any]]]


def _with_fields(types: Iterable[type]) -> Iterator[type]:
    """Message classes, and the classes of what their fields hold."""
    todo, seen = list(types), set()
    for cls in todo:
        if cls in seen:
            continue
        seen.add(cls)
        yield cls
        try:
            fields = schema_of(cls).fields if is_message(cls) else ()
        except SchemaError:
            continue
        for field in fields:
            inner: Any = field.type
            while hasattr(inner, "item") and isinstance(inner.item, Type):
                inner = inner.item
            if isinstance(inner, (EnumType, MessageType)):
                todo.append(inner.cls)


def _referred(function: Any) -> Iterator[type]:
    """The classes that a function's globals and closure name."""
    for cell in function.__closure__ or ():
        try:
            content = cell.cell_contents
        except ValueError:
            continue
        if isinstance(content, type):
            yield content
    for value in list(function.__globals__.values()):
        if isinstance(value, type):
            yield value


# --- variables -------------------------------------------------------------------------------


def variables_of_today(
    label: str,
    held: Mapping[str, Any],
    before: Mapping[str, str],
    names: Iterable[str],
    prologue: Mapping[str, Any],
    warn: Callable[[str], None],
) -> dict[str, Any]:
    """The variables of an actor whose code may have changed.

    Args:
        label: as for ``KnownClasses``.
        held: the values of the snapshot.
        before: the variables that the old code had, and the types (``kind_of``) that its prologue
            gave them; an empty one is not known.
        names: the variables that the code has today.
        prologue: what its prologue gives them, as far as that is known.
        warn: told in a sentence what is dropped.

    Raises:
        SnapshotError: a value has no equal of the type that its variable has today.
    """
    names = list(names)
    gone = [name for name in held if name not in names]
    if gone:
        warn(f"{label} has variables that are gone today and were dropped: {', '.join(gone)}")
    found: dict[str, Any] = {}
    made: dict[int, Any] = {}
    for name in names:
        example = prologue.get(name, MISSING)
        if name in held:
            found[name] = held[name]
            old = before.get(name)
            if example is not MISSING and old and old != kind_of(example):
                found[name] = _converted(label, name, held[name], example, made)
        elif name not in before and example is not MISSING:
            found[name] = copy.deepcopy(example)  # which others are given as well
    return found


def _converted(label: str, name: str, value: Any, example: Any, made: dict[int, Any]) -> Any:
    try:
        return like(value, example, made)
    except Misfit:
        raise SnapshotError(
            f"{label} has {describe(value)} in the variable {name!r}, which is of type "
            f"{kind_of(example)} today and has no equal value"
        ) from None


def needed_of_prologue(before: Mapping[str, str], names: Iterable[str]) -> set[str]:
    """The variables whose values a prologue has to give: those that the old code did not have."""
    return {name for name in names if name not in before}


_static: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


def static_prologue(function: Any) -> dict[str, Any]:
    """What the text of an actor's prologue gives its variables; those it does not tell are left
    out.  Nothing is run.

    Args:
        function: the actor.
    """
    found = _static.get(function)
    if found is None:
        try:
            values = static_values(find_shape(read_source(function)))
        except DiagnosticError:
            values = {}
        parameters = inspect.signature(function).parameters.values()
        defaults = {each.name: each.default for each in parameters
                    if each.default is not inspect.Parameter.empty}  # fmt: skip
        found = _static[function] = defaults | values
    return found
