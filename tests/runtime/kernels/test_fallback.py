"""Which backend runs an actor, why, and what is said about it: with the real compiler."""

from __future__ import annotations

import asyncio
import inspect
import time
import warnings
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    BuildError,
    KernelContext,
    LoweringError,
    MessageTypeError,
    RingKernelRuntime,
    message,
    ring_kernel,
)
from pydotcompute.kernels.fallback import FallbackWarning
from tests.support.native_actor import kit as native_kit


@message
@dataclass
class Number:
    value: int


@message
@dataclass
class Other:
    value: int


@message
@dataclass
class Answer:
    value: int


@ring_kernel(kernel_id="untyped", auto_register=False)
async def untyped(ctx: Any) -> None:
    while not ctx.should_terminate:
        number = await ctx.receive()
        await ctx.send(Answer(number.value + 1))


@ring_kernel(kernel_id="annotated", auto_register=False)
async def annotated(ctx: KernelContext[Number, Answer]) -> None:
    product = 1
    while not ctx.should_terminate:
        number = await ctx.receive()
        product *= number.value
        await ctx.send(Answer(product % 1_000_007))


@ring_kernel(kernel_id="refused", auto_register=False)
async def refused(ctx: KernelContext[Number, Answer]) -> None:
    while not ctx.should_terminate:
        await ctx.send(Answer((await ctx.receive()).value + 1))


@ring_kernel(kernel_id="sleepy", auto_register=False)
async def sleepy(ctx: Any) -> None:
    while not ctx.should_terminate:
        number = await ctx.receive()
        await asyncio.sleep(0)
        await ctx.send(number)


@ring_kernel(kernel_id="learnt", input_type=Number, output_type=Answer, auto_register=False)
async def learnt(ctx: Any) -> None:
    start = len("12345") + int("2")
    while not ctx.should_terminate:
        number = await ctx.receive()
        start += number.value
        await ctx.send(Answer(start))
    await ctx.send(Answer(-start))


@pytest.fixture(autouse=True)
def _compiler() -> None:
    if native_kit.library() is None:
        pytest.skip("no C++ compiler")


