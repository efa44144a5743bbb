"""An index, a divisor and a sum that the prologue set are checked, whatever the loop sets later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel


@message
@dataclass
class Step:
    n: int


@ring_kernel(kernel_id="cursor", auto_register=False)
async def cursor(ctx: KernelContext[Step, Step]) -> None:
    xs = [1, 2, 3, 4, 5, 6, 7, 8]
    i, by, large = 10_000, 0, 2**63 - 1
    while not ctx.should_terminate:
        m = await ctx.receive()
        try:
            found = xs[i]
        except IndexError:
            found = -11
        i = m.n % 8
        try:
            found += 100 // by
        except ZeroDivisionError:
            found -= 1000
        by = m.n % 3 + 1
        await ctx.send(Step(found * 10 + (large + 1) % 7))
        large = m.n % 5


def test_what_the_prologue_left_is_checked(way: str, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend=way, fallback="error") as runtime:
            kernel = await runtime.launch("cursor", cursor)
            await kernel.activate()
            i, by, large = 10_000, 0, 2**63 - 1
            for n in (3, 12, 7, 0, 5):
                found = i + 1 if i < 8 else -11
                found += 100 // by if by else -1000
                want = found * 10 + (large + 1) % 7
                assert (await kernel.request(Step(n), timeout=10)).n == want
                i, by, large = n % 8, n % 3 + 1, n % 5
            assert kernel.backend == way

    run(main())
