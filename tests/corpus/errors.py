"""Exceptions: caught, raised again, passed through ``finally``, left to fail."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Any

from pydotcompute import message
from tests.corpus.case import case


class LimitError(ValueError):
    """A limit of the application."""


class HardLimitError(LimitError):
    """A limit that is never lifted."""


@message
@dataclass
class Ask:
    op: int
    a: int
    b: float


@message
@dataclass
class Answer:
    code: int
    value: float


def inverse(x: float) -> float:
    return 1 / x


def guarded(n: int, limit: int) -> int:
    if n > 2 * limit:
        raise HardLimitError(n)
    if n > limit:
        raise LimitError(f"{n} is more than {limit}")
    return n


def careful(n: int) -> float:
    try:
        return math.sqrt(n)
    except ValueError:
        return -1.0
    finally:
        n += 1


@case(Ask, output=Answer)
async def calculator(ctx: Any) -> None:
    while not ctx.should_terminate:
        ask = await ctx.receive()
        try:
            if ask.op == 0:
                result = ask.a + ask.b
            elif ask.op == 1:
                result = ask.a / ask.b
            elif ask.op == 2:
                result = ask.a % ask.b
            elif ask.op == 3:
                result = math.log(ask.b)
            elif ask.op == 4:
                result = math.exp(ask.b) * ask.a
            else:
                raise LimitError("no such operation")
        except ZeroDivisionError:
            await ctx.send(Answer(1, 0.0))
        except OverflowError:
            await ctx.send(Answer(2, math.inf))
        except ValueError:
            await ctx.send(Answer(3, math.nan))
        else:
            await ctx.send(Answer(0, result))


@case(Ask, output=Answer)
async def resilient(ctx: Any) -> None:
    errors = 0
    while True:
        try:
            ask = await ctx.receive(timeout=0.1)
            value = inverse(ask.b) + guarded(ask.a, 100)
            await ctx.send(Answer(errors, value))
        except asyncio.TimeoutError:  # noqa: UP041
            continue
        except Exception:
            errors += 1
            await ctx.send(Answer(-errors, 0.0))


@case(Ask, output=Answer)
async def nested_try(ctx: Any) -> None:
    depth = 0
    while not ctx.should_terminate:
        ask = await ctx.receive()
        level = 0
        try:
            level = 1
            try:
                level = 2
                value = guarded(ask.a, 50) // (ask.op % 3)
                level = 3
            except ZeroDivisionError:
                depth += 1
                value = guarded(ask.a + 40, 50)
                level = 4
            finally:
                depth += 10
                await ctx.send(Answer(level, 0.5))
            level = 5
        except HardLimitError:
            value = -2
        except LimitError:
            value = -1
            level += 100
        await ctx.send(Answer(level + depth * 1000, value))


@case(Ask, output=Answer)
async def raises_again(ctx: Any) -> None:
    count = 0
    while not ctx.should_terminate:
        ask = await ctx.receive()
        count += 1
        try:
            try:
                value = inverse(ask.a)
            except ZeroDivisionError:
                if ask.op > 5:
                    raise
                raise KeyError(ask.op) from None
        except KeyError:
            value = 0.25
        await ctx.send(Answer(count, value))


@case(Ask, output=Answer)
async def finally_and_jumps(ctx: Any) -> None:
    left = 0
    while not ctx.should_terminate:
        ask = await ctx.receive()
        for n in range(5):
            try:
                if n == ask.op:
                    break
                if n % 2:
                    continue
                value = ask.a // (n - 2)
            except ZeroDivisionError:
                value = 7
                continue
            finally:
                left += n
            await ctx.send(Answer(n, value))
        else:
            left += 1000
        await ctx.send(Answer(left, careful(ask.a)))


@case(Ask, output=Answer)
async def assertions(ctx: Any) -> None:
    while not ctx.should_terminate:
        ask = await ctx.receive()
        assert ask.op != 9, f"operation {ask.op}"
        try:
            assert ask.a >= 0
            await ctx.send(Answer(0, math.sqrt(ask.a)))
        except AssertionError:
            await ctx.send(Answer(1, math.sqrt(-ask.a)))


@case(Ask, output=Answer)
async def order_of_errors(ctx: Any) -> None:
    """Which of two errors comes first decides which handler runs."""
    while not ctx.should_terminate:
        ask = await ctx.receive()
        try:
            value = inverse(ask.a) + math.sqrt(ask.b)
        except ZeroDivisionError:
            value = 1.0
        except ValueError:
            value = 2.0
        try:
            other = math.log(ask.b) * (ask.op // ask.a) + float(int(ask.b))
        except ArithmeticError:
            other = 3.0
        except ValueError:
            other = 4.0
        await ctx.send(Answer(0, value))
        await ctx.send(Answer(1, other))


@case(Ask, output=Answer)
async def types_in_try(ctx: Any) -> None:
    """A variable whose type differs before, in and after a ``try``."""
    while not ctx.should_terminate:
        ask = await ctx.receive()
        result = 0
        try:
            result = inverse(ask.a)
            result = guarded(ask.op, 3)
        except ZeroDivisionError:
            await ctx.send(Answer(-1, result))
        except HardLimitError:
            result = None
            await ctx.send(Answer(-3, ask.b if result is None else result))
        except LimitError:
            result = None if ask.a > 5 else result
            await ctx.send(Answer(-2, 0.0 if result is None else result))
        else:
            await ctx.send(Answer(0, result))


def sqrt_or(n: float, default: float) -> float:
    try:
        return math.sqrt(n)
    except ValueError:
        return default


@case(Ask, output=Answer)
async def raising_binds_nothing(ctx: Any) -> None:
    """What an assignment that raises leaves: the value from before."""
    kept = 5
    while not ctx.should_terminate:
        ask = await ctx.receive()
        value = 0.5
        try:
            kept = kept // (ask.op % 3)
            value = math.sqrt(ask.b)
            kept += 3
        except ArithmeticError:
            kept -= 1
        except ValueError:
            value += 1
        await ctx.send(Answer(kept, value))
        await ctx.send(Answer(kept, sqrt_or(ask.b, -1.0)))


@case(Ask, output=Answer)
async def overflow_is_no_exception(ctx: Any) -> None:
    """A product that compiled code cannot hold is the interpreter's, whatever is caught."""
    while True:
        n = (await ctx.receive()).op
        try:
            rest = (n * n * n + 1) % 1009
        except Exception:
            rest = -1
        await ctx.send(Answer(rest, 0.0))
