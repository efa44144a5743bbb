"""The rings' protocol in every interleaving, and that mistakes in it would be seen.

``PYDOTCOMPUTE_TEST_EFFORT=20`` adds larger sizes.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from tests.support.interleavings import Process, Violation, World, explore
from tests.support.ring_model import BLOCK, DROP_OLDEST, REJECT, Rings, Setup

LARGE = float(os.environ.get("PYDOTCOMPUTE_TEST_EFFORT", "1")) >= 20


class Two(World):
    """Two processes over two words."""

    def __init__(self, order: str, body: Any) -> None:
        super().__init__(2, order)
        self.results: list[int] = []
        self.start(body(self, 0))
        self.start(body(self, 1))

    def local(self) -> tuple[Any, ...]:
        return tuple(self.results)


def increment(w: Two, _: int) -> Process:
    value = w.read(0)
    yield
    w.write(0, value + 1)


def knock(w: Two, me: int) -> Process:
    """Each raises its flag, then looks at the other's."""
    yield
    w.write(me, 1)
    yield
    w.results.append(w.read(1 - me))


class Lost(Two):
    def check_end(self) -> None:
        if self.memory[0] != 2:
            raise Violation("an update is lost")


class Unseen(Two):
    def check_end(self) -> None:
        if self.results == [0, 0]:
            raise Violation("neither saw the other")


def test_the_explorer_finds_a_lost_update() -> None:
    with pytest.raises(Violation, match="an update is lost"):
        explore(lambda: Lost("sc", increment))


def test_stores_are_delayed_where_the_processor_may() -> None:
    assert explore(lambda: Unseen("sc", knock)).ends == 2
    for order in ("tso", "pso"):
        with pytest.raises(Violation, match="neither saw the other"):
            explore(lambda order=order: Unseen(order, knock))


ONE = (1, 1, 1)
EVERYDAY = [
    Setup(BLOCK, 1, ONE), Setup(BLOCK, 2, ONE), Setup(BLOCK, 2, (3, 1)),
    Setup(BLOCK, 1, (1, 1), sends=2), Setup(BLOCK, 1, (1, 1), order="tso"),
    Setup(BLOCK, 1, (1, 1), order="pso", fences=True),
    Setup(REJECT, 1, (1, 2, 1)), Setup(REJECT, 2, (1, 1, 1)), Setup(REJECT, 2, (2, 3)),
    Setup(REJECT, 1, (1, 1), order="tso"), Setup(REJECT, 1, (1, 1), order="pso", fences=True),
    Setup(DROP_OLDEST, 1, ONE), Setup(DROP_OLDEST, 2, ONE), Setup(DROP_OLDEST, 1, (1, 4)),
    Setup(DROP_OLDEST, 1, (1, 1), sends=2), Setup(DROP_OLDEST, 1, (1, 1), order="tso"),
    Setup(DROP_OLDEST, 1, (1, 1), order="pso", fences=True),
]  # fmt: skip
MORE = [
    Setup(BLOCK, 1, ONE, order="tso"), Setup(BLOCK, 1, ONE, order="pso", fences=True),
    Setup(BLOCK, 1, (1,) * 5), Setup(BLOCK, 2, (1,) * 6), Setup(BLOCK, 3, (1, 5, 2)),
    Setup(BLOCK, 2, (2, 1, 2), sends=2), Setup(REJECT, 2, (1,) * 5),
    Setup(DROP_OLDEST, 1, (1,) * 4), Setup(DROP_OLDEST, 2, (1,) * 5),
    Setup(DROP_OLDEST, 2, (1, 5)), Setup(DROP_OLDEST, 1, ONE, sends=2),
    Setup(DROP_OLDEST, 1, ONE, order="tso"),
    Setup(DROP_OLDEST, 1, ONE, order="pso", fences=True),
]  # fmt: skip


@pytest.mark.parametrize("setup", EVERYDAY + MORE * LARGE, ids=str)
def test_nothing_is_lost_doubled_reordered_or_forgotten(setup: Setup) -> None:
    result = explore(lambda: Rings(setup))
    assert result.ends > 0


B, B2 = Setup(BLOCK, 1, ONE), Setup(BLOCK, 2, (1, 1, 1, 1))
D, D2 = Setup(DROP_OLDEST, 1, ONE), Setup(DROP_OLDEST, 2, (1, 1, 1, 1, 1))
WEAK = {"order": "pso", "fences": True}
MISTAKES = [
    (replace(B, mistake="publish before write"), "half of record"),
    (replace(B2, mistake="consume before read"), "received|half of record"),
    (replace(B, sends=3, batches=(1, 1), mistake="give back before reading"),
     "received|half of record"),
    (replace(B, mistake="bound off by one"), "more inputs wait than the queue holds"),
    (replace(B2, mistake="bound off by one"), "more inputs wait than the queue holds"),
    (replace(B, sends=2, mistake="outputs published over the bound"),
     "more outputs wait than the queue holds"),
    (replace(B, mistake="parked sender forgotten"), "the sender waits for ever"),
    (replace(B, mistake="parked receiver forgotten"), "nobody receives them"),
    (replace(B, mistake="no second look after the burst"), "nobody handles them"),
    (replace(B, mistake="room made meanwhile not seen"), "outputs were never published"),
    (replace(B, mistake="armed for ever"), "outputs were never published"),
    (replace(B, order="pso"), "half of record"),  # no fences
    (replace(D2, mistake="too few slots"), "received|half of record"),
    (replace(D, mistake="overtaken input not noticed"), "received|half of record"),
    (replace(D, sends=2, mistake="overtaken output not noticed"), "received|half of record"),
    (replace(D, batches=(1, 2), mistake="large batch in one piece"), "received|half of record"),
    (replace(D, batches=(1, 2), mistake="large batch skips to its end"),
     "received|half of record"),
    (replace(D, batches=(1, 2), **WEAK, mistake="inputs not kept behind their counter"),
     "received|half of record"),
    (replace(D, sends=2, **WEAK, mistake="outputs not kept behind their counter"),
     "received|half of record"),
]  # fmt: skip


@pytest.mark.parametrize(("setup", "seen"), MISTAKES, ids=lambda each: str(each))
def test_a_mistake_is_found(setup: Setup, seen: str) -> None:
    with pytest.raises(Violation, match=seen):
        explore(lambda: Rings(setup))
