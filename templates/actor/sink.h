/* sink.h: the two ends of a turn: where its message comes from, and where its outputs go.  Both are
   slots of a ring, or of an array laid out as one. */

/* The messages of a burst. */
struct pdc_source {
    pdc_port *port;
    const pdc_input_slot *slots;
    u64 mask, policy;
    u64 tail, head; /* messages consumed, and published, ever */
};

/* The outputs of a burst.  It stays in registers: only slow paths get its address. */
struct pdc_sink {
    pdc_port *port;
    pdc_output_slot *slots;
    u64 mask, policy, bound;
    u64 room;     /* slots that may be in use */
    u64 floor;    /* outputs that the host had read when we looked last */
    u64 produced; /* outputs, ever, with those of the turn in hand */
    u64 input;    /* the number of the message that the turn may receive */
    u64 taken;    /* messages that the turn has received: 0 or 1 */
    u64 token;    /* what the host calls that message, if slots have headers */
    i32 fuel;     /* turns of inner loops, until the host is looked at */
};

PDC_FN pdc_source pdc_source_of(pdc_port *in) {
    return {in, (const pdc_input_slot *)in->slots, in->mask, in->policy, in->tail,
            pdc_port_load(&in->head)};
}

PDC_FN pdc_sink pdc_sink_of(pdc_port *out, u64 produced) {
    pdc_sink sink = {out, (pdc_output_slot *)out->slots, out->mask, out->policy, out->bound};
    sink.produced = produced;
    sink.fuel = PDC_FUEL_CHUNK;
    if (sink.policy == PDC_DROP_OLDEST) {
        sink.bound = PDC_U64_MAX;
        sink.room = out->capacity - out->bound;
        sink.floor = out->head;
    } else {
        sink.room = sink.policy == PDC_REJECT ? out->bound : out->capacity;
        sink.floor = pdc_port_load(&out->tail);
    }
    return sink;
}

/* --- the message ------------------------------------------------------------------------------ */

/* DROP_OLDEST: whether the producer has overtaken us; then on to the oldest message there is. */
PDC_SLOW bool pdc_overtaken(pdc_port *port, u64 *head, u64 *tail, u64 *skipped) {
    pdc_port_fence();
    *head = pdc_port_load(&port->head);
    if (*head - *tail <= port->bound) return false;
    *skipped += *head - port->bound - *tail;
    *tail = *head - port->bound;
    return true;
}

/* The oldest message, copied while the producer may overwrite its slot. */
PDC_FN void pdc_copy_oldest(pdc_source &in, pdc_input_slot *copy, u64 *skipped) {
    u64 head = in.head, tail = in.tail;
    pdc_overtaken(in.port, &head, &tail, skipped);
    do *copy = in.slots[tail & in.mask];
    while (pdc_overtaken(in.port, &head, &tail, skipped));
    in.head = head;
    in.tail = tail;
}

/* The next message, or null if there is none: in its slot, or in `copy`. */
PDC_FN const pdc_input_slot *pdc_peek(pdc_source &in, pdc_input_slot *copy, u64 *skipped) {
    if (in.tail == in.head) in.head = pdc_port_load(&in.port->head);
    if (in.tail == in.head) return nullptr;
    if (PDC_LIKELY(in.policy != PDC_DROP_OLDEST)) return &in.slots[in.tail & in.mask];
    pdc_copy_oldest(in, copy, skipped);
    return copy;
}

/* receive(): whether there is a message. */
PDC_FN bool pdc_receive(pdc_sink &out, const pdc_input_slot *in) {
    out.taken = in != nullptr;
    return in != nullptr;
}

/* receive() without a message and without a time-out. */
PDC_FN i32 pdc_wait(pdc_context *t) {
    t->actor->timeout = PDC_NAN;
    return PDC_IDLE;
}

/* receive() without a message: whether the turn waits, for so many seconds; else it has waited. */
PDC_FN bool pdc_waits(pdc_context *t, f64 limit, i32 line) {
    t->actor->timeout = limit;
    if (t->actor->event == 0) return true;
    t->timed_out = 1;
    t->actor->event = 0;
    t->actor->timeouts += 1;
    t->error.line = line;
    pdc_raise(&t->error, PDC_QUEUE_TIMEOUT);
    return false;
}

/* --- the outputs ------------------------------------------------------------------------------ */

/* The output slots look used up: look again at what the host has read. */
PDC_SLOW bool pdc_find_room(pdc_context *t, pdc_port *port, u64 produced, u64 room, u64 *floor) {
    if (port->policy != PDC_DROP_OLDEST) *floor = pdc_port_load(&port->tail);
    if (produced - *floor < room) return true;
    if (port->policy == PDC_REJECT) {
        t->refused += 1;
        t->actor->rejected += 1;
        pdc_raise(&t->error, PDC_QUEUE_FULL);
    } else {
        pdc_raise(&t->error, PDC_NO_SLOT);
    }
    return false;
}

/* Room for one more output, or QueueFullError (REJECT), or a call for more slots. */
PDC_FN bool pdc_has_room(pdc_sink &out, pdc_context *t) {
    if (PDC_LIKELY(out.produced - out.floor < out.room)) return true;
    u64 floor = out.floor;
    const bool found = pdc_find_room(t, out.port, out.produced, out.room, &floor);
    out.floor = floor;
    return found;
}

/* send(): the message is published when the turn is whole.  False if it has raised. */
template <class M>
PDC_FN bool pdc_send(pdc_sink &out, pdc_context *t, const M &message, i32 line, u32 header = 0) {
    if (PDC_UNLIKELY(!pdc_has_room(out, t))) {
        t->error.line = line;
        return false;
    }
    const u64 at = out.produced & out.mask;
    pdc_write(out.slots[at], message, out.token, header);
    if (PDC_UNLIKELY(t->actor->record_origin)) out.port->source[at] = out.taken ? out.input : ~0ULL;
    ++out.produced;
    return true;
}
