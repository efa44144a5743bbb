"""An exchange of four actors: orders are checked, matched in a book, and all of them audited.

::

    gate --Order--> risk --Order--> book --Trade--> (you)
      |               '---Refusal--> (you, from risk)
      '----Order----> audit

The actors know nothing of each other; ``connect`` says who receives what.

``python examples/exchange.py``
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from enum import Enum

import numpy as np

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel

LEVELS = 64
"""Prices of the book, in ticks from 0."""


class Side(Enum):
    BUY = 1
    SELL = 2


@message
@dataclass
class Order:
    account: int
    side: Side
    price: int
    amount: int


@message
@dataclass
class Refusal:
    account: int
    exposure: int


@message
@dataclass
class Trade:
    account: int
    price: int
    amount: int


@message
@dataclass
class Entry:
    number: int
    notional: int


@ring_kernel(kernel_id="gate", input_type=Order, output_type=Order)
async def gate(ctx: KernelContext[Order, Order]) -> None:
    """Lets in what makes sense."""
    while not ctx.should_terminate:
        order = await ctx.receive()
        if order.amount > 0 and 0 <= order.price < LEVELS:
            await ctx.send(order)


@ring_kernel(kernel_id="risk", input_type=Order, output_type=Order | Refusal)
async def risk(ctx: KernelContext[Order, Order | Refusal]) -> None:
    """Refuses what would take an account beyond its limit."""
    exposure: dict[int, int] = {}
    while not ctx.should_terminate:
        order = await ctx.receive()
        wanted = exposure.get(order.account, 0) + order.price * order.amount
        if wanted > 6_000:
            await ctx.send(Refusal(order.account, exposure.get(order.account, 0)))
        else:
            exposure[order.account] = wanted
            await ctx.send(order)


@ring_kernel(kernel_id="book", input_type=Order, output_type=Trade)
async def book(ctx: KernelContext[Order, Trade]) -> None:
    """Matches orders; what finds no counterpart rests in the book."""
    bids = np.zeros(LEVELS, np.int64)
    asks = np.zeros(LEVELS, np.int64)
    while not ctx.should_terminate:
        order = await ctx.receive()
        left = order.amount
        if order.side is Side.BUY:
            for price in range(LEVELS):
                if left > 0 and price <= order.price and asks[price] > 0:
                    amount = min(left, int(asks[price]))
                    asks[price] -= amount
                    left -= amount
                    await ctx.send(Trade(order.account, price, amount))
            bids[order.price] += left
        else:
            for step in range(LEVELS):
                price = LEVELS - 1 - step
                if left > 0 and price >= order.price and bids[price] > 0:
                    amount = min(left, int(bids[price]))
                    bids[price] -= amount
                    left -= amount
                    await ctx.send(Trade(order.account, price, amount))
            asks[order.price] += left


@ring_kernel(kernel_id="audit", input_type=Order, output_type=Entry)
async def audit(ctx: KernelContext[Order, Entry]) -> None:
    """Numbers every order that came through the gate."""
    number = 0
    while not ctx.should_terminate:
        order = await ctx.receive()
        number += 1
        await ctx.send(Entry(number, order.price * order.amount))


def some_orders(count: int) -> list[Order]:
    """Orders around the middle of the book, the same each time."""
    chance = random.Random(7)
    return [
        Order(chance.randrange(50), chance.choice(list(Side)), chance.randint(20, 44),
              chance.randint(0, 9))
        for _ in range(count)
    ]  # fmt: skip


async def main(count: int = 3000) -> None:
    """Send orders, and count what comes out at each place."""
    async with RingKernelRuntime() as runtime:
        for kernel_id in ("gate", "risk", "book", "audit"):
            kernel = await runtime.launch(kernel_id)
            await kernel.activate()
            print(f"{kernel_id} runs on: {kernel.backend}")
        await runtime.connect("gate", "audit")
        await runtime.connect("gate", "risk")
        await runtime.connect("risk", "book", on=Order)
        found = {"book": 0, "risk": 0, "audit": 0}

        async def take(kernel_id: str) -> None:
            while True:
                found[kernel_id] += len(await runtime.receive_many(kernel_id, 1000))

        takers = [asyncio.create_task(take(kernel_id)) for kernel_id in found]
        await runtime.send_many("gate", some_orders(count))
        for kernel_id in ("gate", "risk", "book", "audit"):
            await runtime.terminate(kernel_id)
        await asyncio.wait(takers)
        for task in takers:
            task.exception()  # the end of its kernel
        print(runtime.topology.to_mermaid())
        print(f"{count} orders: {found['audit']} audited, {found['risk']} refused, "
              f"{found['book']} trades")  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main())
