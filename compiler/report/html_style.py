"""What the page of Python beside C looks like: its style sheet, and the colours of words.

Every rule is below ``.pdc-page``, since in a notebook the page is a part of another.
"""

from __future__ import annotations

import html as markup
import io
import keyword
import re
import tokenize
from collections.abc import Sequence

STYLE = """
.pdc-page { --text: #1c2330; --dim: #79828f; --back: #fff; --soft: #f5f6f8; --line: #e1e4e9;
  --rule: #f1f2f5; --hover: #fff5d6; --word: #8a2be2; --name: #0b62a8; --string: #1a7f37;
  --number: #b3510a; --good: #1a7f37; --wait: #9a6700; --bad: #c42b2b; --wrong: #fdecec;
  container-type: inline-size; color: var(--text); background: var(--back); padding: 1.5em 2em;
  font: 15px/1.5 system-ui, sans-serif; text-align: left }
@media (prefers-color-scheme: dark) { .pdc-page { --text: #dfe4ec; --dim: #8d96a5;
  --back: #14181f; --soft: #1b212b; --line: #2d3542; --rule: #1f2631;
  --hover: #33301f; --word: #c79bff;
  --name: #79b8ff; --string: #7fd191; --number: #f0a865; --good: #56c271; --wait: #e3b341;
  --bad: #ff7b72; --wrong: #3a1f23 } }
.pdc-page h1 { font-size: 1.6em; margin: 0 0 .2em; color: inherit; overflow-wrap: anywhere }
.pdc-page h2 { font-size: 1.1em; margin: 1.8em 0 .5em; color: inherit; overflow-wrap: anywhere }
.pdc-page p { margin: 0 0 .6em }
.pdc-page code, .pdc-page .code, .pdc-page pre, .pdc-page table, .pdc-page dd {
  font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: 13px }
.pdc-page code { background: none; color: inherit; padding: 0 }
.pdc-page footer dd { font: inherit }
.pdc-page .mark { font-size: .55em; vertical-align: .25em; padding: .15em .7em; color: #fff;
  border-radius: 1em }
.pdc-page .good { background: var(--good) } .pdc-page .wait { background: var(--wait) }
.pdc-page .mark.bad { background: var(--bad) }
@media (prefers-color-scheme: dark) { .pdc-page .mark { color: #14181f } }
.pdc-page dl { display: grid; grid-template-columns: max-content minmax(0, 1fr);
  gap: .15em 1.2em; margin: 0 0 1em }
.pdc-page dt { color: var(--dim); font-weight: normal; margin: 0; padding: 0 }
.pdc-page dd { margin: 0; overflow-wrap: anywhere }
.pdc-page .records { display: flex; flex-wrap: wrap; gap: 1em; align-items: flex-start }
.pdc-page table { border-collapse: collapse; border: 1px solid var(--line); margin: 0;
  background: var(--soft) }
.pdc-page caption { text-align: left; padding: 0 0 .2em; color: var(--dim); caption-side: top }
.pdc-page th, .pdc-page td { padding: .1em .8em; text-align: right; color: inherit;
  background: none; border: 0; max-width: none }
.pdc-page th { color: var(--dim); font-weight: normal }
.pdc-page th:last-child, .pdc-page td:last-child { text-align: left; overflow-wrap: anywhere }
.pdc-page .code { border: 1px solid var(--line); border-radius: 6px; overflow: hidden }
.pdc-page .row { display: grid; grid-template-columns: 4em minmax(0, 4fr) minmax(0, 5fr) }
.pdc-page .one .row { grid-template-columns: 4em minmax(0, 1fr) }
.pdc-page .row > div { padding: 1px .8em; min-width: 0 }
.pdc-page .row + .row { border-top: 1px solid var(--rule) }
.pdc-page .heads { background: var(--soft); color: var(--dim); font-family: system-ui, sans-serif }
.pdc-page .heads > div { padding: .3em .8em }
.pdc-page .file { font-family: ui-monospace, Menlo, Consolas, monospace }
.pdc-page .row:hover { background: var(--hover) }
.pdc-page .row.heads:hover, .pdc-page .row.note:hover { background: var(--soft) }
.pdc-page .no { color: var(--dim); text-align: right; user-select: none }
.pdc-page .c { border-left: 1px solid var(--line) }
.pdc-page .l { white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 4;
  padding-left: calc((var(--i) + 4) * 1ch); text-indent: calc((var(--i) + 4) * -1ch) }
.pdc-page .no .l { padding: 0; text-indent: 0; white-space: pre; overflow-wrap: normal }
.pdc-page .note { background: var(--soft); color: var(--dim);
  font: italic 13px/1.7 system-ui, sans-serif }
.pdc-page .row.note { border-top: 1px solid var(--line) }
.pdc-page .note > div:last-child { grid-column: 2 / -1 }
.pdc-page .host { background: var(--soft) }
.pdc-page .again .py, .pdc-page .again .py span { color: var(--dim) }
.pdc-page .w { color: var(--word) } .pdc-page .f { color: var(--name) }
.pdc-page .s { color: var(--string) } .pdc-page .d { color: var(--number) }
.pdc-page .m { color: var(--dim) } .pdc-page .k { color: var(--word); font-weight: 600 }
.pdc-page .wrong { background: var(--wrong) }
.pdc-page mark { color: inherit; background: none;
  text-decoration: underline wavy var(--bad); text-underline-offset: 3px }
.pdc-page .problem { border-left: 3px solid var(--bad); background: var(--soft);
  font: 14px/1.5 system-ui, sans-serif; margin: .3em .8em .6em 0; padding: .5em .9em !important }
.pdc-page .problem p { margin: 0 }
.pdc-page .problem p + p { margin-top: .2em; color: var(--dim) }
.pdc-page .problem p.hint { color: inherit } .pdc-page .hint::before { content: "\\2192\\00a0" }
.pdc-page pre { white-space: pre-wrap; overflow-wrap: anywhere; color: inherit }
.pdc-page pre.problem { font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace }
.pdc-page footer p { color: var(--dim) }
@container (max-width: 820px) {
  .pdc-page .row { grid-template-columns: 3.6em minmax(0, 1fr) }
  .pdc-page .row > div { padding: 1px .5em }
  .pdc-page .row > .c { grid-column: 2; border-left: 2px solid var(--name); margin: 2px .5em 4px 0;
    background: var(--soft); padding: 2px .6em }
  .pdc-page .c:empty { display: none }
  .pdc-page .heads > div:nth-child(3) { grid-column: 2; padding-top: 0 }
  .pdc-page .heads > div:nth-child(3)::after { content: ", below each line" }
  .pdc-page dl { grid-template-columns: minmax(0, 1fr); gap: 0 }
  .pdc-page dd { margin: 0 0 .5em }
}
"""

