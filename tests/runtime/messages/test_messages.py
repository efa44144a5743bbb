"""``@message``: what it adds to a class, and what it leaves as it was."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import timeit
from dataclasses import InitVar, dataclass, field
from enum import Enum
from typing import Annotated, Any, ClassVar, NamedTuple, TypedDict
from uuid import UUID, uuid4

import pytest
from annotated_types import MaxLen

from pydotcompute import MessageTypeError, MessageValueError, message
from pydotcompute.compiler.types.message_schema import HEADER_NAMES, schema_of
from pydotcompute.messages import header
from pydotcompute.messages.codec import codec_of
from pydotcompute.messages.header import correlate, id_of, shared_header


@message
@dataclass
class Request:
    value: int


@message
class Plain:
    value: int
    scale: float = 1.5


@message
@dataclass(slots=True)
class Slotted:
    value: int


@message
@dataclass(frozen=True)
class Frozen:
    value: int


@message
@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Strict:
    value: int
    name: str = "x"


@message
@dataclass
class Child(Request):
    extra: int = 3


@message
@dataclass
class Wrapped:
    """A dataclass with everything that keeps its constructor from being generated anew."""

    value: int
    made: int = field(init=False, default=7)
    start: InitVar[int] = 0
    shared: ClassVar[int] = 9

    def __post_init__(self, start: int) -> None:
        self.made += start


@message
class ByHand:
    value: int

    def __init__(self, value: int) -> None:
        self.value = value + 1


ALL = (Request, Plain, Slotted, Frozen, Strict, Child, Wrapped)


@pytest.mark.parametrize("cls", ALL)
def test_the_header_is_made_when_it_is_read(cls: Any) -> None:
    made = cls(value=1)
    assert isinstance(made.message_id, UUID)
    assert made.message_id == made.message_id != cls(value=1).message_id
    assert made.priority == 128
    assert made.correlation_id is None


@pytest.mark.parametrize("cls", [*ALL, ByHand])
def test_the_constructor_takes_the_header_by_keyword(cls: Any) -> None:
    mine, other = UUID(int=1), UUID(int=2)
    made = cls(value=1, message_id=mine, priority=255, correlation_id=other)
    assert (made.message_id, made.priority, made.correlation_id) == (mine, 255, other)


@pytest.mark.parametrize("cls", ALL)
def test_the_header_is_no_field(cls: Any) -> None:
    made = cls(value=1, priority=3)
    assert made == cls(value=1)
    assert "priority" not in repr(made)
    assert repr(made).startswith(f"{cls.__name__}(value=1")
    assert not {f.name for f in dataclasses.fields(cls)} & {"priority", "message_id"}
    assert "priority" not in dataclasses.asdict(made)


def test_header_attributes_can_be_set_and_are_checked() -> None:
    made = Request(1)
    made.priority = 0
    made.correlation_id = UUID(int=5)
    assert (made.priority, made.correlation_id) == (0, UUID(int=5))
    with pytest.raises(MessageValueError, match=r"^priority of Request takes 0 to 255, got 256$"):
        made.priority = 256
    with pytest.raises(
        MessageTypeError, match=r"^priority of Request takes int, got bool \(True\)$"
    ):
        Request(1, priority=True)
    with pytest.raises(MessageTypeError, match=r"^message_id of Request takes UUID, got None$"):
        Request(1, message_id=None)
    expected = r"^correlation_id of Request takes UUID or None, got str \('x'\)$"
    with pytest.raises(MessageTypeError, match=expected):
        made.correlation_id = "x"
    assert made.priority == 0


def test_wrong_arguments_fail_as_in_any_constructor() -> None:
    with pytest.raises(
        TypeError, match=r"^Request.__init__\(\) got an unexpected keyword argument 'vaule'$"
    ):
        Request(1, vaule=2)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'value'"):
        Request()
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
        Request(1, 2)


def test_defaults_factories_and_post_init_run_as_in_the_dataclass() -> None:
    calls = []

    @message
    @dataclass
    class Made:
        items: Annotated[list[int], MaxLen(4)] = field(default_factory=lambda: [1])
        scale: float = 2.0

        def __post_init__(self) -> None:
            calls.append(self.priority)

    first, second = Made(), Made(scale=3.0, priority=9)
    assert (first.items, first.scale, second.scale) == ([1], 2.0, 3.0)
    assert first.items is not second.items
    assert calls == [128, 9]
    assert Wrapped(1, 5).made == 12
    assert ByHand(1).value == 2


def test_a_frozen_message_stays_frozen() -> None:
    made = Frozen(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.value = 2
    assert made.message_id == made.message_id
    assert hash(made) == hash(Frozen(1))


def test_the_class_stays_the_same_object_unless_it_has_slots() -> None:
    class Bare:
        value: int

    assert message(Bare) is Bare
    assert message(message(Bare)) is Bare
    assert not hasattr(Slotted(1), "__dict__")
    assert Slotted.__qualname__ == "Slotted"


def test_super_goes_on_working_in_a_class_with_slots() -> None:
    @message
    @dataclass(slots=True)
    class Base:
        value: int

        def double(self) -> int:
            return self.value * 2

    @message
    @dataclass(slots=True)
    class Derived(Base):
        def double(self) -> int:
            return Base.double(self) + 1

    assert Derived(4, priority=1).double() == 9
    assert Derived(4).message_id != Derived(4).message_id


def test_order_and_match() -> None:
    assert Strict(value=1) < Strict(value=2)
    match Plain(4):
        case Plain(value, scale):
            assert (value, scale) == (4, 1.5)


def test_inheritance() -> None:
    child = Child(1, 2, priority=7)
    assert (child.value, child.extra, child.priority) == (1, 2, 7)
    assert Child.dtype.names == ("value", "extra")
    assert Request.dtype.names == ("value",)


def test_a_plain_child_of_a_frozen_message_is_frozen_as_well() -> None:
    @message
    class Derived(Frozen):
        more: int = 2

    with pytest.raises(dataclasses.FrozenInstanceError):
        Derived(1).more = 3


@pytest.mark.parametrize("cls", [Request, Plain, Slotted, Frozen, Strict, Child])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_keeps_fields_and_header(cls: Any, protocol: int) -> None:
    made = cls(value=4, priority=3, correlation_id=UUID(int=8))
    identity = made.message_id
    back = pickle.loads(pickle.dumps(made, protocol))
    assert back == made
    assert type(back) is cls
    assert (back.priority, back.correlation_id, back.message_id) == (3, UUID(int=8), identity)


@pytest.mark.parametrize("cls", ALL)
def test_copy_and_replace(cls: Any) -> None:
    made = cls(value=4, priority=3)
    for twin in (copy.copy(made), copy.deepcopy(made)):
        assert twin == made
        assert twin.priority == 3
    if cls is not Wrapped:  # dataclasses.replace wants its InitVar
        changed = dataclasses.replace(made, value=5)
        assert (changed.value, changed.priority) == (5, 128)


@pytest.mark.parametrize("cls", [Request, Plain, Slotted, Frozen, Strict, Child])
def test_copies_share_an_id_that_nobody_has_read(cls: Any) -> None:
    for made in (cls(value=4), cls(value=4, priority=3)):
        twins = [copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))]
        assert {twin.message_id for twin in twins} == {made.message_id}


def test_a_copy_has_a_header_of_its_own() -> None:
    made = Request(1, priority=3)
    twin = copy.copy(made)
    twin.priority = 4
    assert made.priority == 3


def test_correlate_reads_the_id_of_the_request_late() -> None:
    request, reply, set_already = Request(1), Request(2), Request(3, correlation_id=UUID(int=1))
    correlate(reply, request)
    correlate(set_already, request)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(header, "uuid4", lambda: UUID(int=2))
        assert reply.correlation_id == request.message_id == UUID(int=2)
    assert set_already.correlation_id == UUID(int=1)


def test_a_linked_header_is_pickled_as_what_it_says() -> None:
    request, reply = Request(1), Request(2)
    correlate(reply, request)
    back = pickle.loads(pickle.dumps(reply))
    assert back.correlation_id == request.message_id


def test_the_signature_shows_fields_and_header() -> None:
    parameters = inspect.signature(Plain).parameters
    assert list(parameters) == ["value", "scale", "message_id", "priority", "correlation_id"]
    assert parameters["priority"].kind is inspect.Parameter.KEYWORD_ONLY


def test_names_that_could_clash_with_generated_ones() -> None:
    @message
    @dataclass
    class Hostile:
        self: int
        header: int
        set_header: int
        assign: int
        absent: int = 5
        default_absent: int = 6
        größe: int = 7
        v: int = 8
        buffer: int = 9
        offset: int = 10
        int_: int = 11

    made = Hostile(1, 2, 3, 4, größe=12, priority=9)
    assert dataclasses.astuple(made) == (1, 2, 3, 4, 5, 6, 12, 8, 9, 10, 11)
    assert made.priority == 9
    assert Hostile.messages(Hostile.array([made])) == [made]


def test_helpers_give_way_to_fields_of_their_names() -> None:
    @message
    @dataclass
    class Clash:
        array: int
        messages: int
        dtype: int

    made = Clash(1, 2, 3)
    assert (made.array, made.messages, made.dtype) == (1, 2, 3)
    assert schema_of(Clash).dtype.names == ("array", "messages", "dtype")


@pytest.mark.parametrize("name", HEADER_NAMES)
def test_a_field_named_like_a_part_of_the_header_is_an_ordinary_field(name: str) -> None:
    cls: Any = message(type("Own", (), {"__annotations__": {name: str, "value": int}}))
    made = cls("mine", 2)
    assert made == cls(**{name: "mine", "value": 2})
    assert getattr(made, name) == "mine"
    assert repr(made).endswith(f"Own({name}='mine', value=2)")
    assert cls.dtype.names == (name, "value")
    assert cls.messages(cls.array(**{name: ["a", "b"], "value": 1})) == [cls("a", 1), cls("b", 1)]
    others = {
        "message_id": uuid4(), "priority": 200, "correlation_id": uuid4(),
    }  # fmt: skip
    del others[name]
    headed = cls("mine", 2, **others)
    again = copy.copy(headed)
    for part, value in others.items():
        assert getattr(headed, part) == getattr(again, part) == value
    assert list(inspect.signature(cls).parameters) == [name, "value", *others]
    with pytest.raises(TypeError):
        cls(value=2)


def test_all_names_of_the_header_may_be_fields() -> None:
    @message
    @dataclass(slots=True, frozen=True)
    class Own:
        message_id: int
        priority: float = 0.5
        correlation_id: str = "c"

    made = Own(1)
    assert (made.message_id, made.priority, made.correlation_id) == (1, 0.5, "c")
    assert codec_of(Own).copy(made) == made
    first, second = copy.copy(made), copy.copy(made)
    assert id_of(shared_header(first)) == id_of(shared_header(second))
    with pytest.raises(TypeError, match="unexpected keyword argument 'header'"):
        Own(1, header=2)  # type: ignore[call-arg]


def test_a_field_that_its_class_sets_is_no_keyword() -> None:
    @message
    @dataclass
    class Own:
        value: int
        priority: int = field(init=False, default=7)

    assert Own(1).priority == 7
    with pytest.raises(TypeError, match="unexpected keyword argument 'priority'"):
        Own(1, priority=2)  # type: ignore[call-arg]


@pytest.mark.parametrize("slots", [False, True])
def test_a_subclass_declares_what_it_inherits(slots: bool) -> None:
    @message
    @dataclass
    class Base:
        value: int

    @message
    @dataclass(slots=slots)
    class Own(Base):
        priority: str
        other: int

    @message
    class Third(Own):
        priority: str
        correlation_id: int = 4

    assert Base(1, priority=9).priority == 9
    made = Own(1, "high", 2)
    assert (made.value, made.priority, made.other) == (1, "high", 2)
    assert Own.dtype.names == ("value", "priority", "other")  # type: ignore[attr-defined]
    made.priority = "low"
    assert (made.priority, codec_of(Own).copy(made)) == ("low", Own(1, "low", 2))
    with pytest.raises(AttributeError, match="no attribute 'priority'" if not slots else None):
        object.__new__(Own).priority  # noqa: B018
    third = Third(1, "x", 2)
    assert (third.priority, third.correlation_id, third.message_id) == ("x", 4, third.message_id)


def test_a_property_of_the_users_is_kept() -> None:
    @message
    @dataclass
    class Own:
        urgent: bool

        @property
        def priority(self) -> int:
            return 255 if self.urgent else 1

    assert (Own(True).priority, Own(False).priority) == (255, 1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'priority'"):
        Own(True, priority=2)  # type: ignore[call-arg]


def test_a_class_that_lost_its_annotations_is_refused() -> None:
    class Old:
        def __init__(self, value: int) -> None:
            self.value = value

    with pytest.raises(TypeError) as caught:
        message(Old)
    assert str(caught.value) == (
        "Old has no fields; write them as annotations in the class body, such as `value: int`"
    )


def test_a_field_with_the_name_of_an_inherited_helper_is_refused() -> None:
    with pytest.raises(TypeError) as caught:

        @message
        @dataclass
        class Bad(Request):
            array: int

    assert str(caught.value) == (
        "field 'array' of Bad has the name of a method it inherits; give it another name"
    )


class Pair(NamedTuple):
    value: int


class Table(TypedDict):
    value: int


class Color(Enum):
    RED = 1


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (int, "int"), (list, "list"), (Pair, "Pair"), (Table, "Table"), (Color, "Color"), (3, "3"),
        ("Request", "'Request'"), (Request(1), "Request(value=1)"),
    ],
)  # fmt: skip
def test_only_classes_with_fields_are_messages(given: Any, shown: str) -> None:
    with pytest.raises(TypeError) as caught:
        message(given)
    assert str(caught.value) == (
        f"@message decorates a class, not {shown}; write a plain class or a dataclass with "
        "annotated fields, such as `value: int`"
    )


@pytest.mark.alone
def test_building_a_message_costs_little_more_than_the_dataclass() -> None:
    @dataclass
    class Bare:
        value: int
        scale: float = 1.5

    def cost(cls: Any) -> float:
        return min(timeit.repeat(lambda: cls(1, 2.0), number=20_000, repeat=9))

    # 1.2 here; the promise is 1.5, and a busy machine gets three tries
    assert min(cost(Plain) / cost(Bare) for _ in range(3)) < 1.5


def test_fields_that_are_no_parameters_and_parameters_that_are_no_fields() -> None:
    """The generated constructor does what dataclass's own does."""

    def classes(decorate: Any) -> Any:
        @dataclass
        class Scaled:
            value: int
            factor: InitVar[int] = 3
            seen: int = field(init=False, default=7)
            rest: list[int] = field(init=False, default_factory=list)

            def __post_init__(self, factor: int) -> None:
                self.value *= factor

        @dataclass(slots=True, kw_only=True)
        class Slotted:
            value: int
            seen: int = field(init=False, default=7)
            later: int = field(init=False)

        return decorate(Scaled), decorate(Slotted)

    for ours, theirs in zip(classes(message), classes(lambda cls: cls), strict=True):
        for arguments in ({"value": 2}, {"value": 2, "factor": 5}):
            if ours.__name__ == "Slotted" and "factor" in arguments:
                continue
            mine, plain = ours(**arguments), theirs(**arguments)
            for name in ("value", "seen", "rest"):
                assert getattr(mine, name, None) == getattr(plain, name, None)
            assert hasattr(mine, "later") == hasattr(plain, "later")
            assert ours(**arguments, priority=3).priority == 3
        with pytest.raises(TypeError):
            ours(value=1, seen=2)
