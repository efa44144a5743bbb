"""What was compiled, for people: a summary, and the record layouts.  ``page`` is the same in HTML.

In: a ``KernelSource``, or the diagnostics that took its place.  Out: text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic, render
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.kernel_source import KernelSource
from pydotcompute.compiler.passes.turn_dependence import schedule_of
from pydotcompute.compiler.types.message_schema import schema_of


def explain(kernel_id: str, kernel: KernelSource | None, diagnostics: Sequence[Diagnostic],
            awaits: str = "", edited: str = "") -> str:  # fmt: skip
    """The summary of an actor that lowered, or of why it did not.

    Args:
        kernel_id: the actor's id.
        kernel: the lowered actor, or None.
        diagnostics: why it did not lower.
        awaits: when it will be lowered, if it is pending: ``"it is launched"``.
        edited: the file that is compiled in place of the generated text, if there is one.
    """
    first = f"Actor {kernel_id!r} {verdict(kernel, diagnostics, awaits)}"
    if kernel is None:
        problems = "\n\n".join(map(str, diagnostics))
        return f"{first}\n\n{problems}\n"
    lines = [f"{title:9} {text}" for title, text in facts(kernel, edited)]
    lines += ["", *(f"{render(found, found.text, kind='break')}\n" for found in kernel.breaks)]
    return "\n".join([first, *lines, layout(kernel)])


def verdict(kernel: KernelSource | None, diagnostics: Sequence[Diagnostic], awaits: str) -> str:
    """What becomes of an actor, as the rest of a sentence that begins with its name."""
    if kernel is not None:
        if not kernel.breaks:
            return "lowers: the native backend can run it."
        many = len(kernel.breaks)
        places = "1 place" if many == 1 else f"{many} places"
        return f"lowers: the native backend can run it, but for messages that come to {places}."
    if awaits:
        return f"is pending: it is compiled when {awaits}."
    many = len(diagnostics)
    problems = "1 problem keeps" if many == 1 else f"{many} problems keep"
    return f"runs on the python backend: {problems} it from being compiled."


def facts(kernel: KernelSource, edited: str = "") -> list[tuple[str, str]]:
    """What there is to say of a lowered actor, each with its title; arguments as of ``explain``."""
    made = f"the edited text {edited}" if edited else f"{kernel.text.count(chr(10))} lines of C"
    sends = "any number" if kernel.max_sends is None else f"at most {kernel.max_sends}"
    loc = kernel.ir.loc
    return [
        ("Loop", f"{loc.file}, lines {loc.line} to {loc.end_line}"),
        ("Schedule", str(schedule_of(kernel.ir))),
        ("Input", _names(kernel.input_types)),
        ("Output", f"{_names(kernel.output_types)}, {sends} for a message"),
        ("State", _state(kernel)),
        ("Helpers", ", ".join(map(signature, kernel.ir.functions)) or "none"),
        ("Source", made),
    ]


def _names(classes: tuple[type, ...]) -> str:
    return " | ".join(cls.__name__ for cls in classes) or "nothing"


def _state(kernel: KernelSource) -> str:
    variables = ", ".join(f"{name}: {type_}" for name, type_ in kernel.state.variables)
    return f"{variables} ({in_bytes(kernel.state.dtype.itemsize)})" if variables else "none"


def signature(function: ir.Function) -> str:
    """A helper function with the types that it was compiled for."""
    return f"{function.python_name}({', '.join(str(p.type) for p in function.parameters)})"


def in_bytes(size: int) -> str:
    """``1 byte``, ``8 bytes``."""
    return "1 byte" if size == 1 else f"{size} bytes"


# --- records -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """How a message or the state lies in memory: offset, size, name and type of every field."""

    title: str
    size: int
    fields: tuple[tuple[int, int, str, str], ...]


def records(kernel: KernelSource) -> list[Record]:
    """The records of messages and state."""
    found = []
    for cls in dict.fromkeys((*kernel.input_types, *kernel.output_types)):
        schema = schema_of(cls)
        fields = [(f.offset, schema.dtype[f.name].itemsize, f.name, str(f.type))
                  for f in schema.fields]  # fmt: skip
        found.append(Record(f"message {cls.__name__}", schema.dtype.itemsize, tuple(fields)))
    dtype: np.dtype[Any] = kernel.state.dtype
    fields = [(dtype.fields[name][1], dtype.fields[name][0].itemsize, name, str(type_))  # type: ignore[index]
              for name, type_ in kernel.state.variables]  # fmt: skip
    found.append(Record("state", dtype.itemsize if fields else 0, tuple(fields)))
    return found


def layout(kernel: KernelSource) -> str:
    """The records of messages and state as text."""
    return "\n".join(map(_table, records(kernel)))


def _table(record: Record) -> str:
    lines = [f"{record.title}, {in_bytes(record.size) if record.fields else 'none'}"]
    lines += [f"  {offset:>6} {length:>6}  {name}: {type_}"
              for offset, length, name, type_ in record.fields]  # fmt: skip
    return "\n".join(lines) + "\n"
