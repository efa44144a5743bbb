"""Folders of kernels below the dump folder: readable, and distinct for distinct ids."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydotcompute.actors.kernel_folder import folder_name


@pytest.mark.parametrize("kernel_id", ["doubler", "high-throughput", "stage_2", "A1"])
def test_plain_ids_are_their_folder(kernel_id: str) -> None:
    assert folder_name(kernel_id) == kernel_id


def test_ids_with_other_characters_are_told_apart() -> None:
    ids = ["温度", "圧力", "_", "a/b", "a.b", "a b", "a_b", ".", "..", "x" * 81, "x" * 82, "é", ""]
    names = [folder_name(kernel_id) for kernel_id in ids if kernel_id]
    assert all(one != other for one, other in combinations(names, 2))
    assert folder_name("温度").startswith("_-")
    assert folder_name("a/b").startswith("a_b-")


@given(st.text(min_size=1))
def test_a_folder_name_is_safe_everywhere(kernel_id: str) -> None:
    name = folder_name(kernel_id)
    assert name.isascii()
    assert 0 < len(name) <= 89
    assert not set(name) & set("/\\.: \0")
