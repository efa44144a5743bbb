"""The parts of ``docs/language.md`` that come from the compiler, and the examples on that page.

``python -m tests.support.language --write`` brings the page up to date: between
``<!-- table: name -->`` and ``<!-- end -->`` is what ``tests.support.language_tables`` makes of the
compiler's own tables, and the C below an example is what the compiler makes of the lines
marked ``# (C)``.

An example is a fenced block; the words behind ``python`` say what is true of it:

- ``prelude``: what the other examples build on.
- ``lowers``: it is compiled, and does the same compiled and interpreted.
- ``deoptimises``: likewise, and for some messages compiled code hands over to the interpreter.
- ``PDC020 PDC021``: it is not compiled, and these are all the codes that say why.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from pydotcompute.actors.decorator import RingKernelFunction
from pydotcompute.actors.lowering import Lowering, lower_actor
from pydotcompute.compiler.kernel_source import KernelSource
from pydotcompute.compiler.report.source_map import sections
from tests.support import defining
from tests.support.language_tables import TABLES

PAGE = Path(__file__).parents[2] / "docs" / "language.md"
MARK = "# (C)"
_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_TABLE = re.compile(r"(^<!-- table: (\w+) -->\n)(.*?)(^<!-- end -->$)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A fenced block of Python.

    Args:
        line: of its first line of code in the page.
        words: what stands behind ``python``.
        text: the code.
        heading: of the section it stands in.
    """

    line: int
    words: tuple[str, ...]
    text: str
    heading: str

    @property
    def name(self) -> str:
        """For the test report: the actor and where it stands."""
        found = re.findall(r"^async def (\w+)", self.text, re.MULTILINE)
        return f"{found[-1] if found else self.words}-{self.line}"

    @property
    def codes(self) -> tuple[str, ...]:
        """The diagnostics that it is to have; none if it lowers."""
        return tuple(word for word in self.words if word.startswith("PDC"))


def examples(page: str) -> list[Example]:
    """Every fenced block of Python."""
    headings = [(found.start(), found[1]) for found in _HEADING.finditer(page)]
    found = []
    for block in _FENCE.finditer(page):
        if block[1] == "python":
            line = page.count("\n", 0, block.start()) + 2
            heading = [title for start, title in headings if start < block.start()][-1]
            found.append(Example(line, tuple(block[2].split()), block[3], heading))
    return found


def load(example: Example, prelude: Example) -> tuple[RingKernelFunction, Lowering]:
    """Runs the prelude and an example as one module; the example's last actor, lowered."""
    text = f"{prelude.text}\n\n{example.text}"
    file = f"<language.md, line {example.line}>"
    module = defining.load(text, f"language_{example.line}", file)
    actor = [v for v in vars(module).values() if isinstance(v, RingKernelFunction)][-1]
    return actor, lower_actor(actor.spec)


def c_by_line(kernel: KernelSource) -> dict[tuple[str, int], list[str]]:
    """The generated C of each Python line, by file and number, without its indentation."""
    made: dict[tuple[str, int], list[str]] = {}
    for section in sections(kernel):
        file = (section.function or kernel.ir).loc.file
        for run in section.runs:
            made.setdefault((file, run.line), []).extend(line.strip() for line in run.c)
    return made


def c_of(example: Example, prelude: Example, kernel: KernelSource) -> str:
    """The C of the lines of an example that are marked, below the Python of each."""
    shift = prelude.text.count("\n") + 2
    made = c_by_line(kernel)
    lines: list[str] = []
    for number, python in enumerate(example.text.splitlines(), 1):
        if MARK in python:
            lines.append(f"// {python.partition(MARK)[0].strip()}")
            found = made.get((kernel.ir.loc.file, number + shift), [])
            lines += [_plain(line) for line in found if _telling(line)]
    return "\n".join(lines) + "\n"


def _telling(line: str) -> bool:
    """Whether a line says something about its Python: no check, label or closing brace."""
    return not re.match(r"if \(pdc_(raised|spent)\(|\}|\w+:;$", line)


def _plain(line: str) -> str:
    """Without the numbers of lines, which would change with every edit of the page."""
    return re.sub(r"(pdc_(?:waits|send)\(.*?, )\d+((?:, \d+)?\)\) )", r"\1...\2", line)


def written(page: str) -> str:
    """The page with tables and C as the compiler gives them now."""
    blocks = examples(page)
    (prelude,) = [block for block in blocks if "prelude" in block.words]

    def table(found: re.Match[str]) -> str:
        return found[1] + TABLES[found[2]](page) + found[4]

    page = _TABLE.sub(table, page)
    parts, end, last = [], 0, None
    for block in _FENCE.finditer(page):
        if block[1] == "python":
            last = Example(page.count("\n", 0, block.start()) + 2, tuple(block[2].split()),
                           block[3], "")  # fmt: skip
        elif block[1] == "c" and last is not None:
            kernel = load(last, prelude)[1].kernel
            assert kernel is not None, f"the example before line {last.line} cannot be compiled"
            parts += [page[end : block.start()], f"```c\n{c_of(last, prelude, kernel)}```"]
            end = block.end()
    return "".join([*parts, page[end:]])


def main() -> None:
    """Writes the page anew, or says whether it is up to date."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.language", description=main.__doc__
    )
    parser.add_argument("--write", action="store_true", help="write docs/language.md")
    asked = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    new = written(page)
    if asked.write:
        PAGE.write_text(new, encoding="utf-8")
    elif new != page:
        sys.exit("docs/language.md is stale: python -m tests.support.language --write")


if __name__ == "__main__":
    main()
