/* pyops_numpy.h: operators of numpy's scalar types, after promotion: both operands have the type T
   of the operation.  Integers wrap, division by zero gives 0 or an infinity (numpy only warns).
   Call them without template arguments: pdc_np_add((i32)a, (i32)b). */

//@ pdc_is_float
/* Whether T is a floating type; bool, whose 1.5 is 1, is none. */
template <class T> constexpr bool pdc_is_float = T(1.5) != T(1);

//@ pdc_is_signed
/* Whether T has negative values. */
template <class T> constexpr bool pdc_is_signed = T(-1) < T(0);

//@ pdc_np_add
/* a + b */
template <class T> PDC_FN T pdc_np_add(T a, T b) {
    if constexpr (pdc_is_float<T>) return a + b;
    else return (T)((u64)a + (u64)b);
}

//@ pdc_np_sub
/* a - b */
template <class T> PDC_FN T pdc_np_sub(T a, T b) {
    if constexpr (pdc_is_float<T>) return a - b;
    else return (T)((u64)a - (u64)b);
}

//@ pdc_np_mul
/* a * b */
template <class T> PDC_FN T pdc_np_mul(T a, T b) {
    if constexpr (pdc_is_float<T>) return a * b;
    else return (T)((u64)a * (u64)b);
}

//@ pdc_np_neg
/* -a */
template <class T> PDC_FN T pdc_np_neg(T a) {
    if constexpr (pdc_is_float<T>) return -a;
    else return (T)(0 - (u64)a);
}

//@ pdc_np_abs
/* abs(a); the most negative integer stays */
template <class T> PDC_FN T pdc_np_abs(T a) {
    if constexpr (pdc_is_float<T>) return (T)pdc_fabs((f64)a);
    else return a < T(0) ? pdc_np_neg(a) : a;
}

//@ pdc_np_truediv
/* a / b: of f32 an f32, of integers an f64 of the two as f64 */
PDC_FN f32 pdc_np_truediv(f32 a, f32 b) { return a / b; }
PDC_FN f64 pdc_np_truediv(f64 a, f64 b) { return a / b; }
template <class T> PDC_FN f64 pdc_np_truediv(T a, T b) { return (f64)a / (f64)b; }

//@ pdc_np_fmod
/* The C remainder of floats. */
PDC_FN f32 pdc_np_fmod(f32 a, f32 b) { return fmodf(a, b); }
PDC_FN f64 pdc_np_fmod(f64 a, f64 b) { return fmod(a, b); }

//@ pdc_np_mod
/* a % b */
template <class T> PDC_FN T pdc_np_mod(T a, T b) {
    if constexpr (pdc_is_float<T>) {
        T r = pdc_np_fmod(a, b);
        if (b == T(0)) return r;
        if (r == T(0)) return (T)pdc_copysign(0.0, (f64)b);
        return (b < T(0)) != (r < T(0)) ? r + b : r;
    } else {
        if (PDC_UNLIKELY(b == T(0))) return T(0);
        if constexpr (pdc_is_signed<T>) {
            if (PDC_UNLIKELY(b == T(-1))) return T(0);
            T r = (T)(a % b);
            return (T)(r != T(0) && (r < T(0)) != (b < T(0)) ? r + b : r);
        } else {
            return (T)(a % b);
        }
    }
}

//@ pdc_np_floordiv
/* a // b */
template <class T> PDC_FN T pdc_np_floordiv(T a, T b) {
    if constexpr (pdc_is_float<T>) {
        if (b == T(0)) return a / b;
        T r = pdc_np_fmod(a, b), q = (a - r) / b;
        if (r != T(0) && (b < T(0)) != (r < T(0))) q -= T(1);
        if (q == T(0)) return (T)pdc_copysign(0.0, (f64)(a / b));
        T whole = (T)pdc_floor((f64)q);
        return q - whole > T(0.5) ? whole + T(1) : whole;
    } else {
        if (PDC_UNLIKELY(b == T(0))) return T(0);
        if constexpr (pdc_is_signed<T>) {
            if (PDC_UNLIKELY(b == T(-1))) return pdc_np_neg(a);
            T q = (T)(a / b), r = (T)(a % b);
            return (T)(q - (r != T(0) && (r < T(0)) != (b < T(0))));
        } else {
            return (T)(a / b);
        }
    }
}

