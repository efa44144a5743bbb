/* pyops_wide.h: Python's `int` in 128 bits, two's complement, for what 64 bits do not hold: hashes,
   products that are masked or reduced at once, constants from 2**63 on.  A result beyond 128 bits
   deoptimises.  Written with 64-bit words, so that every compiler has it. */

//@ pdc_wide pdc_wide_i64 pdc_wide_u64
/* An int of 128 bits. */
struct pdc_wide {
    u64 lo;
    i64 hi;
};
PDC_FN pdc_wide pdc_wide_i64(i64 a) { return pdc_wide{(u64)a, a >> 63}; }
PDC_FN pdc_wide pdc_wide_u64(u64 a) { return pdc_wide{a, 0}; }
PDC_FN bool operator==(const pdc_wide &a, const pdc_wide &b) { return a.lo == b.lo && a.hi == b.hi; }
PDC_FN bool operator!=(const pdc_wide &a, const pdc_wide &b) { return !(a == b); }
PDC_FN bool operator<(const pdc_wide &a, const pdc_wide &b) {
    return a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo);
}
PDC_FN bool operator>(const pdc_wide &a, const pdc_wide &b) { return b < a; }
PDC_FN bool operator<=(const pdc_wide &a, const pdc_wide &b) { return !(b < a); }
PDC_FN bool operator>=(const pdc_wide &a, const pdc_wide &b) { return !(a < b); }
PDC_FN void pdc_copy_item(pdc_wide &to, const i64 &from) { to = pdc_wide_i64(from); }
PDC_FN u32 pdc_hash(const pdc_wide &key) {
    return (u32)((key.lo * 0x9e3779b97f4a7c15ULL ^ (u64)key.hi * 0xc2b2ae3d27d4eb4fULL) >> 32);
}

//@ pdc_wide_fits
/* Whether a has 64 bits. */
PDC_FN bool pdc_wide_fits(pdc_wide a) { return a.hi == (i64)a.lo >> 63; }

//@ pdc_i64_of_wide
/* a where 64 bits are wanted; more deoptimise */
PDC_FN i64 pdc_i64_of_wide(pdc_error *e, pdc_wide a) {
    if (PDC_UNLIKELY(!pdc_wide_fits(a))) pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
    return (i64)a.lo;
}

//@ pdc_u64_of_wide
/* a as the value of a np.uint64; others deoptimise */
PDC_FN u64 pdc_u64_of_wide(pdc_error *e, pdc_wide a) {
    if (PDC_UNLIKELY(a.hi != 0)) pdc_raise(e, PDC_DEOPT_TYPE);
    return a.lo;
}

//@ pdc_np_of_wide
/* T(v) of a Python int: OverflowError if it does not fit.  pdc_np_of_wide<u64>(e, v) */
template <class T> PDC_FN T pdc_np_of_wide(pdc_error *e, pdc_wide v) {
    const bool whole = !pdc_is_signed<T> && sizeof(T) == 8;
    if (PDC_UNLIKELY(whole ? v.hi != 0 : !(pdc_wide_fits(v) && pdc_np_fits<T>((i64)v.lo))))
        pdc_raise(e, PDC_OVERFLOW_NUMPY_RANGE);
    return (T)v.lo;
}

//@ pdc_add_wide
/* a + b */
PDC_FN pdc_wide pdc_add_wide(pdc_error *e, pdc_wide a, pdc_wide b) {
    pdc_wide r;
    r.lo = a.lo + b.lo;
    r.hi = (i64)((u64)a.hi + (u64)b.hi + (r.lo < a.lo));
    if (PDC_UNLIKELY(((a.hi ^ r.hi) & (b.hi ^ r.hi)) < 0)) pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
    return r;
}

//@ pdc_sub_wide
/* a - b */
PDC_FN pdc_wide pdc_sub_wide(pdc_error *e, pdc_wide a, pdc_wide b) {
    pdc_wide r;
    r.lo = a.lo - b.lo;
    r.hi = (i64)((u64)a.hi - (u64)b.hi - (a.lo < b.lo));
    if (PDC_UNLIKELY(((a.hi ^ b.hi) & (a.hi ^ r.hi)) < 0)) pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
    return r;
}

