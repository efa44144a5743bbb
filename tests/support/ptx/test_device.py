"""The PTX device behind the runtime: the self-test, an actor, what it dies of."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel
from pydotcompute.backends.cuda import device_selection as devices
from pydotcompute.backends.device import DeviceFault
from pydotcompute.compiler.codegen.render import render_echo
from pydotcompute.errors import BackendUnavailableError
from pydotcompute.settings import scope
from pydotcompute.toolchain import nvrtc
from pydotcompute.toolchain.host_cc import find_compiler
from tests.support.ptx import PTX
from tests.support.ptx.device import PtxDevice

try:
    find_compiler()
    nvrtc.find_nvrtc()
except BackendUnavailableError as error:
    pytest.skip(str(error), allow_module_level=True)

Run = Callable[[Any], Any]


def test_the_self_test_runs_and_loading_it_costs_no_context() -> None:
    device = PtxDevice()
    device.load(device.compile(render_echo(), "self-test"), 1)  # launches it with zeros
    assert not device.faulted
    devices.check_echo(device)


def test_a_kernel_that_reads_address_0_when_it_is_loaded_ends_the_device() -> None:
    device = PtxDevice()
    wrong = render_echo().replace("|| blockIdx.x >= count", "")
    assert wrong != render_echo()
    with pytest.raises(DeviceFault, match="null access of 8 bytes at 0x0 .PTX line"):
        device.load(device.compile(wrong, "self-test"), 1)
    with pytest.raises(DeviceFault, match="null access"):
        device.stream().launch(None, 0, 0, 0)


@message
@dataclass
class Sample:
    value: float
    weight: int


@message
@dataclass
class Mean:
    value: float
    weights: int
    hashed: int


@ring_kernel(kernel_id="ptx_weighted", input_type=Sample, output_type=Mean, auto_register=False)
async def weighted(ctx: KernelContext[Sample, Mean]) -> None:
    total, weights, recent = 0.0, 0, deque([0.0], maxlen=4)
    while True:
        sample = await ctx.receive()
        recent.append(sample.value)
        total += math.sqrt(abs(sample.value)) * sample.weight / (1.0 + max(recent))
        weights += sample.weight
        await ctx.send(Mean(total / weights, weights, weights * 7919 % 1009 - weights // 3))


def test_an_actor_runs_on_it(run: Run) -> None:
    batch = [Sample((-1.5) ** n / 3 if n % 2 else n * 1.25, n + 1) for n in range(200)]

    async def replies(backend: str) -> list[Any]:
        async with RingKernelRuntime(backend=backend, fallback="error") as runtime:
            kernel = await runtime.launch("ptx_weighted", weighted)
            await kernel.activate()
            assert kernel.backend == backend
            made = [await kernel.request(item) for item in batch[:20]]
            await kernel.send_many(batch[20:])
            return made + [await kernel.receive() for _ in batch[20:]]

    with scope(device=PTX):
        assert isinstance(devices.open_device(PTX), PtxDevice)
        compiled = run(replies("cuda"))
    assert compiled == run(replies("python"))
