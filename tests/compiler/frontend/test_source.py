"""Source, positions and names of functions, wherever they are defined."""

from __future__ import annotations

import ast
import asyncio
import functools
import linecache
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from pydotcompute.compiler.diagnostics.diagnostic import DiagnosticError, Location
from pydotcompute.compiler.frontend.source import FunctionSource, awaited_method, read_source
from pydotcompute.compiler.types.missing import MISSING
from tests.support.defining import define


def mark(function: Any) -> Any:
    """A decorator that changes nothing."""
    return function


def text_at(source: FunctionSource, location: Location) -> str:
    """What the file says at a place, on one line."""
    line = linecache.getline(source.filename, location.line)
    return line[location.column - 1 : location.end_column - 1]


@mark
@mark
async def decorated(ctx):
    """A docstring
    of two lines."""
    return "é" + ctx.name  # a comment


def make(free: int, empty: bool = False) -> Any:
    class Holder:
        @staticmethod
        @mark
        def nested(x):
            text = """
  kept as it is"""
            return text, free, x, late

    if not empty:
        late = 1
    return Holder.nested


@pytest.mark.parametrize("function", [decorated, make(1)])
def test_every_node_stands_where_the_file_says(function: Any) -> None:
    source = read_source(function)
    file = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert source.filename == __file__
    assert list(source.lines) == file[source.first_line - 1 : source.first_line - 1 + len(
        source.lines)]  # fmt: skip
    for node in ast.walk(source.node):
        if isinstance(node, ast.Name | ast.arg):
            name = node.id if isinstance(node, ast.Name) else node.arg
            assert text_at(source, source.location(node)) == name


def test_decorators_are_no_part_of_the_node() -> None:
    source = read_source(decorated)
    assert source.node.decorator_list == []
    assert source.line(source.first_line) == "@mark"
    assert source.node.lineno == source.first_line + 2
    assert source.line(source.node.lineno) == "async def decorated(ctx):"
    assert source.line(1) == source.line(10**6) == ""


def test_multi_line_strings_keep_their_indentation() -> None:
    source = read_source(make(1))
    assign = source.node.body[0]
    assert isinstance(assign, ast.Assign)
    assert ast.literal_eval(assign.value) == "\n  kept as it is"
    assert isinstance(read_source(decorated).node, ast.AsyncFunctionDef)
    assert ast.get_docstring(read_source(decorated).node, clean=False) == (
        "A docstring\n    of two lines."
    )


def test_heads() -> None:
    source = read_source(
        define(
            dedent(
                """
                async def f(ctx):
                    while ctx.a and b:
                        try:
                            async with c as d, e: pass
                        except* (x,
                                 y): pass
                        for i in range(3): pass
                        async  def  g(x): pass
                """
            ).strip(),
            "f",
        )
    )
    compound = (ast.While, ast.TryStar, ast.AsyncWith, ast.ExceptHandler, ast.For,
                ast.AsyncFunctionDef)  # fmt: skip
    heads = [source.head(node) for node in ast.walk(source.node) if isinstance(node, compound)]
    texts = [text_at(source, at) for at in heads if at.line == at.end_line]
    assert sorted(texts) == sorted(
        ["async def f", "while ctx.a and b", "try", "for i in range(3)", "async  def  g",
         "async with c as d, e"]
    )  # fmt: skip
    (several,) = (at for at in heads if at.line != at.end_line)
    assert (several.line, several.column, several.end_line, several.end_column) == (5, 9, 6, 20)
    assert source.header() == heads[0]
    assert source.location(source.node.args) == source.header()


def test_lookup_closure_globals_builtins() -> None:
    source = read_source(make(7))
    assert source.lookup("free") == 7
    assert source.lookup("mark") is mark
    assert source.lookup("len") is len
    assert source.lookup("late") == 1
    assert source.lookup("nowhere") is MISSING
    assert read_source(make(7, empty=True)).lookup("late") is MISSING
    assert repr(MISSING) == "MISSING"


def test_lookup_with_builtins_as_a_dict() -> None:
    function = define("def f(): pass", "f", __builtins__={"only": 1})
    source = read_source(function)
    assert source.lookup("only") == 1
    assert source.lookup("len") is MISSING


class Property:
    @property
    def value(self) -> int:
        raise AssertionError("resolving must not run code")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("asyncio.TimeoutError", TimeoutError),
        ("asyncio.queues.QueueEmpty", asyncio.QueueEmpty),
        ("ValueError", ValueError),
        ("(ValueError, asyncio.TimeoutError)", (ValueError, TimeoutError)),
        ("(ValueError, unknown)", MISSING),
        ("local", MISSING),
        ("item.value", MISSING),
        ("asyncio.unknown", MISSING),
        ("f()", MISSING),
    ],
)
def test_resolve_runs_no_code(text: str, value: Any) -> None:
    body = f"def f(x):\n    local = 1\n    return {text}\n"
    source = read_source(define(body, "f", asyncio=asyncio, item=Property()))
    returned = source.node.body[-1]
    assert isinstance(returned, ast.Return)
    assert returned.value is not None
    assert source.resolve(returned.value) == value


