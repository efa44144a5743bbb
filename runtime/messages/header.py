"""The header every message carries beside its fields: id, priority, correlation id.

What belongs here: how the header is stored (nothing at all until one of its parts is set or
read), its checks, and the descriptors ``@message`` puts on a class.  The header is no dataclass
field: ``repr``, ``==``, ``asdict`` and the record know nothing of it.

The attribute ``HEADER`` of an instance holds one of five things:

* nothing or None: all default;
* a ``Header``;
* an ``Identity``: all default, and something else refers to the message's id;
* another message: the one this was copied from, whose id is this one's too.  The link lets a copy
  made by ``send`` share an id that nothing has asked for yet;
* ``Received``: the header of the original of a message in an actor's hands.

What an actor sends has a header of its own, on every backend: an actor that sends on the message
it has received sends its fields.  So a copy in an actor's hands has a link or is ``Received``, and
``given`` leaves those out.

A reply names its request by an ``Identity``, never by the request itself: a client that sends each
reply as its next request would keep every message of its life.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from pydotcompute.compiler.types.message_schema import header_parts
from pydotcompute.errors import MessageTypeError, MessageValueError
from pydotcompute.errors import given as described

HEADER = "__pydotcompute_header__"
DEFAULT_PRIORITY = 128


class Identity:
    """The id of a message, made when it is first read.  It names the message and does not keep it.
    """

    __slots__ = ("_made",)  # no __init__: every request makes one

    _made: UUID

    @property
    def message_id(self) -> UUID:
        """The id."""
        try:
            return self._made
        except AttributeError:
            self._made = made = uuid4()
            return made


class Header:
    """What a message carries beside its fields; shared between copies, so replaced, not changed.

    Args:
        message_id: an id, None until it is first read, or the ``Identity`` that will make it.
        priority: 0 to 255.
        correlation_id: an id, None, or the ``Identity`` of the message that it names.
    """

    __slots__ = ("correlation_id", "message_id", "priority")

    def __init__(
        self,
        message_id: UUID | Identity | None = None,
        priority: int = DEFAULT_PRIORITY,
        correlation_id: UUID | Identity | None = None,
    ) -> None:
        self.message_id = message_id
        self.priority = priority
        self.correlation_id = correlation_id

    def __reduce__(self) -> tuple[Any, ...]:
        return Header, (_id_in(self), self.priority, _correlation_in(self))


class Received:
    """The header of a message in the hands of an actor: that of the message it is a copy of.

    Args:
        header: the other message's.
    """

    __slots__ = ("header",)

    def __init__(self, header: Header | Identity) -> None:
        self.header = header

    @property
    def message_id(self) -> UUID:
        """The other message's id, made now if nothing has read it."""
        return id_of(self.header)


def received(held: Any) -> Any:
    """What a copy gets whose original holds ``held``, on its way to an actor."""
    return Received(held) if held.__class__ in (Header, Identity) else held


def given(held: Any) -> Any:
    """What a copy gets whose original holds ``held``, on its way from an actor."""
    return held if held.__class__ in (Header, Identity) else None


def has_header(message: Any) -> bool:
    """Whether part of the header of a message, or of what it was copied from, is set or was read.

    Args:
        message: an instance of a message class.
    """
    held = getattr(message, HEADER, None)
    while held is not None and not isinstance(held, (Header, Identity, Received)):
        held = getattr(held, HEADER, None)
    return held is not None


def shared_header(message: Any) -> Header | Identity:
    """What stands for the header of a message after the message itself is gone.

    Args:
        message: an instance of a message class.
    """
    held = getattr(message, HEADER, None)
    while not isinstance(held, (Header, Identity)):
        if held is None:
            held = Identity()
            object.__setattr__(message, HEADER, held)
        elif isinstance(held, Received):
            held = held.header
        else:  # a link to the original
            message, held = held, getattr(held, HEADER, None)
    return held


def identity_in(header: Header | Identity) -> UUID | Identity:
    """The id in a header, or what will make it."""
    if isinstance(header, Identity):
        return header
    if header.message_id is None:
        header.message_id = Identity()
    return header.message_id


