/* pyops_math_special.h: functions of the math module that CPython does not take from the C
   library, and sums.  The order of operations is CPython's, since each of them rounds. */

//@ pdc_sinpi
/* sin(pi * x) for finite x, by the nearest half of a turn. */
PDC_SLOW f64 pdc_sinpi(f64 x) {
    const f64 pi = 3.141592653589793;
    f64 y = fmod(pdc_fabs(x), 2.0), twice = 2.0 * y, r;
    i32 n = (i32)twice;
    n += twice - n >= 0.5;
    if (n == 0) r = sin(pi * y);
    else if (n == 1) r = cos(pi * (y - 0.5));
    else if (n == 2) r = sin(pi * (1.0 - y));
    else if (n == 3) r = -cos(pi * (y - 1.5));
    else r = sin(pi * (y - 2.0));
    return pdc_signbit(x) ? -r : r;
}

//@ pdc_lanczos_sum
/* Lanczos' rational approximation (13 terms, g = 6.0246...), x > 0. */
PDC_TABLE f64 pdc_lanczos_top[13] = {
    23531376880.41075968857200767445163675473076, 42919803642.64909876895789904700198885093263,
    35711959237.35566804944018545154716670596718, 17921034426.03720969991975575445893111267403,
    6039542586.352028005064291644307297921070, 1439720407.311721673663223072794912393972,
    248874557.8620541565114603864132294232163, 31426415.58540019438061423162831820536287,
    2876370.628935372441225409051620849613599, 186056.2653952234950402949897160456992822,
    8071.672002365816210638002902272250613822, 210.8242777515793458725097339207133627117,
    2.506628274631000270164908177133837338626};
PDC_TABLE f64 pdc_lanczos_bottom[13] = {0.0,        39916800.0, 120543840.0, 150917976.0,
                                        105258076.0, 45995730.0, 13339535.0,  2637558.0,
                                        357423.0,    32670.0,    1925.0,      66.0,
                                        1.0};

PDC_SLOW f64 pdc_lanczos_sum(f64 x) {
    f64 top = 0.0, bottom = 0.0;
    if (x < 5.0) {
        for (i32 i = 12; i >= 0; i--) {
            top = top * x + pdc_lanczos_top[i];
            bottom = bottom * x + pdc_lanczos_bottom[i];
        }
    } else { /* the same polynomials in 1 / x, which do not overflow */
        for (i32 i = 0; i <= 12; i++) {
            top = top / x + pdc_lanczos_top[i];
            bottom = bottom / x + pdc_lanczos_bottom[i];
        }
    }
    return top / bottom;
}

//@ pdc_gamma_f64
/* math.gamma(x) */
PDC_SLOW f64 pdc_gamma_f64(pdc_error *e, f64 x) {
    const f64 pi = 3.141592653589793, g = 6.024680040776729583740234375;
    const f64 g_less_half = 5.524680040776729583740234375;
    if (pdc_isnan(x) || x == PDC_INF) return x;
    if (x == -PDC_INF || x == 0.0) return pdc_math_domain(e);
    f64 size = pdc_fabs(x), r;
    if (x == pdc_floor(x)) {
        if (x < 0.0) return pdc_math_domain(e);
        if (x <= 23.0) { /* 22! is the last that is exact in a float */
            r = 1.0;
            for (f64 i = 2.0; i < x; i += 1.0) r *= i;
            return r;
        }
    }
    if (size < 1e-20) {
        r = 1.0 / x;
        return pdc_isinf(r) ? pdc_math_range(e) : r;
    }
    if (size > 200.0) {
        if (x > 0.0) return pdc_math_range(e);
        return 0.0 / pdc_sinpi(x);
    }
    f64 y = size + g_less_half, z; /* z corrects for the rounding of y */
    z = size > g_less_half ? (y - size) - g_less_half : (y - g_less_half) - size;
    z = z * g / y;
    bool whole = size < 140.0; /* else the power is taken in two halves, not to overflow */
    f64 power = pow(y, whole ? size - 0.5 : size / 2.0 - 0.25);
    if (x < 0.0) {
        r = -pi / pdc_sinpi(size) / size * exp(y) / pdc_lanczos_sum(size);
        r -= z * r;
        r /= power;
        if (!whole) r /= power;
    } else {
        r = pdc_lanczos_sum(size) / exp(y);
        r += z * r;
        r *= power;
        if (!whole) r *= power;
    }
    return pdc_isinf(r) ? pdc_math_range(e) : r;
}

