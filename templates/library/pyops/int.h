/* pyops_int.h: Python's `int` operators on 64-bit integers.  A result beyond 64 bits
   deoptimises.  Sections start at a marker naming what they define; compiler/codegen/helper_library.py selects
   them.  After an error a helper returns a harmless value. */

//@ pdc_pair_i64
/* Result of divmod. */
struct pdc_pair_i64 {
    i64 first, second;
};

//@ pdc_add_i64
/* a + b */
PDC_FN i64 pdc_add_i64(pdc_error *e, i64 a, i64 b) {
    i64 r;
    if (PDC_UNLIKELY(pdc_add_overflow(a, b, &r))) pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
    return r;
}

//@ pdc_sub_i64
/* a - b */
PDC_FN i64 pdc_sub_i64(pdc_error *e, i64 a, i64 b) {
    i64 r;
    if (PDC_UNLIKELY(pdc_sub_overflow(a, b, &r))) pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
    return r;
}

//@ pdc_mul_i64
/* a * b */
PDC_FN i64 pdc_mul_i64(pdc_error *e, i64 a, i64 b) {
    i64 r;
    if (PDC_UNLIKELY(pdc_mul_overflow(a, b, &r))) pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
    return r;
}

//@ pdc_neg_i64
/* -a */
PDC_FN i64 pdc_neg_i64(pdc_error *e, i64 a) {
    if (PDC_UNLIKELY(a == PDC_I64_MIN)) {
        pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
        return 0;
    }
    return -a;
}

//@ pdc_abs_i64
/* abs(a) */
PDC_FN i64 pdc_abs_i64(pdc_error *e, i64 a) {
    if (PDC_UNLIKELY(a == PDC_I64_MIN)) {
        pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
        return 0;
    }
    return a < 0 ? -a : a;
}

//@ pdc_magnitude
/* |a| without overflow. */
PDC_FN u64 pdc_magnitude(i64 a) { return a < 0 ? 0 - (u64)a : (u64)a; }

//@ pdc_floordiv_by
/* a // b, where b is neither 0 nor -1 */
PDC_FN i64 pdc_floordiv_by(i64 a, i64 b) {
    i64 q = a / b, r = a % b;
    return q - ((r != 0) & ((r ^ b) < 0));
}

//@ pdc_mod_by
/* a % b, where b is neither 0 nor -1 */
PDC_FN i64 pdc_mod_by(i64 a, i64 b) {
    i64 r = a % b;
    return r + (((r != 0) & ((r ^ b) < 0)) ? b : 0);
}

//@ pdc_floordiv_i64
/* a // b */
PDC_FN i64 pdc_floordiv_i64(pdc_error *e, i64 a, i64 b) {
    if (PDC_UNLIKELY(b == 0)) {
        pdc_raise(e, PDC_ZERO_DIVISION_INT);
        return 0;
    }
    if (PDC_UNLIKELY(b == -1)) return pdc_neg_i64(e, a);
    return pdc_floordiv_by(a, b);
}

//@ pdc_mod_i64
/* a % b */
PDC_FN i64 pdc_mod_i64(pdc_error *e, i64 a, i64 b) {
    if (PDC_UNLIKELY(b == 0)) {
        pdc_raise(e, PDC_ZERO_DIVISION_INT_MODULO);
        return 0;
    }
    if (PDC_UNLIKELY(b == -1)) return 0;
    return pdc_mod_by(a, b);
}

//@ pdc_divmod_i64
/* divmod(a, b) */
PDC_FN pdc_pair_i64 pdc_divmod_i64(pdc_error *e, i64 a, i64 b) {
    pdc_pair_i64 result = {0, 0};
    if (PDC_UNLIKELY(b == 0)) {
        pdc_raise(e, PDC_ZERO_DIVISION_INT_DIVMOD);
        return result;
    }
    result.first = pdc_floordiv_i64(e, a, b);
    result.second = pdc_mod_i64(e, a, b);
    return result;
}

//@ pdc_truediv_wide
/* ua / ub correctly rounded, for magnitudes up to 2**63, ub != 0, of which one is beyond 2**53:
   produce at least 56 bits of quotient, fold the rest into the last bit, round once. */
PDC_COLD f64 pdc_truediv_wide(u64 ua, u64 ub) {
    u64 q = ua / ub, r = ua % ub;
    f64 scale = 1.0;
    if (ua == 0) return 0.0;
    while (q < (1ULL << 55)) {
        r <<= 1; /* r < ub <= 2**63: no carry is lost */
        u64 bit = r >= ub;
        r -= bit ? ub : 0;
        q = (q << 1) | bit;
        scale *= 0.5;
    }
    return (f64)(q | (r != 0)) * scale;
}

//@ pdc_truediv_i64
/* a / b, correctly rounded as CPython does */
PDC_FN f64 pdc_truediv_i64(pdc_error *e, i64 a, i64 b) {
    if (PDC_UNLIKELY(b == 0)) {
        pdc_raise(e, PDC_ZERO_DIVISION_TRUE);
        return 0.0;
    }
    u64 ua = pdc_magnitude(a), ub = pdc_magnitude(b);
    if (PDC_LIKELY((ua | ub) <= (1ULL << 53))) return (f64)a / (f64)b;
    f64 q = pdc_truediv_wide(ua, ub);
    return (a < 0) != (b < 0) ? -q : q;
}

