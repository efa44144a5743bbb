"""Constructors of message classes: the dataclass's own, plus the header keywords.

Input: a dataclass.  Output: its ``__init__``, taking ``message_id``, ``priority`` and
``correlation_id`` as further keywords, where the class has no such fields itself.

Wrapping the generated constructor would cost a second call for every message, so the usual one is
generated anew, with ``**header`` at its end; an empty ``**header`` is the cheapest of all ways to
take optional keywords (1.2 times the plain constructor).  Constructors written by hand are wrapped.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from pydotcompute.compiler.types.message_schema import MESSAGE_MARK
from pydotcompute.messages.header import DEFAULT_PRIORITY, set_header
from pydotcompute.support.generated_code import define


def constructor(cls: type, parts: Sequence[str]) -> Callable[..., None]:
    """The ``__init__`` for a message class.

    Args:
        cls: a dataclass; it is not changed.
        parts: the parts of the header that it has.
    """
    own: Callable[..., None] = getattr(cls, "__init__")  # noqa: B009 (mypy)
    made = _generate(cls) if _is_plain(cls) else _wrap(own, parts)
    made.__signature__ = _signature(own, parts)  # type: ignore[attr-defined]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__module__ = cls.__module__
    return made


def _is_plain(cls: type) -> bool:
    """Whether ``__init__`` is what dataclass generates."""
    code = getattr(cls.__dict__.get("__init__"), "__code__", None)
    if code is None:
        return False
    return code.co_filename == "<string>" and "__create_fn__" in code.co_qualname


def _kind(field: Any) -> str:
    """``_FIELD``, ``_FIELD_CLASSVAR`` or ``_FIELD_INITVAR``."""
    name: str = field._field_type.name
    return name


def _wrap(own: Callable[..., None], parts: Sequence[str]) -> Callable[..., None]:
    names = frozenset(parts)

    @functools.wraps(own)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        if not kwargs or names.isdisjoint(kwargs):
            own(self, *args, **kwargs)
            return
        header = {name: kwargs.pop(name) for name in parts if name in kwargs}
        own(self, *args, **kwargs)
        set_header(self, header)

    return __init__


def _generate(cls: type) -> Callable[..., None]:
    everything = cls.__dict__["__dataclass_fields__"].values()
    fields = [f for f in everything if _kind(f) != "_FIELD_CLASSVAR"]
    taken = {f.name for f in fields}

    def unused(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    me, header, put = unused("self"), unused("header"), unused("set_header")
    absent, assign = unused("absent"), unused("assign")
    space: dict[str, Any] = {
        put: set_header, absent: object(), assign: object.__setattr__,
    }  # fmt: skip
    frozen = cls.__dict__["__dataclass_params__"].frozen
    slots = "__slots__" in cls.__dict__
    parameters: dict[bool, list[str]] = {False: [], True: []}
    body, passed_on = [], []
    for field in fields:
        parameter = value = field.name
        if field.default is not dataclasses.MISSING:
            default = unused(f"default_{field.name}")
            space[default] = field.default
            parameter += f"={default}"
            value = field.name if field.init else default
        elif field.default_factory is not dataclasses.MISSING:
            factory = unused(f"make_{field.name}")
            space[factory] = field.default_factory
            parameter += f"={absent}"
            value = f"{factory}()"
            if field.init:
                value += f" if {field.name} is {absent} else {field.name}"
        elif not field.init:
            continue
        if field.init:
            parameters[bool(field.kw_only)].append(parameter)
        if _kind(field) == "_FIELD_INITVAR":
            passed_on.append(field.name)
        elif field.init or slots or field.default is dataclasses.MISSING:
            body.append(
                f"{assign}({me}, {field.name!r}, {value})" if frozen
                else f"{me}.{field.name} = {value}"
            )  # fmt: skip
    body.append(f"if {header}: {put}({me}, {header})")
    if hasattr(cls, "__post_init__"):
        body.append(f"{me}.__post_init__({', '.join(passed_on)})")
    keywords = ["*", *parameters[True]] if parameters[True] else []
    listed = ", ".join([me, *parameters[False], *keywords, f"**{header}"])
    text = f"def __init__({listed}):\n" + "".join(f"    {line}\n" for line in body)
    made: Callable[..., None] = define(
        text, "__init__", f"{cls.__module__}.{cls.__qualname__}", space
    )
    if all(f.init and _kind(f) == "_FIELD" for f in fields):  # a parameter for each field
        setattr(made, MESSAGE_MARK, True)
    return made


def _signature(own: Callable[..., None], parts: Sequence[str]) -> inspect.Signature:
    kind = inspect.Parameter.KEYWORD_ONLY
    header = [
        inspect.Parameter("message_id", kind, default=None, annotation="UUID | None"),
        inspect.Parameter("priority", kind, default=DEFAULT_PRIORITY, annotation="int"),
        inspect.Parameter("correlation_id", kind, default=None, annotation="UUID | None"),
    ]
    header = [parameter for parameter in header if parameter.name in parts]
    plain = inspect.signature(own)
    parameters = [p for p in plain.parameters.values() if p.name not in parts]
    last = parameters.pop() if parameters and parameters[-1].kind is kind.VAR_KEYWORD else None
    return plain.replace(parameters=[*parameters, *header, *([last] if last else [])])
