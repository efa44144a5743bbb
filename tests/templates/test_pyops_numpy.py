"""The helpers for numpy's scalar types, and those for sums, against numpy and the interpreter."""

from __future__ import annotations

import ctypes
import itertools
import math
import operator
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydotcompute.compiler.codegen import helper_library as helpers
from pydotcompute.compiler.ops import error_codes
from pydotcompute.toolchain.build_cache import BuildCache
from pydotcompute.toolchain.host_cc import find_compiler
from tests.support.pyops_cases import EXPORT

TYPES = {
    "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
    "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64,
    "f32": np.float32, "f64": np.float64,
}  # fmt: skip
INTEGERS = [name for name in TYPES if name[0] != "f"]
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "mod": operator.mod,
    "floordiv": operator.floordiv, "truediv": operator.truediv, "pow": operator.pow,
    "lshift": operator.lshift, "rshift": operator.rshift,
}  # fmt: skip
UNARY: dict[str, Callable[[Any], Any]] = {"neg": operator.neg, "abs": abs}


def operators(type_name: str) -> Iterator[tuple[str, Callable[..., Any], str]]:
    """Name, meaning and result type of each operator of a type."""
    for name, python in BINARY.items():
        if type_name[0] == "f" and name.endswith("shift"):
            continue
        result = "f64" if name == "truediv" and type_name[0] != "f" else type_name
        yield name, python, result
    for name, unary in UNARY.items():
        yield name, unary, type_name


def wrapper(type_name: str, name: str, result: str) -> str:
    """An exported function around the operator of one type."""
    count = 1 if name in UNARY else 2
    parameters = ", ".join(f"const {type_name} *a{i}" for i in range(count))
    call = ", ".join(["&e"] * (name == "pow") + [f"*a{i}" for i in range(count)])
    return (
        f'extern "C" PDC_EXPORT i32 t_{name}_{type_name}({parameters}, {result} *r) '
        f"{{ pdc_error e = {{0, 0}}; *r = pdc_np_{name}({call}); return e.code; }}\n"
    )


def conversions() -> str:
    """Exported conversions to each type, and comparisons of each pair of integer types."""
    text = ""
    for to in TYPES:
        for source in ("i64", "f64"):
            text += (
                f'extern "C" PDC_EXPORT i32 c_{to}_{source}(const {source} *a, {to} *r) '
                f"{{ pdc_error e = {{0, 0}}; *r = pdc_np_of_{source}<{to}>(&e, *a); "
                "return e.code; }\n"
            )
    for a, b in itertools.product(INTEGERS, INTEGERS):
        text += (
            f'extern "C" PDC_EXPORT i32 q_{a}_{b}(const {a} *a, const {b} *b) '
            "{ return pdc_np_lt(*a, *b) + 2 * pdc_np_eq(*a, *b); }\n"
        )
    return text


SUMS = """
extern "C" PDC_EXPORT f64 sum(const f64 *v, i64 n) {
    f64 total = 0.0, lost = 0.0;
    for (i64 i = 0; i < n; i++) {
#if PDC_PYTHON >= 0x030c
        lost = pdc_sum_lost(lost, total, v[i]);
#endif
        total += v[i];
    }
    return pdc_sum_end(total, lost);
}
extern "C" PDC_EXPORT f64 norm(f64 *v, i64 n) { return pdc_norm_f64(v, (i32)n); }
"""


