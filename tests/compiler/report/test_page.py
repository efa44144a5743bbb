"""The page of Python beside C: each line of both is there, in order, and nothing else is needed."""

from __future__ import annotations

import html as markup
import linecache
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import pytest

from pydotcompute import KernelContext, Lowering, message, ring_kernel
from pydotcompute.compiler.report.source_map import Row, Text, rows, sections
from tests.corpus import control, errors, numbers, printing  # noqa: F401 (they fill CASES)
from tests.corpus.case import CASES
from tests.support.differential import Subject
from tests.support.language import c_by_line

LOWERING = [name for name, case in CASES.items() if case.lowers]


@message
@dataclass
class Request:
    value: int


@message
@dataclass
class Response:
    result: int


def steady(n: int) -> int:
    if n < 0:
        raise ValueError("below <zero>")
    return n


async def summing(ctx: KernelContext[Request, Response]) -> None:
    """Adds & adds."""
    total, rest = 0, 0.0

    while not ctx.should_terminate:
        request = await ctx.receive()
        try:
            total += math.isqrt(steady(request.value))
        finally:
            # Whatever happens.
            total += 1
            rest += 0.5
        await ctx.send(
            Response(
                result=total,
            )
        )

    print(f"the total is {total}, {rest}")


async def reading(ctx: KernelContext[Request, Response]) -> None:
    total = 0
    while not ctx.should_terminate:
        request = await ctx.receive()
        with open("<file>") as file:
            total += len(file.read())
        await ctx.send(Response(total + request.value))


def caller(n: int) -> int:
    import json

    return len(json.dumps(n))


async def calling(ctx: KernelContext[Request, Response]) -> None:
    while not ctx.should_terminate:
        await ctx.send(Response(caller((await ctx.receive()).value)))


async def untyped(ctx: Any) -> None:
    while not ctx.should_terminate:
        await ctx.send(Response((await ctx.receive()).value))


def lowered(function: Callable[..., Any], kernel_id: str = "page") -> Lowering:
    return ring_kernel(kernel_id=kernel_id, auto_register=False)(function).lower()


