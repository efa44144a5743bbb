"""The optional C extension: the base classes it stores, and the methods it runs.

Here, when the package is imported, it is decided which of the two there is: the base classes of
rings, native engines, kernels and runtimes are the extension's, or plain ones with the same
attributes; a method marked ``accelerated`` is the extension's twin of it, or the method itself.
``layout_of`` tells the extension where the fields of a message lie.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.message_schema import Schema, record_dtype, schema_of
from pydotcompute.compiler.types.shared_nan import shared_nan
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.compiler.types.types import Type
from pydotcompute.errors import SchemaError

VERSION: Final = 12
"""The version of the interface to ``_fastpath``; C has it from ``_abi.h`` (``abi_header``)."""

JOURNALED: Final = 128
"""A ``put_slow_path`` of just this: what is put has to be written to ``tape`` first."""

extension: Any = None
"""The module, or None."""
try:
    from pydotcompute.accel import _fastpath

    if getattr(_fastpath, "VERSION", 0) == VERSION:
        extension = _fastpath
except ImportError:
    pass

_CODES = {
    "bool": "?", "int8": "b", "int16": "h", "int32": "i", "int64": "q",
    "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
    "float16": "e", "float32": "f", "float64": "d",
}  # fmt: skip
_MOST_MEMBERS = 16
"""Members of an enum that are worth looking through one by one."""
_LAYOUT = "__pydotcompute_layout__"

F = TypeVar("F", bound=Callable[..., Any])


def accelerated(function: F) -> F:
    """A method whose common case the extension runs; the method itself without the extension.

    The Python code is the definition: the extension gives it whatever is unusual, and looks like it
    to ``inspect``, ``pickle`` and ``unittest.mock``.

    Raises:
        ValueError: the extension has no twin of a method of this ``__qualname__``.
    """
    if extension is None:
        return function
    twin: F = extension.Method(function)
    return twin


if TYPE_CHECKING or extension is None:

    class RingStorage:
        """What a ring keeps.  The extension's class of these attributes keeps them as C has them.

        ``layout`` is what ``layout_of`` says of the one class of messages in the ring.  ``tape``
        is set where the extension may write messages to the journal by itself.
        """

        __slots__ = (
            "bound",
            "buffer",
            "cached_remote_cursor",
            "drop_oldest",
            "dropped",
            "get_slow_path",
            "head",
            "layout",
            "mask",
            "peak",
            "put_slow_path",
            "run_inline",
            "sample_at",
            "sample_time",
            "size",
            "slots",
            "tail",
            "tape",
            "tape_actor",
            "wake",
            "wake_suppressed",
            "words",
        )  # fmt: skip

    class TapeStorage:
        """What the writer of a journal's segment keeps; the extension appends to it, too."""

        __slots__ = ("end", "limit", "open", "sequence", "view")

    class EngineStorage:
        """What a native engine keeps beside its own attributes.

        The extension's class also keeps ``run_flags``, ``sizing``, ``_taken``, ``_staged``,
        ``_prints`` and ``_waits`` of ``NativeEngine``, under these names.
        """

        inline_busy = 0.0
        """Seconds that bursts run by the extension have taken and that no meter knows of yet."""

        def attach(self, block: object, inport: Any, outport: Any, actor: int, burst: int) -> None:
            """Let the extension run bursts.

            Args:
                block: owns the actor's memory.
                inport, outport: the actor's rings.
                actor, burst: addresses of the actor block and of the compiled code.
            """

        def detach(self) -> None:
            """Forget what ``attach`` was given."""

        def take_latencies(self) -> list[float]:
            """Latencies, in seconds, that the extension has measured and no meter knows of yet."""
            return []

    class KernelStorage:
        """What a kernel keeps that its quick calls need."""

        __slots__ = ("_inbox", "_outbox", "_share", "_thread")

    class RuntimeStorage:
        """What a runtime keeps that its quick calls need."""

        __slots__ = ("_kernels",)

else:
    extension.share_nan(shared_nan)
    RingStorage = extension.Ring
    EngineStorage = extension.Engine
    TapeStorage = extension.Tape
    KernelStorage = extension.Kernel
    RuntimeStorage = extension.Kernels


def layout_of(cls: type | None) -> Any:
    """Where the fields of a message lie in its record, for the extension.

    Args:
        cls: a message class, or None.

    Returns:
        An ``_fastpath.Layout``, or None: the codec packs and unpacks such messages.
    """
    if extension is None or cls is None:
        return None
    if _LAYOUT not in cls.__dict__:
        setattr(cls, _LAYOUT, _layout(cls))
    return cls.__dict__[_LAYOUT]


def _layout(cls: type) -> Any:
    try:
        schema: Schema = schema_of(cls)
        fields = [(f.name, f.offset, *_field(f.type)) for f in schema.fields]
        return extension.Layout(cls, schema.dtype.itemsize, tuple(fields))
    except (SchemaError, TypeError, ValueError):
        return None


def _field(t: Type) -> tuple[str, Any]:
    """struct's code for a field, and what the extension has to know beside it."""
    match t:
        case types.BoolType():
            return "?", None
        case types.IntType():
            return "q", None
        case types.FloatType():
            return "d", _probe(np.dtype("f8"), plain=True)
        case types.ScalarType():
            return _CODES[t.name], _probe(t.dtype, plain=False)
        case types.StrType():
            return "s", (STRINGS.ids, STRINGS.texts)
        case types.EnumType() if len(t.members) <= _MOST_MEMBERS:
            return "m", tuple(t.members)
        case _:
            raise TypeError(f"{t} is for the codec: {record_dtype(t)}")


def _probe(dtype: np.dtype[Any], *, plain: bool) -> tuple[Any, bytes, bool]:
    """A scalar of a value that is telling, by which the extension sees where numpy keeps it."""
    raw = b"\1" if dtype.kind == "b" else bytes(range(1, dtype.itemsize + 1))
    return np.frombuffer(raw, dtype)[0], raw, plain
