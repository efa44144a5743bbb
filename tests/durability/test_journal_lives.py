"""A durable actor over several processes: its state, its outputs and their numbers."""

from __future__ import annotations

import asyncio
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    DurabilityError,
    KernelContext,
    KernelState,
    QueueTimeoutError,
    RingKernelRuntime,
    ring_kernel,
)
from tests.support.contract import go, need_compiler, turns
from tests.support.durable import (
    Add,
    Ask,
    Line,
    Total,
    Word,
    life,
    lines,
    quiet,
    sparse,
    strict,
    sums,
)


@pytest.fixture(params=["native", "python"])
def backend(request: pytest.FixtureRequest) -> str:
    need_compiler(request.param)
    name: str = request.param
    return name


async def started(runtime: RingKernelRuntime, actor: Any, backend: str) -> Any:
    kernel = await runtime.launch(actor.kernel_id, actor, backend=backend)
    await kernel.activate()
    return kernel


def test_state_goes_on_where_it_was(tmp_path: Path, backend: str) -> None:
    async def first() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, sums, backend)
            for value in range(5):
                await kernel.send(Add(value))
            await kernel.send_many([Add(10)] * 20)
            assert await kernel.request(Add(1)) == Total(211, 26)

    async def second() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, sums, backend)
            assert await kernel.request(Add(0)) == Total(211, 27)

    go(first)
    go(second)


def test_what_was_queued_before_activate_is_handled_by_the_next_process(
    tmp_path: Path, backend: str
) -> None:
    async def first() -> None:
        async with life(tmp_path) as runtime:
            kernel = await runtime.launch("sums", sums, backend=backend)
            await kernel.send(Add(4))

    async def second() -> None:
        async with life(tmp_path) as runtime:
            kernel = await runtime.launch("sums", sums, backend=backend)
            await kernel.send(Add(5))  # behind those of the first process
            await kernel.activate()
            assert await kernel.receive() == Total(4, 1)
            assert await kernel.receive() == Total(9, 2)

    go(first)
    go(second)


@pytest.mark.parametrize("order", [("native", "python"), ("python", "native")], ids="-".join)
def test_another_backend_goes_on(tmp_path: Path, order: tuple[str, str]) -> None:
    need_compiler("native")

    async def first() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, lines, order[0])
            for text in ("one", "zwei", "", "\ud800", "ж"):
                await kernel.send(Word(text, "x" if text == "" else None))
            assert await kernel.receive() == Line("", 1)

    async def second() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, lines, order[1])
            got = [await kernel.receive() for _ in range(5)]
            assert [each.text for each in got] == ["", "one", "zwei", "", "\ud800"]
            assert await kernel.request(Word("end")) == Line("ж", 7)

    go(first)
    go(second)


def test_outputs_are_numbered_over_all_lives(tmp_path: Path, backend: str) -> None:
    async def first() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, sums, backend)
            assert kernel.position == 0
            await kernel.send_many([Add(1)] * 10)
            assert await kernel.receive() == Total(1, 1)
            assert kernel.position == 1
            assert len(await kernel.receive_many(3)) == 3
            assert kernel.position == 4

    async def second() -> None:
        async with life(tmp_path) as runtime:
            kernel = await runtime.launch("sums", sums, backend=backend)
            assert kernel.position == 1  # the last call was not acknowledged
            await kernel.activate()
            batch = await kernel.receive_many(100)
            assert batch["count"].tolist() == [*range(2, 11)]
            assert kernel.position == 10
            await kernel.send(Add(1))
            assert await kernel.receive() == Total(11, 11)

    async def third() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, sums, backend)
            assert kernel.position == 10
            assert await kernel.receive() == Total(11, 11)
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=0)

    go(first)
    go(second)
    go(third)


def test_replies_are_not_numbered(tmp_path: Path, backend: str) -> None:
    async def first() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, sparse, backend)
            await kernel.send(Add(3))
            assert await kernel.request(Ask(1)) == Total(4, 1)
            assert await kernel.request(Add(6)) == Total(9, 2)  # its second output is no reply
            assert kernel.position == 0

    async def second() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, sparse, backend)
            got = [await kernel.receive() for _ in range(3)]
            assert got == [Total(3, 1), Total(-3, 1), Total(-9, 2)]
            assert kernel.position == 3
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=0)

    go(first)
    go(second)


def test_a_cancelled_receive_takes_no_number(tmp_path: Path, backend: str) -> None:
    async def main() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, sums, backend)
            waiting = asyncio.ensure_future(kernel.receive())
            await turns(3)
            waiting.cancel()
            await turns(3)
            await kernel.send(Add(1))
            assert await kernel.receive() == Total(1, 1)
            assert kernel.position == 1

    go(main)


def test_batches_of_several_classes(tmp_path: Path, backend: str) -> None:
    batch = [Add(3), Ask(1), Add(1), Ask(2), Add(9)]

    async def first() -> list[Any]:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, sparse, backend)
            await kernel.send_many(batch)
            return [await kernel.receive() for _ in range(6)]

    async def second() -> list[Any]:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, sparse, backend)
            kept = [await kernel.receive()]
            assert await kernel.request(Ask(0)) == Total(13, 3)
            return kept

    assert go(first)[5:] == go(second)


