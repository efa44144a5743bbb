"""The files that a kernel's text is put together from."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

FOLDER = Path(str(files("pydotcompute.templates")))
FILES = [path.relative_to(FOLDER).as_posix() for path in sorted(FOLDER.rglob("*.*"))
         if path.suffix in (".h", ".cu", ".j2")]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_only_templates_with_jinja_are_called_so(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert bool(re.search(r"\{\{ |\{%", text)) == name.endswith(".j2")


@pytest.mark.parametrize("name", FILES)
def test_files_are_short(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8").count("\n") <= 400
