"""What a kernel's text was made for, in one line: its messages and variables, with their types.

Input: message classes and the variables of the state.  Output::

    takes Request(value: int); sends Response(result: int); keeps total: float

The text carries it, so that one edited by hand is not run with records of another layout: sizes are
compared by the compiler, but two fields that have changed places have the same size.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydotcompute.compiler.codegen.c_types import comment
from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.message_schema import schema_of
from pydotcompute.compiler.types.types import Type

MARK = "// Made for: "
"""Begins the line."""


def signature(
    inputs: Sequence[type], outputs: Sequence[type], state: Sequence[tuple[str, Type]]
) -> str:
    """The line, without its mark.

    Args:
        inputs, outputs: message classes, in the order of their tags.
        state: names and types of the variables.
    """
    inner: dict[Type, str] = {}
    takes, sends = (" | ".join(_message(cls, inner) for cls in each) for each in (inputs, outputs))
    for _, t in state:
        _collect(t, inner)
    keeps = ", ".join(f"{name}: {t}" for name, t in state)
    known = "; with " + ", ".join(inner.values()) if inner else ""
    return comment(f"takes {takes}; sends {sends or 'nothing'}; keeps {keeps or 'nothing'}{known}")


def signature_of(text: str) -> str | None:
    """What a text says that it was made for; None if it does not say."""
    found = re.search(rf"^{MARK}(.*)$", text, re.MULTILINE)
    return found.group(1).strip() if found else None


def _message(cls: type, inner: dict[Type, str]) -> str:
    fields = schema_of(cls).fields
    for field in fields:
        _collect(field.type, inner)
    return f"{cls.__name__}({', '.join(f'{field.name}: {field.type}' for field in fields)})"


def _collect(t: Type, inner: dict[Type, str]) -> None:
    """Note the messages and enums in a type: their names alone do not say what they hold."""
    match t:
        case types.MessageType() if t not in inner:
            inner[t] = ""  # its place, before those inside of it
            inner[t] = _message(t.cls, inner)
        case types.EnumType():
            inner[t] = f"{t}({', '.join(member.name for member in t.members)})"
        case types.OptionalType() | types.ListType() | types.DequeType() | types.SetType():
            _collect(t.item, inner)
        case types.DictType():
            _collect(t.key, inner)
            _collect(t.value, inner)
        case types.UnionType():
            for member in t.members:
                _collect(member, inner)
