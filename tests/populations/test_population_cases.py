"""Further cases of populations: many keys, odd actors, failures at the end, what is freed."""

from __future__ import annotations

import asyncio
import gc
import pickle
import weakref
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    BackpressureStrategy,
    CapacityError,
    KernelClosedError,
    KernelContext,
    KernelState,
    QueueFullError,
    QueueTimeoutError,
)
from tests.support.contract import drained, go, turns, until
from tests.support.populations import BACKENDS, Balance, Deposit, account, population, received

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


def test_more_keys_than_a_dict_in_the_state_may_have(backend: str) -> None:
    async def probe() -> None:
        names = [f"key {n}" for n in range(5000)]
        async with population(backend, instances=5000) as kernel:
            sending = asyncio.ensure_future(
                kernel.send_many([Deposit(name, n) for n, name in enumerate(names, 1)])
            )
            got = await received(kernel, 5000)
            await sending
            assert got == [Balance(name, n) for n, name in enumerate(names, 1)]
            with pytest.raises(CapacityError):
                await kernel.send(Deposit("one more", 1))
            states = kernel.states()
            assert dict(zip(states.account, states.total.tolist(), strict=True)) == {
                name: n for n, name in enumerate(names, 1)
            }

    go(probe)


def test_any_number_of_keys_one_after_the_other(backend: str) -> None:
    async def probe() -> None:
        async with population(backend, instances=1) as kernel:
            for number in range(300):
                name = f"key {number}"
                assert (await kernel.request(Deposit(name, 1))).total == 1
                await kernel.forget(name)
            assert len(kernel) == 0
            assert kernel.statistics().processed == 300

    go(probe)


def test_what_was_forgotten_is_freed(backend: str) -> None:
    class Mine:
        """An object of the actor's."""

    seen: list[weakref.ref[Mine]] = []

    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        mine = Mine()
        seen.append(weakref.ref(mine))
        count = 0
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            count += 1
            assert mine is not None
            await ctx.send(Balance(deposit.account, count))

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            for name in "ab":
                await kernel.request(Deposit(name, 1))
            await kernel.forget("a")
            await turns()
            gc.collect()
            assert [each() is None for each in seen] == [True, False]

    go(probe)


def test_a_failure_wakes_no_receive(backend: str) -> None:
    async def probe() -> None:
        async with population(backend) as kernel:
            waits = asyncio.ensure_future(kernel.receive())
            await kernel.send(Deposit("a", -1))
            await until(lambda: kernel.statistics().errors)
            await turns()
            assert not waits.done()
            await kernel.send(Deposit("b", 4))
            assert await waits == Balance("b", 4)
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=0)
            assert kernel.state is KernelState.ACTIVE

    go(probe)


def test_errors_can_be_pickled(backend: str) -> None:
    async def probe() -> None:
        async with population(backend, instances=1) as kernel:
            with pytest.raises(ActorFailedError) as failed:
                await kernel.request(Deposit("a", -1))
            with pytest.raises(CapacityError) as full:
                await kernel.send(Deposit("b", 1))
            for error in (failed.value, full.value):
                again = pickle.loads(pickle.dumps(error))
                assert (type(again), str(again), again.key) == (type(error), str(error), error.key)

    go(probe)


