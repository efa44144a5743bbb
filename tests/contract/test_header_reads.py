"""Contract, section 10: every header field of the received message is read in compiled code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel
from pydotcompute.testing import same


@message
@dataclass
class Ask:
    n: int
    name: str = ""


@message
@dataclass
class Nudge:
    x: float


@message
@dataclass
class Told:
    n: int
    priority_was: int
    id_was: UUID
    correlation_was: UUID | None


@ring_kernel(kernel_id="reading", auto_register=False)
async def reading(ctx: KernelContext[Ask | Nudge, Told]) -> None:
    urgent = 0
    last: UUID | None = None
    while not ctx.should_terminate:
        m = await ctx.receive()
        if m.priority > 200:
            urgent += 1
        if isinstance(m, Ask):
            if m.message_id == last:
                urgent += 1000
            await ctx.send(Told(m.n + urgent, m.priority, m.message_id, m.correlation_id))
            last = m.message_id
        elif m.correlation_id is None:
            await ctx.send(Told(-1, m.priority * 2, m.message_id, last))
        else:
            await ctx.send(Told(-2, m.priority, m.message_id, m.correlation_id, priority=3))


@ring_kernel(kernel_id="gate", auto_register=False)
async def gate(ctx: KernelContext[Ask, Ask]) -> None:
    """Reads one part of the header only, and makes none."""
    while not ctx.should_terminate:
        m = await ctx.receive()
        if m.priority >= 128:
            await ctx.send(Ask(m.n * m.priority, m.name))


def _messages() -> list[Any]:
    some = uuid4()
    return [
        Ask(1), Ask(2, priority=255), Ask(3, "three", correlation_id=some), Nudge(0.5),
        Nudge(1.5, correlation_id=some, priority=201), Ask(4, priority=0, message_id=some),
        Ask(5, message_id=some), Nudge(2.5, message_id=uuid4()),
    ]  # fmt: skip


def test_every_part_of_the_header_is_read(way: str, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend=way, fallback="error") as runtime:
            kernel = await runtime.launch("reading", reading)
            await runtime.activate("reading")
            sent, got = _messages(), []
            for m in sent:
                await kernel.send(m)
                got.append(await kernel.receive(timeout=10))
            assert kernel.backend == way
            assert way == "python" or not kernel.lowering.breaks
            urgent, last = 0, None
            for m, told in zip(sent, got, strict=True):
                urgent += m.priority > 200
                if isinstance(m, Ask):
                    urgent += 1000 * (m.message_id == last)
                    want = Told(m.n + urgent, m.priority, m.message_id, m.correlation_id)
                    last = m.message_id
                elif m.correlation_id is None:
                    want = Told(-1, m.priority * 2, m.message_id, last)
                else:
                    want = Told(-2, m.priority, m.message_id, m.correlation_id)
                    assert told.priority == 3
                assert same(told, want)
            assert kernel.statistics().interpreted == (8 if way == "python" else 0)

    run(main())


def test_priorities_in_batches(way: str, run: Any) -> None:
    """A batch of messages may have headers, an array has none: its messages have the usual ones."""

    async def main() -> None:
        async with RingKernelRuntime(backend=way, fallback="error") as runtime:
            kernel = await runtime.launch("gate", gate)
            await runtime.activate("gate")
            await kernel.send_many(Ask.array(n=[1, 2]))
            await kernel.send_many([Ask(3, priority=127), Ask(4, priority=129), Ask(5, "five")])
            got: list[Any] = []
            while len(got) < 4:
                got += list(Ask.messages(await kernel.receive_many(8, timeout=10)))
            assert got == [Ask(128), Ask(256), Ask(4 * 129), Ask(5 * 128, "five")]
            assert (await kernel.request(Ask(2, priority=250), timeout=10)).n == 500
            assert kernel.backend == way

    run(main())


@pytest.mark.parametrize("backend", ["python", "native"])
def test_a_message_of_before_has_its_header_too(backend: str, run: Any) -> None:
    """Compiled code keeps no headers in the state: an actor that reads one there is interpreted."""

    @ring_kernel(kernel_id="before", auto_register=False)
    async def before(ctx: KernelContext[Ask, Ask]) -> None:
        held = None
        while not ctx.should_terminate:
            m = await ctx.receive()
            if m.n < 0 and held is not None:
                await ctx.send(Ask(held.priority))
            else:
                await ctx.send(Ask(m.priority))
            held = m

    async def main() -> None:
        async with RingKernelRuntime(backend=backend, fallback="allow") as runtime:
            kernel = await runtime.launch("before", before)
            await runtime.activate("before")
            for n, priority, want in [(1, 7, 7), (-1, 8, 7), (-2, 9, 8), (3, 10, 10), (-4, 1, 10)]:
                await kernel.send(Ask(n, priority=priority))
                assert (await kernel.receive(timeout=10)).n == want
            assert kernel.backend == "python"
            if backend == "native":
                assert "of a message that this turn has not received" in kernel.reason

    run(main())


def test_a_break_reads_the_header_of_the_received_message(way: str, run: Any) -> None:
    @ring_kernel(kernel_id="odd", auto_register=False)
    async def odd(ctx: KernelContext[Ask, Ask]) -> None:
        seen = set()
        total = 0
        while not ctx.should_terminate:
            m = await ctx.receive()
            total += m.priority
            if m.n < 0:
                seen.add((m.priority, str(m.correlation_id)))
                await ctx.send(Ask(len(seen) + m.priority))
            else:
                await ctx.send(Ask(total))

    async def main() -> None:
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            kernel = await runtime.launch("odd", odd)
            await runtime.activate("odd")
            total, seen = 0, set()
            for n, priority in [(1, 7), (-1, 8), (-2, 9), (3, 10), (-4, 8)]:
                await kernel.send(Ask(n, priority=priority))
                total += priority
                if n < 0:
                    seen.add(priority)
                want = len(seen) + priority if n < 0 else total
                assert (await kernel.receive(timeout=10)).n == want
            assert kernel.backend == way
            assert kernel.statistics().interpreted == (5 if way == "python" else 3)

    run(main())
