"""The source of a Python function: its syntax tree, its text, and what its free names mean.

Input: a function object.  Output: ``FunctionSource``, whose nodes stand at their real lines and
columns in the file, whatever the function is nested in, so that every later stage can point at
the user's own text.  ``recompile`` is the way back, from a tree to code.

Text is looked up through ``linecache``, which knows files, notebook cells, the interactive prompt
and whatever else registered its text there.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import linecache
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic, DiagnosticError, Location
from pydotcompute.compiler.frontend.code_objects import FunctionNode, same_code
from pydotcompute.compiler.frontend.names import bound_names, declared_names, parameters
from pydotcompute.compiler.types.missing import MISSING


@dataclass(frozen=True)
class FunctionSource:
    """A function with its syntax tree and its text.

    Args:
        function: the function itself.
        name: its ``__name__``.
        qualname: its ``__qualname__``.
        filename: as in tracebacks; not always a file that exists (``<stdin>``).
        first_line: of the definition, decorators included; from 1.
        node: the definition without its decorators; line numbers and columns are the file's own.
        lines: the text from ``first_line`` to the end of the definition, without line ends.
    """

    function: FunctionType
    name: str
    qualname: str
    filename: str
    first_line: int
    node: FunctionNode
    lines: tuple[str, ...]

    def line(self, number: int) -> str:
        """The text of line ``number`` of the file, ``""`` outside the definition."""
        index = number - self.first_line
        return self.lines[index] if 0 <= index < len(self.lines) else ""

    def location(self, node: ast.AST) -> Location:
        """Where ``node`` stands; the ``def`` line for a node that stands nowhere."""
        line = getattr(node, "lineno", None)
        if line is None:
            return self.header()
        end_line = getattr(node, "end_lineno", None) or line
        return Location(
            self.filename,
            line,
            self._column(line, node.col_offset),  # type: ignore[attr-defined]
            end_line,
            self._column(end_line, node.end_col_offset or 0),  # type: ignore[attr-defined]
        )

    def header(self) -> Location:
        """Where the definition's ``def name`` stands."""
        return self.head(self.node)

    def head(self, node: ast.AST) -> Location:
        """Where the head of a compound statement stands: ``while x``, without its body."""
        line: int = node.lineno  # type: ignore[attr-defined]
        offset: int = node.col_offset  # type: ignore[attr-defined]
        end_line, end = line, offset
        for part in _head_parts(node):
            end_line, end = max((end_line, end), (part.end_lineno or 0, part.end_col_offset or 0))
        column = self._column(line, offset)
        if (end_line, end) > (line, offset):
            return Location(self.filename, line, column, end_line, self._column(end_line, end))
        words = _HEAD.match(self.line(line), column - 1)
        stop = words.end() + 1 if words else column
        return Location(self.filename, line, column, line, stop)

    def _column(self, line: int, offset: int) -> int:
        """``ast`` counts bytes of UTF-8 from 0, people count characters from 1."""
        text = self.line(line)
        if text.isascii():
            return offset + 1
        return len(text.encode()[:offset].decode(errors="ignore")) + 1

    def lookup(self, name: str) -> Any:
        """What a free name means now: closure cell, then globals, then builtins.

        Returns:
            The value, or ``MISSING`` for a name (or a cell) without one.
        """
        function = self.function
        if name in function.__code__.co_freevars:
            cell = (function.__closure__ or ())[function.__code__.co_freevars.index(name)]
            try:
                return cell.cell_contents
            except ValueError:
                return MISSING
        if name in function.__globals__:
            return function.__globals__[name]
        scope = function.__globals__.get("__builtins__", builtins)
        table = scope if isinstance(scope, dict) else vars(scope)
        return table.get(name, MISSING)

    def resolve(self, node: ast.expr) -> Any:
        """What an expression such as ``asyncio.TimeoutError`` means, without running any code.

        Names are looked up as ``lookup`` does; attributes only on modules and classes.  Whether a
        name is local to the function is for the caller to know.

        Returns:
            The value; a tuple for a tuple; ``MISSING`` if it cannot be told.
        """
        if isinstance(node, ast.Name):
            return MISSING if node.id in self.local_names else self.lookup(node.id)
        if isinstance(node, ast.Attribute):
            base = self.resolve(node.value)
            if inspect.ismodule(base) or isinstance(base, type):
                return inspect.getattr_static(base, node.attr, MISSING)
        if isinstance(node, ast.Tuple):
            items = tuple(self.resolve(item) for item in node.elts)
            return MISSING if any(item is MISSING for item in items) else items
        return MISSING

    @functools.cached_property
    def local_names(self) -> frozenset[str]:
        """The names that are local to the function: parameters and whatever its body binds.

        Code objects would not do: from Python 3.12 on they mix in comprehension variables.
        """
        body = self.node.body
        bound = {arg.arg for arg in parameters(self.node.args)} | bound_names(body).keys()
        return frozenset(bound - declared_names(body))


