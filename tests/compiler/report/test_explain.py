"""``explain()``: the summary of an actor, word for word."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydotcompute import KernelContext, Lowering, message, ring_kernel


@message
@dataclass
class Flag:
    up: bool


async def passes_on(ctx: KernelContext[Flag, Flag]) -> None:
    while not ctx.should_terminate:
        flag = await ctx.receive()
        for _ in range(2):
            await ctx.send(flag)


async def remembers(ctx: KernelContext[Flag, Flag]) -> None:
    last = False
    while not ctx.should_terminate:
        flag = await ctx.receive()
        await ctx.send(Flag(last))
        last = flag.up


async def untyped(ctx: Any) -> None:
    while not ctx.should_terminate:
        await ctx.send(await ctx.receive())


async def asks_the_system(ctx: KernelContext[Flag, Flag]) -> None:
    many = len(os.environ)
    while not ctx.should_terminate:
        await ctx.receive()
        await ctx.send(Flag(many > 2))


async def uses_a_module_as_a_value(ctx: KernelContext[Flag, Flag]) -> None:
    while not ctx.should_terminate:
        flag = await ctx.receive()
        math = np
        await ctx.send(Flag(math and flag.up))


def lowered(function: Callable[..., Any]) -> Lowering:
    return ring_kernel(kernel_id="flags", auto_register=False)(function).lower()


def test_a_summary() -> None:
    first = passes_on.__code__.co_firstlineno
    lines = lowered(passes_on).explain().splitlines()
    assert lines[0] == "Actor 'flags' lowers: the native backend can run it."
    assert lines[1] == f"Loop      {__file__}, lines {first + 1} to {first + 4}"
    assert "Output    Flag, any number for a message" in lines
    assert "State     none" in lines
    assert lines[-4:] == ["message Flag, 1 byte", "       0      1  up: bool", "", "state, none"]


def test_a_byte_of_state() -> None:
    lines = lowered(remembers).explain().splitlines()
    assert "State     last: bool (1 byte)" in lines
    assert lines[-2:] == ["state, 1 byte", "       0      1  last: bool"]


def test_pending_is_no_failure() -> None:
    for function, when in (
        (untyped, "its first message arrives"),
        (asks_the_system, "it is launched"),
    ):
        lowering = lowered(function)
        assert lowering.pending
        said = lowering.explain().splitlines()
        assert said[0] == f"Actor 'flags' is pending: it is compiled when {when}."
        assert said[2].startswith("error[PDC100]: the ")


def test_how_to_name_the_type_of_the_messages() -> None:
    assert lowered(untyped).diagnostics[0].hint == (
        "give `input_type` to the decorator or to `lower()`, or `--input CLASS` to "
        "`pydotcompute inspect`"
    )


def test_what_will_never_be_known_is_not_pending() -> None:
    lowering = lowered(uses_a_module_as_a_value)
    assert [problem.code for problem in lowering.diagnostics] == ["PDC100"]
    assert not lowering.pending
    assert lowering.explain().startswith(
        "Actor 'flags' runs on the python backend: 1 problem keeps it from being compiled.\n"
    )
