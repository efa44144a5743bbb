"""Python beside C, as a page of HTML: ``inspect --stage html``, and a lowering in a notebook.

In: a ``KernelSource``, or the diagnostics that took its place, and the actor's text.  Out: one
string that needs nothing else: no script, no file, no network.  What it looks like is in
``page_style``; which C belongs to which Python is for ``beside`` to say.
"""

from __future__ import annotations

import html as markup
import linecache
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import PurePath
from typing import Any

from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic, DiagnosticError, render
from pydotcompute.compiler.frontend.source import FunctionSource, read_source
from pydotcompute.compiler.kernel_source import KernelSource
from pydotcompute.compiler.report.html_style import STYLE, paint_c, paint_python
from pydotcompute.compiler.report.source_map import Row, Section, Text, rows, sections
from pydotcompute.compiler.report.summary import (
    Record,
    facts,
    in_bytes,
    records,
    signature,
    verdict,
)

_BEFORE = "Python, on the host: it runs when the actor is launched"
_AFTER = "Python, on the host: it runs when the loop has ended"
_LEGEND = {
    "pdc_receive": "whether there is a message; without one, this burst of turns is over",
    "pdc_raised": "whether the line has raised, or Python has to take over",
    "pdc_send": "puts an output into its slot; it is published when the turn is whole",
    "pdc_spent": "end of a loop's body, where the host can stop a long turn",
    "pdc_keep": "the turn is whole: its variables are the actor's",
    "PDC_FAILED": "the turn has not happened: an exception, or Python has to take over",
    "pdc_log": "a call that the host makes: print, logging, a string",
}
"""Names of the C that many lines have, with what they do."""


def html(kernel_id: str, kernel: KernelSource | None, diagnostics: Sequence[Diagnostic],
         function: Callable[..., Any] | None = None, awaits: str = "") -> str:  # fmt: skip
    """A page with each line of the actor beside the C made of it, or what keeps it from lowering.

    Args:
        kernel_id: the actor's id.
        kernel: the lowered actor, or None.
        diagnostics: why it did not lower.
        function: the actor; without it, only its loop is shown.
        awaits: when it will be lowered, if it is pending.
    """
    body = fragment(kernel_id, kernel, diagnostics, function, awaits)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta name='color-scheme' content='light dark'>"
        f"<title>Actor {_text(kernel_id)}</title><style>body {{ margin: 0 }}</style></head>\n"
        f"<body>{body}</body></html>\n"
    )


def fragment(kernel_id: str, kernel: KernelSource | None, diagnostics: Sequence[Diagnostic],
             function: Callable[..., Any] | None = None, awaits: str = "") -> str:  # fmt: skip
    """The same without what only a whole page has, for a notebook."""
    source = _source(function)
    parts = [_header(kernel_id, kernel, diagnostics, source, awaits)]
    if kernel is not None:
        parts += [_section(kernel, section, source) for section in sections(kernel)]
        parts += _breaks(kernel)
        parts.append(_legend(kernel))
    else:
        parts += _problems(diagnostics, source)
    inside = "\n".join(part for part in parts if part)
    return f"<div class='pdc-page'><style>{STYLE}</style>\n{inside}\n</div>"


def _source(function: Callable[..., Any] | None) -> FunctionSource | None:
    try:
        return None if function is None else read_source(function)
    except DiagnosticError:
        return None


def _text(text: object) -> str:
    return markup.escape(str(text))


# --- the header ----------------------------------------------------------------------------------


