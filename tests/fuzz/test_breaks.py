"""Programs with breaks at random (``tests.fuzz.breaking``): python = IR = native = the runtime.

An everyday run tries a few; ``PYDOTCOMPUTE_TEST_EFFORT=25`` more, from ``PYDOTCOMPUTE_TEST_SEED``
on.
"""

from __future__ import annotations

import pytest

from pydotcompute import LoweringError
from tests.fuzz.breaking import SPRINKLES, breaking
from tests.fuzz.programs import Program, write
from tests.fuzz.test_programs import FIRST, agree
from tests.support.differential import Subject
from tests.support.profiles import examples

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning", "ignore::SyntaxWarning",
    "ignore::pydotcompute.kernels.fallback.FallbackWarning",
)  # fmt: skip


def _is_refused(program: Program) -> bool:
    """Whether a break may change a constant, or a message of the state: then nothing of it is
    compiled (``interpreted_changes``)."""
    try:
        return not Subject(program.load()[0]).lowering.ok
    except LoweringError:
        return True
    finally:
        program.unload()


@pytest.mark.parametrize("seed", range(FIRST, FIRST + examples(4)))
def test_programs_with_breaks_agree(seed: int) -> None:
    programs = (breaking(write(each), each) for each in (seed, seed + 1000, seed + 2000))
    agree(next(program for program in programs if not _is_refused(program)), seed)


def test_most_programs_have_breaks_and_are_compiled() -> None:
    broken = 0
    for seed in range(3, 11):
        program = breaking(write(seed), seed)
        if not _is_refused(program):
            broken += bool(Subject(program.load()[0]).lowering.breaks)
            program.unload()
    assert broken >= 5
    assert len(SPRINKLES) == len(set(SPRINKLES))
