"""The order of evaluation, three ways: every form (``tests.fuzz.order``) with operands that act.

Python = IR = native, in results, prints, state and exceptions.  An everyday run has each form once;
``PYDOTCOMPUTE_TEST_EFFORT=25`` has each with 25 choices of operands, ``PYDOTCOMPUTE_TEST_SEED``
says from which seed on.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from random import Random

import pytest

from pydotcompute.errors import LoweringError
from tests.fuzz.order import Piece, pieces, subject_of
from tests.support.differential import Disagreement, compare
from tests.support.profiles import examples

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::SyntaxWarning")
GROUPS = 8
VALUES = (0, 1, 2, 3, -1, 9, 2, 5, 0, 1)
FIRST = int(os.environ.get("PYDOTCOMPUTE_TEST_SEED", "0"))


def agree(group: Sequence[Piece], seed: int) -> int:
    """Runs the pieces of one actor in turn, with every message; how many of them lower.

    A piece may be refused, alone or beside others: a refusal is no wrong answer.
    """
    try:
        subject, message = subject_of(group)
    except LoweringError:
        middle = len(group) // 2
        return sum(agree(part, seed) for part in (group[:middle], group[middle:])) if middle else 0
    items = [message(number, n) for n in VALUES for number in range(len(group))]
    try:
        compare(subject, items, seed)
    except Disagreement as problem:
        if len(group) > 1:
            for piece in group:
                agree([piece], seed)
        problem.add_note(group[0].text)
        raise
    return len(group)


@pytest.mark.parametrize("number", range(GROUPS))
@pytest.mark.parametrize("seed", range(FIRST, FIRST + examples(1)))
def test_every_form_in_pythons_order(seed: int, number: int) -> None:
    group = list(pieces(Random(seed)))[number::GROUPS]
    assert agree(group, seed) > 0.8 * len(group), "forms that lower are refused"
