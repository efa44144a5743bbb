"""Contract, section 2: the import, the decorator, messages."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import enum
import inspect
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import numpy as np
import pytest
from annotated_types import MaxLen
from numpy.typing import NDArray

import pydotcompute
from pydotcompute import (
    BackpressureStrategy,
    KernelAlreadyExistsError,
    KernelContext,
    KernelState,
    QueueTimeoutError,
    RingKernelRuntime,
    Shape,
    message,
    ring_kernel,
)
from tests.support.contract import Answer, Flush, Job, decorated, go, launched, plain
from tests.support.defining import define


def _python(text: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names() -> None:
    for name in (
        "ring_kernel message RingKernelRuntime KernelContext BackpressureStrategy KernelState "
        "RingKernel Lowering Shape FallbackWarning SettingsError SchemaError Termination "
        "Statistics DurabilityError SnapshotError"
    ).split():
        assert hasattr(pydotcompute, name)
        assert name in pydotcompute.__all__
    assert [each.name for each in KernelState] == (
        "CREATED LAUNCHED ACTIVE DEACTIVATED TERMINATING TERMINATED FAILED".split()
    )
    assert {each.name for each in BackpressureStrategy} == {"BLOCK", "REJECT", "DROP_OLDEST"}
    out = _python("from pydotcompute import *; print(RingKernelRuntime.__name__, message)")
    assert out.startswith("RingKernelRuntime <function message")


def test_importing_is_light_and_changes_nothing() -> None:
    text = """
import asyncio, os, sys, signal, warnings
import numpy
policy, env, hook = asyncio.get_event_loop_policy(), dict(os.environ), sys.excepthook
filters, handler = list(warnings.filters), signal.getsignal(signal.SIGINT)
import logging
handlers = list(logging.getLogger().handlers)
import pydotcompute
from pydotcompute import *
assert asyncio.get_event_loop_policy() is policy
assert dict(os.environ) == env and sys.excepthook is hook
assert list(warnings.filters) == filters and signal.getsignal(signal.SIGINT) is handler
assert logging.getLogger().handlers == handlers
compilers = {"cupy", "ziglang", "cuda", "hypothesis", "pydotcompute.toolchain.host_cc"}
assert not compilers & set(sys.modules)
"""
    _python(text)


async def _plain(ctx: Any) -> None:
    await ctx.receive()


@pytest.mark.parametrize(
    "wrong",
    [
        {"queue_size": 0},
        {"queue_size": -1},
        {"queue_size": 2.5},
        {"queue_size": True},
        {"queue_size": "10"},
        {"backpressure": "block"},
        {"backpressure": None},
        {"kernel_id": ""},
        {"kernel_id": None},
        {"kernel_id": 7},
        {"input_type": "Request"},
        {"output_type": 5},
        {"input_type": [int]},
        {"unknown": 1},
    ],
)
def test_wrong_arguments_fail_at_decoration(wrong: dict[str, Any]) -> None:
    given = {"kernel_id": "wrong", "auto_register": False, **wrong}
    with pytest.raises((TypeError, ValueError)) as caught:
        ring_kernel(**given)(_plain)
    assert len(str(caught.value)) > 15


def test_only_coroutine_functions_are_decorated() -> None:
    def function(ctx: Any) -> None: ...

    async def generator(ctx: Any) -> Any:
        yield 1

    async def no_argument() -> None: ...

    for wrong in (function, generator, no_argument, 3, None, Job):
        with pytest.raises(TypeError):
            ring_kernel(kernel_id="wrong", auto_register=False)(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        ring_kernel()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        ring_kernel("positional")  # type: ignore[call-overload]


CELL = """
@ring_kernel(kernel_id={id!r}, input_type=Job, output_type=Answer)
async def {name}(ctx):
    while not ctx.should_terminate:
        job = await ctx.receive()
        await ctx.send(Answer(job.value + {n}))
