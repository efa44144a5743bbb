/* population.h: turns of many actors in a row, from ring to ring.  Each message goes to the instance
   of its key: `actor->state` is that instance's for the time of its turn, so that all that knows one
   actor's state knows it.  PDC_RESTS: behind a message, a turn surely waits for the next one. */

#define PDC_AHEAD 32 /* messages whose instances are looked up together */

/* The instances of the next messages, as far as their hashes tell. */
struct pdc_lookahead {
    u64 numbers[PDC_AHEAD];
    u64 first, count;
};

/* Look up the next messages: fetch all their buckets into the cache, then all records that these
   name; so most of the time that it takes to fetch one is spent on the others. */
PDC_FN void pdc_look_ahead(const pdc_population *p, const pdc_source &in, pdc_lookahead *ahead) {
    const u64 *const buckets = (const u64 *)p->buckets;
    const u64 waiting = in.head - in.tail;
    const u64 count = waiting < PDC_AHEAD ? waiting : PDC_AHEAD;
    ahead->first = in.tail;
    ahead->count = count;
    for (u64 n = 0; n < count; ++n) {
        const u64 hash = pdc_hash_key(p, pdc_key_of(in.slots[(in.tail + n) & in.mask]));
        ahead->numbers[n] = hash;
        __builtin_prefetch(&buckets[hash & p->mask]);
    }
    for (u64 n = 0; n < count; ++n) {
        const u64 number = ahead->numbers[n] = pdc_guess(p, ahead->numbers[n]);
        if (number == PDC_NO_INSTANCE) continue;
        const u8 *const found = (const u8 *)pdc_instance_at(p, number);
        __builtin_prefetch(found, 1);
        if (sizeof(pdc_instance) > 32) __builtin_prefetch(found + 63, 1);
    }
}

/* The instance that a message is for becomes the current one; or why it cannot. */
PDC_FN i32 pdc_choose(pdc_actor *actor, pdc_population *p, const pdc_source &in,
                      const pdc_input_slot &message, pdc_lookahead *ahead) {
    const pdc_instance_key key = pdc_key_of(message);
    u64 number = PDC_NO_INSTANCE;
    if (in.policy != PDC_DROP_OLDEST) {
        if (in.tail - ahead->first >= ahead->count) pdc_look_ahead(p, in, ahead);
        number = ahead->numbers[in.tail - ahead->first];
    }
    if (PDC_UNLIKELY(number == PDC_NO_INSTANCE ||
                     !pdc_same_key(pdc_instance_at(p, number)->key, key))) {
        number = pdc_find_key(p, key, pdc_hash_key(p, key));
        if (number == PDC_NO_INSTANCE) return PDC_BEGIN;
    }
    pdc_instance *const instance = pdc_instance_at(p, number);
    p->current = number;
    actor->state = &instance->state;
    if (PDC_LIKELY(instance->flags == PDC_BEGUN)) return PDC_MORE;
    if (instance->flags & PDC_BY_HOST) return PDC_OF_HOST;
    if (instance->flags & PDC_RESERVED) return PDC_BEGIN;
    instance->flags = PDC_BEGUN;
    p->begun += 1;
    return PDC_MORE;
}