//@ pdc_wide_negated
/* -a, which wraps for the least of all. */
PDC_FN pdc_wide pdc_wide_negated(pdc_wide a) {
    return pdc_wide{0 - a.lo, (i64)(0 - (u64)a.hi - (a.lo != 0))};
}

//@ pdc_neg_wide
/* -a */
PDC_FN pdc_wide pdc_neg_wide(pdc_error *e, pdc_wide a) {
    if (PDC_UNLIKELY(a.lo == 0 && a.hi == PDC_I64_MIN)) pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
    return pdc_wide_negated(a);
}

//@ pdc_abs_wide
/* abs(a) */
PDC_FN pdc_wide pdc_abs_wide(pdc_error *e, pdc_wide a) { return a.hi < 0 ? pdc_neg_wide(e, a) : a; }

//@ pdc_wide_magnitude
/* |a| as 128 bits without a sign, the high word as its bits. */
PDC_FN pdc_wide pdc_wide_magnitude(pdc_wide a) { return a.hi < 0 ? pdc_wide_negated(a) : a; }

//@ pdc_mul_of_i64
/* a * b of two ints of 64 bits, which never overflows */
PDC_FN pdc_wide pdc_mul_of_i64(i64 a, i64 b) {
    u64 hi = pdc_mulhi_u64((u64)a, (u64)b);
    hi -= a < 0 ? (u64)b : 0;
    hi -= b < 0 ? (u64)a : 0;
    return pdc_wide{(u64)a * (u64)b, (i64)hi};
}

//@ pdc_mul_wide
/* a * b */
PDC_FN pdc_wide pdc_mul_wide(pdc_error *e, pdc_wide a, pdc_wide b) {
    if (PDC_LIKELY(pdc_wide_fits(a) && pdc_wide_fits(b))) return pdc_mul_of_i64((i64)a.lo, (i64)b.lo);
    const bool negative = (a.hi < 0) != (b.hi < 0);
    const pdc_wide x = pdc_wide_magnitude(a), y = pdc_wide_magnitude(b);
    const u64 xh = (u64)x.hi, yh = (u64)y.hi;
    const u64 cross = xh * y.lo + yh * x.lo, carry = pdc_mulhi_u64(x.lo, y.lo);
    pdc_wide r = {x.lo * y.lo, (i64)(cross + carry)};
    bool over = (xh && yh) || (xh && pdc_mulhi_u64(xh, y.lo)) || (yh && pdc_mulhi_u64(yh, x.lo));
    over = over || (u64)r.hi < carry;
    if (over || (r.hi < 0 && !(negative && r.lo == 0 && r.hi == PDC_I64_MIN)))
        pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
    return negative ? pdc_wide_negated(r) : r;
}

//@ pdc_wide_step
/* high:low / b for high < b, by halves (Knuth's algorithm D); *r is the remainder. */
PDC_FN u64 pdc_wide_step(u64 high, u64 low, u64 b, u64 *r) {
    const i32 s = pdc_clz_u64(b);
    const u64 half = 0xffffffffULL;
    b <<= s;
    const u64 b1 = b >> 32, b0 = b & half;
    const u64 top = s ? high << s | low >> (64 - s) : high;
    const u64 rest = low << s;
    u64 q1 = top / b1, left = top - q1 * b1;
    while (q1 > half || q1 * b0 > (left << 32 | rest >> 32)) {
        --q1;
        left += b1;
        if (left > half) break;
    }
    const u64 middle = (top << 32) + (rest >> 32) - q1 * b;
    u64 q0 = middle / b1;
    left = middle - q0 * b1;
    while (q0 > half || q0 * b0 > (left << 32 | (rest & half))) {
        --q0;
        left += b1;
        if (left > half) break;
    }
    *r = ((middle << 32) + (rest & half) - q0 * b) >> s;
    return (q1 << 32) + q0;
}

