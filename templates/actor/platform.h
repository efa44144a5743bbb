/* platform.h: the differences between compilers, and nothing else.
   C++17 without any header, for NVRTC, g++, clang++ and zig c++.
   Floats are plain IEEE 754: never compile this text with fast-math or contraction. */
#ifndef PDC_PLATFORM_H
#define PDC_PLATFORM_H

typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef float f32;
typedef double f64;

static_assert(sizeof(i16) == 2 && sizeof(i32) == 4 && sizeof(i64) == 8, "integer widths");
static_assert(sizeof(f32) == 4 && sizeof(f64) == 8, "float widths");

/* Macros, because attributes are written differently: a function that is inlined wherever it is
   called, one that never is, one that hardly ever runs, a constant table. */
#if defined(__CUDACC_RTC__) || defined(__CUDACC__)
#define PDC_ON_DEVICE 1
#pragma nv_diag_suppress 177 /* a helper that is not used */
#define PDC_FN static __device__ __forceinline__
#define PDC_SLOW static __device__ __noinline__
#define PDC_COLD static __device__ __noinline__
#define PDC_TABLE static __device__ const
#else
#define PDC_ON_DEVICE 0
#define PDC_FN static inline __attribute__((always_inline, unused))
#define PDC_SLOW static __attribute__((noinline, unused))
#define PDC_COLD static __attribute__((noinline, unused, cold))
#define PDC_TABLE static const __attribute__((unused))
#endif
/* Macros, because compilers look for the hint in the condition of the branch itself. */
#define PDC_LIKELY(x) __builtin_expect(!!(x), 1)
#define PDC_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define PDC_I64_MAX 0x7fffffffffffffffLL
#define PDC_I64_MIN (-PDC_I64_MAX - 1)
#define PDC_U64_MAX 0xffffffffffffffffULL

/* Sticky: the first error stays until the caller clears it. */
struct pdc_error {
    i32 code;
    i32 line;
};

PDC_FN void pdc_raise(pdc_error *e, i32 code) {
    if (e->code == 0) e->code = code;
}

/* Bits of floats. */
PDC_FN u64 pdc_bits_f64(f64 x) {
#if PDC_ON_DEVICE
    return (u64)__double_as_longlong(x);
#else
    u64 bits;
    __builtin_memcpy(&bits, &x, 8);
    return bits;
#endif
}

PDC_FN f64 pdc_f64_of_bits(u64 bits) {
#if PDC_ON_DEVICE
    return __longlong_as_double((i64)bits);
#else
    f64 x;
    __builtin_memcpy(&x, &bits, 8);
    return x;
#endif
}

PDC_FN u32 pdc_bits_f32(f32 x) {
#if PDC_ON_DEVICE
    return (u32)__float_as_int(x);
#else
    u32 bits;
    __builtin_memcpy(&bits, &x, 4);
    return bits;
#endif
}

PDC_FN f32 pdc_f32_of_bits(u32 bits) {
#if PDC_ON_DEVICE
    return __int_as_float((i32)bits);
#else
    f32 x;
    __builtin_memcpy(&x, &bits, 4);
    return x;
#endif
}

#define PDC_INF (pdc_f64_of_bits(0x7ff0000000000000ULL))
#define PDC_NAN (pdc_f64_of_bits(0x7ff8000000000000ULL))

PDC_FN bool pdc_isnan(f64 x) { return x != x; }
PDC_FN bool pdc_isinf(f64 x) { return (pdc_bits_f64(x) << 1) == 0xffe0000000000000ULL; }
PDC_FN bool pdc_isfinite(f64 x) { return (pdc_bits_f64(x) << 1) < 0xffe0000000000000ULL; }
PDC_FN bool pdc_signbit(f64 x) { return (pdc_bits_f64(x) >> 63) != 0; }

PDC_FN f64 pdc_fabs(f64 x) { return pdc_f64_of_bits(pdc_bits_f64(x) & PDC_I64_MAX); }

PDC_FN f64 pdc_copysign(f64 x, f64 sign) {
    return pdc_f64_of_bits(
        (pdc_bits_f64(x) & PDC_I64_MAX) | (pdc_bits_f64(sign) & 0x8000000000000000ULL));
}

