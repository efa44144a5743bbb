"""``testing.assert_backends_agree``, which users and these tests share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydotcompute import message, ring_kernel
from pydotcompute.settings import scope
from pydotcompute.testing import assert_backends_agree, messages
from pydotcompute.tools import agreement
from tests.corpus import CASES
from tests.fuzz.random_messages import random_message

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
TIMED = {"welford", "session_counter"}
"""What these send depends on when the queue is empty."""


@message
@dataclass
class Request:
    value: int


@message
@dataclass
class Response:
    result: int


def actor(function: Any) -> Any:
    make = ring_kernel(
        kernel_id=function.__name__, input_type=Request, output_type=Response, auto_register=False
    )
    return make(function)


@actor
async def halver(ctx: Any) -> None:
    total = 0
    while not ctx.should_terminate:
        request = await ctx.receive()
        total += request.value
        await ctx.send(Response(1000 // request.value))
    await ctx.send(Response(total))


@actor
async def opener(ctx: Any) -> None:
    while not ctx.should_terminate:
        request = await ctx.receive()
        await ctx.send(Response(len(open(str(request.value)).name)))  # noqa: SIM115


def test_returns_what_was_sent() -> None:
    sent = assert_backends_agree(halver, [Request(5), Request(-3)])
    assert sent == [Response(200), Response(-334), Response(2)]


def test_takes_an_array() -> None:
    sent = assert_backends_agree(halver, Request.array(value=[10] * 3000))  # type: ignore[attr-defined]
    assert sent == [Response(100)] * 3000 + [Response(30000)]


def test_a_failure_is_compared() -> None:
    assert assert_backends_agree(halver, [Request(5), Request(0), Request(1)]) == [Response(200)]


def test_a_deoptimisation_is_compared() -> None:
    big = 2**62
    batch = [Request(value) for value in (big, big, big, -big, -big)]
    assert [m.result for m in assert_backends_agree(halver, batch)] == [0, 0, 0, -1, -1, big]


def test_an_actor_that_is_not_compiled_is_refused() -> None:
    with pytest.raises(AssertionError, match=re.escape("'opener' is not compiled: ")):
        assert_backends_agree(opener, [])


def test_a_difference_is_told() -> None:
    seen: list[int] = []

    def count() -> int:
        seen.append(0)
        return len(seen)

    @actor
    async def unlike(ctx: Any) -> None:
        n = count()
        while not ctx.should_terminate:
            await ctx.receive()
            await ctx.send(Response(n))

    expected = re.escape(
        "output 0 is Response(result=1) on python and Response(result=2) on native"
    )
    with pytest.raises(AssertionError, match=expected):
        assert_backends_agree(unlike, [Request(1)])


@settings(max_examples=10, deadline=None)
@given(st.lists(messages(Request), max_size=20))
def test_with_hypothesis(batch: list[Request]) -> None:
    assert_backends_agree(halver, batch)


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.lowers and n not in TIMED])
def test_the_corpus(name: str) -> None:
    """Through queues, bursts and replays of the runtime itself."""
    actor, random = CASES[name].actor, Random(name)
    batch = [
        random_message(random.choice(actor.input_types), random, hard=random.random() < 0.05)
        for _ in range(200)
    ]
    assert_backends_agree(actor, batch)


@pytest.mark.parametrize("name", [n for n in list(CASES)[::12] if n not in TIMED])
def test_the_cuda_backend_agrees(name: str) -> None:
    """On the emulated device."""
    actor, random = CASES[name].actor, Random(f"cuda {name}")
    batch = [random_message(random.choice(actor.input_types), random, hard=False)
             for _ in range(40)]  # fmt: skip
    with scope(device="emulated"):
        assert_backends_agree(actor, batch, backend="cuda")


def test_arguments_that_mean_nothing() -> None:
    with pytest.raises(TypeError) as caught:
        assert_backends_agree(halver, Request(1))
    assert str(caught.value) == (
        "assert_backends_agree takes a sequence of messages or an array of Request.dtype, not "
        "Request (Request(value=1)); write [message] for one message"
    )
    with pytest.raises(TypeError) as caught:
        assert_backends_agree([Request(1)], halver)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "assert_backends_agree takes an actor decorated with @ring_kernel, not list "
        "([Request(value=1)])"
    )
    assert assert_backends_agree(halver, iter([Request(1)])) [:1] == [Response(1000)]


def test_a_failure_in_the_last_message_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens while the actor is drained, and is seen all the same."""
    batch = [Request(1), Request(0)]
    assert assert_backends_agree(halver, batch) == [Response(1000)]
    seen: list[Any] = []
    monkeypatch.setattr(agreement, "_same_failure", lambda *runs: seen.extend(runs[:2]))
    assert_backends_agree(halver, batch)
    assert [str(run.failure.__cause__) for run in seen] == [
        "integer division or modulo by zero"
    ] * 2
