"""Whole actors from seeds (``tests.fuzz.programs``): none refused, and python = IR = native.

Outputs, printed and logged text, state, exceptions after every message, and then the whole run on
the public runtime with the texts of exceptions.  An everyday run tries a few;
``PYDOTCOMPUTE_TEST_EFFORT=25 pytest tests/fuzz/test_programs.py`` tries 500 actors with 200
messages each, ``PYDOTCOMPUTE_TEST_SEED`` says from which seed on.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest

from pydotcompute.testing import assert_backends_agree
from tests.fuzz.programs import Program, write
from tests.fuzz.random_messages import random_message
from tests.support.captured import Captured
from tests.support.differential import TIMEOUT, Subject, compare
from tests.support.profiles import examples

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::SyntaxWarning")
MESSAGES = 200
PROGRAMS = examples(20)
FIRST = int(os.environ.get("PYDOTCOMPUTE_TEST_SEED", "0"))


def _item(inputs: list[type], random: Random) -> Any:
    dice = random.random()
    cls = random.choice(inputs)
    return TIMEOUT if dice < 0.06 else random_message(cls, random, hard=dice < 0.3)


def check(program: Program, seed: int) -> None:
    """Compares a program three ways, and on the runtime."""
    actor, inputs = program.load()
    random = Random(seed)
    items = [_item(inputs, random) for _ in range(MESSAGES)]
    compare(Subject(actor), items, seed, terminate=seed % 2 == 0)
    if "timeout=" not in program.text:  # whose results depend on time
        with Captured():
            assert_backends_agree(actor, [item for item in items if item is not TIMEOUT])


def agree(program: Program, seed: int) -> None:
    """Compares a program, shows its text if the ways differ, and unloads it."""
    try:
        check(program, seed)
    except Exception as problem:
        problem.add_note(program.text)
        raise
    finally:
        program.unload()


@pytest.mark.parametrize("seed", range(FIRST, FIRST + PROGRAMS))
def test_programs_agree(seed: int) -> None:
    agree(write(seed), seed)


def test_a_seed_is_always_the_same_program() -> None:
    assert write(7) == write(7)
    assert write(7).text != write(8).text


@pytest.mark.parametrize("seed", [24, 152, 281])
def test_programs_that_broke_the_compiler(seed: int) -> None:
    """A check that is proved needless leaves nothing to evaluate; an ``else`` that never ends;
    names made up from made-up names."""
    agree(write(seed), seed)
