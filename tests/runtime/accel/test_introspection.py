"""What ``inspect``, ``pickle``, ``copy`` and ``mock`` find in the methods that run in C."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import pickle
import subprocess
import sys
import weakref
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any, get_type_hints
from unittest.mock import AsyncMock, create_autospec

import pytest

from pydotcompute import RingKernel, RingKernelRuntime
from pydotcompute.accel import storage
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.port import ObjectPort
from tests.support.native_actor.kit import SEND, Task

ROOT = Path(__file__).parents[3]
CALLS = [(cls, name) for cls in (RingKernel, RingKernelRuntime)
         for name in ("send", "receive", "request")]  # fmt: skip
PORTS: list[tuple[type[Any], str]] = [
    (HostProducer, "try_put"), (HostConsumer, "try_get"),
    (ObjectPort, "try_put"), (ObjectPort, "try_get"),
]  # fmt: skip
METHODS = CALLS + PORTS


def described(cls: type[Any], name: str) -> dict[str, Any]:
    """All that can be asked about a method, but for addresses."""
    method = getattr(cls, name)
    bound = MethodType(method, cls.__new__(cls))
    return {
        "coroutine": [inspect.iscoroutinefunction(each) for each in (method, bound)],
        "signature": str(inspect.signature(method)),
        "bound signature": str(inspect.signature(bound)),
        "doc": inspect.getdoc(method),
        "names": [method.__name__, method.__qualname__, method.__module__, bound.__name__],
        "code": [method.__code__.co_flags, method.__code__.co_firstlineno],
        "defaults": [repr(method.__defaults__), repr(method.__kwdefaults__)],
        "hints": repr(sorted(get_type_hints(method).items(), key=repr)),
        "class": method.__class__.__name__,
        "repr": repr(method).split(" at ")[0],
        "kinds": [kind.__name__ for kind in (
            inspect.isfunction, inspect.isroutine, inspect.isbuiltin, inspect.ismethod,
            inspect.isdatadescriptor, inspect.ismethoddescriptor, inspect.isgeneratorfunction,
            inspect.isasyncgenfunction, callable) if kind(method)],
        "source": inspect.getsource(method),
        "dir": dir(method),
        "pickled": pickle.loads(pickle.dumps(method)) is method,
        "copied": copy.copy(method) is method and copy.deepcopy(method) is method,
        "owned": name in vars(cls) and inspect.getattr_static(cls, name) is method,
        "attributes": [kind for where, kind, _, _ in inspect.classify_class_attrs(cls)
                       if where == name],
        "referenced": weakref.ref(method)() is method,
    }  # fmt: skip


def everything() -> dict[str, Any]:
    """``described`` of each method."""
    return {f"{cls.__name__}.{name}": described(cls, name) for cls, name in METHODS}


PURE = """
import json, sys
sys.modules["pydotcompute.accel._fastpath"] = None
from pydotcompute.accel import storage
from tests.runtime.accel.test_introspection import everything
assert storage.extension is None
print(json.dumps(everything()))
"""


def test_methods_look_alike_with_the_extension_and_without() -> None:
    done = subprocess.run([sys.executable, "-c", PURE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pure, here = json.loads(done.stdout), json.loads(json.dumps(everything()))
    assert here == pure
    for cls, name in CALLS:
        assert here[f"{cls.__name__}.{name}"]["coroutine"] == [True, True]
        assert "isfunction" in here[f"{cls.__name__}.{name}"]["kinds"]


@pytest.mark.parametrize("cls", [RingKernel, RingKernelRuntime])
def test_autospec_makes_coroutine_functions(cls: type[Any]) -> None:
    mock: Any = create_autospec(cls, instance=True)
    for name in ("send", "receive", "request", "send_many", "terminate"):
        assert isinstance(getattr(mock, name), AsyncMock) or asyncio.iscoroutinefunction(
            getattr(mock, name)
        )
    with pytest.raises(TypeError):
        mock.send()

    async def main() -> None:
        mock.receive.return_value = 5
        given = () if cls is RingKernel else ("id",)
        assert await mock.receive(*given, timeout=1.0) == 5
        mock.receive.assert_awaited_once_with(*given, timeout=1.0)

    asyncio.run(main())


def test_a_bound_method(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            send, receive = kernel.send, runtime.receive
            assert isinstance(send, MethodType)
            assert isinstance(send.__func__, FunctionType)
            assert send.__self__ is kernel
            assert send == kernel.send != kernel.receive
            assert weakref.WeakMethod(kernel.send)() == send
            assert copy.copy(send) == send
            assert send.__reduce__() == (getattr, (kernel, "send"))
            await send(Task(SEND, 3))
            assert (await receive("kit")).value == 6
            await RingKernel.send(kernel, Task(SEND, 4))
            assert (await RingKernelRuntime.receive(runtime, kernel_id="kit")).value == 8

    run(main())


def test_a_copy_is_another_handle(kit: Any, run: Any, path: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            other = copy.copy(kernel)
            assert other is not kernel
            await other.send(Task(SEND, 3))
            assert (await kernel.receive()).value == 6

    run(main())


def test_subclasses_override(kit: Any, run: Any, path: str, monkeypatch: Any) -> None:
    class Doubling(RingKernel):
        __slots__ = ()

        async def send(self, message: Any, *, timeout: float | None = None) -> None:
            for _ in range(2):
                await super().send(message, timeout=timeout)

    async def main() -> None:
        monkeypatch.setattr("pydotcompute.kernels.runtime.RingKernel", Doubling)
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            assert isinstance(kernel, Doubling)
            await kernel.send(Task(SEND, 3))
            assert [(await kernel.receive()).value for _ in range(2)] == [6, 6]
            assert (await kernel.request(Task(SEND, 4))).value == 8
            assert kernel.statistics().received == 3

    run(main())


@pytest.mark.parametrize(("cls", "name"), CALLS)
def test_an_object_of_another_class(cls: type[Any], name: str, path: str) -> None:
    """As of any coroutine function: the error comes when it is awaited."""
    given = inspect.signature(getattr(cls, name)).parameters
    count = sum(each.default is inspect.Parameter.empty for each in given.values())
    call = getattr(cls, name)(*range(count))
    with pytest.raises(AttributeError):
        call.send(None)


@pytest.mark.skipif(storage.extension is None, reason="not built")
def test_only_known_methods_are_accelerated() -> None:
    def unknown() -> None: ...

    with pytest.raises(ValueError, match="no .*unknown"):
        storage.accelerated(unknown)
    with pytest.raises(TypeError):
        storage.extension.Method(len)


def test_kernels_make_the_extension_ready() -> None:
    """Nothing but the import of the package is needed: a stranger runs the common case in C."""
    text = ("import pydotcompute; pydotcompute.RingKernel\n"
            "from pydotcompute.accel import storage\n"
            "storage.extension is None or storage.extension.bind()\n")  # fmt: skip
    run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert storage.extension is None or "knows the Python code already" in run.stderr
