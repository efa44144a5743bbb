"""The C extension: its records, its storage, and doing without it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import numpy as np
import pytest
from annotated_types import MaxLen
from hypothesis import given
from hypothesis import strategies as st

from pydotcompute import message
from pydotcompute.accel.storage import layout_of
from pydotcompute.kernels import accelerate as fastpath
from pydotcompute.messages.codec import FieldError, codec_of
from pydotcompute.queues.host_producer import HostProducer

needs_extension = pytest.mark.skipif(fastpath.extension is None, reason="not built")


class Colour(Enum):
    RED = "r"
    GREEN = "g"


@message
@dataclass
class Scalars:
    a: bool
    b: int
    c: float
    d: np.bool_
    e: np.int8
    f: np.uint16
    g: np.int32
    h: np.uint64
    i: np.float16
    j: np.float32
    k: np.float64
    m: str
    n: Colour


@message
@dataclass(slots=True)
class Slotted:
    first: int
    second: float


@message
@dataclass(frozen=True)
class Frozen:
    first: np.int64
    second: str


@message
class Nothing:
    pass


FLAT = (Scalars, Slotted, Frozen, Nothing)

SCALARS = [
    np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
    np.float16, np.float32, np.float64,
]  # fmt: skip
anything = st.one_of(
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.integers(-3, 300),
    st.floats(),
    st.sampled_from(["", "abc", "\N{SNOWMAN}"]),
    st.sampled_from(Colour),
    st.none(),
    st.sampled_from([kind(value) for kind in SCALARS for value in (0, 1, 100)]),
    st.sampled_from([np.float32("nan"), np.float64("inf"), np.int64(-(2**63))]),
)


def packed(cls: type, values: Any) -> tuple[bytes | None, bytes | None]:
    """The record by the codec and by the extension; None where either refuses."""
    codec = codec_of(cls)
    record = bytearray(codec.record_size)
    try:
        codec.pack_into(record, 0, values)
    except FieldError:
        return None, layout_of(cls).record(values)
    return bytes(record), layout_of(cls).record(values)


@needs_extension
@pytest.mark.parametrize("cls", FLAT)
@given(data=st.data())
def test_records_are_those_of_the_codec(cls: type, data: st.DataObject) -> None:
    codec = codec_of(cls)
    values = cls(*[data.draw(anything) for _ in codec.schema.fields])
    right, fast = packed(cls, values)
    if fast is not None:  # otherwise the codec does it
        assert fast == right
    if right is not None:
        mine, theirs = layout_of(cls).message(right), codec.unpack_from(right, 0)
        assert type(mine) is type(theirs)
        for field in codec.schema.fields:
            one, other = getattr(mine, field.name), getattr(theirs, field.name)
            assert type(one) is type(other)
            assert repr(one) == repr(other)
        assert mine.message_id != theirs.message_id  # a header of its own


@needs_extension
def test_usual_values_do_not_need_the_codec() -> None:
    values = Scalars(
        True, -(2**63), 1.5, np.True_, np.int8(-1), np.uint16(7), np.int32(9), np.uint64(2**63),
        np.float16(0.5), np.float32(1.5), np.float64(2.5), "", Colour.GREEN,
    )  # fmt: skip
    right, fast = packed(Scalars, values)
    assert fast == right is not None
    plain = Scalars(False, 5, 2, True, 1, 2, 3, 4, np.float16(1), 1, 2, "", Colour.RED)  # type: ignore[arg-type]
    right, fast = packed(Scalars, plain)
    assert fast == right is not None
    assert packed(Slotted, Slotted(1, np.float64(0.1)))[1] is not None


@needs_extension
def test_values_at_the_limits() -> None:
    for kind, low, high in (
        ("e", -128, 127), ("f", 0, 65535), ("g", -(2**31), 2**31 - 1), ("h", 0, 2**64 - 1),
    ):  # fmt: skip
        values: dict[str, Any] = dict.fromkeys("befghjk", 0)
        values |= {"a": True, "c": 0.0, "d": True, "i": np.float16(0), "m": "", "n": Colour.RED}
        for value, fits in ((low, True), (high, True), (low - 1, False), (high + 1, False)):
            right, fast = packed(Scalars, Scalars(**{**values, kind: value}))
            assert (right is not None) == (fast is not None) == fits
            assert fast == right


@needs_extension
def test_what_is_left_to_the_codec() -> None:
    @message
    @dataclass
    class Many:
        items: Annotated[list[int], MaxLen(3)]

    @message
    @dataclass
    class Perhaps:
        item: int | None

    @message
    @dataclass
    class Either:
        item: Literal[1, 2]

    @message
    @dataclass
    class Named:
        item: UUID

    for cls in (Many, Perhaps, Either, Named, None):
        assert layout_of(cls) is None
    for cls in FLAT:
        assert layout_of(cls) is not None


@needs_extension
def test_a_field_that_is_not_set_and_one_that_raises() -> None:
    layout = layout_of(Slotted)
    assert layout.record(object.__new__(Slotted)) is None
    assert layout.record(object()) is None

    @message
    @dataclass
    class Odd:
        value: int

    layout = layout_of(Odd)
    made = object.__new__(Odd)
    assert layout.record(made) is None

    def interrupted(_: Any) -> int:
        raise KeyboardInterrupt

    Odd.value = property(interrupted)  # type: ignore[assignment, method-assign]
    with pytest.raises(KeyboardInterrupt):
        layout.record(made)
    with pytest.raises(ValueError, match="another size"):
        layout.message(b"")


@needs_extension
def test_storage_of_a_ring() -> None:
    ring = HostProducer.__new__(HostProducer)
    for name in ("words", "buffer", "wake"):
        with pytest.raises(AttributeError, match=name):
            getattr(ring, name)
    with pytest.raises(ValueError, match="too small"):
        ring.words = memoryview(bytearray(8))
    with pytest.raises(BufferError):
        ring.buffer = memoryview(bytearray(8))[::2]
    memory = memoryview(bytearray(8))
    ring.buffer = memory
    assert ring.buffer is memory
    with pytest.raises(BufferError):
        memory.release()
    del ring
    memory.release()


def test_without_the_extension() -> None:
    program = (
        "import sys; sys.modules['pydotcompute.accel._fastpath'] = None\n"
        "import asyncio, inspect\n"
        "from pydotcompute import RingKernel, RingKernelRuntime\n"
        "from pydotcompute.kernels import accelerate as fastpath\n"
        "assert fastpath.extension is None and not fastpath.use()\n"
        "assert inspect.iscoroutinefunction(RingKernel.send)\n"
        "async def echo(ctx):\n"
        "    while True:\n"
        "        await ctx.send(await ctx.receive())\n"
        "async def main():\n"
        "    async with RingKernelRuntime(backend='python') as runtime:\n"
        "        await runtime.launch('echo', echo)\n"
        "        await runtime.activate('echo')\n"
        "        await runtime.send('echo', 5)\n"
        "        assert await runtime.receive('echo') == 5\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_runtime_without_it() -> None:
    """Everything the extension takes over, once more by the Python code alone."""
    root = Path(__file__).parents[3]
    files = [
        "kernels/test_lifecycle.py",
        "kernels/test_sync.py",
        "kernels/test_failure.py",
        "kernels/test_runtime_batches.py",
        "queues/test_request.py",
        "queues/test_channel.py",
        "queues/test_backpressure.py",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.support.pure", "-p", "no:cacheprovider", "-x",
         *(f"tests/runtime/{name}" for name in files)],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


STALE = """
import asyncio, sys, types
stale = types.ModuleType("pydotcompute.accel._fastpath")
{setting}
sys.modules["pydotcompute.accel._fastpath"] = stale
from pydotcompute.kernels import accelerate as fastpath
from tests.support.contract import Job, decorated
from pydotcompute import RingKernelRuntime
assert fastpath.extension is None

async def main():
    async with RingKernelRuntime(backend="python") as runtime:
        kernel = await runtime.launch("tally", decorated())
        await kernel.activate()
        print((await kernel.request(Job(21))).value)

asyncio.run(main())
"""


@pytest.mark.parametrize("setting", ["stale.VERSION = 2", ""])
def test_an_extension_of_another_version_is_left_alone(setting: str) -> None:
    """An old one beside new Python files: everything runs in Python."""
    code = STALE.format(setting=setting)
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "42\ntotal 21\n"), done.stderr
