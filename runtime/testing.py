"""Tools for testing actors: messages made by hypothesis, and the comparison of backends.

Input: a message class.  Output: ``messages(Request)``, a hypothesis strategy that knows the values
on which compiled code and Python could differ: the ends of every integer range, NaN, the signed
zeros and infinities, denormal numbers, empty and full lists.

Needs ``hypothesis`` (``pip install hypothesis``).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.atoms import ATOMS, Atom
from pydotcompute.compiler.types.int_ranges import INT_MAX, INT_MIN
from pydotcompute.compiler.types.message_schema import schema_of
from pydotcompute.compiler.types.types import Type

if TYPE_CHECKING:
    from pydotcompute.actors.decorator import RingKernelFunction

T = TypeVar("T")

HARD_INTS = (
    0, 1, -1, 2, -2, 3, 7, 10, -10, 63, 64, 255, 256, 2**31 - 1, 2**31, -(2**31), 2**32,
    2**52, 2**53, 2**53 + 1, -(2**53) - 1, 2**62, INT_MAX, INT_MAX - 1, INT_MIN, INT_MIN + 1,
)  # fmt: skip
"""Integers at which 64-bit and floating-point arithmetic turn."""

HARD_FLOATS = (
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 0.1, 1 / 3, 1e16, 2.0**53, 2.0**63, -(2.0**63),
    5e-324, -5e-324, 2.2250738585072014e-308, 2.225073858507201e-308,
    1.7976931348623157e308, -1.7976931348623157e308, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
"""Floats at which rounding, conversion and comparison turn: denormals and NaN among them."""

HARD_STRINGS = (
    "",
    " ",
    "a",
    "A",
    "\0",
    "a\0b",
    "é",
    "e\u0301",
    "ß",
    "日本",
    "\U0001f600",
    "x" * 300,
)
"""Strings of all widths of character, with NUL, and two that only look the same."""


def messages(cls: type[T]) -> SearchStrategy[T]:
    """A hypothesis strategy for the messages of a class.

    Args:
        cls: an ``@message`` class.

    Returns:
        A strategy; half of its values, about, come from the hard ones.

    Raises:
        SchemaError: the class has no fixed-size record.

    Example:
        >>> @given(messages(Request))
        ... def test_doubles(request): ...
    """
    schema = schema_of(cls)
    arguments = {field.name: values(field.type) for field in schema.fields if field.init}
    return st.builds(cls, **arguments)


def values(t: Type) -> SearchStrategy[Any]:
    """A hypothesis strategy for the values of a field.

    Args:
        t: the field's type.
    """
    match t:
        case types.BoolType():
            return st.booleans()
        case types.IntType():
            return st.sampled_from(HARD_INTS) | st.integers(INT_MIN, INT_MAX) | st.integers(-9, 9)
        case types.FloatType():
            return st.sampled_from(HARD_FLOATS) | st.floats()
        case types.StrType():
            return st.sampled_from(HARD_STRINGS) | st.text(max_size=20)
        case types.ScalarType():
            return _scalars(t)
        case types.EnumType():
            return st.sampled_from(t.members)
        case types.LiteralType():
            return st.sampled_from(t.values)
        case types.AtomType():
            return st.sampled_from(ATOMS[t].hard) | _atoms(ATOMS[t])
        case types.OptionalType():
            return st.none() | values(t.item)
        case types.ListType():
            size = min(t.capacity, 20)
            some = st.lists(values(t.item), max_size=size)
            return some | st.lists(values(t.item), min_size=size, max_size=size)
        case types.ArrayType():
            return _arrays(t)
        case types.MessageType():
            return messages(t.cls)
        case _:
            raise TypeError(f"no message field holds {t}")


_WIDTHS: dict[str, Literal[16, 32, 64]] = {"float16": 16, "float32": 32, "float64": 64}


def _scalars(t: types.ScalarType) -> SearchStrategy[Any]:
    make = t.dtype.type
    if t.dtype.kind == "b":
        return st.booleans().map(make)
    if t.dtype.kind == "f":
        finfo = np.finfo(t.dtype)
        hard = [finfo.max, finfo.min, finfo.tiny, finfo.smallest_subnormal, finfo.eps]
        plain = [0.0, -0.0, 1.0, -1.0, 0.1, float("inf"), float("-inf"), float("nan")]
        return st.sampled_from([make(value) for value in (*hard, *plain)]) | st.floats(
            width=_WIDTHS[t.name]
        ).map(make)
    info = np.iinfo(t.dtype)
    low, high = int(info.min), int(info.max)
    hard_ints = {n for n in (low, low + 1, -1, 0, 1, 2, high // 2, high - 1, high) if low <= n}
    return (st.sampled_from(sorted(hard_ints)) | st.integers(low, high)).map(make)


def _atoms(atom: Atom) -> SearchStrategy[Any]:
    limits = [np.iinfo(code) for code in atom.words.values()]
    words = [st.integers(int(each.min), int(each.max)) for each in limits]
    return st.tuples(*words).map(lambda values: atom.join(*values))


def _arrays(t: types.ArrayType) -> SearchStrategy[Any]:
    count = int(np.prod(t.shape))
    few = min(count, 16)  # hypothesis stays quick on large arrays: a few values, repeated

    def spread(items: list[Any]) -> np.ndarray[Any, Any]:
        return np.resize(np.array(items, t.item.dtype), t.shape)

    return st.lists(_scalars(t.item), min_size=few, max_size=few).map(spread)


def same(a: object, b: object) -> bool:
    """Whether two values are the same to the last bit: in class, sign of zero, and NaN for NaN.

    Args:
        a, b: values of message fields, messages, or containers of them.
    """
    if type(a) is not type(b):
        return False
    if isinstance(a, (float, np.floating)) and isinstance(b, (float, np.floating)):
        if a != a or b != b:
            return bool(a != a and b != b)
        return bool(a == b and np.signbit(a) == np.signbit(b))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        matching = a.dtype == b.dtype and a.shape == b.shape
        return matching and all(map(same, a.ravel(), b.ravel()))
    if isinstance(a, deque) and isinstance(b, deque):
        return a.maxlen == b.maxlen and same(list(a), list(b))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        makers = [getattr(each, "default_factory", None) for each in (a, b)]
        return makers[0] is makers[1] and same(list(a.items()), list(b.items()))
    if isinstance(a, (set, frozenset)) and isinstance(b, (set, frozenset)):
        return same(sorted(a, key=repr), sorted(b, key=repr))
    if getattr(type(a), "__pydotcompute_message__", False):
        names = [field.name for field in schema_of(type(a)).fields]
        return all(same(getattr(a, name), getattr(b, name)) for name in names)
    return bool(a == b)


def assert_backends_agree(
    actor: RingKernelFunction, batch: Any, *, timeout: float = 60.0, backend: str = "native"
) -> list[Any]:
    """Runs an actor on ``python`` and on a compiled backend and compares everything it does.

    Outputs are compared to the last bit and in type, and so are printed text, and of a failure the
    exception, the message in hand and the state before it.  Each run launches the actor, sends the
    messages, drains and terminates it.  An actor whose results depend on time (a short
    ``receive(timeout=...)`` with a handler that does something, a queue that drops or rejects) may
    differ from run to run on one backend already.

    Args:
        actor: the decorated actor; it must be one that is compiled.
        batch: the messages, in order: a sequence, or an array of the input's dtype.
        timeout: seconds that each of the two runs may take.
        backend: ``"native"`` or ``"cuda"``.

    Returns:
        The messages that it sent.

    Raises:
        AssertionError: something differs, or the actor is not compiled.
        BackendUnavailableError: there is no C++ compiler, or no GPU.
        TimeoutError: a run takes too long.

    Example:
        >>> @given(st.lists(messages(Request)))
        ... def test_doubler(batch):
        ...     assert_backends_agree(doubler, batch)
    """
    from pydotcompute.tools.agreement import compare

    return compare(actor, batch, same, timeout, backend)
