"""Probes of the contract's section 12: keys, states, capacity, failure, forgetting."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pydotcompute import (
    ActorFailedError,
    CapacityError,
    KernelClosedError,
    KernelContext,
    KernelState,
    KernelStateError,
    MessageTypeError,
    Population,
    PyDotComputeError,
    RingKernelRuntime,
    message,
    ring_kernel,
)
from tests.support.contract import drained, go, until
from tests.support.populations import (
    BACKENDS,
    Balance,
    Deposit,
    Kind,
    Query,
    Seen,
    Typed,
    account,
    population,
    received,
)

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


# --- keys ----------------------------------------------------------------------------------------


def test_each_key_has_its_own_state(backend: str) -> None:
    async def probe() -> None:
        async with population(backend) as kernel:
            for name, amount in [("a", 1), ("b", 10), ("a", 2), ("b", 20), ("c", 5), ("a", 3)]:
                await kernel.send(Deposit(name, amount))
            assert await received(kernel, 6) == [
                Balance("a", 1), Balance("b", 10), Balance("a", 3), Balance("b", 30),
                Balance("c", 5), Balance("a", 6),
            ]  # fmt: skip
            assert len(kernel) == 3
            assert isinstance(kernel, Population)

    go(probe)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("number", [0, -1, 2**63 - 1, -(2**63)]),
        ("flag", [False, True]),
        ("kind", list(Kind)),
        ("uid", [uuid.UUID(int=n) for n in (0, 1, 2**128 - 1)]),
        ("name", ["", "x", "Grüße", "a" * 1000]),
    ],
)
def test_types_of_keys(backend: str, field: str, values: list[Any]) -> None:
    async def count(ctx: KernelContext[Typed, Seen]) -> None:
        seen = 0
        while not ctx.should_terminate:
            await ctx.receive()
            seen += 1
            await ctx.send(Seen(f"{ctx.key}", seen))

    async def probe() -> None:
        plain = {"number": 0, "flag": False, "kind": Kind.BUY, "uid": uuid.UUID(int=0), "name": ""}
        async with population(backend, count, key=field) as kernel:
            for value in [*values, *values]:
                await kernel.send(Typed(**(plain | {field: value})))
            got = await received(kernel, 2 * len(values))
            assert [each.count for each in got] == [1] * len(values) + [2] * len(values)
            assert [each.text for each in got[: len(values)]] == [f"{each}" for each in values]
            assert len(kernel) == len(values)
            states = kernel.states()
            assert sorted(map(str, states[field])) == sorted(map(str, values))
            assert states.seen.tolist() == [2] * len(values)
            assert all(kernel.variables(value) == {"seen": 2} for value in values)

    go(probe)


def test_a_tuple_of_fields(backend: str) -> None:
    async def count(ctx: KernelContext[Typed, Seen]) -> None:
        seen = 0
        name, number = ctx.key
        while not ctx.should_terminate:
            await ctx.receive()
            seen += 1
            await ctx.send(Seen(f"{name}{number}", seen))

    async def probe() -> None:
        async with population(backend, count, key=("name", "number")) as kernel:
            for name, number in [("a", 1), ("a", 2), ("b", 1), ("a", 1)]:
                await kernel.send(Typed(number, True, Kind.BUY, uuid.UUID(int=3), name))
            assert [(each.text, each.count) for each in await received(kernel, 4)] == [
                ("a1", 1), ("a2", 1), ("b1", 1), ("a1", 2),
            ]  # fmt: skip
            states = kernel.states()
            assert set(zip(states.name, states.number.tolist(), strict=True)) == {
                ("a", 1), ("a", 2), ("b", 1),
            }  # fmt: skip
            assert kernel.variables(("a", 1))["seen"] == 2
            await kernel.forget(("a", 1))
            assert len(kernel) == 2

    go(probe)


@message
@dataclass
class NoKey:
    amount: int


@message
@dataclass
class IntKey:
    account: int


@message
@dataclass
class FloatKey:
    account: float


@message
@dataclass
class MaybeKey:
    account: str | None


@pytest.mark.parametrize(
    ("takes", "words"),
    [
        (NoKey, ["NoKey", "no field 'account'"]),
        (Deposit | NoKey, ["NoKey", "no field 'account'"]),
        (FloatKey, ["FloatKey.account", "float"]),
        (MaybeKey, ["MaybeKey.account"]),
        (Deposit | IntKey, ["'account'", "str in Deposit", "int in IntKey"]),
    ],
)
def test_a_key_that_does_not_fit(backend: str, takes: Any, words: list[str]) -> None:
    """It is refused at launch with a sentence that names it; the id stays free."""

    async def actor(ctx: Any) -> None:
        while not ctx.should_terminate:
            await ctx.receive()

    async def probe() -> None:
        function = ring_kernel(kernel_id="p", input_type=takes, auto_register=False)(actor)
        async with RingKernelRuntime() as runtime:
            with pytest.raises(MessageTypeError) as caught:
                await runtime.launch("p", function, backend=backend, key="account")
            assert all(word in str(caught.value) for word in words), str(caught.value)
            assert "'p'" in str(caught.value)
            assert "p" not in runtime
            kernel = await runtime.launch("p", function, backend="python")
            assert kernel.state is KernelState.LAUNCHED

    go(probe)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"key": 3}, TypeError), ({"key": ()}, ValueError), ({"key": ""}, ValueError),
        ({"key": ("account", "account")}, ValueError), ({"key": ["account"]}, TypeError),
        ({"key": "account", "instances": 0}, ValueError),
        ({"key": "account", "instances": "many"}, TypeError), ({"instances": 5}, TypeError),
    ],
)  # fmt: skip
def test_arguments_that_mean_nothing(backend: str, given: Any, error: type[Exception]) -> None:
    async def probe() -> None:
        function = ring_kernel(kernel_id="p", auto_register=False)(account)
        async with RingKernelRuntime() as runtime:
            with pytest.raises(error, match="'p'"):
                await runtime.launch("p", function, backend=backend, **given)
            assert "p" not in runtime

    go(probe)


def test_a_class_that_comes_first_with_a_message(backend: str) -> None:
    async def actor(ctx: Any) -> None:
        while not ctx.should_terminate:
            await ctx.receive()

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            await kernel.send(Deposit("a", 1))
            with pytest.raises(MessageTypeError, match="account"):
                await kernel.send(NoKey(1))
            await until(lambda: kernel.statistics().processed == 1 or len(kernel) == 1)

    go(probe)


def test_the_prologue_runs_once_for_each_key_in_the_order_of_their_first_messages(
    backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def loud(ctx: KernelContext[Deposit, Balance]) -> None:
        print("begin", ctx.key)
        total = 0
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            total += deposit.amount
        print("end", ctx.key, total)

    async def probe() -> None:
        async with population(backend, loud) as kernel:
            for name in "baabca":
                await kernel.send(Deposit(name, 1))

    go(probe)
    assert capsys.readouterr().out.splitlines() == [
        "begin b", "begin a", "begin c", "end b 2", "end a 3", "end c 1",
    ]  # fmt: skip


def test_only_a_population_has_a_key(backend: str) -> None:
    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            await ctx.send(Balance(str(ctx.key), deposit.amount))

    async def probe() -> None:
        function = ring_kernel(kernel_id="one", auto_register=False)(actor)
        async with RingKernelRuntime(fallback="allow") as runtime:
            kernel = await runtime.launch("one", function, backend="python")
            await kernel.activate()
            with pytest.raises(ActorFailedError, match="no population"):
                await kernel.request(Deposit("a", 1))
            with pytest.raises(TypeError, match="no population"):
                await kernel.restart(key="a")

    go(probe)


# --- capacity ------------------------------------------------------------------------------------


def test_one_more_instance_raises_at_send(backend: str) -> None:
    async def probe() -> None:
        async with population(backend, instances=2) as kernel:
            await kernel.send_many([Deposit("a", 1), Deposit("b", 1)])
            with pytest.raises(CapacityError, match="'c'") as caught:
                await kernel.send(Deposit("c", 1))
            assert caught.value.key == "c"
            assert isinstance(caught.value, PyDotComputeError)
            with pytest.raises(CapacityError):
                await kernel.request(Deposit("c", 1))
            await kernel.send(Deposit("a", 1))
            assert [each.total for each in await received(kernel, 3)] == [1, 1, 2]
            assert len(kernel) == 2

    go(probe)


def test_keys_count_whose_first_message_is_queued_before_activate(backend: str) -> None:
    async def probe() -> None:
        async with population(backend, instances=1, active=False) as kernel:
            assert len(kernel) == 0
            assert kernel
            await kernel.send(Deposit("a", 1))
            assert len(kernel) == 0
            with pytest.raises(CapacityError):
                await kernel.send(Deposit("b", 1))
            await kernel.activate()
            assert await kernel.receive() == Balance("a", 1)

    go(probe)


@pytest.mark.parametrize("form", ["list", "array"])
def test_a_batch_that_needs_more_is_refused_whole(backend: str, form: str) -> None:
    async def probe() -> None:
        async with population(backend, instances=3) as kernel:
            await kernel.send(Deposit("a", 1))
            batch: Any = [Deposit(name, 1) for name in "abcdcba"]
            batch = Deposit.array(batch) if form == "array" else batch
            with pytest.raises(CapacityError):
                await kernel.send_many(batch)
            assert await kernel.receive() == Balance("a", 1)
            assert kernel.statistics().received == 1
            assert len(kernel) == 1
            assert await kernel.send_many(batch[:3]) == 3  # what was refused has taken no room
            assert [each.total for each in await received(kernel, 3)] == [2, 1, 1]

    go(probe)


def test_a_dropped_first_message_takes_no_room(backend: str) -> None:
    from pydotcompute import BackpressureStrategy

    async def probe() -> None:
        settings = {"queue_size": 2, "backpressure": BackpressureStrategy.DROP_OLDEST}
        async with population(backend, instances=2, active=False, **settings) as kernel:
            for name in "abb":
                await kernel.send(Deposit(name, 1))  # the third drops "a"
            await kernel.send(Deposit("c", 1))
            with pytest.raises(CapacityError):
                await kernel.send(Deposit("d", 1))

    go(probe)


def test_a_cancelled_first_message_takes_no_room(backend: str) -> None:
    async def probe() -> None:
        async with population(backend, instances=2, active=False, queue_size=1) as kernel:
            await kernel.send(Deposit("a", 1))
            waits = asyncio.ensure_future(kernel.send(Deposit("b", 1)))
            await until(lambda: kernel.actor.inbox.putters)
            waits.cancel()
            await asyncio.wait([waits])
            await kernel.activate()
            await kernel.send(Deposit("c", 1))
            assert [each.account for each in await received(kernel, 2)] == ["a", "c"]

    go(probe)


# --- looking -------------------------------------------------------------------------------------


def test_states(backend: str) -> None:
    async def mixed(ctx: KernelContext[Deposit, Balance]) -> None:
        total = 0
        mean = 0.0
        last = ""
        big = False
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            total += deposit.amount
            mean = (mean + total) / 2
            last = deposit.account + "!"
            big = big or total > 5
            await ctx.send(Balance(last, total))

    async def probe() -> None:
        async with population(backend, mixed) as kernel:
            assert len(kernel.states()) == 0
            assert "account" in kernel.states().dtype.names
            for name, amount in [("a", 1), ("b", 10), ("a", 2)]:
                await kernel.request(Deposit(name, amount))
            states = kernel.states()
            assert isinstance(states, np.recarray)
            names = states.dtype.names
            assert names is not None
            assert names[0] == "account"
            rows = {row["account"]: row for row in states}
            assert all(type(key) is str for key in rows)
            assert rows["a"]["total"] == 3
            assert rows["b"]["total"] == 10
            assert rows["a"]["mean"] == (0.5 + 3) / 2
            assert states[states.account == "b"].total.tolist() == [10]
            sizes = {name: states.dtype[name].itemsize for name in names}
            assert sizes.pop("big", 1) == 1
            assert set(sizes.values()) == {8}
            states.total[:] = 0
            assert kernel.variables("a")["total"] == 3  # it was a copy

    go(probe)


def test_variables(backend: str) -> None:
    async def probe() -> None:
        async with population(backend) as kernel:
            await kernel.request(Deposit("a", 4))
            found = kernel.variables("a")
            assert found["total"] == 4
            found["total"] = 7
            assert kernel.variables("a")["total"] == 4
            with pytest.raises(KeyError):
                kernel.variables("b")
            assert kernel.state is KernelState.ACTIVE

    go(probe)


# --- failure -------------------------------------------------------------------------------------


def test_a_failure_fails_one_instance(backend: str) -> None:
    async def probe() -> None:
        async with population(backend) as kernel:
            await kernel.request(Deposit("a", 1))
            with pytest.raises(ActorFailedError) as caught:
                await kernel.request(Deposit("a", -1))
            error = caught.value
            assert error.key == "a"
            assert error.message_in == Deposit("a", -1)
            assert error.state["total"] == 1
            assert isinstance(error.__cause__, ValueError)
            for call in (kernel.send, kernel.request):
                with pytest.raises(ActorFailedError) as caught:
                    await call(Deposit("a", 1))
                assert caught.value.key == "a"
            with pytest.raises(ActorFailedError):
                await kernel.send_many([Deposit("b", 1), Deposit("a", 1)])
            assert (await kernel.request(Deposit("b", 2))).total == 2
            assert kernel.state is KernelState.ACTIVE
            assert kernel.statistics().errors == 1
            assert kernel.variables("a")["total"] == 1
            assert len(kernel) == 2

    go(probe)


def test_messages_of_a_failed_instance_wait_for_restart_and_others_pass(backend: str) -> None:
    async def probe() -> None:
        async with population(backend, active=False) as kernel:
            for name, amount in [("a", 1), ("a", -1), ("a", 5), ("b", 2), ("a", 6), ("b", 3)]:
                await kernel.send(Deposit(name, amount))
            await kernel.activate()
            assert await received(kernel, 3) == [Balance("a", 1), Balance("b", 2), Balance("b", 5)]
            await kernel.restart(key="a")
            assert await received(kernel, 2) == [Balance("a", 6), Balance("a", 12)]

    go(probe)


def test_restart_fresh(backend: str) -> None:
    async def probe() -> None:
        async with population(backend) as kernel:
            await kernel.request(Deposit("a", 1))
            with pytest.raises(ActorFailedError):
                await kernel.request(Deposit("a", -1))
            await kernel.restart(key="a", fresh=True)
            assert (await kernel.request(Deposit("a", 3))).total == 3
            with pytest.raises(KernelStateError, match="'a'"):
                await kernel.restart(key="a")
            with pytest.raises(KeyError):
                await kernel.restart(key="zz")
            with pytest.raises(KernelStateError):
                await kernel.restart()

    go(probe)


def test_a_prologue_that_fails(backend: str) -> None:
    async def odd(ctx: KernelContext[Deposit, Balance]) -> None:
        total = 10 // len(ctx.key)
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            total += deposit.amount
            await ctx.send(Balance(ctx.key, total))

    async def probe() -> None:
        async with population(backend, odd) as kernel:
            with pytest.raises(ActorFailedError, match="ZeroDivisionError") as caught:
                await kernel.request(Deposit("", 1))
            assert caught.value.key == ""
            assert (await kernel.request(Deposit("ab", 1))).total == 6

    go(probe)


def test_requests_under_way_are_told(backend: str) -> None:
    async def probe() -> None:
        async with population(backend, active=False) as kernel:
            calls = [
                asyncio.ensure_future(kernel.request(Deposit(name, amount)))
                for name, amount in [("a", 1), ("b", 1), ("a", -1), ("a", 2), ("b", 2)]
            ]
            await until(lambda: kernel.statistics().input_depth == 5)
            await kernel.activate()
            done = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(each) for each in done[2:4]] == [ActorFailedError] * 2
            assert [each.total for each in (done[0], done[1], done[4])] == [1, 1, 3]

    go(probe)


def test_an_instance_that_ends_by_itself(backend: str) -> None:
    async def probe() -> None:
        async with population(backend) as kernel:
            await kernel.request(Deposit("a", 1))
            await kernel.send(Deposit("a", 0))
            await kernel.request(Deposit("b", 1))
            for call in (kernel.send, kernel.request):
                with pytest.raises(KernelClosedError, match="'a'"):
                    await call(Deposit("a", 1))
            assert (await kernel.request(Deposit("b", 1))).total == 2
            assert kernel.state is KernelState.ACTIVE
            assert len(kernel) == 2
            assert kernel.variables("a")["total"] == 1
            await kernel.forget("a")
            assert (await kernel.request(Deposit("a", 9))).total == 9

    go(probe)


# --- forgetting ----------------------------------------------------------------------------------


def test_forget_handles_what_is_queued_and_runs_the_epilogue(
    backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def loud(ctx: KernelContext[Deposit, Balance]) -> None:
        total = 0
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            total += deposit.amount
        await ctx.send(Balance(ctx.key, total))
        print("end", ctx.key)

    async def probe() -> None:
        async with population(backend, loud) as kernel:
            await kernel.send_many([Deposit("a", 1), Deposit("b", 1), Deposit("a", 2)])
            await kernel.forget("a")
            assert capsys.readouterr().out == "end a\n"
            assert len(kernel) == 1
            assert await kernel.receive() == Balance("a", 3)
            with pytest.raises(KeyError):
                kernel.variables("a")
            with pytest.raises(KeyError):
                await kernel.forget("a")
            await kernel.send(Deposit("a", 7))
            await until(lambda: len(kernel) == 2)
            await until(lambda: kernel.variables("a")["total"] == 7)

    go(probe)


def test_messages_sent_while_an_instance_is_forgotten_are_for_the_next(backend: str) -> None:
    async def probe() -> None:
        async with population(backend, instances=1) as kernel:
            await kernel.send_many([Deposit("a", 1), Deposit("a", 2)])
            forgotten = asyncio.ensure_future(kernel.forget("a"))
            await asyncio.sleep(0)
            await kernel.send(Deposit("a", 10))
            await forgotten
            assert [each.total for each in await received(kernel, 3)] == [1, 3, 10]
            assert len(kernel) == 1

    go(probe)


def test_forget_of_a_failed_key_makes_room(backend: str) -> None:
    async def probe() -> None:
        async with population(backend, instances=1, active=False) as kernel:
            await kernel.send_many([Deposit("a", -1), Deposit("a", 5)])
            await kernel.activate()
            await until(lambda: kernel.statistics().errors)
            with pytest.raises(CapacityError):
                await kernel.send(Deposit("b", 1))
            await kernel.forget("a")
            assert len(kernel) == 0
            assert (await kernel.request(Deposit("b", 1))).total == 1
            report = await kernel.terminate()
            assert report.unprocessed == (Deposit("a", 5),)
            assert not report.drained

    go(probe)


def test_forget_of_an_unknown_key(backend: str) -> None:
    async def probe() -> None:
        async with population(backend, active=False) as kernel:
            with pytest.raises(KeyError):
                await kernel.forget("a")
            await kernel.activate()
            with pytest.raises(KeyError):
                await kernel.forget("a")
            await kernel.terminate()
            with pytest.raises(KeyError):
                await kernel.forget("a")

    go(probe)


# --- the end -------------------------------------------------------------------------------------


def test_terminate_drains_every_instance(backend: str) -> None:
    async def probe() -> None:
        async with population(backend) as kernel:
            await kernel.send_many([Deposit(name, 1) for name in "abcab"])
            report = await kernel.terminate()
            assert report.drained
            assert report.unprocessed == ()
            assert [each.total for each in await drained(kernel)] == [1, 1, 1, 2, 2]
            with pytest.raises(KernelClosedError):
                await kernel.send(Deposit("a", 1))
            assert sorted(kernel.states().total.tolist()) == [1, 2, 2]

    go(probe)


def test_nothing_vanishes_without_a_drain(backend: str) -> None:
    async def probe() -> None:
        async with population(backend, active=False) as kernel:
            batch = [Deposit(name, n + 1) for n, name in enumerate("abcab")]
            await kernel.send_many(batch)
            await kernel.activate()
            report = await kernel.terminate(drain=False)
            assert not report.drained or not report.unprocessed
            handled = await drained(kernel)
            assert len(handled) + len(report.unprocessed) == len(batch)
            assert report.unprocessed == tuple(batch[len(handled) :])

    go(probe)


def test_what_a_failed_instance_has_not_handled_is_reported(backend: str) -> None:
    async def probe() -> None:
        async with population(backend, active=False) as kernel:
            await kernel.send_many([Deposit("a", -1), Deposit("b", 1), Deposit("a", 2)])
            await kernel.activate()
            assert await kernel.receive() == Balance("b", 1)
            report = await kernel.terminate()
            assert report.unprocessed == (Deposit("a", 2),)
            assert report.failure is None

    go(probe)


def test_a_query_of_another_class(backend: str) -> None:
    async def actor(ctx: KernelContext[Deposit | Query, Balance]) -> None:
        total = 0
        while not ctx.should_terminate:
            match await ctx.receive():
                case Deposit(amount=amount):
                    total += amount
                case Query():
                    await ctx.send(Balance(ctx.key, total))

    async def probe() -> None:
        async with population(backend, actor) as kernel:
            await kernel.send_many([Deposit("NL91", 250), Deposit("X", 1)])
            assert await kernel.request(Query("NL91")) == Balance("NL91", 250)
            assert await kernel.request(Query("new")) == Balance("new", 0)
            assert len(kernel) == 3

    go(probe)
