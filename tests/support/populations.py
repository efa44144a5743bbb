"""What the tests of populations share: accounts, and a way to run a probe on each backend."""

from __future__ import annotations

import enum
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydotcompute import KernelContext, RingKernelRuntime, message

BACKENDS = ["python", "native"]
"""The backends that have an engine for populations."""


class Kind(enum.Enum):
    BUY = "buy"
    SELL = "sell"


@message
@dataclass
class Deposit:
    account: str
    amount: int


@message
@dataclass
class Balance:
    account: str
    total: int


@message
@dataclass
class Query:
    account: str


@message
@dataclass
class Typed:
    number: int
    flag: bool
    kind: Kind
    uid: uuid.UUID
    name: str


@message
@dataclass
class Seen:
    text: str
    count: int


async def account(ctx: KernelContext[Deposit, Balance]) -> None:
    """Answers each deposit with the total; a negative amount fails it, zero ends it."""
    total = 0
    key = ctx.key
    while not ctx.should_terminate:
        deposit = await ctx.receive()
        if deposit.amount < 0:
            raise ValueError(f"negative: {deposit.amount}")
        if deposit.amount == 0:
            break
        total += deposit.amount
        await ctx.send(Balance(key, total))


@asynccontextmanager
async def population(
    backend: str,
    function: Any = account,
    *,
    key: Any = "account",
    instances: int | None = None,
    active: bool = True,
    **settings: Any,
) -> AsyncIterator[Any]:
    """A runtime with one population.

    Args:
        backend: which; it must be the one that runs it.
        function: the actor.
        key, instances: as for ``launch``.
        active: whether it is activated as well.
        settings: for the decorator.
    """
    from pydotcompute import ring_kernel

    decorated = ring_kernel(kernel_id="population", auto_register=False, **settings)(function)
    async with RingKernelRuntime(fallback="allow") as runtime:
        kernel = await runtime.launch(
            "population", decorated, backend=backend, key=key, instances=instances
        )
        assert kernel.backend in (backend, "pending") or kernel.reason
        if active:
            await kernel.activate()
        yield kernel


async def received(kernel: Any, count: int) -> list[Any]:
    """So many outputs."""
    return [await kernel.receive() for _ in range(count)]
