"""What is refused of a batch is named alike on every backend, with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import MessageTypeError, RingKernelRuntime, message, ring_kernel


@message
@dataclass
class Number:
    n: int


@ring_kernel(kernel_id="numbers", input_type=Number, output_type=Number, auto_register=False)
async def numbers(ctx: Any) -> None:
    while not ctx.should_terminate:
        await ctx.send(await ctx.receive())


@ring_kernel(kernel_id="untyped", auto_register=False)
async def untyped(ctx: Any) -> None:
    while not ctx.should_terminate:
        await ctx.send(await ctx.receive())


def refused(run: Any, backend: str, actor: Any, batch: Any) -> str:
    async def main() -> str:
        async with RingKernelRuntime(backend=backend, fallback="allow") as runtime:
            kernel = await runtime.launch(actor.kernel_id, actor)
            await kernel.activate()
            with pytest.raises(MessageTypeError) as caught:
                await kernel.send_many(batch)
            assert kernel.statistics().received == 0
            return str(caught.value)

    text: str = run(main())
    return text


def test_the_place_in_the_batch(run: Any, way: str) -> None:
    batch = [Number(0), Number("x")]  # type: ignore[arg-type]
    assert refused(run, way.partition("-")[0], numbers, batch) == (
        "kernel 'numbers': message 1 of the batch: field 'n' of Number takes int, got str ('x')"
    )


def test_an_array_before_the_types_are_known(run: Any, way: str) -> None:
    assert refused(run, way.partition("-")[0], untyped, Number.array([Number(1)])) == (
        "kernel 'untyped' does not know its types yet, and takes a sequence of messages, not an "
        "array; give `input_type`, or send one message first"
    )
