"""The smallest actor: every request is answered with twice its value.

``python examples/doubler.py``
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel


@message
@dataclass
class Request:
    value: int


@message
@dataclass
class Response:
    result: int


@ring_kernel(kernel_id="doubler")
async def doubler(ctx: KernelContext[Request, Response]) -> None:
    while not ctx.should_terminate:
        try:
            request = await ctx.receive(timeout=0.1)
            await ctx.send(Response(result=request.value * 2))
        except asyncio.TimeoutError:
            continue


async def main() -> None:
    """Double a few numbers and say what ran."""
    async with RingKernelRuntime() as runtime:
        kernel = await runtime.launch("doubler")
        await runtime.activate("doubler")
        print(f"doubler runs on: {kernel.backend}")
        for value in (1, 21, -7):
            await runtime.send("doubler", Request(value))
            print(f"{value} -> {(await runtime.receive('doubler')).result}")


if __name__ == "__main__":
    asyncio.run(main())
