/* population.h: turns of many actors in a row, from ring to ring.  Each message goes to the instance
   of its key: `actor->state` is that instance's for the time of its turn, so that all that knows one
   actor's state knows it.  PDC_RESTS: behind a message, a turn surely waits for the next one. */

#define PDC_AHEAD 16 /* messages whose instances are fetched into the cache together */
#define PDC_CACHED 4096 /* so few instances are in the cache anyway */

/* The hashes of the next messages. */
struct pdc_hashes {
    u64 of[PDC_AHEAD];
    u64 first, count;
};

/* Fetch the instances of the next messages: first all buckets, then all that these name. */
PDC_FN void pdc_fetch_ahead(const pdc_population *p, const pdc_source &in, pdc_hashes *ahead) {
    const u64 *const buckets = (const u64 *)p->buckets;
    const u64 waiting = in.head - in.tail;
    ahead->first = in.tail;
    ahead->count = waiting < PDC_AHEAD ? waiting : PDC_AHEAD;
    for (u64 n = 0; n < ahead->count; ++n) {
        ahead->of[n] = pdc_hash_key(p, pdc_key_of(in.slots[(in.tail + n) & in.mask]));
        __builtin_prefetch(&buckets[ahead->of[n] & p->mask]);
    }
    for (u64 n = 0; n < ahead->count; ++n) {
        const u64 bucket = buckets[ahead->of[n] & p->mask];
        if (bucket == 0) continue;
        const u8 *const found = (const u8 *)pdc_instance_at(p, (u32)bucket - 1);
        __builtin_prefetch(found, 1);
        if (sizeof(pdc_instance) > 32) __builtin_prefetch(found + 63, 1);
    }
}

/* The instance that a message is for becomes the current one; or why it cannot. */
PDC_FN i32 pdc_choose(pdc_actor *actor, pdc_population *p, const pdc_source &in,
                      const pdc_input_slot &message, pdc_hashes *ahead) {
    const pdc_instance_key key = pdc_key_of(message);
    u64 hash;
    if (p->count > PDC_CACHED && in.policy != PDC_DROP_OLDEST) {
        if (in.tail - ahead->first >= ahead->count) pdc_fetch_ahead(p, in, ahead);
        hash = ahead->of[in.tail - ahead->first];
    } else {
        hash = pdc_hash_key(p, key);
    }
    const u64 number = pdc_find_key(p, key, hash);
    if (PDC_UNLIKELY(number == PDC_NO_INSTANCE)) return PDC_BEGIN;
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
    pdc_hashes ahead;
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

/* This state for the instances of the next messages that have none, at most so many; there must be
   room for them.  Returns how many. */
PDC_ENTRY u64 pdc_begin_waiting(pdc_actor *actor, const pdc_state *state, u64 most) {
    pdc_population *const p = actor->population;
    const pdc_source in = pdc_source_of(actor->input);
    u64 begun = 0;
    for (u64 at = in.tail; at != in.head && begun < most; ++at) {
        const pdc_instance_key key = pdc_key_of(in.slots[at & in.mask]);
        const u64 hash = pdc_hash_key(p, key);
        u64 number = pdc_find_key(p, key, hash);
        if (number == PDC_NO_INSTANCE) number = pdc_add_key(p, key, hash);
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
