/* ops.h: what PTX instructions compute.  Registers hold bits: an operand is read `as` the type of the
   instruction, and a result is `put` into a register, sign- or zero-extended. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fenv.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <time.h>

typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32; typedef uint64_t u64;
typedef int8_t s8; typedef int16_t s16; typedef int32_t s32; typedef int64_t s64;
typedef float f32; typedef double f64;
typedef u8 b8; typedef u16 b16; typedef u32 b32; typedef u64 b64;
typedef bool pred;
typedef __int128 s128; typedef unsigned __int128 u128;

template <class A, class B> struct same { static constexpr bool value = false; };
template <class A> struct same<A, A> { static constexpr bool value = true; };
template <class T> constexpr bool is_float = same<T, f32>::value || same<T, f64>::value;
template <class T> constexpr bool is_signed = !is_float<T> && T(-1) < T(0);
template <class T> struct other { typedef T u, s, wide; };
template <> struct other<u8> { typedef u8 u; typedef s8 s; typedef u16 wide; };
template <> struct other<s8> { typedef u8 u; typedef s8 s; typedef s16 wide; };
template <> struct other<u16> { typedef u16 u; typedef s16 s; typedef u32 wide; };
template <> struct other<s16> { typedef u16 u; typedef s16 s; typedef s32 wide; };
template <> struct other<u32> { typedef u32 u; typedef s32 s; typedef u64 wide; };
template <> struct other<s32> { typedef u32 u; typedef s32 s; typedef s64 wide; };
template <> struct other<u64> { typedef u64 u; typedef s64 s; typedef u128 wide; };
template <> struct other<s64> { typedef u64 u; typedef s64 s; typedef s128 wide; };
template <> struct other<f32> { typedef u32 u; typedef s32 s; typedef f64 wide; };
template <> struct other<f64> { typedef u64 u; typedef s64 s; typedef f64 wide; };
template <class T> using unsigned_of = typename other<T>::u;
template <class T> using wide_of = typename other<T>::wide;

template <class T, class R> static inline T as(R bits) {
    if constexpr (is_float<T>) {
        unsigned_of<T> narrow = (unsigned_of<T>)bits;
        T value;
        __builtin_memcpy(&value, &narrow, sizeof value);
        return value;
    } else return (T)bits;
}
template <class T> static inline T canonical(T value) { /* the only NaN of single precision */
    if constexpr (same<T, f32>::value) if (value != value) return as<f32>(0x7fffffffu);
    return value;
}
template <class R, class T> static inline void put(R &to, T value) {
    if constexpr (is_float<T>) {
        unsigned_of<T> bits;
        __builtin_memcpy(&bits, &value, sizeof bits);
        to = (R)bits;
    } else to = (R)value;
}

enum rounding { RN, RZ, RM, RP };
struct with_rounding {
    int before;
    with_rounding(rounding r) : before(fegetround()) {
        fesetround(r == RZ ? FE_TOWARDZERO : r == RM ? FE_DOWNWARD : r == RP ? FE_UPWARD : FE_TONEAREST);
    }
    ~with_rounding() { fesetround(before); }
};
#define ROUNDED(name, expression) \
    template <class T, rounding R> static inline T name##_r(T a, T b, T c) { \
        if constexpr (R == RN) return canonical<T>(expression); \
        else { \
            with_rounding mode(R); \
            volatile T x = a, y = b, z = c; \
            { T a = x, b = y, c = z; volatile T r = (expression); x = r; } \
            return canonical<T>(x); \
        } \
    }
static inline f32 fused(f32 a, f32 b, f32 c) { return fmaf(a, b, c); }
static inline f64 fused(f64 a, f64 b, f64 c) { return fma(a, b, c); }
static inline f32 root(f32 a) { return sqrtf(a); }
static inline f64 root(f64 a) { return sqrt(a); }
ROUNDED(add, a + b)
ROUNDED(sub, a - b)
ROUNDED(mul, a * b)
ROUNDED(div, a / b)
ROUNDED(fma, fused(a, b, c))
ROUNDED(sqrt, root(a))
ROUNDED(rcp, (T)1 / a)