class Page(HTMLParser):
    """The rows of a page: number, Python and C as plain text; and whether its tags match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[dict[str, str]] = []
        self.cells: list[str] = []
        self._open: list[tuple[str, str]] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "img", "iframe")
        assert not {"src", "href"} & dict(attrs).keys()
        kind = dict(attrs).get("class") or ""
        if kind.startswith("row"):
            self.rows.append({"kind": kind, "no": "", "py": "", "c": "", "said": ""})
        if tag != "meta":
            self._open.append((tag, kind))

    def handle_endtag(self, tag: str) -> None:
        opened, kind = self._open.pop()
        assert opened == tag
        if kind == "l":
            self._add("\n")

    def handle_data(self, data: str) -> None:
        if any(kind == "l" for _, kind in self._open):
            self._add(data.replace("\xa0", ""))
        elif self.rows and any(kind.startswith("row") for _, kind in self._open):
            self.rows[-1]["said"] += data

    def _add(self, data: str) -> None:
        (cell,) = {kind for _, kind in self._open} & {"no", "py", "c"}
        self.rows[-1][cell] += data


def numbered(name: str) -> tuple[list[list[Row]], list[list[str]]]:
    """The rows of each section of an actor of the corpus, and the lines of C they are to have."""
    kernel = Subject(CASES[name].actor).kernel
    found, c = [], []
    for section in sections(kernel):
        loc = (section.function or kernel.ir).loc
        lines = range(loc.line, loc.end_line + 1)
        text = Text({n: linecache.getline(loc.file, n).rstrip("\n") for n in lines})
        found.append(rows(section.runs, text))
        c.append([line for run in section.runs for line in run.c])
        shown = [row.line + n for row in found[-1] if row.line and not row.again
                 for n in range(len(row.python))]  # fmt: skip
        assert sorted(shown) == list(lines), name
    return found, c


@pytest.mark.parametrize("name", LOWERING)
def test_every_line_is_there_once_and_the_c_is_in_order(name: str) -> None:
    found, c = numbered(name)
    for made, lines in zip(found, c, strict=True):
        assert [line for row in made for line in row.c] == lines
        text = re.sub(r'"(?:\\.|[^"\\])*"', "", "\n".join(lines))
        assert text.count("{") == text.count("}")
        assert all(row.python for row in made if row.line)


def test_a_loop_comes_back_and_a_finally_stands_where_its_copies_are() -> None:
    found, _ = numbered("finally_and_jumps")
    first = found[0][0].line
    order = [row.line - first if not row.again else -(row.line - first) for row in found[0]]
    assert order[:10] == [0, 1, 2, 3, 4, 12, 13, 5, 6, -13]
    assert order[10:] == [7, 8, 9, 10, -13, 11, -13, 14, -2, 15, 16, 17]


def test_what_follows_a_function_is_not_put_down_to_its_last_line() -> None:
    kernel = lowered(summing).kernel
    assert kernel is not None
    last = kernel.ir.functions[0].loc.end_line
    assert c_by_line(kernel)[kernel.ir.loc.file, last] == ["return n;"]


def test_lines_of_functions_stand_above_their_c_as_those_of_the_actor_do() -> None:
    source = lowered(summing).source
    assert '// raise ValueError("below <zero>")\n' in source
    assert "search for `#line`" in source
    assert source.count("/* One turn of the actor's loop") == 1


def test_the_page() -> None:
    lowering = lowered(summing, "<b>page</b>")
    text = lowering.html()
    page = Page(text)
    by_number = {row["no"].split("\n")[0]: row for row in page.rows if row["no"]}
    first = summing.__code__.co_firstlineno
    assert text.startswith("<!doctype html>")
    assert "<b>page" not in text
    assert "&lt;b&gt;page&lt;/b&gt; <span class='mark good'>lowers</span>" in text

    assert [row["said"] for row in page.rows if "note" in row["kind"]] == [
        "Python, on the host: it runs when the actor is launched",
        "Python, on the host: it runs when the loop has ended",
    ]
    assert page.rows[0]["said"] == "Python, test_page.pyC"
    assert by_number[str(first + 1)]["py"] == '    """Adds & adds."""\n'
    assert "host" in by_number[str(first + 2)]["kind"]
    assert "host" in by_number[str(first + 18)]["kind"]
    assert by_number[str(first + 18)]["c"] == ""

    send = by_number[str(first + 12)]
    assert send["no"].split() == [str(first + n) for n in range(12, 17)]
    assert "if (!pdc_send(pdc_out, pdc_t, pdc_make_Response(total), " in send["c"]
    assert not send["c"].startswith(" ")  # the depth of the function is taken off
    again = [row["py"] for row in page.rows if "again" in row["kind"]]
    assert again == [
        f"            total += 1 ({first + 10}, continued)\n",
        f"            rest += 0.5 ({first + 11}, continued)\n",
    ]
    assert "<span class='k'>await ctx.receive</span>()" in text
    assert "<code>steady(int)</code>, which it calls" in text


def test_the_header_of_the_page() -> None:
    text = markup.unescape(re.sub(r"<[^>]+>", "|", lowered(summing).html()))
    for said in (
        "This actor lowers: the native backend can run it.",
        f"|File||{__file__}, line {summing.__code__.co_firstlineno}|",
        "|Schedule||sequential: `total` is carried from turn to turn (line ",
        "|message Request, 8 bytes|",
        "|state, 16 bytes|",
        "|0||8||total: int|",
        "|pdc_receive|||whether there is a message; without one, this burst of turns is over|",
    ):
        assert said in text


def test_the_page_of_an_actor_that_does_not_lower() -> None:
    text = lowered(reading).html()
    page = Page(text)
    (at,) = [n for n, row in enumerate(page.rows) if "wrong" in row["kind"]]
    assert page.rows[at]["py"] == '        with open("<file>") as file:\n'
    assert '<mark>with open(&quot;&lt;file&gt;&quot;) as file</mark>:' in text
    assert page.rows[at + 1]["said"] == (
        "error[PDC020]: `with` statement cannot be compiled"
        "`__enter__` and `__exit__` may run any code"
        "use `try`/`finally`, or open what you need before the loop"
    )
    assert "1 problem keeps it from being compiled." in text
    assert "<span class='mark bad'>python</span>" in text


def test_problems_of_a_helper_stand_below() -> None:
    text = lowered(calling).html()
    Page(text)
    assert "`import` in the loop cannot be compiled" in text.partition("<h2>Elsewhere</h2>")[2]


def test_a_pending_actor_says_when_it_is_compiled() -> None:
    lowering = lowered(untyped)
    assert lowering.pending
    assert repr(lowering) == "<Lowering of 'page': pending>"
    text = lowering.html()
    assert "This actor is pending: it is compiled when its first message arrives." in text
    assert "<span class='mark wait'>pending</span>" in text


def test_in_a_notebook_it_is_a_part_of_a_page() -> None:
    text = lowered(summing)._repr_html_()
    Page(text)
    assert text.startswith("<div class='pdc-page'>")
    style = text.partition("<style>")[2].partition("</style>")[0]
    plain = re.sub(r"@\w+[^{]*\{|--[\w-]+:[^;}]*;?", "", style)
    rules = re.findall(r"([^{}]+)\{", plain)
    assert len(rules) > 20
    assert all(part.strip().startswith(".pdc-page") for rule in rules for part in rule.split(","))


def test_without_the_text_of_the_actor_its_loop_is_shown() -> None:
    whole = lowered(summing)
    page = Page(Lowering("page", whole.kernel).html())
    assert [row for row in page.rows if "note" in row["kind"]] == []
    assert "    while not ctx.should_terminate:\n" in [row["py"] for row in page.rows]


def test_a_text_that_cannot_be_read_as_python_is_taken_line_by_line() -> None:
    text = Text({1: "x = (", 2: "    1,"})
    assert [row.line for row in rows((), text)] == [1, 2]