/* Checked 64-bit integer arithmetic: true means overflow, and *r holds the wrapped result. */
PDC_FN bool pdc_add_overflow(i64 a, i64 b, i64 *r) {
#if PDC_ON_DEVICE
    *r = (i64)((u64)a + (u64)b);
    return ((a ^ *r) & (b ^ *r)) < 0;
#else
    return __builtin_add_overflow(a, b, r);
#endif
}

PDC_FN bool pdc_sub_overflow(i64 a, i64 b, i64 *r) {
#if PDC_ON_DEVICE
    *r = (i64)((u64)a - (u64)b);
    return ((a ^ b) & (a ^ *r)) < 0;
#else
    return __builtin_sub_overflow(a, b, r);
#endif
}

PDC_FN bool pdc_mul_overflow(i64 a, i64 b, i64 *r) {
#if PDC_ON_DEVICE
    *r = (i64)((u64)a * (u64)b);
    return __mul64hi(a, b) != (*r >> 63);
#else
    return __builtin_mul_overflow(a, b, r);
#endif
}

/* The high 64 bits of a 128-bit product. */
PDC_FN u64 pdc_mulhi_u64(u64 a, u64 b) {
#if PDC_ON_DEVICE
    return __umul64hi(a, b);
#elif defined(__SIZEOF_INT128__)
    return (u64)(((unsigned __int128)a * b) >> 64);
#else
    u64 al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
    u64 low = al * bl, mid = ah * bl + (low >> 32), mid2 = al * bh + (mid & 0xffffffff);
    return ah * bh + (mid >> 32) + (mid2 >> 32);
#endif
}

/* Number of leading zero bits; 64 for 0. */
PDC_FN i32 pdc_clz_u64(u64 x) {
#if PDC_ON_DEVICE
    return __clzll((i64)x);
#else
    return x ? __builtin_clzll(x) : 64;
#endif
}

PDC_FN i32 pdc_popcount_u64(u64 x) {
#if PDC_ON_DEVICE
    return __popcll(x);
#else
    /* The built-in would call the compiler's support library on a plain x86-64. */
    x -= (x >> 1) & 0x5555555555555555ULL;
    x = (x & 0x3333333333333333ULL) + ((x >> 2) & 0x3333333333333333ULL);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
    return (i32)((x * 0x0101010101010101ULL) >> 56);
#endif
}

PDC_FN void pdc_memcpy(void *to, const void *from, u64 size) {
#if PDC_ON_DEVICE
    u8 *d = (u8 *)to;
    const u8 *s = (const u8 *)from;
    for (u64 i = 0; i < size; i++) d[i] = s[i];
#else
    __builtin_memcpy(to, from, size);
#endif
}

PDC_FN void pdc_memset(void *to, u8 value, u64 size) {
#if PDC_ON_DEVICE
    u8 *d = (u8 *)to;
    for (u64 i = 0; i < size; i++) d[i] = value;
#else
    __builtin_memset(to, value, size);
#endif
}

/* Words shared with the host: one writer each, naturally aligned.  On the device the scope is the
   whole system and plain PTX is used, because <cuda/atomic> costs a second of compile time. */
PDC_FN u64 pdc_load_acquire_u64(const u64 *p) {
#if PDC_ON_DEVICE
    u64 value;
    asm volatile("ld.acquire.sys.u64 %0, [%1];" : "=l"(value) : "l"(p) : "memory");
    return value;
#else
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
#endif
}

PDC_FN void pdc_store_release_u64(u64 *p, u64 value) {
#if PDC_ON_DEVICE
    asm volatile("st.release.sys.u64 [%0], %1;" ::"l"(p), "l"(value) : "memory");
#else
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
#endif
}

PDC_FN u32 pdc_load_acquire_u32(const u32 *p) {
#if PDC_ON_DEVICE
    u32 value;
    asm volatile("ld.acquire.sys.u32 %0, [%1];" : "=r"(value) : "l"(p) : "memory");
    return value;
#else
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
#endif
}

