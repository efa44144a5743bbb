"""Schemas: the record of every field type, its C layout, and what has no record."""

from __future__ import annotations

import enum
import pickle
import uuid
from dataclasses import MISSING, dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import MaxLen
from numpy.typing import NDArray

import pydotcompute
from pydotcompute import SchemaError, Shape, errors, message
from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.from_annotation import from_annotation
from pydotcompute.compiler.types.message_schema import (
    record_dtype,
    schema_of,
)
from pydotcompute.messages.decorator import message as decorate


class Color(enum.Enum):
    RED = 1


@message
class Point:
    x: float
    flag: bool = False


@message
class Empty:
    pass


@message
class Early:
    later: Late
    many: Annotated[list[Late], MaxLen(2)]


@message
class Late:
    value: int


FORMATS = [
    (bool, "?"),
    (int, "<i8"),
    (float, "<f8"),
    (np.int16, "<i2"),
    (np.float16, "<f2"),
    (np.bool_, "?"),
    (str, "<u8"),
    (Color, "<u4"),
    (Literal["a", "b"], "<u8"),
    (Literal[1, 2], "<i8"),
    (uuid.UUID, [("hi", "<u8"), ("lo", "<u8")]),
    (int | None, [("present", "?"), ("value", "<i8")]),
    (Annotated[list[np.int8], MaxLen(3)], [("size", "<u4"), ("items", "i1", (3,))]),
    (Annotated[NDArray[np.float32], Shape(4, 2)], ("<f4", (4, 2))),
    (Point, [("x", "<f8"), ("flag", "?")]),
]


@pytest.mark.parametrize(("annotation", "expected"), FORMATS)
def test_formats(annotation: Any, expected: Any) -> None:
    dtype = record_dtype(from_annotation(annotation))
    assert dtype == np.dtype(expected, align=isinstance(expected, list))


def test_the_layout_is_the_one_of_a_c_struct() -> None:
    import ctypes

    class Inner(ctypes.Structure):
        _fields_ = [("present", ctypes.c_bool), ("value", ctypes.c_int64)]

    class Struct(ctypes.Structure):
        _fields_ = [("a", ctypes.c_bool), ("b", ctypes.c_int16), ("c", ctypes.c_float),
                    ("d", Inner), ("e", ctypes.c_uint8)]  # fmt: skip

    @message
    class Mixed:
        a: bool
        b: np.int16
        c: np.float32
        d: int | None
        e: np.uint8

    schema = schema_of(Mixed)
    assert schema.dtype.itemsize == ctypes.sizeof(Struct) == 32
    assert [f.offset for f in schema.fields] == [getattr(Struct, n).offset for n in "abcde"]
    assert schema.dtype.alignment == 8


def test_an_empty_message_takes_one_byte_as_in_cpp() -> None:
    assert Empty.dtype.itemsize == 1
    assert len(Empty.array([Empty(), Empty()])) == 2
    assert Empty.messages(Empty.array([Empty()])) == [Empty()]


def test_fields_keep_defaults_and_how_they_are_passed() -> None:
    @message
    @dataclass
    class Made:
        a: int
        b: float = 2.0
        c: Annotated[list[int], MaxLen(2)] = field(default_factory=list)
        d: int = field(default=4, kw_only=True)

    schema = schema_of(Made)
    assert [f.default for f in schema.fields] == [MISSING, 2.0, MISSING, 4]
    assert schema.fields[2].factory is list
    assert [f.kw_only for f in schema.fields] == [False, False, False, True]
    assert schema.plain_init
    assert schema_of(Made) is schema
    assert Made.dtype is schema.dtype


def test_constructors_that_do_more_are_told_apart() -> None:
    @message
    @dataclass
    class Post:
        a: int

        def __post_init__(self) -> None: ...

    @message
    class Own:
        a: int

        def __init__(self, a: int) -> None:
            self.a = a

    @message
    @dataclass(slots=True, frozen=True)
    class Slots:
        a: int

    assert [schema_of(c).plain_init for c in (Post, Own, Slots)] == [False, False, True]


def test_annotations_may_name_classes_that_come_later_or_are_local() -> None:
    @message
    class Local:
        value: int

    @message
    class Outer:
        local: Local
        early: Early

    assert schema_of(Outer).fields[0].type == types.MessageType(Local)
    assert schema_of(Early).fields[1].type == types.ListType(types.MessageType(Late), 2)


