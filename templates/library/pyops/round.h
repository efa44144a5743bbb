/* pyops_round.h: round(x, n) of a float: the decimal nearest to the exact value of x, half to
   even, and then the float nearest to that decimal.  Doubles suffice where x * 10**n is below
   2**52; elsewhere big integers do it. */

//@ pdc_power_of_ten
/* 10**n for 0 <= n <= 22, which doubles hold exactly. */
PDC_TABLE f64 pdc_powers_of_ten[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

PDC_FN f64 pdc_power_of_ten(i64 n) { return pdc_powers_of_ten[n]; }

//@ pdc_product_error
/* a * b - (rounded product), exactly, for products that neither over- nor underflow: each factor
   is split into halves of 26 bits, whose products are exact (Dekker). */
PDC_FN f64 pdc_product_error(f64 a, f64 b, f64 product) {
    f64 ta = a * 134217729.0, tb = b * 134217729.0;
    f64 ah = ta - (ta - a), bh = tb - (tb - b);
    f64 al = a - ah, bl = b - bh;
    return ((ah * bh - product) + ah * bl + al * bh) + al * bl;
}

//@ pdc_big
/* A natural number of up to 1216 bits, in 32-bit limbs, lowest first. */
struct pdc_big {
    u32 limb[38];
};

PDC_COLD void pdc_big_set(pdc_big *a, u64 value) {
    for (int i = 0; i < 38; i++) a->limb[i] = 0;
    a->limb[0] = (u32)value;
    a->limb[1] = (u32)(value >> 32);
}

PDC_COLD void pdc_big_scale(pdc_big *a, u32 factor) {
    u64 carry = 0;
    for (int i = 0; i < 38; i++) {
        carry += (u64)a->limb[i] * factor;
        a->limb[i] = (u32)carry;
        carry >>= 32;
    }
}

PDC_COLD void pdc_big_scale_ten(pdc_big *a, i32 n) {
    for (; n >= 9; n -= 9) pdc_big_scale(a, 1000000000u);
    for (; n > 0; n--) pdc_big_scale(a, 10u);
}

PDC_COLD void pdc_big_shift(pdc_big *a, i32 bits) {
    i32 limbs = bits >> 5, rest = bits & 31;
    for (i32 i = 37; i >= 0; i--) {
        u64 high = i >= limbs ? a->limb[i - limbs] : 0;
        u64 low = i > limbs ? a->limb[i - limbs - 1] : 0;
        a->limb[i] = (u32)(((high << 32 | low) << rest) >> 32);
    }
}

PDC_COLD i32 pdc_big_length(const pdc_big *a) {
    for (i32 i = 37; i >= 0; i--)
        if (a->limb[i]) return 32 * i + 64 - pdc_clz_u64(a->limb[i]);
    return 0;
}

PDC_COLD i32 pdc_big_compare(const pdc_big *a, const pdc_big *b) {
    for (i32 i = 37; i >= 0; i--)
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

PDC_COLD void pdc_big_subtract(pdc_big *a, const pdc_big *b) {
    u64 borrow = 0;
    for (int i = 0; i < 38; i++) {
        u64 t = (u64)a->limb[i] - b->limb[i] - borrow;
        a->limb[i] = (u32)t;
        borrow = t >> 63;
    }
}

/* Bits [from, from + 64) of a, and whether any bit below them is set. */
PDC_COLD u64 pdc_big_bits(const pdc_big *a, i32 from, bool *below) {
    u64 value = 0;
    bool any = false;
    for (i32 i = 0; i < 38; i++) {
        i32 at = 32 * i - from;
        if (at <= -32) any = any || a->limb[i] != 0;
        else if (at < 0) {
            any = any || (a->limb[i] & ((1u << -at) - 1)) != 0;
            value |= a->limb[i] >> -at;
        } else if (at < 64) {
            value |= (u64)a->limb[i] << at;
        }
    }
    *below = any;
    return value;
}

/* `count` bits of the quotient a / b, for a < 2 * b; a becomes what is left, in the scale of b. */
PDC_COLD u64 pdc_big_divide(pdc_big *a, const pdc_big *b, i32 count) {
    u64 q = 0;
    for (i32 i = 0; i < count; i++) {
        if (i != 0) pdc_big_shift(a, 1);
        bool bit = pdc_big_compare(a, b) >= 0;
        if (bit) pdc_big_subtract(a, b);
        q = (q << 1) | bit;
    }
    return q;
}

//@ pdc_compose
/* (bits + something below 1 if sticky) * 2**exponent, rounded half to even; bits != 0. */
PDC_COLD f64 pdc_compose(u64 bits, bool sticky, i32 exponent) {
    i32 zeros = pdc_clz_u64(bits);
    bits <<= zeros;
    i32 top = exponent - zeros + 63; /* the value is in [2**top, 2**(top + 1)) */
    i32 drop = top >= -1022 ? 11 : 11 - 1022 - top;
    if (drop > 64) return 0.0;
    u64 kept = drop == 64 ? 0 : bits >> drop;
    u64 half = 1ULL << (drop - 1), rest = drop == 64 ? bits : bits & ((1ULL << drop) - 1);
    if (rest > half || (rest == half && (sticky || (kept & 1)))) kept++;
    if (top < -1022) return pdc_f64_of_bits(kept);
    if (top > 1023) return PDC_INF;
    return pdc_f64_of_bits(kept + ((u64)(top + 1022) << 52)); /* a carry moves the exponent */
}

//@ pdc_round_wide_right
/* round(m * 2**exponent, n) for n > 0 and exponent < 0; the decimal has at most 56 bits. */
PDC_COLD f64 pdc_round_wide_right(u64 m, i32 exponent, i32 n) {
    pdc_big a, power;
    bool below;
    pdc_big_set(&a, m);
    pdc_big_scale_ten(&a, n);
    u64 decimal = pdc_big_bits(&a, -exponent, &below);
    u64 half = pdc_big_bits(&a, -exponent - 1, &below) & 1;
    decimal += half && (below || (decimal & 1));
    if (decimal == 0) return 0.0;
    pdc_big_set(&a, decimal);
    pdc_big_set(&power, 1);
    pdc_big_scale_ten(&power, n);
    i32 shift = pdc_big_length(&power) - pdc_big_length(&a);
    pdc_big_shift(shift > 0 ? &a : &power, shift > 0 ? shift : -shift);
    u64 q = pdc_big_divide(&a, &power, 64);
    return pdc_compose(q, pdc_big_length(&a) != 0, -63 - shift);
}

//@ pdc_round_wide_left
/* round(m * 2**exponent, -n) for n > 0; the decimal has at most 56 bits. */
PDC_COLD f64 pdc_round_wide_left(u64 m, i32 exponent, i32 n) {
    pdc_big a, power;
    bool below;
    if (exponent < -60) return 0.0; /* below 2**-7 */
    pdc_big_set(&a, m);
    pdc_big_set(&power, 1);
    pdc_big_scale_ten(&power, n);
    pdc_big_shift(exponent > 0 ? &a : &power, exponent > 0 ? exponent : -exponent);
    i32 shift = pdc_big_length(&a) - pdc_big_length(&power);
    if (shift < -1) return 0.0;
    if (shift > 0) pdc_big_shift(&power, shift);
    u64 decimal = pdc_big_divide(&a, &power, shift > 0 ? shift + 1 : 1);
    pdc_big_shift(&a, 1);
    i32 order = pdc_big_compare(&a, &power);
    decimal += order > 0 || (order == 0 && (decimal & 1));
    if (decimal == 0) return 0.0;
    pdc_big_set(&a, decimal);
    pdc_big_scale_ten(&a, n);
    i32 from = pdc_big_length(&a) - 64;
    if (from < 0) from = 0;
    u64 bits = pdc_big_bits(&a, from, &below);
    return pdc_compose(bits, below, from);
}

//@ pdc_round_wide
/* round(x, n) by big integers, for x finite, positive and -308 <= n <= 323. */
PDC_COLD f64 pdc_round_wide(f64 x, i32 n) {
    u64 bits = pdc_bits_f64(x);
    i32 biased = (i32)(bits >> 52);
    u64 m = (bits & 0xfffffffffffffULL) | (biased ? 1ULL << 52 : 0);
    i32 exponent = (biased ? biased : 1) - 1075;
    /* Where 10**-n is less than half a unit in the last place, the decimal is so near that x is
       the float nearest to it. */
    if (exponent - 1.0 > -n * 3.3219280948873623 + 1e-6) return x;
    return n > 0 ? pdc_round_wide_right(m, exponent, n) : pdc_round_wide_left(m, exponent, -n);
}

//@ pdc_round_positive
/* round(x, n) for x finite and positive. */
PDC_FN f64 pdc_round_positive(f64 x, i64 n) {
    if (n >= 0) {
        if (x >= 4503599627370496.0) return x;
        if (n <= 22) {
            f64 p = pdc_power_of_ten(n), product = x * p;
            if (product < 0.25) return 0.0;
            if (product < 4503599627370496.0) {
                f64 rest_low = pdc_product_error(x, p, product), whole = (f64)(i64)product;
                f64 rest = product - whole;
                /* Without branches, since which way a number rounds cannot be predicted. */
                bool tie_up = (rest_low > 0.0) | ((rest_low == 0.0) & (i64)product);
                return (whole + (f64)((rest > 0.5) | ((rest == 0.5) & tie_up))) / p;
            }
        }
    }
    return pdc_round_wide(x, (i32)n);
}

//@ pdc_round_f64_n
/* round(a, n) */
PDC_FN f64 pdc_round_f64_n(pdc_error *e, f64 a, i64 n) {
    if (a == 0.0 || !pdc_isfinite(a) || n > 323) return a;
    if (n < -308) return pdc_copysign(0.0, a);
    f64 r = pdc_round_positive(pdc_fabs(a), n);
    if (PDC_UNLIKELY(pdc_isinf(r))) {
        pdc_raise(e, PDC_OVERFLOW_ROUND);
        return 0.0;
    }
    return pdc_copysign(r, a);
}
