"""The analyses of the loop against the interpreter: hypothesis writes the actors.

An actor that goes on elsewhere with nothing but its ``state_names`` must do what it would have
done anyway, and one whose time-outs are called silent must not care when they happen.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Coroutine
from textwrap import indent
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pydotcompute.compiler.frontend.actor_shape import ActorShape, find_shape
from pydotcompute.compiler.frontend.source import read_source
from pydotcompute.compiler.host.coroutine import CoroutineParts, split
from tests.support.defining import define

NAMES = ("a", "b", "c", "d")


class Exit(BaseException):
    """Ends the actor's loop."""


class Parked(asyncio.CancelledError):
    """Ends a run where the actor would wait for its next message."""


class Steps(Exception):
    """Ends a run that takes too long."""


class Context:
    """Records what the actor sends, and its variables at each ``receive``."""

    should_terminate = False

    def __init__(self, inputs: list[Any], end: type[BaseException]) -> None:
        self.inputs = deque(inputs)
        self.sent: list[Any] = []
        self.end = end
        self.frame: dict[str, Any] = {}
        self.fuel = 300

    async def send(self, value: Any) -> None:
        self.sent.append(value)

    async def receive(self, timeout: float | None = None) -> Any:
        while timeout is None and self.inputs and self.inputs[0] is None:
            self.inputs.popleft()
        if not self.inputs:
            raise self.end
        message = self.inputs.popleft()
        if message is None:
            raise TimeoutError
        return message

    def tick(self) -> bool:
        """Bounds the inner loops: always true, until it raises."""
        self.fuel -= 1
        if self.fuel < 0:
            raise Steps
        return True


