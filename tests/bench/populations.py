"""What a population costs beside one actor, a numpy loop and a dict of objects.

``python -m tests.bench.populations [KEYS...]`` prints, for each number of keys: seconds until all
instances have begun; millions of messages a second in batches, and as a ratio to one actor of the
same loop, to ``numpy.add.at`` over an array of totals, and to a dict of Python objects.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel

MESSAGES = 1_000_000
ROUNDS = 5
"""The best of so many counts."""


@message
@dataclass
class Deposit:
    account: int
    amount: int


@message
@dataclass
class Balance:
    account: int
    total: int


@ring_kernel(
    kernel_id="account", input_type=Deposit, output_type=Balance, queue_size=65536,
    auto_register=False,
)  # fmt: skip
async def account(ctx: KernelContext[Deposit, Balance]) -> None:
    total = 0
    while not ctx.should_terminate:
        deposit = await ctx.receive()
        total += deposit.amount
        await ctx.send(Balance(deposit.account, total))


class Account:
    """An account as an object."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0


async def through(kernel: Any, batch: Any, out: Any) -> float:
    """Seconds for a batch, there and back."""
    began = time.perf_counter()
    sending = asyncio.ensure_future(kernel.send_many(batch))
    got = 0
    while got < len(batch):
        got += len(await kernel.receive_many(len(batch) - got, out=out[got:]))
    await sending
    return time.perf_counter() - began


async def batches(keys: int, key: str | None) -> tuple[float, float]:
    """Seconds until all instances have begun, and for a batch."""
    rng = np.random.default_rng(1)
    first = Deposit.array(account=rng.permutation(keys), amount=np.ones(keys, np.int64))  # type: ignore[attr-defined]
    batch = Deposit.array(  # type: ignore[attr-defined]
        account=rng.integers(0, keys, MESSAGES), amount=np.ones(MESSAGES, np.int64)
    )
    out = np.zeros(max(keys, MESSAGES), Balance.dtype)  # type: ignore[attr-defined]
    async with RingKernelRuntime() as runtime:
        if key is None:
            kernel: Any = await runtime.launch("account", account, backend="native")
        else:
            kernel = await runtime.launch("account", account, backend="native", key=key)
        await kernel.activate()
        began = await through(kernel, first, out)
        return began, min([await through(kernel, batch, out) for _ in range(ROUNDS)])


def by_numpy(keys: int) -> float:
    """Seconds to add up the same amounts, without any output."""
    numbers = np.random.default_rng(1).integers(0, keys, MESSAGES)
    totals, amounts = np.zeros(keys, np.int64), np.ones(MESSAGES, np.int64)
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        np.add.at(totals, numbers, amounts)
        found.append(time.perf_counter() - began)
    return min(found)


def by_objects(keys: int) -> float:
    """The same, with a dict of objects and a list of results; of a tenth of the messages."""
    numbers = np.random.default_rng(1).integers(0, keys, MESSAGES // 10).tolist()
    accounts = {number: Account() for number in range(keys)}
    began, results = time.perf_counter(), []
    for number in numbers:
        found = accounts[number]
        found.total += 1
        results.append((number, found.total))
    return 10 * (time.perf_counter() - began)


def main(arguments: list[str]) -> None:
    """Print a line for each number of keys."""
    print("      keys   begin s   M msg/s   / one actor   / numpy   / objects")
    for keys in map(int, arguments or ("1000", "100000", "1000000")):
        began, seconds = asyncio.run(batches(keys, "account"))
        _, single = asyncio.run(batches(keys, None))
        print(
            f"{keys:10} {began:9.3f} {MESSAGES / seconds / 1e6:9.1f} {single / seconds:13.2f}"
            f" {by_numpy(keys) / seconds:9.2f} {by_objects(keys) / seconds:11.1f}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
