"""Probes of the contract's section 11: what goes along edges, backpressure, errors, requests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    KernelClosedError,
    KernelState,
    QueueFullError,
    QueueTimeoutError,
)
from tests.support.contract import go, need_compiler, turns, until
from tests.support.edges import (
    DROP,
    REJECT,
    Number,
    Raw,
    Text,
    careful,
    double,
    inverse,
    last,
    parse,
    several,
    slow,
    slowly,
    split,
    stubborn,
    tagged,
    through,
    together,
    words,
)

MIXED = [
    ("native", "python", "native"),
    ("python", "native", "python"),
    ("native", "cuda", "native"),
    ("cuda", "python", "cuda"),
]


@pytest.fixture(params=MIXED, ids="-".join)
def mixed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Three backends in a row."""
    need_compiler("native")
    if "cuda" in request.param:
        monkeypatch.setenv("PYDOTCOMPUTE_DEVICE", "emulated")
    found: tuple[str, ...] = request.param
    return found


# --- what is sent arrives ------------------------------------------------------------------


def test_what_one_sends_the_next_receives(way: str) -> None:
    async def probe() -> None:
        async with together((way, parse), (way, double), (way, last)) as runtime:
            edge = await runtime.connect("parse", "double")
            await runtime.connect("double", "last")
            await runtime.send("parse", Raw(4))
            assert await runtime.receive("last") == Number(10)
            assert (edge.source, edge.target, edge.delivered) == ("parse", "double", 1)

    go(probe)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_batch_goes_through_a_pipeline_in_order(way: str, size: int) -> None:
    async def probe() -> None:
        actors = (way, parse), (way, double), (way, last)
        async with together(*actors, queue_size=size) as runtime:
            line = await runtime.pipeline("parse", "double", "last")
            assert await through(line, 300) == [2 * n + 2 for n in range(300)]

    go(probe)


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_backends_can_be_mixed(mixed: tuple[str, ...], size: int) -> None:
    async def probe() -> None:
        actors = zip(mixed, (parse, double, last), strict=True)
        async with together(*actors, queue_size=size) as runtime:
            line = await runtime.pipeline("parse", "double", "last")
            assert await through(line, 200) == [2 * n + 2 for n in range(200)]
            replies = await asyncio.gather(*(line.request(Raw(n)) for n in range(30)))
            assert [each.value for each in replies] == [2 * n + 2 for n in range(30)]

    go(probe)


def test_strings_go_along_edges(way: str) -> None:
    async def probe() -> None:
        async with together((way, split), (way, words), (way, last)) as runtime:
            await runtime.connect("split", "words", on=Text)
            await runtime.connect("split", "last", on=(Number,))
            await runtime.get("split").send_many(Raw.array(value=range(30)))
            texts = [(await runtime.receive("words")).text for _ in range(10)]
            assert texts == [f"{n}!" for n in range(0, 30, 3)]
            numbers = [(await runtime.receive("last")).value for _ in range(20)]
            assert numbers == [n for n in range(30) if n % 3]

    go(probe)


def test_what_no_edge_takes_goes_to_the_own_output_queue(way: str) -> None:
    async def probe() -> None:
        async with together((way, split), (way, words)) as runtime:
            await runtime.connect("split", "words", on=Text)
            await runtime.get("split").send_many(Raw.array(value=range(30)))
            numbers = [(await runtime.receive("split")).value for _ in range(20)]
            assert numbers == [n for n in range(30) if n % 3]
            assert len([await runtime.receive("words") for _ in range(10)]) == 10

    go(probe)


def test_each_target_gets_each_message(way: str) -> None:
    async def probe() -> None:
        actors = (way, parse), (way, double), (way, last)
        async with together(*actors, queue_size=5) as runtime:
            await runtime.connect("parse", "double")
            await runtime.connect("parse", "last")

            async def taken(kernel_id: str) -> list[int]:
                return [(await runtime.receive(kernel_id)).value for _ in range(200)]

            sending = runtime.get("parse").send_many(Raw.array(value=range(200)))
            doubled, plain, _ = await asyncio.gather(taken("double"), taken("last"), sending)
            assert doubled == [2 * n + 2 for n in range(200)]
            assert plain == [n + 1 for n in range(200)]

    go(probe)