def test_time_outs_happen_again_where_they_happened(tmp_path: Path, backend: str) -> None:
    async def lived() -> Total:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, quiet, backend)
            for value in range(3):
                before = kernel.statistics().timeouts
                while kernel.statistics().timeouts == before:
                    await asyncio.sleep(0)
                await kernel.send(Add(value))
            while kernel.statistics().processed < 3:
                await asyncio.sleep(0)
            last: Total = await kernel.request(Add(0))
            return last

    async def looked(peek: list[Any]) -> Total:
        async with life(tmp_path) as runtime:
            kernel = await runtime.launch("quiet", quiet, backend=backend)
            await kernel.send(Add(0))  # before any new time-out
            await kernel.activate()
            for _ in range(5):
                peek.append(await kernel.receive())
            return peek.pop()

    first, outputs = go(lived), list[Any]()
    again = go(lambda: looked(outputs))
    assert outputs[0] == Total(1, -1)
    assert first.count >= 3
    assert again == Total(first.total * 3, first.count)


def test_a_failure_happens_again_and_restart_goes_on(tmp_path: Path, backend: str) -> None:
    async def first() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, strict, backend)
            await kernel.send_many([Add(1), Add(-1), Add(2)])
            assert await kernel.receive() == Total(1, 1)
            with pytest.raises(ActorFailedError):
                await kernel.receive()

    async def second() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, strict, backend)
            assert kernel.state is KernelState.FAILED
            with pytest.raises(ActorFailedError) as failed:
                await kernel.receive()
            assert failed.value.message_in == Add(-1)
            await kernel.restart()
            assert await kernel.receive() == Total(3, 2)

    async def third() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, strict, backend)
            assert kernel.position == 1
            assert await kernel.receive() == Total(3, 2)
            assert await kernel.request(Add(4)) == Total(7, 3)

    go(first)
    go(second)
    go(third)


def test_a_batch_that_was_cut_off_is_taken_as_far_as_it_was(tmp_path: Path, backend: str) -> None:
    async def first() -> int:
        async with life(tmp_path) as runtime:
            kernel = await runtime.launch("sums", sums, backend=backend)
            with pytest.raises(QueueTimeoutError) as late:
                await kernel.send_many([Add(1)] * 1000, timeout=0)
            batch = asyncio.ensure_future(kernel.send_many(Add.array(value=[7] * 9)))
            await turns(3)
            batch.cancel()
            await turns(3)
            return late.value.count

    async def second() -> Total:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, sums, backend)
            answer: Total = await kernel.request(Add(0))
            return answer

    assert go(first) == 64
    assert go(second) == Total(64, 65)


