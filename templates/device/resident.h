/* resident.h: the persistent kernel.  A block runs one actor, by its record; its lanes move messages
   between the host's rings and memory of the device, and one of them runs pdc_burst there.
   With PDC_EMULATE the same text runs on the host, lanes as loops and blocks in turn; with
   PDC_THREADED as well, lanes as threads, for ThreadSanitizer to watch. */

/* One residency of one actor, shared by the lanes. */
struct pdc_residency {
    pdc_residency_record record; /* as the host left it */
    pdc_residency_record *at;
    pdc_port *input; /* the host's counters */
    pdc_port *output;
    const void *in_slots; /* the host's rings, which stay where they are during a residency */
    void *out_slots, *out_source;
    u64 in_mask, out_mask;
    u64 start;
    u64 last; /* when there was work */
    u64 busy_ns;
    u64 polls;
    u64 budget;
    u64 first, count;   /* inputs staged in this poll */
    u64 copied, copies; /* outputs in the host's ring; outputs to be copied there */
    u64 published, consumed; /* what the host has been told */
    u64 tail; /* of the outputs, in the poll before */
    pdc_parts parts;
    i32 status;
    u32 leave;
    bool run, staying;
};

/* The actor's record and ports are laid over memory of the device. */
PDC_FN void pdc_sit_down(pdc_residency *s, pdc_residency_record *at, u8 *stage, const pdc_machine *machine) {
    pdc_actor *const local = s->record.local;
    s->at = at;
    s->input = s->record.input;
    s->output = s->record.output;
    local->input = (pdc_port *)(local + 1);
    local->output = local->input + 1;
    s->in_slots = local->input->slots;
    s->in_mask = local->input->mask;
    s->out_slots = local->output->slots;
    s->out_source = local->output->source;
    s->out_mask = local->output->mask;
    local->state = s->record.state;
    local->heap = s->record.journal;
    *(u64 *)s->record.journal = s->record.journal_size;
    local->strings = s->record.strings;
    local->watch = &s->record.actor->stop;
    local->fuel = -1;
    local->input->slots = s->record.stage ? s->record.stage : stage;
    local->input->mask = s->record.stage_mask;
    local->output->slots = s->record.slots;
    local->output->source = s->record.sources;
    s->start = s->last = pdc_clock_ns(machine);
    s->busy_ns = s->polls = 0;
    s->budget = s->record.budget;
    s->copied = local->produced;
    s->published = local->output->head;
    s->consumed = local->input->tail;
    s->tail = local->output->tail;
    s->parts.whole = s->parts.placed = false;
    s->status = PDC_MORE;
    s->staying = true;
}

/* All lanes: begin a residency, in as few trips over the bus as there are addresses to follow. */
PDC_FN void pdc_arrive(pdc_residency *s, pdc_residency_record *at, u8 *stage, const pdc_machine *machine) {
    pdc_fetch(&s->record, at, sizeof(pdc_residency_record) / 8);
    pdc_together();
    pdc_actor *const local = s->record.local;
    pdc_fetch_joined(local, {s->record.actor, s->record.input, s->record.output});
    pdc_together();
    if (s->record.load) {
        pdc_copy(s->record.state, s->record.mirror, s->record.state_size);
        pdc_copy(s->record.strings, local->strings, 8 * s->record.string_count);
        pdc_together();
    }
    if (pdc_first_lane()) pdc_sit_down(s, at, stage, machine); /* the same lane looks next */
}

/* How many messages may be dealt out: those for whose outputs there is room, whatever they send.
   Outputs that wait for room are beyond the bound already. */
PDC_FN u64 pdc_fits(const pdc_residency *s) {
    const pdc_actor *const local = s->record.local;
    const pdc_port *const out = local->output;
    const u64 waiting = local->produced - out->tail;
    if (!PDC_INDEPENDENT || out->policy != PDC_BLOCK || waiting > out->bound) return 0;
    return PDC_MAX_SENDS ? (out->bound - waiting) / PDC_MAX_SENDS : PDC_U64_MAX;
}

/* What does the host want, and what is there to do?  The outputs' tail is looked at after the
   inputs' head: whoever took an output before sending this message has made room for it. */
