"""The header every message carries beside its fields: id, priority, correlation id.

What belongs here: how the header is stored (nothing at all until one of its parts is set or
read), its checks, and the descriptors ``@message`` puts on a class.  The header is no dataclass
field: ``repr``, ``==``, ``asdict`` and the record know nothing of it.

The attribute ``HEADER`` of an instance holds one of four things: nothing or None (all default),
a ``Header``, another message: the one this was copied from, whose id is this one's too, or
``Received``.  The link is what lets a copy made by ``send`` share an id that nobody has asked for
yet.

What an actor sends has a header of its own, on every backend: an actor that sends on the message
it has received sends its fields.  So a copy in an actor's hands has a link or is ``Received``, and
``given`` leaves those out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from pydotcompute.errors import MessageTypeError, MessageValueError
from pydotcompute.errors import given as described

HEADER = "__pydotcompute_header__"
HEADER_NAMES = ("message_id", "priority", "correlation_id")
DEFAULT_PRIORITY = 128


class Header:
    """What a message carries beside its fields; shared between copies, so replaced, not changed.

    Args:
        message_id: None until first read.
        priority: 0 to 255.
        correlation_id: an id, None, or a message whose id it is, as long as nobody reads it.
    """

    __slots__ = ("correlation_id", "message_id", "priority")

    def __init__(
        self,
        message_id: UUID | None = None,
        priority: int = DEFAULT_PRIORITY,
        correlation_id: Any = None,
    ) -> None:
        self.message_id = message_id
        self.priority = priority
        self.correlation_id = correlation_id

    def __reduce__(self) -> tuple[Any, ...]:
        correlation = self.correlation_id
        if not (correlation is None or isinstance(correlation, UUID)):
            correlation = correlation.message_id
        return Header, (_id_in(self), self.priority, correlation)


class Received:
    """The header of a message in the hands of an actor: that of the message it is a copy of.

    Args:
        header: the other message's.
    """

    __slots__ = ("header",)

    def __init__(self, header: Header) -> None:
        self.header = header

    @property
    def message_id(self) -> UUID:
        """The other message's id, made now if nobody has read it."""
        return _id_in(self.header)


def received(held: Any) -> Any:
    """What a copy gets whose original holds ``held``, on its way to an actor."""
    return Received(held) if held.__class__ is Header else held


def given(held: Any) -> Any:
    """What a copy gets whose original holds ``held``, on its way from an actor."""
    return held if held.__class__ is Header else None


def set_header(message: Any, parts: Mapping[str, Any]) -> None:
    """Set parts of a message's header; the others keep their values.

    Args:
        message: an instance of a message class, frozen ones included.
        parts: values by name, as given to the constructor.

    Raises:
        TypeError: a name that is no part of the header, or a value of the wrong type.
        MessageValueError: a priority outside of 0 to 255.
    """
    for name, value in parts.items():
        _check(type(message), name, value)
    old = header_of(message)
    new = Header(old.message_id, old.priority, old.correlation_id)
    for name, value in parts.items():
        setattr(new, name, value)
    object.__setattr__(message, HEADER, new)


def header_of(message: Any) -> Header:
    """The header of a message; to be read, not changed.

    Args:
        message: an instance of a message class.
    """
    held = _held(message)
    if isinstance(held, Received):
        held = held.header
    if isinstance(held, Header):
        return held
    return Header() if held is None else Header(message_id=held.message_id)


def share_header(message: Any, copy: Any, header: Callable[[Any], Any] = received) -> Any:
    """Give a copy the header of its original; returns the copy.

    Args:
        message, copy: instances of the same message class.
        header: ``received`` or ``given``.
    """
    held = getattr(message, HEADER, None)
    object.__setattr__(copy, HEADER, message if held is None else header(held))
    return copy


def correlate(reply: Any, request: Any) -> None:
    """Make ``reply.correlation_id`` the id of ``request``, unless the actor has set one.

    The id is made when somebody reads it, not here.

    Args:
        reply, request: messages.
    """
    old = header_of(reply)
    if old.correlation_id is None:
        object.__setattr__(reply, HEADER, Header(old.message_id, old.priority, request))


def _check(cls: type, name: str, value: Any) -> None:
    if name not in HEADER_NAMES:
        raise TypeError(f"{cls.__name__}.__init__() got an unexpected keyword argument {name!r}")
    if name == "priority":
        if type(value) is not int:
            raise MessageTypeError(f"priority of {cls.__name__} takes int, got {described(value)}")
        if not 0 <= value <= 255:
            raise MessageValueError(f"priority of {cls.__name__} takes 0 to 255, got {value}")
    elif not isinstance(value, UUID) and not (value is None and name == "correlation_id"):
        expected = "UUID" if name == "message_id" else "UUID or None"
        raise MessageTypeError(f"{name} of {cls.__name__} takes {expected}, got {described(value)}")


def _held(message: Any) -> Any:
    return getattr(message, HEADER, None)


def _message_id(self: Any) -> Any:
    held = _held(self)
    if held is None:
        held = Header()
        object.__setattr__(self, HEADER, held)
    elif held.__class__ is not Header:
        return held.message_id  # of the original
    return _id_in(held)


def _id_in(header: Header) -> UUID:
    if header.message_id is None:
        header.message_id = uuid4()
    return header.message_id


def _priority(self: Any) -> Any:
    held = _held(self)
    if held.__class__ is Received:
        held = held.header
    return held.priority if held.__class__ is Header else DEFAULT_PRIORITY


def _correlation_id(self: Any) -> Any:
    held = _held(self)
    if held.__class__ is Received:
        held = held.header
    if held.__class__ is not Header:
        return None
    source = held.correlation_id
    if not (source is None or isinstance(source, UUID)):
        source = held.correlation_id = source.message_id
    return source


def _getstate(self: Any) -> Any:
    """The state for pickle and copy: with an id, which all copies share, and without links."""
    _ = self.message_id
    state: Any = object.__getstate__(self)
    held = _held(self)
    if held is None or held.__class__ is Header:
        return state
    if isinstance(state, dict):
        return {**state, HEADER: header_of(self)}
    plain, slots = state
    return plain, {**slots, HEADER: header_of(self)}


def _setstate(self: Any, state: Any) -> None:
    """Restore slots of any class, frozen ones included."""
    for part in state if isinstance(state, tuple) else (state,):
        for name, value in (part or {}).items():
            object.__setattr__(self, name, value)


def _part(name: str, get: Any, text: str) -> property:
    def put(self: Any, value: Any) -> None:
        set_header(self, {name: value})

    return property(get, put, doc=text)


ATTRIBUTES = {
    "message_id": _part("message_id", _message_id, "The message's own id, made when first read."),
    "priority": _part("priority", _priority, "0 to 255; carried, not acted upon."),
    "correlation_id": _part(
        "correlation_id", _correlation_id, "Id of the message this one answers, or None."
    ),
}
"""What ``@message`` adds to a class, by name."""

STATE = {"__getstate__": _getstate, "__setstate__": _setstate}
"""Pickling of message classes with slots; those without need only ``__getstate__``."""
