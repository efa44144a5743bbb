"""The helpers of generated code against the running interpreter, bit for bit."""

from __future__ import annotations

import itertools
import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydotcompute.compiler.codegen import helper_library as helpers
from pydotcompute.compiler.ops import error_codes
from tests.support.pyops_cases import ALL, FLOAT, INT, MATH, SMALL, Case, Library, Stopped, build

I64_MAX, I64_MIN = 2**63 - 1, -(2**63)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return build(ALL, tmp_path_factory.mktemp("pyops"))


def bits(value: Any) -> Any:
    """A value in a form whose equality is identity: -0.0 is not 0.0, and NaN is NaN."""
    if isinstance(value, tuple):
        return tuple(map(bits, value))
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value).hex()
    return value


def expected(case: Case, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """What Python does: ("value", bits) or ("raises", class, text) or ("deoptimises", name)."""
    if case.name == "pdc_pow_f64" and -math.inf < args[0] < 0 < args[1] % 1:
        return "deoptimises", "PDC_DEOPT_COMPLEX"  # also where the complex power overflows
    if case.name == "pdc_powmod_i64" and args[2] == I64_MIN:
        return "deoptimises", "PDC_DEOPT_INT_OVERFLOW"  # left to the interpreter
    try:
        value = case.python(*args)
    except Exception as exc:
        return "raises", type(exc), str(exc)
    parts = value if isinstance(value, tuple) else (value,)
    if any(isinstance(part, complex) for part in parts):
        return "deoptimises", "PDC_DEOPT_COMPLEX"
    for part, kind in zip(parts, case.result, strict=True):
        if kind == "i" and not isinstance(part, int):
            return "deoptimises", "PDC_DEOPT_NEGATIVE_EXPONENT"
        if kind == "f" and not isinstance(part, float):
            return "deoptimises", "PDC_DEOPT_NEGATIVE_EXPONENT"
        if kind == "i" and not I64_MIN <= part <= I64_MAX:
            return "deoptimises", "PDC_DEOPT_INT_OVERFLOW"
    return "value", bits(value)


def actual(library: Library, case: Case, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the helper does, in the same form."""
    try:
        return "value", bits(library.call(case, *args))
    except Stopped as stopped:
        found = error_codes.describe(stopped.code)
        if found.exception is None:
            return "deoptimises", found.name
        return "raises", found.exception, found.text


def check(library: Library, case: Case, args: tuple[Any, ...]) -> None:
    want, got = expected(case, args), actual(library, case, args)
    if got[0] == "raises" and got[2] is None:
        want = (*want[:2], None)
    assert got == want, f"{case.name}{args}"


INTS = st.one_of(
    st.integers(-20, 20),
    st.integers(I64_MIN, I64_MAX),
    st.builds(
        lambda e, d, s: max(I64_MIN, min(I64_MAX, s * (2**e + d))),
        st.integers(0, 63), st.integers(-2, 2), st.sampled_from([1, -1]),
    ),
    st.builds(
        lambda m, e, d: max(I64_MIN, min(I64_MAX, m * 10**e + d)),
        st.integers(-999, 999), st.integers(0, 18), st.integers(-1, 1),
    ),
)  # fmt: skip
FLOATS = st.one_of(
    st.floats(),
    st.integers(-40, 40).map(lambda n: n / 2),
    st.floats(-10, 10),
    st.builds(lambda m, e: m / 10**e, st.integers(-(10**6), 10**6), st.integers(0, 8)),
    st.integers(0, 2**64 - 1).map(lambda n: struct.unpack("<d", struct.pack("<Q", n))[0]),
    st.builds(
        lambda e, s: s * math.ldexp(1.0, e), st.integers(-1074, 1023), st.sampled_from([1, -1])
    ),
    INTS.map(float),
)
BY_KIND = {"i": INTS, "f": FLOATS}

EDGE_INTS = [0, 1, -1, 2, -2, 3, 7, -7, 10, 62, 63, 64, -64, 2**31, -(2**32), 2**52, 2**53,
             2**53 + 1, -(2**53) - 1, 10**18, 5 * 10**18, 2**62, I64_MAX - 1, I64_MAX, I64_MIN + 1,
             I64_MIN]  # fmt: skip
EDGE_FLOATS = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 0.1, 1e-20, 2.675, 23.0, 24.0, 1e16, 2.0**52,
               2.0**53, 2.0**62, 2.0**63, 9.223372036854775e18, 1e22, 1e23, 171.6, 200.5, 709.8,
               745.2, 1e300, 1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, 1e-310,
               math.inf, math.pi]  # fmt: skip
EDGE_FLOATS += [-x for x in EDGE_FLOATS]
EDGES = {"i": EDGE_INTS, "f": [*EDGE_FLOATS, math.nan]}


def named(cases: list[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


@named([*INT, *FLOAT, *MATH])
def test_edge_values(library: Library, case: Case) -> None:
    if len(case.args) > 2:
        pytest.skip("covered by the random test")
    if case.name == "pdc_lshift_i64":
        pytest.skip("shifts by 2**62 take the interpreter all memory: covered below")
    for args in itertools.product(*(EDGES[kind] for kind in case.args)):
        check(library, case, args)


@named([case for case in (*INT, *FLOAT, *MATH) if case.name != "pdc_lshift_i64"])
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_random_values(library: Library, case: Case, data: st.DataObject) -> None:
    check(library, case, tuple(data.draw(BY_KIND[kind]) for kind in case.args))


@named(SMALL)
def test_small_ints(library: Library, case: Case) -> None:
    bases = [*range(-12, 70), 2**31, 3037000499, 3037000500, 2**32, I64_MAX, I64_MIN, 250, 350,
             45 * 10**17, 5 * 10**18, -(5 * 10**18) - 1]  # fmt: skip
    if len(case.args) == 1:
        bases = list(range(-3, 30))
    exponents = range(-25, 70)
    rows = itertools.product(bases, exponents) if len(case.args) == 2 else zip(bases, strict=True)
    for args in rows:
        if case.name == "pdc_pow_if64" and args[1] >= 0:
            continue  # an int, for which the other helper is
        check(library, case, args)


def test_float_power_helper_leaves_int_powers_alone(library: Library) -> None:
    case = next(case for case in SMALL if case.name == "pdc_pow_if64")
    assert actual(library, case, (2, 3)) == ("deoptimises", "PDC_DEOPT_NEGATIVE_EXPONENT")


def test_left_shifts(library: Library) -> None:
    case = next(case for case in INT if case.name == "pdc_lshift_i64")
    for args in itertools.product(EDGE_INTS, [*range(-3, 70), 1000]):
        check(library, case, args)
    assert actual(library, case, (1, I64_MAX)) == ("deoptimises", "PDC_DEOPT_INT_OVERFLOW")
    assert actual(library, case, (0, I64_MAX)) == ("value", 0)


def test_comb_of_large_arguments(library: Library) -> None:
    case = next(case for case in SMALL if case.name == "pdc_comb_i64")
    for n, k in [(I64_MAX, 1), (I64_MAX, I64_MAX - 1), (2**32, 2), (2**33, 2), (66, 33), (67, 33)]:
        check(library, case, (n, k))


@settings(max_examples=1000, deadline=None)
@given(x=INTS, n=st.integers(-25, 3))
def test_round_ints(library: Library, x: int, n: int) -> None:
    check(library, next(case for case in SMALL if case.name == "pdc_round_i64_n"), (x, n))


@settings(max_examples=4000, deadline=None)
@given(x=FLOATS, n=st.one_of(st.integers(-330, 330), st.integers(-3, 20)))
def test_round_to_digits(library: Library, x: float, n: int) -> None:
    check(library, next(case for case in FLOAT if case.name == "pdc_round_f64_n"), (x, n))


@settings(max_examples=2000, deadline=None)
@given(m=st.integers(0, 10**17), e=st.integers(-330, 300), n=st.integers(-330, 330))
def test_round_near_decimal_ties(library: Library, m: int, e: int, n: int) -> None:
    x = float(f"{m}5e{e}")
    case = next(case for case in FLOAT if case.name == "pdc_round_f64_n")
    for value in (x, math.nextafter(x, 0.0), -math.nextafter(x, math.inf)):
        check(library, case, (value, n))
        check(library, case, (value, max(-320, min(330, -e - 1))))


@settings(max_examples=1000, deadline=None)
@given(n=INTS, d=st.integers(-3, 3), a=FLOATS)
def test_comparisons_of_near_numbers(library: Library, n: int, d: int, a: float) -> None:
    near = float(max(I64_MIN, min(I64_MAX, n + d)))
    for case in FLOAT:
        if case.args in ("if", "fi") and case.result == "b":
            for x in (near, math.nextafter(near, a), a):
                check(library, case, (n, x) if case.args == "if" else (x, n))


def test_every_code_is_named_once_and_has_a_class_or_a_reason() -> None:
    rows = error_codes.TABLE
    assert len({row.code for row in rows}) == len({row.name for row in rows}) == len(rows)
    for row in rows:
        found = error_codes.describe(row.code)
        assert (found.exception is None) == row.deoptimises
        assert found.text is not None or not row.deoptimises


def test_no_section_uses_a_later_one() -> None:
    table = helpers.table()
    for name, section in table.items():
        late = {other for other in section.needs if table[other].index >= section.index}
        assert not late, name


def test_imprecise_helpers_exist() -> None:
    assert helpers.IMPRECISE_ON_DEVICE <= set(helpers.table())


def test_selection_is_closed_ordered_and_minimal() -> None:
    text = helpers.select(["pdc_divmod_i64"])
    names = ("pdc_neg_i64", "pdc_floordiv_i64", "pdc_mod_i64", "pdc_divmod_i64")
    places = [text.index(f" {name}(pdc_error") for name in names]
    assert places == sorted(places)
    assert "pdc_pow_i64" not in text
    assert helpers.select([]) == ""


def test_unknown_helper_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="pdc_nonsense"):
        helpers.select(["pdc_nonsense"])


def test_the_first_error_stays(library: Library) -> None:
    assert library.dll.sticky() == error_codes.BY_NAME["PDC_ZERO_DIVISION_INT"].code
