"""The benchmark of the cuda backend runs, here on the emulated device, and says so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.native_actor import kit as native_kit

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(native_kit.library() is None, reason="no C++ compiler")


def bench(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, "tests/bench/gpu.py", "--emulated", "--count", "20", *arguments],
        cwd=ROOT, check=True, timeout=120,
    )  # fmt: skip


def test_it_writes_table_json_and_plot_marked_as_emulated(tmp_path: Path) -> None:
    bench("--out", str(tmp_path))
    found = json.loads((tmp_path / "gpu-results.json").read_text())
    assert found["emulated"] is True
    assert set(found["messages/s"]) == {"1", "8", "132"}
    assert "Emulated: of no meaning" in (tmp_path / "gpu-results.md").read_text()
    page = (tmp_path / "gpu-results.md").read_text()
    assert "| through asyncio, p50, µs: at most 10 | " in page
    for fact in ("device | emulated", "driver", "date", "commit"):
        assert f"| {fact}" in page
    assert (tmp_path / "gpu-results.svg").read_text().count("<rect") == 6
    assert not (ROOT / "docs" / "gpu-results.md").exists() or not json.loads(
        (ROOT / "docs" / "gpu-results.json").read_text()
    )["emulated"]


def test_the_check_for_sanitizers() -> None:
    bench("--check")
