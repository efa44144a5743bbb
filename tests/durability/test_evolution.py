"""A snapshot of older code in newer code: variables and fields matched by name."""

from __future__ import annotations

import math
import textwrap
import warnings
from collections import deque
from typing import Any

import numpy as np
import pytest

from pydotcompute import RingKernelRuntime, SnapshotError
from pydotcompute.durability.exact import Misfit, kind_of, like, number
from tests.support import defining
from tests.support.contract import go, need_compiler

HEAD = """
import enum
from collections import Counter, deque
import numpy as np
from pydotcompute import message, ring_kernel

class Colour(enum.Enum):
    RED = 1
    GREEN = 2

"""
IN = """
@message
class In:
    value: int
    colour: Colour = Colour.RED
"""
OUT = """
@message
class Out:
    value: float
    note: str = ""
"""


def code(prologue: str, body: str, *, classes: str = IN + OUT, head: str = HEAD) -> Any:
    """A module with an actor ``actor``: its prologue, and what it does with a message ``m``."""
    text = f"""
@ring_kernel(kernel_id="actor", input_type=In, output_type=Out, auto_register=False)
async def actor(ctx):
{textwrap.indent(textwrap.dedent(prologue).strip() or "pass", "    ")}
    while not ctx.should_terminate:
        m = await ctx.receive()
{textwrap.indent(textwrap.dedent(body).strip(), "        ")}
"""
    return defining.load(head + classes + text, "evolving")


async def kept(module: Any, values: list[int], waiting: int = 0, backend: str = "python") -> Any:
    """A snapshot after some messages, with some more waiting."""
    async with RingKernelRuntime(backend=backend, fallback="allow") as runtime:
        kernel = await runtime.launch("actor", module.actor)
        await kernel.activate()
        for value in values:
            await kernel.request(module.In(value))
        await kernel.deactivate()
        for n in range(waiting):
            await kernel.send(module.In(n, module.Colour.GREEN))
        return await kernel.snapshot()


async def answers(module: Any, snapshot: Any, values: list[int], backend: str = "python") -> Any:
    async with RingKernelRuntime(backend=backend, fallback="allow") as runtime:
        kernel = await runtime.launch("actor", module.actor, restore=snapshot)
        await kernel.activate()
        for _ in range(snapshot.kernels["actor"].inputs):
            await kernel.receive(timeout=5)
        return [(await kernel.request(module.In(value))).value for value in values]


SUM = "total += m.value\nawait ctx.send(Out(total))"


@pytest.mark.parametrize("backend", ["python", "native"])
def test_new_variables_get_the_prologues_value_and_gone_ones_are_dropped(backend: str) -> None:
    need_compiler(backend)

    async def probe() -> None:
        body = "total += m.value + old\nold += 1\nawait ctx.send(Out(total))"
        old = code("total = 0\nold = 5", body)
        snapshot = await kept(old, [1, 2], backend=backend)
        new = code(
            "total = 0\nscale = 10\nseen = []",
            "total += m.value\nseen.append(m.value)\n"
            "await ctx.send(Out(total * scale + len(seen)))",
        )
        with pytest.warns(UserWarning, match="gone today and were dropped: old"):
            assert await answers(new, snapshot, [1, 1], backend) == [151, 162]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert await answers(old, snapshot, [1], backend) == [14 + 1 + 7]

    go(probe)


def test_a_prologue_whose_values_the_text_does_not_tell_is_run_unheard() -> None:
    async def probe() -> None:
        snapshot = await kept(code("total = 0", SUM), [4])
        head = HEAD + "\ndef measured():\n    return len(open('/dev/null').read()) + 7\n"
        new = code(
            "total = 0\nbase = measured()\nawait ctx.send(Out(-1.0))",
            "total += m.value + base\nbase += 0\nawait ctx.send(Out(total))", head=head,
        )  # fmt: skip
        assert await answers(new, snapshot, [1]) == [4 + 1 + 7]  # and no Out(-1.0)

    go(probe)


@pytest.mark.parametrize(
    ("before", "after", "values", "result"),
    [
        ("total = 0", "total = 0.0", [3], 4.0),
        ("total = 0.0", "total = 0", [3], 4),
        ("total = False", "total = 0", [3], 4),
        ("total = 0", "total = np.int32(0)", [3], 4),
        ("total = 0", "total = np.float64(0)", [3], 4),
        ("total = 0", "total = None\ntotal = total or 0", [3], 4),
    ],
)
def test_types_that_convert_without_loss(
    before: str, after: str, values: list[int], result: float
) -> None:
    async def probe() -> None:
        snapshot = await kept(code(before, SUM), values)
        assert await answers(code(after, SUM), snapshot, [1]) == [result]

    go(probe)


@pytest.mark.parametrize(
    ("before", "after", "values", "named"),
    [
        ("total = 0", "total = 0.0", [2**53, 1], "type float"),
        ("total = 0", 'total = ""', [1], "type str"),
        ("total = 0", "total = []", [1], "type list"),
        ("total = 0", "total = np.int8(0)", [100, 100], "type int8"),
        ("total = 0.5", "total = 0", [1], "type int"),
        ("total = 0", "total = Colour.RED", [1], "type Colour"),
    ],
)
def test_types_that_lose_something_are_named(
    before: str, after: str, values: list[int], named: str
) -> None:
    async def probe() -> None:
        snapshot = await kept(code(before, SUM), values)
        with pytest.raises(SnapshotError, match=f"the variable 'total', which is of {named} today"):
            await answers(code(after, SUM), snapshot, [1])

    go(probe)


