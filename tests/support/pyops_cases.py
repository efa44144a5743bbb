"""Every helper of templates/library/pyops beside the Python expression that it reproduces.

In: a case such as ``Case("pdc_mod_i64", "ii", "i", lambda a, b: a % b)``.  Out: ``build(cases)``
compiles one library for all of them; ``Library.call`` gives what the helper returned, or raises
``Stopped`` with its error code.
"""

from __future__ import annotations

import ctypes
import math
import operator
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydotcompute.compiler.codegen import helper_library as helpers
from pydotcompute.toolchain.build_cache import BuildCache
from pydotcompute.toolchain.host_cc import find_compiler

C_TYPES = {"i": "i64", "f": "f64", "b": "bool"}
CTYPES = {"i": ctypes.c_int64, "f": ctypes.c_double, "b": ctypes.c_bool}
PAIRS = {"ii": "pdc_pair_i64", "ff": "pdc_pair_f64", "fi": "pdc_pair_f64_i64"}


class Stopped(Exception):
    """A helper reported an error code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Case:
    """One helper: types of arguments and of the result (two letters: a pair), and its meaning."""

    name: str
    args: str
    result: str
    python: Callable[..., Any]

    def wrapper(self) -> str:
        """An exported function around the helper."""
        section = helpers.table()[self.name]
        takes_error = f"{self.name}(pdc_error *e" in section.text
        names = [f"a{i}" for i in range(len(self.args))]
        parameters = [f"{C_TYPES[t]} {n}" for t, n in zip(self.args, names, strict=True)]
        call = f"{self.name}({', '.join((['&e'] if takes_error else []) + names)})"
        if len(self.result) == 1:
            outputs, stores = [f"{C_TYPES[self.result]} *r0"], f"*r0 = {call};"
        else:
            outputs = [f"{C_TYPES[t]} *r{i}" for i, t in enumerate(self.result)]
            stores = f"{PAIRS[self.result]} r = {call}; *r0 = r.first; *r1 = r.second;"
        return (
            f'extern "C" PDC_EXPORT i32 t_{self.name}({", ".join(parameters + outputs)}) '
            f"{{ pdc_error e = {{0, 0}}; {stores} return e.code; }}\n"
        )


class Library:
    """The compiled helpers."""

    def __init__(self, path: Path) -> None:
        self.dll = ctypes.CDLL(str(path))

    def call(self, case: Case, *args: Any) -> Any:
        """What the helper makes of some arguments."""
        outputs = [CTYPES[t]() for t in case.result]
        function = self.dll[f"t_{case.name}"]
        given = [CTYPES[t](a) for t, a in zip(case.args, args, strict=True)]
        code = function(*given, *map(ctypes.byref, outputs))
        if code:
            raise Stopped(code)
        values = tuple(output.value for output in outputs)
        return values if len(values) > 1 else values[0]


EXPORT = '#define PDC_EXPORT __attribute__((visibility("default")))\n'


STICKY = """
extern "C" PDC_EXPORT i32 sticky() {
    pdc_error e = {0, 0};
    i64 q = pdc_floordiv_i64(&e, 1, 0);
    q += pdc_add_i64(&e, PDC_I64_MAX, 1);
    return e.code;
}
"""


def source(cases: Sequence[Case]) -> str:
    """The text of a library with a wrapper for each case."""
    text = [helpers.platform(), helpers.select(case.name for case in cases), EXPORT]
    return "\n".join([*text, *(case.wrapper() for case in cases), STICKY])


def build(cases: Sequence[Case], folder: Path) -> Library:
    """Compile a library with a wrapper for each case, in a cache of its own."""
    cache = BuildCache(folder / "cache")
    return Library(find_compiler().compile_shared(source(cases), name="pyops", cache=cache))


_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")


def _binary(kind: str, name: str) -> Case:
    letter = {"i64": "i", "f64": "f"}
    first, second = kind.split("_")
    return Case(f"pdc_{name}_{kind}", letter[first] + letter[second], "b", getattr(operator, name))


INT = [
    Case("pdc_add_i64", "ii", "i", operator.add),
    Case("pdc_sub_i64", "ii", "i", operator.sub),
    Case("pdc_mul_i64", "ii", "i", operator.mul),
    Case("pdc_neg_i64", "i", "i", operator.neg),
    Case("pdc_abs_i64", "i", "i", abs),
    Case("pdc_floordiv_i64", "ii", "i", operator.floordiv),
    Case("pdc_mod_i64", "ii", "i", operator.mod),
    Case("pdc_divmod_i64", "ii", "ii", divmod),
    Case("pdc_truediv_i64", "ii", "f", operator.truediv),
    Case("pdc_lshift_i64", "ii", "i", operator.lshift),
    Case("pdc_rshift_i64", "ii", "i", operator.rshift),
    Case("pdc_min_i64", "ii", "i", min),
    Case("pdc_max_i64", "ii", "i", max),
    Case("pdc_bit_length_i64", "i", "i", int.bit_length),
    Case("pdc_bit_count_i64", "i", "i", int.bit_count),
    Case("pdc_powmod_i64", "iii", "i", pow),
    Case("pdc_gcd_i64", "ii", "i", math.gcd),
    Case("pdc_lcm_i64", "ii", "i", math.lcm),
    Case("pdc_isqrt_i64", "i", "i", math.isqrt),
    Case("pdc_f64_of_i64", "i", "f", float),
    Case("pdc_bool_i64", "i", "b", bool),
]

FLOAT = [
    Case("pdc_truediv_f64", "ff", "f", operator.truediv),
    Case("pdc_floordiv_f64", "ff", "f", operator.floordiv),
    Case("pdc_mod_f64", "ff", "f", operator.mod),
    Case("pdc_divmod_f64", "ff", "ff", divmod),
    Case("pdc_pow_f64", "ff", "f", operator.pow),
    Case("pdc_min_f64", "ff", "f", min),
    Case("pdc_max_f64", "ff", "f", max),
    Case("pdc_abs_f64", "f", "f", abs),
    Case("pdc_neg_f64", "f", "f", operator.neg),
    Case("pdc_is_integer_f64", "f", "b", float.is_integer),
    Case("pdc_bool_f64", "f", "b", bool),
    Case("pdc_int_f64", "f", "i", int),
    Case("pdc_floor_f64", "f", "i", math.floor),
    Case("pdc_ceil_f64", "f", "i", math.ceil),
    Case("pdc_round_f64", "f", "i", round),
    Case("pdc_round_f64_n", "fi", "f", round),
    *(_binary("i64_f64", name) for name in _COMPARISONS),
    *(_binary("f64_i64", name) for name in _COMPARISONS),
]

_UNARY_MATH = (
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "cos", "cosh",
    "degrees", "erf", "erfc", "exp", "exp2", "expm1", "fabs", "frexp", "gamma",
    "isfinite", "isinf", "isnan", "lgamma", "log", "log10", "log1p", "log2", "modf",
    "radians", "sin", "sinh", "sqrt", "tan", "tanh", "ulp",
)  # fmt: skip
_RESULTS = {"frexp": "fi", "modf": "ff", "isfinite": "b", "isinf": "b", "isnan": "b"}

MATH = [
    *(
        Case(f"pdc_{name}_f64", "f", _RESULTS.get(name, "f"), getattr(math, name))
        for name in _UNARY_MATH
    ),
    Case("pdc_atan2_f64", "ff", "f", math.atan2),
    Case("pdc_copysign_f64", "ff", "f", math.copysign),
    Case("pdc_fmod_f64", "ff", "f", math.fmod),
    Case("pdc_remainder_f64", "ff", "f", math.remainder),
    Case("pdc_mathpow_f64", "ff", "f", math.pow),
    Case("pdc_logb_f64", "ff", "f", math.log),
    Case("pdc_nextafter_f64", "ff", "f", math.nextafter),
    Case("pdc_hypot_f64", "ff", "f", math.hypot),
    Case("pdc_hypot3_f64", "fff", "f", math.hypot),
    Case("pdc_ldexp_f64", "fi", "f", math.ldexp),
    Case(
        "pdc_isclose_f64",
        "ffff",
        "b",
        lambda a, b, rel, tol: math.isclose(a, b, rel_tol=rel, abs_tol=tol),
    ),
]
if sys.version_info >= (3, 13):
    MATH.append(Case("pdc_fma_f64", "fff", "f", math.fma))

# Arguments that the interpreter itself can only take when they are small.
SMALL = [
    Case("pdc_round_i64_n", "ii", "i", round),
    Case("pdc_pow_i64", "ii", "i", operator.pow),
    Case("pdc_pow_if64", "ii", "f", operator.pow),
    Case("pdc_factorial_i64", "i", "i", math.factorial),
    Case("pdc_comb_i64", "ii", "i", math.comb),
    Case("pdc_perm_i64", "ii", "i", math.perm),
]

ALL = [*INT, *FLOAT, *MATH, *SMALL]
