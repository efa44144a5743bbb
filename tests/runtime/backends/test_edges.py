"""Edges of compiled actors, seen from inside: what waits where."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.contract import go
from tests.support.edges import Raw, last, parse, several, tagged, together


@pytest.mark.parametrize("size", [1, 4, 100])
def test_what_a_source_sends_has_room_before_it_sends_it(way: str, size: int) -> None:
    """Sources that stand in one line keep their place until their messages are in."""
    if way != "native":
        pytest.skip("native runs bursts on the event loop's thread only")

    async def probe() -> None:
        actors = (way, parse), (way, tagged), (way, (last, {"queue_size": size}))
        async with together(*actors) as runtime:
            for kernel_id in ("parse", "tagged"):
                await runtime.connect(kernel_id, "last")
            sources = [runtime.get(kernel_id) for kernel_id in ("parse", "tagged")]
            batch = Raw.array(value=range(500))
            sending = [asyncio.create_task(each.send_many(batch)) for each in sources]
            received = 0
            while received < 1000:
                received += len(await runtime.receive_many("last", 64))
                assert not any(each.actor.routes.backlog for each in sources)
            await asyncio.gather(*sending)

    go(probe)


def test_only_what_one_turn_sends_waits_in_the_backlog(way: str) -> None:
    async def probe() -> None:
        async with together((way, several), (way, (last, {"queue_size": 2}))) as runtime:
            line = await runtime.pipeline("several", "last")
            await runtime.deactivate("last")
            await line.send_many([Raw(6), Raw(6), Raw(6)])
            while not runtime.blocked():
                await asyncio.sleep(0)
            assert len(runtime.get("several").actor.routes.backlog) <= 4
            await runtime.reactivate("last")
            assert [(await line.receive()).value for _ in range(18)] == 3 * list(range(6))

    go(probe)
