"""What fields take, convert and refuse: alike for packing, copying and batches."""

from __future__ import annotations

import dataclasses
import enum
import math
import pickle
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import MaxLen
from numpy.typing import NDArray

from pydotcompute import MessageTypeError, Shape, message
from pydotcompute.errors import describe
from pydotcompute.messages.codec import codec_of, wrap_field_error, wrong_message
from pydotcompute.messages.field_errors import FieldError, FieldTypeError, FieldValueError
from pydotcompute.testing import same


class Color(enum.Enum):
    RED = "r"
    GREEN = "g"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    YES = "yes"


class Perm(enum.Flag):
    READ = 1
    WRITE = 2


@message
@dataclass
class Request:
    value: int


@message
@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float | None = None


def through(made: Any) -> Any:
    """The message packed behind eight bytes of something else, and unpacked."""
    codec = codec_of(type(made))
    buffer = memoryview(bytearray(b"\xff" * (codec.record_size + 16)))
    codec.pack_into(buffer, 8, made)
    assert bytes(buffer[:8]) == bytes(buffer[-8:]) == b"\xff" * 8
    return codec.unpack_from(buffer, 8)


def one_field(annotation: Any) -> Any:
    return message(dataclasses.make_dataclass("Holder", [("value", annotation)]))


class Int(int):
    def __int__(self) -> int:
        raise AssertionError("the plain value is meant")

    __index__ = __float__ = __int__  # type: ignore[assignment]


