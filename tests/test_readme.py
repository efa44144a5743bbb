"""What README.md says is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pydotcompute.cli import STAGES, main
from pydotcompute.decorator import registry

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_first_example_runs(tmp_path: Path) -> None:
    script = tmp_path / "doubler.py"
    script.write_text(blocks("python")[0], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("native Response(result=42)\n", "")


def test_the_diagnostic_is_what_the_compiler_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "_kernels", {})
    definitions = blocks("python")[0].partition("async def main")[0]
    (archive,) = [block for block in blocks("python") if "archive" in block]
    script = tmp_path / "actors.py"
    script.write_text(definitions + archive, encoding="utf-8")
    assert main(["inspect", f"{script}:archive", "--stage", "ir"]) == 1
    said = capsys.readouterr().err.replace(str(script), "actors.py")
    assert blocks("text") == [said]


def test_the_stages_are_those_of_the_command() -> None:
    assert "|".join(STAGES) in README


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]
