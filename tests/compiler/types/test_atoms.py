"""A row in ``ATOMS`` is a field type everywhere: here one that the package does not have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import numpy as np
import pytest
from annotated_types import MaxLen
from hypothesis import given
from hypothesis import strategies as st

from pydotcompute import message, ring_kernel
from pydotcompute.compiler.types.atoms import ATOMS, BY_CLASS, WORDS, Atom
from pydotcompute.compiler.types.types import AtomType
from pydotcompute.messages.codec import codec_of
from pydotcompute.messages.field_errors import FieldTypeError
from pydotcompute.testing import assert_backends_agree, messages, same, values
from tests.support.differential import Subject, compare


class Place(tuple[int, int]):
    """Two ints, immutable."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is Place and tuple(self) == tuple(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __bool__(self) -> bool:
        return True


class Near(Place):
    """A subclass, which a field makes a ``Place`` of."""

    __slots__ = ()


PLACE = AtomType(Place)
ROW = Atom(
    {"x": "<i8", "n": "<u8"}, ("{v}[0]", "{v}[1]"), lambda x, n: Place((x, n)),
    lambda value: Place(tuple(value)), (Place((0, 0)), Place((-(2**63), 2**64 - 1))),
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[None]:
    ATOMS[PLACE] = ROW
    BY_CLASS[Place] = PLACE
    yield
    del ATOMS[PLACE], BY_CLASS[Place]


@pytest.fixture(scope="module")
def visit_class(place: None) -> Any:
    @message
    @dataclass
    class Visit:
        where: Place
        maybe: Place | None
        path: Annotated[list[Place], MaxLen(4)]
        user: UUID

    return Visit


@pytest.fixture(scope="module")
def actor(visit_class: Any) -> Any:
    @ring_kernel(kernel_id="visits", input_type=visit_class, output_type=visit_class,
                 auto_register=False)
    async def visits(ctx: Any) -> None:
        home = Place((1, 2))
        users: dict[UUID, int] = {}
        counts: dict[Place, int] = {}
        while not ctx.should_terminate:
            m = await ctx.receive()
            counts[m.where] = counts.get(m.where, 0) + 1
            users[m.user] = counts[m.where]
            if m.maybe is not None and m.maybe != home and isinstance(m.maybe, Place):
                home = m.maybe
            known = home in counts or m.where in m.path
            await ctx.send(visit_class(home, m.where if known else None, m.path, m.user))
            if users[m.user] > 1 and m.where == home:
                counts.clear()

    return visits


def test_messages_keep_it(visit_class: Any) -> None:
    @given(messages(visit_class))
    def check(visit: Any) -> None:
        codec = codec_of(visit_class)
        record = bytearray(visit_class.dtype.itemsize)
        codec.pack_into(record, 0, visit)
        assert same(codec.unpack_from(record, 0), codec.copy(visit))
        assert codec.copy(visit) == visit
        assert ROW.load(np.frombuffer(record, visit_class.dtype)[0]["where"]) == visit.where

    check()


def test_its_record(visit_class: Any) -> None:
    assert visit_class.dtype["where"] == np.dtype([("x", "<i8"), ("n", "<u8")])


def test_other_values_are_refused(visit_class: Any) -> None:
    user = UUID(int=1)
    copied = codec_of(visit_class).copy(visit_class(Near((1, 2)), None, [], user))
    assert type(copied.where) is Place
    with pytest.raises(FieldTypeError, match="Place"):
        codec_of(visit_class).copy(visit_class((1, 2), None, [], user))


def test_actors_compute_with_it(actor: Any, visit_class: Any) -> None:
    subject = Subject(actor)
    assert "struct pdc_place { i64 x; u64 n; };" in subject.kernel.text
    few = [Place((n, n % 2)) for n in range(-1, 3)]
    batch = [visit_class(few[n % 4], few[n % 3] if n % 5 else None, few[: n % 3], UUID(int=n % 7))
             for n in range(60)]  # fmt: skip
    compare(subject, batch, 1)
    assert_backends_agree(actor, batch)


@pytest.mark.parametrize("type_", ATOMS, ids=str)
def test_rows_are_sound(type_: AtomType) -> None:
    atom = ATOMS[type_]
    assert set(atom.words.values()) <= set(WORDS)
    assert len(atom.split) == len(atom.words)

    @given(values(type_) | st.sampled_from(atom.hard))
    def check(value: Any) -> None:
        assert type(value) is type_.cls
        assert hash(value) == hash(atom.exact(value))
        record = np.zeros((), atom.dtype)
        atom.store(record, value)
        assert atom.load(record) == value

    check()
