/* pyops_math.h: the math module's elementary functions.  Results are the C library's, as in
   CPython; which arguments are errors is CPython's choice. */

//@ pdc_math_domain
/* ValueError, math domain error */
PDC_COLD f64 pdc_math_domain(pdc_error *e) {
    pdc_raise(e, PDC_VALUE_MATH_DOMAIN);
    return 0.0;
}

//@ pdc_math_range
/* OverflowError, math range error */
PDC_COLD f64 pdc_math_range(pdc_error *e) {
    pdc_raise(e, PDC_OVERFLOW_MATH_RANGE);
    return 0.0;
}

//@ pdc_math_checked
/* The rule for functions of one argument: NaN out of a number, or infinity out of a finite number,
   is an error; the latter of the range only where the function can overflow. */
PDC_FN f64 pdc_math_checked(pdc_error *e, f64 x, f64 r, bool can_overflow) {
    if (PDC_LIKELY(pdc_isfinite(r))) return r;
    if (pdc_isnan(r) ? !pdc_isnan(x) : pdc_isfinite(x) && !can_overflow) return pdc_math_domain(e);
    if (pdc_isinf(r) && pdc_isfinite(x)) return pdc_math_range(e);
    return r;
}

//@ pdc_acos_f64
/* math.acos(x) */
PDC_FN f64 pdc_acos_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, acos(x), false); }

//@ pdc_acosh_f64
/* math.acosh(x) */
PDC_FN f64 pdc_acosh_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, acosh(x), false); }

//@ pdc_asin_f64
/* math.asin(x) */
PDC_FN f64 pdc_asin_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, asin(x), false); }

//@ pdc_asinh_f64
/* math.asinh(x) */
PDC_FN f64 pdc_asinh_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, asinh(x), false); }

//@ pdc_atan_f64
/* math.atan(x) */
PDC_FN f64 pdc_atan_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, atan(x), false); }

//@ pdc_atanh_f64
/* math.atanh(x) */
PDC_FN f64 pdc_atanh_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, atanh(x), false); }

//@ pdc_cbrt_f64
/* math.cbrt(x) */
PDC_FN f64 pdc_cbrt_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, cbrt(x), false); }

//@ pdc_cos_f64
/* math.cos(x) */
PDC_FN f64 pdc_cos_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, cos(x), false); }

//@ pdc_cosh_f64
/* math.cosh(x) */
PDC_FN f64 pdc_cosh_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, cosh(x), true); }

//@ pdc_exp_f64
/* math.exp(x) */
PDC_FN f64 pdc_exp_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, exp(x), true); }

//@ pdc_exp2_f64
/* math.exp2(x) */
PDC_FN f64 pdc_exp2_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, exp2(x), true); }

//@ pdc_expm1_f64
/* math.expm1(x) */
PDC_FN f64 pdc_expm1_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, expm1(x), true); }

//@ pdc_log1p_f64
/* math.log1p(x) */
PDC_FN f64 pdc_log1p_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, log1p(x), false); }

//@ pdc_sin_f64
/* math.sin(x) */
PDC_FN f64 pdc_sin_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, sin(x), false); }

//@ pdc_sinh_f64
/* math.sinh(x) */
PDC_FN f64 pdc_sinh_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, sinh(x), true); }

//@ pdc_tan_f64
/* math.tan(x) */
PDC_FN f64 pdc_tan_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, tan(x), false); }

//@ pdc_tanh_f64
/* math.tanh(x) */
PDC_FN f64 pdc_tanh_f64(pdc_error *e, f64 x) { return pdc_math_checked(e, x, tanh(x), false); }

//@ pdc_erf_f64
/* math.erf(x) */
PDC_FN f64 pdc_erf_f64(f64 x) { return erf(x); }

//@ pdc_erfc_f64
/* math.erfc(x) */
PDC_FN f64 pdc_erfc_f64(f64 x) { return erfc(x); }

//@ pdc_sqrt_f64
/* math.sqrt(x) */
PDC_FN f64 pdc_sqrt_f64(pdc_error *e, f64 x) {
    if (PDC_UNLIKELY(x < 0.0)) return pdc_math_domain(e);
    return pdc_sqrt(x);
}

//@ pdc_log_f64
/* math.log(x) */
PDC_FN f64 pdc_log_f64(pdc_error *e, f64 x) {
    if (PDC_UNLIKELY(x <= 0.0)) return pdc_math_domain(e);
    return log(x);
}

//@ pdc_log2_f64
/* math.log2(x) */
PDC_FN f64 pdc_log2_f64(pdc_error *e, f64 x) {
    if (PDC_UNLIKELY(x <= 0.0)) return pdc_math_domain(e);
    return log2(x);
}