def run(coroutine: Coroutine[Any, Any, Any]) -> str:
    """How a coroutine that never waits ends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return repr(stop.value)
    except Parked:
        return "parked"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("the coroutine waits")


# --- programs ------------------------------------------------------------------------------------

names = st.sampled_from(NAMES)
atoms = st.one_of(names, st.sampled_from(["m", "0", "1", "2"]))


def expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "%"]), inner).map(lambda t: f"({' '.join(t)})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({' '.join(t)})"),
        st.tuples(names, inner).map(lambda t: f"({t[0]} := {t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"(0 <= {t[0]} < {t[1]} < {t[2]})"),
        inner.map(lambda text: f"(not {text})"),
        st.tuples(inner, names, inner).map(
            lambda t: f"sum([{t[0]} + {t[1]} for {t[1]} in range(2) if {t[2]}])"
        ),
    )


values = st.recursive(atoms, expressions, max_leaves=4)
lines = st.one_of(
    st.tuples(names, values).map(lambda t: f"{t[0]} = {t[1]}"),
    st.tuples(names, values).map(lambda t: f"{t[0]} += {t[1]}"),
    st.tuples(names, names, values).map(lambda t: f"{t[0]}, ({t[1]}, *_) = {t[2]}, (1, 2)"),
    values.map(lambda text: f"await ctx.send({text})"),
    names.map(lambda name: f"del {name}"),
    values.map(lambda text: f"assert {text}"),
    st.sampled_from(["pass", "continue", "break", "return", "raise ValueError"]),
)


def block(statements: list[str]) -> str:
    return indent("\n".join(statements), "    ")


def compound(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    kinds = st.sampled_from(["ValueError", "NameError", "Exception", "ZeroDivisionError"])
    return st.one_of(
        st.tuples(values, inner, inner).map(
            lambda t: [f"if {t[0]}:\n{block(t[1])}\nelse:\n{block(t[2])}"]
        ),
        st.tuples(names, inner, inner).map(
            lambda t: [f"for {t[0]} in range(2):\n{block(t[1])}\nelse:\n{block(t[2])}"]
        ),
        st.tuples(values, inner, inner).map(
            lambda t: [f"while ctx.tick() and {t[0]}:\n{block(t[1])}\nelse:\n{block(t[2])}"]
        ),
        st.tuples(inner, kinds, names, inner, inner).map(
            lambda t: [
                f"try:\n{block(t[0])}\nexcept {t[1]} as {t[2]}:\n{block(t[3])}\n"
                f"else:\n{block(t[4])}"
            ]
        ),
        st.tuples(inner, st.lists(lines, min_size=1, max_size=2)).map(
            lambda t: [f"try:\n{block(t[0])}\nfinally:\n{block(t[1])}"]
        ),
        st.tuples(values, names, values, inner, inner).map(
            lambda t: [
                f"match {t[0]}:\n    case 1 | 2:\n        pass\n"
                f"    case {t[1]} if {t[2]}:\n{indent(block(t[3]), '    ')}\n"
                f"    case _:\n{indent(block(t[4]), '    ')}"
            ]
        ),
        st.tuples(inner, inner).map(lambda t: t[0] + t[1]),
    )


blocks = st.recursive(st.lists(lines, min_size=1, max_size=3), compound, max_leaves=6)
SHAPES = (
    "{before}\nwhile {test}:\n    m = await ctx.receive()\n{body}\n{after}",
    "{before}\nwhile {test}:\n    try:\n        m = await ctx.receive(timeout=1)\n{deep}\n"
    "    except TimeoutError:\n        continue\n    except Exception:\n{other}\n{after}",
    "{before}\nwhile {test}:\n    try:\n        m = await ctx.receive(timeout=1)\n"
    "    except Exception:\n{other}\n{body}\n{after}",
)  # fmt: skip


@st.composite
def actors(draw: st.DrawFn) -> tuple[ActorShape, CoroutineParts, str]:
    """An actor, cut; the text helps to read a failure."""
    before = draw(st.lists(st.tuples(names, st.integers(0, 2)).map(
        lambda t: f"{t[0]} = {t[1]}"), max_size=3))  # fmt: skip
    body = draw(blocks)
    text = draw(st.sampled_from(SHAPES)).format(
        before="\n".join(before),
        test=draw(st.sampled_from(["True", "not ctx.should_terminate", "a < 9"])),
        body=block(body),
        deep=indent(block(body), "    "),
        other=indent(block(draw(st.lists(lines, min_size=1, max_size=2))), "    "),
        after="\n".join(f"await ctx.send({name})" for name in draw(st.lists(names, max_size=2))),
    )
    try:
        actor = define(f"async def actor(ctx):\n{indent(text, '    ')}\n", "actor")
    except SyntaxError:  # `break` at a place where Python does not want it
        assume(False)
    source = read_source(actor)
    shape = find_shape(source)
    return shape, split(source, shape, (Exit,)), text


class Recorder(Context):
    """Notes the actor's variables when it asks for a message."""

    async def receive(self, timeout: float | None = None) -> Any:
        self.frame = dict(sys._getframe(1).f_locals)
        return await super().receive(timeout)


MESSAGES = st.lists(st.one_of(st.integers(0, 3), st.none()), max_size=5)
CHECK = settings(
    max_examples=100, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip


@CHECK
@given(actors(), MESSAGES, st.data())
def test_the_state_names_are_enough_to_go_on(
    actor: tuple[ActorShape, CoroutineParts, str], messages: list[Any], data: st.DataObject
) -> None:
    shape, parts, _ = actor
    whole = Context(messages, Exit)
    end = run(parts.whole(whole))
    assume("Steps" not in end)
    cut = data.draw(st.integers(0, len(messages)))
    first, second = Recorder(messages[:cut], Parked), Context(messages[cut:], Exit)
    state: dict[str, Any] = {}

    async def prologue() -> None:
        state.update(await parts.prologue(first))

    assert run(prologue()) == "None"
    if run(parts.resume(first, state)) != "parked":
        assert first.sent == whole.sent
        return
    kept = {name: first.frame[name] for name in shape.state_names if name in first.frame}
    assert (run(parts.resume(second, kept)), first.sent + second.sent) == (end, whole.sent)


@CHECK
@given(actors(), MESSAGES)
def test_silent_timeouts_leave_no_trace(
    actor: tuple[ActorShape, CoroutineParts, str], messages: list[Any]
) -> None:
    shape, parts, _ = actor
    assume(shape.silent_timeout and None in messages)
    timed = Context(messages, Exit)
    spared = Context([message for message in messages if message is not None], Exit)
    assert run(parts.whole(timed)) == run(parts.whole(spared))
    assert timed.sent == spared.sent
