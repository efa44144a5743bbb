"""Durable actors that send to one another: each message is handled once, whoever was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pydotcompute import KernelContext, QueueTimeoutError, RingKernelRuntime, ring_kernel
from tests.support.contract import go, need_compiler
from tests.support.durable import Add, Total, fork, life, sums, twice

WAYS = [("native", "native"), ("python", "native"), ("native", "python"), ("python", "python")]


@pytest.fixture(params=WAYS, ids="-".join)
def ways(request: pytest.FixtureRequest) -> tuple[str, str]:
    for each in request.param:
        need_compiler(each)
    found: tuple[str, str] = request.param
    return found


async def line(runtime: RingKernelRuntime, ways: tuple[str, str], first: Any = fork) -> Any:
    """Two actors in a row."""
    await runtime.launch("first", first, backend=ways[0])
    await runtime.launch("second", twice, backend=ways[1])
    handle = await runtime.pipeline("first", "second")
    await runtime.activate("first")
    await runtime.activate("second")
    return handle


def expected(values: list[int]) -> list[Total]:
    found, seen = [], 0
    for count, value in enumerate(values, 1):
        for sent in (value, -value) if value % 2 else (value,):
            seen += count
            found.append(Total(2 * sent, seen))
    return found


@pytest.mark.parametrize("received", [0, 1, 7])
def test_a_line_goes_on(tmp_path: Path, ways: tuple[str, str], received: int) -> None:
    async def lived(values: list[int], take: int) -> list[Total]:
        async with life(tmp_path) as runtime:
            handle = await line(runtime, ways)
            await handle.send_many([Add(each) for each in values])
            return [await handle.receive() for _ in range(take)]

    wanted = expected([*range(12)])
    assert go(lambda: lived([*range(6)], received)) == wanted[:received]
    again = max(0, received - 1)
    assert go(lambda: lived([*range(6, 12)], len(wanted) - again)) == wanted[again:]


def test_what_had_not_arrived_is_delivered(tmp_path: Path, ways: tuple[str, str]) -> None:
    """The first actor alone lives for a while, and its messages wait for room at the second."""

    async def alone() -> None:
        async with life(tmp_path) as runtime:
            await runtime.launch("first", fork, backend=ways[0])
            await runtime.launch("second", twice, backend=ways[1])
            await runtime.connect("first", "second")
            await runtime.activate("first")
            for value in range(70):
                await runtime.send("first", Add(2 * value), timeout=5)

    async def together() -> list[Total]:
        async with life(tmp_path) as runtime:
            handle = await line(runtime, ways)
            await handle.send(Add(1000))
            found = [await handle.receive() for _ in range(71)]
            with pytest.raises(QueueTimeoutError):
                await handle.receive(timeout=0)
            return found

    go(alone)
    assert go(together) == expected([*range(0, 140, 2), 1000])


def test_requests_through_a_line_have_no_number(tmp_path: Path, ways: tuple[str, str]) -> None:
    async def first() -> None:
        async with life(tmp_path) as runtime:
            handle = await line(runtime, ways, sums)
            assert await handle.request(Add(5)) == Total(10, 1)
            await handle.send(Add(1))
            assert await handle.receive() == Total(12, 3)
            assert runtime.get("second").position == 1

    async def second() -> None:
        async with life(tmp_path) as runtime:
            handle = await line(runtime, ways, sums)
            assert await handle.receive() == Total(12, 3)
            assert await handle.request(Add(1)) == Total(14, 6)

    go(first)
    go(second)


def test_fan_out_and_fan_in(tmp_path: Path, ways: tuple[str, str]) -> None:
    async def graph(runtime: RingKernelRuntime) -> None:
        for name in ("a", "b"):
            await runtime.launch(name, fork, backend=ways[0])
        for name in ("x", "y"):
            await runtime.launch(name, twice, backend=ways[1])
        for source in ("a", "b"):
            for target in ("x", "y"):
                await runtime.connect(source, target)
        for name in ("y", "a", "x", "b"):
            await runtime.activate(name)

    async def lived(values: range, take: int) -> list[list[int]]:
        async with life(tmp_path) as runtime:
            await graph(runtime)
            for value in values:
                await runtime.send("a", Add(2 * value))
                await runtime.send("b", Add(2 * value + 1))
            found = []
            for name in ("x", "y"):
                got = [await runtime.receive(name) for _ in range(take)]
                found.append([each.total for each in got])
            return found

    go(lambda: lived(range(8), 0))
    first, second = go(lambda: lived(range(8, 16), 48))
    wanted = [4 * n for n in range(16)]
    wanted += [sign * 2 * (2 * n + 1) for n in range(16) for sign in (1, -1)]
    assert sorted(first) == sorted(second) == sorted(wanted)


@ring_kernel(kernel_id="farewell", queue_size=16)
async def farewell(ctx: KernelContext[Add, Total]) -> None:
    """Says something at its end, twice."""
    count = 0
    while not ctx.should_terminate:
        try:
            got = await ctx.receive(timeout=60)
            count += 1
            await ctx.send(Total(got.value, count))
        except TimeoutError:
            await ctx.send(Total(-1, count))
    await ctx.send(Total(-2, count))


def test_what_an_end_sends_has_no_number(tmp_path: Path, ways: tuple[str, str]) -> None:
    async def lived(value: int) -> tuple[list[int], int]:
        async with RingKernelRuntime(durable=tmp_path) as runtime:
            kernel = await runtime.launch("farewell", farewell, backend=ways[0])
            await kernel.activate()
            await kernel.send(Add(value))
            await kernel.terminate()
            return [each.total async for each in kernel.messages()], kernel.position

    assert go(lambda: lived(1)) == ([1, -1, -2], 1)
    assert go(lambda: lived(2)) == ([2, -1, -2], 2)
    assert go(lambda: lived(3)) == ([3, -1, -2], 3)


def test_what_an_end_sends_along_an_edge_is_counted_by_nobody(
    tmp_path: Path, ways: tuple[str, str]
) -> None:
    async def lived(value: int) -> list[int]:
        async with RingKernelRuntime(durable=tmp_path) as runtime:
            await line(runtime, ways, farewell)
            await runtime.send("first", Add(value))
            await runtime.terminate("first")
            await runtime.terminate("second")
            return [each.total async for each in runtime.messages("second")]

    assert go(lambda: lived(1)) == [2, -2, -4]
    assert go(lambda: lived(2)) == [4, -2, -4]
    assert go(lambda: lived(3)) == [6, -2, -4]
