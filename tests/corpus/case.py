"""What an actor of the corpus is: the actor, and the streams of messages it is fed.

Half of the messages are of everyday size (``everyday``), so that most are handled; the others come
from ``pydotcompute.testing.messages`` and hold the values at which arithmetic turns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pydotcompute import ring_kernel
from pydotcompute.actors.decorator import RingKernelFunction
from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.message_schema import schema_of
from pydotcompute.compiler.types.types import Type
from pydotcompute.testing import messages, values
from tests.support.differential import TIMEOUT

CASES: dict[str, Case] = {}
"""Every actor of the corpus by name."""


@dataclass(frozen=True)
class Case:
    """An actor of the corpus.

    Args:
        actor: the decorated function.
        plain: makes messages of everyday size.
        hard: makes messages of any size.
        lowers: whether the loop is compiled.
    """

    actor: RingKernelFunction
    plain: SearchStrategy[Any]
    hard: SearchStrategy[Any]
    lowers: bool = True

    @property
    def stream(self) -> SearchStrategy[list[Any]]:
        """Items to feed: messages and time-outs."""
        item = self.plain | self.plain | self.hard | st.just(TIMEOUT)
        return st.lists(self.plain, max_size=25) | st.lists(item, max_size=25)


def case(
    *inputs: type,
    output: Any = None,
    plain: SearchStrategy[Any] | None = None,
    hard: SearchStrategy[Any] | None = None,
    lowers: bool = True,
) -> Callable[[FunctionType], RingKernelFunction]:
    """Puts an actor into the corpus.

    Args:
        inputs: the classes it receives.
        output: the class it sends, or a union of them.
        plain: messages of everyday size, if not made from the fields' types.
        hard: messages of any size, likewise.
        lowers: whether its loop can be compiled.
    """
    wide: Any = inputs[0]
    for cls in inputs[1:]:
        wide = wide | cls
    small = st.one_of([everyday(cls) for cls in inputs]) if plain is None else plain
    large = st.one_of([messages(cls) for cls in inputs]) if hard is None else hard

    def register(function: FunctionType) -> RingKernelFunction:
        name = function.__name__
        make = ring_kernel(kernel_id=name, input_type=wide, output_type=output, auto_register=False)
        actor = make(function)
        assert name not in CASES, name
        CASES[name] = Case(actor, small, large, lowers)
        return actor

    return register


def everyday(cls: type) -> SearchStrategy[Any]:
    """Messages whose numbers are of everyday size."""
    fields = {field.name: _everyday(field.type) for field in schema_of(cls).fields if field.init}
    return st.builds(cls, **fields)


def _everyday(t: Type) -> SearchStrategy[Any]:
    match t:
        case types.IntType():
            return st.integers(-3, 20) | st.integers(-1000, 1000)
        case types.FloatType():
            return st.floats(-100, 100) | st.sampled_from([0.0, 0.25, 1.0, 99.995, 0.005])
        case types.ScalarType() if t.is_float:
            return st.floats(-100, 100, width=32).map(t.dtype.type)
        case types.ScalarType() if t.dtype.kind in "iu":
            info = np.iinfo(t.dtype)
            low, high = max(-100, int(info.min)), min(100, int(info.max))
            return st.integers(low, high).map(t.dtype.type)
        case types.OptionalType():
            return st.none() | _everyday(t.item)
        case types.MessageType():
            return everyday(t.cls)
        case types.StrType():
            return st.sampled_from(["", "a", "buy", "sell", "EUR", "reset", "é"])
        case _:
            return values(t)


__all__ = ["CASES", "Case", "case", "everyday"]
