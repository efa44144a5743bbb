"""Real processes, killed at random: see ``tests.support.crashes``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.contract import need_compiler

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("PYDOTCOMPUTE_KILLS", "60"))
"""How often each shape is killed; a night's run takes thousands."""


@pytest.mark.parametrize("durability", ["process", "power"])
@pytest.mark.parametrize("shape", ["one", "two"])
def test_nothing_is_lost_and_nothing_is_handled_twice(
    tmp_path: Path, shape: str, durability: str
) -> None:
    need_compiler("native")
    kills = KILLS if durability == "process" else KILLS // 3
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.crashes", str(tmp_path),
               str(kills), str(sum(map(ord, shape + durability))), shape, durability]  # fmt: skip
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    said, count, sends, receives = run.stdout.split()
    assert (said, int(count)) == ("ok", kills)
    assert int(sends)
    assert int(receives)
