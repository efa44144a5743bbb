"""Codecs: every field type through pack, unpack and copy, what is converted, what is refused."""

from __future__ import annotations

import dataclasses
import enum
import struct
import timeit
import uuid
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import MaxLen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pydotcompute import Shape, message
from pydotcompute.compiler.types.int_ranges import INT_MAX, INT_MIN
from pydotcompute.messages.codec import codec_of, copier_of
from pydotcompute.messages.field_errors import FieldTypeError
from pydotcompute.testing import messages, same


class Color(enum.Enum):
    RED = "r"
    GREEN = "g"
    CRIMSON = "r"  # noqa: PIE796 (an alias)


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
@dataclass
class Scalars:
    flag: bool
    number: int
    real: float
    text: str
    color: Color
    action: Literal["inc", "dec"]
    code: Literal[1, -5]
    identity: uuid.UUID


@message
@dataclass
class Numpy:
    b: np.bool_
    i1: np.int8
    i2: np.int16
    i4: np.int32
    i8: np.int64
    u1: np.uint8
    u2: np.uint16
    u4: np.uint32
    u8: np.uint64
    f2: np.float16
    f4: np.float32
    f8: np.float64


@message
@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float | None = None


@message
class Empty:
    pass


@message
@dataclass
class Deep:
    point: Point
    maybe: Point | None
    nothing: Empty
    points: Annotated[list[Point | None], MaxLen(3)]
    grid: Annotated[list[Annotated[list[int], MaxLen(2)]], MaxLen(2)]
    words: Annotated[list[str], MaxLen(2)] | None
    colors: Annotated[list[Color], MaxLen(2)]
    flags: Annotated[list[bool], MaxLen(9)]
    reals: Annotated[list[float], MaxLen(3)]
    small: Annotated[list[np.int16], MaxLen(3)]
    ids: Annotated[list[uuid.UUID], MaxLen(2)]
    image: Annotated[NDArray[np.float32], Shape(2, 3)]
    mask: Annotated[NDArray[np.bool_], Shape(3)] | None
    tail: np.uint8


@message
@dataclass(kw_only=True)
class Deeper:
    images: Annotated[list[Annotated[NDArray[np.bool_], Shape(2)]], MaxLen(2)]
    nested: Annotated[list[Annotated[list[Point], MaxLen(2)] | None], MaxLen(2)] | None
    identity: uuid.UUID | None
    action: Literal["inc", "dec"] | None
    color: Color | None
    switch: Literal[True] | None
    inner: Scalars | None
    deep: Deep
    deeps: Annotated[list[Deep], MaxLen(2)] | None
    number: np.float16 | None


CLASSES = (Request, Scalars, Numpy, Point, Empty, Deep, Deeper)


def through(made: Any) -> Any:
    """The message packed behind eight bytes of something else, and unpacked."""
    codec = codec_of(type(made))
    buffer = memoryview(bytearray(b"\xff" * (codec.record_size + 16)))
    codec.pack_into(buffer, 8, made)
    assert bytes(buffer[:8]) == bytes(buffer[-8:]) == b"\xff" * 8
    return codec.unpack_from(buffer, 8)


@pytest.mark.parametrize("cls", CLASSES)
def test_what_is_packed_is_what_is_copied_and_what_is_unpacked(cls: Any) -> None:
    @settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
    @given(messages(cls))
    def check(made: Any) -> None:
        back, copied = through(made), codec_of(cls).copy(made)
        assert same(back, made)
        assert same(copied, made)
        records = codec_of(cls).check_batch([made, made])
        assert records.dtype == cls.dtype
        assert codec_of(cls).check_batch(records) is records
        assert all(same(again, made) for again in cls.messages(records))

    check()


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls is not Empty])
def test_columns_make_the_records_that_messages_make(cls: Any) -> None:
    names = [field.name for field in dataclasses.fields(cls)]

    @settings(max_examples=30, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.lists(messages(cls), min_size=1, max_size=4))
    def check(made: list[Any]) -> None:
        records = cls.array(made)
        assert cls.array(**{n: [getattr(m, n) for m in made] for n in names}).tobytes() == (
            records.tobytes()
        )
        from_arrays = {n: records[n] for n in names if records[n].dtype.kind in "bif"}
        rest = {n: [getattr(m, n) for m in made] for n in names if n not in from_arrays}
        assert cls.array(**from_arrays, **rest).tobytes() == records.tobytes()

    check()


@settings(max_examples=40, deadline=None)
@given(messages(Deep))
def test_the_record_is_the_one_numpy_reads(made: Deep) -> None:
    (record,) = codec_of(Deep).check_batch([made])
    assert same(float(record["point"]["x"]), made.point.x)
    assert record["grid"]["size"] == len(made.grid)
    assert same(record["image"], made.image)
    assert bool(record["maybe"]["present"]) is (made.maybe is not None)
    assert record["tail"] == made.tail


def test_bytes_without_a_meaning_are_zero() -> None:
    codec = codec_of(Deep)
    made = Deep(
        Point(1.0), None, Empty(), [], [], None, [], [], [], [], [],
        np.zeros((2, 3), np.float32), None, 0,
    )  # fmt: skip
    one, other = bytearray(codec.record_size), bytearray(b"\xff" * codec.record_size)
    codec.pack_into(memoryview(one), 0, made)
    codec.pack_into(memoryview(other), 0, made)
    assert one == other


def test_a_copy_shares_nothing_that_can_change() -> None:
    made = Deep(
        Point(1.0), None, Empty(), [None], [[1]], ["a"], [], [], [], [], [],
        np.zeros((2, 3), np.float32), None, 0,
    )  # fmt: skip
    copied = codec_of(Deep).copy(made)
    made.grid[0].append(5)
    made.points.clear()
    made.image[:] = 7
    assert (copied.grid, copied.points, copied.image.sum()) == ([[1]], [None], 0)


@pytest.mark.parametrize("value", [1, True])  # the fast way, and the way of the rules
def test_a_copy_has_the_same_id_even_when_it_is_read_later(value: int) -> None:
    made = Request(value, priority=7)
    copied = codec_of(Request).copy(made)
    assert copied.priority == 7
    plain = Request(value)
    first = codec_of(Request).copy(plain)
    second = codec_of(Request).copy(first)
    assert second.message_id == first.message_id == plain.message_id
    plain.priority = 3
    assert first.priority == 128


def test_unpacking_runs_no_user_code() -> None:
    @message
    @dataclass
    class Loud:
        value: int

        def __post_init__(self) -> None:
            assert self.value >= 0

        def __setattr__(self, name: str, value: object) -> None:
            assert value != -1
            object.__setattr__(self, name, value)

    (back,) = Loud.messages(np.array([(-1,)], Loud.dtype))
    assert back.value == -1


def test_names_of_classes_and_fields_cannot_disturb_the_text() -> None:
    @message
    @dataclass
    class int:  # noqa: N801
        float_: float
        Bail: float = 1.0
        v1: float = 2.0
        ünï: float = 3.0

    @message
    @dataclass
    class str:  # noqa: N801
        buffer: int
        items: Annotated[list[int], MaxLen(2)]

    made = str(int(1.0), [int(4.0, ünï=5.0)])
    assert same(through(made), made)
    assert same(codec_of(str).copy(made), made)


def test_the_text_is_there_for_debuggers() -> None:
    import linecache

    codec = codec_of(Request)
    filename = codec.pack_into.__code__.co_filename
    assert filename.startswith("<pydotcompute pack_into of ")
    assert "".join(linecache.getlines(filename)) == codec.source
    assert codec_of(Request) is codec


def test_classes_without_a_record_are_copied_as_far_as_it_goes() -> None:
    @message
    @dataclass
    class Loose:
        data: dict
        number: int
        other: object = None

    copy = copier_of(Loose)
    assert copy is copier_of(Loose)
    made = Loose({"a": 1}, True)
    copied = copy(made)
    assert copied.data is made.data
    assert same(copied.number, 1)
    assert copied.message_id == made.message_id
    with pytest.raises(FieldTypeError, match="number"):
        copy(Loose({}, "x"))
    with pytest.raises(FieldTypeError):
        copy(Request(1))
    assert copier_of(Request) is codec_of(Request).copy


@pytest.mark.parametrize("value", [INT_MIN, INT_MAX, 0])
def test_the_ends_of_the_range(value: int) -> None:
    assert through(Request(value)) == codec_of(Request).copy(Request(value)) == Request(value)


def test_packing_a_number_costs_little_more_than_struct() -> None:
    codec, one = codec_of(Request), struct.Struct("<q")
    buffer, made = memoryview(bytearray(8)), Request(5)

    def by_hand(buffer: Any, offset: int, made: Any) -> None:
        value = made.value
        if value.__class__ is not int:
            raise TypeError
        one.pack_into(buffer, offset, value)

    def cost(function: Any) -> float:
        return min(timeit.repeat(lambda: function(buffer, 0, made), number=20_000, repeat=7))

    assert min(cost(codec.pack_into) / cost(by_hand) for _ in range(3)) < 1.8