@pytest.fixture(scope="module")
def dll(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    names = [name for name in helpers.table() if name.startswith("pdc_np_")]
    text = [
        helpers.platform(),
        helpers.select([*names, "pdc_sum_lost", "pdc_sum_end", "pdc_norm_f64"]),
        EXPORT,
        *(wrapper(t, name, result) for t in TYPES for name, _, result in operators(t)),
        conversions(),
        SUMS,
    ]
    cache = BuildCache(Path(tmp_path_factory.mktemp("numpy")) / "cache")
    path = find_compiler().compile_shared("\n".join(text), name="numpy", cache=cache)
    return ctypes.CDLL(str(path))


def edges(type_name: str) -> list[Any]:
    scalar = TYPES[type_name]
    if type_name[0] == "f":
        info = np.finfo(scalar)
        values = [0.0, 0.1, 0.5, 1.0, 1.5, 2.0, 3.0, 7.3, 1e10, info.max, info.tiny, math.inf]
        return [scalar(s * v) for v in values for s in (1, -1)] + [scalar(math.nan)]
    bounds = np.iinfo(scalar)
    values = [0, 1, 2, 3, 5, 7, 8, 31, 63, 64, 100, -1, -2, -3, -7, -8, -100]
    values += [bounds.min, bounds.min + 1, bounds.max, bounds.max - 1]
    return [scalar(v) for v in values if bounds.min <= v <= bounds.max]


def pointer(value: np.generic) -> ctypes.c_void_p:
    """The address of a copy that lives as long as the pointer."""
    holder = np.array([value])
    address = ctypes.c_void_p(holder.ctypes.data)
    address.holder = holder  # type: ignore[attr-defined]
    return address


def call(dll: ctypes.CDLL, name: str, result: type[np.generic], *args: np.generic) -> Any:
    """The result of an exported function, or the exception class of its error code."""
    out = np.zeros(1, result)
    code = dll[name](*map(pointer, args), ctypes.c_void_p(out.ctypes.data))
    return error_codes.describe(code) if code else out[0]


def same(a: np.generic, b: np.generic) -> bool:
    return type(a) is type(b) and (a.tobytes() == b.tobytes() or bool(a != a and b != b))


@pytest.mark.parametrize("type_name", TYPES)
def test_operators(dll: ctypes.CDLL, type_name: str) -> None:
    for name, python, result in operators(type_name):
        count = 1 if name in UNARY else 2
        for args in itertools.product(edges(type_name), repeat=count):
            got = call(dll, f"t_{name}_{type_name}", TYPES[result], *args)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    want = python(*args)
            except ValueError:
                assert got.exception is ValueError, (name, args)
                continue
            assert same(got, want), (name, args, got, want)


@pytest.mark.parametrize("type_name", TYPES)
def test_conversion_of_ints(dll: ctypes.CDLL, type_name: str) -> None:
    scalar = TYPES[type_name]
    for value in map(int, [*edges("i64"), *map(int, edges("u8")), 2**24 + 1, 2**53 + 1]):
        got = call(dll, f"c_{type_name}_i64", scalar, np.int64(value))
        try:
            want = scalar(value)
        except OverflowError:
            assert got.exception is OverflowError, value
            continue
        assert same(got, want), (value, got, want)


@pytest.mark.parametrize("type_name", TYPES)
def test_conversion_of_floats(dll: ctypes.CDLL, type_name: str) -> None:
    scalar = TYPES[type_name]
    for value in [*map(float, edges("f64")), -1.0, 127.9, 128.0, -128.9, 255.5, 256.0, 2.0**31]:
        got = call(dll, f"c_{type_name}_f64", scalar, np.float64(value))
        whole = math.trunc(value) if math.isfinite(value) else None
        if type_name[0] != "f":
            bounds = np.iinfo(scalar)
            if whole is None or not bounds.min <= whole <= bounds.max or abs(whole) >= 2**53:
                assert got.name == "PDC_DEOPT_NUMPY_CAST"
                continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert same(got, scalar(value)), value


def test_comparisons_of_mixed_integers(dll: ctypes.CDLL) -> None:
    for a, b in itertools.product(INTEGERS, INTEGERS):
        for x, y in itertools.product(edges(a), edges(b)):
            got = dll[f"q_{a}_{b}"](pointer(x), pointer(y))
            assert got == (int(x) < int(y)) + 2 * (int(x) == int(y)), (a, b, x, y)


@settings(max_examples=500, deadline=None)
@given(
    values=st.lists(st.one_of(st.floats(), st.floats(-1e3, 1e3), st.sampled_from([1e16, -1e16])))
)
def test_sum_is_that_of_the_running_interpreter(dll: ctypes.CDLL, values: list[float]) -> None:
    dll.sum.restype = ctypes.c_double
    array = np.array(values, np.float64)
    got = dll.sum(ctypes.c_void_p(array.ctypes.data), ctypes.c_int64(len(values)))
    want = sum(values, 0.0)
    assert got == want or (math.isnan(got) and math.isnan(want))
    assert math.copysign(1, got) == math.copysign(1, want) or math.isnan(want)


@settings(max_examples=500, deadline=None)
@given(values=st.lists(st.one_of(st.floats(), st.floats(-1e3, 1e3)), max_size=6))
def test_hypot_of_any_number(dll: ctypes.CDLL, values: list[float]) -> None:
    dll.norm.restype = ctypes.c_double
    array = np.array(values, np.float64)
    got = dll.norm(ctypes.c_void_p(array.ctypes.data), ctypes.c_int64(len(values)))
    want = math.hypot(*values)
    assert got == want or (math.isnan(got) and math.isnan(want))
