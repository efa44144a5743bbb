"""One actor on two backends: the comparison behind ``testing.assert_backends_agree``.

Input: a decorated actor and its messages.  Output: what both backends sent, or ``AssertionError``
with the first difference.  The actor runs as it would in an application: launched, fed through its
queue, drained and terminated.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pydotcompute.actors.decorator import RingKernelFunction
from pydotcompute.errors import ActorFailedError, KernelClosedError, given
from pydotcompute.kernels.runtime import RingKernelRuntime
from pydotcompute.queues.backpressure import KernelState
from pydotcompute.support.arguments import check_batch

Same = Callable[[object, object], bool]

_EARLY = (KernelState.TERMINATED, KernelState.FAILED)


@dataclass
class Run:
    """What an actor did on one backend.

    Args:
        backend: which.
        outputs: the messages it sent, in order.
        printed: what it printed.
        failure: the error that ended it, if one did.
        launched: what ran it in the beginning.
        reason: why not a better backend.
    """

    backend: str
    outputs: list[Any] = field(default_factory=list)
    printed: str = ""
    failure: ActorFailedError | None = None
    launched: str = ""
    reason: str | None = None


def compare(
    actor: RingKernelFunction, batch: Any, same: Same, timeout: float, backend: str = "native"
) -> list[Any]:
    """Runs an actor on ``python`` and on a compiled backend.

    Args:
        actor: the actor.
        batch: messages, or an array of the dtype of the only input class.
        same: whether two values are the same.
        timeout: seconds for each run.
        backend: ``"native"`` or ``"cuda"``.

    Returns:
        The outputs.

    Raises:
        AssertionError: the runs differ, or the actor is not compiled.
        TypeError: it is no decorated actor, or no batch.
    """
    if not isinstance(actor, RingKernelFunction):
        raise TypeError(
            "assert_backends_agree takes an actor decorated with @ring_kernel, "
            f"not {given(actor)}"
        )
    messages = _messages(actor, batch)
    python, native = (asyncio.run(_run(actor, messages, b, timeout)) for b in ("python", backend))
    if native.launched == "python":
        raise AssertionError(f"{actor.kernel_id!r} is not compiled: {native.reason}")
    _same_outputs(python, native, same)
    _same_failure(python, native, same)
    if python.printed != native.printed:
        raise AssertionError(
            f"{actor.kernel_id!r} printed {python.printed!r} on python and "
            f"{native.printed!r} on {backend}"
        )
    return python.outputs


def _messages(actor: RingKernelFunction, batch: Any) -> Sequence[Any]:
    classes: tuple[Any, ...] = actor.input_types or ()
    batch = list(batch) if isinstance(batch, Iterator) else batch
    check_batch("assert_backends_agree", batch, classes, "; write [message] for one message")
    if not isinstance(batch, np.ndarray):
        return list(batch)
    if len(classes) != 1:
        has = "several input types" if classes else "no input_type"
        raise TypeError(f"{actor.kernel_id!r} has {has}: give a sequence of messages")
    (cls,) = classes
    found: Sequence[Any] = cls.messages(batch)
    return found


async def _run(actor: RingKernelFunction, messages: Sequence[Any], backend: str,
               timeout: float) -> Run:  # fmt: skip
    run, printed = Run(backend), io.StringIO()
    async with asyncio.timeout(timeout), RingKernelRuntime(fallback="allow") as runtime:
        kernel = await runtime.launch(actor.kernel_id, actor, backend=backend)
        run.launched, run.reason = kernel.backend, kernel.reason
        with contextlib.redirect_stdout(printed):
            await kernel.activate()
            reader = asyncio.create_task(_read(kernel, run))
            with contextlib.suppress(ActorFailedError, KernelClosedError):
                for message in messages:
                    await kernel.send(message)
            if kernel.state not in _EARLY:
                report = await kernel.terminate(timeout=timeout)
                run.failure = report.failure
            await reader
    run.printed = printed.getvalue()
    return run


async def _read(kernel: Any, run: Run) -> None:
    try:
        async for message in kernel.messages():
            run.outputs.append(message)
    except ActorFailedError as failure:
        run.failure = failure


def _same_outputs(python: Run, native: Run, same: Same) -> None:
    for number, (one, other) in enumerate(zip(python.outputs, native.outputs, strict=False)):
        if not same(one, other):
            raise AssertionError(
                f"output {number} is {one} on python and {other} on {native.backend}"
            )
    if len(python.outputs) != len(native.outputs):
        raise AssertionError(
            f"{len(python.outputs)} outputs on python and "
            f"{len(native.outputs)} on {native.backend}"
        )


def _same_failure(python: Run, native: Run, same: Same) -> None:
    if python.failure is None and native.failure is None:
        return
    if python.failure is None or native.failure is None:
        raise AssertionError(
            f"ended with {python.failure!r} on python and with {native.failure!r} on "
            f"{native.backend}"
        )
    one, other = python.failure, native.failure
    not_kept = one.state_after.keys() | other.state_after.keys()
    before, other_before = (
        {name: value for name, value in failure.state.items() if name not in not_kept}
        for failure in (one, other)
    )
    for what, a, b in (
        ("exception", type(one.__cause__), type(other.__cause__)),
        ("text of the exception", str(one.__cause__), str(other.__cause__)),
        ("message in hand", one.message_in, other.message_in),
        ("state", before, other_before),
    ):
        if a is not b and not same(a, b):
            raise AssertionError(
                f"failed with the {what} {a} on python and {b} on {native.backend}"
            )
