"""What is said when an actor leaves compiled code: where, and whether anything is said at all."""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pydotcompute import RingKernelRuntime, message, ring_kernel
from tests.support.contract import need_compiler

HELPER = '''



def scaled(n: int) -> int:
    large = n * 10**18
    larger = large * 10**18
    return larger % 7
'''


@message
@dataclass
class Job:
    n: int


@ring_kernel(kernel_id="opener", input_type=Job, output_type=Job, auto_register=False)
async def opener(ctx: Any) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive()
        with open(__file__):
            await ctx.send(job)


def test_allow_is_silent_in_the_log_too(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with RingKernelRuntime(backend="native", fallback="allow") as runtime:
            kernel = await runtime.launch("opener", opener)
            assert kernel.backend == "python"
            assert kernel.reason

    with caplog.at_level(logging.DEBUG):
        run(main())
    assert [record for record in caplog.records if record.name.startswith("pydotcompute")] == []


def test_a_reason_in_a_helper_names_the_file_of_the_helper(run: Any, tmp_path: Path) -> None:
    need_compiler("native")
    file = tmp_path / "helper_of_it.py"
    file.write_text(HELPER, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("helper_of_it", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    scaled = module.scaled

    @ring_kernel(kernel_id="scaler", input_type=Job, output_type=Job, auto_register=False)
    async def scaler(ctx: Any) -> None:
        total = 0
        while not ctx.should_terminate:
            job = await ctx.receive()
            total = scaled(job.n)
            await ctx.send(Job(total))

    async def main() -> None:
        async with RingKernelRuntime(backend="native", fallback="allow") as runtime:
            kernel = await runtime.launch("scaler", scaler)
            await kernel.activate()
            assert (await kernel.request(Job(2**40))).n == 2**40 * 10**36 % 7
            assert kernel.backend == "native"
            assert f"{file}:6" in kernel._actor.engine.last_break()

    run(main())
