"""What an interpreted actor keeps of its state, by measured cost: here with a held clock."""

from __future__ import annotations

import dataclasses
from collections import Counter, deque
from typing import Any

import numpy as np
import pytest

from pydotcompute.backends.python.kept_state import GRANT, SHARE, SMALL, StateKeeper, snapshot


class Clock:
    """A clock that the messages move; each reading of it takes as long as a copy is to take."""

    def __init__(self) -> None:
        self.now = self.reading = 0.0

    def __call__(self) -> float:
        self.now += self.reading
        return self.now


def handled(keeper: StateKeeper, clock: Clock, variables: dict[str, Any], *, messages: int,
            work: float, copying: float) -> int:  # fmt: skip
    """Handle messages that take ``work`` seconds each; returns for how many all was kept."""
    kept = 0
    for _ in range(messages):
        clock.reading = copying
        keeper.keep(variables)
        clock.reading = 0.0
        kept += not keeper.not_kept()
        if not keeper.not_kept():
            clock.now += copying / 10  # about: most copies are not measured
        clock.now += work
    return kept


def test_what_never_changes_is_kept_whatever_it_costs() -> None:
    clock = Clock()
    keeper = StateKeeper(("count", "name", "gone"), clock)
    clock.reading = 3600.0
    for n in range(100):
        keeper.keep({"count": n, "name": "x" * n, "other": []})
        assert keeper.before() == {"count": n, "name": "x" * n}
        assert keeper.not_kept() == {}
    assert clock.now == 0.0, "no decision, no measuring"


def test_a_small_container_is_kept_whatever_it_costs() -> None:
    clock = Clock()
    keeper = StateKeeper(("last", "best"), clock)
    variables = {"last": deque(range(SMALL)), "best": {"a": (1, "x")}}
    assert handled(keeper, clock, variables, messages=500, work=1e-6, copying=1e-3) == 500
    assert keeper.before() == variables
    assert keeper.before()["last"] is not variables["last"]


@pytest.mark.parametrize(("work", "kept"), [(2e-6, False), (1e-3, True)])
def test_a_container_is_kept_while_its_copy_takes_a_tenth_of_a_message(
    work: float, kept: bool
) -> None:
    clock = Clock()
    keeper = StateKeeper(("table", "count"), clock)
    variables = {"table": dict.fromkeys(range(1000), 0), "count": 7}
    first = handled(keeper, clock, variables, messages=1, work=work, copying=50e-6)
    assert first == 1, "the grant pays for the first messages"
    handled(keeper, clock, variables, messages=200, work=work, copying=50e-6)
    later = handled(keeper, clock, variables, messages=1000, work=work, copying=50e-6)
    assert later == 1000 if kept else later <= 16
    keeper.keep(variables)
    assert keeper.before()["count"] == 7
    assert ("table" in keeper.before()) is kept
    assert ("table" in keeper.not_kept()) is not kept


def test_copies_take_no_more_than_their_share() -> None:
    clock = Clock()
    keeper = StateKeeper(("table",), clock)
    variables = {"table": dict.fromkeys(range(1000), 0)}
    copying, work, messages = 40e-6, 3e-6, 20_000
    kept = handled(keeper, clock, variables, messages=messages, work=work, copying=copying)
    assert kept * copying <= GRANT + (SHARE + 0.02) * messages * work


def test_waiting_is_no_work() -> None:
    clock = Clock()
    keeper = StateKeeper(("table",), clock)
    variables = {"table": dict.fromkeys(range(1000), 0)}
    for _ in range(400):
        handled(keeper, clock, variables, messages=1, work=2e-6, copying=50e-6)
        clock.now += 60.0
        keeper.waited += 60.0
    assert keeper.not_kept() == variables


def test_a_container_that_grows_is_looked_at_again() -> None:
    """A decision holds for some messages, but not for a container that they fill."""
    clock = Clock()
    keeper = StateKeeper(("seen",), clock)
    seen: list[int] = []
    handled(keeper, clock, {"seen": seen}, messages=40, work=2e-6, copying=1e-9)
    assert keeper.before() == {"seen": []}
    seen.extend(range(1_000_000))
    keeper.keep({"seen": seen})
    assert keeper.before() == {}
    assert keeper.not_kept()["seen"] is seen


def test_a_variable_that_becomes_a_small_container_is_kept_at_once() -> None:
    """Also while nothing is copied, since the only container is too dear."""
    clock = Clock()
    keeper = StateKeeper(("huge", "order"), clock)
    variables: dict[str, Any] = {"huge": list(range(1_000_000)), "order": None}
    handled(keeper, clock, variables, messages=20, work=2e-6, copying=1e-3)
    assert keeper.before() == {"order": None}
    variables["order"] = [1, 2]
    keeper.keep(variables)
    assert keeper.before() == {"order": [1, 2]}
    assert keeper.before()["order"] is not variables["order"]
    assert list(keeper.not_kept()) == ["huge"]


def test_the_dear_one_is_left_out_and_the_cheap_one_kept() -> None:
    clock = Clock()
    keeper = StateKeeper(("huge", "few", "same"), clock)
    huge = list(range(1_000_000))
    keeper.keep({"huge": huge, "few": list(range(20)), "same": huge})
    assert keeper.before() == {"few": list(range(20))}
    assert list(keeper.not_kept()) == ["huge", "same"], "two names of one list stay so"


def test_what_variables_share_their_copies_share() -> None:
    keeper = StateKeeper(("table", "row"), Clock())
    row = [1]
    keeper.keep({"table": {"a": row}, "row": row})
    before = keeper.before()
    assert before["table"]["a"] is before["row"] is not row


@dataclasses.dataclass
class Point:
    x: int
    y: list[int]


@pytest.mark.parametrize(
    "value",
    [
        [1, 2.0, "x"], deque([1], maxlen=3), {1, 2}, {"a": None}, Counter("abca"),
        [(1, "a"), (2, ("b", 3))], [[1], [2]], {"p": Point(1, [2])}, Point(1, [2]), np.arange(5),
        [np.int32(4)], ([1], 2), [Point],
    ],
    ids=repr,
)  # fmt: skip
def test_a_snapshot_is_equal_and_apart(value: Any) -> None:
    made = snapshot({"v": value, "w": 1}, ["v"])
    assert list(made) == ["v"]
    assert type(made["v"]) is type(value)
    assert repr(made["v"]) == repr(value)
    assert made["v"] is not value
    if isinstance(value, deque):
        assert made["v"].maxlen == 3


def test_a_snapshot_goes_as_deep_as_something_may_change() -> None:
    value = {"p": Point(1, [2]), "rows": ([3],)}
    made = snapshot({"v": value}, ["v"])["v"]
    value["p"].y.append(9)  # type: ignore[attr-defined]
    value["rows"][0].append(9)  # type: ignore[index]
    assert made == {"p": Point(1, [2]), "rows": ([3],)}


def test_handles_are_shown_as_they_are() -> None:
    handle = iter([1])
    assert snapshot({"v": handle, "w": [handle]}, ["v", "w"])["v"] is handle