//@ pdc_wide_divide
/* |a| / |b| of magnitudes, b != 0; *r is the remainder. */
PDC_SLOW pdc_wide pdc_wide_divide(pdc_wide a, pdc_wide b, pdc_wide *r) {
    if (b.hi == 0) {
        u64 rest = (u64)a.hi % b.lo;
        pdc_wide q = {0, (i64)((u64)a.hi / b.lo)};
        q.lo = pdc_wide_step(rest, a.lo, b.lo, &rest);
        *r = pdc_wide_u64(rest);
        return q;
    }
    u64 high = (u64)a.hi, low = a.lo, q = 0; /* the quotient has at most 64 bits */
    u64 rh = 0, rl = high;
    for (i32 n = 0; n < 64; ++n) {
        rh = rh << 1 | rl >> 63;
        rl = rl << 1 | low >> 63;
        low <<= 1;
        const bool bit = rh > (u64)b.hi || (rh == (u64)b.hi && rl >= b.lo);
        if (bit) {
            rh -= (u64)b.hi + (rl < b.lo);
            rl -= b.lo;
        }
        q = q << 1 | bit;
    }
    *r = pdc_wide{rl, (i64)rh};
    return pdc_wide_u64(q);
}

//@ pdc_wide_floor
/* a // b and, in *r, a % b, for b != 0. */
PDC_FN pdc_wide pdc_wide_floor(pdc_error *e, pdc_wide a, pdc_wide b, pdc_wide *r) {
    pdc_wide rest;
    pdc_wide q = pdc_wide_divide(pdc_wide_magnitude(a), pdc_wide_magnitude(b), &rest);
    const bool differ = (a.hi < 0) != (b.hi < 0), exact = rest.lo == 0 && rest.hi == 0;
    if (!differ && q.hi < 0) pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
    if (differ) q = pdc_wide_negated(q);
    if (differ && !exact) {
        q.hi -= q.lo == 0;
        q.lo -= 1;
        const pdc_wide size = pdc_wide_magnitude(b);
        rest.hi = (i64)((u64)size.hi - (u64)rest.hi - (size.lo < rest.lo));
        rest.lo = size.lo - rest.lo;
    }
    *r = b.hi < 0 ? pdc_wide_negated(rest) : rest;
    return q;
}

//@ pdc_floordiv_wide
/* a // b */
PDC_FN pdc_wide pdc_floordiv_wide(pdc_error *e, pdc_wide a, pdc_wide b) {
    if (PDC_UNLIKELY(b.lo == 0 && b.hi == 0)) {
        pdc_raise(e, PDC_ZERO_DIVISION_INT);
        return b;
    }
    pdc_wide r;
    return pdc_wide_floor(e, a, b, &r);
}

//@ pdc_mod_wide
/* a % b */
PDC_FN pdc_wide pdc_mod_wide(pdc_error *e, pdc_wide a, pdc_wide b) {
    if (PDC_UNLIKELY(b.lo == 0 && b.hi == 0)) {
        pdc_raise(e, PDC_ZERO_DIVISION_INT_MODULO);
        return b;
    }
    if ((b.hi & (i64)b.lo) == -1) return pdc_wide_u64(0);
    pdc_wide r;
    pdc_wide_floor(e, a, b, &r);
    return r;
}

//@ pdc_mod_wide_i64
/* a % b, which has as many bits as b */
PDC_FN i64 pdc_mod_wide_i64(pdc_error *e, pdc_wide a, i64 b) {
    if (PDC_LIKELY(pdc_wide_fits(a))) return pdc_mod_i64(e, (i64)a.lo, b);
    return (i64)pdc_mod_wide(e, a, pdc_wide_i64(b)).lo;
}

//@ pdc_floordiv_wide_i64
/* a // b for an int b of 64 bits */
PDC_FN pdc_wide pdc_floordiv_wide_i64(pdc_error *e, pdc_wide a, i64 b) {
    if (PDC_LIKELY(pdc_wide_fits(a) && b != -1)) return pdc_wide_i64(pdc_floordiv_i64(e, (i64)a.lo, b));
    return pdc_floordiv_wide(e, a, pdc_wide_i64(b));
}

//@ pdc_f64_of_wide
/* float(a), correctly rounded */
PDC_FN f64 pdc_f64_of_wide(pdc_wide a) {
    if (PDC_LIKELY(pdc_wide_fits(a))) return (f64)(i64)a.lo;
    const pdc_wide m = pdc_wide_magnitude(a);
    f64 x = (f64)m.lo;
    if (m.hi != 0) {
        const i32 n = pdc_clz_u64((u64)m.hi);
        u64 top = (u64)m.hi << n | (n ? m.lo >> (64 - n) : 0);
        top |= (m.lo << n) != 0; /* what is cut off shows in the last bit: it rounds once */
        x = (f64)top * pdc_f64_of_bits((u64)(1023 + 64 - n) << 52);
    }
    return a.hi < 0 ? -x : x;
}

