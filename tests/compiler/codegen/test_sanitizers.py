"""Generated code under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer."""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pydotcompute.compiler.abi import Policy
from tests.corpus import CASES
from tests.fuzz.random_messages import random_message
from tests.sanitizers import actors, program
from tests.support.profiles import examples

MEMORY = "address,undefined"
OWN = [actors.whole, actors.containers, actors.words, actors.unions, actors.numbers]
CORPUS = [case.actor for case in CASES.values() if case.lowers]


def need(sanitize: str) -> None:
    reason = program.missing(sanitize)
    if reason is not None:
        pytest.skip(reason)


def stream(actor: Any, length: int) -> list[Any]:
    if actor is actors.whole:
        return [actors.Pair(n, -1 - n if n % 10 else 0) for n in range(1, length)]
    chance = Random(actor.kernel_id)
    classes = actor.input_types
    return [random_message(chance.choice(classes), chance, hard=n % 3 == 0) for n in range(length)]


def check(actor: Any, folder: Path, *, exactly: bool = True) -> None:
    """The sanitizers have nothing to say, and change nothing.

    Args:
        actor: the actor.
        folder: where it is built.
        exactly: to the last bit; its records have no gaps and it makes no NaN.
    """
    messages = stream(actor, 200)
    subject, plain = program.build(actor, "", folder)
    _, watched = program.build(actor, MEMORY, folder)
    for policy in Policy:
        for bound, limit in ((1, 1), (3, 1000), (64, 5)):
            given = {"bound": bound, "policy": int(policy), "limit": limit}
            seen = program.run(subject, watched, "stream", messages, **given)
            meant = program.run(subject, plain, "stream", messages, **given)
            assert len(seen) == len(meant)
            assert seen == meant or not exactly


@pytest.mark.parametrize("actor", OWN, ids=lambda actor: actor.kernel_id)
def test_memory_and_arithmetic(actor: Any, tmp_path: Path) -> None:
    need(MEMORY)
    # a message that is copied into the slot of a union brings its gaps along
    check(actor, tmp_path, exactly=actor is not actors.unions)


@pytest.mark.slow
@pytest.mark.skipif(examples(1) < 20, reason="PYDOTCOMPUTE_TEST_EFFORT=20 runs it")
@pytest.mark.parametrize("actor", CORPUS, ids=lambda actor: actor.kernel_id)
def test_the_corpus(actor: Any, tmp_path: Path) -> None:
    need(MEMORY)
    check(actor, tmp_path, exactly=False)


def messages_of_pairs() -> list[Any]:
    return [actors.Pair(0, -1)]


@pytest.mark.parametrize("policy", [Policy.BLOCK, Policy.REJECT], ids=lambda p: p.name)
def test_threads(policy: Policy, tmp_path: Path) -> None:
    need("thread")
    subject, watched = program.build(actors.whole, "thread", tmp_path)
    for bound, limit in ((1, 1), (2, 100), (7, 3), (64, 1000)):
        written = program.run(
            subject, watched, "threads", messages_of_pairs(), bound=bound, policy=int(policy),
            limit=limit, count=20_000,
        )  # fmt: skip
        assert written.split() == [b"20000", b"0"]


def test_threads_while_the_oldest_are_dropped(tmp_path: Path) -> None:
    """Slots are overwritten while they are read, and what was read is then thrown away: a race by
    design, so only the result is looked at."""
    subject, plain = program.build(actors.whole, "", tmp_path)
    for bound, limit in ((1, 1), (2, 1000), (7, 3), (64, 1000)):
        written = program.run(
            subject, plain, "threads", messages_of_pairs(), bound=bound,
            policy=int(Policy.DROP_OLDEST), limit=limit, count=300_000,
        )  # fmt: skip
        received, skipped = map(int, written.split())
        assert 0 < received <= 300_000 - skipped


LANES = 8
"""Threads that stand for the lanes of a device: two cores run no more."""
RESIDENT = [actors.whole, actors.dealt, actors.twice_or_never]
TOGETHER = "pdc_together();"


def reside(actor: Any, bound: int, watched: Path, subject: Any, **given: Any) -> list[bytes]:
    """Pairs through a resident kernel; how many came out, and how many were skipped.

    In a queue of one every message costs all lanes a few meetings, so there are fewer."""
    return program.run(
        subject, watched, "lanes", messages_of_pairs(), bound=bound, limit=1,
        **{"policy": int(Policy.BLOCK), "count": min(6000, 100 * bound), **given},
    ).split()  # fmt: skip


@pytest.mark.parametrize("actor", RESIDENT, ids=lambda actor: actor.kernel_id)
def test_lanes_and_host(actor: Any, tmp_path: Path) -> None:
    """What compute-sanitizer's racecheck is for on a GPU, and the host at the other end as well."""
    need("thread")
    subject, watched = program.build(actor, "thread", tmp_path, LANES)
    for bound in (1, 3, 64, 300, 1000):
        done, skipped = map(int, reside(actor, bound, watched, subject))
        assert (done, skipped) == (min(6000, 100 * bound), 0)
    refused = reside(actor, 5, watched, subject, policy=int(Policy.REJECT), count=200)
    assert refused == [b"200", b"0"]


def without(number: int, text: str) -> str:
    """A text in which the lanes do not wait for one another at one place."""
    parts = text.split(TOGETHER)
    return TOGETHER.join(parts[: number + 1]) + ";" + TOGETHER.join(parts[number + 1 :])


@pytest.mark.parametrize("number", [0, 4, 8, 12])
def test_every_barrier_is_needed(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One left out is noticed; the others were tried as well when they were written."""
    need("thread")
    made = program.Subject

    def broken(actor: Any) -> Any:
        subject = made(actor)
        assert subject.kernel.text.count(TOGETHER) == 13
        object.__setattr__(subject.kernel, "text", without(number, subject.kernel.text))
        return subject

    monkeypatch.setattr(program, "Subject", broken)
    for actor in reversed(RESIDENT):
        subject, watched = program.build(actor, "thread", tmp_path, LANES)
        try:
            for bound in (300, 64, 3):
                reside(actor, bound, watched, subject, timeout=20)
        except (AssertionError, subprocess.TimeoutExpired):
            return
    raise AssertionError(f"barrier {number} could be left out")


MISTAKES = {
    "address": ("out.produced & out.mask", "out.produced"),
    "thread": ("__atomic_store_n(p, value, __ATOMIC_RELEASE)", "*p = value"),
}


@pytest.mark.parametrize("sanitize", MISTAKES)
def test_the_sanitizers_watch(
    sanitize: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake put into the text is reported."""
    need(sanitize)
    right, wrong = MISTAKES[sanitize]
    made = program.Subject

    def broken(actor: Any) -> Any:
        subject = made(actor)
        assert right in subject.kernel.text
        object.__setattr__(subject.kernel, "text", subject.kernel.text.replace(right, wrong))
        return subject

    monkeypatch.setattr(program, "Subject", broken)
    subject, watched = program.build(actors.whole, sanitize, tmp_path)
    mode = "threads" if sanitize == "thread" else "stream"
    with pytest.raises(AssertionError, match="Sanitizer"):
        program.run(subject, watched, mode, stream(actors.whole, 50), bound=1, policy=0, limit=10,
                    count=1000)  # fmt: skip
