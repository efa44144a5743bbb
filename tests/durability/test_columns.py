"""Values become columns and come back: of any kind, nested in each other, shared and cyclic."""

from __future__ import annotations

import datetime
import enum
import math
import struct
import uuid
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydotcompute import message
from pydotcompute.compiler.types.shared_nan import shared_nan
from pydotcompute.durability.assemble import Assembler
from pydotcompute.durability.evolution import KnownClasses
from pydotcompute.durability.plain_values import NotPlainError
from pydotcompute.durability.shred import Shredder
from pydotcompute.durability.snapshot_format import File
from tests.support.profiles import examples


class Colour(enum.Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


Point = namedtuple("Point", "x y")


@message
class Held:
    value: int
    text: str = ""


def back(values: list[Any]) -> list[Any]:
    shredder = Shredder()
    content = shredder.write({"it": shredder.column(values)})
    file = File(content, "x")
    known = KnownClasses("x", back, (Held,), lambda text: None)
    return Assembler(file, known).column(file.description["it"])


def spelled(value: Any) -> str:
    """A value with its types, for comparison: NaN has none, and 1 == True == 1.0."""
    if isinstance(value, float) and type(value) is float:
        return struct.pack("<d", value).hex()
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {value.flags.f_contiguous} {value.tobytes()!r}"
    if isinstance(value, (list, tuple, deque)):
        return f"{type(value).__name__}({', '.join(map(spelled, value))})"
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__}({sorted(map(spelled, value))})"
    if isinstance(value, dict):
        items = ", ".join(f"{spelled(k)}: {spelled(v)}" for k, v in value.items())
        return f"{type(value).__name__}({items})"
    return f"{type(value).__name__}({value!r})"


FLOATS = st.floats(allow_nan=False) | st.sampled_from([math.nan, -math.nan, -0.0, 5e-324])
KEYS = (
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(max_size=20) | st.uuids()
    | st.sampled_from([*Colour, *Level]) | st.decimals(allow_nan=False) | st.fractions()
    | st.dates() | st.times() | st.timedeltas()
    | st.datetimes(timezones=st.just(datetime.UTC) | st.none())
)  # fmt: skip
ATOMS = (
    KEYS | FLOATS | st.complex_numbers(allow_nan=False)
    | st.sampled_from([np.float32(1.5), np.int8(-3), np.bool_(True), np.datetime64("2020-01-01")])
    | st.builds(np.float64, FLOATS)
)  # fmt: skip
ARRAYS = st.sampled_from([
    np.arange(6).reshape(2, 3), np.asfortranarray(np.eye(3)), np.zeros((0, 4)), np.array(2.5),
    np.array(["a", "bcd"]), np.zeros(3, [("a", "<i4"), ("b", "<f8", (2,))]),
    np.arange(4, dtype="<u2"), np.array([True, False]),
])  # fmt: skip


def nested(inner: Any) -> Any:
    return (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple)
        | st.lists(inner, max_size=4).map(lambda items: deque(items, 4))
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4).map(OrderedDict)
        | st.dictionaries(KEYS, inner, max_size=4).map(lambda d: defaultdict(list, d))
        | st.sets(KEYS, max_size=4) | st.frozensets(KEYS, max_size=4)
        | st.lists(KEYS, max_size=6).map(Counter) | st.tuples(inner, inner).map(Point._make)
    )  # fmt: skip


VALUES = st.recursive(ATOMS | ARRAYS.map(np.copy), nested, max_leaves=12)


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(VALUES, max_size=6))
def test_values_come_back(values: list[Any]) -> None:
    assert list(map(spelled, back(values))) == list(map(spelled, values))


def test_one_object_stays_one_and_circles_stay_circles() -> None:
    shared: list[Any] = [1]
    circle: list[Any] = [shared]
    circle.append(circle)
    one = Held(1, "x")
    table = {"a": shared, "b": (shared, one)}
    array = np.zeros(3)
    got = back([shared, circle, table, one, deque([one]), [array, array]])
    assert got[1][0] is got[0] is got[2]["a"] is got[2]["b"][0]
    assert got[1][1] is got[1]
    assert got[2]["b"][1] is got[3] is got[4][0]
    assert got[5][0] is got[5][1]


def test_lists_in_lists_may_be_as_deep_as_memory_allows() -> None:
    deep: list[Any] = []
    for _ in range(20_000):
        deep = [deep]
    (got,) = back([deep])
    depth = 0
    while got:
        (got,) = got
        depth += 1
    assert depth == 20_000


def test_nans_are_found_by_identity_again() -> None:
    own, other = math.inf - math.inf, math.inf - math.inf
    got = back([{own: 1, other: 2, math.nan: 3}, own, [other, other], math.nan])
    assert got[0][got[1]] == 1
    assert got[0][got[2][0]] == 2
    assert got[2][0] is got[2][1]
    assert got[3] is math.nan is shared_nan(got[3])


def test_headers_of_messages_come_back() -> None:
    asked = Held(1, priority=7)
    answer = Held(2, correlation_id=asked.message_id)
    got = back([asked, answer, Held(3)])
    assert got[0].message_id == asked.message_id
    assert got[0].priority == 7
    assert got[1].correlation_id == asked.message_id
    assert got[2].priority == 128
    assert {type(each) for each in got} == {Held}
    assert uuid.UUID(int=got[0].message_id.int) == asked.message_id


whole = np.arange(10)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (lambda: 0, "a function"), (object(), "an object"), (iter([1]), "a list_iterator"),
        ([{"x": open}], "a builtin_function_or_method"), (np.array([None]), "dtype object"),
        ([whole[2:5], whole], "shares its memory"), (defaultdict(lambda: 0), "factory of its own"),
        (datetime.datetime.now(datetime.timezone(datetime.timedelta(0), "X")), "zone"),
        (type, "a type"), (range(3), "a range"),
    ],
)  # fmt: skip
def test_what_is_no_plain_data_is_said(value: Any, named: str) -> None:
    with pytest.raises(NotPlainError, match=named):
        back([value])


def test_a_tuple_that_is_too_deep_is_said() -> None:
    deep: Any = ()
    for _ in range(500):
        deep = (deep,)
    with pytest.raises(NotPlainError, match="nested"):
        back([deep])
    assert back([Fraction(1, 3), Decimal("1.10")]) == [Fraction(1, 3), Decimal("1.10")]
