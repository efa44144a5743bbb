/* pyops_convert.h: conversions between int and float, and comparisons across them. */

//@ pdc_f64_of_i64
/* float(a): rounds half to even, as CPython does */
PDC_FN f64 pdc_f64_of_i64(i64 a) { return (f64)a; }

//@ pdc_bool_i64
/* bool(a) */
PDC_FN bool pdc_bool_i64(i64 a) { return a != 0; }

//@ pdc_bool_f64
/* bool(a); NaN is true */
PDC_FN bool pdc_bool_f64(f64 a) { return a != 0.0; }

//@ pdc_not_an_i64
/* Why a float is no 64-bit integer. */
PDC_COLD i64 pdc_not_an_i64(pdc_error *e, f64 a) {
    pdc_raise(e, pdc_isnan(a)   ? PDC_VALUE_NAN_TO_INT
                 : pdc_isinf(a) ? PDC_OVERFLOW_INF_TO_INT
                                : PDC_DEOPT_INT_OVERFLOW);
    return 0;
}

//@ pdc_fits_i64
/* Whether trunc(a), floor(a), ceil(a) and round(a) fit: beyond 2**53 all floats are integers. */
PDC_FN bool pdc_fits_i64(f64 a) {
    return a >= -9223372036854775808.0 && a < 9223372036854775808.0;
}

//@ pdc_int_f64
/* int(a), math.trunc(a) */
PDC_FN i64 pdc_int_f64(pdc_error *e, f64 a) {
    if (PDC_UNLIKELY(!pdc_fits_i64(a))) return pdc_not_an_i64(e, a);
    return (i64)a;
}

//@ pdc_floor_f64
/* math.floor(a) */
PDC_FN i64 pdc_floor_f64(pdc_error *e, f64 a) {
    if (PDC_UNLIKELY(!pdc_fits_i64(a))) return pdc_not_an_i64(e, a);
    i64 t = (i64)a;
    return t - ((f64)t > a);
}

//@ pdc_ceil_f64
/* math.ceil(a) */
PDC_FN i64 pdc_ceil_f64(pdc_error *e, f64 a) {
    if (PDC_UNLIKELY(!pdc_fits_i64(a))) return pdc_not_an_i64(e, a);
    i64 t = (i64)a;
    return t + ((f64)t < a);
}

//@ pdc_round_f64
/* round(a): half to even, as an int */
PDC_FN i64 pdc_round_f64(pdc_error *e, f64 a) {
    if (PDC_UNLIKELY(!pdc_fits_i64(a))) return pdc_not_an_i64(e, a);
    i64 t = (i64)a;
    f64 rest = a - (f64)t; /* exact, and in (-1, 1) */
    i64 up = (rest > 0.5) | ((rest == 0.5) & t), down = (rest < -0.5) | ((rest == -0.5) & t);
    return t + up - down;
}

//@ pdc_cmp_i64_f64
/* Exact comparison of an int with a float that is no NaN: -1, 0 or 1.  The float is split into
   its floor, which fits, and a fraction. */
PDC_FN i32 pdc_cmp_i64_f64(i64 a, f64 b) {
    if (b >= 9223372036854775808.0) return -1;
    if (b < -9223372036854775808.0) return 1;
    i64 t = (i64)b;
    if (a != t) return a < t ? -1 : 1;
    f64 back = (f64)t;
    return back < b ? -1 : back > b;
}

//@ pdc_eq_i64_f64
/* a == b, b != a */
PDC_FN bool pdc_eq_i64_f64(i64 a, f64 b) { return !pdc_isnan(b) && pdc_cmp_i64_f64(a, b) == 0; }

//@ pdc_ne_i64_f64
/* a != b */
PDC_FN bool pdc_ne_i64_f64(i64 a, f64 b) { return pdc_isnan(b) || pdc_cmp_i64_f64(a, b) != 0; }

//@ pdc_lt_i64_f64
/* a < b */
PDC_FN bool pdc_lt_i64_f64(i64 a, f64 b) { return !pdc_isnan(b) && pdc_cmp_i64_f64(a, b) < 0; }

//@ pdc_le_i64_f64
/* a <= b */
PDC_FN bool pdc_le_i64_f64(i64 a, f64 b) { return !pdc_isnan(b) && pdc_cmp_i64_f64(a, b) <= 0; }

//@ pdc_gt_i64_f64
/* a > b */
PDC_FN bool pdc_gt_i64_f64(i64 a, f64 b) { return !pdc_isnan(b) && pdc_cmp_i64_f64(a, b) > 0; }

//@ pdc_ge_i64_f64
/* a >= b */
PDC_FN bool pdc_ge_i64_f64(i64 a, f64 b) { return !pdc_isnan(b) && pdc_cmp_i64_f64(a, b) >= 0; }

//@ pdc_eq_f64_i64
/* a == b */
PDC_FN bool pdc_eq_f64_i64(f64 a, i64 b) { return pdc_eq_i64_f64(b, a); }

//@ pdc_ne_f64_i64
/* a != b */
PDC_FN bool pdc_ne_f64_i64(f64 a, i64 b) { return pdc_ne_i64_f64(b, a); }

//@ pdc_lt_f64_i64
/* a < b */
PDC_FN bool pdc_lt_f64_i64(f64 a, i64 b) { return pdc_gt_i64_f64(b, a); }

//@ pdc_le_f64_i64
/* a <= b */
PDC_FN bool pdc_le_f64_i64(f64 a, i64 b) { return pdc_ge_i64_f64(b, a); }

//@ pdc_gt_f64_i64
/* a > b */
PDC_FN bool pdc_gt_f64_i64(f64 a, i64 b) { return pdc_lt_i64_f64(b, a); }

//@ pdc_ge_f64_i64
/* a >= b */
PDC_FN bool pdc_ge_f64_i64(f64 a, i64 b) { return pdc_le_i64_f64(b, a); }
