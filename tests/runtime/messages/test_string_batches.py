"""Batches with strings: which arrays keep their strings, and what is said of those that do not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pytest
from annotated_types import MaxLen

from pydotcompute import MessageValueError, message
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.messages.string_batches import StringBatch


@message
class Named:
    n: int
    name: str = ""
    other: str | None = None
    tags: Annotated[list[str], MaxLen(3)] | None = None


@message
class Holder:
    held: Named


@message
class Plain:
    n: int


def some(count: int = 6) -> Any:
    return Named.array([Named(n, f"name {n}", None if n % 2 else f"other {n}",
                              [f"tag {n}", f"tag {n + 1}"]) for n in range(count)])  # fmt: skip


def forget() -> None:
    """Free what nothing holds, and put other strings into the slots."""
    assert STRINGS.collect()
    for n in range(200):
        STRINGS.intern(f"something else {n}")


COPIES: dict[str, Callable[[Any], Any]] = {
    "itself": lambda batch: batch,
    "slice": lambda batch: batch[1:4],
    "step": lambda batch: batch[::2],
    "copy": lambda batch: batch.copy(),
    "copy.copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "mask": lambda batch: batch[batch["n"] > 2],
    "places": lambda batch: batch[[4, 0, 4]],
    "concatenate": lambda batch: np.concatenate([batch[4:], batch[:2]]),
    "empty and concatenate": lambda batch: np.concatenate([np.empty(0, Named.dtype), batch]),
    "hstack": lambda batch: np.hstack([batch, batch]),
    "take": lambda batch: batch.take([3, 1]),
    "repeat": lambda batch: np.repeat(batch, 2),
    "sort": lambda batch: np.sort(batch, order="n"),
    "roll": lambda batch: np.roll(batch, 2),
    "reshape": lambda batch: batch.reshape(2, -1).copy().ravel(),
    "asarray": np.asarray,
    "view": lambda batch: batch.view(np.ndarray)[2:],
    "empty_like": lambda batch: _filled(np.empty_like(batch), batch),
    "array": Named.array,
    "through messages": lambda batch: Named.array(Named.messages(batch)),
    "nested": lambda batch: Holder.array(held=batch)["held"].copy(),
}


def _filled(target: Any, source: Any) -> Any:
    target[:] = source
    return target


@pytest.mark.parametrize("way", COPIES)
def test_copies_keep_their_strings(way: str) -> None:
    batch = some()
    made = COPIES[way](batch)
    wanted = Named.messages(batch)
    order = made["n"].tolist()
    del batch
    forget()
    assert Named.messages(np.ascontiguousarray(made)) == [wanted[n] for n in order]


def test_it_is_freed_with_its_last_copy() -> None:
    forget()
    STRINGS.collect()
    before = len(STRINGS)
    batch = some()
    part = batch[2:3].copy()
    assert len(STRINGS) > before + 10
    del batch
    STRINGS.collect()
    assert len(STRINGS) == before + 4  # "name 2", "other 2", "tag 2", "tag 3"
    del part
    STRINGS.collect()
    assert len(STRINGS) == before


def test_a_copy_that_nobody_told_of_is_never_another_string() -> None:
    batch = some()
    plain = np.array(batch)
    assert type(plain) is np.ndarray
    del batch
    forget()
    with pytest.raises(MessageValueError) as caught:
        Named.messages(plain)
    assert str(caught.value).startswith(
        "message 0 of the batch: field 'name' of Named takes str, got a record holding "
    )
    assert str(caught.value).endswith(
        ", which is the id of no string, or of one that was freed (a batch keeps its strings, and "
        "so do its slices and copies, but not np.array(batch), nor an array that its records are "
        "put into)"
    )


def test_an_array_is_known_from_its_first_use_on() -> None:
    batch = some()
    plain = np.zeros(6, Named.dtype)
    plain[:] = batch
    wanted = Named.messages(plain)
    del batch
    forget()
    assert Named.messages(plain) == wanted


@pytest.mark.parametrize("wrong", [1, 5, 2**32 - 1, 2**32, 2**63, 2**64 - 1])
def test_what_is_no_id(wrong: int) -> None:
    batch = np.zeros(3, Named.dtype)
    batch["name"][2] = wrong
    with pytest.raises(MessageValueError, match="^message 2 of the batch: field 'name' of Named"):
        Named.messages(batch)


def test_only_batches_with_strings_are_of_the_class() -> None:
    batch = some()
    assert type(batch) is type(batch[1:]) is type(batch[batch["n"] > 2]) is StringBatch
    assert type(batch["n"]) is type(batch["name"]) is np.ndarray
    assert type(batch["n"] * 2) is np.ndarray
    assert isinstance(batch[0], np.void)
    assert type(Plain.array(n=[1])) is np.ndarray
    assert batch["name"].tolist() == np.asarray(batch)["name"].tolist()