//@ pdc_pow_i64
/* a ** b with b >= 0 (a negative exponent gives a float: see pdc_pow_if64) */
PDC_SLOW i64 pdc_pow_i64(pdc_error *e, i64 a, i64 b) {
    if (b < 0) {
        pdc_raise(e, a == 0 ? PDC_ZERO_DIVISION_POWER : PDC_DEOPT_NEGATIVE_EXPONENT);
        return 0;
    }
    i64 result = 1;
    for (;;) {
        bool over = (b & 1) && pdc_mul_overflow(result, a, &result);
        b >>= 1;
        if (b == 0 && !over) return result;
        if (over || pdc_mul_overflow(a, a, &a)) { /* a higher bit of b is left, and needs a*a */
            pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
            return 0;
        }
    }
}

//@ pdc_mulmod_u64
/* a * b % m for a, b < m < 2**63 */
PDC_FN u64 pdc_mulmod_u64(u64 a, u64 b, u64 m) {
    u64 high = pdc_mulhi_u64(a, b), low = a * b;
    if (high == 0) return low % m;
    for (int i = 0; i < 64; i++) { /* long division; high < m, so the shift loses nothing */
        high = (high << 1) | (low >> 63);
        low <<= 1;
        if (high >= m) high -= m;
    }
    return high;
}

//@ pdc_powmod_i64
/* pow(a, b, m) */
PDC_SLOW i64 pdc_powmod_i64(pdc_error *e, i64 a, i64 b, i64 m) {
    if (m == 0) {
        pdc_raise(e, PDC_VALUE_POW_MODULUS);
        return 0;
    }
    if (m == PDC_I64_MIN) { /* its magnitude does not fit: rare enough to leave */
        pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
        return 0;
    }
    u64 n = pdc_magnitude(m), base = pdc_magnitude(a) % n, result = 1 % n;
    if (a < 0 && base != 0) base = n - base;
    u64 exponent = pdc_magnitude(b);
    if (b < 0) { /* the inverse of base, by Euclid */
        i64 r0 = (i64)n, r1 = (i64)base, t0 = 0, t1 = 1;
        while (r1 != 0) {
            i64 q = r0 / r1, r = r0 - q * r1, t = t0 - q * t1;
            r0 = r1, r1 = r, t0 = t1, t1 = t;
        }
        if (r0 != 1) {
            pdc_raise(e, PDC_VALUE_POW_NOT_INVERTIBLE);
            return 0;
        }
        base = n == 1 ? 0 : (u64)(t0 < 0 ? t0 + (i64)n : t0);
    }
    for (; exponent != 0; exponent >>= 1) {
        if (exponent & 1) result = pdc_mulmod_u64(result, base, n);
        base = pdc_mulmod_u64(base, base, n);
    }
    return m < 0 && result != 0 ? (i64)result + m : (i64)result;
}

//@ pdc_lshift_i64
/* a << b */
PDC_FN i64 pdc_lshift_i64(pdc_error *e, i64 a, i64 b) {
    if (PDC_UNLIKELY((u64)b > 63)) {
        if (b < 0) pdc_raise(e, PDC_VALUE_NEGATIVE_SHIFT);
        else if (a != 0) pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
        return 0;
    }
    i64 r = (i64)((u64)a << b);
    if (PDC_UNLIKELY((r >> b) != a)) pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
    return r;
}

//@ pdc_rshift_i64
/* a >> b */
PDC_FN i64 pdc_rshift_i64(pdc_error *e, i64 a, i64 b) {
    if (PDC_UNLIKELY(b < 0)) {
        pdc_raise(e, PDC_VALUE_NEGATIVE_SHIFT);
        return 0;
    }
    return a >> (b > 63 ? 63 : b);
}

//@ pdc_min_i64
/* min(a, b) */
PDC_FN i64 pdc_min_i64(i64 a, i64 b) { return b < a ? b : a; }

//@ pdc_max_i64
/* max(a, b) */
PDC_FN i64 pdc_max_i64(i64 a, i64 b) { return b > a ? b : a; }

//@ pdc_bit_length_i64
/* a.bit_length() */
PDC_FN i64 pdc_bit_length_i64(i64 a) { return 64 - pdc_clz_u64(pdc_magnitude(a)); }

//@ pdc_bit_count_i64
/* a.bit_count() */
PDC_FN i64 pdc_bit_count_i64(i64 a) { return pdc_popcount_u64(pdc_magnitude(a)); }

//@ pdc_round_i64_n
/* round(a, n): half to even at a negative n */
PDC_SLOW i64 pdc_round_i64_n(pdc_error *e, i64 a, i64 n) {
    if (n >= 0) return a;
    if (n < -19) return 0;
    u64 unit = 1, magnitude = pdc_magnitude(a);
    for (; n < 0; n++) unit *= 10; /* 10**19 < 2**64 */
    u64 q = magnitude / unit, r = magnitude % unit;
    if (r > unit - r || (r == unit - r && (q & 1))) q++;
    u64 limit = a < 0 ? 1ULL << 63 : (1ULL << 63) - 1;
    if (q != 0 && unit > limit / q) {
        pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
        return 0;
    }
    return a < 0 ? (i64)(0 - q * unit) : (i64)(q * unit);
}