PDC_ENTRY i32 pdc_burst(void *block, u64 limit) {
    pdc_actor *const actor = (pdc_actor *)block;
    pdc_population *const population = actor->population;
    pdc_context context = {};
    context.actor = actor;
    context.fuel = actor->fuel;
    context.state_size = sizeof(pdc_state);
    context.log_used = actor->log_used;
    pdc_source in = pdc_source_of(actor->input);
    pdc_sink out = pdc_sink_of(actor->output, actor->produced);
    const u64 first = in.tail, skipped = actor->skipped;
    actor->code = 0;
    actor->event = 0;
    actor->timeout = PDC_NAN;
    pdc_input_slot copy;
    pdc_lookahead ahead;
    ahead.first = ahead.count = 0;
    i32 status = PDC_MORE;

    for (u64 done = 0; status == PDC_MORE; ++done) {
        if (!pdc_may_begin(out)) {
            status = PDC_FULL;
            break;
        }
        if (done == limit) break;
        const bool awake = !PDC_RESTS && population->awake;
        const pdc_input_slot *message = nullptr;
        if (!awake) {
            message = pdc_peek(in, &copy, &actor->skipped);
            status = message == nullptr ? PDC_IDLE
                                        : pdc_choose(actor, population, in, *message, &ahead);
            if (PDC_UNLIKELY(status != PDC_MORE)) break;
        }
        pdc_state *const state = (pdc_state *)actor->state;
        pdc_variables variables = pdc_load(*state);
        pdc_tidy_all(variables);
        const u64 before = out.produced, logged = context.log_used;
        out.input = in.tail;
        out.taken = out.token = 0;
        context.refused = context.timed_out = 0;
        status = pdc_turn(variables, message, out, &context);
        if (PDC_UNLIKELY(!pdc_is_whole(status))) {
            status = pdc_rollback(&context, status, out.produced - before);
            out.produced = before;
            context.log_used = logged;
            if (!awake || status != PDC_IDLE) break;
            population->awake = 0; /* it waits for its next message */
            actor->timeout = PDC_NAN;
            status = PDC_MORE;
            continue;
        }
        pdc_settle(&context, variables);
        pdc_store(*state, variables);
        in.tail += out.taken;
        if (!PDC_RESTS) population->awake = awake || out.taken;
    }

    actor->processed += in.tail - first - (actor->skipped - skipped);
    actor->log_used = context.log_used;
    return pdc_end_burst(actor, in, out, status);
}

/* --- for the host, between bursts ------------------------------------------------------------- */

/* The keys of messages in slots that lie in a row. */
PDC_ENTRY void pdc_keys_of(const pdc_input_slot *slots, u64 count, pdc_instance_key *keys) {
    for (u64 n = 0; n < count; ++n) keys[n] = pdc_key_of(slots[n]);
}

/* The numbers of the instances with these keys, or PDC_NO_INSTANCE. */
PDC_ENTRY void pdc_find_keys(const pdc_population *p, const pdc_instance_key *keys, u64 count, u64 *numbers) {
    for (u64 n = 0; n < count; ++n) numbers[n] = pdc_find_key(p, keys[n], pdc_hash_key(p, keys[n]));
}

/* Records for the keys that have none, in order, as long as there are no more than `most` in all.
   Returns how many of the keys have one then. */
PDC_ENTRY u64 pdc_reserve(pdc_population *p, const pdc_instance_key *keys, u64 count, u64 most) {
    for (u64 n = 0; n < count; ++n) {
        const u64 hash = pdc_hash_key(p, keys[n]);
        if (pdc_find_key(p, keys[n], hash) != PDC_NO_INSTANCE) continue;
        if (p->count == most) return n;
        pdc_add_key(p, keys[n], hash);
    }
    return count;
}

/* This state for the instances of the next messages that have none, for at most so many, as long as
   there are no more than `limit` in all.  Returns for how many. */
PDC_ENTRY u64 pdc_begin_waiting(pdc_actor *actor, const pdc_state *state, u64 most, u64 limit) {
    pdc_population *const p = actor->population;
    const pdc_source in = pdc_source_of(actor->input);
    u64 begun = 0;
    for (u64 at = in.tail; at != in.head && begun < most; ++at) {
        const pdc_instance_key key = pdc_key_of(in.slots[at & in.mask]);
        const u64 hash = pdc_hash_key(p, key);
        u64 number = pdc_find_key(p, key, hash);
        if (number == PDC_NO_INSTANCE) {
            if (p->count == limit) break;
            number = pdc_add_key(p, key, hash);
        }
        pdc_instance *const instance = pdc_instance_at(p, number);
        if (instance->flags != PDC_RESERVED) continue;
        pdc_memcpy(&instance->state, state, sizeof(*state));
        instance->flags = PDC_NEW;
        ++begun;
    }
    return begun;
}

PDC_ENTRY void pdc_forget(pdc_population *p, u64 number) { pdc_remove_key(p, number); }

/* Other buckets, all zero, for all keys. */
PDC_ENTRY void pdc_rehash(pdc_population *p, void *buckets, u64 mask) {
    p->buckets = buckets;
    p->mask = mask;
    for (u64 number = 0; number < p->used; ++number) {
        const pdc_instance *const instance = pdc_instance_at(p, number);
        if (instance->flags != PDC_VACANT)
            pdc_put_bucket(p, pdc_hash_key(p, instance->key), number);
    }
}