def id_of(header: Header | Identity) -> UUID:
    """The id in a header, made now if nothing has read it."""
    return header.message_id if isinstance(header, Identity) else _id_in(header)


def priority_of(header: Header | Identity) -> int:
    """The priority in a header."""
    return header.priority if isinstance(header, Header) else DEFAULT_PRIORITY


def correlation_of(header: Header | Identity) -> UUID | None:
    """The correlation id in a header."""
    return _correlation_in(header) if isinstance(header, Header) else None


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
    if _held(message) is None:
        return Header()
    held = shared_header(message)
    return held if isinstance(held, Header) else Header(held)


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

    The id is made when it is first read, not here, and the reply does not keep the request.

    Args:
        reply, request: messages.
    """
    identity: Any = getattr(request, HEADER, None)
    if identity is None:  # the usual case, in a few steps
        identity = Identity()
        object.__setattr__(request, HEADER, identity)
    elif identity.__class__ is not Identity:
        identity = identity_in(shared_header(request))
    if getattr(reply, HEADER, None) is None:
        object.__setattr__(reply, HEADER, Header(None, DEFAULT_PRIORITY, identity))
        return
    old = header_of(reply)
    if old.correlation_id is None:
        object.__setattr__(reply, HEADER, Header(old.message_id, old.priority, identity))


def _check(cls: type, name: str, value: Any) -> None:
    if name not in header_parts(cls):
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
    if held.__class__ is Header:
        return _id_in(held)
    if held.__class__ in (Identity, Received):
        return held.message_id
    return _message_id(held)  # the original's


def _id_in(header: Header) -> UUID:
    made = header.message_id
    if made is None:
        made = header.message_id = uuid4()
    elif isinstance(made, Identity):
        return made.message_id
    return made


def _correlation_in(header: Header) -> UUID | None:
    found = header.correlation_id
    if isinstance(found, Identity):
        found = header.correlation_id = found.message_id
    return found


def _priority(self: Any) -> Any:
    held = _held(self)
    if held.__class__ is Received:
        held = held.header
    return held.priority if held.__class__ is Header else DEFAULT_PRIORITY


def _correlation_id(self: Any) -> Any:
    held = _held(self)
    if held.__class__ is Received:
        held = held.header
    return _correlation_in(held) if held.__class__ is Header else None


def _getstate(self: Any) -> Any:
    """The state for pickle and copy: with an id, which all copies share, and without links."""
    _message_id(self)
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


class _Part:
    """A part of the header as an attribute.

    Args:
        name: of the attribute.
        get: reads it of a message.
        text: its docstring.
    """

    def __init__(self, name: str, get: Callable[[Any], Any], text: str) -> None:
        self._name, self._get, self.__doc__ = name, get, text

    def __get__(self, message: Any, owner: type) -> Any:
        if message is not None:
            return self._get(message)
        if self._is_declared(owner):
            raise AttributeError(self._name)  # dataclass would take this for the field's default
        return self

    def _is_declared(self, owner: type) -> bool:
        try:
            return self._name in inspect.get_annotations(owner)
        except NameError:  # evaluated late (3.14), and not there yet
            return True

    def __set__(self, message: Any, value: Any) -> None:
        set_header(message, {self._name: value})


class OwnField:
    """In a class with a field named like a part of the header that it inherits: what makes that an
    attribute like any other.

    Args:
        name: of the field.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, message: Any, owner: type) -> Any:
        raise AttributeError(f"{owner.__name__!r} object has no attribute {self._name!r}")


ATTRIBUTES = {
    "message_id": _Part("message_id", _message_id, "The message's own id, made when first read."),
    "priority": _Part("priority", _priority, "0 to 255; carried, not acted upon."),
    "correlation_id": _Part(
        "correlation_id", _correlation_id, "Id of the message this one answers, or None."
    ),
}
"""What ``@message`` adds to a class, by name."""

STATE = {"__getstate__": _getstate, "__setstate__": _setstate}
"""Pickling of message classes with slots; those without need only ``__getstate__``."""
