"""Diagnostics: what the compiler has to say about a user's Python, and how it is printed.

A ``Diagnostic`` is plain data; ``render`` turns one into text and does nothing else::

    error[PDC012]: `receive` stands inside an inner loop
      File "actors.py", line 11
       |
    11 |         request = await ctx.receive()
       |                   ^^^^^^^^^^^^^^^^^^^
       = note: one turn of the actor's loop handles one message
       = hint: receive in the `while` loop itself

Input: a code of ``CODES``, a place, a sentence.  Output: ``Diagnostic``; ``DiagnosticError``
carries one or more of them.  Lines and columns count from 1, columns in characters;
``end_column`` is the first column after the span (``x`` in column 1 ends at column 2).
"""

from __future__ import annotations

import ast
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

CODES: dict[str, str] = {
    # what the function is
    "PDC001": "the source text of the function cannot be found",
    "PDC002": "not a plain Python function",
    "PDC003": "the source text is not what the running function was compiled from",
    # the shape of the actor
    "PDC010": "the function is not a coroutine function of one parameter",
    "PDC011": "no receive loop",
    "PDC012": "`receive` inside an inner loop",
    "PDC013": "`receive` outside the receive loop",
    "PDC014": "more than one `receive` in a turn",
    "PDC015": "an effect before `receive`",
    "PDC016": "more than one receive loop",
    "PDC017": "the receive loop is not at the top level of the function",
    "PDC018": "a nested function shares a variable with the loop",
    "PDC019": "the context parameter is bound again",
    # syntax that never lowers
    "PDC020": "statement that cannot be compiled",
    "PDC021": "expression that cannot be compiled",
    "PDC022": "`await` of something other than the context",
    "PDC023": "use of the context that cannot be compiled",
    "PDC024": "pattern that cannot be compiled",
    "PDC025": "global or nonlocal variable in the loop",
    "PDC026": "`else` of a receive loop that also has `break`",
    # types and names
    "PDC100": "the type of a value is not known",
    "PDC101": "a variable changes its type",
    "PDC102": "an operator is not defined for these types",
    "PDC103": "a call that cannot be compiled",
    "PDC104": "no such attribute",
    "PDC105": "a name without a value",
    "PDC106": "a container without a bound",
    "PDC107": "a recursive function",
    "PDC108": "a state value that cannot be compiled",
    "PDC109": "a message class that cannot be compiled",
    "PDC110": "wrong arguments",
    "PDC111": "a constant that cannot be compiled",
    "PDC112": "an exception class that cannot be compiled",
}
"""Every code with what it is about.  Codes are stable: never renumber, never reuse."""


