"""What an actor's prologue left, kept in the journal: a prologue need not do the same again.

Input: the variables before the loop.  Output: the bytes of a group, in the format of snapshots; and
the variables again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydotcompute.durability.assemble import Assembler
from pydotcompute.durability.evolution import KnownClasses, static_prologue, variables_of_today
from pydotcompute.durability.exact import kind_of
from pydotcompute.durability.plain_values import NotPlainError
from pydotcompute.durability.shred import Shredder
from pydotcompute.durability.snapshot_format import File
from pydotcompute.errors import DurabilityError, SnapshotError


def beginning(values: Mapping[str, Any], names: Iterable[str]) -> bytes | None:
    """The variables of an actor before its first message; None if they are no plain data.

    Args:
        values: all that the prologue left.
        names: the variables that live from message to message.
    """
    shredder, columns, kinds = Shredder(), list[Any](), list[Any]()
    try:
        for name in names:
            if name in values:
                columns.append([name, shredder.column([values[name]])])
                kinds.append([name, kind_of(values[name])])
    except NotPlainError:
        return None
    return shredder.write({"format": "pydotcompute beginning", "variables": columns,
                           "kinds": kinds})  # fmt: skip


def variables_in(
    content: bytes, label: str, function: Any, types: Iterable[type], names: Iterable[str],
    warn: Callable[[str], None],
) -> dict[str, Any]:  # fmt: skip
    """The variables again, for the code of today.

    Args:
        content: what ``beginning`` made.
        label: names the place in errors.
        function: the actor's function.
        types: its message classes.
        names: its variables.
        warn: told in a sentence what is dropped.

    Raises:
        DurabilityError: they do not fit.
    """
    try:
        file = File(content, label)
        assembler = Assembler(file, KnownClasses(label, function, types, warn))
        node = file.description
        found = {str(name): assembler.column(each)[0] for name, each in node["variables"]}
        before = {str(name): str(kind) for name, kind in node["kinds"]}
        return variables_of_today(label, found, before, names, static_prologue(function), warn)
    except (SnapshotError, KeyError, TypeError, ValueError, IndexError) as error:
        raise DurabilityError(f"{label} holds variables that do not fit: {error}") from error
