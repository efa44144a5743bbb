"""The extension as a module: each interpreter has its state, and cycles are collected."""

from __future__ import annotations

import gc
import importlib.util
import subprocess
import sys
import sysconfig
import weakref
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pydotcompute import message
from pydotcompute.accel import storage

pytestmark = pytest.mark.skipif(storage.extension is None, reason="not built")
ROOT = Path(__file__).parents[3]
NAMES = ("Call", "Engine", "Kernel", "Kernels", "Layout", "Method", "Ring")


def another() -> ModuleType:
    """The extension, loaded once more."""
    path = storage.extension.__file__
    spec = importlib.util.spec_from_file_location("pydotcompute.accel._fastpath", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_second_module_has_classes_of_its_own_and_goes() -> None:
    module: Any = another()
    for name in NAMES:
        assert getattr(module, name) is not getattr(storage.extension, name)

    class Plain:
        value: int

    class RingKernel(module.Kernel):  # type: ignore[misc, name-defined]
        __slots__ = ()

        async def send(self, message: object, *, timeout: float | None = None) -> object:
            return message

        send.__qualname__ = "RingKernel.send"
        send = module.Method(send)

    layout = module.Layout(Plain, 8, (("value", 0, "q", None),))
    assert layout.message(bytes([5]) + bytes(7)).value == 5
    call = RingKernel().send(1)  # nobody has called `bind`: Python does it
    with pytest.raises(StopIteration) as stop:
        call.send(None)
    assert stop.value.value == 1
    assert module.use(True) is False
    gone = [weakref.ref(module), weakref.ref(module.Ring), weakref.ref(RingKernel)]
    del module, RingKernel, layout, call, stop
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3
    assert storage.extension.use(True) is True


def test_bind_is_for_once() -> None:
    with pytest.raises(TypeError):
        another().bind()
    with pytest.raises(RuntimeError, match="already"):
        storage.extension.bind()


def test_call_is_not_made_by_hand() -> None:
    with pytest.raises(TypeError):
        storage.extension.Call()


def test_classes_are_not_changed() -> None:
    for name in NAMES:
        with pytest.raises(TypeError, match="immutable"):
            getattr(storage.extension, name).added = 1


SUBINTERPRETER = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
run = getattr(interpreters, "exec", None) or interpreters.run_string
code = '''
import importlib.util, inspect
spec = importlib.util.spec_from_file_location("pydotcompute.accel._fastpath", {path!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

class Plain:
    pass

layout = module.Layout(Plain, 8, (("value", 0, "q", None),))
for n in range(100):
    message = layout.message(n.to_bytes(8, "little"))
    assert message.value == n
    assert layout.record(message) == n.to_bytes(8, "little")
Plain.layout = layout

class RingKernel(module.Kernel):
    async def send(self, message, *, timeout=None):
        return message
    send = module.Method(send)

assert inspect.iscoroutinefunction(RingKernel.send)
try:
    RingKernel().send(4).send(None)
except StopIteration as stop:
    assert stop.value == 4
with open({told!r}, "a") as file:
    file.write("x")
'''
from pydotcompute.accel import storage
for _ in range(3):
    made = interpreters.create()
    failed = run(made, code)
    assert not failed, failed
    interpreters.destroy(made)
print("done")
"""


def test_subinterpreters(tmp_path: Path) -> None:
    """Each has a module of its own, and takes it along when it ends."""
    told = tmp_path / "told"
    code = SUBINTERPRETER.replace("{path!r}", repr(storage.extension.__file__))
    code = code.replace("{told!r}", repr(str(told)))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    if "No module named '_xxsubinterpreters'" in done.stderr:
        pytest.skip("no subinterpreters")
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert told.read_text() == "xxx"


def test_the_lock_is_asked_for() -> None:
    """Free-threaded builds: the source says what it counts on, and importing it does that."""
    source = (ROOT / "runtime/accel/_fastpath.c").read_text()
    assert source.count("{Py_mod_gil, Py_MOD_GIL_USED}") == 1
    assert "Py_MOD_GIL_NOT_USED" not in source
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        assert sys._is_gil_enabled()  # type: ignore[attr-defined, unused-ignore]


def test_no_static_state() -> None:
    """What is not constant lies in ``Module``: it would be shared by interpreters otherwise."""
    kinds = ("const ", "inline ", "PyMethodDef ", "PyMemberDef ", "PyGetSetDef ", "PyType_Slot ",
             "PyModuleDef_Slot ", "struct PyModuleDef ", "char *names[]")  # fmt: skip
    for path in (ROOT / "runtime/accel").glob("_fastpath*.c"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            kind = line.strip().removeprefix("static ")
            if line.strip().startswith("static ") and line.rstrip().endswith((";", "{", "= {")):
                assert kind.startswith(kinds) or "(" in kind, f"{path.name}:{number}: {line}"


class Marked:
    """An object that can be seen to go."""


def test_cycles_are_collected() -> None:
    """Each class, in a cycle with an object that a weak reference watches."""
    extension = storage.extension
    watched: list[weakref.ref[Any]] = []

    def cycle(holder: Any, name: str) -> None:
        mark = Marked()
        mark.holder = holder  # type: ignore[attr-defined]
        setattr(holder, name, mark)
        watched.append(weakref.ref(mark))

    @message
    @dataclass
    class Held:
        value: int

    for name in ("wake", "run_inline", "slots", "layout"):
        cycle(extension.Ring(), name)
    cycle(extension.Engine(), "sizing")
    for name in ("_inbox", "_outbox", "_share"):
        cycle(extension.Kernel(), name)
    cycle(extension.Kernels(), "_kernels")
    assert storage.layout_of(Held) is not None  # the class has the layout, and the other way round
    watched.append(weakref.ref(Held))
    ring, engine, block = extension.Ring(), extension.Engine(), Marked()
    engine.attach(block, ring, ring, 0, 0)
    block.engine = engine  # type: ignore[attr-defined]
    watched.append(weakref.ref(block))
    del ring, engine, block, Held
    assert all(ref() is not None for ref in watched)
    gc.collect()
    assert [ref() for ref in watched] == [None] * len(watched)


def test_a_layout_names_all_it_holds() -> None:
    class Plain:
        pass

    held: tuple[Any, Any] = ({}, [])
    layout = storage.extension.Layout(Plain, 8, (("value", 0, "s", held),))
    assert {id(Plain), id(type(layout)), id(storage.extension), *map(id, held)} <= {
        id(each) for each in gc.get_referents(layout)
    }
