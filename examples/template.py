"""The recommended pattern for all actors: start-up, loop, error handling, clean-up.

Start from this file.

``python examples/template.py``
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel


@message
@dataclass
class Sample:
    value: float


@message
@dataclass
class Result:
    value: float


def process(sample: Sample) -> Result:
    """Your work goes here."""
    return Result(value=1.0 / sample.value)


@ring_kernel(kernel_id="template")
async def template_actor(ctx: KernelContext[Sample, Result]) -> None:
    # Optional: One-time initialization
    print(f"[{ctx.kernel_id}] Starting...")

    while not ctx.should_terminate:
        # Handle deactivation
        if not ctx.is_active:
            await ctx.wait_active()
            continue

        try:
            # Receive with timeout for responsive shutdown
            msg = await ctx.receive(timeout=0.1)

            # Process message
            result = process(msg)

            # Send response
            await ctx.send(result)

        except asyncio.TimeoutError:
            # No message - loop back to check termination
            continue
        except Exception as e:
            # Log error but don't crash
            print(f"Error: {e}")
            continue

    # Optional: Cleanup
    print(f"[{ctx.kernel_id}] Terminated")


async def main() -> None:
    """Three samples, one of which cannot be processed."""
    async with RingKernelRuntime() as runtime:
        kernel = await runtime.launch("template")
        await runtime.activate("template")
        print(f"template runs on: {kernel.backend}")
        for value in (4.0, 0.0, 8.0):
            await runtime.send("template", Sample(value))
        for _ in range(2):
            print(await runtime.receive("template"))


if __name__ == "__main__":
    asyncio.run(main())