//@ pdc_lgamma_f64
/* math.lgamma(x) */
PDC_SLOW f64 pdc_lgamma_f64(pdc_error *e, f64 x) {
    const f64 log_pi = 1.144729885849400174143427351353058711647;
    const f64 g = 6.024680040776729583740234375;
    if (pdc_isnan(x)) return x;
    if (pdc_isinf(x)) return PDC_INF;
    if (x == pdc_floor(x) && x <= 2.0) return x <= 0.0 ? pdc_math_domain(e) : 0.0;
    f64 size = pdc_fabs(x), r;
    if (size < 1e-20) return -log(size);
    r = log(pdc_lanczos_sum(size)) - g;
    r += (size - 0.5) * (log(size + g - 0.5) - 1.0);
    if (x < 0.0) r = log_pi - log(pdc_fabs(pdc_sinpi(size))) - log(size) - r;
    return pdc_isinf(r) ? pdc_math_range(e) : r;
}

//@ pdc_sum_lost
/* sum() of floats from Python 3.12 on: the rounding errors so far (Neumaier) */
PDC_FN f64 pdc_sum_lost(f64 lost, f64 total, f64 x) {
    f64 sum = total + x;
    return lost + (pdc_fabs(total) >= pdc_fabs(x) ? (total - sum) + x : (x - sum) + total);
}

//@ pdc_sum_end
/* sum() of floats from Python 3.12 on: its result */
PDC_FN f64 pdc_sum_end(f64 total, f64 lost) {
    return lost != 0.0 && pdc_isfinite(lost) ? total + lost : total;
}

//@ pdc_norm_f64
/* math.hypot of n numbers, which are overwritten: squares and sums keep their rounding errors, and
   one Newton step corrects the root. */
PDC_SLOW f64 pdc_norm_f64(f64 *v, i32 n) {
    f64 largest = 0.0;
    bool nan = false;
    for (i32 i = 0; i < n; i++) {
        v[i] = pdc_fabs(v[i]);
        nan = nan || pdc_isnan(v[i]);
        if (v[i] > largest) largest = v[i];
    }
    if (pdc_isinf(largest)) return largest;
    if (nan) return PDC_NAN;
    if (largest == 0.0 || n <= 1) return largest;
#if PDC_PYTHON < 0x030c
    if (largest < 5.562684646268003e-309) { /* 2**-1024: older versions did this roughly */
        f64 whole = 1.0, lost = 0.0;
        for (i32 i = 0; i < n; i++) {
            f64 x = v[i] / largest, square = x * x, total = whole + square;
            lost += (whole - total) + square;
            whole = total;
        }
        return largest * pdc_sqrt(whole - 1.0 + lost);
    }
#endif
    f64 unit = 1.0;
    if (largest < 2.2250738585072014e-308) { /* make subnormals normal */
        unit = 2.2250738585072014e-308;
        for (i32 i = 0; i < n; i++) v[i] /= unit;
        largest /= unit;
    }
    i32 exponent = (i32)(pdc_bits_f64(largest) >> 52) - 1022; /* largest < 2**exponent */
    f64 scale = exponent < 1023 ? pdc_f64_of_bits((u64)(1023 - exponent) << 52)
                : exponent == 1023 ? 1.1125369292536007e-308 /* subnormal powers of two */
                                   : 5.562684646268003e-309;
    f64 sum = 1.0, lost_squares = 0.0, lost_sums = 0.0;
    for (i32 i = 0; i <= n; i++) {
        f64 x, h = 0.0;
        if (i < n) {
            x = v[i] * scale;
        } else {
            h = pdc_sqrt(sum - 1.0 + (lost_squares + lost_sums));
            x = h;
        }
        f64 square = x * x, low = pdc_product_error(x, x, square);
        if (i == n) {
            square = -square;
            low = -low;
        }
        f64 total = sum + square;
        lost_sums += square - (total - sum);
        lost_squares += low;
        sum = total;
        if (i == n) return (h + (sum - 1.0 + (lost_squares + lost_sums)) / (2.0 * h)) / scale * unit;
    }
    return 0.0;
}

//@ pdc_hypot_f64
/* math.hypot(x, y) */
PDC_FN f64 pdc_hypot_f64(f64 x, f64 y) {
    f64 v[2] = {x, y};
    return pdc_norm_f64(v, 2);
}

//@ pdc_hypot3_f64
/* math.hypot(x, y, z) */
PDC_FN f64 pdc_hypot3_f64(f64 x, f64 y, f64 z) {
    f64 v[3] = {x, y, z};
    return pdc_norm_f64(v, 3);
}
