/* pyops_math_int.h: the functions of the math module on ints. */

//@ pdc_gcd_u64
/* The greatest common divisor; 0 of 0 and 0. */
PDC_FN u64 pdc_gcd_u64(u64 a, u64 b) {
    while (b != 0) {
        u64 r = a % b;
        a = b;
        b = r;
    }
    return a;
}

//@ pdc_i64_of_u64
/* A natural number as an int. */
PDC_FN i64 pdc_i64_of_u64(pdc_error *e, u64 a) {
    if (PDC_UNLIKELY(a > (u64)PDC_I64_MAX)) {
        pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
        return 0;
    }
    return (i64)a;
}

//@ pdc_gcd_i64
/* math.gcd(a, b) */
PDC_FN i64 pdc_gcd_i64(pdc_error *e, i64 a, i64 b) {
    return pdc_i64_of_u64(e, pdc_gcd_u64(pdc_magnitude(a), pdc_magnitude(b)));
}

//@ pdc_lcm_i64
/* math.lcm(a, b) */
PDC_FN i64 pdc_lcm_i64(pdc_error *e, i64 a, i64 b) {
    if (a == 0 || b == 0) return 0;
    u64 ua = pdc_magnitude(a), ub = pdc_magnitude(b);
    ua /= pdc_gcd_u64(ua, ub);
    if (PDC_UNLIKELY(pdc_mulhi_u64(ua, ub) != 0)) {
        pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
        return 0;
    }
    return pdc_i64_of_u64(e, ua * ub);
}

//@ pdc_factorial_i64
/* math.factorial(n) */
PDC_FN i64 pdc_factorial_i64(pdc_error *e, i64 n) {
    if (PDC_UNLIKELY((u64)n > 20)) {
        pdc_raise(e, n < 0 ? PDC_VALUE_FACTORIAL : PDC_DEOPT_INT_OVERFLOW);
        return 0;
    }
    i64 r = 1;
    for (i64 i = 2; i <= n; i++) r *= i;
    return r;
}

//@ pdc_isqrt_i64
/* math.isqrt(n): the estimate by floats is off by one at most */
PDC_FN i64 pdc_isqrt_i64(pdc_error *e, i64 n) {
    if (PDC_UNLIKELY(n < 0)) {
        pdc_raise(e, PDC_VALUE_ISQRT);
        return 0;
    }
    u64 r = (u64)pdc_sqrt((f64)n);
    if (r * r > (u64)n) r--;
    else if ((r + 1) * (r + 1) <= (u64)n) r++;
    return (i64)r;
}

//@ pdc_choice_bad
/* The argument checks of comb and perm; they look at n first. */
PDC_FN bool pdc_choice_bad(pdc_error *e, i64 n, i64 k) {
    if (PDC_LIKELY(n >= 0 && k >= 0)) return false;
    pdc_raise(e, n < 0 ? PDC_VALUE_COMB_N : PDC_VALUE_COMB_K);
    return true;
}

//@ pdc_comb_i64
/* math.comb(n, k).  Each partial result is a smaller binomial, so one that overflows means that
   the result does. */
PDC_SLOW i64 pdc_comb_i64(pdc_error *e, i64 n, i64 k) {
    if (pdc_choice_bad(e, n, k) || k > n) return 0;
    if (k > n - k) k = n - k;
    u64 r = 1;
    for (u64 i = 1; i <= (u64)k; i++) {
        u64 g = pdc_gcd_u64(r, i), factor = ((u64)(n - k) + i) / (i / g);
        r /= g;
        if (pdc_mulhi_u64(r, factor) != 0 || r * factor > (u64)PDC_I64_MAX) {
            pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
            return 0;
        }
        r *= factor;
    }
    return (i64)r;
}

//@ pdc_perm_i64
/* math.perm(n, k) */
PDC_SLOW i64 pdc_perm_i64(pdc_error *e, i64 n, i64 k) {
    if (pdc_choice_bad(e, n, k) || k > n) return 0;
    i64 r = 1;
    for (i64 i = 0; i < k; i++) {
        if (pdc_mul_overflow(r, n - i, &r)) {
            pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
            return 0;
        }
    }
    return r;
}
