"""Probes of the contract's section 11 and of cases 17.4 to 17.6 and 17.11: actors together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    KernelClosedError,
    KernelContext,
    KernelNotFoundError,
    KernelState,
    MessageTypeError,
    QueueFullError,
    QueueTimeoutError,
    RingKernelRuntime,
    TopologyError,
    message,
)
from tests.support.contract import decorated, drained, go, need_compiler, turns, until

REJECT, DROP = BackpressureStrategy.REJECT, BackpressureStrategy.DROP_OLDEST


@message
@dataclass
class Raw:
    value: int


@message
@dataclass
class Number:
    value: int
    by: int = 0


@message
@dataclass
class Text:
    text: str


async def parse(ctx: KernelContext[Raw, Number]) -> None:
    while not ctx.should_terminate:
        raw = await ctx.receive()
        await ctx.send(Number(raw.value + 1))


async def double(ctx: KernelContext[Number, Number]) -> None:
    while not ctx.should_terminate:
        number = await ctx.receive()
        await ctx.send(Number(2 * number.value, number.by))


async def tagged(ctx: KernelContext[Raw, Number]) -> None:
    while not ctx.should_terminate:
        raw = await ctx.receive()
        await ctx.send(Number(raw.value, 7))


async def last(ctx: KernelContext[Number, Number]) -> None:
    total = 0
    while not ctx.should_terminate:
        number = await ctx.receive()
        total += number.value
        await ctx.send(Number(number.value, number.by))


async def inverse(ctx: KernelContext[Number, Number]) -> None:
    while not ctx.should_terminate:
        number = await ctx.receive()
        await ctx.send(Number(100 // number.value))


async def split(ctx: KernelContext[Raw, Number | Text]) -> None:
    while not ctx.should_terminate:
        raw = await ctx.receive()
        if raw.value % 3 == 0:
            await ctx.send(Text(f"{raw.value}"))
        else:
            await ctx.send(Number(raw.value))


async def several(ctx: KernelContext[Raw, Number]) -> None:
    """Sends any number for one."""
    while not ctx.should_terminate:
        raw = await ctx.receive()
        for n in range(raw.value):
            await ctx.send(Number(n, raw.value))


async def careful(ctx: KernelContext[Raw, Number]) -> None:
    """Counts what a full queue refuses, and says how many with the next."""
    refused = 0
    while not ctx.should_terminate:
        raw = await ctx.receive()
        try:
            await ctx.send(Number(raw.value, refused))
        except QueueFullError:
            refused += 1


async def stubborn(ctx: KernelContext[Raw, Number]) -> None:
    """Goes on whatever becomes of those behind it."""
    lost = 0
    while not ctx.should_terminate:
        raw = await ctx.receive()
        try:
            await ctx.send(Number(raw.value, lost))
        except (ActorFailedError, KernelClosedError):
            lost += 1


async def words(ctx: KernelContext[Text, Text]) -> None:
    while not ctx.should_terminate:
        text = await ctx.receive()
        await ctx.send(Text(text.text + "!"))


@asynccontextmanager
async def together(
    *ways_and_actors: tuple[str, Any], active: bool = True, **settings: Any
) -> AsyncIterator[Any]:
    """A runtime with some actors, each under its name and on its backend.

    Args:
        ways_and_actors: ``(backend, function)`` or ``(backend, (function, settings))``.
        active: whether they are activated.
        settings: of all of them.
    """
    async with RingKernelRuntime(fallback="allow", shutdown_timeout=5.0) as runtime:
        for way, actor in ways_and_actors:
            function, own = actor if isinstance(actor, tuple) else (actor, {})
            made = decorated(function, **{**settings, **own})
            kernel = await runtime.launch(made.kernel_id, made, backend=way)
            assert kernel.backend == way
            if active:
                await kernel.activate()
        yield runtime


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


async def through(line: Any, count: int) -> list[int]:
    """The values that come out when so many are sent."""
    sending = asyncio.create_task(line.send_many(Raw.array(value=range(count))))
    values: list[int] = []
    while len(values) < count:
        values += (await line.receive_many(50))["value"].tolist()
    assert await sending == count
    return values


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


# --- what may be connected -----------------------------------------------------------------


def test_connections_that_are_refused_change_nothing(way: str) -> None:
    async def probe() -> None:
        async with together((way, parse), (way, double), (way, words)) as runtime:
            await runtime.connect("parse", "double")
            before = runtime.topology
            with pytest.raises(KernelNotFoundError, match="'nothing'"):
                await runtime.connect("parse", "nothing")
            with pytest.raises(TopologyError, match="connected already"):
                await runtime.connect("parse", "double")
            with pytest.raises(TopologyError, match="connected already"):
                await runtime.connect("parse", "double", on=Number)
            with pytest.raises(MessageTypeError, match=r"'double'.*'words'"):
                await runtime.connect("double", "words")
            with pytest.raises(MessageTypeError, match=r"'parse'.*'words'.*Text"):
                await runtime.connect("parse", "words", on=Text)
            with pytest.raises(TopologyError, match="'double' -> 'double'"):
                await runtime.connect("double", "double")
            with pytest.raises(TypeError, match="on="):
                await runtime.connect("double", "words", on="Text")
            with pytest.raises(MessageTypeError):
                await runtime.pipeline("double", "words")
            with pytest.raises(KernelNotFoundError):
                await runtime.pipeline("double", "words", "nothing")
            with pytest.raises(ValueError, match="at least two"):
                await runtime.pipeline("double")
            await runtime.terminate("words")
            with pytest.raises(TopologyError, match="TERMINATED"):
                await runtime.connect("double", "words")
            assert runtime.topology.edges == before.edges
            await runtime.send("parse", Raw(1))
            assert (await runtime.receive("double")).value == 4

    go(probe)


def test_a_pipeline_that_is_refused_connects_none(way: str) -> None:
    async def probe() -> None:
        async with together((way, parse), (way, double), (way, words)) as runtime:
            with pytest.raises(MessageTypeError):
                await runtime.pipeline("parse", "double", "words")
            assert runtime.topology.edges == ()
            await runtime.send("parse", Raw(1))
            assert (await runtime.receive("parse")).value == 2

    go(probe)


async def back(ctx: KernelContext[Number, Number]) -> None:
    while not ctx.should_terminate:
        number = await ctx.receive()
        if number.value < 100:
            await ctx.send(Number(number.value + 1))


def test_a_cycle_of_actors_that_wait_is_refused(way: str) -> None:
    async def probe() -> None:
        async with together((way, double), (way, last), (way, back)) as runtime:
            await runtime.connect("double", "last")
            await runtime.connect("last", "back")
            with pytest.raises(TopologyError, match="'back' -> 'double' -> 'last' -> 'back'"):
                await runtime.connect("back", "double")
            assert len(runtime.topology.edges) == 2

    go(probe)


def test_a_cycle_with_a_queue_that_never_waits_runs(way: str) -> None:
    async def probe() -> None:
        async with together((way, double), (way, (back, {"backpressure": DROP}))) as runtime:
            await runtime.connect("double", "back")
            await runtime.connect("back", "double")
            await runtime.send("double", Number(1))
            await until(lambda: runtime.statistics("back").processed == 6)  # 2 6 14 30 62 126
            assert runtime.statistics("double").processed == 6

    go(probe)


# --- while messages flow -------------------------------------------------------------------


def test_edges_are_made_and_closed_while_messages_flow(way: str) -> None:
    async def probe() -> None:
        actors = (way, (parse, {"queue_size": 5})), (way, last), (way, double)
        async with together(*actors, queue_size=2000) as runtime:
            got: dict[str, list[int]] = {"parse": [], "last": []}

            async def take(kernel_id: str) -> None:
                while len(got["parse"]) + len(got["last"]) < 1000:
                    try:
                        message = await runtime.receive(kernel_id, timeout=0.02)
                    except QueueTimeoutError:
                        continue
                    got[kernel_id].append(message.value)

            async def change() -> None:
                while len(got["parse"]) + len(got["last"]) < 900:
                    edge = await runtime.connect("parse", "last")
                    await turns(7)
                    await edge.close()
                    await turns(3)

            sending = runtime.get("parse").send_many(Raw.array(value=range(1000)))
            await asyncio.gather(sending, take("parse"), take("last"), change())
            assert sorted(got["parse"] + got["last"]) == list(range(1, 1001))
            for each in got.values():
                assert each == sorted(each)
            assert got["last"]

    go(probe)


def test_a_message_that_waits_while_its_edge_is_closed_goes_somewhere_once(way: str) -> None:
    async def probe() -> None:
        async with together((way, parse), (way, (last, {"queue_size": 2}))) as runtime:
            edge = await runtime.connect("parse", "last")
            await runtime.deactivate("last")
            await runtime.get("parse").send_many(Raw.array(value=range(6)))
            await until(lambda: runtime.blocked())
            await edge.close()
            assert edge.closed
            own = [(await runtime.receive("parse")).value for _ in range(4)]
            await runtime.reactivate("last")
            there = [(await runtime.receive("last")).value for _ in range(2)]
            assert (there, own) == ([1, 2], [3, 4, 5, 6])
            assert runtime.topology.edges == ()

    go(probe)


def test_a_paused_actor_in_the_middle_loses_nothing(way: str) -> None:
    async def probe() -> None:
        actors = (way, parse), (way, double), (way, last)
        async with together(*actors, queue_size=8) as runtime:
            line = await runtime.pipeline("parse", "double", "last")
            sending = asyncio.create_task(line.send_many(Raw.array(value=range(300))))
            values: list[int] = []
            while len(values) < 300:
                for kernel_id in ("double", "last", "parse"):
                    await runtime.deactivate(kernel_id)
                    await turns(5)
                    await runtime.reactivate(kernel_id)
                values += (await line.receive_many(20))["value"].tolist()
            assert values == [2 * n + 2 for n in range(300)]
            await sending

    go(probe)


def test_an_edge_survives_a_restart(way: str) -> None:
    async def probe() -> None:
        async with together((way, parse), (way, inverse), (way, last)) as runtime:
            line = await runtime.pipeline("parse", "inverse", "last")
            await runtime.send("parse", Raw(-1))
            await until(lambda: runtime.get("inverse").state is KernelState.FAILED)
            await runtime.restart("inverse")
            await line.send(Raw(9))
            assert (await line.receive()).value == 10

    go(probe)


# --- the end -------------------------------------------------------------------------------


def test_everything_is_drained_in_the_order_of_the_graph(way: str) -> None:
    async def probe() -> None:
        actors = (way, last), (way, double), (way, parse)
        async with together(*actors) as runtime:
            line = await runtime.pipeline("parse", "double", "last")
            await runtime.deactivate("double")
            await line.send_many(Raw.array(value=range(50)))
        values = [each.value for each in await drained(runtime.get("last"))]
        assert values == [2 * n + 2 for n in range(50)]
        assert all(kernel.statistics().input_depth == 0 for kernel in runtime.kernels)

    go(probe)


def test_terminate_ends_one_actor_and_nothing_vanishes(way: str) -> None:
    async def probe() -> None:
        actors = (way, parse), (way, double), (way, (last, {"queue_size": 3}))
        async with together(*actors, queue_size=20) as runtime:
            await runtime.pipeline("parse", "double", "last")
            await runtime.deactivate("last")
            await runtime.get("parse").send_many(Raw.array(value=range(18)))
            await until(lambda: runtime.blocked())
            report = await runtime.terminate("double", timeout=0.2)
            assert runtime.get("parse").state in (KernelState.ACTIVE, KernelState.FAILED)
            end = await runtime.terminate("last", drain=False)
            own = await drained(runtime.get("double"))
            seen = [each.value // 2 for each in (*end.unprocessed, *own)]
            seen += [each.value for each in report.unprocessed]
            assert seen == list(range(1, 1 + len(seen)))
            assert len(seen) >= 18 - runtime.statistics("parse").input_depth - 1

    go(probe)


# --- looking -------------------------------------------------------------------------------


def test_the_topology_is_a_value(way: str) -> None:
    async def probe() -> None:
        async with together((way, split), (way, words), (way, last)) as runtime:
            await runtime.connect("split", "words", on=Text)
            await runtime.connect("split", "last", on=Number)
            await runtime.get("split").send_many(Raw.array(value=range(6)))
            await until(lambda: runtime.topology.edges[1].delivered == 4)
            seen = runtime.topology
            found = seen.to_dict()
            assert [node["kernel_id"] for node in found["nodes"]] == ["split", "words", "last"]
            assert [(e["source"], e["target"], e["delivered"]) for e in found["edges"]] == [
                ("split", "words", 2),
                ("split", "last", 4),
            ]
            with pytest.raises(AttributeError):
                seen.edges = ()
            chart = seen.to_mermaid()
            assert "flowchart" in chart
            assert f"words ({way})" in chart
            assert '|"Text"|' in chart

    go(probe)


def test_blocked_says_who_waits_for_whom_and_how_long(way: str) -> None:
    async def probe() -> None:
        async with together((way, parse), (way, (last, {"queue_size": 1}))) as runtime:
            await runtime.connect("parse", "last")
            assert runtime.blocked() == []
            await runtime.deactivate("last")
            await runtime.get("parse").send_many(Raw.array(value=range(4)))
            await until(lambda: runtime.blocked() and runtime.blocked()[0][2] > 0)
            ((who, whom, seconds),) = runtime.blocked()
            assert (who, whom) == ("parse", "last")
            assert 0 < seconds < 30
            assert runtime.topology.edges[0].blocked > 0
            assert "==>" in runtime.topology.to_mermaid()

    go(probe)
