"""Classes for reading a snapshot without the code that it is of.

Input: what a file says of a class.  Output: objects that show like its instances
(``Order(price=1.5)``, ``Side.BUY``), and nothing more.
"""

from __future__ import annotations

from typing import Any

from pydotcompute.durability.plain_values import Node


class StandIn:
    """A message, in place of one of a class that is not there.

    Args:
        name: of its class.
    """

    def __init__(self, name: str) -> None:
        self.kind = name
        self._fields: dict[str, Any] = {}

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={value!r}" for name, value in self._fields.items())
        return f"{self.kind}({parts})"

    def set(self, values: dict[str, Any]) -> None:
        """Give it its fields."""
        self._fields.update(values)


class Spelled:
    """A value that shows as a text: a member of an enum.  Equal texts are equal values.

    Args:
        kind: the name of its class.
        text: the text.
    """

    def __init__(self, kind: str, text: str) -> None:
        self.kind, self._text = kind, text

    def __repr__(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spelled) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class StandIns:
    """As ``assemble.Classes``, for files of any code."""

    def empty_message(self, described: Node) -> Any:
        """A message without any field."""
        return StandIn(_short(described))

    def set_fields(self, described: Node, message: Any, values: dict[str, Any]) -> None:
        """Give a message its fields."""
        message.set(values)

    def member(self, described: Node, name: str) -> Any:
        """The member of an enum."""
        return Spelled(_short(described), f"{_short(described)}.{name}")

    def named_tuple(self, described: Node, items: list[Any]) -> Any:
        """A named tuple, as a plain one."""
        return tuple(items)


def _short(described: Node) -> str:
    return str(described["name"]).rpartition(".")[2]
