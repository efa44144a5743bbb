"""Every error a user of pydotcompute can meet, and what each carries.

What belongs here: exception classes, and the short spelling of values in their texts
(``describe``).  Input: whatever went wrong.  Output: one readable sentence, plus the same facts
as attributes.  All classes are picklable, so an error can cross a process boundary.  The base of
all, and ``SchemaError``, are the compiler's (``compiler.errors``), which imports nothing of this.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydotcompute.compiler.diagnostics.errors import PyDotComputeError as PyDotComputeError
from pydotcompute.compiler.diagnostics.errors import SchemaError as SchemaError


class KernelNotFoundError(PyDotComputeError):
    """No kernel of that id is registered, or launched in this runtime."""


class KernelAlreadyExistsError(PyDotComputeError):
    """The kernel id is taken: by another function, or by a kernel already launched."""


class KernelStateError(PyDotComputeError):
    """The call does not fit the state the kernel is in; the text names both."""


class TopologyError(PyDotComputeError):
    """Actors cannot be connected like this: the edge exists, an end has ended, or every actor of
    a cycle waits for room."""


class DurabilityError(PyDotComputeError):
    """A message cannot be kept on disk, or what was kept cannot be used: the disk refuses it, the
    folder is damaged or in use, or the actor would not do the same again.  The text names the
    file, or the statement."""


class SnapshotError(PyDotComputeError):
    """A snapshot cannot be taken, read or restored.  The text names the file, or the variable and
    its type."""


class CapacityError(PyDotComputeError):
    """A population has as many instances as it may have: a message of one more key was refused.

    Args:
        message: the sentence.
        key: the first key for which there is no room.
    """

    def __init__(self, message: str = "", key: Any = None) -> None:
        super().__init__(message)
        self.key = key


class KernelClosedError(PyDotComputeError):
    """The kernel has ended, or is ending: nothing more can be sent, or there is no more to read.

    Args:
        message: the sentence.
        count: of a batch, the messages that were taken before.
        key: of a population, the instance that has ended; None: all of it.
    """

    def __init__(self, message: str = "", count: int = 0, key: Any = None) -> None:
        super().__init__(message)
        self.count = count
        self.key = key


class ActorFailedError(PyDotComputeError):
    """An exception left the actor's loop.  ``__cause__`` is that exception.

    Args:
        message: the sentence.
        kernel_id: whose actor it was.
        message_in: the message it was handling, or None if none was in hand.
        state: the actor's variables before that message, without those in ``state_after``.
        state_after: variables that were too dear to copy before each message: the objects
            themselves, as that message left them.
        key: of a population, the instance that has failed; None: all of it.
    """

    def __init__(
        self,
        message: str = "",
        kernel_id: str = "",
        message_in: Any = None,
        state: dict[str, Any] | None = None,
        state_after: dict[str, Any] | None = None,
        key: Any = None,
    ) -> None:
        super().__init__(message)
        self.kernel_id = kernel_id
        self.key = key
        self.message_in = message_in
        self.state: dict[str, Any] = {} if state is None else state
        self.state_after: dict[str, Any] = {} if state_after is None else state_after


class QueueFullError(PyDotComputeError):
    """A queue under ``BackpressureStrategy.REJECT`` has no room.

    Args:
        message: the sentence.
        count: of a batch, the messages that were taken before.
    """

    def __init__(self, message: str = "", count: int = 0) -> None:
        super().__init__(message)
        self.count = count


class QueueTimeoutError(PyDotComputeError, TimeoutError):
    """The time given ran out.  It is a ``TimeoutError``, so ``asyncio.TimeoutError`` catches it.

    Args:
        message: the sentence.
        count: of a batch, the messages that were taken before.
    """

    def __init__(self, message: str = "", count: int = 0) -> None:
        super().__init__(message)
        self.count = count


class _MessageError(PyDotComputeError):
    """What the two message errors share.

    Args:
        message: the sentence.
        kernel_id: the kernel it was sent to, or None outside of a send.
        field: path of the field (``"value"``, ``"inner.items[3]"``), or None for a whole message.
        expected: what the field takes.
        given: what it got.
    """

    def __init__(
        self,
        message: str = "",
        kernel_id: str | None = None,
        field: str | None = None,
        expected: str = "",
        given: str = "",
    ) -> None:
        super().__init__(message)
        self.kernel_id = kernel_id
        self.field = field
        self.expected = expected
        self.given = given


class MessageTypeError(_MessageError, TypeError):
    """A message, or a field of one, is not of the declared type."""


class MessageValueError(_MessageError, ValueError):
    """A field has the declared type and a value outside of its range."""


class LoweringError(PyDotComputeError):
    """The actor cannot be compiled, and falling back was not allowed.

    Args:
        message: the rendered diagnostics.
        diagnostics: the same as data (``Diagnostic`` objects).
    """

    def __init__(self, message: str = "", diagnostics: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.diagnostics: tuple[Any, ...] = tuple(diagnostics)


class BuildError(PyDotComputeError):
    """A compiler refused generated code, or could not be run.

    Args:
        message: the sentence.
        log: all that the compiler printed.
        source_path: where the generated source was written, or None.
    """

    def __init__(self, message: str = "", log: str = "", source_path: Path | None = None) -> None:
        super().__init__(message)
        self.log = log
        self.source_path = source_path


class BackendUnavailableError(PyDotComputeError):
    """The backend asked for cannot run here; the text says what would provide it."""


class SettingsError(PyDotComputeError, ValueError):
    """An environment variable, or an override of one, has a value that means nothing."""


class InternalError(PyDotComputeError):
    """pydotcompute broke one of its own promises: please report it.

    Args:
        message: what was found.
    """

    def __init__(self, message: str = "") -> None:
        text = message if message.endswith(_PLEASE) else f"{message}{_PLEASE}"
        super().__init__(text)


_PLEASE = "; this is a bug in pydotcompute, please report it"


class ActorExit(BaseException):
    """Raised inside an actor by ``receive`` when the actor has to end.

    Not an ``Exception``: handlers of the actor must not take it for a failure.
    """


def given(value: object) -> str:
    """A value of the wrong type, for an error text: ``str ('x')``."""
    return "None" if value is None else f"{type(value).__name__} ({describe(value)})"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlong = 60


def describe(value: object) -> str:
    """A value for an error text: its repr, at most about 60 characters, and never an exception.

    Args:
        value: any object, hostile ones included.
    """
    if type(value) is int and value.bit_length() > 200:
        return f"an int of {value.bit_length()} bits"
    try:
        text = _SHORT.repr(value)
    except Exception:
        return f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."