def test_a_local_name_of_a_caller_is_not_in_scope() -> None:
    Late = Color  # noqa: N806, F841 (not the one the annotation means)
    assert schema_of(_define()).fields[0].type == types.MessageType(globals()["Late"])


def _define() -> type:
    @message
    class Here:
        late: Late

    return Here


def test_inherited_fields_are_read_in_the_module_they_were_written_in() -> None:
    namespace: dict[str, Any] = {"__name__": "elsewhere", "message": decorate}
    import sys
    from types import ModuleType

    module = ModuleType("elsewhere")
    sys.modules["elsewhere"] = module
    try:
        exec(
            "from __future__ import annotations\nimport pydotcompute\nNumber = float\n"
            "@pydotcompute.message\nclass Base:\n    value: Number\n",
            module.__dict__,
        )

        @message
        class Derived(module.Base):
            more: int

        assert [f.type for f in schema_of(Derived).fields] == [types.FLOAT, types.INT]
    finally:
        del sys.modules["elsewhere"], namespace


def refused(annotation: Any) -> str:
    cls = message(type("Bad", (), {"__annotations__": {"data": annotation}}))
    with pytest.raises(SchemaError) as caught:
        schema_of(cls)
    assert caught.value.field == "data"
    assert isinstance(caught.value, TypeError)
    return str(caught.value)


USE = (
    "; use bool, int, float, str, a numpy scalar type, Enum, Literal, UUID, T | None, "
    "Annotated[list[T], MaxLen(n)], Annotated[NDArray[T], Shape(n)] or an @message class"
)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (object, f"field 'data' of Bad: object has no fixed record{USE}"),
        (dict, f"field 'data' of Bad: dict has no fixed record{USE}"),
        (
            np.complex64,
            f"field 'data' of Bad: complex64 has no fixed record of at most 64 bits{USE}",
        ),
        (
            list,
            "field 'data' of Bad: list has no bound; write Annotated[list[T], MaxLen(n)] "
            "(MaxLen from annotated_types)",
        ),
        (
            list[int],
            "field 'data' of Bad: list has no bound; write Annotated[list[T], MaxLen(n)] "
            "(MaxLen from annotated_types)",
        ),
        (
            "Nowhere",
            "field 'data' of Bad: name 'Nowhere' is not defined; "
            "define it before the message class is used",
        ),
        (
            int | str,
            "field 'data' of Bad: int | str is a union of several types; "
            "only T | None has a record",
        ),
        (None, f"field 'data' of Bad: none has no fixed record{USE}"),
        (Literal[2**63], f"field 'data' of Bad: Literal[{2**63}] has values beyond 64 bits{USE}"),
        (
            enum.Enum("Nothing", ()),
            f"field 'data' of Bad: Nothing has no members, so no value is possible{USE}",
        ),
    ],
)
def test_what_has_no_record_is_said_in_one_sentence(annotation: Any, text: str) -> None:
    assert refused(annotation) == text


def test_a_message_that_contains_itself() -> None:
    with pytest.raises(SchemaError) as caught:
        schema_of(Node)
    assert str(caught.value) == (
        f"field 'next' of Node: Node contains itself, so it has no fixed size{USE}"
    )


@message
class Node:
    next: Node | None


def test_a_record_beyond_reason() -> None:
    @message
    class Huge:
        data: Annotated[list[int], MaxLen(10_000_000)]

    with pytest.raises(SchemaError) as caught:
        schema_of(Huge)
    assert str(caught.value) == (
        "a Huge takes 80000008 bytes; a message has room for 16777216: use smaller lists or arrays"
    )


def test_a_class_that_is_no_message() -> None:
    with pytest.raises(SchemaError) as caught:
        schema_of(Color)
    assert str(caught.value) == "Color is not a message class; decorate it with @message"
    assert isinstance(caught.value, pydotcompute.PyDotComputeError)
    assert pydotcompute.SchemaError is errors.SchemaError
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args
    with pytest.raises(SchemaError, match="^5 is not a message class; decorate it with @message$"):
        schema_of(5)  # type: ignore[arg-type]
    with pytest.raises(SchemaError):
        record_dtype(types.DictType(types.INT, types.INT))