def test_the_first_message_specialises(run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await runtime.launch("untyped", untyped)
            assert kernel.backend == "pending"
            await kernel.activate()
            assert kernel.backend == "pending"
            for n in range(5):
                await kernel.send(Number(n))
            assert [(await kernel.receive()).value for _ in range(5)] == [1, 2, 3, 4, 5]
            assert kernel.backend == "native"
            assert (await kernel.request(Number(10))).value == 11
            with pytest.warns(FallbackWarning, match="a Other message was sent"):
                await kernel.send(Other(7))
            assert (await kernel.receive()).value == 8
            assert kernel.backend == "python"
            assert kernel.statistics().fallbacks == 1

    run(main())


@message
@dataclass
class Loose:
    value: object


@pytest.mark.parametrize("sent", [(Number(1), Other(7)), (Loose(1), Loose(2))])
def test_a_warning_made_an_error_does_not_end_an_actor(run: Any, sent: Any) -> None:
    """There is no call to raise it from: it is in the log."""

    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await runtime.launch("untyped", untyped)
            await kernel.activate()
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                for each in sent:
                    await kernel.send(each)
                    await kernel.receive()
            assert kernel.backend == "python"

    run(main())


@ring_kernel(kernel_id="counting", queue_size=5000, auto_register=False)
async def counting(ctx: KernelContext[Number, Answer]) -> None:
    seen: dict[int, int] = {}
    while not ctx.should_terminate:
        number = await ctx.receive()
        seen[number.value] = seen.get(number.value, 0) + 1
        await ctx.send(Answer(len(seen)))


def test_a_dict_without_room_is_named(run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await runtime.launch("counting", counting)
            await kernel.activate()
            await kernel.send_many(Number.array(value=range(4096)))
            assert (await kernel.request(Number(4096))).value == 4097
            line = counting.function.__code__.co_firstlineno + 5
            assert (kernel.backend, kernel.statistics().fallbacks) == ("native", 0)
            assert kernel._actor.engine.last_break() == (
                "'seen' has more than the 4,096 entries that compiled code has room for "
                f"({__file__}:{line})"
            )

    run(main())


def test_an_actor_without_source_is_told_where_to_be(run: Any) -> None:
    text = inspect.getsource(untyped.function).split("\n", 1)[1]
    scope = dict(globals())
    exec(compile(text, "<stdin>", "exec"), scope)

    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            with pytest.warns(FallbackWarning) as warned:
                await runtime.launch("typed", scope["untyped"])
            assert [str(each.message) for each in warned] == [
                "kernel 'typed' runs on the python backend: the source text of `untyped` cannot "
                "be found; put it into a file or a notebook cell (<stdin>:1)"
            ]

    run(main())


def test_specialised_before_activation_and_never_at_all(run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            early = await runtime.launch("early", untyped)
            await early.send(Number(1))
            await early.activate()
            assert (await early.receive()).value == 2
            assert early.backend == "native"
            never = await runtime.launch("never", untyped)
            await never.activate()
            assert (await never.terminate()).unprocessed == ()

    run(main())


def test_python_takes_anything(run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend="python") as runtime:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                kernel = await runtime.launch("sleepy", sleepy)
            assert kernel.backend == "python"
            await kernel.activate()
            thing = object()
            await kernel.send(thing)
            assert await kernel.receive() is thing
            await kernel.send_many(["a", "b"])
            assert list(await kernel.receive_many(5)) == ["a"]

    run(main())


def test_types_from_the_annotation(run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await runtime.launch("annotated", annotated)
            assert kernel.backend == "native"
            await kernel.activate()
            with pytest.raises(MessageTypeError):
                await kernel.send(Other(1))

    run(main())


def test_an_int_beyond_64_bits(run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await runtime.launch("annotated", annotated)
            await kernel.activate()
            product = 1
            for _ in range(6):
                product *= 10**9
                assert (await kernel.request(Number(10**9))).value == product % 1_000_007
            assert kernel.backend == "native"
            assert kernel.statistics().fallbacks == 0
            assert 0 < kernel.statistics().interpreted < 6

    run(main())


def test_what_cannot_be_lowered(run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            with pytest.warns(FallbackWarning, match="kernel 'sleepy' runs on the python backend"):
                kernel = await runtime.launch("sleepy", sleepy)
            assert kernel.backend == "python"
            assert "asyncio.sleep" in kernel.reason
            assert not kernel.lowering.ok
            await kernel.activate()
            await kernel.send(Number(1))
            assert (await kernel.receive()).value == 1
        async with RingKernelRuntime(fallback="error") as runtime:
            with pytest.raises(LoweringError, match=r"asyncio\.sleep"):
                await runtime.launch("sleepy", sleepy)
            kernel = await runtime.launch("sleepy", sleepy, backend="python")
            assert kernel.backend == "python"

    run(main())


def test_state_that_only_the_prologue_knows(run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await runtime.launch("learnt", learnt)
            await kernel.activate()
            await kernel.send(Number(3))
            assert (await kernel.receive()).value == 10
            assert kernel.backend == "native"
            await kernel.terminate()
            assert (await kernel.receive()).value == -10

    run(main())


def test_a_launch_does_not_stall_the_loop(run: Any, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("PYDOTCOMPUTE_CACHE_DIR", str(tmp_path))

    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            launching = asyncio.create_task(runtime.launch("annotated", annotated))
            worst, last = 0.0, time.perf_counter()
            while not launching.done():
                await asyncio.sleep(0)
                now = time.perf_counter()
                worst, last = max(worst, now - last), now
            assert (await launching).backend == "native"
            assert worst < 0.1  # 20 ms on a quiet machine

    run(main())


def test_a_broken_compiler_is_no_broken_actor(run: Any, monkeypatch: Any) -> None:
    import pydotcompute.actors.lowering

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(pydotcompute.actors.lowering, "lower_actor", broken)

    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            with pytest.warns(FallbackWarning, match="please report this"):
                kernel = await runtime.launch("annotated", annotated)
            await kernel.activate()
            assert (await kernel.request(Number(5))).value == 5

    run(main())


def test_a_text_that_the_compiler_refuses(run: Any, monkeypatch: Any, caplog: Any) -> None:
    """A mistake of ours: the actor runs all the same, and the log asks to report it."""
    from pydotcompute.compiler import pipeline

    broken = pipeline.render
    monkeypatch.setattr(pipeline, "render", lambda *a, **k: broken(*a, **k) + "\nnonsense;\n")

    async def main() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await runtime.launch("refused", refused)
            assert kernel.backend == "python"
            assert "could not compile kernel 'refused': " in str(kernel.reason)
            await kernel.activate()
            assert await kernel.request(Number(3)) == Answer(4)
        async with RingKernelRuntime(fallback="error") as runtime:
            with pytest.raises(BuildError, match="could not compile kernel"):
                await runtime.launch("refused", refused)

    run(main())
    (record,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert record.getMessage().endswith("; please report this")


@ring_kernel(kernel_id="anew", auto_register=False)
async def anew(ctx: KernelContext[Number, Answer]) -> None:
    last = count = 0
    while not ctx.should_terminate:
        last = (await ctx.receive()).value
        count += 1
        await ctx.send(Answer(100 // last + count))


@pytest.mark.parametrize("backend", ["python", "native"])
def test_the_state_is_what_a_later_message_may_read(run: Any, backend: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend=backend) as runtime:
            kernel = await runtime.launch("anew", anew)
            await kernel.activate()
            assert await kernel.request(Number(5)) == Answer(21)
            with pytest.raises(ActorFailedError) as caught:
                await kernel.request(Number(0))
            assert caught.value.state == {"count": 1}

    run(main())