def test_an_epilogue_that_fails(backend: str) -> None:
    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        total = 0
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            total += deposit.amount
        await ctx.send(Balance(ctx.key, 10 // total))

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            await kernel.send_many([Deposit("a", 0), Deposit("b", 5), Deposit("c", 0)])
            with pytest.raises(ActorFailedError, match="ZeroDivisionError") as caught:
                await kernel.forget("a")
            assert caught.value.key == "a"
            assert len(kernel) == 3
            await kernel.forget("a")
            assert len(kernel) == 2
            report = await kernel.terminate()
            assert report.drained
            assert kernel.statistics().errors == 2
            assert await drained(kernel) == [Balance("b", 2)]

    go(probe)


def test_forget_twice_at_once_and_forget_again(backend: str) -> None:
    async def probe() -> None:
        async with population(backend) as kernel:
            await kernel.send_many([Deposit("a", 1), Deposit("a", 2)])
            both = [asyncio.ensure_future(kernel.forget("a")) for _ in range(2)]
            await asyncio.sleep(0)
            await kernel.send_many([Deposit("a", 5), Deposit("b", 1)])
            both.append(asyncio.ensure_future(kernel.forget("a")))
            await asyncio.sleep(0)
            await kernel.send(Deposit("a", 7))
            await asyncio.gather(*both)
            got = await received(kernel, 5)
            assert [each.total for each in got if each.account == "a"] == [1, 3, 5, 7]
            assert len(kernel) == 2

    go(probe)


def test_a_drain_while_one_is_forgotten_and_begins_again(backend: str) -> None:
    async def lingers(ctx: KernelContext[Deposit, Balance]) -> None:
        total = 0
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            total += deposit.amount
            await ctx.send(Balance(ctx.key, total))
        await turns(50)

    async def probe() -> None:
        async with population(backend, lingers) as kernel:
            await kernel.send_many([Deposit("a", 1), Deposit("b", 1)])
            forgotten = asyncio.ensure_future(kernel.forget("a"))
            await asyncio.sleep(0)
            await kernel.send(Deposit("a", 5))
            report = await kernel.terminate(timeout=None)
            await forgotten
            assert report.drained
            assert [each.total for each in await drained(kernel)] == [1, 1, 5]
            assert kernel.variables("a")["total"] == 5

    go(probe)


def test_a_cancelled_forget_goes_on(backend: str) -> None:
    async def probe() -> None:
        async with population(backend) as kernel:
            await kernel.send(Deposit("a", 1))
            forgotten = asyncio.ensure_future(kernel.forget("a"))
            await asyncio.sleep(0)
            forgotten.cancel()
            await asyncio.wait([forgotten])
            await until(lambda: len(kernel) == 0 and kernel.statistics().processed == 1)

    go(probe)


def test_a_request_that_the_forgotten_instance_never_answers(backend: str) -> None:
    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        total = 0
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            total += deposit.amount
            if total > 5:
                await ctx.send(Balance(ctx.key, total))

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            silent = asyncio.ensure_future(kernel.request(Deposit("a", 1)))
            other = asyncio.ensure_future(kernel.request(Deposit("b", 1)))
            await until(lambda: kernel.statistics().processed == 2)
            await kernel.forget("a")
            with pytest.raises(KernelClosedError):
                await silent
            assert not other.done()
            other.cancel()

    go(probe)


def test_sends_that_wait_for_room_are_told_of_a_failure(backend: str) -> None:
    gate = asyncio.Event()

    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            await gate.wait()
            if deposit.amount < 0:
                raise ValueError("negative")
            await ctx.send(Balance(ctx.key, deposit.amount))

    async def probe() -> None:
        async with population(backend, actor, queue_size=1) as kernel:
            await kernel.send(Deposit("a", -1))
            await turns()
            await kernel.send(Deposit("a", 1))
            waits = asyncio.ensure_future(kernel.send(Deposit("a", 2)))
            other = asyncio.ensure_future(kernel.send(Deposit("b", 3)))
            await turns()
            gate.set()
            with pytest.raises(ActorFailedError):
                await waits
            await other
            assert await kernel.receive() == Balance("b", 3)

    go(probe)


def test_rejected_outputs_fail_their_instance_alone(backend: str) -> None:
    async def probe() -> None:
        settings = {"queue_size": 2, "backpressure": BackpressureStrategy.REJECT}
        async with population(backend, **settings) as kernel:
            for name in "abc":
                await kernel.send(Deposit(name, 1))
                await turns()
            with pytest.raises(ActorFailedError) as caught:
                await kernel.send(Deposit("c", 1))
            assert isinstance(caught.value.__cause__, QueueFullError)
            assert await received(kernel, 2) == [Balance("a", 1), Balance("b", 1)]
            await kernel.restart(key="c")
            assert (await kernel.request(Deposit("c", 1))).total == 1  # as before the failure

    go(probe)


def test_an_actor_without_a_loop_that_can_be_cut(backend: str) -> None:
    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        """Handles three messages in pairs of ``receive``."""
        total = 0
        for _ in range(3):
            deposit = await ctx.receive()
            total += deposit.amount
            await ctx.send(Balance(ctx.key, total))

    async def probe() -> None:
        async with population("python", actor) as kernel:
            await kernel.send_many([Deposit(name, 1) for name in "ababab"])
            assert [each.total for each in await received(kernel, 6)] == [1, 1, 2, 2, 3, 3]
            with pytest.raises(KernelClosedError):
                await kernel.send(Deposit("a", 1))
            assert kernel.variables("b")["total"] == 3

    go(probe)


def test_state_before_the_failure(backend: str) -> None:
    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        amounts: list[int] = [0]
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            amounts.append(deposit.amount)
            if deposit.amount < 0:
                raise ValueError("negative")
            await ctx.send(Balance(ctx.key, sum(amounts)))

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            await kernel.request(Deposit("a", 3))
            with pytest.raises(ActorFailedError) as caught:
                await kernel.request(Deposit("a", -1))
            assert caught.value.state["amounts"] == [0, 3]
            assert kernel.variables("a")["amounts"] == [0, 3]
            assert kernel.states().amounts[0] == [0, 3]
            await kernel.restart(key="a")
            assert (await kernel.request(Deposit("a", 4))).total == 7

    go(probe)


def test_variables_while_a_message_is_in_hand(backend: str) -> None:
    gate = asyncio.Event()

    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        total = 0
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            total += deposit.amount
            if deposit.amount > 1:
                await gate.wait()
            await ctx.send(Balance(ctx.key, total))

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            await kernel.request(Deposit("a", 1))
            await kernel.send(Deposit("a", 5))
            await turns()
            assert kernel.variables("a")["total"] == 1
            assert kernel.states().total.tolist() == [1]
            gate.set()
            await kernel.receive()
            await until(lambda: kernel.variables("a")["total"] == 6)

    go(probe)


def test_batches_of_all_forms(backend: str) -> None:
    columns: Any = Deposit

    async def probe() -> None:
        async with population(backend) as kernel:
            batch = columns.array(account=["a", "b", "a"], amount=[1, 2, 3])
            assert await kernel.send_many(batch) == 3
            assert await kernel.send_many([Deposit("b", 4)]) == 1
            assert await kernel.send_many([]) == 0
            got: list[Balance] = []
            while len(got) < 4:
                got += Balance.messages(await kernel.receive_many(10))  # type: ignore[attr-defined]
            assert got == [Balance("a", 1), Balance("b", 2), Balance("a", 4), Balance("b", 6)]

    go(probe)


@pytest.mark.parametrize("key", [1, None, ("a", "b"), b"x", [1]])
def test_keys_of_another_kind_are_unknown(backend: str, key: Any) -> None:
    async def probe() -> None:
        async with population(backend, account) as kernel:
            await kernel.request(Deposit("a", 1))
            errors = (KeyError, TypeError) if isinstance(key, list) else KeyError
            with pytest.raises(errors):
                kernel.variables(key)
            with pytest.raises(errors):
                await kernel.forget(key)
            with pytest.raises(errors):
                await kernel.restart(key=key)

    go(probe)


def test_a_message_behind_a_forgotten_instance_keeps_its_room(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other key takes it, in the moment between the old instance and the new one."""
    from pydotcompute.backends.native.members import Members as Native
    from pydotcompute.backends.python.members import Members as Interpreted

    seen: list[BaseException] = []

    async def probe() -> None:
        async with population(backend, instances=2) as kernel:
            for name in "ab":
                await kernel.request(Deposit(name, 1))
            engine: Any = Native if backend == "native" else Interpreted
            free = engine._free

            def freed(self: Any, *given: Any) -> None:
                free(self, *given)
                sending = kernel.send(Deposit("c", 1))
                try:
                    sending.send(None)
                except BaseException as raised:
                    seen.append(raised)

            monkeypatch.setattr(engine, "_free", freed)
            await kernel.deactivate()
            forgotten = asyncio.ensure_future(kernel.forget("a"))
            await turns()
            await kernel.send(Deposit("a", 5))
            await kernel.reactivate()
            await forgotten
            assert [type(each) for each in seen] == [CapacityError]
            assert await kernel.receive() == Balance("a", 5)

    go(probe)
