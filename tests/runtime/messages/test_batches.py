"""Batches: ``Request.array`` from columns and from messages, ``Request.messages`` back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from pydotcompute import MessageTypeError, MessageValueError, message
from pydotcompute.testing import messages, same


@message
class Plain:
    value: int
    scale: float = 1.5


def test_array_from_columns() -> None:
    batch = Plain.array(value=[1, 2, 3], scale=2)
    assert batch.dtype == Plain.dtype
    assert batch.tolist() == [(1, 2.0), (2, 2.0), (3, 2.0)]
    assert Plain.array(value=range(2)).tolist() == [(0, 1.5), (1, 1.5)]
    assert Plain.array(value=np.arange(2, dtype=np.uint8)).tolist() == [(0, 1.5), (1, 1.5)]
    assert Plain.array(value=np.array([7], np.uint64)).tolist() == [(7, 1.5)]
    assert Plain.array(value=[]).shape == (0,)


def test_array_from_messages_and_back() -> None:
    made = [Plain(1), Plain(2, 3.0)]
    batch = Plain.array(made)
    assert Plain.messages(batch) == made
    assert Plain.messages(batch[1]) == [made[1]]
    assert Plain.messages(batch[:0]) == []
    again = Plain.array(batch)
    again["value"] = 0
    assert batch["value"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("kind", "arguments", "columns", "text"),
    [
        (TypeError, (), {"scale": [1.0]}, "Plain.array needs a column for field 'value'"),
        (TypeError, (), {"vaule": [1]}, "Plain has no field 'vaule'; it has value, scale"),
        (
            TypeError, ([Plain(1)],), {"value": [1]},
            "Plain.array takes messages or columns, not both",
        ),
        (
            ValueError, (), {"value": [1, 2], "scale": [1, 2, 3]},
            "the columns of a Plain batch differ in length: value has 2, scale has 3",
        ),
        (
            MessageTypeError, (), {"value": [1, "x"]},
            "message 1 of the batch: field 'value' of Plain takes int, got str ('x')",
        ),
        (
            MessageTypeError, (), {"value": np.array([1.5])},
            "message 0 of the batch: field 'value' of Plain takes int, got float (1.5)",
        ),
        (
            MessageValueError, (), {"value": np.array([1, 2**63], np.uint64)},
            "message 1 of the batch: field 'value' of Plain takes int from -2**63 to 2**63 - 1, "
            "got 9223372036854775808",
        ),
        (
            MessageTypeError, (5,), {},
            "Plain.array takes a sequence of Plain, or an array of Plain.dtype, got int (5)",
        ),
        (
            MessageTypeError, ([Plain(1), 5],), {},
            "Plain.array takes Plain, got int (5), as message 1 of the batch",
        ),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit(kind: Any, arguments: Any, columns: Any, text: str) -> None:
    with pytest.raises(kind) as caught:
        Plain.array(*arguments, **columns)
    assert str(caught.value) == text


def test_messages_refuses_other_arrays() -> None:
    with pytest.raises(MessageTypeError) as caught:
        Plain.messages([1])
    assert str(caught.value) == "Plain.messages takes an array of Plain.dtype, got list ([1])"
    with pytest.raises(MessageTypeError) as caught:
        Plain.messages(np.zeros(3))
    assert str(caught.value) == (
        "Plain.messages takes an array of Plain.dtype, got an array of float64"
    )


@given(messages(Plain))
def test_through_columns_as_through_messages(made: Plain) -> None:
    batch = Plain.array(value=[made.value], scale=[made.scale])
    (back,) = Plain.messages(batch)
    assert same(back, made)
    assert batch.tobytes() == Plain.array([made]).tobytes()
