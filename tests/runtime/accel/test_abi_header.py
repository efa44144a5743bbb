"""The constants that the extension was compiled with."""

from __future__ import annotations

import re

import pytest

from pydotcompute.accel import abi_header, storage


def test_the_header_is_current() -> None:
    """Otherwise run ``python -m pydotcompute.accel.abi_header`` and build the extension again."""
    assert abi_header.HEADER.read_text() == abi_header.text()


def test_c_repeats_no_word_index_by_hand() -> None:
    for file in abi_header.HEADER.parent.glob("_fastpath*.c"):
        words = re.findall(r"(?:acquire|release)\([^,()]+, *([A-Z_0-9a-z]+)", file.read_text())
        assert all(word.startswith("ABI_PORT_WORD_") for word in words), file.name


def test_the_version_is_that_of_the_header() -> None:
    if storage.extension is None:
        pytest.skip("not built")
    assert storage.extension.VERSION == storage.VERSION
