"""A launch of an actor that this process has compiled before: nothing is compiled or hashed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

import pytest

from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel
from pydotcompute.settings import settings
from pydotcompute.support.worker_pool import Pool
from pydotcompute.toolchain import host_cc
from tests.support.contract import need_compiler


@message
@dataclass
class Number:
    n: int


FACTOR = 3


@ring_kernel(kernel_id="tripled", auto_register=False)
async def tripled(ctx: KernelContext[Number, Number]) -> None:
    while not ctx.should_terminate:
        m = await ctx.receive()
        await ctx.send(Number(FACTOR * m.n))


async def _answer(runtime: RingKernelRuntime, kernel_id: str) -> int:
    kernel = await runtime.launch(kernel_id, tripled)
    await kernel.activate()
    assert kernel.backend == "native"
    answer: int = (await kernel.request(Number(5), timeout=10)).n
    return answer


def test_it_needs_no_thread_and_no_hash(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    need_compiler("native")

    async def main() -> None:
        async with RingKernelRuntime(backend="native") as runtime:
            assert await _answer(runtime, "first") == 15
            with monkeypatch.context() as patch:
                patch.setattr(Pool, "call", None)
                patch.setattr(host_cc, "key_of", None)
                assert await _answer(runtime, "second") == 15

    run(main())


def test_a_changed_constant_is_seen(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    need_compiler("native")

    async def main() -> None:
        async with RingKernelRuntime(backend="native") as runtime:
            assert await _answer(runtime, "first") == 15
            monkeypatch.setitem(globals(), "FACTOR", 4)
            assert await _answer(runtime, "second") == 20

    run(main())


def test_an_emptied_cache_is_filled_again(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    need_compiler("native")
    monkeypatch.setenv("PYDOTCOMPUTE_CACHE_DIR", str(tmp_path))

    async def main() -> None:
        async with RingKernelRuntime(backend="native") as runtime:
            assert await _answer(runtime, "first") == 15
            assert settings().cache_dir == tmp_path
            shutil.rmtree(tmp_path)
            assert await _answer(runtime, "second") == 15
            assert [*tmp_path.rglob("*.so")]

    run(main())