def test_large_batches_pass_through_and_are_replayed(tmp_path: Path, backend: str) -> None:
    count = 20_000
    batch = Add.array(value=np.arange(count))

    async def first() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, sums, backend)
            sending = asyncio.ensure_future(kernel.send_many(batch))
            got = 0
            while got < count - 100:
                got += len(await kernel.receive_many(min(700, count - 100 - got)))
            await kernel.receive_many(1)
            await sending

    async def second() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, sums, backend)
            position = kernel.position
            rest: list[Any] = []
            while len(rest) < count - position:
                rest += (await kernel.receive_many(1000))["count"].tolist()
            assert rest == [*range(position + 1, count + 1)]
            assert await kernel.request(Add(0)) == Total(count * (count - 1) // 2, count + 1)

    go(first)
    go(second)


def test_a_clean_end_is_no_end_for_a_durable_actor(tmp_path: Path, backend: str) -> None:
    async def lived() -> Total:
        async with RingKernelRuntime(durable=tmp_path) as runtime:
            kernel = await started(runtime, sums, backend)
            answer: Total = await kernel.request(Add(2))
            return answer

    assert [go(lived) for _ in range(3)] == [Total(2, 1), Total(4, 2), Total(6, 3)]


def test_an_actor_that_is_launched_again_goes_on(tmp_path: Path, backend: str) -> None:
    async def main() -> None:
        async with life(tmp_path) as runtime:
            for number in range(1, 4):
                kernel = await started(runtime, sums, backend)
                assert await kernel.request(Add(2)) == Total(2 * number, number)
                await runtime.terminate("sums")

    go(main)


def test_actors_that_may_do_something_else_are_refused(tmp_path: Path) -> None:
    @ring_kernel(kernel_id="dice", auto_register=False)
    async def dice(ctx: KernelContext[Add, Total]) -> None:
        while not ctx.should_terminate:
            got = await ctx.receive()
            await ctx.send(Total(random.randrange(got.value), 0))

    @ring_kernel(kernel_id="drops", backpressure=BackpressureStrategy.DROP_OLDEST)
    async def drops(ctx: KernelContext[Add, Total]) -> None:
        while not ctx.should_terminate:
            got = await ctx.receive()
            await ctx.send(Total(got.value, 0))

    @ring_kernel(kernel_id="typeless", auto_register=False)
    async def typeless(ctx: Any) -> None:
        while not ctx.should_terminate:
            await ctx.send(await ctx.receive())

    @ring_kernel(kernel_id="pending", auto_register=False)
    async def pending(ctx: KernelContext[Add, Total]) -> None:
        dice = random.Random(5)
        base = dice.randrange(10)  # its type is not known before it runs
        while not ctx.should_terminate:
            got = await ctx.receive()
            await ctx.send(Total(random.randrange(got.value) + base, 0))

    @ring_kernel(kernel_id="early", auto_register=False)
    async def early(ctx: KernelContext[Add, Total]) -> None:
        count = 0
        while not ctx.should_terminate:
            count += 1
            got = await ctx.receive()
            await ctx.send(Total(got.value, count))

    async def main() -> None:
        async with life(tmp_path, fallback="allow") as runtime:
            for way in ("native", "python"):
                kernel = await runtime.launch("pending" + way, pending, backend=way)
                await kernel.activate()
                with pytest.raises(ActorFailedError) as failed:
                    await kernel.request(Add(1))
                assert isinstance(failed.value.__cause__, DurabilityError)
            with pytest.raises(DurabilityError, match="beginning of the loop"):
                await runtime.launch("early", early, backend="python")
        async with life(tmp_path / "other", fallback="allow") as runtime:
            for way in ("auto", "native", "python"):
                with pytest.raises(DurabilityError, match=r"test_journal_lives\.py:\d+"):
                    await runtime.launch("dice", dice, backend=way)
                with pytest.raises(DurabilityError, match="DROP_OLDEST"):
                    await runtime.launch("drops", drops, backend=way)
                with pytest.raises(DurabilityError, match="input_type"):
                    await runtime.launch("typeless", typeless, backend=way)
            assert runtime.kernels == ()
            await runtime.launch("dice", sums)  # the id is free

    go(main)


_MADE: list[int] = []


def _make() -> int:
    """Something else each time."""
    _MADE.append(len(_MADE) * 100)
    return _MADE[-1]


@ring_kernel(kernel_id="moody", queue_size=64)
async def moody(ctx: KernelContext[Add, Total]) -> None:
    base = _make()
    names = {"one": 1}
    count = 0
    while not ctx.should_terminate:
        got = await ctx.receive()
        if got.value < 0:
            raise ValueError("a negative number")
        count += names["one"]
        await ctx.send(Total(base + got.value, count))


def test_a_prologue_is_not_done_again(tmp_path: Path, backend: str) -> None:
    async def first() -> None:
        async with life(tmp_path) as runtime:
            kernel = await runtime.launch("moody", moody, backend=backend)
            await kernel.send(Add(1))  # before there is a beginning
            await kernel.activate()
            assert await kernel.receive() == Total(_MADE[-1] + 1, 1)

    async def second(base: int, count: int) -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, moody, backend)
            assert await kernel.request(Add(2)) == Total(base + 2, count)

    async def failing() -> None:
        async with life(tmp_path) as runtime:
            kernel = await started(runtime, moody, backend)
            await kernel.send(Add(-1))
            with pytest.raises(ActorFailedError):
                await kernel.request(Add(1))
            await kernel.restart(fresh=True)
            assert await kernel.request(Add(5)) == Total(_MADE[-1] + 5, 2)

    go(first)
    base = _MADE[-1]
    go(lambda: second(base, 2))
    go(lambda: second(base, 3))
    go(failing)
    base = _MADE[-1]
    go(lambda: second(base, 3))


def test_a_clean_end_acknowledges_what_was_received(tmp_path: Path, backend: str) -> None:
    async def lived(value: int) -> tuple[int, Total, int]:
        async with RingKernelRuntime(durable=tmp_path) as runtime:
            kernel = await started(runtime, sums, backend)
            before = kernel.position
            await kernel.send(Add(value))
            return before, await kernel.receive(), kernel.position

    assert go(lambda: lived(1)) == (0, Total(1, 1), 1)
    assert go(lambda: lived(2)) == (1, Total(3, 2), 2)


def test_other_code_is_told_to_the_user(tmp_path: Path) -> None:
    @ring_kernel(kernel_id="sums", auto_register=False)
    async def other(ctx: KernelContext[Add, Total]) -> None:
        total = 0
        while not ctx.should_terminate:
            got = await ctx.receive()
            total += 2 * got.value
            await ctx.send(Total(total, 0))

    async def first() -> None:
        async with life(tmp_path) as runtime:
            await runtime.launch("sums", sums)
            await runtime.send("sums", Add(1))

    async def second(actor: Any) -> None:
        async with life(tmp_path) as runtime:
            await runtime.launch("sums", actor)

    go(first)
    with pytest.warns(UserWarning, match="is not what it was"):
        go(lambda: second(other))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        go(lambda: second(sums))


def test_no_folder_is_no_journal() -> None:
    with pytest.raises(ValueError, match="durable"):
        RingKernelRuntime(durable="")