//@ pdc_np_lshift
/* a << b: 0 for a count that is negative or too large */
template <class T> PDC_FN T pdc_np_lshift(T a, T b) {
    return (u64)b < 8 * sizeof(T) ? (T)((u64)a << (u64)b) : T(0);
}

//@ pdc_np_rshift
/* a >> b: only sign bits for a count that is negative or too large */
template <class T> PDC_FN T pdc_np_rshift(T a, T b) {
    if ((u64)b < 8 * sizeof(T)) return (T)(a >> b);
    return a < T(0) ? (T)-1 : T(0);
}

//@ pdc_np_libpow
/* The C library's power. */
PDC_FN f32 pdc_np_libpow(f32 a, f32 b) { return powf(a, b); }
PDC_FN f64 pdc_np_libpow(f64 a, f64 b) { return pow(a, b); }

//@ pdc_np_pow
/* a ** b: integers wrap, and refuse a negative exponent with ValueError */
template <class T> PDC_FN T pdc_np_pow(pdc_error *e, T a, T b) {
    if constexpr (pdc_is_float<T>) {
        return pdc_np_libpow(a, b);
    } else {
        if (PDC_UNLIKELY(b < T(0))) {
            pdc_raise(e, PDC_VALUE_NUMPY_POWER);
            return T(0);
        }
        u64 base = (u64)a, r = 1;
        for (u64 n = (u64)b; n != 0; n >>= 1) {
            if (n & 1) r *= base;
            base *= base;
        }
        return (T)r;
    }
}

//@ pdc_np_fits
/* Whether the int v is a value of T. */
template <class T> PDC_FN bool pdc_np_fits(i64 v) {
    return (i64)(T)v == v && (pdc_is_signed<T> || v >= 0);
}

//@ pdc_np_of_i64
/* T(v) of a Python int: OverflowError if it does not fit.  pdc_np_of_i64<i32>(e, v) */
template <class T> PDC_FN T pdc_np_of_i64(pdc_error *e, i64 v) {
    if constexpr (!pdc_is_float<T>) {
        if (PDC_UNLIKELY(!pdc_np_fits<T>(v))) pdc_raise(e, PDC_OVERFLOW_NUMPY_RANGE);
        return (T)v;
    } else {
        return (T)(f64)v;
    }
}

//@ pdc_np_of_f64
/* T(x) of a float: integers truncate; what C leaves undefined deoptimises. */
template <class T> PDC_FN T pdc_np_of_f64(pdc_error *e, f64 x) {
    if constexpr (pdc_is_float<T>) {
        return (T)x;
    } else {
        if (PDC_LIKELY(x > -9007199254740992.0 && x < 9007199254740992.0)) {
            if (pdc_np_fits<T>((i64)x)) return (T)(i64)x;
        }
        pdc_raise(e, PDC_DEOPT_NUMPY_CAST);
        return T(0);
    }
}

//@ pdc_i64_of_np
/* int(a) of an integer; only u64 can leave the range */
template <class T> PDC_FN i64 pdc_i64_of_np(pdc_error *e, T a) {
    if constexpr (!pdc_is_signed<T> && sizeof(T) == 8) {
        if (PDC_UNLIKELY(a > (T)PDC_I64_MAX)) pdc_raise(e, PDC_DEOPT_INT_OVERFLOW);
    }
    return (i64)a;
}

//@ pdc_np_lt
/* a < b of integers of any two types, by value (C would convert -1 to unsigned) */
template <class A, class B> PDC_FN bool pdc_np_lt(A a, B b) {
    if constexpr (pdc_is_signed<A> && !pdc_is_signed<B>) return a < A(0) || (u64)a < (u64)b;
    else if constexpr (!pdc_is_signed<A> && pdc_is_signed<B>) return b >= B(0) && (u64)a < (u64)b;
    else return a < b;
}

