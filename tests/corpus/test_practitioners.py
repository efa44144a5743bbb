"""Actors of practitioners on the public runtime: ``python`` and ``native`` agree on everything.

Outputs, printed text and failures are compared; actors outside of what lowers run on ``python``.
"""

from __future__ import annotations

from random import Random

import pytest

from pydotcompute.compiler.diagnostics.diagnostic import DiagnosticError
from pydotcompute.errors import LoweringError
from pydotcompute.testing import assert_backends_agree
from tests.corpus.practitioners import PRACTICE
from tests.support.differential import Subject
from tests.support.profiles import examples

INTERPRETED = frozenset({
    "baskets", "heartbeat", "ma_cross", "matrix_product", "ranked", "reflow_oven",
    "register_bits", "roman", "routes",
})  # fmt: skip
"""Actors that cannot be compiled."""

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.mark.parametrize("name", sorted(PRACTICE.keys() - INTERPRETED))
def test_backends_agree(name: str) -> None:
    practice = PRACTICE[name]
    for seed in range(examples(2)):
        random = Random(f"{name} {seed}")
        hard = 0.2 if seed % 2 else 0.0
        count = 40 if seed % 2 else 200
        makers = [practice.hard if random.random() < hard else practice.make for _ in range(count)]
        assert_backends_agree(practice.actor, [make(random) for make in makers])


@pytest.mark.parametrize("name", sorted(INTERPRETED))
def test_what_does_not_lower_says_so(name: str) -> None:
    """Some path of it cannot be compiled, or none."""
    try:
        lowering = Subject(PRACTICE[name].actor).lowering
    except (LoweringError, DiagnosticError):
        return
    assert lowering.breaks
