"""Messages at random, without hypothesis: as many as wanted, half of them with hard values."""

from __future__ import annotations

import struct
from random import Random
from typing import Any

import numpy as np

from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.atoms import ATOMS
from pydotcompute.compiler.types.int_ranges import INT_MAX, INT_MIN
from pydotcompute.compiler.types.message_schema import schema_of
from pydotcompute.compiler.types.types import Type
from pydotcompute.testing import HARD_FLOATS, HARD_INTS


def random_message(cls: type, random: Random, *, hard: bool) -> Any:
    """A message.

    Args:
        cls: its class.
        random: where it comes from.
        hard: with values at which arithmetic turns, else of everyday size.
    """
    fields = schema_of(cls).fields
    return cls(**{f.name: random_value(f.type, random, hard=hard) for f in fields})


def random_value(t: Type, random: Random, *, hard: bool) -> Any:
    """A value of a field."""
    match t:
        case types.BoolType():
            return random.random() < 0.5
        case types.IntType():
            if not hard:
                return random.randint(-10, 40)
            return _hard_int(random)
        case types.FloatType():
            if not hard:
                return random.choice([0.0, 0.5, 1.0, random.uniform(-50, 50), random.gauss(0, 1)])
            (any_bits,) = struct.unpack("<d", random.randbytes(8))
            return random.choice([*HARD_FLOATS, any_bits])
        case types.StrType():
            return random.choice(["", "a", "b", "buy", "é", "x" * 100])
        case types.EnumType():
            return random.choice(t.members)
        case types.LiteralType():
            return random.choice(t.values)
        case types.OptionalType():
            return None if random.random() < 0.3 else random_value(t.item, random, hard=hard)
        case types.ScalarType():
            return _scalar(t, random, hard)
        case types.AtomType():
            words = [random.getrandbits(63) for _ in ATOMS[t].words]
            return random.choice([*ATOMS[t].hard, ATOMS[t].join(*words)])
        case types.MessageType():
            return random_message(t.cls, random, hard=hard)
        case types.ListType():
            count = random.randint(0, min(t.capacity, 20))
            return [random_value(t.item, random, hard=hard) for _ in range(count)]
        case types.ArrayType():
            count = int(np.prod(t.shape))
            items = [_scalar(t.item, random, hard) for _ in range(count)]
            return np.array(items, t.item.dtype).reshape(t.shape)
    raise TypeError(f"no random {t}")


def _hard_int(random: Random) -> int:
    """A number at a limit, one beside a power of two, or any of any length."""
    near = random.choice([-1, 1]) * (1 << random.randrange(63)) + random.randint(-1, 1)
    length = random.choice([-1, 1]) * random.getrandbits(random.randint(1, 63))
    return random.choice([random.choice(HARD_INTS), near, length, random.randint(INT_MIN, INT_MAX)])


def _scalar(t: types.ScalarType, random: Random, hard: bool) -> Any:
    make = t.dtype.type
    if t.dtype.kind == "b":
        return make(random.random() < 0.5)
    if t.dtype.kind == "f":
        bits = np.frombuffer(random.randbytes(t.dtype.itemsize), t.dtype)[0]
        return bits if hard else make(random.uniform(-50, 50))
    info = np.iinfo(t.dtype)
    low, high = int(info.min), int(info.max)
    if hard:
        return make(random.choice([low, high, low + 1, high - 1, 0, 1, random.randint(low, high)]))
    return make(random.randint(max(low, -20), min(high, 40)))
