"""A click stream cut into sessions: an actor for each visitor, who leaves after half an hour.

Each visitor's actor knows when the session began and what was seen; a click that comes more than 30
minutes after the last one begins the next session.  At the end every open session is closed by the
epilogue of its actor.  The clicks are made up: visitors come and go over a day, most of them in the
evening.

``python examples/sessions.py``
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel
from pydotcompute.examples.plot import sparkline, svg

GAP = 30 * 60
"""Seconds without a click after which a session is over."""
DAY = 24 * 3600
PICTURE = "sessions.svg"


@message
@dataclass
class Click:
    visitor: str
    second: int
    page: int


@message
@dataclass
class Session:
    visitor: str
    began: int
    ended: int
    clicks: int


@ring_kernel(kernel_id="visitor", input_type=Click, output_type=Session, queue_size=8192)
async def visitor(ctx: KernelContext[Click, Session]) -> None:
    """Cut the clicks of one visitor into sessions."""
    began = 0
    last = 0
    clicks = 0
    while not ctx.should_terminate:
        click = await ctx.receive()
        if clicks > 0 and click.second - last > GAP:
            await ctx.send(Session(click.visitor, began, last, clicks))
            clicks = 0
        if clicks == 0:
            began = click.second
        last = click.second
        clicks += 1
    await ctx.send(Session(ctx.key, began, last, clicks))


def some_clicks(visitors: int) -> list[Click]:
    """A day of clicks in the order of their time, the same each time."""
    chance = random.Random(11)
    clicks = []
    for number in range(visitors):
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            second = min(DAY - 1, int(abs(chance.gauss(0.8, 0.15)) * DAY) % DAY)
            for _ in range(1 + int(chance.expovariate(0.2))):
                if second < DAY:
                    clicks.append(Click(f"visitor {number}", second, chance.randrange(500)))
                second += 1 + int(chance.expovariate(1 / 200))
    return sorted(clicks, key=lambda click: click.second)


async def cut(clicks: Sequence[Click]) -> list[Session]:
    """The sessions of a click stream, in the order in which they were over."""
    sessions: list[Session] = []
    async with RingKernelRuntime() as runtime:
        kernel = await runtime.launch("visitor", key="visitor")
        print(f"sessions runs on: {kernel.backend}")
        await kernel.activate()

        async def take() -> None:
            async for session in kernel.messages():
                sessions.append(session)

        taking = asyncio.create_task(take())
        await kernel.send_many(clicks)
        await kernel.terminate(timeout=None)
        await taking
    return sessions


def by_hand(clicks: Sequence[Click]) -> int:
    """The number of sessions, counted without actors."""
    last: dict[str, int] = {}
    count = 0
    for click in clicks:
        count += click.second - last.get(click.visitor, -DAY) > GAP
        last[click.visitor] = click.second
    return count


async def main(output: Path = Path("out"), visitors: int = 3000) -> None:
    """Cut a day of clicks, and draw how many sessions were open.

    Args:
        output: folder of the plot.
        visitors: how many.
    """
    clicks = some_clicks(visitors)
    sessions = await cut(clicks)
    print(f"{len(clicks):,} clicks of {visitors:,} visitors: {len(sessions):,} sessions")
    print(f"counted by hand: {by_hand(clicks):,}")
    minutes = np.arange(0, DAY, 600)
    began = np.sort([session.began for session in sessions])
    ended = np.sort([session.ended for session in sessions])
    open_now = np.searchsorted(began, minutes, "right") - np.searchsorted(ended, minutes, "left")
    busiest = int(np.argmax(open_now))
    print(f"most at once: {open_now[busiest]}, at {busiest // 6:02}:{busiest % 6}0")
    print(sparkline(open_now.tolist(), [busiest]))
    output.mkdir(parents=True, exist_ok=True)
    clicks_each = np.bincount([click.second // 600 for click in clicks], minlength=len(minutes))
    (output / PICTURE).write_text(
        svg(
            "Sessions of a day",
            ("sessions open", open_now.tolist()),
            ("clicks in ten minutes", clicks_each.tolist()),
            [busiest],
            ("00:00", "24:00"),
        ),
        encoding="utf-8",
    )
    print(f"plot: {output / PICTURE}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("out"), help="folder of the plot")
    parser.add_argument("-n", "--visitors", type=int, default=3000, help="how many visitors")
    options = parser.parse_args()
    asyncio.run(main(options.output, options.visitors))
