/* bus.h: lanes, their clock, and how they move memory between the host and the device.  A trip over
   the bus takes about a microsecond, so all loads of a trip are under way before the first is used. */
#define PDC_AHEAD 8 /* loads that a lane has under way at a time: a trip over the bus is long */

/* Who is a lane: a thread of the device, a thread of the host that tests for races, or, where lanes
   are loops, the only one there is, which does the share of them all. */
#if PDC_ON_DEVICE
#define PDC_HAS_LANES 1
PDC_FN u64 pdc_lane_here() { return threadIdx.x; }
PDC_FN void pdc_together() { __syncthreads(); }
#elif defined(PDC_THREADED)
#define PDC_HAS_LANES 1
extern "C" __thread u64 pdc_lane;
extern "C" void pdc_barrier(void);
PDC_FN u64 pdc_lane_here() { return pdc_lane; }
PDC_FN void pdc_together() { pdc_barrier(); }
#else
#define PDC_HAS_LANES 0
PDC_FN u64 pdc_lane_here() { return 0; }
PDC_FN void pdc_together() {}
#endif
/* A macro, because each `for` names its own variable: the lane's share of so many pieces of work. */
#define PDC_LANES(n, count) \
    for (u64 n = pdc_lane_here(); n < (count); n += PDC_HAS_LANES ? PDC_LANE_COUNT : 1)

PDC_FN bool pdc_first_lane() { return pdc_lane_here() == 0; }

/* What an emulated device is told by its tests, and tells them. */
struct pdc_machine {
    u64 held; /* the clock stands at `now` */
    u64 now;
    u64 fault; /* kernels end as if by an illegal address */
    u64 rounds;
};

#if !PDC_ON_DEVICE
struct pdc_timespec { long seconds, nanoseconds; };
extern "C" int clock_gettime(int, pdc_timespec *);
extern "C" int sched_yield(void);
#endif

PDC_FN u64 pdc_clock_ns(const pdc_machine *machine) {
#if PDC_ON_DEVICE
    u64 now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    return now;
#else
    if (pdc_load_acquire_u64(&machine->held)) return pdc_load_acquire_u64(&machine->now);
    pdc_timespec now;
    clock_gettime(1, &now);
    return (u64)now.seconds * 1000000000ULL + (u64)now.nanoseconds;
#endif
}

/* An actor's record and its two ports, which lie anywhere, read as if they lay side by side. */
struct pdc_joined {
    const pdc_actor *actor;
    const pdc_port *input;
    const pdc_port *output;
};

/* Where unit n is. */
template <class T> PDC_FN const T *pdc_unit_at(const T *from, u32 n) { return from + n; }
PDC_FN const u64 *pdc_unit_at(const pdc_joined &from, u32 n) {
    const u32 record = sizeof(pdc_actor) / 8, port = sizeof(pdc_port) / 8;
    return n < record          ? (const u64 *)from.actor + n
           : n < record + port ? (const u64 *)from.input + (n - record)
                               : (const u64 *)from.output + (n - record - port);
}

/* How a unit is read: as it is, or a word that the host may be writing at this moment. */
template <bool watched, class T> PDC_FN T pdc_unit(const T *from) {
    if constexpr (watched) return pdc_load_relaxed_u64(from);
    else return *from;
}

/* One lane: every PDC_LANE_COUNT-th of some units, so that neighbours copy neighbouring ones and
   the bus sees whole lines.  The loads come before the stores they are for: else each would wait
   for the one before it. */
template <u32 ahead, bool watched = false, class T, class From>
PDC_FN void pdc_copy_share(T *to, const From &from, u32 count, u32 lane) {
#pragma unroll 1
    for (u32 first = lane; first < count; first += ahead * PDC_LANE_COUNT) {
        T held[ahead];
#pragma unroll
        for (u32 k = 0; k < ahead; ++k)
            if (first + k * PDC_LANE_COUNT < count)
                held[k] = pdc_unit<watched>(pdc_unit_at(from, first + k * PDC_LANE_COUNT));
#pragma unroll
        for (u32 k = 0; k < ahead; ++k)
            if (first + k * PDC_LANE_COUNT < count) to[first + k * PDC_LANE_COUNT] = held[k];
    }
}

struct alignas(16) pdc_sixteen { u64 a, b; };

/* All lanes: bytes, of less than 4 GiB; sixteen at a time where both sides are aligned alike, as
   slots of rings are. */