//@ pdc_log10_f64
/* math.log10(x) */
PDC_FN f64 pdc_log10_f64(pdc_error *e, f64 x) {
    if (PDC_UNLIKELY(x <= 0.0)) return pdc_math_domain(e);
    return log10(x);
}

//@ pdc_logb_f64
/* math.log(x, base) */
PDC_FN f64 pdc_logb_f64(pdc_error *e, f64 x, f64 base) {
    f64 a = pdc_log_f64(e, x), b = pdc_log_f64(e, base);
    if (PDC_UNLIKELY(b == 0.0)) {
        pdc_raise(e, PDC_ZERO_DIVISION_LOG_BASE);
        return 0.0;
    }
    return a / b;
}

//@ pdc_atan2_f64
/* math.atan2(y, x) */
PDC_FN f64 pdc_atan2_f64(f64 y, f64 x) { return atan2(y, x); }

//@ pdc_copysign_f64
/* math.copysign(x, y) */
PDC_FN f64 pdc_copysign_f64(f64 x, f64 y) { return pdc_copysign(x, y); }

//@ pdc_fabs_f64
/* math.fabs(x) */
PDC_FN f64 pdc_fabs_f64(f64 x) { return pdc_fabs(x); }

//@ pdc_fmod_f64
/* math.fmod(x, y) */
PDC_FN f64 pdc_fmod_f64(pdc_error *e, f64 x, f64 y) {
    if (PDC_UNLIKELY((y == 0.0 && !pdc_isnan(x)) || (pdc_isinf(x) && !pdc_isnan(y))))
        return pdc_math_domain(e);
    return fmod(x, y);
}

//@ pdc_remainder_f64
/* math.remainder(x, y): every step is exact.  On a tie between the two nearest multiples the even
   one is found from the quotient of the half. */
PDC_FN f64 pdc_remainder_f64(pdc_error *e, f64 x, f64 y) {
    if (pdc_isnan(x)) return x;
    if (pdc_isnan(y)) return y;
    if (PDC_UNLIKELY(pdc_isinf(x) || y == 0.0)) return pdc_math_domain(e);
    if (pdc_isinf(y)) return x;
    f64 ax = pdc_fabs(x), ay = pdc_fabs(y), m = fmod(ax, ay), c = ay - m, r;
    if (m < c) r = m;
    else if (m > c) r = -c;
    else r = m - 2.0 * fmod(0.5 * (ax - m), ay);
    return pdc_signbit(x) ? -r : r;
}

//@ pdc_mathpow_f64
/* math.pow(x, y): unlike **, always a float, and 0 to a negative power is a domain error */
PDC_SLOW f64 pdc_mathpow_f64(pdc_error *e, f64 x, f64 y) {
    if (x == 1.0 || y == 0.0) return 1.0;
    if (pdc_isnan(x)) return x;
    if (pdc_isnan(y)) return y;
    f64 size = pdc_fabs(x);
    if (pdc_isinf(y)) {
        if (size == 1.0) return 1.0;
        return (y > 0.0) == (size > 1.0) ? PDC_INF : 0.0;
    }
    if (pdc_isinf(x)) {
        f64 r = y > 0.0 ? PDC_INF : 0.0;
        return pdc_is_odd(y) ? pdc_copysign(r, x) : r;
    }
    f64 r = pow(x, y);
    if (PDC_LIKELY(pdc_isfinite(r))) return r;
    return pdc_isnan(r) || x == 0.0 ? pdc_math_domain(e) : pdc_math_range(e);
}

//@ pdc_isnan_f64
/* math.isnan(x) */
PDC_FN bool pdc_isnan_f64(f64 x) { return pdc_isnan(x); }

//@ pdc_isinf_f64
/* math.isinf(x) */
PDC_FN bool pdc_isinf_f64(f64 x) { return pdc_isinf(x); }

//@ pdc_isfinite_f64
/* math.isfinite(x) */
PDC_FN bool pdc_isfinite_f64(f64 x) { return pdc_isfinite(x); }

//@ pdc_isclose_f64
/* math.isclose(a, b, rel_tol=..., abs_tol=...); the defaults are 1e-09 and 0.0 */
PDC_FN bool pdc_isclose_f64(pdc_error *e, f64 a, f64 b, f64 rel_tol, f64 abs_tol) {
    if (PDC_UNLIKELY(rel_tol < 0.0 || abs_tol < 0.0)) {
        pdc_raise(e, PDC_VALUE_TOLERANCE);
        return false;
    }
    if (a == b) return true;
    if (pdc_isinf(a) || pdc_isinf(b)) return false;
    f64 gap = pdc_fabs(b - a);
    return gap <= pdc_fabs(rel_tol * b) || gap <= pdc_fabs(rel_tol * a) || gap <= abs_tol;
}

