"""Snapshots of populations: the instances, their queues, and the order of their outputs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pydotcompute import (
    KernelClosedError,
    RingKernelRuntime,
    Snapshot,
    SnapshotError,
    message,
    ring_kernel,
)
from pydotcompute.tools.show_snapshot import lines
from tests.support.contract import go


@message
@dataclass
class Deposit:
    account: str
    amount: int
    how: str = ""


@message
@dataclass
class Balance:
    account: str
    total: int
    seen: int
    who: str


async def account(ctx: Any) -> None:
    total, who = 0, f"account {ctx.key}"
    seen: list[int] = []
    while not ctx.should_terminate:
        deposit = await ctx.receive()
        if deposit.how == "slow":
            for _ in range(deposit.amount % 7):
                await asyncio.sleep(0)
        if deposit.how == "leave":
            break
        total += deposit.amount
        seen.append(deposit.amount)
        if deposit.how == "fail":
            total //= 0
        await ctx.send(Balance(deposit.account, total, len(seen), who))


def actor(function: Any = account, **settings: Any) -> Any:
    given: dict[str, Any] = {
        "kernel_id": "account", "input_type": Deposit, "output_type": Balance,
        "auto_register": False,
    }  # fmt: skip
    return ring_kernel(**given | settings)(function)


async def rest_of(kernel: Any) -> list[Any]:
    await kernel.terminate(timeout=20)
    found = []
    try:
        while True:
            found.append(await kernel.receive())
    except KernelClosedError:
        return found


@pytest.mark.parametrize("seed", range(12))
def test_a_restored_population_goes_on_as_the_original_does(seed: int, tmp_path: Path) -> None:
    """At any moment: messages in the queue, in mailboxes, in hand; outputs behind others."""
    random = Random(seed)

    def deposits(count: int) -> list[Deposit]:
        return [
            Deposit(f"NL{random.randrange(6)}", random.randrange(100), random.choice(["", "slow"]))
            for _ in range(count)
        ]

    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            size = random.choice([4, 1000])
            kernel = await runtime.launch("account", actor(queue_size=size), key="account")
            await kernel.activate()
            sending = asyncio.ensure_future(kernel.send_many(deposits(60)))
            for _ in range(random.randrange(40)):
                await asyncio.sleep(0)
            taken = [await kernel.receive(timeout=5) for _ in range(random.randrange(20))]
            snapshot = await kernel.snapshot()
            kept = snapshot.kernels["account"]
            assert kept.key == ("account",)
            left = kept.inputs + kept.outputs
            snapshot.save(tmp_path / "accounts.pdc")
            rest = [await kernel.receive(timeout=5) for _ in range(60 - len(taken))]
            await sending
            loaded = Snapshot.load(tmp_path / "accounts.pdc")
            again = await runtime.launch(
                "again", actor(queue_size=1000), key="account", restore=loaded
            )
            await again.activate()
            found = [await again.receive(timeout=5) for _ in range(left)]
            assert found == rest[:left]
            if left == len(rest):
                assert sorted(kernel.states().total) == sorted(again.states().total)
            more = deposits(20)
            if left == len(rest):
                await kernel.send_many(more[:4])
                await again.send_many(more[:4])
                assert await rest_of(again) == await rest_of(kernel)

    go(probe)


def test_each_state_belongs_to_its_key() -> None:
    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await runtime.launch("account", actor(), key="account", instances=5)
            await kernel.activate()
            for n in range(3):
                await kernel.request(Deposit(f"NL{n}", 10 * n))
            await kernel.send(Deposit("NL9", 1, "leave"))
            while len(kernel) < 4:
                await asyncio.sleep(0)
            await kernel.deactivate()
            await kernel.send(Deposit("NL1", 5))
            await kernel.send(Deposit("NL4", 7))
            snapshot = await kernel.snapshot()
            again = await runtime.launch(
                "again", actor(), key="account", instances=5, restore=snapshot
            )
            await again.activate()
            assert await again.receive(timeout=5) == Balance("NL1", 15, 2, "account NL1")
            assert await again.receive(timeout=5) == Balance("NL4", 7, 1, "account NL4")
            assert again.variables("NL2") == {"total": 20, "seen": [20], "who": "account NL2"}
            with pytest.raises(KernelClosedError, match="NL9"):
                await again.send(Deposit("NL9", 1))
            assert len(again) == len(kernel) + 1 == 5

    go(probe)


def test_what_does_not_fit_is_named() -> None:
    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await runtime.launch("account", actor(), key="account")
            await kernel.activate()
            for n in range(3):
                await kernel.request(Deposit(f"NL{n}", n))
            snapshot = await kernel.snapshot()
            with pytest.raises(SnapshotError, match="a population by account, and one actor is to"):
                await runtime.launch("plain", actor(), restore=snapshot)
            with pytest.raises(SnapshotError, match="has 3 instances, and there may be 2 today"):
                await runtime.launch("few", actor(), key="account", instances=2, restore=snapshot)
            await kernel.send(Deposit("NL1", 1, "fail"))
            while not kernel.statistics().errors:
                await asyncio.sleep(0)
            with pytest.raises(SnapshotError, match="NL1.* has failed; restart or forget it"):
                await kernel.snapshot()
            await kernel.restart(key="NL1")
            await kernel.snapshot()

    go(probe)


async def newer(ctx: Any) -> None:
    total, label, seen = 0, f"new {ctx.key}", [0]
    while not ctx.should_terminate:
        deposit = await ctx.receive()
        total += deposit.amount
        seen.append(1)
        await ctx.send(Balance(deposit.account, total, len(seen), label))


def test_new_variables_of_an_instance_come_of_its_own_prologue() -> None:
    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await runtime.launch("account", actor(), key="account")
            await kernel.activate()
            for n in range(3):
                await kernel.request(Deposit(f"NL{n}", n))
            snapshot = await kernel.snapshot()
            with pytest.warns(UserWarning, match="dropped: who"):
                again = await runtime.launch("n", actor(newer), key="account", restore=snapshot)
            await again.activate()
            assert await again.request(Deposit("NL2", 40)) == Balance("NL2", 42, 2, "new NL2")

    go(probe)


def test_the_command_shows_a_row_for_each_instance(tmp_path: Path) -> None:
    async def probe() -> None:
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await runtime.launch("account", actor(), key="account")
            await kernel.activate()
            for n in range(30):
                await kernel.request(Deposit(f"NL{n}", n))
            (await kernel.snapshot()).save(tmp_path / "a.pdc")

    go(probe)
    shown = "\n".join(lines(tmp_path / "a.pdc"))
    assert "30 instances" in shown
    assert "  'NL3'   3      'account NL3'   [3]" in shown
    assert "... and 10 more" in shown


def test_the_first_output_after_a_restart_keeps_its_place() -> None:
    """An instance that goes on from a state sent its first output past the others.

    Of an interpreted population: its instances work while another waits.
    """
    gate = asyncio.Event()

    async def waiting(ctx: Any) -> None:
        total = 0
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            if deposit.how == "wait":
                await gate.wait()
            total += deposit.amount
            if deposit.how == "fail":
                total //= 0
            await ctx.send(Balance(deposit.account, total, 0, ""))

    async def probe() -> None:
        async with RingKernelRuntime(backend="python") as runtime:
            kernel = await runtime.launch("account", actor(waiting), key="account")
            await kernel.activate()
            await kernel.send(Deposit("B", 1, "fail"))
            while not kernel.statistics().errors:
                await asyncio.sleep(0)
            await kernel.restart(key="B")
            await kernel.send(Deposit("A", 1, "wait"))
            await kernel.send(Deposit("B", 2))
            while kernel.variables("B")["total"] != 2:
                await asyncio.sleep(0)
            gate.set()
            assert [(await kernel.receive(timeout=5)).account for _ in range(2)] == ["A", "B"]

    go(probe)
