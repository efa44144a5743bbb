"""The life of an actor as data: which call fits which state, and what is left over.

Input: a state and the name of a call.  Output: nothing, or ``KernelStateError`` naming both.

>>> check("activate", KernelState.LAUNCHED, "doubler")
>>> check("activate", KernelState.FAILED, "doubler")
Traceback (most recent call last):
KernelStateError: kernel 'doubler' is FAILED: activate needs LAUNCHED; call restart() ...

What belongs here: when and from where a call may be made.  What happens in a transition is in
``actor``.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from threading import get_ident
from typing import Any

from pydotcompute.errors import ActorFailedError, KernelStateError
from pydotcompute.queues.backpressure import KernelState


@dataclass(frozen=True)
class Termination:
    """What ``terminate`` reports.

    Args:
        kernel_id: which kernel ended.
        drained: every message that had been queued was handled in time.
        unprocessed: the inputs that were not handled, oldest first.
        failure: what ended the actor, if it failed, be it before or during its termination.
    """

    kernel_id: str
    drained: bool
    unprocessed: tuple[Any, ...] = ()
    failure: ActorFailedError | None = None


_LAUNCHED, _ACTIVE = KernelState.LAUNCHED, KernelState.ACTIVE
_DEACTIVATED, _FAILED = KernelState.DEACTIVATED, KernelState.FAILED

ALLOWED: dict[str, tuple[KernelState, ...]] = {
    "launch": (KernelState.CREATED,),
    "activate": (_LAUNCHED,),
    "deactivate": (_ACTIVE,),
    "reactivate": (_DEACTIVATED,),
    "restart": (_FAILED,),
    "snapshot": (_LAUNCHED, _ACTIVE, _DEACTIVATED),
}
"""Call -> the states it may be made in.  Calls not listed fit every state."""

HINTS: dict[tuple[str, KernelState], str] = {
    ("activate", _ACTIVE): "it is running already",
    ("activate", _DEACTIVATED): "call reactivate() to resume it",
    ("activate", _FAILED): "call restart() to run it again",
    ("activate", KernelState.TERMINATED): "launch it again",
    ("deactivate", _LAUNCHED): "it has not been activated yet",
    ("deactivate", _DEACTIVATED): "it is paused already",
    ("reactivate", _ACTIVE): "it is running already",
    ("reactivate", _LAUNCHED): "call activate() to start it",
    ("reactivate", _FAILED): "call restart() to run it again",
    ("restart", _ACTIVE): "only a failed kernel is restarted",
    ("restart", KernelState.TERMINATED): "launch it again",
    ("snapshot", _FAILED): "call restart() to run it again",
}


def check(call: str, state: KernelState, kernel_id: str) -> None:
    """Refuse a call that does not fit the state.

    Args:
        call: the name of the call.
        state: the state the kernel is in.
        kernel_id: for the message.

    Raises:
        KernelStateError: naming the state, the call and the states it needs.
    """
    allowed = ALLOWED.get(call)
    if allowed is None or state in allowed:
        return
    needs = " or ".join(each.name for each in allowed)
    hint = HINTS.get((call, state))
    raise KernelStateError(
        f"kernel {kernel_id!r} is {state.name}: {call} needs {needs}"
        + (f"; {hint}" if hint else "")
    )


def check_loop(home: asyncio.AbstractEventLoop, thread: int) -> None:
    """Refuse a call from another event loop, or from another thread.

    Args:
        home: the loop that the kernels live on.
        thread: the thread it runs in; a coroutine stepped by hand there has no running loop.

    Raises:
        KernelStateError: saying what to do instead.
    """
    try:
        running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is not home and (running is not None or thread != get_ident()):
        raise KernelStateError(
            "this runtime belongs to another event loop; make one RingKernelRuntime() for each, "
            "or call `kernel.sync` from other threads"
        )
