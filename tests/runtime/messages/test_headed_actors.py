"""Actors that set headers: compiled, and the header is the one the interpreter gives."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel


@message
@dataclass
class Question:
    value: int


@message
@dataclass
class Answer:
    value: int


@ring_kernel(kernel_id="headed", auto_register=False)
async def headed(ctx: KernelContext[Question, Answer]) -> None:
    while not ctx.should_terminate:
        try:
            question = await ctx.receive(timeout=0.1)
            if question.value % 2:
                answer = Answer(value=question.value, correlation_id=question.message_id)
                await ctx.send(answer)
            else:
                await ctx.send(
                    Answer(
                        value=question.value * 2**40,
                        correlation_id=question.correlation_id,
                        priority=question.priority,
                    )
                )
        except TimeoutError:
            continue


@pytest.mark.parametrize("backend", ["python", "native"])
def test_headers_are_those_the_actor_sets(backend: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend=backend, fallback="error") as runtime:
            kernel = await runtime.launch("headed", headed)
            await runtime.activate("headed")
            assert kernel.backend == backend
            for value in range(6):
                question = Question(value, correlation_id=uuid4(), priority=7)
                await runtime.send("headed", question)
                answer = await runtime.receive("headed", timeout=10)
                if value % 2:
                    assert answer.correlation_id == question.message_id
                    assert answer.priority == 128
                else:
                    assert answer.correlation_id == question.correlation_id
                    assert answer.priority == 7

    asyncio.run(main())


@pytest.mark.parametrize("backend", ["python", "native"])
def test_batches_and_requests_of_headed_actors(backend: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend=backend, fallback="error") as runtime:
            await runtime.launch("headed", headed)
            await runtime.activate("headed")
            assert await runtime.send_many("headed", Question.array(value=[1, 3, 5])) == 3
            taken = 0
            while taken < 3:
                taken += len(await runtime.receive_many("headed", 3, timeout=10))
            question = Question(9)
            answer = await runtime.request("headed", question, timeout=10)
            assert answer == Answer(9)
            assert answer.correlation_id == question.message_id

    asyncio.run(main())


def test_headers_of_queued_messages() -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend="native", fallback="allow") as runtime:
            kernel = await runtime.launch("headed", headed)
            questions = [Question(2**22, correlation_id=uuid4()), Question(-1), Question(7)]
            for question in questions:
                await runtime.send("headed", question)
            await runtime.activate("headed")
            first = await runtime.receive("headed", timeout=10)
            assert first.value == 2**62
            assert first.correlation_id == questions[0].correlation_id
            for question in questions[1:]:
                answer = await runtime.receive("headed", timeout=10)
                assert answer.correlation_id == question.message_id
            assert kernel.backend == "native"

    asyncio.run(main())


def test_a_computed_header_is_the_interpreters() -> None:
    @ring_kernel(kernel_id="computed", auto_register=False)
    async def computed(ctx: KernelContext[Question, Answer]) -> None:
        while True:
            question = await ctx.receive()
            await ctx.send(Answer(value=1, priority=question.value))

    lowering = computed.lower()
    assert [d.message for d in lowering.diagnostics] == ["the header field `priority` is computed"]


@ring_kernel(kernel_id="echo", auto_register=False)
async def echo(ctx: KernelContext[Question, Question]) -> None:
    kept = Question(0)
    while True:
        question = await ctx.receive()
        await ctx.send(question)
        await ctx.send(kept)
        kept = question


@pytest.mark.parametrize("backend", ["python", "native"])
def test_what_an_actor_sends_on_has_a_header_of_its_own(backend: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend=backend, fallback="error") as runtime:
            kernel = await runtime.launch("echo", echo)
            await kernel.activate()
            assert kernel.backend == backend
            given = [Question(1), Question(2, correlation_id=uuid4(), priority=7), Question(3)]
            assert given[2].message_id == given[2].message_id  # made before it is sent
            for question in given:
                await kernel.send(question)
            got = [await kernel.receive(timeout=10) for _ in range(6)]
            assert [each.value for each in got] == [1, 0, 2, 1, 3, 2]
            assert {each.priority for each in got} == {128}
            assert {each.correlation_id for each in got} == {None}
            assert len({each.message_id for each in [*given, *got]}) == 9
            reply = await kernel.request(given[1], timeout=10)
            assert reply.correlation_id == given[1].message_id
            assert reply.priority == 128

    asyncio.run(main())


@ring_kernel(kernel_id="wordy", auto_register=False)
async def wordy(ctx: KernelContext[Question, Any]) -> None:
    while True:
        question = await ctx.receive()
        print(question.value, str(question.correlation_id)[-1:], question.priority)
        await ctx.send(Answer(value=question.value, priority=question.priority + 1))


def test_an_interpreted_actor_reads_every_part_of_the_header() -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend="python") as runtime:
            kernel = await runtime.launch("wordy", wordy)
            await kernel.activate()
            question = Question(1, correlation_id=uuid4(), priority=7)
            answer = await kernel.request(question, timeout=10)
            assert (answer.priority, answer.correlation_id) == (8, question.message_id)
            await kernel.send(answer_of := Question(2, priority=answer.priority))
            assert (await kernel.receive(timeout=10)).priority == answer_of.priority + 1
            await kernel.deactivate()
            await kernel.send(question)
            (left,) = (await kernel.terminate(drain=False)).unprocessed
            assert (left.priority, left.correlation_id) == (7, question.correlation_id)
            assert left.message_id == question.message_id
            again = pickle.loads(pickle.dumps(left))
            assert (again.message_id, again.priority) == (question.message_id, 7)

    asyncio.run(main())