//@ pdc_np_eq
/* a == b of integers of any two types, by value */
template <class A, class B> PDC_FN bool pdc_np_eq(A a, B b) {
    if constexpr (pdc_is_signed<A> && !pdc_is_signed<B>) return a >= A(0) && (u64)a == (u64)b;
    else if constexpr (!pdc_is_signed<A> && pdc_is_signed<B>) return b >= B(0) && (u64)a == (u64)b;
    else return a == b;
}

//@ pdc_np_field
/* A Python int in a message field of type T; one that does not fit is refused by the interpreter,
   with the error that names the field. */
template <class T> PDC_FN T pdc_np_field(pdc_error *e, i64 v) {
    if (PDC_UNLIKELY(!pdc_np_fits<T>(v))) pdc_raise(e, PDC_DEOPT_TYPE);
    return (T)v;
}

//@ pdc_f32_field
/* A Python float in a message field of type f32; a finite one that is an infinity there is refused
   by the interpreter, with the error that names the field. */
PDC_FN f32 pdc_f32_field(pdc_error *e, f64 x) {
    const f32 y = (f32)x;
    if (PDC_UNLIKELY(pdc_isinf((f64)y) && !pdc_isinf(x))) pdc_raise(e, PDC_DEOPT_TYPE);
    return y;
}

//@ pdc_np_sqrt
/* np.sqrt(a), correctly rounded: that of an f32 by way of f64 is */
template <class T> PDC_FN T pdc_np_sqrt(T a) { return (T)pdc_sqrt((f64)a); }

//@ pdc_np_trunc
/* np.trunc(a) */
template <class T> PDC_FN T pdc_np_trunc(T a) {
    const f64 x = (f64)a;
    return (T)pdc_copysign(pdc_floor(pdc_fabs(x)), x);
}

//@ pdc_np_floor
/* np.floor(a) */
template <class T> PDC_FN T pdc_np_floor(T a) { return (T)pdc_floor((f64)a); }

//@ pdc_np_ceil
/* np.ceil(a) */
template <class T> PDC_FN T pdc_np_ceil(T a) { return (T)-pdc_floor(-(f64)a); }

//@ pdc_np_rint
/* np.rint(a): half to even */
template <class T> PDC_FN T pdc_np_rint(T a) {
    const f64 x = (f64)a, shift = pdc_copysign(4503599627370496.0, x);
    if (!(pdc_fabs(x) < 4503599627370496.0)) return a;
    const f64 moved = x + shift;
    return (T)pdc_copysign(moved - shift, x);
}

//@ pdc_np_round
/* round(a, n) with factor = 10**n, as numpy has it */
template <class T> PDC_FN T pdc_np_round(T a, T factor) { return pdc_np_rint(a * factor) / factor; }

//@ pdc_np_sign
/* np.sign(a): a NaN stays */
template <class T> PDC_FN T pdc_np_sign(T a) {
    if (a != a) return a;
    return a > T(0) ? T(1) : a < T(0) ? T(-1) : T(0);
}

//@ pdc_np_minimum pdc_np_maximum
/* np.minimum(a, b), np.maximum(a, b): a NaN wins; of zeros of both signs, the processor's choice */
template <class T> PDC_FN void pdc_np_zeros(pdc_error *e, T a, T b) {
    if constexpr (pdc_is_float<T>)
        if (PDC_UNLIKELY(a == T(0) && b == T(0) && pdc_signbit((f64)a) != pdc_signbit((f64)b)))
            pdc_raise(e, PDC_DEOPT_TYPE);
}
template <class T> PDC_FN T pdc_np_minimum(pdc_error *e, T a, T b) {
    pdc_np_zeros(e, a, b);
    return a < b || a != a ? a : b;
}
template <class T> PDC_FN T pdc_np_maximum(pdc_error *e, T a, T b) {
    pdc_np_zeros(e, a, b);
    return a > b || a != a ? a : b;
}
