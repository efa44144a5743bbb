"""What may be called while lowering: functions without effects, whose results are bounded.

The evaluator of prologues asks here.  Nothing of the user's is on these lists but messages without
``__post_init__``, and enums.
"""

from __future__ import annotations

import ast
import builtins
import collections
import enum
import math
import types as pytypes
import uuid
from typing import Any

import numpy as np

from pydotcompute.compiler.types.message_schema import MESSAGE_MARK

SIZE = 1_000_000
"""Items, or bits of an int, that one value may have."""

_PURE = frozenset({
    *(getattr(builtins, name) for name in (
        "abs all any bin bool chr complex dict divmod enumerate float frozenset hex int isinstance "
        "len list max min oct ord pow range repr reversed round set sorted str sum tuple zip "
        "bytes bytearray").split()),
    *(getattr(math, name) for name in dir(math) if callable(getattr(math, name))),
    *(getattr(np, name) for name in (
        "zeros ones full empty array asarray arange linspace eye identity zeros_like ones_like "
        "full_like empty_like outer dot sqrt exp log sin cos tan abs sum prod cumsum concatenate "
        "stack tile repeat hanning hamming blackman").split()),
    collections.deque, collections.Counter, collections.OrderedDict, collections.defaultdict,
    uuid.UUID,
})  # fmt: skip
"""Functions without effects, and whose results are no larger than their arguments ask for."""

OWN = (list, dict, set, collections.deque, np.ndarray)
"""Containers whose methods may be called when they were made here."""
VALUES = (str, bytes, int, float, complex, tuple, range, frozenset, np.generic)
NAMED = (type, enum.Enum, pytypes.ModuleType)
_NUMPY_METHODS = frozenset(
    "astype copy fill reshape ravel flatten tolist item sum mean min max cumsum dot".split()
)


def is_pure(function: Any) -> bool:
    """Whether calling it has no effect: known functions, numpy scalars, messages, enums."""
    if isinstance(function, type):
        if getattr(function, MESSAGE_MARK, False):
            return not hasattr(function, "__post_init__")
        if issubclass(function, (np.generic, enum.Enum)):
            return True
    try:
        return function in _PURE
    except TypeError:
        return False


def has_method(owner: Any, name: str) -> bool:
    """Whether the method changes nothing but its owner, which was made here."""
    if isinstance(owner, np.ndarray):
        return name in _NUMPY_METHODS
    plain = isinstance(owner, (list, dict, set, collections.deque, str, tuple, int, float))
    return plain and not name.startswith("_") and hasattr(owner, name)


def fits(function: Any, arguments: list[Any], keywords: dict[str, Any]) -> bool:
    """Whether the result is of a size that may be made while lowering."""
    if function in (range, enumerate, zip, reversed):
        return True
    if isinstance(function, type) and (
        issubclass(function, (np.generic, enum.Enum)) or getattr(function, MESSAGE_MARK, False)
    ):
        return True
    owner = getattr(function, "__self__", None)
    total = 1
    for value in (*arguments, *keywords.values()):
        shape = value if isinstance(value, tuple) else (value,)
        for size in shape:
            if isinstance(size, int) and not isinstance(size, bool):
                if isinstance(owner, (str, bytes)) and size > SIZE:
                    return False
                if getattr(function, "__module__", None) == "numpy":
                    total *= max(abs(size), 1)
                elif function in (pow, math.factorial, math.perm, math.comb) and abs(size) > 4096:
                    return False
            elif isinstance(size, range) and len(size) > SIZE:
                return False
    return total <= SIZE


def is_bounded(op: type[ast.operator], left: Any, right: Any) -> bool:
    """Whether an operator's result is of a size that may be made while lowering."""
    if op in (ast.Pow, ast.LShift) and isinstance(right, int):
        return abs(right) <= 4096 and not (isinstance(left, int) and left.bit_length() > 4096)
    if op is ast.Mult:
        for one, times in ((left, right), (right, left)):
            if isinstance(one, (list, tuple, str, bytes)) and isinstance(times, int):
                return len(one) * times <= SIZE
    return True
