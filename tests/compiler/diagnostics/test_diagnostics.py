"""How diagnostics are rendered, word for word."""

from __future__ import annotations

import ast
import pickle
from textwrap import dedent

import pytest

from pydotcompute.compiler.diagnostics.diagnostic import (
    CODES,
    Diagnostic,
    DiagnosticError,
    Diagnostics,
    Location,
    diagnose,
    render,
)
from pydotcompute.compiler.frontend.source import FunctionSource, read_source
from tests.support.defining import define


def text(block: str) -> str:
    return dedent(block).strip("\n")


def test_headline_place_excerpt_notes_and_hint() -> None:
    diagnostic = Diagnostic(
        "PDC012", "`receive` inside an inner loop", "actors.py", 11, 19, 11, 38,
        notes=("one turn of the actor's loop handles one message", "a second note"),
        hint="collect in a variable",
    )  # fmt: skip
    assert render(diagnostic, ["        request = await ctx.receive()\n"]) == text(
        """
        error[PDC012]: `receive` inside an inner loop
          File "actors.py", line 11
           |
        11 |         request = await ctx.receive()
           |                   ^^^^^^^^^^^^^^^^^^^
           = note: one turn of the actor's loop handles one message
           = note: a second note
           = hint: collect in a variable
        """
    )


def test_without_text_notes_or_hint() -> None:
    assert str(Diagnostic("PDC001", "no text", "x.py", 3, 1, 3, 1)) == text(
        """
        error[PDC001]: no text
          File "x.py", line 3
        """
    )
    assert str(Diagnostic("PDC002", "no file", "", 1, 1, 1, 1)) == "error[PDC002]: no file"


def test_a_span_of_several_lines() -> None:
    diagnostic = Diagnostic("PDC103", "a call", "x.py", 9, 5, 11, 6)
    assert render(diagnostic, ["    f(", "        a,", "    ) + 1"]) == text(
        """
        error[PDC103]: a call
          File "x.py", line 9
           |
         9 |     f(
           |     ^^
        10 |         a,
           |         ^^
        11 |     ) + 1
           |     ^
        """
    )


def test_a_long_span_is_shown_by_its_ends_and_blank_lines_have_no_carets() -> None:
    lines = ["f(", *[f"  {n}," for n in range(8)], ")"]
    assert render(Diagnostic("PDC103", "a call", "x.py", 1, 1, 10, 2), lines) == text(
        """
        error[PDC103]: a call
          File "x.py", line 1
           |
         1 | f(
           | ^^
        ...
        10 | )
           | ^
        """
    )
    assert render(Diagnostic("PDC103", "a call", "x.py", 1, 1, 3, 2), ["f(", "", ")"]) == text(
        """
        error[PDC103]: a call
          File "x.py", line 1
          |
        1 | f(
          | ^^
        2 |
        3 | )
          | ^
        """
    )


@pytest.mark.parametrize(
    ("line", "column", "end", "carets"),
    [
        ("\tx = y", 6, 7, "\t    ^"),
        ("名 = y + z", 5, 10, "     ^^^^^"),
        ("s = '名' + z", 5, 8, "    ^^^^"),
        ("e\u0301 = y", 6, 7, "    ^"),
        ("x", 5, 5, " ^"),
    ],
)
def test_carets_stand_below_their_text(line: str, column: int, end: int, carets: str) -> None:
    rendered = render(Diagnostic("PDC105", "m", "x.py", 1, column, 1, end), [line])
    assert rendered.splitlines()[-1] == f"  | {carets}"


def source_of(body: str) -> FunctionSource:
    return read_source(define(f"def f(x):\n    {body}\n", "f"))


def test_diagnose_takes_a_node_or_a_location() -> None:
    source = source_of("return '\N{GREEK SMALL LETTER ALPHA}' + x")
    node = next(n for n in ast.walk(source.node) if isinstance(n, ast.Name))
    found = diagnose(source, "PDC105", node, "m", notes=["n"], hint="h")
    assert found.location == Location(source.filename, 2, 18, 2, 19)
    assert (found.text, found.notes, found.hint) == (
        ("    return '\N{GREEK SMALL LETTER ALPHA}' + x",), ("n",), "h",
    )  # fmt: skip
    assert diagnose(source, "PDC105", found.location, "m", notes=["n"], hint="h") == found
    assert str(found.location) == f"{source.filename}:2:18"


def test_an_unknown_code_is_refused() -> None:
    source = source_of("return x")
    with pytest.raises(KeyError):
        diagnose(source, "PDC999", source.node, "m")


def test_the_collector_keeps_the_order_of_the_text_and_each_problem_once() -> None:
    source = source_of("return x + y")
    problems = Diagnostics(source)
    problems.raise_if_any()
    assert not problems
    x, y = (n for n in ast.walk(source.node) if isinstance(n, ast.Name))
    problems.error("PDC105", y, "second")
    problems.error("PDC105", x, "first")
    problems.error("PDC105", x, "first")
    assert problems
    with pytest.raises(DiagnosticError) as caught:
        problems.raise_if_any()
    assert [d.message for d in caught.value.diagnostics] == ["first", "second"]
    assert str(caught.value) == text(
        f"""
        error[PDC105]: first
          File "{source.filename}", line 2
          |
        2 |     return x + y
          |            ^

        error[PDC105]: second
          File "{source.filename}", line 2
          |
        2 |     return x + y
          |                ^
        """
    )


def test_a_collector_for_a_helper_fills_the_same_list() -> None:
    actor, helper = source_of("return x"), source_of("return x")
    problems = Diagnostics(actor)
    problems.within(helper).error("PDC105", helper.node.body[0], "in the helper")
    (found,) = problems.found
    assert found.file == helper.filename != actor.filename


def test_what_was_found_since_a_mark_can_be_forgotten() -> None:
    source = source_of("return x")
    problems = Diagnostics(source)
    problems.error("PDC105", source.node.body[0], "kept")
    mark = problems.mark()
    problems.error("PDC105", source.node.body[0], "tried")
    problems.rewind(mark)
    assert [d.message for d in problems.found] == ["kept"]


def test_diagnostics_travel_with_their_text() -> None:
    source = source_of("return x")
    found = diagnose(source, "PDC105", source.node.body[0], "m")
    error = pickle.loads(pickle.dumps(DiagnosticError(found)))
    assert error.diagnostics == (found,)
    assert str(error) == str(found)


def test_codes_are_stable_in_form() -> None:
    for code, about in CODES.items():
        assert code.startswith("PDC")
        assert code[3:].isdigit()
        assert len(code) == 6
        assert not about.endswith(".")