# --- words in Python -----------------------------------------------------------------------------

_CONTEXT = re.compile(r"await \w+\.(?:receive|send|wait_active)\b")


def paint_python(lines: Sequence[str]) -> list[str]:
    """Lines of Python as HTML, with words, strings and comments marked."""
    spans: list[list[tuple[int, int, str]]] = [[] for _ in lines]
    text = "\n".join(lines) + "\n"
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if kind := _kind(token):
                _note(spans, token, kind, lines)
    except (tokenize.TokenError, SyntaxError):  # a part of a statement
        pass
    return [_painted(line, found) for line, found in zip(lines, spans, strict=True)]


def _kind(token: tokenize.TokenInfo) -> str:
    if token.type == tokenize.NAME and keyword.iskeyword(token.string):
        return "w"
    if token.type == tokenize.COMMENT:
        return "m"
    if token.type == tokenize.NUMBER:
        return "d"
    name = tokenize.tok_name[token.type]
    return "s" if name == "STRING" or name.startswith("FSTRING") else ""


def _note(spans: list[list[tuple[int, int, str]]], token: tokenize.TokenInfo, kind: str,
          lines: Sequence[str]) -> None:  # fmt: skip
    """A token may go over several lines."""
    (first, begin), (last, end) = token.start, token.end
    for number in range(first, min(last, len(lines)) + 1):
        start = begin if number == first else 0
        stop = end if number == last else len(lines[number - 1])
        if call := _CONTEXT.match(lines[number - 1], start):
            stop, kind = call.end(), "k"
        spans[number - 1].append((start, stop, kind))


def _painted(line: str, spans: Sequence[tuple[int, int, str]]) -> str:
    made, at = "", 0
    for begin, end, kind in spans:
        made += markup.escape(line[at:begin])
        made += f"<span class='{kind}'>{markup.escape(line[begin:end])}</span>"
        at = end
    return made + markup.escape(line[at:])


# --- words in C ----------------------------------------------------------------------------------

_BOOKKEEPING = re.compile(
    r"\s*(if \(pdc_(raised|spent)\(|goto \w+;|\w+:;|\}$|\{$|return PDC_FAILED;|return \{\};"
    r"|pdc_t->error = \{\};)"
)
_C = re.compile(
    r"(?P<m>/\*.*?\*/|//.*)|(?P<s>\"(?:\\.|[^\"\\])*\")|(?P<d>\b\d[\w.+]*\b)"
    r"|(?P<w>\b(?:if|else|for|while|goto|return|break|continue|const|static|struct|"
    r"bool|[iuf](?:8|16|32|64))\b)|(?P<f>\b(?:PDC|pdc|py)_\w+(?=\())"
)


def paint_c(line: str) -> str:
    """A line of C as HTML; lines that only keep the others together are pale."""
    if _BOOKKEEPING.match(line):
        return f"<span class='m'>{markup.escape(line)}</span>"
    spans = [(found.start(), found.end(), str(found.lastgroup)) for found in _C.finditer(line)]
    return _painted(line, spans)
