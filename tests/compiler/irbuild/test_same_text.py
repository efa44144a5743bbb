"""The text of an actor is the same in every process: no set's order reaches it.

Python orders the strings in a set by a hash that differs from process to process.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
JOINING = ("cusum", "welford", "all_kinds", "word_count")
"""Actors with many names where paths meet; ``cusum`` once had two texts."""


def texts(names: tuple[str, ...]) -> dict[str, str]:
    """A digest of the text of each actor of the corpus; of those that ``names`` names, if any."""
    from tests.corpus import CASES
    from tests.corpus.practitioners import PRACTICE

    found = {}
    for name, entry in {**CASES, **PRACTICE}.items():
        if not names or name in names:
            lowering = entry.actor.lower()
            text = lowering.source if lowering.ok else repr(lowering.diagnostics)
            found[name] = hashlib.sha256(text.encode()).hexdigest()
    return found


def texts_under(seed: int, names: tuple[str, ...] = ()) -> dict[str, str]:
    """``texts`` in a process whose strings hash by ``seed``."""
    code = (
        "import json, sys\n"
        "from tests.compiler.irbuild.test_same_text import texts\n"
        "print(json.dumps(texts(tuple(sys.argv[1:]))))\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, *names], cwd=ROOT,
                          env=environment, capture_output=True, text=True, check=True)  # fmt: skip
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_joins_have_one_text() -> None:
    first, *others = (texts_under(seed, JOINING) for seed in range(3))
    assert first.keys() == set(JOINING)
    assert all(other == first for other in others)


@pytest.mark.slow
def test_the_whole_corpus_has_one_text() -> None:
    first = texts_under(1)
    assert len(first) > 300
    assert texts_under(2) == first
