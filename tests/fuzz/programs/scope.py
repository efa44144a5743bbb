"""What the writer of a program knows where it stands: names with their types, and chance.

Types are words: ``int float bool str mode i32 u8 f32 optint optfloat point``; containers
(``ints floats queue waiting counts prices grid``) are listed apart: they are used, not computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

ANNOTATIONS = {
    "int": "int", "float": "float", "bool": "bool", "str": "str", "mode": "Mode",
    "i32": "np.int32", "u8": "np.uint8", "f32": "np.float32", "optint": "int | None",
    "optfloat": "float | None", "point": "Point", "literal": 'Literal["buy", "sell", "hold"]',
    "uuid": "UUID", "items": "Annotated[list[int], MaxLen(6)]",
    "vector": "Annotated[NDArray[np.float64], Shape(4)]",
}  # fmt: skip
"""Types of fields as they are written."""


@dataclass
class Helper:
    """A function of the module.

    Args:
        name: its name.
        takes: types of its parameters.
        gives: type of its result; a tuple's are joined by ``,``.
        raises: whether it raises errors of its own.
    """

    name: str
    takes: tuple[str, ...]
    gives: str
    raises: bool = False


@dataclass
class Scope:
    """The names that are bound at a place.

    Args:
        random: the source of chance.
        names: variables by name, with their types.
        places: containers by name, with their kinds.
        helpers: functions that may be called.
        message: name and fields of the message in hand.
    """

    random: Random
    names: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    helpers: list[Helper] = field(default_factory=list)
    message: tuple[str, dict[str, str]] | None = None
    fixed: set[str] = field(default_factory=set)
    counter: int = 0

    def one(self, options: Sequence[T]) -> T:
        """One of them."""
        return self.random.choice(options)

    def chance(self, percent: float) -> bool:
        """True so often."""
        return self.random.random() * 100 < percent

    def fresh(self, stem: str) -> str:
        """A name that is new."""
        self.counter += 1
        return f"{stem}{self.counter}"

    def of(self, type_: str) -> list[str]:
        """Expressions without operators of a type: variables and fields."""
        found = [name for name, have in self.names.items() if have == type_]
        if self.message is not None:
            name, fields = self.message
            found += [f"{name}.{f}" for f, have in fields.items() if have == type_]
            if type_ in ("int", "float"):
                part = "x" if type_ == "int" else "y"
                found += [f"{name}.{f}.{part}" for f, have in fields.items() if have == "point"]
        if type_ in ("int", "float"):
            part = "x" if type_ == "int" else "y"
            found += [f"{n}.{part}" for n, have in self.names.items() if have == "point"]
        return found

    def variables(self, type_: str) -> list[str]:
        """Variables of a type that may be assigned."""
        return [n for n, have in self.names.items() if have == type_ and n not in self.fixed]

    def containers(self, *kinds: str) -> list[str]:
        """Containers of some kinds."""
        return [name for name, kind in self.places.items() if kind in kinds]

    @contextmanager
    def inner(self, **changes: Any) -> Iterator[None]:
        """A block: names bound inside are forgotten behind it."""
        saved = dict(self.names), self.message, set(self.fixed), dict(self.places)
        for name, value in changes.items():
            setattr(self, name, value)
        yield
        self.names, self.message, self.fixed, self.places = saved