PDC_FN void pdc_store_release_u32(u32 *p, u32 value) {
#if PDC_ON_DEVICE
    asm volatile("st.release.sys.u32 [%0], %1;" ::"l"(p), "r"(value) : "memory");
#else
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
#endif
}

/* A look at a word that decides nothing about other memory: it need not wait for what comes next. */
PDC_FN u64 pdc_load_relaxed_u64(const u64 *p) {
#if PDC_ON_DEVICE
    u64 value;
    asm volatile("ld.relaxed.sys.u64 %0, [%1];" : "=l"(value) : "l"(p) : "memory");
    return value;
#else
    return __atomic_load_n(p, __ATOMIC_RELAXED);
#endif
}

/* A figure for the other side to look at, now or later: it publishes nothing. */
PDC_FN void pdc_store_relaxed_u64(u64 *p, u64 value) {
#if PDC_ON_DEVICE
    asm volatile("st.relaxed.sys.u64 [%0], %1;" ::"l"(p), "l"(value) : "memory");
#else
    __atomic_store_n(p, value, __ATOMIC_RELAXED);
#endif
}

/* Nothing before it is done after anything behind it: for slots that may be overwritten while they
   are read, where the order of a counter's own load or store does not reach far enough. */
PDC_FN void pdc_fence() {
#if PDC_ON_DEVICE
    asm volatile("fence.acq_rel.sys;" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_ACQ_REL);
#endif
}

/* The counters of the ports that a burst works on.  On the host another thread is at the other end.
   On a device they are a copy that nobody else touches (resident.h moves the messages), and an
   order for the whole system, which costs a microsecond a time there, would order nothing. */
#if PDC_ON_DEVICE || defined(PDC_EMULATE)
PDC_FN u64 pdc_port_load(const u64 *p) { return *p; }
PDC_FN void pdc_port_store(u64 *p, u64 value) { *p = value; }
PDC_FN void pdc_port_fence() {}
#else
PDC_FN u64 pdc_port_load(const u64 *p) { return pdc_load_acquire_u64(p); }
PDC_FN void pdc_port_store(u64 *p, u64 value) { pdc_store_release_u64(p, value); }
PDC_FN void pdc_port_fence() { pdc_fence(); }
#endif

/* Between two polls: lets the other side have the memory port, the core or the issue slot. */
PDC_FN void pdc_pause() {
#if PDC_ON_DEVICE
    __nanosleep(64);
#elif defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield" ::: "memory");
#endif
}

/* The running interpreter uses the C library's functions; so does the host path.  They are
   declared by hand, and the host compiler is told (-fno-builtin) not to fold calls of constants
   with a library of its own. */
#if !PDC_ON_DEVICE
extern "C" {
f64 acos(f64); f64 acosh(f64); f64 asin(f64); f64 asinh(f64); f64 atan(f64); f64 atan2(f64, f64);
f64 atanh(f64); f64 cbrt(f64); f64 cos(f64); f64 cosh(f64); f64 erf(f64); f64 erfc(f64);
f64 exp(f64); f64 exp2(f64); f64 expm1(f64); f64 fma(f64, f64, f64); f64 fmod(f64, f64);
f64 log(f64); f64 log10(f64); f64 log1p(f64); f64 log2(f64); f64 pow(f64, f64); f64 sin(f64);
f64 sinh(f64); f64 tan(f64); f64 tanh(f64);
f32 expf(f32); f32 fmodf(f32, f32); f32 powf(f32, f32);
}
#endif

PDC_FN f64 pdc_sqrt(f64 x) {
#if PDC_ON_DEVICE
    return __dsqrt_rn(x);
#else
    return __builtin_sqrt(x);
#endif
}

/* Rounds towards minus infinity, as a float; the sign of zero is kept. */
PDC_FN f64 pdc_floor(f64 x) {
#if PDC_ON_DEVICE
    return floor(x);
#elif defined(__SSE4_1__) || defined(__aarch64__)
    return __builtin_floor(x);
#else
    if (!(pdc_fabs(x) < 4503599627370496.0)) return x;
    f64 t = (f64)(i64)x;
    return pdc_copysign(t > x ? t - 1.0 : t, x);
#endif
}

#endif
