"""What is said of actors that cannot be compiled, word for word, as their authors will read it.

``golden/refusals.txt`` holds actors as newcomers write them, each with the diagnostics that it
gets: ``pytest --update-golden`` writes those anew.
"""

from __future__ import annotations

import linecache
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pydotcompute.actors.decorator import RingKernelFunction
from pydotcompute.actors.lowering import lower_actor

PAGE = Path(__file__).parents[2] / "golden" / "refusals.txt"
_CASE = re.compile(r"^=== (\w+)\n(.*?)^---\n(.*?)(?=^=== |\Z)", re.MULTILINE | re.DOTALL)


def cases() -> dict[str, tuple[str, str]]:
    """By name, the Python and what is said of it; ``prelude`` is what all build on."""
    page = PAGE.read_text(encoding="utf-8")
    return {found[1]: (found[2], found[3]) for found in _CASE.finditer(page)}


def said(name: str, text: str, prelude: str) -> str:
    """The diagnostics of an actor; lines count from its own first line."""
    lead = prelude.count("\n")
    text = prelude + text
    file = f"<{name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = ModuleType(f"refusal_{name}")
    sys.modules[module.__name__] = module
    exec(compile(text, file, "exec", dont_inherit=True), module.__dict__)
    actor = [v for v in vars(module).values() if isinstance(v, RingKernelFunction)][-1]
    lowering = lower_actor(actor.spec)
    found = lowering.diagnostics or lowering.breaks
    assert found, f"{name} lowers"
    assert all(d.file == file for d in found), "a diagnostic points elsewhere"
    report = "\n".join(map(str, found)) + "\n"
    report = re.sub(r'^  File "<\w+>", line \d+\n *\|\n', "", report, flags=re.MULTILINE)
    return re.sub(r"^ *(\d+) \|", lambda m: f"{int(m[1]) - lead:>3} |", report, flags=re.MULTILINE)


@pytest.mark.parametrize("name", sorted(cases().keys() - {"prelude"}))
def test_what_is_said(name: str, request: pytest.FixtureRequest) -> None:
    known = cases()
    text, expected = known[name]
    report = said(name, text, known["prelude"][0])
    assert not re.search(r"\w%\d", report), "a made-up name"
    if request.config.getoption("--update-golden"):
        page = PAGE.read_text(encoding="utf-8")
        new = f"=== {name}\n{text}---\n{report}\n"
        page = _CASE.sub(lambda m: new if m[1] == name else m[0], page)
        PAGE.write_text(page, encoding="utf-8")
        return
    if sys.version_info >= (3, 12) and 'f"' in text:  # where a part of one stands is known since
        report, expected = (re.sub(r"^ *\| *\^+$", "", s, flags=re.M) for s in (report, expected))
    assert report.strip() == expected.strip()
