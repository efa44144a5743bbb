"""The instances of a compiled population: the table of keys, and a burst over many keys.

The table is compared with a dict; a burst is driven directly, without any runtime around it.
"""

from __future__ import annotations

import enum
import math
import random
import uuid
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pydotcompute import QueueTimeoutError, message
from pydotcompute.actors.coroutine_parts import split_actor
from pydotcompute.actors.instance_parts import instance_parts
from pydotcompute.actors.lowering import lower_actor
from pydotcompute.actors.spec import KernelSpec
from pydotcompute.backends.compiled import actor_words as words
from pydotcompute.backends.compiled.block import input_ring, output_ring
from pydotcompute.backends.native.block import count, pointer
from pydotcompute.backends.native.instances import BY_HOST, NEW, NONE, Instances
from pydotcompute.backends.native.population_block import PopulationBlock
from pydotcompute.backends.program import NativeProgram, program_of
from pydotcompute.compiler.abi import Policy, Status
from pydotcompute.compiler.types.population_key import KeyLayout, key_layout
from pydotcompute.compiler.types.types import BOOL, INT, STR, UUID, EnumType, UnsupportedTypeError
from pydotcompute.queues.port_words import HEAD, TAIL


class Side(enum.Enum):
    BUY = "buy"
    SELL = "sell"


@message
@dataclass
class Deposit:
    account: int
    amount: int


@message
@dataclass
class Balance:
    account: int
    total: int


@message
@dataclass
class Named:
    name: str
    side: Side
    live: bool
    mark: uuid.UUID


async def account(ctx: Any) -> None:
    total = 0
    while not ctx.should_terminate:
        try:
            deposit = await ctx.receive(timeout=0.1)
        except QueueTimeoutError:
            continue
        if deposit.amount < 0:
            raise ValueError("negative")
        total += deposit.amount
        if total == 13:
            break
        await ctx.send(Balance(ctx.key, total))


async def three(ctx: Any) -> None:
    seen = deque(maxlen=3)
    left = 3
    while left > 0:
        deposit = await ctx.receive()
        left -= 1
        seen.append(deposit.amount)
        await ctx.send(Balance(ctx.key, sum(seen)))


def program(function: Any) -> NativeProgram:
    spec = KernelSpec(function.__name__, function, (Deposit,), (Balance,))
    lowering = lower_actor(spec, key="account")
    assert lowering.ok, lowering.diagnostics
    return program_of(lowering, split_actor(function))


class Driven:
    """A population's memory with rings that a test fills and reads."""

    def __init__(self, function: Any, *, most: int | None = None, bound: int = 64) -> None:
        made = program(function)
        self.source = input_ring(made, bound, Policy.BLOCK)
        self.target = output_ring(made, bound, Policy.BLOCK)
        self.block = PopulationBlock(made, self.source, self.target, most)
        self.slots = np.frombuffer(self.source.slots, Deposit.dtype)
        self.results = np.frombuffer(self.target.slots, Balance.dtype)

    def put(self, *deposits: tuple[int, int]) -> None:
        for deposit in deposits:
            head = self.source.port[HEAD]
            self.slots[head & self.source.mask] = deposit
            self.source.port[HEAD] = head + 1

    def run(self, limit: int = 1000) -> Status:
        return Status(self.block.burst(pointer(self.block.address), count(limit)))

    def take(self) -> list[tuple[int, int]]:
        port = self.target.port
        places = range(port[TAIL], port[HEAD])
        port[TAIL] = port[HEAD]
        return [tuple(self.results[n & self.target.mask].tolist()) for n in places]

    def begin(self, **values: Any) -> int:
        self.block.program.pack_state(values, self.block.template)
        return self.block.begin_waiting()


def table(function: Any = account, most: int = 1 << 20) -> Instances:
    made = program(function)
    assert made.key is not None
    return Instances(made.library, made.key, made.state_size, most)


def test_the_table_is_a_dict():
    """Keys come and go at random: each has one record, which stays where it is."""
    instances, known, rng = table(), dict[int, int](), random.Random(7)
    for _ in range(60_000):
        key = rng.randrange(-700, 700) * rng.choice((1, 1 << 32, 64))
        (word,) = instances.key.pack(key)
        number = instances.find((word,))
        assert number == known.get(key, NONE)
        if number == NONE:
            known[key] = instances.begin((word,))
        elif rng.random() < 0.5:
            instances.forget(number)
            del known[key]
    assert instances.count == len(known)
    numbers = instances.numbers()
    assert sorted(known.values()) == numbers.tolist()
    found = {instances.key_of(int(number)): int(number) for number in numbers}
    assert found == known


def test_the_table_grows_and_many_keys_are_found_at_once():
    instances = table()
    keys = np.arange(100_000, dtype=np.uint64).reshape(-1, 1) * np.uint64(1 << 40)
    assert instances.reserve(keys) == len(keys)
    assert instances.count == len(keys)
    assert instances.find_all(keys).tolist() == list(range(len(keys)))
    assert (instances.find_all(keys + np.uint64(1)) == NONE).all()