//@ pdc_truediv_wide128
/* a / b, correctly rounded: produce at least 56 bits of quotient, fold the rest into the last bit. */
PDC_SLOW f64 pdc_truediv_wide128(pdc_error *e, pdc_wide a, pdc_wide b) {
    if (PDC_UNLIKELY(b.lo == 0 && b.hi == 0)) {
        pdc_raise(e, PDC_ZERO_DIVISION_TRUE);
        return 0.0;
    }
    const bool negative = (a.hi < 0) != (b.hi < 0);
    pdc_wide m = pdc_wide_magnitude(a), d = pdc_wide_magnitude(b), r;
    if (pdc_popcount_u64(d.lo) + pdc_popcount_u64((u64)d.hi) == 1) {
        const f64 x = pdc_f64_of_wide(a) / pdc_fabs(pdc_f64_of_wide(d));
        return b.hi < 0 ? -x : x;
    }
    pdc_wide q = pdc_wide_divide(m, d, &r);
    if (m.lo == 0 && m.hi == 0) return negative ? -0.0 : 0.0;
    f64 scale = 1.0;
    while (q.hi != 0) { /* more bits than are needed */
        r.lo |= q.lo & 1;
        q.lo = q.lo >> 1 | (u64)q.hi << 63;
        q.hi = (i64)((u64)q.hi >> 1);
        scale *= 2.0;
    }
    while (q.lo < (1ULL << 55)) {
        r.hi = (i64)((u64)r.hi << 1 | r.lo >> 63);
        r.lo <<= 1;
        const bool bit = (u64)r.hi > (u64)d.hi || (r.hi == d.hi && r.lo >= d.lo);
        if (bit) {
            r.hi = (i64)((u64)r.hi - (u64)d.hi - (r.lo < d.lo));
            r.lo -= d.lo;
        }
        q.lo = q.lo << 1 | bit;
        scale *= 0.5;
    }
    const f64 x = (f64)(q.lo | (r.lo != 0 || r.hi != 0)) * scale;
    return negative ? -x : x;
}

//@ pdc_and_wide pdc_or_wide pdc_xor_wide pdc_invert_wide
/* a & b, a | b, a ^ b, ~a */
PDC_FN pdc_wide pdc_and_wide(pdc_wide a, pdc_wide b) { return pdc_wide{a.lo & b.lo, a.hi & b.hi}; }
PDC_FN pdc_wide pdc_or_wide(pdc_wide a, pdc_wide b) { return pdc_wide{a.lo | b.lo, a.hi | b.hi}; }
PDC_FN pdc_wide pdc_xor_wide(pdc_wide a, pdc_wide b) { return pdc_wide{a.lo ^ b.lo, a.hi ^ b.hi}; }
PDC_FN pdc_wide pdc_invert_wide(pdc_wide a) { return pdc_wide{~a.lo, ~a.hi}; }

//@ pdc_rshift_wide
/* a >> b */
PDC_FN pdc_wide pdc_rshift_wide(pdc_error *e, pdc_wide a, i64 b) {
    if (PDC_UNLIKELY(b < 0)) {
        pdc_raise(e, PDC_VALUE_NEGATIVE_SHIFT);
        return a;
    }
    if (b == 0) return a;
    if (b > 63) return pdc_wide_i64(a.hi >> (b > 127 ? 63 : b - 64));
    return pdc_wide{a.lo >> b | (u64)a.hi << (64 - b), a.hi >> b};
}

//@ pdc_lshift_wide
/* a << b */
PDC_FN pdc_wide pdc_lshift_wide(pdc_error *e, pdc_wide a, i64 b) {
    if (PDC_UNLIKELY(b < 0)) {
        pdc_raise(e, PDC_VALUE_NEGATIVE_SHIFT);
        return a;
    }
    if (b == 0 || (a.lo == 0 && a.hi == 0)) return a;
    pdc_wide r = {0, (i64)a.lo};
    if (b < 64) r = pdc_wide{a.lo << b, (i64)((u64)a.hi << b | a.lo >> (64 - b))};
    else if (b < 128) r.hi = (i64)(a.lo << (b - 64));
    if (b > 127 || pdc_rshift_wide(e, r, b) != a) pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
    return r;
}