def test_local_names() -> None:
    source = read_source(
        define(
            "def f(a, *b, c=1, **d):\n    global g\n    g = h = 1\n"
            "    return [e for e in a], lambda: h\n",
            "f",
        )
    )
    assert source.local_names == {"a", "b", "c", "d", "h"}


def test_awaited_method() -> None:
    def method(text: str) -> str | None:
        node = ast.parse(text, mode="eval").body
        return awaited_method(node, "ctx")

    assert method("await ctx.receive(timeout=1)") == "receive"
    assert method("ctx.receive()") is None
    assert method("await other.receive()") is None
    assert method("await ctx.receive") is None


# --- what is refused ----------------------------------------------------------------------------


def refused(function: Any) -> str:
    with pytest.raises(DiagnosticError) as caught:
        read_source(function)
    return str(caught.value)


def test_no_source_text() -> None:
    scope: dict[str, Any] = {}
    exec("async def hidden(ctx): pass", scope)
    assert refused(scope["hidden"]) == dedent(
        """\
        error[PDC001]: the source text of `hidden` cannot be found; put it into a file or \
a notebook cell
          File "<string>", line 1
          = note: the compiler works from Python text: a file, a notebook cell, or text that is \
registered in `linecache`"""
    )


def test_not_a_plain_function() -> None:
    assert refused(len) == (
        "error[PDC002]: `len` is not a plain Python function but a `builtin_function_or_method`"
    )
    assert refused(Property) == (
        "error[PDC002]: `Property` is not a plain Python function but a `type`"
    )
    assert refused(functools.lru_cache(mark)) == (
        "error[PDC002]: `mark` is not a plain Python function but a `_lru_cache_wrapper`"
    )


def test_a_lambda() -> None:
    function = lambda ctx: ctx  # noqa: E731
    assert refused(function) == dedent(
        f"""\
        error[PDC002]: a `lambda` has no body to compile; write a `def`
          File "{__file__}", line {function.__code__.co_firstlineno}"""
    )


CHANGES = [
    "def f(x):\n    return x + 2\n",
    "def f(x):\n    return x + 1.0\n",
    "def f(x):\n    return y + 1\n",
    "def f(x, y):\n    return x + 1\n",
    "def g(x):\n    return x + 1\n",
    "f = g = 1\n",
    "def f(x:\n",
]


@pytest.mark.parametrize("text", CHANGES)
def test_text_that_changed_since_is_never_taken_for_the_function(text: str) -> None:
    function = define("def f(x):\n    return x + 1\n", "f")
    file = function.__code__.co_filename
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    assert refused(function) == dedent(
        f"""\
        error[PDC003]: the text of `f` is not what the running function was compiled from
          File "{file}", line 1
          = note: the file changed after it was imported, or a tool rewrote the function"""
    )


def test_changed_comments_do_no_harm() -> None:
    function = define("def f(x):\n    return x + 1\n", "f")
    file = function.__code__.co_filename
    text = "def f(x):  # new\n    return x + 1  # newer\n"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    assert read_source(function).lines == tuple(text.splitlines())


def asserts(x):
    assert x > 0, "a message that pytest rewrites"
    return x


def test_functions_of_rewritten_test_modules_are_accepted() -> None:
    assert read_source(asserts).name == "asserts"


def test_nested_definitions_keep_their_names() -> None:
    def outer():
        class Inner:
            def method(self):
                return [(lambda: self, k) for k in "ab"]

        return Inner

    assert read_source(outer).qualname.endswith("<locals>.outer")


def test_future_annotations_and_generic_functions() -> None:
    text = "from __future__ import annotations\ndef f(x: Unknown = 3) -> Other:\n    y: Z = x\n"
    assert read_source(define(text, "f")).name == "f"


@pytest.mark.parametrize(
    "imports",
    ["import math", "import os.path as math", "from os import path as math",
     "if 1:\n    try:\n        import math\n    finally:\n        pass", "math = 0"],
)  # fmt: skip
def test_calls_of_imported_names(imports: str) -> None:
    text = f"{imports}\ndef f(x):\n    return math.sqrt(x) + x.math() + math(x)\n"
    assert read_source(define(text, "f")).name == "f"


def test_calls_of_imported_names_inside_a_generator_only() -> None:
    text = "import math\ndef f(xs):\n    return sum(math.sqrt(x) for x in xs)\n"
    assert read_source(define(text, "f")).name == "f"
