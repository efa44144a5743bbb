"""The table of strings: ids, what keeps a string, and when one is freed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pydotcompute.compiler.types.string_table import SLOT, StringTable


class Memory:
    """Memory of an actor that rests or runs."""

    def __init__(self, table: StringTable, size: int) -> None:
        self.held = np.zeros(size, np.uint64)
        self.running = False
        table.add_root(self)

    def words(self) -> list[Any] | None:
        return None if self.running else [self.held]


@given(st.lists(st.text(max_size=5)))
def test_strings_and_ids_belong_together(texts: list[str]) -> None:
    table = StringTable()
    ids = [table.intern(text) for text in texts]
    assert [table.text(i) for i in ids] == texts
    assert table.intern("") == 0
    assert len(table) == len({*texts, ""})
    assert table.valid(np.array(ids, np.uint64)).all()


def test_a_string_that_nothing_holds_is_freed() -> None:
    table = StringTable()
    memory = Memory(table, 2)
    memory.held[0] = kept = table.intern("kept")
    gone = table.intern("gone")
    pinned = table.pin("pinned")
    assert table.collect()
    assert len(table) == 3
    assert table.intern("kept") == kept
    assert table.valid(np.array([0, kept, gone, pinned], np.uint64)).tolist() == [
        True, True, False, True,
    ]  # fmt: skip


def test_the_id_of_a_freed_string_is_never_that_of_another() -> None:
    table = StringTable()
    seen: set[int] = set()
    for n in range(50):
        made = table.intern(f"string {n}")
        assert made not in seen
        assert made & SLOT == 1
        seen.add(made)
        assert table.valid(np.array(sorted(seen), np.uint64)).sum() == 1
        table.collect()


def test_a_slot_whose_generations_are_used_up_is_left_out() -> None:
    table = StringTable()
    table._first = 0x7FFFFFFF << 32
    assert table.intern("last") == 0x7FFFFFFF_00000001
    table.collect()
    assert table.intern("next") & SLOT == 2
    assert not table.valid(np.array([0x7FFFFFFF_00000001, 1 << 63 | 1], np.uint64)).any()


def test_an_array_keeps_its_strings_as_long_as_it_exists() -> None:
    table = StringTable()
    batch = np.zeros(3, np.dtype([("name", "<u8"), ("n", "<u4")], align=True))
    table.track(batch[1:]["name"])
    batch["name"] = [table.intern(text) for text in "abc"]
    table.collect()
    assert len(table) == 4
    part = batch[:1]
    del batch
    table.collect()
    assert len(table) == 4, "a slice keeps the whole"
    del part
    table.collect()
    assert len(table) == 1


def test_new_strings_collect_the_unused_ones() -> None:
    table = StringTable(young=100)
    for n in range(10_000):
        table.intern(f"string {n}")
    assert len(table) <= 102
    assert table.sweeps[0] == pytest.approx(99, abs=1)
    table = StringTable(characters=1000)
    for n in range(100):
        table.intern(f"{n:0100}")
    assert len(table) <= 12


def test_more_is_kept_before_the_next_collection_if_more_is_held() -> None:
    table = StringTable(young=10)
    memory = Memory(table, 1000)
    for n in range(1000):
        memory.held[n] = table.intern(f"held {n}")
    sweeps = table.sweeps[0]
    for n in range(1000):
        table.intern(f"not held {n}")
    assert table.sweeps[0] - sweeps <= 2


def test_a_collection_waits_for_an_actor_that_runs() -> None:
    table = StringTable()
    memory = Memory(table, 4)
    memory.held[0] = moved = table.intern("moved")
    gone = table.intern("gone")
    asked = table.intern("asked for")
    memory.running = True
    assert not table.collect()
    assert table.collecting
    # while it is open: the actor moves an id, a message is packed, one goes through an array
    memory.held[0], memory.held[1] = 0, moved
    assert table.intern("asked for") == asked
    new = table.intern("new")
    assert table.valid(np.array([moved, gone, asked, new], np.uint64)).all()
    memory.running = False
    assert table.collect()
    assert not table.collecting
    # `valid` has found `gone` in an array of the user's, so it was in use
    assert len(table) == 5
    assert table.collect()
    assert len(table) == 2
    assert table.intern("moved") == moved


def test_an_array_made_while_a_collection_is_open() -> None:
    table = StringTable()
    memory = Memory(table, 1)
    memory.held[0] = left = table.intern("left the actor")
    memory.running = True
    assert not table.collect()
    batch = np.zeros(1, np.uint64)
    table.track(batch)
    batch[0], memory.held[0] = left, 0
    memory.running = False
    assert table.collect()
    assert table.text(left) == "left the actor"
    del memory
    assert table.collect()
    assert table.valid(batch).all()


def test_an_actor_that_ends_ends_the_wait() -> None:
    table = StringTable()
    memory = Memory(table, 1)
    memory.running = True
    table.intern("gone")
    assert not table.collect()
    del memory
    assert table.collect()
    assert len(table) == 1


def test_storing_again_when_the_id_was_freed_meanwhile() -> None:
    table = StringTable(young=1)
    memory = Memory(table, 2)

    class Slow:
        """A record whose first write comes too late."""

        def __init__(self) -> None:
            self.writes = 0

        def __setitem__(self, place: int, value: int) -> None:
            if not self.writes:
                table.collect()
            self.writes += 1
            memory.held[place] = value

    record = Slow()
    table.store(record, 1, "text")
    assert record.writes == 2
    assert table.text(int(memory.held[1])) == "text"
    assert table.valid(memory.held).all()


class Machine(RuleBasedStateMachine):
    """Whatever happens, memory that is looked through holds the strings that were put there."""

    def __init__(self) -> None:
        super().__init__()
        self.table = StringTable(young=4)
        self.actors = [(Memory(self.table, 4), [""] * 4) for _ in range(2)]
        self.batch = np.zeros(4, np.uint64)
        self.table.track(self.batch)
        self.inside = [""] * 4

    def places(self) -> list[tuple[Any, list[str]]]:
        return [*((a.held, texts) for a, texts in self.actors), (self.batch, self.inside)]

    @rule(where=st.integers(0, 2), at=st.integers(0, 3), text=st.text("ab", max_size=3))
    def put(self, where: int, at: int, text: str) -> None:
        held, texts = self.places()[where]
        self.table.store(held, at, text)
        texts[at] = text

    @rule(where=st.integers(0, 1), a=st.integers(0, 3), b=st.integers(0, 3))
    def move_inside(self, where: int, a: int, b: int) -> None:
        held, texts = self.places()[where]
        held[a], texts[a] = held[b], texts[b]
        held[b], texts[b] = 0, ""

    @rule(where=st.integers(0, 1), at=st.integers(0, 3))
    def out_into_batch(self, where: int, at: int) -> None:
        held, texts = self.places()[where]
        self.batch[at], self.inside[at] = held[at], texts[at]
        held[at], texts[at] = 0, ""

    @rule(where=st.integers(0, 1), at=st.integers(0, 3))
    def batch_into_actor(self, where: int, at: int) -> None:
        held, texts = self.places()[where]
        assert self.table.valid(self.batch[at : at + 1]).all()
        held[at], texts[at] = self.batch[at], self.inside[at]
        self.batch[at], self.inside[at] = 0, ""

    @rule(where=st.integers(0, 1), running=st.booleans())
    def run_or_rest(self, where: int, running: bool) -> None:
        self.actors[where][0].running = running
        if self.table.collecting:
            self.table.collect()

    @rule()
    def collect(self) -> None:
        self.table.collect()

    @invariant()
    def everything_is_there(self) -> None:
        ids: dict[str, int] = {}
        for held, texts in self.places():
            assert [self.table.text(int(number)) for number in held] == texts
            for text, number in zip(texts, held.tolist(), strict=True):
                assert ids.setdefault(text, number) == number

    def teardown(self) -> None:
        for memory, _ in self.actors:
            memory.running = False
        self.table.collect()
        self.table.collect()
        wanted = {text for _, texts in self.places() for text in texts}
        assert len(self.table) == len(wanted | {""})


TestMachine: Callable[..., Any] = Machine.TestCase
