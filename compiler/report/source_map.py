"""Python beside the C that was made of it: which lines of the one belong to which of the other.

In: a kernel's text, with its ``#line`` directives, and the lines of a Python file.  Out: sections
(the actor's loop, each function that it calls) of rows in the order of the C::

    Row(30, ("        request = await ctx.receive()",), ("if (!pdc_receive(...", "request = ..."))

A Python line whose C comes in several pieces (a loop, a ``finally``) has several rows; all but the
first are ``again``.  Lines without any C stand where the Python has them.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydotcompute.compiler.codegen.c_types import file_name
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.kernel_source import KernelSource

_LINE = re.compile(r'#line (\d+) "(.*)"')


@dataclass(frozen=True)
class Run:
    """Lines of C in a row that are of one Python line; ``line`` 0: of none."""

    line: int
    c: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A Python line, with the lines that it goes on for, and C that belongs to it.

    Args:
        line: its number; 0 for C that is of no Python line.
        python: its text; empty for such C.
        c: what was made of it, indented as in the text.
        again: it was in a row before.
    """

    line: int
    python: tuple[str, ...]
    c: tuple[str, ...] = ()
    again: bool = False


@dataclass(frozen=True)
class Section:
    """The rows of the actor's loop (``function`` is None), or of a function that it calls."""

    function: ir.Function | None
    runs: tuple[Run, ...]


def sections(kernel: KernelSource) -> list[Section]:
    """The parts of a kernel's text that were made of Python: the loop first."""
    functions: list[Section] = []
    lines = iter(kernel.text.splitlines())
    made = iter(kernel.ir.functions)
    for line in lines:
        if line.startswith("PDC_PY "):
            function = next(made)
            whole = [f'#line {function.loc.line} "{file_name(function.loc.file)}"', line]
            whole += _until(lines, "}")
            functions.append(Section(function, tuple(_runs(whole, function.loc.file))))
        elif line.startswith("PDC_FN i32 pdc_turn("):
            whole = _until(lines, "}")
            runs = [run for run in _runs(whole, kernel.ir.loc.file) if run.line]
            return [Section(None, tuple(runs)), *functions]
    raise AssertionError("no turn in the text of a kernel")


def _until(lines: Iterator[str], end: str) -> list[str]:
    """Lines up to the one that begins with ``end``, which is the last."""
    found = []
    for line in lines:
        found.append(line)
        if line.startswith(end):
            break
    return found


def _runs(lines: Sequence[str], file: str) -> Iterator[Run]:
    """Lines of C by the ``#line`` above them; comments that repeat the Python are left out."""
    here, held = 0, list[str]()
    for line in lines:
        if found := _LINE.match(line):
            if any(held):
                yield Run(here, tuple(held))
            here = int(found[1]) if found[2] == file_name(file) else 0
            held = []
        elif line.strip() and not line.lstrip().startswith("//"):
            held.append(line)
    if any(held):
        yield Run(here, tuple(held))


# --- rows ----------------------------------------------------------------------------------------


class Text:
    """Lines of a Python file.

    Args:
        lines: their text by number.
    """

    def __init__(self, lines: Mapping[int, str]) -> None:
        self.lines = lines
        self._ends: dict[int, int] = {}
        self._starts = {number: number for number in lines}
        for first, last in _statements(lines):
            self._ends[first] = last
            self._starts.update(dict.fromkeys(range(first, last + 1), first))

    def start(self, line: int) -> int:
        """The first line of the statement, or of its head, that a line is in."""
        return self._starts.get(line, line)

    def statement(self, first: int) -> tuple[str, ...]:
        """The lines of the statement that begins in one."""
        last = self._ends.get(first, first)
        return tuple(self.lines.get(n, "") for n in range(first, last + 1))

    def indent(self, line: int) -> int:
        """Columns in front of a line; many for one that says nothing."""
        text = self.lines.get(line, "")
        plain = text.lstrip()
        return len(text) - len(plain) if plain and not plain.startswith("#") else 1 << 16


def _statements(lines: Mapping[int, str]) -> Iterator[tuple[int, int]]:
    """First and last line of every statement, or head of one."""
    if not lines:
        return
    shift, first = min(lines) - 1, 0
    text = "\n".join(lines[n] for n in sorted(lines)) + "\n"
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in _LAYOUT:
                continue
            first = first or token.start[0]
            if token.type == tokenize.NEWLINE:
                yield first + shift, token.start[0] + shift
                first = 0
    except (tokenize.TokenError, SyntaxError):  # a part of a file, or one in the middle of an edit
        return


_LAYOUT = {tokenize.INDENT, tokenize.DEDENT, tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER}


def rows(runs: Sequence[Run], text: Text) -> list[Row]:
    """The rows of a section: its C in order, and every line of ``text``."""
    return _Rows(runs, text).made


class _Rows:
    def __init__(self, runs: Sequence[Run], text: Text) -> None:
        self.made: list[Row] = []
        self._text = text
        self._left = sorted({text.start(n) for n in text.lines})
        self._own = {text.start(run.line) for run in runs}
        for run in runs:
            self._add(run)
        while self._left:
            self._show(self._left[0])

    def _add(self, run: Run) -> None:
        line = self._text.start(run.line)
        last = self.made[-1] if self.made else None
        if last and last.c and last.line == line:  # another line of the same statement
            self.made[-1] = Row(line, last.python, last.c + run.c, last.again)
        elif line in self._left:
            for number in self._before(line):
                self._show(number)
            self._show(line, run.c)
            self._follow(line)
        else:
            known = bool(line) and line in self._text.lines
            self.made.append(
                Row(line, self._text.statement(line) if known else (), run.c, again=known)
            )

    def _show(self, line: int, c: tuple[str, ...] = ()) -> None:
        self._left.remove(line)
        self.made.append(Row(line, self._text.statement(line), c))

    def _before(self, line: int) -> list[int]:
        """What is shown above a line: what it stands in, and lines that no C is made of.

        Others have their C further on in the text, and wait for it, with what is inside them."""
        around, depth = set(), self._text.indent(line)
        for number in reversed([n for n in self._left if n < line]):
            if self._text.indent(number) < depth:
                depth = self._text.indent(number)
                around.add(number)
        shown, waits = [], 1 << 20
        for number in [n for n in self._left if n < line]:
            indent = self._text.indent(number)
            if number in around:
                waits = 1 << 20
            elif number in self._own:
                waits = min(waits, indent)
            elif waits < 1 << 20 and indent > waits:
                continue
            if number in around or number not in self._own:
                shown.append(number)
        return shown

    def _follow(self, line: int) -> None:
        """Lines behind one that no C is made of, as deep as it is or deeper."""
        depth = self._text.indent(line)
        for number in [n for n in self._left if n > line]:
            if number in self._own or self._text.indent(number) < depth:
                return
            self._show(number)
