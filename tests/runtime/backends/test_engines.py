"""The factory of engines, and what every engine can be asked."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from pydotcompute.backends.base import Engine
from pydotcompute.backends.cuda.engine import CudaEngine
from pydotcompute.backends.native.engine import NativeEngine
from pydotcompute.backends.python.engine import PythonEngine
from tests.support.contract import launched, plain

OF_THE_PROTOCOL = [name for name in vars(Engine) if not name.startswith("_")]


@pytest.mark.parametrize("engine", [PythonEngine, NativeEngine, CudaEngine])
@pytest.mark.parametrize("name", OF_THE_PROTOCOL)
def test_an_engine_has_all_of_the_protocol(engine: type, name: str) -> None:
    """With the parameters that the protocol names: callers look nothing up."""
    wanted, given = getattr(Engine, name), getattr(engine, name)
    if isinstance(wanted, property):
        assert isinstance(given, property)
        return
    assert inspect.iscoroutinefunction(wanted) == inspect.iscoroutinefunction(given)
    names = list(inspect.signature(wanted).parameters)
    assert list(inspect.signature(given).parameters)[: len(names)] == names


def test_the_factory_makes_what_the_plan_names(way: str, run: Any) -> None:
    made = {"python": PythonEngine, "native": NativeEngine, "cuda": CudaEngine}

    async def main() -> None:
        async with launched(way, plain) as kernel:
            engine = kernel._actor.engine
            assert type(engine) is made[way]
            assert engine.interprets == (way == "python")

    run(main())
