"""``docs/snapshot-format.md`` is enough to read a snapshot, and says no word too little."""

from __future__ import annotations

import ast
import asyncio
import enum
from pathlib import Path
from typing import Any

import pytest

from pydotcompute import RingKernelRuntime, message, ring_kernel
from pydotcompute.durability.plain_values import BY_KIND
from pydotcompute.durability.shred import _SHREDDERS
from pydotcompute.tools.cli import main
from tests.docs.snapshot_reader import read

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "snapshot-format.md").read_text(encoding="utf-8")


class Side(enum.Enum):
    BUY = 1
    SELL = 2


@message
class Order:
    owner: str
    price: float
    side: Side = Side.BUY


async def book(ctx: Any) -> None:
    total, seen, side, last = 0.0, 0, Side.SELL, None
    owners: dict[str, int] = {}
    nested: list[Any] = []
    while not ctx.should_terminate:
        order = await ctx.receive()
        total += order.price
        owners[order.owner] = seen
        nested.append([seen, ()])
        seen += 1
        side, last = order.side, order.side if last is None else None
        await ctx.send(Order("sum", total, side))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "book.pdc"
    actor = ring_kernel(
        kernel_id="book", input_type=Order, output_type=Order, auto_register=False
    )(book)  # fmt: skip

    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await runtime.launch("book", actor)
            await kernel.activate()
            for n in range(3):
                await kernel.send(Order(f"owner {n}", n / 2))
                await kernel.receive()
            await kernel.deactivate()
            await kernel.send(Order("late", 1.5, Side.SELL))
            await kernel.send(Order("later", 2.5))
            (await kernel.snapshot()).save(made)

    asyncio.run(probe())
    return made


def test_a_reader_without_the_library_reads_states_and_queues(path: Path) -> None:
    meta, values = read(path)
    (kernel,) = meta["kernels"]
    states = {name: values(column)[0] for name, column in kernel["instances"]["variables"]}
    assert states == {
        "total": 1.5, "seen": 3, "last": "BUY",
        "owners": {"owner 0": 0, "owner 1": 1, "owner 2": 2},
        "nested": [[0, ()], [1, ()], [2, ()]],
    }  # fmt: skip
    assert values(kernel["inputs"]) == [
        {"owner": "late", "price": 1.5, "side": "SELL"},
        {"owner": "later", "price": 2.5, "side": "BUY"},
    ]
    assert kernel["counters"]["input"]["head"] == 5
    assert [field for field, _ in meta["classes"][kernel["types"]["input"][0]]["fields"]] == [
        "owner", "price", "side",
    ]  # fmt: skip


def test_the_reader_is_short_and_free_of_the_library() -> None:
    text = (ROOT / "tests" / "docs" / "snapshot_reader.py").read_text(encoding="utf-8")
    code = ast.unparse(ast.parse(text)).splitlines()
    assert "pydotcompute" not in text
    docstrings = 2
    assert sum(bool(line.strip()) for line in code) - docstrings <= 50


def test_the_page_names_every_kind() -> None:
    for kind in (*BY_KIND, *(name for name, _ in _SHREDDERS.values())):
        assert f"`{kind}`" in PAGE


def test_the_command_shows_states_as_a_table(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["snapshot", "show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "kernel 'book': DEACTIVATED, on " in shown
    assert "variable  type   value" in shown
    assert "  total     float  1.5" in shown
    assert "  last      Side   Side.BUY" in shown
    assert "takes Order(owner: str, price: float, side: Side)" in shown
    assert "waiting to be handled: 2 messages" in shown
    assert "    Order(owner='late', price=1.5, side=Side.SELL)" in shown
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["snapshot", "show", str(path)]) == 1
    assert f"{path} is damaged" in capsys.readouterr().err