PDC_SLOW void pdc_copy(void *target, const void *source, u64 bytes) {
    u8 *const to = (u8 *)target;
    const u8 *const from = (const u8 *)source;
    const u32 size = (u32)bytes, at = (u32)(u64)to, mixed = at ^ (u32)(u64)from;
    PDC_LANES(lane, PDC_LANE_COUNT) {
        if ((mixed | at | size) & 3) {
            pdc_copy_share<1>(to, from, size, (u32)lane);
        } else if (mixed & 15) {
            pdc_copy_share<2>((u32 *)to, (const u32 *)from, size / 4, (u32)lane);
        } else {
            const u32 skew = (0 - at) & 15, head = skew < size ? skew : size;
            const u32 odd = head + ((size - head) & 15), mine = 4 * (u32)lane;
            const u32 edge_at = mine < head ? mine : size - odd + mine;
            u32 edge = 0; /* one of the words before and behind the aligned ones */
            if (mine < odd) edge = *(const u32 *)(from + edge_at);
            pdc_copy_share<PDC_AHEAD>((pdc_sixteen *)(to + head), (const pdc_sixteen *)(from + head),
                                      (size - head) / 16, (u32)lane);
            if (mine < odd) *(u32 *)(to + edge_at) = edge;
        }
    }
}

/* All lanes: slots from one ring to another, of another length. */
PDC_SLOW void pdc_copy_slots(void *to, u64 to_mask, u64 to_first, const void *from, u64 from_mask,
                           u64 from_first, u64 count, u64 size) {
    for (u64 done = 0; done < count;) {
        const u64 a = (to_first + done) & to_mask, b = (from_first + done) & from_mask;
        u64 piece = count - done;
        if (piece > to_mask + 1 - a) piece = to_mask + 1 - a;
        if (piece > from_mask + 1 - b) piece = from_mask + 1 - b;
        pdc_copy((u8 *)to + a * size, (const u8 *)from + b * size, piece * size);
        done += piece;
    }
}

/* One lane: a slot. */
PDC_FN void pdc_copy_slot(void *to, u64 to_at, const void *from, u64 from_at, u64 size) {
    u8 *const t = (u8 *)to + to_at * size;
    const u8 *const f = (const u8 *)from + from_at * size;
    if (size % 8 == 0)
        for (u64 n = 0; n < size / 8; ++n) ((u64 *)t)[n] = ((const u64 *)f)[n];
    else
        for (u64 n = 0; n < size; ++n) t[n] = f[n];
}

/* All lanes: a record of whole lines that the host may be writing to, word by word. */
PDC_SLOW void pdc_fetch(void *to, const void *from, u32 words) {
    PDC_LANES(lane, PDC_LANE_COUNT)
        pdc_copy_share<1, true>((u64 *)to, (const u64 *)from, words, (u32)lane);
}

/* All lanes: as pdc_fetch; three words are under way in each lane, since these are 80, for 32
   lanes. */
PDC_SLOW void pdc_fetch_joined(void *to, pdc_joined from) {
    const u32 words = (sizeof(pdc_actor) + 2 * sizeof(pdc_port)) / 8;
    PDC_LANES(lane, PDC_LANE_COUNT) pdc_copy_share<3, true>((u64 *)to, from, words, (u32)lane);
}

/* What the host wants, and how far its messages go: one trip over the bus, not three. */
PDC_FN u64 pdc_poll(const u32 *leave, const u32 *stop, const u64 *head, u32 *leaves, u32 *stops) {
#if PDC_ON_DEVICE
    u64 value;
    asm volatile("ld.relaxed.sys.u32 %0, [%3];\n\t"
                 "ld.relaxed.sys.u32 %1, [%4];\n\t"
                 "ld.acquire.sys.u64 %2, [%5];"
                 : "=&r"(*leaves), "=&r"(*stops), "=&l"(value)
                 : "l"(leave), "l"(stop), "l"(head) : "memory");
    return value;
#else
    *leaves = __atomic_load_n(leave, __ATOMIC_RELAXED);
    *stops = __atomic_load_n(stop, __ATOMIC_RELAXED);
    return pdc_load_acquire_u64(head);
#endif
}

/* One lane: *to = *from, eight words at a time. */
template <class T> PDC_FN void pdc_copy_record(T *to, const T *from) {
    static_assert(sizeof(T) % 64 == 0, "whole lines");
#pragma unroll 1
    for (u64 n = 0; n < sizeof(T) / 8; n += 8) {
        u64 held[8];
#pragma unroll
        for (u64 k = 0; k < 8; ++k) held[k] = ((const u64 *)from)[n + k];
#pragma unroll
        for (u64 k = 0; k < 8; ++k) ((u64 *)to)[n + k] = held[k];
    }
}
