"""The text of the resident kernel, as NVRTC understands it: no GPU is needed to read PTX."""

from __future__ import annotations

import re

import pytest

from tests.support.contract import decorated, plain, tally

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


def order(ptx: str, function: str) -> list[str]:
    """The loads, stores and fences of a function, a letter each, as they stand there."""
    bodies = [b for b in re.split(r"^\.func ", ptx, flags=re.MULTILINE) if "{" in b.split(";")[0]]
    body = next(b for b in bodies if re.match(rf".*\d*{function}(E\w*)?\(", b))
    body = body.split("\n}", 1)[0]
    kinds = {"ld.acquire.sys": "A", "ld.relaxed.sys": "R", "ld": "L", "st.release.sys": "P",
             "st": "S", "fence": "F", "membar": "F"}  # fmt: skip
    found = []
    for name in INSTRUCTION.findall(body):
        prefix = next((p for p in kinds if name.startswith(p)), None)
        if prefix is not None and not name.startswith(("ld.param", "st.param", "ld.local")):
            found.append(kinds[prefix])
    return found


def test_a_lane_has_eight_loads_under_way() -> None:
    """A trip over the bus takes a microsecond: nobody waits for one before asking for the next."""
    ptx = decorated(plain).lower().ptx("sm_90")
    assert "LLLLLLLLSSSSSSSS" in "".join(order(ptx, "pdc_copy"))


def test_a_poll_is_one_trip() -> None:
    found = "".join(order(decorated(plain).lower().ptx("sm_90"), "pdc_reside"))
    assert "RRA" in found


def test_an_actor_and_its_ports_arrive_in_one_trip() -> None:
    """They lie anywhere; each of 32 lanes asks for three of their 80 words at once."""
    found = "".join(order(decorated(plain).lower().ptx("sm_90"), "pdc_fetch_joined"))
    assert found == "RRRSSS"


def test_of_the_hosts_ports_only_the_counters_are_looked_at() -> None:
    """Addresses and masks stay as they are during a residency: they are fetched once."""
    text = decorated(tally).lower().source.partition("/* resident.h:")[2]
    assert set(re.findall(r"s->(?:input|output)->(\w+)", text)) == {"head", "tail"}


def test_a_burst_orders_nothing_for_the_whole_system() -> None:
    """Its ports are a copy that only its own lane touches."""
    found = order(decorated(plain).lower().ptx("sm_90"), "pdc_burst")
    assert found
    assert not set(found) & {"A", "P", "F"}


def test_the_clock_is_the_devices(found: set[str]) -> None:
    ptx = decorated(plain).lower().ptx("sm_90")
    assert "%globaltimer" in ptx
    assert "nanosleep.u32" in instructions(ptx)


def test_both_kernels_are_there_and_know_the_lines_of_python() -> None:
    ptx = decorated(plain).lower().ptx("sm_90")
    assert re.findall(r"\.entry (\w+)\(", ptx) == ["pdc_resident", "pdc_debug_step"]
    assert "tests/support/contract.py" in "".join(re.findall(r"^\s*\.file.*$", ptx, re.MULTILINE))


@pytest.mark.parametrize("arch", ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"])
def test_cubins_for_every_architecture(arch: str) -> None:
    assert decorated(plain).lower().cubin(arch).startswith(b"\x7fELF")