//@ pdc_pow_wide
/* a ** b for b >= 0 */
PDC_SLOW pdc_wide pdc_pow_wide(pdc_error *e, pdc_wide a, i64 b) {
    if (b < 0) {
        pdc_raise(e, a.lo == 0 && a.hi == 0 ? PDC_ZERO_DIVISION_POWER : PDC_DEOPT_NEGATIVE_EXPONENT);
        return a;
    }
    pdc_wide result = pdc_wide_u64(1);
    for (;;) {
        if (b & 1) result = pdc_mul_wide(e, result, a);
        b >>= 1;
        if (b == 0 || e->code != 0) return result;
        a = pdc_mul_wide(e, a, a);
    }
}

//@ pdc_bit_length_wide pdc_bit_count_wide
/* a.bit_length(), a.bit_count() */
PDC_FN i64 pdc_bit_length_wide(pdc_wide a) {
    const pdc_wide m = pdc_wide_magnitude(a);
    return m.hi != 0 ? 128 - pdc_clz_u64((u64)m.hi) : 64 - pdc_clz_u64(m.lo);
}
PDC_FN i64 pdc_bit_count_wide(pdc_wide a) {
    const pdc_wide m = pdc_wide_magnitude(a);
    return pdc_popcount_u64(m.lo) + pdc_popcount_u64((u64)m.hi);
}

//@ pdc_wide_order
/* -1, 0 or 1 as a is less than, equal to or greater than x, exactly; 2 if x is NaN. */
PDC_FN i32 pdc_wide_order(pdc_wide a, f64 x) {
    if (x != x) return 2;
    if (x >= 170141183460469231731687303715884105728.0) return -1;
    if (x < -170141183460469231731687303715884105728.0) return 1;
    pdc_wide whole;
    f64 part = 0.0;
    if (x > -9007199254740992.0 && x < 9007199254740992.0) {
        whole = pdc_wide_i64((i64)x);
        part = x - (f64)(i64)x;
    } else {
        const u64 bits = pdc_bits_f64(x);
        const i32 shift = (i32)(bits >> 52 & 0x7ff) - 1075;
        const u64 m = (bits & 0xfffffffffffffULL) | 1ULL << 52;
        whole = shift == 0 ? pdc_wide_u64(m)
            : shift < 64   ? pdc_wide{m << shift, (i64)(m >> (64 - shift))}
                           : pdc_wide{0, (i64)(m << (shift - 64))};
        if (x < 0.0) whole = pdc_wide_negated(whole);
    }
    if (a != whole) return a < whole ? -1 : 1;
    return part > 0.0 ? -1 : part < 0.0 ? 1 : 0;
}

//@ pdc_lt_wide_f64 pdc_le_wide_f64 pdc_gt_wide_f64 pdc_ge_wide_f64 pdc_eq_wide_f64 pdc_ne_wide_f64
/* a < x and the others, exactly */
PDC_FN bool pdc_lt_wide_f64(pdc_wide a, f64 x) { return pdc_wide_order(a, x) == -1; }
PDC_FN bool pdc_le_wide_f64(pdc_wide a, f64 x) { return pdc_wide_order(a, x) <= 0; }
PDC_FN bool pdc_gt_wide_f64(pdc_wide a, f64 x) { return pdc_wide_order(a, x) == 1; }
PDC_FN bool pdc_ge_wide_f64(pdc_wide a, f64 x) { const i32 n = pdc_wide_order(a, x); return n == 0 || n == 1; }
PDC_FN bool pdc_eq_wide_f64(pdc_wide a, f64 x) { return pdc_wide_order(a, x) == 0; }
PDC_FN bool pdc_ne_wide_f64(pdc_wide a, f64 x) { return pdc_wide_order(a, x) != 0; }

//@ pdc_low_shl
/* The low 64 bits of a << b. */
PDC_FN u64 pdc_low_shl(pdc_error *e, u64 a, i64 b) {
    if (PDC_UNLIKELY((u64)b > 63)) {
        if (b < 0) pdc_raise(e, PDC_VALUE_NEGATIVE_SHIFT);
        else if (b > 4096) pdc_raise(e, PDC_DEOPT_INT_OVERFLOW); /* Python may run out of memory */
        return 0;
    }
    return a << b;
}