def _header(kernel_id: str, kernel: KernelSource | None, diagnostics: Sequence[Diagnostic],
            source: FunctionSource | None, awaits: str) -> str:  # fmt: skip
    mark = ("good", "lowers") if kernel else ("wait", "pending") if awaits else ("bad", "python")
    said = verdict(kernel, diagnostics, awaits)
    said_of: list[tuple[str, str]] = []
    if source is not None:
        said_of.append(("File", f"{source.filename}, line {source.first_line}"))
    if kernel is not None:
        said_of += [fact for fact in facts(kernel) if fact[0] != "Loop" or source is None]
    listed = "".join(f"<dt>{_text(title)}</dt><dd>{_text(text)}</dd>" for title, text in said_of)
    tables = "".join(map(_record, records(kernel))) if kernel else ""
    return (
        f"<header><h1>{_text(kernel_id)} <span class='mark {mark[0]}'>{mark[1]}</span></h1>"
        f"<p>This actor {_text(said)}</p><dl>{listed}</dl>"
        f"<div class='records'>{tables}</div></header>"
    )


def _record(record: Record) -> str:
    if not record.fields:
        return ""
    lines = "".join(
        f"<tr><td>{offset}</td><td>{length}</td><td>{_text(name)}: {_text(type_)}</td></tr>"
        for offset, length, name, type_ in record.fields
    )
    return (
        f"<table><caption>{_text(record.title)}, {in_bytes(record.size)}</caption>"
        f"<tr><th>offset</th><th>size</th><th>field</th></tr>{lines}</table>"
    )


# --- Python beside C -----------------------------------------------------------------------------


def _section(kernel: KernelSource, section: Section, source: FunctionSource | None) -> str:
    """The loop, between what runs before and after it, or a helper."""
    loc = (section.function or kernel.ir).loc
    made = [_columns(_of_file(loc.file), "C")]
    text = _lines(loc.file, loc.line, loc.end_line, source)
    if section.function is None:
        title = "The loop"
        if source is not None:
            made += _host(_BEFORE, source, source.first_line, loc.line - 1)
    else:
        title = f"<code>{_text(signature(section.function))}</code>, which it calls"
    found = rows(section.runs, text)
    margin = min((_indent(line) for run in section.runs for line in run.c), default=0)
    made += [_row(row, margin=margin) for row in found]
    if section.function is None and source is not None:
        last = source.first_line + len(source.lines) - 1
        made += _host(_AFTER, source, loc.end_line + 1, last)
    repeated = {row.line for row in found if row.again}
    inside = "\n".join(made)
    return (
        f"<h2>{title}</h2>{_together(repeated)}"
        f"<div class='code' role='table'>\n{inside}\n</div>"
    )


def _of_file(file: str) -> str:
    return f"Python, <span class='file'>{_text(PurePath(file).name)}</span>"


def _columns(*titles: str) -> str:
    heads = "".join(f"<div role='columnheader'>{title}</div>" for title in ("", *titles))
    return f"<div class='row heads' role='row'>{heads}</div>"


def _lines(file: str, first: int, last: int, source: FunctionSource | None) -> Text:
    def line(number: int) -> str:
        own = source.line(number) if source is not None and source.filename == file else ""
        return own or linecache.getline(file, number).rstrip("\r\n")

    return Text({number: line(number) for number in range(first, last + 1)})


def _host(why: str, source: FunctionSource, first: int, last: int) -> list[str]:
    """Lines that are not compiled; nothing where there is no statement among them."""
    text = _lines(source.filename, first, last, source)
    if not any(line.strip() for line in text.lines.values()):
        return []
    found = [_row(row, " host") for row in rows((), text)]
    return [f"<div class='row note' role='row'><div></div><div>{why}</div></div>", *found]


def _row(row: Row, kind: str = "", margin: int = 0) -> str:
    kind += " again" if row.again else ""
    name = f" n{row.line}" if row.line else ""
    painted = paint_python(row.python)
    numbers = [str(row.line + n) for n in range(len(row.python))]
    if row.again:
        more = " ..." if len(row.python) > 1 else ""
        painted = [f"{painted[0]}{more} <i>({row.line}, continued)</i>"]
        numbers = []
    c = [line[margin:] for line in row.c]
    return (
        f"<div class='row{kind}{name}' role='row'>"
        f"<div class='no'>{_stack(numbers)}</div>"
        f"<div class='py' role='cell'>{_stack(painted, row.python)}</div>"
        f"<div class='c' role='cell'>{_stack(map(paint_c, c), c)}</div></div>"
    )


