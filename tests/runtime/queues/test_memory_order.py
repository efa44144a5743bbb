"""Rings on a processor that reorders: a fence stands between each record and its counter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pydotcompute import BackpressureStrategy
from pydotcompute.accel.storage import extension
from pydotcompute.backends.compiled import queue_migration
from pydotcompute.kernels import accelerate
from pydotcompute.queues import memory_order
from pydotcompute.queues.port_words import HEAD, TAIL
from tests.support.contract import Answer, Job, go, launched, plain, until
from tests.support.native_actor import kit as native_kit


def test_the_fence_of_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory_order.fence_of(strong=True) is None
    if extension is not None:
        assert memory_order.fence_of(strong=False) is extension.fence
        assert extension.fence() is None
    monkeypatch.setattr(memory_order, "extension", None)
    assert memory_order.fence_of(strong=False) is memory_order.fence_by_lock
    memory_order.fence_by_lock()


class _Count:
    """A fence that notes the counters it finds."""

    def __init__(self) -> None:
        self.ports: Callable[[], tuple[Any, Any]] | None = None
        self.seen: list[tuple[int, int, int]] = []

    def __call__(self) -> None:
        memory_order.fence_by_lock()
        if self.ports is not None:
            inport, outport = self.ports()
            self.seen.append((inport.head, inport.words[HEAD], outport.words[TAIL]))


@pytest.mark.parametrize("policy", list(BackpressureStrategy))
def test_counters_are_written_behind_a_fence(
    policy: BackpressureStrategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    if native_kit.library() is None:
        pytest.skip("no C++ compiler")
    count = _Count()
    monkeypatch.setattr(queue_migration, "fence_of", lambda: count)
    accelerate.use(False)

    async def probe() -> None:
        async with launched("native", plain, backpressure=policy) as kernel:
            await until(lambda: not kernel._actor.engine.run_flags)
            inport, outport = kernel._inbox.port, kernel._outbox.port
            assert inport.fence is count
            count.ports = lambda: (inport, outport)
            for n in range(3):
                count.seen.clear()
                await kernel.send(Job(n + 1))
                # the record is written, its counter is not
                assert (n + 1, n, n) in count.seen
                count.seen.clear()
                assert isinstance(await kernel.receive(), Answer)
                # the record has been read, its slot is not free yet
                assert count.seen
                assert count.seen[-1][2] == n
                assert outport.words[TAIL] == n + 1
            count.ports = None

    try:
        go(probe)
    finally:
        accelerate.use()
