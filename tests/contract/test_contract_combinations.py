"""Probes of the public contract: several of its sentences at once."""

from __future__ import annotations

import asyncio
import pickle
import threading
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    KernelAlreadyExistsError,
    KernelClosedError,
    KernelContext,
    KernelState,
    KernelStateError,
    MessageTypeError,
    MessageValueError,
    QueueFullError,
    QueueTimeoutError,
    RingKernelRuntime,
    message,
)
from tests.support.contract import (
    FAIL,
    LEAVE,
    PRINT,
    SEVERAL,
    SILENT,
    Answer,
    Job,
    decorated,
    drained,
    go,
    launched,
    plain,
    tally,
    turns,
    until,
)

BLOCK, REJECT, DROP = BackpressureStrategy


@message
@dataclass
class Big:
    value: int
    extra: float = 0.5


async def either(ctx: KernelContext[Job | Big, Answer | Big]) -> None:
    """Two kinds in, two kinds out."""
    seen = 0
    while True:
        what = await ctx.receive()
        seen += 1
        if isinstance(what, Big):
            await ctx.send(Big(what.value + 1, what.extra))
        elif what.op == FAIL:
            await ctx.send(Answer(1 // (what.value - what.value), seen))
        else:
            await ctx.send(Answer(what.value, seen))


# --- requests ---------------------------------------------------------------------------------


def test_a_request_cancelled_during_a_pause_is_nobodys(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            await kernel.deactivate()
            calls = [asyncio.create_task(kernel.request(Job(n))) for n in range(10)]
            await turns()
            for call in calls[::2]:
                call.cancel()
            await turns()
            await kernel.reactivate()
            got = await asyncio.gather(*calls[1::2])
            assert [answer.value for answer in got] == [2 * n for n in range(1, 10, 2)]
            await kernel.send(Job(100))
            assert (await kernel.receive(timeout=10)).value == 200
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=0)

    go(probe)


def test_requests_pending_when_the_actor_fails_and_is_restarted(way: str) -> None:
    """Who waits is told of the failure; who asks after the restart gets the right answer."""

    async def probe() -> None:
        async with launched(way) as kernel:
            await kernel.deactivate()
            calls = [
                asyncio.create_task(kernel.request(Job(n, FAIL if n == 3 else 0))) for n in range(6)
            ]
            await turns()
            await kernel.reactivate()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert [each.value for each in outcomes[:3]] == [0, 2, 4]
            assert all(isinstance(each, ActorFailedError) for each in outcomes[3:])
            assert outcomes[3].message_in == Job(3, FAIL)
            await kernel.restart()
            assert (await kernel.request(Job(50), timeout=10)).value == 100
            # the requests that were queued behind the bad message are handled, for nobody
            left = [(await kernel.receive(timeout=10)).value for _ in range(2)]
            assert left == [8, 10]
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=0)

    go(probe)


def test_the_first_of_several_answers_among_ordinary_messages(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=100) as kernel:
            await kernel.send(Job(2, SEVERAL))
            reply, _ = await asyncio.gather(
                kernel.request(Job(3, SEVERAL)), kernel.send(Job(1, SEVERAL))
            )
            assert reply.value == 0
            got = [(await kernel.receive(timeout=10)).value for _ in range(5)]
            assert got == [0, 1, 1, 2, 0]

    go(probe)


def test_a_request_is_told_when_the_kernel_is_terminated(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            silent = [asyncio.create_task(kernel.request(Job(1, SILENT))) for _ in range(3)]
            await until(lambda: kernel.statistics().processed == 3)
            ended = await kernel.terminate()
            assert ended.unprocessed == ()
            for outcome in await asyncio.gather(*silent, return_exceptions=True):
                assert isinstance(outcome, KernelClosedError)

    go(probe)


def test_a_request_with_a_time_limit_leaves_a_good_kernel(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            await kernel.deactivate()
            for limit in (0, -1.0, 0.01):
                with pytest.raises(QueueTimeoutError):
                    await kernel.request(Job(1), timeout=limit)
            await kernel.reactivate()
            assert (await kernel.request(Job(5), timeout=10)).value == 10
            await until(lambda: kernel.statistics().processed == 4)
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=0)

    go(probe)


@pytest.mark.parametrize("strategy", [BLOCK, REJECT, DROP])
def test_requests_and_a_full_output_queue(way: str, strategy: BackpressureStrategy) -> None:
    """A reply needs no room, whoever does not read."""

    async def probe() -> None:
        async with launched(way, queue_size=2, backpressure=strategy) as kernel:
            for n in range(2):
                await kernel.send(Job(n))
                await until(lambda n=n: kernel.statistics().processed == n + 1)
            for n in range(10, 20):
                assert (await kernel.request(Job(n), timeout=10)).value == 2 * n
            assert [(await kernel.receive(timeout=10)).value for _ in range(2)] == [0, 2]

    go(probe)


def test_requests_with_correlation_and_priority_of_their_own(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            mine, chain = Job(1, priority=3), uuid4()
            other = Job(2, correlation_id=chain)
            one, two = await asyncio.gather(kernel.request(mine), kernel.request(other))
            assert one.correlation_id == mine.message_id
            assert two.correlation_id == other.message_id != chain
            assert pickle.loads(pickle.dumps(one)).correlation_id == mine.message_id
            assert (mine.priority, other.correlation_id) == (3, chain)

    go(probe)


# --- several runtimes, several lives ----------------------------------------------------------


def test_one_id_in_two_runtimes_with_different_actors(way: str) -> None:
    async def probe() -> None:
        async with (
            RingKernelRuntime(backend=way, fallback="error") as one,
            RingKernelRuntime(backend=way, fallback="error") as two,
        ):
            await one.launch("same", decorated(tally, kernel_id="same"))
            await two.launch("same", decorated(plain, kernel_id="same", queue_size=1))
            await one.activate("same")
            await two.activate("same")
            a, b = await asyncio.gather(one.request("same", Job(1)), two.request("same", Job(2)))
            assert (a.value, b.value) == (2, 4)
            await one.terminate("same")
            assert (await two.request("same", Job(3))).total == 5
            with pytest.raises(KernelClosedError):
                await one.send("same", Job(1))

    go(probe)


def test_an_id_is_used_again_while_its_old_kernel_is_still_read(way: str) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(backend=way, fallback="error") as runtime:
            old = await runtime.launch("again", decorated(tally, kernel_id="again"))
            await old.activate()
            for n in range(3):
                await old.send(Job(n))
            with pytest.raises(KernelAlreadyExistsError):
                await runtime.launch("again", decorated(tally, kernel_id="again"))
            await old.terminate()
            new = await runtime.launch("again", decorated(tally, kernel_id="again"))
            await new.activate()
            assert (await runtime.request("again", Job(10))).total == 10
            assert [m.value async for m in old.messages()] == [0, 2, 4]
            assert (old.state, new.state) == (KernelState.TERMINATED, KernelState.ACTIVE)
            with pytest.raises(KernelClosedError):
                await old.receive()

    go(probe)


def test_restart_anew_keeps_the_queue_and_forgets_the_state(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            await kernel.request(Job(7))
            await kernel.deactivate()
            for job in (Job(1, FAIL), Job(2), Job(3)):
                await kernel.send(job)
            await kernel.reactivate()
            with pytest.raises(ActorFailedError) as caught:
                await kernel.receive()
            assert caught.value.state["total"] == 7
            await kernel.restart(fresh=True)
            got = [await kernel.receive(timeout=10) for _ in range(2)]
            assert [(each.value, each.total) for each in got] == [(4, 2), (6, 5)]
            assert kernel.statistics().errors == 1

    go(probe)


def test_every_call_on_a_failed_kernel(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            await kernel.send(Job(1, FAIL))
            with pytest.raises(ActorFailedError):
                await kernel.receive()
            for call in (
                kernel.send(Job(1)), kernel.request(Job(1)), kernel.receive(timeout=0),
                kernel.send_many([Job(1)]), kernel.receive_many(3),
            ):  # fmt: skip
                with pytest.raises(ActorFailedError) as caught:
                    await call
                assert isinstance(caught.value.__cause__, ZeroDivisionError)
            for call in (kernel.activate(), kernel.deactivate(), kernel.reactivate()):
                with pytest.raises(KernelStateError, match="FAILED"):
                    await call
            with pytest.raises(ActorFailedError):
                async for _ in kernel.messages():
                    pass
            first = await kernel.terminate()
            assert await kernel.terminate() is first
            with pytest.raises(KernelStateError):
                await kernel.restart()

    go(probe)


def test_terminate_from_within_messages(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            for n in range(5):
                await kernel.send(Job(n))
            got = []
            async for answer in kernel.messages():
                got.append(answer.value)
                if len(got) == 2:
                    await kernel.terminate()
            assert got == [0, 2, 4, 6, 8]

    go(probe)


def test_two_readers_of_messages_share(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=4) as kernel:
            shares: list[list[int]] = [[], []]

            async def read(share: list[int]) -> None:
                async for answer in kernel.messages():
                    share.append(answer.value)
                    await asyncio.sleep(0)

            readers = [asyncio.create_task(read(share)) for share in shares]
            for n in range(200):
                await kernel.send(Job(n))
            await kernel.terminate()
            await asyncio.gather(*readers)
            assert sorted(shares[0] + shares[1]) == [2 * n for n in range(200)]
            assert all(share == sorted(share) for share in shares)

    go(probe)


# --- batches ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3])
def test_batches_of_every_shape(way: str, size: int) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=size) as kernel:
            assert await kernel.send_many([]) == 0
            assert await kernel.send_many(Job.array(value=[])) == 0
            given = 0
            for batch in ((Job(1),), [Job(2), Job(3)], Job.array(value=[4, 5, 6])):
                sending = asyncio.create_task(kernel.send_many(batch))
                got: list[int] = []
                while len(got) < len(batch):
                    got += (await kernel.receive_many(100, timeout=10))["value"].tolist()
                assert await sending == len(batch)
                assert got == [2 * (given + n + 1) for n in range(len(batch))]
                given += len(batch)
            for wrong in (0, -1):
                with pytest.raises(ValueError, match="max_messages"):
                    await kernel.receive_many(wrong)
            for bad in ([Job(1), Answer(1)], [Job(1), Job(2**70)], [Job(1), "x"]):
                with pytest.raises((MessageTypeError, MessageValueError)):
                    await kernel.send_many(bad)
            assert kernel.statistics().received == given

    go(probe)


def test_a_cancelled_batch_leaves_nothing_behind(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=3, active=False) as kernel:
            sending = asyncio.create_task(kernel.send_many([Job(n) for n in range(10)]))
            await turns()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert kernel.statistics().input_depth == 0
            sending = asyncio.create_task(kernel.send_many([Job(n) for n in range(10)]))
            await turns()
            behind = asyncio.create_task(kernel.send(Job(100)))
            await turns()
            sending.cancel()
            await behind  # there is room for it now
            await kernel.activate()
            assert (await kernel.receive()).value == 200

    go(probe)


def test_counts_of_batches_that_do_not_fit(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=3, active=False, backpressure=REJECT) as kernel:
            with pytest.raises(QueueFullError) as full:
                await kernel.send_many([Job(n) for n in range(5)])
            assert full.value.count == 3
            assert kernel.statistics().rejected == 2
        async with launched(way, queue_size=3, active=False) as kernel:
            for limit, count in ((0, 3), (0.01, 0)):
                with pytest.raises(QueueTimeoutError) as late:
                    await kernel.send_many([Job(n) for n in range(5)], timeout=limit)
                assert late.value.count == count
        async with launched(way, queue_size=3, active=False, backpressure=DROP) as kernel:
            assert await kernel.send_many([Job(n) for n in range(8)]) == 8
            ended = await kernel.terminate(drain=False)
            assert [job.value for job in ended.unprocessed] == [5, 6, 7]

    go(probe)


def test_several_kinds_in_and_out_in_batches(way: str) -> None:
    async def probe() -> None:
        async with launched(way, either, queue_size=64) as kernel:
            await kernel.send_many([Job(1), Job(2), Big(3), Big(4, 1.5), Job(5)])
            await until(lambda: kernel.statistics().processed == 5)
            batch = await kernel.receive_many(10, timeout=10)
            assert [type(each) for each in batch] == [Answer, Answer, Big, Big, Answer]
            assert batch.of(Answer)["value"].tolist() == [1, 2, 5]
            assert batch.of(Big)["value"].tolist() == [4, 5]
            assert batch.of(Big)["extra"].tolist() == [0.5, 1.5]
            await kernel.send_many(Big.array(value=[7, 8]))
            assert await kernel.receive(timeout=10) == Big(8)
            assert (await kernel.receive_many(1, timeout=10)).of(Big)["value"].tolist() == [9]
            with pytest.raises(MessageTypeError, match=r"Job \| Big"):
                await kernel.send(Answer(1))

    go(probe)


def test_several_kinds_in_requests_and_failures(way: str) -> None:
    async def probe() -> None:
        async with launched(way, either) as kernel:
            one, two = await asyncio.gather(kernel.request(Job(1)), kernel.request(Big(1)))
            assert (one, two) == (Answer(1, 1), Big(2))
            await kernel.send(Big(5))
            await kernel.send(Job(1, FAIL))
            assert await kernel.receive() == Big(6)
            with pytest.raises(ActorFailedError) as caught:
                await kernel.receive()
            assert caught.value.message_in == Job(1, FAIL)
            assert caught.value.state == {"seen": 3}
            await kernel.restart()
            assert await kernel.request(Job(9)) == Answer(9, 4)

    go(probe)


# --- statistics -------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [BLOCK, REJECT, DROP])
def test_statistics_add_up_when_all_is_quiet(way: str, strategy: BackpressureStrategy) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=5, active=False, backpressure=strategy) as kernel:
            refused = 0
            for n in range(8):
                try:
                    await kernel.send(Job(n, SILENT), timeout=0)
                except (QueueFullError, QueueTimeoutError):
                    refused += 1
            await kernel.activate()
            await until(lambda: kernel.statistics().input_depth == 0)
            await turns()
            seen = kernel.statistics()
            assert seen.received + refused == 8
            assert seen.received == seen.processed + seen.dropped
            assert (seen.sent, seen.output_depth, seen.errors, seen.fallbacks) == (0, 0, 0, 0)
            assert seen.rejected == (3 if strategy is REJECT else 0)
            assert seen.timeouts == (3 if strategy is BLOCK else 0)
            assert seen.dropped == (3 if strategy is DROP else 0)
            assert (seen.input_peak, seen.output_peak) == (5, 0)
            assert 0 < seen.latency_p50 <= seen.latency_p99
            with pytest.raises(AttributeError):
                seen.sent = 3

    go(probe)


def test_statistics_survive_the_end_and_a_restart(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            for n in range(4):
                await kernel.request(Job(n))
            await kernel.send(Job(1, FAIL))
            with pytest.raises(ActorFailedError):
                await kernel.receive()
            assert (kernel.statistics().processed, kernel.statistics().errors) == (4, 1)
            await kernel.restart()
            await kernel.request(Job(1))
            await kernel.terminate()
            seen = kernel.statistics()
            assert (seen.received, seen.processed, seen.sent, seen.errors) == (6, 5, 5, 1)
            assert seen.input_depth == seen.output_depth == 0

    go(probe)


# --- pausing and ending -----------------------------------------------------------------------


def test_drain_through_a_full_output_queue(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=2) as kernel:
            sending = asyncio.create_task(kernel.send_many([Job(n) for n in range(6)]))
            await turns()
            ending = asyncio.create_task(kernel.terminate(timeout=1.0))
            got = [answer.value async for answer in kernel.messages()]
            ended = await ending
            taken = 6
            try:
                await sending
            except KernelClosedError as error:
                taken = error.count
            assert got + [2 * job.value for job in ended.unprocessed] == [
                2 * n for n in range(taken)
            ]
            assert ended.unprocessed == ()

    go(probe)


def test_drain_with_nobody_reading_keeps_everything(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=2) as kernel:
            for n in range(4):
                await kernel.send(Job(n), timeout=10)
            ended = await kernel.terminate(timeout=0.2)
            got = [answer.value for answer in await drained(kernel)]
            assert got + [2 * job.value for job in ended.unprocessed] == [0, 2, 4, 6]

    go(probe)


def test_a_pause_in_the_middle_of_one_messages_many_outputs(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=2) as kernel:
            await kernel.send(Job(10, SEVERAL))
            await turns()
            pausing = asyncio.create_task(kernel.deactivate())
            await turns()
            got = []
            while True:
                try:
                    got.append((await kernel.receive(timeout=0)).value)
                except QueueTimeoutError:
                    break
            await pausing
            await kernel.reactivate()
            while len(got) < 10:
                got.append((await kernel.receive(timeout=10)).value)
            assert got == list(range(10))
            assert kernel.statistics().sent == 10

    go(probe)


def test_pause_and_end_at_once(way: str) -> None:
    async def probe() -> None:
        for delay in range(6):
            async with launched(way) as kernel:
                for n in range(5):
                    await kernel.send(Job(n))
                calls = [asyncio.create_task(kernel.deactivate())]
                await turns(delay)
                calls.append(asyncio.create_task(kernel.terminate()))
                paused, ended = await asyncio.gather(*calls, return_exceptions=True)
                assert paused is None or isinstance(paused, KernelStateError)
                assert ended.unprocessed == ()
                assert [a.value for a in await drained(kernel)] == [0, 2, 4, 6, 8]
                assert kernel.state is KernelState.TERMINATED

    go(probe)


def test_an_actor_that_leaves_with_messages_queued(
    way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def probe() -> None:
        async with launched(way, active=False) as kernel:
            for job in (Job(1), Job(2, PRINT), Job(0, LEAVE), Job(4), Job(5)):
                await kernel.send(job)
            waiting = asyncio.create_task(kernel.request(Job(6)))
            await turns()
            await kernel.activate()
            with pytest.raises(KernelClosedError):
                await waiting
            assert kernel.state is KernelState.TERMINATED
            ended = await kernel.terminate()
            assert [job.value for job in ended.unprocessed] == [4, 5, 6]
            assert [a.value for a in await drained(kernel)] == [2]

    go(probe)
    assert capsys.readouterr().out.splitlines() == ["job 2", "total 3"]


# --- threads ----------------------------------------------------------------------------------


def test_sixteen_threads_ask_at_once(way: str) -> None:
    async def probe() -> None:
        async with launched(way, queue_size=3) as kernel:
            wrong: list[Any] = []

            def ask(first: int) -> None:
                for n in range(first, first + 20):
                    reply = kernel.sync.request(Job(n), timeout=20)
                    if reply.value != 2 * n:
                        wrong.append((n, reply))

            await asyncio.gather(*(asyncio.to_thread(ask, 100 * n) for n in range(16)))
            assert wrong == []
            assert kernel.statistics().processed == 320

    go(probe)


def test_a_thread_is_told_of_failure_and_end(way: str) -> None:
    async def probe() -> None:
        async with launched(way) as kernel:
            seen: list[str] = []

            def work() -> None:
                for call in (
                    lambda: kernel.sync.send(Job(1, FAIL)),
                    lambda: kernel.sync.receive(timeout=10),
                    lambda: kernel.sync.send("no job"),
                ):
                    try:
                        call()
                        seen.append("fine")
                    except Exception as error:
                        seen.append(type(error).__name__)

            thread = threading.Thread(target=work)
            thread.start()
            while thread.is_alive():
                await asyncio.sleep(0)
            assert seen[:2] == ["fine", "ActorFailedError"]
            assert seen[2] in ("ActorFailedError", "MessageTypeError")
            with pytest.raises(Exception, match="event loop"):
                kernel.sync.send(Job(1))

    go(probe)