PDC_FN void pdc_look(pdc_residency *s) {
    pdc_actor *const local = s->record.local;
    pdc_port *const in = local->input, *const out = local->output;
    u32 leave, stop;
    const u64 head = pdc_poll(&s->at->leave, &s->record.actor->stop, &s->input->head, &leave, &stop);
    s->leave = stop ? (u32)PDC_LEAVE_NOW : leave;
    if (in->policy == PDC_DROP_OLDEST && head - in->tail > in->bound) {
        local->skipped += head - in->bound - in->tail;
        in->tail = head - in->bound;
    }
    u64 count = head - in->tail;
    if (count > s->record.peak) s->record.peak = count;
    if (count > s->record.stage_mask + 1) count = s->record.stage_mask + 1;
    if (count > s->record.burst && !PDC_INDEPENDENT) count = s->record.burst;
    if (count > s->budget) count = s->budget;
    s->tail = out->tail;
    if (out->policy == PDC_REJECT || s->status != PDC_IDLE
        || (out->policy == PDC_BLOCK && local->produced - out->tail >= out->bound / 2))
        out->tail = pdc_load_acquire_u64(&s->output->tail);
    const u64 fits = pdc_fits(s);
    if (count > fits && fits >= PDC_WORTH_DEALING) count = fits;
    s->first = in->tail;
    s->count = count;
    s->run = count > 0 || s->status == PDC_MORE || out->tail != s->tail;
    ++s->polls;
}

/* One burst over what has been staged. */
PDC_FN void pdc_run(pdc_residency *s, const pdc_machine *machine) {
    pdc_actor *const local = s->record.local;
    pdc_port *const in = local->input, *const out = local->output;
    if (in->policy == PDC_DROP_OLDEST && s->count) { /* were slots overwritten meanwhile? */
        pdc_fence();
        if (pdc_load_acquire_u64(&s->input->head) - s->first > in->bound) s->run = false;
    }
    s->copies = 0;
    if (!s->run) return;
    const u64 policy = in->policy;
    in->policy = PDC_BLOCK; /* nobody overwrites the stage */
    in->head = s->first + s->count;
    const u64 began = pdc_clock_ns(machine);
    s->status = pdc_burst(local, s->record.burst < s->budget ? s->record.burst : s->budget);
    const u64 now = pdc_clock_ns(machine);
    in->policy = policy;
    s->budget -= in->tail - s->first;
    if (in->tail != s->first || out->tail != s->tail) {
        s->busy_ns += now - began;
        s->last = now;
    }
    s->copies = local->produced - s->copied;
    if (out->policy == PDC_DROP_OLDEST && s->copies > out->bound) { /* the rest is dropped */
        s->copied = local->produced - out->bound;
        s->copies = out->bound;
    }
}

/* The figures that the host may look at in the middle of a residency. */
PDC_FN void pdc_report(pdc_residency *s) {
    const pdc_actor *const local = s->record.local;
    pdc_actor *const host = s->record.actor;
    pdc_store_relaxed_u64(&s->at->busy_ns, s->busy_ns);
    pdc_store_relaxed_u64(&s->at->peak, s->record.peak);
    pdc_store_relaxed_u64(&host->processed, local->processed);
    pdc_store_relaxed_u64(&host->sent, local->sent);
    pdc_store_relaxed_u64(&host->rejected, local->rejected);
    pdc_store_relaxed_u64(&host->timeouts, local->timeouts);
    pdc_store_relaxed_u64(&host->skipped, local->skipped);
}

/* Tell the host, outputs first: what it sees consumed, it sees the answers of; and before it sees
   an output, it is counted. */
PDC_FN void pdc_publish(pdc_residency *s) {
    pdc_actor *const local = s->record.local;
    pdc_port *const in = local->input, *const out = local->output;
    s->copied += s->copies;
    if (s->run) pdc_report(s);
    if (out->head != s->published) {
        s->published = out->head;
        pdc_store_release_u64(&s->output->head, s->published);
        if (out->policy == PDC_DROP_OLDEST) pdc_fence(); /* seen before a slot is used again */
    }
    if (in->tail != s->consumed) {
        s->consumed = in->tail;
        pdc_store_release_u64(&s->input->tail, s->consumed);
    }
}

