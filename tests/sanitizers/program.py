"""A compiled actor and ``driver.cpp`` as an executable, built with sanitizers.

Input: a decorated actor and messages.  Output: what the executable writes.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydotcompute.actors.decorator import RingKernelFunction
from pydotcompute.compiler.ops.error_codes import BY_NAME
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.messages.slots import RecordSlots
from pydotcompute.toolchain.host_cc import FLAGS, find_compiler
from tests.support.differential import Subject

DRIVER = Path(__file__).with_name("driver.cpp")
_QUEUE_FULL = BY_NAME["PDC_QUEUE_FULL"].code
_RUN_TIME = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
    "TSAN_OPTIONS": "exitcode=99",
}


def _flags(sanitize: str) -> list[str]:
    kept = [flag for flag in FLAGS if flag not in ("-shared", "-fPIC", "-x", "c++", "-O2")]
    if not sanitize:
        return [*kept, "-O2"]
    return [*kept, "-O1", "-g", f"-fsanitize={sanitize}", "-fno-sanitize-recover=all",
            "-fno-omit-frame-pointer"]  # fmt: skip


@cache
def missing(sanitize: str) -> str | None:
    """Why a sanitizer cannot be used here, or None."""
    try:
        compiler = find_compiler()
    except Exception as error:
        return str(error)
    command = [*compiler.command, "-x", "c++", "-", f"-fsanitize={sanitize}", "-o", "/dev/null"]
    made = subprocess.run(command, input="int main(){}", capture_output=True, text=True)
    if made.returncode:
        return f"{compiler.version} has no run-time library for -fsanitize={sanitize}"
    return None


def build(
    actor: RingKernelFunction, sanitize: str, folder: Path, lanes: int = 0
) -> tuple[Subject, Path]:
    """The actor's executable.

    Args:
        actor: the actor.
        sanitize: for ``-fsanitize=``; empty: none.
        folder: where it is built.
        lanes: of a resident kernel, a thread each; 0: none.
    """
    subject = Subject(actor)
    source, made = folder / f"{actor.kernel_id}.cpp", folder / f"{actor.kernel_id}-{sanitize}"
    resident = ["-DPDC_EMULATE", "-DPDC_THREADED", f"-DPDC_LANE_COUNT={lanes}"] if lanes else []
    source.write_text(subject.kernel.text, encoding="utf-8")
    command = [*find_compiler().command, *_flags(sanitize), *resident, "-pthread",
               str(source), str(DRIVER), "-o", str(made)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return subject, made


def run(
    subject: Subject, program: Path, mode: str, messages: Sequence[Any], *, bound: int,
    policy: int, limit: int, count: int = 0, timeout: float = 120,
) -> bytes:  # fmt: skip
    """Run an executable.

    Args:
        subject: the actor it was built of.
        program: its path.
        mode: ``"stream"``, ``"threads"`` or ``"lanes"``.
        messages: the input.
        bound: of both queues.
        policy: ``abi.Policy``.
        limit: messages in a burst.
        count: messages sent, in ``threads`` and ``lanes``.
        timeout: seconds.

    Returns:
        What it wrote.

    Raises:
        AssertionError: it, or a sanitizer, complained; the text has what.
    """
    kernel = subject.kernel
    slots = RecordSlots(
        kernel.kernel_id, kernel.input_types, kernel.input_slot, "takes", declared=True
    )
    size = slots.size
    records = bytearray(size * len(messages))
    for n, each in enumerate(messages):
        slots.pack(memoryview(records), n * size, each)
    state = bytearray(kernel.state_dtype.itemsize)
    kernel.pack_state({n: subject.state[n] for n in subject.names if n in subject.state},
                      memoryview(state))  # fmt: skip
    numbers = (
        size, kernel.output_slot.itemsize, len(state), len(kernel.strings),
        kernel.state.journal_size, 64, len(messages), bound, policy,
        1 if kernel.max_sends is None else kernel.max_sends, limit, 1, _QUEUE_FULL, count,
        kernel.lanes.stage,
    )  # fmt: skip
    strings = [STRINGS.pin(text) for text in kernel.strings]
    setup = struct.pack(f"<{len(numbers)}Q{len(state)}s{len(strings)}Q", *numbers, bytes(state),
                        *strings)  # fmt: skip
    done = subprocess.run(
        [program, mode], input=setup + bytes(records), capture_output=True, env=_RUN_TIME,
        timeout=timeout,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout
