"""An actor that answers its own errors, so that one bad message never stops it.

``ValueError`` is foreseen and answered with its text; anything else with "Internal error".

``python examples/resilient.py``
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel


@message
@dataclass
class Job:
    total: int
    parts: int


@message
@dataclass
class SuccessResponse:
    data: int


@message
@dataclass
class ErrorResponse:
    error: str


def risky_operation(job: Job) -> int:
    """The size of a part: fails in two ways, one of them foreseen."""
    if job.total < 0:
        raise ValueError("total must not be negative")
    return job.total // job.parts


@ring_kernel(kernel_id="resilient")
async def resilient_actor(ctx: KernelContext[Job, SuccessResponse | ErrorResponse]) -> None:
    while not ctx.should_terminate:
        if not ctx.is_active:
            await ctx.wait_active()
            continue

        try:
            request = await ctx.receive(timeout=0.1)

            try:
                result = risky_operation(request)
                await ctx.send(SuccessResponse(data=result))
            except ValueError as e:
                await ctx.send(ErrorResponse(error=str(e)))
            except Exception:
                await ctx.send(ErrorResponse(error="Internal error"))

        except asyncio.TimeoutError:
            continue


async def main() -> None:
    """One good job, two bad ones, one good one."""
    async with RingKernelRuntime() as runtime:
        kernel = await runtime.launch("resilient")
        await runtime.activate("resilient")
        print(f"resilient runs on: {kernel.backend}")
        for job in (Job(10, 2), Job(-1, 2), Job(10, 0), Job(9, 2)):
            print(f"{job} -> {await runtime.request('resilient', job)}")


if __name__ == "__main__":
    asyncio.run(main())
