"""Each pass keeps the meaning: every actor of the corpus, evaluated before and after it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pydotcompute.compiler import pipeline
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.interpreter import Outcome, evaluate
from pydotcompute.compiler.ir.printer import to_text
from pydotcompute.compiler.passes.pass_list import PASSES
from pydotcompute.errors import QueueTimeoutError
from pydotcompute.testing import same
from tests.corpus import CASES
from tests.fuzz.random_messages import random_message
from tests.support.differential import Subject, Timeout
from tests.support.profiles import examples

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
DEOPTIMISES = ("nan_identity",)
"""Passes that leave a message to the interpreter which compiled code would answer otherwise."""
LOWERING = [name for name, case in CASES.items() if case.lowers]


@cache
def stages(name: str) -> tuple[dict[str, Any], list[tuple[str, ir.Kernel]]]:
    """The state an actor begins with, and its kernel as built and after each pass."""
    made: list[tuple[str, ir.Kernel]] = []

    def run(kernel: ir.Kernel, **_: object) -> ir.Kernel:
        made.append(("built", kernel))
        for pass_name, function in PASSES:
            made.append((pass_name, function(made[-1][1])))
        return made[-1][1]

    with patch.object(pipeline, "run_passes", run):
        subject = Subject(CASES[name].actor)
    return {n: subject.state[n] for n in subject.names if n in subject.state}, made


def outcomes(kernel: ir.Kernel, state: dict[str, Any], messages: Sequence[Any]) -> list[Outcome]:
    """What a kernel makes of each message; what fails leaves the state as it was."""
    found = []
    for message in copy.deepcopy(messages):
        found.append(evaluate(kernel, state, [message], timeout_at_end=True,
                              queue_timeout=QueueTimeoutError))  # fmt: skip
        if found[-1].status == "idle":
            state = found[-1].state
    return found


def agree(one: Outcome, other: Outcome) -> bool:
    """Whether two runs ended in the same way, with the same values."""
    ends = [(o.status, o.handled, type(o.error)) for o in (one, other)]
    return ends[0] == ends[1] and all(
        same(getattr(one, part), getattr(other, part)) for part in ("outputs", "state", "printed")
    )


@pytest.mark.parametrize("name", LOWERING)
def test_each_pass_keeps_the_meaning(name: str) -> None:
    state, made = stages(name)
    classes = CASES[name].actor.input_types

    @settings(max_examples=examples(8), deadline=None, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(CASES[name].stream, st.integers(0, 99))
    def check(items: list[Any], seed: int) -> None:
        random = Random(seed)
        messages = [item for item in items if not isinstance(item, Timeout)]
        messages += [random_message(random.choice(classes), random, hard=True) for _ in range(3)]
        before = outcomes(made[0][1], state, messages)
        for (pass_name, kernel), (_, last) in zip(made[1:], made, strict=False):
            if kernel is last:
                continue
            after = outcomes(kernel, state, messages)
            if pass_name in DEOPTIMISES and any(one.status == "deoptimise" for one in after):
                before = after
            for one, other in zip(before, after, strict=True):
                assert agree(one, other), (pass_name, one, other, to_text(kernel))

    check()


def test_each_pass_does_something() -> None:
    """Of every pass, some actor is changed; of none, all."""
    for at, (name, _) in enumerate(PASSES):
        changed = [made[at + 1][1] is not made[at][1] for _, made in map(stages, LOWERING)]
        assert any(changed), name
        assert not all(changed), name


def test_passes_find_nothing_new_in_their_own_result() -> None:
    for name in LOWERING[::4]:
        kernel = stages(name)[1][-1][1]
        for pass_name, function in PASSES[1:]:  # nan_identity would check once more
            assert to_text(function(kernel)) == to_text(kernel), (name, pass_name)