def test_no_more_instances_than_there_may_be():
    instances = table(most=3)
    keys = np.array([[1], [2], [1], [3], [2], [4], [5]], np.uint64)
    assert instances.reserve(keys) == 5
    assert instances.begin((9,)) == NONE
    instances.forget(instances.find((2,)))
    assert instances.begin((9,)) != NONE
    assert instances.count == 3


def test_chosen_keys_do_not_collide():
    """Keys that agree in their low bits, or that another table hashes badly, are spread evenly."""
    for shift in (0, 1, 13, 32, 51, 52):
        instances = table()
        keys = np.arange(4096, dtype=np.uint64).reshape(-1, 1) << np.uint64(shift)
        assert instances.reserve(keys) == len(keys)
        assert instances.longest_probe() < 100


def test_key_layouts_pack_and_unpack():
    layout = key_layout((Named,), ("name", "side", "live", "mark"))
    assert layout == KeyLayout(
        ("name", "side", "live", "mark"), (STR, EnumType(Side), BOOL, UUID), single=False
    )
    key = ("NL91", Side.SELL, True, uuid.UUID(int=(5 << 64) + 7))
    assert layout.words == 5
    assert layout.unpack(layout.pack(key)) == key
    single = key_layout((Deposit, Balance), "account")
    assert single.types == (INT,)
    assert [single.unpack(single.pack(n)) for n in (0, -1, -(2**63), 2**63 - 1)] == [
        0, -1, -(2**63), 2**63 - 1,
    ]  # fmt: skip
    for wrong in ("1", 2**63, (1,), 1.5, None):
        with pytest.raises(KeyError):
            single.pack(wrong)
    with pytest.raises(UnsupportedTypeError, match="amount"):
        key_layout((Deposit, Balance), "amount")


def test_a_burst_keeps_the_keys_apart():
    driven, totals, expected = Driven(account), defaultdict[int, int](int), []
    rng = random.Random(3)
    for _ in range(40):
        batch = [(rng.randrange(25), 14 + rng.randrange(9)) for _ in range(60)]
        driven.put(*batch)
        while (status := driven.run()) is Status.BEGIN:
            assert driven.begin(total=0) > 0
        assert status is Status.IDLE
        for key, amount in batch:
            totals[key] += amount
            expected.append((key, totals[key]))
        assert driven.take() == expected
        expected.clear()
    block = driven.block
    assert block.instances.begun == len(totals)
    assert math.isnan(block.f8[words.TIMEOUT])
    numbers = block.instances.numbers()
    assert {block.instances.key_of(int(n)): block.values_of(int(n))["total"] for n in numbers} == (
        totals
    )


def test_a_burst_fetches_ahead_when_there_are_many_instances():
    driven = Driven(account, bound=4096)
    keys = np.random.default_rng(5).permutation(12_000)
    for first in range(0, len(keys), 4000):
        driven.put(*((int(key), 20) for key in keys[first : first + 4000]))
        while driven.run(10**6) is Status.BEGIN:
            driven.begin(total=1)
        assert driven.take() == [(int(key), 21) for key in keys[first : first + 4000]]
    driven.put(*((int(key), 5) for key in keys[:4000]))
    assert driven.run(10**6) is Status.IDLE
    assert driven.take() == [(int(key), 26) for key in keys[:4000]]


def test_a_failing_message_stops_before_it():
    driven = Driven(account)
    driven.put((1, 5), (2, 5), (1, -1), (2, 5))
    assert driven.run() is Status.BEGIN
    assert driven.begin(total=0) == 2
    assert driven.run() is Status.FAILED
    assert driven.take() == [(1, 5), (2, 5)]
    block = driven.block
    assert block.instances.key_of(block.in_hand()) == 1
    assert block.values() == {"total": 5}
    assert driven.source.port[TAIL] == 2


def test_the_host_has_the_messages_of_marked_instances():
    driven = Driven(account)
    driven.put((1, 5), (2, 5))
    driven.run()
    driven.begin(total=0)
    driven.block.instances.set_flags(driven.block.instances.find((2,)), NEW | BY_HOST)
    assert driven.run() is Status.OF_HOST
    assert driven.take() == [(1, 5)]
    assert driven.block.instances.key_of(driven.block.in_hand()) == 2
    assert driven.source.port[TAIL] == 1


def test_a_loop_ends_behind_its_last_message():
    """Its condition is looked at again before the next message of any key is handled."""
    driven = Driven(three)
    driven.put((1, 1), (2, 10), (1, 2), (1, 3), (2, 20), (1, 4))
    assert driven.run() is Status.BEGIN
    driven.begin(seen=deque(maxlen=3), left=3)
    assert driven.run() is Status.LEFT
    assert driven.take() == [(1, 1), (2, 10), (1, 3), (1, 6)]
    block = driven.block
    assert block.instances.key_of(block.in_hand()) == 1
    assert block.values() == {"seen": deque([1, 2, 3], 3), "left": 0}
    block.rest()
    assert driven.run() is Status.MORE or driven.take() == [(2, 30)]


def test_which_prologues_are_constant():
    assert instance_parts(account).begins_alike is not None
    assert instance_parts(three).begins_alike is not None
