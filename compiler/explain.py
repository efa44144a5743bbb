"""What was compiled, for people: a summary, the record layouts, and Python beside C.

In: a ``KernelSource``, or the diagnostics that took its place.  Out: text or HTML.
"""

from __future__ import annotations

import html as markup
import linecache
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from pydotcompute.compiler import ir
from pydotcompute.compiler.diagnostics import Diagnostic
from pydotcompute.compiler.pipeline import KernelSource
from pydotcompute.compiler.schedule import schedule_of
from pydotcompute.compiler.schema import schema_of


def explain(kernel_id: str, kernel: KernelSource | None,
            diagnostics: Sequence[Diagnostic], edited: str = "") -> str:  # fmt: skip
    """The summary of an actor that lowered, or of why it did not.

    Args:
        kernel_id: the actor's id.
        kernel: the lowered actor, or None.
        diagnostics: why not.
        edited: the file that is compiled in place of the generated text, if there is one.
    """
    if kernel is None:
        problems = "\n\n".join(map(str, diagnostics))
        return (
            f"Actor {kernel_id!r} runs on the python backend: "
            f"{_count(len(diagnostics))} it from being compiled.\n\n{problems}\n"
        )
    sends = "any number of" if kernel.max_sends is None else f"at most {kernel.max_sends}"
    made = f"{kernel.text.count(chr(10))} lines of C"
    lines = [
        f"Actor {kernel_id!r} lowers: the native backend runs it.",
        f"Loop      {kernel.ir.loc.file}, lines {kernel.ir.loc.line} to {kernel.ir.loc.end_line}",
        f"Schedule  {schedule_of(kernel.ir)}",
        f"Input     {_names(kernel.input_types)}",
        f"Output    {_names(kernel.output_types)}, {sends} for a message",
        f"State     {_state(kernel)}",
        f"Helpers   {', '.join(map(_signature, kernel.ir.functions)) or 'none'}",
        f"Source    {f'the edited text {edited}' if edited else made}",
        "",
        layout(kernel),
    ]
    return "\n".join(lines)


def _count(problems: int) -> str:
    return "1 problem keeps" if problems == 1 else f"{problems} problems keep"


def _names(classes: tuple[type, ...]) -> str:
    return " | ".join(cls.__name__ for cls in classes) or "nothing"


def _state(kernel: KernelSource) -> str:
    variables = ", ".join(f"{name}: {type_}" for name, type_ in kernel.state.variables)
    return f"{variables or 'none'} ({kernel.state.dtype.itemsize} bytes)"


def _signature(function: ir.Function) -> str:
    return f"{function.python_name}({', '.join(str(p.type) for p in function.parameters)})"


def layout(kernel: KernelSource) -> str:
    """The records of messages and state: offset, size, name and type of every field."""
    parts = []
    for cls in dict.fromkeys((*kernel.input_types, *kernel.output_types)):
        schema = schema_of(cls)
        rows = [(f.offset, schema.dtype[f.name].itemsize, f.name, str(f.type))
                for f in schema.fields]  # fmt: skip
        parts.append(_table(f"message {cls.__name__}", schema.dtype.itemsize, rows))
    dtype: np.dtype[Any] = kernel.state.dtype
    rows = [(dtype.fields[name][1], dtype.fields[name][0].itemsize, name, str(type_))  # type: ignore[index]
            for name, type_ in kernel.state.variables]  # fmt: skip
    parts.append(_table("state", dtype.itemsize, rows))
    return "\n".join(parts)


def _table(title: str, size: int, rows: Sequence[tuple[int, int, str, str]]) -> str:
    lines = [f"{title}, {size} bytes"]
    lines += [f"  {offset:>6} {length:>6}  {name}: {type_}" for offset, length, name, type_ in rows]
    return "\n".join(lines) + "\n"


# --- Python beside C ---------------------------------------------------------------------------

_LINE = re.compile(r'#line (\d+) "(.*)"')
_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em; color: #222; background: #fff }
table { border-collapse: collapse; width: 100% } td { vertical-align: top; padding: 0 .6em }
pre { margin: 0; white-space: pre-wrap; font: 13px/1.5 ui-monospace, monospace }
tr:nth-child(odd) { background: #f6f7f9 } .no { color: #999; text-align: right; width: 3em }
.bad { background: #fde8e8 } td:last-child { border-left: 1px solid #ddd; color: #345 }
"""


def html(kernel_id: str, kernel: KernelSource | None,
         diagnostics: Sequence[Diagnostic]) -> str:  # fmt: skip
    """A page with each line of the actor's loop beside the C made of it."""
    title = markup.escape(f"Actor {kernel_id}")
    if kernel is None:
        body = f"<pre>{markup.escape(explain(kernel_id, kernel, diagnostics))}</pre>"
    else:
        body = f"<table>{''.join(_rows(kernel))}</table>"
    return (
        f"<!doctype html><html><head><meta charset='utf-8'><title>{title}</title>"
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>"
    )


def _rows(kernel: KernelSource) -> list[str]:
    made = c_by_line(kernel)
    rows = []
    for function in (kernel.ir, *kernel.ir.functions):
        where = function.loc
        for number in range(where.line, where.end_line + 1):
            python = linecache.getline(where.file, number).rstrip("\n")
            c_text = "\n".join(made.get((where.file, number), ()))
            rows.append(
                f"<tr><td class='no'>{number}</td><td><pre>{markup.escape(python)}</pre></td>"
                f"<td><pre>{markup.escape(c_text)}</pre></td></tr>"
            )
    return rows


def c_by_line(kernel: KernelSource) -> dict[tuple[str, int], list[str]]:
    """The generated C lines of each Python line, by file and number."""
    made: dict[tuple[str, int], list[str]] = {}
    here: tuple[str, int] | None = None
    for line in kernel.text.splitlines():
        if found := _LINE.match(line):
            file = found.group(2).replace('\\"', '"').replace("\\\\", "\\")
            here = (file, int(found.group(1)))
        elif here is not None and line.strip() and not line.strip().startswith("//"):
            made.setdefault(here, []).append(line.strip())
    return made


__all__ = ["c_by_line", "explain", "html", "ir", "layout"]
