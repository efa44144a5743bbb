"""What an actor of a practitioner is: the actor, and who makes its messages.

The actors beside this file are written as their authors would write them without a word about
compiled code.  ``PRACTICE`` has them all by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from types import FunctionType
from typing import Any

from pydotcompute import ring_kernel
from pydotcompute.actors.decorator import RingKernelFunction
from tests.fuzz.random_messages import random_message

Make = Callable[[Random], Any]

PRACTICE: dict[str, Practice] = {}
"""Every actor by name."""


@dataclass(frozen=True)
class Practice:
    """An actor and its messages.

    Args:
        actor: the decorated function.
        make: makes a message of everyday size.
        hard: makes a message with hard values.
    """

    actor: RingKernelFunction
    make: Make
    hard: Make


def practice(
    *inputs: type, output: Any = None, make: Make | None = None, hard: bool = True
) -> Callable[[FunctionType], RingKernelFunction]:
    """Puts an actor into ``PRACTICE``.

    Args:
        inputs: the classes it receives.
        output: the class it sends, or a union of them.
        make: makes a message of everyday size, if not from the fields' types.
        hard: whether it is sent hard values, too.
    """
    wide: Any = inputs[0]
    for cls in inputs[1:]:
        wide = wide | cls

    def everyday(random: Random) -> Any:
        return random_message(random.choice(inputs), random, hard=False)

    def extreme(random: Random) -> Any:
        return random_message(random.choice(inputs), random, hard=True)

    def register(function: FunctionType) -> RingKernelFunction:
        name = function.__name__
        decorate = ring_kernel(
            kernel_id=name, input_type=wide, output_type=output, auto_register=False
        )
        actor = decorate(function)
        assert name not in PRACTICE, name
        usual = make or everyday
        PRACTICE[name] = Practice(actor, usual, extreme if hard else usual)
        return actor

    return register


__all__ = ["PRACTICE", "Practice", "practice"]
