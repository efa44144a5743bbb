"""``@message``: makes a class into a message, which is a dataclass with a header and a record.

Input: a plain class with annotations, or a dataclass of any kind.  Output: the same class (for a
class with slots, a subclass of the same name with room for the header) with

* ``message_id``, ``priority``, ``correlation_id`` (``header``), but for those that it declares,
* ``dtype``, ``array(...)``, ``messages(batch)``: its record and batches of them,
* a constructor that takes the header keywords (``constructor``).

Nothing is worked out about the fields here: annotations may name classes that come later, so the
record is made when it is first asked for.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterable
from enum import Enum
from typing import Any, TypeVar, dataclass_transform

import numpy as np

from pydotcompute.compiler.types.annotations import enclosing_names
from pydotcompute.compiler.types.message_schema import (
    HEADER_PARTS_MARK,
    MESSAGE_MARK,
    NAMES_MARK,
    header_parts,
    schema_of,
)
from pydotcompute.messages.constructor import constructor
from pydotcompute.messages.header import ATTRIBUTES, HEADER, STATE, OwnField

T = TypeVar("T")

_OWN = 1 << 9
"""Flag of classes made by a ``class`` statement: those of C cannot be changed."""
_NO_MESSAGE = (dict, tuple, Enum)
"""Their instances are not data of annotated fields: ``TypedDict``, ``NamedTuple``, enums."""


@dataclass_transform(field_specifiers=(dataclasses.field,))
def message(cls: type[T]) -> type[T]:
    """Make a class into a message.

    Args:
        cls: a class with annotated fields, or a dataclass.

    Returns:
        The class; for one with ``__slots__``, a subclass of the same name.

    Raises:
        TypeError: not a class, or no fields where some were meant.

    Example:
        >>> @message
        ... class Request:
        ...     value: int
        >>> Request(21, priority=200)
        Request(value=21)
    """
    if not isinstance(cls, type) or not cls.__flags__ & _OWN or issubclass(cls, _NO_MESSAGE):
        shown = cls.__name__ if isinstance(cls, type) else repr(cls)
        raise TypeError(
            f"@message decorates a class, not {shown}; write a plain class or a dataclass with "
            "annotated fields, such as `value: int`"
        )
    if cls.__dict__.get(MESSAGE_MARK):
        return cls
    names = enclosing_names(_annotations(cls), sys._getframe(1))
    made = cls if "__dataclass_fields__" in cls.__dict__ else _as_dataclass(cls)
    _check_fields(made)
    parts = _header_parts(made)
    setattr(made, NAMES_MARK, names)
    # an __init__ that is inherited from a message takes the header already
    own = "__init__" in made.__dict__ or not hasattr(made, MESSAGE_MARK)
    init = constructor(made, parts) if own else None
    if made.__dictoffset__ == 0 and not hasattr(made, HEADER):
        made = _with_room(made)
    if init is not None:
        setattr(made, "__init__", init)  # noqa: B010 (mypy)
    setattr(made, HEADER_PARTS_MARK, parts)
    _add(made)
    return made


def _annotations(cls: type) -> Iterable[Any]:
    try:
        return inspect.get_annotations(cls).values()
    except NameError:  # evaluated late (3.14) and not there yet
        return ()


def _as_dataclass(cls: type[T]) -> type[T]:
    bases = [getattr(base, "__dataclass_params__", None) for base in cls.__mro__[1:]]
    frozen = any(base is not None and base.frozen for base in bases)
    return dataclasses.dataclass(frozen=frozen)(cls)


def _check_fields(cls: type) -> None:
    fields = dataclasses.fields(cls)
    for field in fields:
        if getattr(field.default, "__func__", None) in (_array, _messages):
            raise TypeError(
                f"field {field.name!r} of {cls.__name__} has the name of a method it inherits; "
                "give it another name"
            )
    if not fields and len(inspect.signature(cls).parameters) > 0:
        raise TypeError(
            f"{cls.__name__} has no fields; write them as annotations in the class body, "
            "such as `value: int`"
        )


def _header_parts(cls: type) -> tuple[str, ...]:
    """The parts of the header that a class is to have: what it declares itself is its own."""
    fields = {field.name for field in dataclasses.fields(cls)}
    found = {name: inspect.getattr_static(cls, name, part) for name, part in ATTRIBUTES.items()}
    return tuple(
        name for name, part in ATTRIBUTES.items() if name not in fields and found[name] is part
    )


def _with_room(cls: type[T]) -> type[T]:
    """A subclass with a slot for the header, in place of a class that has none.

    A subclass, and not the class made anew, because ``super()`` in its methods goes on working.
    """
    body = {
        "__slots__": (HEADER,),
        "__doc__": cls.__doc__,
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
    }
    meta: Any = type(cls)
    made: type[T] = meta(cls.__name__, (cls,), body)
    return made


def _add(cls: type) -> None:
    setattr(cls, MESSAGE_MARK, True)
    if not hasattr(cls, HEADER):
        setattr(cls, HEADER, None)
    fields = {f.name for f in dataclasses.fields(cls)}
    for name, attribute in ATTRIBUTES.items():
        if name in header_parts(cls):
            setattr(cls, name, attribute)
        elif inspect.getattr_static(cls, name, None) is attribute:  # inherited
            setattr(cls, name, OwnField(name))
    for name, helper in (("dtype", _Dtype()), ("array", _ARRAY), ("messages", _MESSAGES)):
        if name not in fields:  # a field wins
            setattr(cls, name, helper)
    slotted = cls.__dictoffset__ == 0
    for name in ("__getstate__", "__setstate__") if slotted else ("__getstate__",):
        if getattr(getattr(cls, name, None), "__module__", None) in (None, "dataclasses"):
            setattr(cls, name, STATE[name])


class _Dtype:
    """``Request.dtype``: the numpy record dtype of the fields, worked out when first read."""

    def __get__(self, instance: object, owner: type) -> np.dtype[Any]:
        return schema_of(owner).dtype


def _array(cls: type, messages: Iterable[Any] | None = None, /, **columns: Any) -> Any:
    """A batch, as an array of ``cls.dtype``: from messages, or from one column for each field.

    Args:
        messages: a sequence of messages, or an array of ``cls.dtype``, which is copied.
        columns: by field name: a sequence or array of values, or one value for all rows.

    Returns:
        A one-dimensional array of ``cls.dtype``.

    Raises:
        MessageTypeError, MessageValueError: a value its field does not take.
        ValueError: columns of different lengths.
        TypeError: a column missing, or of no field.
    """
    from pydotcompute.messages.batches import batch_of

    return batch_of(cls, messages, columns)


def _messages(cls: type, batch: Any, /) -> list[Any]:
    """The messages of a batch.

    Args:
        batch: a one-dimensional array of ``cls.dtype``.
    """
    from pydotcompute.messages.batches import messages_of

    return messages_of(cls, batch)


_ARRAY: Any = classmethod(_array)
_MESSAGES: Any = classmethod(_messages)
