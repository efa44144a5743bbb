"""Ints of 128 bits: the helpers of ``pyops_wide.h`` against Python, exactly."""

from __future__ import annotations

import ctypes
import itertools
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydotcompute.compiler.codegen import helper_library as helpers
from pydotcompute.compiler.codegen.operation_text import operation_text
from pydotcompute.compiler.ops import error_codes
from pydotcompute.compiler.ops.functions import INTRINSICS
from pydotcompute.compiler.ops.operators import binary, conversion, truth, unary
from pydotcompute.compiler.ops.primitive import COMPARISONS, Deoptimise, Signature
from pydotcompute.compiler.types.int_ranges import WIDE_MAX, WIDE_MIN
from pydotcompute.compiler.types.types import BOOL, FLOAT, INT, WIDE, Type
from pydotcompute.toolchain.build_cache import BuildCache
from pydotcompute.toolchain.host_cc import find_compiler
from tests.support.pyops_cases import EXPORT

_SPELT = {WIDE: "pdc_wide", INT: "i64", FLOAT: "f64", BOOL: "bool"}
I64_MIN, I64_MAX = -(2**63), 2**63 - 1


class Wide(ctypes.Structure):
    """``pdc_wide``."""

    _fields_ = (("lo", ctypes.c_uint64), ("hi", ctypes.c_int64))


_CTYPES: dict[Type, Any] = {
    WIDE: Wide, INT: ctypes.c_int64, FLOAT: ctypes.c_double, BOOL: ctypes.c_bool,
}  # fmt: skip


def _signatures() -> dict[str, Signature]:
    found: list[Signature | None] = [
        binary(symbol, left, right)
        for symbol in ("+", "-", "*", "//", "%", "/", "**", "<<", ">>", "&", "|", "^", *COMPARISONS)
        for left, right in ((WIDE, WIDE), (WIDE, INT), (WIDE, FLOAT), (FLOAT, WIDE))
    ]
    found += [unary(symbol, WIDE) for symbol in "-+~"]
    found += [s for table in INTRINSICS.values() for s in table if WIDE in s.operands]
    to_float, is_true = conversion(WIDE, FLOAT), truth(WIDE)
    assert to_float is not None
    assert not isinstance(is_true, bool | None)
    found += [Signature((WIDE,), to_float, FLOAT), Signature((WIDE,), is_true, BOOL)]
    return {s.primitive.name: s for s in found if s is not None and WIDE in s.operands}


SIGNATURES = _signatures()


def _wrapper(name: str, signature: Signature) -> str:
    names = [f"a{n}" for n in range(len(signature.operands))]
    takes = [f"{_SPELT[t]} {n}" for t, n in zip(signature.operands, names, strict=True)]
    result = _SPELT[signature.result]
    text = operation_text(signature.primitive, names, result, error="&e")
    return (f'extern "C" PDC_EXPORT i32 t_{name}({", ".join(takes)}, {result} *r) '
            f"{{ pdc_error e = {{0, 0}}; *r = {text}; return e.code; }}\n")  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    wrappers = "".join(_wrapper(name, s) for name, s in SIGNATURES.items())
    used = [name for name in helpers.table() if f"{name}(" in wrappers]
    text = "\n".join([helpers.platform(), helpers.select([*used, "pdc_wide"]), EXPORT, wrappers])
    cache = BuildCache(tmp_path_factory.mktemp("wide"))
    return ctypes.CDLL(str(find_compiler().compile_shared(text, name="wide", cache=cache)))


def _given(value: Any, type_: Type) -> Any:
    if type_ == WIDE:
        return Wide(value & (2**64 - 1), value >> 64)
    return _CTYPES[type_](value)


def _got(library: ctypes.CDLL, name: str, args: tuple[Any, ...]) -> Any:
    signature = SIGNATURES[name]
    result = _CTYPES[signature.result]()
    given = [_given(a, t) for a, t in zip(args, signature.operands, strict=True)]
    code = library[f"t_{name}"](*given, ctypes.byref(result))
    if code:
        return error_codes.describe(code).exception or Deoptimise
    return result.hi << 64 | result.lo if signature.result == WIDE else result.value


def _wanted(python: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        return python(*args)
    except Exception as error:
        return type(error)


def check(library: ctypes.CDLL, name: str, args: tuple[Any, ...]) -> None:
    got, want = _got(library, name, args), _wanted(SIGNATURES[name].primitive.python, args)
    if isinstance(want, float) and isinstance(got, float):
        got, want = struct.pack("<d", got), struct.pack("<d", want)
    assert got == want, f"{name}{args}"


_EDGES = [0, 1, -1, 2, -3, 10, 2**31, 2**53, 2**53 + 1, I64_MAX, I64_MIN, 2**63, 2**64 - 1, 2**64,
          -(2**64), 2**64 + 1, 3 * 2**64, 10**30, -(10**30), 2**117 + 2**64, 2**126, WIDE_MAX,
          WIDE_MIN, WIDE_MIN + 1]  # fmt: skip
_FLOATS = [0.0, -0.0, 0.5, -1.5, 2.0**63, -(2.0**63), 1.8446744073709552e19, 2.0**64 + 4096, 1e30,
           2.0**127, -(2.0**127), -1.8e38, 1e300, float("inf"), float("-inf"), float("nan"),
           9007199254740993.0, -9007199254740992.0]  # fmt: skip
EDGES: dict[Type, list[Any]] = {
    WIDE: _EDGES,
    INT: [v for v in _EDGES if I64_MIN <= v <= I64_MAX] + [-64, 5, 63, 64, 65, 127, 128],
    FLOAT: _FLOATS,
}
_COUNTED = ("lshift_wide", "pow_wide")


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_edge_values(library: ctypes.CDLL, name: str) -> None:
    for args in itertools.product(*(EDGES[t] for t in SIGNATURES[name].operands)):
        check(library, name, args)


def _wide(low: int, high: int) -> st.SearchStrategy[int]:
    near = st.builds(lambda e, d, s: max(low, min(high, s * 2**e + d)), st.integers(0, 127),
                     st.integers(-3, 3), st.sampled_from([1, -1]))  # fmt: skip
    return st.integers(-50, 50) | st.integers(low, high) | near


RANDOM: dict[Type, st.SearchStrategy[Any]] = {
    WIDE: _wide(WIDE_MIN, WIDE_MAX),
    INT: _wide(I64_MIN, I64_MAX),
    FLOAT: st.floats() | _wide(WIDE_MIN, WIDE_MAX).map(float),
}


@pytest.mark.parametrize("name", sorted(SIGNATURES))
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_random_values(library: ctypes.CDLL, name: str, data: st.DataObject) -> None:
    operands = SIGNATURES[name].operands
    args = tuple(data.draw(RANDOM[type_]) for type_ in operands)
    if name in _COUNTED:
        args = (args[0], data.draw(st.integers(-2, 140)))
    check(library, name, args)
