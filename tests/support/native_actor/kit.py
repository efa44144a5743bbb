"""The actor of ``kit.cpp`` in Python, and its library as a ``NativeProgram``.

What the native engine is tested against, apart from the compiler: every status a burst can
return has an operation here that causes it.
"""

from __future__ import annotations

import functools
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydotcompute import QueueTimeoutError, message, ring_kernel
from pydotcompute.backends.program import NativeProgram

SEND, SEVERAL, FAIL, DEOPTIMISE, SPIN, LEAVE, RETURN, PRINT = range(8)
SOURCE = Path(__file__).with_name("kit.cpp")

printed: list[int] = []
"""What the actor has printed."""
ended: list[int] = []
"""What the epilogue has seen: the total."""


@message
@dataclass
class Task:
    op: int
    value: int = 0


@message
@dataclass
class Result:
    total: int
    value: int


async def body(ctx: Any) -> None:
    total = 0
    while not ctx.should_terminate:
        try:
            task = await ctx.receive(timeout=0.05)
        except QueueTimeoutError:
            continue
        if task.op != SPIN:
            total += task.value
        if task.op == SEND:
            await ctx.send(Result(total, task.value * 2))
        elif task.op == SEVERAL:
            for n in range(task.value):
                await ctx.send(Result(total, n))
        elif task.op == FAIL:
            raise ValueError(f"bad value {task.value}")
        elif task.op == SPIN:
            n = 0
            while n != task.value:
                n += 1
            await ctx.send(Result(total, task.value))
        elif task.op == LEAVE:
            break
        elif task.op == RETURN:
            return
        elif task.op == PRINT:
            printed.append(task.value)
    ended.append(total)


def kit(**settings: Any) -> Any:
    """The actor, decorated with other settings than the defaults."""
    given = {"kernel_id": "kit", "input_type": Task, "output_type": Result, **settings}
    return ring_kernel(auto_register=False, **given)(body)


def _emit(log: memoryview) -> None:
    printed.extend(value for (value,) in struct.iter_unpack("<q", log))


def _pack(state: Mapping[str, Any], record: memoryview) -> None:
    struct.pack_into("<q", record, 0, state["total"])


def _unpack(record: memoryview) -> dict[str, Any]:
    return {"total": struct.unpack_from("<q", record)[0]}


@functools.cache
def library() -> Path | None:
    """The compiled actor; None if there is no compiler."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        return None
    path = Path(tempfile.mkdtemp(prefix="pydotcompute-kit-")) / "kit.so"
    command = [compiler, "-std=c++17", "-O2", "-fPIC", "-shared", str(SOURCE), "-o", str(path)]
    subprocess.run(command, check=True)
    return path


def program(*, silent: bool = True, max_sends: int | None = 16) -> NativeProgram:
    """The actor for the native engine."""
    path = library()
    assert path is not None
    return NativeProgram(
        library=path, input_types=(Task,), output_types=(Result,), input_slot=Task.dtype,
        output_slot=Result.dtype, state_size=8, pack_state=_pack, unpack_state=_unpack,
        silent_timeout=silent, max_sends=max_sends, emit=_emit,
        why=lambda code, line: f"report {code} in line {line}", log_size=64,
    )  # fmt: skip
