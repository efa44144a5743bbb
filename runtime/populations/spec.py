"""What a population is keyed by, and how many instances it may have.

Input: the arguments ``key`` and ``instances`` of ``launch``.  Output: a ``PopulationSpec``, which
finds the key of a message.

What belongs here: checks at launch.  Checks at each send are in ``admission``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any, Final

from pydotcompute.compiler.types.message_schema import field_type, is_message
from pydotcompute.compiler.types.types import (
    BOOL,
    INT,
    STR,
    UUID,
    EnumType,
    LiteralType,
    Type,
    UnsupportedTypeError,
)
from pydotcompute.errors import MessageTypeError, describe
from pydotcompute.support.arguments import count

NO_KEY: Final[Any] = object()
"""In place of a key: the call, or the actor, is not about one instance of a population."""
ALLOWED = "int, bool, str, an Enum class or UUID"


@dataclass(frozen=True)
class PopulationSpec:
    """The keys of a population.

    Args:
        fields: the fields of each message that are its key.
        single: the key is the value of the one field; else a tuple of the values.
        instances: most instances there may be; None: as many as there is memory for.
    """

    fields: tuple[str, ...]
    single: bool = True
    instances: int | None = None

    @cached_property
    def key_of(self) -> Callable[[Any], Any]:
        """The key of a message."""
        if self.single or len(self.fields) > 1:
            return attrgetter(*self.fields)
        (name,) = self.fields
        return lambda message: (getattr(message, name),)

    def values(self, key: Any) -> tuple[Any, ...]:
        """The value of each field of a key."""
        return (key,) if self.single else tuple(key)

    def describe(self, key: Any) -> str:
        """A key for an error text: ``account_id='NL91'``."""
        if not self.single and (type(key) is not tuple or len(key) != len(self.fields)):
            return describe(key)
        named = zip(self.fields, self.values(key), strict=True)
        return ", ".join(f"{name}={describe(value)}" for name, value in named)

    def types(self, cls: type) -> tuple[Type, ...]:
        """The types of the key's fields in a message class.

        Raises:
            MessageTypeError: it has no such field, or one of a type that is no key.
        """
        return tuple([self._type_in(cls, name) for name in self.fields])

    def _type_in(self, cls: type, name: str) -> Type:
        if not is_message(cls):
            raise self._refused(cls, name, f"{cls.__name__} is no @message class")
        found = {field.name: field for field in dataclasses.fields(cls)}.get(name)
        if found is None:
            raise self._refused(cls, name, f"{cls.__name__} has no field {name!r}")
        try:
            declared = field_type(cls, found)
        except UnsupportedTypeError as error:
            given = str(error)
        else:
            plain = declared.base if isinstance(declared, LiteralType) else declared
            if plain in (INT, BOOL, STR, UUID) or isinstance(plain, EnumType):
                return plain
            given = str(declared)
        raise self._refused(cls, name, f"{cls.__name__}.{name} is {given}, not {ALLOWED}")

    def _refused(self, cls: type, name: str, why: str) -> MessageTypeError:
        return MessageTypeError(
            f"the key field {name!r} of a population must be in every input class, of type "
            f"{ALLOWED}: {why}", field=name, expected=ALLOWED, given=cls.__name__,
        )  # fmt: skip


def population_spec(
    kernel_id: str, key: Any, instances: Any, classes: Sequence[type]
) -> PopulationSpec | None:
    """What ``launch`` was asked for; None: an actor, no population.

    Args:
        kernel_id: for error texts.
        key: the name of a field, a tuple of names, or None.
        instances: most instances, or None.
        classes: the input classes, as far as they are known.

    Raises:
        TypeError, ValueError: an argument means nothing.
        MessageTypeError: a class lacks a field of the key, or has one of another type.
    """
    who = f"kernel {kernel_id!r}:"
    if key is None:
        if instances is not None:
            raise TypeError(f"{who} instances is for a population; give its key as well")
        return None
    single = isinstance(key, str)
    fields = (key,) if single else key
    if not isinstance(fields, tuple) or not all(isinstance(name, str) for name in fields):
        raise TypeError(f"{who} key takes the name of a field or a tuple of names, not {key!r}")
    if not fields or not all(fields) or len(set(fields)) < len(fields):
        raise ValueError(f"{who} key takes one field or several different ones, not {key!r}")
    most = None if instances is None else count(instances, f"{who} instances")
    spec = PopulationSpec(fields, single, most)
    check_classes(kernel_id, spec, classes)
    return spec


def check_classes(kernel_id: str, spec: PopulationSpec, classes: Sequence[type]) -> None:
    """Check that every class has the key, with the same types.

    Raises:
        MessageTypeError: one has not; the text names class and field.
    """
    first: tuple[Type, ...] = ()
    for cls in classes:
        try:
            types = spec.types(cls)
        except MessageTypeError as error:
            raise MessageTypeError(
                f"kernel {kernel_id!r}: {error}", kernel_id, error.field, error.expected,
                error.given,
            ) from None  # fmt: skip
        first = first or types
        for name, one, other in zip(spec.fields, first, types, strict=True):
            if one != other:
                raise MessageTypeError(
                    f"kernel {kernel_id!r}: the key field {name!r} is {one} in "
                    f"{classes[0].__name__} and {other} in {cls.__name__}; it must have one type "
                    "in all input classes", kernel_id, name, str(one), str(other),
                )  # fmt: skip
