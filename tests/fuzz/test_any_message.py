"""Message classes made at random: any nesting of field types, on every way through the codec."""

from __future__ import annotations

import dataclasses
import enum
import uuid
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import MaxLen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pydotcompute import Shape, message
from pydotcompute.messages.codec import codec_of
from pydotcompute.testing import messages, same


class Color(enum.Enum):
    RED = enum.auto()
    GREEN = enum.auto()


NUMPY = [np.int8, np.uint16, np.int32, np.uint64, np.float16, np.float32, np.float64, np.bool_]
LEAVES = [bool, int, float, str, Color, uuid.UUID, Literal["a", "b"], Literal[3, -4], *NUMPY]


def listed(item: Any, size: int) -> Any:
    return Annotated[list[item], MaxLen(size)]


def array(item: Any, dims: list[int]) -> Any:
    return Annotated[NDArray[item], Shape(*dims)]


def made_of(annotations: list[Any], kind: int) -> Any:
    options = [{}, {"frozen": True}, {"slots": True}, {"slots": True, "frozen": True}][kind]
    fields = [(f"f{number}", annotation) for number, annotation in enumerate(annotations)]
    return message(dataclasses.make_dataclass("Made", fields, **options))


SIZES = st.integers(1, 3)
CLASSES = st.recursive(
    st.sampled_from(LEAVES)
    | st.builds(array, st.sampled_from(NUMPY), st.lists(SIZES, min_size=1, max_size=2)),
    lambda inner: (
        st.builds(listed, inner, SIZES)
        | inner.filter(lambda t: not str(t).startswith("typing.Optional")).map(lambda t: t | None)
        | st.builds(made_of, st.lists(inner, max_size=4), st.integers(0, 3))
    ),
    max_leaves=6,
)


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(CLASSES, max_size=4), st.integers(0, 3), st.data())
def test_any_message_comes_through(annotations: list[Any], kind: int, data: Any) -> None:
    cls = made_of(annotations, kind)
    codec = codec_of(cls)
    batch = data.draw(st.lists(messages(cls), min_size=1, max_size=3))
    buffer = memoryview(bytearray(b"\xee" * (codec.record_size + 8)))
    for made in batch:
        codec.pack_into(buffer, 8, made)
        assert same(codec.unpack_from(buffer, 8), made)
        assert same(codec.copy(made), made)
    records = cls.array(batch)
    assert all(map(same, cls.messages(records), batch))
    names = [field.name for field in dataclasses.fields(cls)]
    columns = {name: [getattr(made, name) for made in batch] for name in names}
    if names:
        assert cls.array(**columns).tobytes() == records.tobytes()