def test_any_number_of_messages_for_one(way: str) -> None:
    async def probe() -> None:
        async with together((way, several), (way, (last, {"queue_size": 3}))) as runtime:
            line = await runtime.pipeline("several", "last")
            for count in (0, 1, 10, 2, 50):
                await line.send(Raw(count))
            expected = [(n, count) for count in (0, 1, 10, 2, 50) for n in range(count)]
            got = [await line.receive() for _ in expected]
            assert [(each.value, each.by) for each in got] == expected

    go(probe)


def test_sources_of_one_target_are_served_fairly(way: str) -> None:
    async def probe() -> None:
        actors = (way, parse), (way, tagged), (way, (last, {"queue_size": 4}))
        async with together(*actors) as runtime:
            await runtime.deactivate("parse")
            await runtime.deactivate("tagged")
            await runtime.connect("parse", "last")
            await runtime.connect("tagged", "last")
            for kernel_id in ("parse", "tagged"):
                await runtime.get(kernel_id).send_many(Raw.array(value=range(400)))
            await runtime.reactivate("parse")
            await runtime.reactivate("tagged")
            first = [(await runtime.receive("last")).by for _ in range(400)]
            assert 50 <= sum(by == 7 for by in first) <= 350

    go(probe)


# --- an edge is a client -------------------------------------------------------------------


def test_backpressure_reaches_the_clients_of_the_first(way: str) -> None:
    async def probe() -> None:
        actors = (way, parse), (way, double), (way, last)
        async with together(*actors, queue_size=4) as runtime:
            line = await runtime.pipeline("parse", "double", "last")
            await runtime.deactivate("last")
            with pytest.raises(QueueTimeoutError) as caught:
                await line.send_many(Raw.array(value=range(100)), timeout=0.3)
            assert 12 <= caught.value.count <= 3 * 4 + 2 * 4 + 3
            blocked = {(who, whom) for who, whom, _ in runtime.blocked()}
            assert ("double", "last") in blocked
            await runtime.reactivate("last")
            got = [(await line.receive()).value for _ in range(caught.value.count)]
            assert got == [2 * n + 2 for n in range(caught.value.count)]
            await until(lambda: not runtime.blocked())

    go(probe)


def test_fan_out_waits_for_the_slowest(way: str) -> None:
    async def probe() -> None:
        actors = (way, parse), (way, double), (way, last)
        async with together(*actors, queue_size=4) as runtime:
            await runtime.connect("parse", "double")
            await runtime.connect("parse", "last")
            await runtime.deactivate("last")
            with pytest.raises(QueueTimeoutError):
                await runtime.get("parse").send_many(Raw.array(value=range(100)), timeout=0.3)
            with pytest.raises(QueueTimeoutError):
                for _ in range(20):
                    await runtime.receive("double", timeout=0.05)
            await runtime.reactivate("last")
            assert (await runtime.receive("last")).value == 1

    go(probe)


def test_a_full_queue_that_refuses_raises_in_the_source(way: str) -> None:
    async def probe() -> None:
        targets = (way, (last, {"queue_size": 3, "backpressure": REJECT}))
        async with together((way, careful), targets) as runtime:
            await runtime.connect("careful", "last")
            await runtime.deactivate("last")
            await runtime.get("careful").send_many(Raw.array(value=range(10)))
            await until(lambda: runtime.statistics("careful").processed == 10)
            await runtime.reactivate("last")
            got = [await runtime.receive("last") for _ in range(3)]
            assert [each.value for each in got] == [0, 1, 2]
            await runtime.send("careful", Raw(10))
            assert await runtime.receive("last") == Number(10, 7)

    go(probe)


