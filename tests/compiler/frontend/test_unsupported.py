"""The table of syntax that never lowers: every entry by name, place, reason and hint."""

# Actors stand here as their authors write them.
# ruff: noqa

from __future__ import annotations

import sys
from textwrap import dedent
from typing import Any

import pytest
from tests.support.defining import define

from pydotcompute.compiler.diagnostics.diagnostic import CODES, Diagnostic
from pydotcompute.compiler.frontend.source import read_source
from pydotcompute.compiler.frontend.unsupported import TABLE, scan


def scan_statements(text: str, name: str = "actor") -> list[Diagnostic]:
    """What the scan says about statements of an actor's loop."""
    body = "".join(f"        {line}\n" for line in dedent(text).strip().splitlines())
    actor = define(f"async def {name}(ctx):\n    while True:\n{body}", name)
    source = read_source(actor)
    return scan(source.node.body, source, "ctx")


CASES = [
    # statement, code, the text under the carets, message, hint
    ("with lock:\n    n = 1", "PDC020", "with lock",
     "`with` statement cannot be compiled", "use `try`/`finally`, or open what you need before the loop"),
    ("with open(p) as f, g as h:\n    n = 1", "PDC020", "with open(p) as f, g as h",
     "`with` statement cannot be compiled", "use `try`/`finally`, or open what you need before the loop"),
    ("async with lock:\n    n = 1", "PDC020", "async with lock",
     "`async with` statement cannot be compiled",
     "for a time limit write `await ctx.receive(timeout=...)`; open what you need before the loop"),
    ("async for x in stream:\n    n = 1", "PDC020", "async for x in stream",
     "`async for` loop cannot be compiled", "receive one message in each turn with `await ctx.receive()`"),
    ("try:\n    n = 1\nexcept* ValueError:\n    n = 2", "PDC020", "except* ValueError",
     "`except*` cannot be compiled", "write `except`"),
    ("def f(x):\n    return lambda: x", "PDC020", "def f",
     "nested `def` cannot be compiled", "define the function at module level and pass it what it needs"),
    ("async def f(x):\n    await x", "PDC020", "async def f",
     "nested `async def` cannot be compiled", "define a plain `def` at module level"),
    ("class C:\n    pass", "PDC020", "class C",
     "nested `class` cannot be compiled", "define the class at module level"),
    ("import math", "PDC020", "import math",
     "`import` in the loop cannot be compiled", "import at module level"),
    ("from math import sin", "PDC020", "from math import sin",
     "`import` in the loop cannot be compiled", "import at module level"),
    ("global n", "PDC025", "global n", "`global` cannot be compiled",
     "keep the value in a variable assigned before the loop"),
    ("del a[0], n", "PDC020", "n", "`del` of a variable cannot be compiled",
     "assign `None`, or leave the variable alone"),
    ("n = mapped(xs, key=lambda x: -x)", "PDC021", "lambda",
     "`lambda` cannot be compiled", "write a `def` at module level, or the expression itself"),
    ("n = {x for x in xs}", "PDC021", "{x for x in xs}", "set comprehension cannot be compiled",
     "fill a `set` assigned before the loop, in a `for` loop"),
    ("n = {x: 1 for x in xs}", "PDC021", "{x: 1 for x in xs}", "dict comprehension cannot be compiled",
     "fill a `dict` assigned before the loop, in a `for` loop"),
    ("n = {1, 2}", "PDC021", "{1, 2}", "set display cannot be compiled",
     "use a set assigned before the loop, or a tuple as the right side of `in`"),
    ("n = [x async for x in xs]", "PDC021", "x", "`async` comprehension cannot be compiled",
     "write a plain `for`"),
    ("n = max(*xs)", "PDC021", "*xs", "`*` in a call cannot be compiled", "write the arguments out"),
    ("await ctx.send(Reply(**msg))", "PDC021", "**msg", "`**` in a call cannot be compiled",
     "write the arguments out"),
    ("await ctx.send(*xs)", "PDC021", "*xs", "`*` in a call cannot be compiled",
     "write the arguments out"),
    ("n = b'x'", "PDC021", "b'x'", "`bytes` value cannot be compiled",
     "use `str`, or a numpy array of `uint8`"),
    ("n = 1j", "PDC021", "1j", "complex number cannot be compiled",
     "use two floats, for the real and the imaginary part"),
    ("await asyncio.sleep(1)", "PDC022", "await asyncio.sleep(1)",
     "`await asyncio.sleep` cannot be compiled",
     "await only `ctx.receive(...)`, `ctx.send(...)` and `ctx.wait_active()`"),
    ("await task", "PDC022", "await task", "`await task` cannot be compiled",
     "await only `ctx.receive(...)`, `ctx.send(...)` and `ctx.wait_active()`"),
    ("ctx.send(n)", "PDC023", "ctx.send", "`ctx.send` without `await` cannot be compiled",
     "write `await ctx.send(...)`"),
    ("n = ctx.priority", "PDC023", "ctx.priority", "`ctx.priority` cannot be compiled",
     "do it before the loop, which runs as ordinary Python"),
    ("n = helper(ctx, 1)", "PDC023", "ctx", "`ctx` as a value cannot be compiled",
     "pass the message, and let the actor receive and send"),
    ("match msg:\n    case {'a': 1}:\n        pass", "PDC024", "{'a': 1}",
     "mapping pattern `{...}` cannot be compiled", "look the key up with `in` and `[...]`"),
    ("match msg:\n    case [1, *rest]:\n        pass", "PDC024", "*rest",
     "`*` in a pattern cannot be compiled", "test the length, and take the items by index"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "under", "message", "hint"), CASES)
