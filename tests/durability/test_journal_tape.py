"""The extension writes groups as the Python code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from pydotcompute.durability.segments import segment_name
from pydotcompute.kernels import accelerate
from tests.support.contract import go, need_compiler
from tests.support.durable import Add, life, sums

FIRST = segment_name(1)


@pytest.fixture(autouse=True)
def needs_extension() -> None:
    need_compiler("native")
    if accelerate.extension is None:
        pytest.skip("the extension was not built")


def written(folder: Path, fast: bool, count: int) -> bytes:
    async def main() -> None:
        async with life(folder) as runtime:
            kernel = await runtime.launch("sums", sums, backend="native")
            await kernel.activate()
            for value in range(count):
                await kernel.send(Add(value * 1_000_003))
                await kernel.receive()
            assert hasattr(kernel.actor.inbox.port, "tape")

    accelerate.use(fast)
    try:
        go(main)
    finally:
        accelerate.use()
    return (folder / FIRST).read_bytes()


def test_both_write_the_same_bytes(tmp_path: Path) -> None:
    fast, slow = written(tmp_path / "fast", True, 50), written(tmp_path / "slow", False, 50)
    assert fast[48:] == slow[48:]  # behind the header, which names the journal
    assert len(fast) == len(slow)


def test_room_is_made_where_the_segment_ends(tmp_path: Path) -> None:
    count = 30_000  # more than one step of room
    assert len(written(tmp_path, True, count)) > 1 << 20

    async def again() -> None:
        async with life(tmp_path) as runtime:
            kernel = await runtime.launch("sums", sums, backend="native")
            await kernel.activate()
            assert (await kernel.request(Add(0))).count == count + 1

    go(again)
