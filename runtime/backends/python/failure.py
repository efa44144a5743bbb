"""The error that clients see of a failure.

Input: a ``Failure`` and whose it is.  Output: an ``ActorFailedError``.
"""

from __future__ import annotations

from typing import Any

from pydotcompute.backends.base import Failure
from pydotcompute.backends.python.kept_state import snapshot
from pydotcompute.errors import ActorFailedError, describe


def failure_error(
    failure: Failure, kernel_id: str, who: str = "", key: Any = None
) -> ActorFailedError:
    """The error for a call that a failed actor cannot serve.

    Args:
        failure: what happened.
        kernel_id: whose actor it was.
        who: of a population, which instance, in words.
        key: of a population, the key of that instance.
    """
    cause = failure.error
    at = "" if failure.message is None else f" while handling {describe(failure.message)}"
    error = ActorFailedError(
        f"kernel {kernel_id!r}{who and f' ({who})'} failed{at}: {type(cause).__name__}: {cause}",
        kernel_id, failure.message, snapshot(failure.state, failure.state), failure.state_after,
        key,
    )  # fmt: skip
    error.__cause__ = cause
    return error