def test_containers_convert_too() -> None:
    async def probe() -> None:
        body = "seen.append(m.value)\nawait ctx.send(Out(sum(seen) + len(seen)))"
        snapshot = await kept(code("seen = []", body), [1, 2, 3])
        assert await answers(code("seen = deque(maxlen=3)", body), snapshot, [4]) == [12]
        with pytest.raises(SnapshotError, match="'seen', which is of type deque of at most 2"):
            await answers(code("seen = deque(maxlen=2)", body), snapshot, [4])
        count = "seen[m.value] = seen.get(m.value, 0) + 1\nawait ctx.send(Out(seen[m.value]))"
        snapshot = await kept(code("seen = {}", count), [1, 1])
        assert await answers(code("seen = Counter()", count), snapshot, [1, 2]) == [3, 1]

    go(probe)


def test_messages_get_the_fields_of_today() -> None:
    """In the state, and in the queue."""

    async def probe() -> None:
        keep = "last, count = m, count + 1\nawait ctx.send(Out(last.value + count))"
        old = code("last, count = In(0), 0", keep)
        snapshot = await kept(old, [5, 6], waiting=2)
        more = """
@message
class In:
    value: float
    colour: Colour = Colour.RED
    weight: float = 0.25
"""
        new = code(
            "last, count = In(0), 0", "count += 1\n"
            "await ctx.send(Out(m.value + m.weight + last.weight + count))\nlast = m",
            classes=more + OUT,
        )  # fmt: skip
        assert await answers(new, snapshot, [1]) == [1 + 0.5 + 5]
        less = "@message\nclass In:\n    value: int\n"
        new = code("last, count = In(0), 0", keep, classes=less + OUT)
        with pytest.warns(UserWarning, match="fields of In that are gone today.*colour"):
            assert await answers(new, snapshot, [1]) == [6]
        bare = more.replace(" = 0.25", "").replace(" = Colour.RED", "")
        with pytest.raises(SnapshotError, match="without the field 'weight', which is new"):
            await answers(code("last, count = None, 0", keep, classes=bare + OUT), snapshot, [])
        other = more.replace("value: float", "value: str")
        with pytest.raises(SnapshotError, match="field 'value' of In, which is of type str today"):
            await answers(code("last, count = None, 0", keep, classes=other + OUT), snapshot, [])

    go(probe)


def test_classes_and_members_that_are_gone_are_named() -> None:
    async def probe() -> None:
        keep = "await ctx.send(Out(1.0 if kept else 0.0))\nkept = Colour.GREEN"
        snapshot = await kept(code("kept = None", keep), [1])
        less = HEAD.replace("GREEN = 2", "BLUE = 2")
        new = code("kept = None", "await ctx.send(Out(1.0 if kept else 0.0))", head=less)
        with pytest.raises(SnapshotError, match=r"has Colour\.GREEN, which is gone today"):
            await answers(new, snapshot, [])
        renamed = code("kept = None", "await ctx.send(Out(1.0 if kept else 0.0))",
                       classes=(IN + OUT).replace("Colour", "Shade"),
                       head=HEAD.replace("Colour", "Shade"))  # fmt: skip
        with pytest.raises(SnapshotError, match=r"no enum class of that name any more"):
            await answers(renamed, snapshot, [])

    go(probe)


def test_a_smaller_queue_and_another_type_of_input_are_named() -> None:
    async def probe() -> None:
        snapshot = await kept(code("total = 0", SUM), [1], waiting=5)
        small = code("total = 0", SUM)
        with pytest.raises(SnapshotError, match="5 messages in its input.* queue_size is 4"):
            async with RingKernelRuntime(backend="python") as runtime:
                small = _resized(small, 4)
                await runtime.launch("actor", small, restore=snapshot)
        another = "\n@message\nclass Else:\n    value: int\n"
        other = code("total = 0", SUM, classes=IN + OUT + another)
        other.actor = _taking(other)
        with pytest.raises(SnapshotError, match="takes Else, not In"):
            await answers(other, snapshot, [])

    go(probe)


def _resized(module: Any, size: int) -> Any:
    from pydotcompute import ring_kernel

    return ring_kernel(
        kernel_id="actor", input_type=module.In, output_type=module.Out, queue_size=size,
        auto_register=False,
    )(module.actor.__wrapped__)  # fmt: skip


def _taking(module: Any) -> Any:
    from pydotcompute import ring_kernel

    return ring_kernel(
        kernel_id="actor", input_type=module.Else, output_type=module.Out, auto_register=False
    )(module.actor.__wrapped__)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "cls", "wanted"),
    [
        (True, int, 1), (3, float, 3.0), (3.0, int, 3), (2**53, float, float(2**53)),
        (np.int16(-3), int, -3), (0.5, np.float32, np.float32(0.5)), (255, np.uint8, np.uint8(255)),
        (-0.0, float, -0.0), (math.inf, np.float16, np.float16("inf")),
    ],
)  # fmt: skip
def test_numbers_without_loss(value: Any, cls: Any, wanted: Any) -> None:
    made = number(value, cls)
    assert (type(made), repr(made)) == (cls, repr(wanted))


@pytest.mark.parametrize(
    ("value", "cls"),
    [
        (1, bool), (2**53 + 1, float), (10**400, float), (0.5, int), (math.nan, int),
        (math.inf, int), (-0.0, int), (0.1, np.float32), (256, np.uint8), (-1, np.uint64),
        ("1", int), (None, int), (1e39, np.float32),
    ],
)  # fmt: skip
def test_numbers_that_lose_something(value: Any, cls: Any) -> None:
    with pytest.raises(Misfit):
        number(value, cls)


def test_one_container_that_is_converted_stays_one() -> None:
    shared = [1, 2]
    made: dict[int, Any] = {}
    one, two = (like(shared, deque(maxlen=5), made) for _ in range(2))
    assert one is two
    assert one == deque([1, 2])
    assert kind_of(one) == "deque of at most 5 of int"
