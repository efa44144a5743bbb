"""The codes by which compiled code reports a Python exception or a reason to deoptimise.

One table, used twice: ``enum_text()`` is the body of ``enum pdc_code`` in the generated source;
``describe(code)`` turns a code that came back into its exception class and text.  Codes below
1000 are exceptions of Python; from 1000 on they name values that compiled code cannot represent.

Texts differ between Python versions, so they are not written down: each exception is raised once,
when it is first asked for, in the running interpreter.  A row with several probes has a fixed
text only if all of them give the same one; otherwise the text depends on the values and is None.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydotcompute.compiler.ops.primitive import Deoptimise, Primitive

DEOPTIMISE = 1000
"""The first code that is no Python exception."""

FIRST_BREAK = 4000
"""Codes from here on are the places where an actor leaves compiled code, ``Kernel.breaks``, for one
message: they deoptimise like those of the table."""


@dataclass(frozen=True)
class ErrorCode:
    """One row of the table.

    Args:
        code: the number that generated code stores; never 0.
        name: its name in the generated source.
        probes: expressions that raise the exception in the running interpreter.
        exception: the class, where there is nothing to probe.
        reason: for a deoptimisation, what was met, as the end of a sentence.
    """

    code: int
    name: str
    probes: tuple[Callable[[], Any], ...] = ()
    exception: type[Exception] | None = None
    reason: str | None = None

    @property
    def deoptimises(self) -> bool:
        """Whether this is a reason to deoptimise rather than an exception."""
        return self.code >= DEOPTIMISE


def _row(code: int, name: str, *probes: Callable[[], Any]) -> ErrorCode:
    return ErrorCode(code, name, probes)


def _plain(code: int, name: str, exception: type[Exception]) -> ErrorCode:
    return ErrorCode(code, name, exception=exception)


def _deopt(code: int, name: str, reason: str) -> ErrorCode:
    return ErrorCode(code, name, reason=reason)


def _fma(
    code: int, name: str, exception: type[Exception], probe: Callable[[Any], Any]
) -> ErrorCode:
    """``math.fma`` is new in Python 3.13; before that the code is in the table but never met."""
    fma = getattr(math, "fma", None)
    return _plain(code, name, exception) if fma is None else _row(code, name, lambda: probe(fma))


def _unpack(values: list[int]) -> None:
    _first, _second = values


# The probes work on variables, or the interpreter would fold or warn about them.
_ZERO, _ONE, _NAN, _INF = 0, 1, math.nan, math.inf
_EMPTY: list[int] = []

_ROOM = "more entries than compiled code has room for, which are 4,096 in a dict or set"

TABLE: tuple[ErrorCode, ...] = (
    _row(1, "PDC_ZERO_DIVISION_INT", lambda: _ONE // _ZERO),
    _row(2, "PDC_ZERO_DIVISION_INT_MODULO", lambda: _ONE % _ZERO),
    _row(3, "PDC_ZERO_DIVISION_INT_DIVMOD", lambda: divmod(_ONE, _ZERO)),
    _row(4, "PDC_ZERO_DIVISION_TRUE", lambda: _ONE / _ZERO),
    _row(5, "PDC_ZERO_DIVISION_FLOAT", lambda: 1.0 / float(_ZERO)),
    _row(6, "PDC_ZERO_DIVISION_FLOAT_FLOOR", lambda: 1.0 // float(_ZERO)),
    _row(7, "PDC_ZERO_DIVISION_FLOAT_MODULO", lambda: 1.0 % float(_ZERO)),
    _row(8, "PDC_ZERO_DIVISION_FLOAT_DIVMOD", lambda: divmod(1.0, float(_ZERO))),
    _row(9, "PDC_ZERO_DIVISION_POWER", lambda: float(_ZERO) ** -1.0),
    _row(10, "PDC_OVERFLOW_POWER", lambda: (_ONE + 9.0) ** 400.0),
    _row(11, "PDC_VALUE_NEGATIVE_SHIFT", lambda: _ONE << (_ZERO - 1)),
    _row(12, "PDC_VALUE_NAN_TO_INT", lambda: int(_NAN)),
    _row(13, "PDC_OVERFLOW_INF_TO_INT", lambda: int(_INF)),
    _row(14, "PDC_OVERFLOW_ROUND", lambda: round(1.7e308, -308)),
    _row(15, "PDC_VALUE_POW_MODULUS", lambda: pow(_ONE, 2, _ZERO)),
    _row(16, "PDC_VALUE_POW_NOT_INVERTIBLE", lambda: pow(_ONE + 1, -1, 4)),
    # The math module; its texts for a domain error name the argument in newer versions.
    _row(100, "PDC_VALUE_MATH_DOMAIN", lambda: math.sqrt(-1.0), lambda: math.sqrt(-2.0),
         lambda: math.log(_ZERO), lambda: math.acos(2.0), lambda: math.fmod(1.0, 0.0)),
    _row(101, "PDC_OVERFLOW_MATH_RANGE", lambda: math.exp(1000.0), lambda: math.cosh(1000.0)),
    _row(102, "PDC_VALUE_FACTORIAL", lambda: math.factorial(-1), lambda: math.factorial(-2)),
    _row(103, "PDC_VALUE_ISQRT", lambda: math.isqrt(-1), lambda: math.isqrt(-2)),
    _row(104, "PDC_VALUE_COMB_N", lambda: math.comb(-1, 2), lambda: math.perm(-2, 2)),
    _row(105, "PDC_VALUE_COMB_K", lambda: math.comb(2, -1), lambda: math.perm(2, -2)),
    _row(106, "PDC_VALUE_TOLERANCE", lambda: math.isclose(1.0, 2.0, rel_tol=-1.0)),
    _row(107, "PDC_ZERO_DIVISION_LOG_BASE", lambda: math.log(2.0, 1.0)),
    _fma(108, "PDC_OVERFLOW_FMA", OverflowError, lambda fma: fma(1e308, 10.0, 0.0)),
    _fma(109, "PDC_VALUE_FMA", ValueError, lambda fma: fma(_INF, 0.0, 0.0)),
    # Containers and control flow.
    _row(200, "PDC_INDEX_LIST", lambda: _EMPTY[0]),
    _row(201, "PDC_INDEX_LIST_ASSIGN", lambda: _EMPTY.__setitem__(0, 1)),
    _row(202, "PDC_INDEX_TUPLE", lambda: ()[_ZERO]),
    _row(203, "PDC_INDEX_DEQUE", lambda: deque()[0]),
    _row(204, "PDC_INDEX_POP_LIST", lambda: [].pop()),
    _row(205, "PDC_INDEX_POP_DEQUE", lambda: deque().pop()),
    _row(206, "PDC_VALUE_MIN_EMPTY", lambda: min(_EMPTY)),
    _row(207, "PDC_VALUE_MAX_EMPTY", lambda: max(_EMPTY)),
    _row(208, "PDC_VALUE_RANGE_STEP", lambda: range(0, 1, _ZERO)),
    _row(209, "PDC_VALUE_UNPACK", lambda: _unpack([1]), lambda: _unpack([1, 2, 3])),
    _plain(210, "PDC_KEY_ERROR", KeyError),
    _plain(211, "PDC_INDEX_ARRAY", IndexError),
    _plain(212, "PDC_UNBOUND_LOCAL", UnboundLocalError),
    _plain(213, "PDC_ASSERTION", AssertionError),
    _plain(214, "PDC_VALUE_NUMPY_POWER", ValueError),
    _plain(215, "PDC_OVERFLOW_NUMPY_RANGE", OverflowError),
    _plain(216, "PDC_TYPE_NONE", TypeError),
    _plain(217, "PDC_ATTRIBUTE_NONE", AttributeError),
    _plain(218, "PDC_VALUE_ENUM", ValueError),
    # The queues; their classes are the runtime's.
    _plain(300, "PDC_QUEUE_TIMEOUT", TimeoutError),
    _plain(301, "PDC_QUEUE_FULL", Exception),
    _deopt(1000, "PDC_DEOPT_INT_OVERFLOW", "an int beyond 64 bits"),
    _deopt(1001, "PDC_DEOPT_NEGATIVE_EXPONENT", "an int power with an exponent that is negative"
           " where it was not before"),
    _deopt(1002, "PDC_DEOPT_COMPLEX", "a complex number"),
    _deopt(1003, "PDC_DEOPT_CAPACITY", _ROOM),
    _deopt(1004, "PDC_DEOPT_TYPE", "a value of another type than the one compiled for"),
    _deopt(1005, "PDC_DEOPT_NUMPY_CAST", "a float with no value in the integer type"),
    _deopt(1006, "PDC_DEOPT_TRACEBACK", "a log record with a traceback"),
    _deopt(1007, "PDC_DEOPT_ERROR", "what an exception holds"),
    _deopt(1008, "PDC_DEOPT_CHANGED", "a container that changes while it is looped over"),
    _deopt(1009, "PDC_DEOPT_NAN", "a NaN where it matters which object it is"),
    # No problem of the actor: the burst is to be called again, or not.
    _deopt(2000, "PDC_PREEMPT", "the burst used up its fuel"),
    _deopt(2001, "PDC_STOP", "the host asked to stop"),
    _deopt(2002, "PDC_NO_SLOT", "the output slots are used up"),
    _deopt(2003, "PDC_NO_LOG", "the log is used up"),
)  # fmt: skip
"""Every code; the numbers are part of the binary interface and are never reused."""

BY_CODE: dict[int, ErrorCode] = {row.code: row for row in TABLE}
BY_NAME: dict[str, ErrorCode] = {row.name: row for row in TABLE}


def enum_text() -> str:
    """The enumerators of ``enum pdc_code``, one a line."""
    return "\n".join(f"    {row.name} = {row.code}," for row in TABLE)


@dataclass(frozen=True)
class Description:
    """What a code means in the running interpreter.

    Args:
        name: the name in the generated source.
        exception: the class that Python raises; None for a deoptimisation.
        text: ``str()`` of the exception, or the reason to deoptimise; None where the text depends
            on the values.
    """

    name: str
    exception: type[Exception] | None
    text: str | None


@cache
def describe(code: int) -> Description:
    """Say what a code means, by raising the exception once in this interpreter.

    Args:
        code: a number from ``TABLE``.

    Returns:
        Name, exception class and text.

    Raises:
        KeyError: there is no such code.
    """
    row = BY_CODE[code]
    if row.deoptimises or not row.probes:
        return Description(row.name, row.exception, row.reason)
    found = [_raised(probe) for probe in row.probes]
    texts = {str(exc) for exc in found}
    return Description(row.name, type(found[0]), texts.pop() if len(texts) == 1 else None)


def _raised(probe: Callable[[], Any]) -> Exception:
    try:
        probe()
    except Exception as exc:
        return exc
    raise AssertionError("the probe of an error code raised nothing")


def raise_(name: str) -> Primitive:
    """An operation without operands that raises, or deoptimises, instead of having a value.

    Args:
        name: a code of the table: ``"PDC_TYPE_NONE"``.
    """
    error: type[Exception] = describe(BY_NAME[name].code).exception or Deoptimise

    def python() -> None:
        raise error

    return Primitive("raise", python, raises=True, given=(name,))
