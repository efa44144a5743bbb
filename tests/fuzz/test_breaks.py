"""Programs with breaks at random (``tests.fuzz.breaking``): python = IR = native = the runtime.

An everyday run tries a few; ``PYDOTCOMPUTE_TEST_EFFORT=25`` more, from ``PYDOTCOMPUTE_TEST_SEED``
on.
"""

from __future__ import annotations

import pytest

from tests.fuzz.breaking import SPRINKLES, breaking
from tests.fuzz.programs import write
from tests.fuzz.test_programs import FIRST, agree
from tests.support.differential import Subject
from tests.support.profiles import examples

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning", "ignore::SyntaxWarning",
    "ignore::pydotcompute.kernels.fallback.FallbackWarning",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(FIRST, FIRST + examples(4)))
def test_programs_with_breaks_agree(seed: int) -> None:
    agree(breaking(write(seed), seed), seed)


def test_most_programs_have_breaks_and_are_compiled() -> None:
    broken = 0
    for seed in (3, 4, 7, 13):
        program = breaking(write(seed), seed)
        try:
            broken += bool(Subject(program.load()[0]).lowering.breaks)
        finally:
            program.unload()
    assert broken == 4
    assert len(SPRINKLES) == len(set(SPRINKLES))
