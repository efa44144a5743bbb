"""Strings and identifiers: compared, stored, passed on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydotcompute import message
from tests.corpus.case import case


@message
@dataclass
class Line:
    key: str
    amount: int
    owner: UUID


@message
@dataclass
class Entry:
    key: str
    amount: int
    owner: UUID
    note: str = "none"


@case(Line, output=Entry)
async def ledger(ctx: Any) -> None:
    last = ""
    total = 0
    while not ctx.should_terminate:
        line = await ctx.receive()
        if line.key == "reset":
            total, last = 0, "reset"
            continue
        sign = {"buy": 1}.get(line.key, -1) if False else (1 if line.key == "buy" else -1)
        total += sign * line.amount
        note = "again" if line.key == last else "new"
        await ctx.send(Entry(line.key, total, line.owner, note))
        last = line.key


@case(Line, output=Entry)
async def commands(ctx: Any) -> None:
    mode = "off"
    changes = 0
    while not ctx.should_terminate:
        line = await ctx.receive()
        match line.key:
            case "buy" | "sell":
                mode = line.key
                changes += 1
            case "reset":
                mode = "off"
            case "":
                break
            case _:
                await ctx.send(Entry(mode, changes, line.owner))
        if mode != "off" and line.key in ("buy", "sell", "é"):
            await ctx.send(Entry(mode or "empty", line.amount, line.owner, note=line.key))
    await ctx.send(Entry(mode, changes, UUID(int=0)))
