"""Fixtures shared by the tests of the runtime: the backend matrix, and a way to run coroutines.

``backend`` is ``"python"`` or ``"native"``.  ``kit`` launches the actor of ``native_actor`` on it,
which needs no compiler of ours, so the engines are tested apart from the lowering.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest

import pydotcompute.kernels.actor
from pydotcompute.backends.choice import Plan, choose
from pydotcompute.kernels import accelerate as fastpath
from tests.support.native_actor import kit as native_kit
from tests.support.ptx import PTX


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-golden`` writes the pinned texts anew."""
    parser.addoption("--update-golden", action="store_true", help="write tests/golden anew")


os.environ.setdefault("PYDOTCOMPUTE_VERIFY", "each")
if os.environ.get("PYDOTCOMPUTE_DEVICE") == "ptx":
    os.environ["PYDOTCOMPUTE_DEVICE"] = PTX

LIMIT = 180.0 if os.environ.get("PYDOTCOMPUTE_DEVICE") == PTX else 30.0
"""Seconds after which a test that hangs fails."""


@pytest.fixture(params=["python", "native"])
def backend(request: pytest.FixtureRequest) -> str:
    """Every backend that runs on any machine."""
    name: str = request.param
    if name == "native" and native_kit.library() is None:
        pytest.skip("no C++ compiler")
    return name


@pytest.fixture(params=["python", "python-pure", "native", "native-pure", "cuda"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Every way an actor can run on any machine: the backend's name, the extension on or off.

    ``cuda`` runs on the emulated device, or on a GPU where ``PYDOTCOMPUTE_DEVICE`` says so.
    """
    name, _, pure = request.param.partition("-")
    if name == "cuda":
        monkeypatch.setenv("PYDOTCOMPUTE_DEVICE", os.environ.get("PYDOTCOMPUTE_DEVICE", "emulated"))
    if name != "python" and native_kit.library() is None:
        pytest.skip("no C++ compiler")
    if not pure and fastpath.extension is None:
        pytest.skip("the extension was not built")
    fastpath.use(not pure)
    yield name
    fastpath.use()


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine to its end, or fail if it hangs."""

    def run_it(coroutine: Coroutine[Any, Any, Any]) -> Any:
        async def limited() -> Any:
            return await asyncio.wait_for(coroutine, LIMIT)

        return asyncio.run(limited())

    return run_it


@pytest.fixture(params=["c", "python"])
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    """With the extension and without it, in one process."""
    if request.param == "c" and fastpath.extension is None:
        pytest.skip("the extension was not built")
    fastpath.use(request.param == "c")
    yield request.param
    fastpath.use()


@pytest.fixture
def kit(backend: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[Any]]:
    """``await kit(runtime, active=True, **settings)``: the hand-written actor on the backend.

    ``silent`` and ``max_sends`` are facts about the compiled actor that a test may change.
    """
    native_kit.printed.clear()
    native_kit.ended.clear()
    facts: dict[str, Any] = {}

    def choice(
        spec: Any, split: Any, asked: str, state: Any, fallback: str, keyed: Any = None
    ) -> Plan:
        if asked == "python" or spec.function is not native_kit.body:
            return choose(spec, split, asked, state, fallback, keyed)
        return Plan("native", program=native_kit.program(**facts))

    monkeypatch.setattr(pydotcompute.kernels.actor, "choose", choice)

    async def launch(
        runtime: Any, *, active: bool = True, silent: bool = True,
        max_sends: int | None = 16, **settings: Any,
    ) -> Any:  # fmt: skip
        facts.update(silent=silent, max_sends=max_sends)
        function = native_kit.kit(**settings)
        kernel = await runtime.launch(function.kernel_id, function, backend=backend)
        if active:
            await kernel.activate()
        return kernel

    return launch
