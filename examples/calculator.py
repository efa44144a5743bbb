"""An actor with declared types, a helper function that is compiled with it, and errors as answers.

The types make the runtime refuse anything else at ``send``, before the actor sees it.

``python examples/calculator.py``
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from pydotcompute import KernelContext, MessageTypeError, RingKernelRuntime, message, ring_kernel

ADD, SUBTRACT, MULTIPLY, DIVIDE = range(4)


@message
@dataclass
class CalculationRequest:
    a: float
    b: float
    operation: int


@message
@dataclass
class CalculationResponse:
    result: float
    ok: bool = True


def calculate(a: float, b: float, operation: int) -> float:
    """Apply one of the four operations; division by zero raises, as it does in Python."""
    if operation == ADD:
        return a + b
    if operation == SUBTRACT:
        return a - b
    if operation == MULTIPLY:
        return a * b
    return a / b


@ring_kernel(
    kernel_id="calculator",
    input_type=CalculationRequest,
    output_type=CalculationResponse,
)
async def calculator(ctx: KernelContext[CalculationRequest, CalculationResponse]) -> None:
    while not ctx.should_terminate:
        if not ctx.is_active:
            await ctx.wait_active()
            continue

        try:
            req = await ctx.receive(timeout=0.1)
            try:
                result = calculate(req.a, req.b, req.operation)
                await ctx.send(CalculationResponse(result=result))
            except ZeroDivisionError:
                await ctx.send(CalculationResponse(result=0.0, ok=False))
        except asyncio.TimeoutError:
            continue


async def main() -> None:
    """Calculate, divide by zero, and send something that is no request."""
    async with RingKernelRuntime() as runtime:
        kernel = await runtime.launch("calculator")
        await runtime.activate("calculator")
        print(f"calculator runs on: {kernel.backend}")
        for a, sign, b in ((1.5, "+", 2.0), (1.5, "-", 2.0), (1.5, "*", 2.0), (1.0, "/", 3.0)):
            request = CalculationRequest(a, b, "+-*/".index(sign))
            answer = await runtime.request("calculator", request)
            print(f"{a} {sign} {b} = {answer.result}")
        answer = await runtime.request("calculator", CalculationRequest(1.0, 0.0, DIVIDE))
        print(f"1.0 / 0.0: ok={answer.ok}")
        wrong: Any = CalculationRequest("one", 2.0, ADD)  # type: ignore[arg-type]
        try:
            await runtime.send("calculator", wrong)
        except MessageTypeError as error:
            print(f"refused: {error}")


if __name__ == "__main__":
    asyncio.run(main())
