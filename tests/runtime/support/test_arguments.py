"""Arguments that mean nothing are refused at the call, before anything has changed.

The sentences are pinned here, for every call and its twins; messages and batches are in
``test_bad_input`` and ``test_runtime_batches``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from pydotcompute import KernelState, MessageTypeError, QueueTimeoutError, RingKernelRuntime
from tests.support.native_actor.kit import SEND, Task

WRONG_TIMES = [
    ("5", "'5'"),
    (True, "True"),
    (float("nan"), "nan"),
    (Decimal(5), "Decimal('5')"),
    (1j, "1j"),
    ([5], "[5]"),
    (10**400, "an int of 1329 bits"),
    (np.float64("nan"), repr(np.float64("nan"))),
    (np.bool_(True), repr(np.bool_(True))),
]
CALLS = {
    "send": lambda calls, time, *ids: calls.send(*ids, Task(SEND), timeout=time),
    "receive": lambda calls, time, *ids: calls.receive(*ids, timeout=time),
    "request": lambda calls, time, *ids: calls.request(*ids, Task(SEND), timeout=time),
    "send_many": lambda calls, time, *ids: calls.send_many(*ids, [Task(SEND)], timeout=time),
    "receive_many": lambda calls, time, *ids: calls.receive_many(*ids, 1, timeout=time),
    "terminate": lambda calls, time, *ids: calls.terminate(*ids, timeout=time),
}


async def refused(call: Any) -> str:
    with pytest.raises(TypeError) as caught:
        await call
    return str(caught.value)


@pytest.mark.parametrize(("time", "shown"), WRONG_TIMES, ids=[shown for _, shown in WRONG_TIMES])
def test_a_timeout_that_is_no_time(kit: Any, run: Any, path: str, time: Any, shown: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.send(Task(SEND, 1))  # so that nothing has to wait
            for call in CALLS.values():
                for made in (
                    call(kernel, time), call(runtime, time, "kit"),
                    asyncio.to_thread(call, kernel.sync, time),
                ):  # fmt: skip
                    text = await refused(made)
                    assert text == f"timeout takes a number of seconds or None, not {shown}"
            assert kernel.state is KernelState.ACTIVE
            assert await refused(runtime.close(timeout=time)) == text
            assert (await kernel.receive()).value == 2
            assert kernel.statistics().received == 1

    run(main())


@pytest.mark.parametrize("time", [5, 5.0, np.int8(5), np.float32(5), np.float64(5), Fraction(5)])
def test_numbers_of_all_kinds_are_times(kit: Any, run: Any, path: str, time: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.send(Task(SEND, 1), timeout=time)
            assert (await kernel.receive(timeout=time)).value == 2
            with pytest.raises(QueueTimeoutError):
                await kernel.receive(timeout=time * 0)
            assert (await kernel.terminate(timeout=time)).drained

    run(main())


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"residency": "a"}, TypeError, "residency takes a number of seconds or None, not 'a'"),
        ({"idle": "b"}, TypeError, "idle takes a number of seconds, not 'b'"),
        ({"idle": None}, TypeError, "idle takes a number of seconds, not None"),
        ({"idle": float("nan")}, TypeError, "idle takes a number of seconds, not nan"),
        ({"residency": 0}, ValueError, "residency must be a positive number of seconds, not 0"),
        (
            {"residency": float("inf")},
            ValueError,
            "residency must be a positive number of seconds, not inf",
        ),
        ({"idle": -1}, ValueError, "idle must be a positive number of seconds, not -1"),
        (
            {"shutdown_timeout": "c"},
            TypeError,
            "shutdown_timeout takes a number of seconds, not 'c'",
        ),
        (
            {"shutdown_timeout": -0.5},
            ValueError,
            "shutdown_timeout must be 0 or a positive number of seconds, not -0.5",
        ),
    ],
)
def test_times_of_a_runtime(arguments: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as caught:
        RingKernelRuntime(**arguments)
    assert str(caught.value) == sentence
    RingKernelRuntime(residency=None, idle=np.float32(1), shutdown_timeout=0)


BATCHES = [
    (Task(SEND, 1), f"Task ({Task(SEND, 1)!r})"),
    (None, "None"),
    ({1: Task(SEND)}, "dict ({1: Task(op=0, value=0)})"),
    ({1}, "set ({1})"),
    ("text", "str ('text')"),
    (5, "int (5)"),
    (np.array(5), "ndarray (array(5))"),
]


@pytest.mark.parametrize(("batch", "shown"), BATCHES, ids=[shown for _, shown in BATCHES])
def test_a_batch_that_is_none(kit: Any, run: Any, batch: Any, shown: str) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            for call in (kernel.send_many(batch), runtime.send_many("kit", batch)):
                with pytest.raises(MessageTypeError) as caught:
                    await call
                assert str(caught.value) == (
                    "send_many takes a sequence of messages or an array of Task.dtype, not "
                    f"{shown}; for one message call send"
                )
            assert kernel.statistics().received == 0

    run(main())


def test_a_generator_is_no_batch(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            with pytest.raises(MessageTypeError, match="Task.dtype, not generator .*; for one"):
                await kernel.send_many(Task(SEND, n) for n in range(3))
            for batch in ((Task(SEND, 1),), deque([Task(SEND, 2)]), Task.array(op=SEND, value=[3])):
                assert await kernel.send_many(batch) == 1
                assert len(await kernel.receive_many(np.int64(5))) == 1

    run(main())


COUNTS = [
    ("x", TypeError, "takes an int, not 'x'"),
    (1.5, TypeError, "takes an int, not 1.5"),
    (None, TypeError, "takes an int, not None"),
    (True, TypeError, "takes an int, not True"),
    (0, ValueError, "must be at least 1, not 0"),
    (np.int64(-3), ValueError, "must be at least 1, not -3"),
]


@pytest.mark.parametrize(("count", "error", "end"), COUNTS)
def test_a_count_that_is_none(
    kit: Any, run: Any, count: Any, error: type[Exception], end: str
) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            await kernel.send(Task(SEND, 1))
            for call in (kernel.receive_many(count), runtime.receive_many("kit", count)):
                with pytest.raises(error) as caught:
                    await call
                assert str(caught.value) == f"max_messages {end}"
            assert len(await kernel.receive_many(10**30)) == 1

    run(main())
