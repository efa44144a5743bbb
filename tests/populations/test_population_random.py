"""Generated streams of keyed messages against a reference: a dict of coroutines in plain Python."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydotcompute import ActorFailedError, CapacityError, KernelClosedError, KernelContext
from tests.support.contract import drained, go, until
from tests.support.populations import BACKENDS, Balance, Deposit, population

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


async def teller(ctx: KernelContext[Deposit, Balance]) -> None:
    """Waits as often as an amount says, fails on a negative one, ends on zero, sends some twice."""
    total = 0
    seen: list[int] = []
    name = str(ctx.key)
    while not ctx.should_terminate:
        deposit = await ctx.receive()
        for _ in range(deposit.amount % 4):
            await asyncio.sleep(0)
        if deposit.amount < 0:
            raise ValueError("negative")
        if deposit.amount == 0:
            break
        total += deposit.amount
        seen.append(deposit.amount)
        await ctx.send(Balance(name, total))
        if total % 5 == 0:
            await ctx.send(Balance(name, len(seen)))
    await ctx.send(Balance(name, -total))


# --- the reference: a coroutine for each key, stepped by hand -------------------------------------


class Hand:
    """A context made by hand."""

    should_terminate = False

    def __init__(self, key: str, outputs: list[Balance]) -> None:
        self.key, self.outputs = key, outputs
        self.message: Deposit | None = None

    async def receive(self) -> Deposit:
        while self.message is None:
            await asyncio.sleep(0)
        message, self.message = self.message, None
        return message

    async def send(self, message: Balance) -> None:
        self.outputs.append(message)


class Reference:
    """What a population does, one message after the other."""

    def __init__(self) -> None:
        self.outputs: list[Balance] = []
        self.instances: dict[str, tuple[Hand, Coroutine[Any, Any, None]]] = {}
        self.parked: dict[str, list[Deposit]] = {}
        self.ended: set[str] = set()
        self.lost: list[Deposit] = []
        self.handled = 0

    def handle(self, message: Deposit) -> None:
        key = message.account
        if key in self.parked:
            self.parked[key].append(message)
        elif key in self.ended:
            self.lost.append(message)
        else:
            self.step(key, message)

    def step(self, key: str, message: Deposit) -> None:
        if key not in self.instances:
            self.begin(key)
        hand, coroutine = self.instances[key]
        hand.message = message
        self.handled += 1
        try:
            for _ in range(6):
                coroutine.send(None)
        except StopIteration:
            self.ended.add(key)
        except ValueError:
            self.parked[key] = []

    def begin(self, key: str) -> None:
        hand = Hand(key, self.outputs)
        self.instances[key] = hand, teller(hand)  # type: ignore[arg-type]
        self.instances[key][1].send(None)

    def forget(self, key: str) -> None:
        if key not in self.parked and key not in self.ended:
            self.end(key)
        self.lost += self.parked.pop(key, [])
        self.ended.discard(key)
        del self.instances[key]

    def end(self, key: str) -> None:
        total = self.instances[key][1].cr_frame.f_locals["total"]  # type: ignore[attr-defined]
        self.outputs.append(Balance(key, -total))

    def restart(self, key: str) -> None:
        """Anew: what a coroutine that has failed leaves behind is not its state before."""
        parked = self.parked.pop(key)
        self.begin(key)
        for message in parked:
            self.handle(message)


KEYS = st.sampled_from("abcde")
MESSAGES = st.builds(Deposit, KEYS, st.sampled_from([1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 0, -1]))
STEPS = st.one_of(
    MESSAGES,
    MESSAGES,
    st.lists(MESSAGES, min_size=1, max_size=12),
    st.tuples(st.just("forget"), KEYS),
    st.tuples(st.just("restart"), KEYS),
    st.just("pause"),
    st.just("request"),
)


async def accepted(kernel: Any, model: Reference, batch: list[Deposit]) -> bool:
    """Send a batch; False if it was refused, as the reference must agree."""
    try:
        if len(batch) == 1:
            await kernel.send(batch[0])
        else:
            await kernel.send_many(batch)
    except (ActorFailedError, KernelClosedError) as error:
        refused = error
    else:
        return True
    failed = isinstance(refused, ActorFailedError)
    assert refused.key in {each.account for each in batch}
    assert refused.key in (model.parked if failed else model.ended)
    return False


@given(st.lists(STEPS, max_size=30), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_generated_streams(backend: str, steps: list[Any], size: int) -> None:
    async def probe() -> None:
        model = Reference()

        async with population(backend, teller, queue_size=size) as kernel:
            got: list[Balance] = []

            async def collect() -> None:
                async for message in kernel.messages():
                    got.append(message)

            async def quiet() -> None:
                def handled() -> bool:
                    figures = kernel.statistics()
                    done: bool = figures.processed + figures.errors == model.handled
                    return done

                await until(handled)

            reading = asyncio.ensure_future(collect())
            for step in steps:
                match step:
                    case Deposit() | [*_] if not isinstance(step, tuple):
                        batch = [step] if isinstance(step, Deposit) else step
                        if await accepted(kernel, model, batch):
                            for message in batch:
                                model.handle(message)
                    case "pause":
                        await kernel.deactivate()
                        await kernel.reactivate()
                    case "request" if "a" not in model.parked and "a" not in model.ended:
                        before = len(model.outputs)
                        model.handle(Deposit("a", 7))
                        reply = await kernel.request(Deposit("a", 7))
                        assert reply == model.outputs.pop(before)
                    case ("forget", key):
                        await quiet()
                        if key not in model.instances:
                            with pytest.raises(KeyError):
                                await kernel.forget(key)
                        else:
                            await kernel.forget(key)
                            model.forget(key)
                    case ("restart", key) if key in model.parked:
                        await quiet()
                        await kernel.restart(key=key, fresh=True)
                        model.restart(key)
            await quiet()
            assert len(kernel) == len(model.instances)
            for row in kernel.states():
                assert row["seen"] == kernel.variables(row["account"])["seen"]
            report = await kernel.terminate()
            for key in [each for each in model.instances if each not in model.parked]:
                if key not in model.ended:
                    model.end(key)
            await reading
            assert got == model.outputs
            left = [*model.lost, *(each for parked in model.parked.values() for each in parked)]
            assert sorted(map(repr, report.unprocessed)) == sorted(map(repr, left))
            for _, coroutine in model.instances.values():
                coroutine.close()

    go(probe)


@given(st.lists(KEYS, max_size=60), st.integers(1, 4), st.lists(st.integers(0, 3), min_size=1))
@settings(max_examples=60, deadline=None)
def test_capacity_against_a_set(
    backend: str, names: list[str], most: int, forgets: list[int]
) -> None:
    async def probe() -> None:
        async with population(backend, instances=most, queue_size=100) as kernel:
            known: set[str] = set()
            for number, name in enumerate(names):
                if name in known or len(known) < most:
                    await kernel.send(Deposit(name, 1))
                    known.add(name)
                else:
                    with pytest.raises(CapacityError):
                        await kernel.send(Deposit(name, 1))
                if forgets[number % len(forgets)] == 0 and known:
                    gone = min(known)
                    await kernel.forget(gone)
                    known.discard(gone)
            await kernel.terminate()
            assert set(kernel.states().account) == known
            await drained(kernel)

    go(probe)
