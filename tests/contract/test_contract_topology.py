"""Probes of the contract's section 11: what may be connected, changes in full flow, the end."""

from __future__ import annotations

import asyncio

import pytest

from pydotcompute import (
    KernelContext,
    KernelNotFoundError,
    KernelState,
    MessageTypeError,
    QueueTimeoutError,
    TopologyError,
)
from tests.support.contract import drained, go, turns, until
from tests.support.edges import (
    DROP,
    Number,
    Raw,
    Text,
    double,
    inverse,
    last,
    parse,
    split,
    together,
    words,
)

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
            await runtime.connect("parse", "last")  # it has kept no place in the line
            await runtime.send("parse", Raw(6))
            await runtime.send("last", Number(8))
            assert {(await runtime.receive("last")).value for _ in range(2)} == {7, 8}

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
