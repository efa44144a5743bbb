"""The shape of a kernel's text: a turn is a function, and what runs turns are loops around it."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from tests.corpus import CASES
from tests.support.differential import Subject

FOLDER = Path(str(files("pydotcompute.templates")))
NAMES = [name for name, case in CASES.items() if case.lowers][::12]
STATUSES = ("PDC_MORE", "PDC_LEFT", "PDC_RETURNED", "PDC_IDLE", "PDC_FAILED")
_KEEPS = re.compile(r"pdc_keep\(pdc_kept, [^;]*\);\n\s*return PDC_(MORE|LEFT|RETURNED);")
_MACRO = re.compile(r"^#define (\w+)\(([^)]*)\)((?:.*\\\n)*.*)$", re.MULTILINE)


def turn_of(name: str) -> tuple[str, str]:
    """The whole text of an actor's kernel, and of the function that is its turn."""
    text = Subject(CASES[name].actor).lowering.source
    start = text.index("PDC_FN i32 pdc_turn(")
    return text, text[start : text.index("\n}\n", start)]


def test_a_macro_uses_its_arguments_only() -> None:
    """None names a variable that must happen to be there where it is used."""
    for path in sorted(FOLDER.glob("actor/*.h")):
        for name, arguments, body in _MACRO.findall(path.read_text(encoding="utf-8")):
            known = {*re.findall(r"\w+", arguments), "__builtin_expect"}
            assert set(re.findall(r"\b[a-z_]\w*", body)) <= known, name


@pytest.mark.parametrize("name", NAMES)
def test_a_kernel_has_one_turn(name: str) -> None:
    text, turn = turn_of(name)
    assert len(re.findall(r"^PDC_FN i32 pdc_turn\(", text, re.MULTILINE)) == 1
    assert text.count("= pdc_turn(") == 1
    assert text.index(turn) < text.index("pdc_burst(void *")


@pytest.mark.parametrize("name", NAMES)
def test_a_turn_changes_variables_only_where_it_ends_whole(name: str) -> None:
    _, turn = turn_of(name)
    head, body = turn.split("#line", 1)
    assert "pdc_kept" not in _KEEPS.sub("", body)
    assert not re.search(r"pdc_kept\.\w+ =", head)


@pytest.mark.parametrize("name", NAMES)
def test_a_turn_ends_by_return(name: str) -> None:
    """Jumps stay inside: to a loop's end, a handler, or behind one."""
    _, turn = turn_of(name)
    labels = set(re.findall(r"^ *(\w+):;$", turn, re.MULTILINE))
    assert set(re.findall(r"goto (\w+);", turn)) <= labels
    returned = set(re.findall(r"return (\w+)", turn))
    assert returned <= {*STATUSES, "pdc_wait"}
