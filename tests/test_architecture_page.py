"""``docs/architecture.md`` names every module, and nothing that is not there; links lead on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FOLDERS = ("compiler", "runtime", "runtime/backends", "runtime/toolchain")
MODULES = {path.stem for folder in FOLDERS for path in (ROOT / folder).glob("*.py")}
NAMED = {word for span in re.findall(r"`([^`\n]+)`", PAGE) for word in re.findall(r"\w+", span)}


def test_every_module_is_named() -> None:
    short = {f"build{name}" for name in NAMED if name.startswith("_")}
    private = {name for name in MODULES if name.startswith("__")}
    assert MODULES - NAMED - short - private == set()


@pytest.mark.parametrize("heading", ["## The compiler", "## The runtime"])
def test_what_is_named_is_there(heading: str) -> None:
    section = PAGE.partition(heading)[2].partition("\n## ")[0]
    rows = [line.split("|")[2] for line in section.splitlines() if line.startswith("| **")]
    names = set(re.findall(r"`(?:\w+/)?(\w+)`", " ".join(rows)))
    there = MODULES | {name.removeprefix("build") for name in MODULES}
    others = {"request"}  # a call
    assert names - there - others == set()


def test_links_of_all_pages_lead_somewhere() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "decisions").glob("*.md")]
    lost = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                lost.append(f"{page.name}: {target}")
    assert lost == []