class Index:
    """What is an integer and no ``int``."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number

    def __repr__(self) -> str:
        return f"Index({self.number})"


CONVERTED = [
    (int, np.int32(-2), -2),
    (int, np.uint64(2**63 - 1), 2**63 - 1),
    (int, Index(2**62), 2**62),
    (int, np.array(5), 5),
    (int | None, np.int8(3), 3),
    (Literal[1, 2], np.int16(2), 2),
    (Annotated[list[int], MaxLen(3)], [np.int64(1), Index(2), 3], [1, 2, 3]),
    (Annotated[list[int], MaxLen(2)] | None, [np.uint8(7)], [7]),
    (float, np.float32(0.1), 0.10000000149011612),
    (float, np.float16(-0.0), -0.0),
    (float, np.float32(np.nan), math.nan),
    (float, np.longdouble(0.5), 0.5),
    (float, np.int64(2**53 + 1), 2.0**53),
    (float, np.uint64(2**64 - 1), 2.0**64),
    (float | None, np.int8(1), 1.0),
    (Annotated[list[float], MaxLen(3)], [np.float32(0.5), np.int8(1), 2], [0.5, 1.0, 2.0]),
    (int, True, 1),
    (int, Level.HIGH, 2),
    (int, Int(7), 7),
    (float, 3, 3.0),
    (float, True, 1.0),
    (float, 2**53 + 1, 2.0**53),
    (float, np.float64(-0.0), -0.0),
    (float, Int(7), 7.0),
    (str, Word.YES, "yes"),
    (np.int8, -128, np.int8(-128)),
    (np.int8, True, np.int8(1)),
    (np.uint64, 2**64 - 1, np.uint64(2**64 - 1)),
    (np.int64, np.longlong(4), np.int64(4)),
    (np.float32, 0.1, np.float32(0.1)),
    (np.float32, 2, np.float32(2)),
    (np.float32, math.inf, np.float32(np.inf)),
    (np.float16, 1e-9, np.float16(0)),
    (np.float64, True, np.float64(1)),
    (np.bool_, False, np.bool_(False)),
    (bool, np.True_, True),
    (Literal[1, 2], True, 1),
    (float | None, 1, 1.0),
    (Annotated[list[float], MaxLen(2)], [1, 2.5], [1.0, 2.5]),
    (Annotated[list[int], MaxLen(2)], [True], [1]),
    (Annotated[list[np.int8], MaxLen(2)], [1, 2], [np.int8(1), np.int8(2)]),
]


@pytest.mark.parametrize(("annotation", "value", "exact"), CONVERTED)
def test_conversions_are_alike_on_every_way(annotation: Any, value: Any, exact: Any) -> None:
    cls = one_field(annotation)
    made = cls(value)
    assert same(through(made).value, exact)
    assert same(codec_of(cls).copy(made).value, exact)
    (back,) = cls.messages(cls.array([made]))
    assert same(back.value, exact)
    (back,) = cls.messages(cls.array(value=[value]))
    assert same(back.value, exact)


LONG = Annotated[list[int], MaxLen(2)]
MATRIX = Annotated[NDArray[np.float32], Shape(2)]

RANGE = "takes int from -2**63 to 2**63 - 1, got"

REFUSED = [
    (int, "x", FieldTypeError, "takes int, got str ('x')"),
    (int, 1.0, FieldTypeError, "takes int, got float (1.0)"),
    (int, None, FieldTypeError, "takes int, got None"),
    (int, np.True_, FieldTypeError, "takes int, got bool (np.True_); write int(...)"),
    (int, np.uint64(2**63), FieldValueError, f"{RANGE} {2**63}"),
    (int, Index(-(2**63) - 1), FieldValueError, f"{RANGE} {-(2**63) - 1}"),
    (int, np.zeros(2, "i8"), FieldTypeError, "takes int, got ndarray (array([0, 0]))"),
    (int, np.timedelta64(1, "s"), FieldTypeError,
     "takes int, got timedelta64 (np.timedelta64(1,'s'))"),
    (int, 2**63, FieldValueError, f"{RANGE} {2**63}"),
    (int, -(2**63) - 1, FieldValueError, f"{RANGE} {-(2**63) - 1}"),
    (int, 1 << 1000, FieldValueError, f"{RANGE} an int of 1001 bits"),
    (bool, 1, FieldTypeError, "takes bool, got int (1)"),
    (float, "1", FieldTypeError, "takes float, got str ('1')"),
    (float, np.True_, FieldTypeError, "takes float, got bool (np.True_); write float(...)"),
    (float, Index(1), FieldTypeError, "takes float, got Index (Index(1))"),
    (float, np.timedelta64(1, "s"), FieldTypeError,
     "takes float, got timedelta64 (np.timedelta64(1,'s'))"),
    (float, np.longdouble("1e309"), FieldValueError,
     "takes float up to 1.8e308, got np.longdouble('1e+309')"),
    (int, np.float32(1), FieldTypeError, "takes int, got float32 (np.float32(1.0))"),
    (float, 10**400, FieldValueError, "takes float up to 1.8e308, got an int of 1329 bits"),
    (str, b"x", FieldTypeError, "takes str, got bytes (b'x')"),
    (Color, "r", FieldTypeError, "takes Color, got str ('r')"),
    (Perm, Perm(3), FieldValueError, "takes a single member of Perm, got <Perm.READ|WRITE: 3>"),
    (Literal["a", "b"], "c", FieldValueError, "takes 'a' or 'b', got 'c'"),
    (Literal["a", "b"], 1, FieldTypeError, "takes 'a' or 'b', got int (1)"),
    (Literal["a"], [1], FieldTypeError, "takes 'a', got list ([1])"),
    (Literal[1], 2**64, FieldValueError, f"takes 1, got {2**64}"),
    (np.int8, 128, FieldValueError, "takes int8 from -128 to 127, got 128"),
    (np.uint8, -1, FieldValueError, "takes uint8 from 0 to 255, got -1"),
    (np.int8, 1.0, FieldTypeError, "takes int8, got float (1.0)"),
    (
        np.int8,
        np.int16(1),
        FieldTypeError,
        "takes int8, got int16 (np.int16(1)); write np.int8(...)",
    ),
    (
        np.float32, 1e39, FieldValueError,
        "takes float32 from -3.40282e+38 to 3.40282e+38, got 1e+39",
    ),
    (
        np.float16, 10**400, FieldValueError,
        "takes float16 from -65504 to 65504, got an int of 1329 bits",
    ),
    (np.float64, "1", FieldTypeError, "takes float64, got str ('1')"),
    (np.bool_, 1, FieldTypeError, "takes np.bool, got int (1)"),
    (uuid.UUID, "x", FieldTypeError, "takes UUID, got str ('x')"),
    (int | None, "x", FieldTypeError, "takes int or None, got str ('x')"),
    (LONG, (1,), FieldTypeError, "takes a list of at most 2 int, got tuple ((1,))"),
    (LONG, [1, 2, 3], FieldValueError, "takes a list of at most 2 int, got 3 items"),
    (MATRIX, [1, 2], FieldTypeError, "takes a float32 array of shape (2,), got list ([1, 2])"),
    (
        MATRIX, np.zeros(2), FieldTypeError,
        "takes a float32 array of shape (2,), got a float64 array of shape (2,)",
    ),
    (
        MATRIX, np.zeros(3, "f4"), FieldValueError,
        "takes a float32 array of shape (2,), got a float32 array of shape (3,)",
    ),
    (
        MATRIX, np.zeros(2, ">f4"), FieldTypeError,
        "takes a float32 array of shape (2,), got a >f4 array of shape (2,)",
    ),
    (Point, (1, 2), FieldTypeError, "takes Point, got tuple ((1, 2))"),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value", "kind", "text"), REFUSED)
def test_refusals_are_alike_on_every_way(annotation: Any, value: Any, kind: Any, text: str) -> None:
    cls = one_field(annotation)
    codec = codec_of(cls)
    made = cls(value)
    buffer = memoryview(bytearray(codec.record_size))
    ways: list[Callable[[], Any]] = [
        lambda: codec.pack_into(buffer, 0, made),
        lambda: codec.copy(made),
        lambda: codec.check_batch([made]),
    ]
    for way in ways:
        with pytest.raises(FieldError) as caught:
            way()
        assert type(caught.value) is kind
        public = wrap_field_error("k", caught.value)
        number = "message 0 of the batch: " if way is ways[-1] else ""
        assert str(public) == f"kernel 'k': {number}field 'value' of Holder {text}"
        assert isinstance(public, TypeError if kind is FieldTypeError else ValueError)
        assert (public.kernel_id, public.field) == ("k", "value")


def test_a_masked_array_is_refused_since_its_mask_would_vanish() -> None:
    cls = one_field(MATRIX)
    with pytest.raises(FieldTypeError):
        codec_of(cls).copy(cls(np.ma.masked_array(np.zeros(2, "f4"), [True, False])))


def test_paths_lead_into_nested_fields() -> None:
    @message
    class Outer:
        points: Annotated[list[Point], MaxLen(3)]

    for made, path, expected in [
        (Outer([Point(1.0), Point("x")]), "points[1].x", "float"),
        (Outer([Point(1.0, "x")]), "points[0].y", "float or None"),
        (Outer([Point(1.0), None]), "points[1]", "Point"),
    ]:
        with pytest.raises(FieldTypeError) as caught:
            codec_of(Outer).copy(made)
        assert (caught.value.field, caught.value.expected) == (path, expected)
        with pytest.raises(FieldTypeError) as caught:
            through(made)
        assert caught.value.field == path


def test_the_sentence_of_the_brief_case() -> None:
    with pytest.raises(FieldTypeError) as caught:
        through(Request("x"))
    error = wrap_field_error("doubler", caught.value)
    assert str(error) == "kernel 'doubler': field 'value' of Request takes int, got str ('x')"
    assert isinstance(error, MessageTypeError)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.kernel_id, again.field) == (str(error), "doubler", "value")


def test_another_class_is_refused_even_with_the_same_fields() -> None:
    @message
    @dataclass
    class Twin(Request):
        pass

    for other in (Twin(1), 5, None, Request):
        for way in (
            codec_of(Request).copy,
            lambda m: codec_of(Request).pack_into(bytearray(8), 0, m),
        ):
            with pytest.raises(FieldTypeError) as caught:
                way(other)
    assert str(wrap_field_error("k", caught.value)).startswith(
        "kernel 'k' takes Request, got type ("
    )
    assert (
        str(wrong_message("k", (Request, Point), 5))
        == "kernel 'k' takes Request or Point, got int (5)"
    )


def test_a_field_whose_class_was_defined_anew() -> None:
    def define() -> Any:
        @message
        @dataclass
        class Inner:
            value: int

        return Inner

    old, new = define(), define()
    outer = message(type("Outer", (), {"__annotations__": {"held": old, "maybe": old | None}}))
    for sent, field, takes in (
        (outer(new(1), None), "held", "Inner"), (outer(old(1), new(1)), "maybe", "Inner or None"),
    ):  # fmt: skip
        with pytest.raises(FieldTypeError) as caught:
            through(sent)
        assert caught.value.sentence() == (
            f"field {field!r} of Outer takes {takes}, got Inner ({describe(new(1))}), which has "
            "been defined anew since; define the message that holds it anew too"
        )


def test_a_field_that_is_not_set() -> None:
    made = object.__new__(Request)
    with pytest.raises(FieldTypeError) as caught:
        through(made)
    assert caught.value.sentence() == (
        "field 'value' of Request takes int, got no value (it is not set)"
    )


def test_the_error_survives_values_that_are_large_or_hostile() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    for value in (Broken(), "x" * 100_000, [0] * 100_000, 1 << 100_000):
        with pytest.raises(FieldError) as caught:
            codec_of(Request).copy(Request(value))
        assert len(caught.value.sentence()) < 200