def test_an_error_of_an_edge_that_nobody_catches_fails_the_source(way: str) -> None:
    async def probe() -> None:
        targets = (way, (last, {"queue_size": 3, "backpressure": REJECT}))
        async with together((way, parse), targets) as runtime:
            await runtime.connect("parse", "last")
            await runtime.deactivate("last")
            await runtime.get("parse").send_many(Raw.array(value=range(10)))
            await until(lambda: runtime.get("parse").state is KernelState.FAILED)
            with pytest.raises(ActorFailedError) as caught:
                await runtime.send("parse", Raw(1))
            assert isinstance(caught.value.__cause__, QueueFullError)
            assert "'last'" in str(caught.value.__cause__)
            assert caught.value.message_in == Raw(3)

    go(probe)


def test_a_queue_that_drops_its_oldest_never_holds_up_the_source(way: str) -> None:
    async def probe() -> None:
        targets = (way, (last, {"queue_size": 3, "backpressure": DROP}))
        async with together((way, parse), targets) as runtime:
            await runtime.connect("parse", "last")
            await runtime.deactivate("last")
            await runtime.get("parse").send_many(Raw.array(value=range(50)))
            await until(lambda: runtime.statistics("parse").processed == 50)
            assert runtime.statistics("last").dropped == 47
            await runtime.reactivate("last")
            assert [(await runtime.receive("last")).value for _ in range(3)] == [48, 49, 50]

    go(probe)


def test_a_failed_target_raises_in_the_source(way: str) -> None:
    async def probe() -> None:
        async with together((way, parse), (way, inverse)) as runtime:
            await runtime.connect("parse", "inverse")
            await runtime.send("parse", Raw(-1))  # 100 // 0
            await until(lambda: runtime.get("inverse").state is KernelState.FAILED)
            await runtime.send("parse", Raw(4))
            await until(lambda: runtime.get("parse").state is KernelState.FAILED)
            with pytest.raises(ActorFailedError) as caught:
                await runtime.send("parse", Raw(1))
            assert isinstance(caught.value.__cause__, ActorFailedError)
            assert caught.value.__cause__.kernel_id == "inverse"
            assert caught.value.message_in == Raw(4)

    go(probe)


@pytest.mark.parametrize("ending", ["fails", "ends"])
def test_a_source_may_go_on_without_its_target(way: str, ending: str) -> None:
    async def probe() -> None:
        async with together((way, stubborn), (way, inverse)) as runtime:
            edge = await runtime.connect("stubborn", "inverse")
            await runtime.send("stubborn", Raw(50))
            assert await runtime.receive("inverse") == Number(2)
            if ending == "fails":
                await runtime.send("stubborn", Raw(0))
                await until(lambda: runtime.get("inverse").state is KernelState.FAILED)
            else:
                await runtime.terminate("inverse")
            await runtime.get("stubborn").send_many([Raw(1), Raw(2), Raw(3)])
            await until(lambda: runtime.statistics("stubborn").processed >= 4)
            await edge.close()
            await runtime.send("stubborn", Raw(9))
            assert await runtime.receive("stubborn") == Number(9, 3)

    go(probe)


@pytest.mark.parametrize("actor", [parse, several], ids=["one", "any-number"])
def test_a_target_that_ends_while_the_source_waits(way: str, actor: Any) -> None:
    async def probe() -> None:
        async with together((way, actor), (way, (inverse, {"queue_size": 2}))) as runtime:
            name = actor.__name__
            await runtime.connect(name, "inverse")
            await runtime.deactivate("inverse")
            await runtime.get(name).send_many(Raw.array(value=range(3, 9)))
            await until(lambda: runtime.blocked())
            report = await runtime.terminate("inverse", drain=False)
            assert len(report.unprocessed) == 2
            await until(lambda: runtime.get(name).state is KernelState.FAILED)
            with pytest.raises(ActorFailedError) as caught:
                await runtime.send(name, Raw(1))
            assert isinstance(caught.value.__cause__, KernelClosedError)

    go(probe)