/* Is there a reason to leave? */
PDC_FN void pdc_decide(pdc_residency *s, u64 resident_ns, u64 polls, const pdc_machine *machine) {
    const pdc_actor *const local = s->record.local;
    const u64 now = pdc_clock_ns(machine);
    if (s->status > PDC_FULL || local->log_used || s->leave == PDC_LEAVE_NOW
        || (s->leave == PDC_LEAVE_WHEN_IDLE && s->count == 0 && s->status != PDC_MORE) || s->budget == 0
        || now - s->last > s->record.idle_ns || now - s->start > resident_ns
        || s->polls == polls || (!PDC_PUBLISHES && local->produced != local->output->head))
        s->staying = false;
}

/* All lanes: each bursts its part of what is staged, if there is room for whatever they may send;
   nothing has happened unless all of them came to their end. */
PDC_FN void pdc_run_side_by_side(pdc_residency *s, const pdc_machine *machine) {
    pdc_actor *const local = s->record.local;
    pdc_port *const in = local->input, *const out = local->output;
    pdc_parts *const parts = &s->parts;
    if (pdc_first_lane()) {
        pdc_deal(parts, s->first, s->count, local->produced);
        if (!s->run || s->count < PDC_WORTH_DEALING || s->count > pdc_fits(s) || local->event
            || local->terminating || in->policy == PDC_DROP_OLDEST)
            parts->share = 0;
        else if (s->polls == 1)
            pdc_burst(local, 0); /* no turn, but what is done once: dicts get their index */
    }
    pdc_together();
    if (parts->share == 0) return;
    const u64 began = pdc_clock_ns(machine);
    PDC_LANES(n, PDC_LANE_COUNT) parts->sums[0][n] = pdc_run_part(parts, local, n);
    pdc_together();
    const u64 *const sums = pdc_add_up(parts);
    if (pdc_first_lane()) {
        parts->total = sums[PDC_LANE_COUNT - 1];
        parts->whole = parts->total < PDC_VOID;
        parts->placed = parts->whole && parts->total < s->count * PDC_MAX_SENDS;
        if (parts->whole) {
            s->status = PDC_IDLE;
            s->last = pdc_clock_ns(machine);
            s->busy_ns += s->last - began;
            s->budget -= s->count;
            s->copies = parts->total;
            in->tail = s->first + s->count;
            local->timeout = parts->timeout;
            local->processed += s->count;
            local->sent += s->copies;
            local->produced += s->copies;
            out->head = local->produced;
        }
    }
    pdc_together();
    if (!parts->placed) return;
    PDC_LANES(n, parts->total) {
        const u64 lane = pdc_part_of(sums, n), before = lane ? sums[lane - 1] : 0;
        const u64 to = (s->copied + n) & s->out_mask;
        const u64 from = (pdc_part_at(parts, lane) + n - before) & out->mask;
        pdc_copy_slot(s->out_slots, to, s->record.slots, from, s->record.output_size);
        if (local->record_origin) pdc_copy_slot(s->out_source, to, s->record.sources, from, 8);
    }
}

/* All lanes: some outputs into the host's ring, with the inputs that they answer. */
PDC_SLOW void pdc_bring_out(pdc_residency *s, u64 to, u64 from, u64 count) {
    pdc_actor *const local = s->record.local;
    const u64 mask = local->output->mask;
    pdc_copy_slots(s->out_slots, s->out_mask, to, s->record.slots, mask, from, count,
                   s->record.output_size);
    if (local->record_origin)
        pdc_copy_slots(s->out_source, s->out_mask, to, s->record.sources, mask, from, count, 8);
}

/* All lanes: one poll. */
PDC_FN void pdc_poll(pdc_residency *s, u64 resident_ns, u64 polls, const pdc_machine *machine) {
    if (pdc_first_lane()) pdc_look(s);
    pdc_together();
    pdc_port *const in = s->record.local->input;
    pdc_copy_slots(in->slots, in->mask, s->first, s->in_slots, s->in_mask, s->first, s->count,
                   s->record.input_size);
    pdc_together();
    if (PDC_INDEPENDENT) pdc_run_side_by_side(s, machine);
    if (pdc_first_lane()) if (!s->parts.whole) pdc_run(s, machine);
    pdc_together();
    if (!s->parts.placed) pdc_bring_out(s, s->copied, s->copied, s->copies);
    pdc_together();
    if (pdc_first_lane()) {
        pdc_publish(s);
        pdc_decide(s, resident_ns, polls, machine);
        if (s->staying && s->count == 0) pdc_pause();
    }
    pdc_together();
}