"""


def _cell(kernel_id: str, name: str, n: int, module: str = "__main__") -> Any:
    scope = {"ring_kernel": ring_kernel, "Job": Job, "Answer": Answer, "__name__": module}
    text = CELL.format(id=kernel_id, name=name, n=n)
    exec(compile(text, f"<cell {n}>", "exec"), scope)
    return scope[name]


def test_running_a_cell_again_replaces_another_function_does_not(way: str) -> None:
    kernel_id = f"cell {uuid4()}"

    async def probe() -> None:
        _cell(kernel_id, "cell", 1)
        async with RingKernelRuntime(backend=way, fallback="allow") as runtime:
            old = await runtime.launch(kernel_id)
            await old.activate()
            _cell(kernel_id, "cell", 2)
            assert (await old.request(Job(1))).value == 2
            await old.terminate()
            new = await runtime.launch(kernel_id)
            await new.activate()
            assert (await new.request(Job(1))).value == 3
        for name, module in (("other", "__main__"), ("cell", "elsewhere")):
            with pytest.raises(KernelAlreadyExistsError):
                _cell(kernel_id, name, 3, module)

    go(probe)


def test_the_decorated_object() -> None:
    actor = decorated(plain, queue_size=7, backpressure=BackpressureStrategy.REJECT)
    assert (actor.kernel_id, actor.queue_size) == ("plain", 7)
    assert actor.backpressure is BackpressureStrategy.REJECT
    assert (actor.input_type, actor.output_type) == (Job, Answer)
    assert actor.__name__ == "plain"
    assert actor.__doc__ == plain.__doc__
    assert inspect.iscoroutinefunction(actor.__wrapped__)
    assert asyncio.iscoroutinefunction(actor)
    sent: list[Any] = []

    class Context:
        def __init__(self) -> None:
            self.jobs = [Job(3), Job(4)]

        async def receive(self, timeout: float | None = None) -> Any:
            if not self.jobs:
                raise EOFError
            return self.jobs.pop(0)

        async def send(self, each: Any) -> None:
            sent.append(each)

    with pytest.raises(EOFError):
        asyncio.run(actor(Context()))
    assert sent == [Answer(6, 3), Answer(8, 7)]
    assert actor.lower(Job, Answer).ok


async def either(ctx: KernelContext[Job | Flush, Answer | Flush]) -> None:
    total = 0
    while not ctx.should_terminate:
        received = await ctx.receive()
        if isinstance(received, Flush):
            await ctx.send(Flush(total))
            total = 0
        else:
            total += received.value
            await ctx.send(Answer(received.value, total))


def test_unions(way: str) -> None:
    async def probe() -> None:
        for settings in ({}, {"input_type": Job | Flush, "output_type": Answer | Flush}):
            async with launched(way, either, **settings) as kernel:
                assert await kernel.request(Job(4)) == Answer(4, 4)
                assert await kernel.request(Flush(0)) == Flush(4)
                await kernel.send_many([Job(1), Flush(0), Job(2)])
                got = [await kernel.receive() for _ in range(3)]
                assert got == [Answer(1, 1), Flush(1), Answer(2, 2)]
                with pytest.raises(TypeError):
                    await kernel.send(Answer(1))

    go(probe)


def test_launch_honours_the_decorators_settings(way: str) -> None:
    async def probe() -> None:
        async with launched(way, active=False, queue_size=3) as kernel:
            for n in range(3):
                await kernel.send(Job(n), timeout=0)
            with pytest.raises(QueueTimeoutError):
                await kernel.send(Job(3), timeout=0)

    go(probe)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@message
class OnPlainClass:
    a: int
    b: float = 2.5


@message
@dataclass(frozen=True)
class Frozen:
    a: int
    b: str = "x"


@message
@dataclass(slots=True)
class Slots:
    a: int
    b: str = "x"


@message
@dataclass(kw_only=True)
class KeywordOnly:
    a: int
    b: str = "x"


@message
@dataclass
class Child(OnPlainClass):
    c: bool = True


@message
@dataclass
class Rich:
    colour: Colour
    maybe: int | None
    kind: Literal["up", "down"]
    who: UUID
    inner: Frozen
    items: Annotated[list[float], MaxLen(4)] = field(default_factory=list)
    grid: Annotated[NDArray[np.float32], Shape(2, 2)] = field(
        default_factory=lambda: np.zeros((2, 2), np.float32)
    )


PLAIN = [OnPlainClass(1), Frozen(1), Slots(1), KeywordOnly(a=1), Child(1)]


@pytest.mark.parametrize("given", PLAIN, ids=lambda each: type(each).__name__)
def test_messages_are_dataclasses(way: str, given: Any) -> None:
    cls = type(given)
    assert dataclasses.is_dataclass(cls)
    assert (given.priority, given.correlation_id) == (128, None)
    assert type(given.message_id) is UUID
    assert given.message_id == given.message_id
    headed = cls(a=1, priority=3, correlation_id=given.message_id)
    assert headed == given
    assert headed.message_id != given.message_id
    assert headed.priority == 3
    assert repr(given).startswith(f"{cls.__name__}(a=1")
    assert "message_id" not in repr(given)
    for copied in (pickle.loads(pickle.dumps(headed)), copy.copy(headed), copy.deepcopy(headed)):
        assert copied == headed
        assert copied.priority == 3
        assert copied.correlation_id == given.message_id
        assert copied.message_id == headed.message_id
    changed = dataclasses.replace(headed, a=2, priority=4)  # a new message: its header is new
    assert (changed.a, changed.priority) == (2, 4)
    assert changed.message_id != headed.message_id
    assert changed != headed
    assert cls.array(a=[1, 2, 3]).dtype == cls.dtype
    batch = cls.array([given, changed])
    assert cls.messages(batch) == [given, changed]
    assert len(batch) == 2
    if cls is Frozen:
        with pytest.raises(dataclasses.FrozenInstanceError):
            given.a = 5
        assert hash(given) == hash(Frozen(1))
    if cls is Slots:
        with pytest.raises(AttributeError):
            given.other = 5

    async def same(ctx: Any) -> None:
        while not ctx.should_terminate:
            received = await ctx.receive()
            await ctx.send(received)

    async def probe() -> None:
        async with launched(way, same, input_type=cls, output_type=cls) as kernel:
            reply = await kernel.request(given)
            assert reply == given
            assert type(reply) is cls
            assert reply is not given

    go(probe)


async def rich(ctx: KernelContext[Rich, Rich]) -> None:
    last = ""
    while not ctx.should_terminate:
        r = await ctx.receive()
        if r.colour is Colour.RED and r.maybe is not None:
            last = r.inner.b
        await ctx.send(
            Rich(Colour.BLUE, r.maybe, r.kind, r.who, Frozen(r.inner.a + 1, last), r.items, r.grid)
        )


def test_rich_fields(way: str) -> None:
    async def probe() -> None:
        async with launched(way, rich) as kernel:
            who = uuid4()
            grid = np.arange(4, dtype=np.float32).reshape(2, 2)
            given = Rich(Colour.RED, 5, "up", who, Frozen(1, "'\"\n{{"), [1.5, -0.0], grid)
            got = await kernel.request(given)
            assert got.colour is Colour.BLUE
            assert (got.maybe, got.kind, got.who) == (5, "up", who)
            assert got.inner == Frozen(2, "'\"\n{{")
            assert repr(got.items) == "[1.5, -0.0]"
            assert got.grid.dtype == np.float32
            assert got.grid.tolist() == grid.tolist()
            got = await kernel.request(Rich(Colour.RED, None, "down", who, Frozen(1), [], grid))
            assert (got.maybe, got.inner.b, got.items) == (None, "'\"\n{{", [])
            with pytest.raises(ValueError):
                await kernel.send(dataclasses.replace(given, items=[0.0] * 5))
            with pytest.raises(ValueError):
                await kernel.send(dataclasses.replace(given, kind="sideways"))
            with pytest.raises(TypeError):
                await kernel.send(dataclasses.replace(given, colour="red"))

    go(probe)


def test_a_message_is_a_value(way: str) -> None:
    """What is changed after send was not sent."""

    async def probe() -> None:
        async with launched(way, active=False) as kernel:
            job = Job(1)
            await kernel.send(job)
            job.value = 99
            await kernel.activate()
            assert (await kernel.receive()).value == 2

    go(probe)


def test_headers_are_checked() -> None:
    for wrong in (256, -1):
        with pytest.raises(ValueError):
            Job(1, priority=wrong)
    with pytest.raises(TypeError):
        Job(1, 0, 5)
    assert os.environ.get("PYDOTCOMPUTE_NEVER") is None
    assert define("def f():\n    return 1\n", "f")() == 1
