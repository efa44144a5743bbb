/* context.h: what every function of a turn is given: error word, fuel, log. */
#define PDC_FUEL_CHUNK 1024

/* Of the turn in hand; and the actor, whose host may want it to stop. */
struct pdc_context {
    pdc_error error;
    i64 fuel;
    pdc_actor *actor;
    u64 state_size;
    u64 journal_used;
    u64 log_used;
    u32 refused;   /* outputs of this turn */
    u32 timed_out; /* its receive: 0 or 1 */
};

/* Macros, because attributes are written differently: a function of the user's, and an entry for the
   host to call. */
#if PDC_ON_DEVICE
#define PDC_PY static __device__
#define PDC_ENTRY extern "C" __device__ __noinline__
#else
#define PDC_PY static __attribute__((unused))
#define PDC_ENTRY extern "C" __attribute__((visibility("default")))
#endif

/* An expression that raises instead of having a value. */
template <class T> PDC_FN T pdc_raising(pdc_error *e, i32 code) {
    pdc_raise(e, code);
    return T{};
}

/* Whether two floats are equal inside of tuples and messages, where an object is equal to itself,
   even NaN: only the interpreter knows objects. */
template <class T> PDC_FN bool pdc_same_float(pdc_error *e, T a, T b) {
    if (a != a && b != b) pdc_raise(e, PDC_DEOPT_NAN);
    return a == b;
}

/* The id of a constant string. */
PDC_FN u64 pdc_string(const pdc_context *t, u32 index) { return t->actor->strings[index]; }

/* Whether an error is set, of this line if it has none yet. */
PDC_FN bool pdc_raised(pdc_context *t, i32 line) {
    if (PDC_LIKELY(t->error.code == 0)) return false;
    if (t->error.line == 0) t->error.line = line;
    return true;
}

/* A chunk of inner loop turns is used up: more, or a reason to leave (negative). */
PDC_SLOW i32 pdc_refuel(pdc_context *t) {
    if (t->actor->fuel >= 0) {
        t->fuel -= PDC_FUEL_CHUNK;
        if (t->fuel < 0) {
            pdc_raise(&t->error, PDC_PREEMPT);
            return -1;
        }
    }
    else if (pdc_load_acquire_u32(t->actor->watch)) {
        pdc_raise(&t->error, PDC_STOP);
        return -1;
    }
    return PDC_FUEL_CHUNK;
}

/* The end of a loop's body: whether the turn has to stop here. */
PDC_FN bool pdc_spent(i32 &fuel, pdc_context *t, i32 line) {
    if (PDC_LIKELY(--fuel >= 0)) return false;
    fuel = pdc_refuel(t);
    if (fuel >= 0) return false;
    t->error.line = line;
    return true;
}

/* A record in the log, for so many bytes behind its head; a log that is full gives none. */
PDC_SLOW u8 *pdc_log_record(pdc_context *t, u32 site, u64 bytes) {
    const u64 size = 8 + ((bytes + 7) & ~7ull);
    if (t->log_used + size > t->actor->log_size) {
        pdc_raise(&t->error, PDC_NO_LOG);
        return 0;
    }
    u8 *const record = (u8 *)t->actor->log + t->log_used;
    ((u32 *)record)[0] = site;
    ((u32 *)record)[1] = (u32)size;
    t->log_used += size;
    return record + 8;
}

/* What stands for a record: its place, in units of 8 bytes. */
PDC_FN u64 pdc_log_place(pdc_context *t, const u8 *values) {
    return 0x8000000000000000ull | (u64)((values - 8 - (const u8 *)t->actor->log) / 8);
}

/* Writes a record for the host: which call, and its values. The result stands for the string that
   the host makes of them. */
template <class T> PDC_SLOW u64 pdc_log(pdc_context *t, u32 site, T values) {
    u8 *const place = pdc_log_record(t, site, sizeof(T));
    if (place == 0) return 0;
    pdc_memcpy(place, &values, sizeof(T));
    return pdc_log_place(t, place);
}

/* An int that says how long a text is to be; the interpreter knows what others mean. */
PDC_FN i64 pdc_length(pdc_error *e, i64 n, i64 most) {
    if ((u64)n > (u64)most) pdc_raise(e, PDC_DEOPT_TYPE);
    return n;
}

/* How many values range(start, stop, step) has. */
PDC_FN u64 pdc_range_length(pdc_error *e, i64 start, i64 stop, i64 step) {
    if (PDC_UNLIKELY(step == 0)) {
        pdc_raise(e, PDC_VALUE_RANGE_STEP);
        return 0;
    }
    if (step > 0) return start < stop ? ((u64)stop - (u64)start - 1) / (u64)step + 1 : 0;
    return start > stop ? ((u64)start - (u64)stop - 1) / (0 - (u64)step) + 1 : 0;
}

PDC_FN i64 pdc_range_next(i64 value, i64 step) { return (i64)((u64)value + (u64)step); }
