"""Whole actors at random: coroutine = evaluated IR = compiled library, on hard values.

An everyday run tries a few; ``PYDOTCOMPUTE_TEST_EFFORT=40`` tries hundreds.  A failure prints the
actor's text; where hypothesis made it, it is the smallest that fails.
"""

from __future__ import annotations

import functools
import operator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pydotcompute import ring_kernel
from tests.fuzz.generated import Generator, Program, by_hypothesis, by_random
from tests.fuzz.random_messages import random_message
from tests.support.differential import TIMEOUT, Subject, Tally, compare
from tests.support.profiles import examples

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::SyntaxWarning")
MESSAGES = 60


def check(program: Program, random: Random) -> Tally:
    """Compares a program three ways."""
    module = program.load()
    try:
        inputs, outputs = ([getattr(module, name) for name in names]
                           for names in (program.inputs, program.outputs))  # fmt: skip
        make = ring_kernel(
            kernel_id="generated", input_type=inputs[0], auto_register=False,
            output_type=functools.reduce(operator.or_, outputs),
        )  # fmt: skip
        subject = Subject(make(module.actor))
        items = [_item(inputs[0], random) for _ in range(MESSAGES)]
        return compare(subject, items, random.randrange(100), terminate=random.random() < 0.5)
    except Exception as problem:
        problem.add_note(program.text)
        raise
    finally:
        program.unload()


def _item(cls: type, random: Random) -> Any:
    dice = random.random()
    return TIMEOUT if dice < 0.07 else random_message(cls, random, hard=dice < 0.4)


@pytest.mark.parametrize("batch", range(5))
def test_random_programs(batch: int) -> None:
    """Large programs, most of which run through; the tally says that they do."""
    tally = Tally()
    for seed in range(examples(6)):
        random = Random(10_000 * batch + seed)
        size = 8 + random.randrange(14)
        tally.add(check(Generator(by_random(random), size).program(), random))
    assert tally.handled > tally.failed + tally.deoptimised, tally


@settings(max_examples=examples(15), deadline=None, database=None,
          suppress_health_check=list(HealthCheck),
          phases=[Phase.generate, Phase.shrink])  # fmt: skip
@given(st.data())
def test_shrinking_programs(data: st.DataObject) -> None:
    """Programs that hypothesis makes, and makes smaller where they fail."""
    program = Generator(by_hypothesis(data), 6).program()
    check(program, Random(data.draw(st.integers(0, 10), label="messages")))