/* --- whole numbers -------------------------------------------------------------------------- */
template <class T> static inline T op_add(T a, T b) { return (T)((unsigned_of<T>)a + (unsigned_of<T>)b); }
template <class T> static inline T op_sub(T a, T b) { return (T)((unsigned_of<T>)a - (unsigned_of<T>)b); }
template <class T> static inline T op_mul_lo(T a, T b) { return (T)((u64)a * (u64)b); }
template <class T> static inline wide_of<T> op_mul_wide(T a, T b) { return (wide_of<T>)a * (wide_of<T>)b; }
template <class T> static inline T op_mul_hi(T a, T b) { return (T)(op_mul_wide<T>(a, b) >> (8 * sizeof(T))); }
template <class T> static inline T op_mad_lo(T a, T b, T c) { return op_add<T>(op_mul_lo<T>(a, b), c); }
template <class T> static inline T op_mad_hi(T a, T b, T c) { return op_add<T>(op_mul_hi<T>(a, b), c); }
/* What a GPU gives for a division by zero is not defined: this is what it does. */
template <class T> static inline T op_div(T a, T b) {
    if (b == 0) return (T)-1;
    if (is_signed<T> && b == (T)-1) return op_sub<T>(0, a);
    return a / b;
}
template <class T> static inline T op_rem(T a, T b) {
    if (b == 0) return a;
    if (is_signed<T> && b == (T)-1) return 0;
    return a % b;
}
template <class T> static inline T op_abs(T a) {
    if constexpr (is_float<T>) return as<T>((unsigned_of<T>)(*(unsigned_of<T> *)&a << 1 >> 1));
    else return a < 0 ? op_sub<T>(0, a) : a;
}
template <class T> static inline T op_neg(T a) {
    if constexpr (is_float<T>) return -a;
    else return op_sub<T>(0, a);
}
template <class T> static inline T op_min(T a, T b) {
    if constexpr (is_float<T>) {
        if (a != a) return canonical(b);
        if (b != b) return canonical(a);
        if (a == b) return signbit(a) ? a : b;
    }
    return a < b ? a : b;
}
template <class T> static inline T op_max(T a, T b) {
    if constexpr (is_float<T>) {
        if (a != a) return canonical(b);
        if (b != b) return canonical(a);
        if (a == b) return signbit(a) ? b : a;
    }
    return a > b ? a : b;
}
/* The sign is that of the first. */
template <class T> static inline T op_copysign(T a, T b) {
    typedef unsigned_of<T> U;
    const U top = (U)1 << (8 * sizeof(T) - 1);
    return as<T>((U)((*(U *)&a & top) | (*(U *)&b & (U)~top)));
}
template <class T> static inline T op_and(T a, T b) { return (T)(a & b); }
template <class T> static inline T op_or(T a, T b) { return (T)(a | b); }
template <class T> static inline T op_xor(T a, T b) { return (T)(a ^ b); }
template <class T> static inline T op_not(T a) {
    if constexpr (same<T, bool>::value) return !a;
    else return (T)~a;
}
template <class T> static inline T op_cnot(T a) { return a == 0; }
template <class T> static inline T op_shl(T a, u32 n) {
    return n >= 8 * sizeof(T) ? (T)0 : (T)((unsigned_of<T>)a << n);
}
template <class T> static inline T op_shr(T a, u32 n) {
    if (n >= 8 * sizeof(T)) return is_signed<T> && a < 0 ? (T)-1 : (T)0;
    return (T)(a >> n);
}
static inline u32 funnel(u32 lo, u32 hi, u32 n, bool left) {
    const u64 both = (u64)hi << 32 | lo;
    return left ? (u32)((both << n) >> 32) : (u32)(both >> n);
}
static inline u32 op_shf_l_wrap(u32 a, u32 b, u32 n) { return funnel(a, b, n & 31, true); }
static inline u32 op_shf_r_wrap(u32 a, u32 b, u32 n) { return funnel(a, b, n & 31, false); }
static inline u32 op_shf_l_clamp(u32 a, u32 b, u32 n) { return funnel(a, b, n > 32 ? 32 : n, true); }
static inline u32 op_shf_r_clamp(u32 a, u32 b, u32 n) { return funnel(a, b, n > 32 ? 32 : n, false); }
template <class T> static inline u32 op_popc(T a) {
    u32 made = 0;
    for (u64 bits = (u64)a; bits; bits &= bits - 1) ++made;
    return made;
}
template <class T> static inline u32 op_clz(T a) {
    return a ? (u32)__builtin_clzll(a) - (64 - 8 * sizeof(T)) : 8 * sizeof(T);
}
template <class T> static inline T op_brev(T a) {
    T made = 0;
    for (unsigned n = 0; n < 8 * sizeof(T); ++n) made = (T)(made << 1 | (a >> n & 1));
    return made;
}
template <class T> static inline u32 op_bfind(T a) {
    const unsigned_of<T> bits = is_signed<T> && a < 0 ? (unsigned_of<T>)~a : (unsigned_of<T>)a;
    return bits ? (u32)(8 * sizeof(T) - 1 - op_clz<unsigned_of<T>>(bits)) : 0xffffffffu;
}
template <class T> static inline u32 op_bfind_shiftamt(T a) {
    const u32 at = op_bfind<T>(a);
    return at == 0xffffffffu ? at : (u32)(8 * sizeof(T) - 1) - at;
}
template <class T> static inline T op_bfe(T a, u32 at, u32 count) {
    const u32 width = 8 * sizeof(T);
    at &= 255, count &= 255;
    if (!count) return 0;
    const u32 top = at + count - 1 < width - 1 ? at + count - 1 : width - 1;
    const bool fill = is_signed<T> && (a >> top & 1);
    T made = 0;
    for (u32 n = 0; n < width; ++n) {
        const bool bit = n < count && at + n < width ? (bool)(a >> (at + n) & 1) : fill;
        made = (T)((unsigned_of<T>)made | (unsigned_of<T>)bit << n);
    }
    return made;
}
template <class T> static inline T op_bfi(T a, T b, u32 at, u32 count) {
    const u32 width = 8 * sizeof(T);
    at &= 255, count &= 255;
    T made = b;
    for (u32 n = 0; n < count && at + n < width; ++n)
        made = (T)((made & ~((T)1 << (at + n))) | (a >> n & 1) << (at + n));
    return made;
}
static inline u32 op_prmt(u32 a, u32 b, u32 selector) {
    const u64 both = (u64)b << 32 | a;
    u32 made = 0;
    for (int n = 0; n < 4; ++n) {
        const u32 nibble = selector >> 4 * n & 15;
        u32 byte = both >> 8 * (nibble & 7) & 255;
        if (nibble & 8) byte = byte & 128 ? 255 : 0;
        made |= byte << 8 * n;
    }
    return made;
}
static inline u32 op_lop3(u32 a, u32 b, u32 c, u32 table) {
    u32 made = 0;
    for (int n = 0; n < 32; ++n)
        made |= (table >> ((a >> n & 1) << 2 | (b >> n & 1) << 1 | (c >> n & 1)) & 1) << n;
    return made;
}
/* Sums and products that hand their carry on. */
template <class T> static inline T carried(T a, T b, u32 in, u32 *out) {
    const u128 sum = (u128)(unsigned_of<T>)a + (unsigned_of<T>)b + in;
    if (out) *out = (u32)(sum >> (8 * sizeof(T))) & 1;
    return (T)sum;
}
template <class T> static inline T borrowed(T a, T b, u32 in, u32 *out) {
    const u128 difference = (u128)(unsigned_of<T>)a - (unsigned_of<T>)b - in;
    if (out) *out = (u32)(difference >> (8 * sizeof(T))) & 1;
    return (T)difference;
}

