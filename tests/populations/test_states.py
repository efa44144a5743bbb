"""Columns of ``states()``: which values become numbers of numpy's, and what stays as it is."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pytest

from pydotcompute import KernelContext
from pydotcompute.populations.spec import PopulationSpec
from pydotcompute.populations.states import column, record_array
from tests.support.contract import go
from tests.support.populations import Balance, Deposit, Kind, population


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([True, False], "?"),
        ([True, np.bool_(False)], "?"),
        ([1, -(2**63), 2**63 - 1], "i8"),
        ([1, 2**63], "O"),
        ([1.5, -0.0], "f8"),
        ([1.5, 3, -(2**53)], "f8"),
        ([1.5, 2**53 + 1], "O"),
        ([1, True], "O"),
        ([np.int32(5), np.int32(-1)], "i8"),
        ([np.float32(0.1)], "f8"),
        ([np.uint64(2**64 - 1)], "u8"),
        ([np.int8(1), np.int64(2)], "i8"),
        (["a", "Grüße"], "O"),
        ([None, 1], "O"),
        ([Kind.BUY, Kind.SELL], "O"),
        ([uuid.UUID(int=5)], "O"),
        ([[1, 2], [3, 4]], "O"),
        ([(1, 2), (3, 4)], "O"),
        ([np.zeros(2), np.ones(2)], "O"),
        ([{}], "O"),
        ([], "O"),
    ],
)
def test_column(values: list[Any], dtype: str) -> None:
    made = column(values)
    assert made.dtype == np.dtype(dtype)
    assert made.shape == (len(values),)
    assert made.dtype.itemsize == (1 if dtype == "?" else 8)
    for got, given in zip(made.tolist(), values, strict=True):
        assert np.array_equal(got, given)
        if dtype == "O":
            assert got is given


def test_rows() -> None:
    spec = PopulationSpec(("name", "number"), single=False)
    rows: list[tuple[Any, dict[str, Any]]] = [
        (("a", 1), {"total": 5, "name": "x"}), (("b", 2), {"total": 6}),
    ]  # fmt: skip
    made = record_array(spec, rows, ("total", "name"))
    assert made.dtype.names == ("name", "number", "total", "name_")
    assert made.tolist() == [("a", 1, 5, "x"), ("b", 2, 6, None)]
    assert made.total.tolist() == [5, 6]
    assert len(record_array(spec, [], ("total",))) == 0


def test_variables_that_are_not_bound_and_names_of_key_fields() -> None:
    async def actor(ctx: KernelContext[Deposit, Balance]) -> None:
        account = ctx.key
        total = 0
        while not ctx.should_terminate:
            deposit = await ctx.receive()
            if deposit.amount > 1:
                large = deposit.amount
            total += deposit.amount
            if total > 100:
                total = large
            await ctx.send(Balance(account, total))

    async def probe() -> None:
        async with population("python", actor) as kernel:
            await kernel.request(Deposit("a", 1))
            await kernel.request(Deposit("b", 2))
            rows = {row["account"]: row for row in kernel.states()}
            assert rows["a"]["large"] is None
            assert rows["b"]["large"] == 2
            assert rows["b"]["account_"] == "b"
            assert kernel.variables("a") == {"account": "a", "total": 1}

    go(probe)