@dataclass(frozen=True, slots=True)
class Location:
    """A span of source text.

    Args:
        file: as Python names it in tracebacks.
        line: of the first character, from 1.
        column: of the first character, from 1, in characters.
        end_line: of the last character.
        end_column: the first column after the span.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Located(Protocol):
    """Whatever knows where its syntax nodes stand: ``source.FunctionSource``."""

    def location(self, node: ast.AST) -> Location:
        """The span of ``node``."""

    def line(self, number: int) -> str:
        """The text of one line of the file, without its end."""


@dataclass(frozen=True)
class Diagnostic:
    """One problem, at one place.

    Args:
        code: a key of ``CODES``.
        message: what is wrong, a clause without a full stop.
        file: as Python names it in tracebacks.
        line: from 1.
        column: from 1, in characters.
        end_line: of the last character of the span.
        end_column: the first column after the span.
        notes: why it is so, one clause each.
        hint: what to write instead.
        text: the lines of the file from ``line`` to ``end_line``, so that a diagnostic can be
            shown where the file is not at hand.
    """

    code: str
    message: str
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    notes: tuple[str, ...] = ()
    hint: str | None = None
    text: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def location(self) -> Location:
        """The span as a ``Location``."""
        return Location(self.file, self.line, self.column, self.end_line, self.end_column)

    def __str__(self) -> str:
        return render(self, self.text)


def diagnose(
    source: Located,
    code: str,
    where: ast.AST | Location,
    message: str,
    *,
    notes: Iterable[str] = (),
    hint: str | None = None,
) -> Diagnostic:
    """A diagnostic about a node, with the lines it stands on.

    Args:
        source: the function the node belongs to.
        code: a key of ``CODES``.
        where: the smallest node, or span, that shows the problem.
        message: what is wrong.
        notes: why it is so.
        hint: what to write instead.

    Raises:
        KeyError: ``code`` is not in ``CODES``.
    """
    CODES[code]
    at = where if isinstance(where, Location) else source.location(where)
    text = tuple(source.line(number) for number in range(at.line, at.end_line + 1))
    return Diagnostic(
        code, message, at.file, at.line, at.column, at.end_line, at.end_column,
        tuple(notes), hint, text,
    )  # fmt: skip


class DiagnosticError(Exception):
    """One or more diagnostics.  ``str()`` of it is their rendered text.

    Args:
        diagnostics: at least one, in the order to show them.
    """

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*diagnostics)
        self.diagnostics: tuple[Diagnostic, ...] = diagnostics

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.diagnostics))


class Diagnostics:
    """Collects diagnostics, so that several problems are reported in one go.

    Args:
        source: the function that nodes given to ``error`` belong to.
    """

    def __init__(self, source: Located) -> None:
        self._source = source
        self._found: list[Diagnostic] = []

    def within(self, source: Located) -> Diagnostics:
        """A collector for nodes of another function (a helper) that fills this same list."""
        other = Diagnostics(source)
        other._found = self._found
        return other

    def error(
        self,
        code: str,
        node: ast.AST | Location,
        message: str,
        *,
        notes: Iterable[str] = (),
        hint: str | None = None,
    ) -> Diagnostic:
        """Notes a problem; arguments as for ``diagnose``.  The same one twice counts once."""
        found = diagnose(self._source, code, node, message, notes=notes, hint=hint)
        self.extend([found])
        return found

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Takes over diagnostics made elsewhere."""
        for diagnostic in diagnostics:
            if diagnostic not in self._found:
                self._found.append(diagnostic)

    def mark(self) -> int:
        """A point to ``rewind`` to."""
        return len(self._found)

    def since(self, mark: int) -> list[Diagnostic]:
        """What was found since ``mark``."""
        return self._found[mark:]

    def rewind(self, mark: int) -> None:
        """Forgets what was found since ``mark``: the attempt is made again."""
        del self._found[mark:]

    @property
    def found(self) -> tuple[Diagnostic, ...]:
        """Everything found, in the order of the file."""
        return tuple(sorted(self._found, key=lambda d: (d.file, d.line, d.column)))

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_if_any(self) -> None:
        """Raises what was found.

        Raises:
            DiagnosticError: at least one problem was found.
        """
        if self._found:
            raise DiagnosticError(*self.found)


_SHOWN_LINES = 4
"""A longer span is shown by its first and last line."""


def render(
    diagnostic: Diagnostic, lines: Sequence[str] | None = None, *, kind: str = "error"
) -> str:
    """The text of a diagnostic: headline, place, source with carets, notes, hint.

    Args:
        diagnostic: what to show.
        lines: the lines of the file from ``line`` to ``end_line``; the diagnostic's own if left
            out.
        kind: the word that it begins with: an ``error``, or a ``break`` of an actor that runs.

    Returns:
        Several lines without a final newline.
    """
    lines = diagnostic.text if lines is None else lines
    width = len(str(diagnostic.end_line))
    blank = " " * width
    parts = [f"{kind}[{diagnostic.code}]: {diagnostic.message}"]
    if diagnostic.file:
        parts.append(f'  File "{diagnostic.file}", line {diagnostic.line}')
    if lines:
        parts += [f"{blank} |", *_excerpt(diagnostic, lines, width)]
    parts += [f"{blank} = note: {note}" for note in diagnostic.notes]
    if diagnostic.hint is not None:
        parts.append(f"{blank} = hint: {diagnostic.hint}")
    return "\n".join(parts)


def _excerpt(diagnostic: Diagnostic, lines: Sequence[str], width: int) -> list[str]:
    """The lines of the span behind a gutter of ``width`` digits, carets below each."""
    last = len(lines) - 1
    shown = range(len(lines)) if len(lines) <= _SHOWN_LINES else (0, last)
    out = []
    for index in shown:
        line = lines[index].rstrip("\r\n")
        start = diagnostic.column - 1 if index == 0 else len(line) - len(line.lstrip())
        end = diagnostic.end_column - 1 if index == last else len(line.rstrip())
        out.append(f"{diagnostic.line + index:>{width}} | {line}".rstrip())
        if line.strip():
            out.append(f"{' ' * width} | {_carets(line, start, end)}")
        if index == 0 and len(shown) < len(lines):
            out.append("...")
    return out


def _carets(line: str, start: int, end: int) -> str:
    """Carets below ``line[start:end]``, at least one; a tab stays a tab, wide letters count two."""
    indent = "".join("\t" if char == "\t" else " " * _cells(char) for char in line[:start])
    return indent + "^" * max(1, sum(map(_cells, line[start:end])))


def _cells(char: str) -> int:
    """How many terminal cells a character fills."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