/* --- comparisons ---------------------------------------------------------------------------- */
#define COMPARED(name, condition, unordered) \
    template <class T> static inline bool name(T a, T b) { \
        if (is_float<T> && (a != a || b != b)) return unordered; \
        return condition; \
    }
COMPARED(cmp_eq, a == b, false) COMPARED(cmp_ne, a != b, false)
COMPARED(cmp_lt, a < b, false) COMPARED(cmp_le, a <= b, false)
COMPARED(cmp_gt, a > b, false) COMPARED(cmp_ge, a >= b, false)
COMPARED(cmp_equ, a == b, true) COMPARED(cmp_neu, a != b, true)
COMPARED(cmp_ltu, a < b, true) COMPARED(cmp_leu, a <= b, true)
COMPARED(cmp_gtu, a > b, true) COMPARED(cmp_geu, a >= b, true)
COMPARED(cmp_num, true, false) COMPARED(cmp_nan, false, true)
template <class T> static inline bool cmp_lo(T a, T b) { return (unsigned_of<T>)a < (unsigned_of<T>)b; }
template <class T> static inline bool cmp_ls(T a, T b) { return (unsigned_of<T>)a <= (unsigned_of<T>)b; }
template <class T> static inline bool cmp_hi(T a, T b) { return (unsigned_of<T>)a > (unsigned_of<T>)b; }
template <class T> static inline bool cmp_hs(T a, T b) { return (unsigned_of<T>)a >= (unsigned_of<T>)b; }
template <class T> static inline bool op_testp_finite(T a) { return a - a == 0; }
template <class T> static inline bool op_testp_infinite(T a) { return a == a && a - a != 0; }
template <class T> static inline bool op_testp_number(T a) { return a == a; }
template <class T> static inline bool op_testp_notanumber(T a) { return a != a; }

