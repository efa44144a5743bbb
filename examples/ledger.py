"""A ledger that is killed in the middle of its work, and goes on.

The first process books until it kills itself as hard as the system can; the second one has lost
nothing and books nothing twice.

    python -m pydotcompute.examples.ledger
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from dataclasses import dataclass

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel

BOOKINGS = 1000


@message
@dataclass
class Booking:
    number: int
    cents: int


@message
@dataclass
class Balance:
    bookings: int
    cents: int


@ring_kernel(kernel_id="ledger")
async def ledger(ctx: KernelContext[Booking, Balance]) -> None:
    bookings = 0
    cents = 0
    while not ctx.should_terminate:
        booking = await ctx.receive()
        if booking.number > bookings:  # 0 only asks
            bookings += 1
            cents += booking.cents
        await ctx.send(Balance(bookings, cents))


async def book(folder: str, dies_after: int) -> None:
    """Go on booking where the last process was.

    Args:
        folder: of the journal.
        dies_after: the booking after which this process is killed.
    """
    async with RingKernelRuntime(durable=folder) as runtime:
        kernel = await runtime.launch("ledger")
        await kernel.activate()
        now = await kernel.request(Booking(0, 0))
        print(f"{now.bookings} bookings are there, {now.cents} cents", flush=True)
        for number in range(now.bookings + 1, BOOKINGS + 1):
            now = await kernel.request(Booking(number, number % 7))
            if number == dies_after:
                os.kill(os.getpid(), signal.SIGKILL)
        print(f"{now.bookings} bookings in the end, {now.cents} cents", flush=True)


async def main() -> None:
    """One process that is killed, and this one."""
    async with RingKernelRuntime() as runtime:
        kernel = await runtime.launch("ledger")
        print(f"ledger runs on: {kernel.backend}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pydotcompute.examples.ledger", folder]
        first = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        said, _ = await first.communicate()
        print(said.decode(), end="")
        print(f"the process was killed: {first.returncode == -signal.SIGKILL}")
        await book(folder, dies_after=0)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(book(sys.argv[1], dies_after=617))
    else:
        asyncio.run(main())