def _stack(painted: Iterable[str], plain: Sequence[str] = ()) -> str:
    """Lines above one another; one that is too long goes on further in than it began."""
    return "".join(
        f"<div class='l' style='--i:{_indent(before)}'>{line or '&nbsp;'}</div>"
        for line, before in zip_longest(painted, plain, fillvalue="")
    )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _together(repeated: set[int]) -> str:
    """Rules that light up every row of a line that has several."""
    rules = "".join(
        f".pdc-page .code:has(.n{n}:hover) .n{n}{{background:var(--hover)}}"
        for n in sorted(repeated)
    )
    return f"<style>{rules}</style>" if rules else ""


def _legend(kernel: KernelSource) -> str:
    text = "\n".join(line for section in sections(kernel) for run in section.runs for line in run.c)
    used = {name: what for name, what in _LEGEND.items() if re.search(rf"\b{name}\b", text)}
    listed = "".join(f"<dt><code>{name}</code></dt><dd>{what}</dd>" for name, what in used.items())
    return (
        f"<footer><h2>Reading the C</h2><dl>{listed}</dl><p>What stands around it, the queues, "
        "the state and the kernel for a GPU, is in <code>--stage source</code>.</p></footer>"
    )


def _breaks(kernel: KernelSource) -> list[str]:
    """The places where a message leaves compiled code."""
    if not kernel.breaks:
        return []
    shown = [f"<pre class='problem'>{_text(render(found, kind='break'))}</pre>"
             for found in kernel.breaks]  # fmt: skip
    return ["<h2>Breaks: Python handles a message that comes here</h2>", *shown]


# --- what keeps it from being compiled -----------------------------------------------------------


def _problems(diagnostics: Sequence[Diagnostic], source: FunctionSource | None) -> list[str]:
    """The actor with its problems below their lines, and those that stand elsewhere."""
    inside: dict[int, list[Diagnostic]] = {}
    elsewhere = []
    for found in diagnostics:
        if source is not None and found.file == source.filename and source.line(found.line):
            inside.setdefault(found.line, []).append(found)
        else:
            elsewhere.append(found)
    parts = []
    if source is not None:
        parts.append(f"<div class='code one'>\n{_columns(_of_file(source.filename))}\n"
                     f"{''.join(_with_problems(source, inside))}</div>")  # fmt: skip
    if elsewhere:
        parts.append("<h2>Elsewhere</h2>")
        parts += [f"<pre class='problem'>{_text(found)}</pre>" for found in elsewhere]
    return parts


def _with_problems(source: FunctionSource, inside: dict[int, list[Diagnostic]]) -> Iterator[str]:
    first = source.first_line
    painted = paint_python(source.lines)
    for number, line in enumerate(source.lines, first):
        here = inside.get(number, [])
        shown = _marked(line, here[0]) if here else painted[number - first]
        kind = " wrong" if here else ""
        yield (
            f"<div class='row{kind}' role='row'><div class='no'>{_stack([str(number)])}</div>"
            f"<div class='py' role='cell'>{_stack([shown], [line])}</div></div>\n"
        )
        for found in here:
            yield f"<div class='row'><div></div><div class='problem'>{_problem(found)}</div></div>"


def _marked(line: str, found: Diagnostic) -> str:
    begin = found.column - 1
    end = found.end_column - 1 if found.end_line == found.line else len(line)
    return f"{_text(line[:begin])}<mark>{_text(line[begin:end])}</mark>{_text(line[end:])}"


def _problem(found: Diagnostic) -> str:
    notes = "".join(f"<p>{_text(note)}</p>" for note in found.notes)
    hint = f"<p class='hint'>{_text(found.hint)}</p>" if found.hint else ""
    return f"<p><b>error[{found.code}]: {_text(found.message)}</b></p>{notes}{hint}"