def test_each_construct(text: str, code: str, under: str, message: str, hint: str) -> None:
    (found,) = scan_statements(text)
    assert (found.code, found.message, found.hint) == (code, message, hint)
    assert len(found.notes) == 1
    line = found.text[0]
    assert line[found.column - 1 : found.end_column - 1] == under


@pytest.mark.parametrize("text", ["n = yield", "n = yield from xs"])
def test_generators(text: str) -> None:
    helper = define(f"def helper(xs):\n    {text}\n", "helper")
    source = read_source(helper)
    (found,) = scan(source.node.body, source)
    assert found.message == f"`{text[4:].removesuffix(' xs')}` cannot be compiled"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="`type` statements are Python 3.12")
def test_type_statement() -> None:
    (found,) = scan_statements("type T = int")
    assert found.message == "`type` statement cannot be compiled"


SUPPORTED = [
    "msg = await ctx.receive(timeout=0.1)",
    "if not ctx.is_active:\n    await ctx.wait_active()\n    continue",
    "await ctx.send(Reply(n, text=f'{n:>{width}}'))",
    "n, (a, *b) = n, xs",
    "while n > 0 and not ctx.should_terminate:\n    n -= 1\nelse:\n    break",
    "for i, x in enumerate(xs):\n    total += x",
    "try:\n    n = 1\nexcept (ValueError, KeyError) as e:\n    raise X(str(e)) from e\n"
    "else:\n    n = 2\nfinally:\n    n = 3",
    "match msg:\n    case A(x=0) | B(y=1):\n        pass\n    case 'x' if n:\n        pass\n"
    "    case _:\n        pass",
    "assert n > 0, 'n'",
    "if (m := f(n)) in {1, 2, 3} and n not in {4}:\n    print(m, ctx.kernel_id)",
    "ok = all(x > 0 for x in xs) and [y for y in xs if y]",
    "del table[n]",
    "n: int = 3",
    "'a string'",
    "...",
    "logging.info('x %s', n)",
    "a[1:2] = b[::-1]",
    "n = {} if a is None else {'x': 1}",
]


@pytest.mark.parametrize("text", SUPPORTED)
def test_what_may_lower_is_not_in_the_table(text: str) -> None:
    assert scan_statements(text) == []


def test_several_problems_in_one_go_in_the_order_of_the_text() -> None:
    found = scan_statements(
        """
        with lock:
            n = lambda: ctx
            import os
        await ctx.send(max(*[b"x" for _ in range(3)]))
        """
    )
    assert [d.message for d in found] == [
        "`with` statement cannot be compiled",
        "`lambda` cannot be compiled",
        "`import` in the loop cannot be compiled",
        "`*` in a call cannot be compiled",
        "`bytes` value cannot be compiled",
    ]


def test_a_variable_declared_global_before_the_loop() -> None:
    actor = define(
        "async def actor(ctx):\n    global total\n    total = 0\n"
        "    while True:\n        total += await ctx.receive()\n",
        "actor",
    )
    source = read_source(actor)
    (found,) = scan(source.node.body[2:], source)
    assert (found.code, found.message) == ("PDC025", "`total` is `global`, which cannot be compiled")
    assert (found.line, found.column) == (5, 9)


def test_a_helper_may_not_await() -> None:
    helper = define("async def helper(x):\n    await x.send(1)\n    await y\n", "helper")
    source = read_source(helper)
    (found,) = scan(source.node.body, source)
    assert found.message == "`await y` cannot be compiled"  # its first parameter is its context


def test_a_lambda_may_be_a_key() -> None:
    assert not scan_statements("n = sorted(xs, key=lambda x: -x)[0] + max(xs, key=lambda x: x)")
    assert not scan_statements("xs.sort(key=lambda x: -x)\nn = sum(map(lambda x: x * 2, xs))")


def test_the_whole_text() -> None:
    (found,) = scan_statements("n = mapped(xs, key=lambda x: -x)")
    assert str(found) == dedent(
        f'''\
        error[PDC021]: `lambda` cannot be compiled
          File "{found.file}", line 3
          |
        3 |         n = mapped(xs, key=lambda x: -x)
          |                            ^^^^^^
          = note: functions are no values in compiled code
          = hint: write a `def` at module level, or the expression itself'''
    )


def test_the_hint_uses_the_name_of_the_context() -> None:
    actor = define(
        "async def actor(c):\n    while True:\n        await sleep(await c.receive())\n", "actor"
    )
    source = read_source(actor)
    (found,) = scan(source.node.body, source)
    assert found.hint == "await only `c.receive(...)`, `c.send(...)` and `c.wait_active()`"


def test_every_rule_has_a_known_code_and_speaks_in_clauses() -> None:
    rules: list[Any] = [rule for rules in TABLE.values() for rule in rules]
    for rule in rules:
        assert rule.code in CODES
        for text in (rule.name, rule.why, rule.hint):
            assert text
            assert not text.endswith(".")
