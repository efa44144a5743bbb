"""``docs/architecture.md`` names every module, and nothing that is not there; links lead on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FOLDERS = (ROOT / "compiler", ROOT / "runtime")
MODULES = {path.stem for folder in FOLDERS for path in folder.rglob("*.py")}
NAMED = {word for span in re.findall(r"`([^`\n]+)`", PAGE) for word in re.findall(r"\w+", span)}


def test_every_module_is_named() -> None:
    private = {name for name in MODULES if name.startswith("__")}
    assert MODULES - NAMED - private == set()


@pytest.mark.parametrize("heading", ["## The compiler", "## The runtime"])
def test_what_is_named_is_there(heading: str) -> None:
    section = PAGE.partition(heading)[2].partition("\n## ")[0]
    rows = [line.split("|")[2] for line in section.splitlines() if line.startswith("| **")]
    names = set(re.findall(r"`(?:\w+/)?(\w+)`", " ".join(rows)))
    others = {"request"}  # a call
    assert names - MODULES - others == set()


def test_links_of_all_pages_lead_somewhere() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "decisions").glob("*.md")]
    lost = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                lost.append(f"{page.name}: {target}")
    assert lost == []


def test_the_recipes_name_files_that_are_there() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:compiler|runtime|templates|tests|docs)/[\w/.]+)`", page)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []
