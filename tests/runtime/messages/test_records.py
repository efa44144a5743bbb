"""Arrays of records that come from the user: taken as they are, or refused with a reason."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import MaxLen

from pydotcompute import MessageValueError, message
from pydotcompute.messages.codec import codec_of
from pydotcompute.messages.field_errors import FieldTypeError, FieldValueError


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


def one_field(annotation: Any) -> Any:
    return message(dataclasses.make_dataclass("Holder", [("value", annotation)]))


@pytest.mark.parametrize(
    ("annotation", "raw", "text"),
    [
        (str, 2**32 - 1, "takes str, got a record holding 4294967295"),
        (Color, 2, "takes Color, got a record holding 2"),
        (Literal[1, 2], 3, "takes 1 or 2, got a record holding 3"),
        (Literal["a"], 0, "takes 'a', got a record holding 0"),
        (Color | None, (True, 5), "takes Color, got a record holding 5"),
        (Annotated[list[int], MaxLen(2)], (3, [0, 0]), "takes a list of at most 2 int"),
    ],
)
def test_records_that_mean_nothing_are_refused(annotation: Any, raw: Any, text: str) -> None:
    cls = one_field(annotation)
    records = np.zeros(3, cls.dtype)
    if get_literal_zero(annotation):
        records["value"] = codec_of(cls).check_batch([cls(annotation.__args__[0])])["value"]
    records["value"][1] = raw
    with pytest.raises(FieldValueError) as caught:
        codec_of(cls).check_batch(records)
    assert caught.value.sentence("k").startswith("kernel 'k': message 1 of the batch: field 'value")
    assert text in caught.value.sentence()
    with pytest.raises(MessageValueError):
        cls.messages(records)


def get_literal_zero(annotation: Any) -> bool:
    """Whether a record of zeros is no value of the type."""
    return getattr(annotation, "__origin__", None) is Literal


def test_a_flag_of_another_byte_than_0_or_1_is_refused() -> None:
    cls = one_field(bool)
    records = np.zeros(2, cls.dtype)
    records.view(np.uint8)[1] = 2
    with pytest.raises(FieldValueError):
        codec_of(cls).check_batch(records)


def test_a_batch_at_an_odd_address_is_copied() -> None:
    shifted = np.frombuffer(bytearray(17), Request.dtype, 2, 1)
    checked = codec_of(Request).check_batch(shifted)
    assert checked.flags.aligned
    assert not np.shares_memory(checked, shifted)


def test_a_long_dtype_is_not_written_out() -> None:
    other = np.dtype([(f"field_{number}", "<i8") for number in range(50)])
    with pytest.raises(FieldTypeError) as caught:
        codec_of(Request).check_batch(np.zeros(2, other))
    assert len(caught.value.sentence("k")) < 250


def test_batches_are_taken_as_they_are_or_copied_together() -> None:
    records = np.zeros(10, Request.dtype)
    codec = codec_of(Request)
    assert codec.check_batch(records) is records
    assert codec.check_batch(records[::2]).flags.c_contiguous
    assert len(codec.check_batch(iter([Request(1)]))) == 1
    assert len(codec.check_batch([])) == 0
    for wrong in (5, "ab", {}, np.zeros(2), np.zeros((2, 2), Request.dtype)):
        with pytest.raises(FieldTypeError):
            codec.check_batch(wrong)