/* --- conversions ---------------------------------------------------------------------------- */
template <class T> static inline T whole(T a, rounding r) {
    if (a != a) return canonical(a);
    const f64 x = a;
    return (T)(r == RZ ? trunc(x) : r == RM ? floor(x) : r == RP ? ceil(x) : rint(x));
}
template <class To, class From> static inline To float_to_int(From a, rounding r) {
    const int bits = 8 * sizeof(To);
    const To least = is_signed<To> ? (To)((unsigned_of<To>)1 << (bits - 1)) : (To)0;
    const To most = (To)~least;
    if (a != a) return same<From, f64>::value || bits == 64 ? (To)((unsigned_of<To>)1 << (bits - 1)) : (To)0;
    const f64 x = whole<f64>(a, r), over = ldexp(1.0, is_signed<To> ? bits - 1 : bits);
    if (x >= over) return most;
    if (x < (is_signed<To> ? -over : 0.0)) return least;
    return (To)x;
}
template <class To, class From> static inline To to_float(From a, rounding r) {
    if (r == RN) return canonical<To>((To)a);
    with_rounding mode(r);
    volatile From from = a;
    volatile To made = (To)from;
    return canonical<To>(made);
}
template <class To, class From> static inline To saturated(From a) {
    const s128 x = (s128)a, least = is_signed<To> ? -((s128)1 << (8 * sizeof(To) - 1)) : 0;
    const s128 most = ((s128)1 << (8 * sizeof(To) - (is_signed<To> ? 1 : 0))) - 1;
    return (To)(x < least ? least : x > most ? most : x);
}
template <class T> static inline T unit(T a) { return !(a > 0) ? (T)0 : a > 1 ? (T)1 : a; }

/* --- functions that a GPU only approximates -------------------------------------------------- */
static inline f32 flushed(f32 a) { return a == a && fabsf(a) < 0x1p-126f ? copysignf(0, a) : a; }
static inline f32 op_ex2(f32 a) { return flushed(exp2f(flushed(a))); }
static inline f32 op_lg2(f32 a) { return log2f(flushed(a)); }
static inline f32 op_rcp_approx(f32 a) { return flushed(1 / flushed(a)); }
static inline f32 op_rsqrt_approx(f32 a) { return canonical(1 / sqrtf(flushed(a))); }
static inline f64 upper(f64 a) { return as<f64>((*(u64 *)&a) >> 32 << 32); }
static inline f64 op_rcp_approx(f64 a) { return upper(1 / upper(a)); }
static inline f64 op_rsqrt_approx(f64 a) { return upper(1 / sqrt(upper(a))); }
