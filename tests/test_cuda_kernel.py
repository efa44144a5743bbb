"""The text of the resident kernel, as NVRTC understands it: no GPU is needed to read PTX."""

from __future__ import annotations

import re

import pytest

from tests.contract import decorated, plain, tally

pytest.importorskip("cuda.bindings.nvrtc")

INSTRUCTION = re.compile(r"^\s*(?:@!?%p\d+ )?([a-z][\w.:]*)\s.*;", re.MULTILINE)


def instructions(ptx: str) -> set[str]:
    return set(INSTRUCTION.findall(ptx))


@pytest.fixture(scope="module")
def found() -> set[str]:
    return instructions(decorated(tally).lower().ptx("sm_90"))


def test_shared_words_are_loaded_and_stored_with_order(found: set[str]) -> None:
    assert {"ld.acquire.sys.u64", "st.release.sys.u64", "ld.relaxed.sys.u32"} <= found


def test_nothing_is_read_modified_and_written_across_the_bus(found: set[str]) -> None:
    assert not [name for name in found if name.startswith(("atom", "red"))]


def test_floats_are_neither_contracted_nor_flushed(found: set[str]) -> None:
    assert not [name for name in found if name.startswith("fma") or ".ftz" in name]


def test_neighbouring_lanes_copy_sixteen_bytes_each(found: set[str]) -> None:
    wide = re.compile(r"(v2\.(u64|b64)|v4\.(u32|b32))$")
    assert [name for name in found if name.startswith("ld.") and wide.search(name)]
    assert [name for name in found if name.startswith("st.") and wide.search(name)]


def test_the_clock_is_the_devices(found: set[str]) -> None:
    ptx = decorated(plain).lower().ptx("sm_90")
    assert "%globaltimer" in ptx
    assert "nanosleep.u32" in instructions(ptx)


def test_both_kernels_are_there_and_know_the_lines_of_python() -> None:
    ptx = decorated(plain).lower().ptx("sm_90")
    assert re.findall(r"\.entry (\w+)\(", ptx) == ["pdc_resident", "pdc_debug_step"]
    assert "tests/contract.py" in "".join(re.findall(r"^\s*\.file.*$", ptx, re.MULTILINE))


@pytest.mark.parametrize("arch", ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"])
def test_cubins_for_every_architecture(arch: str) -> None:
    assert decorated(plain).lower().cubin(arch).startswith(b"\x7fELF")
