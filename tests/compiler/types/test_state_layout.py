"""The record of a state gives its variables back as they went in."""

from __future__ import annotations

from pydotcompute.compiler.types.state_layout import StateLayout
from pydotcompute.compiler.types.types import FLOAT, INT, NONE, STR, UnionType


def test_variables_come_back_in_their_order() -> None:
    layout = StateLayout((("name", STR), ("n", INT), ("maybe", UnionType((INT, NONE))),
                          ("x", FLOAT)))  # fmt: skip
    values = {"name": "a", "n": 1, "maybe": None, "x": 0.5}
    record = memoryview(bytearray(layout.dtype.itemsize))
    layout.pack(values, record)
    assert list(layout.unpack(record).items()) == list(values.items())