_HEAD = re.compile(r"(?:async\s+)?(?:def|class)\s+\w+|\w+")


def _head_parts(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions between the keyword of a compound statement and its colon."""
    for name in ("target", "iter", "test", "subject", "type"):
        part = getattr(node, name, None)
        if isinstance(part, ast.expr):
            yield part
    for item in getattr(node, "items", ()):
        yield item.context_expr
        if item.optional_vars is not None:
            yield item.optional_vars


def awaited_method(node: ast.AST | None, owner: str) -> str | None:
    """``"receive"`` for the node of ``await ctx.receive(...)`` where ``owner`` is ``"ctx"``."""
    match node:
        case ast.Await(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr))) if (
            name == owner
        ):
            return attr
    return None


def read_source(function: Any) -> FunctionSource:
    """The source of a function defined by ``def`` or ``async def``.

    Args:
        function: a plain Python function.

    Raises:
        DiagnosticError: PDC001 no source text, PDC002 not such a function, PDC003 the text is not
            what the function was compiled from.
    """
    if not isinstance(function, FunctionType):
        kind = type(function).__name__
        name = getattr(function, "__name__", repr(function))
        raise _error("PDC002", f"`{name}` is not a plain Python function but a `{kind}`", "", 1)
    code = function.__code__
    where = code.co_filename, code.co_firstlineno
    if function.__name__ == "<lambda>" or code.co_name == "<lambda>":
        raise _error("PDC002", "a `lambda` has no body to compile; write a `def`", *where)
    lines = _block(function)
    if not lines:
        raise _error(
            "PDC001",
            f"the source text of `{function.__name__}` cannot be found; put it into a file or a "
            "notebook cell",
            *where,
            note="the compiler works from Python text: a file, a notebook cell, or text that is "
            "registered in `linecache`",
        )
    node = _parse(lines, code)
    if node is None or not same_code(function, node):
        raise _error(
            "PDC003",
            f"the text of `{function.__name__}` is not what the running function was compiled from",
            *where,
            note="the file changed after it was imported, or a tool rewrote the function",
        )
    return FunctionSource(
        function, function.__name__, function.__qualname__, code.co_filename,
        code.co_firstlineno, node, tuple(lines),
    )  # fmt: skip


def _error(
    code: str, message: str, file: str, line: int, note: str | None = None
) -> DiagnosticError:
    """A problem before there is any text to point at."""
    notes = (note,) if note else ()
    return DiagnosticError(Diagnostic(code, message, file, line, 1, line, 1, notes))


def _block(function: FunctionType) -> list[str]:
    """The lines of the definition, decorators included, without line ends."""
    code = function.__code__
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, function.__globals__)
    rest = lines[code.co_firstlineno - 1 :]
    if not rest:
        return []
    try:
        block = inspect.getblock(rest)
    except (SyntaxError, tokenize.TokenError):
        block = rest  # the file is in the middle of an edit
    return [line.rstrip("\r\n") for line in block]


def _parse(lines: Sequence[str], code: CodeType) -> FunctionNode | None:
    """The definition at the head of ``lines``, at its own lines and columns.

    An indented block is parsed below an ``if``, which leaves its columns as they are; dedenting
    would change them, and the inside of multi-line strings with them.
    """
    indented = lines[0][:1].isspace()
    text = "\n".join(["if 1:", *lines] if indented else lines) + "\n"
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    first = module.body[0]
    node = first.body[0] if indented and isinstance(first, ast.If) else first
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name != code.co_name:
        return None
    ast.increment_lineno(node, code.co_firstlineno - (2 if indented else 1))
    node.decorator_list = []
    return node