def test_long_work_on_a_worker_thread_goes_along_edges(way: str) -> None:
    async def probe() -> None:
        actors = (way, (slow, {"queue_size": 50})), (way, (last, {"queue_size": 2}))
        async with together(*actors) as runtime:
            line = await runtime.pipeline("slow", "last")
            await line.send_many(Raw.array(value=range(6)))
            asked = [asyncio.create_task(line.request(Raw(n))) for n in range(100, 104)]
            others = [asyncio.create_task(runtime.request("last", Number(n))) for n in range(20)]
            edge = line.edges[0]
            await until(lambda: edge.delivered >= 2)
            await runtime.deactivate("slow")
            before = edge.delivered
            await turns()
            assert edge.delivered == before
            await runtime.reactivate("slow")
            got = [await line.receive() for _ in range(6)]
            assert got == [Number(n, slowly(n)) for n in range(6)]
            replies = await asyncio.gather(*asked)
            assert replies == [Number(n, slowly(n)) for n in range(100, 104)]
            assert [each.value for each in await asyncio.gather(*others)] == list(range(20))

    go(probe)


# --- requests ------------------------------------------------------------------------------


def test_a_request_gets_the_reply_to_this_very_message(way: str) -> None:
    async def probe() -> None:
        actors = (way, parse), (way, double), (way, last)
        async with together(*actors, queue_size=3) as runtime:
            line = await runtime.pipeline("parse", "double", "last")
            received: list[int] = []

            async def ask(n: int) -> None:
                raw = Raw(n)
                reply = await line.request(raw)
                assert reply == Number(2 * n + 2)
                assert reply.correlation_id == raw.message_id

            async def take() -> None:
                while len(received) < 50:
                    received.append((await line.receive()).value)

            async def give() -> None:
                for n in range(1000, 1050):
                    await line.send(Raw(n))

            await asyncio.gather(take(), give(), *(ask(n) for n in range(60)))
            assert received == [2 * n + 2 for n in range(1000, 1050)]

    go(probe)


def test_whoever_else_calls_gets_their_own(way: str) -> None:
    """Requests to a stage itself, and through all of them, at the same time."""

    async def probe() -> None:
        async with together((way, parse), (way, double), (way, last)) as runtime:
            line = await runtime.pipeline("parse", "double", "last")
            asked = [line.request(Raw(n)) for n in range(20)]
            asked += [runtime.request("double", Number(n)) for n in range(20)]
            asked += [runtime.request("parse", Raw(n)) for n in range(20)]
            got = [each.value for each in await asyncio.gather(*asked)]
            assert got[:20] == [2 * n + 2 for n in range(20)]
            assert got[20:40] == [2 * n for n in range(20)]
            assert got[40:] == [n + 1 for n in range(20)]
            with pytest.raises(QueueTimeoutError):
                await runtime.receive("last", timeout=0)

    go(probe)


def test_a_request_that_fails_on_its_way(way: str) -> None:
    async def probe() -> None:
        async with together((way, parse), (way, inverse), (way, last)) as runtime:
            line = await runtime.pipeline("parse", "inverse", "last")
            assert (await line.request(Raw(9))).value == 10
            with pytest.raises(ActorFailedError) as caught:
                await line.request(Raw(-1))
            assert caught.value.kernel_id == "inverse"

    go(probe)


def test_a_request_that_is_given_up_goes_on_and_is_nobody_elses(way: str) -> None:
    async def probe() -> None:
        async with together((way, parse), (way, double)) as runtime:
            line = await runtime.pipeline("parse", "double")
            await runtime.deactivate("double")
            with pytest.raises(QueueTimeoutError):
                await line.request(Raw(1), timeout=0.05)
            waiting = asyncio.create_task(line.request(Raw(2)))
            await turns()
            await runtime.reactivate("double")
            assert (await waiting).value == 6
            await line.send(Raw(3))
            assert (await line.receive()).value == 8

    go(probe)
