/* pyops_float.h: Python's `float` operators.  + - * are the C operators.  The arithmetic here is
   IEEE basic operations in CPython's order, hence bit-identical. */

//@ pdc_pair_f64
/* Result of divmod, frexp's and modf's cousins. */
struct pdc_pair_f64 {
    f64 first, second;
};

//@ pdc_truediv_f64
/* a / b */
PDC_FN f64 pdc_truediv_f64(pdc_error *e, f64 a, f64 b) {
    if (PDC_UNLIKELY(b == 0.0)) {
        pdc_raise(e, PDC_ZERO_DIVISION_FLOAT);
        return 0.0;
    }
    return a / b;
}

//@ pdc_floatmod
/* fmod moved to the sign of the divisor; b != 0 */
PDC_FN f64 pdc_floatmod(f64 a, f64 b) {
    f64 r = fmod(a, b);
    if (r == 0.0) return pdc_copysign(0.0, b);
    return (b < 0.0) != (r < 0.0) ? r + b : r;
}

//@ pdc_mod_f64
/* a % b */
PDC_FN f64 pdc_mod_f64(pdc_error *e, f64 a, f64 b) {
    if (PDC_UNLIKELY(b == 0.0)) {
        pdc_raise(e, PDC_ZERO_DIVISION_FLOAT_MODULO);
        return 0.0;
    }
    return pdc_floatmod(a, b);
}

//@ pdc_floatdivmod
/* quotient and remainder; b != 0.  (a - r) / b is within rounding of an integer: snap it. */
PDC_FN pdc_pair_f64 pdc_floatdivmod(f64 a, f64 b) {
    f64 r = fmod(a, b), q = (a - r) / b, whole;
    if (r == 0.0) {
        r = pdc_copysign(0.0, b);
    } else if ((b < 0.0) != (r < 0.0)) {
        r += b;
        q -= 1.0;
    }
    if (q == 0.0) {
        whole = pdc_copysign(0.0, a / b);
    } else {
        whole = pdc_floor(q);
        if (q - whole > 0.5) whole += 1.0;
    }
    pdc_pair_f64 result = {whole, r};
    return result;
}

//@ pdc_floordiv_f64
/* a // b */
PDC_FN f64 pdc_floordiv_f64(pdc_error *e, f64 a, f64 b) {
    if (PDC_UNLIKELY(b == 0.0)) {
        pdc_raise(e, PDC_ZERO_DIVISION_FLOAT_FLOOR);
        return 0.0;
    }
    return pdc_floatdivmod(a, b).first;
}

//@ pdc_divmod_f64
/* divmod(a, b) */
PDC_FN pdc_pair_f64 pdc_divmod_f64(pdc_error *e, f64 a, f64 b) {
    if (PDC_UNLIKELY(b == 0.0)) {
        pdc_raise(e, PDC_ZERO_DIVISION_FLOAT_DIVMOD);
        pdc_pair_f64 zero = {0.0, 0.0};
        return zero;
    }
    return pdc_floatdivmod(a, b);
}

//@ pdc_is_odd
/* Whether x is an odd integer. */
PDC_FN bool pdc_is_odd(f64 x) {
    x = pdc_fabs(x);
    return x < 9007199254740992.0 && (f64)(i64)x == x && ((i64)x & 1);
}

//@ pdc_pow_f64
/* a ** b */
PDC_SLOW f64 pdc_pow_f64(pdc_error *e, f64 a, f64 b) {
    if (b == 0.0) return 1.0;
    if (pdc_isnan(a)) return a;
    if (pdc_isnan(b)) return a == 1.0 ? 1.0 : b;
    if (pdc_isinf(b)) {
        f64 base = pdc_fabs(a);
        if (base == 1.0) return 1.0;
        return (b > 0.0) == (base > 1.0) ? PDC_INF : 0.0;
    }
    bool odd = pdc_is_odd(b);
    if (pdc_isinf(a)) {
        f64 size = b > 0.0 ? PDC_INF : 0.0;
        return odd ? pdc_copysign(size, a) : size;
    }
    if (a == 0.0) {
        if (b < 0.0) {
            pdc_raise(e, PDC_ZERO_DIVISION_POWER);
            return 0.0;
        }
        return odd ? a : 0.0;
    }
    bool negate = false;
    if (a < 0.0) {
        if (b != pdc_floor(b)) {
            pdc_raise(e, PDC_DEOPT_COMPLEX);
            return 0.0;
        }
        a = -a;
        negate = odd;
    }
    if (a == 1.0) return negate ? -1.0 : 1.0;
    f64 r = pow(a, b);
    if (pdc_isinf(r)) {
        pdc_raise(e, PDC_OVERFLOW_POWER);
        return 0.0;
    }
    return negate ? -r : r;
}

//@ pdc_pow_if64
/* a ** b of ints with b < 0, which is a float */
PDC_FN f64 pdc_pow_if64(pdc_error *e, i64 a, i64 b) {
    if (PDC_UNLIKELY(b >= 0)) {
        pdc_raise(e, PDC_DEOPT_NEGATIVE_EXPONENT);
        return 0.0;
    }
    return pdc_pow_f64(e, (f64)a, (f64)b);
}

//@ pdc_min_f64
/* min(a, b): the first of equals, and of the unordered */
PDC_FN f64 pdc_min_f64(f64 a, f64 b) { return b < a ? b : a; }

//@ pdc_max_f64
/* max(a, b): the first of equals, and of the unordered */
PDC_FN f64 pdc_max_f64(f64 a, f64 b) { return b > a ? b : a; }

//@ pdc_abs_f64
/* abs(a) */
PDC_FN f64 pdc_abs_f64(f64 a) { return pdc_fabs(a); }

//@ pdc_neg_f64
/* -a */
PDC_FN f64 pdc_neg_f64(f64 a) { return -a; }

//@ pdc_is_integer_f64
/* a.is_integer() */
PDC_FN bool pdc_is_integer_f64(f64 a) { return pdc_isfinite(a) && pdc_floor(a) == a; }
