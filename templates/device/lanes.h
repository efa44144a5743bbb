/* lanes.h: turns that leave nothing behind but what they send, dealt out to the lanes.  Each lane
   bursts its part with ports of its own, laid over the same slots; a part that ends in anything but
   an empty queue (an exception, a deoptimisation, the loop left) makes the attempt void, and one
   lane does it all in order. */
#define PDC_WORTH_DEALING 64
#define PDC_VOID (1ULL << 48) /* for a part's outputs: more than any number of parts can make */

struct pdc_parts {
    u64 first, count, share; /* messages: where they begin, how many, how many a lane */
    u64 at;                  /* where the first output may be */
    u64 sums[2][PDC_LANE_COUNT]; /* outputs of a lane and of those before it; what it was made from */
    u64 total;
    f64 timeout;
    bool whole;  /* all parts came to their end */
    bool placed; /* there were gaps between them, and each output has been put into its place */
};

PDC_FN void pdc_deal(pdc_parts *p, u64 first, u64 count, u64 at) {
    p->first = first;
    p->count = count;
    p->at = at;
    p->share = (count + PDC_LANE_COUNT - 1) / PDC_LANE_COUNT;
    p->whole = p->placed = false;
}

PDC_FN u64 pdc_part_at(const pdc_parts *p, u64 lane) {
    return p->at + lane * p->share * PDC_MAX_SENDS;
}

/* One lane: its part; returns how many outputs it made. */
PDC_SLOW u64 pdc_run_part(pdc_parts *p, const pdc_actor *local, u64 lane) {
    const u64 end = p->first + p->count;
    pdc_actor actor;
    pdc_port in, out;
    pdc_copy_record(&actor, local);
    pdc_copy_record(&in, local->input);
    pdc_copy_record(&out, local->output);
    actor.input = &in;
    actor.output = &out;
    in.tail = p->first + lane * p->share;
    in.head = in.tail + p->share;
    if (in.tail > end) in.tail = end;
    if (in.head > end) in.head = end;
    out.head = out.tail = actor.produced = pdc_part_at(p, lane);
    const i32 status = pdc_burst(&actor, PDC_U64_MAX);
    if (lane == 0) p->timeout = actor.timeout;
    return status == PDC_IDLE && in.tail == in.head ? actor.produced - out.tail : PDC_VOID;
}

/* All lanes: sums of the outputs up to each lane, of twice as many lanes each time (Hillis and
   Steele, "Data parallel algorithms", 1986). */
PDC_FN const u64 *pdc_add_up(pdc_parts *p) {
    u32 from = 0;
#pragma unroll 1
    for (u64 step = 1; step < PDC_LANE_COUNT; step *= 2, from ^= 1) {
        PDC_LANES(n, PDC_LANE_COUNT)
            p->sums[from ^ 1][n] = p->sums[from][n] + (n >= step ? p->sums[from][n - step] : 0);
        pdc_together();
    }
    return p->sums[from];
}

/* Which part an output is in: the first lane up to which there are more. */
PDC_FN u64 pdc_part_of(const u64 *sums, u64 output) {
    u64 lane = 0;
    for (u64 step = PDC_LANE_COUNT / 2; step; step /= 2)
        if (sums[lane + step - 1] <= output) lane += step;
    return lane;
}