//@ pdc_degrees_f64
/* math.degrees(x) */
PDC_FN f64 pdc_degrees_f64(f64 x) { return x * (180.0 / 3.141592653589793); }

//@ pdc_radians_f64
/* math.radians(x) */
PDC_FN f64 pdc_radians_f64(f64 x) { return x * (3.141592653589793 / 180.0); }

//@ pdc_frexp_f64
/* math.frexp(x) */
struct pdc_pair_f64_i64 {
    f64 first;
    i64 second;
};

PDC_FN pdc_pair_f64_i64 pdc_frexp_f64(f64 x) {
    pdc_pair_f64_i64 result = {x, 0};
    if (x == 0.0 || !pdc_isfinite(x)) return result;
    i64 shift = 0;
    if (pdc_fabs(x) < 2.2250738585072014e-308) {
        x *= 18014398509481984.0; /* 2**54: normal now */
        shift = 54;
    }
    u64 bits = pdc_bits_f64(x);
    result.second = (i64)((bits >> 52) & 0x7ff) - 1022 - shift;
    result.first = pdc_f64_of_bits((bits & 0x800fffffffffffffULL) | 0x3fe0000000000000ULL);
    return result;
}

//@ pdc_ldexp_f64
/* math.ldexp(x, n): rounds once, also to a subnormal */
PDC_FN f64 pdc_ldexp_f64(pdc_error *e, f64 x, i64 n) {
    if (x == 0.0 || !pdc_isfinite(x)) return x;
    pdc_pair_f64_i64 parts = pdc_frexp_f64(x);
    i64 exponent = n > 4000 ? 4000 : n < -4000 ? -4000 : n;
    exponent += parts.second; /* the result is parts.first * 2**exponent */
    if (exponent > 1024) return pdc_math_range(e);
    if (exponent < -1080) return pdc_copysign(0.0, x);
    bool small = exponent < -1021;
    u64 bits = pdc_bits_f64(parts.first) & 0x800fffffffffffffULL;
    f64 r = pdc_f64_of_bits(bits | ((u64)(exponent + (small ? 64 : 0) + 1022) << 52));
    return small ? r * 5.421010862427522e-20 /* 2**-64 */ : r;
}

//@ pdc_trunc_to_f64
/* x without its fraction, as a float; the sign of zero is kept */
PDC_FN f64 pdc_trunc_to_f64(f64 x) {
    if (!(pdc_fabs(x) < 4503599627370496.0)) return x;
    return pdc_copysign((f64)(i64)x, x);
}

//@ pdc_modf_f64
/* math.modf(x): fraction and whole */
PDC_FN pdc_pair_f64 pdc_modf_f64(f64 x) {
    f64 whole = pdc_trunc_to_f64(x);
    pdc_pair_f64 result = {pdc_isinf(x) ? pdc_copysign(0.0, x) : pdc_copysign(x - whole, x), whole};
    return result;
}

//@ pdc_nextafter_f64
/* math.nextafter(x, y): floats of one sign are ordered as their bits are */
PDC_FN f64 pdc_nextafter_f64(f64 x, f64 y) {
    if (pdc_isnan(x)) return x;
    if (pdc_isnan(y) || x == y) return y;
    if (x == 0.0) return pdc_copysign(4.9406564584124654e-324, y);
    u64 bits = pdc_bits_f64(x);
    return pdc_f64_of_bits((x < y) == (x > 0.0) ? bits + 1 : bits - 1);
}

//@ pdc_ulp_f64
/* math.ulp(x) */
PDC_FN f64 pdc_ulp_f64(f64 x) {
    x = pdc_fabs(x);
    if (!pdc_isfinite(x)) return x;
    f64 up = pdc_nextafter_f64(x, PDC_INF);
    return pdc_isinf(up) ? x - pdc_nextafter_f64(x, 0.0) : up - x;
}

//@ pdc_fma_f64
/* math.fma(x, y, z), from Python 3.13 */
PDC_FN f64 pdc_fma_f64(pdc_error *e, f64 x, f64 y, f64 z) {
    f64 r = fma(x, y, z);
    if (PDC_LIKELY(pdc_isfinite(r))) return r;
    if (pdc_isnan(r)) {
        if (!pdc_isnan(x) && !pdc_isnan(y) && !pdc_isnan(z)) {
            pdc_raise(e, PDC_VALUE_FMA);
            return 0.0;
        }
    } else if (pdc_isfinite(x) && pdc_isfinite(y) && pdc_isfinite(z)) {
        pdc_raise(e, PDC_OVERFLOW_FMA);
        return 0.0;
    }
    return r;
}
