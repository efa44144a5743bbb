"""An actor that keeps state across messages, and survives a pause with it.

``python examples/counter.py``
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel


@message
@dataclass
class CountRequest:
    action: str


@message
@dataclass
class CountResponse:
    count: int


@ring_kernel(kernel_id="counter")
async def counter_actor(ctx: KernelContext[CountRequest, CountResponse]) -> None:
    """Actor that maintains state across messages."""
    count = 0

    while not ctx.should_terminate:
        if not ctx.is_active:
            await ctx.wait_active()
            continue

        try:
            msg = await ctx.receive(timeout=0.1)

            if msg.action == "increment":
                count += 1
            elif msg.action == "decrement":
                count -= 1
            elif msg.action == "reset":
                count = 0

            await ctx.send(CountResponse(count=count))
        except asyncio.TimeoutError:
            continue


async def main() -> None:
    """Count up and down, pause, go on, reset."""
    async with RingKernelRuntime() as runtime:
        kernel = await runtime.launch("counter")
        await runtime.activate("counter")
        print(f"counter runs on: {kernel.backend}")
        for action in ("increment", "increment", "increment", "decrement"):
            answer = await runtime.request("counter", CountRequest(action))
            print(f"{action}: {answer.count}")

        await runtime.deactivate("counter")
        await runtime.send("counter", CountRequest("increment"))
        print(f"paused: {kernel.statistics().input_depth} message waits")
        await runtime.reactivate("counter")
        print(f"resumed: {(await runtime.receive('counter')).count}")
        answer = await runtime.request("counter", CountRequest("reset"))
        print(f"reset: {answer.count}")


if __name__ == "__main__":
    asyncio.run(main())
