"""Mistakes put into the PTX of an actor: each is caught, by a fault or by a wrong answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pydotcompute import (
    ActorFailedError,
    KernelContext,
    QueueTimeoutError,
    RingKernelRuntime,
    ring_kernel,
)
from pydotcompute.backends.cuda import device_selection as devices
from pydotcompute.errors import BackendUnavailableError
from pydotcompute.settings import scope
from pydotcompute.toolchain import nvrtc
from pydotcompute.toolchain.host_cc import find_compiler
from tests.support.contract import Answer, Job
from tests.support.ptx import PTX
from tests.support.ptx.device import ARCH, PtxDevice, build

try:
    find_compiler()
    nvrtc.find_nvrtc()
except BackendUnavailableError as error:
    pytest.skip(str(error), allow_module_level=True)

COUNT = 300
Change = Callable[[str], str]


@ring_kernel(kernel_id="ptx_hash", input_type=Job, output_type=Answer, auto_register=False)
async def hashing(ctx: KernelContext[Job, Answer]) -> None:
    total = 0
    while True:
        job = await ctx.receive()
        total = (total * 31 + job.value // 7 + 5) % 1000003
        await ctx.send(Answer(total, job.value // 1000003))


class Mistaken(PtxDevice):
    """A PTX device that compiles something else than it is given.

    Args:
        change: what it does to the PTX.
    """

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.barrier = 5.0
        self._change = change

    def compile(self, source: str, name: str) -> Path:
        """As always, with the mistake."""
        text = nvrtc.compile(source, ARCH, name=name, to="ptx").decode()
        return build(self._change(text), name)


def outcome(change: Change, monkeypatch: pytest.MonkeyPatch) -> str:
    """``"right"``, ``"wrong"``, or what the device died of."""
    device = Mistaken(change)
    monkeypatch.setitem(devices._opened, PTX, device)

    async def answers() -> list[tuple[int, int]]:
        async with RingKernelRuntime(backend="cuda", fallback="error") as runtime:
            kernel = await runtime.launch("ptx_hash", hashing)
            await kernel.activate()
            assert kernel.backend == "cuda"
            device.clock.hold()  # it stays, so that what it has not ordered does not show
            try:
                await kernel.send_many(Job.array(value=np.arange(COUNT) * 7919 - 5))
                made = [await kernel.receive(timeout=60) for _ in range(COUNT)]
            finally:
                device.clock.run()
            return [(item.value, item.total) for item in made]

    total, expected = 0, []
    for n in range(COUNT):
        value = n * 7919 - 5
        total = (total * 31 + value // 7 + 5) % 1000003
        expected.append((total, value // 1000003))
    with scope(device=PTX):
        try:
            found = asyncio.run(asyncio.wait_for(answers(), 120))
        except (ActorFailedError, BackendUnavailableError, QueueTimeoutError) as error:
            return device.reason or str(error)
    return "right" if found == expected else device.reason or "wrong"


def without(pattern: str, number: int) -> Change:
    """The PTX without one of the places that a pattern matches."""

    def change(text: str) -> str:
        places = list(re.finditer(pattern, text))
        assert number < len(places)
        start, end = places[number].span()
        return text[:start] + text[end:]

    return change


def test_without_a_mistake_it_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome(lambda text: text, monkeypatch) == "right"


BARRIER = r"bar\.sync\s+0;"


@pytest.mark.parametrize("number", [0, 3, 4, 5, 6])
def test_a_removed_barrier(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Without the others this actor is right: one lane does both what is before and after them."""
    found = outcome(without(BARRIER, number), monkeypatch)
    assert "a race in shared memory" in found or "an illegal memory access" in found


def test_a_barrier_that_one_lane_passes_by(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(text: str) -> str:
        guarded = (
            "{ .reg .pred %pone; .reg .u32 %rone; mov.u32 %rone, %tid.x; "
            "setp.eq.u32 %pone, %rone, 3; @!%pone bar.sync 0; }"
        )
        return re.sub(BARRIER, guarded, text)

    assert re.search("lanes|race|illegal", outcome(change, monkeypatch))


def test_a_product_of_the_wrong_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(text: str) -> str:
        assert "mul.hi.s64" in text
        return text.replace("mul.hi.s64", "mul.hi.u64")

    assert outcome(change, monkeypatch) == "wrong"


def test_a_store_that_is_not_aligned(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(text: str) -> str:
        changed = re.sub(r"(st\.v2\.u64\s+\[%rd\d+)\]", r"\1+8]", text)
        assert changed != text
        return changed

    assert "misaligned access of 16 bytes" in outcome(change, monkeypatch)


def test_a_missing_release(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(text: str) -> str:
        assert "st.release.sys" in text
        relaxed = text.replace("st.release.sys", "st.relaxed.sys")
        return relaxed.replace("fence.acq_rel.sys;", "fence.acq_rel.cta;")

    assert outcome(change, monkeypatch) == "wrong"
