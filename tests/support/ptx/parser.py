"""PTX as data: a module's variables and functions, and the statements of each, with their lines.

Input: the text NVRTC writes.  Output: ``Module``.  Nothing is interpreted here; what has no known
shape raises ``PtxError`` with its line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


class PtxError(Exception):
    """PTX that the translator does not know; the text names the line and the statement."""


@dataclass(frozen=True)
class Statement:
    """One statement of a body.

    Args:
        line: where it is in the PTX, from 1.
        kind: ``"{"``, ``"}"``, ``"label"``, ``"directive"`` or ``"instruction"``.
        text: without the semicolon; a label without its colon.
    """

    line: int
    kind: str
    text: str


@dataclass(frozen=True)
class Variable:
    """A declared variable, of a module, a function or a list of parameters.

    Args:
        space: ``global``, ``const``, ``shared``, ``local`` or ``param``.
        name: as in the PTX.
        size: bytes.
        align: bytes.
        data: what a global one starts with; empty for zeros.
    """

    space: str
    name: str
    size: int
    align: int
    data: bytes = b""


@dataclass
class Function:
    """A kernel or a function.

    Args:
        name: as in the PTX.
        line: where it begins.
        is_kernel: whether it can be launched.
        result: what it returns, or None.
        parameters: in order.
        body: its statements.
    """

    name: str
    line: int
    is_kernel: bool
    result: Variable | None
    parameters: list[Variable]
    body: list[Statement] = field(default_factory=list)


@dataclass
class Module:
    """All of a PTX text.

    Args:
        functions: in order, those only declared left out.
        variables: those outside functions.
        files: names by the number that ``.loc`` uses.
    """

    functions: list[Function] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    files: dict[int, str] = field(default_factory=dict)


_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_LABEL = re.compile(r"([$\w]+):(?!:)")
_BY_LINE = re.compile(r"\.(?:version|target|address_size|file|loc)\b[^\n]*")
_FUNCTION = re.compile(
    r"(?:\.(?:visible|weak|extern)\s+)*\.(?P<kind>entry|func)\s*(?:\((?P<result>[^)]*)\)\s*)?"
    r"(?P<name>[$\w]+)\s*(?:\((?P<parameters>[^)]*)\))?(?P<rest>[^{;]*)(?P<end>[{;])"
)
_VARIABLE = re.compile(
    r"(?:\.(?:visible|weak)\s+)*\.(?P<space>global|const|shared|local|param)\s+"
    r"(?:\.align\s+(?P<align>\d+)\s+)?\.(?P<type>\w+)\s+(?P<name>[$\w]+)"
    r"(?:\[(?P<count>\d+)\])?(?:\s*=\s*(?P<data>.+))?$",
    re.DOTALL,
)


def parse(text: str) -> Module:
    """Read a module.

    Raises:
        PtxError: a statement of unknown shape.
    """
    return _Reader(text).module()


def variable(text: str, line: int) -> Variable:
    """Read a declaration of a variable."""
    found = _VARIABLE.fullmatch(text.strip())
    if found is None:
        raise PtxError(f"line {line}: unknown declaration: {text.strip()}")
    width = 1 if found["type"] == "pred" else int(found["type"][1:]) // 8
    data = b"" if found["data"] is None else _data(found["data"], width, line)
    return Variable(
        found["space"], found["name"], int(found["count"] or 1) * width,
        int(found["align"] or width), data,
    )  # fmt: skip


def _data(text: str, width: int, line: int) -> bytes:
    made = b""
    for item in text.strip().strip("{}").split(","):
        number = re.fullmatch(r"\s*(-?)(0[xX][0-9a-fA-F]+|0[fd][0-9a-fA-F]+|\d+)U?\s*", item)
        if number is None:
            raise PtxError(f"line {line}: unknown initial value: {item.strip()}")
        digits = number[2]
        value = int(digits[2:], 16) if digits[1:2] in ("x", "X", "f", "d") else int(digits)
        value = -value if number[1] else value
        made += (value % (1 << 8 * width)).to_bytes(width, "little")
    return made


class _Reader:
    """Walks over the text."""

    def __init__(self, text: str) -> None:
        def blank(found: re.Match[str]) -> str:
            return re.sub(r"[^\n]", " ", found[0])

        self.text = _COMMENT.sub(blank, text)
        self.at = 0
        self.line = 1

    def _skip(self, to: int) -> None:
        self.line += self.text.count("\n", self.at, to)
        self.at = to

    def _space(self) -> bool:
        """Go to what comes next; False at the end."""
        found = re.compile(r"\s*").match(self.text, self.at)
        assert found is not None
        self._skip(found.end())
        return self.at < len(self.text)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self._skip(found.end())
        return found

    def _until(self, end: str) -> str:
        where = self.text.find(end, self.at)
        if where < 0:
            raise PtxError(f"line {self.line}: the text ends before {end!r}")
        found = self.text[self.at : where]
        self._skip(where + 1)
        return found

    def module(self) -> Module:
        made = Module()
        while self._space():
            line = self.line
            if (by_line := self._match(_BY_LINE)) is not None:
                named = re.match(r'\.file\s+(\d+)\s+"([^"]*)"', by_line[0])
                if named is not None:
                    made.files[int(named[1])] = named[2]
            elif self.text.startswith(".section", self.at):
                self._until("}")
            elif (found := self._match(_FUNCTION)) is not None:
                if found["end"] == "{":
                    made.functions.append(self._function(found, line))
            else:
                made.variables.append(variable(self._until(";"), line))
        return made

    def _function(self, found: re.Match[str], line: int) -> Function:
        result = variable(found["result"], line) if found["result"] else None
        listed = (found["parameters"] or "").strip()
        parameters = [variable(item, line) for item in listed.split(",")] if listed else []
        made = Function(found["name"], line, found["kind"] == "entry", result, parameters)
        depth = 1
        while depth:
            if not self._space():
                raise PtxError(f"line {line}: {made.name} does not end")
            statement = self._statement()
            depth += {"{": 1, "}": -1}.get(statement.kind, 0)
            made.body.append(statement)
        made.body.pop()
        return made

    def _statement(self) -> Statement:
        line, first = self.line, self.text[self.at]
        if first in "{}":
            self._skip(self.at + 1)
            return Statement(line, first, first)
        if (by_line := self._match(_BY_LINE)) is not None:
            return Statement(line, "directive", by_line[0])
        if (label := self._match(_LABEL)) is not None:
            return Statement(line, "label", label[1])
        text = " ".join(self._until(";").split())
        return Statement(line, "directive" if first == "." else "instruction", text)
