"""When a snapshot is asked for at an awkward moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pydotcompute import (
    KernelContext,
    QueueTimeoutError,
    RingKernelRuntime,
    SnapshotError,
    ring_kernel,
)
from tests.support.contract import Answer, Job, decorated, go, need_compiler, plain, tally, until

WAYS = ["native", "python", "cuda"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    need_compiler("native")
    if request.param == "cuda":
        monkeypatch.setenv("PYDOTCOMPUTE_DEVICE", "emulated")
    found: str = request.param
    return found


def test_every_backend(way: str) -> None:
    """Restored on the backend that it is from, with messages in both queues."""

    async def probe() -> None:
        async with RingKernelRuntime(backend=way) as runtime:
            kernel = await runtime.launch("tally", decorated(tally))
            await kernel.activate()
            for n in range(5):
                assert (await kernel.request(Job(n))).value == 2 * n
            await kernel.send_many([Job(n) for n in range(10)])
            first = await kernel.receive(timeout=5)
            snapshot = await kernel.snapshot()
            again = await runtime.launch("again", decorated(tally), restore=snapshot)
            await again.activate()
            assert again.backend == kernel.backend == way
            left = [await kernel.receive(timeout=5) for _ in range(9)]
            assert [await again.receive(timeout=5) for _ in range(9)] == left
            assert await again.request(Job(1)) == await kernel.request(Job(1))
            assert first == Answer(0, 10)

    go(probe)


async def untyped(ctx: KernelContext) -> None:
    last = None
    while not ctx.should_terminate:
        job = await ctx.receive()
        await ctx.send(Answer(job.value, 0 if last is None else last.value))
        last = job


@pytest.mark.parametrize("moment", ["launched", "waiting", "used"])
def test_actors_whose_types_are_learnt(moment: str) -> None:
    need_compiler("native")

    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            actor = ring_kernel(kernel_id="untyped", auto_register=False)(untyped)
            kernel = await runtime.launch("untyped", actor)
            if moment != "launched":
                await kernel.activate()
            if moment == "used":
                assert await kernel.request(Job(3)) == Answer(3, 0)
            else:
                assert kernel.backend == "pending"
            snapshot = await kernel.snapshot()
            again = await runtime.launch("again", actor, restore=snapshot)
            if moment == "launched":
                await kernel.activate()
            await again.activate()
            for n in (5, 6):
                assert await again.request(Job(n)) == await kernel.request(Job(n))
            assert again.backend == kernel.backend

    go(probe)


def test_many_snapshots_at_once_while_messages_flow(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way) as runtime:
            kernel = await runtime.launch("plain", decorated(plain))
            await kernel.activate()
            snapshots = []

            async def look() -> None:
                for _ in range(5):
                    snapshots.append(await kernel.snapshot())

            looking = [asyncio.ensure_future(look()) for _ in range(3)]
            answers = [await kernel.request(Job(n)) for n in range(200)]
            await asyncio.gather(*looking)
            assert [answer.value for answer in answers] == [2 * n for n in range(200)]
            assert len(snapshots) == 15
            counted = [each.kernels["plain"].statistics["processed"] for each in snapshots]
            assert counted == sorted(counted)

    go(probe)


gate: Any = None


async def gated(ctx: KernelContext[Job, Answer]) -> None:
    total = 0
    while not ctx.should_terminate:
        job = await ctx.receive()
        await gate.wait()
        total += job.value
        await ctx.send(Answer(total))


@pytest.mark.parametrize("way", ["auto", "python"])
def test_a_snapshot_that_is_cancelled_leaves_no_trace(way: str) -> None:
    async def probe() -> None:
        global gate
        gate = asyncio.Event()
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            kernel = await runtime.launch("gated", decorated(gated))
            await kernel.activate()
            await kernel.send(Job(1))
            await kernel.send(Job(2))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(kernel.snapshot(), 0.02)
            gate.set()
            assert [(await kernel.receive(timeout=5)).value for _ in range(2)] == [1, 3]

    go(probe)


@pytest.mark.parametrize("way", ["auto", "python"])
def test_an_actor_paused_in_the_middle_of_a_message_is_named(way: str) -> None:
    async def probe() -> None:
        global gate
        gate = asyncio.Event()
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            kernel = await runtime.launch("gated", decorated(gated))
            await kernel.activate()
            await kernel.send(Job(1))
            await until(lambda: not kernel.statistics().input_depth)
            await kernel.deactivate()
            with pytest.raises(SnapshotError, match="'gated' is paused in the middle of a message"):
                await kernel.snapshot()
            gate.set()
            await kernel.reactivate()
            assert await kernel.receive(timeout=5) == Answer(1)

    go(probe)


async def own(ctx: KernelContext[Job, Answer]) -> None:
    while not ctx.should_terminate:
        await ctx.receive()
        try:
            await kernels[0].snapshot()
        except SnapshotError as error:
            await ctx.send(Answer(len(str(error))))


kernels: list[Any] = []


def test_an_actor_cannot_wait_for_itself() -> None:
    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernels[:] = [await runtime.launch("own", decorated(own))]
            await kernels[0].activate()
            assert (await kernels[0].request(Job(1), timeout=5)).value > 50

    go(probe)


async def patient(ctx: KernelContext[Job, Answer]) -> None:
    """The pattern of the page: a pause is seen by the actor itself."""
    total = 0
    while not ctx.should_terminate:
        if not ctx.is_active:
            await ctx.wait_active()
            continue
        try:
            job = await ctx.receive(timeout=5)
        except QueueTimeoutError:
            continue
        total += job.value
        await ctx.send(Answer(total))


def test_an_actor_that_looks_for_pauses_itself(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            kernel = await runtime.launch("patient", decorated(patient))
            await kernel.activate()
            assert await kernel.request(Job(4)) == Answer(4)
            await kernel.deactivate()
            await kernel.send(Job(5))
            snapshot = await kernel.snapshot()
            assert snapshot.kernels["patient"].inputs == 1
            assert snapshot.kernels["patient"].statistics["processed"] == 1
            again = await runtime.launch("again", decorated(patient), restore=snapshot)
            await again.activate()
            await kernel.reactivate()
            assert await again.receive(timeout=5) == await kernel.receive(timeout=5) == Answer(9)

    go(probe)


async def early(ctx: KernelContext[Job, Answer]) -> None:
    rounds, words = 0, {(1, 2)}
    while not ctx.should_terminate:
        rounds += 1
        job = await ctx.receive()
        words.add((job.value, rounds))
        await ctx.send(Answer(rounds, len(words)))


async def no_loop(ctx: KernelContext[Job, Answer]) -> None:
    for n in range(10):
        job = await ctx.receive()
        await ctx.send(Answer(job.value + n))


@pytest.mark.parametrize(
    ("function", "why"),
    [(early, "changes something before it receives"), (no_loop, "no receive loop")],
)
def test_interpreted_actors_that_could_not_go_on_are_named(function: Any, why: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend="python") as runtime:
            kernel = await runtime.launch("x", decorated(function))
            launched = await kernel.snapshot()
            await kernel.activate()
            await kernel.request(Job(1))
            with pytest.raises(SnapshotError, match=f"'x' is interpreted.*{why}"):
                await kernel.snapshot()
            await kernel.request(Job(1))
            again = await runtime.launch("again", decorated(function), restore=launched)
            await again.activate()
            assert (await again.request(Job(1))).value == 1

    go(probe)


def test_what_is_no_snapshot_is_named() -> None:
    async def probe() -> None:
        async with RingKernelRuntime() as runtime:
            with pytest.raises(TypeError, match=r"takes a Snapshot, not str.*Snapshot\.load"):
                await runtime.launch("x", decorated(plain), restore="x.pdc")  # type: ignore
            assert "x" not in runtime

    go(probe)
