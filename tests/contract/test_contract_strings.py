"""Contract 9.20: no number of distinct strings ends compiled code or fails a batch, and what no
actor, queue or batch holds any more is freed."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from pydotcompute import BackpressureStrategy, RingKernelRuntime, message
from pydotcompute.backends.compiled.lifecycle import BUSY
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.kernels import accelerate
from tests.support.contract import decorated, launched, until
from tests.support.native_actor import kit as native_kit

MANY = 300_000


@message
class Span:
    trace: str
    n: int


@message
class Order:
    id: int


@message
class Text:
    text: str


async def echo(ctx: Any) -> None:
    while not ctx.should_terminate:
        span = await ctx.receive()
        await ctx.send(Span(span.trace, span.n))


async def confirm(ctx: Any) -> None:
    while not ctx.should_terminate:
        order = await ctx.receive()
        await ctx.send(Text(f"order {order.id} received"))


async def remember(ctx: Any) -> None:
    last, recent, seen = "", deque(["a", "b", "c"], maxlen=3), {"none": 0}
    while not ctx.should_terminate:
        span = await ctx.receive()
        if span.n < 3:
            seen[span.trace] = span.n
        oldest = recent[0]
        recent.append(last)
        last = span.trace
        await ctx.send(Span(oldest, seen.get(span.trace, -1)))


async def long_work(ctx: Any) -> None:
    kept = ""
    while not ctx.should_terminate:
        span = await ctx.receive()
        total = 0
        for i in range(span.n):
            total = (total * 31 + i) % 1_000_003
        await ctx.send(Span(kept, total))
        kept = span.trace


@pytest.fixture(params=["native", "native-pure", "cuda"])
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Every way compiled code runs on any machine."""
    name, _, pure = request.param.partition("-")
    if name == "cuda":
        monkeypatch.setenv("PYDOTCOMPUTE_DEVICE", "emulated")
    if native_kit.library() is None:
        pytest.skip("no C++ compiler")
    if not pure and accelerate.extension is None:
        pytest.skip("the extension was not built")
    accelerate.use(not pure)
    yield name
    accelerate.use()


async def held() -> int:
    """How many strings are in use, when asyncio and the collector have let go of everything."""
    await asyncio.sleep(0)
    gc.collect()
    await until(STRINGS.collect)  # a device is asked to let go of the actor
    return len(STRINGS)


async def freed(most: int) -> None:
    """Wait until at most so many strings are in use."""
    while await held() > most:
        await asyncio.sleep(0)


def test_a_pass_through_actor(compiled: str, run: Callable[..., Any]) -> None:
    count = 1000 if compiled == "cuda" else 70_000

    async def main() -> None:
        async with launched(compiled, echo, input_type=Span, output_type=Span) as kernel:
            before = await held()
            for n in range(count):
                await kernel.send(Span(f"one {n}", n))
                assert (await kernel.receive()).trace == f"one {n}"
                assert len(STRINGS) < before + STRINGS.young + 4096
            assert (kernel.backend, kernel.statistics().fallbacks) == (compiled, 0)
            await freed(before + 2)

    run(main())


