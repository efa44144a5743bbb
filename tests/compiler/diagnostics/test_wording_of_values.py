"""What a diagnostic says of a Python object: enough to find it, and nothing that it holds."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from pydotcompute import KernelContext, message, ring_kernel
from pydotcompute.compiler.irbuild.core.unit import describe_static


@message
@dataclass
class Number:
    n: int


class Configuration:
    def __repr__(self) -> str:
        return "Configuration(password='hunter2')"


CONFIGURATION = Configuration()


@ring_kernel(kernel_id="reads_environment", auto_register=False)
async def reads_environment(ctx: KernelContext[Number, Number]) -> None:
    while True:
        number = await ctx.receive()
        held = os.environ if number.n else CONFIGURATION
        await ctx.send(Number(len(held)))  # type: ignore[arg-type]


def test_what_an_object_holds_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD_OF_A_TEST", "hunter2")
    lowering = reads_environment.lower()
    assert not lowering.ok
    assert "hunter2" not in lowering.explain()
    assert "this _Environ object" in lowering.explain()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (len, "the function `len`"),
        (Number, "the class `Number`"),
        (Decimal("1.5"), "the Decimal Decimal('1.5')"),
        (3, "the int 3"),
        ("x" * 500, "the str 'xxxxxxxxxxxx...xxxxxxxxxxxxx'"),
        ([1, 2], "this list object"),
        (deque([1]), "this deque object"),
        (CONFIGURATION, "this Configuration object"),
    ],
)
def test_values_are_named(value: Any, words: str) -> None:
    assert describe_static(value) == words