/* All lanes: leave the state and the report to the host. */
PDC_FN void pdc_depart(pdc_residency *s) {
    pdc_copy(s->record.mirror, s->record.state, s->record.state_size);
    pdc_together();
    if (pdc_first_lane()) {
        const pdc_actor *const local = s->record.local;
        pdc_actor *const host = s->record.actor;
        host->event = local->event;
        host->status = s->status;
        host->code = local->code;
        host->line = local->line;
        host->staged = local->staged;
        host->timeout = local->timeout;
        host->produced = local->produced;
        host->log_used = local->log_used;
        pdc_report(s);
        s->at->polls = s->polls;
        pdc_store_release_u64(&s->at->parked, s->record.epoch);
    }
}

#if PDC_HAS_LANES
/* All lanes: a residency. */
PDC_SLOW void pdc_reside(pdc_residency *residency, pdc_residency_record *record, u8 *stage, u64 resident_ns, u64 polls,
                         const pdc_machine *machine) {
    pdc_arrive(residency, record, stage, machine);
    do pdc_poll(residency, resident_ns, polls, machine);
    while (residency->staying);
    pdc_depart(residency);
}
#endif

#if PDC_ON_DEVICE
#define PDC_KERNEL extern "C" __global__ void __launch_bounds__(PDC_LANE_COUNT)
PDC_KERNEL pdc_resident(pdc_residency_record **records, u64 count, u64 resident_ns) {
    __shared__ pdc_residency residency;
    __shared__ alignas(16) u8 stage[PDC_STAGE_BYTES];
    if (blockIdx.x < count)
        pdc_reside(&residency, records[blockIdx.x], stage, resident_ns, 0, nullptr);
}

/* The same for tools that want kernels to end: so many polls, whatever the clock says. */
PDC_KERNEL pdc_debug_step(pdc_residency_record **records, u64 count, u64 polls) {
    __shared__ pdc_residency residency;
    __shared__ alignas(16) u8 stage[PDC_STAGE_BYTES];
    if (blockIdx.x < count)
        pdc_reside(&residency, records[blockIdx.x], stage, PDC_U64_MAX, polls, nullptr);
}
#elif defined(PDC_THREADED)
extern "C" void pdc_threaded(pdc_residency_record *record, u64 resident_ns, const pdc_machine *machine) {
    static pdc_residency residency;
    alignas(16) static u8 stage[PDC_STAGE_BYTES];
    pdc_reside(&residency, record, stage, resident_ns, 0, machine);
}
#else
/* Blocks in turn: a poll of each. */
static void pdc_reside(pdc_residency_record **records, u64 count, u64 resident_ns, u64 polls,
                       pdc_machine *machine, pdc_residency *residencies) {
    alignas(16) u8 stage[PDC_STAGE_BYTES];
    for (u64 n = 0; n < count; ++n) pdc_arrive(&residencies[n], records[n], stage, machine);
    for (u64 left = count; left;) {
        bool worked = false;
        for (u64 n = 0; n < count; ++n) {
            pdc_residency *const s = &residencies[n];
            if (!s->staying) continue;
            pdc_poll(s, resident_ns, polls, machine);
            if (pdc_load_acquire_u64(&machine->fault)) return;
            worked = worked || s->count;
            if (!s->staying) {
                pdc_depart(s);
                --left;
            }
        }
        pdc_store_release_u64(&machine->rounds, machine->rounds + 1);
        if (!worked) sched_yield();
    }
}

extern "C" {
__attribute__((visibility("default"))) u64 pdc_residency_size = sizeof(pdc_residency);
__attribute__((visibility("default"))) void
pdc_resident(pdc_residency_record **records, u64 count, u64 resident_ns, pdc_machine *machine, void *residencies) {
    pdc_reside(records, count, resident_ns, 0, machine, (pdc_residency *)residencies);
}
__attribute__((visibility("default"))) void
pdc_debug_step(pdc_residency_record **records, u64 count, u64 polls, pdc_machine *machine, void *residencies) {
    pdc_reside(records, count, PDC_U64_MAX, polls, machine, (pdc_residency *)residencies);
}
}
#endif