def test_batches_through_an_actor(compiled: str, run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with launched(compiled, echo, input_type=Span, output_type=Span) as kernel:
            before = await held()
            names = [f"many {n}" for n in range(MANY)]
            got: list[Any] = []

            async def collect() -> None:
                while sum(map(len, got)) < MANY:
                    got.append(await kernel.receive_many(20_000))

            receiving = asyncio.ensure_future(collect())
            for at in range(0, MANY, 50_000):
                batch = Span.array(trace=names[at : at + 50_000], n=range(50_000))
                await kernel.send_many(batch)
            await receiving
            del batch
            assert await held() >= MANY
            assert [m.trace for part in got for m in Span.messages(part)] == names
            assert (kernel.backend, kernel.statistics().fallbacks) == (compiled, 0)
            got.clear()
            await freed(before + 2)

    run(main())


def test_strings_that_the_actor_makes(compiled: str, run: Callable[..., Any]) -> None:
    count = 1000 if compiled == "cuda" else 70_000

    async def main() -> None:
        async with launched(compiled, confirm, input_type=Order, output_type=Text) as kernel:
            before = await held()
            sending = asyncio.ensure_future(kernel.send_many(Order.array(id=range(count))))
            got = 0
            while got < count:
                batch = await kernel.receive_many(5000)
                wanted = [f"order {n} received" for n in range(got, got + len(batch))]
                assert [m.text for m in Text.messages(batch)] == wanted
                got += len(batch)
            assert await sending == count
            del batch
            assert (kernel.backend, kernel.statistics().fallbacks) == (compiled, 0)
            await freed(before + 2)
            await kernel.deactivate()
            await kernel.reactivate()
            assert (await kernel.request(Order(7))).text == "order 7 received"

    run(main())


def test_what_an_actor_remembers_is_kept(
    compiled: str, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(STRINGS, "young", 50)
    monkeypatch.setattr(STRINGS, "_limit", 50)

    async def main() -> None:
        async with launched(compiled, remember, input_type=Span, output_type=Span) as kernel:
            sent = ["a", "b", "c", ""]
            for n in range(3000):
                name = f"kept {n % 3}" if n % 7 == 0 else f"memory {n}"
                await kernel.send(Span(name, n))
                reply = await kernel.receive()
                assert reply.trace == sent[n]
                sent.append(name)
            assert kernel.backend == compiled
            await kernel.deactivate()
            state = kernel._actor.engine.block.values()
            assert state["recent"] == deque(sent[-4:-1], maxlen=3)
            assert state["last"] == sent[-1]
            assert list(state["seen"]) == ["none", "kept 0", "memory 1", "memory 2"]

    run(main())


@pytest.mark.parametrize("policy", list(BackpressureStrategy))
def test_what_waits_in_queues_is_kept(
    compiled: str, run: Callable[..., Any], policy: BackpressureStrategy
) -> None:
    async def main() -> None:
        settings = {"input_type": Span, "output_type": Span, "backpressure": policy}
        async with launched(compiled, echo, queue_size=20, **settings) as kernel:
            for n in range(15):
                await kernel.send(Span(f"out {policy} {n}", n))
            await until(lambda: kernel.statistics().output_depth == 15)
            await kernel.deactivate()
            for n in range(15):
                await kernel.send(Span(f"in {policy} {n}", n))
            await held()
            for n in range(1000):
                STRINGS.intern(f"into the slots that are free {n}")
            await held()
            for n in range(15):
                assert (await kernel.receive()).trace == f"out {policy} {n}"
            await kernel.reactivate()
            for n in range(15):
                assert (await kernel.receive()).trace == f"in {policy} {n}"

    run(main())


def test_a_batch_that_waits_for_room(compiled: str, run: Callable[..., Any]) -> None:
    async def main() -> None:
        settings = {"input_type": Span, "output_type": Span}
        async with launched(compiled, echo, queue_size=10, active=False, **settings) as kernel:
            names = [f"waiting {n}" for n in range(500)]
            array = asyncio.ensure_future(kernel.send_many(Span.array(trace=names, n=0)))
            await asyncio.sleep(0)
            listed = asyncio.ensure_future(kernel.send_many([Span(name, 1) for name in names]))
            await asyncio.sleep(0)
            await held()
            await kernel.activate()
            got = [await kernel.receive() for _ in range(1000)]
            assert [m.trace for m in got] == names * 2
            assert await asyncio.gather(array, listed) == [500, 500]

    run(main())


def test_a_long_message_does_not_lose_its_strings(compiled: str, run: Callable[..., Any]) -> None:
    """A collection waits for an actor that a worker or a device runs."""

    async def main() -> None:
        async with launched(compiled, long_work, input_type=Span, output_type=Span) as kernel:
            await kernel.request(Span("first", 3_000_000))
            reply = asyncio.ensure_future(kernel.request(Span("second", 30_000_000)))
            engine = kernel._actor.engine
            await until(lambda: engine.run_flags & BUSY)
            assert not STRINGS.collect()
            for n in range(100):
                STRINGS.intern(f"into the slots that are free {n}")
            assert (await reply).trace == "first"
            await until(lambda: not STRINGS.collecting)
            assert (await kernel.request(Span("third", 1))).trace == "second"

    run(main())


def test_other_threads_make_strings(run: Callable[..., Any]) -> None:
    """Batches that are made on threads, while an actor on the loop sees ever new strings."""
    failed: list[Any] = []

    def make(thread: int) -> None:
        for turn in range(5):
            names = [f"thread {thread} {turn} {n}" for n in range(20_000)]
            if [m.trace for m in Span.messages(Span.array(trace=names, n=0))] != names:
                failed.append((thread, turn))

    async def main() -> None:
        async with launched("native", echo, input_type=Span, output_type=Span) as kernel:
            threads = [threading.Thread(target=make, args=(n,)) for n in range(3)]
            for thread in threads:
                thread.start()
            n = 0
            while any(thread.is_alive() for thread in threads):
                await kernel.send(Span(f"loop {n}", n))
                assert (await kernel.receive()).trace == f"loop {n}"
                n += 1
            assert (kernel.backend, failed) == ("native", [])

    if native_kit.library() is None:
        pytest.skip("no C++ compiler")
    run(main())


def test_two_actors_share_no_limit(compiled: str, run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend=compiled, fallback="error") as runtime:
            batch = Span.array(trace=[f"first {n}" for n in range(100_000)], n=0)
            for name in ("first", "second"):
                actor = decorated(echo, kernel_id=name, input_type=Span, output_type=Span)
                kernel = await runtime.launch(name, actor)
                await kernel.activate()
                assert (await kernel.request(Span(f"new to {name}", 1))).trace == f"new to {name}"
                assert kernel.backend == compiled
            assert Span.messages(batch[-1:])[0].trace == "first 99999"

    run(main())


def test_batches_made_without_an_actor() -> None:
    names = [f"alone {n}" for n in range(MANY)]
    before = len(STRINGS)
    batch = Span.array(trace=names, n=range(MANY))
    assert [m.trace for m in Span.messages(batch)] == names
    assert len(np.unique(batch["trace"])) == MANY
    del batch
    assert STRINGS.collect()
    assert len(STRINGS) <= before
